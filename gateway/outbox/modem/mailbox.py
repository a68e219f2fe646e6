"""The SMS that lie on one SIM: read, put together, deleted once somebody has them."""

from __future__ import annotations

import logging
import re

from gateway.outbox.modem import pdu
from gateway.outbox.modem.at import Command
from gateway.outbox.modem.inbox import Inbox, Stored, Whole
from gateway.outbox.modem.link import AtLink
from gateway.outbox.modem.pdu import Deliver, StatusReport

log = logging.getLogger(__name__)

SPARE = 3
"""With fewer free places the oldest unfinished message is handed in as it is."""


class Mailbox:
    """Of one SIM in one modem, for one session. A restart makes a new one, and reads everything again."""

    def __init__(self, link: AtLink, sim: str, used: int | None, room: int | None) -> None:
        self._link = link
        self.sim = sim
        self.used = used
        self.room = room
        self.everything = False
        """All of it is to be read: at the start, and where something may have been missed."""
        self.arrived: set[int] = set()
        """Places that the modem named."""
        self.flashed: list[Deliver] = []
        """SMS that are shown at once and lie nowhere (class 0)."""
        self._inbox = Inbox()

    async def read(self, now_ms: int) -> tuple[list[Whole], list[StatusReport]]:
        """What can be handed in now. Raises Silent, Lost."""
        stored: list[tuple[int, str]] = []
        if self.everything:
            self.arrived.clear()  # before it: what arrives while the modem lists them may not be in the list
            stored = await self._list()
            self.everything = False
            self.arrived.difference_update(index for index, _ in stored)
        for index in sorted(self.arrived):
            text = await self._one(index)
            self.arrived.discard(index)
            if text:
                stored.append((index, text))
        whole: list[Whole] = []
        reports: list[StatusReport] = []
        for index, text in stored:
            try:
                found = pdu.read(text)
            except pdu.PduError as error:
                log.warning("an SMS on the SIM cannot be read (%s) and is deleted: %s", error, text[:400])
                await self.delete((index,))
                continue
            if isinstance(found, StatusReport):
                reports.append(found)
                await self.delete((index,))
            elif (done := self._inbox.take(Stored(index, found), now_ms)) is not None:
                whole.append(done)
        for flash in self.flashed:
            if (done := self._inbox.take(Stored(0, flash), now_ms)) is not None:
                whole.append(done)
        self.flashed.clear()
        spare = self.room is None or self.used is None or self.room - self.used >= SPARE
        return [*whole, *self._inbox.due(now_ms, room=spare)], reports

    async def delete(self, indexes: tuple[int, ...]) -> None:
        """Somebody has it, and it is durable. Raises Silent, Lost."""
        for index in indexes:
            if index:
                await self._link.run(Command(text=f"AT+CMGD={index}", timeout_s=10))
        await self.count()

    async def count(self) -> None:
        """How much lies there."""
        answer = await self._link.run(Command(text="AT+CPMS?", info=("+CPMS:",)))
        found = re.match(r"\"\w+\",(\d+),(\d+)", answer.first) if answer.ok else None
        if found:
            self.used, self.room = int(found[1]), int(found[2])

    async def _list(self) -> list[tuple[int, str]]:
        answer = await self._link.run(Command(text="AT+CMGL=4", info=("+CMGL:",), with_pdu=True, timeout_s=20))
        found = []
        for line in answer.lines:
            header, _, text = line.partition("\n")
            index = re.match(r"\+CMGL: ?(\d+)", header)
            if index and text:
                found.append((int(index[1]), text))
        if not answer.ok:
            log.warning("the SMS on the SIM cannot be listed: %s", answer.final)
        await self.count()
        return found

    async def _one(self, index: int) -> str:
        answer = await self._link.run(Command(text=f"AT+CMGR={index}", info=("+CMGR:",), with_pdu=True, timeout_s=10))
        if not answer.ok or not answer.lines:
            return ""
        return answer.lines[0].partition("\n")[2]
