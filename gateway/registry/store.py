"""The registry in the state database: what applying a community would change, and doing it in one transaction.

Devices that were added or changed at the running gateway (`gateway.registry.desk`) are kept when files are applied, and
so are rules (`gateway.registry.rule_desk`), and the attributes of places and residents that were given there. Of a
resident who was said to be away (`gateway.registry.away`) only that is kept.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from gateway.alarms import Frozen
from gateway.cases.model import Case
from gateway.registry import history, rule_history
from gateway.registry.check import check
from gateway.registry.facts import AWAY
from gateway.registry.fault import fault_of
from gateway.registry.fields import ADAPTERS, FieldChange, differing, told
from gateway.registry.model import Community
from gateway.registry.sections import SECTIONS
from gateway.state.db import reading, writing
from gateway.state.tables import cases, device_states, registry, registry_revisions

_CHUNK = 5000
FILE, DESK, SAID_AWAY = "file", "desk", "away"
"""Where a row of the registry comes from; the last is from the files, but for that the resident is away."""
_WHOLE = frozenset({"devices", "rules"})
"""Sections whose entries stay with all that they are."""

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Changed:
    """An entry that differs, and in which fields."""

    section: str
    id: str
    fields: tuple[FieldChange, ...]


@dataclass(frozen=True, slots=True)
class Kept:
    """What stays as it was made at the running gateway, whatever the files say: a device, a place's attributes."""

    section: str
    id: str
    in_file: bool
    fields: tuple[FieldChange, ...]
    """What differs: as it stands in the files, and as it stays. Empty where it stands in no file."""
    deleted: bool = False
    """It was deleted at the running gateway, and stands in the files."""
    origin: str = DESK
    """What it stays marked with."""


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
    kept: tuple[Kept, ...] = ()
    written_down: tuple[Key, ...] = ()
    """What was made at the running gateway and now stands in the files just so: from now on it goes by the files."""

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
    """Somebody else changed the registry since the changes were shown."""


class KeptDoNotFit(Exception):
    """The files do not go with devices that were made at the running gateway; each of ``messages`` says why."""

    def __init__(self, messages: Sequence[str]) -> None:
        self.messages = tuple(messages)
        super().__init__("\n".join(self.messages))


def plan(engine: sa.Engine, community: Community, *, take_file: bool = False) -> Changes:
    """What `apply` would change. Reads only. Raises KeptDoNotFit."""
    with reading(engine) as connection:
        return _difference(connection, community, take_file)[0]


def apply(
    engine: sa.Engine,
    community: Community,
    actor: str,
    now_ms: int,
    *,
    expect_revision: int | None = None,
    take_file: bool = False,
) -> Changes:
    """Bring the registry to ``community`` in one transaction: all of it or nothing. No change writes no revision.

    What was made at the running gateway stays as it is, unless ``take_file``.

    Raises RegistryMoved when ``expect_revision`` is given and no longer holds; KeptDoNotFit.
    """
    with writing(engine) as connection:
        lock(connection)
        changes, before, bodies = _difference(connection, community, take_file)
        if expect_revision is not None and changes.revision != expect_revision:
            raise RegistryMoved(
                f"the registry is at revision {changes.revision}, the changes were shown for {expect_revision}; "
                "look at them again"
            )
        _by_file(connection, changes.written_down)
        if not changes:
            return changes
        gone = [*changes.removed, *((c.section, c.id) for c in changes.changed)]
        new = [*changes.added, *((c.section, c.id) for c in changes.changed)]
        mixed = {(kept.section, kept.id): kept.origin for kept in changes.kept}
        replace_rows(connection, gone, {}, FILE)
        for origin in (FILE, DESK, SAID_AWAY):
            replace_rows(connection, (), {key: bodies[key] for key in new if mixed.get(key, FILE) == origin}, origin)
        forget_hardware(connection, _other_hardware(changes))
        history.write(connection, *_life(changes, before, bodies, actor, now_ms))
        rule_history.write(connection, *rule_history.of_apply(before, bodies, actor, now_ms))
        return replace(changes, revision=write_revision(connection, actor, changes.summary, now_ms))


def lock(connection: sa.Connection) -> None:
    """Hold everybody else off who would write the registry."""
    if connection.dialect.name == "postgresql":  # SQLite's BEGIN IMMEDIATE does so already
        connection.exec_driver_sql("LOCK TABLE registry IN SHARE ROW EXCLUSIVE MODE")


