"""Gear that announces itself by Home Assistant's MQTT discovery: ESPHome, Z-Wave JS UI, Theengs, Tasmota and others."""

from __future__ import annotations

from collections.abc import Mapping

from devices.gear.ownmap import OPTIONS
from devices.gear.profile import MessageGear, Profile
from devices.profiles.homeassistant.announcing import OPTIONS as ANNOUNCING
from devices.profiles.homeassistant.announcing import announcing
from devices.profiles.homeassistant.bridge import HomeAssistant
from devices.profiles.homeassistant.meaning import kinds
from devices.profiles.homeassistant.orders import COMMANDS


def _bridge(base: str, options: Mapping[str, str]) -> MessageGear:
    if not base or any(sign in base for sign in "+#") or base.startswith("/") or base.endswith("/"):
        raise ValueError(f"base: expected the discovery prefix, such as homeassistant, got {base!r}")
    announcing(base, options)
    return HomeAssistant(base)


HOMEASSISTANT = Profile(
    key="homeassistant",
    zh="Home Assistant MQTT 自动发现",
    en="Home Assistant MQTT discovery",
    carrier="mqtt",
    kinds=kinds(),
    commands=COMMANDS,
    models=(
        "any node with ESPHome's MQTT component",
        "Zooz ZSE44 behind Z-Wave JS UI",
        "Xiaomi MCCGQ02HL behind Theengs Gateway",
        "Tasmota with SetOption19",
    ),
    source="https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery",
    base="homeassistant",
    options=ANNOUNCING,
    device_options=OPTIONS,
    message=_bridge,
)
