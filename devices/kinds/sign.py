"""Variable message sign: what the community tells the road."""

from devices.kind import (
    FAULT,
    FAULTY,
    ILLUMINANCE,
    TAMPER,
    TAMPERED,
    TEMPERATURE,
    CommandType,
    Metric,
    StateType,
    make_kind,
)

SIGN = make_kind(
    "sign",
    "交通诱导屏",
    "variable message sign",
    supervision_s=300,  # as the counters it speaks for
    metrics=(
        Metric(key="brightness", unit="%", low=0, high=100, zh="亮度", en="brightness"),
        Metric(key="failed_pixels", unit="1", low=0, high=1e6, zh="坏点数", en="failed pixels"),
        ILLUMINANCE,
        TEMPERATURE,
    ),
    events=(FAULT, TAMPER),
    commands=(
        CommandType(
            key="show",
            zh="显示",
            en="show",
            args={
                # The five levels of urban road traffic: 畅通, 基本畅通, 轻度拥堵, 中度拥堵, 严重拥堵.
                "level": ("none", "free", "mostly_free", "light", "moderate", "severe"),
                "pictogram": (
                    "none",
                    "congestion",
                    "accident",
                    "road_works",
                    "road_closed",
                    "detour",
                    "slow_down",
                    "pedestrians",
                    "slippery",
                    "fog",
                    "flood",
                    "fire",
                ),
                "brightness": ("auto", "low", "medium", "high"),
            },
        ),
        CommandType(key="clear", zh="清屏", en="show nothing"),
    ),
    states=(
        StateType(key="showing", zh="有显示", en="showing something", on=None, off=None),
        FAULTY,
        TAMPERED,
    ),
)
