"""How devices come, change and go over the API; each change is one revision of the registry."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, NoReturn, TypeVar

from fastapi import APIRouter, Body, Path, Query, Request, Response

from gateway.api.auth import Operator, Reader
from gateway.api.context import Context, Gateway
from gateway.api.device_models import DeviceChange, DevicesChanged, Imported, LifeLine, Replacement, Warned, Why
from gateway.api.models import ID, FieldFault
from gateway.api.problem import ApiProblem, described
from gateway.registry import bulk, desk, history
from gateway.registry.csvfile import TableRefused, write_table
from gateway.registry.fault import Fault
from gateway.registry.fields import told as told_fields
from gateway.registry.life import told
from gateway.registry.model import Device
from gateway.state.db import reading

router = APIRouter(tags=["devices"])

DeviceId = Annotated[str, Path(max_length=64, pattern=ID, examples=["sos-0001"])]
FOLLOW_S = 2.0
"""The gateway works by a new revision within a second; longer is not waited."""
FAULTS_SHOWN = 200
T = TypeVar("T")
_NO_SUCH: Mapping[desk.Described, tuple[str, str]] = {
    "places": ("no_such_place", "名册中没有这处地点"),
    "residents": ("no_such_resident", "名册中没有这位居民"),
}


async def change_registry(context: Context, plan: desk.Plan, actor: str) -> DevicesChanged:
    """Carry out ``plan``, and wait until the gateway works by it. Raises ApiProblem."""
    now_ms = context.clock.now_ms()
    done = await in_words(lambda: desk.carry_out(context.engine, plan, actor, now_ms))
    await follow(context, done.revision)
    return DevicesChanged(devices=list(done.devices), revision=done.revision, warnings=warned(done.warnings))


async def in_words(work: Callable[[], T]) -> T:
    """Do something to the registry in a thread; what stands against it becomes an ApiProblem."""
    try:
        return await asyncio.to_thread(work)
    except desk.Refused as refused:
        raise as_problem(refused) from None
    except TableRefused as refused:
        _table_problem(refused)


def as_problem(refused: desk.Refused) -> ApiProblem:
    """Everything that stands against a change."""
    faults = refused.faults[:FAULTS_SHOWN]
    fields = [FieldFault(where=".".join(filter(None, (f.entry, f.field))) or "registry", expected=f.en) for f in faults]
    zh = "；".join(f"{f.entry} {f.field}: {f.zh} {f.en}".strip() for f in faults)
    en = "; ".join(f"{f.entry} {f.field}: {f.en}".strip() for f in faults)
    if isinstance(refused, desk.NoSuchEntry):
        code, said = _NO_SUCH[refused.section]
        return ApiProblem(404, code, f"{said}：{zh}", en)
    if isinstance(refused, desk.NoSuchDevice):
        return ApiProblem(404, "no_such_device", f"名册中没有这台设备：{zh}", en)
    code = "no_community" if isinstance(refused, desk.NoCommunity) else "does_not_fit"
    return ApiProblem(409, code, f"未执行：{zh}", en, fields=fields)


def _table_problem(refused: TableRefused) -> NoReturn:
    faults = refused.faults[:FAULTS_SHOWN]
    fields = [FieldFault(where=f"row {f.row} {f.column}".strip(), expected=f"{f.zh} {f.en}") for f in faults]
    count = len(refused.faults)
    raise ApiProblem(
        409, "table_refused", f"{count} 处错误，未导入", f"{count} errors, nothing was imported", fields=fields
    )


async def follow(context: Context, revision: int) -> None:
    """Wait until decisions are taken by ``revision``, so that what is read next shows it."""
    context.decider.wake()
    deadline = asyncio.get_running_loop().time() + FOLLOW_S
    while asyncio.get_running_loop().time() < deadline:
        view = context.decider.view
        if view is not None and view.revision >= revision:
            return
        await asyncio.sleep(0.02)


def warned(warnings: Iterable[Fault]) -> list[Warned]:
    """The warnings as the API gives them."""
    return [Warned(entry=one.entry, field=one.field, zh=one.zh, en=one.en) for one in warnings]


@router.post("/devices", responses=described(404, 409))
async def add_device(context: Gateway, caller: Operator, device: Device) -> DevicesChanged:
    """Register a device. It is listened to from now on; applying the community's files keeps it."""
    return await change_registry(context, desk.add(device), caller.actor)


