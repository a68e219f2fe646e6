"""A state that changed is an event, a state said again is not; a press counts live and once; a refusal was unheard."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from devices.gear.memory import REDELIVERED_MS, SAME_PRESS_MS, Memory, Observed, observe
from devices.gear.messages import CommandAnswer, GearDevice, Said
from devices.observation import Lane, Observation

NOON = 1_790_000_000_000
SMOKE = GearDevice(id="smoke-1", kind="smoke", address="0x1")
KEY = GearDevice(id="sos-1", kind="sos_button", address="0x2")
DOOR = GearDevice(id="door-1", kind="contact", address="0x3")
MOTION = GearDevice(id="pir-1", kind="motion", address="0x4")
VALVE = GearDevice(id="valve-1", kind="valve", address="0x5")


def hear(
    memory: Memory,
    device: GearDevice,
    metrics: Mapping[str, float] | None = None,
    *,
    at_ms: int = NOON,
    retained: bool = False,
    redelivered: bool = False,
    **said: Any,
) -> Observed:
    return observe(
        Said(device=device, metrics=metrics or {}, **said),
        memory,
        received_at_ms=at_ms,
        retained=retained,
        redelivered=redelivered,
    )


def events(observed: Observed) -> list[str | None]:
    return [observation.event for observation in observed.observations]


def test_smoke_is_one_event_however_often_it_is_said() -> None:
    memory = Memory()
    first = hear(memory, SMOKE, {"alarm": 1, "battery": 90})
    (told,) = first.observations
    assert (told.event, told.lane, told.metrics) == ("smoke", Lane.URGENT, {"alarm": 1, "battery": 90})
    again = hear(memory, SMOKE, {"alarm": 1, "battery": 89}, at_ms=NOON + 60_000)
    (measured,) = again.observations
    assert (measured.event, measured.lane, measured.metrics) == (None, Lane.ROUTINE, {"alarm": 1, "battery": 89})
    assert events(hear(memory, SMOKE, {"alarm": 0}, at_ms=NOON + 90_000)) == ["smoke_cleared"]
    assert events(hear(memory, SMOKE, {"alarm": 1}, at_ms=NOON + 99_000)) == ["smoke"]


def test_a_kept_alarm_never_heard_before_is_a_measurement() -> None:
    memory = Memory()
    (kept,) = hear(memory, SMOKE, {"alarm": 1}, retained=True).observations
    assert (kept.event, kept.lane, kept.data) == (None, Lane.ROUTINE, {"retained": True})
    assert events(hear(memory, SMOKE, {"alarm": 1}, at_ms=NOON + 1, retained=True)) == [None], "at a reconnect"
    after_a_restart = Memory()
    after_a_restart.restore(kept)
    for remembering in (memory, after_a_restart):
        assert events(hear(remembering, SMOKE, {"alarm": 1}, at_ms=NOON + 9_000)) == ["smoke"], "it burns now"


def test_what_a_bridge_had_kept_itself_is_as_good_as_kept_by_the_broker() -> None:
    memory = Memory()
    (kept,) = hear(memory, SMOKE, {"alarm": 1}, kept=True).observations
    assert (kept.event, kept.data) == (None, {"retained": True})
    assert events(hear(memory, SMOKE, {"alarm": 0}, kept=True)) == [None], "nobody was told that it began"
    assert events(hear(memory, SMOKE, {"alarm": 1}, kept=True)) == ["smoke"], "it changed, whoever kept it"
    never = Memory()
    hear(never, SMOKE, {"alarm": 1}, kept=True)
    assert events(hear(never, SMOKE, {"alarm": 0})) == ["smoke_cleared"], "in doubt the end is said"


def test_a_kept_state_that_differs_from_what_is_known_is_news() -> None:
    """It changed while the gateway's session was lost."""
    memory = Memory()
    memory.recall({"open": 0}, online=True)
    (told,) = hear(memory, DOOR, {"open": 1}, retained=True).observations
    assert (told.event, told.data) == ("opened", {"retained": True})


def test_what_was_known_before_a_restart_is_no_news_after_it() -> None:
    before = Memory()
    memory = Memory()
    for observation in hear(before, SMOKE, {"alarm": 1, "tampered": 0}).observations:
        memory.restore(observation)
    assert events(hear(memory, SMOKE, {"alarm": 1, "tampered": 0}, at_ms=NOON + 5_000)) == [None]
    assert events(hear(memory, SMOKE, {"alarm": 0}, at_ms=NOON + 6_000)) == ["smoke_cleared"]


def test_one_press_said_three_times_is_one() -> None:
    memory = Memory()
    assert events(hear(memory, KEY, events=("press",))) == ["press"]
    same = hear(memory, KEY, events=("press",), at_ms=NOON + SAME_PRESS_MS - 1)
    assert (events(same), same.notes) == ([], ["same_press"])
    assert events(hear(memory, KEY, events=("press",), at_ms=NOON + SAME_PRESS_MS)) == ["press"], "a second press"


