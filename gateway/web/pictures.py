"""Pictures of panels, in SVG coordinates and in words: what a template draws, from what a query answered. Pure."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dashboards.board import Colour, ColumnLook, Panel, Thresholds, ValueText
from dashboards.text import Language
from gateway.web.units import shown

Value = float | str | None

WIDTH, HEIGHT = 1000.0, 300.0
"""The plane of a chart. It is stretched to the room that a panel has; words beside it stay as large as they are."""
MAP_COLUMN, MAP_ROW = 48.0, 24.0
"""What a map has for each column and row of its panel."""
MAP_EDGE = 20.0
MAP_LABELS = 12
"""A map of so few places has their names beside them."""
MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
MARKS_MS = (
    *(minutes * MINUTE_MS for minutes in (1, 2, 5, 10, 15, 30)),
    *(hours * HOUR_MS for hours in (1, 2, 3, 4, 6, 12)),
    *(days * DAY_MS for days in (1, 2, 5, 7, 15, 30)),
)
MARKS_MOST = 7
COLUMN_SHARE = 0.85
"""Of its stretch of time, what a bar fills."""
HUES = 8
"""Lines without a meaning of their own take these in turn: classes ``hue0`` to ``hue7``."""
GAP_STEPS = 3.5
"""A line is broken where so many steps in a row are empty: what was not measured is not drawn."""


@dataclass(frozen=True, slots=True)
class Series:
    """Values over time, by one name."""

    name: str
    points: tuple[tuple[int, Value], ...]
    column: str = ""
    """Which column of the query it is, for its look."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One big value."""

    name: str
    text: str
    colour: Colour | None
    share: float | None = None
    """0 to 1, between the panel's low and high."""


@dataclass(frozen=True, slots=True)
class Curve:
    """One line of a chart, as SVG paths."""

    name: str
    hue: int
    paths: tuple[str, ...]
    dots: tuple[tuple[float, float], ...]
    newest: str
    columns: tuple[tuple[float, float, float, float], ...] = ()
    """Bars over time, as x, y, width and height."""


@dataclass(frozen=True, slots=True)
class Chart:
    """Curves or dots over an axis."""

    curves: tuple[Curve, ...]
    rows: tuple[tuple[float, str], ...]
    """y and a label."""
    columns: tuple[tuple[float, str | int], ...]
    """x and an instant (ms) or a label."""
    limits: tuple[tuple[float, Colour], ...] = ()
    """y of thresholds within the picture."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of a chart."""

    share: float
    """Of the longest there may be, in percent."""
    name: str
    text: str
    colour: Colour | None


@dataclass(frozen=True, slots=True)
class State:
    """A stretch of time: where it begins and how long it is, in percent of the range."""

    x: float
    width: float
    colour: Colour | None
    title: str


@dataclass(frozen=True, slots=True)
class StateRow:
    """What states one thing was in, one after the other."""

    name: str
    states: tuple[State, ...]


@dataclass(frozen=True, slots=True)
class Spot:
    """A place (WGS-84), what it is coloured by, and its words."""

    lat: float
    lon: float
    value: Value
    title: str
    label: str = ""
    href: str | None = None


@dataclass(frozen=True, slots=True)
class Dot:
    """One spot on a map, in its pixels."""

    x: float
    y: float
    radius: float
    colour: Colour | None
    title: str
    label: str
    href: str | None


@dataclass(frozen=True, slots=True)
class Map:
    """Spots as they lie to each other, without streets."""

    width: float
    height: float
    dots: tuple[Dot, ...]
    labelled: bool


def look(panel: Panel, column: str) -> ColumnLook | None:
    """How the panel wants this column; None where it says nothing."""
    return next((one for one in panel.columns if one.column == column), None)


def colour_of(value: Value, thresholds: Thresholds | None, values: Sequence[ValueText] = ()) -> Colour | None:
    """The colour a value has: of its text where it has one, else of the highest step that it reaches."""
    for known in values:
        if known.value == value and known.colour is not None:
            return known.colour
    if thresholds is None or not isinstance(value, int | float):
        return None
    reached: Colour | None = None
    for step in thresholds.steps:
        if step.at is None or value >= step.at:
            reached = step.colour
    return reached


def worded(value: Value, panel: Panel, of: ColumnLook | None, language: Language) -> str:
    """A value as people read it."""
    for known in of.values if of is not None and of.values else panel.values:
        if known.value == value:
            return known.text.of(language)
    unit = of.unit if of is not None and of.unit is not None else panel.unit
    return shown(value, unit, panel.decimals)


def figures(panel: Panel, series: Iterable[Series], language: Language) -> list[Figure]:
    """The newest value of each series."""
    out = []
    for one in series:
        value = next((value for _, value in reversed(one.points) if value is not None), None)
        of = look(panel, one.column)
        thresholds = of.thresholds if of is not None and of.thresholds is not None else panel.thresholds
        values = of.values if of is not None and of.values else panel.values
        share = None
        if isinstance(value, int | float) and panel.high is not None:
            low = panel.low or 0.0
            share = max(0.0, min(1.0, (value - low) / ((panel.high - low) or 1.0)))
        out.append(Figure(one.name, worded(value, panel, of, language), colour_of(value, thresholds, values), share))
    return out


