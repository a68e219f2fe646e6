"""The 120 gate: each guard alone, the countdown, the voice check, other lines, other ways, and what follows a call."""

from __future__ import annotations

import pytest

from gateway.alarms import AlarmMove, Severity
from gateway.cases.commands import Action, ClockStepped, Refused, VoiceAnswered
from gateway.cases.effects import Delivery, Purpose
from gateway.cases.gate import withheld
from gateway.cases.model import Case, LineState, Stage, VoiceCheck
from tests.support.town import CLOCK, LIFE, START, Story, Town, change

SMOKE = {"rule": "smoke-alarm", "momentary": False, "type_": "smoke", "device": "smoke-1"}


def clock(town: Town | None = None, **more: object) -> Story:
    return Story(town, CLOCK, change(**more) if more else None)  # type: ignore[arg-type]


def voices(story: Story) -> list[object]:
    sends = [send for send in story.sent if send.purpose is Purpose.INDICATE]
    return [send.data["args"]["voice"] for send in sends]  # type: ignore[index]


def test_the_clock_from_the_press_to_the_call() -> None:
    story = clock()
    assert story.told() == ["desk: alarm"] and voices(story) == ["received"]
    assert story.case.emergency.state is LineState.DISARMED
    story.forward(29)
    assert story.told() == ["desk: alarm"], "the cancel window is not over"
    story.forward(1)
    assert set(story.told()[1:]) == {"wang: alarm", "zhao: alarm", "daughter: alarm"}
    story.forward(45)
    assert set(story.told()[4:]) == {"guo: alarm", "son: alarm"}
    story.forward(44)
    assert story.case.emergency.state is LineState.DISARMED
    story.forward(1)
    assert story.told()[6:] == ["chen: alarm"]
    assert story.case.emergency.state is LineState.ARMED
    story.forward(29)
    assert "line_soon" not in story.what()
    story.forward(1)
    assert story.case.emergency.state is LineState.COUNTDOWN
    assert voices(story) == ["received", "calling_for_help"], "it can be heard"
    assert "desk: line_soon" in story.told()
    story.forward(29)
    assert story.line_calls() == []
    story.forward(1)
    assert [send.to for send in story.line_calls()] == ["120"]
    assert story.case.emergency.state is LineState.COMMITTED
    assert story.now_ms == START + 180_000


@pytest.mark.parametrize(
    ("case_changes", "emergency", "town", "why"),
    [
        ({"ladder": CLOCK.model_copy(update={"life_safety": False})}, {}, {}, "not a ladder for life safety"),
        ({}, {}, {"enabled": False}, "the site has no automatic call switched on, with consent on record"),
        (
            {"drill": True},
            {},
            {"line_mode": "live", "drill_line": False},
            "a drill never calls a line that is no drill",
        ),
        ({"stage": Stage.CANCELLED}, {}, {}, "the case is over"),
        ({}, {"state": LineState.VETOED}, {}, "the line is vetoed, not armed"),
        ({}, {"state": LineState.DISARMED}, {}, "the line is disarmed, not armed"),
        ({}, {"state": LineState.ANSWERED}, {}, "the line is answered, not armed"),
        ({}, {"deadline_ms": START + 180_001}, {}, "the deadline has not passed"),
        ({}, {"deadline_ms": None}, {}, "the deadline has not passed"),
        ({"stage": Stage.ACKNOWLEDGED, "owner": "operator:a"}, {}, {}, "somebody has the case"),
        ({"stage": Stage.DISPATCHED, "owner": "operator:a"}, {}, {}, "somebody has the case"),
        ({"stage": Stage.ARRIVED, "owner": "operator:a"}, {}, {}, "somebody has the case"),
        ({}, {"voice": VoiceCheck.FINE}, {}, "the resident answered that all is well"),
    ],
)
def test_each_guard_of_the_gate_holds_alone(
    case_changes: dict[str, object], emergency: dict[str, object], town: dict[str, object], why: str
) -> None:
    story = clock()
    story.forward(179)
    now_ms = START + 180_000
    assert withheld(story.case, story.town, now_ms) is None, "with every guard it calls"
    case = story.case.model_copy(update=case_changes)
    case = case.model_copy(update={"emergency": case.emergency.model_copy(update=emergency)})
    for name, value in town.items():
        setattr(story.town, name, value)
    assert withheld(case, story.town, now_ms) == why


