"""The life of one device at the console: working on it, changing it, giving it other hardware, retiring it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Form, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from gateway.api.adoption import strangers
from gateway.api.caring import begin_care, end_care
from gateway.api.context import Context, Gateway
from gateway.api.device_models import CareOrder
from gateway.api.registering import DeviceId, as_problem, follow
from gateway.cases.wording import Words
from gateway.registry import care, desk, history
from gateway.registry.care import Care, Mode
from gateway.registry.life import told
from gateway.registry.model import Device
from gateway.state.db import reading
from gateway.web.render import Show, page
from gateway.web.session import Acting, Seen, may_act

router = APIRouter(prefix="/devices/{device_id}", include_in_schema=False)

LINES = 50
MODES: dict[str, Words] = {"maintenance": Words("维护中", "in maintenance"), "test": Words("测试中", "being tested")}
SPANS: dict[Mode, tuple[int, ...]] = {
    "maintenance": (1800, 3600, 7200, 28_800, 86_400),
    "test": (600, 1800, 3600, 7200),
}
"""How long a care may be chosen for, in seconds."""
Word = Annotated[str, Form(max_length=200)]
Reason = Annotated[str, Form(min_length=1, max_length=2000)]


@dataclass(frozen=True, slots=True)
class LifeLine:
    """One line of a device's life as a page shows it."""

    at_ms: int
    actor: str
    what: str
    says: Words


def life_of(context: Context, device_id: str) -> dict[str, Any]:
    """The care of a device and its life, for a page."""
    show = Show(context)
    with reading(context.engine) as connection:
        now = care.running(connection, show.now_ms).get(device_id)
        lines = history.read(connection, device_id, LINES)

    def instant(at_ms: int | None) -> str:
        return "—" if at_ms is None else show.time(at_ms)

    told_lines = [LifeLine(line.at_ms, line.actor, line.what, told(line, instant)) for line in lines]
    return {"care": now, "life": told_lines, "modes": MODES}


def care_lines(context: Context) -> list[tuple[Care, Words]]:
    """What is being worked on, with the name of each device, for the console's banner."""
    directory = context.directory()
    with reading(context.engine) as connection:
        running = care.running(connection, context.clock.now_ms())
    if directory is None:
        return []

    def name(one: Care) -> Words:
        known = directory.device(one.device)
        where = directory.place_path(known.place, "zh") if known is not None else ""
        return Words(f"{directory.device_name(one.device, 'zh')} {where}".strip(), one.device)

    return [(one, name(one)) for one in sorted(running.values(), key=lambda one: (one.mode != "test", one.until_ms))]


def spare_parts(context: Context, device: Device) -> list[tuple[str, str]]:
    """Strangers that might be the new hardware of a device: address, and what they are."""
    directory = context.directory()
    bridge = directory.bridge_of(device.id) if directory is not None else None
    return [
        (one.address, " ".join(filter(None, (one.vendor, one.model, one.address))))
        for one in strangers(context)
        if (bridge is None or one.bridge == bridge) and one.kind in (None, device.kind)
    ][:20]


@router.get("/life")
def life(request: Request, context: Gateway, caller: Seen, device_id: DeviceId) -> HTMLResponse:
    """The part of the page that renews itself while a device is being worked on."""
    return page(request, "life.html", acts=may_act(caller), **life_of(context, device_id))


@router.post("/care")
async def begin(
    context: Gateway,
    caller: Acting,
    device_id: DeviceId,
    mode: Annotated[Mode, Form()],
    for_s: Annotated[int, Form(ge=1, le=86_400)],
    reason: Reason,
) -> Response:
    """The device is worked on, or tried, for a while."""
    order = CareOrder(mode=mode, for_s=for_s, reason=reason)
    await asyncio.to_thread(begin_care, context, device_id, order, caller.actor)
    return _back(device_id)


@router.post("/care/end")
async def end(context: Gateway, caller: Acting, device_id: DeviceId) -> Response:
    """The work on the device is over."""
    await asyncio.to_thread(end_care, context, device_id, caller.actor)
    return _back(device_id)


@router.post("/replace")
async def replace(context: Gateway, caller: Acting, device_id: DeviceId, address: Word, serial: Word = "") -> Response:
    """Other gear takes the device's place."""
    plan = desk.replace(device_id, address=address.strip(), serial=serial.strip())
    return await _carry_out(context, plan, caller.actor, device_id)


@router.post("/change")
async def change(
    context: Gateway,
    caller: Acting,
    device_id: DeviceId,
    name_zh: Word = "",
    name_en: Word = "",
    serial: Word = "",
    place: Word = "",
    resident: Word = "",
) -> Response:
    """What the registry says of the device."""
    zh, en = name_zh.strip(), name_en.strip()
    fields: dict[str, Any] = {
        "name": {"zh": zh or en, "en": en or zh} if zh or en else None,
        "serial": serial.strip() or None,
        "resident": resident.strip() or None,
    }
    if place.strip():
        fields["place"] = place.strip()
    return await _carry_out(context, desk.change(device_id, fields), caller.actor, device_id)


@router.post("/retire")
async def retire(context: Gateway, caller: Acting, device_id: DeviceId, reason: Reason) -> Response:
    """The device is taken out of service; its history stays."""
    return await _carry_out(context, desk.retire(device_id, reason.strip()), caller.actor, device_id)


@router.post("/back")
async def back_in_service(context: Gateway, caller: Acting, device_id: DeviceId) -> Response:
    """A retired device serves again."""
    return await _carry_out(context, desk.change(device_id, {"status": "active"}), caller.actor, device_id)


async def _carry_out(context: Context, plan: desk.Plan, actor: str, device_id: str) -> Response:
    try:
        done = await asyncio.to_thread(desk.carry_out, context.engine, plan, actor, context.clock.now_ms())
    except desk.Refused as refused:
        problem = as_problem(refused)
        raise HTTPException(problem.status_code, f"{problem.zh} · {problem.en}") from None
    await follow(context, done.revision)
    return _back(device_id)


def _back(device_id: str) -> Response:
    return RedirectResponse(f"/devices/{quote(device_id, safe='')}", status_code=303)
