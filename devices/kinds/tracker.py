"""Position of an inspector's vehicle, from a satellite receiver (GPS, BeiDou). WGS-84."""

from devices.kind import FAULT, FAULTY, EventType, Metric, StateType, make_kind

TRACKER = make_kind(
    "tracker",
    "巡查车定位器",
    "vehicle tracker",
    supervision_s=600,
    metrics=(
        # NMEA 0183 gives minutes with four or five decimals: about 2 cm, finer than any receiver is right.
        Metric(key="latitude", unit="deg", low=-90, high=90, resolution=1e-6, zh="纬度", en="latitude, north"),
        Metric(key="longitude", unit="deg", low=-180, high=180, resolution=1e-6, zh="经度", en="longitude, east"),
        Metric(key="altitude", unit="m", low=-500, high=9000, resolution=0.1, zh="海拔", en="altitude"),
        Metric(key="speed", unit="km/h", low=0, high=250, resolution=0.1, zh="速度", en="speed"),
        Metric(key="course", unit="deg", low=0, high=360, resolution=0.1, zh="航向", en="course over ground"),
        Metric(key="satellites", unit="1", low=0, high=99, zh="卫星数", en="satellites used"),
        Metric(key="hdop", unit="1", low=0, high=99.99, resolution=0.01, zh="水平精度因子", en="dilution of precision"),
    ),
    events=(
        EventType(key="fix_gained", zh="已定位", en="position known", routine=True),
        EventType(key="fix_lost", zh="失去定位", en="position lost", routine=True),
        FAULT,
    ),
    states=(
        StateType(key="fix", zh="定位有效", en="position known", on="fix_gained", off="fix_lost"),
        FAULTY,
    ),
)
