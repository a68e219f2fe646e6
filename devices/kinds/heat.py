"""Heat detector, for kitchens and boiler rooms, where a smoke detector would cry wolf."""

from devices.kind import (
    BATTERY_LOW,
    FAULT,
    FAULTY,
    LOW_BATTERY,
    SELF_TEST,
    TAMPER,
    TAMPERED,
    TEMPERATURE,
    TESTING,
    EventType,
    StateType,
    make_kind,
)

HEAT = make_kind(
    "heat",
    "温感",
    "heat detector",
    supervision_s=3600,  # as a smoke detector
    metrics=(TEMPERATURE,),  # EN 54-5, class A1: alarm at 54-65 °C; class G, the hottest: 144-160 °C, is not for homes
    events=(
        EventType(key="heat", zh="高温报警", en="heat", contact_id=114),
        EventType(key="heat_cleared", zh="高温消除", en="heat cleared"),
        SELF_TEST,
        FAULT,
        TAMPER,
        LOW_BATTERY,
    ),
    states=(
        StateType(key="alarm", zh="报警中", en="in alarm", on="heat", off="heat_cleared"),
        TESTING,
        FAULTY,
        TAMPERED,
        BATTERY_LOW,
    ),
)
