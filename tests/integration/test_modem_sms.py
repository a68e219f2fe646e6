"""SMS over simulated modems on real ptys: out with reports, in with parts, a full SIM, and modems that hang."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from firmware_sim.telephony import pdu as sim_pdu
from firmware_sim.telephony.faults import ModemFaults
from gateway.outbox.channel import NotOurs, Result
from gateway.outbox.modem.reports import Fate
from gateway.outbox.modem.sending import Handed
from tests.support.eventually import eventually_async
from tests.support.telephony import DAUGHTER, SON, House, telephony

MODELS = ("sim800", "sim7600", "ec20")
LONG = "紧急呼救：李秀兰🚑，团结湖路11号楼3单元1201室。" * 6


async def send(house: House, text: str = "起火", *, key: str = "k1", to: str = DAUGHTER, urgent: bool = True) -> Handed:
    return await house.pool.send(key, to, text, urgent=urgent, report=True, validity_s=3600)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("text", ["Fire in room 501 {€}", "起火", LONG], ids=["gsm7", "ucs2", "parts"])
async def test_an_sms_arrives_whole_and_its_report_comes_back(tmp_path: Path, model: str, text: str) -> None:
    async with telephony(tmp_path, model) as house:
        await house.ready()
        house.network.phone("daughter", DAUGHTER).expect_sms()
        handed = await send(house, text)
        assert handed.result is Result.SENT
        await eventually_async(lambda: ("k1", Fate.DELIVERED) in house.settled)
        assert house.network.phone("daughter").inbox[0][1] == text
        assert await house.ledger.stands("k1") is Fate.DELIVERED
        assert house.health.sms_sent == len(handed.references)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    "faults",
    [
        ModemFaults(one_byte=True, awkward=True),
        ModemFaults(garbage=0.3, awkward=True),
        ModemFaults(slow_s=1.5),
    ],
    ids=["one-byte", "garbage", "slow"],
)
async def test_sms_both_ways_on_bad_lines(tmp_path: Path, model: str, faults: ModemFaults) -> None:
    async with telephony(tmp_path, model, faults=faults) as house:
        await house.ready()
        house.network.phone("daughter", DAUGHTER).expect_sms("团结湖路").replies("1 4711")
        assert (await send(house, LONG)).result is Result.SENT
        await eventually_async(lambda: [one.text for one in house.ear.heard] == ["1 4711"])
        assert house.ear.heard[0].sender == DAUGHTER
        await eventually_async(lambda: not house.sim.stored)


@pytest.mark.parametrize(
    ("reports", "settled"), [("failed", Fate.FAILED), ("busy", Fate.TRYING), ("late", Fate.DELIVERED)]
)
async def test_reports_that_say_something_else(tmp_path: Path, reports: str, settled: Fate) -> None:
    async with telephony(tmp_path) as house:
        await house.ready()
        house.network.reports = reports  # type: ignore[assignment]  # one of its words
        house.network.phone("daughter", DAUGHTER).expect_sms()
        await send(house)
        await eventually_async(lambda: house.settled == [("k1", settled)])


async def test_a_report_that_never_comes_leaves_it_with_the_centre(tmp_path: Path) -> None:
    async with telephony(tmp_path) as house:
        await house.ready()
        house.network.reports = "never"
        phone = house.network.phone("daughter", DAUGHTER)
        phone.expect_sms()
        await send(house)
        await eventually_async(lambda: phone.inbox)
        assert await house.ledger.stands("k1") is Fate.TRYING
        assert not house.settled


async def test_a_report_finds_its_message_after_a_restart(tmp_path: Path) -> None:
    async with telephony(tmp_path) as house:
        await house.ready()
        house.network.reports = "never"
        phone = house.network.phone("daughter", DAUGHTER)
        phone.expect_sms()
        handed = await send(house)
        await eventually_async(lambda: phone.inbox)
    async with telephony(tmp_path) as again:
        await again.ready()
        # The network names the recipient with the country's code, as some do.
        again.sim.take_report(handed.references[0], f"+86{DAUGHTER}", 1_700_000_000_000, 0)
        await eventually_async(lambda: again.settled == [("k1", Fate.DELIVERED)])


async def test_a_report_of_somebody_elses_message_settles_nothing(tmp_path: Path) -> None:
    async with telephony(tmp_path) as house:
        await house.ready()
        house.network.reports = "never"
        house.network.phone("daughter", DAUGHTER).expect_sms()
        handed = await send(house)
        house.sim.take_report(handed.references[0], SON, 1_700_000_000_000, 0)
        house.sim.take_report((handed.references[0] + 1) % 256, DAUGHTER, 1_700_000_000_000, 0)
        house.sim.take_report(handed.references[0], DAUGHTER, 1_700_000_000_000, 0)
        await eventually_async(lambda: house.settled == [("k1", Fate.DELIVERED)])


@pytest.mark.parametrize(
    ("error", "result"),
    [("+CMS ERROR: 28", Result.REFUSED), ("+CMS ERROR: 332", Result.UNKNOWN), ("+CMS ERROR: 500", Result.UNKNOWN)],
)
async def test_what_the_network_says_no_to(tmp_path: Path, error: str, result: Result) -> None:
    async with telephony(tmp_path, faults=ModemFaults(send_error=error)) as house:
        await house.ready()
        handed = await send(house)
        assert handed.result is result
        assert error in handed.detail
        assert house.health.sms_failed == 1


async def test_a_passing_refusal_is_tried_once_more(tmp_path: Path) -> None:
    async with telephony(tmp_path, faults=ModemFaults(send_error="+CMS ERROR: 42")) as house:
        await house.ready()
        house.network.phone("daughter", DAUGHTER).expect_sms()
        assert (await send(house)).result is Result.SENT
        await eventually_async(lambda: house.settled)


async def test_a_modem_that_hangs_between_two_parts_leaves_it_unknown_and_recovers(tmp_path: Path) -> None:
    async with telephony(tmp_path, faults=ModemFaults(send_hangs_after=1)) as house:
        await house.ready()
        handed = await send(house, LONG)
        assert handed.result is Result.UNKNOWN
        assert await house.ledger.stands("k1") is None
        await house.until(lambda health: health.ready and health.resets == 1)
        house.sim.faults.send_hangs_after = None
        house.network.phone("daughter", DAUGHTER).expect_sms()
        assert (await send(house, LONG)).result is Result.SENT
        await eventually_async(lambda: ("k1", Fate.DELIVERED) in house.settled)


async def test_halves_of_before_a_restart_are_not_put_together_with_what_comes_after_it(tmp_path: Path) -> None:
    firsts = set()
    for _ in range(6):
        async with telephony(tmp_path) as house:
            firsts.add(house.ledger.next_reference())
    assert len(firsts) > 1, "a telephone that holds half of the first long message would add half of another to it"


async def test_the_next_modem_takes_what_the_first_cannot(tmp_path: Path) -> None:
    async with telephony(tmp_path, "sim800", "ec20") as house:
        await house.ready(which=(0, 1))
        house.sims[0].lose_network()
        house.network.phone("daughter", DAUGHTER).expect_sms()
        handed = await send(house)
        assert handed.result is Result.SENT
        assert "m2: " in handed.detail
        await eventually_async(lambda: house.settled)


async def test_without_a_modem_it_is_said_why(tmp_path: Path) -> None:
    async with telephony(tmp_path) as house:
        await house.ready()
        house.sim.pull_sim()
        await house.until(lambda health: not health.ready)
        handed = await send(house)
        assert handed.result is Result.RETRY
        assert "SIM" in handed.detail


async def test_no_message_is_written_to_an_emergency_number(tmp_path: Path) -> None:
    async with telephony(tmp_path) as house:
        await house.ready()
        assert (await send(house, to="120")).result is Result.REFUSED
        assert not [one for one in house.sim.commands if one.startswith("AT+CMGS")]


async def test_what_is_not_urgent_keeps_to_the_rate_and_what_is_does_not(tmp_path: Path) -> None:
    async with telephony(tmp_path, settings={"sms_per_minute": 2}) as house:
        await house.ready()
        phone = house.network.phone("daughter", DAUGHTER)
        for _ in range(3):
            phone.expect_sms()
        results = [(await send(house, key=f"k{index}", urgent=False)).result for index in range(3)]
        assert results == [Result.SENT, Result.SENT, Result.RETRY]
        assert (await send(house, key="k4")).result is Result.SENT
        await eventually_async(lambda: len(phone.inbox) == 3)


# what comes in


async def test_what_lay_on_the_sim_is_read_at_the_start(tmp_path: Path) -> None:
    async with telephony(tmp_path) as house:
        house.sim.stored[4] = sim_pdu.deliver(DAUGHTER, "收到", 1_700_000_000_000)[0]
        await eventually_async(lambda: [one.text for one in house.ear.heard] == ["收到"])
        await eventually_async(lambda: not house.sim.stored)


class Watched(list[str]):
    """The commands a modem is given; once it was asked for all its SMS, something happens at the next question."""

    def __init__(self, happens: Callable[[], None]) -> None:
        super().__init__()
        self._happens: Callable[[], None] | None = happens

    def append(self, command: str) -> None:
        if self._happens is not None and command == "AT+CPMS?" and any(one.startswith("AT+CMGL") for one in self):
            happens, self._happens = self._happens, None
            happens()
        super().append(command)


async def test_what_arrives_while_the_sim_is_being_read_is_read_too_and_once(tmp_path: Path) -> None:
    async with telephony(tmp_path) as house:
        phone = house.network.phone("daughter", DAUGHTER)
        house.sim.stored[4] = sim_pdu.deliver(DAUGHTER, "收到", 1_700_000_000_000)[0]
        house.sim.commands = Watched(lambda: phone.writes(house.sim.number, "1 4711"))
        await eventually_async(lambda: [one.text for one in house.ear.heard] == ["收到", "1 4711"])
        await eventually_async(lambda: not house.sim.stored)
        assert len(house.ear.heard) == 2


async def test_an_sms_is_deleted_only_after_it_was_taken_in(tmp_path: Path) -> None:
    async with telephony(tmp_path) as house:
        await house.ready()
        house.ear.failing = 3
        house.network.phone("daughter", DAUGHTER).writes(house.sim.number, "1")
        await eventually_async(lambda: house.ear.failing == 0)
        await eventually_async(lambda: [one.text for one in house.ear.heard] == ["1"])
        await eventually_async(lambda: not house.sim.stored)


async def test_while_it_cannot_be_taken_in_it_stays_over_a_restart(tmp_path: Path) -> None:
    async with telephony(tmp_path) as house:
        await house.ready()
        house.ear.failing = 1_000_000
        house.network.phone("daughter", DAUGHTER).writes(house.sim.number, "1 4711")
        await eventually_async(lambda: house.ear.failing < 1_000_000)
        assert len(house.sim.stored) == 1
        kept = dict(house.sim.stored)
    async with telephony(tmp_path) as again:
        again.sim.stored.update(kept)
        await eventually_async(lambda: [one.text for one in again.ear.heard] == ["1 4711"])


async def test_a_long_answer_comes_in_one_piece(tmp_path: Path) -> None:
    async with telephony(tmp_path) as house:
        await house.ready()
        house.network.phone("daughter", DAUGHTER).writes(house.sim.number, LONG)
        await eventually_async(lambda: [one.text for one in house.ear.heard] == [LONG])
        await eventually_async(lambda: not house.sim.stored)


async def test_half_a_message_on_a_full_sim_makes_room(tmp_path: Path) -> None:
    async with telephony(tmp_path, room=4) as house:
        half = sim_pdu.deliver(DAUGHTER, LONG, 1_700_000_000_000)[:2]
        for index, one in enumerate(half, 1):
            house.sim.stored[index] = one
        await eventually_async(lambda: house.ear.heard)
        assert "[…]" in house.ear.heard[0].text
        await eventually_async(lambda: not house.sim.stored)


async def test_what_the_centre_kept_for_a_full_sim_comes_when_there_is_room(tmp_path: Path) -> None:
    async with telephony(tmp_path, room=2) as house:
        await house.ready()
        phone = house.network.phone("daughter", DAUGHTER)
        for text in ("一", "二", "三", "四"):
            phone.writes(house.sim.number, text)
        assert house.network.kept == 2
        await eventually_async(lambda: sorted(one.text for one in house.ear.heard) == sorted("一二三四"))


async def test_what_cannot_be_read_does_not_block_the_sim(tmp_path: Path) -> None:
    async with telephony(tmp_path) as house:
        house.sim.stored[1] = "00FF"
        house.sim.stored[2] = sim_pdu.deliver(DAUGHTER, "收到", 1_700_000_000_000)[0]
        await eventually_async(lambda: [one.text for one in house.ear.heard] == ["收到"])
        await eventually_async(lambda: not house.sim.stored)


async def test_what_is_said_back_goes_to_whoever_wrote(tmp_path: Path) -> None:
    async with telephony(tmp_path) as house:
        await house.ready()
        house.ear.says = "已由您受理，谢谢"
        phone = house.network.phone("daughter", DAUGHTER)
        phone.expect_sms("已由您受理")
        phone.writes(house.sim.number, "1 4711")
        await eventually_async(lambda: phone.inbox)
        assert not house.settled, "nobody asked for a report of it"


async def test_ussd_and_other_words_of_the_network_are_nobodys_answer(tmp_path: Path) -> None:
    async with telephony(tmp_path) as house:
        await house.ready()
        house.sim.urc('+CUSD: 0,"60A876844F59989D4E3A0033002E0032",72')
        house.sim.urc("+CBM: 88\r\n00112233445566778899")
        house.network.phone("daughter", DAUGHTER).writes(house.sim.number, "1")
        await eventually_async(lambda: [one.text for one in house.ear.heard] == ["1"])


async def test_an_sms_goes_out_while_a_call_is_under_way(tmp_path: Path) -> None:
    async with telephony(tmp_path) as house:
        await house.ready()
        phone = house.network.phone("daughter", DAUGHTER)
        voice = phone.expect_voice().press("1", at=17)
        house.network.phone("son", SON).expect_sms()
        call = asyncio.create_task(house.call(DAUGHTER))
        await eventually_async(lambda: voice.came)
        assert (await send(house, to=SON)).result is Result.SENT
        assert (await call).keys == "1"
        await eventually_async(lambda: house.settled)


async def test_the_network_of_the_tests_fails_on_what_nobody_expected(tmp_path: Path) -> None:
    async with telephony(tmp_path, check=False) as house:
        await house.ready()
        house.network.phone("daughter", DAUGHTER)
        await send(house)
        await eventually_async(lambda: house.network.unexpected)
        with pytest.raises(AssertionError, match="nobody expected: an SMS"):
            house.network.check()
        house.network.unexpected.clear()
        house.network.phone("daughter").expect_voice("起火")
        with pytest.raises(AssertionError, match="did not come: a call to daughter"):
            house.network.check()


async def test_what_waited_behind_another_is_not_said_by_a_gateway_that_no_longer_speaks(tmp_path: Path) -> None:
    """The process was stopped while it waited for the modem, and another gateway has said it meanwhile."""
    async with telephony(tmp_path) as house:
        await house.ready()
        phone = house.network.phone("daughter", DAUGHTER)
        phone.expect_sms("起火")
        first = asyncio.create_task(send(house))
        waits = {"urgent": True, "report": True, "validity_s": 3600, "speaks": lambda: not house.health.sms_sent}
        second = asyncio.create_task(house.pool.send("k2", DAUGHTER, LONG, **waits))
        with pytest.raises(NotOurs):
            await second
        assert (await first).result is Result.SENT
        phone.expect_sms("漏水")
        assert (await send(house, "漏水", key="k3")).result is Result.SENT, "the modem goes on"
        await eventually_async(lambda: len(phone.inbox) >= 2)
        assert [text for _, text in phone.inbox] == ["起火", "漏水"] and house.health.sms_failed == 0
