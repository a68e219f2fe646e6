"""The ladder as timelines: who is told when, under a virtual clock. Hours pass in milliseconds."""

from __future__ import annotations

import pytest

from gateway.alarms import AlarmMove
from gateway.cases.commands import AlarmHeard, ClockStepped, Refused, TimerDue
from gateway.cases.effects import Delivery, Purpose, TimerName, WithdrawUnsent
from gateway.cases.gate import withheld
from gateway.cases.model import LineState, Stage
from tests.support.town import LIFE, SERVICE, START, Story, Town, change, person


def test_a_press_that_nobody_takes_climbs_to_120() -> None:
    story = Story()
    assert story.told() == ["desk: alarm"]
    assert [send.data for send in story.sent if send.purpose is Purpose.INDICATE] == [
        {"command": "indicate", "args": {"lamp": "green", "voice": "received"}}
    ]
    story.forward(29)
    assert story.told() == ["desk: alarm"], "the cancel window is not over"
    story.forward(1)
    assert story.told()[1:] == ["wang: alarm", "zhao: alarm"]
    story.forward(45)
    assert story.told()[3:] == ["daughter: alarm", "son: alarm"]
    story.forward(45)
    assert story.told()[5:] == ["chen: alarm"]
    assert story.case.emergency.state is LineState.ARMED
    assert story.case.emergency.deadline_ms == START + 180_000
    story.forward(59)
    assert story.line_calls() == []
    story.forward(1)
    assert len(story.line_calls()) == 1
    assert story.case.emergency.state is LineState.COMMITTED
    assert "desk: line_is_drill" in story.told(), "people must know that this line calls nobody"


def test_life_safety_never_falls_silent() -> None:
    story = Story()
    story.forward(6 * 3600)
    reminders = [send for send in story.sent if send.purpose is Purpose.REMINDER and send.person == "desk"]
    assert len(reminders) == (6 * 3600 - 180) // 60
    assert len(story.line_calls()) == 1, "people are reminded; 120 is called once"


def test_an_ordinary_ladder_ends_and_says_so() -> None:
    story = Story(ladder=SERVICE, first=change(ladder="service", type_="service_request"))
    story.forward(24 * 3600)
    assert story.told() == ["wang: alarm", "zhao: alarm"]
    assert story.what()[-1] == "ladder_ended"
    assert story.case.open


def test_an_acknowledgement_is_a_lease() -> None:
    story = Story()
    story.forward(40)
    story.act("acknowledge")
    assert story.case.stage is Stage.ACKNOWLEDGED
    assert {"wang: taken", "zhao: taken", "desk: taken"} <= set(story.told())
    story.forward(179)
    assert "daughter: alarm" not in story.told()
    story.forward(1)
    assert "lease_expired" in story.what()
    assert story.case.stage is Stage.OPENED
    assert "daughter: alarm" in story.told(), "the ladder goes on at the next rung at once"


def test_an_acknowledgement_postpones_120_once_only() -> None:
    story = Story()
    story.forward(170)
    story.act("acknowledge")
    story.forward(180 + 19)
    assert story.line_calls() == [], "after the lease people get twenty seconds more"
    story.act("acknowledge", actor="operator:other")
    story.forward(1)
    assert len(story.line_calls()) == 1, "a second acknowledgement without progress does not hold up the call"


def test_someone_on_the_way_holds_the_call_and_arrival_ends_it() -> None:
    story = Story()
    story.forward(100)
    story.act("acknowledge")
    story.act("dispatch", to="person:wang")
    story.forward(600)
    assert story.line_calls() == []
    story.act("arrive", to="person:wang")
    story.forward(24 * 3600)
    assert story.line_calls() == []
    assert story.timers == {}


def test_the_whole_story_to_the_end() -> None:
    story = Story()
    story.forward(200)
    story.deliver(story.line_calls()[0], Delivery.DELIVERED, "seat 12")
    assert story.case.emergency.state is LineState.ANSWERED
    story.act("acknowledge")
    story.act("arrive", to="ambulance")
    story.act("resolve", reason="taken to hospital")
    story.act("verify", actor="operator:check")
    story.act("close")
    assert story.case.stage is Stage.CLOSED
    assert story.timers == {}
    assert list(story.case.times) == [
        "triggered", "received", "raised", "line_answered", "answered", "arrived", "resolved", "verified", "closed",
    ]  # fmt: skip
    with pytest.raises(Refused, match="wrong_stage"):
        story.act("acknowledge")


