"""Who and where, at an instant: the registry as the case machine, the rules and the transports ask it.

Built once per revision and never changed; every look-up is a dictionary away, whatever the size of the community.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from types import MappingProxyType
from typing import Any, Literal
from zoneinfo import ZoneInfo

from devices.kinds import KINDS
from devices.profiles import PROFILES
from gateway.cases.directory import Quiet, Target
from gateway.cases.limits import WorkCalendar
from gateway.cases.policy import Recipient
from gateway.cases.work import WorkType
from gateway.registry.areas import Areas
from gateway.registry.duty import Book, Override
from gateway.registry.model import NATIVE, Bridge, Community, Device, Person, Place, Resident
from gateway.registry.organisation import Organisation
from gateway.registry.ruled import ruled_devices
from gateway.registry.scene import address, scene
from gateway.registry.values import Text
from gateway.registry.ways_in import BridgeBook, WaysIn
from gateway.registry.work import work_types
from gateway.rules.forms import KnownDevice
from gateway.rules.schedule import in_force, next_boundary_ms
from gateway.workdays import instant_ms


class CommunityDirectory:
    """Implements `gateway.cases.directory.Directory` over a checked community."""

    def __init__(self, community: Community, itself: str | None = None, overrides: Sequence[Override] = ()) -> None:
        """``itself``: the device that is this gateway. One that the community does not have is built in, so that a
        gateway is watched by its rules without being configured. Nobody can speak for it from outside. ``overrides``
        of the rosters, in the order they were made."""
        self.community = community
        self._itself = itself
        self._places: Mapping[str, Place] = _by_id(community.places)
        self._people: Mapping[str, Person] = _by_id(community.people)
        self._residents: Mapping[str, Resident] = _by_id(community.residents)
        self.work: Mapping[str, WorkType] = work_types(community.work)
        """The types of work, the community's own and those that Anju ships."""
        own = {alarm: row for row in reversed(community.work) if row.enabled for alarm in row.alarms}
        theirs = {alarm: row for row in self.work.values() for alarm in row.alarms}
        self._work_of: Mapping[str, WorkType] = MappingProxyType({**theirs, **own})
        self.calendar = WorkCalendar(community.community.office, ZoneInfo(community.community.timezone))
        self._roots = tuple(place.id for place in community.places if place.parent is None)
        registered = _by_id(community.devices)
        self.built_in = None if itself is None or itself in registered else self._this_box(itself)
        """The gateway's own device, where the community has none."""
        self._devices: Mapping[str, Device] = (
            registered if self.built_in is None else MappingProxyType({**registered, self.built_in.id: self.built_in})
        )
        self._active = MappingProxyType({id_: one for id_, one in self._devices.items() if one.status == "active"})
        self._ways_in = WaysIn(community.devices, community.bridges, self.built_in)
        self._bridges: Mapping[str, Bridge] = _by_id(community.bridges)
        self._ruled: Mapping[str, KnownDevice] | None = None
        self._inside: Mapping[str, _Inside] | None = None
        self.overrides = tuple(overrides)
        self.duties = Book(community.rosters, ZoneInfo(community.community.timezone), overrides, self._gone_ms)
        """Who is on duty, over time."""
        self._role_names = MappingProxyType({role.id: role.name for role in community.roles})
        self._organisations: Mapping[str, Organisation] = _by_id(community.organisations)
        info = community.community
        self.areas = Areas(info.id, info.levels, self._places, self._devices)
        """Of places and devices their grids and buildings."""

    def _this_box(self, itself: str) -> Device:
        # Of several roots none is all of it: a place that nobody knows stands for the whole community.
        place = self._roots[0] if len(self._roots) == 1 else self.community.community.id
        return Device(id=itself, kind="gateway", name=Text(zh="本网关", en="this gateway"), place=place)

    # -- the case machine's questions ---------------------------------------------------------------------------

    def resolve(self, recipient: Recipient, *, place: str | None, resident: str | None, at_ms: int) -> Sequence[Target]:
        """The people ``recipient`` stands for, in the order they are to be told; empty when there is nobody.

        A role is held by the nearest duty up the place tree. A place that is unknown or not given stands for the whole
        community, so that somebody is told. A person without contacts comes without addresses: the machine says so.
        """
        served = self._residents.get(resident or "")
        if recipient.person is not None:
            ids: Iterable[str] = (recipient.person,)
        elif recipient.family:
            family = () if served is None else tuple(relative.person for relative in served.family)
            part = {"first": slice(0, 1), "further": slice(1, None)}.get(str(recipient.family), slice(None))
            ids = family[part]
        elif recipient.neighbours:
            ids = () if served is None else served.neighbours
        elif recipient.doctor:
            ids = () if served is None or served.doctor is None else (served.doctor,)
        elif recipient.organisation is not None:
            ids = self.people_of(recipient.organisation, place, at_ms)
        else:
            ids = self.on_duty(recipient.role or "", place, at_ms)
        people = (self._people.get(person) for person in dict.fromkeys(ids))
        return [
            Target(
                person=person.id,
                name=person.name,
                language=person.language,
                addresses=person.contacts,
                at_once=person.at_once,
                discreet=recipient.neighbours,
            )
            for person in people
            if person is not None
        ]

    def quiet(self, person: str, at_ms: int) -> Quiet | None:
        """The quiet hours that somebody has now, until they end."""
        known = self._people.get(person)
        if known is None or known.quiet is None:
            return None
        zone = ZoneInfo(self.community.community.timezone)
        hours = known.quiet.hours
        if not in_force(hours, None, at_ms, zone):
            return None
        until_ms = at_ms
        for _ in range(10):  # hours that touch each other, such as 20:00-24:00,00:00-07:00, are one night
            until_ms = next_boundary_ms(hours, None, until_ms, zone) or at_ms
            if not in_force(hours, None, until_ms, zone):
                break
        return Quiet(until_ms=until_ms, channels=known.quiet.channels)

    def cancels(self, resident: str | None, code: str) -> Literal["cancel", "duress"] | None:
        """What a code means with which an alarm of this resident is taken back; None for a wrong one."""
        known = self._residents.get(resident or "")
        if known is None or not code:
            return None
        if known.duress_code and secrets.compare_digest(code.encode(), known.duress_code.encode()):
            return "duress"
        right = known.cancel_code and secrets.compare_digest(code.encode(), known.cancel_code.encode())
        return "cancel" if right else None

    def obeying(self, kinds: Sequence[str], command: str, *, place: str | None, resident: str | None) -> Sequence[str]:
        """Devices of ``kinds`` (of any, where none is given) that know ``command``: at or inside the place, those of
        the resident first; where there are none, those that stand at the nearest larger place."""
        wanted = kinds or tuple(KINDS)
        here = self._places.get(place or "")
        found = [] if here is None else self.near(here.id, wanted)
        mine = [one for one in found if resident is not None and self._active[one].resident == resident]
        able = [one for one in mine or found if self.obeys(one, command)]
        if able:
            return able
        for node in list(self._up(place))[1:]:
            there = (one for one in self._active.values() if one.place == node.id and one.kind in wanted)
            able = [one.id for one in there if one.resident in (None, resident) and self.obeys(one.id, command)]
            if able and kinds:
                return able
        return []

    def knows(self, section: Literal["place", "resident", "device"], id_: str) -> bool:
        return id_ in {"place": self._places, "resident": self._residents, "device": self._devices}[section]

    def place_path(self, place: str | None, language: str) -> str:
        """The address from the largest place to the door: unbroken in Chinese, with commas in English."""
        return address(list(self._up(place)), language)

    def device_name(self, device: str | None, language: str) -> str:
        """The device's own name, else that of its kind; the id for a device no longer registered."""
        known = self._devices.get(device or "")
        if known is None:
            return device or ""
        if known.name is not None:
            return known.name.in_language(language)
        kind = KINDS[known.kind]
        return kind.en if language == "en" else kind.zh

    def resident_name(self, resident: str | None) -> str:
        """The resident's name; the id for one no longer registered, empty for nobody."""
        known = self._residents.get(resident or "")
        return known.name if known is not None else resident or ""

    def numbers(self, resident: str | None) -> tuple[str, str]:
        known = self._residents.get(resident or "")
        return (known.phone if known is not None else ""), self.community.community.call_back

    def obeys(self, device: str, command: str) -> bool:
        return command in self.commands(device)

    def commands(self, device: str) -> tuple[str, ...]:
        """What a device can be told: its kind's commands, of gear those that its profile can put into its words."""
        known = self._devices.get(device)
        if known is None or known.status == "retired":
            return ()
        if known.profile == NATIVE:
            return tuple(KINDS[known.kind].commands)
        return tuple(PROFILES[known.profile].commands.get(known.kind, ()))

    def emergency_card(
        self,
        *,
        case_number: str,
        complaint: str,
        place: str | None,
        resident: str | None,
        source: str,
        at_ms: int,
    ) -> dict[str, object]:
        """What a dispatcher asks for, under the keys of docs/emergency-card.md; ``vitals`` is added by who sends it.

        ``at_ms`` is now: it makes the age out of the year of birth.
        """
        served = self._residents.get(resident or "")
        known = place if place in self._places else served.home if served is not None else None
        zone = ZoneInfo(self.community.community.timezone)
        this_year = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone).year
        return {
            "case_number": case_number,
            "complaint": complaint,
            "source": source,
            "call_back": self.community.community.call_back,
            **scene(list(self._up(known)), served, self._people, this_year),
        }

    @property
    def line_mode(self) -> Literal["drill", "live"]:
        line = self.community.emergency_line
        return "drill" if line is None else line.mode

    def line_enabled(self, at_ms: int) -> bool:
        """A drill reaches nobody, and needs nobody's leave."""
        line = self.community.emergency_line
        if line is None or line.live is None:
            return self.line_mode == "drill"
        zone = ZoneInfo(self.community.community.timezone)
        today = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone).date()
        return line.live.automatic and line.live.agreed_on <= today <= line.live.valid_until

    @property
    def drill_line(self) -> bool:
        line = self.community.emergency_line
        return line is not None and bool(line.url)

    @property
    def line_paths(self) -> int:
        line = self.community.emergency_line
        if line is not None and line.live is not None:
            return len(line.live.by)
        return 2 if line is not None and line.backup_url else 1

    def work_of(self, alarm_type: str) -> WorkType | None:
        """The type of work that a case of this type of alarm is."""
        return self._work_of.get(alarm_type)

    # -- everybody else's ---------------------------------------------------------------------------------------

    def device(self, device: str) -> Device | None:
        """A registered device, retired ones and this gateway included."""
        return self._devices.get(device)

    def ruled(self, device: str) -> KnownDevice | None:
        """A registered device as rules see it, with the facts they may ask for."""
        if self._ruled is None:  # commands that only look at the registry need none of it
            self._ruled = ruled_devices(self.community.model_copy(update={"devices": tuple(self.listed)}))
        return self._ruled.get(device)

    def near(self, place: str, kinds: Collection[str]) -> list[str]:
        """The active devices of ``kinds`` at a place or inside it, those at the place itself first."""
        if self._inside is None:
            self._inside = _inside(self.community.places, self._active.values())
        found: list[str] = []
        places, seen = [place], {place}
        for here in places:  # grows as it goes: the places inside come after all that lie less deep
            devices, inner = self._inside.get(here, _EMPTY)
            found += [device.id for device in devices if device.kind in kinds]
            places += [one for one in inner if one not in seen]
            seen.update(inner)
        return found

    @property
    def itself(self) -> Device | None:
        """The device that is this gateway; None where the one that is named for it is of another kind, or retired."""
        device = self._active.get(self._itself or "")
        return device if device is not None and device.kind == "gateway" else None

    @property
    def listed(self) -> Sequence[Device]:
        """All devices for people to look at: the registered ones, and this gateway."""
        return self.community.devices if self.built_in is None else (*self.community.devices, self.built_in)

    def native(self, address: str) -> Device | None:
        """The device of the native protocol that speaks under this id in its topics."""
        return self._ways_in.native(address)

    def book(self, bridge: str) -> BridgeBook:
        """The devices that come in by ``bridge``; of a device that pushes over HTTP by itself, the device's id."""
        return self._ways_in.book(bridge)

    def bridge_of(self, device: str) -> str | None:
        """By which bridge a device comes in (``native`` for the native protocol); None for one that is not active."""
        return self._ways_in.bridge_of(device)

    @property
    def bridges(self) -> Mapping[str, Bridge]:
        """The bridges of gear, by id."""
        return self._bridges

    def place(self, place: str) -> Place | None:
        """A place by its id."""
        return self._places.get(place)

    def person(self, person: str) -> Person | None:
        """A person by id: staff, family, neighbours."""
        return self._people.get(person)

    def resident(self, resident: str) -> Resident | None:
        """A resident by id."""
        return self._residents.get(resident)

    @property
    def devices(self) -> Mapping[str, Device]:
        """Every device that is listened to, by id. `device` and `device_name` know the retired ones, too."""
        return self._active

    def supervision_s(self, device: str) -> int:
        """The longest healthy silence of a registered device: its own, else its kind's. Raises KeyError."""
        known = self._devices[device]
        return known.supervision_s or KINDS[known.kind].supervision_s

    def lies_in(self, place: str, larger: str) -> bool:
        """Whether ``place`` is ``larger`` or somewhere inside it."""
        return any(node.id == larger for node in self._up(place))

    def home_of(self, resident: str) -> str | None:
        """The place where a resident lives; None for an unknown one."""
        known = self._residents.get(resident)
        return known.home if known is not None else None

    def on_duty(self, role: str, place: str | None, at_ms: int) -> tuple[str, ...]:
        """Ids of the people who hold ``role`` for ``place`` at an instant, in their order: of the nearest place up the
        tree where somebody is on duty."""
        if place in self._places:
            return self.duties.on_duty(role, self.way(place), at_ms)
        found = (person for root in self._roots for person in self.duties.on_duty(role, (root,), at_ms))
        return tuple(dict.fromkeys(found))

    def way(self, place: str | None) -> list[str]:
        """The place and all it lies in, the nearest first; empty for a place that is unknown."""
        return [node.id for node in self._up(place)]

    def role_name(self, role: str, language: str) -> str:
        """What the community calls a role; its id where it has no name."""
        name = self._role_names.get(role)
        return role if name is None else name.in_language(language)

    def organisation(self, organisation: str) -> Organisation | None:
        """An organisation by its id."""
        return self._organisations.get(organisation)

    def handlers(self, service: str, place: str | None) -> list[Organisation]:
        """The organisations that do a kind of work at a place, those that work nearest first."""
        way = {at: depth for depth, at in enumerate(self.way(place))}
        everywhere = len(way)
        found = [
            (min((way.get(at, everywhere + 1) for at in one.places), default=everywhere), one)
            for one in self.community.organisations
            if service in one.services
        ]
        return [one for depth, one in sorted(found, key=lambda item: (item[0], item[1].id)) if depth <= everywhere]

    def people_of(self, organisation: str, place: str | None, at_ms: int) -> tuple[str, ...]:
        """Who is told for an organisation: of its roles those on duty at the place; where nobody is, its people."""
        known = self._organisations.get(organisation)
        if known is None:
            return ()
        on_duty = dict.fromkeys(person for role in known.roles for person in self.on_duty(role, place, at_ms))
        return tuple(on_duty) or known.people

    def _gone_ms(self, person: str) -> int | None:
        known = self._people.get(person)
        if known is None:
            return 0
        if known.left is None:
            return None
        return instant_ms(date.fromisoformat(known.left), 24 * 60, ZoneInfo(self.community.community.timezone))

    def _up(self, place: str | None) -> Iterator[Place]:
        """The place and all it lies in, from the door outwards. Ends on a circle, which `check` refuses."""
        seen: set[str] = set()
        while place is not None and place not in seen and (node := self._places.get(place)) is not None:
            yield node
            seen.add(place)
            place = node.parent


_Inside = tuple[list[Device], list[str]]
_EMPTY: _Inside = ([], [])


def _inside(places: Iterable[Place], devices: Iterable[Device]) -> Mapping[str, _Inside]:
    """Of each place the devices at it, and the places just inside it."""
    inside: dict[str, _Inside] = {}
    for device in devices:
        inside.setdefault(device.place, ([], []))[0].append(device)
    for place in places:
        if place.parent is not None:
            inside.setdefault(place.parent, ([], []))[1].append(place.id)
    return inside


def _by_id(items: Iterable[Any]) -> Mapping[str, Any]:
    return MappingProxyType({item.id: item for item in items})
