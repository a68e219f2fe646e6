"""Devices added and changed at the running gateway: adopted, replaced, retired, imported. And what rules may know of
places and residents: a home is armed.

As with `apply`, the whole community is checked before anything is written, and all of it is written in one transaction
with a new revision, so that the decider and the transports follow. The rows are marked (`store.DESK`): applying the
files keeps them.

The check runs outside of the transaction, which stays short: a press is not decided while somebody else writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import sqlalchemy as sa
from pydantic import ValidationError

from gateway.alarms import Frozen
from gateway.registry import candidates, history, store
from gateway.registry.check import check
from gateway.registry.explain import explain
from gateway.registry.facts import same_attributes
from gateway.registry.fault import Fault, fault_of
from gateway.registry.fields import fields_between, shown, told
from gateway.registry.finding import Finding
from gateway.registry.model import Community, Device, Place, Resident, way_in
from gateway.registry.problem import did_you_mean, path_text
from gateway.rules.forms import Fact
from gateway.state.db import reading, writing

Entry = Device | Place | Resident
_SECTIONS: Mapping[type, str] = {Device: "devices", Place: "places", Resident: "residents"}
Described = Literal["places", "residents"]
"""Sections of whose entries only the attributes are changed here."""

E = TypeVar("E", bound=Frozen)
D = TypeVar("D", Place, Resident)
T = TypeVar("T")
_TRIES = 5
"""Somebody else may change the registry between check and write: then it is checked again."""


class Refused(Exception):
    """A change that is not made; ``faults`` says all that stands against it."""

    def __init__(self, *faults: Fault) -> None:
        self.faults = faults
        super().__init__("\n".join(map(str, faults)))


class NoSuchDevice(Refused):
    """There is no such device, or no such stranger."""


class NoSuchEntry(Refused):
    """There is no such place, or no such resident."""

    def __init__(self, section: Described, fault: Fault) -> None:
        self.section = section
        super().__init__(fault)


class NoCommunity(Refused):
    """No community has been applied yet."""

    def __init__(self) -> None:
        super().__init__(Fault("", "", "there is no community yet; run: anju apply FILE"))


@dataclass(frozen=True, slots=True)
class Edit:
    """One entry of the registry as it was and as it is to be."""

    before: Entry | None
    after: Entry
    what: str
    """The line in a device's history: ``added``, ``changed``, ``replaced``, ``retired``. Of a resident ``changed``, or
    ``away`` and ``back`` where nothing but that is said (`gateway.registry.away`)."""
    detail: Mapping[str, object]

    @property
    def section(self) -> str:
        """In which section of the community it stands."""
        return _SECTIONS[type(self.after)]

    @property
    def key(self) -> store.Key:
        """Under which key the registry keeps it."""
        return self.section, self.after.id

    def origin(self, was: str) -> str:
        """What the row is marked with from now on. That somebody is away takes nothing else out of the files' hands,
        unless it is against what they say."""
        if self.what == "away" and was in (store.FILE, store.SAID_AWAY) and not (was == store.FILE and self._was_away):
            return store.SAID_AWAY
        return store.FILE if self.what == "back" and was == store.SAID_AWAY else store.DESK

    @property
    def _was_away(self) -> bool:
        return self.before is not None and "away" in self.before.attributes

    @property
    def changes(self) -> bool:
        """Whether there is a difference."""
        before, after = self.before, self.after
        return before is None or before != after or not same_attributes(before.attributes, after.attributes)


@dataclass(frozen=True, slots=True)
class Done:
    """What was changed."""

    entries: tuple[Entry, ...]
    """As they are now; empty where nothing had to be changed."""
    revision: int
    warnings: tuple[Fault, ...]
    """What is allowed and yet worth a look: nobody watches this kind, a role without people …"""

    @property
    def devices(self) -> tuple[Device, ...]:
        """The devices among the entries."""
        return tuple(entry for entry in self.entries if isinstance(entry, Device))


Considered = tuple[T, Callable[[sa.Connection], int] | None]
"""What comes of a change, and how it is written."""
Plan = Callable[[Community], Sequence[Edit]]
"""What to do to a community; asked again where the registry moved meanwhile. Raises Refused."""


def carry_out(engine: sa.Engine, plan: Plan, actor: str, now_ms: int, *, dry_run: bool = False) -> Done:
    """Make the changes of ``plan``, all or nothing. No change writes no revision; ``dry_run`` only checks.

    Raises Refused with every fault there is; NoCommunity.
    """

    def consider(_: sa.Connection, community: Community) -> Considered[tuple[tuple[Entry, ...], tuple[Fault, ...]]]:
        edits = [edit for edit in plan(community) if edit.changes]
        warnings = _judge(community, edits)
        outcome = tuple(edit.after for edit in edits), warnings
        if not edits or dry_run:
            return outcome, None
        return outcome, lambda connection: _write(connection, community, edits, actor, now_ms)

    (entries, warnings), revision = settle(engine, consider)
    return Done(entries, revision, warnings)


def settle(engine: sa.Engine, consider: Callable[[sa.Connection, Community], Considered[T]]) -> tuple[T, int]:
    """What comes of a change, and the revision that holds then. ``consider`` looks at the community, and says how the
    change is written (the writer returns the revision; None: nothing is written). It is asked again where the registry
    moved meanwhile. Raises what it raises; NoCommunity."""
    for _ in range(_TRIES):
        with reading(engine) as connection:
            community = store.load_within(connection)
            revision = store.revision_within(connection)
            if community is None:
                raise NoCommunity
            outcome, write = consider(connection, community)
        if write is None:
            return outcome, revision
        with writing(engine) as connection:
            store.lock(connection)
            if store.revision_within(connection) == revision:
                return outcome, write(connection)
    raise Refused(Fault("", "", "the registry is being changed by somebody else all the time; try again in a moment"))


def _judge(community: Community, edits: Sequence[Edit]) -> tuple[Fault, ...]:
    """Does everything still fit together? What was wrong before is nobody's fault here."""
    sections: dict[str, tuple[Entry, ...]] = {}
    for section in {edit.section for edit in edits}:
        edited = {edit.after.id: edit.after for edit in edits if edit.section == section}
        known = [edited.pop(entry.id, entry) for entry in getattr(community, section)]
        sections[section] = (*known, *edited.values())
    found = fresh(community, community.model_copy(update=sections))
    errors = [fault for finding, fault in found if finding.level == "error"]
    if errors:
        raise Refused(*errors)
    return tuple(fault for _, fault in found)


