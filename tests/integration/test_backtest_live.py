"""A replay of the journal comes to the alarms that the decider really raised, whatever was said, restarts included."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from devices.kinds import KINDS
from devices.observation import Lane, Observation
from gateway.backtest.alarms import Book, Episode
from gateway.backtest.job import Backtest
from gateway.backtest.plan import Plan, tried
from gateway.backtest.really import really_raised
from gateway.backtest.sources.history import Within
from gateway.backtest.sources.journal_source import JournalHistory
from gateway.decider import decider as decider_module
from gateway.registry import store as registry_store
from gateway.registry.directory import CommunityDirectory
from gateway.registry.load import load_community
from gateway.registry.model import Community
from gateway.rules.engine import Engine
from gateway.rules.replay import Replay, replay
from gateway.state.db import reading
from gateway.state.tables import alarms
from tests.support import homes
from tests.support.deciding import START_MS, DecidingRoom
from tests.support.history import BEIJING
from tests.support.journal import HandClock, Room, open_room

VALUES = {
    "spo2": (80.0, 88.0, 91.0, 97.0),
    "pulse": (35.0, 70.0, 140.0),
    "systolic": (120.0, 190.0),
    "temperature": (36.6, 39.5),
    "battery": (10.0, 80.0),
    "obscuration": (0.0, 5.0),
}
DEVICES = {
    "sos-1": "sos_button",
    "vitals-1": "vitals_monitor",
    "smoke-1": "smoke",
    "contact-1": "contact",
    "kiosk-1": "kiosk",
    "camera-1": "camera",
}


@dataclass(frozen=True)
class Spoken:
    after_ms: int
    device: str
    ago_ms: int
    event: str | None
    metrics: dict[str, float]


@dataclass(frozen=True)
class Restarted:
    after_ms: int


@st.composite
def steps(draw: st.DrawFn) -> Spoken | Restarted:
    after_ms = draw(st.sampled_from((1, 400, 60_000, 400_000, 4_000_000)))
    if draw(st.integers(0, 11)) == 0:
        return Restarted(after_ms)
    device = draw(st.sampled_from(sorted(DEVICES)))
    kind = KINDS[DEVICES[device]]
    names = sorted(kind.metrics.keys() & VALUES.keys())
    metrics = draw(st.fixed_dictionaries({}, optional={name: st.sampled_from(VALUES[name]) for name in names}))
    events = sorted(kind.events.keys() - {"command_result"})
    event = draw(st.none() | st.sampled_from(events)) if metrics else draw(st.sampled_from(events))
    return Spoken(after_ms, device, draw(st.sampled_from((0, 0, 100, 30_000))), event, metrics)


@cache
def prepared() -> Community:
    """A home under the whole library. What is held back after it was raised is not the rules' matter."""
    document = homes.community(1)
    for rule in document["rules"]:
        rule.update(inhibited_by=None, rest_s=0)
    with tempfile.TemporaryDirectory() as folder:
        return load_community(homes.write_community(Path(folder) / "community.yaml", document))


class PreparedRoom(DecidingRoom):
    """Of a community that is read once: its rules are tried on their examples each time they are read."""

    def apply(self, document: dict[str, Any]) -> None:
        registry_store.apply(self.engine, prepared(), "test", self.clocks.now_ms())


