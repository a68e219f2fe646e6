"""Alarms that are held back while another one stands, as rows: the cause is told, its consequences wait.

An alarm holds others back while it stands *and* its case is open: what nobody looks at any more hides nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from gateway.alarms import ALARM_TYPES, AlarmChange, Severity
from gateway.registry.directory import CommunityDirectory
from gateway.rules.document import Inhibition
from gateway.state import tables as t
from gateway.state.db import insert

CARRIERS_MOST = 8
"""How many devices one behind the other are looked at; a circle in the registry ends here, too."""
_w, _a, _c = t.withheld.c, t.alarms.c, t.cases.c


@dataclass(frozen=True, slots=True)
class Inhibitor:
    """The alarm that stands, and holds another one back."""

    alarm: int
    type: str
    case: str


@dataclass(frozen=True, slots=True)
class Withheld:
    """An alarm of which nobody is told for now."""

    change: AlarmChange
    since_ms: int
    by: Inhibitor


def may_be_held_back(change: AlarmChange) -> bool:
    """An alarm that may concern a life never is, whatever its rule says."""
    return change.severity is not Severity.EMERGENCY and not ALARM_TYPES[change.type].life_safety


def inhibitor(
    connection: sa.Connection, directory: CommunityDirectory, change: AlarmChange, inhibition: Inhibition
) -> Inhibitor | None:
    """The alarm that holds ``change`` back, the longest standing one; None where there is none."""
    match inhibition.at:
        case "place":
            where = None if change.place is None else _a.place == change.place
        case "resident":
            where = None if change.resident is None else _a.resident == change.resident
        case "device":
            where = None if change.device is None else _a.device == change.device
        case "via":
            carriers = list(_carriers(directory, change.device))
            where = _a.device.in_(carriers) if carriers else None
    if where is None:
        return None
    row = connection.execute(
        sa.select(_a.id, _a.type, _a.case_id)
        .join(t.cases, _c.id == _a.case_id)
        .where(_a.cleared_at_ms.is_(None), where, _a.type.in_(inhibition.types), _c.open)
        .where(sa.or_(_a.rule != change.rule, _a.subject != change.subject))
        .order_by(_a.id)
        .limit(1)
    ).one_or_none()
    return None if row is None else Inhibitor(row.id, row.type, row.case_id)


def _carriers(directory: CommunityDirectory, device: str | None) -> Iterator[str]:
    """What carries a device, and what carries that: behind a silent modem a concentrator hides its sensors, too."""
    for _ in range(CARRIERS_MOST):
        known = directory.device(device or "")
        device = None if known is None else known.via
        if device is None:
            return
        yield device


def put(connection: sa.Connection, change: AlarmChange, by: Inhibitor, now_ms: int) -> bool:
    """Hold ``change`` back. False where it was held back already; since when stays as it is."""
    values = {"by_alarm": by.alarm, "by_type": by.type, "by_case": by.case, "body": change.model_dump_json()}
    before = find(connection, change.rule, change.subject)
    connection.execute(
        insert(connection, t.withheld)
        .values(rule=change.rule, subject=change.subject, at_ms=now_ms, **values)
        .on_conflict_do_update(index_elements=["rule", "subject"], set_=values)
    )
    return before is None or before.by.case != by.case


def forget(connection: sa.Connection, rule: str, subject: str) -> bool:
    """It is told, or over. True where it was held back."""
    done = connection.execute(sa.delete(t.withheld).where(_w.rule == rule, _w.subject == subject))
    return done.rowcount > 0


def find(connection: sa.Connection, rule: str, subject: str) -> Withheld | None:
    """The alarm with this key, if it is held back."""
    query = sa.select(t.withheld).where(_w.rule == rule, _w.subject == subject)
    row = connection.execute(query).one_or_none()
    return None if row is None else _withheld(row)


def every(connection: sa.Connection, limit: int | None = None) -> list[Withheld]:
    """All that is held back, the oldest first."""
    query = sa.select(t.withheld).order_by(_w.at_ms, _w.rule, _w.subject).limit(limit)
    return [_withheld(row) for row in connection.execute(query)]


def orphans(connection: sa.Connection) -> list[Withheld]:
    """What is held back by an alarm that stands no longer, or whose case is over."""
    standing = sa.select(_a.id).join(t.cases, _c.id == _a.case_id).where(_a.cleared_at_ms.is_(None), _c.open)
    query = (
        sa.select(t.withheld)
        .where(~standing.where(_a.id == _w.by_alarm).exists())
        .order_by(_w.at_ms, _w.rule, _w.subject)
    )
    return [_withheld(row) for row in connection.execute(query)]


def _withheld(row: sa.Row[Any]) -> Withheld:
    change = AlarmChange.model_validate_json(row.body)
    return Withheld(change, row.at_ms, Inhibitor(row.by_alarm, row.by_type, row.by_case))
