"""Zigbee2MQTT: Zigbee devices of hundreds of makers behind one coordinator, over MQTT."""

from __future__ import annotations

from collections.abc import Mapping

from devices.gear.ownmap import OPTIONS
from devices.gear.profile import MessageGear, Profile
from devices.kinds import KINDS
from devices.profiles.zigbee2mqtt.bridge import Zigbee2Mqtt
from devices.profiles.zigbee2mqtt.maps import MAPS
from devices.profiles.zigbee2mqtt.orders import COMMANDS


def _bridge(base: str, options: Mapping[str, str]) -> MessageGear:
    if not base or "#" in base or "+" in base or base.startswith("/") or base.endswith("/"):
        raise ValueError(f"base: expected the base_topic of Zigbee2MQTT, such as zigbee2mqtt, got {base!r}")
    return Zigbee2Mqtt(base)


ZIGBEE2MQTT = Profile(
    key="zigbee2mqtt",
    zh="Zigbee2MQTT 网桥",
    en="Zigbee2MQTT bridge",
    carrier="mqtt",
    kinds=tuple(key for key in KINDS if key in MAPS or key == "concentrator"),
    commands=COMMANDS,
    models=(
        "Tuya TS0215A_sos",
        "Loginovo ZG-101Z",
        "OWON PB206",
        "Feibit SEB01ZB",
        "Aqara MCCGQ11LM",
        "Aqara RTCGQ11LM",
        "Aqara SJCGQ11LM",
        "Aqara FP1E",
        "Heiman HS1SA-E",
        "Heiman HS1CG-E",
        "Heiman HS1CA-E",
        "Heiman HS2WD-E",
        "Third Reality 3RWS18BZ",
        "Tuya TS0601_gas_sensor_1",
        "eWeLink SNZB-05",
        "OWON FDS315",
    ),
    source="https://www.zigbee2mqtt.io/guide/usage/mqtt_topics_and_messages.html",
    base="zigbee2mqtt",
    device_options=OPTIONS,
    message=_bridge,
)
