"""What a rule does by itself: each command once, retried, confirmed or loudly not, withdrawn when it is not wanted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from gateway.cases.effects import Purpose, Send
from gateway.cases.measures import GIVE_UP_S
from gateway.cases.model import Case, MeasureState
from gateway.outbox.channel import Report, Result
from gateway.outbox.rows import command_id
from gateway.registry import care
from tests.support.deciding import DecidingRoom, deciding

SENT = Report(result=Result.SENT, detail="accepted")
NOBODY_LISTENS = Report(result=Result.RETRY, detail="nobody listens")
SHUT = {"command": "close", "kinds": ["valve"]}


def begin(room: DecidingRoom, *do: dict[str, Any], **more: Any) -> DecidingRoom:
    """Gas detectors in two homes, a valve in the first one and one for the whole building."""
    rule = {"use": "gas-alarm", "do": list(do or (SHUT,))} | more
    room.document = room.document | {
        "rules": [rule, {"use": "smoke-alarm"}, {"use": "sos-pressed"}],
        "devices": [
            *room.document["devices"],
            {"id": "gas-1", "kind": "gas", "place": "door-1", "resident": "r-1"},
            {"id": "gas-1b", "kind": "gas", "place": "door-1"},
            {"id": "valve-1", "kind": "valve", "place": "door-1", "name": {"zh": "厨房燃气阀", "en": "kitchen valve"}},
            {"id": "siren-1", "kind": "siren", "place": "b-1"},
            {"id": "valve-yard", "kind": "valve", "place": "yuan"},
        ],
    }
    room.apply(room.document)
    room.run(1)
    return room


@pytest.fixture
def room(database: sa.Engine, tmp_path: Path) -> Iterator[DecidingRoom]:
    with deciding(tmp_path, database) as made:
        yield begin(made)


def gas(room: DecidingRoom, event: str = "gas", device: str = "gas-1") -> None:
    room.say(device, "gas", event)
    room.cycle()


def given(room: DecidingRoom) -> list[Send]:
    return [send for send in room.sent() if send.purpose is Purpose.ACTION]


def went_out(room: DecidingRoom) -> list[Send]:
    """The commands that are published now; the devices' answers are waited for."""
    return [send for send in room.send_commands(SENT, again_s=10) if send.purpose is Purpose.ACTION]


def states(case: Case) -> dict[str | None, str]:
    return {measure.device: measure.state.value for measure in case.measures}


def told(room: DecidingRoom, purpose: Purpose) -> set[str | None]:
    return {send.person for send in room.sent() if send.purpose is purpose}


def confirm(room: DecidingRoom, send: Send, ok: bool = True) -> None:
    data = {"id": command_id(send.key), "ok": ok} | ({} if ok else {"error": "stuck"})
    room.say(send.to, "valve", "command_result", data=data)
    room.cycle()


@pytest.mark.parametrize(
    ("rule", "kind", "event", "shut"),
    [
        ("gas-alarm", "gas", "gas", {"valve-1", "gas-valve"}),
        ("co-alarm", "co", "co", {"valve-1", "gas-valve"}),
        ("water-leak", "leak", "leak", {"water-valve"}),
    ],
)
def test_the_library_shuts_what_runs_through_the_pipe_and_nothing_else(
    database: sa.Engine, tmp_path: Path, rule: str, kind: str, event: str, shut: set[str]
) -> None:
    with deciding(tmp_path, database) as room:
        begin(room)
        valves = [
            {"id": f"{medium}-valve", "kind": "valve", "place": "door-1", "attributes": {"medium": medium}}
            for medium in ("gas", "water")
        ]
        detector = {"id": "detector", "kind": kind, "place": "door-1"}
        devices = [*room.document["devices"], *valves, detector]
        room.apply(room.document | {"rules": [{"use": rule}], "devices": devices})
        room.run(1)
        room.say("detector", kind, event)
        room.cycle()
        assert {send.to for send in given(room)} == shut


