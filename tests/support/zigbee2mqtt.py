"""Zigbee2MQTT's words for tests: the properties of a device, and an entry of ``bridge/devices``."""

from __future__ import annotations

from typing import Any

from devices.profiles.zigbee2mqtt import ZIGBEE2MQTT
from tests.support.gear import Bench

IEEE = "0x00124b0014d2b0a1"
BASE = "zigbee2mqtt"


def binary(name: str, on: Any = True, off: Any = False, **more: Any) -> dict[str, Any]:
    return {"type": "binary", "name": name, "property": name, "access": 1, "value_on": on, "value_off": off, **more}


def numeric(name: str, unit: str = "", **more: Any) -> dict[str, Any]:
    return {"type": "numeric", "name": name, "property": name, "access": 1, "unit": unit, **more}


def enum(name: str, *values: str, access: int = 3) -> dict[str, Any]:
    return {"type": "enum", "name": name, "property": name, "access": access, "values": list(values)}


def entry(name: str, *exposes: dict[str, Any], ieee: str = IEEE, **more: Any) -> dict[str, Any]:
    """One device of ``bridge/devices``."""
    return {
        "ieee_address": ieee,
        "type": "EndDevice",
        "network_address": 29159,
        "supported": True,
        "disabled": False,
        "friendly_name": name,
        "power_source": "Battery",
        "software_build_id": "1.0.3",
        "definition": {"vendor": "Maker", "model": "M-1", "description": "a thing", "exposes": list(exposes)},
        **more,
    }


def bench(*devices: Any, described: list[dict[str, Any]] | None = None, base: str = "") -> Bench:
    made = Bench(ZIGBEE2MQTT, *devices, base=base)
    if described is not None:
        made.hear(f"{base or BASE}/bridge/devices", described, retained=True)
    return made
