"""CAP 1.2 messages to an outside system, by a signed POST."""

from __future__ import annotations

from gateway.cases.cap import CONTENT_TYPE, cap_xml
from gateway.cases.document import CaseDocument
from gateway.cases.effects import Send
from gateway.outbox.channel import Attempt, Limits, Report, Result
from gateway.outbox.channels.signed_post import SignedPost
from gateway.settings import Secrets


class CapPost:
    """What `gateway.cases.handover` says of a case, as XML."""

    def __init__(self, channel: str, url: str, secret: str, secrets: Secrets) -> None:
        self.limits = Limits(timeout_s=10, parallel=8)
        self._channel = channel
        self._post = SignedPost(url, secret, secrets, self.limits)

    async def send(self, message: Send, attempt: Attempt) -> Report:
        try:
            document = CaseDocument.model_validate(message.data["document"])
        except (KeyError, ValueError):
            return Report(result=Result.REFUSED, detail="不是案卷 expected a case of hand_over")
        body = cap_xml(document, to=message.to or self._channel)
        return await self._post.post(message, attempt, body.encode(), CONTENT_TYPE)

    async def ask(self, message: Send) -> Report | None:
        return None

    async def close(self) -> None:
        await self._post.close()
