"""What the end of a call that nobody took means: a SIP status, or none at all."""

from __future__ import annotations

import re

from gateway.outbox.voice import CallEnd

_STATUS = re.compile(r"([1-6]\d\d)\b")

_BUSY = {486, 600, 603, 607}
"""603, 607: the person, or the telephone by itself, declined."""
_NO_ANSWER = {408, 480, 487}
_UNREACHABLE = {301, 302, 404, 410, 414, 416, 484, 485, 604}
"""301, 302: it has moved; a trunk is not followed to somewhere else."""


def unanswered(reason: str, rang: bool) -> CallEnd:
    """The end of a call that was closed before anybody took it. ``reason`` is the status line, or an error's words."""
    found = _STATUS.match(reason.strip())
    if found is None:
        # The trunk is not there, or does not answer: nothing rang. If it did, the line broke off.
        return CallEnd.UNKNOWN if rang else CallEnd.NOT_PLACED
    status = int(found[1])
    if status in _BUSY:
        return CallEnd.BUSY
    if status in _NO_ANSWER:
        return CallEnd.NO_ANSWER
    if status in _UNREACHABLE:
        return CallEnd.UNREACHABLE
    # 401, 403, 407: not let in; 488: no common codec; 5xx: the trunk is in trouble.
    return CallEnd.UNKNOWN if rang else CallEnd.NOT_PLACED
