"""Simulated Shelly devices of the second generation and later: JSON-RPC notifications over MQTT, and commands by RPC.

NotifyFullStatus after connecting, NotifyStatus with what changed, NotifyEvent for presses, answers on ``<src>/rpc``.
Written after shelly-api-docs.shelly.cloud/gen2.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from firmware_sim.device import Action, Args, number
from firmware_sim.gear.base import GearPart, Link
from firmware_sim.gear.mqtt import MqttGear, Say
from firmware_sim.gear.words import compact, switching
from firmware_sim.signals.radio import Link as Radio

FULL_STATUS_MS = 3_600_000
_RELAYS = ("plug", "siren", "valve")
_BUTTONS = ("sos_button", "service_button")
_PUSHES = {"press": "single_push", "double": "double_push", "triple": "triple_push", "long_press": "long_push"}
_SENSORS = {"smoke": "smoke", "leak": "flood"}
_BLU_FROM = 200
"""Components of paired Bluetooth devices have numbers from here on."""
_NOT_FOUND = {"code": 404, "message": "No handler for method"}
_NO_ID = {"code": -105, "message": "Argument 'id', value is not found!"}


@dataclass(slots=True)
class _Node:
    """One Shelly: its components by name, each with its status."""

    id: str
    radio: Radio
    started_ms: int
    components: dict[str, dict[str, Any]] = field(default_factory=dict)
    watts: float = 0.0
    falls_ms: dict[str, int] = field(default_factory=dict)
    """Switch → when its toggle_after is over."""
    reachable: bool = True


class SimShelly(MqttGear):
    """Device actions: those of its kind (``press``, ``double``, ``triple``, ``long_press`` of a button); ``load``
    (watts) of a socket; ``report``, ``unplug``, ``plug``. Of all (``""``): ``halt``, ``resume``, ``drop``."""

    profile = "shelly"

    def __init__(
        self, link: Link, parts: Sequence[GearPart] = (), *, base: str = "", seed: int = 0, clock: Callable[[], int]
    ) -> None:
        super().__init__(link, parts, base=base, seed=seed, clock=clock)
        self._below = f"{base}/" if base else ""
        self._nodes: dict[str, _Node] = {}
        for part in self.parts.values():
            self._add(part)
        self.listens = tuple(f"{self._below}{node}/rpc" for node in self._nodes)
        self._full_ms = clock() + FULL_STATUS_MS

    @classmethod
    def example(cls) -> tuple[GearPart, ...]:
        return (
            GearPart(address="shellyplusplugs-a8032ab636ec", kind="plug"),
            GearPart(address="shellyplus2pm-5443b23d81f8", kind="siren", part="0"),
            GearPart(address="shellyplus2pm-5443b23d81f8", kind="valve", part="1"),
            GearPart(address="shellyplusi4-a8032abe41fc", kind="sos_button", part="0"),
            GearPart(address="shellyplusi4-a8032abe41fc", kind="service_button", part="1"),
            GearPart(address="shellyplusi4-a8032abe41fc", kind="contact", part="2"),
            GearPart(address="shellyplusi4-a8032abe41fc", kind="motion", part="3"),
            GearPart(address="shellyplusi4-a8032abe41fc", kind="gas", part="4"),
            GearPart(address="shellyplusi4-a8032abe41fc", kind="sos_button", part="202"),
            GearPart(address="shellyplussmoke-80646fd3a1b4", kind="smoke"),
            GearPart(address="shellyfloodg4-dcb4d9d9d8a4", kind="leak"),
            GearPart(address="shellyhtg3-3030f9ec8468", kind="environment"),
        )

    def _add(self, part: GearPart) -> None:
        node = self._nodes.setdefault(part.address, _Node(part.address, Radio(self.rng, "wifi"), self.clock()))
        name, status = self._component(part)
        node.components[name] = {"id": int(part.part or 0), **status}
        if part.kind in _SENSORS:
            battery = {"V": 2.97, "percent": self.rng.randint(30, 100)}
            node.components["devicepower:0"] = {"id": 0, "battery": battery, "external": {"present": False}}
        if part.kind == "environment":
            node.components["humidity:0"] = {"id": 0, "rh": 51.2}

    def _component(self, part: GearPart) -> tuple[str, dict[str, Any]]:
        number_of = part.part or "0"
        if part.kind in _RELAYS:
            on = part.kind == "valve" and part.options.get("reverse") != "yes"
            meter = {"apower": 0.0, "voltage": 231.2, "current": 0.0, "aenergy": {"total": 0.0}}
            return f"switch:{number_of}", {"source": "init", "output": on, **meter, "temperature": {"tC": 41.3}}
        if part.kind in _SENSORS:
            return f"{_SENSORS[part.kind]}:{number_of}", {"alarm": False, "mute": False}
        if part.kind == "environment":
            return f"temperature:{number_of}", {"tC": 21.4, "tF": 70.5}
        if int(number_of) >= _BLU_FROM:
            return f"bthomedevice:{number_of}", {"rssi": -66, "battery": 100, "packet_id": 7}
        rests = part.kind == "contact" and part.options.get("reverse") != "yes"  # a reed is closed while the door is
        return f"input:{number_of}", {"state": None if part.kind in _BUTTONS else rests}

    # --- its own words ------------------------------------------------------------------------------------------------

    def will(self) -> Say:
        first = next(iter(self._nodes))
        return Say(f"{self._below}{first}/online", b"false", retain=True, qos=1)

    def connected(self, now_ms: int) -> None:
        for node in self._nodes.values():
            self._wake_up(node, now_ms)

    def _wake_up(self, node: _Node, now_ms: int) -> None:
        self._publish(node, "online", "true", retain=True)
        self._full(node, now_ms)

    def next_due_ms(self, now_ms: int) -> int | None:
        falling = [at for node in self._nodes.values() for at in node.falls_ms.values()]
        return min([self._full_ms, *falling])

    def tick(self, now_ms: int) -> None:
        for node in self._nodes.values():
            for name in [name for name, at in node.falls_ms.items() if at <= now_ms]:
                self._switch(node, name, False, now_ms, "timer")
        if self._full_ms <= now_ms:
            self._full_ms = now_ms + FULL_STATUS_MS
            for node in self._nodes.values():
                self._full(node, now_ms)

    def _publish(self, node: _Node, name: str, payload: str, *, retain: bool = False) -> None:
        if node.reachable:
            self.say(f"{self._below}{node.id}/{name}", payload, retain=retain)

    def _notify(self, node: _Node, method: str, params: Mapping[str, Any], now_ms: int) -> None:
        frame = {
            "src": node.id,
            "dst": f"{self._below}{node.id}/events",
            "method": method,
            "params": {"ts": round(now_ms / 1000, 2), **params},
        }
        self._publish(node, "events/rpc", compact(frame))

    def _full(self, node: _Node, now_ms: int) -> None:
        wifi = {"sta_ip": "192.168.1.20", "status": "got ip", "ssid": "anju", "rssi": round(node.radio.rssi(now_ms))}
        system = {"mac": node.id[-12:].upper(), "restart_required": False, "unixtime": now_ms // 1000}
        system["uptime"] = (now_ms - node.started_ms) // 1000
        rest = {"cloud": {"connected": False}, "mqtt": {"connected": True}, "sys": system, "wifi": wifi}
        self._notify(node, "NotifyFullStatus", {"ble": {}, **node.components, **rest}, now_ms)

    def _changed(self, node: _Node, name: str, changes: Mapping[str, Any], now_ms: int) -> None:
        node.components[name] |= changes
        self._notify(node, "NotifyStatus", {name: {"id": node.components[name]["id"], **changes}}, now_ms)

    def _switch(self, node: _Node, name: str, on: bool, now_ms: int, source: str) -> None:
        node.falls_ms.pop(name, None)
        if node.components[name]["output"] != on:
            watts = node.watts if on else 0.0
            self._changed(node, name, {"output": on, "source": source, "apower": watts}, now_ms)

    # --- what it is told ----------------------------------------------------------------------------------------------

    def heard(self, topic: str, payload: bytes, now_ms: int) -> None:
        node = self._nodes.get(topic.removeprefix(self._below).removesuffix("/rpc"))
        try:
            frame = json.loads(payload)
            source, answer_to = str(frame["src"]), frame["id"]
        except (ValueError, TypeError, KeyError):
            return  # no request frame: nobody to answer
        if node is None or not node.reachable:
            return
        answer = {"id": answer_to, "src": node.id, "dst": source, **self._called(node, frame, now_ms)}
        self.say(f"{source}/rpc", compact(answer))

    def _called(self, node: _Node, frame: Mapping[str, Any], now_ms: int) -> dict[str, Any]:
        if frame.get("method") != "Switch.Set":
            return {"error": _NOT_FOUND}
        params = frame.get("params") or {}
        name = f"switch:{params.get('id')}"
        if name not in node.components:
            return {"error": _NO_ID}
        was_on = node.components[name]["output"]
        self._switch(node, name, bool(params.get("on")), now_ms, "MQTT")
        if "toggle_after" in params:
            node.falls_ms[name] = now_ms + round(params["toggle_after"] * 1000)
        return {"result": {"was_on": was_on}}

    # --- the hand of the simulation -----------------------------------------------------------------------------------

    def actions(self, device: str) -> Mapping[str, Action]:
        if not device:
            return self.of_bridge()
        part = self.parts[device]
        node, name = self._nodes[part.address], self._component(part)[0]
        table: dict[str, Action] = {
            "report": lambda now_ms, args: self._full(node, now_ms),
            "unplug": lambda now_ms, args: self._unplug(node),
            "plug": lambda now_ms, args: self._plug(node, now_ms),
        }
        reverse = part.options.get("reverse") == "yes"
        if part.kind in _BUTTONS:
            table |= {action: self._push(node, name, push) for action, push in _PUSHES.items()}
        elif part.kind in _RELAYS:
            other = reverse and part.kind == "valve"
            table |= switching(part.kind, lambda on, now_ms: self._switch(node, name, on != other, now_ms, "button"))
            table["load"] = lambda now_ms, args: self._load(node, name, now_ms, args)
        elif part.kind in _SENSORS:
            table |= switching(part.kind, lambda on, now_ms: self._changed(node, name, {"alarm": on}, now_ms))
        elif part.kind != "environment":
            closed_when = reverse if part.kind == "contact" else not reverse
            table |= switching(
                part.kind, lambda on, now_ms: self._changed(node, name, {"state": on == closed_when}, now_ms)
            )
        return table

    def _push(self, node: _Node, name: str, push: str) -> Action:
        def act(now_ms: int, args: Args) -> None:
            number_of = int(name.partition(":")[2])
            event = {"component": name, "id": number_of, "event": push, "ts": round(now_ms / 1000, 2)}
            edges = [{**event, "event": edge} for edge in ("btn_down", "btn_up")]
            for one in [*edges, event] if name.startswith("input") else [{**event, "idx": 0}]:
                self._notify(node, "NotifyEvent", {"events": [one]}, now_ms)

        return act

    def _load(self, node: _Node, name: str, now_ms: int, args: Args) -> None:
        node.watts = number(args, "watts", 100.0)
        if node.components[name]["output"]:
            self._changed(node, name, {"apower": node.watts, "current": round(node.watts / 231.2, 3)}, now_ms)

    def _unplug(self, node: _Node) -> None:
        """No power; the broker speaks its last will."""
        self._publish(node, "online", "false", retain=True)
        node.reachable = False

    def _plug(self, node: _Node, now_ms: int) -> None:
        node.reachable, node.started_ms = True, now_ms
        self._wake_up(node, now_ms)

    def look(self, device: str) -> Mapping[str, object]:
        part = self.parts[device]
        node = self._nodes[part.address]
        return {"reachable": node.reachable, **node.components[self._component(part)[0]]}
