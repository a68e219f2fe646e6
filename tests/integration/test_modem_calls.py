"""Calls over simulated modems on real ptys: who takes them, who does not, and everything that can happen to a modem."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from firmware_sim.telephony.faults import ModemFaults
from gateway.outbox.channel import NotOurs
from gateway.outbox.modem.health import ModemState
from gateway.outbox.voice import Called, CallEnd, Words
from tests.support.eventually import PATIENCE, eventually_async
from tests.support.telephony import DAUGHTER, SON, SPEED, telephony

MODELS = ("sim800", "sim7600", "ec20")
NASTY = (
    ModemFaults(one_byte=True, awkward=True),
    ModemFaults(garbage=0.3, awkward=True),
    ModemFaults(slow_s=1.5, echo=True),
    ModemFaults(speaks=False),
    ModemFaults(incoming_while_dialling=True),
)


@pytest.mark.parametrize("model", MODELS)
async def test_a_person_hears_the_words_and_presses_one(tmp_path: Path, model: str) -> None:
    async with telephony(tmp_path, model) as house:
        await house.ready()
        house.network.phone("daughter", DAUGHTER).expect_voice("紧急呼救").press("1")
        called = await house.call(DAUGHTER)
        assert (called.end, called.keys) == (CallEnd.ANSWERED, "1")
        assert called.detail.startswith("m1: ")
        assert house.health.calls == 1
        assert not house.health.calling


@pytest.mark.parametrize("model", MODELS)
async def test_the_words_are_said_twice_and_a_key_that_comes_late_still_counts(tmp_path: Path, model: str) -> None:
    async with telephony(tmp_path, model) as house:
        await house.ready()
        phone = house.network.phone("daughter", DAUGHTER)
        phone.expect_voice("紧急呼救").press("2", at=18)
        called = await house.call(DAUGHTER)
        assert called.keys == "2"
        assert phone.calls[0].count("紧急呼救") == 2


@pytest.mark.parametrize("model", MODELS)
async def test_a_voicemail_is_answered_and_presses_nothing(tmp_path: Path, model: str) -> None:
    async with telephony(tmp_path, model) as house:
        await house.ready()
        house.network.phone("daughter", DAUGHTER).expect_voice("紧急呼救").voicemail()
        called = await house.call(DAUGHTER)
        assert (called.end, called.keys) == (CallEnd.ANSWERED, "")


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    ("how", "end"),
    [
        ("busy", CallEnd.BUSY),
        ("no_answer", CallEnd.NO_ANSWER),
        ("rejects", CallEnd.NO_ANSWER),
        ("off", CallEnd.UNREACHABLE),
    ],
)
async def test_whoever_does_not_take_it(tmp_path: Path, model: str, how: str, end: CallEnd) -> None:
    async with telephony(tmp_path, model) as house:
        await house.ready()
        getattr(house.network.phone("daughter", DAUGHTER).expect_voice(), how)()
        called = await house.call(DAUGHTER)
        assert (called.end, called.keys) == (end, ""), called
        house.network.phone("daughter").expect_voice().press("1")
        assert (await house.call(DAUGHTER)).keys == "1", "the line is free again"


async def test_it_is_given_up_when_nobody_answers_for_long(tmp_path: Path) -> None:
    async with telephony(tmp_path) as house:
        await house.ready()
        house.network.phone("daughter", DAUGHTER).expect_voice().answers_s = 300
        called = await house.call(DAUGHTER)
        assert called.end is CallEnd.NO_ANSWER
        assert "AT+CHUP" in house.sim.commands


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("faults", NASTY, ids=("one-byte", "garbage", "slow", "silent-voice", "ringing-within"))
async def test_calls_on_bad_lines(tmp_path: Path, model: str, faults: ModemFaults) -> None:
    async with telephony(tmp_path, model, faults=faults) as house:
        await house.ready()
        house.network.phone("daughter", DAUGHTER).expect_voice("紧急呼救").press("1", at=17)
        called = await house.call(DAUGHTER)
        assert (called.end, called.keys) == (CallEnd.ANSWERED, "1"), called


async def test_a_hang_up_in_the_middle_of_the_words(tmp_path: Path) -> None:
    async with telephony(tmp_path) as house:
        await house.ready()
        house.network.phone("daughter", DAUGHTER).expect_voice().hang_up(at=2)
        called = await house.call(DAUGHTER)
        assert (called.end, called.keys) == (CallEnd.ANSWERED, "")
        assert "hung up" in called.detail


@pytest.mark.parametrize(("dtmf", "keys"), [("late", "1"), ("missing", "")])
async def test_keys_that_the_network_brings_late_or_not_at_all(tmp_path: Path, dtmf: str, keys: str) -> None:
    faults = ModemFaults(dtmf=dtmf)  # type: ignore[arg-type]  # two of its words
    async with telephony(tmp_path, "ec20", faults=faults) as house:
        await house.ready()
        house.network.phone("daughter", DAUGHTER).expect_voice("紧急呼救").press("1")
        assert (await house.call(DAUGHTER)).keys == keys


async def test_a_call_without_a_menu_stays_open_until_the_other_side_hangs_up(tmp_path: Path) -> None:
    async with telephony(tmp_path) as house:
        await house.ready()
        house.network.phone("desk", "62160000").expect_voice("紧急呼救").hang_up(at=60)
        begun = time.monotonic()
        called = await house.call("62160000", keys="")
        assert called.end is CallEnd.ANSWERED
        assert time.monotonic() - begun > 55 / SPEED


async def test_words_by_a_wav_that_lies_in_the_modem(tmp_path: Path) -> None:
    async with telephony(tmp_path, "ec20", "sim7600", settings={"audio": "file"}) as house:
        await house.ready(which=(0, 1))
        for _ in range(3):
            house.network.phone("daughter", DAUGHTER).expect_voice("起火").press("1")
            called = await house.pool.call(DAUGHTER, Words(text="起火，请速处理。", keys="1"), timeout_s=20)
            assert called.keys == "1", called
        uploads = [one for sim in house.sims for one in sim.commands if one.startswith(("AT+QFUPL", "AT+CFTRANRX"))]
        assert len(uploads) == len({one.split("=")[0] for one in uploads}), "each modem is given it once"


async def test_a_modem_that_can_play_no_file_says_so(tmp_path: Path) -> None:
    async with telephony(tmp_path, "sim800", settings={"audio": "file"}) as house:
        await house.ready()
        called = await house.call(DAUGHTER)
        assert called.end is CallEnd.NOT_PLACED
        assert "audio: tts" in called.detail
        assert not [one for one in house.sim.commands if one.startswith("ATD")]


@pytest.mark.parametrize("number", ["120", "119", "110", "112", "1 2 0", "x", "", "138;ATD120"])
async def test_no_ordinary_call_ever_reaches_an_emergency_number(tmp_path: Path, number: str) -> None:
    async with telephony(tmp_path) as house:
        await house.ready()
        assert (await house.call(number)).end is CallEnd.UNREACHABLE
        assert not [one for one in house.sim.commands if one.startswith("ATD")]


# the modem itself


async def test_a_modem_that_hangs_in_a_call_is_reset_and_the_call_is_unknown(tmp_path: Path) -> None:
    async with telephony(tmp_path, faults=ModemFaults(hang_at="AT+CTTS=1")) as house:
        await house.ready()
        voice = house.network.phone("daughter", DAUGHTER).expect_voice()
        called = await house.call(DAUGHTER)
        assert called.end is CallEnd.UNKNOWN
        assert voice.came
        await house.until(lambda health: health.ready and health.resets == 1)
        assert house.sim.starts == 2
        assert house.health.calls_failed == 1


async def test_a_modem_that_hangs_before_dialling_is_passed_over(tmp_path: Path) -> None:
    async with telephony(tmp_path, "sim800", "ec20") as house:
        await house.ready(which=(0, 1))
        for sim in house.sims[:1]:
            sim.hang("hard")
        phone = house.network.phone("daughter", DAUGHTER)
        begun = time.monotonic()
        phone.expect_voice().press("1")
        called = await house.call(DAUGHTER)
        if called.end is CallEnd.NOT_PLACED:
            pytest.fail(f"the second modem was not taken: {called}")
        assert called.keys == "1"
        assert time.monotonic() - begun < 15 * PATIENCE
        await house.until(lambda health: health.state is ModemState.SILENT)
        phone.expect_voice().press("1")
        called = await house.call(DAUGHTER)
        assert called.detail.startswith("m2: ")


async def test_two_modems_carry_two_calls_at_once(tmp_path: Path) -> None:
    async with telephony(tmp_path, "sim7600", "ec20") as house:
        await house.ready(which=(0, 1))
        house.network.phone("daughter", DAUGHTER).expect_voice().press("1")
        house.network.phone("son", SON).expect_voice().press("2")
        assert house.pool.free == 2
        first, second = await asyncio.gather(house.call(DAUGHTER), house.call(SON))
        assert (first.keys, second.keys) == ("1", "2")
        assert {one.calls for one in house.pool.health()} == {1}


async def test_with_no_line_free_nothing_is_placed_and_it_is_said_why(tmp_path: Path) -> None:
    async with telephony(tmp_path) as house:
        await house.ready()
        house.network.phone("daughter", DAUGHTER).expect_voice().press("1")
        first = asyncio.create_task(house.call(DAUGHTER))
        await eventually_async(lambda: house.pool.free == 0)
        called = await house.call(SON)
        assert called.end is CallEnd.NOT_PLACED
        assert (await first).keys == "1"


async def test_a_call_that_is_cancelled_is_hung_up(tmp_path: Path) -> None:
    async with telephony(tmp_path) as house:
        await house.ready()
        voice = house.network.phone("daughter", DAUGHTER).expect_voice()
        task = asyncio.create_task(house.call(DAUGHTER))
        await eventually_async(lambda: voice.came)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await eventually_async(lambda: house.pool.free == 1)
        assert "AT+CHUP" in house.sim.commands


async def test_a_tty_that_is_pulled_in_a_call_and_comes_back(tmp_path: Path) -> None:
    async with telephony(tmp_path) as house:
        await house.ready()
        voice = house.network.phone("daughter", DAUGHTER).expect_voice()
        task: asyncio.Task[Called] = asyncio.create_task(house.call(DAUGHTER))
        await eventually_async(lambda: voice.came)
        house.sim.unplug()
        assert (await task).end is CallEnd.UNKNOWN
        await house.until(lambda health: health.state is ModemState.ABSENT)
        house.sim.start()
        await house.ready()


@pytest.mark.parametrize("model", MODELS)
async def test_a_modem_that_restarts_by_itself_is_set_up_again(tmp_path: Path, model: str) -> None:
    async with telephony(tmp_path, model) as house:
        await house.ready()
        house.sim.crash()
        await eventually_async(lambda: house.sim.commands.count("AT+CMGF=0") == 2)
        await house.ready()
        house.network.phone("daughter", DAUGHTER).expect_voice().press("1")
        assert (await house.call(DAUGHTER)).keys == "1"


async def test_a_modem_that_restarts_in_a_call_leaves_the_other_side_free(tmp_path: Path) -> None:
    async with telephony(tmp_path) as house:
        await house.ready()
        phone = house.network.phone("daughter", DAUGHTER)
        voice = phone.expect_voice().hang_up(at=60)
        task: asyncio.Task[Called] = asyncio.create_task(house.call(DAUGHTER))
        await eventually_async(lambda: voice.came)
        house.sim.crash()
        assert (await task).end is CallEnd.UNKNOWN
        await house.ready()
        phone.expect_voice().press("1")
        assert (await house.call(DAUGHTER)).keys == "1"


async def test_a_hang_is_found_without_anybody_calling(tmp_path: Path) -> None:
    async with telephony(tmp_path) as house:
        await house.ready()
        house.sim.hang("soft")
        await house.until(lambda health: health.ready and health.resets == 1)


async def test_somebody_who_rings_the_modem_is_turned_away(tmp_path: Path) -> None:
    async with telephony(tmp_path) as house:
        await house.ready()
        before = house.sim.commands.count("AT+CHUP")
        house.sim.ring(DAUGHTER)
        await eventually_async(lambda: house.sim.commands.count("AT+CHUP") > before)
        assert house.health.ready


# SIM and network


@pytest.mark.parametrize("model", MODELS)
async def test_a_pin_is_entered_from_its_secret(tmp_path: Path, model: str) -> None:
    settings: dict[str, object] = {"pin_secret": "SIM_PIN"}
    async with telephony(tmp_path, model, pin="4711", settings=settings, secrets={"SIM_PIN": "4711"}) as house:
        await house.ready()
        assert house.sim.commands.count('AT+CPIN="4711"') == 1


async def test_a_wrong_pin_is_tried_once_and_never_again(tmp_path: Path) -> None:
    settings: dict[str, object] = {"pin_secret": "SIM_PIN"}
    async with telephony(tmp_path, pin="4711", settings=settings, secrets={"SIM_PIN": "0000"}) as house:
        await house.until(lambda health: health.state is ModemState.PIN)
        looked = house.sim.commands.count("AT+CPIN?")
        await eventually_async(lambda: house.sim.commands.count("AT+CPIN?") > looked + 4)
        assert house.sim.commands.count('AT+CPIN="0000"') == 1
        assert house.sim.tries == 2
        assert "SIM_PIN" in house.health.en
        assert "0000" not in house.health.en
        (tmp_path / "secrets" / "SIM_PIN").write_text("4711", encoding="utf-8")
        await house.ready()


async def test_the_last_tries_of_a_pin_are_a_persons(tmp_path: Path) -> None:
    settings: dict[str, object] = {"pin_secret": "SIM_PIN"}
    async with telephony(tmp_path, pin="4711", settings=settings) as house:
        house.sim.tries = 1
        (tmp_path / "secrets" / "SIM_PIN").write_text("4711", encoding="utf-8")
        await house.until(lambda health: health.state is ModemState.PIN and "1 tries left" in health.en)
        assert not [one for one in house.sim.commands if one.startswith("AT+CPIN=")]


async def test_without_a_pin_it_says_what_to_set(tmp_path: Path) -> None:
    async with telephony(tmp_path, pin="4711") as house:
        await house.until(lambda health: health.state is ModemState.PIN)
        assert "pin_secret" in house.health.en


async def test_a_locked_sim_is_a_clear_word(tmp_path: Path) -> None:
    async with telephony(tmp_path) as house:
        house.sim.puk = True
        await house.until(lambda health: health.state is ModemState.PUK)
        assert "unlock it in a telephone" in house.health.en
        house.sim.puk = False
        await house.ready()


@pytest.mark.parametrize("model", MODELS)
async def test_a_sim_that_is_pulled_and_put_back(tmp_path: Path, model: str) -> None:
    async with telephony(tmp_path, model) as house:
        await house.ready()
        house.sim.pull_sim()
        await house.until(lambda health: health.state is ModemState.NO_SIM)
        called = await house.call(DAUGHTER)
        assert called.end is CallEnd.NOT_PLACED
        house.sim.insert_sim()
        await house.ready()


@pytest.mark.parametrize("model", MODELS)
async def test_a_network_that_is_lost_and_found(tmp_path: Path, model: str) -> None:
    async with telephony(tmp_path, model) as house:
        await house.ready()
        assert house.health.operator == "CHINA MOBILE"
        assert house.health.signal_dbm == -71
        house.sim.lose_network()
        await house.until(lambda health: health.state is ModemState.SEARCHING and health.signal_dbm is None)
        house.sim.find_network()
        await house.ready()


async def test_a_network_that_refuses_the_sim(tmp_path: Path) -> None:
    async with telephony(tmp_path) as house:
        house.sim.denied = True
        await house.until(lambda health: health.state is ModemState.DENIED)


async def test_a_model_that_nobody_knows_says_what_to_set(tmp_path: Path) -> None:
    async with telephony(tmp_path) as house:
        house.sim.model = house.sim.model.__class__(
            name="x", cgmm="ACME 9", ati=("ACME",), ready=(), dtmf_on="DDET", dtmf="", known=frozenset()
        )
        await house.until(lambda health: health.state is ModemState.FAULT)
        assert "modems[].dialect" in house.health.en


async def test_a_tty_that_is_not_there_is_named(tmp_path: Path) -> None:
    async with telephony(tmp_path) as house:
        await house.ready()
        house.sim.unplug()
        await house.until(lambda health: health.state is ModemState.ABSENT)
        assert "modem1.tty" in house.health.en


async def test_nobody_is_called_by_a_gateway_that_no_longer_speaks(tmp_path: Path) -> None:
    """The process was stopped while the words were made ready, and another gateway has called meanwhile."""
    async with telephony(tmp_path) as house:
        await house.ready()
        phone = house.network.phone("daughter", DAUGHTER)
        with pytest.raises(NotOurs):
            await house.pool.call(
                DAUGHTER, Words(text="起火", keys="12"), timeout_s=20, speaks=lambda: not house.health.calls
            )
        assert not phone.calls and house.health.calls_failed == 0
        phone.expect_voice("紧急呼救").press("1")
        assert (await house.call(DAUGHTER)).keys == "1", "the modem goes on"
