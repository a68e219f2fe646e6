"""A simulated 120 centre: takes emergency cards over HTTP, reads them as a dispatcher would, and keeps a full log.

It is a simulation and says so: a card that is not marked as a drill (演练) is refused with 403, so that nothing real
can ever be sent here by mistake and believed to have arrived.
"""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import unquote

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from firmware_sim.world.behaviour import CentreBehaviour, Mood, until_hung_up
from firmware_sim.world.server import hang_up

SEATS = 12
MARK = "【演练】"
_TO_THE_DOOR = re.compile(r"[0-9０-９一二三四五六七八九十百]+\s*(?:号|號|室|户|门|栋|楼|单元|杆)|\d")
_TELEPHONE = re.compile(r"[+0-9][0-9 ()-]{2,24}")


@dataclass(slots=True)
class Call:
    """One emergency call, however often it was sent."""

    reference: str
    key: str
    state: str
    seat: str
    card: dict[str, Any]
    received_at_ms: int
    duplicates: int = 0
    """How often the same key came again."""
    cancelled_at_ms: int | None = None
    cancel_reason: str = ""
    cancels: int = 0
    updates: dict[str, str] = field(default_factory=dict)
    """What was said afterwards, by idempotency key."""


@dataclass(slots=True)
class Attempt:
    """One HTTP request that wanted to place a call."""

    key: str
    at_ms: int
    outcome: str
    field: str = ""


@dataclass(slots=True)
class Centre:
    """The centre's log and mood. ``token`` is asked for in ``Authorization: Bearer …`` where it is given."""

    token: str | None = None
    mood: Mood[CentreBehaviour] = field(default_factory=lambda: Mood(CentreBehaviour()))
    calls: dict[str, Call] = field(default_factory=dict)
    """By idempotency key, in the order they came."""
    attempts: list[Attempt] = field(default_factory=list)

    def routes(self) -> list[Route]:
        """Its doors, for the simulated world's server."""
        return [
            Route("/calls", self._place, methods=["POST"]),
            Route("/calls", self._log, methods=["GET"]),
            Route("/calls/by-key/{key:path}", self._by_key, methods=["GET"]),
            Route("/calls/{reference}/cancel", self._cancel, methods=["POST"]),
            Route("/calls/{reference}/update", self._update, methods=["POST"]),
            Route("/behaviour", self._set_behaviour, methods=["PUT"]),
            Route("/behaviour", self._behaviour, methods=["GET"]),
        ]

    # --- the line ---------------------------------------------------------------------------------------------

    async def _place(self, request: Request) -> Response:
        key = unquote(request.headers.get("Idempotency-Key", ""))  # a header holds ASCII, a key may hold more
        attempt = Attempt(key=key, at_ms=_now_ms(), outcome="unfinished")
        self.attempts.append(attempt)
        denied = self._denied(request)
        if denied is not None:
            attempt.outcome = "unauthorized"
            return denied
        card = await _object(request)
        behaviour = self.mood.next()
        await asyncio.sleep(behaviour.delay_s)
        if behaviour.mode == "hang":
            attempt.outcome = "hang"
            await until_hung_up(request)
            return Response(status_code=504)
        if behaviour.mode == "busy":
            attempt.outcome = "busy"
            return _problem(503, "busy", "", "全部坐席忙 all seats are busy, call again", {"Retry-After": "5"})
        if behaviour.mode == "refuse":
            attempt.outcome = "refused"
            return _problem(422, "refused", "complaint", "坐席拒绝受理 the dispatcher does not take this call")
        fault = read_card(key, card)
        if fault is not None:
            attempt.outcome, attempt.field = "refused", fault[2]
            return _problem(*fault)
        assert isinstance(card, dict)
        call = self._accept(key, card)
        attempt.outcome = "answered"
        if behaviour.mode == "crash_after_accept":
            attempt.outcome = "crash_after_accept"
            await hang_up(request)
            return Response(status_code=500)
        return JSONResponse(_answer(call))

    def _accept(self, key: str, card: dict[str, Any]) -> Call:
        known = self.calls.get(key)
        if known is not None:
            known.duplicates += 1
            return known
        number = len(self.calls) + 1
        call = Call(
            reference=f"120-{number:06d}",
            key=key,
            state="answered",
            seat=str((number + 10) % SEATS + 1),
            card=card,
            received_at_ms=_now_ms(),
        )
        self.calls[key] = call
        return call

    async def _by_key(self, request: Request) -> Response:
        denied = self._denied(request)
        if denied is not None:
            return denied
        call = self.calls.get(request.path_params["key"])
        if call is None:
            return _problem(404, "unknown_key", "key", "没有这个呼叫 no call with this key has arrived")
        return JSONResponse(_answer(call))

    def _of_reference(self, request: Request) -> Call | Response:
        """The call that the path names, or why not."""
        denied = self._denied(request)
        if denied is not None:
            return denied
        reference = request.path_params["reference"]
        found = next((call for call in self.calls.values() if call.reference == reference), None)
        return found or _problem(404, "unknown_reference", "reference", "没有这个呼叫 there is no such call")

    async def _cancel(self, request: Request) -> Response:
        call = self._of_reference(request)
        if isinstance(call, Response):
            return call
        told = await _object(request)
        call.cancels += 1
        if call.state != "cancelled":
            call.state, call.cancelled_at_ms = "cancelled", _now_ms()
            call.cancel_reason = str((told or {}).get("reason", ""))
        return JSONResponse(_answer(call))

    async def _update(self, request: Request) -> Response:
        call = self._of_reference(request)
        if isinstance(call, Response):
            return call
        told = await _object(request) or {}
        if told.get("drill") is not True:
            return _problem(403, "not_a_drill", "drill", "本中心为模拟，只接演练呼叫 a simulation takes only drills")
        call.updates.setdefault(unquote(request.headers.get("Idempotency-Key", "")), str(told.get("what", "")))
        if isinstance(told.get("card"), dict):
            call.card = told["card"]
        return JSONResponse(_answer(call))

    def _denied(self, request: Request) -> Response | None:
        if self.token is None or request.headers.get("Authorization") == f"Bearer {self.token}":
            return None
        return _problem(401, "unauthorized", "Authorization", "凭证无效 expected Authorization: Bearer <token>")

    # --- for tests and the demo -------------------------------------------------------------------------------

    async def _log(self, request: Request) -> Response:
        return JSONResponse(
            {
                "calls": [asdict(call) for call in self.calls.values()],
                "attempts": [asdict(attempt) for attempt in self.attempts],
                "duplicates": sum(call.duplicates for call in self.calls.values()),
            }
        )

    async def _set_behaviour(self, request: Request) -> Response:
        try:
            self.mood.set(CentreBehaviour.model_validate(await _object(request)))
        except ValidationError as error:
            return _problem(422, "bad_behaviour", "body", str(error.errors(include_url=False)[0]["msg"]))
        return await self._behaviour(request)

    async def _behaviour(self, request: Request) -> Response:
        return JSONResponse(self.mood.now.model_dump())


