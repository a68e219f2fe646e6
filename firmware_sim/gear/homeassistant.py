"""Simulated gear that announces itself by Home Assistant's MQTT discovery, in the manners of four real programs.

ESPHome's MQTT component (a topic for each entity, ``online``/``offline`` as last will), Theengs Gateway (abbreviated
keys, ``is_defined``, no presence), Z-Wave JS UI (JSON values, lists of availabilities), and a whole device in one
message. Written after www.home-assistant.io/integrations/mqtt and the pages of these programs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from firmware_sim.device import Action, ActionError
from firmware_sim.gear.base import GearPart, Link
from firmware_sim.gear.mqtt import MqttGear, Say

REPORT_EVERY_MS = 600_000
Config = dict[str, Any]


@dataclass(slots=True)
class _Node:
    """One device: what it announces, and how it says what happens."""

    address: str
    kind: str
    manner: str
    configs: dict[str, Config] = field(default_factory=dict)
    """Discovery topic below the prefix → configuration."""
    states: dict[str, str] = field(default_factory=dict)
    """Topic → what is said there, kept to be said again."""
    happens: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    """Action → topics, and what is said there."""
    commands: dict[str, dict[str, str]] = field(default_factory=dict)
    """Command topic → what is obeyed → the action that follows."""
    availability: str = ""
    there: str = "online"
    gone: str = "offline"
    reachable: bool = True
    obeyed: list[str] = field(default_factory=list)


class SimHomeAssistant(MqttGear):
    """The gear. What a device can do depends on its kind (`look` lists it); besides: ``report``, ``announce`` (its
    configuration again), ``forget`` (an empty configuration), ``unplug``, ``plug``, ``deaf`` (it obeys no more),
    ``nonsense`` (a word it never announced). Of all (``""``): ``halt``, ``resume``, ``drop``."""

    profile = "homeassistant"

    def __init__(
        self, link: Link, parts: Sequence[GearPart] = (), *, base: str = "", seed: int = 0, clock: Callable[[], int]
    ) -> None:
        """Raises ValueError for a kind that is not simulated."""
        super().__init__(link, parts, base=base or "homeassistant", seed=seed, clock=clock)
        self._nodes: dict[str, _Node] = {}
        for name, part in self.parts.items():
            make = _MAKERS.get(part.kind)
            if make is None:
                raise ValueError(f"{name}: no gear of kind {part.kind} is simulated; there are {', '.join(_MAKERS)}")
            node = _Node(part.address, part.kind, "")
            make(node)
            self._nodes[name] = node
        self.listens = tuple(topic for node in self._nodes.values() for topic in node.commands)
        self._deaf: set[str] = set()
        self._due_ms = clock() + REPORT_EVERY_MS

    @classmethod
    def example(cls) -> tuple[GearPart, ...]:
        return tuple(GearPart(address=f"ha-{kind.replace('_', '-')}", kind=kind) for kind in _MAKERS)

    def will(self) -> Say:
        return Say("gear/gateway/status", b"offline", retain=True, qos=1)

    def connected(self, now_ms: int) -> None:
        """Descriptions are kept by the broker; so are presence and the states of what is on the mains."""
        self.say("gear/gateway/status", "online", retain=True, qos=1)
        for node in self._nodes.values():
            self._announce(node)
            self._reach(node, node.reachable)
            self._report(node)

    def next_due_ms(self, now_ms: int) -> int | None:
        return self._due_ms

    def tick(self, now_ms: int) -> None:
        self._due_ms = now_ms + round(REPORT_EVERY_MS * self.rng.uniform(0.95, 1.05))
        for node in self._nodes.values():
            self._report(node)

    def heard(self, topic: str, payload: bytes, now_ms: int) -> None:
        for name, node in self._nodes.items():
            obeys = node.commands.get(topic)
            if obeys is None or name in self._deaf or not node.reachable:
                continue
            word = payload.decode("utf-8", "replace")
            node.obeyed.append(word)
            if payload.startswith(b"{"):
                word = str(json.loads(payload).get("state", word))
            if word in obeys:
                self._happen(node, obeys[word])

    # --- the hand of the simulation -----------------------------------------------------------------------------------

    def actions(self, device: str) -> Mapping[str, Action]:
        node = self._nodes.get(device)
        if node is None:
            return self.of_bridge()
        table: dict[str, Action] = {
            "report": lambda now_ms, args: self._report(node),
            "announce": lambda now_ms, args: self._announce(node),
            "forget": lambda now_ms, args: self._forget(node),
            "unplug": lambda now_ms, args: self._reach(node, False),
            "plug": lambda now_ms, args: self._reach(node, True),
            "deaf": lambda now_ms, args: self._deaf.add(device),
            "nonsense": lambda now_ms, args: self._nonsense(node),
        }
        return table | {action: self._doing(node, action) for action in node.happens}

    def look(self, device: str) -> Mapping[str, object]:
        node = self._nodes[device]
        return {
            "manner": node.manner,
            "happens": sorted(node.happens),
            "reachable": node.reachable,
            "obeyed": node.obeyed,
        }

    def _doing(self, node: _Node, action: str) -> Action:
        return lambda now_ms, args: self._happen(node, action)

    def _happen(self, node: _Node, action: str) -> None:
        if not node.reachable:
            return
        for topic, said in node.happens[action]:
            if topic in node.states:
                node.states[topic] = said
            self.say(topic, said, retain=topic in node.states)

    def _report(self, node: _Node) -> None:
        if node.reachable:
            for topic, said in node.states.items():
                self.say(topic, said, retain=True)

    def _announce(self, node: _Node) -> None:
        for topic, config in node.configs.items():
            self.say(f"{self.base}/{topic}/config", json.dumps(config, ensure_ascii=False), retain=True)

    def _forget(self, node: _Node) -> None:
        for topic in node.configs:
            self.say(f"{self.base}/{topic}/config", b"", retain=True)

    def _reach(self, node: _Node, there: bool) -> None:
        node.reachable = there
        if node.availability:
            self.say(node.availability, node.there if there else node.gone, retain=True, qos=1)

    def _nonsense(self, node: _Node) -> None:
        if not node.states:
            raise ActionError(f"{node.address}: it says no state")
        self.say(next(iter(node.states)), json.dumps({"v": "???", "value": "???"}))


# --- manners ----------------------------------------------------------------------------------------------------------


def _esphome(component: str, name: str, **more: Any) -> Callable[[_Node], str]:
    """One entity as ESPHome announces it; returns its state topic."""

    def add(node: _Node) -> str:
        node.manner = "ESPHome"
        node.availability = f"{node.address}/status"
        topic = f"{node.address}/{component}/{name}/state"
        node.configs[f"{component}/{node.address}/{name}"] = {
            "name": name,
            "stat_t": topic,
            "avty_t": node.availability,
            "uniq_id": f"{node.address}{name}",
            "dev": {"ids": node.address, "name": node.address, "sw": "2026.1.0", "mdl": "esp32dev", "mf": "espressif"},
            **more,
        }
        return topic

    return add


def _theengs(node: _Node, name: str, device_class: str, **more: Any) -> str:
    """One property of a Bluetooth sensor as Theengs Gateway announces it; returns the topic that all of them share."""
    node.manner = "Theengs"
    topic = f"home/TheengsGateway/BTtoMQTT/{node.address.upper()}"
    component = "binary_sensor" if "pl_on" in more else "sensor"
    node.configs[f"{component}/{node.address}-{name}"] = {
        "stat_t": topic,
        "dev_cla": device_class,
        "val_tpl": f"{{{{ value_json.{name} | is_defined }}}}",
        "uniq_id": f"{node.address}-{name}",
        "exp_aft": 3600,
        "device": {"ids": [node.address], "cns": [["mac", node.address]], "mf": "Xiaomi", "mdl": "MCCGQ02HL"},
        **more,
    }
    return topic


def _zwave(node: _Node, component: str, name: str, **more: Any) -> str:
    """One value as Z-Wave JS UI announces it; returns its topic."""
    node.manner = "Z-Wave JS UI"
    node.availability = f"zwave/{node.address}/status"
    node.there, node.gone = '{"value": true}', '{"value": false}'
    topic = f"zwave/{node.address}/{name}"
    node.configs[f"{component}/{node.address}/{name}"] = {
        "state_topic": topic,
        "value_template": "{{ value_json.value }}",
        "availability": [
            {
                "topic": node.availability,
                "value_template": "{{ 'true' if value_json.value else 'false' }}",
                "payload_available": "true",
                "payload_not_available": "false",
            },
            {"topic": "gear/gateway/status"},
        ],
        "availability_mode": "all",
        "device": {"identifiers": [node.address], "manufacturer": "Zooz", "model": "ZSE44", "sw_version": "1.10"},
        "unique_id": f"zwavejs2mqtt_{node.address}_{name}",
        **more,
    }
    return topic


def _two(node: _Node, topic: str, begins: tuple[str, str], ends: tuple[str, str]) -> None:
    """A state with an action for its beginning and one for its end, each with what is said then."""
    node.states[topic] = ends[1]
    node.happens |= {begins[0]: [(topic, begins[1])], ends[0]: [(topic, ends[1])]}


def _smoke(node: _Node) -> None:
    topic = _zwave(node, "binary_sensor", "smoke", device_class="smoke", payload_on=True, payload_off=False)
    _two(node, topic, ("smoke", '{"value": true}'), ("smoke_cleared", '{"value": false}'))
    level = _zwave(node, "sensor", "battery", device_class="battery", unit_of_measurement="%")
    node.states[level] = '{"value": 88}'


def _contact(node: _Node) -> None:
    topic = _theengs(node, "open", "door", pl_on=True, pl_off=False)
    _theengs(node, "batt", "battery", unit_of_meas="%")
    says = {
        True: json.dumps({"id": node.address, "open": True}),
        False: json.dumps({"id": node.address, "open": False}),
    }
    node.happens |= {"open": [(topic, says[True])], "close": [(topic, says[False])]}
    node.happens["battery"] = [(topic, json.dumps({"id": node.address, "batt": 97, "rssi": -71}))]
    node.states[topic] = says[False]


def _leak(node: _Node) -> None:
    probes = [_esphome("binary_sensor", name, dev_cla="moisture")(node) for name in ("left", "right")]
    for name, topic in zip(("left", "right"), probes, strict=True):
        _two(node, topic, (f"{name}_wet", "ON"), (f"{name}_dry", "OFF"))


def _motion(node: _Node) -> None:
    topic = _esphome("binary_sensor", "pir", dev_cla="motion")(node)
    _two(node, topic, ("motion", "ON"), ("motion_cleared", "OFF"))
    node.states[_esphome("sensor", "illuminance", dev_cla="illuminance", unit_of_meas="lx")(node)] = "120.0"


def _presence(node: _Node) -> None:
    for name, action, end in (("moving", "move", "stand"), ("still", "sit", "rise")):
        topic = _esphome("binary_sensor", name, dev_cla="occupancy")(node)
        _two(node, topic, (action, "ON"), (end, "OFF"))
    _two(node, _esphome("binary_sensor", "fall")(node), ("fall", "ON"), ("get_up", "OFF"))


def _sos(node: _Node) -> None:
    node.manner = "Z-Wave JS UI"
    for sort in ("button_short_press", "button_long_press", "button_short_release"):
        node.configs[f"device_automation/{node.address}/{sort}"] = {
            "automation_type": "trigger",
            "type": sort,
            "subtype": "button_1",
            "payload": sort,
            "topic": f"gear/{node.address}/action",
            "device": {"identifiers": [node.address], "manufacturer": "Aqara", "model": "WXKG11LM"},
        }
    topic = f"gear/{node.address}/action"
    node.happens = {
        "press": [(topic, "button_short_press"), (topic, "button_short_release")],
        "long_press": [(topic, "button_long_press"), (topic, "button_short_release")],
        "double": [(topic, "button_short_press"), (topic, "button_short_press")],
    }


def _valve(node: _Node) -> None:
    topic = _esphome("valve", "gas", cmd_t=f"{node.address}/valve/gas/command")(node)
    _two(node, topic, ("open", "open"), ("close", "closed"))
    node.commands[f"{node.address}/valve/gas/command"] = {"OPEN": "open", "CLOSE": "close"}


def _plug(node: _Node) -> None:
    topic = _esphome("switch", "relay", cmd_t=f"{node.address}/switch/relay/command")(node)
    _two(node, topic, ("switched_on", "ON"), ("switched_off", "OFF"))
    node.commands[f"{node.address}/switch/relay/command"] = {"ON": "switched_on", "OFF": "switched_off"}
    node.states[_esphome("sensor", "power", dev_cla="power", unit_of_meas="W")(node)] = "41.2"


def _siren(node: _Node) -> None:
    topic = f"gear/{node.address}/siren"
    config = {"p": "siren", "state_topic": topic, "command_topic": f"{topic}/set", "unique_id": f"{node.address}_s"}
    node.manner = "whole device"
    node.availability = f"gear/{node.address}/lwt"
    node.configs[f"device/{node.address}"] = {
        "dev": {"ids": node.address, "name": "yard", "mf": "Maker", "mdl": "S-1", "sw": "2.1"},
        "o": {"name": "maker2mqtt", "sw": "2.1"},
        "avty_t": node.availability,
        "cmps": {"siren": config, "lamp": {"p": "light", "command_topic": f"gear/{node.address}/lamp/set"}},
    }
    _two(node, topic, ("sounding", '{"state": "ON"}'), ("silenced", '{"state": "OFF"}'))
    node.commands[f"{topic}/set"] = {"ON": "sounding", "OFF": "silenced"}


def _environment(node: _Node) -> None:
    for name, unit, said in (
        ("temperature", "°F", "68.9"),
        ("humidity", "%", "44.7"),
        ("carbon_dioxide", "ppm", "640"),
    ):
        node.states[_esphome("sensor", name, dev_cla=name, unit_of_meas=unit)(node)] = said


_MAKERS: Mapping[str, Callable[[_Node], None]] = {
    "sos_button": _sos,
    "smoke": _smoke,
    "contact": _contact,
    "motion": _motion,
    "presence": _presence,
    "leak": _leak,
    "valve": _valve,
    "plug": _plug,
    "siren": _siren,
    "environment": _environment,
}
"""Kind → what makes a device of it."""
