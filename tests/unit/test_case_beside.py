"""What runs beside the ladder: families with an answer of their own, rungs that tell all, repeats, people who come,
quiet hours, several contacts at once, and the fallback."""

from __future__ import annotations

import pytest

from gateway.alarms import AlarmMove, Severity
from gateway.cases.commands import ClockStepped, Refused
from gateway.cases.directory import Quiet
from gateway.cases.effects import Delivery, Purpose, WithdrawUnsent
from gateway.cases.model import LineState, Stage
from gateway.cases.policy import Ladder, Recipient, Repeat, Rung
from tests.support.town import CLOCK, SERVICE, START, Story, Town, change, person

ASLEEP = START + 8 * 3_600_000


def clock(town: Town | None = None) -> Story:
    return Story(town, CLOCK)


def service(town: Town, severity: Severity = Severity.SERVICE, ladder: Ladder = SERVICE) -> Story:
    return Story(town, ladder, change(ladder="service", type_="service_request", severity=severity))


# branches


def test_a_family_that_is_coming_does_not_silence_the_control_room() -> None:
    story = clock()
    story.forward(40)
    story.act("acknowledge", actor="person:daughter")
    assert story.case.stage is Stage.OPENED and story.case.owner is None
    coming = [send for send in story.sent if send.purpose is Purpose.COMING]
    assert {send.person for send in coming} == {"desk", "wang", "zhao"} and "Daughter" in coming[0].body
    assert story.sent[-1].data == {"command": "indicate", "args": {"lamp": "blue", "voice": "help_is_coming"}}
    story.forward(40)
    assert "guo: alarm" in story.told(), "the ladder goes on"
    assert "son: alarm" not in story.told(), "the family's own does not"
    story.forward(100)
    assert len(story.line_calls()) == 1, "and no machine takes it for an owner"


def test_the_control_room_that_took_it_does_not_silence_the_first_of_the_family() -> None:
    story = clock()
    story.forward(5)
    story.act("acknowledge")
    story.forward(100)
    assert "daughter: alarm" in story.told(), "that rung tells all"
    assert not {"son: alarm", "wang: alarm", "guo: alarm"} & set(story.told()), "these tell until somebody has it"


def test_a_branch_that_was_passed_over_goes_on_when_nobody_has_the_case() -> None:
    story = clock()
    story.forward(40)
    story.act("acknowledge")
    story.forward(100)
    assert "son: alarm" not in story.told() and "rung_passed" in story.what()
    story.forward(80)
    assert "lease_expired" in story.what()
    assert "son: alarm" in story.told()


def test_somebody_of_the_family_who_says_no_word_is_asked_and_the_next_one_told() -> None:
    story = clock()
    story.forward(40)
    story.act("acknowledge", actor="person:daughter")
    story.forward(181)
    assert "daughter: owner_silent" in story.told() and "helper_lapsed" in story.what()
    assert "son: alarm" in story.told()
    assert story.case.helpers == ()


def test_somebody_who_cannot_come_after_all_hands_it_on() -> None:
    story = clock()
    story.forward(40)
    story.act("dispatch", actor="person:daughter")
    assert story.case.helpers[0].until_ms == story.now_ms + CLOCK.on_the_way_s * 1000
    story.forward(60)
    story.act("release", actor="person:daughter", reason="the car does not start")
    assert "son: alarm" in story.told() and "helper_left" in story.what()


def test_an_answer_of_the_family_is_never_stale() -> None:
    story = clock()
    story.forward(31)
    seen = story.case.version
    story.act("acknowledge")
    story.act("acknowledge", actor="person:daughter", version=seen)
    assert [helper.actor for helper in story.case.helpers] == ["person:daughter"]
    with pytest.raises(Refused, match="stale"):
        story.act("acknowledge", actor="person:wang", version=seen)


def test_several_may_be_coming_and_the_next_has_it_when_the_owner_says_no_word() -> None:
    story = clock()
    story.forward(31)
    story.act("acknowledge", actor="person:wang")
    story.act("dispatch", actor="person:zhao")
    assert story.case.owner == "person:wang"
    story.alarm(AlarmMove.REPEATED)  # the owner has to say how things stand
    story.forward(CLOCK.lease_s)
    assert "owner_from_helper" in story.what() and "wang: owner_silent" in story.told()
    assert story.case.owner == "person:zhao" and story.line_calls() == []
    story.forward(CLOCK.on_the_way_s)
    assert story.case.stage is Stage.OPENED


