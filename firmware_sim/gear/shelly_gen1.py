"""Simulated Shelly devices of the first generation: one topic for each value, kept by the broker, and all of it again
every half minute: the last event of a button, too, with the same count.

Written after shelly-api-docs.shelly.cloud/gen1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from firmware_sim.device import Action, Args, number
from firmware_sim.gear.base import GearPart, Link
from firmware_sim.gear.mqtt import MqttGear, Say
from firmware_sim.gear.words import compact, switching

UPDATE_MS = 30_000
"""``mqtt_update_period``, as it comes from the factory."""
FIRMWARE = "20230913-114008/v1.14.0-gcb84623"
_BUTTONS = ("sos_button", "service_button")
_PUSHES = {"press": "S", "double": "SS", "triple": "SSS", "long_press": "L"}
_MODELS = {
    "plug": "SHPLG-S",
    "sos_button": "SHBTN-2",
    "service_button": "SHIX3-1",
    "contact": "SHDW-2",
    "motion": "SHMOS-01",
    "smoke": "SHSM-01",
    "leak": "SHWT-1",
    "gas": "SHGS-1",
    "valve": "SHGS-1",
    "environment": "SHHT-1",
}
_VALVE = {True: ("opening", "opened"), False: ("closing", "closed")}


@dataclass(slots=True)
class _Node:
    id: str
    model: str
    parts: list[GearPart] = field(default_factory=list)
    values: dict[str, str] = field(default_factory=dict)
    """Topic below the device → what it says there now."""
    counts: dict[str, int] = field(default_factory=dict)
    """Input → presses since it was switched on."""
    watts: float = 0.0
    reachable: bool = True


class SimShellyGen1(MqttGear):
    """Device actions: those of its kind (``press``, ``double``, ``triple``, ``long_press`` of a button); ``load``
    (watts) of a socket; ``self_test`` of a gas detector; ``power_cut`` (off and on again), ``unplug``, ``plug``. Of all
    (``""``): ``halt``, ``resume``, ``drop``, ``update`` (what comes every half minute, now)."""

    profile = "shelly-gen1"

    def __init__(
        self, link: Link, parts: Sequence[GearPart] = (), *, base: str = "", seed: int = 0, clock: Callable[[], int]
    ) -> None:
        super().__init__(link, parts, base=base or "shellies", seed=seed, clock=clock)
        self.listens = (f"{self.base}/+/relay/+/command", f"{self.base}/+/valve/+/command")
        self._nodes: dict[str, _Node] = {}
        for part in self.parts.values():
            node = self._nodes.setdefault(part.address, _Node(part.address, _MODELS.get(part.kind, "SHSW-1")))
            node.parts.append(part)
        for node in self._nodes.values():
            self._at_rest(node)
        self._update_ms = clock() + UPDATE_MS

    @classmethod
    def example(cls) -> tuple[GearPart, ...]:
        return (
            GearPart(address="shellyplug-s-7A2B10", kind="plug"),
            GearPart(address="shellybutton1-485519F00C7B", kind="sos_button"),
            GearPart(address="shellyix3-68C63AF8E5A1", kind="service_button", part="0"),
            GearPart(address="shellydw2-73C75E", kind="contact"),
            GearPart(address="shellymotionsensor-60A423976594", kind="motion"),
            GearPart(address="shellysmoke-4F2A11", kind="smoke"),
            GearPart(address="shellyflood-9C1B20", kind="leak"),
            GearPart(address="shellygas-E868E7C6E54A", kind="gas"),
            GearPart(address="shellygas-E868E7C6E54A", kind="valve", part="0"),
            GearPart(address="shellyht-1A2B3C", kind="environment"),
        )

    def _at_rest(self, node: _Node) -> None:
        """What it says after it was switched on; counts begin anew."""
        for part in node.parts:
            which = part.part or "0"
            if part.kind == "plug":
                node.values |= {f"relay/{which}": "off", f"relay/{which}/power": "0.00", f"relay/{which}/energy": "0"}
                node.values["temperature"] = "31.20"
            elif part.kind in _BUTTONS:
                node.counts[which] = 0
                node.values |= {f"input/{which}": "0", f"input_event/{which}": compact({"event": "", "event_cnt": 0})}
            elif part.kind == "contact":
                node.values |= {"sensor/state": "close", "sensor/lux": "120", "sensor/tilt": "0"}
                node.values |= {"sensor/vibration": "0", "sensor/error": "0"}
            elif part.kind == "motion":
                node.values["status"] = self._motion(False)
            elif part.kind in ("smoke", "leak"):
                node.values["sensor/smoke" if part.kind == "smoke" else "sensor/flood"] = "false"
                node.values["sensor/temperature"] = "22.50"
            elif part.kind == "gas":
                node.values |= {"sensor/operation": "normal", "sensor/gas": "none", "sensor/concentration": "12"}
                node.values["sensor/self_test"] = "completed"
            elif part.kind == "valve":
                node.values[f"valve/{which}/state"] = "opened"
            else:
                node.values |= {"sensor/temperature": "20.75", "sensor/humidity": "48.50"}
            if part.kind not in ("plug", "gas", "valve", "motion"):
                node.values["sensor/battery"] = str(self.rng.randint(30, 100))

    def _motion(self, moving: bool) -> str:
        at_s = self.clock() // 1000
        return compact({"motion": moving, "timestamp": at_s, "active": True, "vibration": False, "lux": 303, "bat": 87})

    # --- its own words ------------------------------------------------------------------------------------------------

    def will(self) -> Say:
        first = next(iter(self._nodes))
        return Say(f"{self.base}/{first}/online", b"false", retain=True, qos=1)

    def connected(self, now_ms: int) -> None:
        for node in self._nodes.values():
            self._wake_up(node)

    def _wake_up(self, node: _Node) -> None:
        who = {"id": node.id, "model": node.model, "mac": node.id.rpartition("-")[2], "ip": "192.168.1.30"}
        announce = compact({**who, "new_fw": False, "fw_ver": FIRMWARE})
        self._publish(node, "online", "true")
        self.say(f"{self.base}/announce", announce)
        self._publish(node, "announce", announce)
        self._update(node)

    def next_due_ms(self, now_ms: int) -> int | None:
        return self._update_ms

    def tick(self, now_ms: int) -> None:
        self._update_ms = now_ms + UPDATE_MS
        for node in self._nodes.values():
            self._update(node)

    def _update(self, node: _Node) -> None:
        for name, value in node.values.items():
            self._publish(node, name, value)

    def _publish(self, node: _Node, name: str, payload: str) -> None:
        if node.reachable:
            self.say(f"{self.base}/{node.id}/{name}", payload, retain=True)

    def _tell(self, node: _Node, name: str, value: str) -> None:
        node.values[name] = value
        self._publish(node, name, value)

    # --- what it is told ----------------------------------------------------------------------------------------------

    def heard(self, topic: str, payload: bytes, now_ms: int) -> None:
        name, what, which, _ = topic.removeprefix(f"{self.base}/").split("/")
        node = self._nodes.get(name)
        if node is None or not node.reachable:
            return
        word = payload.decode("utf-8", "replace")
        if what == "relay" and word in ("on", "off"):
            self._relay(node, which, word == "on")
        elif what == "valve" and word in ("open", "close"):
            self._valve(node, which, word == "open")

    def _relay(self, node: _Node, which: str, on: bool) -> None:
        self._tell(node, f"relay/{which}", "on" if on else "off")
        self._tell(node, f"relay/{which}/power", f"{node.watts if on else 0:.2f}")

    def _valve(self, node: _Node, which: str, opened: bool) -> None:
        for word in _VALVE[opened]:
            self._tell(node, f"valve/{which}/state", word)

    # --- the hand of the simulation -----------------------------------------------------------------------------------

    def actions(self, device: str) -> Mapping[str, Action]:
        if not device:
            return {
                **self.of_bridge(),
                "update": lambda now_ms, args: self.tick(now_ms),
            }
        part = self.parts[device]
        node, which = self._nodes[part.address], part.part or "0"
        table: dict[str, Action] = {
            "power_cut": lambda now_ms, args: self._power_cut(node),
            "unplug": lambda now_ms, args: self._unplug(node),
            "plug": lambda now_ms, args: self._plug(node),
        }
        turns: dict[str, Callable[[bool, int], None]] = {
            "plug": lambda on, now_ms: self._relay(node, which, on),
            "valve": lambda on, now_ms: self._valve(node, which, on),
            "contact": lambda on, now_ms: self._tell(node, "sensor/state", "open" if on else "close"),
            "motion": lambda on, now_ms: self._tell(node, "status", self._motion(on)),
            "smoke": lambda on, now_ms: self._tell(node, "sensor/smoke", str(on).lower()),
            "leak": lambda on, now_ms: self._tell(node, "sensor/flood", str(on).lower()),
            "gas": lambda on, now_ms: self._tell(node, "sensor/gas", "mild" if on else "none"),
        }
        if part.kind in turns:
            table |= switching(part.kind, turns[part.kind])
        if part.kind in _BUTTONS:
            table |= {action: self._push(node, which, push) for action, push in _PUSHES.items()}
        elif part.kind == "plug":
            table["load"] = lambda now_ms, args: self._load(node, which, args)
        elif part.kind == "gas":
            table["self_test"] = lambda now_ms, args: self._self_test(node)
        return table

    def _push(self, node: _Node, which: str, push: str) -> Action:
        def act(now_ms: int, args: Args) -> None:
            node.counts[which] += 1
            self._tell(node, f"input/{which}", "1")
            self._tell(node, f"input/{which}", "0")
            self._tell(node, f"input_event/{which}", compact({"event": push, "event_cnt": node.counts[which]}))

        return act

    def _load(self, node: _Node, which: str, args: Args) -> None:
        node.watts = number(args, "watts", 100.0)
        self._relay(node, which, node.values[f"relay/{which}"] == "on")

    def _self_test(self, node: _Node) -> None:
        self._tell(node, "sensor/self_test", "running")
        self._tell(node, "sensor/gas", "test")
        self._tell(node, "sensor/self_test", "completed")
        self._tell(node, "sensor/gas", "none")

    def _power_cut(self, node: _Node) -> None:
        """Off and on again: counts begin anew, and it says all it knows."""
        self._unplug(node)
        self._at_rest(node)
        self._plug(node)

    def _unplug(self, node: _Node) -> None:
        """No power; the broker speaks its last will."""
        self._publish(node, "online", "false")
        node.reachable = False

    def _plug(self, node: _Node) -> None:
        node.reachable = True
        self._wake_up(node)

    def look(self, device: str) -> Mapping[str, object]:
        node = self._nodes[self.parts[device].address]
        return {"reachable": node.reachable, **node.values}
