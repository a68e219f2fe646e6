"""What a step of a rule came to, for those who ask afterwards: `Engine` tells it to whoever wants to explain."""

from __future__ import annotations

from typing import Protocol

from devices.observation import Observation
from gateway.alarms import AlarmChange
from gateway.rules.ledger import Key
from gateway.rules.states import State


class Trace(Protocol):
    """Called after each step."""

    def __call__(
        self,
        key: Key,
        observation: Observation | None,
        before: State,
        after: State,
        changes: tuple[AlarmChange, ...],
        notes: tuple[str, ...],
    ) -> None:
        """``observation``: what was considered; None where time alone asked for the look."""
        ...
