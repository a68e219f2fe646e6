"""Conditions over random histories: restarts change nothing, nothing fails, nothing grows, and delays are made good."""

from __future__ import annotations

import math
import random
from collections import Counter
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from devices.observation import Lane, Observation
from gateway.alarms import AlarmChange, AlarmMove
from gateway.rules.document import RuleDocument
from gateway.rules.engine import Engine, Key
from gateway.rules.forms import KnownDevice, Limit
from gateway.rules.situations import SETTLE_MS

ZONE = ZoneInfo("Asia/Shanghai")
START = 1_767_571_200_000  # 2026-01-05 08:00 in Shanghai
_adapter: TypeAdapter[RuleDocument] = TypeAdapter(RuleDocument)

_FACTS = {"resident.alone": True, "place.armed": True}
DEVICES = {
    one.id: one
    for one in (
        KnownDevice("m1", "motion", "home", "r", facts=_FACTS),
        KnownDevice("m2", "motion", "home", "r", facts=_FACTS),
        KnownDevice("door", "contact", "home", "r", facts={**_FACTS, "device.role": "front_door"}),
        KnownDevice("window", "contact", "home", "r", facts=_FACTS),
        KnownDevice("gas", "gas", "home", "r", facts=_FACTS),
        KnownDevice("valve", "valve", "home", None, facts={"place.armed": True}),
        KnownDevice("vitals", "vitals_monitor", "home", "r", facts=_FACTS, limits=(Limit("pulse_high", 110.0),)),
        KnownDevice("t1", "traffic_counter", "road", None),
        KnownDevice("t2", "traffic_counter", "road", None, facts={"device.upstream": "t1"}),
    )
}
SAYS: dict[str, tuple[tuple[str | None, dict[str, float]], ...]] = {
    "m1": (("motion", {}), ("motion_cleared", {}), (None, {"temperature": 21.0})),
    "m2": (("motion", {}), (None, {"occupied": 1.0}), (None, {"occupied": 0.0})),
    "door": (("opened", {}), ("closed", {}), (None, {"open": 1.0})),
    "window": (("opened", {}), ("closed", {}), ("tamper", {})),
    "gas": (("gas", {}), ("gas_cleared", {}), (None, {"gas": 12.0})),
    "valve": (("opened", {}), ("closed", {}), (None, {"open": 0.0})),
    "vitals": tuple(
        (None, {"pulse": pulse, "spo2": spo2, "systolic": pressure})
        for pulse, spo2, pressure in ((70.0, 97.0, 120.0), (120.0, 88.0, 190.0), (40.0, 80.0, 210.0), (0.0, 0.0, 130.0))
    ),
    "t1": ((None, {"flow": 900.0, "occupancy": 60.0, "speed": 8.0}), (None, {"flow": 400.0, "occupancy": 8.0})),
    "t2": ((None, {"flow": 200.0, "occupancy": 5.0, "speed": 45.0}), (None, {"flow": 200.0, "occupancy": 50.0})),
}
SIGN = {"kinds": ["motion"], "events": ["motion"], "reading": "occupied == 1", "hours": "06:00-22:00"}
DOOR = {"kinds": ["contact"], "events": ["opened", "closed"], "where": 'device.role == "front_door"'}


def rule(id_: str, when: str, inputs: dict[str, object], **more: object) -> RuleDocument:
    raises = {"type": "device_fault", "severity": "urgent", "ladder": "l"}
    base = {"id": id_, "version": 1, "zh": "测", "en": "test", "form": "condition", "subject": "place"}
    return _adapter.validate_python({**base, "inputs": inputs, "when": when, "raises": raises, **more})


