"""Will somebody be there? Finds every future hole of the rosters, exactly, and whoever is on duty and cannot be.

Pure: from when to when is given. What must be covered: what a roster says (`required`), and of roles that ladders tell,
always, wherever a device can raise an alarm that climbs that ladder.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from gateway.cases.wording import Words
from gateway.registry.directory import CommunityDirectory
from gateway.registry.duty import Key, Line, Stretch, spans
from gateway.registry.roster import Required

Kind = Literal["hole", "unreachable", "left", "double_booked"]
SERIOUS: tuple[Kind, ...] = ("hole", "unreachable", "left")
"""What leaves people without help. Somebody who is on duty at two places may be able to be."""
_DAYS = tuple(zip("一二三四五六日", ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"), strict=True))


class Need(NamedTuple):
    """A role that somebody must hold for a place."""

    role: str
    place: str
    way: tuple[str, ...]
    """The place and all it lies in: whose duty counts."""
    when: tuple[Required, ...] = ()
    """Only then; always where it is empty."""


class Trouble(NamedTuple):
    """Something that is wrong with the rosters from one instant to another."""

    begin_ms: int
    until_ms: int
    kind: Kind
    role: str
    place: str
    person: str | None = None
    have: int = 0
    """How many are on duty."""
    need: int = 1
    also: Key | None = None
    """As what, and where, the person is on duty at the same time."""


def needs(directory: CommunityDirectory) -> list[Need]:
    """Everything that must be covered, each role and place once."""
    community = directory.community
    said: dict[Key, list[Required]] = {}
    for roster in community.rosters:
        for required in roster.required:
            said.setdefault((required.role, required.place), []).append(required)
    found = {key: Need(*key, tuple(directory.way(key[1])), tuple(when)) for key, when in said.items()}
    roles = {
        ladder.id: {r.role for rung in ladder.every_rung for r in rung.notify if r.role} for ladder in community.ladders
    }
    kinds: dict[str, set[str]] = {}
    for rule in community.rules:
        if rule.enabled:
            for kind in rule.kinds:
                kinds.setdefault(kind, set()).update(roles.get(rule.raises.ladder, ()))
    wanted: dict[str, set[str]] = {}
    for device in community.devices:
        if device.status == "active":
            wanted.setdefault(device.place, set()).update(kinds.get(device.kind, ()))
    for place, here in wanted.items():
        way = tuple(directory.way(place))
        for role in here:
            if any((role, at) in said for at in way):
                continue  # the roster says when
            anchor = next((n for n, at in enumerate(way) if (role, at) in directory.duties.lines), None)
            if anchor is not None:  # else nobody ever holds it there, which `check` says
                found.setdefault((role, way[anchor]), Need(role, way[anchor], way[anchor:]))
    return [found[key] for key in sorted(found)]


def troubles(directory: CommunityDirectory, from_ms: int, until_ms: int) -> list[Trouble]:
    """Everything wrong between two instants, the earliest first."""
    lines = directory.duties.lines
    stretches = {key: line.between(from_ms, until_ms) for key, line in lines.items()}
    found = [hole for need in needs(directory) for hole in holes(directory, need, from_ms, until_ms)]
    for key, line in lines.items():
        found += _unreachable(directory, key, stretches[key])
        found += _left(line, from_ms, until_ms)
    found += _double_booked(directory, {key: stretches[key] for key, line in lines.items() if line.timed})
    return sorted(found, key=lambda one: (one.begin_ms, one.kind, one.role, one.place, one.person or ""))


def holes(directory: CommunityDirectory, need: Need, from_ms: int, until_ms: int) -> Iterator[Trouble]:
    """When fewer than needed are on duty for one need."""
    stretches = directory.duties.between(need.role, need.way, from_ms, until_ms)
    wanted = [Stretch(from_ms, until_ms, ("",))] if not need.when else _wanted(need, from_ms, until_ms, directory)
    for begin_ms, end_ms, people, asked in _both(stretches, wanted):
        if len(people) < len(asked):
            yield Trouble(begin_ms, end_ms, "hole", need.role, need.place, have=len(people), need=len(asked))


def _wanted(need: Need, from_ms: int, until_ms: int, directory: CommunityDirectory) -> list[Stretch]:
    """When how many are needed: as many empty names."""
    asked = [
        (max(begin, from_ms), min(end, until_ms), required.people)
        for required in need.when
        for begin, end in spans(required, from_ms, until_ms, directory.duties.zone)
    ]
    edges = sorted({from_ms, until_ms, *(edge for begin, end, _ in asked for edge in (begin, end))})
    found: list[Stretch] = []
    for begin_ms, end_ms in itertools.pairwise(edges):
        most = max((people for begin, end, people in asked if begin <= begin_ms < end), default=0)
        if found and len(found[-1].people) == most:
            found[-1] = found[-1]._replace(until_ms=end_ms)
        else:
            found.append(Stretch(begin_ms, end_ms, ("",) * most))
    return found


def _both(
    one: Sequence[Stretch], other: Sequence[Stretch]
) -> Iterator[tuple[int, int, tuple[str, ...], tuple[str, ...]]]:
    """Two courses of the same time, side by side; what touches and says the same of both is one."""
    left = right = 0
    last: tuple[int, int, tuple[str, ...], tuple[str, ...]] | None = None
    while left < len(one) and right < len(other):
        begin_ms = max(one[left].begin_ms, other[right].begin_ms)
        end_ms = min(one[left].until_ms, other[right].until_ms)
        if last is not None and last[2:] == (one[left].people, other[right].people):
            last = (last[0], end_ms, *last[2:])
        else:
            if last is not None:
                yield last
            last = begin_ms, end_ms, one[left].people, other[right].people
        left, right = left + (one[left].until_ms == end_ms), right + (other[right].until_ms == end_ms)
    if last is not None:
        yield last


def _unreachable(directory: CommunityDirectory, key: Key, stretches: Sequence[Stretch]) -> Iterator[Trouble]:
    channels = {channel.id for channel in directory.community.channels}
    for name in dict.fromkeys(person for one in stretches for person in one.people):
        person = directory.person(name)
        if person is None or not any(address.channel in channels for address in person.contacts):
            for begin_ms, end_ms in _merged((s.begin_ms, s.until_ms) for s in stretches if name in s.people):
                yield Trouble(begin_ms, end_ms, "unreachable", *key, name)


def _left(line: Line, from_ms: int, until_ms: int) -> Iterator[Trouble]:
    """Who is written down for duty and works here no more."""
    for person, times in line.named(from_ms, until_ms).items():
        gone_ms = line.gone_ms(person)
        if gone_ms is not None:
            for begin_ms, end_ms in _merged(times):
                if end_ms > gone_ms:
                    yield Trouble(max(begin_ms, gone_ms), end_ms, "left", line.role, line.place, person)


def _double_booked(directory: CommunityDirectory, courses: dict[Key, list[Stretch]]) -> Iterator[Trouble]:
    """Who is on duty by the clock at two places of which neither lies in the other. Several roles at one place are one
    person's usual day."""
    of: dict[str, list[tuple[int, int, Key]]] = {}
    for key, stretches in courses.items():
        for person in {person for one in stretches for person in one.people}:
            times = ((s.begin_ms, s.until_ms) for s in stretches if person in s.people)
            of.setdefault(person, []).extend((begin, end, key) for begin, end in _merged(times))
    for person, booked in of.items():
        booked.sort()
        for number, (begin, end, key) in enumerate(booked):
            for later, until, other in booked[number + 1 :]:
                if later >= end:
                    break
                if directory.lies_in(key[1], other[1]) or directory.lies_in(other[1], key[1]):
                    continue
                yield Trouble(max(begin, later), min(end, until), "double_booked", *key, person, also=other)


