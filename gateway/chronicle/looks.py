"""Looks at what only changes now and then, each at its own pace: parts, lanes, the fleet, places, limits, scores,
messages. What has not changed since it was last written is not written again.

Of several gateways on one database only the one that leads writes of the community; each writes of itself.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from pydantic import ValidationError

from devices.observation import Lane
from gateway.cases.effects import DEVICE_CHANNEL
from gateway.chronicle.commands import command_point
from gateway.chronicle.fleet import EVERY_MS as FLEET_EVERY_MS
from gateway.chronicle.fleet import FleetSeen, dark_cameras, fleet_points, grid_points
from gateway.chronicle.gauges import LaneSeen, lane_point, part_point
from gateway.chronicle.ground import Ground
from gateway.chronicle.messages import Said, message_point
from gateway.chronicle.pen import POINTS_AT_ONCE, Pauses, Pen
from gateway.chronicle.places import DAY_MS, Places
from gateway.chronicle.residents import Scored, limit_points, score_point, scores_of
from gateway.chronicle.rows import ChronicleRows
from gateway.clock import Clock
from gateway.health import Part
from gateway.rules.document import ConditionRule
from gateway.rules.states import ConditionState, decode
from gateway.store.protocol import Point, StoreUnavailable

log = logging.getLogger(__name__)

TICK_S = 1.0
OWN_S: Final = 10.0
SAID_AGAIN_S: Final = 60.0
"""A part that has not changed is written so often all the same, so that a gateway that is gone is seen."""
SETTLE_S: Final = 20.0
"""A gateway's parts are looked at when they have had time to come up: a start is no failure."""
FLEET_S: Final = 30.0
"""The five minutes under way are corrected so often: after a start devices speak within the first of them."""
CASES_S: Final = 5.0
DAILY_S: Final = 300.0
"""So often it is looked whether a day has begun or a limit has come into force."""
SCORES_S: Final = 15.0
MESSAGES_S: Final = 10.0
SLACK_MS: Final = 60_000
"""So far back messages are read again: transactions are not committed in the order of their instants."""


@dataclass(frozen=True, kw_only=True)
class Sources:
    """What is looked at, besides the state database."""

    gateway: str
    parts: Callable[[], Sequence[Part]]
    backlog: Callable[[], Mapping[Lane, tuple[int, int]]]
    """Of each lane how many wait for a decision, and how many were ever received."""
    oldest_s: Callable[[Lane], float]
    waited: Callable[[Lane], list[int]]
    """How long each of what was decided since the last call had waited, in ms."""


@dataclass
class _Look:
    """Something that is looked at every ``every_s`` seconds."""

    name: str
    every_s: float
    take: Callable[[Ground, int], Awaitable[None]]
    own: bool = False
    """Of this gateway, and not of the community."""
    due_s: float = float("-inf")


@dataclass
class _Written:
    """What was written last, so that only changes are written; by identity."""

    known: dict[tuple[str, ...], Point] = field(default_factory=dict)

    def news(self, points: Iterable[Point]) -> list[Point]:
        return [point for point in points if self.known.get(_identity(point)) != point]

    def wrote(self, points: Iterable[Point]) -> None:
        self.known |= {_identity(point): point for point in points}


@dataclass
class _PlacesWritten:
    """The places as they were written last."""

    ground: Ground
    places: Places
    day: int | None = None
    open_at: Mapping[str, int] = field(default_factory=dict)
    dark: Collection[str] = ()


