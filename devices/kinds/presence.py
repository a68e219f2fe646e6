"""Presence radar at a bed or in a room: who is there, where, whether they breathe, and whether they fell."""

from devices.kind import (
    BATTERY_LOW,
    FAULT,
    FAULTY,
    ILLUMINANCE,
    LOW_BATTERY,
    EventType,
    Metric,
    StateType,
    make_kind,
)

TARGETS = 3
"""24 GHz tracking radars (LD2450) follow up to three people."""


def _target(number: int) -> tuple[Metric, ...]:
    # LD2450: to 6 m, 60 degrees to each side, position in mm, speed in cm/s. Others of its class see to 8 or 10 m.
    # Seen from the radar: x to its right, y straight ahead; a speed below 0 comes nearer.
    key, zh, en = f"target{number}", f"目标{number}", f"target {number}"
    return (
        Metric(key=f"{key}_x", unit="m", low=-10, high=10, resolution=0.001, zh=f"{zh}横向位置", en=f"{en}, x"),
        Metric(key=f"{key}_y", unit="m", low=0, high=10, resolution=0.001, zh=f"{zh}纵向距离", en=f"{en}, y"),
        Metric(key=f"{key}_speed", unit="m/s", low=-10, high=10, resolution=0.01, zh=f"{zh}速度", en=f"{en}, speed"),
    )


PRESENCE = make_kind(
    "presence",
    "人体存在雷达",
    "presence radar",
    supervision_s=600,  # often the only thing that watches somebody at night
    metrics=(
        Metric(key="targets", unit="1", low=0, high=16, zh="目标数", en="targets"),
        Metric(key="nearest", unit="m", low=0, high=15, resolution=0.01, zh="最近目标距离", en="nearest target"),
        *(row for number in range(1, TARGETS + 1) for row in _target(number)),
        # Ranges of the vitals monitor: what a 60 GHz radar says is the same quantity, seen from afar.
        Metric(key="respiration", unit="/min", low=0, high=100, zh="呼吸", en="respiration", loinc="9279-1"),
        Metric(key="heart_rate", unit="/min", low=0, high=300, zh="心率", en="heart rate", loinc="8867-4"),
        ILLUMINANCE,
    ),
    events=(
        EventType(key="entered", zh="有人进入", en="somebody came in", routine=True),
        EventType(key="left", zh="人已离开", en="everybody left", routine=True),
        EventType(key="bed_entered", zh="上床", en="went to bed", routine=True),
        EventType(key="bed_left", zh="离床", en="got out of bed", routine=True),
        EventType(key="fall", zh="跌倒", en="fall detected", contact_id=101),
        EventType(key="fall_cleared", zh="跌倒解除", en="got up again"),
        FAULT,
        LOW_BATTERY,
    ),
    states=(
        StateType(key="occupied", zh="有人", en="occupied", on="entered", off="left"),
        StateType(key="in_bed", zh="在床", en="in bed", on="bed_entered", off="bed_left"),
        StateType(key="fallen", zh="倒地", en="fallen", on="fall", off="fall_cleared"),
        FAULTY,
        BATTERY_LOW,
    ),
)
