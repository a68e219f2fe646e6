"""Door and window contact."""

from devices.kind import BATTERY_LOW, LOW_BATTERY, TAMPER, TAMPERED, TEMPERATURE, EventType, StateType, make_kind

CONTACT = make_kind(
    "contact",
    "门窗磁",
    "door or window contact",
    supervision_s=7200,
    metrics=(TEMPERATURE,),
    events=(
        EventType(key="opened", zh="打开", en="opened", contact_id=131),
        EventType(key="closed", zh="关闭", en="closed"),
        TAMPER,
        LOW_BATTERY,
    ),
    states=(
        StateType(key="open", zh="开着", en="open", on="opened", off="closed"),
        TAMPERED,
        BATTERY_LOW,
    ),
)