def fresh(before: Community, after: Community) -> list[tuple[Finding, Fault]]:
    """What is wrong after a change, and was not before it."""
    found = [(finding, fault_of(after, finding)) for finding in check(after)]
    if found:
        known = {fault_of(before, finding) for finding in check(before)}
        found = [(finding, fault) for finding, fault in found if fault not in known]
    return found


def _write(connection: sa.Connection, community: Community, edits: Sequence[Edit], actor: str, now_ms: int) -> int:
    origins: dict[str, list[Edit]] = {}
    for edit in edits:
        was = store.row(connection, edit.key) if edit.what in ("away", "back") else None
        origins.setdefault(edit.origin(was[1] if was is not None else store.FILE), []).append(edit)
    for origin, some in origins.items():
        bodies = {edit.key: edit.after.model_dump_json() for edit in some}
        store.replace_rows(connection, list(bodies), bodies, origin)
    lines: list[history.Line] = []
    others: list[str] = []
    for edit in edits:
        before, device = edit.before, edit.after
        if isinstance(device, Device):
            detail = {**edit.detail, **history.serves(device.model_dump())} if before is None else edit.detail
            lines.append(history.Line(device=device.id, at_ms=now_ms, actor=actor, what=edit.what, detail=detail))
            bridge, address = way_in(device, community.bridges)
            candidates.forget(connection, bridge, address.partition("#")[0])
            if isinstance(before, Device) and before.hardware != device.hardware:
                others.append(device.id)
    history.write(connection, *lines)
    store.forget_hardware(connection, others)
    return store.write_revision(connection, actor, _summary(edits), now_ms)


def _summary(edits: Sequence[Edit]) -> str:
    """As of applied files; of a place or a resident, which have no history of their own, with what was changed."""
    said = []
    for section in sorted({edit.section for edit in edits}):
        here = [edit for edit in edits if edit.section == section]
        added = sum(edit.before is None for edit in here)
        counts = (("+", added), ("~", len(here) - added))
        said.append(f"{section} " + " ".join(f"{sign}{count}" for sign, count in counts if count))
        for edit in here:
            if section != "devices" and edit.before is not None:
                fields = fields_between(section, edit.before, edit.after)
                what = (f"{one.field} {shown(one.before)} → {shown(one.after)}" for one in fields)
                said[-1] += f" ({edit.after.id}: {', '.join(what)})"
    return ", ".join(said)


# -- what can be done to a device


