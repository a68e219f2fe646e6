"""The simulated telephones of the demo, the check of numbers, and a dispatcher at 120 who is always a simulated one."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from firmware_sim.world.app import World
from firmware_sim.world.server import HOST, serving
from firmware_sim.world.telephones import MODEM_NUMBER, Telephones
from gateway.cases.directory import Address
from gateway.demo import telephone
from gateway.outbox.modem.driver import Modem
from gateway.outbox.voice import CallEnd, Words
from gateway.registry.channels import SmsChannel, VoiceChannel
from gateway.registry.check_numbers import numbers
from gateway.registry.model import Person
from tests.support.eventually import PATIENCE
from tests.support.registry import loaded
from tests.support.telephony import DAUGHTER, House, telephony


async def test_what_telephones_got_can_be_seen_and_answered(tmp_path: Path) -> None:
    telephones = Telephones(tmp_path / "modem.tty")
    world = World(telephones=telephones)
    async with (
        telephones.running() as modem,
        serving(world.app) as port,
        httpx.AsyncClient(timeout=10 * PATIENCE) as http,
    ):
        url = f"http://{HOST}:{port}/phones"
        assert (await http.get(url)).json() == []
        assert (await http.post(f"{url}/{DAUGHTER}/sms", content="1")).status_code == 404
        phone = telephones.network._of(DAUGHTER)
        assert phone is not None
        phone.take_sms(MODEM_NUMBER, "起火")
        assert (await http.get(url)).json() == [{"number": DAUGHTER, "sms": ["起火"], "calls": []}]
        assert (await http.post(f"{url}/{DAUGHTER}/sms", content=" ")).status_code == 422
        assert (await http.post(f"{url}/{DAUGHTER}/sms", content=b"1 4711")).status_code == 204
        assert len(modem.stored) == 1
        telephones.network.check()


def test_a_demo_tells_families_by_messenger_and_sms_at_once(tmp_path: Path) -> None:
    town = telephone.with_telephones(loaded(tmp_path))
    daughter = next(person for person in town.people if person.id == "daughter")
    assert daughter.at_once == 2
    assert [address.channel for address in daughter.contacts][-2:] == ["sms", "voice"]
    assert {type(channel) for channel in town.channels} >= {SmsChannel, VoiceChannel}
    assert telephone.with_telephones(town) == town


@pytest.mark.parametrize(
    ("to", "wrong"),
    [
        ("13800000000", ""),
        ("+86 138-0000-0000", ""),
        ("120", "emergency number"),
        ("1 2 0", "emergency number"),
        ("daughter", "telephone number"),
        ("1", "telephone number"),
        ("138000000001380000000013800000000", "telephone number"),
    ],
)
def test_addresses_of_sms_and_voice_are_numbers(to: str, wrong: str) -> None:
    people = (Person(id="p", name="p", contacts=(Address(channel="sms", to=to), Address(channel="chat", to="x"))),)
    found = [finding.message for finding in numbers(people, {"sms": SmsChannel(id="sms", type="sms")})]
    assert (wrong in found[0]) if wrong else found == []


async def test_a_line_made_for_120_reaches_the_simulated_dispatcher_and_stays_open(tmp_path: Path) -> None:
    async with telephony(tmp_path) as house:
        await house.ready()
        dispatcher = house.network.phone("dispatcher", "120")
        dispatcher.expect_voice("团结湖路").hang_up(at=40)
        words = Words(text="急救。团结湖路3号楼五零幺，女，八十五岁。", keys="", repeat=3)
        called = await _modem(house).call("120", words, timeout_s=20, emergency=True)
        assert called.end is CallEnd.ANSWERED
        assert dispatcher.calls[0].count("团结湖路") == 3


def _modem(house: House) -> Modem:
    return house.pool._modems[0]
