"""The gateway itself, as a device: what it says about its own power, disk and clock."""

from devices.kind import (
    BATTERY_LOW,
    FAULT,
    FAULTY,
    LOW_BATTERY,
    MAINS_LOST,
    POWER_LOST,
    POWER_RESTORED,
    TAMPER,
    TAMPERED,
    TEMPERATURE,
    EventType,
    Metric,
    StateType,
    make_kind,
)

GATEWAY = make_kind(
    "gateway",
    "网关",
    "gateway",
    supervision_s=180,  # a neighbour watches: no gateway can say that it is dead
    metrics=(
        TEMPERATURE,
        Metric(key="load", unit="1", low=0, high=1000, resolution=0.01, zh="负载", en="load average, one minute"),
        Metric(key="memory_free", unit="%", low=0, high=100, resolution=0.1, zh="可用内存", en="memory free"),
        Metric(key="disk_free", unit="%", low=0, high=100, resolution=0.1, zh="可用磁盘", en="disk free"),
        Metric(key="journal_backlog", unit="1", low=0, high=1e9, zh="日志积压", en="messages not yet decided"),
        # Against the time server. A board without a battery for its clock starts decades wrong.
        Metric(key="clock_offset", unit="s", low=-4e9, high=4e9, resolution=0.001, zh="时钟偏差", en="clock offset"),
    ),
    events=(
        POWER_LOST,
        POWER_RESTORED,
        EventType(key="disk_full", zh="磁盘将满", en="disk nearly full", contact_id=380),
        EventType(key="disk_freed", zh="磁盘已腾出", en="disk has room again"),
        EventType(key="clock_wrong", zh="时钟不准", en="clock wrong", contact_id=380),
        EventType(key="clock_right", zh="时钟已校准", en="clock right again"),
        FAULT,
        TAMPER,
        LOW_BATTERY,
    ),
    states=(
        MAINS_LOST,
        StateType(key="disk_full", zh="磁盘将满", en="disk nearly full", on="disk_full", off="disk_freed"),
        StateType(key="clock_wrong", zh="时钟不准", en="clock wrong", on="clock_wrong", off="clock_right"),
        FAULTY,
        TAMPERED,
        BATTERY_LOW,
    ),
)
