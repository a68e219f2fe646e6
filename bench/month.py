"""A month of a 10,000-device community, as the gateway would have written it: what boards are timed over.

The community is that of `anju fleet make`. What its devices say, how often, and how much is left out is in `Density`.
Cases, alarms and messages are those of the tests' simulated week, stretched over the month at the rate of a year.
"""

from __future__ import annotations

import random
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from bench.fleet import EXAMPLE
from devices.kind import Kind
from devices.kinds import KINDS
from devices.observation import Lane, Observation
from firmware_sim.maker import make
from gateway.chronicle.fleet import FleetSeen, fleet_points, grid_points
from gateway.chronicle.gauges import LaneSeen, lane_point, part_point
from gateway.chronicle.ground import Ground, ground_of
from gateway.chronicle.places import Places
from gateway.chronicle.residents import limit_points
from gateway.chronicle.street import Street, on_streets
from gateway.health import Part
from gateway.registry.directory import CommunityDirectory
from gateway.registry.load import load_community
from gateway.registry.model import Device
from gateway.store.protocol import Point
from tests.support.control_week import END_MS, PARTS, control_week
from tests.support.control_week import START_MS as WEEK_START_MS

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
GATEWAY = "anju-gateway"
OFTEN = ("vitals_monitor", "traffic_counter", "waste_bin", "kiosk", "environment", "gateway")
"""Kinds of which boards draw curves."""
CASES = ("case", "alarm", "care", "message", "command")
VARIANTS = 32


@dataclass(frozen=True)
class Density:
    """How many devices there are, for how long, and how often each says something, in minutes."""

    devices: int = 10_000
    days: int = 30
    often: int = 60
    """Of the kinds in `OFTEN`; the real ones speak every half a minute to half an hour."""
    seldom: int = 1_440
    """Of the others; the real ones every half an hour to every day."""
    events_a_day: float = 2.0
    """Of each device."""
    cases_a_year: int = 6_000
    fleet: int = 15
    """The gateway writes it every five minutes: three times as much."""
    place: int = 1_440
    part: int = 1
    lane_s: int = 10
    """Places, parts and lanes as the gateway writes them."""

    def thinned(self, by: int) -> Density:
        """All but cases and places so many times more seldom."""
        return replace(
            self,
            often=self.often * by,
            seldom=self.seldom * by,
            events_a_day=self.events_a_day / by,
            fleet=self.fleet * by,
            part=self.part * by,
            lane_s=self.lane_s * by,
        )


