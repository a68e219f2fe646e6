"""A week of the control room, made once from a fixed seed: all that the telemetry store holds of a small community.

Written through the real stores (`write_into`), so that every query of every board can be asked of InfluxDB and of the
embedded store. What the gateway reckons (cases, fleet, places, roads, bins …) is reckoned by the gateway's own code.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from devices.observation import Observation
from devices.telemetry import Stamps
from gateway.cases.effects import DEVICE_CHANNEL, Purpose, Send
from gateway.chronicle.commands import command_point
from gateway.chronicle.fleet import FleetSeen, fleet_points, grid_points
from gateway.chronicle.gauges import LaneSeen, lane_point, part_point
from gateway.chronicle.ground import Ground, ground_of
from gateway.chronicle.messages import Said
from gateway.chronicle.places import Places
from gateway.chronicle.residents import limit_points
from gateway.chronicle.street import Street, on_streets
from gateway.health import Part
from gateway.store.protocol import Point, Store
from tests.support.control_cases import Casework
from tests.support.control_readings import DAY_MS, HOUR_MS, MINUTE_MS, WEEK_MS, events, readings
from tests.support.control_town import GATEWAY, HOMES, town

END_MS = 1_791_250_460_000
"""Now, in the simulated week: a Tuesday morning in Beijing, at no full minute."""
START_MS = END_MS - WEEK_MS
SEED = 6
DAY_OFFSET_MS = -8 * HOUR_MS
PARTS = ("broker", "mqtt-urgent", "mqtt-routine", "journal", "decider", "outbox", "store", "chronicle", "modem-1")
HELPING = 2_000


@dataclass(frozen=True)
class ControlWeek:
    """All of it, in memory."""

    ground: Ground
    observations: tuple[Observation, ...]
    points: tuple[Point, ...]

    def stamps(self, device: str) -> Stamps:
        return self.ground.directory.areas.of_device(device)


@cache
def control_week() -> ControlWeek:
    """The week; the same every time."""
    dice = random.Random(SEED)
    ground = ground_of(town())
    observations = (*readings(END_MS, dice), *events(END_MS, dice))
    casework = Casework(ground, END_MS, dice)
    casework.live()
    points = (
        *casework.points(),
        *_fleet(ground, dice),
        *_places(ground, casework),
        *_gateway(ground, dice),
        *_residents(ground, dice),
        *_street(ground, observations),
        *_commands(ground),
    )
    return ControlWeek(ground, observations, points)


async def write_into(store: Store, week: ControlWeek) -> None:
    """Have the store take all of it; it must take all of it."""
    for start in range(0, len(week.observations), HELPING):
        assert await store.write(week.observations[start : start + HELPING], week.stamps) == []
    for start in range(0, len(week.points), HELPING):
        assert await store.write_points(week.points[start : start + HELPING]) == []


def _times(step_ms: int, fine_ms: int, fine_for_ms: int) -> Iterator[int]:
    """Over the week by ``step_ms``, in the last ``fine_for_ms`` by ``fine_ms``."""
    yield from range(START_MS, END_MS - fine_for_ms, step_ms)
    yield from range(END_MS - fine_for_ms, END_MS + 1, fine_ms)


def _fleet(ground: Ground, dice: random.Random) -> Iterator[Point]:
    known = list(ground.directory.devices)
    for at_ms in _times(3 * HOUR_MS, 5 * MINUTE_MS, HOUR_MS):
        silent = {"smoke-6", dice.choice(known)}
        seen = FleetSeen(
            last_seen_ms={device: at_ms - 30_000 for device in known if device not in silent},
            states={
                "contact-2": {"battery_low": 1.0},
                dice.choice(known): {"faulty": 1.0},
                dice.choice(known): {"tampered": 1.0},
            },
            standing={dice.choice(known): ["signal_weak"], dice.choice(known): ["clock_wrong"]},
            worked_on=[dice.choice(known)],
        )
        counted = fleet_points(seen, ground, at_ms)
        yield from (*counted, *grid_points(counted))


def _places(ground: Ground, casework: Casework) -> Iterator[Point]:
    places = Places(ground)
    open_at: dict[str, int] = {}
    for life in casework.lives:
        if life.case.open and life.case.place and not life.case.drill:
            open_at[life.case.place] = open_at.get(life.case.place, 0) + 1
    for days in range(7, -1, -1):
        yield from places.points(open_at if days == 0 else {}, {"camera-5"}, END_MS - days * DAY_MS)


def _gateway(ground: Ground, dice: random.Random) -> Iterator[Point]:
    for at_ms in _times(HOUR_MS, MINUTE_MS, 2 * HOUR_MS):
        for name in PARTS:
            ill = name in ("modem-1", "store") and dice.random() < 0.15
            part = Part(
                name=name,
                state="degraded" if ill else "ok",
                critical=name == "decider",
                zh="信号弱" if ill else "正常",
                en="weak signal" if ill else "as it should be",
            )
            yield part_point(part, GATEWAY, ground, at_ms)
        for lane in ("urgent", "routine"):
            waited = [int(dice.uniform(3, 90)) for _ in range(dice.randrange(1, 30))]
            seen = LaneSeen(lane, dice.randrange(4), dice.uniform(0, 0.4), len(waited), waited)
            yield lane_point(seen, GATEWAY, ground.community, at_ms)


def _commands(ground: Ground) -> Iterator[Point]:
    """What signs and valves were told."""
    for number in range(1, 19):
        sign, jammed = f"sign-{number % 3 + 1}", number % 7 == 0
        level = ("severe", "moderate", "free")[number % 3]
        args = {"level": level, "pictogram": "detour" if level == "severe" else "none"}
        yield _told(ground, sign, "show", args, END_MS - number * 9 * HOUR_MS, 1.2, not jammed)
    for number, (valve, took_s, done) in enumerate((("valve-1", 6.4, True), ("valve-5", 61.0, False))):
        yield _told(ground, valve, "close", {}, END_MS - (20 + number * 40) * HOUR_MS, took_s, done)


def _told(
    ground: Ground, device: str, command: str, args: dict[str, str], at_ms: int, took_s: float, done: bool
) -> Point:
    key = f"{device}-{at_ms}"
    data: dict[str, object] = {"command": command, "args": args}
    send = Send(key=key, channel=DEVICE_CHANNEL, to=device, purpose=Purpose.ACTION, data=data)
    result, ended_ms = "delivered" if done else "failed", at_ms + int(took_s * 1000)
    said = Said(key, DEVICE_CHANNEL, result, True, False, at_ms, ended_ms, 1, "", send.model_dump_json())
    return command_point(said, ground)


def _residents(ground: Ground, dice: random.Random) -> Iterator[Point]:
    for days in range(7, -1, -1):
        yield from limit_points(ground, END_MS - days * DAY_MS)
    for home in HOMES:
        stamps = ground.stamps(f"home-{home}")
        for hours in range(0, 7 * 24, 6):
            worst = float(dice.choices((0, 1, 2, 3), (6, 6, 2, 1))[0])
            fields: dict[str, float | str] = {"worst": worst, "complete": 0.0}
            if dice.random() < 0.9:
                fields |= {"complete": 1.0, "total": worst + dice.randrange(5)}
            yield Point(
                measurement="score",
                tags={
                    "community": stamps.community,
                    "grid": stamps.grid,
                    "building": stamps.building,
                    "resident": f"r-{home}",
                    "score": "news2",
                },
                fields=fields,
                at_ns=(END_MS - hours * HOUR_MS - home * 7_000) * 1_000_000,
            )


def _street(ground: Ground, observations: Sequence[Observation]) -> list[Point]:
    street = Street(on_streets(ground.directory).get)
    heard = [one for one in observations if one.kind in ("traffic_counter", "waste_bin") and one.metrics]
    return street.heard(sorted(heard, key=lambda one: one.observed_at_ms))
