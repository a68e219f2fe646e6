"""A monitoring system (Grafana, and others like it) as a device: whether what it watches is amiss.

Each of its alerts may be a device of its own, so that each has its own case. Its events may carry in ``data``:
``alert`` (its name), ``summary``, ``severity``, ``values``, ``rule``, ``link`` (where to look).
"""

from devices.kind import FAULT, FAULTY, EventType, Metric, StateType, make_kind

MONITOR = make_kind(
    "monitor",
    "监控系统",
    "monitoring system",
    supervision_s=3600,  # its heartbeat alert is repeated every 10 to 15 minutes
    metrics=(Metric(key="alerts", unit="1", low=0, high=1e5, zh="告警数", en="alerts firing"),),
    events=(
        EventType(key="alert", zh="监控告警", en="monitoring alert", contact_id=380),
        EventType(key="alert_cleared", zh="监控告警解除", en="monitoring alert is over"),
        EventType(key="critical_alert", zh="严重监控告警", en="critical monitoring alert", contact_id=380),
        EventType(key="critical_alert_cleared", zh="严重监控告警解除", en="critical monitoring alert is over"),
        FAULT,
    ),
    states=(
        StateType(key="alerting", zh="有告警", en="alert firing", on="alert", off="alert_cleared"),
        StateType(
            key="critical",
            zh="有严重告警",
            en="critical alert firing",
            on="critical_alert",
            off="critical_alert_cleared",
        ),
        FAULTY,
    ),
)
