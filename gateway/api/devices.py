"""Devices, their health and their readings."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Path, Query
from fastapi.exceptions import RequestValidationError

from devices.kinds import KINDS
from gateway.api import reads
from gateway.api.auth import Reader
from gateway.api.context import Context, Gateway
from gateway.api.models import ID, BucketPoint, DeviceDetail, DeviceSummary, Point, Series
from gateway.api.problem import ApiProblem, described
from gateway.api.reads import DeviceState
from gateway.api.views import device_summary, is_silent, reading_out
from gateway.registry.model import Device

router = APIRouter(tags=["devices"])

LATEST_MS = 9_000_000_000_000
"""The year 2255: time series databases count nanoseconds in 64 bits."""
Millis = Annotated[int, Query(ge=0, le=LATEST_MS)]
Word = Annotated[str | None, Query(pattern=ID)]


@router.get("/devices")
def list_devices(
    context: Gateway,
    _: Reader,
    kind: Word = None,
    place: Annotated[str | None, Query(pattern=ID, description="only devices at this place or inside it")] = None,
    resident: Word = None,
    silent: Annotated[bool | None, Query(description="only (not) silent devices")] = None,
    retired: Annotated[bool, Query(description="those that are retired instead")] = False,
    limit: Annotated[int, Query(ge=1, le=20_000)] = 500,
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
) -> list[DeviceSummary]:
    """Registered devices and this gateway with their health, in the order of their ids."""
    directory = context.directory()
    if directory is None:
        return []
    found = [
        device
        for device in directory.listed
        if (device.status == "retired") is retired
        and (kind is None or device.kind == kind)
        and (resident is None or device.resident == resident)
        and (place is None or directory.lies_in(device.place, place))
    ]
    found.sort(key=lambda device: device.id)
    states: dict[str, DeviceState] = {}
    if silent is not None:
        states = reads.device_states(context.engine)
        now_ms = context.clock.now_ms()
        found = [device for device in found if is_silent(device, states.get(device.id), now_ms) is silent]
    shown = found[offset : offset + limit]
    if silent is None:
        states = reads.device_states(context.engine, [device.id for device in shown])
    return [device_summary(context, device, states.get(device.id)) for device in shown]


@router.get("/devices/{device_id}", responses=described(404))
async def get_device(
    context: Gateway, _: Reader, device_id: Annotated[str, Path(pattern=ID, examples=["sos-0001"])]
) -> DeviceDetail:
    """One device with its newest readings."""
    device = _device(context, device_id)
    state = (await asyncio.to_thread(reads.device_states, context.engine, [device_id])).get(device_id)
    latest = await context.store.latest(device_id)
    known = KINDS[device.kind].metrics
    return DeviceDetail(
        **device_summary(context, device, state).model_dump(),
        latest=[reading_out(device.kind, reading) for key, reading in sorted(latest.items()) if key in known],
    )


@router.get("/observations", responses=described(404))
async def observations(
    context: Gateway,
    _: Reader,
    device: Annotated[str, Query(pattern=ID)],
    metric: Annotated[str, Query(pattern=ID, examples=["spo2"])],
    start_ms: Millis,
    end_ms: Annotated[int, Query(ge=0, le=LATEST_MS, description="not included")],
    width_s: Annotated[int | None, Query(ge=1, le=86_400, description="group into buckets of so many seconds")] = None,
    limit: Annotated[int, Query(ge=1, le=20_000)] = 10_000,
) -> Series:
    """A metric of a device over time, oldest first."""
    known = KINDS[_device(context, device).kind].metrics
    if metric not in known:
        raise _wrong("metric", f"one of {', '.join(sorted(known))}; device {device} has no other")
    if end_ms < start_ms:
        raise _wrong("end_ms", "not before start_ms")
    unit = known[metric].unit
    if width_s is None:
        readings = await context.store.readings(device, metric, start_ms, end_ms, limit)
        points = [Point(at_ms=one.at_ms, value=one.value) for one in readings]
        return Series(device=device, metric=metric, unit=unit, points=points)
    if (end_ms - start_ms) / 1000 / width_s > limit:
        raise _wrong("width_s", f"at most {limit} buckets: widen width_s or shorten the range")
    buckets = await context.store.buckets(device, metric, start_ms, end_ms, width_s)
    return Series(
        device=device,
        metric=metric,
        unit=unit,
        points=[
            BucketPoint(at_ms=one.start_ms, count=one.count, mean=one.mean, low=one.low, high=one.high, last=one.last)
            for one in buckets
        ],
    )


def _wrong(name: str, expected: str) -> RequestValidationError:
    return RequestValidationError([{"loc": ("query", name), "msg": f"expected {expected}", "type": "value_error"}])


def _device(context: Context, device_id: str) -> Device:
    directory = context.directory()
    device = directory.device(device_id) if directory is not None else None
    if device is None:
        raise ApiProblem(
            404, "no_such_device", f"名册中没有设备 {device_id}", f"there is no device {device_id!r} in the registry"
        )
    return device