def test_a_lease_that_has_run_out_is_no_owner() -> None:
    story = clock()
    story.forward(179)
    owned = {"stage": Stage.DISPATCHED, "owner": "operator:a", "lease_until_ms": START + 180_000}
    case = story.case.model_copy(update=owned)
    assert withheld(case, story.town, START + 179_999) is not None
    assert withheld(case, story.town, START + 180_000) is None


def test_a_site_without_consent_tells_people_to_dial() -> None:
    story = clock(Town(enabled=False, line_mode="live"))
    story.forward(3600)
    assert story.line_calls() == []
    failed = [send for send in story.sent if send.purpose is Purpose.LINE_FAILED]
    assert {send.person for send in failed} >= {"desk", "wang", "daughter", "chen"}
    assert "未启用自动呼叫" in failed[0].body
    story.act("dial_now", reason="no answer on the phone")
    assert len(story.line_calls()) == 1, "a person may"


def test_a_drill_never_calls_a_live_line_whoever_asks_for_it() -> None:
    story = clock(Town(line_mode="live", drill_line=False))
    story.case = story.case.model_copy(update={"drill": True})
    story.forward(3600)
    with pytest.raises(Refused, match="drill"):
        story.act("dial_now", reason="now")
    assert story.line_calls() == []


@pytest.mark.parametrize("down_s", [0, 60, 600, 7200])
@pytest.mark.parametrize("before_s", [0, 29, 31, 100, 125, 151, 179])
def test_after_an_outage_the_deadline_is_kept_and_everybody_has_their_time(before_s: int, down_s: int) -> None:
    story = clock()
    story.forward(before_s)
    untold = len(CLOCK.rungs) - 1 - story.case.rung
    story.now_ms += down_s * 1000  # nothing was taken meanwhile
    back_ms = story.now_ms
    story.forward(0)
    while not story.line_calls():
        story.forward(1)
        assert story.now_ms < back_ms + 400_000
    called_ms = story.now_ms
    assert called_ms >= START + 180_000
    if called_ms > START + 180_000:
        waited_s = (called_ms - back_ms) / 1000
        counted = before_s >= 150
        # Each rung that was due while it was down has its 20 s, and so has the countdown.
        assert waited_s <= 20 * (untold + 1) + (0 if counted else 20)
        assert down_s == 0 or counted or waited_s >= 20
    told = [send for send in story.sent if send.purpose is Purpose.ALARM]
    assert {send.person for send in told} >= {"desk", "wang", "zhao", "guo", "chen", "daughter", "son"}


@pytest.mark.parametrize("by_ms", [-7_200_000, -1_000, 1_000, 7_200_000])
@pytest.mark.parametrize("at_s", [10, 119, 121, 151, 179])
def test_a_step_of_the_clock_neither_calls_nor_postpones(at_s: int, by_ms: int) -> None:
    story = clock()
    story.forward(at_s)
    story.now_ms += by_ms
    story.hear(ClockStepped(by_ms=by_ms))
    story.forward(180 - at_s - 1)
    assert story.line_calls() == []
    story.forward(1)
    assert len(story.line_calls()) == 1
    assert {"wang: alarm", "daughter: alarm", "chen: alarm"} <= set(story.told())


def test_a_veto_is_possible_from_the_beginning_until_it_is_committed() -> None:
    for at_s in (0, 60, 130, 160, 179):
        story = clock()
        story.forward(at_s)
        story.act("veto", reason="she answered the phone")
        story.forward(3600)
        assert story.line_calls() == [], at_s
    story = clock()
    story.forward(180)
    with pytest.raises(Refused, match="line_not_armed"):
        story.act("veto", reason="too late")