def read_card(key: str, card: dict[str, Any] | None) -> tuple[int, str, str, str] | None:
    """What a dispatcher would ask first: (status, code, field, sentence) of the first fault, or None."""
    if not key:
        return 422, "missing", "Idempotency-Key", "缺少去重编号 a call needs an Idempotency-Key header"
    if card is None:
        return 422, "malformed", "body", "不是 JSON 对象 expected a JSON object, the emergency card"
    if card.get("drill") is not True:
        return (
            403,
            "not_a_drill",
            "drill",
            "本中心为模拟，只接演练呼叫 this centre is a simulation: only drills (drill: true)",
        )
    address = card.get("address")
    text = address.get("zh", "") if isinstance(address, dict) else address
    if not isinstance(text, str) or not text.replace(MARK, "").strip():
        return 422, "missing", "address", "缺少现场地址 where? the address is missing"
    if not _TO_THE_DOOR.search(text):
        return 422, "incomplete", "address", "地址不到门牌 the address must go down to the door or the pole"
    complaint = card.get("complaint")
    if not isinstance(complaint, str) or not complaint.replace(MARK, "").strip():
        return 422, "missing", "complaint", "缺少主诉 what happened? the chief complaint is missing"
    call_back = card.get("call_back")
    if not isinstance(call_back, str) or not call_back.strip():
        return 422, "missing", "call_back", "缺少回拨电话 the number to call back is missing"
    if not _TELEPHONE.fullmatch(call_back.strip()):
        return 422, "malformed", "call_back", f"回拨电话不是号码 {call_back[:30]!r} is not a telephone number"
    return None


def _answer(call: Call) -> dict[str, object]:
    return {
        "reference": call.reference,
        "state": call.state,
        "seat": call.seat,
        "received_at_ms": call.received_at_ms,
        "duplicates": call.duplicates,
        "say_zh": "【演练】120 模拟中心已受理，救护车视为已派出"
        if call.state == "answered"
        else "【演练】120 模拟中心已记录：误报，已取消",
        "say_en": "Drill: the simulated 120 centre has taken the call"
        if call.state == "answered"
        else "Drill: the simulated 120 centre has noted that it was a mistake",
    }


async def _object(request: Request) -> dict[str, Any] | None:
    """The JSON object in the body, or None."""
    try:
        found = await request.json()
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _problem(status: int, code: str, field_name: str, text: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"code": code, "field": field_name, "reason": text}, status_code=status, headers=headers)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
