"""Aggregates that InfluxQL has and SQLite has not, for `sqlite3.Connection.create_aggregate`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final, Protocol


class SqlAggregate(Protocol):
    """As `sqlite3` wants it."""

    def step(self, *arguments: float | str | None) -> None:
        """Take one row's values."""
        ...

    def finalize(self) -> float | str | None:
        """What came of all rows; None for nothing."""
        ...


class Last:
    """``anju_last(at, value)``: of the newest; of several at one instant the greatest, as InfluxDB does."""

    sign = 1

    def __init__(self) -> None:
        self._best: tuple[float, float | str] | None = None

    def step(self, *arguments: float | str | None) -> None:
        at, value = arguments
        if value is None or not isinstance(at, int | float):
            return
        best = self._best
        if best is None or at * self.sign > best[0] or (at * self.sign == best[0] and _greater(value, best[1])):
            self._best = (at * self.sign, value)

    def finalize(self) -> float | str | None:
        return None if self._best is None else self._best[1]


class First(Last):
    """``anju_first(at, value)``: of the oldest."""

    sign = -1


class Rank:
    """``anju_rank(percent, value)``: the percentile by nearest rank, a value that was really measured."""

    def __init__(self) -> None:
        self._percent = 0.0
        self._values: list[float] = []

    def step(self, *arguments: float | str | None) -> None:
        percent, value = arguments
        if isinstance(value, int | float) and isinstance(percent, int | float):
            self._percent = percent
            self._values.append(value)

    def finalize(self) -> float | None:
        at = math.floor(len(self._values) * self._percent / 100 + 0.5) - 1
        return sorted(self._values)[at] if 0 <= at < len(self._values) else None


AGGREGATES: Final[Mapping[str, type[SqlAggregate]]] = {"anju_first": First, "anju_last": Last, "anju_rank": Rank}
"""Each takes two arguments."""


def _greater(one: float | str, other: float | str) -> bool:
    if isinstance(one, str) or isinstance(other, str):
        return str(one) > str(other)
    return one > other
