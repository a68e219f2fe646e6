"""A simulated Zigbee2MQTT with its network: real models, their own words, a cache, restarts, commands, faults.

It speaks as Zigbee2MQTT 2 does: JSON without spaces, QoS 0 for states and 1 for presence, its own words at a start in
their order (state, info, devices, groups, availability, the cache), a press said three times where Home Assistant's
integration is on. Written after www.zigbee2mqtt.io/guide/usage/mqtt_topics_and_messages.html.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from firmware_sim.device import Action, ActionError, Args
from firmware_sim.gear.base import GearPart, Link
from firmware_sim.gear.mqtt import MqttGear, Say
from firmware_sim.gear.zigbee_models import LINK, MODELS, Model, Value

VERSION = "2.5.1"
REPORT_EVERY_MS = 3_000_000
"""A sleeping device reports its battery about every 50 minutes."""
BRIDGE = "bridge"
COORDINATOR = "0x00124b0024c0ffee"
_IEEE = re.compile(r"0x[0-9a-f]{16}")


@dataclass(slots=True)
class _Node:
    """One device of the network, as its bridge knows it."""

    ieee: str
    name: str
    model: Model
    cache: dict[str, Value] = field(default_factory=dict)
    reachable: bool = True
    hanging: bool = False
    """Its state does not change any more, whatever happens."""
    seen_ms: int = 0
    obeyed: list[dict[str, Any]] = field(default_factory=list)


class SimZigbee2Mqtt(MqttGear):
    """The bridge. What a device can do stands with its model (`zigbee_models.Model.happens`, ``presses``); besides:
    ``report``, ``low_battery``, ``tamper``, ``battery_null``, ``battery_text``, ``announce`` (``action: null``),
    ``hang``, ``unhang``, ``double`` (what was said last, again), ``unplug``, ``plug``, ``rename`` (to). Of the bridge
    (``""``): ``restart``, ``halt``, ``resume``, ``drop``, ``join`` (kind, name), ``permit_join``."""

    profile = "zigbee2mqtt"

    def __init__(
        self,
        link: Link,
        parts: Sequence[GearPart] = (),
        *,
        base: str = "",
        seed: int = 0,
        clock: Callable[[], int],
        home_assistant: bool = True,
        retain: bool = False,
        last_seen: bool = False,
    ) -> None:
        """``home_assistant``: presses are said three times. ``retain``: states are kept by the broker.

        Raises ValueError for a part of a kind that no model is.
        """
        super().__init__(link, parts, base=base or "zigbee2mqtt", seed=seed, clock=clock)
        self.listens = (f"{self.base}/#",)
        self._home_assistant, self._retain, self._last_seen = home_assistant, retain, last_seen
        self._nodes: dict[str, _Node] = {}
        """Part → node; parts of one address share it."""
        self._starting = True
        self._joining = False
        self._published: set[str] = set()
        """Topics of its own: what it hears there is its own echo."""
        self._last: Say | None = None
        self._began_ms = clock()
        self._due_ms = self._began_ms + REPORT_EVERY_MS
        by_address: dict[str, _Node] = {}
        for name, part in self.parts.items():
            if part.address != BRIDGE:
                by_address.setdefault(part.address, self._node(part.address, part.kind, part.options.get("model", "")))
                self._nodes[name] = by_address[part.address]

    @classmethod
    def example(cls) -> tuple[GearPart, ...]:
        """One of each model, in rooms."""
        parts = [GearPart(address=BRIDGE, kind="concentrator")]
        for kind, models in MODELS.items():
            for model in models:
                parts.append(GearPart(address=f"501/{kind}/{model.model}", kind=kind, options={"model": model.model}))
        return tuple(parts)

    def _node(self, address: str, kind: str, model: str) -> _Node:
        models = [one for one in MODELS.get(kind, ()) if model in ("", one.model)]
        if not models:
            raise ValueError(f"{address}: no Zigbee model {model!r} is simulated as a {kind}")
        chosen = models[0] if model else self.rng.choice(models)
        ieee = address if _IEEE.fullmatch(address) else f"0x00158d{self.rng.randrange(16**10):010x}"
        cache: dict[str, Value] = dict(chosen.rest)
        if chosen.on_battery:
            cache |= {"battery": self.rng.randint(40, 100), "voltage": self.rng.randint(2700, 3050)}
            cache |= {"battery_low": False}
        return _Node(ieee=ieee, name=address, model=chosen, cache=cache, seen_ms=self.clock())

    # --- its start, and its end ---------------------------------------------------------------------------------------

    def will(self) -> Say:
        return Say(f"{self.base}/bridge/state", b'{"state":"offline"}', retain=True, qos=1)

    def halt(self) -> None:
        self._starting = True
        super().halt()

    def connected(self, now_ms: int) -> None:
        self._publish("bridge/state", {"state": "online"}, retain=True, qos=1)
        if not self._starting:  # only the connection was lost
            return
        self._starting = False
        self._info()
        self._devices()
        self._publish("bridge/groups", [{"id": 1, "friendly_name": "all_lamps", "members": []}], retain=True)
        for node in self._all():
            self._availability(node)
        for node in self._all():
            self._say_state(node)

    def next_due_ms(self, now_ms: int) -> int | None:
        return self._due_ms

    def tick(self, now_ms: int) -> None:
        self._due_ms = now_ms + round(REPORT_EVERY_MS * self.rng.uniform(0.9, 1.1))
        for node in self._all():
            self._heard_of(node, {}, now_ms)
        self._health(now_ms)

    def _health(self, now_ms: int) -> None:
        """As often as it is set to: every ten minutes from the factory."""
        process = {"uptime_sec": (now_ms - self._began_ms) // 1000, "memory_used_mb": 92.4, "memory_percent": 0.011}
        machine = {"load_average": [0.08, 0.05, 0.01], "memory_used_mb": 611.2, "memory_percent": 7.6}
        mqtt = {"connected": True, "queued": 0, "published": len(self._published), "received": 0}
        whole = {"response_time": now_ms, "os": machine, "process": process, "mqtt": mqtt, "devices": {}}
        self._publish("bridge/health", whole, retain=True, qos=1)

    def _all(self) -> list[_Node]:
        return list({id(node): node for node in self._nodes.values()}.values())

    def _info(self) -> None:
        advanced = {"cache_state": True, "cache_state_send_on_startup": True, "output": "json"}
        self._publish(
            "bridge/info",
            {
                "version": VERSION,
                "commit": "6835cbf",
                "coordinator": {"ieee_address": COORDINATOR, "type": "zStack3x0", "meta": {"revision": 20240710}},
                "network": {"channel": 15, "pan_id": 6754, "extended_pan_id": "0xdddddddddddddddd"},
                "log_level": "info",
                "permit_join": self._joining,
                "restart_required": False,
                "config": {"advanced": advanced, "mqtt": {"base_topic": self.base}},
            },
            retain=True,
        )

    def _devices(self) -> None:
        coordinator = {"ieee_address": COORDINATOR, "type": "Coordinator", "friendly_name": "Coordinator"}
        listed: list[dict[str, Any]] = [{**coordinator, "supported": True, "disabled": False, "definition": None}]
        for number, node in enumerate(self._all(), 1):
            model = node.model
            listed.append(
                {
                    "ieee_address": node.ieee,
                    "type": "EndDevice" if model.on_battery else "Router",
                    "network_address": 4096 + number,
                    "supported": True,
                    "disabled": False,
                    "friendly_name": node.name,
                    "definition": self._definition(model),
                    "power_source": "Battery" if model.on_battery else "Mains (single phase)",
                    "software_build_id": "3000-0001",
                    "date_code": "20200101",
                    "model_id": model.model,
                    "interview_completed": True,
                    "interviewing": False,
                    "manufacturer": model.vendor,
                    "endpoints": {},
                }
            )
        self._publish("bridge/devices", listed, retain=True)

    def _definition(self, model: Model) -> dict[str, Any]:
        return {
            "source": "native",
            "model": model.model,
            "vendor": model.vendor,
            "description": model.about,
            "exposes": [*model.exposes, LINK],
            "options": [],
            "supports_ota": False,
        }

    def _availability(self, node: _Node) -> None:
        there = "online" if node.reachable else "offline"
        self._publish(f"{node.name}/availability", {"state": there}, retain=True, qos=1)

    # --- the network --------------------------------------------------------------------------------------------------

    def _heard_of(self, node: _Node, changed: Mapping[str, Value], now_ms: int) -> None:
        """The radio brought something of a device: it goes into the cache, and all of the cache goes out."""
        if not node.reachable:
            return
        node.seen_ms = now_ms
        if not node.hanging:
            node.cache |= changed
        self._say_state(node)

    def _say_state(self, node: _Node, **moment: Value) -> None:
        state: dict[str, Value] = {**node.cache, **moment, "linkquality": self.rng.randint(40, 255)}
        if self._last_seen:
            state["last_seen"] = datetime.fromtimestamp(node.seen_ms / 1000, UTC).isoformat(timespec="milliseconds")
        self._publish(node.name, state, retain=self._retain)

    def _press(self, node: _Node, word: str, now_ms: int) -> None:
        if not node.reachable:
            return
        node.seen_ms = now_ms
        self._say_state(node, action=word)
        if self._home_assistant:
            self._say_state(node, action="")
            self._raw(f"{node.name}/action", word.encode())

    # --- commands -----------------------------------------------------------------------------------------------------

    def heard(self, topic: str, payload: bytes, now_ms: int) -> None:
        name = topic.removeprefix(f"{self.base}/")
        if topic in self._published or not name.endswith("/set"):
            return
        node = next((one for one in self._all() if name[: -len("/set")] in (one.name, one.ieee)), None)
        try:
            body = json.loads(payload)
        except ValueError:
            return
        if node is None or not isinstance(body, dict):
            return
        for key, value in body.items():
            self._set(node, key, value, now_ms)

    def _set(self, node: _Node, key: str, value: Any, now_ms: int) -> None:
        if not node.reachable or node.hanging:
            error = "ZCL command genOnOff failed (Timeout - no response)"
            message = f"z2m: Publish 'set' '{key}' to '{node.name}' failed: 'Error: {error}'"
            self._publish("bridge/logging", {"message": message, "level": "error", "namespace": "z2m"})
            return
        node.obeyed.append({key: value})
        if key in node.cache:
            self._heard_of(node, {key: value}, now_ms)

    # --- the hand of the simulation -----------------------------------------------------------------------------------

    def actions(self, device: str) -> Mapping[str, Action]:
        node = self._nodes.get(device)
        if node is None:
            return {
                "restart": lambda now_ms, args: self._restart(),
                **self.of_bridge(),
                "permit_join": lambda now_ms, args: self._permit(),
                "join": self._join,
            }
        part = self.parts[device].part
        table: dict[str, Action] = {
            "report": self._changing(node, {}),
            "low_battery": self._changing(node, {"battery": 4, "battery_low": True}),
            "tamper": self._changing(node, {"tamper": True}),
            "battery_null": self._changing(node, {"battery": None}),
            "battery_text": self._changing(node, {"battery": "100.00"}),
            "announce": lambda now_ms, args: self._say_state(node, action=None),
            "hang": lambda now_ms, args: setattr(node, "hanging", True),
            "unhang": lambda now_ms, args: setattr(node, "hanging", False),
            "double": lambda now_ms, args: self._again(),
            "unplug": lambda now_ms, args: self._reach(node, False),
            "plug": lambda now_ms, args: self._reach(node, True),
            "rename": lambda now_ms, args: self._rename(node, args),
        }
        for name, changed in node.model.happens.items():
            table[name] = self._changing(node, changed)
        for name, word in node.model.presses.items():
            table[name] = self._pressing(node, f"{part}_{word}" if part else word)
        return table

    def look(self, device: str) -> Mapping[str, object]:
        node = self._nodes.get(device)
        if node is None:
            return {"online": self.online, "joining": self._joining}
        seen = {"ieee": node.ieee, "name": node.name, "model": node.model.model, "reachable": node.reachable}
        return {**seen, "state": dict(node.cache), "obeyed": list(node.obeyed)}

    def _changing(self, node: _Node, changed: Mapping[str, Value]) -> Action:
        return lambda now_ms, args: self._heard_of(node, changed, now_ms)

    def _pressing(self, node: _Node, word: str) -> Action:
        return lambda now_ms, args: self._press(node, word, now_ms)

    def _restart(self) -> None:
        """The program ends as it should, and starts again: it says that it goes, and says its cache when it comes."""
        self._publish("bridge/state", {"state": "offline"}, retain=True)
        self._starting = True
        self.connected(self.clock())

    def _permit(self) -> None:
        self._joining = not self._joining
        self._info()

    def _join(self, now_ms: int, args: Args) -> None:
        kind = str(args.get("kind", "smoke"))
        if kind not in MODELS:
            raise ActionError(f"join: no Zigbee model of kind {kind!r} is simulated; there are {', '.join(MODELS)}")
        node = self._node("", kind, "")
        node.name = str(args.get("name", node.ieee))
        self.parts[node.name] = GearPart(address=node.name, kind=kind)
        self._nodes[node.name] = node
        about = {"friendly_name": node.name, "ieee_address": node.ieee}
        self._publish("bridge/event", {"type": "device_joined", "data": about})
        self._publish("bridge/event", {"type": "device_interview", "data": {**about, "status": "started"}})
        told = {**about, "status": "successful", "supported": True, "definition": self._definition(node.model)}
        self._publish("bridge/event", {"type": "device_interview", "data": told})
        self._devices()
        self._say_state(node)

    def _reach(self, node: _Node, there: bool) -> None:
        node.reachable = there
        self._availability(node)

    def _rename(self, node: _Node, args: Args) -> None:
        old, node.name = node.name, str(args.get("to", f"{node.name}-2"))
        self._raw(old, b"", retain=True)
        self._raw(f"{old}/availability", b"", retain=True)
        self._devices()
        self._availability(node)
        self._say_state(node)

    def _again(self) -> None:
        if self._last is None:
            raise ActionError("nothing was said yet")
        self.say(self._last.topic, self._last.payload, retain=self._last.retain)

    def _publish(self, topic: str, value: object, *, retain: bool = False, qos: int = 0) -> None:
        body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
        self._raw(topic, body, retain=retain, qos=qos)

    def _raw(self, topic: str, payload: bytes, *, retain: bool = False, qos: int = 0) -> None:
        self._last = Say(f"{self.base}/{topic}", payload, retain, qos)
        self._published.add(self._last.topic)
        self.say(self._last.topic, payload, retain=retain, qos=qos)