_TABLE = {"requestBody": {"required": True, "content": {"text/csv": {"schema": {"type": "string"}}}}}


@router.post("/devices/import", responses=described(409, 413), openapi_extra=_TABLE)
async def import_devices(
    context: Gateway,
    caller: Operator,
    request: Request,
    dry_run: Annotated[bool, Query(description="only say what the table changes")] = True,
) -> Imported:
    """Bring a table of devices (CSV, as `GET /devices.csv` gives it) into the registry, all or nothing.

    A column that is left out leaves what is there; an empty cell takes the value away; devices that stand in no row
    stay as they are. Every fault is named by row and column in `fields`.
    """
    data = await request.body()
    now_ms = context.clock.now_ms()
    found = await in_words(lambda: bulk.import_table(context.engine, data, caller.actor, now_ms, dry_run=dry_run))
    if not dry_run:
        await follow(context, found.done.revision)
    return Imported(
        dry_run=dry_run,
        rows=found.rows,
        added=[device.id for device in found.added],
        changed={changed.id: told_fields(changed.fields) for changed in found.changed},
        unchanged=found.unchanged,
        revision=found.done.revision,
        warnings=warned(found.done.warnings),
    )


@router.get(
    "/devices.csv", response_class=Response, responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}}
)
def export_devices(context: Gateway, _: Reader) -> Response:
    """All devices as a table that spreadsheets open and `POST /devices/import` reads."""
    directory = context.directory()
    devices = directory.community.devices if directory is not None else ()
    headers = {"Content-Disposition": 'attachment; filename="devices.csv"'}
    return Response(write_table(devices), media_type="text/csv; charset=utf-8", headers=headers)


@router.patch("/devices/{device_id}", responses=described(404, 409))
async def change_device(
    context: Gateway, caller: Operator, device_id: DeviceId, change: Annotated[DeviceChange, Body()]
) -> DevicesChanged:
    """Give some fields of a device other values. Another address is other hardware, as with `replace`."""
    fields = {name: getattr(change, name) for name in change.model_fields_set}
    return await change_registry(context, desk.change(device_id, fields), caller.actor)


@router.post("/devices/{device_id}/replace", responses=described(404, 409))
async def replace_device(
    context: Gateway, caller: Operator, device_id: DeviceId, new: Annotated[Replacement, Body()]
) -> DevicesChanged:
    """Other hardware does the work from now on: the id, its readings, its cases and its history stay."""
    plan = desk.replace(device_id, address=new.address, serial=new.serial)
    return await change_registry(context, plan, caller.actor)


@router.post("/devices/{device_id}/retire", responses=described(404, 409))
async def retire_device(
    context: Gateway, caller: Operator, device_id: DeviceId, why: Annotated[Why, Body()]
) -> DevicesChanged:
    """The device is no longer listened to and not supervised; its history stays."""
    return await change_registry(context, desk.retire(device_id, why.reason), caller.actor)


@router.get("/devices/{device_id}/history", responses=described(404))
def device_history(
    context: Gateway, _: Reader, device_id: DeviceId, limit: Annotated[int, Query(ge=1, le=1000)] = 100
) -> list[LifeLine]:
    """The life of a device, the newest first: also of one that stands in the registry no more."""
    with reading(context.engine) as connection:
        lines = history.read(connection, device_id, limit)
    directory = context.directory()
    if not lines and (directory is None or directory.device(device_id) is None):
        raise ApiProblem(404, "no_such_device", f"没有设备 {device_id}", f"there is no device {device_id!r}")
    found = []
    for line in lines:
        words = told(line, str)
        found.append(
            LifeLine(
                at_ms=line.at_ms,
                actor=line.actor,
                what=line.what,
                zh=words.zh,
                en=words.en,
                detail=dict(line.detail),
            )
        )
    return found
