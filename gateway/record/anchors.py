"""Once a day the heads of all timelines that have grown become one number that is told to somebody outside.

An anchor names, of each case that has grown since the one before, how many lines it has and the hash of the newest; its
digest covers that and the anchor before it. Whoever kept one digest outside (it goes out with every heartbeat) can tell
later whether the database still holds what it held then: a whole new chain, or an end cut off, does not fit it.
"""

from __future__ import annotations

import hashlib
import json

import sqlalchemy as sa

from gateway.alarms import Frozen
from gateway.cases.chain import canonical
from gateway.state import human_tables as h
from gateway.state import tables as t

FORM = "anju-anchor-1"
EVERY_MS = 24 * 3_600_000
_a, _c, _l = h.anchors.c, t.cases.c, t.timeline.c


class Head(Frozen):
    """How far a case's timeline was at an anchor."""

    case: str
    lines: int
    head: str


class Anchor(Frozen):
    """One of the numbers that are told outside."""

    number: int
    at_ms: int
    digest: str
    cases: tuple[Head, ...]
    """The cases that had grown since the anchor before."""


class AnchorVerdict(Frozen):
    """Whether what an anchor covers still is as it was."""

    number: int
    at_ms: int
    digest: str
    whole: bool
    changed: tuple[str, ...] = ()
    """Cases whose timelines are not what they were then."""


def digest_of(previous: str, number: int, at_ms: int, heads: tuple[Head, ...]) -> str:
    """SHA-256 over the canonical form; docs/records.md describes it."""
    rows = [[one.case, one.lines, one.head] for one in heads]
    return hashlib.sha256(canonical([FORM, previous, number, at_ms, rows]).encode()).hexdigest()


def newest(connection: sa.Connection) -> Anchor | None:
    """The anchor set last; None before the first."""
    row = connection.execute(sa.select(h.anchors).order_by(_a.number.desc()).limit(1)).one_or_none()
    return None if row is None else _anchor(row)


def every(connection: sa.Connection, limit: int) -> list[Anchor]:
    """The newest ``limit`` anchors, the oldest of them first."""
    rows = connection.execute(sa.select(h.anchors).order_by(_a.number.desc()).limit(limit)).all()
    return [_anchor(row) for row in reversed(rows)]


def drop_due(connection: sa.Connection, now_ms: int) -> Anchor | None:
    """Make an anchor if the newest one is a day old and something has grown since; None where not."""
    before = newest(connection)
    if before is not None and 0 <= now_ms - before.at_ms < EVERY_MS:
        return None
    grown = (
        sa.select(_c.id, _c.timeline_lines, _c.timeline_head)
        .where(_c.timeline_lines != _c.anchored_lines)
        .order_by(_c.id)
    )
    heads = tuple(
        Head(case=one.id, lines=one.timeline_lines, head=one.timeline_head) for one in connection.execute(grown)
    )
    if not heads:
        return None
    number = 1 if before is None else before.number + 1
    digest = digest_of("" if before is None else before.digest, number, now_ms, heads)
    body = json.dumps([[one.case, one.lines, one.head] for one in heads])
    connection.execute(sa.insert(h.anchors).values(number=number, at_ms=now_ms, digest=digest, body=body))
    mark = sa.update(t.cases).where(_c.id == sa.bindparam("of")).values(anchored_lines=sa.bindparam("lines"))
    connection.execute(mark, [{"of": one.case, "lines": one.lines} for one in heads])
    return Anchor(number=number, at_ms=now_ms, digest=digest, cases=heads)


def verify(connection: sa.Connection, limit: int = 100_000) -> list[AnchorVerdict]:
    """Look whether the newest ``limit`` anchors hold, the oldest first: their digests, and every head they name."""
    found = []
    anchors = every(connection, limit + 1)
    previous = anchors.pop(0).digest if len(anchors) > limit else ""
    for anchor in anchors:
        fits = digest_of(previous, anchor.number, anchor.at_ms, anchor.cases) == anchor.digest
        changed = tuple(one.case for one in anchor.cases if not _still(connection, one))
        found.append(
            AnchorVerdict(
                number=anchor.number,
                at_ms=anchor.at_ms,
                digest=anchor.digest,
                whole=fits and not changed,
                changed=changed,
            )
        )
        previous = anchor.digest
    return found


def _still(connection: sa.Connection, head: Head) -> bool:
    query = sa.select(_l.hash).where(_l.case_id == head.case, _l.seq == head.lines)
    return connection.execute(query).scalar_one_or_none() == head.head


def _anchor(row: sa.Row[tuple[object, ...]]) -> Anchor:
    heads = tuple(Head(case=case, lines=lines, head=head) for case, lines, head in json.loads(str(row.body)))
    return Anchor(number=row.number, at_ms=row.at_ms, digest=row.digest, cases=heads)
