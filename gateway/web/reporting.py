"""新建案卷: what somebody reports by telephone or at the counter, entered by an operator. What the place means is shown
before it is sent: at once with scripts, by a button of its own without."""

from __future__ import annotations

import secrets
from typing import Annotated, Literal

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from gateway.api.cases import decided
from gateway.api.context import Context, Gateway
from gateway.api.models import NO_NUL
from gateway.api.problem import ApiProblem
from gateway.api.working import work_types
from gateway.cases.report import Report, Reporter, Source
from gateway.cases.wording import Words
from gateway.registry.geo import Datum
from gateway.web.render import page
from gateway.web.session import Acting, Seen, may_act
from gateway.web.spotting import Spotted, position_of, spotted
from gateway.web.where_page import towards

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
Field = Annotated[str, Form(max_length=200, pattern=NO_NUL)]
Asked = Annotated[str, Query(max_length=200, pattern=NO_NUL)]


@router.get("/cases/new")
def form(request: Request, context: Gateway, caller: Seen, where: Asked = "", pole: Asked = "") -> Response:
    """The empty form; ``where`` and ``pole``: from a page that knows them already."""
    written = {"key": secrets.token_hex(12), "source": "phone", "where": where.strip(), "pole": pole.strip()}
    return _form(request, context, caller, written)


@router.get("/cases/new/spot")
def spot(
    request: Request,
    context: Gateway,
    caller: Seen,
    where: Asked = "",
    pole: Asked = "",
    chosen: Asked = "",
    datum: Datum = "WGS-84",
) -> HTMLResponse:
    """What is typed so far means this."""
    found = _spotted(context, {"where": where, "pole": pole, "chosen": chosen, "datum": datum})
    return page(request, "report_spot.html", spot=found, towards=towards)


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
    datum: Annotated[Datum, Form()] = "WGS-84",
    pole: Field = "",
    chosen: Field = "",
    name: Annotated[str, Form(max_length=100)] = "",
    phone: Annotated[str, Form(max_length=40)] = "",
    channel: Annotated[str, Form(max_length=100)] = "",
    look: bool = Form(default=False),
) -> Response:
    """Open the case and go to it; what does not fit is said above the form, which keeps what was written. ``look``:
    only show what the place means."""
    written = {
        **{"key": key, "work": work, "text": text.strip(), "source": source, "where": where.strip(), "datum": datum},
        **{"pole": pole.strip(), "name": name.strip(), "phone": phone.strip(), "channel": channel.strip()},
        "chosen": chosen,
    }
    if look:
        return _form(request, context, caller, written)
    if not written["text"]:
        return _form(request, context, caller, written, Words("请填写反映的内容", "write down what was reported"))
    position = position_of(written["where"], datum)
    found = _spotted(context, written) if position is None else None
    place = found.place if found is not None else None
    if written["where"] and found is not None and place is None:
        says = Words("尚未立案：地点不明，见下方", "not opened yet: the place is not known, see below")
        return _form(request, context, caller, written, says)
    if found is not None and found.choice_open:
        says = Words("尚未立案：地点不唯一，请在下面选一个", "not opened yet: choose one of the places below")
        return _form(request, context, caller, written, says)
    report = Report(
        key=key,
        actor=caller.actor,
        source=Source(source),
        work=work,
        text=written["text"],
        place=place.place.id if place is not None and place.place is not None else None,
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


def _spotted(context: Context, written: dict[str, str]) -> Spotted | None:
    directory = context.directory()
    if directory is None:
        return None
    datum: Datum = "GCJ-02" if written["datum"] == "GCJ-02" else "WGS-84"
    return spotted(directory, written["where"], written["pole"], datum, written["chosen"], context.clock.now_ms())


def _form(
    request: Request,
    context: Context,
    caller: Seen,
    written: dict[str, str],
    wrong: Words | None = None,
    status: int = 422,
) -> Response:
    empty = dict.fromkeys(("work", "text", "where", "pole", "chosen", "name", "phone", "channel"), "")
    whole = empty | {"datum": "WGS-84"} | written
    return page(
        request,
        "report.html",
        status=status if wrong is not None else 200,
        caller=caller,
        acts=may_act(caller),
        written=whole,
        wrong=wrong,
        spot=_spotted(context, whole),
        towards=towards,
        ways=WAYS,
        types=work_types(context),
    )