def chart(
    panel: Panel, series: Sequence[Series], start_ms: int, end_ms: int, language: Language, day_offset_ms: int = 0
) -> Chart | None:
    """Numbers over time; None where there are none. Days begin ``day_offset_ms`` from midnight UTC."""
    known = [value for one in series for _, value in one.points if isinstance(value, int | float)]
    if not known:
        return None
    low, high, step = _axis(known, panel.low, panel.high)
    x = _scale(start_ms, end_ms, 0, WIDTH)
    y = _scale(low, high, HEIGHT, 0)
    curves = []
    for number, one in enumerate(series):
        points = [(at_ms, float(value)) for at_ms, value in one.points if isinstance(value, int | float)]
        stretches = _stretches(points)
        paths = tuple(
            "M" + "L".join(f"{x(at_ms):g} {y(value):g}" for at_ms, value in stretch)
            for stretch in stretches
            if len(stretch) > 1
        )
        dots = tuple((x(stretch[0][0]), y(stretch[0][1])) for stretch in stretches if len(stretch) == 1)
        newest = worded(points[-1][1], panel, look(panel, one.column), language) if points else "–"
        curves.append(Curve(one.name, number % HUES, paths, dots, newest))
    steps = panel.thresholds.steps if panel.thresholds is not None else ()
    return Chart(
        curves=tuple(curves),
        rows=_rows(low, high, step, y, panel),
        columns=marks(start_ms, end_ms, day_offset_ms),
        limits=tuple((y(one.at), one.colour) for one in steps if one.at is not None and low <= one.at <= high),
    )


def columns(
    panel: Panel,
    series: Sequence[Series],
    start_ms: int,
    end_ms: int,
    step_ms: int,
    language: Language,
    day_offset_ms: int = 0,
) -> Chart | None:
    """Sums of stretches of ``step_ms`` as bars, on top of each other or side by side; None where there are none."""
    known: list[list[tuple[int, float]]] = [
        [(at_ms, float(value)) for at_ms, value in one.points if isinstance(value, int | float)] for one in series
    ]
    tops: dict[int, float] = {}
    for at_ms, value in itertools.chain.from_iterable(known):
        tops[at_ms] = tops.get(at_ms, 0.0) + value if panel.stack else max(tops.get(at_ms, 0.0), value)
    if not tops:
        return None
    start_ms = min(start_ms, *tops)  # the first stretch may have begun before
    low, high, step = _axis([0.0, *tops.values()], panel.low, panel.high)
    x, y = _scale(start_ms, max(end_ms, max(tops) + step_ms), 0, WIDTH), _scale(low, high, HEIGHT, 0)
    room = (x(start_ms + step_ms) - x(start_ms)) * COLUMN_SHARE
    width = room if panel.stack else room / len(series)
    stacked: dict[int, float] = {}
    curves = []
    for number, (one, points) in enumerate(zip(series, known, strict=True)):
        bars = []
        for at_ms, value in points:
            if not value:
                continue
            below = stacked.get(at_ms, 0.0) if panel.stack else 0.0
            stacked[at_ms] = below + value
            left = x(at_ms) + (0.0 if panel.stack else number * width)
            bars.append((round(left, 1), y(below + value), round(width, 1), round(y(below) - y(below + value), 1)))
        newest = worded(points[-1][1], panel, look(panel, one.column), language) if points else "–"
        curves.append(Curve(one.name, number % HUES, (), (), newest, tuple(bars)))
    return Chart(tuple(curves), _rows(low, high, step, y, panel), _marks_to(x, start_ms, end_ms, day_offset_ms))


def scatter(panel: Panel, pairs: Sequence[tuple[float, float]]) -> Chart | None:
    """One number against another, from nought."""
    if not pairs:
        return None
    left, right, stride = _axis([0.0, *(one for one, _ in pairs)], 0.0, None)
    low, high, step = _axis([0.0, *(other for _, other in pairs)], panel.low, panel.high)
    x, y = _scale(left, right, 0, WIDTH), _scale(low, high, HEIGHT, 0)
    dots = tuple((x(one), y(other)) for one, other in pairs)
    across = panel.columns[0].unit if panel.columns and panel.columns[0].unit is not None else ""
    parts = [left + stride * number for number in range(round((right - left) / stride) + 1)]
    columns = tuple((x(part), shown(part, across)) for part in parts)
    return Chart((Curve("", 0, (), dots, ""),), _rows(low, high, step, y, panel), columns)