def test_whoever_heard_the_countdown_and_was_spared_hears_that_too() -> None:
    story = clock()
    story.forward(160)
    story.act("veto", reason="she answered the phone")
    assert voices(story)[-2:] == ["calling_for_help", "received"]


def test_an_acknowledgement_in_the_countdown_holds_the_call_once() -> None:
    story = clock()
    story.forward(170)
    story.act("acknowledge")
    assert story.case.emergency.state is LineState.ARMED and story.case.emergency.deadline_ms is None
    story.forward(181)
    assert story.case.stage is Stage.OPENED, "the lease ran out"
    story.act("acknowledge", actor="operator:other")
    story.forward(60)
    assert len(story.line_calls()) == 1


def test_a_second_tap_brings_the_call_neither_nearer_nor_farther() -> None:
    story = clock()
    story.forward(100)
    story.act("acknowledge", actor="person:wang")
    story.forward(1)
    story.act("acknowledge", actor="person:wang")
    assert story.case.lease_until_ms == START + 280_000 and story.case.next_at_ms is None
    story.forward(178)
    assert story.line_calls() == [] and story.case.owner == "person:wang"
    story.forward(90)
    assert len(story.line_calls()) == 1


@pytest.mark.parametrize("action", ["acknowledge", "dispatch", "arrive"])
def test_a_press_after_a_veto_arms_again_whoever_has_the_case(action: Action) -> None:
    story = clock()
    story.forward(40)
    story.act("veto", reason="she answered the phone")
    story.act(action, actor="person:wang", to="person:wang")
    story.forward(20)
    story.alarm(AlarmMove.REPEATED)
    story.act("note", reason="and nobody says a word")
    story.forward(900)
    assert len(story.line_calls()) == 1


def test_acknowledging_again_and_again_does_not_hold_the_call() -> None:
    story = Story(ladder=CLOCK.model_copy(update={"repeat_s": 10}))
    story.forward(170)
    story.act("acknowledge")
    story.forward(181)
    for _ in range(6):
        story.act("acknowledge", actor="operator:other")
        story.forward(10)
    assert len(story.line_calls()) == 1


# by type


def test_smoke_asks_and_calls_the_fire_brigade_where_nobody_answers() -> None:
    story = clock(
        Town(voices=("sos-1", "siren-1")), rule="smoke-alarm", type_="smoke", momentary=False, device="smoke-1"
    )
    assert "are_you_all_right" in voices(story)
    story.forward(19)
    assert story.line_calls() == []
    story.forward(1)
    assert [send.to for send in story.line_calls()] == ["119"]


def test_smoke_is_not_called_for_where_the_resident_says_that_all_is_well() -> None:
    town = Town(voices=("sos-1",))
    story = clock(town, rule="smoke-alarm", type_="smoke", momentary=False, device="smoke-1")
    story.forward(10)
    story.hear(VoiceAnswered(device="sos-1"))
    story.forward(30)
    assert story.line_calls() == []
    assert "line_withheld" in story.what()
    story.alarm(AlarmMove.RAISED, **SMOKE | {"rule": "smoke-2", "device": "smoke-2"})
    story.forward(20)
    assert len(story.line_calls()) == 1, "a second detector: the answer was for the first"


def test_smoke_that_somebody_has_taken_is_theirs() -> None:
    story = clock(rule="smoke-alarm", type_="smoke", momentary=False, device="smoke-1")
    story.forward(5)
    story.act("acknowledge")
    story.forward(170)
    assert story.line_calls() == []
    story.forward(10 + 20)
    assert [send.to for send in story.line_calls()] == ["119"], "they did nothing: 20 s more, and it is called"


def test_a_cardiac_pattern_is_called_for_at_once_and_other_readings_after_a_minute() -> None:
    story = clock(rule="cardiac-pattern", type_="vitals_critical", momentary=False, device="vitals-1")
    assert len(story.line_calls()) == 1
    assert story.told()[0] == "desk: alarm", "and people are told"
    story = clock(rule="spo2-critical", type_="vitals_critical", momentary=False, device="vitals-1")
    story.forward(59)
    assert story.line_calls() == []
    story.forward(1)
    assert len(story.line_calls()) == 1


