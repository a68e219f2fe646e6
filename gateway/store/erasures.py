"""Erasures as rows of the state database: what was ordered, how far it is, and what must not come back.

Between the order and the end a gateway may run: its store writer reads the orders before every round, leaves out what
they cover, and notes that it has seen them. Only when every gateway has seen an order is the store emptied, so nothing
that was read from the journal before can arrive after.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import sqlalchemy as sa

from gateway.state.db import insert, reading, writing
from gateway.state.human_tables import erasures
from gateway.state.leadership import ALONE, PEER_S, known_gateways, own_name
from gateway.state.tables import cursors
from gateway.store.transfer.selection import Span

READER, SEEN = "erasures", "seen"
"""The row of the table ``cursors`` by which a store writer says up to which erasure it has seen."""


class Order(NamedTuple):
    """One erasure."""

    id: int
    at_ms: int
    actor: str
    reason: str
    resident: str
    """Empty where it is of devices alone."""
    devices: tuple[str, ...]
    """Empty where it is of all that served the resident."""
    start_ms: int
    end_ms: int
    spans: tuple[Span, ...]
    """All that is to go of what devices said."""
    store: str
    counts: Mapping[str, int]
    done_ms: int | None


def order(
    engine: sa.Engine,
    *,
    at_ms: int,
    actor: str,
    reason: str,
    resident: str,
    devices: Sequence[str],
    start_ms: int,
    end_ms: int,
    spans: Sequence[Span],
    store: str,
) -> Order:
    """Write an order down, durably, before anything is done about it."""
    with writing(engine) as connection:
        result = connection.execute(
            sa.insert(erasures).values(
                at_ms=at_ms,
                actor=actor,
                reason=reason,
                resident=resident,
                devices=json.dumps(sorted(devices), ensure_ascii=False),
                start_ms=start_ms,
                end_ms=end_ms,
                spans=json.dumps(spans, ensure_ascii=False),
                store=store,
                counts="{}",
            )
        )
        key = result.inserted_primary_key
        assert key is not None
        row = connection.execute(sa.select(erasures).where(erasures.c.id == key[0])).one()
    return _order(row)


def orders(engine: sa.Engine, *, unfinished: bool = False) -> list[Order]:
    """All erasures, the oldest first; ``unfinished``: only those that were broken off or are under way."""
    query = sa.select(erasures).order_by(erasures.c.id)
    with reading(engine) as connection:
        rows = connection.execute(query.where(erasures.c.done_ms.is_(None)) if unfinished else query).all()
    return [_order(row) for row in rows]


def finish(engine: sa.Engine, id_: int, counts: Mapping[str, int], now_ms: int | None) -> None:
    """Note how much went; ``now_ms``: that it is done."""
    with writing(engine) as connection:
        connection.execute(
            sa.update(erasures).where(erasures.c.id == id_).values(counts=json.dumps(counts), done_ms=now_ms)
        )


def not_yet_seen_by(engine: sa.Engine, id_: int, now_ms: int) -> list[str]:
    """Gateways that are alive and whose store writer may still write what erasure ``id_`` covers."""
    alive = {name for name, _, seen_ms in known_gateways(engine) if now_ms - seen_ms < PEER_S * 1000}
    with reading(engine) as connection:
        rows = connection.execute(sa.select(cursors.c.reader, cursors.c.position).where(cursors.c.lane == SEEN))
        seen = {row.reader: row.position for row in rows}
    return sorted(name for name in alive if seen.get(own_name(READER, name), -1) < id_)


def _order(row: sa.Row[tuple[object, ...]]) -> Order:
    values = dict(row._mapping)
    values["devices"] = tuple(json.loads(values["devices"]))
    values["spans"] = tuple(Span(*span) for span in json.loads(values["spans"]))
    values["counts"] = json.loads(values["counts"])
    return Order(**values)


class Marks:
    """What was erased, as stretches of each device's life. Pure."""

    def __init__(self, spans: Sequence[Span] = ()) -> None:
        starts: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for span in sorted(spans):
            mine = starts[span.device]
            if mine and span.start_ms <= mine[-1][1]:
                mine[-1] = (mine[-1][0], max(mine[-1][1], span.end_ms))
            else:
                mine.append((span.start_ms, span.end_ms))
        self._of = dict(starts)

    def __bool__(self) -> bool:
        return bool(self._of)

    def cover(self, device: str, at_ms: int) -> bool:
        """Whether what ``device`` observed then was erased."""
        spans = self._of.get(device)
        if spans is None:
            return False
        place = bisect_right(spans, (at_ms, 2**63)) - 1
        return place >= 0 and at_ms < spans[place][1]


class Erasures:
    """The orders as a store writer needs them. Blocking: call from a worker thread."""

    def __init__(self, engine: sa.Engine, gateway: str = ALONE) -> None:
        self._engine = engine
        self._reader = own_name(READER, gateway)
        self._newest = -1
        self._marks = Marks()

    def marks(self) -> Marks:
        """What must not be written, by all orders there are. Notes, durably, that they were seen: whoever calls must
        have finished what it wrote by an earlier answer. Raises what the database raises."""
        with reading(self._engine) as connection:
            newest = int(connection.execute(sa.select(sa.func.max(erasures.c.id))).scalar() or 0)
        if newest != self._newest:
            with reading(self._engine) as connection:
                rows = connection.execute(sa.select(erasures.c.spans).where(erasures.c.id <= newest)).scalars().all()
            self._marks = Marks([Span(*span) for text in rows for span in json.loads(text)])
            with writing(self._engine) as connection:
                row = insert(connection, cursors).values(reader=self._reader, lane=SEEN, position=newest)
                connection.execute(
                    row.on_conflict_do_update(index_elements=["reader", "lane"], set_={"position": newest})
                )
            self._newest = newest
        return self._marks