def test_who_arrives_of_the_family_is_there() -> None:
    story = clock()
    story.forward(40)
    story.act("arrive", actor="person:daughter")
    assert story.case.stage is Stage.ARRIVED
    story.forward(3600)
    assert story.line_calls() == []


# rungs


def test_a_rung_is_repeated_until_somebody_has_it() -> None:
    rungs = (
        Rung(id="desk", after_s=0, notify=(Recipient(role="control_room"),), repeat=Repeat(times=3, every_s=20)),
        Rung(id="grid", after_s=600, notify=(Recipient(role="grid_staff"),)),
    )
    story = Story(ladder=Ladder(id="urgent", rungs=rungs), first=change(ladder="urgent", severity=Severity.URGENT))
    story.forward(41)
    assert story.told() == ["desk: alarm", "desk: reminder", "desk: reminder"]
    story.act("acknowledge")
    story.forward(60)
    assert story.told().count("desk: reminder") == 2


def test_it_is_not_repeated_more_often_than_it_says() -> None:
    rungs = (Rung(id="desk", after_s=0, notify=(Recipient(role="control_room"),), repeat=Repeat(times=2, every_s=20)),)
    story = Story(ladder=Ladder(id="urgent", rungs=rungs), first=change(ladder="urgent", severity=Severity.URGENT))
    story.forward(3600)
    assert story.told() == ["desk: alarm", "desk: reminder", "desk: reminder"]


def test_what_is_not_life_safety_has_a_limit_of_rounds_and_says_when_it_ends() -> None:
    ladder = SERVICE.model_copy(update={"loops": 3, "repeat_s": 600})
    story = service(Town(), ladder=ladder)
    story.forward(24 * 3600)
    assert story.told().count("wang: reminder") == 3
    assert story.what()[-1] == "ladder_ended" and story.case.open


def test_who_need_not_be_told_any_more_is_not_told() -> None:
    story = clock()
    story.forward(31)
    story.act("acknowledge", actor="person:wang")
    taken_back = [effect for effect in story.effects if isinstance(effect, WithdrawUnsent) and effect.rungs]
    assert taken_back and "first" not in taken_back[-1].rungs, "the first of the family hears it all the same"
    assert "grid" in taken_back[-1].rungs


def test_the_supervisor_hears_of_a_step_with_nobody_on_it() -> None:
    town = Town()
    town.roles["guard"] = []
    story = clock(town)
    story.forward(75)
    empty = [send for send in story.sent if send.purpose is Purpose.RUNG_EMPTY]
    assert [send.person for send in empty] == ["chen"] and "guards" in empty[0].body
    assert "chen: alarm" in story.told(), "and the next step is told at once"


def test_a_family_without_further_members_is_no_hole() -> None:
    town = Town(family=[person("daughter")])
    story = clock(town)
    story.forward(80)
    assert "rung_empty" in story.what()
    assert not [send for send in story.sent if send.purpose is Purpose.RUNG_EMPTY]


def test_where_nobody_lives_no_family_is_missing() -> None:
    story = Story(ladder=CLOCK, first=change(resident=None))
    story.forward(80)
    assert not [send for send in story.sent if send.purpose is Purpose.RUNG_EMPTY]


def test_neighbours_hear_that_help_is_needed_and_not_what_was_measured() -> None:
    neighbour = person("qian").model_copy(update={"discreet": True})
    story = Story(Town(neighbours=[neighbour]), CLOCK, change().model_copy(update={"zh": "血氧 82%", "en": "SpO2 82%"}))
    story.forward(75)
    said = {send.person: send.body for send in story.sent if send.purpose is Purpose.ALARM}
    assert "血氧 82%" in said["son"] and "82" not in said["qian"]
    assert "团结湖 door-1" in said["qian"]


# reaching nobody


def test_the_fallback_takes_over_when_the_ladder_has_nobody() -> None:
    town = Town(roles={}, family=[], voices=("siren-1",))
    story = clock(town)
    assert "director: alarm" in story.told(), "at once: there is nobody else"
    assert story.line_calls() == [], "and the line keeps its time"
    story.forward(180)
    assert [send.to for send in story.sent if send.purpose is Purpose.SOUND] == ["siren-1"]
    assert len(story.line_calls()) == 1
    story.forward(3600)
    assert "director: reminder" not in story.told() and story.what().count("fallback") == 1
    assert story.case.next_at_ms is not None, "it never ends silently"


