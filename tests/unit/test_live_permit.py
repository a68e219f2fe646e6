"""Nothing dials 120 unless the configuration says so in so many words: every key of the lock taken away alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import ValidationError

from gateway.cases.effects import DRILL_LINE_CHANNEL, LINE_CHANNEL, Purpose, Send
from gateway.doctor import findings
from gateway.outbox.card import MARK, marked
from gateway.outbox.channel import Attempt, NotOurs, Result, Speaks, always
from gateway.outbox.channels.build import build_channels
from gateway.outbox.channels.emergency_line import DrillLine
from gateway.outbox.channels.live_line import ClosedLine, LiveLine, NotPermitted, Permit, permit
from gateway.outbox.line_words import MOST, call_words, cancel_words, update_words
from gateway.outbox.voice import Called, CallEnd, Words
from gateway.registry import store
from gateway.registry.line import DECLARATIONS, EmergencyLine
from gateway.registry.model import Community
from gateway.settings import Secrets, Settings
from gateway.state.db import open_database
from tests.support.homes import community
from tests.support.outbox import HandClock

AGREEMENT = {
    "declaration": DECLARATIONS[0],
    "centre": "北京急救中心",
    "agreed_on": "2026-01-01",
    "valid_until": "2026-12-31",
    "approved_by": "陈主任",
}
LIVE = {"mode": "live", "live": AGREEMENT}
IN_FORCE = HandClock(1_790_000_000_000)  # 2026-09-21
OVER = HandClock(1_830_000_000_000)  # 2027-12-28
ATTEMPT = Attempt(case="c", number=1, repeat=False, at_ms=0, deadline_ms=10**15)
CARD: dict[str, object] = {
    "complaint": "紧急呼救：按键两次（sos_button: press）",
    "address": {"zh": "北京市团结湖街道一号院3号楼2单元501室", "en": "…"},
    "patient": {"name": "李秀兰", "sex": "female", "age": 81},
    "call_back": "010-12345678",
}


class Recorder:
    """A way to place calls that only notes them."""

    def __init__(self, end: CallEnd = CallEnd.ANSWERED, free: int = 1) -> None:
        self.calls: list[tuple[str, Words]] = []
        self.end = end
        self.free = free

    async def call(
        self, number: str, words: Words, *, timeout_s: float, emergency: bool = False, speaks: Speaks = always
    ) -> Called:
        assert emergency
        if not speaks():
            raise NotOurs
        self.calls.append((number, words))
        return Called(end=self.end, detail="recorded")


def line(**changes: Any) -> EmergencyLine:
    return EmergencyLine.model_validate({**LIVE, "live": {**AGREEMENT, **changes}})


def allowed(**changes: Any) -> Permit:
    return permit(line(**changes), box_allows=True, timezone="Asia/Shanghai")


def send(purpose: Purpose = Purpose.EMERGENCY_CALL, data: Mapping[str, object] | None = None, to: str = "120") -> Send:
    return Send(key="k", channel=LINE_CHANNEL, to=to, purpose=purpose, urgent=True, data=dict(data or CARD))


@pytest.mark.parametrize(
    ("document", "missing"),
    [
        ({"mode": "live"}, "needs the section live"),
        ({"url": "http://centre", "live": AGREEMENT}, "mode: drill beside live"),
        ({"mode": "live", "live": {**AGREEMENT, "declaration": "yes"}}, "word for word"),
        ({"mode": "live", "live": {**AGREEMENT, "declaration": DECLARATIONS[0][:-2]}}, "word for word"),
        *(
            ({"mode": "live", "live": {key: value for key, value in AGREEMENT.items() if key != name}}, name)
            for name in AGREEMENT
        ),
        ({"mode": "live", "live": {**AGREEMENT, "valid_until": "2025-01-01"}}, "lies before"),
        ({"mode": "live", "live": {**AGREEMENT, "numbers": {"120": "tel:120"}}}, "3 to 15 digits"),
        ({"mode": "on"}, "drill"),
    ],
)
def test_a_configuration_that_does_not_say_all_of_it_is_refused(document: dict[str, Any], missing: str) -> None:
    with pytest.raises(ValidationError, match=missing):
        EmergencyLine.model_validate(document)


def test_without_a_word_it_is_a_drill_and_the_box_dials_nothing() -> None:
    assert EmergencyLine(url="http://centre").mode == "drill"
    assert Settings().live_dialling is False


def test_both_keys_are_needed() -> None:
    with pytest.raises(NotPermitted, match="live_dialling"):
        permit(line(), box_allows=False, timezone="Asia/Shanghai")
    with pytest.raises(NotPermitted, match="drill"):
        permit(EmergencyLine(url="http://centre"), box_allows=True, timezone="Asia/Shanghai")


@pytest.mark.parametrize(
    ("emergency_line", "may_dial", "real", "drill"),
    [
        ({"mode": "drill", "url": "http://centre"}, True, DrillLine, None),
        ({"mode": "drill", "url": "http://centre"}, False, DrillLine, None),
        (LIVE, False, ClosedLine, None),
        (LIVE, True, ClosedLine, None),  # no telephone
        ({**LIVE, "url": "http://centre"}, False, ClosedLine, DrillLine),
    ],
)
async def test_what_a_box_is_given_to_dial_with(
    emergency_line: dict[str, Any], may_dial: bool, real: type, drill: type | None, tmp_path: Any
) -> None:
    document = {"anju": 1, "community": community()["community"], "emergency_line": emergency_line}

    async def publish(*_: object) -> Any:
        raise AssertionError

    channels = build_channels(Community.model_validate(document), Secrets(tmp_path), publish, may_dial=may_dial)
    assert type(channels[LINE_CHANNEL]) is real
    assert (type(channels[DRILL_LINE_CHANNEL]) if DRILL_LINE_CHANNEL in channels else None) is drill
    for channel in channels.values():
        await channel.close()


@pytest.mark.parametrize(
    ("box", "level", "said"),
    [
        ({}, "warning", "dials nobody"),
        ({"live_dialling": True}, "error", "it dials by modem, and this box has none"),
        ({"live_dialling": True, "modems": [{"name": "4g", "port": "/dev/ttyUSB2"}]}, "ok", "LIVE: it really dials"),
    ],
)
def test_doctor_says_live_only_where_there_is_something_to_dial_with(
    box: dict[str, Any], level: str, said: str, tmp_path: Any
) -> None:
    settings = Settings(data_dir=tmp_path, **box)
    agreed = {**AGREEMENT, "agreed_on": "2020-01-01", "valid_until": "2099-12-31", "by": ["modem"]}
    line_of_it = {"mode": "live", "live": agreed}
    document = {"anju": 1, "community": community()["community"], "emergency_line": line_of_it}
    store.apply(open_database(settings.database), Community.model_validate(document), "test", 1)
    [line] = [finding for finding in findings(settings) if finding.what == "120 line"]
    assert line.level == level
    assert said in line.said


async def test_a_real_call_says_where_first_and_leaves_the_line_open() -> None:
    way = Recorder()
    report = await LiveLine(allowed(numbers={"120": "010120"}), [way], IN_FORCE).send(send(), ATTEMPT)
    assert report.result is Result.DELIVERED
    [(number, words)] = way.calls
    assert number == "010120"
    assert words.keys == "", "no menu for a dispatcher"
    assert words.repeat >= 2
    said = words.text
    assert said.index("五零幺室") < said.index("紧急呼救") < said.index("李秀兰")


async def test_120_is_not_dialled_by_a_gateway_that_no_longer_speaks() -> None:
    way = Recorder()
    with pytest.raises(NotOurs):
        await LiveLine(allowed(), [way], IN_FORCE).send(send(), ATTEMPT.model_copy(update={"speaks": lambda: False}))
    assert not way.calls


async def test_a_call_that_may_repeat_an_earlier_one_says_so_first() -> None:
    way = Recorder()
    await LiveLine(allowed(), [way], IN_FORCE).send(send(), ATTEMPT.model_copy(update={"repeat": True}))
    assert way.calls[0][1].text.startswith("重复呼叫")


@pytest.mark.parametrize(
    "data",
    [{**CARD, "drill": True}, {**CARD, "complaint": marked("紧急呼救")}, {**CARD, "address": {"zh": marked("一号院")}}],
)
async def test_nothing_that_bears_the_mark_of_a_drill_is_ever_dialled(data: dict[str, object]) -> None:
    way = Recorder()
    report = await LiveLine(allowed(), [way], IN_FORCE).send(send(data=data), ATTEMPT)
    assert report.result is Result.REFUSED
    assert way.calls == []


@pytest.mark.parametrize(
    "data",
    [
        {**CARD, "address": {"zh": "北京市团结湖街道消防演练场东侧", "en": "…"}},
        {**CARD, "complaint": "紧急呼救：演练器材室冒烟"},
    ],
)
async def test_a_place_that_is_named_after_drills_is_called_for_all_the_same(data: dict[str, object]) -> None:
    way = Recorder()
    report = await LiveLine(allowed(), [way], IN_FORCE).send(send(data=data), ATTEMPT)
    assert report.result is Result.DELIVERED, report
    assert len(way.calls) == 1


@pytest.mark.parametrize("data", [{"card": {**CARD, "drill": True}}, {"what": marked("烟雾")}, {"mark": MARK}])
async def test_what_follows_a_drill_is_never_dialled_either(data: dict[str, object]) -> None:
    way = Recorder()
    report = await LiveLine(allowed(), [way], IN_FORCE).send(send(Purpose.EMERGENCY_UPDATE, data), ATTEMPT)
    assert (report.result, way.calls) == (Result.REFUSED, [])


async def test_a_drill_that_waited_while_the_line_became_live_is_not_dialled() -> None:
    way = Recorder()
    waited = send().model_copy(update={"drill": True})
    report = await LiveLine(allowed(), [way], IN_FORCE).send(waited, ATTEMPT)
    assert (report.result, way.calls) == (Result.REFUSED, [])


@pytest.mark.parametrize("clock", [OVER, HandClock(1_700_000_000_000)])
async def test_outside_the_agreement_nothing_is_dialled(clock: HandClock) -> None:
    way = Recorder()
    dialler = LiveLine(allowed(), [way], clock)
    report = await dialler.send(send(), ATTEMPT)
    assert report.result is Result.REFUSED
    assert "dial by hand" in report.detail
    assert way.calls == []
    assert await dialler.trouble() != ""


async def test_the_last_day_of_the_agreement_is_a_day_of_the_community() -> None:
    last_minute, next_day = 1_798_732_740_000, 1_798_732_800_000  # 2026-12-31 23:59 and 24:00 in Shanghai
    assert allowed().runs(last_minute)
    assert not allowed().runs(next_day)


@pytest.mark.parametrize(
    ("end", "result"),
    [
        (CallEnd.BUSY, Result.RETRY),
        (CallEnd.NO_ANSWER, Result.RETRY),
        (CallEnd.UNREACHABLE, Result.RETRY),
        (CallEnd.NOT_PLACED, Result.RETRY),
        (CallEnd.UNKNOWN, Result.UNKNOWN),
    ],
)
async def test_what_the_end_of_a_call_means(end: CallEnd, result: Result) -> None:
    report = await LiveLine(allowed(), [Recorder(end)], IN_FORCE).send(send(), ATTEMPT)
    assert report.result is result


async def test_the_next_way_is_taken_where_the_first_cannot_and_first_where_the_case_asks_for_it() -> None:
    dead, alive = Recorder(free=0), Recorder()
    dialler = LiveLine(allowed(), [dead, alive], IN_FORCE)
    assert (await dialler.send(send(), ATTEMPT)).result is Result.DELIVERED
    assert (len(dead.calls), len(alive.calls)) == (0, 1)
    first, second = Recorder(), Recorder()
    await LiveLine(allowed(), [first, second], IN_FORCE).send(send(data={**CARD, "path": 1}), ATTEMPT)
    assert (len(first.calls), len(second.calls)) == (0, 1)
    nobody = await LiveLine(allowed(), [], IN_FORCE).send(send(), ATTEMPT)
    assert nobody.result is Result.RETRY


def test_words_are_short_and_name_the_place() -> None:
    said = call_words(CARD, repeat=False)
    assert len(said) <= MOST * 1.3
    assert "回电" in said or len(said) > MOST - 15
    assert "取消" in cancel_words({"card": CARD, "reason": "误按", "case": "2026-000001"})
    assert "误按" in cancel_words({"card": CARD, "reason": "误按", "case": "2026-000001"})
    assert "五零幺室" in update_words({"card": CARD, "what": "烟雾"})
    assert call_words({}, repeat=False), "a card with nothing on it is still a call"
