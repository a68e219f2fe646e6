"""What a gateway really raised: the alarms in its state database, for comparison."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from gateway.alarms import AlarmChange
from gateway.backtest.alarms import KEPT, End, Episode
from gateway.rules.document import RuleDocument
from gateway.state import tables as t
from gateway.state.db import reading


def really_raised(
    engine: sa.Engine,
    rules: Sequence[RuleDocument],
    from_ms: int,
    until_ms: int,
    devices: frozenset[str] | None = None,
) -> list[Episode]:
    """The alarms of the ids or types of ``rules`` that were raised between two instants, oldest first.

    Raises what the database raises.
    """
    c = t.alarms.c
    query = (
        sa.select(c.body, c.cleared_at_ms, c.repeats)
        .where(c.raised_at_ms >= from_ms, c.raised_at_ms <= until_ms)
        .where(sa.or_(c.rule.in_({rule.id for rule in rules}), c.type.in_({rule.raises.type for rule in rules})))
        .order_by(c.raised_at_ms, c.id)
        .limit(KEPT)
    )
    found = []
    with reading(engine) as connection:
        for row in connection.execute(query):
            change = AlarmChange.model_validate_json(row.body)
            if devices is not None and change.device not in devices:
                continue
            end: End = "stands" if row.cleared_at_ms is None else "case_over" if change.momentary else "cleared"
            found.append(Episode(change, ended_ms=row.cleared_at_ms, end=end, repeats=row.repeats))
    return found
