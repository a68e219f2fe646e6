"""Door and window contact."""

from devices.kind import LOW_BATTERY, TAMPER, EventType, make_kind

CONTACT = make_kind(
    "contact",
    "门窗磁",
    "door or window contact",
    supervision_s=7200,
    events=(
        EventType(key="opened", zh="打开", en="opened", contact_id=131),
        EventType(key="closed", zh="关闭", en="closed"),
        TAMPER,
        LOW_BATTERY,
    ),
)
