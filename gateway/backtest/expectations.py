"""``--fail-on``: what a back-test must not come to, such as ``alarms_per_day>5``."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence

from gateway.backtest.model import Expectation, Result
from gateway.registry.problem import did_you_mean

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
}
_SHAPE = re.compile(r"\s*([a-z_]+)\s*(<=|>=|==|!=|<|>)\s*(-?\d+(?:\.\d+)?)\s*")

FIGURES: dict[str, Callable[[Result], float]] = {
    "alarms": lambda result: result.summary.alarms,
    "alarms_per_day": lambda result: result.summary.alarms_per_day,
    "most_on_one_day": lambda result: result.summary.most_on_one_day,
    "repeats": lambda result: result.summary.repeats,
    "subjects": lambda result: result.summary.subjects,
    "open_at_end": lambda result: result.summary.open_at_end,
    "median_stood_s": lambda result: result.summary.median_stood_s,
    "longest_stood_s": lambda result: result.summary.longest_stood_s,
    "observations": lambda result: result.observations,
    "bad_rows": lambda result: result.bad_rows,
    "both": lambda result: _compared(result, "both"),
    "only_new": lambda result: _compared(result, "only_new"),
    "only_current": lambda result: _compared(result, "only_current"),
}
"""What can be asked for; the last three against the rules in force."""
COMPARED = ("both", "only_new", "only_current")


def _compared(result: Result, name: str) -> float:
    return float(next((getattr(one, name) for one in result.comparisons if one.against == "rules_in_force"), 0))


def parse(text: str) -> tuple[str, str, float]:
    """Figure, comparison and number. Raises ValueError that says what was expected."""
    match = _SHAPE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r}: expected a figure, a comparison and a number, such as alarms_per_day>5")
    name, symbol, number = match.groups()
    if name not in FIGURES:
        raise ValueError(
            f"{text!r}: there is no figure {name}; expected one of {', '.join(FIGURES)}{did_you_mean(name, FIGURES)}"
        )
    return name, symbol, float(number)


def judge(result: Result, texts: Sequence[str]) -> list[Expectation]:
    """Which of them hold (and are thereby broken expectations). Raises ValueError."""
    found = []
    for text in texts:
        name, symbol, number = parse(text)
        value = float(FIGURES[name](result))
        found.append(Expectation(text=text.strip(), value=value, broken=_OPERATORS[symbol](value, number)))
    return found
