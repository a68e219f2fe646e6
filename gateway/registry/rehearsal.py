"""A ladder played for a real place, resident and instant of a community: what `anju ladder simulate` shows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from gateway.alarms import ALARM_TYPES, AlarmChange, AlarmMove, Severity
from gateway.cases.policy import Ladder
from gateway.cases.simulate import Happening, Simulation, simulate
from gateway.registry.directory import CommunityDirectory
from gateway.registry.problem import did_you_mean
from gateway.rules.document import RuleDocument


class CannotRehearse(ValueError):
    """What was asked for is not there. ``field`` names what is wrong; the texts say what to do."""

    def __init__(self, field: str, zh: str, en: str) -> None:
        super().__init__(f"{field}: {en}")
        self.field = field
        self.zh = zh
        self.en = en


def rehearse(
    directory: CommunityDirectory,
    *,
    at_ms: int,
    type_: str,
    resident: str | None = None,
    place: str | None = None,
    device: str | None = None,
    ladder: str | None = None,
    for_s: int | None = None,
    answers: bool = True,
) -> Simulation:
    """Play an alarm of ``type_`` at ``at_ms``. Where they are not given, the place follows from the resident's home or
    the device, and the ladder from the rule that raises such alarms. Raises CannotRehearse."""
    if type_ not in ALARM_TYPES:
        near = did_you_mean(type_, ALARM_TYPES)
        raise CannotRehearse("type", f"没有报警类型 {type_}", f"there is no alarm type {type_}{near}")
    known_device = directory.device(device) if device is not None else None
    if device is not None and known_device is None:
        raise _missing("device", "设备", device, (one.id for one in directory.listed))
    if known_device is not None:
        resident = resident or known_device.resident
        place = place or known_device.place
    if resident is not None:
        served = directory.resident(resident)
        if served is None:
            raise _missing("resident", "居民", resident, (one.id for one in directory.community.residents))
        place = place or served.home
    if place is not None and directory.place(place) is None:
        raise _missing("place", "地点", place, (one.id for one in directory.community.places))
    if place is None:
        raise CannotRehearse("place", "请给出地点、居民或设备", "give a place, a resident or a device")
    rule = _rule(directory, type_)
    chosen = _ladder(directory, type_, ladder, rule)
    if known_device is None:
        device = next(iter(directory.obeying((), "indicate", place=place, resident=resident)), None)
    severity = rule.raises.severity if rule is not None else _severity(chosen)
    kind = ALARM_TYPES[type_]
    change = AlarmChange(
        move=AlarmMove.RAISED,
        rule=rule.id if rule is not None else "simulation",
        rule_version=rule.version if rule is not None else 1,
        subject=f"resident:{resident}" if resident is not None else f"place:{place}",
        type=type_,
        severity=severity,
        ladder=chosen.id,
        at_ms=at_ms,
        observed_at_ms=at_ms,
        device=device,
        place=place,
        resident=resident,
        momentary=rule is None or rule.form == "event",
        explanation=f"{kind.zh} {kind.en}",
    )
    return simulate(ladder=chosen, change=change, directory=directory, for_s=for_s, answers=answers)


def together(happenings: tuple[Happening, ...]) -> Iterator[tuple[Happening, str, str]]:
    """What is said to several people at one instant and for one reason as one, with their names and the channels."""
    for _, group in groupby(happenings, key=lambda one: (one.at_ms, one.what, one.rung, one.purpose, one.zh)):
        several = list(group)
        people = "、".join(dict.fromkeys(name for one in several for name in one.people))
        yield several[0], people, ", ".join(dict.fromkeys(one.channel for one in several if one.channel))


def _rule(directory: CommunityDirectory, type_: str) -> RuleDocument | None:
    rules = (rule for rule in directory.community.rules if rule.enabled and rule.raises.type == type_)
    return next(rules, None)


def _ladder(directory: CommunityDirectory, type_: str, ladder: str | None, rule: RuleDocument | None) -> Ladder:
    ladders = {one.id: one for one in directory.community.ladders}
    name = ladder or (rule.raises.ladder if rule is not None else None)
    if name is None:
        zh, en = f"没有启用的规则产生 {type_}，请给出升级流程", f"no rule in force raises {type_}: give a ladder"
        raise CannotRehearse("ladder", zh, f"{en} ({', '.join(ladders)})")
    if name not in ladders:
        raise _missing("ladder", "升级流程", name, ladders)
    return ladders[name]


def _severity(ladder: Ladder) -> Severity:
    return Severity.EMERGENCY if ladder.life_safety else Severity.SERVICE


def _missing(field: str, zh: str, wanted: str, known: Iterable[str]) -> CannotRehearse:
    return CannotRehearse(field, f"没有{zh} {wanted}", f"there is no {field} {wanted}{did_you_mean(wanted, known)}")
