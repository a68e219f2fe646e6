"""Public information kiosk."""

from devices.kind import FAULT, FAULTY, TAMPER, TAMPERED, EventType, Metric, make_kind

KIOSK = make_kind(
    "kiosk",
    "智慧信息机",
    "kiosk",
    supervision_s=300,
    metrics=(
        Metric(key="clicks", unit="1", low=0, high=1e6, zh="点击数", en="clicks since the last report"),
        Metric(key="searches", unit="1", low=0, high=1e6, zh="查询数", en="searches since the last report"),
        Metric(key="temperature", unit="Cel", low=-40, high=100, resolution=0.1, zh="机内温度", en="inner temperature"),
    ),
    events=(
        EventType(key="call_staff", zh="呼叫工作人员", en="call staff", contact_id=616),
        EventType(key="problem_report", zh="居民报修", en="problem reported by a resident", contact_id=616),
        FAULT,
        TAMPER,
    ),
    states=(FAULTY, TAMPERED),
)
