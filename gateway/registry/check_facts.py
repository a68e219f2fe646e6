"""Does what rules are told of devices and residents hold together: who carries whom, and which limit is valid when."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import combinations
from zoneinfo import ZoneInfo

from gateway.registry.circles import circles
from gateway.registry.facts import PersonalLimit, moment_of
from gateway.registry.finding import Finding
from gateway.registry.model import Device, Place, Resident
from gateway.registry.problem import Path, did_you_mean
from gateway.rules.check import limit_problem, names_in
from gateway.rules.document import RuleDocument
from gateway.rules.errors import RuleError
from gateway.rules.forms import Limit


def carriers(devices: Sequence[Device]) -> Iterator[Finding]:
    """Devices that carry themselves, or are carried by what is retired. Whether the carrier exists is not asked."""
    for index, circle in circles((device.id for device in devices), {device.id: device.via for device in devices}):
        message = f"the device is carried by itself ({' → '.join(circle)}); correct one of the via"
        yield Finding(level="error", section="devices", index=index, path=("via",), message=message)
    retired = {device.id for device in devices if device.status == "retired"}
    for index, device in enumerate(devices):
        if device.via in retired and device.status == "active":
            message = f"{device.via} is retired and carries nothing; name the device that carries it now"
            yield Finding(level="warning", section="devices", index=index, path=("via",), message=message)


def limits(residents: Sequence[Resident], zone: ZoneInfo) -> Iterator[Finding]:
    """Limits that are never valid, and limits of one name of which nobody could say which is valid."""
    for index, resident in enumerate(residents):
        valid: dict[str, list[tuple[int, Limit]]] = {}
        for position, limit in enumerate(resident.limits):
            seen = limit.seen_by_rules(zone)
            if seen.from_ms is not None and seen.until_ms is not None and seen.until_ms <= seen.from_ms:
                message = f"limit {limit.name} ends before it begins (from {limit.begin}, until {limit.until})"
                path: Path = ("limits", position, "until")
                message += "; correct one of them"
                yield Finding(level="error", section="residents", index=index, path=path, message=message)
            else:
                valid.setdefault(limit.name, []).append((position, seen))
        for name, several in valid.items():
            for (first, one), (second, other) in combinations(several, 2):
                if _overlap(one, other):
                    both = " and ".join(_told(resident.limits[position]) for position in (first, second))
                    message = f"limit {name} stands twice for the same time: {both}; end one before the other begins"
                    path = ("limits", second)
                    yield Finding(level="error", section="residents", index=index, path=path, message=message)


def away(residents: Sequence[Resident]) -> Iterator[Finding]:
    """Residents who are away and of whom nobody could say until when: the rules that are not for them stay so."""
    for index, resident in enumerate(residents):
        until = resident.attributes.get("away_until")
        if until is not None and moment_of(until) is None:
            message = f"attribute away_until is {until!r}; expected a day or an instant such as 2026-12-05 14:00"
            path: Path = ("attributes", "away_until")
            yield Finding(level="error", section="residents", index=index, path=path, message=message)
        elif until is None and resident.attributes.get("away") is True:
            message = f"{resident.id} is away, and nobody said until when; add away_until, such as 2026-12-05"
            path = ("attributes", "away")
            yield Finding(level="warning", section="residents", index=index, path=path, message=message)


def limits_for_rules(residents: Sequence[Resident], rules: Sequence[RuleDocument]) -> Iterator[Finding]:
    """Limits that no rule reads, and limits with which a rule that reads them makes no sense."""
    if not any(resident.limits for resident in residents):
        return
    readers: dict[str, list[RuleDocument]] = {}
    for rule in rules:
        try:
            _, asked = names_in(rule)
        except RuleError:
            return  # nobody knows what it reads; what is wrong with it is said elsewhere
        for name in asked:
            readers.setdefault(name, []).append(rule)
    problem = cache(lambda index, name, value: limit_problem(readers[name][index], name, value))
    for index, resident in enumerate(residents):
        for position, limit in enumerate(resident.limits):
            path: Path = ("limits", position, "name")
            if limit.name not in readers:
                message = f"no rule reads limit {limit.name}{did_you_mean(limit.name, readers)}"
                yield Finding(level="warning", section="residents", index=index, path=path, message=message)
            for number, rule in enumerate(readers.get(limit.name, ())):
                found = problem(number, limit.name, limit.value)
                if found is not None:
                    message = f"limit {limit.name} of {limit.value:g} makes no sense in rule {rule.id}: {found.problem}"
                    message += f"; expected {found.expected}; correct the value, or the unit it is given in"
                    path = ("limits", position, "value")
                    yield Finding(level="error", section="residents", index=index, path=path, message=message)


def facts_for_rules(
    places: Sequence[Place], residents: Sequence[Resident], devices: Sequence[Device], rules: Sequence[RuleDocument]
) -> Iterator[Finding]:
    """Attributes that look as if rules went by them, and that none can read: ``armd``, or ``armed: "yes"``."""
    asked: set[str] = set()
    for rule in rules:
        try:
            asked |= names_in(rule)[0]
        except RuleError:
            return  # nobody knows what it reads; what is wrong with it is said elsewhere
    described: tuple[tuple[str, Sequence[Place | Resident | Device]], ...] = (
        ("places", places),
        ("residents", residents),
        ("devices", devices),
    )
    for section, entries in described:
        prefix = f"{section.removesuffix('s')}."
        known = sorted(name.removeprefix(prefix) for name in asked if name.startswith(prefix))
        for index, entry in enumerate(entries):
            for name, value in entry.attributes.items():
                path: Path = ("attributes", name)
                if name in known and isinstance(value, str) and value.lower() in _TRUTHS:
                    message = f'attribute {name} is the text "{value}"; expected true or false without quotes'
                    yield Finding(level="warning", section=section, index=index, path=path, message=message)
                elif name not in known and (near := did_you_mean(name, known, cutoff=0.8)):
                    message = f"no rule reads attribute {name}{near}"
                    yield Finding(level="warning", section=section, index=index, path=path, message=message)


_TRUTHS = frozenset({"true", "false", "yes", "no", "on", "off", "y", "n", "是", "否"})
"""Texts that somebody meant to be true or false: no comparison with true or false ever holds for them."""


def _overlap(one: Limit, other: Limit) -> bool:
    def reaches(early: Limit, late: Limit) -> bool:
        return early.until_ms is None or late.from_ms is None or late.from_ms < early.until_ms

    return reaches(one, other) and reaches(other, one)


def _told(limit: PersonalLimit) -> str:
    begins = f" from {limit.begin}" if limit.begin is not None else ""
    ends = f" until {limit.until}" if limit.until is not None else ""
    return f"{limit.value:g}{begins}{ends} (set by {limit.set_by})"
