"""People who are told by a real outbox worker and answer: SMS, keys in a call, taps on a page.

async with answering(engine, tmp_path) as room:
    room.says("sos-1", "press")
    await room.goes_out()
    assert "已由您受理" in await room.sms("grid", f"1 {room.code('grid')}")
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from gateway.answers import rows
from gateway.answers.desk import AnswerDesk, Reply
from gateway.answers.invitations import Inviter
from gateway.answers.meaning import Answer
from gateway.cases.effects import DEVICE_CHANNEL, LINE_CHANNEL, Send
from gateway.cases.model import Case
from gateway.outbox.channel import Attempt, Heard, Invitation
from gateway.outbox.worker import OutboxWorker
from gateway.state import tables as t
from gateway.state.db import reading
from tests.support.decider import DecidersRoom
from tests.support.eventually import eventually_async
from tests.support.homes import FAR_LINE
from tests.support.outbox import ScriptedChannel

SECRET = "a secret of a test"
URL = "https://help.example.cn"


class AnsweringRoom(DecidersRoom):
    """A decider's room whose messages really go out, to channels that keep them."""

    def __init__(self, engine: sa.Engine, directory: Path, homes: int = 2, **options: Any) -> None:
        super().__init__(engine, directory, homes, **({"rungs": FAR_LINE, "lease_s": 180} | options))
        names = ("messenger", "sms", DEVICE_CHANNEL, LINE_CHANNEL)
        self.channels = {name: ScriptedChannel() for name in names}
        self.inviter = Inviter(SECRET, URL)
        self.worker = OutboxWorker(engine, self.channels, self.clock, lambda: None, invite=self.inviter)
        self.desk = self.open_desk()
        self._refs = itertools.count(1)

    def open_desk(self) -> AnswerDesk:
        """A desk as it is after a start."""
        return AnswerDesk(self.engine, self.decider, self.clock, lambda: self.directory_now)

    @property
    def directory_now(self) -> Any:
        view = self.decider.view
        return None if view is None else view.directory

    async def goes_out(self) -> None:
        """Everything that waits in the outbox is sent."""

        def none_left() -> bool:
            self.worker.wake()
            query = sa.select(sa.func.count()).where(t.outbox.c.status.in_(("pending", "sending")))
            with reading(self.engine) as connection:
                return not connection.execute(query).scalar_one()

        await eventually_async(none_left, 20, "everything was sent")
        await asyncio.to_thread(self.settle)

    def sent(self, person: str) -> list[tuple[Send, Attempt]]:
        """What a person was sent, in order."""
        every = (pair for channel in self.channels.values() for pair in channel.sent)
        return sorted((pair for pair in every if pair[0].person == person), key=lambda pair: pair[1].at_ms)

    def invitation(self, person: str) -> Invitation:
        """By the newest message that asked them for an answer."""
        found = [attempt.invitation for _, attempt in self.sent(person) if attempt.invitation is not None]
        assert found, f"{person} was not asked"
        return found[-1]

    def code(self, person: str) -> str:
        return self.invitation(person).code

    def token(self, person: str) -> str:
        """The last part of the newest link's address."""
        return self.invitation(person).link.removeprefix(f"{URL}/a/")

    def heard(self, sender: str, text: str, *, channel: str = "sms", ref: str = "", key: str | None = None) -> Heard:
        ref = ref or f"{channel}-{next(self._refs)}"
        return Heard(id=ref, channel=channel, sender=sender, text=text, key=key, at_ms=self.clock.now_ms())

    async def sms(self, sender: str, text: str, ref: str = "") -> str:
        return await self.desk(self.heard(sender, text, ref=ref))

    async def presses(self, person: str, keys: str) -> str:
        """Keys in the call that carried the newest message to a person."""
        return await self.desk(self.heard(person, keys, channel="voice", key=self.sent(person)[-1][0].key))

    async def taps(self, person: str, case: Case, answer: Answer, *, version: int | None = None, **more: Any) -> Reply:
        tapped = self.heard(person, answer.value, channel="link", ref=more.pop("ref", ""))
        return await self.desk.tap(
            tapped, person=person, case_id=case.id, answer=answer, version=version or case.version, **more
        )

    @property
    def case(self) -> Case:
        """The newest case."""
        return self.cases()[-1]

    def results(self) -> list[str | None]:
        return [kept.result for kept in reversed(rows.answers_of(self.engine))]


@contextlib.asynccontextmanager
async def answering(engine: sa.Engine, directory: Path, homes: int = 2, **options: Any) -> AsyncIterator[AnsweringRoom]:
    room = AnsweringRoom(engine, directory, homes, **options)
    working = asyncio.create_task(room.worker.run())
    try:
        yield room
    finally:
        room.worker.stop()
        await working
        room.stop()
