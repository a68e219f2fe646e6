"""Smoke detector."""

from devices.kind import LOW_BATTERY, TAMPER, EventType, Metric, make_kind

SMOKE = make_kind(
    "smoke",
    "烟感",
    "smoke detector",
    supervision_s=3600,
    metrics=(
        # EN 14604 detectors answer at 0.05-0.2 dB/m; the chamber's own scale ends far above that.
        Metric(key="obscuration", unit="dB/m", low=0, high=10, resolution=0.01, zh="减光率", en="obscuration"),
        Metric(key="temperature", unit="Cel", low=-40, high=125, resolution=0.1, zh="温度", en="temperature"),
    ),
    events=(
        EventType(key="smoke", zh="烟雾报警", en="smoke", contact_id=111),
        EventType(key="smoke_cleared", zh="烟雾消除", en="smoke cleared"),
        EventType(key="self_test", zh="自检", en="self test", contact_id=601),
        EventType(key="fault", zh="故障", en="fault", contact_id=380),
        TAMPER,
        LOW_BATTERY,
    ),
)
