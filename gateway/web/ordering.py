"""Commands to a device at the console: close this valve, sound that siren. Done when the device itself says so."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse

from devices.kind import CommandType
from devices.kinds import KINDS
from gateway.api.commands import have_done
from gateway.api.context import Context, Gateway
from gateway.api.models import CommandOrder
from gateway.api.problem import ApiProblem
from gateway.api.registering import DeviceId
from gateway.cases.wording import Words
from gateway.registry.model import Device
from gateway.web.render import page
from gateway.web.session import Acting

router = APIRouter(prefix="/devices/{device_id}", include_in_schema=False)

WAIT_S = 15.0
"""A person waits so long; the device may answer later, which its life then shows."""
STATES = {
    "delivered": Words("设备已确认完成", "done: the device says so itself"),
    "failed": Words("未完成", "not done"),
    "pending": Words("尚未送出，继续尝试", "not sent yet; it is tried again"),
    "sending": Words("已送出，设备尚未回复", "sent; the device has not answered yet"),
}


def commands_of(context: Context, device: Device) -> list[CommandType]:
    """What this device can be told, with the words for it."""
    directory = context.directory()
    can = directory.commands(device.id) if directory is not None else ()
    return [KINDS[device.kind].commands[key] for key in can]


@router.post("/command")
async def command(
    request: Request, context: Gateway, caller: Acting, device_id: DeviceId, name: Annotated[str, Form(max_length=64)]
) -> HTMLResponse:
    """Arguments come as fields of their own names. Answers with a line that says what became of it."""
    form = await request.form()
    args = {key: str(value)[:64] for key, value in form.items() if key != "name" and value}
    try:
        row = await have_done(context, device_id, CommandOrder(command=name, args=args), caller.actor, WAIT_S)
    except ApiProblem as problem:
        return page(request, "not_done.html", status=problem.status_code, zh=problem.zh, en=problem.en)
    why = "" if row.status == "delivered" else "; ".join(one.detail or "" for one in row.tries if one.detail)
    return page(request, "ordered.html", status_word=row.status, says=STATES[row.status], why=why, title=row.title)
