"""Devices that are being worked on: maintenance and test, always with an end."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Body

from gateway.api.auth import Operator, Reader
from gateway.api.context import Context, Gateway
from gateway.api.device_models import CareOrder, CareOut
from gateway.api.problem import ApiProblem, described
from gateway.api.registering import DeviceId
from gateway.registry import care
from gateway.registry.care import LONGEST_S, Care
from gateway.state.db import reading, writing

router = APIRouter(tags=["devices"])


def begin_care(context: Context, device_id: str, order: CareOrder, actor: str) -> Care:
    """From now on the device is being worked on. Raises ApiProblem."""
    directory = context.directory()
    device = directory.device(device_id) if directory is not None else None
    if device is None:
        raise ApiProblem(404, "no_such_device", f"名册中没有设备 {device_id}", f"there is no device {device_id!r}")
    if device.status == "retired":
        raise ApiProblem(409, "retired", f"{device_id} 已停用", f"{device_id} is retired: nobody listens to it")
    longest_s = LONGEST_S[order.mode]
    if order.for_s > longest_s:
        raise ApiProblem(
            409,
            "too_long",
            f"时间过长：最多 {longest_s // 3600} 小时",
            f"expected at most {longest_s // 3600} h of {order.mode}",
        )
    with writing(context.engine) as connection:
        now_ms = context.clock.now_ms()
        try:
            begun = care.begin(
                connection, device_id, order.mode, seconds=order.for_s, actor=actor, reason=order.reason, now_ms=now_ms
            )
        except ValueError as error:
            raise ApiProblem(409, "no_reason", "请说明原因", str(error)) from None
    context.decider.wake()
    return begun


def end_care(context: Context, device_id: str, actor: str) -> Care:
    """The work is done before its time. Raises ApiProblem."""
    with writing(context.engine) as connection:
        ended = care.end(connection, device_id, actor=actor, now_ms=context.clock.now_ms())
    if ended is None:
        raise ApiProblem(404, "not_worked_on", f"{device_id} 不在维护或测试中", f"{device_id!r} is not being worked on")
    context.decider.wake()
    return ended


def running(context: Context) -> dict[str, Care]:
    """The work under way, by device."""
    with reading(context.engine) as connection:
        return care.running(connection, context.clock.now_ms())


def _out(one: Care) -> CareOut:
    fields = asdict(one)
    del fields["clock_offset_ms"]
    return CareOut(**fields)


@router.get("/care")
def list_care(context: Gateway, _: Reader) -> list[CareOut]:
    """The devices that are being worked on, those that end first first."""
    return [_out(one) for one in sorted(running(context).values(), key=lambda one: one.until_ms)]


@router.put("/devices/{device_id}/care", responses=described(404, 409))
def put_care(context: Gateway, caller: Operator, device_id: DeviceId, order: Annotated[CareOrder, Body()]) -> CareOut:
    """A device is going to be worked on.

    `maintenance`: its faults, its silence, tampering and its battery are told to nobody; what it says of people and of
    fire is told as ever. `test`: all it says is written down as a test, and told to nobody. Both end by themselves;
    what still holds then and was told to nobody is told. Again in the same mode: longer.
    """
    return _out(begin_care(context, device_id, order, caller.actor))


@router.delete("/devices/{device_id}/care", responses=described(404))
def delete_care(context: Gateway, caller: Operator, device_id: DeviceId) -> CareOut:
    """The work is done before its time: from now on everything is told again."""
    return _out(end_care(context, device_id, caller.actor))