PULSE = {"pulse": {"kinds": ["vitals_monitor"], "metric": "pulse", "where": "spo2 > 0"}}
RULES = [
    rule(
        "quiet",
        "quiet(sign, 3 * hours) and after(sign, door)",
        {"sign": SIGN, "door": DOOR},
        clear="seen(sign, 1 * hours)",
    ),
    rule("gone", "without(door, sign, 20 * minutes)", {"sign": SIGN, "door": DOOR}, lateness_s=60),
    rule("follow", "followed(door, sign, 5 * minutes)", {"sign": SIGN, "door": DOOR}, momentary=True),
    rule("many", "count(door, 30 * minutes) >= 3", {"door": DOOR}, rest_s=600),
    rule("rhythm", "quiet(sign, max(1800, longest(sign, 7 * days))) and longest(sign, 7 * days) > 60", {"sign": SIGN}),
    rule("open", "any == 1", {"any": {"kinds": ["contact"], "state": "open"}}, for_s=300, hours="20:00-09:00"),
    rule(
        "work", "any == 1 and workday and hour >= 9", {"any": {"kinds": ["contact"], "state": "open"}}, days="workdays"
    ),
    rule("mean", "mean(pulse, 10 * minutes) > limit(pulse_high, 100)", PULSE, subject="resident"),
    rule("change", "change(pulse, 1 * hours) < -50 or rate(pulse, 1 * hours) > 200", PULSE, subject="resident"),
    rule(
        "extent", "highest(pulse, 1 * hours) - lowest(pulse, 1 * hours) > 60 and distinct(pulse, 1 * hours) >= 3", PULSE
    ),
    rule(
        "shut",
        "there(shut) and without(gas, shut, 30 * seconds) and not (has(open) and open == 0)",
        {
            "gas": {"kinds": ["gas"], "events": ["gas"]},
            "shut": {"kinds": ["valve"], "events": ["closed"]},
            "open": {"kinds": ["valve"], "state": "open", "max_age_s": 3600},
        },
    ),
    rule(
        "points",
        "score >= 5 or (score_missing > 0 and score_highest == 3)",
        {
            "pulse": {"kinds": ["vitals_monitor"], "metric": "pulse", "max_age_s": 1800},
            "spo2": {"kinds": ["vitals_monitor"], "metric": "spo2", "max_age_s": 900},
        },
        score=[
            {"of": "pulse", "bands": [{"upto": 40, "points": 3}, {"upto": 90, "points": 0}, {"points": 2}]},
            {"of": "spo2", "when": "resident.alone", "bands": [{"upto": 85, "points": 3}, {"points": 0}]},
            {"of": "spo2", "bands": [{"upto": 91, "points": 3}, {"points": 0}]},
        ],
        subject="resident",
    ),
    rule(
        "between",
        "up - down > 20 and up > 0 and (up - down) / up > 0.5",
        {
            "up": {"kinds": ["traffic_counter"], "metric": "occupancy", "link": "upstream"},
            "down": {"kinds": ["traffic_counter"], "metric": "occupancy"},
        },
        subject="device",
    ),
]


@dataclass(frozen=True)
class Said:
    device: str
    what: int
    after_ms: int
    ago_ms: int = 0


@dataclass(frozen=True)
class Passed:
    after_ms: int


_pause = st.sampled_from((0, 1, 1_000, 31_000, 60_000, 400_000, 3_700_000, 12_000_000))
_said = st.builds(
    Said,
    device=st.sampled_from(sorted(SAYS)),
    what=st.integers(0, 3),
    after_ms=_pause,
    ago_ms=st.sampled_from((0, 0, 0, 0, 500, 40_000, 2_000_000, -5_000)),
)
_steps = st.lists(_said | st.builds(Passed, after_ms=_pause), max_size=60)


def observation(said: Said, seq: int, now_ms: int) -> Observation:
    says = SAYS[said.device]
    event, metrics = says[said.what % len(says)]
    return Observation(
        message_id=f"{said.device}:1:{seq}",
        device=said.device,
        kind=DEVICES[said.device].kind,
        lane=Lane.URGENT if event else Lane.ROUTINE,
        observed_at_ms=now_ms - said.ago_ms,
        received_at_ms=now_ms,
        metrics=metrics,
        event=event,
    )


def new_engine(states: dict[Key, str]) -> Engine:
    return Engine(RULES, DEVICES.get, states, ZONE)


def run(steps: list[Said | Passed], restart_at: frozenset[int]) -> tuple[list[AlarmChange], dict[Key, str], Engine]:
    """All changes and what is remembered at the end; before these steps the engine is made anew from what was saved."""
    engine, saved, now_ms = new_engine({}), {}, START
    engine.watch(DEVICES, now_ms)
    changes: list[AlarmChange] = []
    for number, step in enumerate(steps):
        if number in restart_at:
            saved |= engine.dirty()
            again = new_engine({key: body for key, body in saved.items() if body != "{}"})
            again.skipped = engine.skipped
            engine = again
            engine.watch(DEVICES, now_ms)
        then_ms = now_ms + step.after_ms
        while (due := engine.next_deadline_ms()) is not None and due <= then_ms:
            changes += engine.tick(max(due, now_ms))
        now_ms = then_ms
        if isinstance(step, Said):
            changes += engine.observe(observation(step, number, now_ms), now_ms)
    saved |= engine.dirty()
    return changes, {key: body for key, body in saved.items() if body != "{}"}, engine


