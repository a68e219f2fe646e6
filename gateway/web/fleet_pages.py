"""Batteries by the date of their change, and which firmware runs where."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from devices.kinds import KINDS
from gateway.api import outlooks
from gateway.api.context import Context, Gateway
from gateway.cases.wording import Words
from gateway.store.outlook import Outlook
from gateway.web.fleet import Seat, seat
from gateway.web.render import page
from gateway.web.session import Seen

router = APIRouter(prefix="/devices", include_in_schema=False)

SHOWN = 300
WORSE_BY = 6.0
"""A link that lost so much (dB, or per cent) is worth a look."""
VERDICTS: dict[str, Words] = {
    "empty": Words("电量已低", "low now"),
    "falling": Words("下降", "falling"),
    "stable": Words("平稳", "stable"),
    "charged": Words("充电电池", "is charged"),
    "too_little": Words("数据不足", "not enough data"),
}


@router.get("/batteries")
async def batteries(request: Request, context: Gateway, caller: Seen) -> HTMLResponse:
    """The list; while it is being worked out for the first time, how far that has come."""
    book = outlooks.battery_book(request)
    working = book.look(context) is not None
    return page(
        request,
        "batteries.html",
        caller=caller,
        rows=[(one, _seat(context, one)) for one in book.lines[:SHOWN]],
        more=max(0, len(book.lines) - SHOWN),
        book=book,
        working=working,
        verdicts=VERDICTS,
        worse_by=WORSE_BY,
    )


def _seat(context: Context, one: Outlook) -> Seat | None:
    directory = context.directory()
    device = directory.device(one.device) if directory is not None else None
    return None if device is None else seat(context, device, None)


@router.get("/firmware")
def firmware(request: Request, context: Gateway, caller: Seen) -> HTMLResponse:
    """Which firmware runs where."""
    return page(request, "firmware.html", caller=caller, versions=outlooks.firmware_of(context), kinds=KINDS)
