"""Firmware and batteries of the whole fleet."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import APIRouter, Query, Request

from gateway.api import reads
from gateway.api.auth import Reader
from gateway.api.context import Context, Gateway
from gateway.api.device_models import Batteries, BatteryLine, FirmwareLine
from gateway.api.models import ID
from gateway.api.problem import ApiProblem, described
from gateway.registry import history
from gateway.registry.firmware import Running, Version, inventory
from gateway.state.db import reading
from gateway.store.outlook import Outlook, by_urgency, look

log = logging.getLogger(__name__)
router = APIRouter(tags=["devices"])

FRESH_MS = 15 * 60_000
"""Batteries do not change faster; a fleet of thousands takes half a minute to be looked through."""
WAIT_S = 20.0


@dataclass
class BatteryBook:
    """What is to be expected of all batteries, worked out in the background and kept for a while."""

    lines: Sequence[Outlook] = ()
    computed_ms: int = 0
    """When the lines were worked out; 0 before the first time."""
    done: int = 0
    total: int = 0
    """How far the work under way has come."""
    trouble: str = ""
    _task: asyncio.Task[None] | None = field(default=None, repr=False)

    def look(self, context: Context) -> asyncio.Task[None] | None:
        """Begin to work them out anew where they are old; the work under way, if there is any."""
        if self._task is not None and not self._task.done():
            return self._task
        self._task = None
        if not 0 <= context.clock.now_ms() - self.computed_ms < FRESH_MS:
            self._task = asyncio.get_running_loop().create_task(self._work(context), name="batteries")
        return self._task

    async def _work(self, context: Context) -> None:
        directory = context.directory()
        devices = list(directory.devices) if directory is not None else []
        now_ms = context.clock.now_ms()
        self.done, self.total = 0, len(devices)
        try:
            replaced = await asyncio.to_thread(_replaced_ms, context)
            seen: list[Outlook] = []
            for device in devices:
                if context.stopping.is_set():
                    return
                seen.append(await look(context.store, device, now_ms, replaced.get(device, 0)))
                self.done += 1
            self.lines, self.computed_ms, self.trouble = by_urgency(seen), now_ms, ""
        except Exception as error:  # noqa: BLE001 - whatever it is, the page says it, and the next look tries again
            log.warning("batteries cannot be looked at: %s", error)
            self.trouble = str(error)


def _replaced_ms(context: Context) -> dict[str, int]:
    with reading(context.engine) as connection:
        return history.replaced_ms(connection)


def battery_book(request: Request) -> BatteryBook:
    """How the batteries have been going, which the process keeps."""
    book: BatteryBook = request.app.state.batteries
    return book


def firmware_of(context: Context, kind: str | None = None) -> list[Version]:
    """Which firmware runs where."""
    directory = context.directory()
    states = reads.device_states(context.engine)
    return inventory(
        Running(
            device=device.id,
            kind=device.kind,
            model=(state.model if (state := states.get(device.id)) is not None else None) or "",
            firmware=(state.firmware if state is not None else None) or "",
        )
        for device in (directory.devices.values() if directory is not None else ())
        if kind is None or device.kind == kind
    )


@router.get("/firmware")
def firmware(
    context: Gateway,
    _: Reader,
    kind: Annotated[str | None, Query(pattern=ID)] = None,
    outdated: Annotated[bool, Query(description="only what is behind others of its kind and model")] = False,
) -> list[FirmwareLine]:
    """Which firmware runs on how many devices, by kind and model, the highest version first."""
    return [
        FirmwareLine(
            kind=one.kind,
            model=one.model,
            firmware=one.firmware,
            outdated=one.outdated,
            devices=list(one.devices),
        )
        for one in firmware_of(context, kind)
        if one.outdated or not outdated
    ]


@router.get("/batteries", responses=described())
async def batteries(
    request: Request, context: Gateway, _: Reader, limit: Annotated[int, Query(ge=1, le=20_000)] = 1000
) -> Batteries:
    """When which battery is to be changed, the most urgent first; worked out at most every 15 minutes."""
    book = battery_book(request)
    work = book.look(context)
    if work is not None:
        try:
            async with asyncio.timeout(WAIT_S):
                await asyncio.shield(work)
        except TimeoutError:
            raise ApiProblem(
                503,
                "busy",
                f"正在计算（{book.done}/{book.total}），请稍后再试",
                f"being worked out ({book.done} of {book.total} devices); ask again in a moment",
                {"Retry-After": "10"},
            ) from None
        if book.trouble:
            raise ApiProblem(503, "no_store", "遥测库暂不可用", f"the telemetry store cannot be read: {book.trouble}")
    return Batteries(lines=[_line(one) for one in book.lines[:limit]], computed_ms=book.computed_ms)


def _line(one: Outlook) -> BatteryLine:
    battery, heard = one.battery, one.signal
    return BatteryLine(
        device=one.device,
        metric=one.metric,
        level=battery.level,
        empty=one.empty,
        verdict=battery.verdict,
        days=battery.days,
        changed_ms=battery.changed_ms,
        at_ms=battery.at_ms,
        earliest_ms=battery.earliest_ms,
        latest_ms=battery.latest_ms,
        link=one.link,
        signal=heard.level if heard is not None else None,
        signal_change=heard.change if heard is not None else None,
    )
