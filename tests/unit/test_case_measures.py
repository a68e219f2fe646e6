"""What a case makes of commands that rules give, of the rules' own words, and of many alarms at once. Pure."""

from __future__ import annotations

from typing import Any

from gateway.alarms import AlarmChange, AlarmMove, Severity
from gateway.cases import machine, messages
from gateway.cases.commands import AlarmHeard, AlarmWithheld, Order, StormJoined
from gateway.cases.effects import Delivery, Purpose, Send, WithdrawUnsent
from gateway.cases.model import Case, Storm
from tests.support.town import LIFE, SERVICE, START, Story, Town, change

SHUT = Order(command="close", zh="关阀", en="shut the valve", devices=("valve-1",))
GAS: dict[str, Any] = {"rule": "gas-alarm", "type_": "gas", "momentary": False}


def gas(move: AlarmMove = AlarmMove.RAISED, *, at_ms: int = START, **more: Any) -> AlarmChange:
    return change(move, at_ms=at_ms, **GAS | more)


def hear(story: Story, move: AlarmMove, *orders: Order, **more: Any) -> None:
    story.hear(AlarmHeard(change=gas(move, at_ms=story.now_ms, **more), orders=orders))


def given(story: Story) -> list[Send]:
    return [send for send in story.sent if send.purpose is Purpose.ACTION]


def test_a_command_is_known_by_case_rule_device_and_command() -> None:
    story = Story()
    hear(story, AlarmMove.RAISED, SHUT)
    hear(story, AlarmMove.REPEATED, SHUT)
    assert [send.key for send in given(story)] == ["2026-000001:do:gas-alarm:valve-1:close:1"]
    say = Order(command="say", args={"voice": "gas_leave_now"}, zh="语音播报", en="say", devices=("siren-1",))
    hear(story, AlarmMove.REPEATED, SHUT, say)
    assert given(story)[-1].key == "2026-000001:do:gas-alarm:siren-1:say:voice=gas_leave_now:1"
    assert given(story)[-1].data == {"command": "say", "args": {"voice": "gas_leave_now"}}


def test_it_is_given_again_after_it_failed_and_never_before() -> None:
    story = Story()
    hear(story, AlarmMove.RAISED, SHUT)
    story.deliver(given(story)[0], Delivery.TROUBLE)
    hear(story, AlarmMove.REPEATED, SHUT)
    assert len(given(story)) == 1, "it is still being tried"
    story.deliver(given(story)[0], Delivery.GAVE_UP, "expired")
    hear(story, AlarmMove.REPEATED, SHUT)
    assert [send.key[-2:] for send in given(story)] == [":1", ":2"]
    story.deliver(given(story)[1], Delivery.DELIVERED)
    hear(story, AlarmMove.REPEATED, SHUT)
    assert len(given(story)) == 2


def test_everybody_told_so_far_hears_of_trouble_and_of_its_end() -> None:
    story = Story()
    hear(story, AlarmMove.RAISED, SHUT)
    story.forward(30)
    for delivery, purpose in ((Delivery.TROUBLE, "action_failed"), (Delivery.DELIVERED, "action_done")):
        story.deliver(given(story)[0], delivery)
        assert {f"{who}: {purpose}" for who in ("desk", "wang", "zhao")} <= set(story.told())
    assert story.what()[-1] == "action_done"


def test_what_two_alarms_want_is_withdrawn_with_the_last_of_them() -> None:
    story = Story()
    hear(story, AlarmMove.RAISED, SHUT)
    hear(story, AlarmMove.RAISED, SHUT, resident=None, device="gas-2")
    hear(story, AlarmMove.CLEARED)
    assert not [effect for effect in story.effects if isinstance(effect, WithdrawUnsent) and effect.keys]
    hear(story, AlarmMove.CLEARED, resident=None, device="gas-2")
    (withdrawn,) = [effect for effect in story.effects if isinstance(effect, WithdrawUnsent) and effect.keys]
    assert withdrawn.keys == (given(story)[0].key,)
    assert withdrawn.only == (Purpose.ACTION,)


