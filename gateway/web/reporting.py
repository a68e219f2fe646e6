"""新建案卷: what somebody reports by telephone or at the counter, entered by an operator."""

from __future__ import annotations

import secrets
from typing import Annotated, Literal

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from gateway.api.cases import decided
from gateway.api.context import Context, Gateway
from gateway.api.problem import ApiProblem
from gateway.api.working import work_types
from gateway.cases.report import Report, Reporter, Source
from gateway.cases.wording import Words
from gateway.registry.atlas import atlas_of, coordinates
from gateway.registry.values import Position
from gateway.web.render import page
from gateway.web.session import Acting, Seen, may_act

router = APIRouter(include_in_schema=False)

Way = Literal["phone", "hotline", "kiosk", "pole", "inspection", "service"]
WAYS: dict[Way, Words] = {
    "phone": Words("电话", "telephone"),
    "hotline": Words("热线 12345 / 12319", "hotline"),
    "kiosk": Words("智慧信息机", "kiosk"),
    "pole": Words("杆号上报", "by a pole's number"),
    "inspection": Words("巡查", "inspection"),
    "service": Words("生活服务", "life service"),
}
CHOICES_MOST = 12
Field = Annotated[str, Form(max_length=200)]


@router.get("/cases/new")
def form(request: Request, context: Gateway, caller: Seen) -> Response:
    """The empty form."""
    return _form(request, context, caller, {"key": secrets.token_hex(12), "source": "phone"})


@router.post("/cases/new")
async def file(
    request: Request,
    context: Gateway,
    caller: Acting,
    key: Annotated[str, Form(min_length=1, max_length=200)],
    work: Field,
    text: Annotated[str, Form(max_length=4000)] = "",
    source: Annotated[Way, Form()] = "phone",
    where: Field = "",
    pole: Field = "",
    name: Annotated[str, Form(max_length=100)] = "",
    phone: Annotated[str, Form(max_length=40)] = "",
    channel: Annotated[str, Form(max_length=100)] = "",
) -> Response:
    """Open the case and go to it; what does not fit is said above the form, which keeps what was written."""
    written = {
        **{"key": key, "work": work, "text": text.strip(), "source": source, "where": where.strip()},
        **{"pole": pole.strip(), "name": name.strip(), "phone": phone.strip(), "channel": channel.strip()},
    }
    if not written["text"]:
        return _form(request, context, caller, written, Words("请填写反映的内容", "write down what was reported"))
    directory = context.directory()
    place, position = None, None
    if written["where"] and directory is not None:
        spot = coordinates(written["where"])
        found = [] if spot is not None else atlas_of(directory).find(written["where"])
        if spot is not None:
            position = Position(lat=spot.lat, lon=spot.lon, datum="WGS-84")
        elif len(found) == 1:
            place = found[0].id
        else:
            choices = [(one.id, directory.place_path(one.id, "zh") or one.name.zh) for one in found[:CHOICES_MOST]]
            says = (
                Words("地点不唯一，请选一个", "several places may be meant: choose one")
                if found
                else Words(
                    "没有找到这个地点，请改用地址、门牌或杆号", "no such place: try an address, a door or a pole"
                )
            )
            return _form(request, context, caller, written, says, choices)
    report = Report(
        key=key,
        actor=caller.actor,
        source=Source(source),
        work=work,
        text=written["text"],
        place=place,
        pole=written["pole"],
        position=position,
        reporter=Reporter(name=written["name"], phone=written["phone"], channel=written["channel"])
        if any(written[part] for part in ("name", "phone", "channel"))
        else None,
    )
    try:
        case = await decided(context.decider.report(report))
    except ApiProblem as problem:
        return _form(request, context, caller, written, Words(problem.zh, problem.en), status=problem.status_code)
    return RedirectResponse(f"/cases/{case.id}", status_code=303)


def _form(
    request: Request,
    context: Context,
    caller: Seen,
    written: dict[str, str],
    wrong: Words | None = None,
    choices: list[tuple[str, str]] | None = None,
    status: int = 422,
) -> Response:
    empty = dict.fromkeys(("work", "text", "where", "pole", "name", "phone", "channel"), "")
    return page(
        request,
        "report.html",
        status=status if wrong is not None else 200,
        caller=caller,
        acts=may_act(caller),
        written=empty | written,
        wrong=wrong,
        choices=choices or [],
        ways=WAYS,
        types=work_types(context),
    )
