"""A query as SQL on the embedded store's file, with the same numbers as InfluxQL: one definition, two compilers.

The tables are those of `gateway.store.telemetry_file`, read as its schema says. `statement` writes the text; whoever
runs it registers `dashboards.sql_functions`; `answer` makes of the rows what InfluxDB would have answered.

Readings that were trimmed are read from their minutes and hours: counts, sums, means, least and greatest ones stay
exact, and so does the last one of a device; a first one, a percentile or points as they are then see one value a minute
(an hour), the last. Readings older than 48 hours that come late are seen when they are rolled up, within two hours.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from dashboards.answer import Answer, Look, Value, columns_of
from dashboards.query import Column, FieldIs, Query, TagValues
from dashboards.sql_source import Statement, tag_values, values
from devices.measurements import MEASUREMENTS

Row = tuple[Any, ...]

_LONG = {
    "count": "sum({n})",
    "sum": "sum({sum})",
    "mean": "sum({sum}) / sum({n})",
    "min": "min({low})",
    "max": "max({high})",
    "first": "anju_first(at, {last})",
    "last": "anju_last(at, {last})",
    "p50": "anju_rank(50, {last})",
    "p90": "anju_rank(90, {last})",
    "p95": "anju_rank(95, {last})",
}
"""Over single values and roll-ups of them."""
_WIDE = {
    "count": "nullif(count({0}), 0)",
    "sum": "sum({0})",
    "mean": "avg({0})",
    "min": "min({0})",
    "max": "max({0})",
    "first": "anju_first(at, {0})",
    "last": "anju_last(at, {0})",
    "p50": "anju_rank(50, {0})",
    "p90": "anju_rank(90, {0})",
    "p95": "anju_rank(95, {0})",
}
"""Over whole points, of which some were chosen by other fields."""


def statement(query: Query | TagValues, look: Look) -> Statement:
    """What is asked of the embedded store. Its rows: time, tags of ``by``, columns.

    Raises LookupError for a measurement that cannot be asked for, KeyError for a variable that was not chosen.
    """
    out = Statement()
    if isinstance(query, TagValues):
        out.sql = tag_values(query, look, out)
    elif query.columns[0].aggregate is None:
        out.sql = _as_they_are(query, look, out)
    elif any(isinstance(one, FieldIs) for one in query.where):
        out.sql = _of_whole_points(query, look, out)
    else:
        out.sql = _of_values(query, look, out)
    return out


def answer(query: Query | TagValues, look: Look, rows: Iterable[Row]) -> Answer:
    """What InfluxDB would have answered: the rows of `statement`, and stretches that have no points filled."""
    if isinstance(query, TagValues):
        return Answer(columns_of(query), tuple((str(row[0]),) for row in rows))
    head = 1 + len(query.by)
    found: list[Row] = [(*row[:head], *(_value(one) for one in row[head:])) for row in rows]
    found = [row for row in found if any(one is not None for one in row[head:])]
    if query.every is not None:
        found = [row for group in _groups(found, head) for row in _filled(query, look, group, head)[: query.limit]]
    return Answer(columns_of(query), tuple(found))


def _of_values(query: Query, look: Look, out: Statement) -> str:
    """Aggregates of fields that stand for themselves: roll-ups will do."""
    fields = list(dict.fromkeys(column.stored(look.language) for column in query.columns))
    source = values(query, fields, query.by, look, out)
    columns = []
    for column in query.columns:
        assert column.aggregate is not None
        only = f"CASE WHEN field = {out.put(column.stored(look.language))} THEN {{}} END" if len(fields) > 1 else "{}"
        parts = {name: only.format(name) for name in ("n", "sum", "low", "high", "last")}
        columns.append(_scaled(_LONG[column.aggregate].format(**parts), column, out))
    return f"{source} {_grouped(query, look, out, columns, 'value')}"


def _of_whole_points(query: Query, look: Look, out: Statement) -> str:
    """Aggregates over points that are chosen by what stands beside the field."""
    source, names = _whole(query, look, out, query.by)
    columns = [
        _scaled(_WIDE[str(column.aggregate)].format(names[column.stored(look.language)]), column, out)
        for column in query.columns
    ]
    return f"{source} {_grouped(query, look, out, columns, f'({_those(query, names, out)})')}"


def _as_they_are(query: Query, look: Look, out: Statement) -> str:
    """Points, the newest first; of each group at most ``limit``."""
    tags = [column.field for column in query.columns if is_tag(query, column)]
    source, names = _whole(query, look, out, dict.fromkeys([*query.by, *tags]))
    fields = [names[column.stored(look.language)] for column in query.columns if not is_tag(query, column)]
    if not fields:
        raise LookupError(f"a query of {query.measurement} shows tags alone; InfluxDB answers nothing to that")
    columns = [
        f"nullif(t_{column.field}, '')"
        if is_tag(query, column)
        else _scaled(names[column.stored(look.language)], column, out)
        for column in query.columns
    ]
    by = [f"t_{tag}" for tag in query.by]
    some = " OR ".join(f"{name} IS NOT NULL" for name in fields)
    those = f"SELECT * FROM ({_those(query, names, out)}) WHERE {some}"
    if query.limit is not None:
        partition = f"PARTITION BY {', '.join(by)} " if by else ""
        those = f"SELECT *, row_number() OVER ({partition}ORDER BY at DESC) AS number FROM ({those})"
        those = f"SELECT * FROM ({those}) WHERE number <= {out.put(query.limit)}"
    order = ", ".join([*by, "at DESC", "own DESC"])
    return f"{source} SELECT {', '.join(['at / 1000000', *by, *columns])} FROM ({those}) ORDER BY {order}"


def is_tag(query: Query, column: Column) -> bool:
    """Whether a column shows a tag of its points, by the schema."""
    return any(tag.key == column.field for tag in MEASUREMENTS[query.measurement].tags)


def _whole(query: Query, look: Look, out: Statement, tags: Iterable[str]) -> tuple[str, dict[str, str]]:
    """A CTE ``point`` with one row a point, and by which name each field stands in it."""
    tags = list(tags)
    fields = [column.stored(look.language) for column in query.columns if not is_tag(query, column)]
    fields += [one.field for one in query.where if isinstance(one, FieldIs)]
    names = {name: f"f{index}" for index, name in enumerate(dict.fromkeys(fields))}
    source = values(query, names, tags, look, out)
    columns = [f"max(CASE WHEN field = {out.put(name)} THEN last END) AS {short}" for name, short in names.items()]
    groups = "".join(f", t_{tag}" for tag in tags)  # they follow from ``own``
    point = f"SELECT own, at{groups}, {', '.join(columns)} FROM value GROUP BY own, at"
    return f"{source}, whole AS ({point})", names


def _those(query: Query, names: dict[str, str], out: Statement) -> str:
    """The points whose fields are as they should be. What a point does not have is unlike anything."""
    conditions = [
        f"{names[one.field]} {one.compare} {out.put(one.value if isinstance(one.value, str) else float(one.value))}"
        for one in query.where
        if isinstance(one, FieldIs)
    ]
    return "SELECT * FROM whole" + (f" WHERE {' AND '.join(conditions)}" if conditions else "")


def _grouped(query: Query, look: Look, out: Statement, columns: list[str], source: str) -> str:
    width, offset = look.width_of(query)
    by = [f"t_{tag}" for tag in query.by]
    stretch = "NULL"
    groups = by
    if width:
        shift, by_width = out.put(offset), out.put(width)
        stretch = f"(at / 1000000 - {shift}) / {by_width} * {by_width} + {shift}"
        groups = [*by, "stretch"]
    text = f"SELECT {', '.join([f'{stretch} AS stretch', *by, *columns])} FROM {source}"
    if groups:
        text += f" GROUP BY {', '.join(groups)} ORDER BY {', '.join(groups)}"
    if query.limit is not None and not width and not by:
        text += f" LIMIT {out.put(query.limit)}"
    return text


def _scaled(text: str, column: Column, out: Statement) -> str:
    return text if column.scale == 1.0 else f"({text}) * {out.put(column.scale)}"


def _value(value: object) -> Value:
    return value if value is None or isinstance(value, str) else float(value)  # type: ignore[arg-type]  # a number


def _groups(rows: list[Row], head: int) -> Iterator[list[Row]]:
    """Rows of one group after those of another, as they come."""
    group: list[Row] = []
    for row in rows:
        if group and group[0][1:head] != row[1:head]:
            yield group
            group = []
        group.append(row)
    if group:
        yield group


def _filled(query: Query, look: Look, group: list[Row], head: int) -> list[Row]:
    """Every stretch of the range, as InfluxQL's ``fill()`` has it; only those with points for ``none``."""
    if query.fill == "none":
        return group
    width, offset = look.width_of(query)
    there = {row[0]: row[head:] for row in group}
    tags, nothing = group[0][1:head], (None,) * len(query.columns)
    before: list[Value] = list(nothing)
    out: list[Row] = []
    for at in range((look.begins_ms(query) - offset) // width * width + offset, look.end_ms + 1, width):
        found: list[Value] = list(there.get(at, nothing))
        for index, column in enumerate(query.columns):
            if found[index] is not None:
                continue
            if query.fill == "zero" or (query.fill == "null" and column.aggregate == "count"):
                found[index] = 0.0
            elif query.fill == "previous":
                found[index] = before[index]
        before = found
        out.append((at, *tags, *found))
    return out
