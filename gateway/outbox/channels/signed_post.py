"""One signed HTTP POST, as webhooks and CAP messages are sent. The receiver's side is told in docs/webhook.md."""

from __future__ import annotations

import hashlib
import hmac

from gateway.cases.effects import Send
from gateway.outbox.channel import Attempt, Limits, Report, Result
from gateway.outbox.channels.exchange import exchange, header_text, http_client, status_report
from gateway.outbox.channels.template import Template
from gateway.settings import Secrets


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """``sha256=`` and the HMAC-SHA256, in hex, over timestamp, a full stop, and the body as sent."""
    return "sha256=" + hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


class SignedPost:
    """Delivered means that the receiver answered 2xx. It tells repeats by ``X-Anju-Key``."""

    def __init__(self, url: str, secret: str, secrets: Secrets, limits: Limits) -> None:
        self._url = Template(url, secrets)
        self._secret = secret
        self._secrets = secrets
        self._client = http_client(limits.timeout_s)

    async def post(self, message: Send, attempt: Attempt, body: bytes, content_type: str) -> Report:
        """One attempt at ``body``, signed, with the key of ``message``. Never raises for what the other side does."""
        try:
            secret, url = self._secrets.get(self._secret), self._url.fill()
        except KeyError as error:
            return Report(result=Result.RETRY, detail=str(error.args[0]))
        timestamp = str(attempt.at_ms // 1000)
        answer = await exchange(
            self._client,
            "POST",
            url,
            content=body,
            headers={
                "Content-Type": content_type,
                "X-Anju-Key": header_text(message.key),
                "X-Anju-Timestamp": timestamp,
                "X-Anju-Signature": signature(secret, timestamp, body),
            },
        )
        if isinstance(answer, Report):
            return answer.model_copy(update={"detail": self._url.hide(answer.detail)})
        if 300 <= answer.status < 400:
            detail = f"HTTP {answer.status}: 不跟随重定向 redirects are not followed, give the final URL"
            return Report(result=Result.REFUSED, detail=detail)
        return status_report(answer, f"HTTP {answer.status}")

    async def close(self) -> None:
        await self._client.aclose()