def replace_rows(connection: sa.Connection, gone: Sequence[Key], new: Mapping[Key, str], origin: str) -> None:
    """Take rows out, and put others in with their bodies."""
    for chunk in _chunks(gone):
        connection.execute(
            registry.delete().where(registry.c.section == sa.bindparam("s"), registry.c.id == sa.bindparam("i")),
            [{"s": section, "i": id_} for section, id_ in chunk],
        )
    for chunk in _chunks(list(new)):
        rows = [{"section": section, "id": id_, "body": new[section, id_], "origin": origin} for section, id_ in chunk]
        connection.execute(registry.insert(), rows)


def row(connection: sa.Connection, key: Key) -> tuple[str, str] | None:
    """The body of one row, and where it comes from; None where there is none."""
    c = registry.c
    found = connection.execute(sa.select(c.body, c.origin).where(c.section == key[0], c.id == key[1])).one_or_none()
    return None if found is None else (found.body, found.origin)


def forget_hardware(connection: sa.Connection, devices: Sequence[str]) -> None:
    """Other hardware does the work of ``devices`` from now on: what the old one said of itself counts no more.

    A state that stayed would make the new one's first alarm no news.
    """
    columns = ("battery", "rssi", "firmware", "model", "clock_offset_ms", "states", "states_ms")
    if devices:
        connection.execute(
            sa.update(device_states)
            .where(device_states.c.device == sa.bindparam("d"))
            .values(dict.fromkeys(columns, sa.null())),
            [{"d": device} for device in devices],
        )


def _other_hardware(changes: Changes) -> list[str]:
    named = {"profile", "bridge", "address"}  # what `Device.hardware` is made of
    return [
        changed.id
        for changed in changes.changed
        if changed.section == "devices" and any(field.field in named for field in changed.fields)
    ]


def write_revision(connection: sa.Connection, actor: str, summary: str, now_ms: int) -> int:
    """A new revision: whoever works by the registry looks at it anew."""
    written = connection.execute(
        registry_revisions.insert().values(applied_at_ms=now_ms, actor=actor, summary=summary)
    ).inserted_primary_key
    assert written is not None
    return int(written[0])


def load(engine: sa.Engine) -> Community | None:
    """The community as applied, each section sorted by id; None before the first apply.

    Raises pydantic.ValidationError for a body this version cannot read.
    """
    with reading(engine) as connection:
        return load_within(connection)


def load_within(connection: sa.Connection) -> Community | None:
    """As `load`, in the caller's transaction."""
    rows = connection.execute(sa.select(registry.c.section, registry.c.id, registry.c.body)).all()
    parts: dict[str, list[Any]] = {}
    for section, _, body in sorted(rows, key=lambda row: (row.section, row.id)):
        parts.setdefault(section, []).append(ADAPTERS[section].validate_json(body))
    if "community" not in parts:
        return None
    line = parts.get("emergency_line", [None])[0]
    sections = {section: tuple(parts.get(section, ())) for section in SECTIONS}
    return Community(anju=1, community=parts["community"][0], emergency_line=line, **sections)


def revision(engine: sa.Engine) -> int:
    """The newest revision, 0 before the first apply. One index look-up."""
    with reading(engine) as connection:
        return revision_within(connection)


def revision_within(connection: sa.Connection) -> int:
    """As `revision`, in the caller's transaction."""
    return int(connection.execute(sa.select(sa.func.max(registry_revisions.c.revision))).scalar() or 0)


def _items(community: Community) -> dict[Key, Frozen]:
    items: dict[Key, Frozen] = {("community", community.community.id): community.community}
    if community.emergency_line is not None:
        items["emergency_line", "emergency_line"] = community.emergency_line
    for section in SECTIONS:
        for item in getattr(community, section):
            items[section, item.id] = item
    return items


def _difference(
    connection: sa.Connection, community: Community, take_file: bool
) -> tuple[Changes, dict[Key, str], dict[Key, str]]:
    """What would change, and the bodies before and after it."""
    items = _items(community)
    after = {key: item.model_dump_json() for key, item in items.items()}
    rows = connection.execute(sa.select(registry.c.section, registry.c.id, registry.c.body, registry.c.origin)).all()
    before: dict[Key, str] = {(row.section, row.id): row.body for row in rows}
    kept: list[Kept] = []
    written_down: list[Key] = []
    made_here = {(row.section, row.id): row.origin for row in rows if row.origin != FILE}
    for key, origin in sorted(made_here.items()):
        staying = _staying(key[0], items.get(key), before[key], origin)
        if staying is None:
            continue
        fields = differing(key[0], after[key], staying) if key in after else ()
        if key in after and not fields:
            written_down.append(key)
        elif not take_file:
            kept.append(Kept(*key, key in after, fields, origin=origin))
            after[key] = staying
    if not take_file:
        for rule in sorted(rule_history.deleted(connection)):
            if after.pop(("rules", rule), None) is not None:
                kept.append(Kept("rules", rule, True, (), deleted=True))
    if kept:
        _check_kept(community, kept, after)
    added = tuple(key for key in after if key not in before)
    removed = tuple(sorted(key for key in before if key not in after))
    changed = tuple(
        Changed(*key, fields)
        for key, body in after.items()
        if key in before and body != before[key] and (fields := differing(key[0], before[key], body))
    )
    warnings = tuple(_warnings(connection, added, removed)) if removed else ()
    new = [*added, *((one.section, one.id) for one in changed)]
    warnings += tuple(_unclear_versions(connection, [items[key] for key in new if key[0] == "rules"]))
    revision = revision_within(connection)
    return Changes(added, changed, removed, warnings, revision, tuple(kept), tuple(written_down)), before, after


