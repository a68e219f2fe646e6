"""One message on its way: asked about where its fate is unknown, sent once, and written down how that went."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from gateway.clock import Clock
from gateway.outbox import claims, policy
from gateway.outbox.channel import NOT_OURS, Attempt, NotOurs, OutboxChannel, Report, Result
from gateway.outbox.health import ChannelBook
from gateway.outbox.recorder import Recorder
from gateway.outbox.records import Claim

logger = logging.getLogger(__name__)


class Courier:
    """Used in one event loop, for many messages at once.

    ``on_outcome`` is called after something was recorded that a case may have to hear; ``leads`` says whether this
    gateway still speaks, and ``jitter`` (0..1) spreads the repeats.
    """

    def __init__(
        self,
        recorder: Recorder,
        book: ChannelBook,
        clock: Clock,
        on_outcome: Callable[[], None],
        *,
        leads: Callable[[], bool],
        jitter: Callable[[], float],
    ) -> None:
        self._recorder = recorder
        self._book = book
        self._clock = clock
        self._on_outcome = on_outcome
        self._leads = leads
        self._jitter = jitter

    async def deliver(self, claim: Claim, channel: OutboxChannel | None) -> None:
        """All of one claim. Nothing that a channel or the database does is raised; None: there is no such channel."""
        if channel is None:
            name = claim.send.channel
            reason = f"没有通道 there is no channel {name!r}: add it to the registry (channels) or correct the address"
            self._book.note(name, Report(result=Result.REFUSED, detail=reason))
            await self._conclude(claim, Report(result=Result.REFUSED, detail=reason))
            return
        begun: Claim | None = claim
        if claim.ask_first:
            begun = await self._find_out(claim, channel)
        if begun is None:
            return
        now_ms = self._clock.now_ms()
        report = await self._send(begun, channel, now_ms)
        self._book.note(claim.send.channel, report)
        now_ms = self._clock.now_ms()
        again_ms = policy.again_ms(begun, report, channel.limits, now_ms, self._jitter())
        await self._recorder.record(claims.finish, claim.key, begun.attempts, report, now_ms, again_ms=again_ms)
        self._on_outcome()

    async def _find_out(self, claim: Claim, channel: OutboxChannel) -> Claim | None:
        """Ask what became of earlier attempts; returns the claim with a new attempt begun, None when none is needed."""
        answer = await self._ask(claim, channel)
        if answer is not None and answer.result in (Result.DELIVERED, Result.REFUSED):
            self._book.note(claim.send.channel, answer)
            await self._conclude(claim, answer)
            return None
        now_ms = self._clock.now_ms()
        if answer is not None and answer.result is Result.SENT:
            if now_ms >= claim.deadline_ms:
                await self._conclude(claim, Report(result=Result.REFUSED, detail=answer.detail))
            else:
                until_ms = min(now_ms + int(channel.limits.answer_s * 1000), claim.deadline_ms)
                await self._recorder.record(claims.wait_on, claim.key, answer.detail, until_ms, now_ms)
                self._on_outcome()
            return None
        if answer is not None and answer.result is Result.RETRY:
            await self._recorder.record(claims.did_not_arrive, claim.key, answer.detail)
        elif hopeless := policy.hopeless(claim, channel.limits, self._clock.now_ms()):
            await self._conclude(claim, Report(result=Result.REFUSED, detail=hopeless))
            return None
        begun = await self._recorder.record(claims.begin, claim, self._clock.now_ms())
        if begun is None:
            self._on_outcome()  # it was withdrawn meanwhile
        return begun

    async def _ask(self, claim: Claim, channel: OutboxChannel) -> Report | None:
        try:
            async with asyncio.timeout(channel.limits.timeout_s):
                return await channel.ask(claim.send)
        except TimeoutError:
            return Report(result=Result.UNKNOWN, detail="询问无答复 no answer to the question")
        except (Exception, asyncio.CancelledError) as error:  # a broken channel must not stop the others
            if _stopped(error):
                raise
            logger.exception("outbox: channel %s failed when asked about %s", claim.send.channel, claim.key)
            return Report(result=Result.UNKNOWN, detail=type(error).__name__)

    async def _send(self, claim: Claim, channel: OutboxChannel, now_ms: int) -> Report:
        attempt = Attempt(
            case=claim.case_id,
            number=claim.attempts,
            repeat=claim.unclear > 0,
            at_ms=now_ms,
            deadline_ms=claim.deadline_ms,
            invitation=claim.invitation,
            speaks=self._leads,
        )
        limit_s = channel.limits.timeout_s
        if not self._leads():
            return NOT_OURS
        try:
            async with asyncio.timeout(limit_s):
                return await channel.send(claim.send, attempt)
        except NotOurs:
            return NOT_OURS
        except TimeoutError:
            return Report(result=Result.UNKNOWN, detail=f"{limit_s:g} 秒内无答复 no answer within {limit_s:g} s")
        except (Exception, asyncio.CancelledError) as error:  # a broken channel must not stop the others
            if _stopped(error):
                raise
            logger.exception("outbox: channel %s failed with %s", claim.send.channel, claim.key)
            return Report(result=Result.UNKNOWN, detail=f"通道故障 channel failed: {type(error).__name__}")

    async def _conclude(self, claim: Claim, report: Report) -> None:
        await self._recorder.record(claims.conclude, claim.key, report, self._clock.now_ms())
        self._on_outcome()


def _stopped(error: BaseException) -> bool:
    """Whether it is this task that is cancelled, and not something within the channel (a shared connection that ended):
    then the message would wait unsaid until its lease is over."""
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling() > 0
