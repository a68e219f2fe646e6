"""A history through an engine, as the gateway would have decided it, on virtual time.

**The order.** Live, each lane is decided in the order of its positions, and the urgent one goes first. A gateway that
keeps up therefore decides in the order in which it received, and of one millisecond the urgent lane first: that is the
order a history must come in. A gateway that was behind (a backlog after an outage) took urgent observations earlier
than routine ones of the same time; a replay decides as one that kept up.

**Time.** The clock stands at ``received_at_ms`` of the observation at hand. What is due before it is told by a tick of
its own, exactly at `Engine.next_deadline_ms`; what is due in that very millisecond is told after the observation, as
the decider looks for silence only when it has read what came in. A clock that was set back in the history is set back
here.

Two things that a history does not hold are supplied:

- ``cases_last_ms``: a momentary alarm (a press) ends with its case, and here nobody closes cases: it is taken to end so
  long after its last word. Without it, it stands for ever, and every further press repeats it.
- ``outage_ms``: where nobody at all is heard for so long, the gateway itself did not run. Nothing is told in that time,
  and at its end `Engine.started` is called, as after a real start.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from devices.observation import Observation
from gateway.alarms import AlarmChange, AlarmMove
from gateway.rules.engine import CLOCK_JITTER_MS, Engine

CASE_OVER = "its case is taken to be over"
_TICKS_AT_ONCE = 100
"""A deadline that stays due after so many ticks of one instant waits for the next observation."""


class Replay:
    """One engine over one history. For several engines over the same history, which is then read once."""

    def __init__(self, engine: Engine, *, cases_last_ms: int | None = None) -> None:
        self.engine = engine
        self.now_ms = 0
        self._cases_last_ms = cases_last_ms
        self._case_ends: deque[tuple[int, tuple[str, str]]] = deque()
        """In order, as every case lasts equally long; superseded ones stay, and are passed over."""
        self._open: dict[tuple[str, str], tuple[int, AlarmChange]] = {}
        """Momentary alarms that stand: when their case is over, and how they were raised."""

    def feed(self, observation: Observation) -> list[AlarmChange]:
        """What comes due before ``observation``, and what it changes itself."""
        at_ms = observation.received_at_ms
        if at_ms > self.now_ms:
            changes = self._pass_time(at_ms - 1)
            self.now_ms = at_ms
            changes += self.engine.observe(observation, at_ms)
        else:
            if at_ms < self.now_ms - CLOCK_JITTER_MS:
                self.now_ms = at_ms
            changes = self.engine.observe(observation, at_ms)
        if changes and self._cases_last_ms is not None:
            self._note_cases(changes, self._cases_last_ms)
        return changes

    def was_off(self, from_ms: int, until_ms: int) -> list[AlarmChange]:
        """The gateway did not run in between: cases went on, rules did not look, and nobody was silent."""
        changes = self._pass_time(from_ms)
        while self._case_ends and self._case_ends[0][0] < until_ms:
            self._end_case(changes)
        self.now_ms = until_ms
        self.engine.started(until_ms)
        return changes

    def finish(self, until_ms: int) -> list[AlarmChange]:
        """What comes due up to ``until_ms``, after the last observation."""
        changes = self._pass_time(until_ms)
        self.now_ms = max(self.now_ms, until_ms)
        return changes

    def _pass_time(self, until_ms: int) -> list[AlarmChange]:
        changes: list[AlarmChange] = []
        if self.engine.is_idle_until(until_ms) and (not self._case_ends or self._case_ends[0][0] > until_ms):
            return changes
        next_deadline_ms, ticks = self.engine.next_deadline_ms, 0
        while True:
            due_ms = next_deadline_ms()
            over_ms = self._case_ends[0][0] if self._case_ends else None
            if over_ms is not None and over_ms <= until_ms and (due_ms is None or over_ms < due_ms):
                self._end_case(changes)
                continue
            if due_ms is None or due_ms > until_ms:
                return changes
            ticks = ticks + 1 if due_ms <= self.now_ms else 0
            if ticks > _TICKS_AT_ONCE:
                return changes
            self.now_ms = max(self.now_ms, due_ms)
            told = self.engine.tick(self.now_ms)
            if told and self._cases_last_ms is not None:
                self._note_cases(told, self._cases_last_ms)
            changes += told

    def _note_cases(self, changes: Iterable[AlarmChange], last_ms: int) -> None:
        for change in changes:
            if not change.momentary:
                continue
            key = change.rule, change.subject
            if change.move in (AlarmMove.RAISED, AlarmMove.REPEATED):
                over_ms = change.at_ms + last_ms
                self._open[key] = over_ms, change
                self._case_ends.append((over_ms, key))
            else:
                self._open.pop(key, None)

    def _end_case(self, changes: list[AlarmChange]) -> None:
        over_ms, key = self._case_ends.popleft()
        stands = self._open.get(key)
        if stands is None or stands[0] != over_ms:
            return  # pressed again since, or taken back
        del self._open[key]
        self.now_ms = max(self.now_ms, over_ms)
        self.engine.end_momentary(*key)
        changes.append(
            stands[1].model_copy(
                update={
                    "move": AlarmMove.CLEARED,
                    "at_ms": over_ms,
                    "observed_at_ms": over_ms,
                    "explanation": CASE_OVER,
                    "evidence": (),
                }
            )
        )


def replay(
    engine: Engine,
    observations: Iterable[Observation],
    *,
    until_ms: int | None = None,
    cases_last_ms: int | None = None,
    outage_ms: int | None = None,
) -> Iterator[AlarmChange]:
    """The changes of a history, in order; time goes on to ``until_ms`` after the last observation.

    ``engine`` is ready for the first observation: `Engine.watch` and `Engine.started` were called.
    """
    run = Replay(engine, cases_last_ms=cases_last_ms)
    heard_ms: int | None = None
    for observation in observations:
        at_ms = observation.received_at_ms
        if outage_ms is not None and heard_ms is not None and at_ms - heard_ms > outage_ms:
            yield from run.was_off(heard_ms, at_ms)
        heard_ms = at_ms
        yield from run.feed(observation)
    if until_ms is not None:
        yield from run.finish(until_ms)
