"""The outbox and kill -9: a real process dies at every boundary between database and other side, and at random.

Whatever happens: nothing is lost, the 120 centre has one call per key, a person who gets a message twice is told that
it may be a repeat, and the case hears of each message exactly once.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from firmware_sim.world.app import World
from firmware_sim.world.server import serving
from gateway.cases.effects import LINE_CHANNEL, Purpose
from gateway.clock import SystemClock
from gateway.outbox.channels.apprise_messenger import REPEAT
from gateway.state.db import open_database
from tests.support.eventually import PATIENCE
from tests.support.outbox import Desk, HandClock, make_send
from tests.support.outbox_child import POINTS

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
CARD = {"complaint": "一键呼救", "address": {"zh": "3 号楼 501"}, "call_back": "01065980000"}
LINE = make_send("case-1:line", LINE_CHANNEL, to="120", purpose=Purpose.EMERGENCY_CALL, data=CARD)

AFTER_A_CUT = ("before asking", "after asking", "in the begin")


class Children:
    """Runs workers in processes that may die."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def run(self, database: str, world: str, die: str | None, *, kill_after_s: float | None = None) -> int:
        assert self._process.stdin is not None
        order = {"database": database, "world": world, "die": die}
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        child = int(await self._line())
        if kill_after_s is not None:
            await asyncio.sleep(kill_after_s)  # the instant of death is what varies here
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        return int(await self._line())

    async def _line(self) -> str:
        assert self._process.stdout is not None
        return (await asyncio.wait_for(self._process.stdout.readline(), 30 * PATIENCE)).decode().strip()


@pytest.fixture
async def children() -> AsyncIterator[Children]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.support.outbox_child",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    running = Children(process)
    assert await running._line() == "ready"
    yield running
    assert process.stdin is not None
    process.stdin.close()
    await asyncio.wait_for(process.wait(), 10 * PATIENCE)


def check(world: World, desk: Desk, keys: list[str]) -> None:
    """The promises, whatever happened before."""
    heard = Counter(desk.hear())
    assert heard == Counter({(key, "delivered"): 1 for key in (*keys, LINE.key)})
    assert list(world.centre.calls) == [LINE.key]
    assert [one.outcome for one in world.centre.attempts].count("answered") == 1, "asked first, and not called again"
    arrived: dict[str, list[bool]] = {}
    for message in world.inbox.messages:
        arrived.setdefault(message.key, []).append(message.title.startswith(REPEAT))
    assert sorted(arrived) == sorted(keys), "nothing is lost"
    for repeats in arrived.values():
        assert all(repeats[1:]), "what comes again says so"


async def test_death_at_every_boundary(tmp_path: Path, children: Children) -> None:
    world = World()
    async with serving(world.app) as port:
        for index, first in enumerate(POINTS):
            second = POINTS[(index + 3) % len(POINTS)]
            url, database = f"http://127.0.0.1:{port}", f"sqlite:///{tmp_path / f'{index}.db'}"
            engine = open_database(database)
            desk = Desk(engine, HandClock(SystemClock().now_ms()))
            desk.say(LINE, make_send("case-1:a"), make_send("case-1:b", urgent=False))
            # Asking comes after an attempt that was cut off.
            lives = ["before sending"] if first in AFTER_A_CUT else []
            for point in (*lives, first):
                assert await children.run(database, url, point) == -9, point
            assert await children.run(database, url, second) in (-9, 0), second
            assert await children.run(database, url, None) == 0
            check(world, desk, ["case-1:a", "case-1:b"])
            engine.dispose()
            for log in (world.centre.calls, world.centre.attempts, world.inbox.messages):
                log.clear()


async def test_death_at_random_instants(tmp_path: Path, children: Children) -> None:
    seed = random.randrange(10**6)
    dice = random.Random(seed)
    database = f"sqlite:///{tmp_path / 'state.db'}"
    engine = open_database(database)
    desk = Desk(engine, HandClock(SystemClock().now_ms()))
    keys = [f"case-1:{number}" for number in range(80)]
    desk.say(LINE, *(make_send(key, to=f"p{number % 7}") for number, key in enumerate(keys)))
    world = World()
    async with serving(world.app) as port:
        url = f"http://127.0.0.1:{port}"
        deaths = 0
        for _ in range(10):
            status = await children.run(database, url, None, kill_after_s=dice.uniform(0.03, 0.35))
            deaths += status == -9
            if status == 0:
                break
        assert await children.run(database, url, None) == 0
    assert deaths >= 2, f"seed {seed}"
    check(world, desk, keys)
    engine.dispose()
