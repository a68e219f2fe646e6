"""Figures of a period: how soon people answered, how long each stage took, by place, person, type and cause. Pure.

Reckoned from the records of cases alone, of which only what is needed is read: a year of 6,000 cases takes a fraction
of a second. What a record has beside that, and codes that are not known, are no obstacle.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import msgspec

from devices.targets import ANSWER_S, LIFE, ON_SITE, OTHER, Target
from gateway.alarms import Frozen

ALARM = "alarm"


class Limit(msgspec.Struct, frozen=True):
    """What is running for the stage a case is in."""

    stage: str
    due_at_ms: int


class _Ladder(msgspec.Struct, frozen=True):
    life_safety: bool = False


class _Work(msgspec.Struct, frozen=True):
    id: str
    zh: str
    en: str
    organisation: str = ""


class Said(msgspec.Struct, frozen=True):
    """How satisfied somebody was with it."""

    actor: str
    score: int
    by: str = ""
    who: str = ""


class Seen(msgspec.Struct, frozen=True):
    """A case, as far as figures need it; read from its record."""

    id: str
    number: str
    type: str
    severity: str
    stage: str
    ladder: _Ladder
    place: str | None = None
    owner: str | None = None
    handler: str = ""
    handlers: tuple[str, ...] = ()
    ratings: tuple[Said, ...] = ()
    drill: bool = False
    source: str = ALARM
    work: _Work | None = None
    cause: str | None = None
    limit: Limit | None = None
    suspended: dict[str, object] | None = None
    reworks: int = 0
    times: dict[str, int] = {}

    @property
    def life_safety(self) -> bool:
        """Whether a life may be at stake, by its ladder."""
        return self.ladder.life_safety

    @property
    def over(self) -> bool:
        """Whether nothing is left to do."""
        return self.stage in ("closed", "cancelled", "merged")

    @property
    def began_ms(self) -> int:
        """When it was raised: what the figures count from."""
        return self.times["raised"]

    @property
    def first(self) -> str | None:
        """Who took it first."""
        return self.handlers[0] if self.handlers else self.owner

    @property
    def named(self) -> str:
        """The type it is counted under."""
        return self.work.id if self.work is not None else self.type


_decoder = msgspec.json.Decoder(Seen)


def seen(body: str | bytes) -> Seen:
    """Read a case's record. Raises msgspec.DecodeError."""
    return _decoder.decode(body)


class Share(Frozen):
    """How many of how many. No share is shown without its ``n``."""

    count: int
    n: int
    target: float | None = None
    """The least to reach, 0 to 1; see STANDARDS in docs/figures.md."""

    @property
    def share(self) -> float | None:
        """From 0 to 1; None of nothing."""
        return self.count / self.n if self.n else None

    @property
    def met(self) -> bool | None:
        """Whether the target is reached; None without one, and without cases."""
        return None if self.target is None or not self.n else self.count >= self.target * self.n


class Spread(Frozen):
    """Percentiles of times, in seconds (nearest rank)."""

    n: int
    p50: float | None = None
    p90: float | None = None
    p95: float | None = None
    most: float | None = None


class Step(Frozen):
    """From one instant of a case's life to another."""

    begin: str
    end: str
    spread: Spread


class Group(Frozen):
    """The figures of a place with all inside it, a person, a type or a cause."""

    key: str
    n: int
    alarms: int
    """How many of them came from alarms."""
    answered_60: Share
    answered_180: Share
    answer: Spread
    arrive: Spread
    resolve: Spread
    false: Share
    """Of the alarms that are over."""


class Overdue(Frozen):
    """A case that has been open for longer than its limit."""

    case: str
    number: str
    type: str
    place: str | None
    owner: str | None
    stage: str
    """Of the limit that is over: ``answer`` where nobody has taken an alarm for life safety."""
    due_ms: int


class Slot(Frozen):
    """One day, or one month, of the period."""

    begin_ms: int
    n: int
    answered_60: Share


