"""Dashboards as values: panels, variables, links, annotations. Pure; what they become is made elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from dashboards.query import Column, Query, TagIs, TagValues, Var
from dashboards.text import Text

PanelKind = Literal[
    "stat",
    "gauge",
    "timeseries",
    "barchart",
    "bargauge",
    "piechart",
    "table",
    "state-timeline",
    "map",
    "xychart",
    "text",
]
Colour = Literal["green", "yellow", "orange", "red", "blue", "purple", "grey"]
"""Meanings, the same on every board: green is well, yellow is worth a look, orange is due, red is now."""


@dataclass(frozen=True, slots=True)
class Step:
    """From ``at`` upwards (None: from the very lowest) it has this colour."""

    at: float | None
    colour: Colour


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Colours of values; ``source`` says where the numbers are from, for whoever asks why it is red."""

    steps: tuple[Step, ...]
    source: str
    """``rule spo2-low``, ``EN 50518``, ``figures LIFE``: never a number out of the air."""


@dataclass(frozen=True, slots=True)
class Link:
    """Where a click leads: another board with the row's values, or a page of the gateway."""

    title: Text
    board: str | None = None
    """Uid of the board without its language."""
    path: str | None = None
    """A path of the gateway's own pages, after its public address: ``/cases/{number}``; ``{column}`` is of the row."""
    carry: tuple[tuple[str, str], ...] = ()
    """(variable of the board there, column of this row) pairs."""


@dataclass(frozen=True, slots=True)
class ValueText:
    """What stands for a number or code: 1 → 有电."""

    value: float | str
    text: Text
    colour: Colour | None = None


@dataclass(frozen=True, slots=True)
class ColumnLook:
    """How one column of a table, or one series, looks."""

    column: str
    title: Text | None = None
    unit: str | None = None
    thresholds: Thresholds | None = None
    values: tuple[ValueText, ...] = ()
    link: Link | None = None
    width: int | None = None
    hidden: bool = False
    gauge: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One picture. Every panel has a description: what it says, and what to do when it is red."""

    key: str
    """Unique on its board: what tests, pictures and pages call it."""
    kind: PanelKind
    title: Text
    description: Text
    queries: tuple[Query, ...] = ()
    unit: str = ""
    """Grafana's unit id (``s``, ``percent``, ``short``…), or what is written behind the number as it is (``mmHg``);
    required but for tables, maps and texts."""
    decimals: int | None = None
    thresholds: Thresholds | None = None
    columns: tuple[ColumnLook, ...] = ()
    values: tuple[ValueText, ...] = ()
    links: tuple[Link, ...] = ()
    legend: bool = True
    stack: bool = False
    low: float | None = None
    high: float | None = None
    sort: str = ""
    """Column of the answer by which rows or bars stand, the highest first; ``-column``: the lowest first."""
    top: int | None = None
    """Only so many rows or bars, the first of that order."""
    text: Text | None = None
    """Markdown, of a text panel."""
    width: int = 8
    """Of 24."""
    height: int = 8
    empty: Text | None = None
    """What stands there while there is nothing, where that can be; a panel without it must have data."""
    silence: Colour = "green"
    """What ``empty`` means: green where nothing is good news, red where somebody who should speak does not."""


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under a heading."""

    title: Text | None
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Variable:
    """A choice at the head of a board; its values come from the ``place`` measurement or a tag."""

    name: str
    title: Text
    role: str | None = None
    """``community``, ``grid``, ``building``: places of this role, by their names, within what is chosen above."""
    tag: str | None = None
    """Values of this tag …"""
    measurement: str | None = None
    """… in this measurement, within what is chosen above."""
    within: tuple[str, ...] = ()
    """Variables above it whose choice narrows this one, by the tag of the same name."""
    several: bool = True

    def __post_init__(self) -> None:
        if (self.role is None) == (self.tag is None) or (self.tag is None) != (self.measurement is None):
            raise ValueError(f"variable {self.name}: expected a role, or a tag and its measurement")

    def asks(self) -> Query | TagValues:
        """The query whose answer is offered: labels ``name (id)`` of places, or values of the tag."""
        where = tuple(TagIs(name, Var(name)) for name in self.within)
        if self.role is None:
            assert self.measurement is not None and self.tag is not None
            return TagValues(self.measurement, self.tag, where)
        label = Column("label", localized=True)
        return Query("place", (label,), (TagIs("role", self.role), *where), last="2d", limit=20_000)


@dataclass(frozen=True, slots=True)
class Annotation:
    """Marks over the pictures: one for each row of the query."""

    key: str
    title: Text
    query: Query
    text: str
    """Column that is written at the mark."""
    tags: tuple[str, ...] = ()
    colour: Colour = "red"


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """One dashboard, in both languages from one definition."""

    uid: str
    """Stable, without its language: ``anju-wall`` becomes ``anju-wall-zh`` and ``anju-wall-en``."""
    title: Text
    description: Text
    rows: tuple[Row, ...]
    variables: tuple[Variable, ...] = ()
    annotations: tuple[Annotation, ...] = ()
    links: tuple[Link, ...] = ()
    range: str = "24h"
    """What is shown at first, back from now."""
    refresh: str = "30s"
    tags: tuple[str, ...] = field(default=())
    private: bool = False
    """Holds health data: only for those who are entitled to it."""

    def panels(self) -> tuple[Panel, ...]:
        """Of all rows, in their order."""
        return tuple(panel for row in self.rows for panel in row.panels)
