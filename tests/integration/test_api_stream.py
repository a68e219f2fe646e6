"""Server-sent events over a real HTTP server: what changes arrives, and streams end when they should."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from gateway.api.auth import COOKIE, revoke_token
from gateway.feed import QUEUE_LENGTH, News
from tests.support.eventually import PATIENCE, eventually_async
from tests.support.house import House, open_house

WITHIN_S = 10 * PATIENCE


@dataclass
class Event:
    event: str = ""
    data: Any = None
    id: str = ""
    retry: str = ""


class Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # signals are pytest's


@dataclass
class Served:
    house: House
    url: str
    server: Server
    serving: asyncio.Task[None]

    @contextlib.asynccontextmanager
    async def watch(self, headers: dict[str, str] | None = None) -> AsyncIterator[AsyncIterator[Event]]:
        known = {"Authorization": f"Bearer {self.house.tokens['reader']}"} if headers is None else headers
        async with (
            httpx.AsyncClient(base_url=self.url, headers=known, timeout=WITHIN_S, trust_env=False) as client,
            client.stream("GET", "/api/v1/events") as answer,
        ):
            assert answer.status_code == 200, await answer.aread()
            assert answer.headers["Content-Type"].startswith("text/event-stream")
            assert answer.headers["Cache-Control"] in ("no-store", "no-cache")
            yield parse(answer)


async def parse(answer: httpx.Response) -> AsyncIterator[Event]:
    event = Event()
    async for line in answer.aiter_lines():
        name, _, value = line.partition(":")
        if not line:
            if event.event:
                yield event
            event = Event()
        elif name == "data":
            event.data = json.loads(value)
        elif name in ("event", "id", "retry"):
            setattr(event, name, value.strip())


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with open_house(tmp_path) as house:
        listener = socket.create_server(("127.0.0.1", 0))
        config = uvicorn.Config(house.app, log_level="error", timeout_graceful_shutdown=5)
        server = Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        await eventually_async(lambda: server.started, 10, "the server")
        try:
            yield Served(house, f"http://127.0.0.1:{listener.getsockname()[1]}", server, serving)
        finally:
            house.stopping.set()
            server.should_exit = True
            await serving
            listener.close()


async def following(events: AsyncIterator[Event], kind: str) -> Event:
    async with asyncio.timeout(WITHIN_S):
        async for event in events:
            if event.event == kind:
                return event
    raise AssertionError(f"the stream ended before {kind}")


async def test_a_case_is_shown_as_it_opens_and_moves(served: Served) -> None:
    async with served.watch() as events:
        hello = await following(events, "hello")
        assert hello.data == {"now_ms": served.house.clock.now_ms()}
        assert int(hello.retry) > 0
        await served.house.say("sos-1", "press")
        opened = await following(events, "case")
        [listed] = await served.house.get("/api/v1/cases")
        assert opened.data["case"]["id"] == listed["case"]["id"]
        assert opened.data.keys() == listed.keys()
        answer = await served.house.act(listed["case"]["id"], "acknowledge")
        wanted = answer.json()["case"]
        while (moved := await following(events, "case")).data["case"]["version"] < wanted["version"]:
            pass
        assert moved.data["case"]["stage"] == "acknowledged"
        assert moved.id == f"{wanted['id']}@{moved.data['case']['version']}"


async def test_a_device_that_goes_away_is_told(served: Served) -> None:
    async with served.watch() as events:
        await following(events, "hello")
        served.house.feed.publish(News("device", "sos-1"))
        assert (await following(events, "device")).data == {"id": "sos-1"}


async def test_the_console_watches_with_its_cookie(served: Served) -> None:
    async with served.watch({"Cookie": f"{COOKIE}={served.house.tokens['reader']}"}) as events:
        await following(events, "hello")


async def test_nobody_watches_without_a_token(served: Served) -> None:
    async with httpx.AsyncClient(base_url=served.url, timeout=WITHIN_S, trust_env=False) as client:
        answer = await client.get("/api/v1/events")
    assert (answer.status_code, answer.json()["code"]) == (401, "no_token")


async def test_streams_end_with_the_gateway_and_come_back_with_a_hello(served: Served) -> None:
    async with served.watch() as events:
        await following(events, "hello")
        served.house.stopping.set()
        async with asyncio.timeout(3 * PATIENCE):
            assert [event async for event in events] == []
    served.house.stopping.clear()
    async with served.watch() as events:
        await following(events, "hello")


async def test_the_server_ends_at_once_with_streams_open(served: Served) -> None:
    async with served.watch() as first, served.watch() as second:
        await following(first, "hello")
        await following(second, "hello")
        served.house.stopping.set()
        served.server.should_exit = True
        async with asyncio.timeout(3 * PATIENCE):
            await served.serving


async def test_a_revoked_token_ends_its_streams(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.api.stream.CHECK_TOKEN_S", 0.05)
    async with served.watch() as events:
        await following(events, "hello")
        with served.house.engine.begin() as connection:
            revoke_token(connection, "reader", 1)
        async with asyncio.timeout(WITHIN_S):
            assert [event async for event in events] == []


async def test_who_leaves_is_forgotten(served: Served) -> None:
    async with served.watch() as events:
        await following(events, "hello")
        assert served.house.feed.watchers == 1
    await eventually_async(lambda: served.house.feed.watchers == 0, WITHIN_S, "the watcher is forgotten")


async def test_who_is_too_slow_is_told_to_look_anew(served: Served) -> None:
    async with served.watch() as events:
        await following(events, "hello")
        served.house.feed.publish(*(News("device", f"d-{n}") for n in range(QUEUE_LENGTH * 2)))
        await following(events, "lagged")
        served.house.feed.publish(News("device", "after"))
        assert (await following(events, "device")).data == {"id": "after"}
