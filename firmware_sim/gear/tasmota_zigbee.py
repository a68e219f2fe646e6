"""A simulated Zigbee coordinator with Tasmota and the gear behind it, in Zigbee2Tasmota's own words.

Alarms are zone status changes as the Zigbee Cluster Library has them, with Tasmota's word beside the raw bytes
(``Contact: 1`` is open). Written after tasmota.github.io/docs/Zigbee.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from firmware_sim.device import Action, Args
from firmware_sim.gear.base import GearPart, Link
from firmware_sim.gear.mqtt import MqttGear, Say
from firmware_sim.gear.words import compact, switching
from firmware_sim.signals.radio import Link as Radio

BRIDGE = "bridge"
REPORT_EVERY_MS = 3_000_000
_ZONES = {
    "contact": "Contact",
    "motion": "Occupancy",
    "smoke": "Fire",
    "leak": "Water",
    "co": "CO",
    "gas": "CO",
    "glass_break": "GlassBreak",
}
_SWITCHED = ("plug", "valve")
_MODELS = {
    "contact": ("_TZ3000_26fmupbb", "TS0203"),
    "motion": ("_TZ3000_mcxw5ehu", "TS0202"),
    "smoke": ("_TYZB01_dsjszp0x", "TS0205"),
    "leak": ("_TYZB01_sqmd19i1", "TS0207"),
    "sos_button": ("_TZ3000_0dumfk2z", "TS0215A"),
    "service_button": ("eWeLink", "WB01"),
    "plug": ("OSRAM", "Plug 01"),
    "environment": ("eWeLink", "TH01"),
}
_TAMPER, _BATTERY, _TEST = 2, 3, 8


@dataclass(slots=True)
class _Node:
    short: str
    name: str
    kind: str
    radio: Radio
    bits: int = 0
    """The zone's status: bit 0 the alarm, 2 tamper, 3 battery, 8 test."""
    on: bool = False
    battery: int = 100
    endpoint: int = 1


