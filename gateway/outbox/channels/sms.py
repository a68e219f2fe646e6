"""SMS over the gateway's own modems: few words, the link and the code at the end, and a delivery report."""

from __future__ import annotations

from gateway.cases.effects import Send
from gateway.outbox.channel import Attempt, Invitation, Limits, Report, Result
from gateway.outbox.modem import alphabet, pdu
from gateway.outbox.modem.ledger import SmsLedger
from gateway.outbox.modem.pool import ModemPool
from gateway.outbox.modem.reports import Fate

MOST_PARTS = 3
"""A text of more parts is shortened: each of them can get lost, and nobody reads so much on a telephone in a hurry."""
REPORT_WITHIN_S = 60.0
"""Without a report for so long the person's next address is tried as well; the report is still waited for."""
SEND_WITHIN_S = 90.0
REPEAT = "（可能重复 may be a repeat）"
SHORTENED = "…"


class SmsMessenger:
    """SENT when the centre has it; DELIVERED with its report, or at once where reports are not asked for."""

    def __init__(
        self, pool: ModemPool, ledger: SmsLedger, *, delivery_reports: bool = True, limits: Limits | None = None
    ) -> None:
        self.limits = limits or Limits(timeout_s=SEND_WITHIN_S, parallel=4, unclear_max=3, answer_s=REPORT_WITHIN_S)
        self._pool = pool
        self._ledger = ledger
        self._reports = delivery_reports

    async def send(self, message: Send, attempt: Attempt) -> Report:
        handed = await self._pool.send(
            message.key,
            message.to,
            wording(message, attempt.invitation, repeat=attempt.repeat),
            urgent=message.urgent,
            report=self._reports,
            # What comes after the case has given it up is worse than nothing.
            validity_s=max(300, (attempt.deadline_ms - attempt.at_ms) // 1000),
            speaks=attempt.speaks,
        )
        if handed.result is Result.SENT and not self._reports:
            return Report(result=Result.DELIVERED, detail=handed.detail)
        return Report(result=handed.result, detail=handed.detail)

    async def ask(self, message: Send) -> Report | None:
        fate = await self._ledger.stands(message.key)
        if fate is None:
            return None
        if fate is Fate.TRYING:
            return Report(result=Result.SENT, detail="短信中心已接收，尚无回执 with the SMS centre, no report yet")
        return report_of(fate, "回执 by its delivery report")

    async def close(self) -> None:
        """The pool is the gateway's, and outlives the registry that names this channel."""


def report_of(fate: Fate, words: str) -> Report:
    """A delivery report as the outbox takes it. Raises ValueError for one that is not final."""
    if fate is Fate.TRYING:
        raise ValueError("the centre still tries")
    return Report(result=Result.DELIVERED if fate is Fate.DELIVERED else Result.REFUSED, detail=words)


def wording(message: Send, invitation: Invitation | None, *, repeat: bool) -> str:
    """The SMS: the title, of the body its first language, how to answer. What is too long loses its middle.

    The end is never shortened: without link and code nobody can answer.
    """
    english = message.say is not None and message.say.language == "en"
    end = _how_to_answer(invitation, english) if invitation is not None else ""
    first = message.body.split("\n\n")[0].strip()
    title = (REPEAT if repeat else "") + message.title
    for text in (_joined(title, first, end), _joined(title, first.replace("\n", "；"), end)):
        if _fits(text):
            return text
    lines = first.split("\n")
    while lines:
        lines.pop()
        text = _joined(title, "\n".join([*lines, SHORTENED]), end)
        if _fits(text):
            return text
    while title and not _fits(text := _joined(title + SHORTENED, "", end)):
        title = title[:-5]
    return text


def _how_to_answer(invitation: Invitation, english: bool) -> str:
    code = invitation.code
    if not code:
        return invitation.link
    how = f"Reply 1 {code} to accept, 2 {code} to pass on" if english else f"回复 1 {code} 受理，2 {code} 转下一位"
    return f"{how}\n{invitation.link}" if invitation.link else how


def _joined(*parts: str) -> str:
    return "\n".join(part for part in parts if part)


def _fits(text: str) -> bool:
    one, part = (pdu.ONE_GSM7, pdu.PART_GSM7) if alphabet.fits(text) else (pdu.ONE_UCS2, pdu.PART_UCS2)
    size = len(alphabet.septets(text)) if alphabet.fits(text) else pdu.units(text)
    return size <= one or size <= MOST_PARTS * part - MOST_PARTS  # a pair may be kept together at each cut