def test_the_fallback_takes_over_at_once_when_nobody_who_was_told_can_be_reached() -> None:
    story = clock()
    story.deliver(story.sent[1], Delivery.GAVE_UP, "no network")
    assert story.sent[1].person == "desk"
    assert "director: alarm" in story.told()
    assert story.case.emergency.state in (LineState.COMMITTED, LineState.DISARMED, LineState.ARMED)
    assert len(story.line_calls()) == 1, "this ladder's fallback calls at once"


def test_somebody_who_was_reached_keeps_the_fallback_away() -> None:
    story = clock()
    desk = next(send for send in story.sent if send.person == "desk")
    story.deliver(desk, Delivery.DELIVERED)
    story.forward(31)
    for send in [send for send in story.sent if send.person in ("wang", "zhao", "daughter")]:
        story.deliver(send, Delivery.GAVE_UP, "no network")
    assert "fallback" not in story.what()


# ways to a person


def test_for_life_safety_several_contacts_at_once_where_the_person_wants_it() -> None:
    both = person("daughter", "messenger", "voice", "sms").model_copy(update={"at_once": 2})
    story = clock(Town(family=[both]))
    story.forward(30)
    assert [send.channel for send in story.sent if send.person == "daughter"] == ["messenger", "voice"]
    story.deliver(next(send for send in story.sent if send.channel == "voice"), Delivery.TROUBLE, "busy")
    assert [send.channel for send in story.sent if send.person == "daughter"] == ["messenger", "voice", "sms"]
    town = Town()
    town.roles["grid_staff"] = [both]
    story = service(town)
    assert [send.channel for send in story.sent if send.person] == ["messenger"], "a blocked drain can come by one"


def test_what_can_wait_waits_for_the_end_of_quiet_hours() -> None:
    story = service(Town(quiet_hours={"wang": Quiet(until_ms=ASLEEP)}))
    assert story.told() == ["zhao: alarm"] and "quiet_held" in story.what()
    story.forward(8 * 3600 - 1)
    assert "wang: alarm" not in story.told()
    story.forward(1)
    assert story.told() == ["zhao: alarm", "wang: alarm"]


def test_what_waits_for_somebody_is_dropped_when_it_is_done() -> None:
    story = service(Town(quiet_hours={"wang": Quiet(until_ms=ASLEEP)}))
    story.act("acknowledge", actor="person:zhao")
    story.act("resolve", actor="person:zhao")
    story.forward(10 * 3600)
    assert "wang: alarm" not in story.told() and "held_dropped" in story.what()


def test_a_quiet_channel_may_be_used_meanwhile() -> None:
    story = service(Town(quiet_hours={"wang": Quiet(until_ms=ASLEEP, channels=("sms",))}))
    assert [(send.person, send.channel) for send in story.sent if send.person] == [
        ("wang", "sms"),
        ("zhao", "messenger"),
    ]
    assert "quiet_channel" in story.what()


@pytest.mark.parametrize("severity", [Severity.EMERGENCY, Severity.URGENT])
def test_what_is_urgent_knows_no_quiet_hours(severity: Severity) -> None:
    story = service(Town(quiet_hours={"wang": Quiet(until_ms=ASLEEP)}), severity)
    assert story.told() == ["wang: alarm", "zhao: alarm"]


def test_life_safety_knows_no_quiet_hours() -> None:
    everybody = ("desk", "wang", "zhao", "guo", "chen", "daughter", "son")
    story = clock(Town(quiet_hours={name: Quiet(until_ms=ASLEEP) for name in everybody}))
    story.forward(130)
    assert {f"{name}: alarm" for name in everybody} <= set(story.told())


def test_a_step_of_the_clock_moves_what_is_due_beside_the_ladder() -> None:
    story = clock()
    story.forward(40)
    story.act("acknowledge", actor="person:daughter")
    story.now_ms += 3_600_000
    story.hear(ClockStepped(by_ms=3_600_000))
    story.forward(179)
    assert "helper_lapsed" not in story.what()
    story.forward(1)
    assert "helper_lapsed" in story.what()


def test_a_cancel_in_the_window_reaches_who_was_told_and_nobody_else() -> None:
    story = clock()
    story.forward(29)
    story.alarm(AlarmMove.CANCELLED)
    story.forward(3600)
    assert story.told() == ["desk: alarm", "desk: cancelled"]
    assert story.timers == {}
