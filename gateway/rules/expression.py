"""The language of conditions: a whitelisted, typed subset of Python expressions, compiled to a code object.

Numbers, metric names, comparisons (chained too), ``and or not``, ``+ - * /`` and the functions ``min max abs has``.
Everything else is refused when the rule is loaded, with a `RuleError` that says where, what was expected and what to
do. What may be compared with what is checked against the metric tables of the rule's kinds, so that a condition which
can never hold (``spo2 > 100``) is an error and not a rule that sleeps for ever.

**A metric that a reading does not carry is unknown**, and conditions follow three-valued logic: ``systolic > 180 or
diastolic > 120`` holds for a systolic of 190 alone, and says nothing for a systolic of 120 alone.
"""

from __future__ import annotations

import ast
import re
import unicodedata
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from devices.kinds import KINDS
from gateway.rules.errors import RuleError
from gateway.rules.translate import LANGUAGE, MAX_DEPTH, Metrics, Range, Translator, Truth, function_of, number

__all__ = ["MAX_LENGTH", "Expression", "Metrics", "RuleError", "compile_expression", "number"]

MAX_LENGTH = 500
_ALLOWED = re.compile(r"[A-Za-z0-9_ .,()<>=!+\-*/]*")


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
    if len(text) > MAX_LENGTH:
        raise RuleError(
            f"the expression has {len(text)} characters",
            expected=f"at most {MAX_LENGTH}",
            hint="split it into several rules",
        )
    line = re.sub(r"[\t\r\n]", " ", text)
    _check_characters(line)
    source = line.strip()
    if not source:
        raise RuleError("the expression is empty", expected="a condition", hint="for example: spo2 < 90")
    translator = Translator(_ranges(kinds), " and ".join(kinds), offset=len(line) - len(line.lstrip()))
    condition = translator.condition(_parse(source, translator.offset), depth=1)
    if not condition.metrics:
        raise RuleError(
            "the expression names no metric", expected="a condition over metrics", hint="for example: spo2 < 90"
        )
    return Expression(
        text=source,
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


def _check_characters(line: str) -> None:
    match = _ALLOWED.match(line)
    end = match.end() if match else 0
    if end == len(line):
        return
    character = line[end]
    plain = unicodedata.normalize("NFKC", character)
    hint = {"&": "write and", "|": "write or", "%": "leave units out", "，": "write ,"}.get(character, "remove it")
    if plain != character and _ALLOWED.fullmatch(plain):
        hint = f"it is a full-width character; type {plain} in half width"
    raise RuleError(
        f"character {character!r} is not part of the language", expected=LANGUAGE, hint=hint, position=end + 1
    )


def _parse(source: str, offset: int) -> ast.expr:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "90and" is a warning to Python and an oddity to us
            return ast.parse(source, mode="eval").body
    except SyntaxError as error:
        hint = str(error.msg)
        if re.search(r"\b(AND|OR|NOT)\b", source):
            hint = "write and, or, not in small letters"
        elif re.search(r"(?<![<>=!])=(?!=)", source):
            hint = "compare with =="
        raise RuleError(
            "it cannot be read", expected=LANGUAGE, hint=hint, position=offset + (error.offset or 1)
        ) from None
    except (RecursionError, MemoryError, ValueError):
        raise RuleError("it is nested too deeply", expected=f"at most {MAX_DEPTH} levels", hint="simplify it") from None
