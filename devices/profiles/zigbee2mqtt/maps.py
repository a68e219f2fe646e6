"""`kinds.yaml`, compiled once."""

from __future__ import annotations

from pathlib import Path

from devices.gear.kindmap import load_maps

MAPS = load_maps(
    Path(__file__).with_name("kinds.yaml").read_text(encoding="utf-8"), "devices/profiles/zigbee2mqtt/kinds.yaml"
)
