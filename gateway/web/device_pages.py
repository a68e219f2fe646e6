"""设备: all devices with their health, one device with its readings over time, and the vitals of all residents."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import HTMLResponse

from devices.kind import Metric
from devices.kinds import KINDS
from devices.observation import Waveform
from gateway.api import reads
from gateway.api.adoption import strangers
from gateway.api.away import absence
from gateway.api.caring import running
from gateway.api.context import Context, Gateway
from gateway.registry.model import Device
from gateway.store.protocol import Reading, StoreUnavailable
from gateway.web.charts import Line, Strip, ecg, line
from gateway.web.device_life import MODES, SPANS, life_of, spare_parts
from gateway.web.fleet import fleet, health_of, is_low, seat
from gateway.web.ordering import commands_of
from gateway.web.render import page
from gateway.web.session import Seen, may_act
from gateway.web.vitals import monitors, vitals_of

router = APIRouter(include_in_schema=False)

PER_PAGE = 100
RESIDENTS_PER_PAGE = 60
HOURS = (1, 6, 24, 168)
BUCKETS = 240
_NOT_DRAWN = ("uptime",)
_STRIPS_BACK_MS = 7 * 86_400_000

PageNumber = Annotated[int, Query(ge=1, le=100_000, alias="page")]


@dataclass(frozen=True, slots=True)
class Chart:
    """A metric with its course."""

    metric: Metric
    newest: Reading
    drawn: Line | None


@dataclass(frozen=True, slots=True)
class Readings:
    """What a device measured. ``trouble`` says why it cannot be read now."""

    charts: list[Chart]
    events: list[tuple[int, str]]
    strip: tuple[int, Waveform, Strip] | None
    trouble: str = ""


@router.get("/devices")
def devices(
    request: Request,
    context: Gateway,
    caller: Seen,
    kind: str = "",
    state: str = "",
    number: PageNumber = 1,
) -> HTMLResponse:
    """``state``: ``away`` for devices that are not heard, ``low`` for low batteries, ``retired``, ``worked_on``."""
    directory = context.directory()
    states = reads.device_states(context.engine)
    now_ms = context.clock.now_ms()
    working = running(context)

    def wanted(device: Device) -> bool:
        if (kind and device.kind != kind) or (device.status == "retired") is not (state == "retired"):
            return False
        if state in ("retired", "worked_on"):
            return state == "retired" or device.id in working
        if state == "low":
            return is_low(states.get(device.id))
        return state != "away" or health_of(device, states.get(device.id), now_ms) != "online"

    found = [device for device in (directory.listed if directory is not None else ()) if wanted(device)]
    pages = max(1, -(-len(found) // PER_PAGE))
    number = min(number, pages)
    shown = found[(number - 1) * PER_PAGE : number * PER_PAGE]
    return page(
        request,
        "devices.html",
        caller=caller,
        seats=[seat(context, device, states.get(device.id)) for device in shown],
        fleet=fleet(context),
        kind=kind,
        state=state,
        found=len(found),
        number=number,
        pages=pages,
        working=working,
        modes=MODES,
        strangers=len(strangers(context)),
    )


@router.get("/devices/{device_id}")
async def device(
    request: Request, context: Gateway, caller: Seen, device_id: str, hours: Annotated[int, Query()] = 6
) -> HTMLResponse:
    """The page of one device."""
    directory = context.directory()
    found = directory.device(device_id) if directory is not None else None
    if found is None:
        raise HTTPException(404, f"没有设备 {device_id} · there is no such device")
    hours = hours if hours in HOURS else 6
    state = (await asyncio.to_thread(reads.device_states, context.engine, [device_id])).get(device_id)
    try:
        readings = await _readings(context, found, hours)
    except StoreUnavailable as error:
        readings = Readings([], [], None, str(error))
    away = absence(context, found.resident)
    return page(
        request,
        "device.html",
        caller=caller,
        seat=seat(context, found, state),
        readings=readings,
        hours=hours,
        choices=HOURS,
        events=KINDS[found.kind].events,
        acts=may_act(caller),
        orders=commands_of(context, found),
        retired=found.status == "retired",
        away=away.says if away is not None else None,
        spans=SPANS,
        spares=await asyncio.to_thread(spare_parts, context, found) if may_act(caller) else [],
        **await asyncio.to_thread(life_of, context, device_id),
    )


async def _readings(context: Context, device: Device, hours: int) -> Readings:
    kind = KINDS[device.kind]
    store = context.store
    end_ms = context.clock.now_ms()
    start_ms = end_ms - hours * 3_600_000
    width_s = max(60, hours * 3600 // BUCKETS)
    latest = await store.latest(device.id)
    drawn = [key for key in kind.metrics if key in latest and key not in _NOT_DRAWN]
    series = await asyncio.gather(*(store.buckets(device.id, key, start_ms, end_ms, width_s) for key in drawn))
    events = await store.events(device.id, start_ms, end_ms)
    strip = None
    if kind.waveforms:
        strips = await store.waveforms(device.id, end_ms - _STRIPS_BACK_MS, end_ms + 1)
        if strips:
            at_ms, wave = strips[-1]
            strip = (at_ms, wave, ecg(wave))
    # What people look for first stands first; what the device says about itself stands last.
    own = [key for key in drawn if key not in ("battery", "rssi")]
    by_key = dict(zip(drawn, series, strict=True))
    return Readings(
        [
            Chart(kind.metrics[key], latest[key], line(by_key[key], start_ms, end_ms, width_s))
            for key in (*own, *(key for key in drawn if key not in own))
        ],
        list(reversed(events))[:50],
        strip,
    )


@router.get("/vitals")
async def vitals(request: Request, context: Gateway, caller: Seen, number: PageNumber = 1) -> HTMLResponse:
    """The newest vitals of every resident who has a monitor."""
    residents = list(monitors(context))
    pages = max(1, -(-len(residents) // RESIDENTS_PER_PAGE))
    number = min(number, pages)
    shown = residents[(number - 1) * RESIDENTS_PER_PAGE : number * RESIDENTS_PER_PAGE]
    found = await asyncio.gather(*(vitals_of(context, resident) for resident in shown))
    return page(
        request,
        "vitals.html",
        caller=caller,
        all=[one for one in found if one is not None],
        number=number,
        pages=pages,
        residents=len(residents),
    )
