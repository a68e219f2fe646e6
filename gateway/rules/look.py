"""One look at a condition at one instant: what its functions answer, and when time alone may change an answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol
from zoneinfo import ZoneInfo

from gateway.rules.compiled import Condition
from gateway.rules.env import Env
from gateway.rules.expression import InputExpression
from gateway.rules.forms import DeviceInfo
from gateway.rules.memory import Cell, InputState, PairState, trimmed
from gateway.rules.say import as_age
from gateway.rules.schedule import when_covered_ms

_UNHEARD = InputState()
_NO_PAIR = PairState()
MAX_SPAN_MS = 400 * 86_400_000


class Home(Protocol):
    """What the engine knows around one subject."""

    def there(self, name: str) -> bool:
        """Whether the subject has a device for this input."""
        ...

    def listening(self, name: str, at_ms: int) -> bool:
        """Whether at least one device of this input was not silent at that instant."""
        ...

    @property
    def quiet_from_ms(self) -> int:
        """Before this nothing is said to be missing: the gateway has only just begun to listen."""
        ...


class Look(Env):
    """Answers the functions of `scopes.InputScope`."""

    __slots__ = ("_condition", "_home", "_inputs", "_pairs", "_score", "closely", "wake_ms")

    def __init__(
        self,
        condition: Condition,
        inputs: Mapping[str, InputState],
        pairs: Mapping[str, PairState],
        home: Home,
        device: DeviceInfo | None,
        at_ms: int,
        zone: ZoneInfo,
        *,
        closely: bool,
    ) -> None:
        """``closely``: look again when something leaves a window, too."""
        super().__init__(device, at_ms, zone)
        self._condition = condition
        self._inputs = inputs
        self._pairs = pairs
        self._home = home
        self._score: tuple[float | None, float | None, int] | None = None
        self.closely = closely
        self.wake_ms = 0

    def wake(self, at_ms: int) -> None:
        """Look again then."""
        if at_ms > self.at_ms and (not self.wake_ms or at_ms < self.wake_ms):
            self.wake_ms = at_ms

    def _span_ms(self, seconds: float) -> int:
        return int(min(max(seconds * 1000, 1), MAX_SPAN_MS))

    def input(self, name: str) -> InputState:
        """What is remembered of an input; of one never heard, nothing."""
        return self._inputs.get(name, _UNHEARD)

    # values

    def value(self, name: str) -> float | None:
        """The newest value; of a state, 1 where any device says so. None where it is too old."""
        one, age_ms = self.input(name), self._condition.inputs[name].spec.max_age_s * 1000
        floor = self.at_ms - age_ms
        if self._condition.inputs[name].spec.state is not None:
            known = [kept for kept in one.by_device.values() if kept.at_ms > floor]
            if not known:
                return None
            if self.closely:
                self.wake(min(kept.at_ms for kept in known) + age_ms)
            return max(kept.value for kept in known)
        if not one.at_ms or one.at_ms <= floor:
            return None
        if self.closely:
            self.wake(one.at_ms + age_ms)
        return one.value

    def there(self, name: str) -> bool:
        """Whether the subject has a device for this input."""
        return self._home.there(name)

    # occurrences

    def seen(self, name: str, seconds: float) -> bool:
        """Whether it happened within so long."""
        last = self.input(name).at_ms
        if not last:
            return False
        until = last + self._span_ms(seconds)
        self.wake(until)
        return self.at_ms < until

    def quiet(self, name: str, seconds: float) -> bool | None:
        """Whether it did not happen for so long; None where nobody could have said so: no device, or all of them
        silent."""
        base = self.input(name).base_ms
        if not base or not self._home.listening(name, self.at_ms):
            return None
        hours, span = self._condition.inputs[name].spec.hours, self._span_ms(seconds)
        due = base + span if hours is None else when_covered_ms(hours, base, span, self.zone)
        return self._passed(due)

    def _passed(self, due_ms: int) -> bool:
        due = max(due_ms + self._condition.lateness_ms, self._home.quiet_from_ms)
        self.wake(due)
        return self.at_ms >= due

    def after(self, first: str, second: str, seconds: float = 0) -> bool:
        """Whether ``first`` happened last, and at least so long after ``second``."""
        return self.input(first).at_ms > self.input(second).at_ms + int(seconds * 1000)

    def followed(self, first: str, second: str, seconds: float) -> bool:
        """Whether ``second`` came within so long of ``first``, and that is no longer ago than this."""
        pair, span = self._pairs.get(f"followed {first} {second}", _NO_PAIR), self._span_ms(seconds)
        if not pair.matched_ms or pair.after_ms > span:
            return False
        self.wake(pair.matched_ms + span)
        return self.at_ms < pair.matched_ms + span

    def without(self, first: str, second: str, seconds: float) -> bool:
        """Whether ``first`` happened and ``second`` did not follow within so long."""
        pair = self._pairs.get(f"without {first} {second}", _NO_PAIR)
        return bool(pair.first_ms) and self._passed(pair.first_ms + self._span_ms(seconds))

    # windows

    def _cells(self, name: str, length_ms: int) -> tuple[Cell, ...]:
        window = str(length_ms)
        cells = trimmed(self.input(name).windows.get(window, ()), self.at_ms - length_ms)
        if self.closely and cells:
            self.wake(cells[0].end_ms + length_ms)
        return cells

    def count(self, name: str, length_ms: int) -> float:
        """How many readings or occurrences the window holds."""
        return float(sum(cell.readings for cell in self._cells(name, length_ms)))

    def mean(self, name: str, length_ms: int) -> float | None:
        """The mean of the window; None while it is empty."""
        cells = self._cells(name, length_ms)
        count = sum(cell.readings for cell in cells)
        return sum(cell.total for cell in cells) / count if count else None

    def lowest(self, name: str, length_ms: int) -> float | None:
        """The lowest value of the window; None while it is empty."""
        return min((cell.low for cell in self._cells(name, length_ms)), default=None)

    def highest(self, name: str, length_ms: int) -> float | None:
        """The highest value of the window; None while it is empty."""
        return max((cell.high for cell in self._cells(name, length_ms)), default=None)

    def change(self, name: str, length_ms: int) -> float | None:
        """The last value of the window less the first; None of fewer than two."""
        cells = self._cells(name, length_ms)
        return cells[-1].last - cells[0].first if sum(cell.readings for cell in cells) > 1 else None

    def rate(self, name: str, length_ms: int) -> float | None:
        """Change per hour."""
        cells = self._cells(name, length_ms)
        span_ms = cells[-1].end_ms - cells[0].start_ms if cells else 0
        return (cells[-1].last - cells[0].first) / span_ms * 3_600_000 if span_ms else None

    def distinct(self, name: str, length_ms: int) -> float:
        """How many different values the window holds, up to `scopes.DISTINCT_MOST`."""
        kept = self.input(name).distinct.get(str(length_ms), ())
        return float(sum(one.at_ms > self.at_ms - length_ms for one in kept))

    def longest(self, name: str, length_ms: int) -> float | None:
        """The longest time between two occurrences, in seconds."""
        cells = trimmed(self.input(name).gaps.get(str(length_ms), ()), self.at_ms - length_ms)
        return max((cell.high for cell in cells), default=None)

    # the score

    def _scored(self) -> tuple[float | None, float | None, int]:
        if self._score is None:
            points: dict[str, float | None] = {}
            for row in self._condition.score:
                if row.when is not None and not self._stands(row.when):
                    continue
                if row.of in points and row.when is None:
                    continue  # a row with a condition stood in its place
                points[row.of] = row.points(self.value(row.of))
            known = [each for each in points.values() if each is not None]
            missing = len(self._condition.scored) - len(known)
            self._score = (None if missing else sum(known), max(known, default=None), missing)
        return self._score

    def _stands(self, row: InputExpression) -> bool:
        try:
            return row.evaluate({}, self) is True
        except ZeroDivisionError:
            return False

    def score(self) -> float | None:
        """The total; never of a set that is not complete."""
        return self._scored()[0]

    def score_highest(self) -> float | None:
        """The most points of one value; None where none is known."""
        return self._scored()[1]

    def score_missing(self) -> float:
        """How many values of the score are not known."""
        return float(self._scored()[2])

    # words

    def age_s(self, name: str) -> float | None:
        """How long ago it happened last, in seconds; None for never."""
        at_ms = self.input(name).at_ms
        return (self.at_ms - at_ms) / 1000 if at_ms else None

    def ages(self, *names: str) -> str:
        """When each of these happened last, for an explanation."""
        told = []
        for name in names:
            age = self.age_s(name)
            told.append(f"{name}: never" if age is None else f"{name}: {as_age(age)[1]} ago")
        return ", ".join(told)
