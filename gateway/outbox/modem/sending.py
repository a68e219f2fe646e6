"""An SMS on its way from a modem to the centre, part by part, and what it means when one does not get through."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence

from gateway.alarms import Frozen
from gateway.outbox.channel import Result, Speaks, always
from gateway.outbox.modem.at import CTRL_Z, Command
from gateway.outbox.modem.link import AtLink, Lost, Silent
from gateway.outbox.modem.pdu import Submit
from gateway.outbox.modem.timing import Timing

CMS_NEVER = frozenset({1, 8, 21, 27, 28, 29, 30, 50, 69, 304, 513})
"""The number, or the message, is wrong: it will not get better."""
CMS_UNKNOWN = frozenset({332, 500})
"""It may have gone out."""
PART_TRIES = 2


class Handed(Frozen):
    """What became of an SMS on its way to the centre."""

    result: Result
    """SENT: the centre has every part. RETRY, REFUSED: it has none. UNKNOWN: it may have some."""
    detail: str
    sim: str = ""
    references: tuple[int, ...] = ()
    """TP-MR of each part, for its delivery report."""


async def hand_over(
    link: AtLink, submits: Sequence[Submit], sim: str, timing: Timing, speaks: Speaks = always
) -> Handed:
    """Every part of one message to the centre, in their order. Raises NotOurs, before the first of them."""
    references: list[int] = []
    for number, submit in enumerate(submits, 1):
        which = f"第 {number}/{len(submits)} 条 part {number} of {len(submits)}: " if len(submits) > 1 else ""
        try:
            handed = await _part(link, submit, timing, always if references else speaks)
        except (Silent, Lost) as error:
            return Handed(result=Result.UNKNOWN, detail=f"{which}{error}")
        if isinstance(handed, Handed):
            result = Result.UNKNOWN if references else handed.result
            return Handed(result=result, detail=which + handed.detail)
        references.append(handed)
    detail = "短信中心已接收 taken by the SMS centre"
    return Handed(result=Result.SENT, detail=detail, sim=sim, references=tuple(references))


async def _part(link: AtLink, submit: Submit, timing: Timing, speaks: Speaks) -> int | Handed:
    """Its reference, or why not. A refusal that may be a passing one is tried once more."""
    patience = timing.command / Timing().command
    command = Command(
        text=f"AT+CMGS={submit.length}",
        info=("+CMGS:",),
        payload=submit.hex.encode() + CTRL_Z,
        timeout_s=timing.send / patience,
    )
    for left in reversed(range(PART_TRIES)):
        answer = await link.run(command, speaks)
        if answer.ok:
            found = re.match(r"\d+", answer.first)
            if found is None:
                return Handed(result=Result.UNKNOWN, detail="模块未给出编号 OK without a reference")
            return int(found[0])
        _, code = answer.error
        if code in CMS_UNKNOWN:
            return Handed(result=Result.UNKNOWN, detail=answer.final)
        if code in CMS_NEVER:
            return Handed(result=Result.REFUSED, detail=f"网络拒绝 refused by the network: {answer.final}")
        if left:
            await asyncio.sleep(timing.poll)
    return Handed(result=Result.RETRY, detail=answer.final)
