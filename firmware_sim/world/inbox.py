"""A simulated messenger: whatever people are told by Apprise (``json://``) or webhook lands in their inbox here."""

from __future__ import annotations

import asyncio
import json
import time
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from firmware_sim.world.behaviour import InboxBehaviour, Mood, until_hung_up


@dataclass(frozen=True, slots=True)
class Received:
    """One message that arrived."""

    who: str
    at_ms: int
    key: str
    """``X-Anju-Key`` or the body's ``key``; empty where there is none."""
    title: str
    body: str
    duplicate: bool
    """This person has had a message with this key before."""
    headers: dict[str, str]
    document: Any
    """The JSON that was posted, or the text where it was none."""


@dataclass(slots=True)
class Inbox:
    """All recipients' messages, in memory and, where ``file`` is given, one JSON line each."""

    file: Path | None = None
    messages: list[Received] = field(default_factory=list)
    attempts: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """Requests per recipient, whatever became of them."""
    moods: dict[str, Mood[InboxBehaviour]] = field(default_factory=lambda: defaultdict(lambda: Mood(InboxBehaviour())))

    def routes(self) -> list[Route]:
        """Its doors, for the simulated world's server."""
        return [
            Route("/inbox", self._all, methods=["GET"]),
            Route("/inbox", self._clear, methods=["DELETE"]),
            Route("/inbox/{who}", self._receive, methods=["POST"]),
            Route("/inbox/{who}", self._of, methods=["GET"]),
            Route("/inbox/{who}", self._clear, methods=["DELETE"]),
            Route("/inbox/{who}/behaviour", self._set_behaviour, methods=["PUT"]),
        ]

    async def _receive(self, request: Request) -> Response:
        who = request.path_params["who"]
        raw = await request.body()
        self.attempts[who] += 1
        behaviour = self.moods[who].next()
        if behaviour.mode == "hang":
            await until_hung_up(request)
            return Response(status_code=504)
        if behaviour.mode == "fail":
            return JSONResponse({"error": "as asked"}, status_code=behaviour.status)
        if behaviour.mode == "slow":
            await asyncio.sleep(behaviour.delay_s)
        message = self._read(who, raw, request)
        self.messages.append(message)
        if self.file is not None:
            with self.file.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(asdict(message), ensure_ascii=False) + "\n")
        return JSONResponse({"ok": True, "duplicate": message.duplicate})

    def _read(self, who: str, raw: bytes, request: Request) -> Received:
        try:
            document: Any = json.loads(raw)
        except (ValueError, RecursionError):
            document = raw.decode("utf-8", errors="replace")
        fields = document if isinstance(document, dict) else {"body": document}
        key = request.headers.get("X-Anju-Key") or str(fields.get("key") or "")
        return Received(
            who=who,
            at_ms=time.time_ns() // 1_000_000,
            key=key,
            title=str(fields.get("title", "")),
            body=str(fields.get("body", fields.get("message", ""))),
            duplicate=bool(key) and any(m.who == who and m.key == key for m in self.messages),
            headers={name: value for name, value in request.headers.items() if name != "authorization"},
            document=document,
        )

    async def _all(self, request: Request) -> Response:
        return self._listing(self.messages, sum(self.attempts.values()))

    async def _of(self, request: Request) -> Response:
        who = request.path_params["who"]
        return self._listing([m for m in self.messages if m.who == who], self.attempts.get(who, 0))

    @staticmethod
    def _listing(messages: list[Received], attempts: int) -> Response:
        return JSONResponse(
            {
                "messages": [asdict(message) for message in messages],
                "duplicates": sum(message.duplicate for message in messages),
                "attempts": attempts,
            }
        )

    async def _clear(self, request: Request) -> Response:
        who = request.path_params.get("who")
        self.messages[:] = [m for m in self.messages if who is not None and m.who != who]
        for name in [who] if who is not None else list(self.attempts):
            self.attempts.pop(name, None)
        return Response(status_code=204)

    async def _set_behaviour(self, request: Request) -> Response:
        try:
            behaviour = InboxBehaviour.model_validate_json(await request.body())
        except ValidationError as error:
            return JSONResponse({"error": str(error.errors(include_url=False)[0]["msg"])}, status_code=422)
        self.moods[request.path_params["who"]].set(behaviour)
        return JSONResponse(behaviour.model_dump())
