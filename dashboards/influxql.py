"""A query as raw InfluxQL, with Grafana's macros or for one range and one choice of variables.

The text runs on InfluxDB 1.x, 2.x and 3.x. Days are shifted by an offset and not by ``tz()``: servers without a time
zone database refuse that.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from dashboards.query import Aggregate, Column, Condition, FieldIs, Query, TagIs, TagValues, Var
from dashboards.text import Language

Choices = Mapping[str, str | Sequence[str] | None]
"""What is chosen in each variable: one value, several, or None for all."""

DAY_VARIABLE: Final = "anju_day"
"""Constant of every board in Grafana: how far from midnight UTC a day of the community begins, such as ``-480m``."""
_AGGREGATES: dict[Aggregate, str] = {
    "count": "COUNT({})",
    "sum": "SUM({})",
    "mean": "MEAN({})",
    "min": "MIN({})",
    "max": "MAX({})",
    "first": "FIRST({})",
    "last": "LAST({})",
    "p50": "PERCENTILE({}, 50)",
    "p90": "PERCENTILE({}, 90)",
    "p95": "PERCENTILE({}, 95)",
}
_FILLS = {"none": "none", "null": "null", "zero": "0", "previous": "previous"}
_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n"})
_REGEX_SPECIAL = re.compile(r"[\\^$*+?.()|\[\]{}/]")
_SPAN = re.compile(r"(\d+)([smhdw])")
_UNIT_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}


def grafana(query: Query | TagValues, language: Language) -> str:
    """The text that a Grafana panel, annotation or variable carries."""
    return _write(query, language, _Macros())


def concrete(
    query: Query | TagValues,
    language: Language,
    start_ms: int,
    end_ms: int,
    variables: Choices,
    width_ms: int = 60_000,
    day_offset_ms: int = 0,
) -> str:
    """The text for one look: what Grafana makes of its macros, with ``end_ms`` as now.

    ``width_ms``: of the stretches that a query calls ``auto``. ``day_offset_ms``: when days begin, whole minutes from
    midnight UTC (-8 h in China). Raises KeyError for a variable that ``variables`` lacks.
    """
    return _write(query, language, _Concrete(start_ms, end_ms, variables, width_ms, day_offset_ms))


def day_offset(offset_ms: int) -> str:
    """What stands in the variable `DAY_VARIABLE`."""
    return f"{offset_ms // 60_000}m"


def span_ms(text: str) -> int:
    """Length of ``15m``, ``1h``, ``7d`` in ms. Raises ValueError."""
    found = _SPAN.fullmatch(text)
    if found is None or int(found[1]) == 0:
        raise ValueError(f"{text!r} is no span of time; expected a number and one of s, m, h, d, w")
    return int(found[1]) * _UNIT_MS[found[2]]


def by_local_days(every: str) -> bool:
    """Whether stretches of this width begin with the community's days rather than with the epoch's."""
    return every != "auto" and span_ms(every) % _UNIT_MS["d"] == 0


def identifier(name: str) -> str:
    """A measurement, tag or field name."""
    return '"' + name.translate(_ESCAPES).replace('"', '\\"') + '"'


def string(text: str) -> str:
    """A string literal."""
    return "'" + text.translate(_ESCAPES).replace("'", "\\'") + "'"


def regex_of(choice: str | Sequence[str] | None) -> str:
    """What Grafana writes for ``${name:regex}``: ``.*`` for all, ``a``, ``(a|b)``."""
    if choice is None:
        return ".*"
    values = [choice] if isinstance(choice, str) else list(choice)
    escaped = [_REGEX_SPECIAL.sub(r"\\\g<0>", value) for value in values]
    return escaped[0] if len(escaped) == 1 else "(" + "|".join(escaped) + ")"


class _Dialect(Protocol):
    """What differs between a text with macros and one for a single look."""

    def range(self) -> str: ...

    def last(self, span: str) -> str: ...

    def regex(self, variable: Var) -> str: ...

    def width(self) -> str: ...

    def day(self) -> str: ...


class _Macros:
    def range(self) -> str:
        return "$timeFilter"

    def last(self, span: str) -> str:
        return f"time > now() - {span}"

    def regex(self, variable: Var) -> str:
        return f"${{{variable.name}:regex}}"

    def width(self) -> str:
        return "$__interval"

    def day(self) -> str:
        return f"${{{DAY_VARIABLE}:raw}}"


@dataclass(frozen=True, slots=True)
class _Concrete:
    start_ms: int
    end_ms: int
    variables: Choices
    width_ms: int
    day_offset_ms: int

    def range(self) -> str:
        return f"time >= {self.start_ms}ms AND time <= {self.end_ms}ms"

    def last(self, span: str) -> str:
        return f"time > {self.end_ms - span_ms(span)}ms AND time <= {self.end_ms}ms"

    def regex(self, variable: Var) -> str:
        return regex_of(self.variables[variable.name])

    def width(self) -> str:
        return f"{self.width_ms}ms"

    def day(self) -> str:
        return day_offset(self.day_offset_ms)


def _write(query: Query | TagValues, language: Language, dialect: _Dialect) -> str:
    if isinstance(query, TagValues):
        where = " AND ".join(_condition(condition, dialect) for condition in query.where)
        return (
            f"SHOW TAG VALUES FROM {identifier(query.measurement)} WITH KEY = {identifier(query.tag)}"
            + (f" WHERE {where}" if where else "")
            + f" LIMIT {query.limit}"
        )
    parts = [
        "SELECT " + ", ".join(_column(column, language) for column in query.columns),
        f"FROM {identifier(query.measurement)}",
        "WHERE " + " AND ".join([_time(query, dialect), *(_condition(one, dialect) for one in query.where)]),
    ]
    groups = [f"time({_stretch(query.every, dialect)})"] if query.every else []
    groups += [identifier(tag) for tag in query.by]
    if groups:
        parts.append("GROUP BY " + ", ".join(groups))
    if query.every:
        parts[-1] += f" fill({_FILLS[query.fill]})"
    if query.columns[0].aggregate is None:
        parts.append("ORDER BY time DESC")
    if query.limit is not None:
        parts.append(f"LIMIT {query.limit}")
    return " ".join(parts)


def _stretch(every: str, dialect: _Dialect) -> str:
    if every == "auto":
        return dialect.width()
    return f"{every}, {dialect.day()}" if by_local_days(every) else every


def _time(query: Query, dialect: _Dialect) -> str:
    return dialect.range() if query.last is None else dialect.last(query.last)


def _column(column: Column, language: Language) -> str:
    text = identifier(column.stored(language))
    if column.aggregate is not None:
        text = _AGGREGATES[column.aggregate].format(text)
    if column.scale != 1.0:
        text += f" * {column.scale:g}"
    return f"{text} AS {identifier(column.label)}"


def _condition(condition: Condition, dialect: _Dialect) -> str:
    if isinstance(condition, FieldIs):
        value = string(condition.value) if isinstance(condition.value, str) else f"{condition.value:.15g}"
        return f"{identifier(condition.field)} {condition.compare} {value}"
    return _tag_is(condition, dialect)


def _tag_is(condition: TagIs, dialect: _Dialect) -> str:
    tag, value = identifier(condition.tag), condition.value
    if isinstance(value, Var):
        return f"{tag} {'!~' if condition.unless else '=~'} /^{dialect.regex(value)}$/"
    values = (value,) if isinstance(value, str) else value
    compare, glue = ("!=", " AND ") if condition.unless else ("=", " OR ")
    text = glue.join(f"{tag} {compare} {string(one)}" for one in values)
    return f"({text})" if len(values) > 1 else text
