"""Weeks of simulated homes and roads, told to the rules engine: what would it have raised, and was it right?

A home's days are those of `firmware_sim.signals.home`: people get up, cook, nap, go out, are visited, sleep ten hours.
What the detectors of a home say of them is worked out here directly, hour for hour, without a fleet.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from devices.observation import Lane, Observation
from firmware_sim.signals.home import Home
from firmware_sim.signals.homeday import Room
from firmware_sim.signals.traffic import Road
from gateway.alarms import AlarmChange
from gateway.rules.document import RuleDocument
from gateway.rules.engine import Engine
from gateway.rules.forms import Fact, KnownDevice
from gateway.rules.library import library_rules

ZONE_NAME = "Asia/Shanghai"
ZONE = ZoneInfo(ZONE_NAME)
FIRST_DAY = datetime(2026, 3, 2, tzinfo=ZONE)
"""A Monday."""
BLIND_MS = 180_000
"""So long after the last movement a motion detector says that nobody moves, and can see somebody anew."""
HEARTBEAT_S = 3600
DAY_MS = 86_400_000
LIBRARY = library_rules()


def at(day: int, hour: float) -> int:
    """``hour`` of the ``day``-th day, from 0."""
    return int((FIRST_DAY + timedelta(days=day, hours=hour)).timestamp() * 1000)


def when(at_ms: int) -> str:
    """As people read it, for messages."""
    return f"{datetime.fromtimestamp(at_ms / 1000, ZONE):%a %m-%d %H:%M}"


@dataclass(frozen=True)
class Said:
    """One message of one device."""

    at_ms: int
    device: str
    event: str | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class FittedHome:
    """A home with its detectors. ``radar``: one at the bed."""

    seed: str
    rooms: tuple[Room, ...] = ("living_room",)
    radar: bool = True
    window: bool = True
    resident: Mapping[str, Fact] = field(default_factory=lambda: {"lives_alone": True})

    @property
    def home(self) -> Home:
        return Home(self.seed, ZONE_NAME)

    def devices(self) -> list[KnownDevice]:
        found = [self._device("door", "contact", role="front_door")]
        found += [self._device(f"motion-{room}", "motion") for room in self.rooms]
        if self.radar:
            found.append(self._device("radar", "presence"))
        if self.window:
            found.append(self._device("window", "contact", role="window"))
        return found

    def _device(self, name: str, kind: str, **attributes: Fact) -> KnownDevice:
        facts: dict[str, Fact] = {f"device.{key}": value for key, value in attributes.items()}
        facts |= {f"resident.{key}": value for key, value in self.resident.items()}
        return KnownDevice(
            f"{name}/{self.seed}",
            kind,
            place=f"place-{self.seed}",
            resident=self.seed,
            supervision_s=2 * HEARTBEAT_S + 60,
            facts=facts,
        )

    def says(self, from_ms: int, to_ms: int) -> Iterator[Said]:
        """All that its devices say, in order."""
        yield from sorted(self._all(from_ms, to_ms), key=lambda one: one.at_ms)

    def _all(self, from_ms: int, to_ms: int) -> Iterator[Said]:
        for day_ms in range(from_ms, to_ms, DAY_MS):
            until_ms = min(day_ms + DAY_MS, to_ms)
            yield from self._door("door", "entrance", day_ms, until_ms)
            if self.window:
                yield from self._door("window", "window", day_ms, until_ms)
            for room in self.rooms:
                yield from self._motion(room, day_ms, until_ms)
            if self.radar:
                yield from self._bedroom(day_ms, until_ms)
        for number, device in enumerate(self.devices()):
            for beat_ms in range(from_ms + number * 1000, to_ms, HEARTBEAT_S * 1000):
                yield Said(beat_ms, device.id, metrics={"battery": 90.0})

    def _door(self, name: str, door: str, from_ms: int, to_ms: int) -> Iterator[Said]:
        for opening in self.home.openings(door, from_ms, to_ms):  # type: ignore[arg-type]
            yield Said(opening.from_ms, f"{name}/{self.seed}", "opened")
            yield Said(opening.to_ms, f"{name}/{self.seed}", "closed")

    def _motion(self, room: Room, from_ms: int, to_ms: int) -> Iterator[Said]:
        seen_ms = 0
        for moved_ms in self.home.movements(room, from_ms, to_ms):
            if moved_ms - seen_ms > BLIND_MS:
                yield Said(moved_ms, f"motion-{room}/{self.seed}", "motion")
            seen_ms = moved_ms

    def _bedroom(self, from_ms: int, to_ms: int) -> Iterator[Said]:
        radar, before = f"radar/{self.seed}", None
        for stay in self.home.stays(from_ms, to_ms):
            here = stay.room == "bedroom"
            if before is not None and from_ms <= stay.from_ms < to_ms and here != (before == "bedroom"):
                yield Said(stay.from_ms, radar, "entered" if here else "left")
            before = stay.room
        for changed_ms, lies in self.home.bed_changes(from_ms, to_ms):
            yield Said(changed_ms + 1, radar, "bed_entered" if lies else "bed_left")


def without(said: Iterable[Said], from_ms: int, to_ms: int) -> Iterator[Said]:
    """The same, but nobody moves in the home from then until then; the devices go on reporting that they are there."""
    return (one for one in said if one.event is None or not from_ms <= one.at_ms < to_ms)


def listen(
    rules: Sequence[RuleDocument], devices: Sequence[KnownDevice], said: Iterable[Said], until_ms: int
) -> list[AlarmChange]:
    """What the engine makes of it; time passes until ``until_ms``."""
    known = {device.id: device for device in devices}
    engine = Engine(rules, known.get, {}, ZONE)
    changes: list[AlarmChange] = []
    begun = False
    for number, one in enumerate(said):
        if not begun:
            engine.watch(known, one.at_ms)
            begun = True
        while (due := engine.next_deadline_ms()) is not None and due <= one.at_ms:
            changes += engine.tick(due)
        observation = Observation(
            message_id=f"{one.device}:1:{number}",
            device=one.device,
            kind=known[one.device].kind,
            lane=Lane.URGENT if one.event else Lane.ROUTINE,
            observed_at_ms=one.at_ms,
            received_at_ms=one.at_ms,
            metrics=dict(one.metrics),
            event=one.event,
        )
        changes += engine.observe(observation, one.at_ms)
    while (due := engine.next_deadline_ms()) is not None and due <= until_ms:
        changes += engine.tick(due)
    return changes


def together(*streams: Iterable[Said]) -> Iterator[Said]:
    """Several homes, in the order of time."""
    return heapq.merge(*streams, key=lambda one: one.at_ms)


def road_says(device: str, road: Road, from_ms: int, to_ms: int, every_s: int = 120) -> Iterator[Said]:
    """What a traffic counter reports of a road. A pause of the road's own life is lived through."""
    for now_ms in range(from_ms, to_ms, every_s * 1000):
        reading = road.read(now_ms, every_s)
        metrics = {"flow": round(reading.flow), "occupancy": round(reading.occupancy, 1)}
        if reading.speed is not None:
            metrics["speed"] = round(reading.speed, 1)
        yield Said(now_ms, device, metrics=metrics)
