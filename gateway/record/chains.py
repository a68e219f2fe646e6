"""The timelines' chains as they stand in the database, to be looked at."""

from __future__ import annotations

import json
from collections.abc import Iterator

import sqlalchemy as sa

from gateway.cases import chain
from gateway.cases.chain import Line, Verdict
from gateway.state import tables as t

_c, _l = t.cases.c, t.timeline.c


def verdicts(connection: sa.Connection, *, after: str = "", limit: int, case: str | None = None) -> Iterator[Verdict]:
    """Look at the chains of up to ``limit`` cases, by their ids, those after ``after``; or of one ``case`` alone.

    One statement, so that a case that moves meanwhile is seen as it was at one instant.
    """
    some = sa.select(_c.id).order_by(_c.id).limit(limit)
    some = some.where(sa.or_(_c.id == case, _c.number == case)) if case is not None else some.where(_c.id > after)
    query = (
        sa.select(_c.id, _c.number, _c.timeline_head, _c.timeline_lines, _c.timeline_before, t.timeline)
        .select_from(t.cases.outerjoin(t.timeline, _l.case_id == _c.id))
        .where(_c.id.in_(some))
        .order_by(_c.id, _l.seq)
    )
    rows: list[sa.Row[tuple[object, ...]]] = []
    for row in connection.execute(query):
        if rows and rows[-1].id != row.id:
            yield _verdict(rows)
            rows = []
        rows.append(row)
    if rows:
        yield _verdict(rows)


def _verdict(rows: list[sa.Row[tuple[object, ...]]]) -> Verdict:
    of = rows[0]
    lines = (line_of(row) for row in rows if row.seq is not None)
    return chain.verify(of.id, of.number, of.timeline_before, lines, of.timeline_head, of.timeline_lines)


def line_of(row: sa.Row[tuple[object, ...]]) -> Line:
    """A row of the timeline. What is no JSON any more was changed, and shows as that."""
    try:
        data = json.loads(row.data)
    except ValueError:
        data = {"not JSON": row.data}
    return Line(
        seq=row.seq,
        at_ms=row.at_ms,
        actor=row.actor,
        what=row.what,
        reason=row.reason,
        data=data if isinstance(data, dict) else {"no object": data},
        hash=row.hash,
    )
