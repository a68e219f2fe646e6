"""One case for many alarms of one rule: they join it quietly, and each person is told once."""

from __future__ import annotations

from gateway.alarms import AlarmChange, AlarmMove
from gateway.cases import ladder as rungs
from gateway.cases import measures, messages
from gateway.cases.commands import Order, StormJoined
from gateway.cases.effects import Purpose
from gateway.cases.model import Storm
from gateway.cases.turn import Turn

LINES_MOST = 100
"""So many alarms of a storm stand in its case one by one; further ones are rows and a number."""


def join(turn: Turn, joined: StormJoined) -> None:
    """One more alarm of the storm. Whoever would be told of it and has not been told of the storm is told now."""
    change, storm = joined.change, _storm(turn)
    again = turn.now_ms > storm.until_ms
    turn.become(
        storm=storm.model_copy(
            update={
                "count": storm.count + 1,
                "active": storm.active + (not change.momentary),
                "until_ms": max(storm.until_ms, joined.until_ms),
            }
        )
    )
    known = turn.knows(change)
    if not known and _note(turn, change, "storm_joined"):
        turn.add(change)
    elif known:
        turn.mark(change, active=True)
    measures.give(turn, change, joined.orders)
    detail = messages.one_of_storm(change, turn.directory)
    if again:
        turn.write("system", "storm_again", count=turn.case.storm.count if turn.case.storm else 0)
        turn.tell(turn.case.told, Purpose.ALARM, occasion=f"{turn.case.version}:storm-again", detail=detail)
    rungs.tell_others(turn, change, detail)


def heard(turn: Turn, change: AlarmChange, orders: tuple[Order, ...]) -> None:
    """An alarm of the storm was repeated, or is over. Nobody is told."""
    storm = _storm(turn)
    if change.move in (AlarmMove.RAISED, AlarmMove.REPEATED):
        _note(turn, change, "alarm_repeated")
        measures.give(turn, change, orders)
        return
    if not change.momentary:
        turn.become(storm=storm.model_copy(update={"active": max(0, storm.active - 1)}))
    turn.mark(change, active=False)
    _note(turn, change, "alarm_cleared")
    measures.withdraw(turn, change)


def _storm(turn: Turn) -> Storm:
    assert turn.case.storm is not None
    return turn.case.storm


def _note(turn: Turn, change: AlarmChange, what: str) -> bool:
    """Write a line, unless there are too many already."""
    storm = _storm(turn)
    if storm.lines >= LINES_MOST:
        return False
    turn.become(storm=storm.model_copy(update={"lines": storm.lines + 1}))
    turn.write(f"rule:{change.rule}", what, change.explanation, subject=change.subject)
    if storm.lines + 1 == LINES_MOST:
        turn.write("system", "storm_counted")
    return True
