"""No wolf: simulated weeks of residents with all the clinical rules at work. What is told is little, and right."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import groupby

import pytest

from firmware_sim.signals.physiology import Body
from gateway.alarms import AlarmChange, AlarmMove, Severity
from gateway.rules.examples import Fact
from gateway.rules.forms import KnownDevice, Limit
from gateway.rules.library import library_rules
from tests.support.watch_room import WatchRoom

ZONE = "Asia/Shanghai"
CLINICAL = [one for one in library_rules().values() if set(one.kinds) == {"vitals_monitor"}]
MIDNIGHT = 1_789_920_000_000
"""2026-09-21 00:00 in Shanghai, a Monday."""
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
DAYS = 7
STREAM = ("pulse", "spo2", "respiration", "temperature", "perfusion")
SITS_DOWN = (7 * 60 + 20, 20 * 60 + 40)
"""Minutes of the day at which blood pressure, glucose and weight are measured."""

Said = Mapping[str, float]
Trouble = Callable[[random.Random, int, dict[str, float]], "Said | None"]
"""What becomes of a reading of the stream at a minute of the week; None: nothing is said."""


def hours(minute: int) -> float:
    return minute / 60 % 24


def nothing(_dice: random.Random, _minute: int, said: dict[str, float]) -> Said:
    return said


def off_at_night(dice: random.Random, minute: int, said: dict[str, float]) -> Said:
    """The clip slips off in bed, and reads low before; the monitor shows zeros, or some pulse, till morning."""
    if hours(minute) >= 23 or hours(minute) < 6:
        return {**said, "spo2": 0.0, "pulse": dice.choice((0.0, 31.0, 150.0)), "respiration": 0.0}
    if minute % 1440 == 23 * 60 - 1:
        return {**said, "spo2": float(dice.randint(60, 88))}
    return said


def unplugged(_dice: random.Random, minute: int, said: dict[str, float]) -> Said:
    """All zeros from Tuesday to Thursday."""
    return {**said, "spo2": 0.0, "pulse": 0.0, "respiration": 0.0} if DAY <= minute * MINUTE < 4 * DAY else said


def fidgets(dice: random.Random, _minute: int, said: dict[str, float]) -> Said:
    """Every hour a bad reading or two, half of them with a signal that says so."""
    if dice.random() < 1 / 50:
        wild = {"spo2": float(dice.randint(55, 88)), "pulse": float(dice.choice((33, 38, 150, 190)))}
        return (
            said
            | wild
            | {"respiration": float(dice.choice((5, 28, 40)))}
            | ({"signal_quality": 10.0} if dice.random() < 0.5 else {})
        )
    return said


def silent_at_times(dice: random.Random, minute: int, said: dict[str, float]) -> Said | None:
    """The radio is gone for a part of every day; and a bad reading just before."""
    if minute % 1440 == 599:
        return said | {"spo2": 84.0, "pulse": 142.0}
    return None if 600 <= minute % 1440 < 604 or dice.random() < 0.02 else said


@dataclass(frozen=True)
class Patient:
    trouble: Trouble = nothing
    body: Mapping[str, float] = field(default_factory=dict)
    """What this person's body does all week, in place of an ordinary one."""
    facts: Mapping[str, Fact] = field(default_factory=dict)
    limits: tuple[Limit, ...] = ()
    allowed: Mapping[str, int] = field(default_factory=dict)
    """What is right to tell of them in a week, at most so often."""
    episodes: tuple[Episode, ...] = ()


@dataclass(frozen=True)
class Episode:
    """Something that is truly wrong, and must be found."""

    at_ms: int
    lasts_ms: int
    body: Mapping[str, float]
    found_by: str
    within_ms: int
    over_s: float = 300.0
    beside: tuple[str, ...] = ()
    """What else is right to tell of it."""


