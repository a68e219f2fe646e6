"""A decider over a real state database, with a journal in memory and a clock that is moved by hand."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from devices.kinds import KINDS
from devices.observation import Lane, Observation
from gateway.cases.commands import Action, HumanAction
from gateway.cases.model import Case
from gateway.decider.decider import Decider
from gateway.decider.view import Views
from gateway.journal.entry import Entry, Quarantined
from gateway.outbox import claims as outbox_claims
from gateway.outbox.channel import Report, Result
from gateway.record.chains import verdicts
from gateway.registry import store as registry_store
from gateway.registry.load import load_community
from gateway.state import tables as t
from gateway.state.db import reading
from tests.support.eventually import PATIENCE, eventually
from tests.support.homes import community, write_community
from tests.support.outbox import HandClock

KIND_OF = {
    "sos": "sos_button",
    "service": "service_button",
    "vitals": "vitals_monitor",
    "smoke": "smoke",
    "contact": "contact",
}


_CASE_ID = re.compile(r"\b(\d{4}-\d{6})-[0-9a-f]{6}\b")
"""A case's id has a part by chance."""


class FakeJournal:
    """Implements `gateway.journal.entry.JournalReader` over lists."""

    def __init__(self) -> None:
        self.entries: dict[Lane, list[Entry]] = {lane: [] for lane in Lane}
        self.cursors: dict[Lane, int] = {}

    def add(self, observation: Observation) -> None:
        lane = self.entries[observation.lane]
        lane.append(Entry(len(lane) + 1, observation))

    def read(self, lane: Lane, after: int, limit: int) -> list[Entry]:
        return self.entries[lane][after : after + limit]

    def last_position(self, lane: Lane) -> int:
        return len(self.entries[lane])

    def subscribe(self, wake: Callable[[Lane], None]) -> None:
        """Nobody is woken: the room does it."""

    def cursor(self, reader: str, lane: Lane) -> int | None:
        return self.cursors.get(lane)

    def set_cursor(self, reader: str, lane: Lane, position: int) -> None:
        self.cursors[lane] = position


class DecidersRoom:
    """Says things, lets time pass, restarts the decider, and reads what stands in the database."""

    def __init__(self, engine: sa.Engine, directory: Path, homes: int = 2, **options: Any) -> None:
        self.engine = engine
        self.directory = directory
        self.clock = HandClock()
        self.journal = FakeJournal()
        self.quarantined: list[Quarantined] = []
        self.views_seen = 0
        self._seq = itertools.count(1)
        self._decider: Decider | None = None
        if homes:
            self.apply(community(homes, **options))

    def apply(self, document: dict[str, Any]) -> None:
        found = load_community(write_community(self.directory / "community.yaml", document))
        registry_store.apply(self.engine, found, "test", self.clock.now_ms())

    # --- the decider ------------------------------------------------------------------------------------------

    @property
    def decider(self) -> Decider:
        if self._decider is None:
            self._decider = Decider(
                self.engine,
                self.journal,
                self.clock,
                views=Views(self.engine, self.clock),
                quarantine=self.quarantined.append,
                on_change=lambda changed: None,
                on_said=lambda: None,
                on_view=lambda directory: self._saw_view(),
            )
            self._decider.start()
        return self._decider

    def _saw_view(self) -> None:
        self.views_seen += 1

    def stop(self) -> None:
        if self._decider is not None:
            self._decider.stop()
            self._decider = None

    def settle(self) -> None:
        """Wait until everything that is there now has been decided."""
        decider = self.decider

        def idle() -> bool:
            before = decider.health.cycles

            def another() -> bool:
                decider.wake()
                return decider.health.cycles >= before + 2

            # The next cycle begins after all that is there now; when another one begins, it is over.
            eventually(another, 30, "a cycle of the decider")
            return decider.health.trouble is None and all(
                self.journal.cursors.get(lane, 0) >= self.journal.last_position(lane) for lane in Lane
            )

        eventually(idle, 20, "decided")

    # --- what happens -----------------------------------------------------------------------------------------

    def says(self, device: str, event: str | None = None, *, decide: bool = True, **metrics: float) -> str:
        """A message of a device stands in the journal; it is decided, unless told otherwise."""
        seq = next(self._seq)
        now_ms = self.clock.now_ms()
        kind = KINDS[KIND_OF[device.partition("-")[0]]]
        observation = Observation(
            message_id=f"{device}:1:{seq}",
            device=device,
            kind=kind.key,
            lane=Lane.ROUTINE if event is None else Lane.URGENT,
            observed_at_ms=now_ms,
            received_at_ms=now_ms,
            event=event,
            metrics=metrics,
        )
        self.journal.add(observation)
        if decide:
            self.settle()
        return observation.message_id

    def forward(self, seconds: float) -> None:
        self.clock.ms += int(seconds * 1000)
        self.settle()

    def act(self, case_id: str, action: Action, **more: Any) -> Case:
        """A person decides. Raises what the decider answers."""
        future = self.decider.act(case_id, HumanAction(action=action, actor="operator:night", **more))
        return future.result(10 * PATIENCE)

    def deliver(self, report: Report = Report(result=Result.DELIVERED, detail="ok")) -> int:
        """All that is due in the outbox goes out; returns how much."""
        with self.engine.begin() as connection:
            claims = outbox_claims.claim_due(connection, self.clock.now_ms(), lease_s=60, limit=100)
            for claim in claims:
                outbox_claims.finish(connection, claim.key, claim.attempts, report, self.clock.now_ms(), again_ms=None)
        self.settle()
        return len(claims)

    # --- what stands there ------------------------------------------------------------------------------------

    def cases(self) -> list[Case]:
        with reading(self.engine) as connection:
            bodies = connection.execute(sa.select(t.cases.c.body).order_by(t.cases.c.id)).scalars()
            return [Case.model_validate_json(body) for body in bodies]

    def alarms(self) -> list[tuple[str, str, int, str]]:
        """(rule, subject, repeats, case) of all alarms."""
        c = t.alarms.c
        with reading(self.engine) as connection:
            query = sa.select(c.rule, c.subject, c.repeats, c.case_id).order_by(c.id)
            return [(row.rule, row.subject, row.repeats, row.case_id) for row in connection.execute(query)]

    def timeline(self, case_id: str) -> list[str]:
        c = t.timeline.c
        with reading(self.engine) as connection:
            query = sa.select(c.what).where(c.case_id == case_id).order_by(c.seq)
            return list(connection.execute(query).scalars())

    def rows(self) -> dict[str, list[tuple[object, ...]]]:
        """All that was decided, to be compared: every table but those of rules' memory and of the registry.

        Hashes go by the cases' random ids: they are not compared, but every chain must hold."""
        with reading(self.engine) as connection:
            assert all(verdict.whole for verdict in verdicts(connection, limit=1000))
        found: dict[str, list[tuple[object, ...]]] = {}
        for table in (t.cases, t.alarms, t.timeline, t.timers, t.outbox, t.cursors, t.device_states):
            hidden = ("hash", "timeline_head", *(() if table is t.cases else ("id",)))
            columns = [column for column in table.c if column.name not in hidden]
            with reading(self.engine) as connection:
                rows = [tuple(row) for row in connection.execute(sa.select(*columns))]
            text = [tuple(_CASE_ID.sub(r"\1", cell) if isinstance(cell, str) else cell for cell in row) for row in rows]
            found[table.name] = sorted(text, key=lambda row: json.dumps(row, default=str))
        return found