def test_a_command_of_a_case_that_is_over_tells_nobody() -> None:
    story = Story()
    hear(story, AlarmMove.RAISED, SHUT)
    story.act("cancel", reason="a mistake")
    before = len(story.told())
    story.deliver(given(story)[0], Delivery.WITHDRAWN, "cancelled")
    assert story.what()[-1] == "action_withdrawn"
    assert len(story.told()) == before


# -- words


def worded(move: AlarmMove = AlarmMove.RAISED, **more: Any) -> AlarmChange:
    return change(move, **more).model_copy(update={"zh": "李秀兰血氧 82%", "en": "spo2 of Li is 82 %"})


def body(case: Case, language: str = "zh") -> str:
    return messages.message(case, Purpose.ALARM, Town(), language=language)[1]


def test_the_rule_s_own_words_stand_in_messages_and_on_the_card() -> None:
    story = Story(first=worded())
    assert story.case.explanation == "press", "the technical sentence stays"
    assert body(story.case).startswith("李秀兰血氧 82%\n")
    assert "\n\npersonal emergency: 李秀兰\nspo2 of Li is 82 %\n" in body(story.case)
    story.forward(180)
    (call,) = story.line_calls()
    assert call.data["complaint"] == "紧急呼救：李秀兰血氧 82%（press）"


def test_what_joins_is_said_as_well_and_what_is_over_is_not() -> None:
    story = Story()
    story.hear(AlarmHeard(change=worded(rule="spo2", momentary=False)))
    assert "李秀兰血氧 82%" in body(story.case)
    newer = worded(AlarmMove.REPEATED, rule="spo2", momentary=False).model_copy(update={"zh": "李秀兰血氧 79%"})
    story.hear(AlarmHeard(change=newer))
    assert "李秀兰血氧 79%" in body(story.case)
    story.hear(AlarmHeard(change=worded(AlarmMove.CLEARED, rule="spo2", momentary=False)))
    story.hear(AlarmHeard(change=change(rule="other", momentary=False)))
    assert "血氧" in body(story.case), "the press has no words: what was said last is all there is"


def test_without_words_of_its_own_nothing_is_added() -> None:
    assert body(Story().case).splitlines()[0] == "地点：团结湖 door-1"


# -- storms


def storm() -> Story:
    story = Story(ladder=SERVICE, first=change(ladder="service", type_="service_request", severity=Severity.SERVICE))
    moved = machine.open_case(
        case_id="2026-000002",
        number="2026-000002",
        change=change(rule="leak", type_="alarm_storm", ladder="service", severity=Severity.URGENT, resident=None),
        ladder=SERVICE,
        directory=story.town,
        now_ms=START,
        storm=Storm(rule="leak", count=4, within_s=100, until_ms=START + 200_000),
    )
    story.case = moved.case
    return story


def leak(story: Story, number: int, move: AlarmMove = AlarmMove.RAISED) -> AlarmChange:
    about = {"rule": "leak", "type_": "water_leak", "ladder": "service", "momentary": False}
    raised = change(move, at_ms=story.now_ms, severity=Severity.URGENT, resident=None, device=f"leak-{number}", **about)
    return raised.model_copy(update={"subject": f"device:leak-{number}"})


def test_joining_a_storm_tells_only_those_who_have_not_been_told() -> None:
    story = storm()
    before = list(story.told())
    story.hear(StormJoined(change=leak(story, 1), until_ms=START + 300_000))
    assert story.told() == before
    assert story.case.storm is not None
    assert (story.case.storm.count, story.case.storm.active, story.case.storm.until_ms) == (5, 1, START + 300_000)
    assert "至今共 5 条" in body(story.case)


def test_one_of_a_storm_that_is_taken_back_does_not_end_it() -> None:
    story = storm()
    story.hear(StormJoined(change=leak(story, 1), until_ms=0))
    story.hear(AlarmHeard(change=leak(story, 1, AlarmMove.CANCELLED)))
    assert story.case.open
    assert not story.case.cancel_claimed
    assert story.case.still == ()


def test_an_alarm_that_is_held_back_moves_nothing() -> None:
    story = Story(ladder=LIFE)
    before = story.case
    story.hear(AlarmWithheld(change=leak(story, 1)))
    assert story.case == before.model_copy(update={"version": before.version + 1, "withheld": 1})
    assert story.what()[-1] == "alarm_withheld"
