"""Waiting for a condition with a deadline, instead of sleeping and hoping."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_STEP_S = 0.01
PATIENCE = 3.0 if "PYTEST_XDIST_WORKER" in os.environ else 1.0
"""By how much longer everything may take where other tests have the processor as well. Nobody waits that long but for
what does not come at all."""


def eventually(condition: Callable[[], T], within_s: float = 10.0, what: str = "") -> T:
    """Return the first true value of ``condition()``; AssertionError if none came within ``within_s`` seconds, of a
    machine that has nothing else to do (see `PATIENCE`).

    Blocks the thread: in a coroutine use `eventually_async`.
    """
    within_s *= PATIENCE
    deadline = time.monotonic() + within_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(_failure(value, within_s, what))
        time.sleep(_STEP_S)


async def eventually_async(condition: Callable[[], T], within_s: float = 10.0, what: str = "") -> T:
    """The same for coroutines: other tasks run while it waits."""
    within_s *= PATIENCE
    deadline = time.monotonic() + within_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(_failure(value, within_s, what))
        await asyncio.sleep(_STEP_S)


def _failure(value: object, within_s: float, what: str) -> str:
    return f"not within {within_s:g} s{': ' + what if what else ''} (last value: {value!r})"
