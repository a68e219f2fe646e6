"""No sequence of alarms, answers, timers and deliveries breaks what the case machine promises."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gateway.alarms import AlarmMove, Severity
from gateway.cases.commands import Action, ClockStepped, Refused, TimerDue, TimerLost, VoiceAnswered
from gateway.cases.directory import Quiet
from gateway.cases.effects import Delivery, TimerName
from gateway.cases.model import Case, LineState, Stage, VoiceCheck
from gateway.cases.policy import Ladder
from tests.support.town import CLOCK, LIFE, SERVICE, START, Story, Town, change

ACTIONS: list[Action] = [
    "acknowledge", "dispatch", "arrive", "resolve", "verify", "close", "cancel", "release", "veto", "dial_now", "note",
    "take_back", "pass_on", "claim", "line_sent", "line_arrived", "line_hospital", "line_update",
]  # fmt: skip


class CaseMachine(RuleBasedStateMachine):
    story: Story
    read: int

    @initialize(ladder=st.sampled_from([LIFE, CLOCK, SERVICE]), nobody=st.booleans(), paths=st.sampled_from([1, 2]))
    def begin(self, ladder: Ladder, nobody: bool, paths: int) -> None:
        town = Town(line_paths=paths, voices=("sos-1", "siren-1"))
        town.quiet_hours = {"zhao": Quiet(until_ms=START + 600_000)}
        if nobody:
            town.roles = {}
        severity = Severity.EMERGENCY if ladder.life_safety else Severity.SERVICE
        self.story = Story(town, ladder, change(ladder=ladder.id, severity=severity))
        self.last = self.story.case
        self.read = 0

    @rule(seconds=st.sampled_from([0, 1, 5, 20, 30, 61, 179, 181, 901, 3600]))
    def time_passes(self, seconds: int) -> None:
        self.story.forward(seconds)

    @rule(
        action=st.sampled_from(ACTIONS),
        actor=st.sampled_from(["operator:a", "operator:b", "person:wang", "person:daughter"]),
        reason=st.sampled_from(["", "because"]),
        code=st.sampled_from(["", "4711", "4712"]),
    )
    def somebody_acts(self, action: Action, actor: str, reason: str, code: str) -> None:
        try:
            self.story.act(action, actor=actor, reason=reason, code=code)
        except Refused as refused:
            assert refused.zh and refused.en

    @rule(move=st.sampled_from(list(AlarmMove)), smoke=st.booleans())
    def an_alarm_moves(self, move: AlarmMove, smoke: bool) -> None:
        if not self.story.case.open and move in (AlarmMove.RAISED, AlarmMove.REPEATED):
            return  # the decider opens a new case instead
        if smoke:
            self.story.alarm(move, rule="smoke-alarm", momentary=False, type_="smoke", device="smoke-1")
        else:
            self.story.alarm(move)

    @rule(data=st.data(), delivery=st.sampled_from(list(Delivery)))
    def a_delivery_is_reported(self, data: st.DataObject, delivery: Delivery) -> None:
        if self.story.sent:
            self.story.deliver(data.draw(st.sampled_from(self.story.sent)), delivery, "x")

    @rule(by_ms=st.sampled_from([-3_600_000, -1500, 1500, 3_600_000]))
    def the_clock_is_set(self, by_ms: int) -> None:
        self.story.now_ms += by_ms
        self.story.hear(ClockStepped(by_ms=by_ms))

    @rule()
    def the_resident_says_that_all_is_well(self) -> None:
        self.story.hear(VoiceAnswered(device="sos-1"))

    @rule(name=st.sampled_from([TimerName.LADDER, TimerName.LINE, TimerName.BESIDE]))
    def the_auditor_sets_a_timer_again(self, name: TimerName) -> None:
        if name in self.story.timers:
            del self.story.timers[name]
            self.story.hear(TimerLost(name=name))
            assert name in self.story.timers or self.story.case.emergency.state.called

    @rule()
    def a_stale_timer_changes_nothing(self) -> None:
        before = self.story.case
        for name in TimerName:
            if name not in self.story.timers:
                self.story.hear(TimerDue(name=name))
        after = self.story.case.model_copy(update={"version": before.version})
        assert after == before

    @invariant()
    def timers_are_what_the_case_says(self) -> None:
        case = self.story.case
        assert self.story.timers.get(TimerName.LADDER) == case.next_at_ms
        assert self.story.timers.get(TimerName.LEASE) == case.lease_until_ms
        assert self.story.timers.get(TimerName.LINE) == case.emergency.next_ms
        assert self.story.timers.get(TimerName.BESIDE) == case.beside_at_ms
        assert case.beside_at_ms == min((item.at_ms for item in case.agenda), default=None)

    @invariant()
    def a_machine_calls_only_while_nobody_has_it(self) -> None:
        written, self.read = self.story.written[self.read :], len(self.story.written)
        case = self.story.case
        if any(line.what == "line_committed" and line.actor == "system" for line in written):
            postponed = case.stage is Stage.ACKNOWLEDGED and case.emergency.postponed
            assert case.stage is Stage.OPENED or postponed
            assert case.emergency.voice is not VoiceCheck.FINE

    @invariant()
    def nobody_is_forgotten(self) -> None:
        case = self.story.case
        if not case.open:
            assert self.story.timers == {}
        elif case.stage is Stage.OPENED and case.ladder.life_safety:
            assert case.next_at_ms is not None, "an open life-safety case that nobody has must have a deadline"
        elif case.stage in (Stage.ACKNOWLEDGED, Stage.DISPATCHED):
            assert case.owner is not None
            assert case.lease_until_ms is not None, "an acknowledgement without a lease can be forgotten"

    @invariant()
    def keys_are_unique_and_the_line_is_guarded(self) -> None:
        keys = [send.key for send in self.story.sent]
        assert len(keys) == len(set(keys))
        if not self.story.case.ladder.life_safety:
            assert self.story.line_calls() == []
        for send in self.story.line_calls():
            assert send.urgent

    @invariant()
    def a_case_survives_being_stored(self) -> None:
        case = self.story.case
        assert Case.model_validate_json(case.model_dump_json()) == case
        assert case.version >= self.last.version
        if not self.last.open:
            assert not case.open, "closed never reopens"
        if case.emergency.state is LineState.ARMED and case.stage is Stage.OPENED:
            assert case.emergency.deadline_ms is not None
        self.last = case


CaseMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
TestCaseMachine = CaseMachine.TestCase