@given(_steps, st.frozensets(st.integers(0, 59), max_size=4))
@settings(max_examples=250, deadline=None)
def test_a_restart_anywhere_changes_nothing(steps: list[Said | Passed], restart_at: frozenset[int]) -> None:
    straight, remembered, engine = run(steps, frozenset())
    again, remembered_again, _ = run(steps, restart_at)
    assert again == straight
    assert remembered_again == remembered
    assert not [key for key in engine.skipped if key[1] == "failed"]
    for change in straight:
        assert change.explanation and all(math.isfinite(v) for e in change.evidence for v in e.metrics.values())


@given(_steps)
@settings(max_examples=150, deadline=None)
def test_moves_alternate_and_nothing_is_decided_in_the_future(steps: list[Said | Passed]) -> None:
    changes, _, _ = run(steps, frozenset())
    raised: set[tuple[str, str]] = set()
    for change in changes:
        key = change.rule, change.subject
        assert change.observed_at_ms <= change.at_ms
        if change.move is AlarmMove.RAISED:
            assert key not in raised
            raised.add(key)
        else:
            assert key in raised
            if change.move is AlarmMove.CLEARED:
                raised.discard(key)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 600_000)), min_size=200, max_size=400))
@settings(max_examples=20, deadline=None)
def test_whatever_comes_in_what_is_remembered_stays_small(spoken: list[tuple[int, int]]) -> None:
    steps: list[Said | Passed] = [Said("vitals", what, after) for what, after in spoken]
    _, remembered, _ = run(steps, frozenset())
    assert remembered
    assert max(len(body) for body in remembered.values()) < 10_000


@given(
    st.lists(
        st.tuples(st.sampled_from(("door", "gas", "valve")), st.integers(0, 2), st.integers(1_000, 4_000_000)),
        max_size=25,
    ),
    st.sampled_from((5_000, 600_000, 20_000_000)),
)
@settings(max_examples=150, deadline=None)
def test_a_backlog_is_decided_as_if_it_had_come_in_time(spoken: list[tuple[str, int, int]], delay_ms: int) -> None:
    """And says when it happened. Not so what is about waiting: while nobody listened, nobody was quiet."""
    waiting = ("quiet", "gone", "shut", "rhythm")
    end_ms = START + sum(after_ms for *_, after_ms in spoken)

    def told(late: bool) -> list[tuple[int, str, str, str]]:
        engine, now_ms = new_engine({}), START
        engine.watch(DEVICES, now_ms)
        changes: list[AlarmChange] = []
        for seq, (device, what, after_ms) in enumerate(spoken):
            now_ms += after_ms
            decided_ms = end_ms + delay_ms if late else now_ms
            while (due := engine.next_deadline_ms()) is not None and due <= now_ms and not late:
                changes += engine.tick(due)
            one = observation(Said(device, what, 0), seq, now_ms)
            changes += engine.observe(msgspec.structs.replace(one, received_at_ms=decided_ms), decided_ms)
        until_ms = end_ms + delay_ms + SETTLE_MS if late else end_ms
        while (due := engine.next_deadline_ms()) is not None and due <= until_ms:
            changes += engine.tick(until_ms if late else due)
        meant = [change for change in changes if change.rule not in waiting and change.observed_at_ms <= end_ms]
        return sorted((c.observed_at_ms, c.rule, c.subject, c.move) for c in meant)

    assert told(late=True) == told(late=False)


def test_the_histories_move_every_rule() -> None:
    """What is proven above is proven of rules that do raise."""
    draw = random.Random(5)
    pauses = (0, 1, 1_000, 31_000, 60_000, 400_000, 3_700_000, 12_000_000)
    moved: Counter[str] = Counter()
    for _ in range(60):
        steps: list[Said | Passed] = [
            Said(draw.choice(sorted(SAYS)), draw.randrange(4), draw.choice(pauses), draw.choice((0, 0, 500, 40_000)))
            for _ in range(60)
        ]
        moved.update(change.rule for change in run(steps, frozenset())[0])
    assert set(moved) == {one.id for one in RULES}
