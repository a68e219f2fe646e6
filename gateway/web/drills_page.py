"""演练: the drills there were, how they went, and one begun or ended by hand."""

from __future__ import annotations

import asyncio
import secrets
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError

from gateway.api.auth import Caller
from gateway.api.context import Context, Gateway
from gateway.api.drills import DrillOrdered, SubjectOrder, begin, end
from gateway.api.problem import ApiProblem
from gateway.cases.wording import Words
from gateway.decider import drill_rows
from gateway.state.db import reading
from gateway.web.render import page
from gateway.web.session import Seen, acting, may_act

router = APIRouter(prefix="/drills", include_in_schema=False)

SHOWN = 50
STATES = {
    "ordered": Words("待开始", "about to begin"),
    "running": Words("进行中", "running"),
    "ending": Words("正在结束", "ending"),
    "ended": Words("已结束", "over"),
    "missed": Words("错过", "missed"),
}
Acts = Annotated[Caller, Depends(acting)]


@router.get("")
async def drills(request: Request, context: Gateway, caller: Seen) -> Response:
    """The newest drills, and the form."""
    return await asyncio.to_thread(_page, request, context, caller)


@router.post("")
async def order(
    request: Request,
    context: Gateway,
    caller: Acts,
    reason: Annotated[str, Form(max_length=500)],
    what: Annotated[str, Form(max_length=200)],
    minutes: Annotated[int, Form(ge=1, le=240)] = 30,
    tell: Annotated[str, Form(max_length=20)] = "staff",
    key: Annotated[str, Form(max_length=64)] = "",
) -> Response:
    """Begin one. ``what``: ``device:…``, ``resident:…``, ``place:…``; several apart by blanks."""
    try:
        subjects = tuple(
            SubjectOrder.model_validate({kind: name}) for kind, _, name in (one.partition(":") for one in what.split())
        )
        wanted = DrillOrdered.model_validate(
            {"reason": reason.strip(), "subjects": subjects, "minutes": minutes, "tell": tell, "key": key}
        )
        await asyncio.to_thread(begin, context, caller, wanted)
    except ValidationError as error:
        wrong = Words(
            "请写明原因，并选择设备、居民或地点", f"give a reason and what is drilled: {error.errors()[0]['msg']}"
        )
        return await asyncio.to_thread(_page, request, context, caller, wrong)
    except ApiProblem as problem:
        wrong = Words(problem.zh, problem.en)
        return await asyncio.to_thread(_page, request, context, caller, wrong, problem.status_code)
    return RedirectResponse("/drills", status_code=303)


@router.post("/{drill_id}/end")
async def end_now(context: Gateway, caller: Acts, drill_id: str) -> Response:
    """End one before its time."""
    await asyncio.to_thread(end, context, caller, drill_id)
    return RedirectResponse("/drills", status_code=303)


def _page(
    request: Request, context: Context, caller: Caller, wrong: Words | None = None, status: int = 422
) -> Response:
    directory = context.directory()
    with reading(context.engine) as connection:
        found = drill_rows.newest(connection, SHOWN)
    choices: list[tuple[str, str]] = []
    if directory is not None:
        choices += [
            (f"device:{one.id}", f"按键 {directory.device_name(one.id, 'zh')} {one.id}")
            for one in directory.listed
            if one.kind == "sos_button"
        ]
        choices += [(f"resident:{one.id}", f"居民 {one.name}") for one in directory.community.residents]
        choices += [(f"place:{one.id}", directory.place_path(one.id, "zh")) for one in directory.community.places]
    return page(
        request,
        "drills.html",
        status=200 if wrong is None else status,
        caller=caller,
        acts=may_act(caller),
        drills=found,
        states=STATES,
        tests=directory.community.drills if directory is not None else (),
        choices=choices,
        wrong=wrong,
        key=secrets.token_hex(8),
    )
