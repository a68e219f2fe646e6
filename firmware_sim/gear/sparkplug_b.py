"""A simulated Sparkplug B edge node with its devices: births, data by exception with aliases, numbers, deaths.

Written after the Eclipse Sparkplug 3.0.0 specification.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from firmware_sim.device import Action, ActionError, Args
from firmware_sim.gear.base import GearPart, Link
from firmware_sim.gear.mqtt import MqttGear, Say
from firmware_sim.gear.sparkplug_wire import BOOLEAN, FLOAT, INT64, STRING, UINT8, Tag, command, payload
from firmware_sim.signals.noise import wander

REPORT_EVERY_MS = 60_000
_REBIRTH = "Node Control/Rebirth"
_TAGS: Mapping[str, Mapping[str, int]] = {
    # Kind → its tags and their types, named as our keys but for the odd one, as engineers do.
    "contact": {"Open": BOOLEAN, "Battery": UINT8},
    "leak": {"Alarm": BOOLEAN, "Temperature": FLOAT},
    "gas": {"Alarm": BOOLEAN, "Gas": FLOAT},
    "smoke": {"Alarm": BOOLEAN},
    "valve": {"Open": BOOLEAN, "Position": UINT8},
    "plug": {"Powered": BOOLEAN, "Power": FLOAT},
    "environment": {"Temperature": FLOAT, "Humidity": FLOAT, "CO2": INT64},
    "meter": {"Energy": FLOAT, "Power": FLOAT},
    "sos_button": {"Button": STRING},
}
_SWITCHES: Mapping[str, Mapping[str, tuple[str, bool]]] = {
    "contact": {"open": ("Open", True), "close": ("Open", False)},
    "leak": {"leak": ("Alarm", True), "leak_cleared": ("Alarm", False)},
    "gas": {"gas": ("Alarm", True), "gas_cleared": ("Alarm", False)},
    "smoke": {"smoke": ("Alarm", True), "smoke_cleared": ("Alarm", False)},
    "valve": {"open": ("Open", True), "close": ("Open", False)},
    "plug": {"switch_on": ("Powered", True), "switch_off": ("Powered", False)},
}


class SimSparkplugB(MqttGear):
    """The node; every device's address is ``<group>/<node>/<device>`` of the same node. Device actions: those of its
    kind (open, close, leak, gas, smoke, press, switch_on … and their ends), ``report``, ``die``, ``birth``, ``shade``
    (what happens is kept), ``light`` (it is told as historical), ``stuck`` (it obeys no more). Of the node (``""``):
    ``halt``, ``resume``, ``drop``, ``rebirth``, ``lose`` (a number is used and nothing said), ``stale_death``."""

    profile = "sparkplug-b"

    def __init__(
        self, link: Link, parts: Sequence[GearPart] = (), *, base: str = "", seed: int = 0, clock: Callable[[], int]
    ) -> None:
        """Raises ValueError for devices of several nodes, and for a kind that is not simulated."""
        super().__init__(link, parts, base=base or "spBv1.0", seed=seed, clock=clock)
        nodes = {tuple(part.address.split("/")[:2]) for part in self.parts.values()}
        if len(nodes) != 1 or any(part.address.count("/") != 2 for part in self.parts.values()):
            raise ValueError(f"{self.profile}: expected devices <group>/<node>/<device> of one node")
        ((self._group, self._node),) = nodes
        unknown = sorted({part.kind for part in self.parts.values()} - set(_TAGS))
        if unknown:
            raise ValueError(
                f"{self.profile}: kind {', '.join(unknown)} is not simulated; there are {', '.join(_TAGS)}"
            )
        namespace = self.base.partition("/")[0]
        self._topic = f"{namespace}/{self._group}"
        self.listens = (f"{self._topic}/NCMD/{self._node}", f"{self._topic}/DCMD/{self._node}/+")
        self._bd_seq = -1
        self._seq = 0
        self._on: dict[str, dict[str, bool | str]] = {name: {} for name in self.parts}
        self._alias = {
            (name, tag): number
            for number, (name, tag) in enumerate(
                [(name, tag) for name, part in self.parts.items() for tag in _TAGS[part.kind]], 10
            )
        }
        self._shade: dict[str, list[Tag]] = {}
        self._stuck: set[str] = set()
        self._due_ms = clock() + REPORT_EVERY_MS
        self.rebirths = 0
        """How often somebody asked for the births."""

    @classmethod
    def example(cls) -> tuple[GearPart, ...]:
        kinds = ("contact", "leak", "gas", "smoke", "valve", "plug", "environment", "meter")
        options = {
            "valve": {"commands": "open: Open = true\nclose: Open = false"},
            "plug": {"commands": "switch_on: Powered = true\nswitch_off: Powered = false"},
        }
        named = tuple(
            GearPart(address=f"Yard/Cabinet 3/{kind}-1", kind=kind, options=options.get(kind, {})) for kind in kinds
        )
        press = {"events": 'press: Button == "short"'}
        return (*named, GearPart(address="Yard/Cabinet 3/button-1", kind="sos_button", options=press))

    # --- the session ------------------------------------------------------------------------------------------------

    def will(self) -> Say:
        """A new session: its number is in the death that the broker keeps, and in the birth that follows."""
        self._bd_seq = (self._bd_seq + 1) % 256
        return Say(f"{self._topic}/NDEATH/{self._node}", self._death(self._bd_seq), qos=1)

    def connected(self, now_ms: int) -> None:
        self._births(now_ms)

    def heard(self, topic: str, payload_: bytes, now_ms: int) -> None:
        name, value = command(payload_)
        levels = topic.split("/")
        if name == _REBIRTH and value is True and len(levels) == 4:
            self.rebirths += 1
            self._births(now_ms)
            return
        device = f"{self._group}/{self._node}/{levels[-1]}"
        if len(levels) == 5 and device in self.parts and device not in self._stuck and isinstance(value, bool):
            self._set(device, name, value, now_ms)

    def next_due_ms(self, now_ms: int) -> int | None:
        return self._due_ms

    def tick(self, now_ms: int) -> None:
        self._due_ms = now_ms + REPORT_EVERY_MS
        for name in self.parts:
            self._report(name, now_ms)

    # --- the hand of the simulation ---------------------------------------------------------------------------------

    def actions(self, device: str) -> Mapping[str, Action]:
        if not device:
            return {
                **self.of_bridge(),
                "rebirth": lambda now_ms, args: self._births(now_ms),
                "lose": lambda now_ms, args: self._lose(),
                "stale_death": lambda now_ms, args: self._stale_death(),
            }
        kind = self.parts[device].kind
        table: dict[str, Action] = {
            "report": lambda now_ms, args: self._report(device, now_ms),
            "die": lambda now_ms, args: self._say("DDEATH", device, (), now_ms),
            "birth": lambda now_ms, args: self._birth(device, now_ms),
            "shade": lambda now_ms, args: self._shade.update({device: []}),
            "light": lambda now_ms, args: self._light(device, now_ms),
            "stuck": lambda now_ms, args: self._stuck.add(device),
        }
        for name, (tag, value) in _SWITCHES.get(kind, {}).items():
            table[name] = self._switch(device, tag, value)
        if kind == "sos_button":
            table["press"] = lambda now_ms, args: self._press(device, now_ms)
        return table

    def look(self, device: str) -> Mapping[str, object]:
        return {"on": dict(self._on[device]), "session": self._bd_seq}

    def _switch(self, device: str, tag: str, value: bool) -> Action:
        def do(now_ms: int, args: Args) -> None:
            self._set(device, tag, value, now_ms)

        return do

    def _set(self, device: str, tag: str, value: bool, now_ms: int) -> None:
        if tag not in _TAGS[self.parts[device].kind]:
            return
        self._on[device][tag] = value
        self._change(device, tag, now_ms)

    def _press(self, device: str, now_ms: int) -> None:
        for value in ("short", "idle"):  # a driver that shows the button as a text, and takes it back
            self._on[device]["Button"] = value
            self._change(device, "Button", now_ms)

    def _change(self, device: str, tag: str, now_ms: int) -> None:
        said = self._tag(device, tag, now_ms, named=False)
        if device in self._shade:
            self._shade[device].append(Tag(said.value, said.datatype, alias=said.alias, at_ms=now_ms, historical=True))
        else:
            self._say("DDATA", device, [said], now_ms)

    def _light(self, device: str, now_ms: int) -> None:
        kept = self._shade.pop(device, None)
        if kept is None:
            raise ActionError(f"{device}: stands in the light; do shade first")
        self._report(device, now_ms)
        self._say("DDATA", device, kept, now_ms)

    def _lose(self) -> None:
        self._seq = (self._seq + 1) % 256

    def _stale_death(self) -> None:
        self.say(f"{self._topic}/NDEATH/{self._node}", self._death((self._bd_seq - 1) % 256))

    # --- bytes ------------------------------------------------------------------------------------------------------

    def _births(self, now_ms: int) -> None:
        self._seq = 255  # the birth of the node has number 0
        about = [
            Tag(self._bd_seq, INT64, "bdSeq"),
            Tag(False, BOOLEAN, _REBIRTH),
            Tag("Simulated", STRING, "Properties/Hardware Make"),
            Tag("Edge 3", STRING, "Properties/Hardware Model"),
        ]
        self._say("NBIRTH", "", about, now_ms)
        for device in self.parts:
            self._birth(device, now_ms)

    def _birth(self, device: str, now_ms: int) -> None:
        tags = [self._tag(device, tag, now_ms, named=True) for tag in _TAGS[self.parts[device].kind]]
        self._say("DBIRTH", device, tags, now_ms)

    def _report(self, device: str, now_ms: int) -> None:
        tags = [
            self._tag(device, tag, now_ms, named=False) for tag in _TAGS[self.parts[device].kind] if tag != "Button"
        ]
        if tags and device not in self._shade:
            self._say("DDATA", device, tags, now_ms)

    def _tag(self, device: str, tag: str, now_ms: int, *, named: bool) -> Tag:
        datatype = _TAGS[self.parts[device].kind][tag]
        value = self._value(device, tag, datatype, now_ms)
        return Tag(value, datatype, tag if named else "", self._alias[(device, tag)], now_ms)

    def _value(self, device: str, tag: str, datatype: int, now_ms: int) -> bool | int | float | str:
        if datatype == BOOLEAN:
            return bool(self._on[device].get(tag, False))
        if datatype == STRING:
            return str(self._on[device].get(tag, "idle"))
        level = {"Temperature": 21.0, "Humidity": 50.0, "CO2": 620.0, "Battery": 87.0, "Energy": 1204.5}.get(tag, 40.0)
        value = level + wander(f"{device}/{tag}", now_ms, 1800)
        if tag == "Gas":
            value = 12.0 if self._on[device].get("Alarm") else 0.5
        if tag == "Position":
            value = 100.0 if self._on[device].get("Open") else 0.0
        return round(value, 2) if datatype == FLOAT else round(value)

    def _death(self, bd_seq: int) -> bytes:
        return payload([Tag(bd_seq, INT64, "bdSeq")], self.clock(), None)

    def _say(self, kind: str, device: str, tags: Sequence[Tag], now_ms: int) -> None:
        self._seq = (self._seq + 1) % 256
        below = f"/{device.split('/')[2]}" if device else ""
        self.say(f"{self._topic}/{kind}/{self._node}{below}", payload(tags, now_ms, self._seq))
