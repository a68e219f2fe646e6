"""Residents' own limits, and their scores (NEWS2) as the rules reckon them; by id, never by name. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

from gateway.chronicle.ground import Ground
from gateway.chronicle.places import DAY_MS
from gateway.registry.model import Resident
from gateway.rules.compiled import Condition, compile_condition
from gateway.rules.document import ConditionRule
from gateway.rules.errors import RuleError
from gateway.rules.look import Look
from gateway.rules.states import ConditionState
from gateway.store.protocol import Point

LIMIT: Final = "limit"
SCORE: Final = "score"
_SIDES: Final = ("low", "high")


def limit_points(ground: Ground, now_ms: int) -> Iterator[Point]:
    """The limits that hold now, one point for each resident and metric, at the begin of the day (UTC).

    ``spo2_low`` is the low one of ``spo2``, ``pulse_critical_high`` the high one of ``pulse_critical``; one that says
    neither (``news2_emergency``) is high: it is reached from below.
    """
    day_ns = now_ms // DAY_MS * DAY_MS * 1_000_000
    zone = ZoneInfo(ground.directory.community.community.timezone)
    for resident in ground.directory.community.residents:
        found: dict[str, dict[str, float | str]] = {}
        for limit in resident.limits:
            if not limit.seen_by_rules(zone).valid(now_ms):
                continue
            metric, _, side = limit.name.rpartition("_")
            if side not in _SIDES or not metric:
                metric, side = limit.name, "high"
            fields = found.setdefault(metric, {})
            if side not in fields:  # of two of one name the first counts, as for rules
                fields[side] = limit.value
                who = ground.who(f"person:{limit.set_by}") if ground.directory.person(limit.set_by) else None
                fields["set_by"] = who.zh if who is not None else ground.text(limit.set_by)
        for metric, fields in found.items():
            yield Point(
                measurement=LIMIT, tags={**_at_home(ground, resident), "metric": metric}, fields=fields, at_ns=day_ns
            )


@dataclass(frozen=True, slots=True)
class Scored:
    """A kind of score, and the rule that reckons it."""

    name: str
    """``news2`` of the rule ``news2-emergency``."""
    condition: Condition


def scores_of(rules: tuple[ConditionRule, ...] | list[ConditionRule]) -> list[Scored]:
    """The scores that a community's rules reckon: of rules whose ids begin alike the first, by their ids."""
    found: dict[str, Scored] = {}
    for rule in sorted(rules, key=lambda rule: rule.id):
        name = rule.id.partition("-")[0]
        if rule.enabled and rule.score and rule.subject == "resident" and name not in found:
            try:
                found[name] = Scored(name, compile_condition(rule))
            except RuleError:
                continue  # the decider says so, and leaves it out as well
    return list(found.values())


class _Alone:
    """Nothing around the subject is asked for by a score."""

    quiet_from_ms = 0

    def there(self, name: str) -> bool:
        return True

    def listening(self, name: str, at_ms: int) -> bool:
        return True


def score_point(scored: Scored, resident: Resident, state: ConditionState, ground: Ground) -> Point | None:
    """The score as it was at the newest of the signs that it is made of, by the function the rule itself asks.

    None where none is known. A set that is not complete has no total.
    """
    if state.condition != scored.condition.condition:
        return None  # of another version of the rule: its memory starts anew
    newest_ms = max((state.inputs[name].at_ms for name in scored.condition.scored if name in state.inputs), default=0)
    device = ground.directory.ruled(state.device)
    if not newest_ms or device is None:
        return None
    zone = ZoneInfo(ground.directory.community.community.timezone)
    look = Look(scored.condition, state.inputs, state.pairs, _Alone(), device, newest_ms, zone, closely=False)
    worst, total = look.score_highest(), look.score()
    if worst is None:
        return None
    fields: Mapping[str, float] = {"worst": worst, "complete": float(total is not None)}
    return Point(
        measurement=SCORE,
        tags={**_at_home(ground, resident), "score": scored.name},
        fields={**fields, **({} if total is None else {"total": total})},
        at_ns=newest_ms * 1_000_000,
    )


def _at_home(ground: Ground, resident: Resident) -> dict[str, str]:
    stamps = ground.stamps(resident.home)
    return {
        "community": stamps.community,
        "grid": stamps.grid,
        "building": stamps.building,
        "resident": resident.id,
    }
