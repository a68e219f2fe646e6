"""Answers of people, from the message that asks for one to what is said back: through a real worker and decider."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
import sqlalchemy as sa

from gateway.answers import links, rows
from gateway.answers.invitations import KEPT_MS, Inviter
from gateway.answers.meaning import Answer
from gateway.cases.commands import HumanAction
from gateway.cases.effects import Purpose
from gateway.cases.model import Stage
from gateway.outbox.channel import Invitation
from gateway.state.human_tables import answer_codes, handovers
from tests.support.answering import SECRET, URL, AnsweringRoom, answering
from tests.support.outbox import make_send

DAY_MS = 86_400_000


@pytest_asyncio.fixture
async def room(database: sa.Engine, tmp_path: Path) -> AsyncIterator[AnsweringRoom]:
    async with answering(database, tmp_path) as made:
        yield made


async def pressed(room: AnsweringRoom, home: int = 1) -> None:
    """Somebody pressed; control room, grid and the daughter were told."""
    room.says(f"sos-{home}", "press")
    await room.goes_out()
    room.forward(1)
    await room.goes_out()


# --- invitations ------------------------------------------------------------------------------------------------


async def test_what_asks_for_an_answer_carries_a_link_and_a_code(room: AnsweringRoom) -> None:
    await pressed(room)
    for person in ("desk", "grid", "daughter-1"):
        invitation = room.invitation(person)
        assert re.fullmatch(rf"{URL}/a/[A-Za-z0-9_-]{{48}}", invitation.link)
        assert re.fullmatch(r"[1-9][0-9]{3}", invitation.code)
        assert person not in invitation.link
    assert len({room.code(person) for person in ("desk", "grid", "daughter-1")}) == 3
    room.act(room.case.id, "acknowledge")
    await room.goes_out()
    taken = [attempt for send, attempt in room.sent("grid") if send.purpose is Purpose.TAKEN]
    assert [attempt.invitation for attempt in taken] == [None]


async def test_a_repeat_has_the_same_link_and_a_reminder_the_same_code(room: AnsweringRoom) -> None:
    send = make_send("case-x:1", "sms", person="grid")
    await pressed(room)
    with room.engine.begin() as connection:
        first, again = (room.inviter(connection, room.case.id, send, room.clock.now_ms()) for _ in range(2))
        other = room.inviter(connection, room.case.id, send.model_copy(update={"key": "case-x:2"}), 0)
    assert first == again and first is not None and other is not None
    assert other.link != first.link
    assert other.code == first.code == room.code("grid")


async def test_without_a_public_address_there_is_a_code_and_no_link(room: AnsweringRoom) -> None:
    await pressed(room)
    with room.engine.begin() as connection:
        made = Inviter(SECRET, "")(connection, room.case.id, make_send("k", "sms", person="grid"), 0)
    assert made == Invitation(link="", code=room.code("grid"))


async def test_an_inviter_that_fails_holds_up_no_message(room: AnsweringRoom, caplog: pytest.LogCaptureFixture) -> None:
    with room.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE answer_links RENAME TO gone")
    try:
        await pressed(room)
        sent = room.sent("grid")
        assert sent and all(attempt.invitation is None for _, attempt in sent)
        assert "without a link or a code" in caplog.text
    finally:
        with room.engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE gone RENAME TO answer_links")


async def test_codes_are_given_again_only_seven_days_after_their_case(room: AnsweringRoom) -> None:
    await pressed(room)
    code, case = room.code("grid"), room.case
    same = Inviter(SECRET, URL, chance=lambda most: int(code) - 1000 if most == 9000 else 7)
    send = make_send("k", "sms", person="desk")

    def given(at_ms: int) -> str:
        with room.engine.connect() as connection, connection.begin() as transaction:
            made = same(connection, room.case.id, send, at_ms)
            transaction.rollback()
        assert made is not None
        return made.code

    room.act(case.id, "cancel", reason="误按")
    ended_ms = room.case.times["closed"]
    room.says("sos-2", "press")
    assert given(ended_ms + KEPT_MS - 1) == "10007", "a longer one, for the short one is still somebody's"
    assert given(ended_ms + KEPT_MS) == code


def test_a_link_is_worth_nothing_without_its_signature() -> None:
    id_ = links.new_id()
    token = links.sign(SECRET, id_)
    assert links.read(SECRET, token) == id_
    for other in (token[:-1], token + "0", token[1:], token.swapcase(), "", "é" * 48, id_, links.sign("other", id_)):
        assert links.read(SECRET, other) is None
    assert links.new_id() != id_ and len(id_) == 16


# --- replies ----------------------------------------------------------------------------------------------------


async def test_a_reply_with_the_code_takes_the_case(room: AnsweringRoom) -> None:
    await pressed(room)
    said = await room.sms("grid", f"1 {room.code('grid')}")
    assert "李秀兰1 紧急呼救：已由您受理" in said and "3号楼501室" in said
    assert (room.case.stage, room.case.owner) == (Stage.ACKNOWLEDGED, "person:grid")
    kept = rows.answers_of(room.engine, case_id=room.case.id)
    assert [(one.channel, one.person, one.answer, one.result) for one in kept] == [("sms", "grid", "accept", "acted")]


async def test_a_reply_without_a_code_is_enough_where_only_one_is_open(room: AnsweringRoom) -> None:
    await pressed(room)
    assert "已由您受理" in await room.sms("grid", "我来处理")
    await pressed(room, 2)
    said = await room.sms("desk", "1")
    assert "2 件待办" in said and "李秀兰1" in said and "李秀兰2" in said
    assert room.cases()[1].owner is None


async def test_the_same_reply_is_carried_out_once_and_answered_the_same(room: AnsweringRoom) -> None:
    await pressed(room)
    said = [await room.sms("grid", "1", ref="modem-7") for _ in range(3)]
    both = await asyncio.gather(*(room.sms("grid", "收到", ref="modem-8") for _ in range(4)))
    assert len(set(said)) == 1 and len(set(both)) == 1
    assert room.timeline(room.case.id).count("acknowledged") == 1
    assert "lease_renewed" not in room.timeline(room.case.id)
    assert room.timeline(room.case.id).count("note") == 1


async def test_what_no_database_keeps_harms_no_answer(room: AnsweringRoom) -> None:
    """PostgreSQL takes no U+0000, which a telephone can send and a page be given."""
    await pressed(room)
    assert "已由您受理" in await room.sms("grid", f"1 {room.code('grid')}\x00")
    note = HumanAction(action="note", actor="operator:night", reason="门开着\x00")
    taken = await asyncio.wrap_future(room.decider.act(room.case.id, note))
    assert taken.id == room.case.id
    assert room.timeline(room.case.id).count("note") == 1


async def test_who_is_late_is_told_who_has_it(room: AnsweringRoom) -> None:
    await pressed(room)
    await room.sms("desk", "1")
    assert await room.sms("grid", f"1 {room.code('grid')}") == "已由 值班员 受理，谢谢"
    assert room.case.owner == "person:desk"
    assert room.results() == ["acted", "refused"]


async def test_two_at_once_and_one_has_it(room: AnsweringRoom) -> None:
    await pressed(room)
    said = await asyncio.gather(*(room.sms(person, "1") for person in ("desk", "grid")))
    owner = room.case.owner
    assert owner in ("person:desk", "person:grid")
    assert sum("已由您受理" in one for one in said) == 1
    assert sum(one.startswith("已由 ") and one.endswith("受理，谢谢") for one in said) == 1


async def test_an_answer_to_a_case_that_is_over_is_told_how_it_ended(room: AnsweringRoom) -> None:
    await pressed(room)
    code = room.code("grid")
    room.act(room.case.id, "cancel", reason="误按")
    for text in ("1", f"1 {code}", "马上到", "看不懂"):
        assert "已撤销（误报），谢谢您" in await room.sms("grid", text)
    room.forward(8 * 86_400)
    assert await room.sms("grid", "1") == "目前没有等您处理的事项，谢谢"


async def test_what_is_unclear_is_asked_back_kindly_and_does_nothing(room: AnsweringRoom) -> None:
    await pressed(room)
    before = room.case.version
    said = await room.sms("grid", "老人怎么样了？")
    assert "没有看懂" in said and "回复 1 由我处理" in said and "李秀兰1" in said
    assert "没有编号 9999" in await room.sms("grid", "1 9999")
    assert room.case.version == before
    assert room.results() == ["asked", "asked"]


async def test_a_machine_that_answers_by_itself_is_not_talked_to_for_ever(room: AnsweringRoom) -> None:
    await pressed(room)
    said = [await room.sms("grid", "您好，我正在开会，稍后回复您。") for _ in range(6)]
    assert [bool(one) for one in said] == [True, True, True, False, False, False]
    room.forward(601)
    assert await room.sms("grid", "您好，我正在开会，稍后回复您。")


async def test_an_unknown_sender_is_kept_and_does_nothing(room: AnsweringRoom) -> None:
    await pressed(room)
    before = room.case.version
    assert await room.sms("+86 139 9999 0000", f"1 {room.code('grid')}") == ""
    assert room.case.version == before
    (kept,) = rows.answers_of(room.engine)
    assert (kept.result, kept.sender, kept.person) == ("unknown_sender", "+86 139 9999 0000", None)


async def test_somebody_elses_code_is_none_of_mine(room: AnsweringRoom) -> None:
    await pressed(room)
    await pressed(room, 2)
    code = room.code("daughter-2")
    said = await room.sms("daughter-1", f"1 {code}")
    assert f"没有编号 {code}" in said
    assert [case.owner for case in room.cases()] == [None, None]


async def test_two_people_with_one_number_are_told_apart_by_the_code(room: AnsweringRoom) -> None:
    await pressed(room)
    # One number of the control room and of the grid.
    assert "已由您受理" in await room.sms("0000004", f"1 {room.code('grid')}")
    assert room.case.owner == "person:grid"


async def test_passing_on_tells_the_next_ones_now(database: sa.Engine, tmp_path: Path) -> None:
    steps = (
        {"id": "desk", "after_s": 0, "notify": [{"role": "control_room"}]},
        {"id": "grid", "after_s": 300, "notify": [{"role": "grid_staff"}]},
        {"id": "line", "after_s": 3600, "call": "120"},
    )
    async with answering(database, tmp_path, rungs=steps) as room:
        room.says("sos-1", "press")
        await room.goes_out()
        assert not room.sent("grid")
        assert "已转下一位" in await room.sms("desk", "2")
        await room.goes_out()
        assert [send.purpose for send, _ in room.sent("grid")] == [Purpose.ALARM]
        line_ms = room.case.times["raised"] + 3900_000
        assert room.case.emergency.deadline_ms == line_ms, "nobody brings the emergency line nearer by passing on"
        await room.sms("grid", "不在家")
        assert room.case.emergency.deadline_ms == line_ms
        assert not room.channels["emergency_line"].sent


async def test_who_has_it_and_passes_on_hands_it_back(room: AnsweringRoom) -> None:
    await pressed(room)
    await room.sms("grid", "1")
    assert "已转下一位" in await room.sms("grid", "来不了")
    assert (room.case.stage, room.case.owner) == (Stage.OPENED, None)


async def test_on_the_way_there_and_false_alarm_by_reply(room: AnsweringRoom) -> None:
    await pressed(room)
    await room.sms("grid", "马上到")
    assert (room.case.stage, room.case.owner) == (Stage.DISPATCHED, "person:grid")
    assert "已到场" in await room.sms("grid", "4")
    assert room.case.stage is Stage.ARRIVED
    assert "已撤销（误报）" in await room.sms("grid", "误报，老人按错了")
    assert room.case.stage is Stage.CANCELLED
    line = next(one for one in rows.answers_of(room.engine) if one.answer == "false_alarm")
    assert line.reason == "误报,老人按错了"


async def test_the_family_is_coming_and_the_control_room_still_has_to_act(room: AnsweringRoom) -> None:
    await pressed(room)
    due_ms = room.case.next_at_ms
    said = await room.sms("daughter-1", "我马上到")
    assert "正在赶来" in said and "值班室同时在处理" in said
    assert (room.case.stage, room.case.owner, room.case.next_at_ms) == (Stage.OPENED, None, due_ms)
    assert "核实" in await room.sms("daughter-1", "误报，妈妈按错了")
    assert room.case.open and room.case.cancel_claimed
    await room.goes_out()
    assert Purpose.CANCEL_CLAIM in [send.purpose for send, _ in room.sent("desk")]
    assert room.case.emergency.deadline_ms is not None


# --- keys in a call ---------------------------------------------------------------------------------------------


async def test_keys_in_a_call(room: AnsweringRoom) -> None:
    await pressed(room)
    assert await room.presses("grid", "9") == "请按 1 受理，按 2 转下一位"
    assert room.case.owner is None
    assert "已由您受理" in await room.presses("grid", "11")
    assert room.case.owner == "person:grid"
    assert "已由 网格员 受理" in await room.presses("desk", "1")
    assert "已转下一位" in await room.presses("grid", "2")
    assert room.case.owner is None


async def test_a_key_that_says_that_it_was_heard_takes_nothing(room: AnsweringRoom) -> None:
    await pressed(room)
    room.act(room.case.id, "acknowledge")
    await room.goes_out()
    assert room.sent("grid")[-1][0].purpose is Purpose.TAKEN
    await room.presses("grid", "1")
    assert room.case.owner == "operator:night"


async def test_coming_on_duty_is_confirmed_by_a_reply(room: AnsweringRoom) -> None:
    values = {"role": "grid_staff", "place": "yuan", "outgoing": "[]", "incoming": "grid", "cases": "[]"}
    with room.engine.begin() as connection:
        connection.execute(sa.insert(handovers).values(id="h-1", at_ms=1, due_ms=room.clock.ms + 9, **values))
    assert "目前没有" in await room.sms("desk", "1")
    assert "交接已确认" in await room.sms("grid", "收到")
    assert "目前没有" in await room.sms("grid", "收到")
    with room.engine.connect() as connection:
        (row,) = connection.execute(sa.select(handovers)).all()
    assert (row.receipt_by, row.receipt_ms) == ("person:grid", room.clock.ms)


# --- pages ------------------------------------------------------------------------------------------------------


async def test_a_tap_of_an_older_version_is_welcome_where_nobody_has_the_case(room: AnsweringRoom) -> None:
    await pressed(room)
    old = room.case
    room.act(old.id, "acknowledge")
    room.act(old.id, "release", reason="换班")
    reply = await room.taps("grid", old, Answer.ACCEPT)
    assert reply.result == "acted" and room.case.owner == "person:grid"


async def test_a_tap_of_an_older_version_takes_nothing_away(room: AnsweringRoom) -> None:
    await pressed(room)
    old = room.case
    room.act(old.id, "acknowledge")
    reply = await room.taps("grid", old, Answer.FALSE_ALARM, reason="误按")
    assert (reply.result, reply.words) == ("refused", "已由 night 受理，谢谢")
    assert room.case.open


# --- crashes ----------------------------------------------------------------------------------------------------


async def test_what_was_written_down_is_decided_after_a_start(room: AnsweringRoom) -> None:
    """The gateway died between writing it down and deciding."""
    await pressed(room)
    id_ = rows.keep(room.engine, room.heard("grid", "1"), room.clock.now_ms())
    desk = room.open_desk()
    await desk.recover()
    assert room.case.owner is None, "it may be under way"
    room.forward(16)
    await desk.recover()
    await desk.recover()
    assert room.case.owner == "person:grid"
    assert rows.load(room.engine, id_).result == "acted"


async def test_what_was_carried_out_is_not_carried_out_again(room: AnsweringRoom) -> None:
    """The gateway died between deciding and saying so: of a note there would be two."""
    await pressed(room)
    await room.sms("grid", "收到")
    (kept,) = rows.answers_of(room.engine)
    with room.engine.begin() as connection:
        table = rows.answers
        connection.execute(sa.update(table).where(table.c.id == kept.id).values(done_ms=None, result=None, reply=""))
    room.forward(16)
    await room.open_desk().recover()
    assert room.timeline(room.case.id).count("note") == 1
    assert rows.load(room.engine, kept.id).result == "acted"


async def test_codes_are_unique_among_those_that_live(room: AnsweringRoom) -> None:
    few = Inviter(SECRET, URL, chance=lambda most: 5)
    await pressed(room)
    with room.engine.begin() as connection:
        connection.execute(sa.delete(answer_codes))
        made = [
            few(connection, room.case.id, make_send(f"k{n}", "sms", person=f"p{n}"), room.clock.now_ms())
            for n in range(3)
        ]
    assert [one.code for one in made if one is not None] == ["1005", "10005", "100005"]