def test_a_press_that_the_broker_kept_is_none() -> None:
    observed = hear(Memory(), KEY, {"battery": 80}, events=("press",), retained=True)
    assert (events(observed), observed.notes) == ([None], ["retained_moment"])


def test_a_press_sent_again_by_the_broker_after_a_restart_is_known() -> None:
    before, memory = Memory(), Memory()
    (press,) = hear(before, KEY, events=("press",)).observations
    memory.restore(press)
    assert events(hear(memory, KEY, events=("press",), at_ms=NOON + 60_000, redelivered=True)) == []
    late = NOON + REDELIVERED_MS
    assert events(hear(memory, KEY, events=("press",), at_ms=late, redelivered=True)) == ["press"]


def test_what_was_refused_is_said_again() -> None:
    memory = Memory()
    (smoke,) = hear(memory, SMOKE, {"alarm": 1, "tampered": 0}).observations
    (press,) = hear(memory, KEY, events=("press",)).observations
    memory.doubt(smoke)
    memory.doubt(press)
    again = hear(memory, SMOKE, {"alarm": 1, "tampered": 0}, at_ms=NOON + 100)
    assert events(again) == ["smoke"], "and nothing else"
    assert events(hear(memory, KEY, events=("press",), at_ms=NOON + 100)) == ["press"]
    memory.doubt(smoke)
    assert events(hear(memory, SMOKE, {"alarm": 0}, at_ms=NOON + 200)) == ["smoke_cleared"], "an end, too"


def test_a_measurement_that_was_refused_makes_no_news() -> None:
    """With little room on the disk only events are written: what stands must not fill it as events."""
    memory = Memory()
    hear(memory, SMOKE, {"alarm": 1, "tampered": 0})
    hear(memory, SMOKE, presence=True)
    for minute in range(1, 9):
        (measured,) = hear(memory, SMOKE, {"alarm": 1, "tampered": 0}, at_ms=NOON + minute * 60_000).observations
        assert measured.event is None
        memory.doubt(measured)
    (gone,) = hear(memory, SMOKE, presence=False).observations
    memory.doubt(gone)
    assert events(hear(memory, SMOKE, presence=False)) == ["offline"]


def test_a_name_of_its_own_is_the_messages_identity() -> None:
    first = hear(Memory(), KEY, events=("press",), identity="4711").observations
    again = hear(Memory(), KEY, events=("press",), identity="4711", at_ms=NOON + 60_000).observations
    assert [one.message_id for one in first] == [one.message_id for one in again] == ["sos-1:4711"]


def test_the_same_press_has_the_same_id_whether_or_not_presence_is_news_beside_it() -> None:
    memory = Memory()
    first = hear(memory, KEY, events=("press",), identity="x", presence=True).observations
    again = hear(memory, KEY, events=("press",), identity="x", presence=True, at_ms=NOON + 10).observations
    assert [one.message_id for one in first] == ["sos-1:x+online", "sos-1:x"]
    assert [one.message_id for one in again] == ["sos-1:x"]


def test_each_event_of_a_message_has_an_id_of_its_own() -> None:
    observations = hear(Memory(), SMOKE, {"alarm": 1, "tampered": 1, "battery": 50}, identity="x").observations
    assert [(one.event, one.message_id) for one in observations] == [
        ("smoke", "smoke-1:x"),
        ("tamper", "smoke-1:x+1"),
    ]
    assert observations[0].metrics == {"alarm": 1, "battery": 50}


def test_a_state_is_not_known_before_its_event_is_on_disk() -> None:
    """Two events of one message are two rows, in one file or two; the power goes between them."""
    for device, metrics in ((MOTION, {"occupied": 1, "tampered": 1}), (SMOKE, {"alarm": 1, "tampered": 1})):
        before, memory = Memory(), Memory()
        written, lost = hear(before, device, metrics).observations
        memory.restore(written)
        again = hear(memory, device, metrics, at_ms=NOON + 9_000, redelivered=True)
        assert events(again)[0] == lost.event == "tamper"


def test_movement_is_routine_and_a_key_is_not() -> None:
    assert [one.lane for one in hear(Memory(), MOTION, {"occupied": 1}).observations] == [Lane.ROUTINE]
    assert [one.lane for one in hear(Memory(), KEY, events=("press",)).observations] == [Lane.URGENT]


def test_presence_is_said_when_it_changes() -> None:
    memory = Memory()
    assert events(hear(memory, SMOKE, presence=True, retained=True)) == ["online"]
    assert events(hear(memory, SMOKE, presence=True)) == []
    (gone,) = hear(memory, SMOKE, presence=False).observations
    assert (gone.event, gone.lane) == ("offline", Lane.ROUTINE)


