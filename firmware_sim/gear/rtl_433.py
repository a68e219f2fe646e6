"""A simulated receiver with rtl_433 and the radio sensors around it: each transmission comes several times.

Every model says its own words; between two copies lie 60 to 400 ms, and their time and level differ. Written after
rtl_433's docs/DATA_FORMAT.md and its decoders.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from firmware_sim.device import Action, Args
from firmware_sim.gear.base import GearPart, Link
from firmware_sim.gear.mqtt import MqttGear, Say

HOST = "pi"
BEAT_MS = 3_600_000
"""Security sensors say about once an hour that they are there."""
Words = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Model:
    """What one model says."""

    name: str
    copies: int
    """So many of one transmission are decoded."""
    gap_ms: int
    rest: Words
    says: Mapping[str, Words]
    """Action → what is different then."""


_HONEYWELL: Words = {"channel": 8, "event": 128, "state": "closed", "contact_open": 0, "reed_open": 0, "alarm": 0}
_HONEYWELL |= {"tamper": 0, "battery_ok": 1, "heartbeat": 0, "mic": "CRC"}
_OPEN = {"event": 160, "state": "open", "contact_open": 1, "reed_open": 1}
MODELS: Mapping[str, _Model] = {
    "contact": _Model(
        "Honeywell-Security",
        6,
        129,
        _HONEYWELL,
        {
            "open": _OPEN,
            "opened": _OPEN,
            "close": {},
            "closed": {},
            "tamper": {"tamper": 1},
            "low_battery": {"battery_ok": 0},
        },
    ),
    "motion": _Model("Kerui-Security", 1, 0, {}, {"motion": {"cmd": 10, "motion": 1, "state": "motion"}}),
    "leak": _Model(
        "Govee-Water",
        3,
        250,
        {"battery_ok": 0.9, "battery_mV": 2840, "event": "Battery Report", "detect_wet": 0, "mic": "CRC"},
        {"leak": {"event": "Water Leak", "detect_wet": 1}, "leak_cleared": {}},
    ),
    "smoke": _Model("Smoke-GS558", 1, 0, {"unit": 12, "learn": 0, "code": "c1a96c"}, {"smoke": {}}),
    "sos_button": _Model("Generic-Remote", 4, 60, {"cmd": 192, "tristate": "0Z01101Z1000"}, {"press": {}}),
    "service_button": _Model(
        "Generic-Remote",
        4,
        60,
        {"tristate": "0Z01101Z0000"},
        {"plumbing": {"cmd": 12}, "drain": {"cmd": 48}, "housekeeping": {"cmd": 3}},
    ),
    "environment": _Model(
        "Nexus-TH", 3, 90, {"channel": 1, "battery_ok": 1, "temperature_C": 21.3, "humidity": 47}, {"report": {}}
    ),
}


class SimRtl433(MqttGear):
    """Device actions: those of its model (`MODELS`); ``report``; ``hold`` (a key that is held for three seconds).
    Of the receiver (``""``): ``halt``, ``resume``, ``drop``, ``statistics``."""

    profile = "rtl-433"

    def __init__(
        self, link: Link, parts: Sequence[GearPart] = (), *, base: str = "", seed: int = 0, clock: Callable[[], int]
    ) -> None:
        """Raises ValueError for a part of a kind that no model is."""
        super().__init__(link, parts, base=base or "rtl_433", seed=seed, clock=clock)
        for part in self.parts.values():
            if part.kind not in MODELS and part.kind != "concentrator":
                raise ValueError(f"{part.address}: no radio sensor is simulated as a {part.kind}")
        self._beat_ms = clock() + BEAT_MS
        self._held: dict[str, Words] = {}
        """Device → what it says differently from its rest until that is over: a wet sensor stays wet."""

    @classmethod
    def example(cls) -> tuple[GearPart, ...]:
        numbers = {"contact": "73942", "motion": "0x5a2f1", "leak": "10611", "smoke": "3403", "sos_button": "5069"}
        numbers |= {"service_button": "5070", "environment": "188"}
        options = {
            "sos_button": {"press": "192"},
            "service_button": {"plumbing": "12", "drain": "48", "housekeeping": "3"},
        }
        return (
            GearPart(address=HOST, kind="concentrator"),
            *(
                GearPart(address=f"{model.name}/{numbers[kind]}", kind=kind, options=options.get(kind, {}))
                for kind, model in MODELS.items()
            ),
        )

    # --- its own words ------------------------------------------------------------------------------------------------

    def will(self) -> Say:
        return Say(f"{self.base}/{HOST}/availability", b"offline", retain=True)

    def connected(self, now_ms: int) -> None:
        self.say(f"{self.base}/{HOST}/availability", "online", retain=True)
        self._beat(now_ms)

    def next_due_ms(self, now_ms: int) -> int | None:
        return self._beat_ms

    def tick(self, now_ms: int) -> None:
        self._beat_ms = now_ms + BEAT_MS
        self._beat(now_ms)

    def _beat(self, now_ms: int) -> None:
        for part in self.parts.values():
            if part.kind in ("contact", "leak", "environment"):
                self._transmit(part, self._held.get(part.name, {}), now_ms)

    def _transmit(self, part: GearPart, words: Words, now_ms: int, copies: int = 0) -> None:
        """One transmission, as often as it is decoded."""
        model = MODELS[part.kind]
        name, _, number_of = part.address.partition("/")
        said = {"model": name, "id": int(number_of) if number_of.isdigit() else number_of, **model.rest, **words}
        for copy in range(copies or model.copies):
            at = datetime.fromtimestamp((now_ms + copy * model.gap_ms) / 1000, UTC)
            level = {"rssi": round(self.rng.gauss(-9, 2), 3), "snr": round(self.rng.gauss(18, 2), 3), "noise": -27.4}
            line = {"time": at.strftime("%Y-%m-%dT%H:%M:%S+0000"), **said, "mod": "ASK", "freq": 433.92, **level}
            self.say(f"{self.base}/{HOST}/events", json.dumps(line))  # rtl_433 puts a blank after : and ,

    # --- the hand of the simulation -----------------------------------------------------------------------------------

    def actions(self, device: str) -> Mapping[str, Action]:
        part = self.parts.get(device)
        if part is None or part.kind == "concentrator":
            return {
                **self.of_bridge(),
                "statistics": lambda now_ms, args: self.say(
                    f"{self.base}/{HOST}/events", json.dumps({"enabled": 212, "frames": {"count": 31, "events": 4}})
                ),
            }
        table = {name: self._say(part, words) for name, words in MODELS[part.kind].says.items()}
        table["report"] = lambda now_ms, args: self._transmit(part, self._held.get(part.name, {}), now_ms)
        table["hold"] = lambda now_ms, args: self._transmit(part, {}, now_ms, copies=50)
        return table

    def _say(self, part: GearPart, words: Words) -> Action:
        def act(now_ms: int, args: Args) -> None:
            lasting = {key: value for key, value in words.items() if key != "event"}
            self._held[part.name] = {**self._held.get(part.name, {}), **lasting} if words else {}
            self._transmit(part, words, now_ms)

        return act

    def look(self, device: str) -> Mapping[str, object]:
        part = self.parts[device]
        return {"model": MODELS[part.kind].name if part.kind in MODELS else HOST, "online": self.online}
