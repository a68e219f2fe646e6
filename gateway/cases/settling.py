"""The end of every step of the case machine: what is due now is done in it, and timers are made to fit the case."""

from __future__ import annotations

from gateway.cases import beside, gate, timing
from gateway.cases import ladder as rungs
from gateway.cases.turn import Moved, Turn


def settle(turn: Turn) -> Moved:
    """A rung that is due now is taken in the same step, so that no crash can fall between."""
    case = turn.case
    if case.open and case.next_at_ms is not None and case.next_at_ms <= turn.now_ms:
        rungs.climb(turn)
    if turn.case.open:
        beside.due(turn)
        gate.advance(turn)
    beside.settle(turn)
    timing.follow(turn)
    return turn.done()
