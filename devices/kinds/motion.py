"""Motion detector (passive infrared). Movement is routine: it is a burglary only where an alarm system is armed."""

from devices.kind import (
    BATTERY_LOW,
    FAULT,
    FAULTY,
    ILLUMINANCE,
    LOW_BATTERY,
    TAMPER,
    TAMPERED,
    TEMPERATURE,
    EventType,
    StateType,
    make_kind,
)

MOTION = make_kind(
    "motion",
    "红外探测器",
    "motion detector",
    supervision_s=7200,  # as a contact: on a battery, heard about once an hour
    metrics=(ILLUMINANCE, TEMPERATURE),
    events=(
        EventType(key="motion", zh="有人移动", en="motion", contact_id=130, routine=True),
        EventType(key="motion_cleared", zh="移动停止", en="motion ended", routine=True),
        FAULT,
        TAMPER,
        LOW_BATTERY,
    ),
    states=(
        StateType(key="occupied", zh="有人", en="occupied", on="motion", off="motion_cleared"),
        FAULTY,
        TAMPERED,
        BATTERY_LOW,
    ),
)
