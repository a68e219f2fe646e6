"""The past of a new demo: a week of cases and a day of telemetry, so that every board has something to show at once.

The simulated devices tell what they said (`anju fleet past`), and the gateway's own decider and store take it in, by a
clock that is moved by hand. Nobody is told anything: what cases say goes to nobody and counts as delivered. All of it
is made in a directory of its own and put in place when it is whole, only where there is no gateway yet.
"""

from __future__ import annotations

import asyncio
import heapq
import shutil
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec
import sqlalchemy as sa

from devices.native import decode
from devices.observation import Channel, Lane, Observation
from gateway.cases.commands import Refused
from gateway.chronicle.fleet import FleetSeen, fleet_points, grid_points
from gateway.chronicle.ground import ground_of
from gateway.chronicle.places import DAY_MS
from gateway.chronicle.street import Street, on_streets
from gateway.decider import case_rows, device_rows
from gateway.decider.decider import Decider
from gateway.decider.health import Changed
from gateway.decider.view import Views
from gateway.demo.deeds import Deed, Deeds
from gateway.demo.stage import StageError
from gateway.journal.entry import Entry, Quarantined
from gateway.outbox import claims as outbox_claims
from gateway.outbox.channel import Report, Result
from gateway.registry import store as registry_store
from gateway.registry.model import Community
from gateway.rules.document import EventRule
from gateway.settings import Settings
from gateway.state import tables as t
from gateway.state.db import open_database, reading, writing
from gateway.store.embedded import EmbeddedStore
from gateway.store.protocol import Point

FOLDER: Final = "past"
STATE, TELEMETRY = "state.db", "telemetry.db"
WEEK_MS: Final = 7 * DAY_MS
LIVED_MS: Final = DAY_MS
"""As long as the simulator tells everything; before it, only what happened."""
GAUGE_MS: Final = 3_600_000
"""So often the fleet is counted."""
HELPING: Final = 5_000
ROUNDS_MOST: Final = 100
_told = msgspec.json.Decoder(tuple[int, str, Channel, bytes])


def wanted(settings: Settings) -> bool:
    """Whether this is a demo's first start, with everything in its own directory."""
    own = settings.database_url is None and settings.store.kind == "embedded"
    return own and not any((settings.data_dir / name).exists() for name in (STATE, TELEMETRY))


def live_through(settings: Settings, town: Community, file: Path, until_ms: int, shown: Callable[[float], None]) -> int:
    """Make the past of ``town``, which ``file`` holds for the simulator, up to ``until_ms``; returns how many cases it
    had. ``shown`` is told how much is done, 0 to 1. Raises StageError."""
    folder = settings.data_dir / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with _Past(folder, settings.gateway_device, town, until_ms - WEEK_MS) as past:
        for at_ms, hardware, channel, payload in _simulated(file, until_ms):
            past.hear(at_ms, hardware, channel, payload)
            shown(max(0.0, 1 - (until_ms - at_ms) / LIVED_MS))
        cases = past.finish(until_ms)
    for name in (TELEMETRY, STATE):  # the state last: where it is, there is a gateway
        (folder / name).rename(settings.data_dir / name)
    shutil.rmtree(folder)
    return cases


