"""The 120 line of this version: a drill. It speaks HTTP to a simulated centre, and knows no other way to call anybody.

There is deliberately no mode, number or modem in here: an object that cannot reach the public network cannot do so by
mistake. Every text it sends carries the mark 演练.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote, urlsplit

from gateway.cases.effects import Purpose, Send
from gateway.outbox.card import MARK, card_for_line, marked, unmarked
from gateway.outbox.channel import Attempt, Limits, Report, Result
from gateway.outbox.channels.exchange import Answer, exchange, header_text, http_client, status_report
from gateway.outbox.channels.template import Template
from gateway.settings import Secrets

logger = logging.getLogger(__name__)

VITALS_WITHIN_S = 3.0
"""A call does not wait for telemetry."""

Vitals = Callable[[str], Awaitable[list[dict[str, object]]]]
"""The newest vital signs of a resident, by id."""


class DrillLine:
    """Calls the simulated 120 centre at ``url``, by the other way at ``backup_url``; ``secret`` names the token it
    wants, if any.

    ``vitals`` is asked at each call, so that the card has the newest.

    ``POST /calls`` with the EmergencyCard and ``Idempotency-Key``; ``GET /calls/by-key/<key>`` asks what became of a
    call; ``POST /calls/<reference>/update`` tells it what is new; ``POST /calls/<reference>/cancel`` tells the centre
    that it was a mistake. Raises ValueError for a URL that is not HTTP.
    """

    def __init__(
        self,
        url: str,
        secret: str | None,
        secrets: Secrets,
        *,
        backup_url: str = "",
        vitals: Vitals | None = None,
        limits: Limits | None = None,
    ) -> None:
        ways = [url, backup_url] if backup_url else [url]
        if any(urlsplit(way).scheme not in ("http", "https") for way in ways):
            raise ValueError("emergency_line.url: expected http:// or https:// of the simulated 120 centre")
        self.limits = limits or Limits(timeout_s=10, parallel=8, unclear_max=3)
        self._urls = [Template(way.rstrip("/"), secrets) for way in ways]
        self._secret = secret
        self._secrets = secrets
        self._vitals = vitals
        self._client = http_client(self.limits.timeout_s, trust_env=False)

    async def send(self, message: Send, attempt: Attempt) -> Report:
        if message.purpose is Purpose.EMERGENCY_CANCEL:
            return await self._cancel(message)
        if message.purpose is Purpose.EMERGENCY_UPDATE:
            return await self._update(message)
        base = dict(message.data)
        if attempt.repeat:
            # The centre knows repeats by the key; whoever reads the card has to know as well.
            base["complaint"] = f"（重复呼叫，可能已受理）{unmarked(str(base.get('complaint', '')))}"
        card = card_for_line(base, await self._newest_vitals(base), drill=True)
        card |= {"number": message.to, "attempt": attempt.number, "repeat": attempt.repeat}
        answer = await self._exchange("POST", "/calls", message.key, card, _way(message))
        if isinstance(answer, Report):
            return answer
        report = _answered(answer)
        signs = "、".join(f"{sign['metric']} {sign['value']:g} {sign['unit']}" for sign in card.get("vitals") or ())
        # The rest of the card stands in the outbox; the vitals are those of this moment, so they are kept here.
        return report.model_copy(update={"detail": f"{report.detail}；体征 vitals: {signs}"}) if signs else report

    async def ask(self, message: Send) -> Report | None:
        if message.purpose is not Purpose.EMERGENCY_CALL:
            return None  # cancelling twice is cancelling once, and the centre knows an update by its key
        answer = await self._look_up(message.key, _way(message))
        if isinstance(answer, Report):
            # Nothing was learnt about the call, whatever became of the question.
            return Report(result=Result.UNKNOWN, detail=answer.detail)
        if answer.status == 404:
            return Report(result=Result.RETRY, detail="急救中心未收到 the centre has no such call")
        if answer.status == 200:
            return _answered(answer)
        return Report(result=Result.UNKNOWN, detail=f"HTTP {answer.status}")

    async def trouble(self) -> str:
        """Why the centre would not take a call, as far as one can know without calling; empty where it would.

        It asks what became of a call that never was: a centre that is there, and knows us, says that it has none.
        """
        answer = await self._look_up("anju-check")
        if isinstance(answer, Report):
            return self._urls[0].hide(answer.detail)
        if answer.status in (200, 404):
            return ""
        said = _reason(answer)
        return f"HTTP {answer.status}{f': {said}' if said else ''}"

    async def close(self) -> None:
        await self._client.aclose()

    async def _newest_vitals(self, base: dict[str, Any]) -> list[dict[str, object]] | None:
        patient = base.get("patient")
        if self._vitals is None or not isinstance(patient, dict) or "id" not in patient:
            return None
        try:
            async with asyncio.timeout(VITALS_WITHIN_S):
                return await self._vitals(str(patient["id"]))
        except Exception:  # whatever is wrong with telemetry: the call is made without it
            logger.exception("the emergency card goes without vitals")
            return None

    async def _update(self, message: Send) -> Report:
        """Tell the centre what is new, with the newest vitals."""
        base = message.data.get("card")
        base = dict(base) if isinstance(base, dict) else {}
        card = card_for_line(base, await self._newest_vitals(base), drill=True)
        told = {"what": marked(str(message.data.get("what", ""))), "card": card}
        report, reference = await self._tell(message, "update", told)
        if report.result is not Result.DELIVERED:
            return report
        detail = f"已告知急救中心新情况 the centre knows what is new ({reference})"
        return Report(result=Result.DELIVERED, detail=detail, reference=reference)

    async def _cancel(self, message: Send) -> Report:
        told = {key: value for key, value in message.data.items() if key != "card"}  # the centre has it
        told |= {"reason": marked(str(message.data.get("reason", "")))}
        report, reference = await self._tell(message, "cancel", told)
        if report.result is not Result.DELIVERED:
            return report
        detail = f"已告知急救中心取消 the centre knows that it is cancelled ({reference})"
        return Report(result=Result.DELIVERED, detail=detail, reference=reference)

    async def _tell(self, message: Send, what: str, told: dict[str, Any]) -> tuple[Report, str]:
        """Say something about a call that was made, and the centre's reference of that call."""
        reference = str(message.data.get("reference") or "")
        if not reference:
            found = await self._look_up(str(message.data.get("call_key", "")), _way(message))
            if isinstance(found, Report):
                return Report(result=Result.RETRY, detail=found.detail), ""  # so far it was only a question
            reference = str(found.document.get("reference") or "")
            if found.status != 200 or not reference:
                detail = f"HTTP {found.status}: 呼叫尚未送达急救中心 the call has not reached the centre yet"
                return Report(result=Result.RETRY, detail=detail), ""
        path = f"/calls/{quote(reference, safe='')}/{what}"
        answer = await self._exchange("POST", path, message.key, told | {"drill": True, "mark": MARK}, _way(message))
        if isinstance(answer, Report):
            return answer, reference
        said = _reason(answer)
        return status_report(answer, f"HTTP {answer.status}{f': {said}' if said else ''}"), reference

    async def _look_up(self, key: str, way: int = 0) -> Answer | Report:
        return await self._exchange("GET", f"/calls/by-key/{quote(key, safe='')}", key, None, way)

    async def _exchange(
        self, method: str, path: str, key: str, document: dict[str, Any] | None, way: int
    ) -> Answer | Report:
        try:
            url = self._urls[min(way, len(self._urls) - 1)].fill() + path
            token = self._secrets.get(self._secret) if self._secret else None
        except KeyError as error:
            return Report(result=Result.RETRY, detail=str(error.args[0]))
        headers = {"Idempotency-Key": header_text(key), "Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        content = None if document is None else json.dumps(document, ensure_ascii=False).encode()
        return await exchange(self._client, method, url, content=content, headers=headers)


def _way(message: Send) -> int:
    """By which way to the line the message goes: 0 the first, 1 the other one."""
    path = message.data.get("path", 0)
    return path if isinstance(path, int) else 0


def _answered(answer: Answer) -> Report:
    """What the centre made of a call."""
    said = _reason(answer)
    if not 200 <= answer.status < 300:
        if answer.status == 503:
            return Report(result=Result.RETRY, detail=f"占线 busy{f': {said}' if said else ''}")
        return status_report(answer, f"HTTP {answer.status}{f': {said}' if said else ''}")
    document = answer.document
    reference = document.get("reference")
    if not reference:
        # Something answers 200 there, but it is no centre: nobody has heard the call.
        detail = "HTTP 200 无受理编号，请核对 emergency_line.url; no reference: check emergency_line.url"
        return Report(result=Result.RETRY, detail=detail)
    seat = document.get("seat")
    where = f"席位 {seat} 已接听 answered by seat {seat}" if seat else "已受理 accepted"
    return Report(result=Result.DELIVERED, detail=f"【{MARK}】{where}", reference=str(reference))


def _reason(answer: Answer) -> str:
    """The centre's own words, shortened."""
    document = answer.document
    return str(document.get("detail") or document.get("reason") or "")[:200]
