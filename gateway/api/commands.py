"""Commands to devices by hand: what a technician, or the control room, asks of a valve or a siren."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Body, Path, Query

from gateway.api import reads
from gateway.api.auth import Operator
from gateway.api.context import Context, Gateway
from gateway.api.models import ID, CommandOrder
from gateway.api.problem import ApiProblem, described
from gateway.api.reads import OutboxRow
from gateway.outbox.by_hand import NotObeyed, command_by_hand
from gateway.state.db import writing

router = APIRouter(tags=["devices"])

_LOOK_EVERY_S = 0.1
_WAITING = ("pending", "sending")


@router.post("/devices/{device_id}/commands", responses=described(404, 409))
async def command(
    context: Gateway,
    caller: Operator,
    device_id: Annotated[str, Path(pattern=ID, examples=["valve-0001"])],
    order: Annotated[CommandOrder, Body()],
    wait_s: Annotated[float, Query(ge=0, le=30, description="wait so long for the device's answer")] = 10.0,
) -> OutboxRow:
    """Have a device do something, and say what became of it.

    `status` is `delivered` when the device itself says that it did it, `failed` when it says that it did not or does
    not answer in time, and `pending` or `sending` while that is open; then look at `/outbox`.
    """
    return await have_done(context, device_id, order, caller.actor, wait_s)


async def have_done(context: Context, device_id: str, order: CommandOrder, actor: str, wait_s: float) -> OutboxRow:
    """Give the command, and wait so long for what becomes of it. Raises ApiProblem where it cannot be given."""
    directory = context.directory()
    device = directory.device(device_id) if directory is not None else None
    if directory is None or device is None:
        raise ApiProblem(
            404, "no_such_device", f"名册中没有设备 {device_id}", f"there is no device {device_id!r} in the registry"
        )
    if not directory.obeys(device_id, order.command):
        can = ", ".join(directory.commands(device_id)) or "—"
        raise ApiProblem(
            409,
            "not_obeyed",
            f"{device_id} 不能执行 {order.command}；可执行：{can}",
            f"{device_id} cannot {order.command!r}; it can: {can}",
        )
    try:
        key = await asyncio.to_thread(_enqueue, context, device_id, device.kind, order, actor)
    except NotObeyed as error:
        raise ApiProblem(409, "not_obeyed", f"指令无法执行：{error}", str(error)) from None
    context.said()
    deadline = asyncio.get_running_loop().time() + wait_s
    while True:
        row = await asyncio.to_thread(reads.said, context.engine, key)
        if row.status not in _WAITING or asyncio.get_running_loop().time() >= deadline:
            return row
        await asyncio.sleep(_LOOK_EVERY_S)


def _enqueue(context: Context, device: str, kind: str, order: CommandOrder, actor: str) -> str:
    with writing(context.engine) as connection:
        return command_by_hand(connection, device, kind, order.command, order.args, actor, context.clock.now_ms())
