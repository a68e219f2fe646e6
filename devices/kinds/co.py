"""Carbon monoxide detector."""

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
    Metric,
    StateType,
    make_kind,
)

CO = make_kind(
    "co",
    "一氧化碳探测器",
    "carbon monoxide detector",
    supervision_s=3600,
    metrics=(
        # EN 50291-1: alarm at 300 ppm within 3 minutes, never below 30 ppm; household displays end at 999 ppm.
        Metric(key="co", unit="[ppm]", low=0, high=1000, zh="一氧化碳", en="carbon monoxide"),
        TEMPERATURE,
    ),
    events=(
        EventType(key="co", zh="一氧化碳报警", en="carbon monoxide", contact_id=162),
        EventType(key="co_cleared", zh="一氧化碳消除", en="carbon monoxide cleared"),
        SELF_TEST,
        FAULT,
        TAMPER,
        LOW_BATTERY,
    ),
    states=(
        StateType(key="alarm", zh="报警中", en="in alarm", on="co", off="co_cleared"),
        TESTING,
        FAULTY,
        TAMPERED,
        BATTERY_LOW,
    ),
)