def test_the_key_pressed_twice_is_called_for_at_once() -> None:
    story = clock()
    story.forward(2)
    story.alarm(AlarmMove.REPEATED)
    assert story.line_calls() == [], "a bouncing key is one press"
    story.forward(6)
    story.alarm(AlarmMove.REPEATED)
    assert len(story.line_calls()) == 1


def test_fire_beside_a_press_calls_both_and_the_centre_hears_of_it() -> None:
    story = clock()
    story.forward(180)
    assert [send.to for send in story.line_calls()] == ["120"]
    story.alarm(AlarmMove.RAISED, **SMOKE)
    assert [send.to for send in story.line_calls()] == ["120", "119"]
    updates = [send for send in story.sent if send.purpose is Purpose.EMERGENCY_UPDATE]
    assert len(updates) == 1 and "烟雾" in str(updates[0].data["what"])
    story.deliver(story.line_calls()[1], Delivery.DELIVERED, "answered")
    assert [(one.number, one.state) for one in story.case.emergency.also] == [("119", LineState.ANSWERED)]
    story.act("cancel", reason="all is well")
    cancels = [send for send in story.sent if send.purpose is Purpose.EMERGENCY_CANCEL]
    assert {send.to for send in cancels} == {"120", "119"}


def test_readings_that_join_after_the_call_are_told_to_the_centre() -> None:
    story = clock()
    story.forward(180)
    more = {"rule": "spo2-low", "type_": "vitals_abnormal", "momentary": False, "severity": Severity.URGENT}
    story.alarm(AlarmMove.RAISED, **more)
    assert [send.purpose for send in story.sent if send.channel == "emergency_line"][1:] == [Purpose.EMERGENCY_UPDATE]


# taking it back


def test_a_cancel_after_the_window_answers_the_countdown_and_an_operator_decides() -> None:
    story = clock()
    story.forward(160)
    story.alarm(AlarmMove.CANCELLED)
    story.forward(600)
    assert story.line_calls() == [], "the resident answered"
    assert story.case.open and story.case.cancel_claimed
    assert "desk: reminder" in story.told(), "and people go on until one decides"


def test_a_cancel_after_the_window_and_before_the_question_does_not_stop_it() -> None:
    story = clock()
    story.forward(50)
    story.alarm(AlarmMove.CANCELLED)
    story.forward(130)
    assert len(story.line_calls()) == 1


def test_the_residents_code_takes_it_back_in_the_window_and_a_wrong_one_does_not() -> None:
    story = clock()
    with pytest.raises(Refused, match="wrong_code"):
        story.act("take_back", code="0000")
    story.act("take_back", code="4711")
    assert story.case.stage is Stage.CANCELLED


@pytest.mark.parametrize("at_the_device", [True, False])
def test_duress_looks_like_a_cancel_and_goes_on(at_the_device: bool) -> None:
    story = clock(Town(voices=("siren-1",)))
    story.forward(10)
    if at_the_device:
        story.alarm(AlarmMove.CANCELLED, code="4712")
    else:
        story.act("take_back", actor="person:daughter", code="4712")
    assert voices(story)[-1] == "cancelled"
    assert "desk: duress" in story.told() and story.case.open
    said = len(voices(story))
    story.forward(300)
    assert len(voices(story)) == said, "whoever stands beside the resident hears nothing more"
    assert len(story.line_calls()) == 1
    assert not [send for send in story.sent if send.purpose is Purpose.SOUND]
    title = next(send.title for send in story.sent if send.purpose is Purpose.DURESS)
    assert "胁迫" in title and "请勿打电话" in title


@pytest.mark.parametrize("code_first", [True, False])
def test_a_word_that_was_forced_holds_no_call_back(code_first: bool) -> None:
    story = clock(Town(voices=("siren-1",)))
    story.forward(155)
    assert story.case.emergency.voice is VoiceCheck.ASKED
    codes = ("4712", "") if code_first else ("", "4712")
    for code in codes:
        story.alarm(AlarmMove.CANCELLED, code=code)
    story.forward(30)
    assert len(story.line_calls()) == 1
    assert story.what().count("cancel_claimed") == (0 if code_first else 1), "nobody is asked to telephone"


