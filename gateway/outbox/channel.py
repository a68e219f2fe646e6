"""What a channel is: it sends one message once and says plainly how that went."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Protocol

from gateway.alarms import Frozen, Kept
from gateway.cases.effects import Send


class Result(StrEnum):
    """What is known of one attempt when it is over."""

    DELIVERED = "delivered"
    """The other side confirmed it (a 2xx, a device's result, the 120 centre's answer)."""
    SENT = "sent"
    """It went out, and the other side's answer comes later by another way: a device's ``command_result``."""
    RETRY = "retry"
    """It did not go out, and may later: refused connection, 5xx, busy."""
    REFUSED = "refused"
    """It will never go out as it is: bad address, 4xx, no such device."""
    UNKNOWN = "unknown"
    """It may have gone out: the connection broke after sending, no answer came. Asked about before it is resent."""


class Report(Frozen):
    """How one attempt went."""

    result: Result
    detail: str
    """For the timeline: ``HTTP 503``, ``busy``, ``answered by seat 12`` … Never holds a secret."""
    reference: str | None = None
    """The other side's own reference, where it gives one."""


NOT_OURS = Report(result=Result.RETRY, detail="由另一网关发送 another gateway sends by now")

Speaks = Callable[[], bool]
"""Whether this gateway still speaks."""


class NotOurs(Exception):
    """Raised by a channel instead of sending, once `Attempt.speaks` says no. Nothing has gone out."""

    def __init__(self) -> None:
        super().__init__(NOT_OURS.detail)


def always() -> bool:
    """What one gateway alone answers: it speaks."""
    return True


class Invitation(Frozen):
    """How a person can answer a message by whatever is at hand. Made when the message goes out, never before."""

    link: str = ""
    """A page of their own, one tap, signed; empty where the gateway has no address that a telephone reaches."""
    code: str = ""
    """Digits that a reply by SMS begins or ends with; not given out again for seven days."""

    @property
    def words(self) -> str:
        """For messages of text that people read, and tap on; empty where there is no page."""
        return f"点此处理或查看 Answer here: {self.link}" if self.link else ""


class Heard(Frozen):
    """What somebody answered over a channel: a reply by SMS, a key pressed in a call. Not yet understood."""

    id: str
    """The channel's own id of it: heard again under the same id, it is the same answer."""
    channel: str
    sender: str
    """The number or address it came from."""
    text: Kept
    """The reply; of a call the keys pressed."""
    key: str | None = None
    """The message of the outbox it answers, where the channel knows that (a key pressed in a call)."""
    at_ms: int


class Listener(Protocol):
    """Takes answers in. Returns when the answer is durable and decided, with the words to say back (empty for none);
    only then may the channel forget it (delete it from the SIM)."""

    async def __call__(self, heard: Heard) -> str:
        """The words to say back. Whatever it raises: ``heard`` is not settled, and has to be handed in again."""
        ...


class Attempt(Frozen):
    """One try at a message, as the channel needs to know it."""

    case: str
    number: int
    """Counts from 1."""
    repeat: bool
    """An earlier attempt may have arrived: say so to people, who have no idempotency keys."""
    at_ms: int
    deadline_ms: int
    """After this the message is given up; a command to a device expires then."""
    invitation: Invitation | None = None
    """Set where the message asks for an answer."""
    speaks: Speaks = always
    """Asked once more, right before it goes out, by a channel that had to wait for a thread, a modem or a line; where
    it says no, `NOT_OURS` is the report, or `NotOurs` is raised. A gateway that was asleep meanwhile must not say late,
    and as if it were new, what another one has said."""


class Limits(Frozen):
    """How a channel is used."""

    timeout_s: float
    """An attempt without an answer for so long is UNKNOWN."""
    parallel: int
    """Attempts at once for urgent messages, and as many again for the others: neither waits for the other."""
    per_minute: int | None = None
    """So many messages a minute at the most, of both kinds together, urgent ones first; None: as many as there are."""
    unclear_max: int | None = None
    """After so many attempts whose fate stays unknown the message is given up; None: only by its deadline."""
    answer_s: float = 10
    """How long to wait after SENT for the answer, at least."""


class OutboxChannel(Protocol):
    """One way out. Implementations must not raise for what the other side does; they report it."""

    @property
    def limits(self) -> Limits:
        """How it is to be used; the same for as long as it lives."""
        ...

    async def send(self, message: Send, attempt: Attempt) -> Report:
        """Send ``message``; ``message.key`` goes along as the idempotency key wherever the protocol has room."""
        ...

    async def ask(self, message: Send) -> Report | None:
        """After a crash or UNKNOWN: did this key arrive? None where the other side cannot be asked.

        DELIVERED or REFUSED: it did, and that is the answer. SENT: the other side has it, and its answer is still to
        come. RETRY: it did not arrive. UNKNOWN: it could not be found out now.
        """
        ...

    async def close(self) -> None:
        """Let go of connections. Nothing is sent any more."""
        ...
