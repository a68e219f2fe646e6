"""What gear said last, from what is on disk: so that after a restart an old state, said again, is no news.

Exact, not roughly: the states as of the decider's cursor, and then every observation the journal holds beyond it.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable, Iterator

import sqlalchemy as sa

from devices.gear.memory import Memory
from devices.observation import Lane, Observation
from gateway.journal.entry import JournalReader
from gateway.state import tables as t
from gateway.state.db import reading

_BATCH = 2000


def restored(engine: sa.Engine, journal: JournalReader, is_gear: Callable[[str], bool]) -> dict[str, Memory]:
    """The memory of every device for which ``is_gear``. To be called before anything new is let in.

    Raises what the database and the journal raise.
    """
    memories: dict[str, Memory] = {}
    with reading(engine) as connection:
        states = connection.execute(
            sa.select(t.device_states.c.device, t.device_states.c.states, t.device_states.c.online)
        ).all()
        cursors = connection.execute(
            sa.select(t.cursors.c.lane, t.cursors.c.position).where(t.cursors.c.reader == "decider")
        ).all()
    for device, body, online in states:
        if is_gear(device):
            memory = memories.setdefault(device, Memory())
            memory.recall({key: float(value) for key, value in json.loads(body or "{}").items()}, online=online)
    decided = {row.lane: row.position for row in cursors}
    lanes = [_beyond(journal, lane, decided.get(lane.value, 0)) for lane in Lane]
    # Of one millisecond the change comes last: a routine word repeats the state before it, or the state it led to.
    for observation in heapq.merge(*lanes, key=lambda one: (one.received_at_ms, one.lane is Lane.URGENT)):
        if is_gear(observation.device):
            memories.setdefault(observation.device, Memory()).restore(observation)
    return memories


def _beyond(journal: JournalReader, lane: Lane, position: int) -> Iterator[Observation]:
    while entries := journal.read(lane, position, _BATCH):
        for entry in entries:
            yield entry.observation
        position = entries[-1].position
