"""Registered devices as rules see them: with what is known of their places and residents, by dotted name.

Made once per revision. What many devices have in common they share: the facts of a place and a resident stand once,
however many devices are there, and a place without attributes of its own has those of the place above it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

from gateway.registry.model import Community, Device, Place, Resident
from gateway.rules.forms import Fact, KnownDevice, Limit

_Named = Mapping[str, Fact]
_NOTHING: _Named = MappingProxyType({})


class SharedFacts(Mapping[str, Fact]):
    """The facts of one device: its own, and those it shares with others."""

    __slots__ = ("_own", "_shared")

    def __init__(self, own: _Named, shared: _Named) -> None:
        self._own = own
        self._shared = shared

    def __getitem__(self, name: str) -> Fact:
        own = self._own
        return own[name] if name in own else self._shared[name]

    def get(self, name: str, default: Any = None) -> Any:
        """As of any mapping; that of the base class raises and catches for every fact that is not known."""
        own = self._own
        return own[name] if name in own else self._shared.get(name, default)

    def __contains__(self, name: object) -> bool:
        return name in self._own or name in self._shared

    def __iter__(self) -> Iterator[str]:
        yield from self._own
        yield from self._shared

    def __len__(self) -> int:
        return len(self._own) + len(self._shared)

    def __repr__(self) -> str:
        return f"SharedFacts({dict(self)!r})"


def ruled_devices(community: Community) -> Mapping[str, KnownDevice]:
    """Every registered device, by id."""
    maker = _Maker(community)
    return MappingProxyType({device.id: maker.ruled(device) for device in community.devices})


class _Maker:
    def __init__(self, community: Community) -> None:
        self._places = {place.id: place for place in community.places}
        self._residents = {resident.id: resident for resident in community.residents}
        self._zone = ZoneInfo(community.community.timezone)
        self._inherited: dict[str, _Named] = {}
        self._shared: dict[tuple[str, str | None], _Named] = {}
        self._limits: dict[str, tuple[Limit, ...]] = {}

    def ruled(self, device: Device) -> KnownDevice:
        return KnownDevice(
            id=device.id,
            kind=device.kind,
            place=device.place,
            resident=device.resident,
            supervision_s=device.supervision_s,
            hardware=device.hardware,
            via=device.via,
            facts=SharedFacts(_of_device(device), self._of_surroundings(device.place, device.resident)),
            limits=self._limits_of(device.resident),
        )

    def _of_surroundings(self, place_id: str, resident_id: str | None) -> _Named:
        key = place_id, resident_id
        if key not in self._shared:
            facts: dict[str, Fact] = dict(self._attributes(place_id))
            if place_id in self._places:
                facts |= {"place.id": place_id, "place.level": self._places[place_id].level}
            if (resident := self._residents.get(resident_id or "")) is not None:
                facts |= _of_resident(resident)
            self._shared[key] = facts
        return self._shared[key]

    def _attributes(self, place_id: str) -> _Named:
        """The attributes of a place, and of those above it what it has not itself."""
        way: list[Place] = []
        facts = _NOTHING
        here: str | None = place_id
        while here is not None and (place := self._places.get(here)) is not None:
            if here in self._inherited:
                facts = self._inherited[here]
                break
            if place in way:
                break  # a circle, which `check` refuses
            way.append(place)
            here = place.parent
        for place in reversed(way):
            if place.attributes:
                facts = {**facts, **{f"place.{name}": value for name, value in place.attributes.items()}}
            self._inherited[place.id] = facts
        return facts

    def _limits_of(self, resident_id: str | None) -> Sequence[Limit]:
        resident = self._residents.get(resident_id or "")
        if resident is None or not resident.limits:
            return ()
        if resident.id not in self._limits:
            self._limits[resident.id] = tuple(limit.seen_by_rules(self._zone) for limit in resident.limits)
        return self._limits[resident.id]


def _of_device(device: Device) -> _Named:
    named: dict[str, Fact] = {f"device.{name}": value for name, value in device.attributes.items()}
    return named | {"device.id": device.id, "device.kind": device.kind, "device.profile": device.profile}


def _of_resident(resident: Resident) -> _Named:
    named: dict[str, Fact] = {f"resident.{name}": value for name, value in resident.attributes.items()}
    named |= {"resident.id": resident.id, "resident.sex": resident.sex, "resident.home": resident.home}
    if resident.birth_year is not None:
        named["resident.birth_year"] = float(resident.birth_year)
    return named
