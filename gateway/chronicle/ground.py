"""Where things are and who people are, as points may say it: ids, words and coordinates, never a resident's name.

Made once per revision of the registry. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from zoneinfo import ZoneInfo

from devices.telemetry import Stamps
from gateway.api.words import ROLES
from gateway.cases.wording import Words
from gateway.registry.atlas import atlas_of
from gateway.registry.directory import CommunityDirectory
from gateway.registry.geo import Point as Spot
from gateway.registry.geo import wgs84
from gateway.registry.values import Position
from gateway.store.points import name_fault

NOBODY = Words("", "")
SYSTEM = Words("系统", "system")
RESIDENT = Words("本人", "the resident")
CLOSE_BY = Words("家人或邻居", "family or neighbour")
SOMEBODY = Words("某人", "somebody")
WITHHELD = "…"
ROLE, ORGANISATION = "role", "organisation"
_NUMBER = re.compile(r"(?<![\w.])\+?\d(?:[ \-]?\d){6,}(?![\w.])")
"""What may be a telephone number: seven digits and more. Ports, counts and IP addresses are shorter or have points."""


class Ground:
    """Made by `ground_of`."""

    def __init__(self, directory: CommunityDirectory) -> None:
        self.directory = directory
        community = directory.community
        self.community = community.community.id
        self.zone = ZoneInfo(community.community.timezone)
        self.atlas = atlas_of(directory)
        self._names = {resident.name for resident in community.residents if resident.name}
        self._private = {one.person for resident in community.residents for one in resident.family}
        self._private |= {person for resident in community.residents for person in resident.neighbours}
        self._roles = dict(_roles(directory))
        known = sorted((name for name in self._names if len(name) > 1), key=len, reverse=True)
        self._told_names = re.compile("|".join(map(re.escape, known))) if known else None

    # places

    def stamps(self, place: str | None, resident: str | None = None) -> Stamps:
        """Of a place, and of a resident who is served there; the community's alone for one that is not known."""
        if place is None or self.directory.place(place) is None:
            return Stamps(self.community)
        area = self.directory.areas.of_place(place)
        return Stamps(self.community, area.grid, area.building, place, resident or "")

    def name(self, place: str) -> Words:
        """The place's own name; its id where it is not known."""
        known = self.directory.place(place)
        return Words(place, place) if known is None else Words(known.name.zh, known.name.en)

    def path(self, place: str | None) -> Words:
        """The address in words."""
        return Words(self.directory.place_path(place, "zh"), self.directory.place_path(place, "en"))

    def grid_name(self, place: str | None) -> str:
        """What the grid is called in which a place lies, in Chinese: a tag has one language."""
        return self.tag_name(self.stamps(place).grid)

    def tag_name(self, place: str) -> str:
        """A grid's name as a tag, told apart from its namesakes; its id where no store would take the name."""
        name = self.directory.areas.told_apart(place).zh if place else ""
        return place if name and name_fault(name) else name

    def device_name(self, device: str | None) -> Words:
        """What a device is called, without names of residents."""
        return Words(*(self.text(self.directory.device_name(device, language)) for language in ("zh", "en")))

    def spot(self, place: str | None, position: Position | None = None) -> Spot | None:
        """WGS-84: where somebody said it is, else of the place or the nearest around it that has coordinates."""
        if position is not None:
            return wgs84(position)
        found = self.atlas.spot(place)
        return None if found is None else found[0]

    # people

    def who(self, actor: str | None) -> Words:
        """Somebody who acts, as a wall in a control room may name them: those whose work it is by role and name, those
        close to a resident only as such."""
        kind, _, name = (actor or "").partition(":")
        if kind == "person":
            return self._person(name)
        if kind == "role":
            return self.role(name)
        if kind == "resident":
            return RESIDENT
        if kind == "device":
            return Words(self.directory.device_name(name, "zh"), self.directory.device_name(name, "en"))
        if kind in ("system", "rule"):
            return SYSTEM
        said = self.text(name or actor or "")
        return Words(said, said)

    def _person(self, id_: str) -> Words:
        known, role = self.directory.person(id_), self._roles.get(id_)
        if known is None:
            return SOMEBODY
        close = id_ in self._private or known.name in self._names
        if role is None:
            name = self.text(known.name)
            return CLOSE_BY if close else Words(name, name)
        works_as = self.role(role[1]) if role[0] == ROLE else self.organisation(role[1])
        return works_as if close else Words(f"{works_as.zh} {known.name}", f"{works_as.en} {known.name}")

    def organisation(self, id_: str) -> Words:
        """What an organisation is called; its id where it is not known."""
        known = self.directory.organisation(id_)
        return Words(id_, id_) if known is None else Words(known.name.zh, known.name.en)

    def role(self, role: str) -> Words:
        """What the community calls a role."""
        own = Words(self.directory.role_name(role, "zh"), self.directory.role_name(role, "en"))
        return ROLES.get(role, own) if own == (role, role) else own

    def text(self, said: str) -> str:
        """What a part or a person says, without what looks like a telephone number and without residents' names."""
        said = _NUMBER.sub(WITHHELD, said)
        return said if self._told_names is None else self._told_names.sub(WITHHELD, said)


def _roles(directory: CommunityDirectory) -> Iterator[tuple[str, tuple[str, str]]]:
    """Whose work it is, and as what: (person, (``role`` or ``organisation``, its id)). The later counts more."""
    community = directory.community
    for resident in community.residents:
        if resident.doctor is not None:
            yield resident.doctor, (ROLE, "doctor")
    for one in community.organisations:
        yield from ((person, (ORGANISATION, one.id)) for person in one.people)
    duties = [duty for roster in community.rosters for duty in roster.duties]
    for duty in reversed(duties):
        yield from ((person, (ROLE, duty.role)) for person in duty.everybody)


@lru_cache(maxsize=2)
def ground_of(directory: CommunityDirectory) -> Ground:
    """The ground of a directory, made at the first question."""
    return Ground(directory)
