"""Drills through the real machine: self-tests at their time with a report, drills by hand; what is real goes first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.cases.effects import DEVICE_CHANNEL, DRILL_LINE_CHANNEL, LINE_CHANNEL, Purpose
from gateway.cases.model import LineState, Stage
from gateway.cases.wording import DRILL_MARK
from gateway.decider import drill_rows
from gateway.decider.drill_rows import Subject
from gateway.state.db import writing
from tests.support.deciding import deciding
from tests.support.drilling import deliver, drilled, drills, live, order, set_clock, with_test
from tests.unit.test_live_permit import AGREEMENT

KEY = Subject(device="sos-1", press=True)


def test_a_self_test_every_monday_of_a_month_with_a_restart_in_the_middle_of_one(tmp_path: Path) -> None:
    with deciding(tmp_path) as room:
        set_clock(room, "2026-08-31 09:00")
        with_test(room, answered_within_s=60)
        for monday in ("2026-08-31", "2026-09-07", "2026-09-14", "2026-09-21"):
            set_clock(room, f"{monday} 09:59")
            room.cycle()
            before = len(drilled(room))
            set_clock(room, f"{monday} 10:00")
            room.cycle()
            case = drilled(room)[-1]
            assert len(drilled(room)) == before + 1
            if monday == "2026-09-14":
                room.restart()
            live(room, 20)
            room.act(case, "acknowledge")
            live(room, 310)
            assert drilled(room)[-1].stage is Stage.CLOSED
            set_clock(room, f"{monday} 22:00")
            room.cycle()
        held = drills(room)
        assert [(one.state, one.report is not None and one.report.passed) for one in held] == [("ended", True)] * 4
        assert room.decider.health.drill_trouble == ""
        first = held[0].report
        assert first is not None
        [told] = first.cases
        assert [step.rung for step in told.steps][:1] == ["desk-and-grid"]
        assert told.answered_by == "operator:night" and told.answered_after_s == 20
        assert {one.person for one in told.sent if one.rung == "desk-and-grid"} == {"desk", "grid"}
        reports = [send for send in room.sent() if send.purpose is Purpose.DRILL_REPORT]
        assert len(reports) == 4 and {send.person for send in reports} == {"chief"}
        assert all(DRILL_MARK in send.title and "通过" in send.title for send in reports)


@pytest.mark.parametrize("zone", ["Asia/Shanghai", "Asia/Urumqi", "Asia/Kathmandu", "America/Phoenix"])
def test_it_begins_at_the_local_time_of_the_community(tmp_path: Path, zone: str) -> None:
    with deciding(tmp_path) as room:
        room.document["community"]["timezone"] = zone
        set_clock(room, "2026-09-05 10:00", zone)
        with_test(room)
        set_clock(room, "2026-09-07 09:59", zone)
        room.cycle()
        assert drills(room) == []
        set_clock(room, "2026-09-07 10:00", zone)
        room.cycle()
        assert [one.state for one in drills(room)] == ["running"]


def test_what_was_missed_while_the_gateway_was_off_is_reported_and_the_next_one_is_held(tmp_path: Path) -> None:
    with deciding(tmp_path) as room:
        set_clock(room, "2026-09-05 10:00")
        with_test(room)
        set_clock(room, "2026-09-21 10:10")  # off over two Mondays, and back ten minutes after the third
        room.restart()
        room.cycle()
        assert [one.state for one in drills(room)] == ["missed", "missed", "running"]
        live(room, 310)
        assert [one.state for one in drills(room)] == ["missed", "missed", "ended"]
        said = [send.title for send in room.sent() if send.purpose is Purpose.DRILL_REPORT]
        assert len(said) == 3 and sum("未通过" in title for title in said) == 2


def test_a_missed_self_test_is_known_to_the_gateway_until_one_has_passed(tmp_path: Path) -> None:
    with deciding(tmp_path) as room:
        set_clock(room, "2026-09-05 10:00")
        with_test(room)
        assert room.decider.health.drill_trouble == ""
        set_clock(room, "2026-09-07 18:00")
        room.cycle()
        assert "was not running" in (room.decider.health.drill_trouble or "")
        set_clock(room, "2026-09-14 10:00")
        room.cycle()
        live(room, 310)
        assert room.decider.health.drill_trouble == ""


def test_it_fails_when_nobody_answers_or_a_channel_is_dead(tmp_path: Path) -> None:
    with deciding(tmp_path) as room:
        set_clock(room, "2026-09-05 10:00")
        with_test(room, answered_within_s=120)
        set_clock(room, "2026-09-07 10:00")
        room.cycle()
        live(room, 310, failing=("messenger",))
        [drill] = drills(room)
        assert drill.report is not None and not drill.report.passed
        why = " ".join(one.en for one in drill.report.why)
        assert "nobody has answered" in why
        assert "desk was not reached" in why
        assert "channel messenger delivered nothing" in why
        assert "grid was not reached" not in why, "the second way reached them"


def test_a_self_test_waits_while_people_are_at_work_on_a_real_emergency(tmp_path: Path) -> None:
    with deciding(tmp_path) as room:
        set_clock(room, "2026-09-05 10:00")
        with_test(room)
        set_clock(room, "2026-09-07 09:59")
        room.press()
        room.run(60)
        assert drilled(room) == [] and [one.state for one in drills(room)] == ["ordered"]
        room.act(room.cases()[0], "cancel", "a mistake")
        room.run(2)
        assert [one.state for one in drills(room)] == ["running"]


def test_staff_are_told_and_the_family_is_not(tmp_path: Path) -> None:
    with deciding(tmp_path) as room:
        order(room, Subject(resident="r-1"))
        live(room, 60)
        [case] = drilled(room)
        assert {send.person for send in room.sent() if send.person} == {"desk", "grid"}
        assert case.spared == ("daughter-1",)
        assert "drill_spared" in room.timeline(case)
        assert "rung_empty" not in room.timeline(case), "a spared rung is no hole"


def test_everybody_is_told_where_the_drill_says_so(tmp_path: Path) -> None:
    with deciding(tmp_path) as room:
        order(room, Subject(resident="r-1"), tell="everybody")
        live(room, 60)
        assert {"desk", "grid", "daughter-1"} <= {send.person for send in room.sent()}


def test_only_stand_ins_are_told_by_a_number_map(tmp_path: Path) -> None:
    with deciding(tmp_path) as room:
        order(room, Subject(resident="r-1"), tell="instead", instead={"daughter-1": "chief"})
        live(room, 60)
        [case] = drilled(room)
        assert {send.person for send in room.sent() if send.person} == {"chief"}
        assert set(case.spared) == {"desk", "grid"}


def test_every_message_of_a_drill_is_marked_and_no_device_is_commanded(tmp_path: Path) -> None:
    with deciding(tmp_path) as room:
        order(room, Subject(resident="r-1"), tell="everybody", lasts_s=300)
        live(room, 60)
        room.act(drilled(room)[0], "acknowledge")
        live(room, 300)
        [case] = drilled(room)
        mine = (case.id, "drill-report:")
        sent = [send for send in room.sent() if send.key.startswith(mine)]
        assert {Purpose.ALARM, Purpose.TAKEN, Purpose.DRILL_OVER} <= {send.purpose for send in sent}
        assert all(send.drill for send in sent)
        for send in sent:
            assert send.channel != DEVICE_CHANNEL
            if send.person is not None:
                assert DRILL_MARK in send.title or "【演练 DRILL】" in send.title
                assert "演练" in send.body and "drill" in send.body.lower()
                assert send.say is None or "演练" in send.say.text or "DRILL" in send.say.text


def test_the_first_press_of_a_key_is_the_drill_and_the_next_is_real(tmp_path: Path) -> None:
    with deciding(tmp_path) as room:
        order(room, KEY)
        room.press()
        room.run(1)
        room.press()  # within three seconds: the same press, bouncing
        room.run(4)
        assert [case.drill for case in room.cases()] == [True]
        room.press()
        room.run(1)
        assert [case.drill for case in room.cases()] == [True, False]
        real = room.cases()[1]
        assert real.ladder.life_safety and real.open
        out = deliver(room)
        real_first = [send.drill for send in out]
        assert real_first == sorted(real_first), "what is real goes out first"
        assert False in real_first and True in real_first


def test_a_key_that_is_pressed_while_a_real_case_is_open_is_real(tmp_path: Path) -> None:
    with deciding(tmp_path) as room:
        room.press()
        room.run(10)
        order(room, KEY)
        room.press()
        room.run(2)
        assert [case.drill for case in room.cases()] == [False]


def test_it_expires_by_itself_and_survives_a_restart(tmp_path: Path) -> None:
    with deciding(tmp_path) as room:
        order(room, KEY, lasts_s=600)
        room.restart()
        room.run(30)
        room.press()
        room.run(30)
        room.restart()
        live(room, 700)
        [case] = drilled(room)
        assert not case.open
        [drill] = drills(room)
        assert drill.state == "ended" and drill.ended_by == "system"
        room.press()
        room.run(2)
        pressed = [one.drill for one in room.cases() if one.type == "personal_emergency"]
        assert pressed == [True, False], "after the drill every press is real"


def test_a_key_that_was_not_pressed_fails_the_drill(tmp_path: Path) -> None:
    with deciding(tmp_path) as room:
        order(room, KEY, lasts_s=300)
        live(room, 310)
        [drill] = drills(room)
        assert drill.report is not None and [why.en for why in drill.report.why] == ["key sos-1 was not pressed"]


def test_it_can_be_ended_early(tmp_path: Path) -> None:
    with deciding(tmp_path) as room:
        drill = order(room, Subject(resident="r-1"), lasts_s=3600)
        live(room, 30)
        with writing(room.engine) as connection:
            assert drill_rows.ask_to_end(connection, drill.id, "operator:day") is not None
        room.cycle()
        live(room, 10)
        [over] = drills(room)
        assert (over.state, over.ended_by) == ("ended", "operator:day")
        assert not drilled(room)[0].open


def site(room: Any, **line: Any) -> None:
    agreed = AGREEMENT | {"valid_until": "2030-12-31", "automatic": True}
    room.document["emergency_line"] = {"mode": "live", "live": agreed} | line
    room.apply(room.document)


def test_at_a_site_that_dials_a_drill_calls_the_line_of_drills_or_none(tmp_path: Path) -> None:
    with deciding(tmp_path) as room:
        site(room, url="http://${CENTRE_HOST}:${CENTRE_PORT}")
        order(room, Subject(resident="r-1"), tell="everybody")
        live(room, 400)
        called = {send.channel for send in room.sent() if send.purpose is Purpose.EMERGENCY_CALL}
        assert called == {DRILL_LINE_CHANNEL}
    (tmp_path / "without").mkdir()
    with deciding(tmp_path / "without") as room:
        site(room)
        order(room, Subject(resident="r-1"), tell="everybody")
        live(room, 400)
        assert not [send for send in room.sent() if send.channel in (LINE_CHANNEL, DRILL_LINE_CHANNEL)]
        assert drilled(room)[0].emergency.state is LineState.DISARMED


def test_a_drill_holds_no_real_alarm_back_and_is_joined_by_none(tmp_path: Path) -> None:
    with deciding(tmp_path) as room:
        order(room, Subject(resident="r-1"))
        room.say("smoke-1", "smoke", "smoke")
        room.run(5)
        assert sorted(case.drill for case in room.cases()) == [False, True]


def test_the_clock_is_set_and_the_drill_lasts_as_long_as_it_was_to(tmp_path: Path) -> None:
    with deciding(tmp_path) as room:
        order(room, Subject(resident="r-1"), lasts_s=600)
        live(room, 60)
        room.clocks.set_by(3600)
        room.cycle()
        assert drilled(room)[0].open
        live(room, 545)
        assert not drilled(room)[0].open