def test_a_mistake_within_the_window_withdraws_and_tells() -> None:
    story = Story()
    story.forward(20)
    story.alarm(AlarmMove.CANCELLED)
    assert story.case.stage is Stage.CANCELLED
    assert story.told() == ["desk: alarm", "desk: cancelled"]
    assert any(type(effect).__name__ == "WithdrawUnsent" for effect in story.effects)
    story.forward(3600)
    assert story.told() == ["desk: alarm", "desk: cancelled"]


def test_a_mistake_after_the_window_is_a_claim_and_the_ladder_goes_on() -> None:
    story = Story()
    story.forward(50)
    story.alarm(AlarmMove.CANCELLED)
    assert story.case.open
    assert story.case.cancel_claimed
    assert "wang: cancel_claim" in story.told()
    story.forward(30)
    assert "daughter: alarm" in story.told()


def test_cancelling_after_120_was_called_tells_120() -> None:
    story = Story()
    story.forward(200)
    story.act("cancel", reason="she is fine, I am with her")
    cancels = [send for send in story.sent if send.purpose is Purpose.EMERGENCY_CANCEL]
    assert len(cancels) == 1
    assert cancels[0].data["call_key"] == story.line_calls()[0].key


def test_a_second_press_does_not_wait_for_the_window() -> None:
    story = Story()
    story.forward(2)
    story.alarm(AlarmMove.REPEATED)
    assert story.told() == ["desk: alarm"], "a bouncing key is one press"
    story.forward(6)
    story.alarm(AlarmMove.REPEATED)
    assert "wang: alarm" in story.told()
    before = len(story.sent)
    story.alarm(AlarmMove.REPEATED)
    story.alarm(AlarmMove.REPEATED)
    assert [send for send in story.sent[before:] if send.person] == [], "pressing on does not run up the ladder"


def test_a_second_press_revokes_a_sleeping_owner() -> None:
    story = Story()
    story.forward(40)
    story.act("acknowledge")
    story.forward(60)
    story.alarm(AlarmMove.REPEATED)
    assert story.case.stage is Stage.OPENED
    assert "daughter: alarm" in story.told()


def test_an_empty_rung_is_skipped_at_once_and_written_down() -> None:
    town = Town()
    town.roles["grid_staff"] = []
    story = Story(town)
    story.forward(30)
    assert "rung_empty" in story.what()
    assert "daughter: alarm" in story.told()


def test_an_empty_rung_before_120_does_not_bring_120_forward() -> None:
    town = Town()
    town.roles["supervisor"] = []
    story = Story(town)
    story.forward(120 + 59)
    assert story.line_calls() == []
    story.forward(1)
    assert len(story.line_calls()) == 1


def test_trouble_on_one_channel_tries_the_next_at_once() -> None:
    story = Story()
    story.forward(30)
    wang = next(send for send in story.sent if send.person == "wang")
    assert wang.channel == "messenger"
    story.deliver(wang, Delivery.TROUBLE, "HTTP 503")
    assert [send.channel for send in story.sent if send.person == "wang"] == ["messenger", "sms"]
    second = [send for send in story.sent if send.person == "wang"][1]
    story.deliver(second, Delivery.TROUBLE, "no network")
    assert len([send for send in story.sent if send.person == "wang"]) == 2, "no third address"


def test_by_the_next_address_people_hear_the_same_news() -> None:
    story = Story()
    story.forward(600)
    story.act("line_sent", reason="京A 0001")
    wang = next(send for send in story.sent if send.person == "wang" and send.purpose is Purpose.LINE_STAGE)
    assert "救护车已派出" in wang.body and "京A 0001" in wang.body
    story.deliver(wang, Delivery.GAVE_UP, "HTTP 403")
    again = story.sent[-1]
    assert (again.person, again.channel, again.purpose) == ("wang", "sms", Purpose.LINE_STAGE)
    assert (again.body, again.rung, again.detail) == (wang.body, wang.rung, wang.detail)


def test_after_an_outage_each_rung_still_gets_time_to_answer() -> None:
    story = Story()
    due = story.timers.copy()
    story.now_ms = START + 3_600_000  # the gateway was down for an hour
    story.timers = due
    story.forward(0)
    assert "wang: alarm" in story.told()
    assert "daughter: alarm" not in story.told()
    story.forward(19)
    assert "daughter: alarm" not in story.told()
    story.forward(1)
    assert "daughter: alarm" in story.told()


def test_a_very_late_alarm_is_told_at_once_but_a_machine_does_not_call_120_for_it() -> None:
    story = Story(first=change(at_ms=START, observed_at_ms=START - 3 * 3_600_000))
    assert story.case.late_ms == 3 * 3_600_000
    assert "180 分钟前" in story.sent[-1].body
    story.forward(3600)
    assert story.line_calls() == []
    assert "line_not_armed" in story.what()
    story.act("dial_now", reason="she does not answer the phone")
    assert len(story.line_calls()) == 1


