"""How far the store writer has come in the journal, kept in the state database."""

from __future__ import annotations

import sqlalchemy as sa

from devices.observation import Lane
from gateway.state.db import reading, writing
from gateway.state.leadership import ALONE, own_name
from gateway.state.tables import cursors

READER = "store"


class StoreCursors:
    """The rows of reader ``store`` in the table ``cursors``, of this gateway. Blocking: call from a worker thread."""

    def __init__(self, engine: sa.Engine, gateway: str = ALONE) -> None:
        self._engine = engine
        self._reader = own_name(READER, gateway)

    def load(self, lane: Lane) -> int:
        """The last position that the store keeps for certain; 0 at the first start."""
        query = sa.select(cursors.c.position).where(cursors.c.reader == self._reader, cursors.c.lane == lane.value)
        with reading(self._engine) as connection:
            return int(connection.execute(query).scalar() or 0)

    def save(self, lane: Lane, position: int) -> None:
        """Remember ``position``. Raises sqlalchemy.exc.OperationalError when the database cannot be written."""
        mine = (cursors.c.reader == self._reader, cursors.c.lane == lane.value)
        with writing(self._engine) as connection:
            moved = connection.execute(sa.update(cursors).where(*mine).values(position=position))
            if moved.rowcount == 0:
                connection.execute(sa.insert(cursors).values(reader=self._reader, lane=lane.value, position=position))
