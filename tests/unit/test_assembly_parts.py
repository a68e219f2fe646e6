"""The tasks of a gateway: none ends unseen, and they end one after the other, the last one first."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from gateway.assembly.parts import PartEnded, Parts


async def test_a_part_that_ends_by_an_error_ends_the_gateway_with_it_and_the_others_in_their_turn() -> None:
    ended: list[str] = []

    async def works(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(name)

    async def breaks() -> None:
        await asyncio.sleep(0)
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(ended.append, "database")
            parts = Parts(stack)
            parts.start(works("writer"), "writer")
            parts.start(breaks(), "outbox")
            parts.start(works("api"), "api")
            await parts.until(asyncio.Event())
    assert ended == ["api", "writer", "database"]


async def test_a_part_that_ends_without_an_error_is_no_orderly_stop() -> None:
    async def gives_up() -> None:
        await asyncio.sleep(0)

    async def is_cancelled_from_within() -> None:
        raise asyncio.CancelledError

    for work in (gives_up, is_cancelled_from_within):
        with pytest.raises(PartEnded, match="announcer ended by itself"):
            async with contextlib.AsyncExitStack() as stack:
                parts = Parts(stack)
                parts.start(work(), "announcer")
                await parts.until(asyncio.Event())


async def test_a_part_that_is_told_to_stop_ends_its_work_before_those_below_it_end() -> None:
    heard: list[str] = []
    told, stopping = asyncio.Event(), asyncio.Event()

    async def sends() -> None:
        await told.wait()
        for number in range(3):
            await asyncio.sleep(0)
            heard.append(f"sent {number}")

    async with contextlib.AsyncExitStack() as stack:
        stack.callback(heard.append, "database")
        parts = Parts(stack)
        parts.start(sends(), "outbox", stop=told.set)
        stopping.set()
        await parts.until(stopping)
    assert heard == ["sent 0", "sent 1", "sent 2", "database"]


async def test_what_breaks_while_it_stops_is_not_hidden() -> None:
    stopping = asyncio.Event()
    stopping.set()

    async def breaks_at_the_end() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise OSError("cannot be closed")

    with pytest.raises(OSError, match="cannot be closed"):
        async with contextlib.AsyncExitStack() as stack:
            parts = Parts(stack)
            parts.start(breaks_at_the_end(), "writer")
            await asyncio.sleep(0)
            await parts.until(stopping)