def test_a_veto_needs_a_reason_and_a_new_press_arms_again() -> None:
    story = Story()
    story.forward(100)
    with pytest.raises(Refused, match="reason_needed"):
        story.act("veto")
    story.act("veto", reason="she answered the phone, tea was spilt")
    story.forward(3600)
    assert story.line_calls() == []
    story.alarm(AlarmMove.REPEATED)
    assert story.case.emergency.state is LineState.ARMED
    story.forward(60)
    assert len(story.line_calls()) == 1


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"ladder": LIFE.model_copy(update={"life_safety": False})}, "not a ladder for life safety"),
        ({"stage": Stage.CANCELLED}, "the case is over"),
        ({"emergency": {"state": LineState.VETOED}}, "the line is vetoed, not armed"),
        ({"emergency": {"deadline_ms": START + 1_000_000}}, "the deadline has not passed"),
        ({"stage": Stage.ACKNOWLEDGED, "emergency": {"postponed": False}}, "somebody has the case"),
        ({"stage": Stage.DISPATCHED}, "somebody has the case"),
        ({"stage": Stage.ARRIVED}, "somebody has the case"),
    ],
)
def test_each_guard_of_the_gate_holds_alone(changes: dict[str, object], why: str) -> None:
    story = Story()
    story.forward(179)
    story.now_ms = START + 180_000
    assert withheld(story.case, story.town, story.now_ms) is None
    emergency = changes.pop("emergency", None)
    case = story.case.model_copy(update=changes)
    if isinstance(emergency, dict):
        case = case.model_copy(update={"emergency": case.emergency.model_copy(update=emergency)})
    assert withheld(case, story.town, story.now_ms) == why


def test_the_line_that_gives_up_is_told_to_people() -> None:
    story = Story()
    story.forward(180)
    story.deliver(story.line_calls()[0], Delivery.GAVE_UP, "no answer, 3 times")
    assert story.case.emergency.state is LineState.FAILED
    assert "desk: line_failed" in story.told()


def test_smoke_in_the_same_home_joins_and_is_not_cancelled_by_the_key() -> None:
    story = Story()
    story.forward(5)
    story.alarm(AlarmMove.RAISED, rule="smoke-alarm", momentary=False, type_="smoke", device="smoke-1")
    assert "wang: alarm" in story.told(), "smoke does not wait for the window"
    story.alarm(AlarmMove.CANCELLED)
    assert story.case.open
    story.act("acknowledge")
    story.act("resolve")
    with pytest.raises(Refused, match="condition_holds"):
        story.act("close")
    story.alarm(AlarmMove.CLEARED, rule="smoke-alarm", momentary=False, type_="smoke", device="smoke-1")
    story.act("close")
    assert story.case.stage is Stage.CLOSED


def test_stale_and_double_answers_are_refused_kindly() -> None:
    story = Story()
    seen = story.case.version
    story.act("acknowledge")
    with pytest.raises(Refused) as stale:
        story.act("acknowledge", actor="operator:day", version=seen)
    assert stale.value.code == "stale"
    with pytest.raises(Refused) as taken:
        story.act("acknowledge", actor="operator:day")
    assert "谢谢" in taken.value.zh


def test_messages_are_chinese_first_with_english_beside() -> None:
    story = Story()
    first = next(send for send in story.sent if send.person == "desk")
    assert first.title == "紧急呼救：李秀兰"
    assert "团结湖 door-1" in first.body
    assert "personal emergency" in first.body


def test_hand_back_resumes_the_ladder() -> None:
    story = Story()
    story.forward(40)
    story.act("acknowledge")
    story.act("release", reason="wrong grid")
    assert story.case.owner is None
    assert "daughter: alarm" in story.told()


def test_a_press_while_help_is_there_tells_everybody_and_cannot_be_forgotten() -> None:
    story = Story()
    story.act("arrive", to="person:wang")
    story.forward(5)
    told = len(story.told())
    story.alarm(AlarmMove.REPEATED)
    assert "desk: alarm" in story.told()[told:]
    assert story.sent[-1].purpose is not Purpose.REMINDER
    lamps = [send.data["args"] for send in story.sent if send.purpose is Purpose.INDICATE]
    assert lamps[-1] == {"lamp": "blue", "voice": "help_is_coming"}, "somebody is there: the lamp does not go back"
    story.forward(181)
    assert story.case.stage is Stage.OPENED, "nobody said how things stand: the ladder goes on"
    assert story.case.next_at_ms is not None