LOW_LIMITS = (Limit("spo2_low", 84), Limit("spo2_critical", 80))
PATIENTS: Mapping[str, Patient] = {
    "well": Patient(),
    "off at night": Patient(off_at_night, allowed={"probe-off": 3}),
    "unplugged": Patient(unplugged, allowed={"probe-off": 1}),
    "fidgety": Patient(fidgets),
    "badly connected": Patient(silent_at_times),
    "COPD with an order": Patient(
        body={"spo2": 88.0}, facts={"resident.spo2_scale": 2.0, "resident.heart_failure": True}, limits=LOW_LIMITS
    ),
    "lungs": Patient(
        fidgets,
        episodes=(
            Episode(2 * DAY + 3 * HOUR, HOUR, {"spo2": 80.0}, "spo2-critical", 8 * MINUTE, beside=("spo2-low",)),
            Episode(5 * DAY + 14 * HOUR, HOUR, {"spo2": 87.4}, "spo2-low", 8 * MINUTE),
        ),
    ),
    "heart": Patient(
        off_at_night,
        allowed={"probe-off": 3},
        episodes=(
            Episode(
                DAY + 15 * HOUR, HOUR // 2, {"pulse": 35.0}, "pulse-critical-low", 8 * MINUTE, beside=("pulse-low",)
            ),
            Episode(
                4 * DAY + 9 * HOUR,
                HOUR // 2,
                {"pulse": 148.0},
                "pulse-critical-high",
                8 * MINUTE,
                beside=("pulse-high",),
            ),
            Episode(6 * DAY + 16 * HOUR, HOUR, {"pulse": 121.0}, "pulse-high", 25 * MINUTE),
        ),
    ),
    "sugar, and cold one day": Patient(
        episodes=(
            Episode(DAY, 6 * HOUR, {"temperature": 34.4}, "temperature-low", 3 * HOUR, over_s=3600.0),
            Episode(2 * DAY + 7 * HOUR, 4 * HOUR, {"glucose": 2.6}, "glucose-low", HOUR, beside=("glucose-low-mild",)),
            Episode(4 * DAY + 20 * HOUR, 4 * HOUR, {"glucose": 3.5}, "glucose-low-mild", 2 * HOUR),
            Episode(6 * DAY + 7 * HOUR, 4 * HOUR, {"glucose": 19.0}, "glucose-high", 2 * HOUR),
        )
    ),
    "pressure, and a fever one day": Patient(
        episodes=(
            Episode(
                DAY + 20 * HOUR,
                2 * HOUR,
                {"systolic": 205.0, "diastolic": 112.0},
                "bp-not-repeated",
                HOUR,
                beside=("bp-high",),
            ),
            Episode(
                3 * DAY + HOUR,
                18 * HOUR,
                {"temperature": 39.7, "respiration": 27.0},
                "temperature-high",
                3 * HOUR,
                over_s=7200.0,
                beside=("respiration-abnormal",),
            ),
            Episode(5 * DAY + 7 * HOUR, 2 * HOUR, {"systolic": 82.0, "diastolic": 48.0}, "bp-low", HOUR),
        )
    ),
}
HYPERTENSIVE = "bp-high"
Told = list[tuple[int, AlarmMove, str, Severity]]


def heard_by_people(changes: Sequence[AlarmChange]) -> Iterator[tuple[int, AlarmChange]]:
    """What is left when consequences are held back (`inhibited_by`), as the decider does; and when it is told."""
    rules = {one.id: one for one in CLINICAL}
    standing: dict[str, str] = {}
    held: dict[str, AlarmChange] = {}

    def held_back(change: AlarmChange) -> bool:
        inhibition = rules[change.rule].inhibited_by
        others = {type_ for rule, type_ in standing.items() if rule != change.rule}
        return inhibition is not None and bool(others & set(inhibition.types))

    for at_ms, together in groupby(changes, key=lambda change: change.at_ms):
        for change in together:
            if change.move is AlarmMove.RAISED and held_back(change):
                held[change.rule] = change
            elif change.move is AlarmMove.CLEARED and held.pop(change.rule, None) is not None:
                continue
            else:
                if change.move is AlarmMove.RAISED:
                    standing[change.rule] = change.type
                elif change.move is AlarmMove.CLEARED:
                    del standing[change.rule]
                yield change.observed_at_ms, change
        for change in [one for one in held.values() if not held_back(one)]:
            del held[change.rule]
            standing[change.rule] = change.type
            yield at_ms, change


