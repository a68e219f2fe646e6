"""When a value is coloured, from the same catalogue as the alarms: the rule library's documents and the targets.

The documents are read as data; what a rule compares its metric with is taken out of its condition. So a limit that is
changed in the library changes on every board, and nobody can write a number of their own beside it.
"""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

import yaml

from dashboards.board import Colour, Step, Thresholds
from devices.targets import LIFE, ON_SITE, OTHER, Target

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
Side = Literal["low", "high"]
SEVERITY_COLOURS: Mapping[str, Colour] = {
    "emergency": "red",
    "urgent": "orange",
    "service": "yellow",
    "notice": "yellow",
}
JUST_ABOVE = 1e-6
"""A colour holds from its step on; where a rule says ``<= 15``, the next one begins just above 15."""
_COMPARES: dict[type[ast.cmpop], tuple[Side, bool]] = {
    ast.Lt: ("low", False),
    ast.LtE: ("low", True),
    ast.Gt: ("high", True),
    ast.GtE: ("high", False),
}
_TURNED: dict[type[ast.cmpop], type[ast.cmpop]] = {ast.Lt: ast.Gt, ast.LtE: ast.GtE, ast.Gt: ast.Lt, ast.GtE: ast.LtE}


class Bound(NamedTuple):
    """A metric is out of bounds below (``low``) or above (``high``) ``at``; ``beyond``: the step lies just above it."""

    side: Side
    at: float
    beyond: bool

    @property
    def step(self) -> float:
        """Where the colour changes: at the bound, or just above it."""
        return self.at + JUST_ABOVE if self.beyond else self.at


def watched(metric: str, *rules: str, limits: Mapping[str, float] | None = None) -> Thresholds:
    """Colours of ``metric`` by what these rules of the library compare it with; between them it is green.

    ``<rule>`` or, where a rule has bounds on both sides, ``<rule>:low`` or ``<rule>:high``. ``limits``: the community's
    own in place of the library's (``limit(name, default)``). Raises LookupError for a rule that is not in the library
    or does not compare the metric with one number.
    """
    low: list[tuple[float, Colour]] = []
    high: list[tuple[float, Colour]] = []
    for name in rules:
        rule, _, side = name.partition(":")
        document = library(rule)
        bound = _bound(rule, metric, side, document, limits or {})
        colour = SEVERITY_COLOURS[document["raises"]["severity"]]
        (low if bound.side == "low" else high).append((bound.step, colour))
    low.sort()
    high.sort()
    if low and high and low[-1][0] >= high[0][0]:
        raise LookupError(f"rules {', '.join(rules)}: {metric} is never well")
    # Below the lowest bound is its colour; from each bound on that of the next one, and green above the last.
    steps = [Step(None, low[0][1] if low else "green")]
    steps += [Step(at, low[index + 1][1] if index + 1 < len(low) else "green") for index, (at, _) in enumerate(low)]
    steps += [Step(at, colour) for at, colour in high]
    return Thresholds(tuple(steps), f"rule {', '.join(rules)}")


def bounds(rule: str, metric: str, limits: Mapping[str, float] | None = None) -> list[Bound]:
    """What a rule of the library compares a metric (or an average of it) with, without repeats."""
    found: list[Bound] = []
    for expression in _conditions(library(rule)):
        for node in ast.walk(ast.parse(expression.strip(), mode="eval")):
            if isinstance(node, ast.Compare):
                found += [one for one in _compared(node, metric, limits or {}) if one not in found]
    return found


@cache
def library(rule: str) -> dict[str, Any]:
    """The document of a rule of the library. Raises LookupError."""
    path = _folder() / f"{rule}.yaml"
    if not path.is_file():
        raise LookupError(f"rule {rule}: not in the library")
    document: dict[str, Any] = yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)
    return document


@cache
def _folder() -> Path:
    """Where the library lies, without importing any of the gateway."""
    spec = importlib.util.find_spec("gateway")
    assert spec is not None and spec.submodule_search_locations, "the package gateway is installed beside this one"
    return Path(spec.submodule_search_locations[0]) / "rules" / "library"


def _bound(rule: str, metric: str, side: str, document: dict[str, Any], limits: Mapping[str, float]) -> Bound:
    found = [one for one in bounds(rule, metric, limits) if not side or one.side == side]
    if len(found) != 1:
        told = ", ".join(f"{one.side} {one.at:g}" for one in found) or "none"
        raise LookupError(f"rule {rule}: expected one bound of {metric}, found {told}")
    return found[0]


def _conditions(document: dict[str, Any]) -> Iterator[str]:
    if "when" in document:
        yield document["when"]


def _compared(node: ast.Compare, metric: str, limits: Mapping[str, float]) -> Iterator[Bound]:
    """The bounds in one comparison, chained (``7 <= x < 9``) or turned round (``90 > x``) as it may be."""
    sides = [node.left, *node.comparators]
    for left, compare, right in zip(sides, node.ops, sides[1:], strict=False):
        kind = type(compare)
        if kind not in _COMPARES:
            continue
        for what, number, how in ((left, right, kind), (right, left, _TURNED[kind])):
            at = _number(number, limits)
            if at is not None and _is_of(what, metric):
                side, beyond = _COMPARES[how]
                yield Bound(side, at, beyond)


def _is_of(node: ast.expr, metric: str) -> bool:
    """The metric itself, or its mean, least or greatest."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("mean", "lowest", "highest"):
        node = node.args[0]
    return isinstance(node, ast.Name) and node.id == metric


def _number(node: ast.expr, limits: Mapping[str, float]) -> float | None:
    match node:
        case ast.Constant(value=int() | float() as value):
            return float(value)
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
            return -float(value)
        case ast.Call(
            func=ast.Name(id="limit"), args=[ast.Name(id=name), ast.Constant(value=int() | float() as value)]
        ):
            return float(limits.get(name, value))
    return None


def share(target: Target, source: str) -> Thresholds:
    """Of a share in per cent: green from the target on, red below."""
    steps = (Step(None, "red"), Step(round(target.share * 100, 6), "green"))
    return Thresholds(steps, f"{source}: {target.share * 100:g} % within {target.within_s} s")


ANSWERED_60, ANSWERED_180 = (share(target, "figures LIFE") for target in LIFE)
"""Shares (%) of alarms for life safety that were answered in time."""
OTHERS_90, OTHERS_180 = (share(target, "figures OTHER") for target in OTHER)
ON_SITE_45_MIN, ON_SITE_60_MIN = (share(target, "figures ON_SITE") for target in ON_SITE)
