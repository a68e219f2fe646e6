"""A small town cut out of a large community: some homes with all their devices, and part of what stands outside."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from devices.kinds import KINDS
from gateway.registry.model import Community, Device
from gateway.registry.roster import Roster


def cut_out(community: Community, devices: int) -> Community:
    """A community with about ``devices`` devices and only the places and people that these need.

    Two thirds of the devices are those of homes, whole homes at a time, the best equipped first; the rest are dealt out
    kind by kind from the street. The same community and number always give the same town.
    """
    kept = [*_homes(community, devices * 2 // 3, devices)]
    kept += _street(community, devices - len(kept))
    residents = {device.resident for device in kept if device.resident}
    served = [resident for resident in community.residents if resident.id in residents]
    places = _with_parents(community, [device.place for device in kept] + [resident.home for resident in served])
    rosters = [cut for roster in community.rosters if (cut := _on_duty(roster, places)) is not None]
    people = {person for roster in rosters for duty in roster.duties for person in duty.everybody}
    organisations = [one for one in community.organisations if not one.places or places.intersection(one.places)]
    people |= {person for one in organisations for person in one.people}
    people |= {relative.person for resident in served for relative in resident.family}
    people |= {neighbour for resident in served for neighbour in resident.neighbours}
    people |= {resident.doctor for resident in served if resident.doctor}
    people |= {
        recipient.person
        for ladder in community.ladders
        for rung in ladder.every_rung
        for recipient in rung.notify
        if recipient.person is not None
    }
    return community.model_copy(
        update={
            "places": tuple(place for place in community.places if place.id in places),
            "people": tuple(person for person in community.people if person.id in people),
            "residents": tuple(served),
            "devices": tuple(_carried(kept)),
            "rosters": tuple(rosters),
            "organisations": tuple(
                one.model_copy(update={"places": tuple(place for place in one.places if place in places)})
                for one in organisations
            ),
        }
    )


def _carried(devices: Sequence[Device]) -> Iterator[Device]:
    """The devices; one whose carrier was not cut out with it speaks for itself."""
    ids = {device.id for device in devices}
    for device in devices:
        yield device if device.via is None or device.via in ids else device.model_copy(update={"via": None})


def _homes(community: Community, count: int, most: int) -> Iterator[Device]:
    """Of whole homes about ``count`` devices; the best equipped comes also where it alone has up to ``most``."""
    by_resident: dict[str, list[Device]] = {}
    for device in community.devices:
        if device.resident:
            by_resident.setdefault(device.resident, []).append(device)
    taken = 0
    for resident in sorted(by_resident, key=lambda one: (-len({d.kind for d in by_resident[one]}), one)):
        home = by_resident[resident]
        if taken + len(home) > (count if taken else most):
            continue
        taken += len(home)
        yield from home


def _street(community: Community, count: int) -> list[Device]:
    by_kind = {kind: [d for d in community.devices if d.kind == kind and not d.resident] for kind in KINDS}
    found: list[Device] = []
    depth = 0
    while len(found) < count and any(depth < len(row) for row in by_kind.values()):
        found += [row[depth] for row in by_kind.values() if depth < len(row)]
        depth += 1
    return found[:count]


def _with_parents(community: Community, wanted: Iterable[str]) -> set[str]:
    parents = {place.id: place.parent for place in community.places}
    found: set[str] = set()
    for place in wanted:
        at: str | None = place
        while at is not None and at not in found:
            found.add(at)
            at = parents[at]
    return found


def _on_duty(roster: Roster, places: set[str]) -> Roster | None:
    duties = tuple(duty for duty in roster.duties if duty.place in places)
    required = tuple(one for one in roster.required if one.place in places)
    return roster.model_copy(update={"duties": duties, "required": required}) if duties else None
