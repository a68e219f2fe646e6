"""What an expression is made of while it is translated: atoms, numbers with their intervals, conditions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

MAX_NUMBER = 1e12
"""Larger literals are typing errors, and keep arithmetic far from the end of floating point."""
LARGEST = 1e100
"""No sub-expression may grow beyond this."""
SMALLEST_DIVISOR = 1e-9
"""Closer to zero than any resolution of a metric: dividing by less says nothing."""
Metrics = Mapping[str, float]
Values = Mapping[str, "float | bool | str | None"]
"""What the atoms of an expression were, by their variables."""


def number(value: float) -> str:
    """A value as people write it: ``88``, ``36.6``."""
    return str(int(value)) if value == int(value) else f"{value:.4g}"


@dataclass(frozen=True, slots=True)
class Range:
    """What a value can be, both ends included, in its UCUM unit."""

    low: float
    high: float
    unit: str
    step: float = 0
    """It is measured in steps of this; 0 where that is not known."""


@dataclass(frozen=True, slots=True)
class Atom:
    """Something fetched once before the condition is worked out: a metric, a fact, a question to the past."""

    variable: str
    fetch: str
    """Code that yields its value, None where it is not known."""
    text: str
    """As it is written in the expression."""
    needs: frozenset[str] = frozenset()
    """Variables of other atoms that its code uses."""
    detail: str = ""
    """Code that yields what to add in an explanation, as text; empty where the value says all."""


@dataclass(frozen=True, slots=True)
class Number:
    """A numeric sub-expression: its code, and the interval its value cannot leave."""

    code: str
    low: float
    high: float
    atoms: frozenset[str]
    render: Callable[[Values], str]
    text: str
    unit: str | None = None
    """None: no unit of its own (a literal, a ratio); it goes with any."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """The smallest part of a condition that is true or false by itself."""

    text: str
    code: str
    render: Callable[[Values], str]


@dataclass(frozen=True, slots=True)
class Condition:
    """A true-or-false sub-expression. Its code yields True, False or None (unknown)."""

    code: str
    atoms: frozenset[str]
    explain: Callable[[Values], str]
    denied: Callable[[Values], list[str]]
    """What keeps it from being true, with values. For values for which it is false or unknown."""
    leaves: tuple[Leaf, ...] = field(default=())
