"""Traffic counter at a road station: flow, occupancy, speed."""

from devices.kind import EventType, Metric, make_kind

TRAFFIC_COUNTER = make_kind(
    "traffic_counter",
    "交通流量计",
    "traffic counter",
    supervision_s=300,
    metrics=(
        Metric(key="flow", unit="/h", low=0, high=20000, zh="流量", en="flow"),
        Metric(key="occupancy", unit="%", low=0, high=100, resolution=0.1, zh="占有率", en="occupancy"),
        Metric(key="speed", unit="km/h", low=0, high=250, resolution=0.1, zh="平均速度", en="mean speed"),
    ),
    events=(EventType(key="fault", zh="故障", en="fault", contact_id=380),),
)
