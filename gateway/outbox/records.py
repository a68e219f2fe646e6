"""What the outbox hands to the decider and to the worker."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.alarms import Frozen
from gateway.cases.commands import DeliveryHeard
from gateway.cases.effects import Delivery, Send
from gateway.outbox.channel import Invitation


class Outcome(Frozen):
    """Something that became of a row and that its case has to hear."""

    case_id: str
    send: Send
    index: int
    """Which of the row's outcomes: a TROUBLE may come before the last one."""
    delivery: Delivery
    detail: str
    reference: str | None
    at_ms: int

    @property
    def heard(self) -> DeliveryHeard:
        """As the case machine takes it."""
        return DeliveryHeard.of(self.send, self.delivery, self.detail, self.reference)


class Told(Frozen):
    """One thing that became of a row, and whether its case has heard it."""

    delivery: Delivery
    detail: str
    reference: str | None
    at_ms: int
    seen: bool = False


class Fate(Frozen):
    """The ``outcome`` column: what became of the row, in order, and whether it is to be withdrawn when it can be."""

    told: tuple[Told, ...] = ()
    withdraw: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A row handed to the worker until its lease ends."""

    key: str
    case_id: str
    send: Send
    created_at_ms: int
    attempts: int
    """Attempts begun so far; unless ``ask_first``, the last of them is the one this claim is for."""
    unclear: int
    """Attempts before this one whose fate is unknown."""
    ask_first: bool
    """Ask the other side, then `begin` an attempt if need be."""
    invitation: Invitation | None = None
    """How the person can answer."""

    @property
    def deadline_ms(self) -> int:
        """The instant at which the message is given up."""
        return self.created_at_ms + self.send.give_up_after_s * 1000


class Withdrawal(Frozen):
    """What `withdraw_unsent` could do."""

    withdrawn: tuple[str, ...]
    in_flight: tuple[str, ...]
    """Being sent at this moment: they cannot be taken back, but are not tried again."""


class Depth(Frozen):
    """How much is in the outbox."""

    waiting: int
    in_flight: int
    most_overdue_ms: int | None
    """The due time of the row that has waited longest past it."""
    overdue: int = 0
    """How many have been due for a minute and longer."""
    next_due_ms: int | None
    """When the next row that is not due yet will be."""