def add(device: Device, *, by: str = "desk") -> Plan:
    """A new device. ``by``: how it came, for its history."""

    def plan(community: Community) -> Sequence[Edit]:
        if any(known.id == device.id for known in community.devices):
            en = f"{device.id} is given twice: there is a device of this id; choose another, or replace that one"
            raise Refused(Fault(device.id, "id", en))
        return [Edit(None, device, "added", {"by": by})]

    return plan


def change(device_id: str, fields: Mapping[str, Any]) -> Plan:
    """Give some fields of a device other values; None takes a value back."""

    def plan(community: Community) -> Sequence[Edit]:
        before = find(community, device_id)
        if "id" in fields and fields["id"] != device_id:
            en = "expected the same id: it is the device's for ever; add another device and retire this one"
            raise Refused(Fault(device_id, "id", en))
        given = {key: value for key, value in (before.model_dump() | dict(fields)).items() if value is not None}
        return [edit_of(before, read_device(given))]

    return plan


def replace(device_id: str, *, address: str, serial: str = "") -> Plan:
    """Other hardware at the same place: the id, its telemetry, its cases and its history stay."""

    def plan(community: Community) -> Sequence[Edit]:
        before = find(community, device_id)
        old = way_in(before, community.bridges)[1]
        if address == old:
            en = f"expected another address than {old}, which is that of the hardware in place"
            raise Refused(Fault(device_id, "address", en))
        given = before.model_dump(exclude_none=True) | {"address": address, "serial": serial, "status": "active"}
        after = read_device(given)
        detail = {"address": [old, address], "serial": [before.serial, serial]}
        return [Edit(before, after, "replaced", detail)]

    return plan


def retire(device_id: str, why: str) -> Plan:
    """No longer listened to and not supervised."""

    def plan(community: Community) -> Sequence[Edit]:
        before = find(community, device_id)
        return [Edit(before, before.model_copy(update={"status": "retired"}), "retired", {"why": why})]

    return plan


def together(devices: Iterable[Device], *, by: str) -> Plan:
    """Many devices as they are to be: those that are new are added, the others changed."""
    wanted = list(devices)

    def plan(community: Community) -> Sequence[Edit]:
        known = {device.id: device for device in community.devices}
        return [
            edit_of(known[device.id], device) if device.id in known else Edit(None, device, "added", {"by": by})
            for device in wanted
        ]

    return plan


def describe(section: Described, id_: str, attributes: Mapping[str, Fact]) -> Plan:
    """Give a place or a resident these attributes, in place of all that it has."""

    def plan(community: Community) -> Sequence[Edit]:
        before = _find(section, getattr(community, section), id_)
        return [Edit(before, with_attributes(before, attributes), "changed", {})]

    return plan


def find_resident(community: Community, resident_id: str) -> Resident:
    """Raises NoSuchEntry."""
    return _find("residents", community.residents, resident_id)


def _find(section: Described, entries: Sequence[D], id_: str) -> D:
    for entry in entries:
        if entry.id == id_:
            return entry
    near = did_you_mean(id_, (entry.id for entry in entries))
    raise NoSuchEntry(section, Fault(id_, "id", f"there is no {section.removesuffix('s')} {id_} in {section}{near}"))


def with_attributes(entry: D, attributes: Mapping[str, Fact]) -> D:
    """The same place or resident with these attributes. Raises Refused with every fault."""
    return _read(type(entry), entry.model_dump() | {"attributes": attributes})


def edit_of(before: Device, after: Device) -> Edit:
    """The change from one to the other, named for what it is."""
    fields = told(fields_between("devices", before, after))
    if after.status != before.status:
        return Edit(before, after, "retired" if after.status == "retired" else "back_in_service", {"fields": fields})
    what = "changed" if before.hardware == after.hardware else "replaced"
    return Edit(before, after, what, {"fields": fields})


def find(community: Community, device_id: str) -> Device:
    """Raises NoSuchDevice."""
    for device in community.devices:
        if device.id == device_id:
            return device
    near = did_you_mean(device_id, (device.id for device in community.devices))
    raise NoSuchDevice(Fault(device_id, "id", f"there is no device {device_id}; see: anju devices list{near}"))


def read_device(given: Mapping[str, Any]) -> Device:
    """A device from what somebody gave. Raises Refused with every fault."""
    return _read(Device, given)


def _read(model: type[E], given: Mapping[str, Any]) -> E:
    try:
        return model.model_validate(dict(given))
    except ValidationError as error:
        name = str(given.get("id", ""))
        faults = (explain(one, model) for one in error.errors())
        raise Refused(*(Fault(name, path_text(path), said) for path, said in faults)) from None
