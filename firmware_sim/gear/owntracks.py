"""Simulated OwnTracks: inspectors who walk or drive with a telephone, and say where they are.

A position every few minutes and at every turn, kept by the broker; a last will; leaving and entering regions; what was
not sent without a network comes later, with its time. Written after owntracks.org/booklet/tech/json.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from firmware_sim.device import Action, Args, number
from firmware_sim.gear.base import GearPart, Link
from firmware_sim.gear.mqtt import MqttGear, Say
from firmware_sim.gear.words import compact

EVERY_MS = 180_000
_METRES_A_DEGREE = 111_320.0


@dataclass(slots=True)
class _Phone:
    """One telephone on its way round the community."""

    topic: str
    latitude: float
    longitude: float
    course: float
    battery: float
    speed: float = 4.0
    covered: bool = False
    """No network: what it would say waits."""
    waiting: list[dict[str, Any]] = field(default_factory=list)
    moved_ms: int = 0


class SimOwnTracks(MqttGear):
    """Device actions: ``report``, ``drive`` (speed in km/h), ``cover`` and ``uncover`` (no network, and back),
    ``enter`` and ``leave`` (region), ``gone`` (the broker speaks its last will). Of all (``""``): ``halt``,
    ``resume``, ``drop``."""

    profile = "owntracks"

    def __init__(
        self, link: Link, parts: Sequence[GearPart] = (), *, base: str = "", seed: int = 0, clock: Callable[[], int]
    ) -> None:
        super().__init__(link, parts, base=base or "owntracks", seed=seed, clock=clock)
        self._phones = {
            part.address: _Phone(
                f"{self.base}/{part.address}",
                latitude=39.9335 + self.rng.uniform(-0.005, 0.005),
                longitude=116.4615 + self.rng.uniform(-0.005, 0.005),
                course=self.rng.uniform(0, 360),
                battery=self.rng.uniform(40, 100),
                moved_ms=clock(),
            )
            for part in self.parts.values()
        }
        self._due_ms = clock() + EVERY_MS

    @classmethod
    def example(cls) -> tuple[GearPart, ...]:
        return (GearPart(address="wang/phone", kind="tracker"), GearPart(address="li/car", kind="tracker"))

    # --- its own words ------------------------------------------------------------------------------------------------

    def will(self) -> Say:
        first = next(iter(self._phones.values()))
        return Say(first.topic, self._lwt(self.clock()).encode())

    def _lwt(self, now_ms: int) -> str:
        return compact({"_type": "lwt", "tst": now_ms // 1000})

    def connected(self, now_ms: int) -> None:
        for phone in self._phones.values():
            self._locate(phone, now_ms, "p")

    def next_due_ms(self, now_ms: int) -> int | None:
        return self._due_ms

    def tick(self, now_ms: int) -> None:
        self._due_ms = now_ms + EVERY_MS
        for phone in self._phones.values():
            self._locate(phone, now_ms, "p")

    def _move(self, phone: _Phone, now_ms: int) -> None:
        metres = phone.speed / 3.6 * (now_ms - phone.moved_ms) / 1000
        phone.moved_ms = now_ms
        phone.course = (phone.course + self.rng.gauss(0, 30)) % 360
        north, east = math.cos(math.radians(phone.course)), math.sin(math.radians(phone.course))
        phone.latitude += metres * north / _METRES_A_DEGREE
        phone.longitude += metres * east / (_METRES_A_DEGREE * math.cos(math.radians(phone.latitude)))
        phone.battery = max(1.0, phone.battery - 0.05)

    def _locate(self, phone: _Phone, now_ms: int, trigger: str) -> None:
        self._move(phone, now_ms)
        said: dict[str, Any] = {
            "_type": "location",
            "acc": self.rng.randint(4, 25),
            "alt": 46,
            "batt": round(phone.battery),
            "bs": 1,
            "cog": round(phone.course),
            "conn": "m",
            "lat": round(phone.latitude, 7),
            "lon": round(phone.longitude, 7),
            "t": trigger,
            "tid": phone.topic[-2:],
            "tst": now_ms // 1000,
        }
        if phone.speed:
            said["vel"] = round(phone.speed)  # what is zero is left out
        self._tell(phone, said, phone.topic)

    def _tell(self, phone: _Phone, said: dict[str, Any], topic: str) -> None:
        if phone.covered:
            phone.waiting.append(said)
        else:
            self.say(topic, compact(said), retain=topic == phone.topic, qos=1)

    # --- the hand of the simulation -----------------------------------------------------------------------------------

    def actions(self, device: str) -> Mapping[str, Action]:
        if not device:
            return self.of_bridge()
        phone = self._phones[self.parts[device].address]
        return {
            "report": lambda now_ms, args: self._locate(phone, now_ms, "u"),
            "drive": lambda now_ms, args: self._drive(phone, now_ms, args),
            "cover": lambda now_ms, args: self._cover(phone, True),
            "uncover": lambda now_ms, args: self._cover(phone, False),
            "enter": lambda now_ms, args: self._region(phone, now_ms, "enter", args),
            "leave": lambda now_ms, args: self._region(phone, now_ms, "leave", args),
            "gone": lambda now_ms, args: self.say(phone.topic, self._lwt(now_ms)),
        }

    def _drive(self, phone: _Phone, now_ms: int, args: Args) -> None:
        phone.speed = number(args, "speed", 30.0)
        self._locate(phone, now_ms, "t")

    def _cover(self, phone: _Phone, covered: bool) -> None:
        phone.covered = covered
        if not covered:
            waiting, phone.waiting = phone.waiting, []
            for said in waiting:
                self._tell(phone, said, phone.topic)

    def _region(self, phone: _Phone, now_ms: int, event: str, args: Args) -> None:
        self._move(phone, now_ms)
        said = {
            "_type": "transition",
            "acc": 12,
            "desc": str(args.get("region", "居委会")),
            "event": event,
            "lat": round(phone.latitude, 7),
            "lon": round(phone.longitude, 7),
            "t": "c",
            "tid": phone.topic[-2:],
            "tst": now_ms // 1000,
            "wtst": 1_700_000_000,
        }
        self._tell(phone, said, f"{phone.topic}/event")

    def look(self, device: str) -> Mapping[str, object]:
        phone = self._phones[self.parts[device].address]
        return {"latitude": phone.latitude, "longitude": phone.longitude, "waiting": len(phone.waiting)}