@cache
def week(name: str) -> tuple[Told, tuple[float, float]]:
    """Everything that was told of one patient, by minute of the week; and the mean of all blood pressures measured."""
    patient = PATIENTS[name]
    dice = random.Random(f"week/{name}")
    body = Body(f"week/{name}", random.Random(f"noise/{name}"), ZONE)
    device = KnownDevice("monitor", "vitals_monitor", "door", "her", 900, facts=patient.facts, limits=patient.limits)
    room = WatchRoom(*CLINICAL, devices=[device])
    room.now_ms = MIDNIGHT - MINUTE
    room.engine.watch(room.devices, room.now_ms)
    if patient.body:
        body.set(dict(patient.body), MIDNIGHT - HOUR, 0.0)
    pressures: list[tuple[float, float]] = []
    for minute in range(DAYS * 1440):
        now_ms = MIDNIGHT + minute * MINUTE
        room.until(now_ms)
        for episode in patient.episodes:
            if now_ms - MIDNIGHT == episode.at_ms:
                body.set(dict(episode.body), now_ms, episode.over_s)
            if now_ms - MIDNIGHT == episode.at_ms + episode.lasts_ms:
                body.recover()
        said = {key: body.read(key, now_ms) for key in STREAM} | {"probe_off": 0.0}
        if (streamed := patient.trouble(dice, minute, said)) is not None:
            room.says("monitor", **streamed)  # type: ignore[arg-type]
        if minute % 1440 in SITS_DOWN:
            spot = {key: body.read(key, now_ms) for key in ("systolic", "diastolic", "glucose", "weight")}
            pressures.append((spot["systolic"], spot["diastolic"]))
            room.says("monitor", "measurement", **spot)  # type: ignore[arg-type]
    told = [(at_ms - MIDNIGHT, one.move, one.rule, one.severity) for at_ms, one in heard_by_people(room.changes)]
    return told, (
        sum(high for high, _ in pressures) / len(pressures),
        sum(low for _, low in pressures) / len(pressures),
    )


def raised(name: str) -> list[tuple[int, str, Severity]]:
    return [(at, rule, severity) for at, move, rule, severity in week(name)[0] if move is AlarmMove.RAISED]


@pytest.mark.parametrize("name", PATIENTS)
def test_nothing_is_told_that_is_not_so(name: str) -> None:
    patient = PATIENTS[name]
    counted: Counter[str] = Counter()
    for at_ms, rule, _ in raised(name):
        if any(
            rule in (one.found_by, *one.beside) and one.at_ms <= at_ms <= one.at_ms + one.lasts_ms + HOUR
            for one in patient.episodes
        ):
            continue
        if rule == HYPERTENSIVE:
            systolic, diastolic = week(name)[1]
            assert systolic > 132 or diastolic > 82, "truly high on average"
        counted[rule] += 1
    allowed = {HYPERTENSIVE: 1, **patient.allowed}
    assert {rule: count for rule, count in counted.items() if count > allowed.get(rule, 0)} == {}


@pytest.mark.parametrize("name", [name for name, patient in PATIENTS.items() if patient.episodes])
def test_what_is_truly_wrong_is_found_and_told_once(name: str) -> None:
    for episode in PATIENTS[name].episodes:
        found = [
            at
            for at, rule, _ in raised(name)
            if rule == episode.found_by and episode.at_ms <= at <= episode.at_ms + episode.lasts_ms
        ]
        assert len(found) == 1, f"{episode.found_by}: {found}"
        assert found[0] <= episode.at_ms + episode.within_ms, episode.found_by


def test_people_who_are_well_are_left_alone() -> None:
    """Of weeks without an episode: nothing by day or night that anybody is woken for."""
    quiet = [name for name, patient in PATIENTS.items() if not patient.episodes]
    urgent = [(name, one) for name in quiet for one in raised(name) if one[2] in (Severity.EMERGENCY, Severity.URGENT)]
    assert urgent == []
    others = Counter(rule for name in quiet for _, rule, _ in raised(name))
    assert sum(others.values()) / len(quiet) <= 2.0, others


def test_what_was_told_ends_when_it_is_over() -> None:
    for name in PATIENTS:
        standing = {rule: 0 for _, _, rule, _ in week(name)[0]}
        for _, move, rule, _ in week(name)[0]:
            standing[rule] += {AlarmMove.RAISED: 1, AlarmMove.CLEARED: -1}.get(move, 0)
        assert {rule for rule, many in standing.items() if many} <= {HYPERTENSIVE, "probe-off"}, name
