"""Devices, their health and their readings."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query

from devices.kinds import KINDS
from gateway.api import reads
from gateway.api.auth import Reader
from gateway.api.context import Context, Gateway
from gateway.api.models import DeviceDetail, DeviceSummary, Series
from gateway.api.views import device_summary, reading_out
from gateway.registry.model import Device
from gateway.store.protocol import StoreUnavailable

router = APIRouter(tags=["devices"])
Millis = Annotated[int, Query(ge=0, le=2**53)]


@router.get("/devices")
def list_devices(
    context: Gateway,
    _: Reader,
    kind: str | None = None,
    place: Annotated[str | None, Query(description="only devices at exactly this place")] = None,
    resident: str | None = None,
    silent: Annotated[bool | None, Query(description="only (not) silent devices")] = None,
    limit: Annotated[int, Query(ge=1, le=20_000)] = 500,
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
) -> list[DeviceSummary]:
    """Registered devices with their health, in the order of their ids."""
    directory = context.directory()
    if directory is None:
        return []
    states = reads.device_states(context.engine)
    found: list[DeviceSummary] = []
    for device in sorted(directory.community.devices, key=lambda device: device.id):
        wanted = ((kind, device.kind), (place, device.place), (resident, device.resident))
        if any(asked is not None and asked != has for asked, has in wanted):
            continue
        summary = device_summary(context, device, states.get(device.id))
        if silent is None or summary.silent is silent:
            found.append(summary)
    return found[offset : offset + limit]


@router.get("/devices/{device_id}")
async def get_device(context: Gateway, _: Reader, device_id: str) -> DeviceDetail:
    """One device with its newest readings."""
    device = _device(context, device_id)
    state = reads.device_states(context.engine, [device_id]).get(device_id)
    try:
        latest = await context.store.latest(device_id)
    except StoreUnavailable as error:
        raise HTTPException(503, f"the telemetry store cannot be read: {error}") from None
    known = KINDS[device.kind].metrics
    return DeviceDetail(
        **device_summary(context, device, state).model_dump(),
        latest=[reading_out(device.kind, reading) for key, reading in sorted(latest.items()) if key in known],
    )


@router.get("/observations")
async def observations(
    context: Gateway,
    _: Reader,
    device: str,
    metric: str,
    start_ms: Millis,
    end_ms: Millis,
    width_s: Annotated[int | None, Query(ge=1, le=86_400, description="group into buckets of so many seconds")] = None,
    limit: Annotated[int, Query(ge=1, le=100_000)] = 10_000,
) -> Series:
    """A metric of a device over time, oldest first."""
    known = KINDS[_device(context, device).kind].metrics
    if metric not in known:
        raise HTTPException(422, f"device {device} has no metric {metric!r}; it has {', '.join(sorted(known))}")
    try:
        if width_s is None:
            readings = await context.store.readings(device, metric, start_ms, end_ms, limit)
            points: list[dict[str, object]] = [{"at_ms": one.at_ms, "value": one.value} for one in readings]
        else:
            if (end_ms - start_ms) / 1000 / width_s > limit:
                raise HTTPException(422, f"more than {limit} buckets: widen width_s or shorten the range")
            buckets = await context.store.buckets(device, metric, start_ms, end_ms, width_s)
            points = [
                {
                    "at_ms": one.start_ms,
                    "count": one.count,
                    "mean": one.mean,
                    "low": one.low,
                    "high": one.high,
                    "last": one.last,
                }
                for one in buckets
            ]
    except StoreUnavailable as error:
        raise HTTPException(503, f"the telemetry store cannot be read: {error}") from None
    return Series(device=device, metric=metric, unit=known[metric].unit, points=points)


def _device(context: Context, device_id: str) -> Device:
    directory = context.directory()
    device = directory.device(device_id) if directory is not None else None
    if device is None:
        raise HTTPException(404, f"there is no device {device_id!r} in the registry")
    return device
