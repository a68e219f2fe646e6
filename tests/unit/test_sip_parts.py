"""A SIP trunk's parts: numbers as the trunk wants them, what a status means, the words of the control connection."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gateway.outbox.sip.config import account, write_config
from gateway.outbox.sip.control import FRAME_MAX, ControlLost, netstring, read_netstring
from gateway.outbox.sip.dialplan import dialled, public_emergency
from gateway.outbox.sip.meaning import unanswered
from gateway.outbox.voice import CallEnd
from gateway.settings import DialPlan, SipTrunk

CHINA = DialPlan()
OUTSIDE = DialPlan(prefix="9")
E164 = DialPlan(form="e164")
BRITAIN = DialPlan(country_code="44", whole="")


@pytest.mark.parametrize(
    ("number", "plan", "sent"),
    [
        ("13800138000", CHINA, "13800138000"),
        ("+86 138 0013 8000", CHINA, "13800138000"),
        ("0086-138-0013-8000", CHINA, "13800138000"),
        ("+86 (10) 6500-1234", CHINA, "01065001234"),
        ("+86 400 820 8820", CHINA, "4008208820"),
        ("010-65001234", CHINA, "01065001234"),
        ("+44 20 7946 0000", CHINA, "00442079460000"),
        ("120", CHINA, "120"),
        ("12345", OUTSIDE, "912345"),
        ("13800138000", OUTSIDE, "913800138000"),
        ("+8613800138000", OUTSIDE, "913800138000"),
        ("13800138000", E164, "+8613800138000"),
        ("010 6500 1234", E164, "+861065001234"),
        ("+442079460000", E164, "+442079460000"),
        ("120", E164, "120"),
        ("+442079460000", BRITAIN, "02079460000"),
    ],
)
def test_numbers_as_the_trunk_wants_them(number: str, plan: DialPlan, sent: str) -> None:
    assert dialled(number, plan) == sent


@pytest.mark.parametrize("number", ["", "张三", "sip:a@b", "138;transport=tcp", "138\r\nVia: x", "+", "1" * 40])
def test_what_is_no_number_is_refused(number: str) -> None:
    with pytest.raises(ValueError, match="expected a number"):
        dialled(number, CHINA)


@pytest.mark.parametrize("number", ["120", "110", "1 2 0", "+86120", "0086 119", "010120", "0571-120", "+86 10 120"])
def test_public_emergency_numbers_are_known_in_every_dress(number: str) -> None:
    assert public_emergency(number, CHINA)


@pytest.mark.parametrize("number", ["12345", "8120", "13800138120", "+8613800120120", "01065000120", "95120120"])
def test_and_others_are_not_taken_for_them(number: str) -> None:
    assert not public_emergency(number, CHINA)


@given(st.text())
def test_nothing_but_digits_is_ever_dialled(text: str) -> None:
    try:
        sent = dialled(text, OUTSIDE)
    except ValueError:
        return
    assert sent
    assert set(sent) <= set("0123456789*#")


@pytest.mark.parametrize(
    ("reason", "rang", "end"),
    [
        ("486 Busy Here", True, CallEnd.BUSY),
        ("600 Busy Everywhere", False, CallEnd.BUSY),
        ("480 Temporarily Unavailable", True, CallEnd.NO_ANSWER),
        ("408 Request Timeout", True, CallEnd.NO_ANSWER),
        ("487 Request Terminated", True, CallEnd.NO_ANSWER),
        ("404 Not Found", False, CallEnd.UNREACHABLE),
        ("302 Moved Temporarily", False, CallEnd.UNREACHABLE),
        ("401 Unauthorized", False, CallEnd.NOT_PLACED),
        ("503 Service Unavailable", False, CallEnd.NOT_PLACED),
        ("503 Service Unavailable", True, CallEnd.UNKNOWN),
        ("Connection timed out", False, CallEnd.NOT_PLACED),
        ("Connection reset by peer", True, CallEnd.UNKNOWN),
        ("", True, CallEnd.UNKNOWN),
        ("", False, CallEnd.NOT_PLACED),
    ],
)
def test_what_the_end_of_a_call_means(reason: str, rang: bool, end: CallEnd) -> None:
    assert unanswered(reason, rang) is end


async def _frames(data: bytes) -> list[bytes]:
    reader = asyncio.StreamReader(limit=FRAME_MAX + 16)
    reader.feed_data(data)
    reader.feed_eof()
    found = []
    try:
        while True:
            found.append(await read_netstring(reader))
    except ControlLost:
        return found


@given(st.lists(st.binary(max_size=300), max_size=5), st.binary(max_size=20))
def test_frames_come_back_whole_and_rubbish_ends_the_connection(frames: list[bytes], rubbish: bytes) -> None:
    found = asyncio.run(_frames(b"".join(map(netstring, frames)) + rubbish))
    assert found[: len(frames)] == frames


@pytest.mark.parametrize("data", [b"999999999999:x", b"-1:,", b"3:abc;", b"70000:" + b"x" * 70_001, b"x" * 70_000])
def test_impossible_frames_are_none(data: bytes) -> None:
    assert asyncio.run(_frames(data)) == []


def trunk(**given: object) -> SipTrunk:
    return SipTrunk.model_validate({"name": "t", "proxy": "sip.example.net", "user": "anju", **given})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("proxy", "sip.example.net;evil"),
        ("proxy", "sip:sip.example.net"),
        ("user", "a b"),
        ("user", 'a">'),
        ("caller_id", "1;x=y"),
        ("bind", "lan0"),
        ("transport", "tls"),
        ("name", "../t"),
        ("rtp_ports", "30000-20000"),
        ("rtp_ports", "20000-20003"),
        ("calls", 0),
    ],
)
def test_settings_that_cannot_be_are_refused(field: str, value: object) -> None:
    with pytest.raises(ValidationError) as refused:
        trunk(**{field: value})
    assert field in str(refused.value)


def test_an_account_as_baresip_takes_it() -> None:
    made = account(trunk(domain="ims.example.net", proxy="10.0.0.1:5070"), "anju", "pw;x y", registers=True)
    assert made.startswith("<sip:anju@ims.example.net;transport=udp>;")
    assert 'outbound="sip:10.0.0.1:5070;transport=udp"' in made
    assert 'auth_pass="pw;x y"' in made
    assert "regint=300" in made
    with pytest.raises(ValueError, match="quotation mark"):
        account(trunk(secret="S"), "anju", 'a"b', registers=False)


def test_only_we_can_read_what_it_is_started_with(tmp_path: Path) -> None:
    directory = tmp_path / "sip" / "t" / "0"
    write_config(directory, trunk(bind="127.0.0.1"), control_port=1234, module_path=Path("/m"), dead_line_s=30)
    assert directory.stat().st_mode & 0o777 == 0o700
    text = (directory / "config").read_text(encoding="utf-8")
    assert "ctrl_tcp_listen 127.0.0.1:1234" in text
    assert "net_interface 127.0.0.1" in text
