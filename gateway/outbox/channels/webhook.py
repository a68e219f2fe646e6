"""A signed HTTP POST to any system that can take one. The receiver's side is told in docs/webhook.md."""

from __future__ import annotations

import json

from gateway.cases.effects import Send
from gateway.outbox.channel import Attempt, Limits, Report
from gateway.outbox.channels.signed_post import SignedPost
from gateway.settings import Secrets


class Webhook:
    """Delivered means that the receiver answered 2xx. It tells repeats by ``X-Anju-Key``."""

    def __init__(
        self, url: str, secret: str, secrets: Secrets, *, per_minute: int | None = None, limits: Limits | None = None
    ) -> None:
        self.limits = limits or Limits(timeout_s=10, parallel=8, per_minute=per_minute)
        self._post = SignedPost(url, secret, secrets, self.limits)

    async def send(self, message: Send, attempt: Attempt) -> Report:
        body = json.dumps(
            {
                "key": message.key,
                "case": attempt.case,
                "purpose": message.purpose.value,
                "to": message.to,
                "title": message.title,
                "body": message.body,
                "data": message.data,
                "at": attempt.at_ms,
                "attempt": attempt.number,
                "repeat": attempt.repeat,
                "answer": None if attempt.invitation is None else attempt.invitation.model_dump(),
            },
            ensure_ascii=False,
        ).encode()
        return await self._post.post(message, attempt, body, "application/json")

    async def ask(self, message: Send) -> Report | None:
        return None

    async def close(self) -> None:
        await self._post.close()
