"""What a panel asks of the telemetry store, as a value: `influxql` writes it for Grafana, `sql` for the embedded store.

Only what both can answer with the same numbers can be said here. Stretches of time are counted from the epoch, UTC, but
whole days, which begin when the community's do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dashboards.text import Language

Aggregate = Literal["count", "sum", "mean", "min", "max", "first", "last", "p50", "p90", "p95"]
"""Percentiles by nearest rank, as InfluxQL has them."""
Compare = Literal["=", "!=", "<", "<=", ">", ">="]


@dataclass(frozen=True, slots=True)
class Column:
    """One number or text of an answer: a field, or an aggregate of it, times ``scale``."""

    field: str
    aggregate: Aggregate | None = None
    name: str = ""
    """What it is called in the answer; the field where not given."""
    scale: float = 1.0
    """100 for a share in per cent. Numbers only."""
    localized: bool = False
    """The field is kept once for each language: ``title`` stands for ``title_zh`` or ``title_en``."""

    @property
    def label(self) -> str:
        """What stands above it."""
        return self.name or self.field

    def stored(self, language: Language) -> str:
        """The field that is read."""
        return f"{self.field}_{language}" if self.localized else self.field


@dataclass(frozen=True, slots=True)
class Var:
    """The variable of the dashboard, chosen by who looks. Several values, and all of them, are possible."""

    name: str


@dataclass(frozen=True, slots=True)
class TagIs:
    """A tag has this value, one of these values, or one that is chosen in a variable."""

    tag: str
    value: str | tuple[str, ...] | Var
    unless: bool = False
    """True for "has none of these values"."""


@dataclass(frozen=True, slots=True)
class FieldIs:
    """A field of the same point compares so with a number or (``=`` and ``!=`` alone) a text."""

    field: str
    compare: Compare
    value: float | str


Condition = TagIs | FieldIs


@dataclass(frozen=True, slots=True)
class Query:
    """One SELECT over one measurement. Columns are all aggregates, or none is.

    Without aggregates: points as they are, newest first, with their time. With aggregates: one row, or one for each
    value of ``by`` and each stretch of ``every``.
    """

    measurement: str
    columns: tuple[Column, ...]
    where: tuple[Condition, ...] = ()
    by: tuple[str, ...] = ()
    """Tags to group by."""
    every: str | None = None
    """Width of the stretches of time: ``auto`` for what fits the picture, or ``1m``, ``15m``, ``1h``, ``1d``; ``1d`` is
    a day of the community."""
    fill: Literal["none", "null", "zero", "previous"] = "none"
    """What stands where a stretch has no points."""
    last: str | None = None
    """A look back from now (``7d``) instead of the range that is chosen: for what holds now."""
    limit: int | None = None
    """At most so many rows (of each group)."""
    name: str = ""
    """What the answer is called, where a panel has several; ``{tag}`` is replaced."""

    def __post_init__(self) -> None:
        whole = [column.aggregate is not None for column in self.columns]
        if not self.columns:
            raise ValueError(f"a query of {self.measurement} selects nothing")
        if any(whole) and not all(whole):
            raise ValueError(f"a query of {self.measurement} mixes aggregates with points as they are")
        if not any(whole) and self.every is not None:
            raise ValueError(f"a query of {self.measurement} groups points by time without an aggregate")
        if len({column.label for column in self.columns}) != len(self.columns):
            raise ValueError(f"a query of {self.measurement} has two columns of one name")
        texts = [self.measurement, *self.by, *(column.label for column in self.columns)]
        texts += [value for one in self.where for value in _literals(one)]
        if dollar := next((text for text in texts if "$" in text or "[[" in text), None):
            raise ValueError(f"a query of {self.measurement} holds {dollar!r}, which Grafana takes for a variable")


@dataclass(frozen=True, slots=True)
class TagValues:
    """Every value that a tag has in a measurement: what a variable offers. Not bounded by time, but by number."""

    measurement: str
    tag: str
    where: tuple[TagIs, ...] = ()
    limit: int = 20_000


def _literals(condition: Condition) -> tuple[str, ...]:
    """The texts that a condition compares with."""
    value = condition.value
    if isinstance(value, tuple):
        return value
    return (value,) if isinstance(value, str) else ()
