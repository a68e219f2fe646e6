"""Does everything that is named exist, and will everybody be reached? Checks a community as a whole.

Each part has been validated by its model; this looks at what the parts say about each other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from zoneinfo import ZoneInfo

from devices.kinds import KINDS
from devices.profiles import PROFILES
from gateway.alarms import ALARM_TYPES
from gateway.cases.effects import OWN_CHANNELS
from gateway.cases.policy import Ladder
from gateway.registry import (
    check_drills,
    check_duty,
    check_facts,
    check_ladders,
    check_numbers,
    check_outside,
    check_work,
    secrets,
)
from gateway.registry.channels import AppriseChannel, Dc09Channel, SmsChannel, VoiceChannel
from gateway.registry.circles import circles
from gateway.registry.finding import Finding
from gateway.registry.model import NATIVE, Community, Device, way_in
from gateway.registry.problem import Level, Path, did_you_mean
from gateway.registry.sections import SECTIONS
from gateway.rules.document import EventRule

DRAFTS = "drafts"
"""Not a section that anybody writes: the rules that are faulty themselves."""

_SINGULAR = {
    "places": "place",
    "people": "person",
    "residents": "resident",
    "bridges": "bridge",
    "devices": "device",
    "ladders": "ladder",
    "channels": "channel",
    "organisations": "organisation",
}


def check(
    community: Community,
    known: Mapping[str, frozenset[str]] | None = None,
    broken: frozenset[str] = frozenset(),
    drafts: Sequence[str] = (),
) -> list[Finding]:
    """Every cross reference of ``community``.

    ``known``: ids that exist but whose entries are faulty and left out; ``broken``: sections nobody can say what is
    missing in. Neither is complained about a second time. ``drafts``: the ladders that faulty rules name; what is
    wrong with them is found under the section `DRAFTS`.
    """
    checker = _Checker(community, known or {}, broken)
    found = [finding for part in checker.parts() for finding in part]
    for index, ladder in enumerate(drafts):
        found.extend(checker.missing("ladders", ladder, DRAFTS, index, ("raises", "ladder")))
    return found


class _Checker:
    def __init__(self, community: Community, known: Mapping[str, frozenset[str]], broken: frozenset[str]) -> None:
        self.c = community
        self.broken = broken
        self.suggestions_left = 20
        self.incomplete = broken | {section for section, ids in known.items() if ids}
        """Sections with faulty entries: what depends on all of their entries cannot be judged."""
        self.ids = {
            section: {item.id for item in getattr(community, section)} | known.get(section, frozenset())
            for section in SECTIONS
        }
        self.listened_to = [device for device in community.devices if device.status == "active"]
        self.parent = {place.id: place.parent for place in community.places}
        self.people = {person.id: person for person in community.people}
        self.duties: dict[tuple[str, str], tuple[str, ...]] = {
            (duty.role, duty.place): duty.everybody for roster in community.rosters for duty in roster.duties
        }
        self.roles = frozenset(role for role, _ in self.duties)
        self.told = {r.role for ladder in community.ladders for _, r in check_ladders.told_by(ladder) if r.role}
        self.misspelt: dict[str, str] = {}
        """Roles that a ladder tells and no roster has, each with the hint at the one that was surely meant."""
        if "rosters" not in self.incomplete:
            for role in self.told - self.roles:
                if near := did_you_mean(role, self.roles, cutoff=0.8):
                    self.misspelt[role] = near

    def parts(self) -> Iterator[Iterable[Finding]]:
        yield self.duplicates()
        yield self.levels()
        yield self.places()
        yield self.residents()
        yield self.devices()
        yield self.contacts()
        yield self.rosters()
        yield self.ladders()
        yield self.rules()
        yield self.channels()
        yield check_work.work(self.c, self.missing, () if "rosters" in self.incomplete else self.roles)
        yield check_facts.away(self.c.residents)
        yield check_drills.drills(self.c, self.missing, () if "rosters" in self.incomplete else self.roles)
        yield check_outside.outsiders(self.c, self.missing, self.incomplete)
        if "rules" not in self.incomplete:
            yield check_facts.limits_for_rules(self.c.residents, self.c.rules)
            yield check_facts.facts_for_rules(self.c.places, self.c.residents, self.c.devices, self.c.rules)
        if "places" not in self.broken and not self.incomplete & {"rosters", "ladders", "rules", "devices"}:
            yield self.holes()
            yield self.unwatched()

    def missing(self, section: str, wanted: str, at: str, index: int, path: Path) -> Iterator[Finding]:
        if section not in self.broken and wanted not in self.ids[section]:
            near = ""
            if self.suggestions_left:  # each looks through all ids: a renamed prefix must not cost minutes
                self.suggestions_left -= 1
                near = did_you_mean(wanted, self.ids[section])
            message = f"there is no {_SINGULAR[section]} {wanted}; add it to {section} or correct the id{near}"
            yield Finding(level="error", section=at, index=index, path=path, message=message)

    def duplicates(self) -> Iterator[Finding]:
        for section in SECTIONS:
            first: dict[str, int] = {}
            for index, item in enumerate(getattr(self.c, section)):
                if first.setdefault(item.id, index) != index:
                    yield Finding(
                        level="error",
                        section=section,
                        index=index,
                        path=("id",),
                        message=f"{item.id} is given twice, give each its own id; the first stands at",
                        first=first[item.id],
                    )

    def levels(self) -> Iterator[Finding]:
        if self.c.community is None:  # missing or faulty, which is said elsewhere
            return
        there = {place.level for place in self.c.places}
        for key, level in self.c.community.levels.model_dump(exclude_none=True).items():
            if level not in there and "places" not in self.incomplete:
                message = f"there is no place of level {level}; name one of {', '.join(sorted(there)) or 'the places'}"
                yield Finding(level="error", section="community", path=("levels", key), message=message)

    def places(self) -> Iterator[Finding]:
        for index, place in enumerate(self.c.places):
            if place.parent is not None:
                yield from self.missing("places", place.parent, "places", index, ("parent",))
        for index, circle in circles((place.id for place in self.c.places), self.parent):
            message = f"the place lies in itself ({' → '.join(circle)}); correct one of the parents"
            yield Finding(level="error", section="places", index=index, path=("parent",), message=message)

    def residents(self) -> Iterator[Finding]:
        for index, resident in enumerate(self.c.residents):
            yield from self.missing("places", resident.home, "residents", index, ("home",))
            if resident.doctor is not None:
                yield from self.missing("people", resident.doctor, "residents", index, ("doctor",))
            for position, neighbour in enumerate(resident.neighbours):
                yield from self.missing("people", neighbour, "residents", index, ("neighbours", position))
            counted = Counter(relative.person for relative in resident.family)
            for position, relative in enumerate(resident.family):
                path = ("family", position, "person")
                yield from self.missing("people", relative.person, "residents", index, path)
                if counted[relative.person] > 1 and relative.person in (r.person for r in resident.family[:position]):
                    message = f"{relative.person} stands in the family twice; name everybody once"
                    yield Finding(level="error", section="residents", index=index, path=path, message=message)
        timezone = "UTC" if self.c.community is None else self.c.community.timezone
        yield from check_facts.limits(self.c.residents, ZoneInfo(timezone))

    def devices(self) -> Iterator[Finding]:
        for index, device in enumerate(self.c.devices):
            yield from self.missing("places", device.place, "devices", index, ("place",))
            if device.resident is not None:
                yield from self.missing("residents", device.resident, "devices", index, ("resident",))
            if device.via is not None:
                yield from self.missing("devices", device.via, "devices", index, ("via",))
            yield from self._way_in(index, device)
        yield from check_facts.carriers(self.c.devices)
        yield from self._addresses()

    def _way_in(self, index: int, device: Device) -> Iterator[Finding]:
        """Does the bridge exist, and does it speak the device's profile?"""
        if device.profile == NATIVE or PROFILES[device.profile].carrier == "http":
            return
        bridges = {bridge.id: bridge for bridge in self.c.bridges}
        if device.bridge is not None and device.bridge not in bridges:
            yield from self.missing("bridges", device.bridge, "devices", index, ("bridge",))
            return
        fitting = [bridge.id for bridge in self.c.bridges if bridge.profile == device.profile]
        if device.bridge is not None and device.bridge not in fitting:
            message = f"bridge {device.bridge} speaks {bridges[device.bridge].profile}, the device {device.profile}"
            yield Finding(level="error", section="devices", index=index, path=("bridge",), message=message)
        elif device.bridge is None and len(fitting) != 1 and "bridges" not in self.incomplete:
            what = f"several ({', '.join(fitting)}): name the device's" if fitting else "none: add one to bridges"
            message = f"profile {device.profile} needs a bridge, and there are {what}"
            yield Finding(level="error", section="devices", index=index, path=("bridge",), message=message)

    def _addresses(self) -> Iterator[Finding]:
        """Two devices at one address would each be told what the other says."""
        seen: dict[tuple[str, str], int] = {}
        for index, device in enumerate(self.c.devices):
            if device.status == "retired":
                continue
            first = seen.setdefault(way_in(device, self.c.bridges), index)
            if first != index:
                address = device.address or device.id
                message = (
                    f"{address} is the address of two devices; give each its own (address#part); the first stands at"
                )
                path = ("address",) if device.address is not None else ("id",)
                yield Finding(level="error", section="devices", index=index, path=path, message=message, first=first)

    def contacts(self) -> Iterator[Finding]:
        on_duty = {person for people in self.duties.values() for person in people}
        named = {r.person for ladder in self.c.ladders for _, r in check_ladders.told_by(ladder) if r.person}
        family = {relative.person for resident in self.c.residents for relative in resident.family}
        neighbours = {neighbour for resident in self.c.residents for neighbour in resident.neighbours}
        for index, person in enumerate(self.c.people):
            for position, address in enumerate(person.contacts):
                path: Path = ("contacts", position, "channel")
                yield from self.missing("channels", address.channel, "people", index, path)
                if not address.to.strip():
                    message = "empty; give the address in that channel (a telephone number, a user id)"
                    path = ("contacts", position, "to")
                    yield Finding(level="error", section="people", index=index, path=path, message=message)
            for position, channel in enumerate(person.quiet.channels if person.quiet is not None else ()):
                path = ("quiet", "channels", position)
                yield from self.missing("channels", channel, "people", index, path)
            if not person.contacts:
                needed = person.id in on_duty or person.id in named
                if needed or person.id in family | neighbours:
                    who = (
                        "is on duty"
                        if needed
                        else f"is to be told as {'family' if person.id in family else 'a neighbour'}"
                    )
                    message = f"{person.id} {who} and cannot be reached; add contacts: [{{channel: …, to: …}}]"
                    level: Level = "error" if needed else "warning"
                    yield Finding(level=level, section="people", index=index, message=message)

    def rosters(self) -> Iterator[Finding]:
        blamed = [role for role in self.roles for near in self.misspelt.values() if near == f"; did you mean {role}?"]
        told = self.told | {role for one in self.c.organisations for role in one.roles}
        told |= {role for row in self.c.work for role in check_work.roles_of(row).values()}
        told |= {roster.handover.supervisor for roster in self.c.rosters if roster.handover is not None}
        told |= {required.role for roster in self.c.rosters for required in roster.required}
        unknown = self.roles if "ladders" in self.incomplete else frozenset()
        yield from check_duty.rosters(self.c, self.missing, sorted(told | unknown), blamed)
        if not self.incomplete & {"rosters", "organisations"}:
            yield from check_duty.organisations(self.c, self.missing)

    def ladders(self) -> Iterator[Finding]:
        has_line = self.c.emergency_line is not None or "emergency_line" in self.broken
        yield from check_ladders.ladders(self.c, self.missing, self.misspelt, has_line=has_line)

    def rules(self) -> Iterator[Finding]:
        ladders = {ladder.id: ladder for ladder in self.c.ladders}
        for index, rule in enumerate(self.c.rules):
            path: Path = ("raises", "ladder")
            yield from self.missing("ladders", rule.raises.ladder, "rules", index, path)
            ladder = ladders.get(rule.raises.ladder)
            if ladder is None or not rule.enabled:
                continue
            if ALARM_TYPES[rule.raises.type].life_safety and not ladder.life_safety:
                kind = rule.raises.type
                message = f"{kind} is life safety, ladder {ladder.id} is not; take one with life_safety: true"
                yield Finding(level="warning", section="rules", index=index, path=path, message=message)
            if (
                isinstance(rule, EventRule)
                and rule.cancel_events
                and ladder.cancel_window_s == 0
                and ladder.life_safety
            ):
                message = (
                    f"has cancel_events, but ladder {ladder.id} has no cancel_window_s: every cancel needs an operator"
                )
                where: Path = ("cancel_events",)
                yield Finding(level="warning", section="rules", index=index, path=where, message=message)

    def channels(self) -> Iterator[Finding]:
        for index, channel in enumerate(self.c.channels):
            fields = frozenset({"to"}) if isinstance(channel, AppriseChannel) else frozenset()
            if channel.id in OWN_CHANNELS:
                message = f"{channel.id} is Anju's own name; call the channel something else"
                yield Finding(level="error", section="channels", index=index, path=("id",), message=message)
            if not isinstance(channel, Dc09Channel | SmsChannel | VoiceChannel):
                for fault in secrets.url_faults(channel.url, fields):
                    yield Finding(level="error", section="channels", index=index, path=("url",), message=fault)
        yield from check_numbers.numbers(self.c.people, {channel.id: channel for channel in self.c.channels})
        if self.c.emergency_line is not None:
            line = self.c.emergency_line
            if line.url and not line.url.startswith(("http://", "https://")):
                message = "expected http:// or https:// of the simulated 120 centre"
                yield Finding(level="error", section="emergency_line", path=("url",), message=message)
            for fault in secrets.url_faults(line.url, frozenset()) if line.url else ():
                yield Finding(level="error", section="emergency_line", path=("url",), message=fault)
        for name, section, index, path in secrets.references(self.c):
            if path[-1] in ("secret", "key") and not secrets.NAME.fullmatch(name):
                message = (
                    "expected the NAME of a secret in capitals (such as HOTLINE_SECRET), found something else; "
                    "the secret itself belongs into the environment or the secrets directory"
                )
                yield Finding(level="error", section=section, index=index, path=path, message=message)

    def holes(self) -> Iterator[Finding]:
        """Roles that a ladder tells and that nobody holds where a device can raise."""
        kinds_of: dict[str, set[str]] = {}
        for rule in self.c.rules:
            if rule.enabled:
                kinds_of.setdefault(rule.raises.ladder, set()).update(rule.kinds)
        unchecked = {device.place for device in self.listened_to if not self._leads_up(device.place)}
        if unchecked:
            first = next(index for index, device in enumerate(self.c.devices) if device.place in unchecked)
            places = ", ".join(sorted(unchecked)[:3]) + (f" … ({len(unchecked)} in all)" if len(unchecked) > 3 else "")
            message = f"role coverage was not checked for {places}: no way up from there; mend the places first"
            path: Path = ("place",)
            yield Finding(level="warning", section="devices", index=first, path=path, message=message, late=True)
        for index, ladder in enumerate(self.c.ladders):
            at = {d.place for d in self.listened_to if d.kind in kinds_of.get(ladder.id, ())}
            places_of = sorted(at - unchecked)
            yield from self._holes_of(index, ladder, places_of)
            yield from self._without_family(ladder, kinds_of.get(ladder.id, set()))

    def _holes_of(self, index: int, ladder: Ladder, places: list[str]) -> Iterator[Finding]:
        for path, recipient in check_ladders.told_by(ladder):
            if recipient.role is None or recipient.role in self.misspelt:
                continue
            held = {place for role, place in self.duties if role == recipient.role}
            if not held <= self.ids["places"]:
                continue  # the roster's own place is wrong, which has been said
            empty = [place for place in places if not self._held(place, held)]
            if empty:
                more = f" (and {len(empty) - 1} more)" if len(empty) > 1 else ""
                message = f"role {recipient.role} has nobody for place {empty[0]}{more}; add a duty to a roster"
                if not held:
                    message = f"role {recipient.role} is in no roster, so nobody comes to {empty[0]}{more}; add a duty"
                level: Level = "error" if ladder.life_safety else "warning"
                at = (*path, "role")
                yield Finding(level=level, section="ladders", index=index, path=at, message=message, late=True)

    def _leads_up(self, place: str) -> bool:
        """Whether every place from here to the top exists and could be read."""
        here: str | None = place
        seen: set[str] = set()
        while here is not None:
            if here in seen or here not in self.parent:
                return False
            seen.add(here)
            here = self.parent[here]
        return True

    def _held(self, place: str, held: set[str]) -> bool:
        here: str | None = place
        seen: set[str] = set()
        while here is not None and here not in seen:
            if here in held:
                return True
            seen.add(here)
            here = self.parent.get(here)
        return False

    def _without_family(self, ladder: Ladder, kinds: set[str]) -> Iterator[Finding]:
        if not ladder.life_safety or not any(r.family for _, r in check_ladders.told_by(ladder)):
            return
        served = {device.resident for device in self.listened_to if device.kind in kinds}
        for index, resident in enumerate(self.c.residents):
            if resident.id in served and not resident.family:
                message = f"ladder {ladder.id} tells the family, and {resident.id} has none; add family or a neighbour"
                yield Finding(level="warning", section="residents", index=index, path=("family",), message=message)

    def unwatched(self) -> Iterator[Finding]:
        """Kinds of device that are there and that no rule looks at."""
        watched = {kind for rule in self.c.rules if rule.enabled for kind in rule.kinds}
        counted = Counter(device.kind for device in self.listened_to)
        first = {device.kind: index for index, device in reversed(list(enumerate(self.c.devices)))}
        for kind, count in sorted(counted.items()):
            if kind not in watched and KINDS[kind].events:
                message = f"no rule looks at {kind} ({count} in all), so they raise no alarm; use one from the library"
                path = ("kind",)
                yield Finding(level="warning", section="devices", index=first[kind], path=path, message=message)