class Month:
    """Made up once; every store is filled with the same."""

    def __init__(self, density: Density) -> None:
        self.density = density
        self.end_ms = END_MS
        self.start_ms = END_MS - density.days * DAY_MS
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "large.yaml"
            file.write_text(make(density.devices, 1, EXAMPLE), encoding="utf-8")
            self.ground: Ground = ground_of(CommunityDirectory(load_community(file), GATEWAY))
        self.stamps = self.ground.directory.areas.of_device
        self._devices = [one for one in self.ground.directory.devices.values() if one.kind in KINDS]

    def readings(self) -> Iterator[Observation]:
        """In the order of time."""
        dice = random.Random(1)
        said = {key: [_metrics(kind, dice) for _ in range(VARIANTS)] for key, kind in KINDS.items()}
        events = {key: list(kind.events) for key, kind in KINDS.items()}
        step_ms = self.density.often * MINUTE_MS
        turns = self.density.seldom // self.density.often
        happens = self.density.events_a_day * step_ms / DAY_MS
        rounds = self.density.days * DAY_MS // step_ms
        for turn in range(rounds):
            begin_ms = self.end_ms - (rounds - turn) * step_ms
            # The others take turns, so that every round is alike and the last one has something of each kind.
            for number, device in enumerate(self._devices):
                at_ms = begin_ms + step_ms - MINUTE_MS - number % 240 * 1000
                if device.kind in OFTEN or number % turns == turn % turns:
                    yield _say(device, at_ms, said[device.kind][(number + turn) % VARIANTS], None)
                if dice.random() < happens and events[device.kind]:
                    yield _say(device, at_ms - 500, {}, dice.choice(events[device.kind]))

    def points(self, readings: list[Observation]) -> list[Point]:
        """What readings from the street mean; in the order of time, as the store writer does."""
        return self._street.heard([one for one in readings if one.kind in ("traffic_counter", "waste_bin")])

    def begin(self) -> None:
        """Forget what the street said: another store is filled."""
        self._street = Street(on_streets(self.ground.directory).get)

    def rest(self) -> Iterator[Point]:
        """All that is no reading and does not follow from one."""
        yield from self._fleet()
        yield from self._gateway()
        yield from self._scores()
        yield from self._places()
        yield from self._cases()

    def _times(self, step_ms: int) -> range:
        return range(self.start_ms // step_ms * step_ms, self.end_ms, step_ms)

    def _fleet(self) -> Iterator[Point]:
        silent = {device.id for number, device in enumerate(self._devices) if number % 97 == 0}
        seen = {one.id: self.end_ms for one in self._devices if one.id not in silent}
        counted = fleet_points(FleetSeen(last_seen_ms=seen, states={}), self.ground, self.end_ms)
        wholes = (*counted, *grid_points(counted))
        for at_ms in self._times(self.density.fleet * MINUTE_MS):
            for whole in wholes:
                yield Point(
                    measurement=whole.measurement, tags=whole.tags, fields=whole.fields, at_ns=at_ms * 1_000_000
                )

    def _gateway(self) -> Iterator[Point]:
        parts = [Part(name=name, state="ok", critical=False, zh="正常", en="as it should be") for name in PARTS]
        said = [part_point(part, GATEWAY, self.ground, 0) for part in parts]
        for at_ms in self._times(self.density.part * MINUTE_MS):
            for one in said:
                yield Point(measurement=one.measurement, tags=one.tags, fields=one.fields, at_ns=at_ms * 1_000_000)
        for at_ms in self._times(self.density.lane_s * 1000):
            for lane, waited in (("urgent", 9), ("routine", 40)):
                seen = LaneSeen(lane, at_ms // 1000 % 4, 0.2, 20, [waited + at_ms // 1000 % 31])
                yield lane_point(seen, GATEWAY, self.ground.community, at_ms)

    def _scores(self) -> Iterator[Point]:
        monitors = [one for one in self._devices if one.kind == "vitals_monitor" and one.resident]
        for at_ms in self._times(self.density.often * MINUTE_MS):
            for number, device in enumerate(monitors):
                at = self.stamps(device.id)
                tags = {"community": at.community, "grid": at.grid, "building": at.building, "score": "news2"}
                worst = float((at_ms // MINUTE_MS + number) % 4)
                yield Point(
                    measurement="score",
                    tags={**tags, "resident": at.resident},
                    fields={"worst": worst, "complete": 1.0, "total": worst + 1},
                    at_ns=(at_ms + number) * 1_000_000,
                )

    def _places(self) -> Iterator[Point]:
        places = Places(self.ground)
        for at_ms in self._times(self.density.place * MINUTE_MS):
            yield from places.points(Counter(), (), at_ms)
            yield from limit_points(self.ground, at_ms)

    def _cases(self) -> Iterator[Point]:
        """The week's, stretched: what is open is at the end, as in the week."""
        dice = random.Random(2)
        homes = [self.stamps(one.id) for one in self._devices if one.resident]
        found = [point for point in control_week().points if point.measurement in CASES]
        cases = sum(point.measurement == "case" for point in found)
        copies = max(1, round(self.density.cases_a_year * self.density.days / 365 / cases))
        stretch = (self.end_ms - self.start_ms) / (END_MS - WEEK_START_MS)
        for copy in range(copies):
            for number, point in enumerate(found):
                at = dice.choice(homes)
                here = {"community": at.community, "grid": at.grid, "building": at.building, "resident": at.resident}
                here["grid_name"] = self.ground.tag_name(at.grid)
                back_ms = (END_MS - point.at_ns // 1_000_000) * stretch * dice.uniform(0.98, 1.0)
                yield replace(
                    point,
                    tags={key: here.get(key, value) for key, value in point.tags.items()},
                    at_ns=(self.end_ms - int(back_ms)) * 1_000_000 + copy * len(found) + number,
                )


def _metrics(kind: Kind, dice: random.Random) -> dict[str, float]:
    """One value of each metric of a kind, within what is plausible; states seldom hold."""
    return {
        key: float(dice.random() < 0.05) if key in kind.states else round(dice.uniform(metric.low, metric.high), 2)
        for key, metric in kind.metrics.items()
    }


def _say(device: Device, at_ms: int, metrics: dict[str, float], event: str | None) -> Observation:
    return Observation(
        message_id=f"{device.id}:1:{at_ms}",
        device=device.id,
        kind=device.kind,
        lane=Lane.URGENT if event else Lane.ROUTINE,
        observed_at_ms=at_ms,
        received_at_ms=at_ms + 120,
        metrics=metrics,
        event=event,
    )
