"""Meter of a house or a flat: electricity, water, gas or heat. It reports the rows that it has."""

from devices.kind import (
    BATTERY_LOW,
    FAULT,
    FAULTY,
    LOW_BATTERY,
    TAMPER,
    TAMPERED,
    Metric,
    make_kind,
)

METER = make_kind(
    "meter",
    "计量表",
    "meter",
    supervision_s=14_400,  # on a battery, read about once an hour
    metrics=(
        # Readings: the counters of a building's meters have up to eight digits before the point.
        Metric(key="energy", unit="kW.h", low=0, high=1e8, resolution=0.01, zh="电能/热量", en="energy, the reading"),
        Metric(key="volume", unit="m3", low=0, high=1e8, resolution=0.001, zh="体积", en="volume, the reading"),
        # A building's transformer carries up to 1 MVA. Below 0: a roof feeds the net.
        Metric(key="power", unit="W", low=-1e6, high=1e6, zh="功率", en="power"),
        Metric(key="flow_rate", unit="m3/h", low=-1000, high=1000, resolution=0.001, zh="瞬时流量", en="flow rate"),
        # Low voltage: 230/400 V, and what a lost neutral makes of it.
        Metric(key="voltage", unit="V", low=0, high=500, resolution=0.1, zh="电压", en="voltage"),
        Metric(key="current", unit="A", low=0, high=2000, resolution=0.001, zh="电流", en="current"),
        Metric(key="frequency", unit="Hz", low=40, high=70, resolution=0.01, zh="频率", en="frequency"),
        Metric(key="power_factor", unit="1", low=-1, high=1, resolution=0.001, zh="功率因数", en="power factor"),
        # District heating is at most 150 degC hot.
        Metric(
            key="supply_temperature",
            unit="Cel",
            low=0,
            high=200,
            resolution=0.1,
            zh="供水温度",
            en="supply temperature",
        ),
        Metric(
            key="return_temperature",
            unit="Cel",
            low=0,
            high=200,
            resolution=0.1,
            zh="回水温度",
            en="return temperature",
        ),
    ),
    events=(FAULT, TAMPER, LOW_BATTERY),
    states=(FAULTY, TAMPERED, BATTERY_LOW),
)
