"""The channels against real servers: the simulated world, and a socket that behaves as badly as it is told to."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from devices.native import Command
from firmware_sim.world.app import World
from firmware_sim.world.behaviour import CentreBehaviour, InboxBehaviour
from firmware_sim.world.server import serving
from gateway.cases.effects import LINE_CHANNEL, Purpose, Send
from gateway.clock import SystemClock
from gateway.outbox.channel import Attempt, Limits, Result
from gateway.outbox.channels.apprise_messenger import AppriseMessenger
from gateway.outbox.channels.device_command import DeviceCommandChannel
from gateway.outbox.channels.emergency_line import DrillLine
from gateway.outbox.channels.webhook import Webhook
from gateway.outbox.rows import command_id
from gateway.settings import Secrets
from tests.support.broker import free_port
from tests.support.eventually import PATIENCE, eventually_async
from tests.support.outbox import START_MS, make_send

pytestmark = pytest.mark.asyncio(loop_scope="module")

CARD: dict[str, Any] = {
    "case_number": "AJ-7",
    "complaint": "一键呼救",
    "address": {"zh": "3 号楼 2 单元 501", "en": "Building 3, unit 2, door 501"},
    "call_back": "010 6598 0000",
}
SHORT = Limits(timeout_s=0.3, parallel=2)


def attempt(number: int = 1, *, repeat: bool = False, left_s: int = 600, at_ms: int = START_MS) -> Attempt:
    return Attempt(case="case-1", number=number, repeat=repeat, at_ms=at_ms, deadline_ms=at_ms + left_s * 1000)


def call(key: str = "case-1:line:3", **data: object) -> Send:
    return make_send(key, LINE_CHANNEL, to="120", purpose=Purpose.EMERGENCY_CALL, data={**CARD, **data})


@pytest.fixture
def secrets(tmp_path: Path) -> Secrets:
    for name, value in {"HOOK_SECRET": "s3cret", "WORLD_TOKEN": "to/ken", "MESSENGER_KEY": "hunter 2"}.items():
        (tmp_path / name).write_text(value + "\n")
    return Secrets(tmp_path)


@dataclass
class Running:
    world: World
    url: str


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def serving_world() -> AsyncIterator[Running]:
    there = World(centre_token="to/ken")
    async with serving(there.app) as port:
        yield Running(there, f"http://127.0.0.1:{port}")


@pytest.fixture
def world(serving_world: Running) -> Running:
    """The world as on its first day; the server stays."""
    there = serving_world.world
    there.centre.calls.clear()
    there.centre.attempts.clear()
    there.inbox.messages.clear()
    there.inbox.attempts.clear()
    there.inbox.moods.clear()
    return serving_world


@contextlib.asynccontextmanager
async def raw_server(answer: bytes, *, hold: bool = False) -> AsyncIterator[tuple[int, list[bytes]]]:
    """Reads what comes, says ``answer`` and hangs up, or keeps the line open (``hold``). Gives port and requests."""
    requests: list[bytes] = []
    release = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await reader.read(65_536))
        writer.write(answer)
        with contextlib.suppress(OSError):
            await writer.drain()
            if hold:
                await release.wait()
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], requests
    finally:
        release.set()
        server.close()
        await server.wait_closed()


def status(line: str, *headers: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {line}", *headers, "Content-Length: 0", "Connection: close", "", ""]).encode()


# --- Apprise


async def test_apprise_delivers_with_the_key(world: Running, secrets: Secrets) -> None:
    channel = AppriseMessenger(world.url.replace("http", "json", 1) + "/inbox/{to}", secrets)
    report = await channel.send(make_send("case-1:r1:li:0:wecom", to="li", title="呼救", body="3 号楼\n501"), attempt())
    assert report.result is Result.DELIVERED
    (message,) = world.world.inbox.messages
    assert (message.who, message.key, message.title, message.body) == (
        "li",
        "case-1:r1:li:0:wecom",
        "呼救",
        "3 号楼\n501",
    )
    assert message.document["type"] == "failure"


async def test_what_another_gateway_says_by_now_is_not_said_late(world: Running, secrets: Secrets) -> None:
    """The process was stopped between the claim and the sending, and woke up when its lease was over."""
    messenger = AppriseMessenger(world.url.replace("http", "json", 1) + "/inbox/{to}", secrets)
    late = attempt().model_copy(update={"speaks": lambda: False})
    report = await messenger.send(make_send("k", to="li"), late)
    assert (report.result, world.world.inbox.messages) == (Result.RETRY, [])


async def test_apprise_marks_what_may_be_a_repeat(world: Running, secrets: Secrets) -> None:
    channel = AppriseMessenger(world.url.replace("http", "json", 1) + "/inbox/{to}", secrets)
    await channel.send(make_send("k", title="呼救"), attempt(2, repeat=True))
    assert world.world.inbox.messages[0].title == "（可能重复 may be a repeat）呼救"


@pytest.mark.parametrize("to", ["li/../wang", "a?b=c&d", "+86 138", "李 #1", "${HOME}"])
async def test_an_address_cannot_leave_its_place_in_the_url(world: Running, secrets: Secrets, to: str) -> None:
    channel = AppriseMessenger(world.url.replace("http", "json", 1) + "/inbox/x?-to={to}", secrets)
    report = await channel.send(make_send("k", to=to), attempt())
    assert report.result is Result.DELIVERED
    (message,) = world.world.inbox.messages
    assert message.who == "x"


@pytest.mark.parametrize(
    ("code", "result"), [(500, Result.RETRY), (503, Result.RETRY), (429, Result.RETRY), (404, Result.REFUSED)]
)
async def test_apprise_says_why_not(world: Running, secrets: Secrets, code: int, result: Result) -> None:
    world.world.inbox.moods["li"].set(InboxBehaviour(mode="fail", status=code))
    channel = AppriseMessenger(world.url.replace("http", "json", 1) + "/inbox/{to}", secrets)
    report = await channel.send(make_send("k"), attempt())
    assert report.result is result
    assert str(code) in report.detail


async def test_apprise_nobody_there_is_a_retry_and_an_answer_lost_is_unknown(world: Running, secrets: Secrets) -> None:
    logging.getLogger("apprise").setLevel(logging.WARNING)  # as commands do that are for people to read
    gone = AppriseMessenger(f"json://127.0.0.1:{free_port()}/x", secrets)
    assert (await gone.send(make_send("k"), attempt())).result is Result.RETRY
    world.world.inbox.moods["li"].set(InboxBehaviour(mode="hang"))
    slow = AppriseMessenger(world.url.replace("http", "json", 1) + "/inbox/{to}?rto=0.2", secrets)
    assert (await slow.send(make_send("k"), attempt())).result is Result.UNKNOWN


async def test_apprise_secrets_are_filled_in_and_never_told(secrets: Secrets) -> None:
    async with raw_server(status("403 Forbidden")) as (port, requests):
        channel = AppriseMessenger(f"json://127.0.0.1:{port}/${{MESSENGER_KEY}}/{{to}}", secrets)
        report = await channel.send(make_send("k"), attempt())
    assert b"/hunter%202/li" in requests[0].split(b"\r\n")[0]
    assert report.result is Result.REFUSED
    assert "hunter" not in report.detail


async def test_a_missing_secret_says_where_to_put_it(secrets: Secrets) -> None:
    channel = AppriseMessenger("json://127.0.0.1/${NOT_THERE}", secrets)
    report = await channel.send(make_send("k"), attempt())
    assert report.result is Result.RETRY
    assert "NOT_THERE" in report.detail
    assert str(secrets.directory) in report.detail


async def test_a_url_that_apprise_does_not_know_is_refused(secrets: Secrets) -> None:
    report = await AppriseMessenger("pigeon://coop/{to}", secrets).send(make_send("k"), attempt())
    assert report.result is Result.REFUSED
    assert "pigeon" in report.detail


async def test_hanging_sends_stop_neither_urgent_ones_nor_grow_without_end(world: Running, secrets: Secrets) -> None:
    world.world.inbox.moods["li"].set(InboxBehaviour(mode="hang"))
    limits = Limits(timeout_s=30, parallel=1)
    url = world.url.replace("http", "json", 1) + f"/inbox/{{to}}?rto={1.5 * PATIENCE}"
    channel = AppriseMessenger(url, secrets, limits=limits)
    hanging = [asyncio.create_task(channel.send(make_send(f"k{i}", urgent=False), attempt())) for i in range(4)]
    await eventually_async(lambda: world.world.inbox.attempts["li"] == 4)
    full = await channel.send(make_send("k5", urgent=False), attempt())
    assert full.result is Result.RETRY
    assert "hang" in full.detail
    assert (await channel.send(make_send("k6", to="wang"), attempt())).result is Result.DELIVERED
    assert {report.result for report in await asyncio.gather(*hanging)} == {Result.UNKNOWN}
    await eventually_async(lambda: not [one for one in threading.enumerate() if one.name.startswith("apprise ")])


async def test_details_of_sends_side_by_side_are_not_mixed_up(world: Running, secrets: Secrets) -> None:
    channel = AppriseMessenger(world.url.replace("http", "json", 1) + "/inbox/{to}", secrets)
    codes = {f"p{code}": code for code in (400, 401, 404, 410, 500, 502, 503, 507)}
    for who, code in codes.items():
        world.world.inbox.moods[who].set(InboxBehaviour(mode="fail", status=code))
    reports = await asyncio.gather(*(channel.send(make_send(who, to=who), attempt()) for who in codes))
    for code, report in zip(codes.values(), reports, strict=True):
        assert f"error={code}" in report.detail


# --- webhook


def documented_recipe() -> dict[str, Any]:
    """The names that the code in docs/webhook.md defines."""
    text = (Path(__file__).parents[2] / "docs" / "webhook.md").read_text(encoding="utf-8")
    found = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert found is not None
    names: dict[str, Any] = {}
    exec(found[1], names)  # the document's own code is what is tested
    return names


async def test_a_webhook_is_signed_and_the_documented_recipe_verifies_it(world: Running, secrets: Secrets) -> None:
    recipe = documented_recipe()
    async with raw_server(status("204 No Content")) as (port, requests):
        channel = Webhook(f"http://127.0.0.1:{port}/hook", "HOOK_SECRET", secrets)
        send = make_send("案:1", data={"pulse": 140})
        report = await channel.send(send, attempt(3, repeat=True, at_ms=SystemClock().now_ms()))
        await channel.close()
    assert report.result is Result.DELIVERED
    head, _, body = requests[0].partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /hook HTTP/1.1"
    given = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines[1:])}

    assert recipe["verified"]("s3cret", httpx.Headers(given), body)
    assert not recipe["verified"]("other", httpx.Headers(given), body)
    assert not recipe["verified"]("s3cret", httpx.Headers(given), body + b" ")
    given["x-anju-timestamp"] = str(int(given["x-anju-timestamp"]) - 301)
    assert not recipe["verified"]("s3cret", httpx.Headers(given), body), "played back"
    assert given["x-anju-key"] == "%E6%A1%88:1"
    document = json.loads(body)
    assert document == {
        "key": "案:1",
        "case": "case-1",
        "purpose": "alarm",
        "to": "li",
        "title": "呼救",
        "body": "3 号楼",
        "data": {"pulse": 140},
        "at": document["at"],
        "attempt": 3,
        "repeat": True,
        "answer": None,
    }


@pytest.mark.parametrize(
    ("answer", "result", "says"),
    [
        (status("200 OK"), Result.DELIVERED, "200"),
        (status("500 Oops"), Result.RETRY, "500"),
        (status("429 Slow down"), Result.RETRY, "429"),
        (status("410 Gone"), Result.REFUSED, "410"),
        (status("302 Found", "Location: http://elsewhere/"), Result.REFUSED, "redirect"),
        (b"", Result.UNKNOWN, "no answer"),
        (b"SMTP ready\r\n\r\n", Result.UNKNOWN, "no answer"),
    ],
)
async def test_what_a_webhook_s_answer_means(secrets: Secrets, answer: bytes, result: Result, says: str) -> None:
    async with raw_server(answer) as (port, requests):
        channel = Webhook(f"http://127.0.0.1:{port}/", "HOOK_SECRET", secrets)
        report = await channel.send(make_send("k"), attempt())
        await channel.close()
    assert report.result is result
    assert says in report.detail
    assert len(requests) == 1


async def test_a_webhook_that_hangs_is_unknown_and_nobody_there_is_a_retry(secrets: Secrets) -> None:
    async with raw_server(b"", hold=True) as (port, _):
        channel = Webhook(f"http://127.0.0.1:{port}/", "HOOK_SECRET", secrets, limits=SHORT)
        assert (await channel.send(make_send("k"), attempt())).result is Result.UNKNOWN
        await channel.close()
    channel = Webhook(f"http://127.0.0.1:{free_port()}/", "HOOK_SECRET", secrets)
    assert (await channel.send(make_send("k"), attempt())).result is Result.RETRY
    await channel.close()


async def test_an_answer_without_end_is_cut_off(secrets: Secrets) -> None:
    endless = b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n" + b"x" * 1_000_000
    async with raw_server(endless, hold=True) as (port, _):
        channel = Webhook(f"http://127.0.0.1:{port}/", "HOOK_SECRET", secrets)
        assert (await channel.send(make_send("k"), attempt())).result is Result.DELIVERED
        await channel.close()


@pytest.mark.parametrize("url", ["ftp://x/", "http://", "nonsense"])
async def test_a_url_that_cannot_be_is_refused(secrets: Secrets, url: str) -> None:
    channel = Webhook(url, "HOOK_SECRET", secrets)
    assert (await channel.send(make_send("k"), attempt())).result is Result.REFUSED
    await channel.close()


# --- devices


@dataclass
class Said:
    outcome: str
    detail: str = ""


async def test_a_command_carries_a_short_id_its_arguments_and_its_end() -> None:
    seen: list[tuple[str, Command, int]] = []

    async def publish(device: str, command: Command, expiry_s: int) -> Said:
        seen.append((device, command, expiry_s))
        return Said("accepted")

    channel = DeviceCommandChannel(publish)
    data = {"command": "indicate", "args": {"lamp": "green", "voice": "received"}}
    send = make_send("case-1:received:1:sos-1:device", "device", to="sos-1", purpose=Purpose.INDICATE, data=data)
    for number in (1, 2):
        assert (await channel.send(send, attempt(number, left_s=120))).result is Result.SENT
    assert seen[0] == seen[1], "a repeat is the same command"
    device, command, expiry_s = seen[0]
    assert (device, command.command, command.args) == ("sos-1", "indicate", {"lamp": "green", "voice": "received"})
    assert (command.id, expiry_s) == (command_id(send.key), 120)
    assert command.expires == START_MS + 120_000
    assert len(command.id) == 16


async def test_an_expired_command_is_not_sent() -> None:
    async def publish(device: str, command: Command, expiry_s: int) -> Said:
        raise AssertionError("nobody wants this lamp any more")

    report = await DeviceCommandChannel(publish).send(make_send("k", data={"command": "indicate"}), attempt(left_s=0))
    assert report.result is Result.REFUSED


# --- the 120 line


def line(world: Running, secrets: Secrets, limits: Limits | None = None) -> DrillLine:
    return DrillLine(world.url, "WORLD_TOKEN", secrets, limits=limits)


async def test_the_centre_answers(world: Running, secrets: Secrets) -> None:
    report = await line(world, secrets).send(call(), attempt())
    assert report.result is Result.DELIVERED
    assert report.reference == "120-000001"
    assert "seat" in report.detail
    (placed,) = world.world.centre.calls.values()
    assert placed.key == "case-1:line:3"
    card = placed.card
    assert (card["drill"], card["mark"], card["number"], card["repeat"]) == (True, "演练", "120", False)
    for text in (card["complaint"], card["address"]["zh"], card["address"]["en"], card["text"]):
        assert text.startswith("【演练】")


@pytest.mark.parametrize("spoilt", [{"drill": False}, {"drill": False, "mark": ""}, {"mark": "real"}])
async def test_nothing_in_the_data_takes_the_drill_off(
    world: Running, secrets: Secrets, spoilt: dict[str, Any]
) -> None:
    await line(world, secrets).send(call(**spoilt), attempt())
    (placed,) = world.world.centre.calls.values()
    assert (placed.card["drill"], placed.card["mark"]) == (True, "演练")


async def test_telemetry_that_fails_or_hangs_does_not_keep_a_call_back(
    world: Running, secrets: Secrets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.outbox.channels.emergency_line.VITALS_WITHIN_S", 0.1)

    async def broken(_: str) -> list[dict[str, object]]:
        raise RuntimeError("a defect of the store")

    async def hanging(_: str) -> list[dict[str, object]]:
        await asyncio.Event().wait()
        return []

    for number, vitals in enumerate((broken, hanging)):
        channel = DrillLine(world.url, "WORLD_TOKEN", secrets, vitals=vitals)
        made = call(f"case-{number}:line:3").model_copy(update={"data": {**call().data, "patient": {"id": "r-1"}}})
        assert (await channel.send(made, attempt())).result is Result.DELIVERED


async def test_busy_refused_and_denied(world: Running, secrets: Secrets) -> None:
    world.world.centre.mood.set(CentreBehaviour(mode="busy", times=1))
    busy = await line(world, secrets).send(call(), attempt())
    assert busy.result is Result.RETRY
    assert "busy" in busy.detail
    world.world.centre.mood.set(CentreBehaviour(mode="refuse", times=1))
    refused = await line(world, secrets).send(call(), attempt())
    assert refused.result is Result.REFUSED
    assert "does not take" in refused.detail
    denied = await DrillLine(world.url, None, secrets).send(call(), attempt())
    assert denied.result is Result.REFUSED
    assert "401" in denied.detail


async def test_a_hanging_centre_is_asked_and_says_that_it_never_got_the_call(world: Running, secrets: Secrets) -> None:
    world.world.centre.mood.set(CentreBehaviour(mode="hang", times=1))
    channel = line(world, secrets, SHORT)
    assert (await channel.send(call(), attempt())).result is Result.UNKNOWN
    answer = await channel.ask(call())
    assert answer is not None
    assert answer.result is Result.RETRY


async def test_a_call_whose_answer_was_lost_is_found_by_its_key(world: Running, secrets: Secrets) -> None:
    world.world.centre.mood.set(CentreBehaviour(mode="crash_after_accept", times=1))
    channel = line(world, secrets)
    key = "案/1:line?#3%"
    assert (await channel.send(call(key), attempt())).result is Result.UNKNOWN
    answer = await channel.ask(call(key))
    assert answer is not None
    assert (answer.result, answer.reference) == (Result.DELIVERED, "120-000001")


async def test_a_centre_that_cannot_be_reached_says_nothing_about_the_call(secrets: Secrets) -> None:
    channel = DrillLine(f"http://127.0.0.1:{free_port()}", None, secrets)
    assert (await channel.send(call(), attempt())).result is Result.RETRY
    answer = await channel.ask(call())
    assert answer is not None
    assert answer.result is Result.UNKNOWN


async def test_a_repeated_call_says_so_and_is_one_call_at_the_centre(world: Running, secrets: Secrets) -> None:
    channel = line(world, secrets)
    await channel.send(call(), attempt())
    await channel.send(call(), attempt(2, repeat=True))
    (placed,) = world.world.centre.calls.values()
    assert placed.duplicates == 1
    world.world.centre.calls.clear()
    await channel.send(call(), attempt(2, repeat=True))
    (placed,) = world.world.centre.calls.values()
    assert placed.card["repeat"] is True
    assert placed.card["complaint"] == "【演练】（重复呼叫，可能已受理）一键呼救"


async def test_a_mistake_is_told_by_reference_or_by_the_key_of_the_call(world: Running, secrets: Secrets) -> None:
    channel = line(world, secrets)
    cancel = make_send(
        "case-1:line:3:cancel",
        LINE_CHANNEL,
        purpose=Purpose.EMERGENCY_CANCEL,
        data={"reason": "误按", "call_key": "case-1:line:3", "case": "AJ-7"},
    )
    too_early = await channel.send(cancel, attempt())
    assert too_early.result is Result.RETRY, "the call itself is still on its way"
    await channel.send(call(), attempt())
    report = await channel.send(cancel, attempt(2))
    assert (report.result, report.reference) == (Result.DELIVERED, "120-000001")
    (placed,) = world.world.centre.calls.values()
    assert (placed.state, placed.cancel_reason) == ("cancelled", "【演练】误按")
    by_reference = cancel.model_copy(update={"data": {"reference": "120-000001", "reason": "误按"}})
    assert (await channel.send(by_reference, attempt())).result is Result.DELIVERED
    nothing = cancel.model_copy(update={"data": {"reference": "120-999999"}})
    assert (await channel.send(nothing, attempt())).result is Result.REFUSED


async def test_something_that_answers_200_but_is_no_centre_has_not_heard_the_call(secrets: Secrets) -> None:
    async with raw_server(status("200 OK")) as (port, _):
        report = await DrillLine(f"http://127.0.0.1:{port}", None, secrets).send(call(), attempt())
    assert report.result is Result.RETRY
    assert "emergency_line.url" in report.detail
