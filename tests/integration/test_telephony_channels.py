"""Messages of the outbox over simulated modems: what a case hears of SMS with reports, and of calls with keys."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from firmware_sim.telephony.faults import ModemFaults
from gateway.assembly.telephone import reported
from gateway.cases.effects import Send, Spoken
from gateway.outbox.channel import Attempt, Invitation, Limits, Report, Result
from gateway.outbox.channels.sms import REPEAT, SHORTENED, SmsMessenger, wording
from gateway.outbox.channels.voice import VoiceCalls, saying
from gateway.outbox.modem import pdu
from gateway.outbox.voice import Called, CallEnd, Words
from gateway.outbox.worker import OutboxWorker
from tests.support.eventually import eventually_async
from tests.support.outbox import START_MS, Desk, HandClock, forward, make_send, working
from tests.support.telephony import DAUGHTER, House, telephony

SAY = Spoken(text="紧急呼救：李秀兰。地点，三号楼五零幺。")
BODY = (
    "老人按下呼救键\n地点：团结湖路3号楼501\n请先给本人打电话：000-5\n案卷 2026-000042\n\nPersonal emergency\nAt: 3-501"
)
ASKS = Invitation(link="https://anju.example/a/x7Kd", code="4711")


def message(channel: str, key: str = "case-1:1:daughter:0:sms", **fields: object) -> Send:
    given: dict[str, object] = {"to": DAUGHTER, "title": "紧急呼救：李秀兰", "body": BODY, "say": SAY, **fields}
    return make_send(key, channel, **given)


@dataclass
class Line:
    house: House
    desk: Desk
    worker: OutboxWorker
    clock: HandClock


@contextlib.asynccontextmanager
async def outbox(tmp_path: Path, *, faults: ModemFaults | None = None, reports: bool = True) -> AsyncIterator[Line]:
    async with telephony(tmp_path, faults=faults) as house:
        await house.ready()
        clock = HandClock()
        channels = {
            "sms": SmsMessenger(house.pool, house.ledger, delivery_reports=reports),
            "voice": VoiceCalls([house.pool], house.ear, clock),
        }
        async with working(house.engine, channels, clock) as worker:
            house.pool._settle = lambda key, fate, words: reported(worker, key, fate, words)
            yield Line(house, Desk(house.engine, clock), worker, clock)


# SMS


async def test_sent_becomes_delivered_by_its_report(tmp_path: Path) -> None:
    async with outbox(tmp_path) as line:
        line.house.network.phone("daughter", DAUGHTER).expect_sms("紧急呼救：李秀兰")
        sent = message("sms")
        line.desk.say(sent)
        line.worker.wake()
        await eventually_async(lambda: line.desk.status(sent.key) == "delivered")
        assert line.desk.hear() == [(sent.key, "delivered")]
        assert line.desk.attempts(sent.key) == ["delivered"]


async def test_a_report_that_it_failed_is_heard_as_given_up(tmp_path: Path) -> None:
    async with outbox(tmp_path) as line:
        line.house.network.reports = "failed"
        line.house.network.phone("daughter", DAUGHTER).expect_sms()
        sent = message("sms")
        line.desk.say(sent)
        line.worker.wake()
        await eventually_async(lambda: line.desk.status(sent.key) == "failed")
        (outcome,) = line.desk.outcomes()
        assert (outcome.delivery.value, "validity period expired" in outcome.detail) == ("gave_up", True)


async def test_without_a_report_another_way_is_tried_and_it_is_not_sent_again(tmp_path: Path) -> None:
    async with outbox(tmp_path) as line:
        line.house.network.reports = "never"
        phone = line.house.network.phone("daughter", DAUGHTER)
        phone.expect_sms()
        sent = message("sms")
        line.desk.say(sent)
        line.worker.wake()
        await eventually_async(lambda: line.desk.attempts(sent.key) == ["sent"])
        heard: list[tuple[str, str]] = []

        def trouble() -> bool:
            heard.extend(line.desk.hear())
            return bool(heard)

        await forward(line.worker, line.clock, 61, trouble)
        assert heard == [(sent.key, "trouble")]
        await forward(line.worker, line.clock, 61, lambda: line.desk.attempts(sent.key) == ["sent"])
        assert len(phone.inbox) == 1
        await forward(line.worker, line.clock, 3600, lambda: line.desk.status(sent.key) != "sending")
        assert len(phone.inbox) == 1


async def test_where_the_network_reports_nothing_the_centres_word_counts(tmp_path: Path) -> None:
    async with outbox(tmp_path, reports=False) as line:
        daughter = line.house.network.phone("daughter", DAUGHTER)
        daughter.expect_sms()
        sent = message("sms")
        line.desk.say(sent)
        line.worker.wake()
        await eventually_async(lambda: line.desk.status(sent.key) == "delivered")
        await eventually_async(lambda: daughter.inbox, what="the centre hands it on")


async def test_one_of_unknown_fate_is_sent_again_and_says_so(tmp_path: Path) -> None:
    async with outbox(tmp_path, faults=ModemFaults(send_error="+CMS ERROR: 332")) as line:
        line.house.network.phone("daughter", DAUGHTER).expect_sms(REPEAT)
        sent = message("sms")
        line.desk.say(sent)
        line.worker.wake()
        await eventually_async(lambda: line.desk.attempts(sent.key) == ["unknown"])
        await forward(line.worker, line.clock, 10, lambda: line.desk.status(sent.key) == "delivered")


def test_an_sms_has_the_title_first_and_link_and_code_last() -> None:
    text = wording(message("sms"), ASKS, repeat=False)
    assert text.startswith("紧急呼救：李秀兰\n老人按下呼救键\n")
    assert text.endswith("回复 1 4711 受理，2 4711 转下一位\nhttps://anju.example/a/x7Kd")
    assert "Personal emergency" not in text


def test_what_is_too_long_loses_its_middle() -> None:
    long = message("sms", body="\n".join(f"第{number}句，很长很长的一句话" for number in range(40)))
    text = wording(long, ASKS, repeat=True)
    assert text.startswith(REPEAT + "紧急呼救：李秀兰\n第0句")
    assert f"\n{SHORTENED}\n回复 1 4711" in text
    assert text.endswith("https://anju.example/a/x7Kd")
    assert len(pdu.split(text)[1]) <= 3


def test_a_title_that_alone_is_too_long_is_cut_and_the_end_stays() -> None:
    text = wording(message("sms", title="长" * 400, body=""), ASKS, repeat=False)
    assert text.endswith("https://anju.example/a/x7Kd")
    assert len(pdu.split(text)[1]) <= 3


def test_english_is_asked_in_english() -> None:
    english = message("sms", title="Fire", body="At: 3-501", say=Spoken(text="Fire.", language="en"))
    assert wording(english, ASKS, repeat=False) == (
        "Fire\nAt: 3-501\nReply 1 4711 to accept, 2 4711 to pass on\nhttps://anju.example/a/x7Kd"
    )


# voice


async def test_a_key_is_handed_in_before_the_call_counts(tmp_path: Path) -> None:
    async with outbox(tmp_path) as line:
        line.house.network.phone("daughter", DAUGHTER).expect_voice("紧急呼救：李秀兰。").press("1")
        sent = message("voice")
        line.desk.say(sent)
        line.worker.wake()
        await eventually_async(lambda: line.desk.status(sent.key) == "delivered")
        (heard,) = line.house.ear.heard
        assert (heard.text, heard.key, heard.sender, heard.channel) == ("1", sent.key, DAUGHTER, "voice")


@pytest.mark.parametrize("how", ["voicemail", "no_answer", "busy"])
async def test_whoever_presses_nothing_twice_is_left_for_the_next_address(tmp_path: Path, how: str) -> None:
    async with outbox(tmp_path) as line:
        phone = line.house.network.phone("daughter", DAUGHTER)
        getattr(phone.expect_voice(), how)()
        getattr(phone.expect_voice(), how)()
        sent = message("voice")
        line.desk.say(sent)
        line.worker.wake()
        await eventually_async(lambda: line.desk.attempts(sent.key) == ["retry"], 15)
        await forward(line.worker, line.clock, 3, lambda: line.desk.attempts(sent.key)[-1:] == [None])
        await eventually_async(lambda: line.desk.status(sent.key) == "failed", 15)
        assert line.desk.attempts(sent.key) == ["retry", "refused"]
        assert [delivery for _, delivery in line.desk.hear()] == ["trouble", "gave_up"]
        assert not line.house.ear.heard


async def test_a_number_that_cannot_be_reached_is_not_called_again(tmp_path: Path) -> None:
    async with outbox(tmp_path) as line:
        line.house.network.phone("daughter", DAUGHTER).expect_voice().off()
        sent = message("voice")
        line.desk.say(sent)
        line.worker.wake()
        await eventually_async(lambda: line.desk.status(sent.key) == "failed")
        assert line.desk.attempts(sent.key) == ["refused"]


async def test_a_call_of_unknown_fate_is_repeated_and_says_so(tmp_path: Path) -> None:
    async with outbox(tmp_path, faults=ModemFaults(hang_at="AT+CTTS=1")) as line:
        phone = line.house.network.phone("daughter", DAUGHTER)
        first = phone.expect_voice()
        sent = message("voice")
        line.desk.say(sent)
        line.worker.wake()
        await eventually_async(lambda: line.desk.attempts(sent.key) == ["unknown"])
        assert first.came
        await line.house.until(lambda health: health.ready and health.resets == 1)
        phone.expect_voice("重复呼叫。紧急呼救").press("1")
        await forward(line.worker, line.clock, 10, lambda: line.desk.attempts(sent.key)[-1:] == [None])
        await eventually_async(lambda: line.desk.status(sent.key) == "delivered")


async def test_keys_that_could_not_be_taken_in_leave_it_unknown(tmp_path: Path) -> None:
    async with outbox(tmp_path) as line:
        line.house.ear.failing = 1
        phone = line.house.network.phone("daughter", DAUGHTER)
        phone.expect_voice().press("1")
        sent = message("voice")
        line.desk.say(sent)
        line.worker.wake()
        await eventually_async(lambda: line.desk.attempts(sent.key) == ["unknown"])
        phone.expect_voice("重复呼叫").press("1")
        await forward(line.worker, line.clock, 10, lambda: line.desk.attempts(sent.key)[-1:] == [None])
        await eventually_async(lambda: line.desk.status(sent.key) == "delivered")
        assert len(line.house.ear.heard) == 1


class Late(SmsMessenger):
    """In a process that was stopped before its first message went out, and woke up when its lease was over."""

    async def send(self, message: Send, attempt: Attempt) -> Report:
        return await super().send(message, attempt.model_copy(update={"speaks": lambda: attempt.number > 1}))


async def test_what_another_gateway_says_by_now_did_not_go_out(tmp_path: Path) -> None:
    async with telephony(tmp_path) as house:
        await house.ready()
        clock = HandClock()
        async with working(house.engine, {"sms": Late(house.pool, house.ledger)}, clock) as worker:
            desk, sent, phone = Desk(house.engine, clock), message("sms"), house.network.phone("daughter", DAUGHTER)
            desk.say(sent)
            worker.wake()
            await eventually_async(lambda: desk.attempts(sent.key) == ["retry"])
            assert not phone.inbox
            phone.expect_sms("紧急呼救：李秀兰")
            await forward(worker, clock, 10, lambda: desk.attempts(sent.key) == ["retry", "sent"])
            await eventually_async(lambda: phone.inbox)
            assert "可能重复" not in phone.inbox[0][1], "it is certain that it had not gone out"


class FakeCaller:
    """A way to call that says what it is told to."""

    def __init__(self, called: Called, free: int = 1) -> None:
        self.called, self.free, self.asked = called, free, 0

    async def call(self, number: str, words: Words, *, timeout_s: float, **_: object) -> Called:
        self.asked += 1
        return self.called


@pytest.mark.parametrize(
    ("first", "second_asked"), [(CallEnd.NOT_PLACED, 1), (CallEnd.UNKNOWN, 0), (CallEnd.BUSY, 0), (CallEnd.ANSWERED, 0)]
)
async def test_the_second_way_is_taken_only_for_what_never_left_the_house(first: CallEnd, second_asked: int) -> None:
    async def nobody(_: object) -> str:
        return ""

    ways = [FakeCaller(Called(end=first, detail="a")), FakeCaller(Called(end=CallEnd.BUSY, detail="b"))]
    calls = VoiceCalls(ways, nobody, HandClock(), limits=Limits(timeout_s=5, parallel=1))
    attempt = Attempt(case="c", number=1, repeat=False, at_ms=START_MS, deadline_ms=START_MS + 60_000)
    report = await calls.send(message("voice"), attempt)
    assert ways[1].asked == second_asked
    assert report.detail.startswith("a; b" if second_asked else "a")
    ways[0].free = 0
    await calls.send(message("voice"), attempt)
    assert ways[0].asked == 1


async def test_without_any_line_it_waits() -> None:
    async def nobody(_: object) -> str:
        return ""

    attempt = Attempt(case="c", number=7, repeat=False, at_ms=START_MS, deadline_ms=START_MS + 60_000)
    report = await VoiceCalls([], nobody, HandClock()).send(message("voice"), attempt)
    assert report.result is Result.RETRY


@pytest.mark.parametrize(
    ("invitation", "repeat", "expected"),
    [
        (ASKS, False, f"{SAY.text} 按 1 接受，按 2 转给下一位。"),
        (ASKS, True, f"重复呼叫。{SAY.text} 按 1 接受，按 2 转给下一位。"),
        (None, False, f"{SAY.text} 听到请按 1。"),
    ],
)
def test_what_is_said(invitation: Invitation | None, repeat: bool, expected: str) -> None:
    attempt = Attempt(case="c", number=1, repeat=repeat, at_ms=0, deadline_ms=1, invitation=invitation)
    words = saying(message("voice"), attempt)
    assert (words.text, words.language, words.repeat) == (expected, "zh", 2)


def test_what_has_no_saying_is_said_by_its_title() -> None:
    attempt = Attempt(case="c", number=1, repeat=False, at_ms=0, deadline_ms=1)
    assert saying(message("voice", say=None, title="房间 1201 漏水"), attempt).text.startswith("房间 幺二零幺 漏水")
