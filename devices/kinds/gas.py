"""Combustible gas detector: methane of the town supply, propane of a bottle."""

from devices.kind import (
    BATTERY_LOW,
    FAULT,
    FAULTY,
    LOW_BATTERY,
    SELF_TEST,
    TAMPER,
    TAMPERED,
    TESTING,
    EventType,
    Metric,
    StateType,
    make_kind,
)

GAS = make_kind(
    "gas",
    "燃气探测器",
    "gas detector",
    supervision_s=3600,
    metrics=(
        # Household detectors (GB 15322.2) alarm between 5 and 25 % of the lower explosive limit; the scale ends at 100.
        Metric(key="gas", unit="%", low=0, high=100, resolution=0.1, zh="燃气浓度（爆炸下限）", en="gas, of its LEL"),
    ),
    events=(
        EventType(key="gas", zh="燃气泄漏", en="gas", contact_id=151),
        EventType(key="gas_cleared", zh="燃气消除", en="gas cleared"),
        SELF_TEST,
        FAULT,
        TAMPER,
        LOW_BATTERY,
    ),
    states=(
        StateType(key="alarm", zh="报警中", en="in alarm", on="gas", off="gas_cleared"),
        TESTING,
        FAULTY,
        TAMPERED,
        BATTERY_LOW,
    ),
)
