"""Glass break detector: the sound or the shock of a pane that breaks."""

from devices.kind import (
    BATTERY_LOW,
    FAULT,
    FAULTY,
    LOW_BATTERY,
    TAMPER,
    TAMPERED,
    EventType,
    StateType,
    make_kind,
)

GLASS_BREAK = make_kind(
    "glass_break",
    "玻璃破碎探测器",
    "glass break detector",
    supervision_s=7200,  # as a contact: on a battery, heard about once an hour
    events=(
        EventType(key="glass_break", zh="玻璃破碎", en="glass broken", contact_id=131),
        EventType(key="glass_break_cleared", zh="玻璃破碎报警复位", en="glass break alarm reset"),
        FAULT,
        TAMPER,
        LOW_BATTERY,
    ),
    states=(
        StateType(key="alarm", zh="报警中", en="in alarm", on="glass_break", off="glass_break_cleared"),
        FAULTY,
        TAMPERED,
        BATTERY_LOW,
    ),
)
