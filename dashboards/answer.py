"""One look at a board (range, choice, language), and what a query answers to it: the same from every store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from dashboards.influxql import Choices, by_local_days, span_ms
from dashboards.query import Query, TagValues
from dashboards.text import Language

Value = float | str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """From when to when (ms since the epoch, both included), what is chosen, and in which language."""

    language: Language
    start_ms: int
    end_ms: int
    """Also the now of queries that look back from now."""
    variables: Choices = field(default_factory=dict)
    width_ms: int = 60_000
    """Of the stretches that a query calls ``auto``."""
    day_offset_ms: int = 0
    """When days begin, from midnight UTC: -8 h in China."""

    def begins_ms(self, query: Query) -> int:
        """The start of what ``query`` looks at; one that looks back from now does not see this very instant."""
        return self.start_ms if query.last is None else self.end_ms - span_ms(query.last)

    def width_of(self, query: Query) -> tuple[int, int]:
        """Width of the stretches of time, and how far their beginnings are from the epoch's. 0 where there are none."""
        if query.every is None:
            return 0, 0
        if query.every == "auto":
            return self.width_ms, 0
        return span_ms(query.every), self.day_offset_ms if by_local_days(query.every) else 0


@dataclass(frozen=True, slots=True)
class Answer:
    """``time``, the tags of ``by``, then the columns. Groups in the order of their tags, times upwards; points as they
    are come newest first in their group."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Value | int, ...], ...]
    """The time is whole ms since the epoch; None for an aggregate over the whole range."""

    def column(self, name: str) -> list[Value | int]:
        """The values of one column. Raises ValueError."""
        at = self.columns.index(name)
        return [row[at] for row in self.rows]


def columns_of(query: Query | TagValues) -> tuple[str, ...]:
    """The columns of an answer."""
    if isinstance(query, TagValues):
        return (query.tag,)
    return ("time", *query.by, *(column.label for column in query.columns))


def from_influx(
    query: Query | TagValues, series: Iterable[tuple[Mapping[str, str], Sequence[Sequence[object]]]]
) -> Answer:
    """The answer in the series of an InfluxQL answer; times in whole ms."""
    rows: list[tuple[Value | int, ...]] = []
    if isinstance(query, TagValues):
        rows = sorted({(str(row[1]),) for _, values in series for row in values})  # key, value
        return Answer(columns_of(query), tuple(rows))
    timed = query.every is not None or query.columns[0].aggregate is None
    found = sorted(series, key=lambda one: tuple(one[0].get(tag, "") for tag in query.by))
    for tags, values in found:
        for row in values:
            time = int(str(row[0])) if timed else None
            rows.append((time, *(tags.get(tag, "") for tag in query.by), *(_value(value) for value in row[1:])))
    return Answer(columns_of(query), tuple(rows))


def _value(value: object) -> Value:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int | float):
        return float(value)
    raise TypeError(f"{value!r} is no value of a point")
