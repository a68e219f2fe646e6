"""An alarm receiving centre told by DC-09: a public library as the receiver, and receivers that misbehave."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from pysiaalarm import CommunicationsProtocol, SIAAccount, SIAClient
from pysiaalarm.event import SIAEvent

from devices import dc09
from devices.dc09 import FrameReader
from gateway.cases.effects import Purpose, Send
from gateway.clock import SystemClock
from gateway.outbox.channel import Attempt, Result
from gateway.outbox.channels import dc09 as channel_module
from gateway.outbox.channels.dc09 import Dc09Centre
from gateway.outbox.dc09_book import Dc09Book
from gateway.outbox.rows import enqueue
from gateway.registry.channels import Dc09Channel, Dc09Receiver
from gateway.settings import Secrets
from gateway.state import tables as t
from gateway.state.db import open_database
from tests.support.eventually import eventually_async
from tests.support.ports import free_port

ACCOUNT, KEY = "1002", "A1B2C3D4E5F60718"
Answer = Callable[[bytes], bytes]


@pytest.fixture
def engine(tmp_path: Path) -> sa.Engine:
    return open_database(f"sqlite:///{tmp_path / 'state.db'}")


def message(key: str = "case:1", qualifier: int = 1, code: int = 111, **more: object) -> Send:
    data = {"qualifier": qualifier, "code": code, "partition": 1, "zone": 7, "at_ms": 1, "after": [], **more}
    return Send(key=key, channel="arc", to="", purpose=Purpose.HAND_OVER, urgent=True, data=data)


def attempt(number: int = 1) -> Attempt:
    now_ms = SystemClock().now_ms()
    return Attempt(case="c", number=number, repeat=number > 1, at_ms=now_ms, deadline_ms=now_ms + 60_000)


@contextlib.asynccontextmanager
async def centre(
    engine: sa.Engine, *receivers: Dc09Receiver, directory: Path | None = None, **more: object
) -> AsyncIterator[Dc09Centre]:
    given = {"id": "arc", "type": "dc09", "account": ACCOUNT, "poll_s": 0, **more}
    channel = Dc09Channel.model_validate({**given, "receivers": receivers})
    made = Dc09Centre(channel, Secrets(directory or Path("/nonexistent")), Dc09Book(engine), SystemClock())
    try:
        yield made
    finally:
        await made.close()


class Desk:
    """A receiver by the public library; what it heard."""

    def __init__(self) -> None:
        self.events: list[SIAEvent] = []

    def hear(self, event: SIAEvent) -> None:
        self.events.append(event)


@contextlib.asynccontextmanager
async def pysiaalarm(
    *, key: str | None = None, udp: bool = False
) -> AsyncIterator[tuple[Desk, Dc09Receiver, SIAClient]]:
    desk, port = Desk(), free_port()
    protocol = CommunicationsProtocol.UDP if udp else CommunicationsProtocol.TCP
    client = SIAClient("127.0.0.1", port, [SIAAccount(ACCOUNT, key)], desk.hear, protocol=protocol)
    client.start()  # its own threads: the asynchronous one of the library cannot open datagrams on every loop
    try:
        yield desk, Dc09Receiver(host="127.0.0.1", port=port, transport="udp" if udp else "tcp"), client
    finally:
        await asyncio.to_thread(client.stop)


@contextlib.asynccontextmanager
async def receiver(answer: Answer) -> AsyncIterator[tuple[Dc09Receiver, list[bytes]]]:
    """A receiver that answers as it is told to."""
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        frames = FrameReader()
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(1000):
                for raw in frames.feed(data):
                    heard.append(raw)
                    writer.write(answer(raw))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield Dc09Receiver(host="127.0.0.1", port=server.sockets[0].getsockname()[1]), heard
    finally:
        server.close()


def ack(raw: bytes) -> bytes:
    return dc09.answer("ACK", dc09.decode(raw), SystemClock().now_ms())


@pytest.mark.parametrize("udp", [False, True], ids=["tcp", "udp"])
@pytest.mark.parametrize("key", [None, KEY], ids=["plain", "encrypted"])
async def test_a_public_receiver_understands_every_signal(
    engine: sa.Engine, tmp_path: Path, udp: bool, key: str | None
) -> None:
    (tmp_path / "ARC_KEY").write_text(KEY)
    async with (
        pysiaalarm(key=key, udp=udp) as (desk, where, client),
        centre(engine, where, directory=tmp_path, secret="ARC_KEY" if key else None) as arc,
    ):
        for number, (qualifier, code) in enumerate([(1, 111), (3, 111), (1, 101), (1, 151), (1, 602), (1, 406)]):
            report = await arc.send(message(f"c:{number}", qualifier, code), attempt())
            assert (report.result, report.reference) == (Result.DELIVERED, f"{number + 1:04d}"), report
        await eventually_async(lambda: len(desk.events) == 6, 10)
        assert [(one.event_qualifier, one.event_type, one.partition, one.ri) for one in desk.events[:3]] == [
            ("1", "111", "01", "007"),
            ("3", "111", "01", "007"),
            ("1", "101", "01", "007"),
        ]
        assert [one.code for one in desk.events[:4]] == ["FA", "FH", "QA", "GA"]
        assert (client.counts.valid_events, client.counts.error_crc, client.counts.error_timestamp) == (6, 0, 0)


async def test_link_tests_keep_the_path_known(engine: sa.Engine) -> None:
    async with pysiaalarm() as (_, where, client), centre(engine, where, poll_s=3600) as arc:
        await eventually_async(lambda: arc.paths[0].state == "up", 10)
        await eventually_async(lambda: client.counts.valid_events == 1, 10)


async def test_a_dead_path_is_known_before_it_is_needed_and_the_other_one_is_taken(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel_module, "AGAIN_S", 0.05)
    dead = Dc09Receiver(host="127.0.0.1", port=free_port())
    async with receiver(ack) as (where, heard), centre(engine, dead, where, poll_s=3600) as arc:
        await eventually_async(lambda: [one.state for one in arc.paths] == ["down", "up"], 10)
        assert "cannot connect" in arc.paths[0].why
        report = await arc.send(message(), attempt())
        assert report.result is Result.DELIVERED and where.host in report.detail
        assert b'"ADM-CID"' in heard[-1] and b"[#1002|1111 01 007]" in heard[-1]


async def test_nobody_there_is_tried_again_and_silence_is_unknown(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel_module, "ANSWER_S", 0.2)
    async with centre(engine, Dc09Receiver(host="127.0.0.1", port=free_port())) as arc:
        assert (await arc.send(message(), attempt())).result is Result.RETRY
    async with receiver(lambda raw: b"") as (where, _), centre(engine, where) as arc:
        assert (await arc.send(message(), attempt())).result is Result.UNKNOWN


async def test_a_message_keeps_its_number_over_retries_and_restarts(engine: sa.Engine) -> None:
    async with receiver(ack) as (where, heard):
        for restart in range(2):
            async with centre(engine, where) as arc:
                await arc.send(message("a"), attempt(1 + restart))
                await arc.send(message("b"), attempt(1 + restart))
        async with centre(engine, where) as arc:
            await arc.send(message("c"), attempt())
        assert [dc09.decode(raw).sequence for raw in heard] == ["0001", "0002", "0001", "0002", "0003"]


def test_numbers_go_from_9999_to_1_and_each_account_has_its_own(engine: sa.Engine) -> None:
    book = Dc09Book(engine)
    with engine.begin() as connection:
        connection.execute(sa.insert(t.meta).values(key="dc09-sequence:AAA", value="9998"))
    assert [book.next("AAA") for _ in range(3)] == [9999, 1, 2]
    assert book.next("BBB") == 1


async def test_nak_sets_the_clock_and_the_message_is_said_again(engine: sa.Engine) -> None:
    ahead_ms = 90_000

    def strict(raw: bytes) -> bytes:
        frame, now_ms = dc09.decode(raw), SystemClock().now_ms() + ahead_ms
        at_ms = dc09.opened(frame, None).at_ms or 0
        return dc09.answer("ACK" if -40_000 <= at_ms - now_ms <= 20_000 else "NAK", frame, now_ms)

    async with receiver(strict) as (where, heard), centre(engine, where) as arc:
        assert (await arc.send(message("a"), attempt())).result is Result.DELIVERED
        assert (await arc.send(message("b"), attempt())).result is Result.DELIVERED
        assert [dc09.decode(raw).sequence for raw in heard] == ["0001", "0001", "0002"], "the clock stays set"


async def test_duh_is_refused_for_good(engine: sa.Engine) -> None:
    def duh(raw: bytes) -> bytes:
        return dc09.answer("DUH", dc09.decode(raw), 0)

    async with receiver(duh) as (where, _), centre(engine, where) as arc:
        report = await arc.send(message(), attempt())
        assert report.result is Result.REFUSED and "DUH" in report.detail
        assert arc.paths[0].state == "up"


@pytest.mark.parametrize("how", ["another_number", "damaged", "in_plain", "another_key"])
async def test_only_an_acknowledgement_of_this_message_counts(
    engine: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(channel_module, "ANSWER_S", 0.3)
    (tmp_path / "ARC_KEY").write_text(KEY)

    def answer(raw: bytes) -> bytes:
        frame, now_ms = dc09.decode(raw), SystemClock().now_ms()
        if how == "another_number":
            return dc09.answer("ACK", dc09.decode(raw.replace(b'"0001', b'"0001')), now_ms).replace(b"0001", b"0002")
        if how == "damaged":
            return dc09.answer("ACK", frame, now_ms, KEY.encode(), b"x" * 16).replace(b"ACK", b"ACL")
        if how == "in_plain":
            return dc09.answer("ACK", frame, now_ms)
        return dc09.answer("ACK", frame, now_ms, KEY[::-1].encode(), b"x" * 16)

    async with receiver(answer) as (where, _), centre(engine, where, directory=tmp_path, secret="ARC_KEY") as arc:
        assert (await arc.send(message(), attempt())).result is Result.UNKNOWN


async def test_what_ended_waits_until_what_began_is_told(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        enqueue(connection, "c", message("began"), 1)
    async with receiver(ack) as (where, heard), centre(engine, where) as arc:
        ended = message("ended", 3, after=["began"])
        report = await arc.send(ended, attempt())
        assert report.result is Result.RETRY and "waits" in report.detail and heard == []
        with engine.begin() as connection:
            connection.execute(sa.update(t.outbox).values(status="delivered"))
        assert (await arc.send(ended, attempt(2))).result is Result.DELIVERED


async def test_a_key_that_is_missing_or_none_is_said(engine: sa.Engine, tmp_path: Path) -> None:
    where = Dc09Receiver(host="127.0.0.1", port=free_port())
    async with centre(engine, where, directory=tmp_path, secret="ARC_KEY") as arc:
        assert "ARC_KEY" in (await arc.send(message(), attempt())).detail
        (tmp_path / "ARC_KEY").write_text("short")
        report = await arc.send(message(), attempt())
        assert report.result is Result.RETRY and "expected 16" in report.detail
    async with centre(engine, where) as arc:
        other = Send(key="k", channel="arc", to="", purpose=Purpose.ALARM, data={})
        assert (await arc.send(other, attempt())).result is Result.REFUSED
