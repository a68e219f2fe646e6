"""A SIP trunk against real peers on loopback: a second baresip as the telephone, and SIPp as what a trunk can do."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from gateway.outbox.channel import Attempt, Heard, Invitation, NotOurs, Result
from gateway.outbox.channels.voice import VoiceCalls
from gateway.outbox.sip import line as line_of_a_trunk
from gateway.outbox.sip.trunk import SipTrunks
from gateway.outbox.speech import Speech
from gateway.outbox.voice import Called, CallEnd, Words
from gateway.settings import Secrets, SipTrunk
from tests.support.eventually import PATIENCE, eventually_async
from tests.support.outbox import HandClock, make_send
from tests.support.ports import HOST
from tests.support.sip_peer import (
    CHALLENGE,
    HASTE,
    NOTE_CREDENTIALS,
    answer,
    answers_challenge,
    receive,
    rtp_sequence,
    sipp,
    telephone,
    trunk_to,
    up,
    voiced_s,
    wav_samples,
)

NUMBER = "13800138000"
MENU = Words(text="张奶奶家里燃气报警，接受请按一", keys="12", repeat=2)
ONCE = Words(text="燃气报警", keys="12", repeat=1)


async def test_somebody_takes_it_hears_the_words_and_presses_one(tmp_path: Path) -> None:
    async with telephone(tmp_path / "phone") as phone, trunk_to(phone.port, tmp_path) as caller:
        await up(caller)
        calling = asyncio.create_task(caller.call("+86 138-0013-8000", MENU, timeout_s=60))
        await phone.in_call()
        wanted_s = voiced_s(wav_samples(await Speech(tmp_path / "speech").wav(MENU.text, "zh")))
        # Said twice: the key is pressed while it is said again.
        await eventually_async(lambda: voiced_s(phone.heard()) > wanted_s * 1.3, 30, "the words, and again")
        await phone.press("1")
        called = await calling
        assert (called.end, called.keys) == (CallEnd.ANSWERED, "1")
        await eventually_async(lambda: phone.saw("CALL_CLOSED"), what="we hang up")
        assert caller.health.calls == {CallEnd.ANSWERED: 1}
        assert caller.free == 1


async def test_what_is_heard_is_the_words_as_long_as_they_are(tmp_path: Path) -> None:
    async with telephone(tmp_path / "phone") as phone, trunk_to(phone.port, tmp_path) as caller:
        await up(caller)
        called = await caller.call(NUMBER, ONCE, timeout_s=30)
        assert (called.end, called.keys) == (CallEnd.ANSWERED, "")
        await eventually_async(lambda: phone.saw("CALL_CLOSED"), what="we hang up")
        said = voiced_s(wav_samples(await Speech(tmp_path / "speech").wav(ONCE.text, "zh")))
        assert said > 0.5
        assert voiced_s(phone.heard()) == pytest.approx(said, abs=0.25)


@pytest.mark.parametrize(
    ("status", "end"),
    [
        ("486 Busy Here", CallEnd.BUSY),
        ("603 Decline", CallEnd.BUSY),
        ("480 Temporarily Unavailable", CallEnd.NO_ANSWER),
        ("408 Request Timeout", CallEnd.NO_ANSWER),
        ("404 Not Found", CallEnd.UNREACHABLE),
        ("484 Address Incomplete", CallEnd.UNREACHABLE),
        ("503 Service Unavailable", CallEnd.NOT_PLACED),
        ("403 Forbidden", CallEnd.NOT_PLACED),
    ],
)
async def test_how_a_trunk_says_no(tmp_path: Path, status: str, end: CallEnd) -> None:
    steps = (receive("INVITE"), answer("100 Trying"), answer(status), receive("ACK"))
    async with sipp(tmp_path / "peer", *steps) as peer, trunk_to(peer.port, tmp_path) as caller:
        await up(caller)
        called = await caller.call(NUMBER, ONCE, timeout_s=20)
        assert called.end is end
        assert status in called.detail
        await peer.passed()
        assert caller.free == 1


async def test_it_rings_and_nobody_comes(tmp_path: Path) -> None:
    cancelled = (receive("CANCEL"), answer("200 OK"))
    steps = (receive("INVITE"), answer("180 Ringing"), *cancelled)
    async with sipp(tmp_path / "peer", *steps) as peer, trunk_to(peer.port, tmp_path) as caller:
        await up(caller)
        called = await caller.call(NUMBER, ONCE, timeout_s=30)
        assert called.end is CallEnd.NO_ANSWER
        await peer.passed()


async def test_the_time_of_a_call_is_kept_while_it_rings(tmp_path: Path) -> None:
    steps = (receive("INVITE"), answer("180 Ringing"), receive("CANCEL"), answer("200 OK"))
    async with sipp(tmp_path / "peer", *steps) as peer, trunk_to(peer.port, tmp_path) as caller:
        await up(caller)
        called = await caller.call(NUMBER, ONCE, timeout_s=1)
        assert called.end is CallEnd.NO_ANSWER
        await peer.passed()


async def test_keys_by_sip_info(tmp_path: Path) -> None:
    info = f"""<send><![CDATA[
INFO [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:{NUMBER}@{HOST}>;tag=peer[call_number]
To[$caller]
Call-ID: [call_id]
CSeq: 7 INFO
Max-Forwards: 70
Content-Type: application/dtmf-relay
Content-Length: [len]

Signal=2
Duration=160
]]></send>"""
    remember = '<action><ereg regexp=":.*" search_in="hdr" header="From" check_it="true" assign_to="caller"/></action>'
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear:
        ear.bind((HOST, 0))
        steps = (
            '<recv request="INVITE" rrs="true">' + remember + "</recv>",
            answer("200 OK", sdp_port=ear.getsockname()[1]),
            receive("ACK"),
            info,
            '<recv response="200"/>',
            receive("BYE"),
            answer("200 OK"),
        )
        async with sipp(tmp_path / "peer", *steps) as peer, trunk_to(peer.port, tmp_path) as caller:
            await up(caller)
            called = await caller.call(NUMBER, MENU, timeout_s=30)
            assert (called.end, called.keys) == (CallEnd.ANSWERED, "2")
            await peer.passed()


async def test_words_are_not_said_to_a_ringing_tone(tmp_path: Path) -> None:
    """Early media: the trunk plays its own sounds before anybody answers."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear:
        ear.bind((HOST, 0))
        ear.setblocking(False)
        port = ear.getsockname()[1]
        steps = (
            receive("INVITE"),
            answer("183 Session Progress", sdp_port=port),
            '<pause milliseconds="1500"/>',
            answer("200 OK", sdp_port=port),
            receive("ACK"),
            receive("BYE"),
            answer("200 OK"),
        )
        async with sipp(tmp_path / "peer", *steps) as peer, trunk_to(peer.port, tmp_path) as caller:
            await up(caller)
            began = loop.time()
            calling = asyncio.create_task(caller.call(NUMBER, ONCE, timeout_s=30))
            packet = await loop.sock_recv(ear, 2048)
            waited_s = loop.time() - began
            assert waited_s > 1.4, "the words began before anybody was there"
            assert rtp_sequence(packet)[0] == 0  # PCMU
            assert (await calling).end is CallEnd.ANSWERED
            await peer.passed()


def challenged(method: str, status: str) -> tuple[str, ...]:
    """Who asks for ``method`` is asked who he is, and then told ``status``."""
    return (
        receive(method),
        answer("401 Unauthorized", f"WWW-Authenticate: {CHALLENGE}"),
        *([receive("ACK")] if method == "INVITE" else []),
        receive(method, NOTE_CREDENTIALS),
        answer(status, "Expires: 300"),
        *([receive("ACK")] if method == "INVITE" else []),
    )


async def test_a_registrar_that_asks_who_we_are(tmp_path: Path) -> None:
    password = "p a;b,c\\d$é'<e>"
    async with (
        sipp(tmp_path / "peer", *challenged("REGISTER", "200 OK")) as peer,
        trunk_to(peer.port, tmp_path, password=password, register_s=300) as caller,
    ):
        await peer.passed()
        await eventually_async(lambda: caller.health.registered, what="registered")
        assert caller.free == 1
        assert caller.health.why == ""
        assert answers_challenge(peer.noted(), "REGISTER", password)
    kept = [path for path in (tmp_path / "sip").rglob("*") if path.is_file()]
    assert kept
    assert not any(password.encode() in path.read_bytes() for path in kept), "no secret lies on disk"


async def test_a_registration_that_is_refused_is_told_and_takes_no_calls(tmp_path: Path) -> None:
    async with (
        sipp(tmp_path / "peer", *challenged("REGISTER", "403 Forbidden")) as peer,
        trunk_to(peer.port, tmp_path, password="wrong-one", register_s=300) as caller,
    ):
        await peer.passed()
        await eventually_async(lambda: "403 Forbidden" in caller.health.why, what="the refusal is shown")
        assert caller.health.registered is False
        assert caller.free == 0
        assert "wrong-one" not in caller.health.why


async def test_a_registration_that_is_lost_is_seen(tmp_path: Path) -> None:
    """The registrar lets us in, and not again when we come back."""
    again = (receive("REGISTER"), answer("503 Service Unavailable"))
    steps = (*challenged("REGISTER", "200 OK"), *again)
    async with (
        sipp(tmp_path / "peer", *steps) as peer,
        trunk_to(peer.port, tmp_path, password="right", register_s=3) as caller,
    ):
        await eventually_async(lambda: caller.free == 1, what="registered")
        await peer.passed(30)
        await eventually_async(lambda: caller.health.registered is False, what="lost")
        assert "503" in caller.health.why
        assert caller.free == 0


@pytest.mark.parametrize(("status", "end"), [("486 Busy Here", CallEnd.BUSY), ("403 Forbidden", CallEnd.NOT_PLACED)])
async def test_a_trunk_that_asks_who_calls(tmp_path: Path, status: str, end: CallEnd) -> None:
    async with (
        sipp(tmp_path / "peer", *challenged("INVITE", status)) as peer,
        trunk_to(peer.port, tmp_path, password="right", caller_id="01065001234") as caller,
    ):
        await up(caller)
        called = await caller.call(NUMBER, ONCE, timeout_s=20)
        assert called.end is end, called
        await peer.passed()
        assert answers_challenge(peer.noted(), "INVITE", "right")


async def test_the_number_we_show_is_not_the_one_we_register(tmp_path: Path) -> None:
    note = NOTE_CREDENTIALS.replace("Authorization:", "From:")
    first, *rest = challenged("REGISTER", "200 OK")
    steps = (
        first.replace("<recv", '<recv optional="true" next="register"'),
        receive("INVITE", note),
        answer("486 Busy Here"),
        receive("ACK"),
        '<nop hide="true" next="end"/><label id="register"/>',
        *rest,
        '<label id="end"/>',
    )
    async with (
        sipp(tmp_path / "peer", *steps, calls=2) as peer,
        trunk_to(peer.port, tmp_path, password="right", register_s=300, caller_id="01065001234") as caller,
    ):
        await eventually_async(lambda: caller.free == 1, what="registered")
        assert (await caller.call(NUMBER, ONCE, timeout_s=20)).end is CallEnd.BUSY
        await peer.passed()
        registered, called = peer.noted().splitlines()
        assert answers_challenge(registered, "REGISTER", "right")
        assert "<sip:01065001234@" in called


async def test_over_tcp(tmp_path: Path) -> None:
    steps = (receive("INVITE"), answer("486 Busy Here"), receive("ACK"))
    async with (
        sipp(tmp_path / "peer", *steps, transport="t1") as peer,
        trunk_to(peer.port, tmp_path, transport="tcp") as caller,
    ):
        await up(caller)
        assert (await caller.call(NUMBER, ONCE, timeout_s=20)).end is CallEnd.BUSY
        await peer.passed()


async def test_the_other_side_dies_in_the_middle(tmp_path: Path) -> None:
    patience = replace(HASTE, dead_line=2)
    async with (
        telephone(tmp_path / "phone") as phone,
        trunk_to(phone.port, tmp_path, patience=patience) as caller,
    ):
        await up(caller)
        open_line = Words(text="3 号楼 501 室老人昏迷，请派救护车", repeat=1)
        calling = asyncio.create_task(caller.call(NUMBER, open_line, timeout_s=60))
        await phone.in_call()
        await eventually_async(lambda: voiced_s(phone.heard()) > 0.3, what="words")
        phone.kill()
        called = await calling
        assert called.end is CallEnd.UNKNOWN, called


async def test_an_open_line_stays_until_the_other_side_hangs_up(tmp_path: Path) -> None:
    async with telephone(tmp_path / "phone") as phone, trunk_to(phone.port, tmp_path) as caller:
        await up(caller)
        open_line = Words(text="请派救护车", repeat=1)
        calling = asyncio.create_task(caller.call(NUMBER, open_line, timeout_s=60))
        await phone.in_call()
        said = voiced_s(wav_samples(await Speech(tmp_path / "speech").wav(open_line.text, "zh")))
        await eventually_async(lambda: len(phone.heard()) / 8000 > said + 4, 30, "silence behind the words")
        assert not calling.done()
        await phone.control.command("hangup")
        called = await calling
        assert (called.end, called.keys) == (CallEnd.ANSWERED, "")
        assert "hung up" in called.detail


async def test_two_calls_at_once_and_no_third(tmp_path: Path) -> None:
    async with telephone(tmp_path / "phone") as phone, trunk_to(phone.port, tmp_path, calls=2) as caller:
        await up(caller)
        assert caller.free == 2
        both = [asyncio.create_task(caller.call(NUMBER, MENU, timeout_s=60)) for _ in range(2)]
        await eventually_async(lambda: phone.saw("CALL_ESTABLISHED") == 2, what="two calls")
        assert caller.free == 0
        third = await caller.call(NUMBER, MENU, timeout_s=60)
        assert third.end is CallEnd.NOT_PLACED
        assert "busy" in third.detail
        ended = await asyncio.gather(*both)
        assert [called.end for called in ended] == [CallEnd.ANSWERED] * 2
        assert caller.free == 2


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGSTOP])
async def test_the_child_dies_or_hangs_in_a_call(
    tmp_path: Path, blow: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.outbox.sip.control.ANSWER_WITHIN_S", 1.0)
    async with telephone(tmp_path / "phone") as phone, trunk_to(phone.port, tmp_path) as caller:
        await up(caller)
        first = caller.health.lines[0].pid
        assert first is not None
        calling = asyncio.create_task(caller.call(NUMBER, MENU, timeout_s=60))
        await phone.in_call()
        os.kill(first, blow)
        called = await calling
        assert called.end is CallEnd.UNKNOWN
        await eventually_async(lambda: caller.health.lines[0].pid not in (None, first), 15, "another child")
        assert not psutil.pid_exists(first)
        assert caller.health.lines[0].restarts == 1
        again = await caller.call(NUMBER, ONCE, timeout_s=30)
        assert again.end is CallEnd.ANSWERED


async def test_a_trunk_that_is_stopped_leaves_nobody_waiting(tmp_path: Path) -> None:
    async with telephone(tmp_path / "phone") as phone:
        async with trunk_to(phone.port, tmp_path) as caller:
            await up(caller)
            pid = caller.health.lines[0].pid
            assert pid is not None
            calling = asyncio.create_task(caller.call(NUMBER, MENU, timeout_s=60))
            await phone.in_call()
        called = await asyncio.wait_for(calling, 10 * PATIENCE)
        assert called.end is CallEnd.UNKNOWN
        assert not psutil.pid_exists(pid)
        await eventually_async(lambda: phone.saw("CALL_CLOSED"), what="hung up")


async def test_no_line_outlives_its_gateway(tmp_path: Path) -> None:
    """Also when it is killed: a child that nobody watches would go on ringing."""
    gateway = f"""
import asyncio, pathlib
from gateway.outbox.sip.trunk import SipTrunks
from gateway.outbox.speech import Speech
from gateway.settings import Secrets, SipTrunk
async def main():
    here = pathlib.Path({str(tmp_path)!r})
    one = SipTrunk(name="t", proxy="{HOST}:9", user="a", register_s=0, bind="{HOST}", calls=1)
    trunks = SipTrunks([one], Secrets(here), Speech(here), here)
    trunks.start()
    while not trunks.free:
        await asyncio.sleep(0.01)
    print(trunks.health()[0].lines[0].pid, flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", gateway, stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    assert process.stdout is not None
    child = int(await asyncio.wait_for(process.stdout.readline(), 60 * PATIENCE))
    assert psutil.pid_exists(child)
    process.kill()
    await process.wait()
    await eventually_async(lambda: not psutil.pid_exists(child), what="the child ends, too")


async def test_the_voice_channel_goes_on_to_the_trunk_where_no_modem_is_free(tmp_path: Path) -> None:
    heard: list[Heard] = []

    class NoModem:
        free = 0

        async def call(self, number: str, words: Words, *, timeout_s: float, **_: object) -> Called:
            raise AssertionError("it has no line")

    async def listener(one: Heard) -> str:
        heard.append(one)
        return ""

    attempt = Attempt(case="c", number=1, repeat=False, at_ms=0, deadline_ms=60_000, invitation=Invitation(code="12"))
    async with telephone(tmp_path / "phone") as phone:
        settings = SipTrunk(name="t", proxy=f"{HOST}:{phone.port}", user="anju", register_s=0, bind=HOST, calls=1)
        trunks = SipTrunks([settings], Secrets(tmp_path), Speech(tmp_path / "speech"), tmp_path / "sip")
        trunks.start()
        try:
            await eventually_async(lambda: trunks.free == 1, what="the line is up")
            channel = VoiceCalls([NoModem(), trunks], listener, HandClock())
            sending = asyncio.create_task(channel.send(make_send("k", "voice", to="+86 138 0013 8000"), attempt))
            await phone.in_call()
            await eventually_async(lambda: voiced_s(phone.heard()) > 0.5, 30, "the words")
            await phone.press("1")
            report = await sending
        finally:
            await trunks.stop()
    assert report.result is Result.DELIVERED
    assert (heard[0].text, heard[0].key, heard[0].sender) == ("1", "k", "+86 138 0013 8000")


async def test_the_next_trunk_is_tried_where_one_cannot_place_the_call(tmp_path: Path) -> None:
    steps = (receive("INVITE"), answer("503 Service Unavailable"), receive("ACK"))
    async with sipp(tmp_path / "peer", *steps) as peer, telephone(tmp_path / "phone") as phone:
        common: dict[str, object] = {"user": "anju", "register_s": 0, "bind": HOST, "calls": 1}
        settings = [
            SipTrunk.model_validate({"name": name, "proxy": f"{HOST}:{port}", **common})
            for name, port in (("first", peer.port), ("second", phone.port))
        ]
        trunks = SipTrunks(settings, Secrets(tmp_path), Speech(tmp_path / "speech"), tmp_path / "sip")
        trunks.start()
        try:
            await eventually_async(lambda: trunks.free == 2, what="both are up")
            calling = asyncio.create_task(trunks.call(NUMBER, MENU, timeout_s=60))
            await phone.in_call()
            await phone.press("2")
            called = await calling
        finally:
            await trunks.stop()
        assert (called.end, called.keys) == (CallEnd.ANSWERED, "2")
        assert "first: " in called.detail and "503" in called.detail
        await peer.passed()


async def test_an_emergency_number_in_an_address_book_is_not_dialled(tmp_path: Path) -> None:
    async with trunk_to(9, tmp_path) as caller:
        await up(caller)
        for number in ("120", "+86 120", "010-120"):
            called = await caller.call(number, ONCE, timeout_s=5)
            assert called.end is CallEnd.UNREACHABLE
            assert "never dialled" in called.detail


async def test_who_stops_waiting_hangs_up(tmp_path: Path) -> None:
    async with telephone(tmp_path / "phone") as phone, trunk_to(phone.port, tmp_path) as caller:
        await up(caller)
        calling = asyncio.create_task(caller.call(NUMBER, MENU, timeout_s=60))
        await phone.in_call()
        calling.cancel()
        await eventually_async(lambda: phone.saw("CALL_CLOSED"), what="hung up")
        await eventually_async(lambda: caller.free == 1, what="the line is free again")
        assert (await caller.call(NUMBER, ONCE, timeout_s=30)).end is CallEnd.ANSWERED


async def test_who_calls_us_is_turned_away(tmp_path: Path) -> None:
    invite = f"""<send><![CDATA[
INVITE sip:anju@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:stranger@{HOST}>;tag=s[call_number]
To: <sip:anju@{HOST}>
Call-ID: [call_id]
CSeq: 1 INVITE
Contact: <sip:[local_ip]:[local_port]>
Max-Forwards: 70
Content-Type: application/sdp
Content-Length: [len]

v=0
o=s 1 1 IN IP4 {HOST}
s=-
c=IN IP4 {HOST}
t=0 0
m=audio 20002 RTP/AVP 0
]]></send>"""
    ack = """<send><![CDATA[
ACK sip:anju@[remote_ip]:[remote_port] SIP/2.0
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
CSeq: 1 ACK
Max-Forwards: 70
Content-Length: 0
]]></send>"""
    maybe = "".join(f'<recv response="{status}" optional="true"/>' for status in (100, 180))
    async with trunk_to(9, tmp_path) as caller:
        await up(caller)
        pid = caller.health.lines[0].pid
        sockets = psutil.Process(pid).net_connections("udp4")
        ours = next(one.laddr.port for one in sockets if one.laddr and one.laddr.ip == HOST)
        async with sipp(tmp_path / "peer", invite, maybe, '<recv response="486"/>', ack, to=ours) as peer:
            await peer.passed()
        assert caller.free == 1


async def test_a_trunk_that_is_not_there(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind((HOST, 0))
        async with trunk_to(silent.getsockname()[1], tmp_path) as caller:
            await up(caller)
            called: Called = await caller.call(NUMBER, ONCE, timeout_s=20)
            assert called.end is CallEnd.UNKNOWN
            assert "no ringing" in called.detail


async def test_without_baresip_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    async with trunk_to(9, tmp_path) as caller:
        await eventually_async(lambda: "apt-get install baresip-core" in caller.health.why, what="what to do")
        assert caller.free == 0
        called = await caller.call(NUMBER, ONCE, timeout_s=5)
        assert called.end is CallEnd.NOT_PLACED
        assert "baresip-core" in called.detail


async def test_a_fault_of_ours_does_not_end_a_line_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    faults = iter((ZeroDivisionError("a bug"),))
    write = line_of_a_trunk.write_config

    def broken(*args: Any, **given: Any) -> None:
        for fault in faults:
            raise fault
        write(*args, **given)

    monkeypatch.setattr(line_of_a_trunk, "write_config", broken)
    async with trunk_to(9, tmp_path) as caller:
        await up(caller)
        assert caller.health.lines[0].restarts == 1


async def test_a_missing_or_impossible_password_is_told(tmp_path: Path) -> None:
    async with trunk_to(9, tmp_path, secret="SIP_NOT_THERE", register_s=300) as caller:
        await eventually_async(lambda: "SIP_NOT_THERE is missing" in caller.health.why, what="which secret")
    async with trunk_to(9, tmp_path, password='a"b', register_s=300) as caller:
        await eventually_async(lambda: "quotation mark" in caller.health.why, what="which character")
        assert 'a"b' not in caller.health.why


async def test_nobody_is_called_by_a_gateway_that_no_longer_speaks(tmp_path: Path) -> None:
    async with telephone(tmp_path / "phone") as phone, trunk_to(phone.port, tmp_path) as caller:
        await up(caller)
        # While the words are made ready it still speaks, and then no longer.
        with pytest.raises(NotOurs):
            await caller.call(NUMBER, ONCE, timeout_s=20, speaks=lambda: caller.free == 1)
        await eventually_async(lambda: caller.free == 1, what="the line is free again")
        assert (await caller.call(NUMBER, ONCE, timeout_s=30)).end is CallEnd.ANSWERED
        assert sum(caller.health.calls.values()) == 1


async def test_what_is_no_number_is_not_dialled(tmp_path: Path) -> None:
    async with trunk_to(9, tmp_path) as caller:
        await up(caller)
        called = await caller.call("13800138000@evil.example;x", ONCE, timeout_s=5)
        assert called.end is CallEnd.UNREACHABLE
        assert "expected a number" in called.detail