class Life:
    """A decider that keeps up with its journal: it looks at every deadline and after every message."""

    def __init__(self, room: DecidingRoom, journal: Room) -> None:
        self.room = room
        self.journal = journal
        self.starts: list[int] = []
        room.journal = journal.journal  # type: ignore[assignment]  # a real one in place of that in memory
        room.restart()
        self._seq = 0

    def live(self, history: list[Spoken | Restarted]) -> int:
        """Live through ``history``; returns when it ends. With the first word it is on disk who is supervised."""
        self._say(Spoken(0, "camera-1", 0, "online", {}))
        self._decide()
        for step in history:
            self._forward(self.room.clocks.now_ms() + step.after_ms)
            if isinstance(step, Restarted):
                self.starts.append(self.room.clocks.now_ms())
                self.room.restart()
            else:
                self._say(step)
            self._decide()
        self._forward(self.room.clocks.now_ms() + 5_000_000)
        return self.room.clocks.now_ms()

    def _forward(self, until_ms: int) -> None:
        clocks = self.room.clocks
        while True:
            view = self.room.decider.view
            assert view is not None
            due_ms = view.rules.next_deadline_ms()
            if due_ms is None or due_ms >= until_ms:
                break
            clocks.forward(max(0, due_ms - clocks.now_ms()) / 1000)
            self._decide()
        clocks.forward((until_ms - clocks.now_ms()) / 1000)

    def _decide(self) -> None:
        self.room.cycle()
        self.room.cycle()  # only now all lanes were read up to this instant, and silence is looked for

    def _say(self, step: Spoken) -> None:
        self._seq += 1
        now_ms = self.room.clocks.now_ms()
        self.journal.send(
            Observation(
                message_id=f"{step.device}:1:{self._seq}",
                device=step.device,
                kind=DEVICES[step.device],
                lane=Lane.ROUTINE if step.event is None else Lane.URGENT,
                observed_at_ms=now_ms - step.ago_ms,
                received_at_ms=now_ms,
                event=step.event,
                metrics=step.metrics,
            )
        )

    def rows(self) -> list[tuple[object, ...]]:
        """The alarms as they stand in the database."""
        c = alarms.c
        with reading(self.room.engine) as connection:
            query = sa.select(c.rule, c.subject, c.raised_at_ms, c.cleared_at_ms, c.repeats, c.type, c.severity)
            return sorted(tuple(row) for row in connection.execute(query))


def rows_of(episodes: list[Episode]) -> list[tuple[object, ...]]:
    found = [
        (
            one.change.rule,
            one.change.subject,
            one.from_ms,
            one.ended_ms,
            one.repeats,
            one.change.type,
            one.change.severity.value,
        )
        for one in episodes
    ]
    return sorted(found, key=lambda row: tuple((cell is None, cell) for cell in row))


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Routine need not rest after something urgent: nobody sends here."""
    monkeypatch.setattr(decider_module, "QUIET_S", 0.0)
    yield


@pytest.mark.slow
@pytest.mark.timeout(400)
@given(st.lists(steps(), max_size=25))
@example([Restarted(1), Restarted(4_000_000)])  # what was not listened to is nobody's silence
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck), database=None)
def test_a_replay_of_the_journal_comes_to_the_alarms_of_the_live_decider(
    unhurried: None, history: list[Spoken | Restarted]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        room = PreparedRoom(directory)
        with open_room(directory / "journal", HandClock(START_MS)) as journal:
            life = Life(room, journal)
            until_ms = life.live(history)
            community = prepared()
            people = CommunityDirectory(community)

            engine = Engine(community.rules, people.ruled, {}, BEIJING)
            engine.watch(people.devices, START_MS)
            engine.started(START_MS)
            book, run = Book(), Replay(engine)
            starts = list(life.starts)
            for observation in JournalHistory(directory, Within(None, None)).observations():
                while starts and starts[0] < observation.received_at_ms:
                    started_ms = starts.pop(0)
                    book.take(run.was_off(started_ms, started_ms))
                book.take(run.feed(observation))
            for started_ms in starts:
                book.take(run.was_off(started_ms, started_ms))
            book.take(run.finish(until_ms))
            assert rows_of(book.episodes) == sorted(
                life.rows(), key=lambda row: tuple((cell is None, cell) for cell in row)
            )

            if not life.starts:  # the same by the other doors
                engine = Engine(community.rules, people.ruled, {}, BEIJING)
                engine.watch(people.devices, START_MS)
                engine.started(START_MS)
                again = Book()
                again.take(
                    replay(engine, JournalHistory(directory, Within(None, None)).observations(), until_ms=until_ms)
                )
                assert rows_of(again.episodes) == rows_of(book.episodes)
                assert rows_of(really_raised(room.engine, community.rules, 0, until_ms)) == rows_of(book.episodes)
                rules = tuple(tried(community.rules))
                plan = Plan(
                    rules=rules,
                    history=JournalHistory(directory, Within(None, until_ms)),
                    within=Within(None, until_ms),
                    directory=people,
                    current=[(rule, "registry") for rule in rules],
                )
                result = Backtest(plan).run()
                assert result.comparisons[0].only_new == result.comparisons[0].only_current == 0
        room.engine.dispose()
