"""From the moves of alarms to alarms with beginning and end, counted as they come; and two sets of them compared."""

from __future__ import annotations

import statistics
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from gateway.alarms import AlarmChange, AlarmMove
from gateway.backtest.model import Alarm, Comparison, RuleRef
from gateway.rules.replay import CASE_OVER

KEPT = 200_000
"""So many alarms are held; a rule that raises more is wrong whatever the others say."""
COMPARED_SHOWN = 200

End = Literal["cleared", "cancelled", "case_over", "stands"]
Names = Callable[[str], tuple[str, str]]
"""The name of a subject in both languages."""


@dataclass(slots=True)
class Episode:
    """One alarm of a replay."""

    change: AlarmChange
    ended_ms: int | None = None
    end: End = "stands"
    repeats: int = 0

    @property
    def from_ms(self) -> int:
        """When it was raised."""
        return self.change.at_ms

    def until_ms(self, until_ms: int) -> int:
        """When it ended; while it stands, ``until_ms``."""
        return until_ms if self.ended_ms is None else self.ended_ms

    def alarm(self, names: Names, until_ms: int) -> Alarm:
        """As it is shown: with the names of its subject, and where it stands at ``until_ms``."""
        change = self.change
        zh, en = names(change.subject)
        return Alarm(
            rule=change.rule,
            rule_version=change.rule_version,
            type=change.type,
            severity=change.severity,
            subject=change.subject,
            subject_zh=zh,
            subject_en=en,
            device=change.device,
            place=change.place,
            resident=change.resident,
            momentary=change.momentary,
            raised_at_ms=change.at_ms,
            observed_at_ms=change.observed_at_ms,
            ended_at_ms=self.ended_ms,
            end=self.end,
            stood_s=max(0, self.until_ms(until_ms) - change.at_ms) / 1000,
            repeats=self.repeats,
            explanation=change.explanation,
            zh=change.zh,
            en=change.en,
        )


@dataclass
class Book:
    """Alarms as they come and go."""

    count_from_ms: int = 0
    """What was raised before is not counted: rules were only to remember."""
    episodes: list[Episode] = field(default_factory=list)
    """The first `KEPT`."""
    earlier: list[Episode] = field(default_factory=list)
    """Raised before the count began: not counted, and no news where the others raise later. The same."""
    raised: int = 0
    repeats: int = 0
    by_rule: Counter[str] = field(default_factory=Counter)
    by_subject: Counter[str] = field(default_factory=Counter)
    by_device: Counter[str] = field(default_factory=Counter)
    _open: dict[tuple[str, str], Episode] = field(default_factory=dict)

    def take(self, changes: Iterable[AlarmChange]) -> None:
        """Moves of alarms, in their order."""
        for change in changes:
            key = change.rule, change.subject
            if change.move is AlarmMove.RAISED:
                self._raised(key, change)
            elif change.move is AlarmMove.REPEATED:
                if change.at_ms >= self.count_from_ms:
                    self.repeats += 1
                if key in self._open:
                    self._open[key].repeats += 1
            elif (ended := self._open.pop(key, None)) is not None:
                ended.ended_ms, ended.end = change.at_ms, _end(change)

    def _raised(self, key: tuple[str, str], change: AlarmChange) -> None:
        episode = self._open[key] = Episode(change)
        if change.at_ms < self.count_from_ms:
            if len(self.earlier) < KEPT:
                self.earlier.append(episode)
            return
        self.raised += 1
        self.by_rule[change.rule] += 1
        self.by_subject[change.subject] += 1
        if change.device is not None:
            self.by_device[change.device] += 1
        if len(self.episodes) < KEPT:
            self.episodes.append(episode)

    @property
    def open(self) -> int:
        """How many of the alarms that count still stand."""
        return sum(one.from_ms >= self.count_from_ms for one in self._open.values())

    def stood_s(self, until_ms: int) -> tuple[float, float]:
        """How long alarms stood: the median, and the longest."""
        stood = [max(0, one.until_ms(until_ms) - one.from_ms) / 1000 for one in self.episodes]
        return (statistics.median(stood), max(stood)) if stood else (0.0, 0.0)


def _end(change: AlarmChange) -> End:
    if change.move is AlarmMove.CANCELLED:
        return "cancelled"
    return "case_over" if change.explanation == CASE_OVER else "cleared"


def compare(
    new: Book,
    current: Book,
    until_ms: int,
    names: Names,
    *,
    against: Literal["rules_in_force", "really_raised"],
    rules: Sequence[RuleRef],
) -> Comparison:
    """Which alarms overlap with one of the other set in time, in rule or type, and in subject or device."""
    only_new = _without(new.episodes, [*current.earlier, *current.episodes], until_ms)
    only_current = _without(current.episodes, [*new.earlier, *new.episodes], until_ms)
    return Comparison(
        against=against,
        rules=list(rules),
        alarms=len(current.episodes),
        both=len(new.episodes) - len(only_new),
        only_new=len(only_new),
        only_current=len(only_current),
        only_new_alarms=[one.alarm(names, until_ms) for one in only_new[:COMPARED_SHOWN]],
        only_current_alarms=[one.alarm(names, until_ms) for one in only_current[:COMPARED_SHOWN]],
    )


def _without(these: Sequence[Episode], others: Sequence[Episode], until_ms: int) -> list[Episode]:
    """Those of ``these`` that none of ``others`` overlaps."""
    spans: dict[str, _Spans] = {}
    for other in sorted(others, key=lambda one: one.from_ms):
        for key in _about(other):
            spans.setdefault(key, _Spans()).add(other.from_ms, other.until_ms(until_ms))
    return [
        one
        for one in these
        if not any(key in spans and spans[key].touch(one.from_ms, one.until_ms(until_ms)) for key in _about(one))
    ]


def _about(one: Episode) -> set[str]:
    """What an alarm that agrees has in common: subject or device, and rule or type."""
    change = one.change
    about = {change.subject} | ({f"device:{change.device}"} if change.device is not None else set())
    return {f"{name}|{subject}" for name in (change.rule, f"type {change.type}") for subject in about}


class _Spans:
    """Spans in the order of their beginnings, with the latest end so far."""

    def __init__(self) -> None:
        self._begins: list[int] = []
        self._ends: list[int] = []

    def add(self, begin_ms: int, end_ms: int) -> None:
        self._begins.append(begin_ms)
        self._ends.append(max(end_ms, self._ends[-1]) if self._ends else end_ms)

    def touch(self, begin_ms: int, end_ms: int) -> bool:
        """Whether one of them overlaps with ``begin_ms`` to ``end_ms``."""
        at = bisect_right(self._begins, end_ms)
        return at > 0 and self._ends[at - 1] >= begin_ms