def _simulated(file: Path, until_ms: int) -> Iterator[tuple[int, str, Channel, bytes]]:
    command = [sys.executable, "-m", "gateway", "fleet", "past", "--community", str(file), "--until", str(until_ms)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as simulator:
        assert simulator.stdout is not None and simulator.stderr is not None
        try:
            yield from map(_told.decode, simulator.stdout)
        finally:
            simulator.terminate()
        said = simulator.stderr.read().decode("utf-8", "replace")
    if simulator.returncode not in (0, -15):
        raise StageError(f"the simulator cannot tell the past: {said[-2000:]}")


@dataclass
class _Clock:
    ms: int

    def now_ms(self) -> int:
        return self.ms


@dataclass
class _Heard:
    """A `JournalReader` in memory: what is to be decided."""

    entries: dict[Lane, list[Entry]] = field(default_factory=lambda: {lane: [] for lane in Lane})

    def add(self, observation: Observation) -> None:
        lane = self.entries[observation.lane]
        lane.append(Entry(len(lane) + 1, observation))

    def read(self, lane: Lane, after: int, limit: int) -> list[Entry]:
        return self.entries[lane][after : after + limit]

    def last_position(self, lane: Lane) -> int:
        return len(self.entries[lane])

    def subscribe(self, wake: object) -> None:
        """Nobody waits: decisions are taken one after the other."""

    def cursor(self, reader: str, lane: Lane) -> int | None:
        return None

    def set_cursor(self, reader: str, lane: Lane, position: int) -> None:
        """The state database has it."""


class _Past:
    """Takes in what the devices said; a context, in which its databases are open."""

    def __init__(self, folder: Path, itself: str, town: Community, begun_ms: int) -> None:
        self._clock = _Clock(begun_ms)
        self._count_at_ms = begun_ms + WEEK_MS - LIVED_MS + GAUGE_MS
        """When the fleet is counted next; before it has lived for a while, nobody is heard."""
        self._engine = open_database(f"sqlite:///{folder / STATE}")
        # Half a past is thrown away whole: nothing of it has to survive a power cut before it is in place.
        sa.event.listen(self._engine, "connect", _hurry)
        self._engine.dispose()
        # Rules over readings begin to listen when the gateway does: of the past they are told too little.
        rules = tuple(rule for rule in town.rules if isinstance(rule, EventRule))
        registry_store.apply(self._engine, town.model_copy(update={"rules": rules}), "demo", begun_ms)
        self._views = Views(self._engine, self._clock, itself)
        self._heard = _Heard()
        self._decider = Decider(
            self._engine,
            self._heard,
            self._clock,
            views=self._views,
            quarantine=_refused,
            on_change=self._changed,
            on_said=self._say,
            on_view=lambda directory: None,
        )
        self._decider.wake()  # never started: nothing rests between the cycles that are run here
        self._decider.cycle()
        directory = self._views.directory
        assert directory is not None
        self._stamps = directory.areas.of_device
        self._ground = ground_of(directory)
        self._decides = {
            (kind, event)
            for rule in rules
            if rule.enabled
            for kind in rule.kinds
            for event in (*rule.events, *rule.clear_events, *rule.cancel_events)
        }
        self._store = EmbeddedStore(folder / TELEMETRY, self._clock)
        self._loop = asyncio.Runner()
        self._street = Street(on_streets(directory).get)
        self._waiting: list[Observation] = []
        self._last: dict[str, Observation] = {}
        """Of each device what it reported last."""
        self._deeds, self._due = Deeds(), list[Deed]()
        self._opened: dict[str, None] = {}
        """Cases, and those of them about which nothing is planned yet."""
        self._unplanned: list[str] = []
        self._said = False
        """Whether something was put into the outbox."""

    def __enter__(self) -> _Past:
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.run(self._store.close())
        self._loop.close()
        self._engine.dispose()

    def hear(self, at_ms: int, hardware: str, channel: Channel, payload: bytes) -> None:
        """One message, as a device sent it at ``at_ms``."""
        device = self._views.native(hardware)
        assert device is not None, hardware
        observation = decode(device, channel, payload, received_at_ms=at_ms).observation
        self._count_until(at_ms)
        if observation.event is None:
            self._last[observation.device] = observation
        elif (observation.kind, observation.event) in self._decides:
            self._forward(at_ms)
            self._heard.add(observation)
            self._settle()
        self._waiting.append(observation)
        if len(self._waiting) >= HELPING:
            self._store_waiting()

    def finish(self, until_ms: int) -> int:
        """Bring everything to its end. Returns how many cases there were."""
        self._forward(until_ms)
        self._count_until(until_ms)
        self._store_waiting()
        with writing(self._engine) as connection:
            # What the gateway finds at its first start: devices it has heard, and rules that begin to listen.
            device_rows.note(connection, self._last.values(), until_ms)
            connection.execute(sa.delete(t.rule_states))
            connection.execute(sa.delete(t.cursors))
        return len(self._opened)

    # time

    def _forward(self, to_ms: int) -> None:
        """Let time pass: timers fire and people act when they are due, in order."""
        while True:
            with reading(self._engine) as connection:
                timer_ms = case_rows.next_timer_ms(connection)
            deed_ms = self._due[0].at_ms if self._due else None
            next_ms = min((at for at in (timer_ms, deed_ms) if at is not None), default=None)
            if next_ms is None or next_ms > to_ms:
                break
            self._clock.ms = max(self._clock.ms, next_ms)
            if deed_ms == next_ms:
                self._do(heapq.heappop(self._due))
            else:
                self._settle()
        self._clock.ms = max(self._clock.ms, to_ms)

    def _do(self, deed: Deed) -> None:
        done = self._decider.act(deed.case_id, deed.action)
        self._settle()
        try:
            done.result(timeout=0)
        except Refused:
            self._due = [one for one in self._due if one.case_id != deed.case_id]  # it ended otherwise meanwhile
            heapq.heapify(self._due)

    def _settle(self) -> None:
        """All that is to be decided and said now."""
        for _ in range(ROUNDS_MOST):
            busy = self._decider.cycle()
            if self._said:
                self._deliver()
                busy = True
            self._plan()
            if not busy:
                return
        raise StageError("the past does not come to rest; please report this")

    def _changed(self, changed: Changed) -> None:
        news = changed.cases - self._opened.keys()
        self._unplanned += sorted(news)
        self._opened |= dict.fromkeys(news)

    def _plan(self) -> None:
        for case_id in self._unplanned:
            with reading(self._engine) as connection:
                case = case_rows.load(connection, case_id)
            assert case is not None, case_id
            for deed in self._deeds.about(case):
                heapq.heappush(self._due, deed)
        self._unplanned.clear()

    def _say(self) -> None:
        self._said = True

    def _deliver(self) -> None:
        """What waits to be said counts as delivered a moment later. Nothing goes out."""
        self._said, now_ms = False, self._clock.ms
        report = Report(result=Result.DELIVERED, detail="历史演示，没有发出 the demo's past: nothing went out")
        with writing(self._engine) as connection:
            claims = outbox_claims.claim_due(connection, now_ms, lease_s=60, limit=HELPING)
            for claim in claims:
                took_ms = 300 + zlib.crc32(claim.key.encode()) % 3_000
                outbox_claims.finish(connection, claim.key, claim.attempts, report, now_ms + took_ms, again_ms=None)

    # what is stored

    def _store_waiting(self) -> None:
        some, self._waiting = self._waiting, []
        bad = self._loop.run(self._store.write(some, self._stamps))
        assert not bad, bad[0]
        self._write(self._street.heard(some))
        self._street.keep()

    def _count_until(self, at_ms: int) -> None:
        """The fleet, as the chronicle counts it."""
        if at_ms < self._count_at_ms:
            return
        self._count_at_ms = at_ms + GAUGE_MS
        states = {device: dict(one.metrics) for device, one in self._last.items()}
        heard_ms = dict.fromkeys(self._ground.directory.devices, at_ms)  # more rarely than in life: none is silent
        fleet = fleet_points(FleetSeen(last_seen_ms=heard_ms, states=states), self._ground, at_ms)
        self._write([*fleet, *grid_points(fleet)])

    def _write(self, points: list[Point]) -> None:
        refused = self._loop.run(self._store.write_points(points))
        assert not refused, refused[0]


def _refused(item: Quarantined) -> None:
    raise StageError(f"the past of {item.device} cannot be decided: {item.hint}")


def _hurry(connection: object, _record: object) -> None:
    connection.execute("PRAGMA synchronous=OFF")  # type: ignore[attr-defined]  # a connection of the driver
