"""A tap on a button of somebody's page: one form for links and personal pages, carried out once however often it is
sent."""

from __future__ import annotations

import asyncio
import secrets
from typing import Annotated

import sqlalchemy as sa
from fastapi import Form

from gateway.answers import words
from gateway.answers.desk import NotDecided, Reply
from gateway.answers.meaning import Answer
from gateway.answers.rows import answers_of
from gateway.api.context import Context
from gateway.cases.causes import Cause
from gateway.outbox.channel import Heard

ONCE = r"^[A-Za-z0-9_-]{8,64}$"


class Tap:
    """What the form holds. ``once``: made with the page; the same one sent again is the same answer."""

    def __init__(
        self,
        answer: Annotated[Answer, Form()],
        once: Annotated[str, Form(pattern=ONCE)],
        version: Annotated[int, Form(ge=0, le=2**31)],
        reason: Annotated[str, Form(max_length=1000)] = "",
        cause: Annotated[Cause | None, Form()] = None,
    ) -> None:
        self.answer = answer
        self.once = once
        self.version = version
        self.reason = reason.strip()
        self.cause = cause


def new_once() -> str:
    """Names one form, so that sending it twice does its work once."""
    return secrets.token_urlsafe(12)


async def tap(context: Context, way: str, person: str, case_id: str, tapped: Tap) -> Reply:
    """Hand the answer to the desk; what it could not decide in time it will, and says so."""
    heard = Heard(
        id=f"{person}:{case_id}:{tapped.once}",
        channel=way,
        sender=person,
        text=tapped.answer.value,
        at_ms=context.clock.now_ms(),
    )
    try:
        return await context.answers.tap(
            heard,
            person=person,
            case_id=case_id,
            answer=tapped.answer,
            version=tapped.version,
            reason=tapped.reason,
            cause=tapped.cause,
        )
    except (NotDecided, sa.exc.SQLAlchemyError):
        return Reply(result="failed", words=f"{words.NOT_DECIDED.zh} {words.NOT_DECIDED.en}")


async def said(context: Context, way: str, person: str, case_id: str, once: str | None) -> Reply | None:
    """What was said to a tap before the page was loaded anew."""
    if once is None:
        return None
    ref = f"{person}:{case_id}:{once}"
    kept = await asyncio.to_thread(answers_of, context.engine, case_id=case_id)
    found = next((one for one in kept if one.channel == way and one.ref == ref), None)
    if found is None:
        return None
    if found.done_ms is None:
        return Reply(result="failed", words=f"{words.NOT_DECIDED.zh} {words.NOT_DECIDED.en}")
    return Reply(result="acted" if found.result == "acted" else "refused", words=found.reply)
