"""Water leak detector: two contacts on the floor."""

from devices.kind import (
    BATTERY_LOW,
    FAULT,
    FAULTY,
    LOW_BATTERY,
    TAMPER,
    TAMPERED,
    TEMPERATURE,
    EventType,
    StateType,
    make_kind,
)

LEAK = make_kind(
    "leak",
    "水浸探测器",
    "water leak detector",
    supervision_s=7200,  # as a contact: on a battery, heard about once an hour
    metrics=(TEMPERATURE,),
    events=(
        EventType(key="leak", zh="漏水", en="water leak", contact_id=154),
        EventType(key="leak_cleared", zh="漏水消除", en="water leak cleared"),
        FAULT,
        TAMPER,
        LOW_BATTERY,
    ),
    states=(
        StateType(key="alarm", zh="报警中", en="in alarm", on="leak", off="leak_cleared"),
        FAULTY,
        TAMPERED,
        BATTERY_LOW,
    ),
)