class Figures(Frozen):
    """The figures of a period."""

    from_ms: int
    until_ms: int
    n: int
    """Cases that began in it; drills and what was merged into another case are not among them."""
    alarms: int
    reports: int
    drills: int
    merged: int
    taken_back: int
    """Alarms that the resident took back before anybody could answer: in no share of answers."""
    life: tuple[Share, Share]
    """Alarms for life safety answered by a human within 60 and 180 s."""
    other: tuple[Share, Share]
    """Other alarms answered within 90 and 180 s."""
    on_site: tuple[Share, Share]
    """Of the cases where somebody was sent or came: there within 45 and 60 minutes after the alarm."""
    steps: tuple[Step, ...]
    places: tuple[Group, ...]
    people: tuple[Group, ...]
    types: tuple[Group, ...]
    causes: dict[str, int]
    """Why alarms were false, the most frequent first; an empty key where nobody said why."""
    false: Share
    reworked: Share
    open: int
    overdue: tuple[Overdue, ...]
    """The longest first; whenever they began."""
    slots: tuple[Slot, ...]


STEPS = (
    ("triggered", "received"),
    ("received", "raised"),
    ("raised", "notified"),
    ("raised", "answered"),
    ("answered", "dispatched"),
    ("dispatched", "arrived"),
    ("raised", "arrived"),
    ("arrived", "resolved"),
    ("raised", "resolved"),
    ("resolved", "verified"),
    ("raised", "closed"),
)
_NOT_FALSE = ("duplicate",)
"""Causes by which a case is cancelled that was no false alarm."""


def reckon(
    cases: Iterable[Seen],
    *,
    from_ms: int,
    until_ms: int,
    now_ms: int,
    place_of: Callable[[str | None], str | None],
    slots: Sequence[int] = (),
    drills: bool = False,
) -> Figures:
    """The figures of ``cases``: those that began in the period, and all that are open.

    ``place_of``: under which place a case's own is counted, None for one outside of what is asked for. ``slots``: the
    beginnings of days or months within the period. ``drills``: of drills alone.
    """
    all_ = [case for case in cases if place_of(case.place) is not None]
    began = [case for case in all_ if from_ms <= case.began_ms < until_ms]
    kept = [case for case in began if case.drill is drills and case.stage != "merged"]
    alarms = [case for case in kept if case.source == ALARM]
    life = [case for case in alarms if case.life_safety]
    other = [case for case in alarms if not case.life_safety]
    ended = [case for case in alarms if case.over]
    unfinished = [case for case in all_ if not case.over and case.drill is drills]
    return Figures(
        from_ms=from_ms,
        until_ms=until_ms,
        n=len(kept),
        alarms=len(alarms),
        reports=len(kept) - len(alarms),
        drills=sum(case.drill for case in began),
        merged=sum(case.stage == "merged" and case.drill is drills for case in began),
        taken_back=sum(_taken_back(case) for case in alarms),
        life=_two(life, LIFE, now_ms),
        other=_two(other, OTHER, now_ms),
        on_site=(_on_site(kept, ON_SITE[0]), _on_site(kept, ON_SITE[1])),
        steps=tuple(Step(begin=begin, end=end, spread=_between(kept, begin, end)) for begin, end in STEPS),
        places=_groups(kept, lambda case: [place_of(case.place) or ""], now_ms),
        people=_groups(kept, lambda case: [case.first] if case.first else [], now_ms),
        types=_groups(kept, lambda case: [case.named], now_ms),
        causes=dict(Counter(case.cause or "" for case in ended if is_false(case)).most_common()),
        false=Share(count=sum(map(is_false, ended)), n=len(ended)),
        reworked=_reworked(kept),
        open=len(unfinished),
        overdue=tuple(sorted(overdue(unfinished, now_ms), key=lambda one: (one.due_ms, one.case))),
        slots=_slots(kept, slots, now_ms),
    )


def spread(times_s: Iterable[float]) -> Spread:
    """Percentiles by nearest rank: each is a time that was really measured."""
    known = sorted(times_s)
    if not known:
        return Spread(n=0)

    def rank(share: float) -> float:
        return known[max(0, math.ceil(share * len(known)) - 1)]

    return Spread(n=len(known), p50=rank(0.5), p90=rank(0.9), p95=rank(0.95), most=known[-1])


