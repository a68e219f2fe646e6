"""A press becomes an SMS, or a call, over a modem on a tty; the answer by SMS, and the key pressed, take the case."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from firmware_sim.telephony.modem import SimModem
from firmware_sim.telephony.network import Network
from tests.support.eventually import eventually
from tests.support.gateway import RunningGateway
from tests.support.homes import FAR_LINE, community
from tests.support.outside import LoopThread, OutsideWorld

DESK = "13800000011"
TTY = "modem.tty"


def town(channel: str) -> dict[str, Any]:
    """One home, whose control room is told by ``channel`` alone."""
    town = community(1, rungs=FAR_LINE)
    town["channels"] += [{"id": "modem-sms", "type": "sms"}, {"id": "modem-voice", "type": "voice"}]
    for person in town["people"]:
        if person["id"] == "desk":
            person["phone"] = DESK
            person["contacts"] = [{"channel": channel, "to": DESK}]
    return town


class Telephones:
    """A network and a modem in an event loop of their own."""

    def __init__(self, tty: Path) -> None:
        self._thread = LoopThread("telephones")
        self.network = Network(speed=5)
        self.modem = SimModem(self.network, tty, "+8613900000001", "sim7600")

    def do(self, work: Any) -> Any:
        async def call() -> Any:
            return work()

        return self._thread.call(call())

    def close(self) -> None:
        self.do(self.modem.unplug)
        self._thread.close()


@contextlib.contextmanager
def telephones(directory: Path) -> Iterator[Telephones]:
    found = Telephones(directory / TTY)
    found.do(found.modem.start)
    try:
        yield found
    finally:
        found.close()
    found.network.check()


def settings(directory: Path) -> dict[str, str]:
    return {"ANJU_MODEMS": json.dumps([{"name": "m1", "port": str(directory / TTY)}])}


def modem_ready(gateway: RunningGateway) -> bool:
    return bool(gateway.parts()["modem-m1"]["state"] == "ok")


def test_an_sms_is_answered_and_the_case_is_taken(tmp_path: Path) -> None:
    with (
        telephones(tmp_path) as line,
        OutsideWorld() as world,
        RunningGateway(tmp_path, world, community=town("modem-sms"), settings=settings(tmp_path)) as gateway,
        gateway.radio() as radio,
    ):
        eventually(lambda: modem_ready(gateway), 30)
        phone = line.network.phone("desk", DESK)
        line.do(lambda: phone.expect_sms("紧急呼救"))
        radio.say_and_wait("sos-1", "press")
        case_id = gateway.wait_for_case("sos-1")["id"]
        eventually(lambda: phone.inbox, 20, "the SMS")
        gateway.wait_for_line(case_id, "told", 20)
        text = phone.inbox[0][1]
        code = text.split("回复 1 ")[1].split(" ")[0]
        line.do(lambda: (phone.expect_sms(), phone.writes(line.modem.number, f"1 {code}")))
        gateway.wait_for_line(case_id, "acknowledged", 20)
        eventually(lambda: len(phone.inbox) > 1, 20, "the words said back")
        eventually(lambda: not line.modem.stored, 20, "the answer is deleted from the SIM")
        eventually(lambda: gateway.metric("anju_modem_events_total", modem="m1", what="sms_received") == 1)


def test_a_key_in_a_call_takes_the_case(tmp_path: Path) -> None:
    with (
        telephones(tmp_path) as line,
        OutsideWorld() as world,
        RunningGateway(tmp_path, world, community=town("modem-voice"), settings=settings(tmp_path)) as gateway,
        gateway.radio() as radio,
    ):
        eventually(lambda: modem_ready(gateway), 30)
        phone = line.network.phone("desk", DESK)
        line.do(lambda: phone.expect_voice("紧急呼救").press("1"))
        radio.say_and_wait("sos-1", "press")
        case_id = gateway.wait_for_case("sos-1")["id"]
        gateway.wait_for_line(case_id, "acknowledged", 40)
        eventually(lambda: phone.calls, 20, "the call is over")
        assert "按 1 接受" in phone.calls[0]
