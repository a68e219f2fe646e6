"""Simulated ESPHome nodes over MQTT: binary sensors, switches, sensors, events and a valve, kept by the broker.

Written after esphome.io/components/mqtt.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from firmware_sim.device import Action, Args, number
from firmware_sim.gear.base import GearPart, Link
from firmware_sim.gear.mqtt import MqttGear, Say
from firmware_sim.gear.words import compact, switching
from firmware_sim.signals.radio import Link as Radio

UPDATE_MS = 60_000
"""``update_interval`` of sensors, as it is where nothing else is written."""
_EVENTS = {"press": "press", "double": "double_press", "triple": "triple_press", "long_press": "long_press"}
_VALVE = {True: ("OPENING", "OPEN", "100"), False: ("CLOSING", "CLOSED", "0")}


@dataclass(slots=True)
class _Node:
    name: str
    radio: Radio
    started_ms: int
    states: dict[str, str] = field(default_factory=dict)
    """``component/object_id`` → its state."""
    watts: float = 0.0
    reachable: bool = True


class SimEsphome(MqttGear):
    """Device actions: those of its kind; ``press``, ``double``, ``triple``, ``long_press`` of a button; ``load``
    (watts) of a socket; ``report``, ``unplug``, ``plug``; ``unknown`` (its sensors say nan). Of all (``""``): ``halt``,
    ``resume``, ``drop``."""

    profile = "esphome"

    def __init__(
        self, link: Link, parts: Sequence[GearPart] = (), *, base: str = "", seed: int = 0, clock: Callable[[], int]
    ) -> None:
        super().__init__(link, parts, base=base, seed=seed, clock=clock)
        self._below = f"{base}/" if base else ""
        self._nodes: dict[str, _Node] = {}
        for part in self.parts.values():
            node = self._nodes.setdefault(part.address, _Node(part.address, Radio(self.rng, "wifi"), clock()))
            node.states |= self._entities(part)
        self.listens = tuple(f"{self._below}{name}/+/+/command" for name in self._nodes)
        self._update_ms = clock() + UPDATE_MS

    @classmethod
    def example(cls) -> tuple[GearPart, ...]:
        binary = ("contact", "motion", "presence", "smoke", "heat", "gas", "co", "leak", "glass_break")
        return (
            *(GearPart(address="node-501", kind=kind, part=f"{kind}_sensor") for kind in binary),
            GearPart(address="node-502", kind="sos_button", part="bed_key"),
            GearPart(address="node-502", kind="service_button", part="service_key"),
            GearPart(address="node-503", kind="plug", part="relay"),
            GearPart(address="node-504", kind="valve", part="gas_valve"),
            GearPart(address="node-505", kind="environment"),
        )

    def _entities(self, part: GearPart) -> dict[str, str]:
        name = part.part or part.kind
        rest = {"sensor/wifi_signal": "-60", "sensor/uptime": "0"}
        if part.kind in ("sos_button", "service_button"):
            return rest
        if part.kind == "plug":
            return {**rest, f"switch/{name}": "OFF", "sensor/power": "0.0"}
        if part.kind == "valve":
            return {**rest, f"valve/{name}": "OPEN", f"valve/{name}/position": "100"}
        if part.kind == "environment":
            return {**rest, "sensor/temperature": "21.4", "sensor/humidity": "48.2", "sensor/illuminance": "210.0"}
        battery = part.options.get("battery")
        return {**rest, f"binary_sensor/{name}": "OFF", **({f"sensor/{battery}": "81"} if battery else {})}

    # --- its own words ------------------------------------------------------------------------------------------------

    def will(self) -> Say:
        first = next(iter(self._nodes))
        return Say(f"{self._below}{first}/status", b"offline", retain=True)

    def connected(self, now_ms: int) -> None:
        for node in self._nodes.values():
            self._wake_up(node, now_ms)

    def _wake_up(self, node: _Node, now_ms: int) -> None:
        self._publish(node, "status", "online")
        self._report(node, now_ms)

    def next_due_ms(self, now_ms: int) -> int | None:
        return self._update_ms

    def tick(self, now_ms: int) -> None:
        self._update_ms = now_ms + UPDATE_MS
        for node in self._nodes.values():
            self._report(node, now_ms)

    def _report(self, node: _Node, now_ms: int) -> None:
        node.states["sensor/wifi_signal"] = str(round(node.radio.rssi(now_ms)))
        node.states["sensor/uptime"] = str((now_ms - node.started_ms) // 1000)
        for entity, state in node.states.items():
            self._publish(node, f"{entity}/state", state)

    def _publish(self, node: _Node, name: str, payload: str) -> None:
        if node.reachable:
            self.say(f"{self._below}{node.name}/{name}", payload, retain=True)

    def _tell(self, node: _Node, entity: str, state: str) -> None:
        node.states[entity] = state
        self._publish(node, f"{entity}/state", state)

    # --- what it is told ----------------------------------------------------------------------------------------------

    def heard(self, topic: str, payload: bytes, now_ms: int) -> None:
        *_, name, component, object_id, _ = topic.split("/")
        node = self._nodes.get(name)
        if node is None or not node.reachable or f"{component}/{object_id}" not in node.states:
            return
        word = payload.decode("utf-8", "replace").upper()
        if component == "switch" and word in ("ON", "OFF"):
            self._switch(node, object_id, word == "ON")
        elif component == "valve" and word in ("OPEN", "CLOSE"):
            self._valve(node, object_id, word == "OPEN")

    def _switch(self, node: _Node, object_id: str, on: bool) -> None:
        self._tell(node, f"switch/{object_id}", "ON" if on else "OFF")
        self._tell(node, "sensor/power", f"{node.watts if on else 0:.1f}")

    def _valve(self, node: _Node, object_id: str, opened: bool) -> None:
        moving, there, position = _VALVE[opened]
        self._tell(node, f"valve/{object_id}", moving.lower())
        self._tell(node, f"valve/{object_id}", there.lower())
        self._tell(node, f"valve/{object_id}/position", position)

    # --- the hand of the simulation -----------------------------------------------------------------------------------

    def actions(self, device: str) -> Mapping[str, Action]:
        if not device:
            return self.of_bridge()
        part = self.parts[device]
        node, name = self._nodes[part.address], part.part or part.kind
        table: dict[str, Action] = {
            "report": lambda now_ms, args: self._report(node, now_ms),
            "unplug": lambda now_ms, args: self._unplug(node),
            "plug": lambda now_ms, args: self._plug(node, now_ms),
            "unknown": lambda now_ms, args: self._unknown(node),
        }
        if part.kind in ("sos_button", "service_button"):
            table |= {action: self._event(node, name, word) for action, word in _EVENTS.items()}
        elif part.kind == "plug":
            table |= switching(part.kind, lambda on, now_ms: self._switch(node, name, on))
            table["load"] = lambda now_ms, args: self._load(node, name, args)
        elif part.kind == "valve":
            table |= switching(part.kind, lambda on, now_ms: self._valve(node, name, on))
        elif part.kind != "environment":
            state = {True: "ON", False: "OFF"}
            table |= switching(part.kind, lambda on, now_ms: self._tell(node, f"binary_sensor/{name}", state[on]))
        return table

    def _event(self, node: _Node, name: str, word: str) -> Action:
        def act(now_ms: int, args: Args) -> None:
            if node.reachable:  # events are not kept
                self.say(f"{self._below}{node.name}/event/{name}/state", compact({"event_type": word}))

        return act

    def _load(self, node: _Node, name: str, args: Args) -> None:
        node.watts = number(args, "watts", 100.0)
        self._switch(node, name, node.states[f"switch/{name}"] == "ON")

    def _unknown(self, node: _Node) -> None:
        for entity in node.states:
            if entity.startswith("sensor/"):
                self._publish(node, f"{entity}/state", "nan")

    def _unplug(self, node: _Node) -> None:
        """No power; the broker speaks its last will."""
        self._publish(node, "status", "offline")
        node.reachable = False

    def _plug(self, node: _Node, now_ms: int) -> None:
        node.reachable, node.started_ms = True, now_ms
        self._wake_up(node, now_ms)

    def look(self, device: str) -> Mapping[str, object]:
        node = self._nodes[self.parts[device].address]
        return {"reachable": node.reachable, **node.states}