def within(cases: Iterable[Seen], seconds: int, now_ms: int, target: float | None = None) -> Share:
    """Cases answered by a human within so many seconds. One that nobody has answered counts as soon as they are over;
    one that the resident took back before does not."""
    count = n = 0
    for case in cases:
        answered = case.times.get("answered")
        if answered is not None:
            n += 1
            count += answered - case.began_ms <= seconds * 1000
        elif case.times.get("closed", now_ms) - case.began_ms > seconds * 1000:
            n += 1
    return Share(count=count, n=n, target=target)


def _two(cases: Sequence[Seen], targets: tuple[Target, Target], now_ms: int) -> tuple[Share, Share]:
    first, second = (within(cases, target.within_s, now_ms, target.share) for target in targets)
    return first, second


def _on_site(cases: Iterable[Seen], target: Target) -> Share:
    arrived = [case.times["arrived"] - case.began_ms for case in cases if "arrived" in case.times]
    return Share(count=sum(ms <= target.within_s * 1000 for ms in arrived), n=len(arrived), target=target.share)


def _between(cases: Iterable[Seen], begin: str, end: str) -> Spread:
    times = (case.times for case in cases if end != "closed" or case.stage == "closed")
    return spread(max(0, at[end] - at[begin]) / 1000 for at in times if begin in at and end in at)


def _taken_back(case: Seen) -> bool:
    return case.stage == "cancelled" and "answered" not in case.times


def is_false(case: Seen) -> bool:
    """Whether it was ended as a false alarm."""
    return case.stage == "cancelled" and case.cause not in _NOT_FALSE


def _reworked(cases: Iterable[Seen]) -> Share:
    done = [case for case in cases if "resolved" in case.times]
    return Share(count=sum(case.reworks > 0 for case in done), n=len(done))


def _groups(cases: Iterable[Seen], keys: Callable[[Seen], Sequence[str]], now_ms: int) -> tuple[Group, ...]:
    found: dict[str, list[Seen]] = {}
    for case in cases:
        for key in keys(case):
            found.setdefault(key, []).append(case)
    groups = (_group(key, some, now_ms) for key, some in found.items())
    return tuple(sorted(groups, key=lambda group: (-group.n, group.key)))


def _group(key: str, cases: Sequence[Seen], now_ms: int) -> Group:
    alarms = [case for case in cases if case.source == ALARM]
    ended = [case for case in alarms if case.over]
    return Group(
        key=key,
        n=len(cases),
        alarms=len(alarms),
        answered_60=within(alarms, 60, now_ms),
        answered_180=within(alarms, 180, now_ms),
        answer=_between(cases, "raised", "answered"),
        arrive=_between(cases, "raised", "arrived"),
        resolve=_between(cases, "raised", "resolved"),
        false=Share(count=sum(map(is_false, ended)), n=len(ended)),
    )


def overdue(cases: Iterable[Seen], now_ms: int) -> Iterable[Overdue]:
    """Of the open cases those that are open for longer than their limit."""
    for case in cases:
        stage, due_ms = "", None
        if case.suspended is not None:
            continue  # 挂账: its clock stands
        if case.limit is not None:
            stage, due_ms = case.limit.stage, case.limit.due_at_ms
        elif case.life_safety and case.owner is None and "resolved" not in case.times:
            stage, due_ms = "answer", case.began_ms + ANSWER_S * 1000
        if due_ms is not None and due_ms < now_ms:
            yield Overdue(
                case=case.id,
                number=case.number,
                type=case.named,
                place=case.place,
                owner=case.owner,
                stage=stage,
                due_ms=due_ms,
            )


def _slots(cases: Sequence[Seen], begins: Sequence[int], now_ms: int) -> tuple[Slot, ...]:
    found: list[list[Seen]] = [[] for _ in begins]
    for case in cases:
        at = bisect_right(begins, case.began_ms)
        if at:
            found[at - 1].append(case)
    return tuple(
        Slot(
            begin_ms=begin,
            n=len(some),
            answered_60=within([case for case in some if case.source == ALARM], 60, now_ms),
        )
        for begin, some in zip(begins, found, strict=True)
    )
