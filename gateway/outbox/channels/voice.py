"""Voice calls over an ordered list of ways: the modems, a SIP trunk. Delivered means that somebody pressed a key.

A voicemail answers, too, and a child; so answering counts for nothing. The keys are handed to whoever understands them
before the call counts as delivered: what was pressed is never lost.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from gateway.cases.effects import Send
from gateway.cases.wording_spoken import speakable
from gateway.clock import Clock
from gateway.outbox.channel import Attempt, Heard, Limits, Listener, Report, Result
from gateway.outbox.voice import Called, CallEnd, Caller, Words

log = logging.getLogger(__name__)

CALL_WITHIN_S = 150.0
"""Ringing, the words twice, and the time to press a key."""
TRIES = 2
"""Whoever does not press a key in the second call either is left alone: the person's next address is tried."""
KEYS = "1234"
VOICE = "voice"
"""`Heard.channel` of keys pressed in a call."""

_MENU = {
    "zh": "按 1 接受，按 2 转给下一位。",
    "en": "Press 1 to accept, 2 to pass on.",
}
_HEARD = {"zh": "听到请按 1。", "en": "Press 1 if you have heard this."}
_REPEAT = {"zh": "重复呼叫。", "en": "This call may repeat an earlier one. "}


class VoiceCalls:
    """Calls ``message.to`` by the first way that can place the call."""

    def __init__(
        self, callers: Sequence[Caller], listener: Listener, clock: Clock, *, limits: Limits | None = None
    ) -> None:
        self.limits = limits or Limits(timeout_s=2 * CALL_WITHIN_S, parallel=8, unclear_max=3)
        self._callers = callers
        self._listener = listener
        self._clock = clock

    async def send(self, message: Send, attempt: Attempt) -> Report:
        words = saying(message, attempt)
        tried: list[str] = []
        called = Called(end=CallEnd.NOT_PLACED, detail="没有语音线路 there is no way to place a call")
        for caller in self._callers:
            if not caller.free:
                tried.append(f"{type(caller).__name__}: 无空闲线路 no line is free")
                continue
            called = await caller.call(message.to, words, timeout_s=CALL_WITHIN_S, speaks=attempt.speaks)
            tried.append(called.detail)
            if called.end is not CallEnd.NOT_PLACED:
                break
        detail = "; ".join(tried) or called.detail
        if called.keys:
            return await self._pressed(message, attempt, called, detail)
        return _without_key(called.end, attempt.number, detail)

    async def _pressed(self, message: Send, attempt: Attempt, called: Called, detail: str) -> Report:
        heard = Heard(
            id=f"call:{message.key}:{attempt.number}",
            channel=VOICE,
            sender=message.to,
            text=called.keys,
            key=message.key,
            at_ms=self._clock.now_ms(),
        )
        try:
            await self._listener(heard)
        except Exception as error:
            log.exception("keys pressed in a call could not be taken in")
            return Report(
                result=Result.UNKNOWN,
                detail=f"{detail}；按键未能记录 keys {called.keys} were not taken in: {type(error).__name__}",
            )
        return Report(result=Result.DELIVERED, detail=detail)

    async def ask(self, message: Send) -> Report | None:
        return None

    async def close(self) -> None:
        """The lines are the gateway's, and outlive the registry that names this channel."""


def saying(message: Send, attempt: Attempt) -> Words:
    """What is said: that it may be a repeat, the saying of the message, which keys to press."""
    said = message.say
    language = said.language if said is not None else "zh"
    text = said.text if said is not None else speakable(message.title or message.body, language)
    menu = _MENU if attempt.invitation is not None else _HEARD
    return Words(
        text=f"{_REPEAT[language] if attempt.repeat else ''}{text} {menu[language]}",
        language=language,
        keys=KEYS,
    )


def _without_key(end: CallEnd, number: int, detail: str) -> Report:
    match end:
        case CallEnd.NOT_PLACED:
            return Report(result=Result.RETRY, detail=detail)
        case CallEnd.UNREACHABLE:
            return Report(result=Result.REFUSED, detail=f"{detail}：打不通 cannot be reached")
        case CallEnd.UNKNOWN:
            return Report(result=Result.UNKNOWN, detail=detail)
        case CallEnd.BUSY:
            said = "占线 busy"
        case CallEnd.NO_ANSWER:
            said = "无人接听 nobody answered"
        case CallEnd.ANSWERED:
            said = "无人按键 nobody pressed a key"
    return Report(result=Result.RETRY if number < TRIES else Result.REFUSED, detail=f"{detail}：{said}")
