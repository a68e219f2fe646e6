"""Hand-overs of open cases as rows: who took over what, and whether they have said so."""

from __future__ import annotations

import json

import sqlalchemy as sa

from gateway.alarms import Frozen
from gateway.state import tables as t
from gateway.state.human_tables import handovers

_h = handovers.c


class Handed(Frozen):
    """One change of shift at which cases were open."""

    id: str
    role: str
    place: str
    outgoing: tuple[str, ...]
    incoming: str
    """Who came on duty and has to confirm it; empty where nobody did."""
    cases: tuple[str, ...]
    """Ids of the cases."""
    numbers: tuple[str, ...]
    """Their numbers, as people say them."""
    at_ms: int
    due_ms: int | None
    receipt_ms: int | None
    receipt_by: str | None
    escalated_ms: int | None

    @property
    def waiting(self) -> bool:
        """Whether it is still to be confirmed."""
        return self.receipt_ms is None


def recent(connection: sa.Connection, limit: int, *, waiting: bool = False) -> list[Handed]:
    """The newest first; with ``waiting`` only those that are not confirmed."""
    query = sa.select(handovers).order_by(_h.at_ms.desc(), _h.id).limit(limit)
    if waiting:
        query = query.where(_h.receipt_ms.is_(None))
    rows = connection.execute(query).all()
    ids = {case for row in rows for case in json.loads(row.cases)}
    found = connection.execute(sa.select(t.cases.c.id, t.cases.c.number).where(t.cases.c.id.in_(ids))).all()
    numbers = {row.id: row.number for row in found}
    return [_of(row, numbers) for row in rows]


def _of(row: sa.Row[tuple[object, ...]], numbers: dict[str, str]) -> Handed:
    fields = row._asdict()
    cases = tuple(json.loads(fields["cases"]))
    fields |= {"outgoing": tuple(json.loads(fields["outgoing"])), "cases": cases}
    return Handed(**fields, numbers=tuple(numbers.get(case, case) for case in cases))


def confirm(connection: sa.Connection, id_: str, actor: str, now_ms: int) -> Handed | None:
    """The receipt: whoever came on duty has taken over. Said twice, the first counts. None where there is no such."""
    mine = sa.and_(_h.id == id_, _h.receipt_ms.is_(None))
    connection.execute(sa.update(handovers).where(mine).values(receipt_ms=now_ms, receipt_by=actor))
    row = connection.execute(sa.select(handovers).where(_h.id == id_)).one_or_none()
    if row is None:
        return None
    ids = json.loads(row.cases)
    found = connection.execute(sa.select(t.cases.c.id, t.cases.c.number).where(t.cases.c.id.in_(ids))).all()
    return _of(row, {one.id: one.number for one in found})