def _merged(times: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for begin, end in sorted(times):
        if found and begin <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((begin, end))
    return found


# in words


def when(begin_ms: int, until_ms: int, zone: ZoneInfo) -> Words:
    """A stretch of time by the community's clock: ``周六 12-05 02:00-06:00``."""
    begin, end = (datetime.fromtimestamp(at / 1000, UTC).astimezone(zone) for at in (begin_ms, until_ms))
    (zh, en), (end_zh, end_en) = ((f"周{day[0]}", day[1]) for day in (_DAYS[begin.weekday()], _DAYS[end.weekday()]))
    if begin.date() == end.date():
        return Words(f"{zh} {begin:%m-%d %H:%M}-{end:%H:%M}", f"{en} {begin:%m-%d %H:%M}-{end:%H:%M}")
    return Words(
        f"{zh} {begin:%m-%d %H:%M} 至 {end_zh} {end:%m-%d %H:%M}",
        f"{en} {begin:%m-%d %H:%M} to {end_en} {end:%m-%d %H:%M}",
    )


def in_words(trouble: Trouble, directory: CommunityDirectory) -> Words:
    """What is wrong, without when."""

    def told(language: Literal["zh", "en"]) -> str:
        place = directory.place(trouble.place)
        where = trouble.place if place is None else place.name.in_language(language)
        role = directory.role_name(trouble.role, language)
        person = directory.person(trouble.person or "")
        who = (trouble.person or "") if person is None else person.name
        zh = language == "zh"
        match trouble.kind:
            case "hole" if trouble.have:
                less = f"只有 {trouble.have} 人，应有 {trouble.need} 人", f"only {trouble.have} of {trouble.need}"
                return f"{where}（{role}）{less[0]}" if zh else f"{less[1]} for {where} ({role})"
            case "hole":
                return f"{where}无人值班（{role}）" if zh else f"nobody for {where} ({role})"
            case "unreachable":
                said = f"{where}（{role}）值班的{who}没有可用的联系方式"
                return said if zh else f"{who} is on duty for {where} ({role}) and no channel reaches them"
            case "left":
                said = f"{where}（{role}）排班中的{who}已离岗"
                return said if zh else f"{who} is written down for {where} ({role}) and works here no more"
            case "double_booked":
                assert trouble.also is not None
                other = directory.place(trouble.also[1])
                there = trouble.also[1] if other is None else other.name.in_language(language)
                return f"{who}同时在{where}和{there}值班" if zh else f"{who} is on duty for {where} and {there} at once"

    return Words(told("zh"), told("en"))


class Repeated(NamedTuple):
    """The same trouble, as often as it comes."""

    first: Trouble
    times: int


def grouped(found: Iterable[Trouble]) -> list[Repeated]:
    """Troubles that say the same of the same, by the first of each."""
    groups: dict[tuple[object, ...], list[Trouble]] = {}
    for one in found:
        groups.setdefault((one.kind, one.role, one.place, one.person, one.also), []).append(one)
    return [Repeated(group[0], len(group)) for group in groups.values()]
