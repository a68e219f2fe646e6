"""How far this gateway has come in its journal: the decider's cursor, of which the database has the last word."""

from __future__ import annotations

import logging

import sqlalchemy as sa

from devices.observation import Lane
from gateway.decider import others
from gateway.journal.entry import JournalReader
from gateway.state import tables as t
from gateway.state.db import insert, reading, writing
from gateway.state.leadership import ALONE, own_name

log = logging.getLogger(__name__)

READER = "decider"


class Positions:
    """By lane. `save` within the transaction of the decisions, `reached` after its commit."""

    def __init__(self, engine: sa.Engine, journal: JournalReader, gateway: str = ALONE) -> None:
        self._engine = engine
        self._journal = journal
        self._reader = own_name(READER, gateway)
        self._at: dict[Lane, int] = {}
        self._read_until_ms: dict[Lane, int] = {}

    def __getitem__(self, lane: Lane) -> int:
        return self._at.get(lane, 0)

    def find(self) -> None:
        """Where in the journal to go on: the database's word, where it can be true."""
        with reading(self._engine) as connection:
            rows = connection.execute(sa.select(t.cursors).where(t.cursors.c.reader == self._reader)).all()
        positions = {Lane(row.lane): row.position for row in rows}
        for lane in Lane:
            position = positions.get(lane)
            if position is None:
                # A new database. Beside a journal that was decided already, what was decided is not told again.
                position = self._journal.cursor(READER, lane) or 0
                if position:
                    log.error(
                        "the state database is new, but the %s journal was decided up to %d: the cases before that "
                        "went with the old database; going on from there",
                        lane.value,
                        position,
                    )
            if position > self._journal.last_position(lane):
                # The journal is not the one these decisions were taken from: what is in it must not be skipped.
                log.error(
                    "the %s journal ends at %d but was decided up to %d: it was replaced; deciding it from its start",
                    lane.value,
                    self._journal.last_position(lane),
                    position,
                )
                position = 0
            self.reached(lane, position)

    def reached(self, lane: Lane, position: int) -> None:
        """Everything up to ``position`` is decided, and that is committed."""
        self._at[lane] = position
        self._journal.set_cursor(READER, lane, position)

    def read_until(self, lane: Lane, received_ms: int) -> None:
        """All that was received up to then in this lane has been decided."""
        self._read_until_ms[lane] = received_ms

    @property
    def decided_ms(self) -> int:
        """Up to when all that was received has been decided, a backlog being no silence of its devices; 0 while that
        is not known."""
        return min(self._read_until_ms.values()) if len(self._read_until_ms) == len(Lane) else 0

    def save(self, connection: sa.Connection, lane: Lane, position: int) -> None:
        """Write down how far the decisions of this transaction come."""
        values = {"position": position}
        connection.execute(
            insert(connection, t.cursors)
            .values(reader=self._reader, lane=lane.value, **values)
            .on_conflict_do_update(index_elements=["reader", "lane"], set_=values)
        )

    def follow(self, decided_ms: int) -> None:
        """Another gateway decides, and has decided all that was received up to ``decided_ms``: come after it, far
        enough behind to miss nothing of what it may leave undone."""
        for lane in Lane:
            position = others.follow(self._journal, lane, self[lane], decided_ms)
            if position != self[lane]:
                with writing(self._engine) as connection:
                    self.save(connection, lane, position)
                self.reached(lane, position)
        self._read_until_ms.clear()