def bars(panel: Panel, series: Iterable[Series], language: Language) -> list[Bar]:
    """The newest value of each, as bars from nought to the panel's high or the greatest of them."""
    of = [
        (one, next((value for _, value in reversed(one.points) if isinstance(value, int | float)), None))
        for one in series
    ]
    most = panel.high or max((value for _, value in of if value is not None), default=0.0) or 1.0
    out = []
    for one, value in of:
        seen = look(panel, one.column)
        thresholds = seen.thresholds if seen is not None and seen.thresholds is not None else panel.thresholds
        share = 0.0 if value is None else round(max(0.0, min(1.0, value / most)) * 100, 1)
        out.append(Bar(share, one.name, worded(value, panel, seen, language), colour_of(value, thresholds)))
    return out


def states(panel: Panel, series: Iterable[Series], start_ms: int, end_ms: int, language: Language) -> list[StateRow]:
    """Each series as a row of stretches that hold until the next value."""
    x = _scale(start_ms, end_ms, 0, 100)
    rows = []
    for one in series:
        of = look(panel, one.column)
        points = [(max(at_ms, start_ms), value) for at_ms, value in one.points if at_ms <= end_ms]
        ends = [at_ms for at_ms, _ in points[1:]] + [end_ms]
        known = tuple(
            State(
                x=x(at_ms),
                width=round(max(0.3, x(until) - x(at_ms)), 2),
                colour=colour_of(value, panel.thresholds, of.values if of is not None and of.values else panel.values),
                title=worded(value, panel, of, language),
            )
            for (at_ms, value), until in zip(points, ends, strict=True)
            if value is not None
        )
        rows.append(StateRow(one.name, known))
    return rows


def dots(panel: Panel, places: Sequence[Spot]) -> Map | None:
    """Places as the map has room for them, north above; what matters lies on top. None where there are none."""
    if not places:
        return None
    width, height = panel.width * MAP_COLUMN, panel.height * MAP_ROW
    south, north = min(one.lat for one in places), max(one.lat for one in places)
    west, east = min(one.lon for one in places), max(one.lon for one in places)
    squeeze = math.cos(math.radians((south + north) / 2))
    zoom = min(
        (width - 2 * MAP_EDGE) / ((east - west) * squeeze or 1e-3), (height - 2 * MAP_EDGE) / ((north - south) or 1e-3)
    )
    out = [
        Dot(
            x=round(width / 2 + (one.lon - (west + east) / 2) * squeeze * zoom, 1),
            y=round(height / 2 - (one.lat - (south + north) / 2) * zoom, 1),
            radius=8.0 if one.value else 3.5,
            colour=colour_of(one.value, panel.thresholds, panel.values),
            title=one.title,
            label=one.label,
            href=one.href,
        )
        for one in sorted(places, key=lambda one: one.value if isinstance(one.value, int | float) else 0.0)
    ]
    return Map(width, height, tuple(out), len(out) <= MAP_LABELS)


def marks(start_ms: int, end_ms: int, day_offset_ms: int) -> tuple[tuple[float, int], ...]:
    """Round instants of the community's own day along a range: x, and the instant (ms)."""
    return _marks_to(_scale(start_ms, end_ms, 0, WIDTH), start_ms, end_ms, day_offset_ms)


def _marks_to(x: _scale, start_ms: int, end_ms: int, day_offset_ms: int) -> tuple[tuple[float, int], ...]:
    every = next((one for one in MARKS_MS if (end_ms - start_ms) / one <= MARKS_MOST), MARKS_MS[-1])
    first = start_ms + (day_offset_ms - start_ms) % every
    return tuple((x(at), at) for at in range(first, end_ms + 1, every))


class _scale:
    def __init__(self, low: float, high: float, first: float, final: float) -> None:
        self._low, self._span = low, (high - low) or 1.0
        self._first, self._room = first, final - first

    def __call__(self, value: float) -> float:
        return round(self._first + (value - self._low) / self._span * self._room, 1)


def _axis(values: Sequence[float], least: float | None, most: float | None) -> tuple[float, float, float]:
    """From, to and step of an axis that holds the values and the panel's own ends."""
    low = min(values) if least is None else min(least, *values)
    high = max(values) if most is None else max(most, *values)
    rough = max(high - low, abs(high) * 0.1, 1e-6) / 4
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= rough)
    bottom = step * math.floor(low / step)
    top = step * math.ceil(high / step)
    return bottom, top if top > bottom else bottom + step, step


def _rows(low: float, high: float, step: float, y: _scale, panel: Panel) -> tuple[tuple[float, str], ...]:
    count = round((high - low) / step)
    return tuple((y(low + step * number), shown(low + step * number, panel.unit)) for number in range(count + 1))


def _stretches(points: Sequence[tuple[int, float]]) -> list[list[tuple[int, float]]]:
    if not points:
        return []
    steps = sorted(after[0] - before[0] for before, after in itertools.pairwise(points))
    usual = steps[len(steps) // 2] if steps else 0
    out = [[points[0]]]
    for before, after in itertools.pairwise(points):
        if usual and after[0] - before[0] > GAP_STEPS * usual:
            out.append([])
        out[-1].append(after)
    return out
