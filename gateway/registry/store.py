"""The registry in the state database: what applying a community would change, and doing it in one transaction."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from pydantic import TypeAdapter, ValidationError

from gateway.alarms import Frozen
from gateway.cases.model import Case
from gateway.registry.model import Community, CommunityInfo, EmergencyLine
from gateway.registry.sections import MODELS, SECTIONS
from gateway.state.db import reading, writing
from gateway.state.tables import cases, registry, registry_revisions

_ADAPTERS: Mapping[str, TypeAdapter[Any]] = {
    **{section: TypeAdapter(model) for section, model in MODELS.items()},
    "community": TypeAdapter(CommunityInfo),
    "emergency_line": TypeAdapter(EmergencyLine),
}
_CHUNK = 5000

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field before and after; None where it was or will be absent."""

    field: str
    before: object
    after: object


@dataclass(frozen=True, slots=True)
class Changed:
    section: str
    id: str
    fields: tuple[FieldChange, ...]


@dataclass(frozen=True, slots=True)
class Changes:
    """What applying would do (or did)."""

    added: tuple[Key, ...]
    changed: tuple[Changed, ...]
    removed: tuple[Key, ...]
    warnings: tuple[str, ...]
    """What somebody should know before: open cases that refer to what is removed, another community's id."""
    revision: int
    """The revision the changes were computed against; after `apply`, the one that holds now."""

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)

    @property
    def summary(self) -> str:
        """``devices +2 ~1 -0, people +1``, in the order of the sections."""
        counts: dict[str, list[int]] = {}
        keys = (self.added, [(c.section, c.id) for c in self.changed], self.removed)
        for position, group in enumerate(keys):
            for section, _ in group:
                counts.setdefault(section, [0, 0, 0])[position] += 1
        order = ("community", "emergency_line", *SECTIONS)
        return ", ".join(
            f"{section} " + " ".join(f"{sign}{n}" for sign, n in zip("+~-", counts[section], strict=True) if n)
            for section in order
            if section in counts
        )


class RegistryMoved(Exception):
    """Somebody else applied a community since the changes were shown."""


def plan(engine: sa.Engine, community: Community) -> Changes:
    """What `apply` would change. Reads only."""
    with reading(engine) as connection:
        return _difference(connection, community)[0]


def apply(
    engine: sa.Engine, community: Community, actor: str, now_ms: int, *, expect_revision: int | None = None
) -> Changes:
    """Bring the registry to ``community`` in one transaction: all of it or nothing. No change writes no revision.

    Raises RegistryMoved when ``expect_revision`` is given and no longer holds.
    """
    with writing(engine) as connection:
        if connection.dialect.name == "postgresql":  # SQLite's BEGIN IMMEDIATE already holds everybody else off
            connection.exec_driver_sql("LOCK TABLE registry IN SHARE ROW EXCLUSIVE MODE")
        changes, bodies = _difference(connection, community)
        if expect_revision is not None and changes.revision != expect_revision:
            raise RegistryMoved(
                f"the registry is at revision {changes.revision}, the changes were shown for {expect_revision}; "
                "look at them again"
            )
        if not changes:
            return changes
        gone = [*changes.removed, *((c.section, c.id) for c in changes.changed)]
        new = [*changes.added, *((c.section, c.id) for c in changes.changed)]
        for chunk in _chunks(gone):
            connection.execute(
                registry.delete().where(registry.c.section == sa.bindparam("s"), registry.c.id == sa.bindparam("i")),
                [{"s": section, "i": id_} for section, id_ in chunk],
            )
        for chunk in _chunks(new):
            rows = [{"section": section, "id": id_, "body": bodies[section, id_]} for section, id_ in chunk]
            connection.execute(registry.insert(), rows)
        written = connection.execute(
            registry_revisions.insert().values(applied_at_ms=now_ms, actor=actor, summary=changes.summary)
        ).inserted_primary_key
        assert written is not None
        return Changes(changes.added, changes.changed, changes.removed, changes.warnings, int(written[0]))


