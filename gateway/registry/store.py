"""The registry in the state database: what applying a community would change, and doing it in one transaction.

Devices that were added or changed at the running gateway (`gateway.registry.desk`) are kept when files are applied.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from pydantic import TypeAdapter, ValidationError

from gateway.alarms import Frozen
from gateway.cases.model import Case
from gateway.registry import history
from gateway.registry.check import check
from gateway.registry.fault import fault_of
from gateway.registry.model import Community, CommunityInfo, Device, EmergencyLine
from gateway.registry.sections import MODELS, SECTIONS
from gateway.state.db import reading, writing
from gateway.state.tables import cases, device_states, registry, registry_revisions

_ADAPTERS: Mapping[str, TypeAdapter[Any]] = {
    **{section: TypeAdapter(model) for section, model in MODELS.items()},
    "community": TypeAdapter(CommunityInfo),
    "emergency_line": TypeAdapter(EmergencyLine),
}
_CHUNK = 5000
FILE, DESK = "file", "desk"
"""Where a row of the registry comes from."""

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
class Kept:
    """A device that stays as it was made at the running gateway, whatever the files say."""

    id: str
    in_file: bool
    fields: tuple[FieldChange, ...]
    """What differs: as it stands in the files, and as it stays. Empty where it stands in no file."""


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
    written_down: tuple[str, ...] = ()
    """Devices made at the running gateway that now stand in the files just so: from now on they go by the files."""

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
        changes, bodies = _difference(connection, community, take_file)
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
        replace_rows(connection, gone, {key: bodies[key] for key in new}, FILE)
        forget_hardware(connection, _other_hardware(changes))
        history.write(connection, *_life(changes, actor, now_ms))
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
        parts.setdefault(section, []).append(_ADAPTERS[section].validate_json(body))
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


def _bodies(community: Community) -> dict[Key, str]:
    items: dict[Key, Frozen] = {("community", community.community.id): community.community}
    if community.emergency_line is not None:
        items["emergency_line", "emergency_line"] = community.emergency_line
    for section in SECTIONS:
        for item in getattr(community, section):
            items[section, item.id] = item
    return {key: item.model_dump_json() for key, item in items.items()}


def _difference(connection: sa.Connection, community: Community, take_file: bool) -> tuple[Changes, dict[Key, str]]:
    after = _bodies(community)
    rows = connection.execute(sa.select(registry.c.section, registry.c.id, registry.c.body, registry.c.origin)).all()
    before: dict[Key, str] = {(row.section, row.id): row.body for row in rows}
    kept: list[Kept] = []
    written_down: list[str] = []
    for key in sorted((row.section, row.id) for row in rows if row.origin == DESK):
        fields = _fields(key[0], after[key], before[key]) if key in after else ()
        if key in after and not fields:
            written_down.append(key[1])
        elif not take_file:
            kept.append(Kept(key[1], key in after, fields))
            after[key] = before[key]
    if kept:
        _check_kept(community, kept, before)
    added = tuple(key for key in after if key not in before)
    removed = tuple(sorted(key for key in before if key not in after))
    changed = tuple(
        Changed(*key, fields)
        for key, body in after.items()
        if key in before and body != before[key] and (fields := _fields(key[0], before[key], body))
    )
    warnings = tuple(_warnings(connection, added, removed)) if removed else ()
    revision = revision_within(connection)
    return Changes(added, changed, removed, warnings, revision, tuple(kept), tuple(written_down)), after


def _check_kept(community: Community, kept: Sequence[Kept], before: Mapping[Key, str]) -> None:
    """Does everything still fit together with the devices that stay? Raises KeptDoNotFit."""
    staying = {one.id: Device.model_validate_json(before["devices", one.id]) for one in kept}
    devices = [device for device in community.devices if device.id not in staying]
    whole = community.model_copy(update={"devices": (*devices, *staying.values())})
    messages = []
    for finding in check(whole):
        if finding.level == "error":
            fault = fault_of(whole, finding)
            made = finding.section == "devices" and fault.entry in staying
            here = (
                "在网关上添加或修改、应用时保留的设备 a device made at the gateway, which stays as it is: "
                if made
                else ""
            )
            messages.append(f"{here}{fault}")
    if messages:
        raise KeptDoNotFit(messages)


def made_at_desk(connection: sa.Connection) -> list[str]:
    """The devices that were added or changed at the running gateway, and stand in no file so."""
    return list(connection.execute(sa.select(registry.c.id).where(registry.c.origin == DESK)).scalars())


def _by_file(connection: sa.Connection, devices: Sequence[str]) -> None:
    if devices:
        connection.execute(
            sa.update(registry)
            .where(registry.c.section == "devices", registry.c.id == sa.bindparam("i"))
            .values(origin=FILE),
            [{"i": device} for device in devices],
        )


def _life(changes: Changes, actor: str, now_ms: int) -> Iterator[history.Line]:
    """What applying files was to each device. Of the first community nothing is said: all of it is new."""
    if not changes.revision:
        return

    def line(device: str, what: str, **detail: object) -> history.Line:
        return history.Line(device=device, at_ms=now_ms, actor=actor, what=what, detail={"by": "apply"} | detail)

    for section, id_ in changes.added:
        if section == "devices":
            yield line(id_, "added")
    for changed in changes.changed:
        if changed.section == "devices":
            yield line(changed.id, "changed", fields=told(changed.fields))
    for section, id_ in changes.removed:
        if section == "devices":
            yield line(id_, "removed")


def told(fields: Sequence[FieldChange]) -> dict[str, list[object]]:
    """Changed fields as the history keeps them."""
    return {field.field: [field.before, field.after] for field in fields}


def fields_between(section: str, before: Frozen, after: Frozen) -> tuple[FieldChange, ...]:
    """The fields that differ between two entries of a section."""
    return _fields(section, before.model_dump_json(), after.model_dump_json())


def _fields(section: str, before: str, after: str) -> tuple[FieldChange, ...]:
    """The fields that differ. A body written by an older version gets today's defaults before it is compared."""
    old, new = (dict(_flat("", json.loads(_of_today(section, body)))) for body in (before, after))
    return tuple(
        FieldChange(name, old.get(name), new.get(name))
        for name in dict.fromkeys([*old, *new])
        if old.get(name) != new.get(name)
    )


def _of_today(section: str, body: str) -> str:
    with suppress(ValidationError):  # what cannot be read any more is compared as it stands, and shows as changed
        return str(_ADAPTERS[section].validate_json(body).model_dump_json())
    return body


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


def _chunks(keys: Sequence[Key]) -> Iterator[Sequence[Key]]:
    for start in range(0, len(keys), _CHUNK):
        yield keys[start : start + _CHUNK]
