"""Smoke detector."""

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

SMOKE = make_kind(
    "smoke",
    "烟感",
    "smoke detector",
    supervision_s=3600,
    metrics=(
        # EN 14604 detectors answer at 0.05-0.2 dB/m; the chamber's own scale ends far above that.
        Metric(key="obscuration", unit="dB/m", low=0, high=10, resolution=0.01, zh="减光率", en="obscuration"),
        TEMPERATURE,
    ),
    events=(
        EventType(key="smoke", zh="烟雾报警", en="smoke", contact_id=111),
        EventType(key="smoke_cleared", zh="烟雾消除", en="smoke cleared"),
        SELF_TEST,
        FAULT,
        TAMPER,
        LOW_BATTERY,
    ),
    states=(
        StateType(key="alarm", zh="报警中", en="in alarm", on="smoke", off="smoke_cleared"),
        TESTING,
        FAULTY,
        TAMPERED,
        BATTERY_LOW,
    ),
)
