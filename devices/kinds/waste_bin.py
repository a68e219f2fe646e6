"""Sensed waste bin: fill level, fire, lid, tilt."""

from devices.kind import (
    BATTERY_LOW,
    FAULT,
    FAULTY,
    LOW_BATTERY,
    TEMPERATURE,
    EventType,
    Metric,
    StateType,
    make_kind,
)

WASTE_BIN = make_kind(
    "waste_bin",
    "智能垃圾桶",
    "waste bin",
    supervision_s=14_400,  # reports about once an hour, over a network that loses some
    metrics=(
        Metric(key="fill", unit="%", low=0, high=100, zh="满溢度", en="fill level"),
        # Lid to waste. Ultrasonic and laser sensors for bins see to 4.5 m, those for containers and wells to 10 m.
        Metric(key="distance", unit="mm", low=0, high=10_000, zh="距离", en="distance to the waste"),
        TEMPERATURE,
        Metric(key="tilt", unit="deg", low=0, high=180, zh="倾角", en="tilt"),
    ),
    events=(
        EventType(key="full", zh="已满", en="full", contact_id=150),
        EventType(key="collected", zh="已清运", en="emptied"),
        EventType(key="fire", zh="桶内起火", en="fire in the bin", contact_id=110),
        EventType(key="fire_cleared", zh="火情消除", en="fire over"),
        EventType(key="tilted", zh="倾倒", en="fell over"),
        EventType(key="upright", zh="已扶正", en="upright again"),
        EventType(key="lid_opened", zh="桶盖打开", en="lid opened", routine=True),
        EventType(key="lid_closed", zh="桶盖合上", en="lid closed", routine=True),
        FAULT,
        LOW_BATTERY,
    ),
    states=(
        StateType(key="full", zh="已满", en="full", on="full", off="collected"),
        StateType(key="alarm", zh="报警中", en="in alarm", on="fire", off="fire_cleared"),
        StateType(key="tilted", zh="倾倒", en="fallen over", on="tilted", off="upright"),
        StateType(key="lid_open", zh="桶盖开着", en="lid open", on="lid_opened", off="lid_closed"),
        FAULTY,
        BATTERY_LOW,
    ),
)
