"""Concentrator: what carries other devices. Field bus master, Zigbee coordinator, LoRaWAN gateway."""

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

CONCENTRATOR = make_kind(
    "concentrator",
    "集中器",
    "concentrator",
    supervision_s=180,  # everything behind it is silent with it
    metrics=(
        Metric(key="devices", unit="1", low=0, high=1e5, zh="设备数", en="devices behind it"),
        Metric(key="devices_online", unit="1", low=0, high=1e5, zh="在线设备数", en="devices online"),
        Metric(key="queue", unit="1", low=0, high=1e6, zh="待发消息数", en="messages waiting"),
        Metric(key="frames", unit="1", low=0, high=1e7, zh="收到帧数", en="frames since the last report"),
        Metric(key="frames_bad", unit="1", low=0, high=1e7, zh="错误帧数", en="broken frames since the last report"),
        TEMPERATURE,
    ),
    events=(
        # data: ``address`` of the device on its network, and ``model`` where it told.
        EventType(key="device_joined", zh="设备入网", en="device joined", routine=True),
        EventType(key="device_left", zh="设备退网", en="device left", routine=True),
        POWER_LOST,
        POWER_RESTORED,
        FAULT,
        TAMPER,
        LOW_BATTERY,
    ),
    states=(
        StateType(key="joining", zh="允许入网", en="open for new devices", on=None, off=None),
        MAINS_LOST,
        FAULTY,
        TAMPERED,
        BATTERY_LOW,
    ),
)