def test_duress_after_a_call_was_withheld_calls_all_the_same() -> None:
    story = clock(Town(voices=("siren-1",)))
    story.forward(155)
    story.alarm(AlarmMove.CANCELLED)
    story.forward(60)
    assert "line_withheld" in story.what() and story.line_calls() == []
    story.alarm(AlarmMove.CANCELLED, code="4712")
    story.forward(120)
    assert len(story.line_calls()) == 1


# the call


def test_the_other_way_is_tried_and_says_that_it_repeats_then_sirens_and_everybody() -> None:
    story = clock(Town(line_paths=2, voices=("siren-1",)))
    story.forward(180)
    first = story.line_calls()[0]
    story.deliver(first, Delivery.TROUBLE, "no answer")
    assert story.case.emergency.state is LineState.DIALLING
    story.deliver(first, Delivery.GAVE_UP, "unclear, 3 times")
    second = story.line_calls()[1]
    assert second.key != first.key and second.data["path"] == 1
    assert "重复呼叫" in str(second.data["complaint"])
    assert story.case.emergency.state is LineState.COMMITTED
    story.deliver(second, Delivery.GAVE_UP, "no carrier")
    assert story.case.emergency.state is LineState.FAILED
    assert {"desk: line_failed", "son: line_failed", "director: alarm"} <= set(story.told())
    assert [send.to for send in story.sent if send.purpose is Purpose.SOUND] == ["siren-1"]


def test_a_first_way_that_answers_late_after_all_has_answered() -> None:
    story = clock(Town(line_paths=2))
    story.forward(180)
    first = story.line_calls()[0]
    story.deliver(first, Delivery.GAVE_UP, "unclear")
    story.deliver(first, Delivery.DELIVERED, "seat 3")
    assert story.case.emergency.state is LineState.ANSWERED
    story.deliver(story.line_calls()[1], Delivery.GAVE_UP, "busy")
    assert "line_failed" not in story.what()


def test_the_family_hears_how_it_goes_on() -> None:
    story = clock()
    with pytest.raises(Refused, match="line_not_called"):
        story.act("line_arrived")
    story.forward(180)
    story.deliver(story.line_calls()[0], Delivery.DELIVERED, "seat 12")
    story.act("line_sent", reason="车 3")
    story.act("line_arrived")
    story.act("line_hospital", reason="朝阳医院")
    stages = [send for send in story.sent if send.purpose is Purpose.LINE_STAGE and send.person == "daughter"]
    assert [word in send.body for send, word in zip(stages, ("车 3", "救护车已到", "朝阳医院"), strict=True)] == [
        True
    ] * 3
    assert {"line_sent", "line_arrived", "line_hospital"} <= set(story.case.times)
    story.act("line_update", reason="她在二楼卧室")
    assert story.sent[-1].purpose is Purpose.EMERGENCY_UPDATE and story.sent[-1].data["what"] == "她在二楼卧室"


def test_rows_of_the_version_before_can_still_be_read() -> None:
    story = Story(ladder=LIFE)
    document = story.case.model_dump(mode="json")
    for new in (
        "branch_of",
        "branches",
        "helpers",
        "agenda",
        "beside_at_ms",
        "unreached",
        "fell_back",
        "duress",
        "planned_ms",
    ):
        del document[new]
    old = ("state", "number", "deadline_ms", "postponed", "reference", "detail")
    document["emergency"] = {key: document["emergency"][key] for key in old}
    for key in ("branches", "fallback", "supervisor", "lines", "loops"):
        del document["ladder"][key]
    for rung in document["ladder"]["rungs"]:
        for key in ("tell", "repeat", "devices", "arm_s", "countdown_s"):
            del rung[key]
    story.case = Case.model_validate(document)
    story.forward(180)
    assert len(story.line_calls()) == 1
