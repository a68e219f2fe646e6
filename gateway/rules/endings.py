"""What a change of rules or registry did to alarms, until it is told: no observation and no deadline says it."""

from __future__ import annotations

from typing import NamedTuple

from gateway.alarms import AlarmChange, AlarmMove
from gateway.rules.forms import change
from gateway.rules.ledger import Key, Ledger
from gateway.rules.states import State


class Ending(NamedTuple):
    """An alarm that ended, and what stands in its place."""

    key: Key
    state: State
    """As it was."""
    why: str
    stands: State | None
    """The alarm goes on under this one, and is raised anew; None where it is over."""

    def told(self, now_ms: int) -> list[AlarmChange]:
        """That it is over, and that it is raised anew where something stands in its place. ``now_ms``: both happen
        then."""
        moves = [(AlarmMove.CLEARED, self.state, self.why)]
        if self.stands is not None:
            moves.append((AlarmMove.RAISED, self.stands, f"still so when {self.why}"))
        return [
            change(
                move,
                *self.key,
                state.raised,
                why,
                device=state.holders[0] if state.holders else None,
                now_ms=now_ms,
                observed_at_ms=now_ms,
            )
            for move, state, why in moves
            if state.raised is not None
        ]


class Endings:
    """In order; each is told once, by the next tick or before the next move of its alarm."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._waiting: list[Ending] = []

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def end(self, key: Key, why: str, stands: State | None = None) -> None:
        """The state is forgotten, or ``stands`` takes its place; an alarm that was raised is to be told of."""
        state = self._ledger.pop(key)
        if stands is not None:
            self._ledger.put(key, stands)
        if state.raised is not None:
            self._waiting.append(Ending(key, state, why, stands))

    def untold(self) -> set[Key]:
        """Not to be saved yet: after a crash they end again, and are told then."""
        return {one.key for one in self._waiting if one.stands is not None or one.key not in self._ledger.states}

    def tell(self, now_ms: int, limit: int | None) -> list[AlarmChange]:
        """About ``limit`` of them."""
        told, self._waiting = self._waiting[:limit], self._waiting[len(self._waiting[:limit]) :]
        return [change for one in told for change in one.told(now_ms)]

    def tell_of(self, key: Key, now_ms: int) -> list[AlarmChange]:
        """Those of one alarm: told late, they would end what is raised now."""
        mine = [one for one in self._waiting if one.key == key]
        self._waiting = [one for one in self._waiting if one.key != key]
        return [change for one in mine for change in one.told(now_ms)]