def test_gas_shuts_the_valve_of_the_home_and_no_other(room: DecidingRoom) -> None:
    gas(room)
    (send,) = given(room)
    assert (send.to, send.data, send.channel) == ("valve-1", {"command": "close", "args": {}}, "device")
    assert send.urgent
    assert send.give_up_after_s == GIVE_UP_S
    (case,) = room.cases()
    assert "action_given" in room.timeline(case)
    went_out(room)
    confirm(room, send)
    (case,) = room.cases()
    assert states(case) == {"valve-1": "done"}
    assert "action_done" in room.timeline(case)
    assert told(room, Purpose.ACTION_FAILED) == set()


def test_a_repeated_alarm_a_restart_and_a_second_detector_shut_it_once(room: DecidingRoom) -> None:
    gas(room)
    gas(room)
    room.restart()
    gas(room)
    gas(room, device="gas-1b")
    assert len(given(room)) == 1
    went_out(room)
    confirm(room, given(room)[0])
    gas(room)
    assert len(given(room)) == 1, "it is shut, and the same alarm is only repeated"


def test_gas_that_comes_again_shuts_it_again(room: DecidingRoom) -> None:
    """Somebody has opened the valve when the gas was gone."""
    gas(room)
    went_out(room)
    confirm(room, given(room)[0])
    gas(room, "gas_cleared")
    room.run(60)
    gas(room)
    first, second = given(room)
    assert first.key != second.key
    assert len(room.cases()) == 1


def test_a_valve_that_does_not_answer_is_told_again_and_people_hear_it_soon(room: DecidingRoom) -> None:
    gas(room)
    went_out(room)
    room.run(15)
    went_out(room)
    (case,) = room.cases()
    assert states(case) == {"valve-1": "unconfirmed"}
    assert "action_unconfirmed" in room.timeline(case)
    assert {"desk", "grid"} <= told(room, Purpose.ACTION_FAILED)
    message = next(send for send in room.sent() if send.purpose is Purpose.ACTION_FAILED)
    assert message.title.startswith("自动操作未完成，请到现场手动处理 · 燃气泄漏")
    assert "自动关阀尚未得到确认，仍在重试：厨房燃气阀。请到现场手动处理" in message.body
    assert "Automatic action not confirmed yet, still trying: shut the valve at kitchen valve." in message.body
    room.run(280, step_s=10)
    confirm(room, given(room)[0])
    (case,) = room.cases()
    assert states(case) == {"valve-1": "done"}, "after five minutes it is there again, and shuts"
    assert {"desk", "grid"} <= told(room, Purpose.ACTION_DONE)


def test_a_command_that_is_given_up_is_said_aloud_and_given_again_with_the_next_alarm(room: DecidingRoom) -> None:
    gas(room)
    went_out(room)
    confirm(room, given(room)[0], ok=False)
    (case,) = room.cases()
    assert states(case) == {"valve-1": "failed"}
    assert {"desk", "grid"} <= told(room, Purpose.ACTION_FAILED)
    assert "action_failed" in room.timeline(case)
    room.restart()
    gas(room)
    assert len(given(room)) == 2
    room.run(700, step_s=10)
    reminders = [send for send in room.sent() if send.purpose is Purpose.REMINDER]
    assert reminders, "the ladder goes on"


def test_who_is_told_later_hears_that_it_failed(room: DecidingRoom) -> None:
    gas(room)
    room.send_commands(Report(result=Result.REFUSED, detail="no such device"))
    room.run(2)
    family = next(send for send in room.sent() if send.person == "daughter-1" and send.purpose is Purpose.ALARM)
    assert "自动关阀失败：厨房燃气阀。请到现场手动处理" in family.body


def test_nobody_who_can_obey_is_seen_by_everybody_who_is_told(database: sa.Engine, tmp_path: Path) -> None:
    with deciding(tmp_path, database) as room:
        begin(room)
        devices = [one for one in room.document["devices"] if one["kind"] != "valve"]
        room.apply(room.document | {"devices": devices})
        room.run(1)
        gas(room)
        gas(room)
        (case,) = room.cases()
        assert room.timeline(case).count("action_nobody") == 1
        desk = next(send for send in room.sent() if send.person == "desk")
        assert "此处没有可自动关阀的设备。请到现场手动处理" in desk.body
        room.apply(room.document)
        room.run(1)
        gas(room)
        assert [send.to for send in given(room)] == ["valve-1"], "it was registered meanwhile"


