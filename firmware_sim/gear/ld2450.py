"""A Hi-Link LD2450 on a wall: whoever is in its room walks about before it, ten frames a second."""

from __future__ import annotations

import math
import random
import struct
from collections.abc import Callable, Mapping, Sequence

from devices.gear.profile import SerialSetting
from firmware_sim.device import Action, ActionError, number
from firmware_sim.gear.base import GearPart, Link
from firmware_sim.gear.serial import SerialGear
from firmware_sim.signals.home import ROOMS, Home
from firmware_sim.tty import LineFaults

FRAME_MS = 100
RESOLUTION_MM = 360
STILL_MS = 2_000
"""Who has not moved for so long is lost, until they move again."""


class _Person:
    """Somebody who walks from place to place and stops there."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.x, self.y = rng.uniform(-1500, 1500), rng.uniform(800, 4000)
        self._goal = (self.x, self.y)
        self._stop_until_ms = 0
        self.speed = 0.0
        self.moved_ms = 0

    def step(self, now_ms: int, seconds: float) -> None:
        across, ahead = self._goal[0] - self.x, self._goal[1] - self.y
        far = math.hypot(across, ahead)
        if far < 50:
            if now_ms >= self._stop_until_ms:
                self._goal = (self._rng.uniform(-2000, 2000), self._rng.uniform(600, 4500))
                self._stop_until_ms = now_ms + round(self._rng.uniform(2_000, 20_000))
            self.speed = 0.0
            return
        length = min(far, 700 * seconds)  # 0.7 m/s, as one walks in a room
        before = math.hypot(self.x, self.y)
        self.x += across / far * length
        self.y += ahead / far * length
        self.speed = (math.hypot(self.x, self.y) - before) / seconds / 10
        self.moved_ms = now_ms


class SimLd2450(SerialGear):
    """Device actions: ``enter`` (number: people), ``leave``, ``recover`` (the home's day decides again). Of the radar
    (``""``): ``power_off``, ``power_on``."""

    profile = "ld2450"
    setting = SerialSetting(baud=256_000)

    def __init__(
        self,
        link: Link,
        parts: Sequence[GearPart] = (),
        *,
        base: str = "",
        seed: int = 0,
        clock: Callable[[], int],
        faults: LineFaults = LineFaults(),
        bytewise: bool = False,
        zone: str = "Asia/Shanghai",
    ) -> None:
        super().__init__(link, parts, base=base, seed=seed, clock=clock, faults=faults, bytewise=bytewise)
        (part,) = self.parts.values()
        room = part.options.get("room", "bedroom")
        if room not in ROOMS:
            raise ValueError(f"{part.name}: room: expected one of {', '.join(ROOMS)}, got {room!r}")
        self._room = room
        self._home = Home(f"{seed}/{part.name}", zone)
        self._forced: int | None = None
        self._people: list[_Person] = []
        self._next_ms = 0

    @classmethod
    def example(cls) -> tuple[GearPart, ...]:
        return (GearPart(address="1", kind="presence", options={"room": "bedroom"}),)

    def started(self, now_ms: int) -> None:
        self._next_ms = now_ms

    def next_due_ms(self, now_ms: int) -> int | None:
        return self._next_ms

    def tick(self, now_ms: int) -> None:
        self._next_ms = now_ms + FRAME_MS
        wanted = self._forced
        if wanted is None:
            wanted = int(self._home.present(self._room, now_ms))
        while len(self._people) < wanted:
            self._people.append(_Person(self.rng))
        del self._people[wanted:]
        for person in self._people:
            person.step(now_ms, FRAME_MS / 1000)
        self.write(self._frame(now_ms))

    def _frame(self, now_ms: int) -> bytes:
        places = b""
        for person in self._people[:3]:
            if now_ms - person.moved_ms < STILL_MS or self._forced:
                numbers = (round(person.x), round(person.y), round(person.speed))
                places += struct.pack("<4H", *map(_sign_and_magnitude, numbers), RESOLUTION_MM)
        return b"\xaa\xff\x03\x00" + places.ljust(24, b"\x00") + b"\x55\xcc"

    def actions(self, device: str) -> Mapping[str, Action]:
        if not device:
            return {
                "power_off": lambda now_ms, args: self.power(False),
                "power_on": lambda now_ms, args: self.power(True),
            }
        return {
            "enter": lambda now_ms, args: self._force(round(number(args, "number", 1))),
            "leave": lambda now_ms, args: self._force(0),
            "recover": lambda now_ms, args: self._force(None),
        }

    def _force(self, people: int | None) -> None:
        if people is not None and not 0 <= people <= 3:
            raise ActionError(f"number: expected 0 to 3, got {people}")
        self._forced = people

    def look(self, device: str) -> Mapping[str, object]:
        return {"people": len(self._people)}


def _sign_and_magnitude(value: int) -> int:
    """Bit 15 is set for positive numbers."""
    return value + 0x8000 if value >= 0 else -value
