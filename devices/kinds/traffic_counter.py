"""Traffic counter at a road station: flow, occupancy, speed; of the road, of each lane, and by class. Or of a door:
people in and out."""

from devices.kind import (
    BATTERY_LOW,
    FAULT,
    FAULTY,
    LOW_BATTERY,
    TAMPER,
    TAMPERED,
    EventType,
    Metric,
    make_kind,
)

LANES = 4
"""Lanes of one direction that a counter tells apart."""

CLASSES = (
    ("car", "小客车", "cars"),
    ("bus", "公交客车", "buses"),
    ("truck", "货车", "trucks"),
    ("motorcycle", "摩托车", "motorcycles"),
    ("bicycle", "自行车", "bicycles"),
    ("pedestrian", "行人", "pedestrians"),
)
"""Classes that counting cameras and radars tell apart."""


def _road(suffix: str = "", zh: str = "", en: str = "") -> tuple[Metric, ...]:
    # A lane carries up to about 2,400 vehicles an hour; twice that is no traffic but a fault. The road: with room.
    flow_high = 20000 if not suffix else 5000
    return (
        Metric(key=f"flow{suffix}", unit="/h", low=0, high=flow_high, zh=f"{zh}流量", en=f"flow{en}"),
        Metric(
            key=f"occupancy{suffix}", unit="%", low=0, high=100, resolution=0.1, zh=f"{zh}占有率", en=f"occupancy{en}"
        ),
        Metric(
            key=f"speed{suffix}", unit="km/h", low=0, high=250, resolution=0.1, zh=f"{zh}平均速度", en=f"mean speed{en}"
        ),
    )


def _count(key: str, zh: str, en: str) -> Metric:
    return Metric(key=f"count_{key}", unit="1", low=0, high=1e6, zh=f"{zh}数", en=f"{en} since the last report")


TRAFFIC_COUNTER = make_kind(
    "traffic_counter",
    "交通流量计",
    "traffic counter",
    supervision_s=300,
    metrics=(
        *_road(),
        *(row for lane in range(1, LANES + 1) for row in _road(f"_lane{lane}", f"车道{lane}", f", lane {lane}")),
        *(_count(*row) for row in CLASSES),
        _count("in", "进入人", "people in"),
        _count("out", "离开人", "people out"),
    ),
    events=(
        EventType(key="wrong_way", zh="车辆逆行", en="vehicle the wrong way", contact_id=150),
        FAULT,
        TAMPER,
        LOW_BATTERY,
    ),
    states=(FAULTY, TAMPERED, BATTERY_LOW),
)
