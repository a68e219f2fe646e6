"""Expressions over the fields of a foreign payload, for device profiles: compiled once, evaluated for each message.

Fields by name (``after.score``, ``StatusSNS[0]``, ``this["odd key"]``), numbers, texts, ``true`` and ``false``,
comparisons, ``and or not``, ``+ - * /`` on numbers, and the functions of `devices.expression.functions`.

**What is not there, null, or of another type is unknown**, and unknown goes on: a comparison with it is neither true
nor false. Nothing that a payload holds makes `evaluate` raise, loop or allocate without bound. What is wrong with the
expression itself (types that can never meet, too) is an `ExpressionError` when it is compiled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from devices.expression.core import function
from devices.expression.functions import RUNTIME, Type
from devices.expression.reading import read
from devices.expression.typed import DIALECT, PayloadWalk

__all__ = ["FieldCondition", "FieldExpression", "compile_condition", "compile_field"]


@dataclass(frozen=True, slots=True)
class FieldExpression:
    """A compiled value."""

    text: str
    names: frozenset[str]
    """The fields it reads, as an expression names them."""
    yields: Type
    """What it can yield: "any" where only the payload tells."""
    evaluate: Callable[[Mapping[str, object]], float | str | bool | None]
    """The value for a payload; None where it is unknown. Never raises."""


@dataclass(frozen=True, slots=True)
class FieldCondition:
    """A compiled condition."""

    text: str
    names: frozenset[str]
    evaluate: Callable[[Mapping[str, object]], bool | None]
    """Whether it holds for a payload; None where that is unknown. Never raises."""


def compile_field(text: str) -> FieldExpression:
    """Compile a value. Raises ExpressionError."""
    source = read(text, DIALECT)
    walk = PayloadWalk(source)
    code, yields = walk.result()
    evaluate = function("field", "fields", [*walk.prelude(), f"return {code}"], RUNTIME)
    return FieldExpression(source.text, frozenset(walk.fields.names), yields, evaluate)


def compile_condition(text: str) -> FieldCondition:
    """Compile a condition. Raises ExpressionError."""
    source = read(text, DIALECT)
    walk = PayloadWalk(source)
    code = walk.verdict()
    evaluate = function("condition", "fields", [*walk.prelude(), f"return {code}"], RUNTIME)
    return FieldCondition(source.text, frozenset(walk.fields.names), evaluate)
