"""答复: everything that people answered, with what came from numbers that nobody knows."""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from gateway.answers.rows import answers_of
from gateway.api.context import Gateway
from gateway.api.rungs import who
from gateway.web.render import page
from gateway.web.session import Seen

router = APIRouter(include_in_schema=False)


@router.get("/answers")
def answers_page(request: Request, context: Gateway, caller: Seen) -> HTMLResponse:
    """The newest two hundred."""
    name = partial(who, context.directory())
    return page(request, "answers.html", caller=caller, answers=answers_of(context.engine), name=name)
