"""No sequence of reports, answers, timers, clock steps, mergers and alarms breaks what work of all kinds promises."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gateway.alarms import AlarmMove
from gateway.cases import opening
from gateway.cases.commands import Action, ClockStepped, HumanAction, Refused, TimerDue, TimerLost
from gateway.cases.effects import Purpose, TimerName
from gateway.cases.handling import handled
from gateway.cases.human import possible
from gateway.cases.limits import Limits
from gateway.cases.model import Case, Stage
from gateway.cases.report import Report
from gateway.cases.turn import Moved
from gateway.cases.work import WorkType
from tests.support.town import LIFE, SERVICE, START, Story, Town, change

HOUR = 3_600_000
TWO: tuple[Action, ...] = ("merge", "split", "reopen")
ONE: list[Action] = [action for action in Action.__args__ if action not in TWO]  # type: ignore[attr-defined]
LIMITS = st.sampled_from(
    (
        Limits(),
        Limits.model_validate({"accept": "10 min", "handle": "4 working hours", "verify": "1 d"}),
        Limits.model_validate(
            {"accept": "1 h", "dispatch": "1 h", "handle": "2 working days", "close": "1 working days"}
        ),
    )
)
ACTORS = st.sampled_from(("operator:a", "operator:b", "person:wang", "person:chen"))


class WorkMachine(RuleBasedStateMachine):
    """One case in the middle, others come of it or go into it."""

    story: Story
    cases: dict[str, Case]

    @initialize(life=st.booleans(), alarm=st.booleans(), limits=LIMITS, must_verify=st.booleans())
    def begin(self, life: bool, alarm: bool, limits: Limits, must_verify: bool) -> None:
        self.work = WorkType(id="work", zh="事项", en="work", role="grid_staff", limits=limits, must_verify=must_verify)
        ladder = LIFE if life else SERVICE
        self.story = Story(Town(), ladder, change(ladder=ladder.id, type_="gas" if life else "bin_full"))
        if not alarm:
            self.story.timers.clear()
            self.story.sent.clear()
            said = Report(key="k", actor="operator:a", work="work", text="反映", place="door-1")
            self._take(
                opening.open_report(
                    case_id="c-0",
                    number="c-0",
                    report=said,
                    work=self.work,
                    ladder=ladder,
                    directory=self.story.town,
                    now_ms=START,
                )
            )
        self.cases = {self.story.case.id: self.story.case}
        self.last = self.story.case
        self.over: set[str] = set()
        self.suspended_sends = 0

    def _take(self, moved: Moved) -> None:
        self.story.case = moved.case
        self.story._take(moved.effects)

    @rule(seconds=st.sampled_from((0, 1, 59, 600, 3600, 6 * 3600, 86_400, 5 * 86_400)))
    def time_passes(self, seconds: int) -> None:
        before, waiting = len(self.story.sent), self.story.case.suspended
        if self.story.case.ladder.life_safety:
            seconds = min(seconds, 1200)  # everybody is reminded every minute
        self.story.forward(seconds)
        if waiting is not None and self.story.now_ms < waiting.until_ms:
            limits = (Purpose.LIMIT_NEAR, Purpose.OVERDUE, Purpose.OWNER_SILENT)
            assert not [one for one in self.story.sent[before:] if one.purpose in limits], "no clock while it waits"

    @rule(
        action=st.sampled_from(ONE),
        actor=ACTORS,
        reason=st.sampled_from(("", "because")),
        to=st.sampled_from(("", "person:zhao", "role:supervisor", "绿洁公司")),
        hours=st.sampled_from((None, -1, 1, 30, 200, 20_000)),
        done=st.sampled_from((None, True)),
        score=st.sampled_from((None, 1, 5)),
    )
    def somebody_acts(
        self, action: Action, actor: str, reason: str, to: str, hours: int | None, done: bool | None, score: int | None
    ) -> None:
        before = self.story.case
        until = None if hours is None else max(0, self.story.now_ms + hours * HOUR)
        offered = action in possible(before, actor)
        try:
            self.story.act(
                action, actor=actor, reason=reason, to=to, until_ms=until, done=done, score=score, cause=None
            )
        except Refused as refused:
            assert refused.zh and refused.en
            assert self.story.case is before
            missing = ("reason_needed", "until_needed", "until_wrong", "done_needed", "score_needed", "condition_holds")
            held = ("already_taken", "enough", "wrong_code")
            assert not offered or refused.code in (*missing, *held), f"{action} was offered, and refused: {refused}"
            return
        if action == "verify":
            assert not handled(before, actor), "who handled it does not check it"
        if action == "suspend":
            assert not before.ladder.life_safety

    @rule(actor=ACTORS, version=st.integers(1, 3))
    def an_old_answer_comes(self, actor: str, version: int) -> None:
        before = self.story.case
        try:
            self.story.act("resolve", actor=actor, version=version)
        except Refused as refused:
            assert refused.code in ("stale", "wrong_stage", "suspended")
        else:
            assert version >= before.changed_in

    @rule(other_life=st.booleans(), owned=st.booleans())
    def it_is_merged(self, other_life: bool, owned: bool) -> None:
        other = Story(Town(), LIFE if other_life else SERVICE, change(rule="other", ladder="x"))
        other.now_ms = self.story.now_ms
        if owned:
            other.act("acknowledge", actor="operator:z")
        target = other.case.model_copy(update={"id": "other", "number": "other"})
        action = HumanAction(action="merge", actor="operator:a", into="other")
        before = self.story.case
        try:
            mine, its = opening.merge(before, target, action, self.story.town, self.story.now_ms)
        except Refused as refused:
            assert refused.zh and refused.en
            return
        assert before.open
        assert mine.case.stage is Stage.MERGED
        assert {one.person for one in before.told} <= {one.person for one in its.case.told}
        assert {(ref.rule, ref.subject) for ref in before.alarms} <= {
            (ref.rule, ref.subject) for ref in its.case.alarms
        }
        assert its.case.ladder.life_safety or not before.ladder.life_safety
        self._take(mine)

    @precondition(lambda self: len(self.cases) < 4)
    @rule(reason=st.sampled_from(("", "一部分")), split=st.booleans(), after=st.booleans())
    def another_case_comes_of_it(self, reason: str, split: bool, after: bool) -> None:
        id_ = f"c-{len(self.cases)}"
        common = {"case_id": id_, "number": id_, "directory": self.story.town, "now_ms": self.story.now_ms}
        action = HumanAction(action="split" if split else "reopen", actor="operator:b", reason=reason)
        before = self.story.case
        try:
            if split:
                older, new = opening.split(before, action, work=self.work, ladder=SERVICE, **common)  # type: ignore[arg-type]
            else:
                older, new = opening.reopen(before, action, ladder=before.ladder, **common)  # type: ignore[arg-type]
        except Refused as refused:
            assert refused.zh and refused.en
            return
        assert older.case.stage is before.stage and older.case.open == before.open
        assert new.case.stage is Stage.OPENED
        assert not new.case.emergency.state.ahead, "no machine calls by a person's report"
        assert [link.case for link in new.case.links] == [before.id]
        self.cases[id_] = new.case
        self._take(older)
        if after and not split:
            self.story.timers.clear()
            self.last = new.case
            self._take(new)

    @rule(move=st.sampled_from(list(AlarmMove)), other=st.booleans())
    def an_alarm_moves(self, move: AlarmMove, other: bool) -> None:
        if not self.story.case.open and move in (AlarmMove.RAISED, AlarmMove.REPEATED):
            return  # the decider opens a new case instead
        if other:
            self.story.alarm(move, rule="smoke-alarm", momentary=False, type_="smoke", device="smoke-1")
        else:
            self.story.alarm(move)

    @rule(by_ms=st.sampled_from((-HOUR, -5000, 5000, 48 * HOUR)))
    def the_clock_is_set(self, by_ms: int) -> None:
        told = [one for one in self.story.sent if one.purpose in (Purpose.LIMIT_NEAR, Purpose.OVERDUE)]
        self.story.now_ms += by_ms
        self.story.hear(ClockStepped(by_ms=by_ms))
        assert told == [one for one in self.story.sent if one.purpose in (Purpose.LIMIT_NEAR, Purpose.OVERDUE)]

    @precondition(lambda self: TimerName.LIMIT in self.story.timers)
    @rule()
    def the_limits_timer_is_lost(self) -> None:
        before = self.story.timers.pop(TimerName.LIMIT)
        self.story.hear(TimerLost(name=TimerName.LIMIT))
        assert self.story.timers[TimerName.LIMIT] == before

    @rule()
    def a_stale_timer_changes_nothing(self) -> None:
        if TimerName.LIMIT not in self.story.timers:
            before = self.story.case
            self.story.hear(TimerDue(name=TimerName.LIMIT))
            assert self.story.case.model_copy(update={"version": before.version}) == before

    @invariant()
    def the_timer_is_what_the_case_says(self) -> None:
        case = self.story.case
        assert self.story.timers.get(TimerName.LIMIT) == case.limit_at_ms
        if case.suspended is not None:
            assert case.open and not case.ladder.life_safety
            assert case.limit_at_ms == case.suspended.until_ms
            assert TimerName.LEASE not in self.story.timers and TimerName.LADDER not in self.story.timers
        elif case.limit is not None:
            assert case.limit_at_ms == case.limit.next_ms

    @invariant()
    def nobody_is_forgotten(self) -> None:
        case = self.story.case
        if not case.open:
            assert self.story.timers == {}
            assert case.limit is None and case.suspended is None and case.asked is None
        elif case.stage is Stage.OPENED and case.ladder.life_safety:
            assert TimerName.LADDER in self.story.timers
        elif case.stage in (Stage.ACKNOWLEDGED, Stage.DISPATCHED):
            assert self.story.timers.keys() & {TimerName.LEASE, TimerName.LIMIT}, "who has it is watched"

    @invariant()
    def nobody_is_told_twice_for_one_occasion(self) -> None:
        keys = [send.key for send in self.story.sent]
        assert len(keys) == len(set(keys))
        lines = [one for one in self.story.sent if one.purpose in (Purpose.LIMIT_NEAR, Purpose.OVERDUE)]
        occasions = [(one.key.split(":")[1], one.purpose, one.person) for one in lines]
        assert len(occasions) == len(set(occasions))

    @invariant()
    def what_is_over_stays_over(self) -> None:
        case = self.story.case
        if case.id == self.last.id and not self.last.open:
            assert case.stage is self.last.stage
        assert Case.model_validate_json(case.model_dump_json()) == case
        self.last = case


WorkMachine.TestCase.settings = settings(max_examples=100, stateful_step_count=25, deadline=None)
TestWorkMachine = WorkMachine.TestCase
