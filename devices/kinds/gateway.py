"""The gateway itself, as a device: what it says about its own power, disk and clock, and about its own organs.

Each gateway observes itself (`gateway.itself`); a neighbour says the same over the wire.
"""

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
        Metric(
            key="journal_oldest",
            unit="s",
            low=0,
            high=1e10,
            zh="最久未判断",
            en="age of the oldest message not decided",
        ),
        Metric(key="store_lag", unit="s", low=0, high=1e10, zh="遥测落后", en="age of the oldest reading not stored"),
        Metric(key="outbox_overdue", unit="1", low=0, high=1e9, zh="逾期待发", en="messages to people overdue"),
        Metric(key="outbox_oldest", unit="s", low=0, high=1e10, zh="最久逾期", en="by how long the oldest is overdue"),
        Metric(key="quarantine", unit="1", low=0, high=1e12, zh="隔离累计", en="messages ever put into quarantine"),
        Metric(key="rules_failed", unit="1", low=0, high=1e9, zh="判断出错", en="decisions on which the code failed"),
        Metric(key="roster_hole_in", unit="s", low=0, high=1e7, zh="距排班空档", en="until nobody is on duty"),
        # Against the time server. A board without a battery for its clock starts decades wrong.
        Metric(key="clock_offset", unit="s", low=-4e9, high=4e9, resolution=0.001, zh="时钟偏差", en="clock offset"),
        Metric(key="clock_step", unit="s", low=-4e9, high=4e9, zh="时钟拨动", en="by how much the clock was set"),
    ),
    events=(
        POWER_LOST,
        POWER_RESTORED,
        EventType(key="disk_full", zh="磁盘将满", en="disk nearly full", contact_id=380),
        EventType(key="disk_freed", zh="磁盘已腾出", en="disk has room again"),
        EventType(key="clock_wrong", zh="时钟不准", en="clock wrong", contact_id=380),
        EventType(key="clock_right", zh="时钟已校准", en="clock right again"),
        EventType(key="clock_stepped", zh="时钟被拨动", en="clock was set", contact_id=380),
        EventType(key="behind", zh="判断落后", en="decisions are behind", contact_id=380),
        EventType(key="caught_up", zh="判断已赶上", en="decisions caught up"),
        EventType(key="store_down", zh="遥测库不可用", en="telemetry store away", contact_id=380),
        EventType(key="store_up", zh="遥测库恢复", en="telemetry store is back"),
        EventType(key="broker_down", zh="消息通道中断", en="broker not connected", contact_id=350),
        EventType(key="broker_up", zh="消息通道恢复", en="broker connected again"),
        EventType(key="line_down", zh="急救线路无应答", en="emergency line does not answer", contact_id=350),
        EventType(key="line_up", zh="急救线路恢复", en="emergency line answers again"),
        EventType(key="record_broken", zh="案卷记录被改动", en="the record of a case was changed", contact_id=380),
        EventType(key="record_whole", zh="案卷记录完整", en="the record of every case is whole again"),
        EventType(key="roster_hole", zh="排班有空档", en="nobody on duty soon", contact_id=380),
        EventType(key="roster_covered", zh="排班已补齐", en="the rosters are covered again"),
        FAULT,
        TAMPER,
        LOW_BATTERY,
    ),
    states=(
        MAINS_LOST,
        StateType(key="disk_full", zh="磁盘将满", en="disk nearly full", on="disk_full", off="disk_freed"),
        StateType(key="clock_wrong", zh="时钟不准", en="clock wrong", on="clock_wrong", off="clock_right"),
        StateType(key="behind", zh="判断落后", en="decisions are behind", on="behind", off="caught_up"),
        StateType(key="store_down", zh="遥测库不可用", en="telemetry store away", on="store_down", off="store_up"),
        StateType(key="broker_down", zh="消息通道中断", en="broker not connected", on="broker_down", off="broker_up"),
        StateType(
            key="line_down", zh="急救线路无应答", en="emergency line does not answer", on="line_down", off="line_up"
        ),
        StateType(
            key="record_broken",
            zh="案卷记录被改动",
            en="the record of a case was changed",
            on="record_broken",
            off="record_whole",
        ),
        StateType(key="roster_hole", zh="排班有空档", en="nobody on duty soon", on="roster_hole", off="roster_covered"),
        FAULTY,
        TAMPERED,
        BATTERY_LOW,
    ),
)