class SimTasmotaZigbee(MqttGear):
    """Device actions: those of its kind; ``press``, ``double``, ``long_press``; ``low_battery``, ``tamper``,
    ``self_test``, ``report``; ``duplicate`` (what was said last, again). Of the coordinator (``""``): ``halt``,
    ``resume``, ``drop``."""

    profile = "tasmota-zigbee"

    def __init__(
        self, link: Link, parts: Sequence[GearPart] = (), *, base: str = "", seed: int = 0, clock: Callable[[], int]
    ) -> None:
        super().__init__(link, parts, base=base or "zigbee", seed=seed, clock=clock)
        self.listens = (f"cmnd/{self.base}/#",)
        self._nodes: dict[str, _Node] = {}
        by_address: dict[str, _Node] = {}
        for name, part in self.parts.items():
            if part.address != BRIDGE:
                self._nodes[name] = by_address.setdefault(part.address, self._node(part))
        self._due_ms = clock() + REPORT_EVERY_MS
        self._last: Say | None = None

    @classmethod
    def example(cls) -> tuple[GearPart, ...]:
        kinds = (*_ZONES, "sos_button", "service_button", "plug", "valve", "environment")
        return (
            GearPart(address=BRIDGE, kind="concentrator"),
            *(GearPart(address=f"501_{kind}", kind=kind) for kind in kinds),
        )

    def _node(self, part: GearPart) -> _Node:
        radio = Radio(self.rng, "zigbee")
        short = part.address if part.address.startswith("0x") else f"0x{self.rng.randrange(1, 0xFFF0):04X}"
        name = "" if part.address.startswith("0x") else part.address
        return _Node(short, name, part.kind, radio, battery=self.rng.randint(40, 100))

    # --- its own words ------------------------------------------------------------------------------------------------

    def will(self) -> Say:
        return Say(f"tele/{self.base}/LWT", b"Offline", retain=True, qos=1)

    def connected(self, now_ms: int) -> None:
        self.say(f"tele/{self.base}/LWT", "Online", retain=True)
        self._tele("RESULT", {"ZbState": {"Status": 0, "Message": "Started"}})
        self._tele("STATE", {"UptimeSec": 20, "Wifi": {"AP": 1, "RSSI": 90, "Signal": -55}})
        for node in self._all():
            self._info(node)
            self._report(node, now_ms)

    def next_due_ms(self, now_ms: int) -> int | None:
        return self._due_ms

    def tick(self, now_ms: int) -> None:
        self._due_ms = now_ms + REPORT_EVERY_MS
        for node in self._all():
            self._report(node, now_ms)

    def _all(self) -> list[_Node]:
        return list({id(node): node for node in self._nodes.values()}.values())

    def _tele(self, name: str, payload: object) -> None:
        self._last = Say(f"tele/{self.base}/{name}", compact(payload).encode())
        self.say(self._last.topic, self._last.payload)

    def _received(self, node: _Node, now_ms: int, said: Mapping[str, object]) -> None:
        quality = round(node.radio.lqi(node.radio.rssi(now_ms)) * 254 / 255)
        body: dict[str, object] = {"Device": node.short}
        if node.name:
            body["Name"] = node.name
        body |= {**said, "Endpoint": node.endpoint, "LinkQuality": quality}
        self._tele("SENSOR", {"ZbReceived": {node.short: body}})

    def _zone(self, node: _Node, now_ms: int) -> None:
        raw = f"{node.bits & 0xFF:02X}{node.bits >> 8:02X}00010000"
        word = {_ZONES[node.kind]: node.bits & 1} if node.kind in _ZONES else {}
        change = {"0500<00": raw, "ZoneStatusChange": node.bits, "ZoneStatusChangeZone": 1}
        self._received(node, now_ms, {**change, **word})

    def _info(self, node: _Node) -> None:
        maker, model = _MODELS.get(node.kind, ("_TZ3000_nothing", "TS0001"))
        body: dict[str, Any] = {"Device": node.short, **({"Name": node.name} if node.name else {})}
        body |= {"IEEEAddr": f"0x00124B00{node.short[2:]:0>8}", "ModelId": model, "Manufacturer": maker}
        self._tele("SENSOR", {"ZbInfo": {node.short: body}})

    def _report(self, node: _Node, now_ms: int) -> None:
        if node.kind in _SWITCHED:
            self._received(node, now_ms, {"Power": int(node.on)})
            return
        volts = round(2.2 + node.battery / 100, 1)
        self._received(node, now_ms, {"BatteryVoltage": volts, "BatteryPercentage": node.battery})
        if node.kind == "environment":
            temperature, humidity = round(self.rng.gauss(21, 1), 2), round(self.rng.gauss(50, 5), 2)
            self._received(node, now_ms, {"Temperature": temperature, "Humidity": humidity})

    # --- what it is told ----------------------------------------------------------------------------------------------

    def heard(self, topic: str, payload: bytes, now_ms: int) -> None:
        if not topic.lower().endswith("/zbsend"):
            return
        try:
            order = json.loads(payload)
            name, on = order["Device"], bool(order["Send"]["Power"])
        except (ValueError, TypeError, KeyError):
            self.say(f"stat/{self.base}/RESULT", compact({"ZbSend": "Invalid parameter"}))
            return
        node = next((one for one in self._all() if name in (one.name, one.short)), None)
        if node is None:
            self.say(f"stat/{self.base}/RESULT", compact({"ZbSend": "Unknown device"}))
            return
        self.say(f"stat/{self.base}/RESULT", compact({"ZbSend": "Done"}))
        self._tele("SENSOR", {"ZbResponse": {"Device": node.short, "Command": "0006!01", "Status": 0, "Endpoint": 1}})
        self._switch(node, on, now_ms)

    def _switch(self, node: _Node, on: bool, now_ms: int) -> None:
        node.on = on
        self._received(node, now_ms, {"Power": int(on)})

    # --- the hand of the simulation -----------------------------------------------------------------------------------

    def actions(self, device: str) -> Mapping[str, Action]:
        node = self._nodes.get(device)
        if node is None:
            return self.of_bridge()
        table: dict[str, Action] = {
            "report": lambda now_ms, args: self._report(node, now_ms),
            "duplicate": lambda now_ms, args: self._duplicate(),
        }
        if node.kind in _SWITCHED:
            table |= switching(node.kind, lambda on, now_ms: self._switch(node, on, now_ms))
        elif node.kind in _ZONES:
            table |= switching(node.kind, lambda on, now_ms: self._bit(node, 0, on, now_ms))
            table["low_battery"] = lambda now_ms, args: self._bit(node, _BATTERY, True, now_ms)
            table["tamper"] = lambda now_ms, args: self._bit(node, _TAMPER, True, now_ms)
            table["self_test"] = lambda now_ms, args: self._test(node, now_ms)
        elif node.kind == "sos_button":  # IAS ACE, emergency; and the three ways of an on/off button
            table["press"] = self._say(node, {"0501!02": ""})
            table["double"] = self._say(node, {"0006!FD": "01"})
            table["long_press"] = self._say(node, {"0006!FD": "02"})
        elif node.kind == "service_button":
            table |= {"press": self._say(node, {"0006!FD": "00"}), "double": self._say(node, {"0006!FD": "01"})}
            table["long_press"] = self._say(node, {"0006!FD": "02"})
        return table

    def _say(self, node: _Node, said: Mapping[str, object]) -> Action:
        def act(now_ms: int, args: Args) -> None:
            self._received(node, now_ms, said)

        return act

    def _bit(self, node: _Node, bit: int, on: bool, now_ms: int) -> None:
        node.bits = node.bits | 1 << bit if on else node.bits & ~(1 << bit)
        self._zone(node, now_ms)

    def _test(self, node: _Node, now_ms: int) -> None:
        self._bit(node, _TEST, True, now_ms)
        node.bits &= ~(1 << _TEST)

    def _duplicate(self) -> None:
        if self._last is not None:
            self.say(self._last.topic, self._last.payload)

    def look(self, device: str) -> Mapping[str, object]:
        node = self._nodes.get(device)
        if node is None:
            return {"online": self.online}
        return {"short": node.short, "bits": node.bits, "on": node.on}
