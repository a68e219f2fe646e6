"""Simulated Tasmota nodes: metering sockets, relays, dry contacts and buttons, in Tasmota's own words.

A change of a relay is said twice (RESULT and POWERn), a switch in SwitchMode 15 says its state as a SENSOR message, a
button with SetOption73 as a RESULT. Written after tasmota.github.io/docs (MQTT, Buttons-and-Switches, Commands).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from firmware_sim.device import Action, Args, number
from firmware_sim.gear.base import GearPart, Link
from firmware_sim.gear.mqtt import MqttGear, Say
from firmware_sim.gear.words import compact, switching
from firmware_sim.signals.radio import Link as Radio

TELE_PERIOD_MS = 300_000
VERSION = "14.4.1(release-tasmota)"
_LOCAL = timedelta(hours=8)
_RELAYS = ("plug", "siren", "valve")
_BUTTONS = ("sos_button", "service_button")
_PRESSES = {"press": "SINGLE", "double": "DOUBLE", "triple": "TRIPLE", "long_press": "HOLD"}


@dataclass(slots=True)
class _Node:
    """One Tasmota: everything under one topic."""

    topic: str
    radio: Radio
    started_ms: int
    parts: list[GearPart] = field(default_factory=list)
    relays: dict[str, bool] = field(default_factory=dict)
    """Number → on. One relay alone is called POWER, several POWER1, POWER2 …"""
    switches: dict[str, bool] = field(default_factory=dict)
    falls_ms: dict[str, int] = field(default_factory=dict)
    """Relay → when its PulseTime is over."""
    pulse_s: dict[str, float] = field(default_factory=dict)
    metering: bool = False
    climate: bool = False
    watts: float = 0.0
    kilowatt_hours: float = 0.0
    reachable: bool = True

    def relay_name(self, relay: str) -> str:
        return f"POWER{relay}" if len(self.relays) > 1 else "POWER"


class SimTasmota(MqttGear):
    """Device actions: those of its kind (``open``, ``smoke`` …; ``press``, ``double``, ``triple``, ``long_press`` of a
    button); ``load`` (watts) of a socket; ``report``, ``unplug``, ``plug``. Of all (``""``): ``halt``, ``resume``,
    ``drop``."""

    profile = "tasmota"

    def __init__(
        self, link: Link, parts: Sequence[GearPart] = (), *, base: str = "", seed: int = 0, clock: Callable[[], int]
    ) -> None:
        super().__init__(link, parts, base=base, seed=seed, clock=clock)
        self._below = f"{base}/" if base else ""
        self.listens = (f"{self._below}cmnd/#",)
        self._nodes: dict[str, _Node] = {}
        for part in self.parts.values():
            self._add(part)
        self._tele_ms = clock() + TELE_PERIOD_MS

    @classmethod
    def example(cls) -> tuple[GearPart, ...]:
        switched = ("contact", "motion", "smoke", "gas", "co", "leak")
        return (
            GearPart(address="tasmota_A1B2C3", kind="plug"),
            GearPart(address="tasmota_4CH001", kind="plug", part="1"),
            GearPart(address="tasmota_4CH001", kind="siren", part="2"),
            GearPart(address="tasmota_4CH001", kind="valve", part="3"),
            *(GearPart(address=f"tasmota_{kind}", kind=kind) for kind in (*switched, *_BUTTONS, "environment")),
        )

    def _add(self, part: GearPart) -> None:
        node = self._nodes.setdefault(part.address, _Node(part.address, Radio(self.rng, "wifi"), self.clock()))
        node.parts.append(part)
        which = part.part or "1"
        if part.kind in _RELAYS:
            node.relays[which] = self._inverted(part)
            node.metering = node.metering or part.kind == "plug"
        elif part.kind == "environment":
            node.climate = True
        elif part.kind not in _BUTTONS:
            node.switches[which] = self._inverted(part)

    @staticmethod
    def _inverted(part: GearPart) -> bool:
        return part.options.get("reverse") == "yes"

    # --- its own words ------------------------------------------------------------------------------------------------

    def will(self) -> Say:
        first = next(iter(self._nodes))
        return Say(f"{self._below}tele/{first}/LWT", b"Offline", retain=True, qos=1)

    def connected(self, now_ms: int) -> None:
        for node in self._nodes.values():
            self._wake_up(node, now_ms)

    def _wake_up(self, node: _Node, now_ms: int) -> None:
        self._tele(node, "LWT", "Online", retain=True)
        self._tele(node, "INFO1", compact({"Info1": {"Module": "Generic", "Version": VERSION, "FallbackTopic": ""}}))
        self._tele(node, "INFO3", compact({"Info3": {"RestartReason": "Power On", "BootCount": 7}}))
        for relay in node.relays:
            self._tell_relay(node, relay)
        self._report(node, now_ms)

    def next_due_ms(self, now_ms: int) -> int | None:
        falling = [at for node in self._nodes.values() for at in node.falls_ms.values()]
        return min([self._tele_ms, *falling])

    def tick(self, now_ms: int) -> None:
        for node in self._nodes.values():
            for relay in [relay for relay, at in node.falls_ms.items() if at <= now_ms]:
                self._power(node, relay, False)
        if self._tele_ms <= now_ms:
            self._tele_ms = now_ms + TELE_PERIOD_MS
            for node in self._nodes.values():
                self._report(node, now_ms)

    def _report(self, node: _Node, now_ms: int) -> None:
        rssi = round(node.radio.rssi(now_ms))
        up_s = (now_ms - node.started_ms) // 1000
        wifi = {"AP": 1, "SSId": "anju", "Channel": 6, "Mode": "11n", "RSSI": max(0, min(100, 2 * (rssi + 100)))}
        state = {
            "Time": self._time(now_ms),
            "Uptime": f"{up_s // 86400}T{timedelta(seconds=up_s % 86400)}",
            "UptimeSec": up_s,
            "Heap": 25,
            "SleepMode": "Dynamic",
            **{node.relay_name(relay): "ON" if on else "OFF" for relay, on in node.relays.items()},
            "Wifi": {**wifi, "Signal": rssi, "LinkCount": 1, "Downtime": "0T00:00:03"},
        }
        self._tele(node, "STATE", compact(state))
        self._sensor(node, now_ms)

    def _sensor(self, node: _Node, now_ms: int) -> None:
        sensor: dict[str, object] = {"Time": self._time(now_ms)}
        sensor |= {f"Switch{number}": "ON" if on else "OFF" for number, on in node.switches.items()}
        if node.metering:
            volts = round(self.rng.gauss(230, 2))
            on = any(node.relays.values())
            watts = round(node.watts if on else 0)
            node.kilowatt_hours += watts * TELE_PERIOD_MS / 3.6e9
            amperes = round(watts / volts, 3)
            sensor["ENERGY"] = {
                "TotalStartTime": "2026-01-01T00:00:00",
                "Total": round(node.kilowatt_hours, 3),
                "Yesterday": 0.0,
                "Today": 0.0,
                "Power": watts,
                "ApparentPower": watts,
                "ReactivePower": 0,
                "Factor": 1.0,
                "Voltage": volts,
                "Current": amperes,
            }
        if node.climate:
            temperature, humidity = round(self.rng.gauss(22, 1), 1), round(self.rng.gauss(50, 5), 1)
            sensor |= {"AM2301": {"Temperature": temperature, "Humidity": humidity}, "TempUnit": "C"}
        if len(sensor) > 1:
            self._tele(node, "SENSOR", compact(sensor))

    def _time(self, now_ms: int) -> str:
        """Local time without a zone, as Tasmota writes it unless it is told otherwise."""
        return (datetime.fromtimestamp(now_ms / 1000, UTC) + _LOCAL).strftime("%Y-%m-%dT%H:%M:%S")

    def _tele(self, node: _Node, name: str, payload: str, *, retain: bool = False) -> None:
        if node.reachable:
            self.say(f"{self._below}tele/{node.topic}/{name}", payload, retain=retain)

    def _stat(self, node: _Node, name: str, payload: str) -> None:
        if node.reachable:
            self.say(f"{self._below}stat/{node.topic}/{name}", payload)

    def _power(self, node: _Node, relay: str, on: bool) -> None:
        node.relays[relay] = on
        if not on:
            node.falls_ms.pop(relay, None)
        elif relay in node.pulse_s:
            node.falls_ms[relay] = self.clock() + round(node.pulse_s[relay] * 1000)
        self._tell_relay(node, relay)

    def _tell_relay(self, node: _Node, relay: str) -> None:
        said = "ON" if node.relays[relay] else "OFF"
        self._stat(node, "RESULT", compact({node.relay_name(relay): said}))
        self._stat(node, node.relay_name(relay), said)

    # --- what it is told ----------------------------------------------------------------------------------------------

    def heard(self, topic: str, payload: bytes, now_ms: int) -> None:
        *_, name, command = topic.split("/")
        node = self._nodes.get(name)
        if node is None or not node.reachable:
            return
        text = payload.decode("utf-8", "replace")
        orders = text.split(";") if command.lower() == "backlog" else [f"{command} {text}"]
        for order in orders:
            self._obey(node, order.strip())

    def _obey(self, node: _Node, order: str) -> None:
        found = re.fullmatch(r"(?i)(power|pulsetime)(\d*) +(\w+)", order)
        relay = (found[2] or "1") if found is not None else ""
        if found is None or relay not in node.relays:
            self._stat(node, "RESULT", compact({"Command": "Unknown"}))
        elif found[1].lower() == "power":
            self._power(node, relay, found[3].upper() in ("ON", "1", "TRUE"))
        else:  # up to 111 in tenths of seconds, from 112 on 100 more than the seconds
            value = int(found[3])
            node.pulse_s[relay] = value / 10 if value <= 111 else value - 100
            self._stat(node, "RESULT", compact({f"PulseTime{relay}": {"Set": value, "Remaining": 0}}))

    # --- the hand of the simulation -----------------------------------------------------------------------------------

    def actions(self, device: str) -> Mapping[str, Action]:
        if not device:
            return self.of_bridge()
        part = self.parts[device]
        node, which = self._nodes[part.address], part.part or "1"
        table: dict[str, Action] = {
            "report": lambda now_ms, args: self._report(node, now_ms),
            "unplug": lambda now_ms, args: self._unplug(node),
            "plug": lambda now_ms, args: self._plug(node, now_ms),
        }
        if part.kind in _BUTTONS:
            table |= {name: self._press(node, which, said) for name, said in _PRESSES.items()}
        elif part.kind in _RELAYS:
            table |= switching(part.kind, lambda on, now_ms: self._power(node, which, on != self._inverted(part)))
            table["load"] = lambda now_ms, args: self._load(node, now_ms, args)
        elif part.kind != "environment":
            table |= switching(
                part.kind, lambda on, now_ms: self._turn(node, which, on != self._inverted(part), now_ms)
            )
        return table

    def _press(self, node: _Node, which: str, said: str) -> Action:
        def press(now_ms: int, args: Args) -> None:
            self._stat(node, "RESULT", compact({f"Button{which}": {"Action": said}}))

        return press

    def _turn(self, node: _Node, which: str, on: bool, now_ms: int) -> None:
        node.switches[which] = on
        self._sensor(node, now_ms)

    def _load(self, node: _Node, now_ms: int, args: Args) -> None:
        node.watts = number(args, "watts", 100.0)
        self._sensor(node, now_ms)

    def _unplug(self, node: _Node) -> None:
        """No power; the broker speaks its last will."""
        self._tele(node, "LWT", "Offline", retain=True)
        node.reachable = False

    def _plug(self, node: _Node, now_ms: int) -> None:
        node.reachable, node.started_ms = True, now_ms
        self._wake_up(node, now_ms)

    def look(self, device: str) -> Mapping[str, object]:
        part = self.parts[device]
        node, which = self._nodes[part.address], part.part or "1"
        return {
            "reachable": node.reachable,
            "on": node.relays.get(which, node.switches.get(which)),
            "watts": node.watts if node.metering else None,
        }
