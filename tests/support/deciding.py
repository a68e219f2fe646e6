"""A decider over a real state database, run cycle by cycle: a journal in memory, clocks that are moved by hand."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from devices.observation import Lane, Observation
from gateway.cases.commands import Action, HumanAction
from gateway.cases.effects import DEVICE_CHANNEL, Send
from gateway.cases.model import Case
from gateway.decider.decider import Decider
from gateway.decider.health import Changed
from gateway.decider.view import Views
from gateway.journal.entry import Entry, Quarantined
from gateway.outbox import claims as outbox_claims
from gateway.outbox.channel import Report
from gateway.registry import store as registry_store
from gateway.registry.load import load_community
from gateway.state import tables as t
from gateway.state.db import open_database, reading
from tests.support.homes import community, write_community

START_MS = 1_790_000_000_000


class Clocks:
    """A wall clock that can be set, and one that cannot."""

    def __init__(self) -> None:
        self.wall_ms = START_MS
        self.steady_ms = 5_000

    def now_ms(self) -> int:
        return self.wall_ms

    def steady(self) -> int:
        return self.steady_ms

    def forward(self, seconds: float) -> None:
        self.wall_ms += int(seconds * 1000)
        self.steady_ms += int(seconds * 1000)

    def set_by(self, seconds: float) -> None:
        self.wall_ms += int(seconds * 1000)


class MemoryJournal:
    """A `JournalReader` that a test writes to."""

    def __init__(self) -> None:
        self.entries: dict[Lane, list[Entry]] = {lane: [] for lane in Lane}
        self.cursors: dict[tuple[str, Lane], int] = {}

    def add(self, observation: Observation) -> None:
        lane = self.entries[observation.lane]
        lane.append(Entry(len(lane) + 1, observation))

    def read(self, lane: Lane, after: int, limit: int) -> list[Entry]:
        return self.entries[lane][after : after + limit]

    def last_position(self, lane: Lane) -> int:
        return len(self.entries[lane])

    def subscribe(self, wake: object) -> None:
        """The test runs the cycles."""

    def cursor(self, reader: str, lane: Lane) -> int | None:
        return self.cursors.get((reader, lane))

    def set_cursor(self, reader: str, lane: Lane, position: int) -> None:
        self.cursors[reader, lane] = position


class DecidingRoom:
    """``room.press(); room.run(30)``; then look at ``room.cases()``, ``room.sent()``."""

    def __init__(self, directory: Path, engine: sa.Engine | None = None, **life_safety: Any) -> None:
        """``engine``: an empty database; without it a new one."""
        self.directory = directory
        self.clocks = Clocks()
        self.journal = MemoryJournal()
        self.engine = engine or open_database(f"sqlite:///{directory / 'state.db'}")
        self.quarantined: list[Quarantined] = []
        self.shown: list[object] = []
        self.changes: list[Changed] = []
        self._seq = 0
        self.document = community(1, **life_safety)
        self.apply(self.document)
        self.decider = self.restart()

    def restart(self) -> Decider:
        """A new process on the same database and journal."""
        self.decider = Decider(
            self.engine,
            self.journal,
            self.clocks,
            views=Views(self.engine, self.clocks),
            quarantine=self.quarantined.append,
            on_change=self.changes.append,
            on_said=lambda: None,
            on_view=self.shown.append,
            steady_ms=self.clocks.steady,
        )
        self.decider._reload()  # `start` without the thread
        return self.decider

    def apply(self, document: dict[str, Any]) -> None:
        path = write_community(self.directory / "community.yaml", copy.deepcopy(document))
        registry_store.apply(self.engine, load_community(path), "test", self.clocks.now_ms())

    def say(self, device: str, kind: str, event: str | None = None, **more: Any) -> None:
        self._seq += 1
        fields: dict[str, Any] = {
            "message_id": f"{device}:1:{self._seq}",
            "device": device,
            "kind": kind,
            "lane": Lane.URGENT if event is not None else Lane.ROUTINE,
            "observed_at_ms": self.clocks.now_ms(),
            "received_at_ms": self.clocks.now_ms(),
            "event": event,
        }
        self.journal.add(Observation(**fields | more))

    def press(self) -> None:
        self.say("sos-1", "sos_button", "press")

    def cycle(self) -> None:
        """Cycles until there is nothing more to do at once."""
        while self.decider.cycle():
            pass

    def run(self, seconds: float, step_s: float = 1.0) -> None:
        """Let time pass, deciding every ``step_s``."""
        self.cycle()
        for _ in range(int(seconds / step_s)):
            self.clocks.forward(step_s)
            self.cycle()

    def act(self, case: Case, action: Action, reason: str = "") -> Case:
        future = self.decider.act(case.id, HumanAction(action=action, actor="operator:night", reason=reason))
        self.cycle()
        return future.result(timeout=0)

    def cases(self) -> list[Case]:
        with reading(self.engine) as connection:
            bodies = connection.execute(sa.select(t.cases.c.body).order_by(t.cases.c.number)).scalars()
            return [Case.model_validate_json(body) for body in bodies]

    def sent(self) -> list[Send]:
        with reading(self.engine) as connection:
            bodies = connection.execute(sa.select(t.outbox.c.body).order_by(t.outbox.c.created_at_ms)).scalars()
            return [Send.model_validate_json(body) for body in bodies]

    def timeline(self, case: Case) -> list[str]:
        with reading(self.engine) as connection:
            query = sa.select(t.timeline.c.what).where(t.timeline.c.case_id == case.id).order_by(t.timeline.c.seq)
            return list(connection.execute(query).scalars())

    def timers(self) -> dict[tuple[str, str], int]:
        with reading(self.engine) as connection:
            return {(row.case_id, row.name): row.due_at_ms for row in connection.execute(sa.select(t.timers))}

    def send_commands(self, report: Report, *, again_s: float | None = None) -> list[Send]:
        """All commands to devices that are due go out, with this result; returns what went out.

        ``again_s``: the attempt is repeated, or (after SENT) the device's answer waited for, so long."""
        now_ms = self.clocks.now_ms()
        again_ms = None if again_s is None else now_ms + int(again_s * 1000)
        with self.engine.begin() as connection:
            only = lambda channel, urgent: 100 if channel == DEVICE_CHANNEL else 0  # noqa: E731
            claims = outbox_claims.claim_due(connection, now_ms, lease_s=60, limit=100, room=only)
            begun = [
                outbox_claims.begin(connection, each, now_ms) or each if each.ask_first else each for each in claims
            ]
            for claim in begun:
                outbox_claims.finish(connection, claim.key, claim.attempts, report, now_ms, again_ms=again_ms)
        self.cycle()
        return [claim.send for claim in claims]

    def sql(self, statement: sa.Executable) -> None:
        with self.engine.begin() as connection:
            connection.execute(statement)


@contextmanager
def deciding(directory: Path, engine: sa.Engine | None = None, **life_safety: Any) -> Iterator[DecidingRoom]:
    """A room that is closed at the end."""
    room = DecidingRoom(directory, engine, **life_safety)
    try:
        yield room
    finally:
        room.engine.dispose()
