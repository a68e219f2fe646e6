"""Simulated LoRaWAN nodes, by model: their state, and the bytes they put on the air.

Written after the payload tables that their makers print, one function a model; nothing of it is shared with the
codecs that read it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from firmware_sim.signals.noise import wander


@dataclass(slots=True)
class Node:
    """One node: what it senses, and what is left of its battery."""

    eui: str
    model: str
    """In small letters, as the option ``codec``; a node may carry two devices (a gas detector with its valve)."""
    battery: int = 92
    on: dict[str, bool] = field(default_factory=dict)
    """What is open, leaking, in alarm, switched on … by name."""
    moment: str = ""
    """What happens in this uplink alone: a press."""

    def is_on(self, name: str) -> bool:
        """Whether this output is switched on."""
        return self.on.get(name, False)

    def climate(self, now_ms: int) -> tuple[float, float]:
        """Temperature in degrees and relative humidity in per cent, where it hangs."""
        return 22.0 + 2.0 * wander(self.eui, now_ms, 3600), 48.0 + 6.0 * wander(f"{self.eui}/rh", now_ms, 3600)


def _cell(node: Node) -> bytes:
    return bytes([0x01, 0x75, node.battery])


def _climate(node: Node, now_ms: int) -> bytes:
    temperature, humidity = node.climate(now_ms)
    return b"\x03\x67" + struct.pack("<h", round(temperature * 10)) + b"\x04\x68" + bytes([round(humidity * 2)])


def _ws101(node: Node, now_ms: int) -> bytes:
    press = {"press": 1, "long_press": 2, "double_press": 3}.get(node.moment)
    return _cell(node) + (bytes([0xFF, 0x2E, press]) if press else b"")


def _ws202(node: Node, now_ms: int) -> bytes:
    return _cell(node) + bytes([0x03, 0x00, node.is_on("motion"), 0x04, 0x00, 1])


def _ws301(node: Node, now_ms: int) -> bytes:
    return _cell(node) + bytes([0x03, 0x00, node.is_on("open"), 0x04, 0x00, node.is_on("tamper")])


def _em300_mcs(node: Node, now_ms: int) -> bytes:
    return _cell(node) + _climate(node, now_ms) + bytes([0x06, 0x00, node.is_on("open")])


def _em300_sld(node: Node, now_ms: int) -> bytes:
    return _cell(node) + _climate(node, now_ms) + bytes([0x05, 0x00, node.is_on("leak")])


def _em300_th(node: Node, now_ms: int) -> bytes:
    return _cell(node) + _climate(node, now_ms)


def _em400_tld(node: Node, now_ms: int) -> bytes:
    temperature, _ = node.climate(now_ms)
    empty_mm, filled = 1200, 0.5 + 0.2 * wander(f"{node.eui}/fill", now_ms, 43_200)
    distance = struct.pack("<H", round(empty_mm * max(0.05, 1 - filled)))
    return (
        _cell(node)
        + b"\x03\x67"
        + struct.pack("<h", round(temperature * 10))
        + b"\x04\x82"
        + distance
        + bytes([0x05, 0x00, node.is_on("tilted")])
    )


def _am107(node: Node, now_ms: int) -> bytes:
    co2 = max(400, round(700 + 200 * wander(f"{node.eui}/co2", now_ms, 3600)))
    light = max(0, round(120 + 60 * wander(f"{node.eui}/lx", now_ms, 3600)))
    pressure = struct.pack("<H", round((1013 + 4 * wander(f"{node.eui}/hpa", now_ms, 21_600)) * 10))
    return (
        _cell(node)
        + _climate(node, now_ms)
        + b"\x05\x6a\x00\x00\x06\x65"
        + struct.pack("<HHH", light, light * 4, light // 2)
        + b"\x07\x7d"
        + struct.pack("<H", co2)
        + b"\x08\x7d\x0c\x00\x09\x73"
        + pressure
    )


def _vs121(node: Node, now_ms: int) -> bytes:
    there = max(0, round(3 + 2 * wander(f"{node.eui}/in", now_ms, 1800)))
    gone = max(0, round(3 + 2 * wander(f"{node.eui}/out", now_ms, 1800)))
    return b"\x05\xcc" + struct.pack("<HH", there, gone)


def _vs373(node: Node, now_ms: int) -> bytes:
    detected = 4 if node.is_on("fall") else 2 if node.is_on("in_bed") else 0 if node.is_on("occupied") else 1
    said = bytes([0x03, 0xF8, detected, 0, 0, 0, 0, 0])
    if node.moment in ("fall", "fall_cleared"):
        said += bytes([0x06, 0xFB, 1, 0, 0, 1 if node.moment == "fall" else 2, 0])
    return said


def _gs101(node: Node, now_ms: int) -> bytes:
    return bytes([0x05, 0x8E, node.is_on("gas"), 0x06, 0x01, node.is_on("open"), 0x07, 0x01, node.is_on("gas")])


def _uc511(node: Node, now_ms: int) -> bytes:
    return _cell(node) + bytes([0x03, 0x01, node.is_on("open_1"), 0x05, 0x01, node.is_on("open_2")])


def _ws523(node: Node, now_ms: int) -> bytes:
    powered = node.is_on("powered")
    watts = round(60 + 20 * abs(wander(f"{node.eui}/w", now_ms, 600))) if powered else 0
    return (
        b"\x03\x74"
        + struct.pack("<H", 2300)
        + b"\x04\x80"
        + struct.pack("<I", watts)
        + b"\x06\x83"
        + struct.pack("<I", 26_121)
        + b"\x07\xc9"
        + struct.pack("<H", round(watts / 0.23))
        + bytes([0x08, 0x70, 0x10 | powered])
    )


def _lds02(node: Node, now_ms: int) -> bytes:
    head = 3000 | (0x8000 if node.is_on("open") else 0)
    return struct.pack(">HB", head, 1) + (5).to_bytes(3, "big") + (3).to_bytes(3, "big") + b"\x00"


def _lwl02(node: Node, now_ms: int) -> bytes:
    head = 3000 | (0x4000 if node.is_on("leak") else 0)
    return struct.pack(">HB", head, 2) + (1).to_bytes(3, "big") + bytes(3) + b"\x00"


def _cayenne(node: Node, now_ms: int) -> bytes:
    temperature, humidity = node.climate(now_ms)
    inputs = bytes([0x01, 0x00, node.is_on("open")])
    return (
        inputs + b"\x02\x67" + struct.pack(">h", round(temperature * 10)) + b"\x03\x68" + bytes([round(humidity * 2)])
    )


@dataclass(frozen=True, slots=True)
class Model:
    """How a model is called, which port it uses, and what it can do."""

    maker: str
    port: int
    payload: Callable[[Node, int], bytes]
    switches: Mapping[str, tuple[str, bool]] = field(default_factory=dict)
    """Action → what it sets to which value. The node reports the change."""
    moments: tuple[str, ...] = ()
    """Actions that leave nothing behind."""


def _pair(on: str, off: str, name: str | None = None) -> dict[str, tuple[str, bool]]:
    return {on: (name or on, True), off: (name or on, False)}


_DOOR = _pair("open", "close")
_LEAK = _pair("leak", "leak_cleared")

MODELS: Mapping[str, Model] = MappingProxyType(
    {
        "ws101": Model("Milesight", 85, _ws101, moments=("press", "long_press", "double_press")),
        "ws202": Model("Milesight", 85, _ws202, _pair("motion", "motion_cleared")),
        "ws301": Model("Milesight", 85, _ws301, _DOOR | _pair("tamper", "tamper_cleared")),
        "em300-mcs": Model("Milesight", 85, _em300_mcs, _DOOR),
        "em300-sld": Model("Milesight", 85, _em300_sld, _LEAK),
        "em300-th": Model("Milesight", 85, _em300_th),
        "em400-tld": Model("Milesight", 85, _em400_tld, _pair("tilted", "upright")),
        "am107": Model("Milesight", 85, _am107),
        "vs121": Model("Milesight", 85, _vs121),
        "vs373": Model(
            "Milesight",
            85,
            _vs373,
            _pair("entered", "left", "occupied")
            | _pair("bed_entered", "bed_left", "in_bed")
            | _pair("fall", "fall_cleared"),
        ),
        "gs101": Model("Milesight", 85, _gs101, _pair("gas", "gas_cleared") | _DOOR),
        "uc511": Model("Milesight", 85, _uc511, _pair("open_1", "close_1") | _pair("open_2", "close_2")),
        "ws523": Model("Milesight", 85, _ws523, _pair("switch_on", "switch_off", "powered")),
        "lds02": Model("Dragino", 10, _lds02, _DOOR),
        "lwl02": Model("Dragino", 10, _lwl02, _LEAK),
        "cayenne": Model("Own", 1, _cayenne, _DOOR),
    }
)


def obey(node: Node, port: int, data: bytes) -> bool:
    """What a class C node does with a downlink; whether it was one that it knows."""
    if node.model == "gs101" and data[:2] == b"\x06\x00" and len(data) == 4:
        node.on["open"] = data[2] == 1
    elif node.model == "ws523" and data[:1] == b"\x08" and len(data) == 4:
        node.on["powered"] = data[1] == 1
    elif node.model == "uc511" and data[:2] == b"\xff\x1d" and len(data) == 11:
        node.on[f"open_{(data[2] & 0x07) + 1}"] = bool(data[2] >> 5 & 1)
    else:
        return False
    return True


def kept(node: Node, at_ms: int) -> bytes:
    """A record of a leak or door node that was in the shade of the network at ``at_ms``."""
    temperature, humidity = node.climate(at_ms)
    state = node.is_on("leak") or node.is_on("open")
    record = struct.pack("<IhBB", at_ms // 1000, round(temperature * 10), round(humidity * 2), state)
    return b"\x20\xce" + record
