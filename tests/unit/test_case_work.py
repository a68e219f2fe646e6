"""Work of all kinds: reports, every action at every stage, time limits that run, and cases that belong together."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from gateway.alarms import AlarmMove, Severity
from gateway.cases import linking, machine, opening
from gateway.cases.causes import CAUSES
from gateway.cases.commands import Action, ClockStepped, HumanAction, Refused, TimerDue, TimerLost
from gateway.cases.effects import Purpose, Send, TimerName, WithdrawUnsent
from gateway.cases.human import possible
from gateway.cases.limits import Limits, LimitStage
from gateway.cases.messages import message
from gateway.cases.model import Case, Stage
from gateway.cases.report import Report, Reporter, Source
from gateway.cases.turn import Moved
from gateway.cases.wording import ACTIONS, STAGES, TIMELINE_WORDS
from gateway.cases.work import WorkType
from tests.support.town import LIFE, START, Story, Town, change, person

HOUR = 3_600_000
MONDAY = int(datetime(2026, 11, 23, 9, 0, tzinfo=ZoneInfo("Asia/Shanghai")).timestamp() * 1000)
RUBBISH = WorkType(
    id="rubbish",
    zh="暴露垃圾",
    en="exposed rubbish",
    role="grid_staff",
    backup="control_room",
    must_verify=True,
    limits=Limits.model_validate(
        {"accept": "30 min", "dispatch": "1 h", "handle": "4 working hours", "verify": "1 d", "close": "1 d"}
    ),
)
SAID = Report(
    key="k-1",
    actor="operator:hotline",
    source=Source.HOTLINE,
    work="rubbish",
    text="楼下垃圾堆了三天",
    place="door-1",
    pole="0272",
    reporter=Reporter(name="张女士", phone="000-138", channel="12345"),
)


class Work(Story):
    """A report, told as a timeline. It begins on a Monday at nine."""

    def __init__(self, town: Town | None = None, work: WorkType = RUBBISH, report: Report = SAID) -> None:
        super().__init__(town)
        for gathered in (self.timers, self.sent, self.written, self.effects):
            gathered.clear()
        self.now_ms = MONDAY
        moved = opening.open_report(
            case_id="2026-000009",
            number="2026-000009",
            report=report,
            work=work,
            ladder=work.own_ladder,
            directory=self.town,
            now_ms=self.now_ms,
        )
        self.case = moved.case
        self._take(moved.effects)

    def to(self, stage: Stage) -> Work:
        """Have it brought to a stage by the usual steps."""
        if stage in (Stage.CANCELLED, Stage.MERGED):
            if stage is Stage.CANCELLED:
                self.act("cancel", cause="duplicate")
            else:
                mine, _ = merge(self, Work())
                self.case = mine.case
            return self
        steps: list[tuple[Stage, Action, dict[str, object]]] = [
            (Stage.ACKNOWLEDGED, "acknowledge", {"actor": "person:wang"}),
            (Stage.DISPATCHED, "dispatch", {"actor": "person:wang", "to": "person:zhao"}),
            (Stage.ARRIVED, "arrive", {"actor": "person:zhao", "to": "person:zhao"}),
            (Stage.RESOLVED, "resolve", {"actor": "person:zhao", "reason": "已清运"}),
            (Stage.VERIFIED, "verify", {"actor": "operator:check"}),
            (Stage.CLOSED, "close", {"actor": "operator:check"}),
        ]
        for reached, action, more in steps:
            if self.case.stage is stage:
                break
            self.act(action, **more)  # type: ignore[arg-type]
            assert self.case.stage is reached
        assert self.case.stage is stage
        return self


def merge(work: Story, into: Story, **more: object) -> tuple[Moved, Moved]:
    other = into.case.model_copy(update={"id": "other", "number": "2026-000010"})
    action = HumanAction(action="merge", actor="operator:a", into="other", **more)  # type: ignore[arg-type]
    return opening.merge(work.case, other, action, work.town, work.now_ms)


def refusal(work: Story, action: Action, **more: object) -> str:
    before = work.case
    with pytest.raises(Refused) as refused:
        work.act(action, **more)  # type: ignore[arg-type]
    assert refused.value.zh and refused.value.en
    assert work.case is before
    return refused.value.code


# reports


def test_a_report_is_a_case_like_any_other() -> None:
    work = Work()
    case = work.case
    assert (case.stage, case.source, case.type, case.pole) == (Stage.OPENED, Source.HOTLINE, "rubbish", "0272")
    assert case.reporter is not None and case.reporter.phone == "000-138"
    assert work.told() == ["wang: alarm", "zhao: alarm"]
    assert "楼下垃圾堆了三天" in work.sent[0].body
    assert "张女士 000-138" in work.sent[0].body
    assert work.sent[0].title.startswith("暴露垃圾")
    assert case.times == {"triggered": MONDAY, "received": MONDAY, "raised": MONDAY}
    work.forward(1800)
    assert "desk: alarm" in work.told(), "the backup hears when nobody has taken it after half an hour"


def test_a_report_that_is_older_keeps_when_it_was_seen() -> None:
    work = Work(report=SAID.model_copy(update={"happened_at_ms": MONDAY - HOUR}))
    assert work.case.times["triggered"] == MONDAY - HOUR
    work = Work(report=SAID.model_copy(update={"happened_at_ms": MONDAY + HOUR}))
    assert work.case.times["triggered"] == MONDAY, "nothing is reported before it happens"


def test_cases_written_before_there_was_work_can_be_read() -> None:
    old = Story().case.model_dump(mode="json")
    for field in (
        *("source", "work", "text", "reporter", "position", "pole", "episode", "links", "handler", "handlers"),
        *("limit", "limit_at_ms", "suspended", "pauses", "asked", "reworks", "cause", "call_backs", "ratings"),
    ):
        del old[field]
    case = Case.model_validate(old)
    assert (case.source, case.work, case.limit, case.links) == (Source.ALARM, None, None, ())


# every action at every stage

STAGE_ACTIONS: dict[Stage, set[Action]] = {
    Stage.OPENED: {"acknowledge", "dispatch", "arrive", "cancel", "merge", "split", "note"},
    Stage.ACKNOWLEDGED: {
        *("acknowledge", "dispatch", "arrive", "resolve", "cancel", "release"),
        *("suspend", "ask_time", "merge", "split", "note"),
    },
    Stage.DISPATCHED: {
        *("dispatch", "arrive", "resolve", "cancel", "release"),
        *("suspend", "ask_time", "merge", "split", "note"),
    },
    Stage.ARRIVED: {"arrive", "resolve", "cancel", "release", "suspend", "ask_time", "merge", "split", "note"},
    Stage.RESOLVED: {"verify", "rework", "split", "note"},
    Stage.VERIFIED: {"close", "rework", "split", "note"},
    Stage.CLOSED: {"call_back", "rate", "reopen", "note"},
    Stage.CANCELLED: {"reopen", "note"},
    Stage.MERGED: {"note"},
}
TWO: tuple[Action, ...] = ("merge", "split", "reopen")
ELSEWHERE: tuple[Action, ...] = ("pass_on", "claim", "come")
"""Answers of people who were told: not for the buttons of a page."""


@pytest.mark.parametrize("stage", list(Stage))
def test_what_is_possible_at_a_stage_is_carried_out_and_nothing_else_is(stage: Stage) -> None:
    assert set(possible(Work().to(stage).case)) == STAGE_ACTIONS[stage]
    for action in ACTIONS:
        if action in TWO or action in ELSEWHERE:
            continue  # two cases at once: below
        work = Work().to(stage)
        more: dict[str, object] = {
            **{"reason": "因为", "actor": "operator:third", "until_ms": work.now_ms + 1000 * HOUR},
            **{"done": True, "score": 5, "cause": "other", "version": work.case.version},
        }
        if action in STAGE_ACTIONS[stage]:
            work.act(action, **more)  # type: ignore[arg-type]
        else:
            refusal(work, action, **more)  # type: ignore[arg-type]


def test_every_action_stage_and_line_has_words_in_both_languages() -> None:
    assert set(ACTIONS) == set(Action.__args__)  # type: ignore[attr-defined]
    assert set(STAGES) == {stage.value for stage in Stage}
    codes = (
        *("assigned", "suspended", "resumed", "time_asked", "time_granted", "time_refused", "reworked", "limit_near"),
        *(
            "limit_over",
            "merged",
            "merged_in",
            "split_off",
            "split_from",
            "reopened",
            "follows",
            "called_back",
            "rated",
        ),
    )
    for code in codes:
        assert all(TIMELINE_WORDS[code])
    for purpose in (
        *(Purpose.ASSIGNED, Purpose.LIMIT_NEAR, Purpose.OVERDUE, Purpose.TIME_ASKED, Purpose.TIME_ANSWERED),
        *(Purpose.RESUMED, Purpose.REWORK, Purpose.MERGED),
    ):
        title, body = message(Work().case, purpose, Town(), language="zh")
        assert "暴露垃圾" in title and "exposed rubbish" in body
    assert all(zh and en for zh, en in CAUSES.values())


def test_reasons_are_asked_for() -> None:
    work = Work().to(Stage.DISPATCHED)
    for action in ("suspend", "ask_time", "release", "cancel"):
        assert refusal(work, action, until_ms=work.now_ms + HOUR) == "reason_needed"  # type: ignore[arg-type]
    assert refusal(Work().to(Stage.RESOLVED), "rework", actor="operator:x") == "reason_needed"
    assert refusal(work, "suspend", reason="等配件") == "until_needed"
    assert refusal(work, "suspend", reason="等配件", until_ms=work.now_ms) == "until_wrong"
    assert refusal(work, "suspend", reason="等配件", until_ms=work.now_ms + 9000 * HOUR) == "until_wrong"


# who checks


@pytest.mark.parametrize("actor", ["person:wang", "person:zhao", "operator:zhao"])
def test_who_handled_it_does_not_check_it(actor: str) -> None:
    work = Work().to(Stage.RESOLVED)
    assert "verify" not in possible(work.case, actor)
    assert refusal(work, "verify", actor=actor) == "own_work"
    work.act("verify", actor="operator:check")
    assert work.case.stage is Stage.VERIFIED


def test_a_name_in_plain_text_is_known_again() -> None:
    work = Work()
    work.act("dispatch", actor="operator:desk", to="Wang")
    work.act("resolve", actor="operator:desk")
    assert refusal(work, "verify", actor="person:wang") == "own_work", "the people told know him by that name"


def test_some_work_is_closed_only_after_its_check() -> None:
    work = Work().to(Stage.RESOLVED)
    assert refusal(work, "close", actor="operator:check", reason="急") == "not_verified"
    easy = Work(work=RUBBISH.model_copy(update={"must_verify": False})).to(Stage.RESOLVED)
    easy.act("close", actor="operator:check")
    assert easy.case.stage is Stage.CLOSED


def test_a_failed_check_sends_it_back() -> None:
    work = Work().to(Stage.RESOLVED)
    first_limit = work.case.limit
    assert first_limit is not None and first_limit.stage is LimitStage.VERIFY
    work.act("rework", actor="operator:check", reason="还有一半没清")
    assert (work.case.stage, work.case.reworks, work.case.owner) == (Stage.DISPATCHED, 1, "person:wang")
    assert "zhao: rework" in work.told() and "wang: rework" in work.told()
    assert work.case.limit is not None and work.case.limit.stage is LimitStage.HANDLE
    assert work.case.limit.started_at_ms == work.now_ms
    assert "resolved" not in work.case.times
    work.act("resolve", actor="person:zhao")
    work.act("verify", actor="operator:check")
    work.act("close", actor="operator:check")
    assert work.case.reworks == 1


# to whom it is given


def test_who_is_sent_is_told() -> None:
    work = Work()
    work.act("dispatch", actor="operator:desk", to="role:supervisor", reason="请派吸污车")
    assert "chen: assigned" in work.told()
    assert work.case.handler == "role:supervisor"
    work.act("dispatch", actor="operator:desk", to="绿洁保洁公司")
    assert work.case.handler == "绿洁保洁公司"
    assert work.case.handlers == ("operator:desk", "role:supervisor", "绿洁保洁公司")
    work.act("release", actor="operator:desk", reason="不属本部门")
    assert (work.case.stage, work.case.owner, work.case.handler) == (Stage.OPENED, None, "")


def test_those_told_hear_who_has_it_by_name_and_what_is_resolved_sends_nobody_off() -> None:
    story = Story()
    story.forward(75)
    alarms = tuple(one.model_copy(update={"zh": "请马上去人", "en": "Go at once"}) for one in story.case.alarms)
    story.case = story.case.model_copy(update={"alarms": alarms})
    names = {target.person: target.name for target in story.case.told}
    taker = next(iter(names))
    story.act("acknowledge", actor=f"person:{taker}")
    taken = [one for one in story.sent if one.purpose is Purpose.TAKEN]
    assert taken and all(f"受理人：{names[taker]}" in one.body for one in taken)
    assert all("请马上去人" in one.body for one in taken)
    story.act("resolve", actor=f"person:{taker}", reason="已扶起")
    over = [one for one in story.sent if one.purpose is Purpose.RESOLVED]
    assert over and not any("请马上去人" in one.body for one in over)


# time limits


def test_near_then_over_and_again_every_working_day() -> None:
    work = Work()
    limit = work.case.limit
    assert limit is not None
    assert (limit.stage, limit.due_at_ms) == (LimitStage.ACCEPT, MONDAY + HOUR // 2)
    work.forward(24 * 60 - 1)
    assert Purpose.LIMIT_NEAR not in [send.purpose for send in work.sent]
    work.forward(1)
    assert {"wang: limit_near", "zhao: limit_near"} <= set(work.told())
    work.forward(6 * 60)
    assert {"wang: overdue", "zhao: overdue", "chen: overdue"} <= set(work.told())
    assert work.case.limit is not None and work.case.limit.overdue == 1
    told = len([send for send in work.sent if send.purpose is Purpose.OVERDUE])
    work.forward(23 * 3600)
    assert len([send for send in work.sent if send.purpose is Purpose.OVERDUE]) == told
    work.forward(3600)
    assert len([send for send in work.sent if send.purpose is Purpose.OVERDUE]) == 2 * told
    assert work.case.limit_at_ms == work.timers[TimerName.LIMIT]


def test_each_stage_has_its_own_limit_and_none_at_the_end() -> None:
    stages = []
    for stage in (
        *(Stage.OPENED, Stage.ACKNOWLEDGED, Stage.DISPATCHED, Stage.ARRIVED, Stage.RESOLVED, Stage.VERIFIED),
        Stage.CLOSED,
    ):
        work = Work().to(stage)
        stages.append(None if work.case.limit is None else work.case.limit.stage.value)
        assert (TimerName.LIMIT in work.timers) is (work.case.limit is not None)
    assert stages == ["accept", "dispatch", "handle", "handle", "verify", "close", None]


def test_the_limit_goes_on_while_it_is_being_handled() -> None:
    work = Work().to(Stage.DISPATCHED)
    limit = work.case.limit
    work.forward(3600)
    work.act("arrive", actor="person:zhao")
    assert work.case.limit == limit, "to arrive is no new start"


def test_work_with_a_limit_is_no_lease() -> None:
    work = Work().to(Stage.DISPATCHED)
    assert work.case.lease_until_ms is None
    work.forward(5 * 24 * 3600)
    assert work.case.stage is Stage.DISPATCHED
    assert "limit_over" in work.what()
    free = Work(work=RUBBISH.model_copy(update={"limits": Limits()})).to(Stage.DISPATCHED)
    assert free.case.lease_until_ms is not None, "what nothing limits is watched as ever"


def test_working_time_waits_over_night() -> None:
    work = Work()
    work.now_ms += 8 * HOUR  # 17:00
    work.act("acknowledge", actor="person:wang")
    work.act("dispatch", actor="person:wang")
    assert work.case.limit is not None
    assert work.case.limit.due_at_ms == MONDAY + 27 * HOUR  # one hour today, three tomorrow


def test_life_safety_runs_on_the_wall_clock() -> None:
    limits = Limits.model_validate({"accept": "1 working hours"})
    life = WorkType(id="gas", zh="燃气", en="gas", role="grid_staff", limits=limits)
    night = MONDAY - 8 * HOUR
    moved = opening.open_report(
        case_id="c", number="n", report=SAID, work=life, ladder=LIFE, directory=Town(), now_ms=night
    )
    assert moved.case.limit is not None
    assert moved.case.limit.due_at_ms == night + HOUR


def test_a_suspended_case_has_no_clock_and_comes_back_by_itself() -> None:
    work = Work().to(Stage.DISPATCHED)
    limit = work.case.limit
    assert limit is not None
    until = work.now_ms + 72 * HOUR
    work.act("suspend", actor="person:wang", reason="等待配件", until_ms=until)
    sent = len(work.sent)
    assert work.timers == {TimerName.LIMIT: until}
    assert set(possible(work.case)) == {"resume", "note", "cancel", "release", "merge", "split"}
    assert refusal(work, "resolve", actor="person:zhao") == "suspended"
    work.forward(72 * 3600 - 1)
    assert len(work.sent) == sent
    work.forward(1)
    assert work.case.suspended is None and work.case.limit is not None
    assert work.case.limit.due_at_ms > limit.due_at_ms
    assert {"wang: resumed", "zhao: resumed"} <= set(work.told())
    assert [pause.reason for pause in work.case.pauses] == ["等待配件"]


def test_somebody_lets_a_suspended_case_go_on() -> None:
    work = Work().to(Stage.ARRIVED)
    limit = work.case.limit
    assert limit is not None
    work.act("suspend", reason="等待停水", until_ms=work.now_ms + 72 * HOUR)
    work.now_ms += HOUR
    work.act("resume")
    assert work.case.limit is not None
    assert work.case.limit.due_at_ms == limit.due_at_ms + HOUR
    assert refusal(work, "resume") == "not_suspended"


def test_life_safety_cannot_be_suspended() -> None:
    story = Story()
    story.act("acknowledge")
    assert "suspend" not in possible(story.case)
    assert refusal(story, "suspend", reason="x", until_ms=START + HOUR) == "life_safety"


def test_more_time_is_granted_by_somebody_else() -> None:
    work = Work().to(Stage.DISPATCHED)
    friday = MONDAY + 96 * HOUR
    assert refusal(work, "ask_time", reason="x", until_ms=work.now_ms + 60_000) == "until_wrong"
    work.act("ask_time", actor="person:wang", reason="雨天", until_ms=friday)
    assert "chen: time_asked" in work.told()
    assert refusal(work, "ask_time", reason="x", until_ms=friday) == "already_asked"
    assert "grant_time" not in possible(work.case, "person:wang")
    assert refusal(work, "grant_time", actor="person:wang", reason="x") == "own_request"
    work.act("grant_time", actor="person:chen", reason="同意")
    assert "wang: time_answered" in work.told()
    assert work.case.limit is not None and work.case.limit.due_at_ms == friday
    assert refusal(work, "refuse_time", actor="person:chen", reason="x") == "not_asked"
    work.forward(96 * 3600)
    assert [send.person for send in work.sent if send.purpose is Purpose.OVERDUE] == ["wang", "zhao", "chen"]


def test_more_time_is_refused() -> None:
    work = Work().to(Stage.DISPATCHED)
    limit = work.case.limit
    work.act("ask_time", actor="person:wang", reason="雨天", until_ms=MONDAY + 96 * HOUR)
    work.act("refuse_time", actor="person:chen", reason="今天必须完成")
    assert work.case.limit == limit and work.case.asked is None


def test_a_case_without_limits_needs_no_time() -> None:
    work = Work(work=RUBBISH.model_copy(update={"limits": Limits()})).to(Stage.DISPATCHED)
    assert "ask_time" not in possible(work.case)
    assert refusal(work, "ask_time", reason="x", until_ms=work.now_ms + HOUR) == "no_limit"


def test_a_clock_step_neither_fires_a_limit_nor_puts_it_off() -> None:
    work = Work()
    assert work.case.limit is not None
    work.now_ms += 10 * HOUR
    work.hear(ClockStepped(by_ms=10 * HOUR))
    assert work.timers[TimerName.LIMIT] == MONDAY + 10 * HOUR + 24 * 60_000
    work.hear(TimerDue(name=TimerName.LIMIT))
    assert Purpose.LIMIT_NEAR not in [send.purpose for send in work.sent]
    work.forward(24 * 60)
    assert Purpose.LIMIT_NEAR in [send.purpose for send in work.sent]


def test_the_auditor_sets_a_lost_limit_again() -> None:
    work = Work()
    del work.timers[TimerName.LIMIT]
    work.hear(TimerLost(name=TimerName.LIMIT))
    assert work.timers[TimerName.LIMIT] == MONDAY + 24 * 60_000
    assert "audit_repaired" in work.what()


# false alarms


def test_a_false_alarm_has_its_cause() -> None:
    story = Story()
    story.act("cancel", cause="cooking")
    assert story.case.cause == "cooking"
    [line] = [line for line in story.written if line.what == "cancelled"]
    assert line.data["cause"] == "cooking"
    [told] = [send for send in story.sent if send.purpose is Purpose.CANCELLED]
    assert "做饭油烟" in told.body and "cooking smoke" in told.body
    assert refusal(Story(), "cancel", cause="other") == "reason_needed"
    story = Story()
    story.act("cancel", reason="本人说没事")
    assert story.case.cause == "other"


# cases that belong together


def test_a_case_becomes_part_of_another() -> None:
    town = Town()
    story, other = Story(town), Story(town)
    other.act("acknowledge", actor="operator:b")
    story.town.roles["grid_staff"].append(person("liu"))
    story.forward(31)
    mine, its = merge(story, other)
    assert (mine.case.stage, mine.case.open) == (Stage.MERGED, False)
    assert [(link.kind, link.number) for link in mine.case.links] == [("merged_into", "2026-000010")]
    assert [(link.kind, link.number) for link in its.case.links] == [("merged_from", "2026-000001")]
    assert {target.person for target in its.case.told} == {"desk", "wang", "zhao", "liu"}
    assert its.case.stage is Stage.ACKNOWLEDGED
    kept = [effect for effect in mine.effects if isinstance(effect, WithdrawUnsent)]
    assert any(Purpose.ALARM in effect.only and Purpose.ACTION not in effect.only for effect in kept)
    story.case = mine.case
    assert "note" in possible(story.case) and "cancel" not in possible(story.case)


@pytest.mark.parametrize(
    ("what", "code"),
    [
        ("itself", "same_case"),
        ("resolved", "wrong_stage"),
        ("called", "line_called"),
        ("lesser", "life_safety"),
        ("over", "wrong_stage"),
    ],
)
def test_what_cannot_be_merged_is_refused_kindly(what: str, code: str) -> None:
    story, other = Story(), Story()
    action = HumanAction(action="merge", actor="operator:a", into="x")
    target = other.case.model_copy(update={"id": "other"})
    if what == "itself":
        target = story.case
    elif what == "resolved":
        target = target.model_copy(update={"stage": Stage.RESOLVED})
    elif what == "over":
        story.act("cancel", reason="x")
    elif what == "called":
        story.act("dial_now", reason="x")
    else:
        target = Work().case
    with pytest.raises(Refused) as refused:
        opening.merge(story.case, target, action, story.town, story.now_ms)
    assert refused.value.code == code


def test_a_part_becomes_a_case_of_its_own() -> None:
    work = Work().to(Stage.DISPATCHED)
    lamp = WorkType(id="lamp", zh="路灯不亮", en="street lamp out", role="supervisor", severity=Severity.NOTICE)
    action = HumanAction(action="split", actor="operator:a", reason="旁边路灯也坏了")
    older, new = opening.split(
        work.case,
        action,
        case_id="c-2",
        number="2026-000011",
        work=lamp,
        ladder=lamp.own_ladder,
        directory=work.town,
        now_ms=work.now_ms,
    )
    assert older.case.stage is Stage.DISPATCHED
    assert [(link.kind, link.number) for link in older.case.links] == [("split_into", "2026-000011")]
    assert [(link.kind, link.number) for link in new.case.links] == [("split_from", "2026-000009")]
    assert (new.case.type, new.case.text, new.case.place, new.case.pole) == ("lamp", "旁边路灯也坏了", "door-1", "0272")
    assert new.case.severity is Severity.NOTICE
    assert new.case.owner is None


def reopened(story: Story, action: Action = "reopen", **more: object) -> tuple[Moved, Moved]:
    said = HumanAction(action=action, actor="operator:a", reason="又堆上了", **more)  # type: ignore[arg-type]
    return opening.reopen(
        story.case,
        said,
        case_id="c-3",
        number="2026-000012",
        ladder=story.case.ladder,
        directory=story.town,
        now_ms=story.now_ms,
    )


def test_what_was_over_is_taken_up_again_as_a_new_case() -> None:
    work = Work().to(Stage.CLOSED)
    older, new = reopened(work)
    assert older.case.stage is Stage.CLOSED, "closed never reopens"
    assert (new.case.stage, new.case.episode) == (Stage.OPENED, 2)
    work.case = older.case
    assert "reopen" not in possible(work.case)
    with pytest.raises(Refused, match="2026-000012"):
        reopened(work)


def test_no_machine_calls_120_because_a_file_was_taken_up_again() -> None:
    story = Story()
    story.act("cancel", reason="误按")
    _, new = reopened(story)
    assert all(rung.call is None for rung in new.case.ladder.rungs)
    assert new.case.ladder.life_safety
    story.case, story.timers = new.case, {}
    story.sent.clear()
    story._take(new.effects)
    story.forward(3600)
    assert story.line_calls() == []
    assert "desk: reminder" in story.told()
    assert "dial_now" in possible(story.case), "a person may"


def test_a_call_back_and_a_rating_follow_the_closing() -> None:
    work = Work().to(Stage.CLOSED)
    assert refusal(work, "call_back") == "done_needed"
    assert refusal(work, "rate") == "score_needed"
    work.act("call_back", done=True, way="电话", reason="已清走")
    work.act("rate", score=5, way="电话", reason="很快", to="李先生")
    [said], [rated] = work.case.call_backs, work.case.ratings
    assert (said.done, said.who, said.way, said.words) == (True, "张女士", "电话", "已清走")
    assert (rated.score, rated.who, rated.actor) == (5, "李先生", "operator:night")
    assert work.case.stage is Stage.CLOSED


def test_a_call_back_that_finds_it_not_done_takes_it_up_again() -> None:
    work = Work().to(Stage.CLOSED)
    older, new = reopened(work, "call_back", done=False)
    assert older.case.call_backs[0].done is False
    assert older.case.links[-1].kind == "followed_by"
    assert new.case.text == "又堆上了"


def test_stale_answers_are_answered_kindly() -> None:
    work = Work().to(Stage.ACKNOWLEDGED)
    seen = work.case.version
    work.act("suspend", actor="person:wang", reason="等", until_ms=work.now_ms + HOUR)
    assert refusal(work, "resolve", version=seen) == "stale"


def test_alarms_have_limits_by_the_table_as_well() -> None:
    full = WorkType(
        id="bin", zh="垃圾箱满溢", en="bin", role="grid_staff", limits=Limits.model_validate({"accept": "10 min"})
    )
    moved = machine.open_case(
        case_id="c", number="n", change=change(type_="bin_full"), ladder=LIFE, directory=Town(), now_ms=START, work=full
    )
    assert moved.case.limit is not None and moved.case.limit.due_at_ms == START + 600_000
    assert moved.case.source is Source.ALARM


def test_who_was_told_of_a_merged_emergency_is_told_of_the_other_one() -> None:
    story, other = Story(), Story()
    story.forward(31)  # desk and grid; perhaps nothing of it has gone out yet, and it is withdrawn
    _, its = merge(story, other)
    told = {effect.person for effect in its.effects if isinstance(effect, Send) and effect.purpose is Purpose.ALARM}
    assert told == {"wang", "zhao"}


def test_an_emergency_is_not_merged_into_a_case_that_calls_no_line() -> None:
    story, other = Story(), Story()
    other.case = other.case.model_copy(update={"ladder": linking.without_calls(other.case.ladder)})
    with pytest.raises(Refused, match="no_line"):
        merge(story, other)


def test_what_holds_in_one_of_two_merged_cases_holds() -> None:
    smoke = {"rule": "smoke-alarm", "type_": "smoke", "momentary": False}
    story, other = Story(first=change(**smoke)), Story(first=change(**smoke))  # type: ignore[arg-type]
    other.alarm(AlarmMove.CLEARED, **smoke)
    _, its = merge(story, other)
    assert its.case.still == ("smoke",)


@pytest.mark.parametrize("actor", ["operator:Wang", "operator: wang", "person:wang"])
def test_nobody_checks_their_own_work_under_another_name(actor: str) -> None:
    story = Story()
    story.forward(31)
    story.act("acknowledge", actor="person:wang")
    story.act("resolve", actor="operator:a", reason="done")
    assert refusal(story, "verify", actor=actor) == "own_work"


def test_another_alarm_gives_a_suspended_case_no_lease() -> None:
    work = Work().to(Stage.DISPATCHED)
    work.act("suspend", reason="parts", until_ms=work.now_ms + 86_400_000)
    work.alarm(AlarmMove.RAISED, type_="call_staff", severity=Severity.SERVICE)
    assert TimerName.LEASE not in work.timers and work.case.suspended is not None