def load(engine: sa.Engine) -> Community | None:
    """The community as applied, each section sorted by id; None before the first apply.

    Raises pydantic.ValidationError for a body this version cannot read.
    """
    with reading(engine) as connection:
        rows = connection.execute(sa.select(registry.c.section, registry.c.id, registry.c.body)).all()
    parts: dict[str, list[Any]] = {}
    for section, _, body in sorted(rows, key=lambda row: (row.section, row.id)):
        parts.setdefault(section, []).append(_ADAPTERS[section].validate_json(body))
    if "community" not in parts:
        return None
    line = parts.get("emergency_line", [None])[0]
    sections = {section: tuple(parts.get(section, ())) for section in SECTIONS}
    return Community(anju=1, community=parts["community"][0], emergency_line=line, **sections)


def revision(engine: sa.Engine) -> int:
    """The newest revision, 0 before the first apply. One index look-up."""
    with reading(engine) as connection:
        return _revision(connection)


def _revision(connection: sa.Connection) -> int:
    return int(connection.execute(sa.select(sa.func.max(registry_revisions.c.revision))).scalar() or 0)


def _bodies(community: Community) -> dict[Key, str]:
    items: dict[Key, Frozen] = {("community", community.community.id): community.community}
    if community.emergency_line is not None:
        items["emergency_line", "emergency_line"] = community.emergency_line
    for section in SECTIONS:
        for item in getattr(community, section):
            items[section, item.id] = item
    return {key: item.model_dump_json() for key, item in items.items()}


def _difference(connection: sa.Connection, community: Community) -> tuple[Changes, dict[Key, str]]:
    after = _bodies(community)
    rows = connection.execute(sa.select(registry.c.section, registry.c.id, registry.c.body))
    before: dict[Key, str] = {(section, id_): body for section, id_, body in rows}
    added = tuple(key for key in after if key not in before)
    removed = tuple(sorted(key for key in before if key not in after))
    changed = tuple(
        Changed(*key, fields)
        for key, body in after.items()
        if key in before and body != before[key] and (fields := _fields(key[0], before[key], body))
    )
    warnings = tuple(_warnings(connection, added, removed)) if removed else ()
    return Changes(added, changed, removed, warnings, _revision(connection)), after


def _fields(section: str, before: str, after: str) -> tuple[FieldChange, ...]:
    """The fields that differ. A body written by an older version gets today's defaults before it is compared."""
    with suppress(ValidationError):  # what cannot be read any more is compared as it stands, and shows as changed
        before = _ADAPTERS[section].validate_json(before).model_dump_json()
    old, new = dict(_flat("", json.loads(before))), dict(_flat("", json.loads(after)))
    return tuple(
        FieldChange(name, old.get(name), new.get(name))
        for name in dict.fromkeys([*old, *new])
        if old.get(name) != new.get(name)
    )


def _flat(path: str, value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _flat(f"{path}.{key}" if path else key, inner)
    elif isinstance(value, list) and any(isinstance(inner, dict | list) for inner in value):
        for index, inner in enumerate(value):
            yield from _flat(f"{path}[{index}]", inner)
    else:
        yield path, value


def _warnings(connection: sa.Connection, added: tuple[Key, ...], removed: tuple[Key, ...]) -> Iterator[str]:
    old = [id_ for section, id_ in removed if section == "community"]
    new = [id_ for section, id_ in added if section == "community"]
    if old and new:
        yield f"the community's id changes from {old[0]} to {new[0]}: devices must publish under anju/v1/{new[0]}/"
    gone = set(removed)
    for body in connection.execute(sa.select(cases.c.body).where(cases.c.open)).scalars():
        case = Case.model_validate_json(body)
        people = {target.person for target in case.told} | ({case.owner} if case.owner else set())
        referred = [
            ("devices", case.device),
            ("places", case.place),
            ("residents", case.resident),
            ("ladders", case.ladder.id),
            *(("people", person) for person in sorted(people)),
            *(("rules", alarm.rule) for alarm in case.alarms),
        ]
        for section, id_ in dict.fromkeys(referred):
            if id_ is not None and (section, id_) in gone:
                yield f"open case {case.number} refers to {section} {id_}, which is removed"


def _chunks(keys: list[Key]) -> Iterator[list[Key]]:
    for start in range(0, len(keys), _CHUNK):
        yield keys[start : start + _CHUNK]
