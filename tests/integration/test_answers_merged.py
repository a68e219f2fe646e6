"""Who was told of a case that became part of another answers of that one: nobody who wants to help is sent away."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
import sqlalchemy as sa

from gateway.answers.meaning import Answer
from gateway.cases.model import Case, Stage
from tests.support.answering import AnsweringRoom, answering


@pytest_asyncio.fixture
async def room(database: sa.Engine, tmp_path: Path) -> AsyncIterator[AnsweringRoom]:
    async with answering(database, tmp_path) as made:
        yield made


async def merged(room: AnsweringRoom) -> tuple[Case, str]:
    """The press of home 1 became part of that of home 2; and the code by which the grid was told of home 1."""
    room.says("sos-1", "press")
    await room.goes_out()
    first, code = room.case, room.code("grid")
    room.forward(2)
    room.says("sos-2", "press")
    await room.goes_out()
    second = room.case
    assert second.id != first.id
    room.act(first.id, "merge", into=second.number, reason="the same flat")
    await room.goes_out()
    return first, code


async def test_a_reply_with_the_code_of_the_merged_case_takes_the_other_one(room: AnsweringRoom) -> None:
    _, code = await merged(room)
    assert "已由您受理" in await room.sms("grid", f"1 {code}")
    assert (room.case.stage, room.case.owner) == (Stage.ACKNOWLEDGED, "person:grid")


async def test_a_reply_without_a_code_means_the_one_that_is_left(room: AnsweringRoom) -> None:
    await merged(room)
    assert "已由您受理" in await room.sms("grid", "1")
    assert room.case.owner == "person:grid"


async def test_a_tap_for_the_merged_case_takes_the_other_one_and_takes_nothing_away(room: AnsweringRoom) -> None:
    first, code = await merged(room)
    assert "情况已有变化" in await room.sms("grid", f"误报 {code}")
    assert room.case.open, "only who saw the case that is left can end it"
    assert (await room.taps("grid", first, Answer.COMING)).result == "acted"
    assert (room.case.stage, room.case.owner) == (Stage.DISPATCHED, "person:grid")
