"""When a message is tried again, and when it is given up. Pure."""

from __future__ import annotations

from gateway.outbox.channel import Limits, Report, Result
from gateway.outbox.records import Claim

URGENT_FIRST_S, URGENT_MAX_S = 2, 60
ROUTINE_FIRST_S, ROUTINE_MAX_S = 10, 600


def backoff_ms(attempt: int, *, urgent: bool, jitter: float) -> int:
    """Pause after the ``attempt``-th try: doubles up to a limit. ``jitter`` in 0..1 takes up to a quarter off it,

    so that a thousand messages do not come back to a recovering server in the same second.
    """
    first, most = (URGENT_FIRST_S, URGENT_MAX_S) if urgent else (ROUTINE_FIRST_S, ROUTINE_MAX_S)
    pause_s = min(most, first * 2 ** min(attempt - 1, 16))
    return int(pause_s * 1000 * (1 - jitter / 4))


def again_ms(claim: Claim, report: Report, limits: Limits, now_ms: int, jitter: float) -> int | None:
    """When to try again after ``report`` (for SENT: until when to wait for the answer); None: give up, or it is done.

    The last try falls on the deadline. UNKNOWN is never given up here but only after the other side has been asked.
    """
    pause_ms = backoff_ms(claim.attempts, urgent=claim.send.urgent, jitter=jitter)
    match report.result:
        case Result.DELIVERED | Result.REFUSED:
            return None
        case Result.SENT:
            return now_ms + max(pause_ms, int(limits.answer_s * 1000))
        case Result.UNKNOWN if now_ms >= claim.deadline_ms:
            return now_ms + pause_ms
        case Result.RETRY if now_ms >= claim.deadline_ms:
            return None
    return min(now_ms + pause_ms, claim.deadline_ms)


def hopeless(claim: Claim, limits: Limits, now_ms: int) -> str | None:
    """Why a message of unknown fate, about which nothing could be learnt, is not sent once more; None: send it.

    A message is entitled to a second try even past its deadline: the first may have died with the gateway.
    """
    if limits.unclear_max is not None and claim.unclear >= limits.unclear_max:
        return f"{claim.unclear} 次未得到明确答复，对方可能已收到 no clear answer to {claim.unclear} attempts"
    if now_ms >= claim.deadline_ms and claim.attempts > 1:
        return f"{claim.attempts} 次后超时，对方可能已收到 no answer in time after {claim.attempts} attempts"
    return None
