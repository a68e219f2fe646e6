"""The life of a rule, line by line: who gave it which text when. Append only.

Alarms carry the version of the rule that decided them; here is what that version said.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa

from gateway.registry.fields import ADAPTERS, FieldChange, differing, shown
from gateway.rules.document import RuleDocument
from gateway.state import tables as t

What = Literal[
    "applied", "created", "edited", "enabled", "disabled", "shadowed", "live", "restored", "deleted", "removed"
]
SECTION = "rules"
SUMMARY_LONGEST = 2000
_STATE = frozenset({"version", "enabled", "shadow"})
_h = t.rule_history.c


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleLine:
    """One line of a rule's life. ``deleted``: at the running gateway; ``removed``: the files have it no more."""

    id: int = 0
    """Given when it is written."""
    rule: str
    version: int
    at_ms: int
    actor: str
    what: What
    document: str
    """The rule from then on, as JSON; of one that was deleted, as it was last."""
    summary: str
    """What differs from before."""


def write(connection: sa.Connection, *lines: RuleLine) -> None:
    """Append ``lines``."""
    if lines:
        names = ("rule", "version", "at_ms", "actor", "what", "document", "summary")
        connection.execute(sa.insert(t.rule_history), [{name: getattr(line, name) for name in names} for line in lines])


def read(connection: sa.Connection, rule: str, limit: int = 100, before: int | None = None) -> list[RuleLine]:
    """The life of a rule, the newest first; what is older than the line ``before``, for the next page."""
    query = sa.select(t.rule_history).where(_h.rule == rule).order_by(_h.id.desc()).limit(limit)
    query = query if before is None else query.where(_h.id < before)
    return [_line(row) for row in connection.execute(query)]


def document(connection: sa.Connection, rule: str, version: int, at_ms: int | None = None) -> str | None:
    """What a version of a rule said, as JSON; None where it is not known.

    Where files gave one version two texts, the one that was in force at ``at_ms``, or the newest.
    """
    query = sa.select(_h.document).where(_h.rule == rule, _h.version == version).order_by(_h.id.desc()).limit(1)
    found: str | None = None
    if at_ms is not None:
        found = connection.execute(query.where(_h.at_ms <= at_ms)).scalar_one_or_none()
    return found if found is not None else connection.execute(query).scalar_one_or_none()


def line(connection: sa.Connection, rule: str, version: int) -> RuleLine | None:
    """The newest line of a version."""
    query = sa.select(t.rule_history).where(_h.rule == rule, _h.version == version).order_by(_h.id.desc()).limit(1)
    row = connection.execute(query).one_or_none()
    return None if row is None else _line(row)


def newest(connection: sa.Connection, rules: Sequence[str] | None = None) -> dict[str, RuleLine]:
    """The last line of each rule, or of those asked for."""
    last = sa.select(sa.func.max(_h.id)).group_by(_h.rule)
    last = last if rules is None else last.where(_h.rule.in_(rules))
    query = sa.select(t.rule_history).where(_h.id.in_(last))
    return {row.rule: _line(row) for row in connection.execute(query)}


def latest_version(connection: sa.Connection, rule: str) -> int:
    """The highest version a rule ever had; 0 where there was none."""
    return int(connection.execute(sa.select(sa.func.max(_h.version)).where(_h.rule == rule)).scalar() or 0)


def deleted(connection: sa.Connection) -> frozenset[str]:
    """The rules that were deleted at the running gateway, and are gone since."""
    return frozenset(rule for rule, one in newest(connection).items() if one.what == "deleted")


def of_apply(
    before: Mapping[tuple[str, str], str], after: Mapping[tuple[str, str], str], actor: str, now_ms: int
) -> Iterator[RuleLine]:
    """The lines of what applying files does to rules, by their bodies."""
    rules = sorted(id_ for section, id_ in {*before, *after} if section == SECTION)
    for rule in rules:
        old, new = before.get((SECTION, rule)), after.get((SECTION, rule))
        if old == new or (old is not None and new is not None and not differing(SECTION, old, new)):
            continue
        body = new if new is not None else old or ""
        yield RuleLine(
            rule=rule,
            version=int(json.loads(body)["version"]),
            at_ms=now_ms,
            actor=actor,
            what="applied" if new is not None else "removed",
            document=body,
            summary=summary(old, new) if new is not None else "",
        )


def differences(before: str | None, after: str) -> tuple[FieldChange, ...]:
    """What differs between two documents, without the version."""
    if before is None:
        return ()
    return tuple(field for field in differing(SECTION, before, after) if field.field != "version")


def summary(before: str | None, after: str) -> str:
    """What differs, as one line for people: the rule before its examples, which are many words and decide nothing."""
    changes = sorted(differences(before, after), key=lambda field: field.field.startswith("examples"))
    said = "; ".join(_said(field) for field in changes)
    return said if len(said) <= SUMMARY_LONGEST else said[: SUMMARY_LONGEST - 1] + "…"


def _said(field: FieldChange) -> str:
    return f"{field.field} {shown(field.before)} → {shown(field.after)}"


def used_for_another_text(connection: sa.Connection, rule: RuleDocument) -> bool:
    """Whether the rule's version said something else before: then an alarm's version would not tell the text."""
    known = line(connection, rule.id, rule.version)
    return known is not None and other_text(known.document, rule)


def rule_of(document: str) -> RuleDocument:
    """A document of the history as a rule. Raises pydantic.ValidationError for one of an older release."""
    rule: RuleDocument = ADAPTERS[SECTION].validate_json(document)
    return rule


def other_text(document: str, rule: RuleDocument) -> bool:
    """Whether a rule says something else than ``document``, be it of an older release."""
    return any(field.field not in _STATE for field in differences(document, rule.model_dump_json()))


def _line(row: sa.Row[tuple[object, ...]]) -> RuleLine:
    return RuleLine(**row._mapping)
