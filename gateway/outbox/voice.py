"""A voice call, whoever carries it: a 4G modem, a SIP trunk.

Answered is not accepted: a voicemail answers, too. Only a key that was pressed counts (docs/cases.md).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal, Protocol

from gateway.alarms import Frozen
from gateway.outbox.channel import Speaks, always


class CallEnd(StrEnum):
    """How a call ended, as far as the one who called can tell."""

    ANSWERED = "answered"
    """Somebody or something took it and the words were said; which keys were pressed stands beside."""
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    UNREACHABLE = "unreachable"
    """The network says that the number cannot be reached or does not exist."""
    NOT_PLACED = "not_placed"
    """It never left the house: no free line, no network, no SIM."""
    UNKNOWN = "unknown"
    """The line broke off in the middle, or the modem hung: it may have rung."""


class Called(Frozen):
    """What became of one call."""

    end: CallEnd
    keys: str = ""
    """The keys pressed, in their order."""
    detail: str
    """For the timeline; never holds a secret."""


class Words(Frozen):
    """What is said in a call."""

    text: str
    """Said at once, and repeated while nobody presses a key."""
    language: Literal["zh", "en"] = "zh"
    keys: str = ""
    """The keys that end the call (``12``); empty for a call without a menu (120: the line is kept open)."""
    repeat: int = 2
    """How often the text is said."""


class Caller(Protocol):
    """One way to place voice calls. Must not raise for what the network or the other side does."""

    async def call(
        self, number: str, words: Words, *, timeout_s: float, emergency: bool = False, speaks: Speaks = always
    ) -> Called:
        """Place one call and say ``words``. Returns when it is over, at the latest after ``timeout_s``. ``speaks`` is
        asked right before it is dialled; raises NotOurs.

        A public emergency number is never called, whatever stands in an address book, but with ``emergency``: which
        only the line gives whose work that is (`gateway.outbox.channels.live_line`).
        """
        ...

    @property
    def free(self) -> int:
        """How many more calls it can carry now; 0 while it has no line, SIM or network."""
        ...
