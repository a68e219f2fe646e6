"""The language of conditions over metrics: the metric scope of `devices.expression`, compiled to a code object.

Numbers, metric names, comparisons (chained too), ``and or not``, ``+ - * /`` and the functions ``min max abs has``.
Everything else is refused when the rule is loaded, with a `RuleError` that says where, what was expected and what to
do. What may be compared with what is checked against the metric tables of the rule's kinds, so that a condition which
can never hold (``spo2 > 100``) is an error and not a rule that sleeps for ever.

**A metric that a reading does not carry is unknown**, and conditions follow three-valued logic: ``systolic > 180 or
diastolic > 120`` holds for a systolic of 190 alone, and says nothing for a systolic of 120 alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from devices.expression.errors import ExpressionError
from devices.expression.reading import read
from devices.kinds import KINDS
from gateway.rules.errors import RuleError
from gateway.rules.translate import DIALECT, Metrics, Range, Translator, Truth, function_of, number

__all__ = ["Expression", "Metrics", "RuleError", "compile_expression", "number"]


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled condition."""

    text: str
    metrics: frozenset[str]
    """Every metric it names. A reading without any of them cannot concern it."""
    literals: frozenset[float]
    evaluate: Truth
    """True, False, or None where a missing metric leaves it open. Raises ZeroDivisionError and nothing else."""
    explain: Callable[[Metrics], str]
    """What makes it true, with values: ``spo2 88 < 90``. For metrics for which it holds."""


def compile_expression(text: str, kinds: Sequence[str]) -> Expression:
    """Compile ``text`` for readings of ``kinds``. Raises RuleError."""
    return _compile(text, tuple(kinds))


@lru_cache(maxsize=1024)  # an engine is made anew at every change of the registry
def _compile(text: str, kinds: tuple[str, ...]) -> Expression:
    try:
        source = read(text, DIALECT)
        translator = Translator(source, _ranges(kinds), " and ".join(kinds))
        condition = translator.condition(source.tree, depth=1)
    except ExpressionError as error:
        raise RuleError(error.problem, expected=error.expected, hint=error.hint, position=error.position) from None
    if not condition.metrics:
        raise RuleError(
            "the expression names no metric", expected="a condition over metrics", hint="for example: spo2 < 90"
        )
    return Expression(
        text=source.text,
        metrics=condition.metrics,
        literals=frozenset(translator.literals),
        evaluate=function_of(condition),
        explain=condition.explain,
    )


def _ranges(kinds: Sequence[str]) -> dict[str, Range]:
    """The metrics that every one of ``kinds`` has, each with the widest of their plausible ranges."""
    tables = [KINDS[kind].metrics for kind in kinds]
    return {
        key: Range(min(t[key].low for t in tables), max(t[key].high for t in tables), tables[0][key].unit)
        for key in tables[0]
        if all(key in table for table in tables)
    }
