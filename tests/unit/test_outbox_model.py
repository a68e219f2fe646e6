"""No order of claiming, sending, crashing, withdrawing and hearing breaks the outbox's promises."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import sqlalchemy as sa
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gateway.outbox import claims, rows
from gateway.outbox.channel import Report, Result
from gateway.outbox.records import Claim
from gateway.state import tables
from gateway.state.db import open_database, reading
from tests.support.outbox import START_MS, make_send

FINAL = {"delivered", "failed", "withdrawn"}
KEYS = st.sampled_from([f"case-{case}:{thing}" for case in (1, 2) for thing in "abc"])
PICK = st.integers(0, 50)


class Outbox(RuleBasedStateMachine):
    """The worker remembers ``asking``, ``begun``, ``ended``: a crash empties them. The other side has ``arrived``."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp())
        shutil.copy(_template(), self.directory / "state.db")
        self.engine = sa.create_engine(f"sqlite:///{self.directory / 'state.db'}")
        self.now_ms = START_MS
        self.asking: list[Claim] = []
        self.begun: list[tuple[Claim, bool]] = []
        self.ended: list[tuple[Claim, Report]] = []
        self.arrived: dict[str, list[bool]] = {}
        """For each key, whether each arrival called itself a repeat."""
        self.final: dict[str, str] = {}
        self.heard: dict[str, list[str]] = {}
        self.known: set[str] = set()

    def teardown(self) -> None:
        self.crash()
        for _ in range(len(self.known) * 3 + 3):
            self.now_ms += 700_000
            self.claim(10)
            while self.asking:
                self.ask(0, True)
            while self.begun:
                self.send(0, Result.DELIVERED, True)
            while self.ended:
                self.finish(0)
        assert set(self.statuses().values()) <= FINAL, "every row ends"
        self.hear()
        for key in self.known:
            assert self.heard[key][-1] in {"delivered", "gave_up", "withdrawn"}, "and its case hears of it"
        self.engine.dispose()
        shutil.rmtree(self.directory)

    def statuses(self) -> dict[str, str]:
        with reading(self.engine) as connection:
            found = connection.execute(sa.select(tables.outbox.c.key, tables.outbox.c.status)).all()
        return {row.key: row.status for row in found}

    @rule(key=KEYS, urgent=st.booleans())
    def enqueue(self, key: str, urgent: bool) -> None:
        with self.engine.begin() as connection:
            new = rows.enqueue(connection, key.split(":")[0], make_send(key, urgent=urgent), self.now_ms)
        assert new == (key not in self.known)
        self.known.add(key)

    @rule(limit=st.integers(1, 4))
    def claim(self, limit: int) -> None:
        working = {claim.key for claim in self.asking}
        working |= {claim.key for claim, _ in self.begun} | {claim.key for claim, _ in self.ended}
        with self.engine.begin() as connection:
            found = claims.claim_due(connection, self.now_ms, lease_s=30, limit=limit, exclude=working)
        for claim in found:
            assert claim.key not in working
            if claim.ask_first:
                self.asking.append(claim)
            else:
                self.begun.append((claim, False))

    @precondition(lambda self: self.asking)
    @rule(pick=PICK, can_say=st.booleans())
    def ask(self, pick: int, can_say: bool) -> None:
        claim = self.asking.pop(pick % len(self.asking))
        with self.engine.begin() as connection:
            if can_say and claim.key in self.arrived:
                report = Report(result=Result.DELIVERED, detail="it is here")
                claims.conclude(connection, claim.key, report, self.now_ms)
                return
            if can_say:
                claims.did_not_arrive(connection, claim.key, "not here")
            begun = claims.begin(connection, claim, self.now_ms)
        if begun is not None:
            self.begun.append((begun, begun.unclear > 0))

    @precondition(lambda self: self.begun)
    @rule(pick=PICK, result=st.sampled_from(list(Result)), through=st.booleans())
    def send(self, pick: int, result: Result, through: bool) -> None:
        claim, repeat = self.begun.pop(pick % len(self.begun))
        assert self.final.get(claim.key) is None, "what is over is never sent"
        if result in (Result.DELIVERED, Result.SENT) or (result is Result.UNKNOWN and through):
            before = self.arrived.setdefault(claim.key, [])
            assert repeat or not before, "what may have arrived says so when it comes again"
            before.append(repeat)
        self.ended.append((claim, Report(result=result, detail=result.value)))

    @precondition(lambda self: self.ended)
    @rule(pick=PICK, give_up=st.booleans())
    def finish(self, pick: int, give_up: bool = False) -> None:
        claim, report = self.ended.pop(pick % len(self.ended))
        again = self.now_ms + 2000 if not (give_up and report.result is Result.RETRY) else None
        with self.engine.begin() as connection:
            claims.finish(connection, claim.key, claim.attempts, report, self.now_ms, again_ms=again)

    @rule()
    def crash(self) -> None:
        self.asking, self.begun, self.ended = [], [], []
        with self.engine.begin() as connection:
            claims.expire_leases(connection, self.now_ms)

    @rule(case=st.sampled_from(["case-1", "case-2"]))
    def withdraw(self, case: str) -> None:
        before = self.statuses()
        with self.engine.begin() as connection:
            done = rows.withdraw_unsent(connection, case, "closed", self.now_ms)
        mine = {key: status for key, status in before.items() if key.startswith(case)}
        assert set(done.withdrawn) == {key for key, status in mine.items() if status == "pending"}
        assert set(done.in_flight) == {key for key, status in mine.items() if status == "sending"}

    @rule(seconds=st.sampled_from([1, 2, 31, 100, -50, 3600, -3600]))
    def time(self, seconds: int) -> None:
        self.now_ms += seconds * 1000

    @rule()
    def hear(self) -> None:
        with self.engine.begin() as connection:
            for outcome in rows.unseen_outcomes(connection):
                self.heard.setdefault(outcome.send.key, []).append(outcome.delivery.value)
                rows.mark_seen(connection, outcome)

    @invariant()
    def what_is_over_stays_over(self) -> None:
        for key, status in self.statuses().items():
            if key in self.final:
                assert status == self.final[key]
            elif status in FINAL:
                self.final[key] = status

    @invariant()
    def a_case_hears_trouble_at_most_once_and_then_one_end(self) -> None:
        for said in self.heard.values():
            assert said.count("trouble") <= 1
            assert len(said) <= 2
            assert "trouble" not in said[1:]


_cache: list[Path] = []


def _template() -> Path:
    """An empty, migrated database; migrating one for each example would take most of the time."""
    if not _cache:
        path = Path(tempfile.mkdtemp()) / "empty.db"
        engine = open_database(f"sqlite:///{path}")
        with engine.connect() as connection:
            connection.exec_driver_sql("ROLLBACK")
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.exec_driver_sql("BEGIN")
        engine.dispose()
        _cache.append(path)
    return _cache[0]


TestOutbox = Outbox.TestCase
TestOutbox.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
