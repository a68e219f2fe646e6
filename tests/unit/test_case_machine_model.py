"""No sequence of alarms, answers, timers and deliveries breaks what the case machine promises."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gateway.alarms import AlarmMove
from gateway.cases.commands import Action, Refused, TimerDue
from gateway.cases.effects import Delivery, TimerName
from gateway.cases.model import Case, LineState, Stage
from tests.support.town import LIFE, SERVICE, Story, Town, change

ACTIONS: list[Action] = [
    "acknowledge", "dispatch", "arrive", "resolve", "verify", "close", "cancel", "release", "veto", "dial_now", "note",
]  # fmt: skip


class CaseMachine(RuleBasedStateMachine):
    story: Story
    arms: int

    @initialize(life=st.booleans(), nobody=st.booleans())
    def begin(self, life: bool, nobody: bool) -> None:
        town = Town()
        if nobody:
            town.roles = {}
        self.story = Story(town, LIFE if life else SERVICE, change(ladder="life-safety" if life else "service"))
        self.last = self.story.case

    @rule(seconds=st.sampled_from([0, 1, 5, 20, 30, 61, 179, 181, 901, 3600]))
    def time_passes(self, seconds: int) -> None:
        self.story.forward(seconds)

    @rule(
        action=st.sampled_from(ACTIONS),
        actor=st.sampled_from(["operator:a", "operator:b", "person:wang"]),
        reason=st.sampled_from(["", "because"]),
    )
    def somebody_acts(self, action: Action, actor: str, reason: str) -> None:
        try:
            self.story.act(action, actor=actor, reason=reason)
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
        if case.emergency.state is LineState.ARMED and case.stage is Stage.OPENED and case.next_at_ms is not None:
            assert case.emergency.deadline_ms is not None
        self.last = case


CaseMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
TestCaseMachine = CaseMachine.TestCase