def test_a_hundred_presses_tell_everybody_once_a_minute() -> None:
    story = Story()
    story.act("dispatch", to="person:wang")
    before = len(story.told())
    for _ in range(100):
        story.forward(0.3)
        story.alarm(AlarmMove.REPEATED)
    assert story.told()[before:] == ["desk: alarm", "wang: alarm"]
    assert story.what().count("alarm_repeated") == 100


def test_panic_presses_two_seconds_apart_are_no_bounce() -> None:
    story = Story()
    story.act("acknowledge")
    for _ in range(3):
        story.forward(2)
        story.alarm(AlarmMove.REPEATED)
    assert "owner_revoked" in story.what()


def test_a_press_after_the_devices_clock_was_set_back_is_a_press() -> None:
    story = Story()
    story.forward(40)
    story.act("acknowledge")
    story.hear(AlarmHeard(change=change(AlarmMove.REPEATED, at_ms=story.now_ms, observed_at_ms=START - 600_000)))
    assert "owner_revoked" in story.what()


def test_smoke_beside_a_press_is_told_to_those_who_are_on_their_way() -> None:
    story = Story()
    story.forward(31)
    story.act("dispatch", to="person:wang")
    before = len(story.sent)
    story.alarm(AlarmMove.RAISED, rule="smoke-alarm", momentary=False, type_="smoke", device="smoke-1")
    new = [send for send in story.sent[before:] if send.person == "wang"]
    assert [send.purpose for send in new] == [Purpose.ALARM]
    assert "烟雾" in new[0].title and "smoke" in new[0].body
    story.act("dial_now")
    assert "烟雾" in str(story.line_calls()[0].data["complaint"])


def test_the_resident_is_not_left_believing_that_help_is_coming() -> None:
    for story, end in ((Story(), "lease"), (Story(), "release")):
        story.act("acknowledge")
        if end == "lease":
            story.forward(181)
        else:
            story.act("release", reason="cannot go")
        lamps = [send.data["args"] for send in story.sent if send.purpose is Purpose.INDICATE]
        assert lamps[-2:] == [
            {"lamp": "blue", "voice": "help_is_coming"},
            {"lamp": "green", "voice": "received"},
        ]


def test_an_address_that_is_refused_for_good_does_not_leave_a_person_untold() -> None:
    story = Story()
    story.forward(30)
    first = next(send for send in story.sent if send.person == "wang")
    story.deliver(first, Delivery.GAVE_UP, "HTTP 403")
    assert [send.channel for send in story.sent if send.person == "wang"] == ["messenger", "sms"]


def test_reminders_that_have_not_gone_out_are_taken_back() -> None:
    story = Story()
    story.forward(400)
    taken_back = [effect for effect in story.effects if isinstance(effect, WithdrawUnsent)]
    assert {effect.only for effect in taken_back} == {(Purpose.REMINDER,)}, "a newer reminder replaces an older one"
    story.effects.clear()
    story.act("acknowledge")
    assert any(e for e in story.effects if isinstance(e, WithdrawUnsent) and Purpose.REMINDER in e.only)


def test_the_first_word_of_an_emergency_goes_before_reminders_of_another() -> None:
    story = Story()
    story.forward(400)
    assert {send.urgent for send in story.sent if send.purpose is Purpose.ALARM} == {True}
    assert {send.urgent for send in story.sent if send.purpose is Purpose.REMINDER} == {False}


@pytest.mark.parametrize("by_ms", [-3_600_000, 3_600_000])
def test_a_step_of_the_clock_neither_fires_nor_postpones(by_ms: int) -> None:
    story = Story()
    story.forward(100)
    story.now_ms += by_ms
    story.hear(ClockStepped(by_ms=by_ms))
    assert story.line_calls() == []
    assert story.case.emergency.deadline_ms == story.now_ms + 80_000
    story.forward(79)
    assert story.line_calls() == []
    story.forward(1)
    assert len(story.line_calls()) == 1


def test_a_timer_that_is_taken_out_too_early_is_set_again() -> None:
    story = Story()
    due = story.timers.pop(TimerName.LADDER)
    story.hear(TimerDue(name=TimerName.LADDER))
    assert story.timers[TimerName.LADDER] == due
    story.act("acknowledge")
    lease = story.timers.pop(TimerName.LEASE)
    story.hear(TimerDue(name=TimerName.LEASE))
    assert story.timers[TimerName.LEASE] == lease


def test_who_stands_on_several_rungs_is_told_once() -> None:
    town = Town()
    town.roles["supervisor"] = [person("desk")]
    town.family = [person("wang")]
    story = Story(town)
    story.forward(170)
    assert story.told() == ["desk: alarm", "wang: alarm", "zhao: alarm"]
    story.forward(10)
    assert len(story.line_calls()) == 1, "and the ladder keeps its times"
