"""A case, and an alarm, as one point each: corrected as they go on. Pure.

Shares and times have exactly the meaning of `gateway.cases.figures`. A field that is left out is not counted: a case
that nobody has answered has no ``within_60`` until the minute is over.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final, NamedTuple

from devices import measurements
from devices.targets import ANSWER_S, LIFE, ON_SITE, OTHER
from gateway.alarms import ALARM_TYPES, Severity
from gateway.api.words import SEVERITIES, words
from gateway.cases import figures
from gateway.cases.causes import CAUSES
from gateway.cases.figures import ALARM, Seen
from gateway.cases.model import Case
from gateway.cases.policy import Recipient, Rung
from gateway.cases.wording import DRILL_MARKS, STAGES, Words, types
from gateway.chronicle.ground import NOBODY, Ground
from gateway.chronicle.roles import place_roles
from gateway.store.protocol import Point

CASE: Final = "case"
CARE: Final = "care"
ALARM_POINT: Final = "alarm"
WITHIN_S: Final = tuple(sorted({target.within_s for target in (*LIFE, *OTHER)}))
"""60, 90 and 180: in seconds, what is promised for some alarm."""
ON_SITE_MIN: Final = tuple(target.within_s // 60 for target in ON_SITE)
SINCE_RAISED: Final = ("notified", "answered", "dispatched", "arrived", "resolved", "verified", "closed")
"""Instants of a case of which the point has the seconds since it was raised."""
NUMBERED: Final = 1_000_000
"""Nanoseconds in a millisecond: so many cases, or alarms, of one millisecond are told apart."""
_OF_CARE: Final = tuple(field.key for field in measurements.CARE.fields)
_LEVEL: Final[Mapping[Severity, float]] = {one: float(at) for at, one in enumerate(reversed(Severity), start=1)}
"""notice 1, service 2, urgent 3, emergency 4."""


def case_point(case: Case, seen: Seen, ground: Ground, now_ms: int) -> Point:
    """The case as it is at ``now_ms``; ``seen`` is the same record as the figures read it."""
    stamps = ground.stamps(case.place)
    fields: dict[str, float | str] = {**_numbers(case, seen, now_ms), **_texts(case, ground)}
    fields["hour"] = float(datetime.fromtimestamp(seen.began_ms / 1000, ground.zone).hour)
    spot = ground.spot(case.place, case.position)
    if spot is not None:
        fields |= {"lat": spot.lat, "lon": spot.lon}
    return Point(
        measurement=CASE,
        tags={
            "community": stamps.community,
            "grid": stamps.grid,
            "grid_name": ground.grid_name(case.place),
            "building": stamps.building,
            "type": case.type,
            "drill": flag(case.drill),
        },
        fields=fields,
        at_ns=numbered_ns(seen.began_ms, running_number(case.number)),
    )


def care_point(case: Case, of_case: Point) -> Point | None:
    """The case once more, under the resident it is about; None where it is about nobody.

    ``of_case``: its `case_point`. What is found by a resident's id is kept apart: it is read by fewer people, it is
    given to the resident and erased for the resident, and no figure changes by that.
    """
    if case.resident is None:
        return None
    fields = {name: of_case.fields[name] for name in _OF_CARE if name in of_case.fields}
    tags = {"community": of_case.tags["community"], "resident": case.resident, "drill": of_case.tags["drill"]}
    return Point(measurement=CARE, tags=tags, fields=fields, at_ns=of_case.at_ns)


def void(point: Point, tags: Mapping[str, str]) -> Point:
    """The point that stood under other ``tags`` for the same case, in no list and no figure any more."""
    none = dict.fromkeys(("open", "alarm", "life", "overdue", "called_120"), 0.0)
    return Point(measurement=point.measurement, tags=tags, fields={**none, "merged": 1.0}, at_ns=point.at_ns)


def next_change_ms(seen: Seen, now_ms: int) -> int | None:
    """When time alone will change the point: a minute is over, a limit is. None where it will not."""
    ahead = []
    if not seen.times.keys() & {"answered", "closed"} and seen.source == ALARM:
        ahead += [seen.began_ms + seconds * 1000 + 1 for seconds in WITHIN_S]
    if not seen.over and seen.suspended is None:
        if seen.limit is not None:
            ahead.append(seen.limit.due_at_ms + 1)
        elif seen.life_safety and seen.owner is None and "resolved" not in seen.times:
            ahead.append(seen.began_ms + ANSWER_S * 1000 + 1)
    return min((at for at in ahead if at > now_ms), default=None)


def running_number(number: str) -> int:
    """42 of case ``2026-000042``; 0 of a number that has none."""
    last = number.rpartition("-")[2]
    return int(last) if last.isascii() and last.isdigit() else 0


def numbered_ns(at_ms: int, number: int) -> int:
    """An instant in ns, by which what happened in the same millisecond is told apart."""
    return at_ms * 1_000_000 + number % NUMBERED


def level(severity: str) -> float:
    """1 for a notice to 4 for an emergency."""
    return _LEVEL[Severity(severity)]


def _numbers(case: Case, seen: Seen, now_ms: int) -> dict[str, float]:
    found = {
        "open": float(case.open),
        "severity": level(case.severity),
        "life": float(seen.life_safety),
        "alarm": float(seen.source == ALARM),
        "merged": float(seen.stage == "merged"),
        "step": float(case.rung),
        "called_120": float(case.emergency.state.called or any(call.state.called for call in case.emergency.also)),
        "overdue": float(any(True for _ in figures.overdue([seen], now_ms))) if not seen.over else 0.0,
    }
    if seen.source == ALARM:
        for seconds in WITHIN_S:
            share = figures.within([seen], seconds, now_ms)
            if share.n:
                found[f"within_{seconds}"] = float(share.count)
        if seen.over:
            found["false_alarm"] = float(figures.is_false(seen))
    arrived_ms = seen.times.get("arrived")
    if arrived_ms is not None:
        for minutes in ON_SITE_MIN:
            found[f"on_site_{minutes}"] = float(arrived_ms - seen.began_ms <= minutes * 60_000)
    for what in SINCE_RAISED:
        at_ms = seen.times.get(what)
        if at_ms is not None and (what != "closed" or seen.stage == "closed"):
            found[f"{what}_s"] = max(0, at_ms - seen.began_ms) / 1000
    return found


def _texts(case: Case, ground: Ground) -> dict[str, str]:
    title = Words(*types(case))
    if case.drill:
        title = Words(DRILL_MARKS.zh + title.zh, f"{DRILL_MARKS.en} {title.en}")
    cause = Words(*CAUSES[case.cause]) if case.cause is not None else NOBODY
    return {
        "id": case.id,
        "number": case.number,
        "stage": case.stage.value,
        "place": case.place or "",
        "role": place_roles(ground.directory).get(case.place or "", ""),
        **in_both("stage", words(STAGES, case.stage.value)),
        **in_both("title", title),
        **in_both("place", ground.path(case.place)),
        **in_both("owner", ground.who(case.owner) if case.owner else NOBODY),
        **in_both("step", _step(case, ground) if case.open else NOBODY),
        **in_both("severity", words(SEVERITIES, case.severity.value)),
        **in_both("cause", cause),
    }


def _step(case: Case, ground: Ground) -> Words:
    """Which step of the ladder people were told by last."""
    if case.rung == 0:
        return NOBODY
    rung = case.ladder.rungs[min(case.rung, len(case.ladder.rungs)) - 1]
    told = rung_words(rung, ground)
    if case.loop:
        return Words(f"第 {case.loop} 次再提醒", f"told again, {case.loop}")
    return Words(f"{case.rung} {told.zh}", f"{case.rung} {told.en}")


def rung_words(rung: Rung, ground: Ground) -> Words:
    """Whom a step tells, by their roles and never by name, or the line it calls."""
    says = [_recipient(one, ground) for one in rung.notify]
    if rung.call:
        says.append(Words(f"呼叫 {rung.call}", f"call {rung.call}"))
    if not says:
        says.append(Words("设备", "devices"))
    says = list(dict.fromkeys(says))
    return Words("、".join(one.zh for one in says), ", ".join(one.en for one in says))


def _recipient(recipient: Recipient, ground: Ground) -> Words:
    if recipient.family:
        return Words("家属", "family")
    if recipient.neighbours:
        return Words("邻居", "neighbours")
    if recipient.doctor:
        return Words("家庭医生", "doctor")
    if recipient.organisation:
        return ground.organisation(recipient.organisation)
    if recipient.person:
        return ground.who(f"person:{recipient.person}")
    return ground.role(recipient.role or "")


class AlarmSeen(NamedTuple):
    """An alarm as its row has it, with what is known of its case."""

    id: int
    rule: str
    type: str
    severity: str
    raised_at_ms: int
    cleared_at_ms: int | None
    repeats: int
    device: str | None
    place: str | None
    number: str
    """Of its case."""
    drill: bool
    life: bool

    @property
    def version(self) -> int:
        """Grows with everything that changes."""
        return 2 * self.repeats + (self.cleared_at_ms is not None)


def alarm_point(alarm: AlarmSeen, ground: Ground) -> Point:
    """The alarm as its row says."""
    stamps = ground.stamps(alarm.place)
    device = ground.directory.device(alarm.device) if alarm.device else None
    known = ALARM_TYPES.get(alarm.type)
    title = Words(known.zh, known.en) if known is not None else Words(alarm.type, alarm.type)
    fields: dict[str, float | str] = {
        "active": float(alarm.cleared_at_ms is None),
        "severity": level(alarm.severity),
        "life": float(alarm.life),
        "repeats": float(alarm.repeats),
        "case": alarm.number,
        "device": alarm.device or "",
        "place": alarm.place or "",
        **in_both("name", ground.device_name(alarm.device)),
        **in_both("place", ground.path(alarm.place)),
        **in_both("title", title),
        **in_both("severity", words(SEVERITIES, alarm.severity)),
    }
    if alarm.cleared_at_ms is not None:
        fields["cleared_s"] = max(0, alarm.cleared_at_ms - alarm.raised_at_ms) / 1000
    return Point(
        measurement=ALARM_POINT,
        tags={
            "community": stamps.community,
            "grid": stamps.grid,
            "building": stamps.building,
            "type": alarm.type,
            "rule": alarm.rule,
            "kind": "" if device is None else device.kind,
            "drill": flag(alarm.drill),
        },
        fields=fields,
        at_ns=numbered_ns(alarm.raised_at_ms, alarm.id),
    )


def in_both(name: str, said: Words) -> dict[str, str]:
    """A text in both languages, as two fields."""
    return {f"{name}_zh": said.zh, f"{name}_en": said.en}


def flag(value: bool) -> str:
    """Yes or no as a tag."""
    return "1" if value else "0"
