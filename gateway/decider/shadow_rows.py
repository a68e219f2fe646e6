"""What rules decided that are only tried out: written down and counted, told to nobody."""

from __future__ import annotations

import sqlalchemy as sa

from gateway.alarms import AlarmChange, AlarmMove, Frozen
from gateway.state import tables as t
from gateway.state.db import insert, reading

KEPT_MOST = 1000
"""So many decisions of each rule are kept; older ones are only counted."""
_s, _totals = t.shadow_alarms.c, t.shadow_totals.c


class ShadowCount(Frozen):
    """How often a rule that is tried out would have moved an alarm."""

    rule: str
    raised: int = 0
    repeated: int = 0
    cleared: int = 0
    cancelled: int = 0
    subjects: int = 0
    """How many people, places or devices it would have raised an alarm about."""
    last_ms: int | None = None
    whole: bool = True
    """False where decisions of the window are not kept any more: then these are the numbers of the newest ones."""


class ShadowTotal(Frozen):
    """All that one version of a rule has decided since it is tried out."""

    rule: str
    rule_version: int
    move: AlarmMove
    count: int


class ShadowRow(Frozen):
    """One decision of which nobody was told."""

    id: int
    change: AlarmChange


def write(connection: sa.Connection, change: AlarmChange) -> None:
    """Keep what a rule decided, and count it."""
    connection.execute(
        sa.insert(t.shadow_alarms).values(
            rule=change.rule,
            rule_version=change.rule_version,
            subject=change.subject,
            move=change.move.value,
            at_ms=change.at_ms,
            observed_at_ms=change.observed_at_ms,
            device=change.device,
            type=change.type,
            severity=change.severity.value,
            explanation=change.explanation,
            body=change.model_dump_json(),
        )
    )
    connection.execute(
        insert(connection, t.shadow_totals)
        .values(rule=change.rule, rule_version=change.rule_version, move=change.move.value, count=1)
        .on_conflict_do_update(
            index_elements=["rule", "rule_version", "move"], set_={"count": t.shadow_totals.c.count + 1}
        )
    )
    mine = _s.rule == change.rule
    oldest = sa.select(_s.id).where(mine).order_by(_s.id.desc()).offset(KEPT_MOST).limit(1).scalar_subquery()
    connection.execute(sa.delete(t.shadow_alarms).where(mine, _s.id <= oldest))


def counts(engine: sa.Engine, since_ms: int, rule: str | None = None) -> list[ShadowCount]:
    """By rule, what was decided from ``since_ms`` on; rules that decided nothing then are left out."""
    mine = sa.true() if rule is None else _s.rule == rule
    moves = sa.select(_s.rule, _s.move, sa.func.count().label("n"), sa.func.max(_s.at_ms).label("last_ms"))
    subjects = sa.select(_s.rule, sa.func.count(sa.distinct(_s.subject)))
    kept = sa.select(_s.rule, sa.func.min(_s.at_ms).label("from_ms"), sa.func.count().label("n"))
    with reading(engine) as connection:
        found: dict[str, dict[str, object]] = {}
        for row in connection.execute(moves.where(mine, _s.at_ms >= since_ms).group_by(_s.rule, _s.move)):
            one = found.setdefault(row.rule, {"rule": row.rule, "last_ms": row.last_ms})
            one[row.move] = row.n
            one["last_ms"] = max(int(str(one["last_ms"])), row.last_ms)
        raised = sa.and_(mine, _s.at_ms >= since_ms, _s.move == AlarmMove.RAISED.value)
        for name, number in connection.execute(subjects.where(raised).group_by(_s.rule)):
            found[name]["subjects"] = number
        sums = sa.select(_totals.rule, sa.func.sum(_totals.count).label("n")).group_by(_totals.rule)
        ever = {row.rule: row.n for row in connection.execute(sums)}
        for row in connection.execute(kept.where(mine).group_by(_s.rule)):
            if row.rule in found:
                found[row.rule]["whole"] = row.n >= ever.get(row.rule, 0) or row.from_ms < since_ms
    return [ShadowCount.model_validate(one) for _, one in sorted(found.items())]


def totals(engine: sa.Engine, rule: str | None = None) -> list[ShadowTotal]:
    """Everything that was ever counted, by rule, version and move."""
    query = sa.select(t.shadow_totals).order_by(_totals.rule, _totals.rule_version, _totals.move)
    query = query if rule is None else query.where(_totals.rule == rule)
    with reading(engine) as connection:
        return [ShadowTotal.model_validate(dict(row._mapping)) for row in connection.execute(query)]


def newest(
    engine: sa.Engine, *, rule: str | None = None, limit: int = 100, before: int | None = None
) -> list[ShadowRow]:
    """The decisions that are kept, the newest first; those older than the row ``before``, for the next page."""
    query = sa.select(_s.id, _s.body).order_by(_s.id.desc()).limit(limit)
    query = query if rule is None else query.where(_s.rule == rule)
    query = query if before is None else query.where(_s.id < before)
    with reading(engine) as connection:
        return [
            ShadowRow(id=row.id, change=AlarmChange.model_validate_json(row.body)) for row in connection.execute(query)
        ]
