"""A panel as it is drawn: its queries asked of the telemetry store, and their answers as series, rows and places."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple
from urllib.parse import quote

from dashboards.answer import Answer, Look
from dashboards.board import Board, Colour, ColumnLook, Link, Panel
from dashboards.query import Query
from dashboards.text import Text
from gateway.store.protocol import Store, StoreUnavailable
from gateway.web.pictures import (
    Bar,
    Chart,
    Figure,
    Map,
    Series,
    Spot,
    StateRow,
    Value,
    bars,
    chart,
    colour_of,
    columns,
    dots,
    figures,
    look,
    marks,
    scatter,
    states,
    worded,
)

Named = Callable[[str, str], str]
"""What a place or a device is called: by the tag that holds its id (``grid``, ``device`` …), and the id. The id itself
where it has no name, and for any other tag."""


def unnamed(tag: str, id: str) -> str:
    """Ids as they are, as Grafana has them: readings bear no names."""
    return id


MOST_ROWS = 200
_COLUMN = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a table."""

    text: str
    colour: Colour | None = None
    href: str | None = None
    at_ms: int | None = None
    """An instant, to be written in local time."""
    since_ms: int | None = None
    """An instant whose age counts by itself."""


class Rows(NamedTuple):
    """A table with its head."""

    titles: tuple[Text, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(slots=True)
class Drawn:
    """One panel, ready for the template: at most one of the pictures is there."""

    panel: Panel
    empty: bool = False
    trouble: str = ""
    figures: Sequence[Figure] = ()
    chart: Chart | None = None
    instants: bool = True
    """The chart's horizontal axis is time."""
    bars: Sequence[Bar] = ()
    states: Sequence[StateRow] = ()
    marks: Sequence[tuple[float, int]] = ()
    """Instants along the states."""
    map: Map | None = None
    table: Rows | None = None

    @property
    def calm(self) -> str:
        """What it means that nothing is there: ``good``, ``bad`` where silence is the worst, or ``unknown``."""
        if self.panel.empty is None:
            return "unknown"
        return "bad" if self.panel.silence == "red" else "good"


async def drawn(store: Store, board: Board, panel: Panel, at: Look, named: Named = unnamed) -> Drawn:
    """Ask what ``panel`` shows. A store that cannot be read is said on the panel, not raised."""
    if panel.kind == "text":
        return Drawn(panel)
    try:
        answers = [(query, await store.ask(query, at)) for query in panel.queries]
    except StoreUnavailable as error:
        return Drawn(panel, trouble=str(error))
    return draw(board, panel, answers, at, named)


def draw(
    board: Board, panel: Panel, answers: Sequence[tuple[Query, Answer]], at: Look, named: Named = unnamed
) -> Drawn:
    """The picture of a panel from the answers to its queries."""
    out = Drawn(panel, empty=not any(answer.rows for _, answer in answers))
    if out.empty and panel.kind != "stat":
        return out
    if panel.kind == "table":
        out.table = _rows(board, panel, answers, at, named)
    elif panel.kind == "map":
        out.map = dots(panel, list(_places(board, panel, answers, at)))
    elif panel.kind == "xychart":
        out.chart, out.instants = scatter(panel, list(_pairs(answers))), False
    else:
        series = _ordered(panel, [one for query, answer in answers for one in _series(panel, query, answer, at, named)])
        if panel.kind in ("stat", "gauge"):
            if len(series) == 1 == len(answers):  # of several, one that has values must say which it is
                series = [replace(series[0], name="")]  # the panel's title says what it is
            out.figures = figures(panel, series, at.language)
            out.empty = not out.figures
        elif panel.kind == "state-timeline":
            out.states = states(panel, series, at.start_ms, at.end_ms, at.language)
            out.marks = marks(at.start_ms, at.end_ms, at.day_offset_ms)
        elif panel.kind == "barchart" and answers[0][0].every:
            width_ms, _ = at.width_of(answers[0][0])
            out.chart = columns(panel, series, at.start_ms, at.end_ms, width_ms, at.language, at.day_offset_ms)
            out.empty = out.chart is None
        elif panel.kind == "timeseries" or any(query.every for query, _ in answers):
            out.chart = chart(panel, series, at.start_ms, at.end_ms, at.language, at.day_offset_ms)
            out.empty = out.chart is None
        else:
            out.bars = bars(panel, series, at.language)
    return out


def _series(panel: Panel, query: Query, answer: Answer, at: Look, named: Named) -> Iterable[Series]:
    """One for each group and column, by the names that Grafana gives them."""
    width = 1 + len(query.by)
    groups: dict[tuple[str, ...], list[Sequence[Value | int]]] = {}
    for row in answer.rows:
        groups.setdefault(tuple(str(value) for value in row[1:width]), []).append(row)
    called = dict(zip(groups, _told_apart(query, list(groups), named), strict=True))
    for tags, rows in groups.items():
        for number, column in enumerate(query.columns):
            seen = look(panel, column.label)
            if seen is not None and seen.hidden:
                continue
            points = [(int(row[0] or at.end_ms), row[width + number]) for row in rows]
            points.sort(key=lambda one: one[0])
            yield Series(_named(panel, query, called[tags], column.label, at), tuple(points), column.label)


def _told_apart(query: Query, groups: Sequence[tuple[str, ...]], named: Named) -> list[tuple[str, ...]]:
    """The groups by names instead of ids; those that would be called alike keep their ids behind."""
    called = [tuple(named(tag, value) for tag, value in zip(query.by, group, strict=True)) for group in groups]
    times = Counter(called)
    return [
        names
        if times[names] == 1
        else tuple(name if name == id else f"{name}（{id}）" for name, id in zip(names, group, strict=True))
        for names, group in zip(called, groups, strict=True)
    ]


def _named(panel: Panel, query: Query, tags: tuple[str, ...], column: str, at: Look) -> str:
    known = dict(zip(query.by, tags, strict=True))
    name = _COLUMN.sub(lambda found: known.get(found[1], ""), query.name) or " ".join(tags)
    if len(query.columns) > 1 or not name:
        name = f"{name} {_titled(panel, column, at)}".strip()
    titled = look(panel, name)
    return titled.title.of(at.language) if titled is not None and titled.title is not None else name


def _titled(panel: Panel, column: str, at: Look) -> str:
    seen = look(panel, column)
    return seen.title.of(at.language) if seen is not None and seen.title is not None else column


def _ordered(panel: Panel, series: list[Series]) -> list[Series]:
    if panel.sort:
        series.sort(key=lambda one: _newest(one), reverse=not panel.sort.startswith("-"))
    return series[: panel.top]


def _newest(series: Series) -> float:
    return next((value for _, value in reversed(series.points) if isinstance(value, int | float)), float("-inf"))


def _rows(board: Board, panel: Panel, answers: Sequence[tuple[Query, Answer]], at: Look, named: Named) -> Rows:
    columns = list(dict.fromkeys(name for _, answer in answers for name in answer.columns))
    timed = any(row[0] is not None for _, answer in answers for row in answer.rows)
    seen = [name for name in columns if (timed or name != "time") and not _hidden(panel, name)]
    records = _joined(answers)
    if panel.sort:
        key = panel.sort.removeprefix("-")
        records.sort(key=lambda one: _rank(one.get(key)), reverse=not panel.sort.startswith("-"))
    most = min(panel.top or MOST_ROWS, MOST_ROWS)
    titles = tuple(_title(panel, name) for name in seen)
    return Rows(
        titles, tuple(tuple(_cell(board, panel, name, one, at, named) for name in seen) for one in records[:most])
    )


def _joined(answers: Sequence[tuple[Query, Answer]]) -> list[dict[str, Value | int]]:
    """Rows of several queries over the same tags become one; those of one query stay as they are."""
    if len(answers) == 1:
        return [dict(zip(answers[0][1].columns, row, strict=True)) for row in answers[0][1].rows]
    found: dict[tuple[object, ...], dict[str, Value | int]] = {}
    for query, answer in answers:
        for row in answer.rows:
            record = dict(zip(answer.columns, row, strict=True))
            key = (record["time"], *(record[tag] for tag in query.by))
            found.setdefault(key, {}).update(record)
    return list(found.values())


def _rank(value: Value | int) -> tuple[int, float, str]:
    return (1, float(value), "") if isinstance(value, int | float) else (0, 0.0, str(value or ""))


def _hidden(panel: Panel, name: str) -> bool:
    seen = look(panel, name)
    return seen is not None and seen.hidden


def _title(panel: Panel, name: str) -> Text:
    seen = look(panel, name)
    if seen is not None and seen.title is not None:
        return seen.title
    return Text("时间", "time") if name == "time" else Text(name, name)


def _cell(board: Board, panel: Panel, name: str, record: Mapping[str, Value | int], at: Look, named: Named) -> Cell:
    seen, value = look(panel, name), record.get(name)
    href = None if seen is None or seen.link is None else address(board, seen.link, record, at)
    if name == "time" and isinstance(value, int):
        if seen is not None and seen.unit == "dateTimeFromNow":
            return Cell("", href=href, since_ms=value)
        return Cell("", href=href, at_ms=value)
    plain = ColumnLook(name, unit="") if seen is None else seen
    thresholds = seen.thresholds if seen is not None else None
    colour = colour_of(value, thresholds, plain.values)
    if isinstance(value, str):
        value = named(name, value)
    return Cell("" if value is None else worded(value, panel, plain, at.language), colour, href)


def address(board: Board, link: Link, record: Mapping[str, Value | int], at: Look) -> str:
    """Where a link leads, on this gateway."""
    if link.board is None:
        return _COLUMN.sub(lambda found: quote(str(record.get(found[1]) or ""), safe=""), link.path or "/")
    chosen = {name: value for name, value in at.variables.items() if isinstance(value, str)}
    chosen |= {variable: str(record.get(column) or "") for variable, column in link.carry}
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in chosen.items() if value)
    return f"/boards/{link.board}" + (f"?{query}" if query else "")