def test_a_report_that_shows_what_was_asked_for_is_the_answer() -> None:
    memory = Memory()
    memory.recall({"open": 1}, online=True)
    memory.expect("c1", {"open": 0}, NOON)
    assert "command_result" not in events(hear(memory, VALVE, {"open": 1}))
    assert events(hear(memory, VALVE, {"open": 0}, retained=True)) == ["closed"], "kept from before the command"
    answered = hear(memory, VALVE, {"open": 0}, at_ms=NOON + 900)
    (result,) = [one for one in answered.observations if one.event == "command_result"]
    assert (result.data, result.lane) == ({"id": "c1", "ok": True}, Lane.URGENT)
    assert "command_result" not in events(hear(memory, VALVE, {"open": 0}, at_ms=NOON + 1000)), "answered once"


def test_an_answer_by_id_says_no_with_the_reason() -> None:
    memory = Memory()
    memory.expect("c1", {}, NOON)
    (result,) = hear(memory, VALVE, answers=(CommandAnswer(id="c1", ok=False, error="stuck"),)).observations
    assert result.data == {"id": "c1", "ok": False, "error": "stuck"}


@pytest.mark.parametrize(
    ("metrics", "reason", "field"),
    [
        ({"mood": 2.0}, "unknown_metric", "metrics.mood"),
        ({"battery": 101.0}, "out_of_range", "metrics.battery"),
        ({"alarm": 0.5}, "out_of_range", "metrics.alarm"),
        ({"battery": float("nan")}, "out_of_range", "metrics.battery"),
    ],
)
def test_what_cannot_be_is_left_out_and_named(metrics: dict[str, float], reason: str, field: str) -> None:
    observed = hear(Memory(), SMOKE, {**metrics, "temperature": 21.0})
    assert [(fault.reason, fault.field, fault.device) for fault in observed.faults] == [(reason, field, "smoke-1")]
    assert [one.metrics for one in observed.observations] == [{"temperature": 21.0}]


def test_a_word_the_kind_does_not_say_is_a_fault_and_the_rest_is_kept() -> None:
    observed = hear(Memory(), SMOKE, {"alarm": 1}, events=("press",))
    assert [fault.reason for fault in observed.faults] == ["unknown_event"]
    assert events(observed) == ["smoke"]


def test_a_clock_that_cannot_be_believed_is_marked() -> None:
    (late,) = hear(Memory(), SMOKE, {"alarm": 1}, observed_at_ms=NOON - 3_600_000).observations
    assert (late.observed_at_ms, late.clock_suspect) == (NOON - 3_600_000, False)
    (wrong,) = hear(Memory(), SMOKE, {"alarm": 1}, observed_at_ms=946_684_800_000).observations
    assert (wrong.observed_at_ms, wrong.clock_suspect) == (NOON, True)


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["press", "long_press"])), max_size=30))
def test_ids_made_here_differ_and_grow(moves: list[tuple[int, str]]) -> None:
    memory, now_ms, found = Memory(), NOON, list[Observation]()
    for step_ms, event in moves:
        now_ms += step_ms * SAME_PRESS_MS
        found += hear(memory, KEY, {"battery": 50}, events=(event,), at_ms=now_ms).observations
    numbers = [int(one.message_id.rpartition(":")[2]) for one in found]
    assert numbers == sorted(set(numbers))


class Detector(RuleBasedStateMachine):
    """Against the plainest model: the alarm that a listener would hold after all events equals the detector's state,
    whatever is repeated, kept, delivered again, refused, or lost by a restart that restores from what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.memory = Memory()
        self.written: list[Observation] = []
        self.real = 0.0
        self.now_ms = NOON
        self.said = False
        self.refusals = 0

    def tell(self, *, retained: bool = False, refuse: bool = False) -> None:
        self.now_ms += 1000
        found = hear(self.memory, SMOKE, {"alarm": self.real}, at_ms=self.now_ms, retained=retained).observations
        if refuse:
            for observation in found:
                self.memory.doubt(observation)
            self.refusals += 1
            # A broker delivers it again until it is taken.
            found = hear(self.memory, SMOKE, {"alarm": self.real}, at_ms=self.now_ms + 10).observations
        self.written += found
        self.said = self.said or not retained

    @rule(alarm=st.sampled_from([0.0, 1.0]), refuse=st.booleans())
    def changes(self, alarm: float, refuse: bool) -> None:
        self.real = alarm
        self.tell(refuse=refuse)

    @rule(refuse=st.booleans())
    def says_it_again(self, refuse: bool) -> None:
        self.tell(refuse=refuse)

    @rule()
    def the_broker_repeats_what_it_kept(self) -> None:
        self.tell(retained=True)

    @rule()
    def the_gateway_restarts(self) -> None:
        self.memory = Memory()
        for observation in self.written:
            self.memory.restore(observation)

    @invariant()
    def the_listener_knows(self) -> None:
        alarm = 0.0
        for observation in self.written:
            if observation.event in ("smoke", "smoke_cleared"):
                alarm = float(observation.event == "smoke")
        if self.said:
            assert alarm == self.real

    @invariant()
    def nothing_is_told_twice_but_after_a_refusal(self) -> None:
        told = [one.event for one in self.written if one.event in ("smoke", "smoke_cleared")]
        repeats = sum(first == second for first, second in itertools.pairwise(told))
        assert repeats <= self.refusals


TestDetector = Detector.TestCase
