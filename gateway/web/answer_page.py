"""The page behind a link in a message: no login, one tap. Opening it never acts, for messengers open links by
themselves to show what is behind them."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from gateway.answers import links, rows
from gateway.answers.pace import Paces
from gateway.answers.rows import LinkRow
from gateway.answers.words import how_it_ended
from gateway.api import reads
from gateway.api.context import Context, Gateway
from gateway.cases.model import Case
from gateway.registry.directory import CommunityDirectory
from gateway.web.person_view import basis_at_hand, look
from gateway.web.render import page
from gateway.web.session import own_page_only
from gateway.web.tapping import ONCE, Tap, new_once, said, tap

router = APIRouter(include_in_schema=False)
WAY = "link"
Token = Annotated[str, Path(max_length=100)]


def _paces(request: Request) -> Paces:
    paces: Paces = request.app.state.paces
    return paces


def _over(request: Request, title: str, zh: str, en: str, status: int = 200) -> HTMLResponse:
    return page(request, "person_note.html", status=status, title=title, zh=zh, en=en)


async def _find(request: Request, context: Context, token: str) -> LinkRow | HTMLResponse:
    """What a link stands for, or the page that says that it stands for nothing."""
    id_ = links.read(await asyncio.to_thread(context.settings.secrets.ensure, links.SECRET), token)
    row = None if id_ is None else await asyncio.to_thread(rows.link, context.engine, id_)
    if row is None:
        address = request.client.host if request.client is not None else "?"
        if not _paces(request).wrong.allows(address):
            raise HTTPException(429, "尝试过多，请稍候 · too many attempts, wait a moment", {"Retry-After": "10"})
        said_zh, said_en = "链接无效，请点消息里的完整链接", "This link is not valid: tap the whole link in the message"
        return _over(request, "链接无效", said_zh, said_en, 404)
    if context.clock.now_ms() - row.made_ms >= links.TOLD_MS:
        return _expired(request)
    return row


def _expired(request: Request) -> HTMLResponse:
    return _over(
        request,
        "链接已过期",
        "此链接已过期。如仍需处理，请使用最新消息中的链接，或联系值班室",
        "This link has run out. Use the newest message, or call the control room",
        410,
    )


async def _open(request: Request, context: Context, row: LinkRow) -> tuple[Case, CommunityDirectory] | HTMLResponse:
    """The case a link may still act on, or the page that says why it does not any more."""
    directory = context.directory()
    case = await asyncio.to_thread(reads.current_case, context.engine, row.case_id)
    if directory is None or case is None or directory.person(row.person) is None:
        return _expired(request)
    if not case.open:
        ended = how_it_ended(case, directory)
        return _over(request, "已结束 over", ended.zh, ended.en)
    if context.clock.now_ms() - row.made_ms >= links.LIFE_MS:
        return _expired(request)
    return case, directory


@router.get("/a/{token}")
async def answer_page(
    request: Request,
    context: Gateway,
    token: Token,
    once: Annotated[str | None, Query(pattern=ONCE)] = None,
) -> HTMLResponse:
    """What happened, where, to whom, who has it, and what one can answer."""
    row = await _find(request, context, token)
    if isinstance(row, HTMLResponse):
        return row
    if not _paces(request).opens.allows(row.id):
        raise HTTPException(429, "打开过于频繁，请稍候 · opened too often, wait a moment", {"Retry-After": "5"})
    found = await _open(request, context, row)
    if isinstance(found, HTMLResponse):
        return found
    case, directory = found
    reply = await said(context, WAY, row.person, case.id, once)
    basis = basis_at_hand(context, directory, case, row.person)
    view = await asyncio.to_thread(look, context, directory, case, row.person, WAY, basis)
    return page(request, "person_case.html", view=view, reply=reply, once=new_once(), action=f"/a/{token}", home=None)


@router.post("/a/{token}")
async def answer(request: Request, context: Gateway, token: Token, tapped: Annotated[Tap, Depends()]) -> Response:
    """Carry out a tap, and show the page again."""
    own_page_only(request)
    row = await _find(request, context, token)
    if isinstance(row, HTMLResponse):
        return row
    if not _paces(request).taps.allows(row.id):
        raise HTTPException(429, "操作过于频繁，请稍候 · tapped too often, wait a moment", {"Retry-After": "10"})
    found = await _open(request, context, row)
    if isinstance(found, HTMLResponse):
        return found
    await tap(context, WAY, row.person, found[0].id, tapped)
    return RedirectResponse(f"/a/{token}?once={tapped.once}", status_code=303)
