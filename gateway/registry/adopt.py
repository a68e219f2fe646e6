"""From a stranger, or from what stands on a label, to a registered device. Pure: what is there comes in as arguments.

A person says where the thing hangs and whom it serves; everything else is proposed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.registry.candidates import Candidate
from gateway.registry.desk import Edit, Plan, Refused, read_device
from gateway.registry.directory import CommunityDirectory
from gateway.registry.fault import Fault
from gateway.registry.label import Label, same_address
from gateway.registry.model import NATIVE, Bridge, Community, Device, way_in

_ID_CHARS = 64
_NATIVE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_LABELLED: Mapping[str, tuple[str, ...]] = {"zigbee": ("zigbee2mqtt", "tasmota-zigbee"), "lorawan": ("chirpstack",)}
"""Form of a label → the profiles that hear such devices."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How a thing is heard."""

    profile: str
    bridge: str | None
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a person says of a device that is to be adopted. Empty: as proposed."""

    place: str
    kind: str = ""
    resident: str = ""
    id: str = ""
    name_zh: str = ""
    name_en: str = ""
    serial: str = ""


def way_of(candidate: Candidate) -> Way:
    """How a candidate was heard."""
    bridge = None if candidate.bridge == NATIVE else candidate.bridge
    return Way(profile=candidate.profile, bridge=bridge, address=candidate.address)


def way_of_label(label: Label, bridges: Sequence[Bridge]) -> Way:
    """How the thing with this label will be heard, where it has not been heard yet. Raises Refused."""
    if label.form == "anju" and label.address:
        return Way(profile=NATIVE, bridge=None, address=label.address)
    profiles = _LABELLED.get(label.form, ())
    fitting = [bridge for bridge in bridges if bridge.profile in profiles]
    if len(fitting) == 1:
        return Way(profile=fitting[0].profile, bridge=fitting[0].id, address=label.address)
    if fitting:
        names = ", ".join(bridge.id for bridge in fitting)
        raise Refused(Fault(label.address, "bridge", f"missing; name the bridge: one of {names}"))
    if profiles:
        en = f"there is no bridge that hears it; add one of profile {' or '.join(profiles)} to bridges"
        raise Refused(Fault(label.address, "bridge", en))
    en = "missing; nobody knows yet how it is heard: let it speak once, and adopt it from the list of strangers"
    raise Refused(Fault(label.address or label.serial, "address", en))


def unregistered(candidates: Iterable[Candidate], directory: CommunityDirectory) -> list[Candidate]:
    """Without those that are devices by now: a bridge describes all that it hears, under every name they have."""

    def known(one: Candidate) -> bool:
        if one.bridge == NATIVE:
            return directory.native(one.address) is not None
        names = (one.address, one.name, one.name.partition(" (")[0])
        return any(directory.book(one.bridge).at(name) for name in names if name)

    return [one for one in candidates if not known(one)]


def strangers_with(label: Label, candidates: Iterable[Candidate]) -> list[Candidate]:
    """The strangers that the label may be on."""
    wanted = [text for text in (label.address, label.serial) if text]
    return [
        one
        for one in candidates
        if any(same_address(text, known) for text in wanted for known in (one.address, one.name))
    ]


def registered_with(label: Label, devices: Iterable[Device]) -> list[Device]:
    """The devices that the label is on already."""
    return [
        one
        for one in devices
        if (label.serial and one.serial == label.serial)
        or (label.address and same_address(label.address, one.address or one.id))
    ]


def proposed_id(kind: str, place: str, way: Way, taken: Iterable[str]) -> str:
    """An id that people can read: what a native device calls itself, else its kind and its place."""
    known = set(taken)
    if way.profile == NATIVE and way.address not in known and _NATIVE_ID.fullmatch(way.address):
        return way.address
    stem = f"{kind.replace('_', '-')}-{place}"[: _ID_CHARS - 4].rstrip("-._")
    if stem not in known:
        return stem
    return next(name for number in range(2, 10_000) if (name := f"{stem}-{number}") not in known)


def resident_of(community: Community, place: str) -> str | None:
    """Whom a device at this place most probably serves: the only one who lives there."""
    at_home = [resident.id for resident in community.residents if resident.home == place]
    return at_home[0] if len(at_home) == 1 else None


def adopted(way: Way, wish: Wish, *, kind: str | None, by: str) -> Plan:
    """Make the thing that is heard in this way a device. ``kind``: what it most probably is. Asked, raises Refused."""

    def plan(community: Community) -> Sequence[Edit]:
        device = _device(community, way, wish, kind)
        if any(known.id == device.id for known in community.devices):
            en = f"{device.id} is given twice: there is a device of this id; choose another, or replace that one"
            raise Refused(Fault(device.id, "id", en))
        return [Edit(None, device, "added", {"by": by, "way_in": list(way_in(device, community.bridges))})]

    return plan


def _device(community: Community, way: Way, wish: Wish, kind: str | None) -> Device:
    chosen = wish.kind or kind or ""
    if not chosen:
        raise Refused(Fault(way.address, "kind", "missing; say what it is, such as smoke or contact"))
    if not wish.place:
        raise Refused(Fault(way.address, "place", "missing; say where it is"))
    id_ = wish.id or proposed_id(chosen, wish.place, way, (device.id for device in community.devices))
    given: dict[str, Any] = {"id": id_, "kind": chosen, "place": wish.place, "profile": way.profile}
    if way.bridge is not None:
        given["bridge"] = way.bridge
    if way.profile != NATIVE or way.address != id_:
        given["address"] = way.address
    for key, value in (("resident", wish.resident), ("serial", wish.serial)):
        if value:
            given[key] = value
    if wish.name_zh or wish.name_en:
        given["name"] = {"zh": wish.name_zh or wish.name_en, "en": wish.name_en or wish.name_zh}
    return read_device(given)