def _staying(section: str, in_file: Frozen | None, made: str, origin: str) -> str | None:
    """What stays of an entry that was made or changed at the running gateway.

    All of a device or a rule; of a place or a resident the attributes, while the rest goes by the files; of a resident
    who was only said to be away, that.
    """
    if section in _WHOLE:
        return made
    if in_file is None:
        return None
    attributes = ADAPTERS[section].validate_json(made).attributes
    if origin == SAID_AWAY:
        said = {name: fact for name, fact in attributes.items() if name in AWAY}
        attributes = {**getattr(in_file, "attributes", {}), **said}
    return in_file.model_copy(update={"attributes": attributes}).model_dump_json()


_MADE_HERE: Mapping[str, str] = {
    "devices": "在网关上添加或修改、应用时保留的设备 a device made at the gateway, which stays as it is: ",
    "rules": "在网关上添加或修改、应用时保留的规则 a rule made at the gateway, which stays as it is: ",
}


def _check_kept(community: Community, kept: Sequence[Kept], after: Mapping[Key, str]) -> None:
    """Does everything still fit together with what stays? Raises KeptDoNotFit."""
    staying = {
        (one.section, one.id): ADAPTERS[one.section].validate_json(after[one.section, one.id])
        for one in kept
        if not one.deleted
    }
    sections: dict[str, tuple[Any, ...]] = {}
    for section in {one.section for one in kept}:
        gone = {one.id for one in kept if one.deleted and one.section == section}
        items = {item.id: item for item in getattr(community, section) if item.id not in gone}
        items |= {id_: item for (of, id_), item in staying.items() if of == section}
        sections[section] = tuple(items.values())
    whole = community.model_copy(update=sections)
    messages = []
    for finding in check(whole):
        if finding.level == "error":
            fault = fault_of(whole, finding)
            made = finding.section in _WHOLE and (finding.section, fault.entry) in staying
            messages.append(f"{_MADE_HERE[finding.section] if made else ''}{fault}")
    if messages:
        raise KeptDoNotFit(messages)


def made_at_desk(connection: sa.Connection, section: str = "devices") -> list[str]:
    """The devices (or rules) that were added or changed at the running gateway, and stand in no file so."""
    made = sa.select(registry.c.id).where(registry.c.origin == DESK, registry.c.section == section)
    return list(connection.execute(made).scalars())


def _by_file(connection: sa.Connection, keys: Sequence[Key]) -> None:
    if keys:
        connection.execute(
            sa.update(registry)
            .where(registry.c.section == sa.bindparam("s"), registry.c.id == sa.bindparam("i"))
            .values(origin=FILE),
            [{"s": section, "i": id_} for section, id_ in keys],
        )


def _life(
    changes: Changes, before: Mapping[Key, str], after: Mapping[Key, str], actor: str, now_ms: int
) -> Iterator[history.Line]:
    """What applying files was to each device. Of the first community nothing is said: all of it is new."""
    if not changes.revision:
        return

    def line(device: str, what: str, **detail: object) -> history.Line:
        return history.Line(device=device, at_ms=now_ms, actor=actor, what=what, detail={"by": "apply"} | detail)

    for section, id_ in changes.added:
        if section == "devices":
            yield line(id_, "added", **history.serves(json.loads(after[section, id_])))
    for changed in changes.changed:
        if changed.section == "devices":
            yield line(changed.id, "changed", fields=told(changed.fields))
    for section, id_ in changes.removed:
        if section == "devices":
            yield line(id_, "removed", **history.serves(json.loads(before[section, id_])))


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


def _unclear_versions(connection: sa.Connection, rules: Sequence[Any]) -> Iterator[str]:
    for rule in rules:
        if rule_history.used_for_another_text(connection, rule):
            free = rule_history.latest_version(connection, rule.id) + 1
            yield f"rule {rule.id}: version {rule.version} said something else before; write version: {free}"


def _chunks(keys: Sequence[Key]) -> Iterator[Sequence[Key]]:
    for start in range(0, len(keys), _CHUNK):
        yield keys[start : start + _CHUNK]