class Looks:
    """Run `run` as a task; cancel it to stop."""

    def __init__(
        self,
        rows: ChronicleRows,
        pen: Pen,
        clock: Clock,
        sources: Sources,
        *,
        ground: Callable[[], Ground | None],
        leads: Callable[[], bool],
        kept_ms: int | None = None,
    ) -> None:
        """``kept_ms``: as of `Chronicler`."""
        self._rows = rows
        self._pen = pen
        self._clock = clock
        self._sources = sources
        self._ground = ground
        self._leads = leads
        self._kept_ms = kept_ms
        self._looks = (
            _Look("lanes", OWN_S, self._lanes, own=True),
            _Look("parts", OWN_S, self._parts, own=True, due_s=time.monotonic() + SETTLE_S),
            _Look("messages", MESSAGES_S, self._messages),
            _Look("places", CASES_S, self._look_at_places),
            _Look("scores", SCORES_S, self._scores),
            _Look("limits", DAILY_S, self._limits),
            _Look("fleet", FLEET_S, self._fleet),
        )
        self._led = False
        self._seen = FleetSeen(last_seen_ms={}, states={})
        self._fleet_at_ms = 0
        self._received: dict[Lane, int] = {}
        self._parts_known: dict[str, tuple[float, Part]] = {}
        self._places: _PlacesWritten | None = None
        self._limits_known, self._scores_known, self._fleet_known = _Written(), _Written(), _Written()
        self._told_of: set[str] = set()
        """Keys of messages that were written, of those that are read again."""
        self._messages_ms: int | None = None
        self._forgotten = rows.forgotten
        self._scored: tuple[Ground | None, list[Scored]] = (None, [])
        self._said: dict[str, str] = {}

    async def run(self) -> None:
        """Look until cancelled. Nothing that is found ends it; what fails is looked at again."""
        pauses = Pauses()
        while True:
            try:
                down = await self.look()
            except Exception:  # a fault in here must be seen and tried again: it may not end the gateway
                log.exception("the chronicle cannot look; it looks again")
                down = True
            if down:
                await asyncio.sleep(pauses.next_s())
                continue
            pauses.well()
            await asyncio.sleep(TICK_S)

    async def look(self) -> bool:
        """All that is due. True where the store cannot be reached."""
        ground = self._ground()
        leads = self._leads()
        if leads and not self._led:
            self._forget()
        self._led = leads
        for look in self._looks if ground is not None else ():
            if time.monotonic() < look.due_s or not (look.own or leads):
                continue
            try:
                await look.take(ground, self._clock.now_ms())  # type: ignore[arg-type]  # None has no looks
            except StoreUnavailable:
                return True  # the chronicle of cases says so
            except Exception as error:
                said = f"{type(error).__name__}: {error}"
                if self._said.get(look.name) != said:
                    log.exception("the chronicle cannot look at %s; it looks again", look.name)
                self._said[look.name] = said
            else:
                self._said.pop(look.name, None)
            look.due_s = time.monotonic() + look.every_s
        return False

    def _forget(self) -> None:
        """Another gateway may have written since: everything is news."""
        self._places = None
        for known in (self._limits_known, self._scores_known, self._fleet_known):
            known.known.clear()
        self._messages_ms = None
        for look in self._looks:
            if not look.own:
                look.due_s = float("-inf")

    async def _write_news(self, known: _Written, points: Iterable[Point]) -> None:
        news = known.news(points)
        await self._pen.write(news)
        known.wrote(news)

    # of this gateway

    async def _parts(self, ground: Ground, now_ms: int) -> None:
        parts = await asyncio.to_thread(self._sources.parts)
        now = time.monotonic()
        news = []
        for part in parts:
            said_s, before = self._parts_known.get(part.name, (float("-inf"), None))
            if part != before or now - said_s >= SAID_AGAIN_S - TICK_S:
                news.append(part)
        await self._pen.write([part_point(part, self._sources.gateway, ground, now_ms) for part in news])
        self._parts_known |= {part.name: (now, part) for part in news}

    async def _lanes(self, ground: Ground, now_ms: int) -> None:
        points = []
        backlog = await asyncio.to_thread(self._sources.backlog)
        for lane, (waiting, received) in backlog.items():
            seen = LaneSeen(
                lane.value,
                waiting,
                await asyncio.to_thread(self._sources.oldest_s, lane),
                max(0, received - self._received.get(lane, received)),
                self._sources.waited(lane),
            )
            points.append(lane_point(seen, self._sources.gateway, ground.community, now_ms))
        self._received = {lane: received for lane, (_, received) in backlog.items()}
        await self._pen.write(points)

    # of the community

    async def _fleet(self, ground: Ground, now_ms: int) -> None:
        self._seen = await asyncio.to_thread(self._rows.fleet, now_ms)
        self._fleet_at_ms = now_ms
        points = await asyncio.to_thread(fleet_points, self._seen, ground, now_ms)
        await self._write_news(self._fleet_known, [*points, *grid_points(points)])

    async def _look_at_places(self, ground: Ground, now_ms: int) -> None:
        open_at = await asyncio.to_thread(self._rows.open_at)
        if now_ms - self._fleet_at_ms > FLEET_EVERY_MS:
            self._seen, self._fleet_at_ms = await asyncio.to_thread(self._rows.fleet, now_ms), now_ms
        dark = dark_cameras(self._seen, ground, self._fleet_at_ms)
        day = now_ms // DAY_MS
        if self._places is None or self._places.ground is not ground:
            places = await asyncio.to_thread(Places, ground)
            if self._places is not None and self._places.day == day:
                await self._pen.write(list(places.left_behind(self._places.places, now_ms)))
            self._places = _PlacesWritten(ground, places)
        known = self._places
        only = None if known.day != day else known.places.touched((known.open_at, open_at), (known.dark, dark))
        if only is None or only:
            points = await asyncio.to_thread(lambda: list(known.places.points(open_at, dark, now_ms, only)))
            await self._pen.write(points)
        known.day, known.open_at, known.dark = day, open_at, dark

    async def _limits(self, ground: Ground, now_ms: int) -> None:
        await self._write_news(self._limits_known, list(limit_points(ground, now_ms)))

    async def _scores(self, ground: Ground, _now_ms: int) -> None:
        if self._scored[0] is not ground:
            rules = [rule for rule in ground.directory.community.rules if isinstance(rule, ConditionRule)]
            self._scored = ground, await asyncio.to_thread(scores_of, rules)
        for scored in self._scored[1]:
            points = await asyncio.to_thread(self._score_points, scored, ground)
            await self._write_news(self._scores_known, points)

    def _score_points(self, scored: Scored, ground: Ground) -> list[Point]:
        found = []
        for subject, body in self._rows.remembered_by(scored.condition.rule.id):
            resident = ground.directory.resident(subject.removeprefix("resident:"))
            state = decode(body)
            if resident is not None and isinstance(state, ConditionState):
                point = score_point(scored, resident, state, ground)
                if point is not None:
                    found.append(point)
        return found

    async def _messages(self, ground: Ground, now_ms: int) -> None:
        if self._messages_ms is None or self._forgotten != self._rows.forgotten:
            self._forgotten = self._rows.forgotten
            self._told_of.clear()
            self._messages_ms = await asyncio.to_thread(self._rows.messages_until)
        # Where the clock was set back, what was said since then lies before what was said before.
        since_ms = 0 if self._kept_ms is None else now_ms - self._kept_ms + DAY_MS
        after = (max(since_ms, min(self._messages_ms, now_ms) - SLACK_MS), "")
        read: set[str] = set()
        while True:
            some = await asyncio.to_thread(self._rows.messages, after, POINTS_AT_ONCE)
            news = [said for said in some if said.key not in self._told_of and said.created_at_ms >= since_ms]
            await self._pen.write([point for said in news if (point := _said_point(said, ground)) is not None])
            read |= {said.key for said in some}
            self._told_of |= {said.key for said in news}
            if some:
                after = some[-1].ended_at_ms, some[-1].key
            if len(some) < POINTS_AT_ONCE:
                break
        self._told_of = read
        # A store that may lose what it took in the last seconds lets the cursor stay behind by as much.
        until_ms = now_ms - int(self._pen.store.durability_lag_s * 1000)
        if self._messages_ms == 0 or until_ms - self._messages_ms >= SLACK_MS or until_ms < self._messages_ms:
            await asyncio.to_thread(self._rows.remember_messages, until_ms)
            self._messages_ms = until_ms


def _said_point(said: Said, ground: Ground) -> Point | None:
    """None for a command that cannot be read, which is logged."""
    if said.channel != DEVICE_CHANNEL:
        return message_point(said, ground)
    try:
        return command_point(said, ground)
    except ValidationError as error:
        log.error("the command %s cannot be read, and is on no board: %s", said.key, error)
        return None


def _identity(point: Point) -> tuple[str, ...]:
    """Without the time: of a day that is over nothing is written any more."""
    return (point.measurement, *(f"{name}={value}" for name, value in sorted(point.tags.items())))