def _places(board: Board, panel: Panel, answers: Sequence[tuple[Query, Answer]], at: Look) -> Iterable[Spot]:
    """Each place's position, what it is coloured by, its words, and where a click leads."""
    coloured = next((one.column for one in panel.columns if one.thresholds is not None or one.values), None)
    linked = next((one for one in panel.columns if one.link is not None), None)
    for _, answer in answers:
        for row in answer.rows:
            record = dict(zip(answer.columns, row, strict=True))
            lat, lon = record.get("lat"), record.get("lon")
            if isinstance(lat, float) and isinstance(lon, float):
                said = [str(value) for value in record.values() if isinstance(value, str)]
                of = look(panel, coloured) if coloured else None
                value = record.get(coloured) if coloured else None
                if coloured:
                    said.append(worded(value, panel, of, at.language))
                label, href = "", None
                if linked is not None and linked.link is not None:
                    label, href = str(record.get(linked.column) or ""), address(board, linked.link, record, at)
                yield Spot(lat, lon, value, " · ".join(said), label, href)


def _pairs(answers: Sequence[tuple[Query, Answer]]) -> Iterable[tuple[float, float]]:
    for query, answer in answers:
        width = 1 + len(query.by)
        for row in answer.rows:
            one, other = row[width : width + 2]
            if isinstance(one, float) and isinstance(other, float):
                yield one, other