def test_when_the_gas_is_gone_what_has_not_gone_out_is_withdrawn(room: DecidingRoom) -> None:
    gas(room)
    gas(room, device="gas-1b")
    gas(room, "gas_cleared")
    (case,) = room.cases()
    assert states(case) == {"valve-1": "given"}, "the other detector still smells it"
    gas(room, "gas_cleared", device="gas-1b")
    (case,) = room.cases()
    assert states(case) == {"valve-1": "withdrawn"}
    assert went_out(room) == []
    gas(room)
    assert len(given(room)) == 2


def test_when_the_case_is_over_nothing_is_shut_any_more(room: DecidingRoom) -> None:
    gas(room)
    room.act(room.cases()[0], "cancel", "a mistake")
    (case,) = room.cases()
    assert states(case) == {"valve-1": "withdrawn"}
    assert went_out(room) == []
    gas(room)
    assert [send.key.partition(":")[0] for send in given(room)] == [one.id for one in room.cases()], "a case, a command"


def test_nothing_is_done_in_a_test_and_it_is_when_the_gas_is_still_there_afterwards(room: DecidingRoom) -> None:
    with room.engine.begin() as connection:
        now_ms = room.clocks.now_ms()
        care.begin(connection, "gas-1", "test", seconds=600, actor="operator:wang", reason="test", now_ms=now_ms)
    room.clocks.forward(1)
    gas(room)
    assert (room.cases(), given(room)) == ([], [])
    room.run(610, step_s=10)
    assert [send.to for send in given(room)] == ["valve-1"]


def test_every_device_of_the_place_and_inside_it(database: sa.Engine, tmp_path: Path) -> None:
    with deciding(tmp_path, database) as room:
        tone = {"command": "sound", "args": {"tone": "fire"}, "kinds": ["siren"]}
        begin(room, SHUT, tone)
        room.apply(
            room.document | {"devices": [*room.document["devices"], {"id": "gas-b", "kind": "gas", "place": "b-1"}]}
        )
        room.run(1)
        gas(room, device="gas-b")
        assert {(send.to, str(send.data["command"])) for send in given(room)} == {
            ("siren-1", "sound"),
            ("valve-1", "close"),
        }


def test_a_device_that_cannot_be_told_is_named(database: sa.Engine, tmp_path: Path) -> None:
    """A Zigbee siren sounds and has no voice; the detector that raised the alarm is no valve."""
    with deciding(tmp_path, database) as room:
        begin(
            room,
            {"command": "say", "args": {"voice": "gas_leave_now"}, "kinds": ["siren"]},
            {"command": "close", "kinds": ["valve"], "at": "device"},
        )
        siren = {"id": "siren-z", "kind": "siren", "profile": "zigbee2mqtt", "address": "stairs", "place": "door-1"}
        bridge = {"id": "zigbee", "profile": "zigbee2mqtt"}
        room.apply(room.document | {"bridges": [bridge], "devices": [*room.document["devices"], siren]})
        room.run(1)
        gas(room)
        (case,) = room.cases()
        assert {(measure.device, measure.state) for measure in case.measures} == {
            ("siren-z", MeasureState.NOBODY),
            (None, MeasureState.NOBODY),
        }
        assert given(room) == []
        desk = next(send for send in room.sent() if send.person == "desk")
        assert "不能自动语音播报。请到现场手动处理" in desk.body


def test_a_trouble_at_once_is_heard_at_once(room: DecidingRoom) -> None:
    gas(room)
    room.send_commands(NOBODY_LISTENS, again_s=2)
    (case,) = room.cases()
    assert states(case) == {"valve-1": "unconfirmed"}
    assert {"desk", "grid"} <= told(room, Purpose.ACTION_FAILED)
