"""Where values come from in the embedded store's file: readings with their roll-ups, events, and points.

Each source is a CTE ``value`` of rows with the same columns: ``own`` (which series of points), ``at`` (ns), ``field``,
``n, sum, low, high, last`` (one value, or a roll-up of several), and ``t_<tag>`` for every tag that is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from dashboards.answer import Look
from dashboards.query import Condition, Query, TagIs, TagValues, Var
from devices.kinds import KINDS
from devices.measurements import MEASUREMENTS

Parameter = str | int | float
_NS_IN_MS: Final = 1_000_000
_PLACED: Final = ("device", "kind", "community", "grid", "building", "place", "resident")
"""Columns of the table of devices."""
_RAW_FROM: Final = "(SELECT at_ms FROM complete_from WHERE name = 'raw')"
_MINUTE_FROM: Final = "(SELECT at_ms FROM complete_from WHERE name = 'minute')"


@dataclass(slots=True)
class Statement:
    """SQL with named parameters."""

    sql: str = ""
    parameters: dict[str, Parameter] = field(default_factory=dict)

    def put(self, value: Parameter) -> str:
        """What stands for ``value`` in the text."""
        for name, known in self.parameters.items():
            if type(known) is type(value) and known == value:
                return f":{name}"
        name = f"p{len(self.parameters)}"
        self.parameters[name] = value
        return f":{name}"


def values(query: Query, fields: Iterable[str], tags: Iterable[str], look: Look, out: Statement) -> str:
    """The CTE ``value``. Raises LookupError for a measurement that cannot be asked for."""
    if query.measurement in KINDS:
        return _readings(query, list(fields), list(tags), look, out)
    if query.measurement == "event":
        return _events(query, list(tags), look, out)
    if query.measurement in MEASUREMENTS and query.measurement != "waveform":
        return _points(query, list(fields), list(tags), look, out)
    raise LookupError(f"{query.measurement} is no measurement that can be asked for")


def tag_values(asked: TagValues, look: Look, out: Statement) -> str:
    """The whole statement for the values of a tag."""
    measurement, tag = asked.measurement, asked.tag
    if measurement in KINDS:
        source, of = f"placed AS d WHERE d.kind = {out.put(measurement)}", _of_device
        source += " AND EXISTS (SELECT 1 FROM series AS s WHERE s.device = d.device)"
    elif measurement == "event" and tag != "event":
        source, of = "placed AS d WHERE EXISTS (SELECT 1 FROM event AS e WHERE e.device = d.device)", _of_device
    elif measurement == "event":
        source, of = "event AS e JOIN placed AS d ON d.device = e.device WHERE 1", _of_event
    elif measurement in MEASUREMENTS:
        source, of = f"point_series AS s WHERE s.measurement = {out.put(measurement)}", _of_point
    else:
        raise LookupError(f"{measurement} is no measurement that can be asked for")
    return (
        f"SELECT DISTINCT {of(tag)} AS found FROM {source}{_chosen(asked.where, look, out, of)} AND {of(tag)} <> ''"
        f" ORDER BY found LIMIT {out.put(asked.limit)}"
    )


def _readings(query: Query, fields: list[str], tags: list[str], look: Look, out: Statement) -> str:
    metrics = ", ".join(out.put(one) for one in fields)
    series = (
        f"SELECT s.id AS id, d.device AS own, s.metric AS field{_named(tags, _of_device)} FROM placed AS d"
        f" CROSS JOIN series AS s ON s.device = d.device WHERE d.kind = {out.put(query.measurement)}"
        f" AND s.metric IN ({metrics}){_chosen(query.where, look, out, _of_device)}"
    )
    low, high = (out.put(at) for at in _range_ms(query, look))
    head = f"SELECT c.own AS own, r.at_ms * {_NS_IN_MS} AS at, c.field AS field{_passed(tags)}"
    one = "1 AS n, r.value AS sum, r.value AS low, r.value AS high, r.value AS last"
    several = "r.n AS n, r.sum AS sum, r.low AS low, r.high AS high, r.last AS last"

    def part(columns: str, table: str, begin: str, end: str = "") -> str:
        return (
            f"{head}, {columns} FROM chosen AS c CROSS JOIN {table} AS r ON r.series = c.id"
            f" AND r.at_ms >= {begin} AND r.at_ms <= {high}{end}"
        )

    parts = (
        part(one, "raw", f"max({low}, {_RAW_FROM})"),
        part(several, "minute", f"max({low}, {_MINUTE_FROM})", f" AND r.at_ms < {_RAW_FROM}"),
        part(several, "hour", low, f" AND r.at_ms < {_MINUTE_FROM}"),
    )
    return f"WITH chosen AS MATERIALIZED ({series}), value AS ({' UNION ALL '.join(parts)})"


def _events(query: Query, tags: list[str], look: Look, out: Statement) -> str:
    begin, end = _range_ms(query, look)
    return (
        f"WITH value AS (SELECT e.device || ' ' || e.event AS own, e.at_ms * {_NS_IN_MS} AS at, 'value' AS field"
        f"{_named(tags, _of_event)}, 1 AS n, 1.0 AS sum, 1.0 AS low, 1.0 AS high, 1.0 AS last"
        " FROM event AS e JOIN placed AS d ON d.device = e.device"
        f" WHERE e.at_ms >= {out.put(begin)} AND e.at_ms <= {out.put(end)}"
        f"{_chosen(query.where, look, out, _of_event)})"
    )


def _points(query: Query, fields: list[str], tags: list[str], look: Look, out: Statement) -> str:
    begin = look.begins_ms(query) * _NS_IN_MS + (query.last is not None)
    wanted = ", ".join(out.put(one) for one in fields)
    return (
        f"WITH chosen AS MATERIALIZED (SELECT s.id AS id{_named(tags, _of_point)} FROM point_series AS s"
        f" WHERE s.measurement = {out.put(query.measurement)} AND s.until_ns > {out.put(begin)}"
        f"{_chosen(query.where, look, out, _of_point)}),"
        f" value AS (SELECT c.id AS own, r.at_ns AS at, r.field AS field{_passed(tags)},"
        " 1 AS n, r.value AS sum, r.value AS low, r.value AS high, r.value AS last"
        f" FROM chosen AS c CROSS JOIN point AS r ON r.series = c.id AND r.at_ns >= {out.put(begin)}"
        f" AND r.at_ns <= {out.put(look.end_ms * _NS_IN_MS)} AND r.field IN ({wanted}))"
    )


def _range_ms(query: Query, look: Look) -> tuple[int, int]:
    """Both included."""
    return look.begins_ms(query) + (query.last is not None), look.end_ms


def _of_device(tag: str) -> str:
    return f"d.{tag}" if tag in _PLACED else "''"


def _of_event(tag: str) -> str:
    return "e.event" if tag == "event" else _of_device(tag)


def _of_point(tag: str) -> str:
    return f"coalesce(json_extract(s.tags, '$.\"{tag}\"'), '')"


def _named(tags: list[str], of: Callable[[str], str]) -> str:
    return "".join(f", {of(tag)} AS t_{tag}" for tag in tags)


def _passed(tags: list[str]) -> str:
    return "".join(f", c.t_{tag} AS t_{tag}" for tag in tags)


def _chosen(where: Iterable[Condition], look: Look, out: Statement, of: Callable[[str], str]) -> str:
    """Conditions on tags, each with AND before it."""
    return "".join(f" AND {_tag_is(one, look, out, of)}" for one in where if isinstance(one, TagIs))


def _tag_is(condition: TagIs, look: Look, out: Statement, of: Callable[[str], str]) -> str:
    value = look.variables[condition.value.name] if isinstance(condition.value, Var) else condition.value
    if value is None:
        return "0" if condition.unless else "1"  # any value, and none, is one of all
    listed = ", ".join(out.put(one) for one in ((value,) if isinstance(value, str) else value))
    return f"{of(condition.tag)} {'NOT IN' if condition.unless else 'IN'} ({listed})"
