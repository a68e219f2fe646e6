"""The language of conditions, compiled to code objects: what `docs/expressions.md` describes for rules.

Everything that is not part of the language is refused when the rule is loaded, with a `RuleError` that says where, what
was expected and what to do. What may be compared with what is checked against the metric tables of the rule's kinds, so
that a condition which can never hold (``spo2 > 100``) is an error and not a rule that sleeps for ever.

**What is not there is unknown**, and conditions follow three-valued logic: ``systolic > 180 or diastolic > 120`` holds
for a systolic of 190 alone, and says nothing for a systolic of 120 alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from devices.expression.core import function
from devices.expression.errors import ExpressionError
from devices.expression.reading import Source, read
from devices.kinds import KINDS
from gateway.alarms import ConditionValue
from gateway.rules.errors import RuleError
from gateway.rules.scopes import FactScope, InputScope, Limits, ReadingScope, Scope
from gateway.rules.terms import Atom, Condition, Metrics, Range, Values, number
from gateway.rules.translate import DIALECT, NAMES, truth_of

__all__ = ["Expression", "InputExpression", "Limits", "Metrics", "RuleError", "compile_expression", "number"]

NO_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled condition."""

    text: str
    metrics: frozenset[str]
    """Every metric it names. A reading without any of them cannot concern it."""
    literals: frozenset[float]
    facts: frozenset[str]
    """Every fact it asks for, as ``place.level``."""
    limits: Mapping[str, float]
    """Every personal limit it asks for, with its default."""
    calendar: bool
    """Whether it asks for the time of day, or the day."""
    evaluate: Callable[..., bool | None]
    """``evaluate(metrics, env)``: True, False, or None where something unknown leaves it open. Raises ZeroDivisionError
    and nothing else. ``env`` (see `gateway.rules.env`) may be left out where nothing but metrics is asked for."""
    facts_alone: bool
    """Whether facts alone decide it: no reading, no clock and no calendar has a say."""
    _condition: Condition
    _values: Callable[..., dict[str, Any]]

    def explain(self, metrics: Metrics, env: object = None) -> str:
        """What makes it true, with values: ``spo2 88 < 90``. For values for which it holds."""
        return self._condition.explain(self._values(metrics, env))

    def parts(self, metrics: Metrics, env: object = None) -> tuple[ConditionValue, ...]:
        """Every smallest part, whether it holds, and with which values."""
        return self.parts_of(self.values(metrics, env))

    def values(self, metrics: Metrics, env: object = None) -> Values:
        """What its atoms are: for `explain_values` and `parts_of`."""
        return self._values(metrics, env)

    def denied(self, values: Values) -> tuple[str, ...]:
        """What keeps it from being true; empty where it is."""
        holds = truth_of(self._condition.code, values)
        return () if holds is True else tuple(dict.fromkeys(self._condition.denied(values)))

    def explain_values(self, values: Values) -> str:
        """As `explain`, for values that have been fetched."""
        return self._condition.explain(values)

    def parts_of(self, values: Values) -> tuple[ConditionValue, ...]:
        """As `parts`, for values that have been fetched."""
        return tuple(
            ConditionValue(text=leaf.text, holds=truth_of(leaf.code, values), values=leaf.render(values))
            for leaf in self._condition.leaves
        )


@dataclass(frozen=True, slots=True)
class InputExpression(Expression):
    """A compiled condition over the inputs of a rule."""

    windows: frozenset[tuple[str, str, int]]
    pairs: frozenset[tuple[str, str, str]]
    waits: bool


def compile_expression(
    text: str, kinds: Sequence[str], *, limits: Limits = NO_LIMITS, facts_only: bool = False
) -> Expression:
    """Compile ``text`` for readings of ``kinds``. Raises RuleError. ``facts_only``: for ``where``."""
    site, trying = _frozen(limits)
    return _compile(text, tuple(kinds), site, trying, facts_only)


_Numbers = tuple[tuple[str, float], ...]


def _frozen(limits: Limits) -> tuple[_Numbers, _Numbers | None]:
    """As what can be remembered."""
    trying = None if limits.trying is None else tuple(sorted(limits.trying.items()))
    return tuple(sorted(limits.site.items())), trying


def _thawed(site: _Numbers, trying: _Numbers | None) -> Limits:
    return Limits(dict(site), None if trying is None else dict(trying))


@lru_cache(maxsize=4096)  # an engine is made anew at every change of the registry
def _compile(
    text: str,
    kinds: tuple[str, ...],
    site: _Numbers,
    trying: _Numbers | None,
    facts_only: bool,
) -> Expression:
    def scope(source: Source, limits: Limits) -> Scope:
        if facts_only:
            return FactScope(source, limits)
        return ReadingScope(source, limits, ranges_of(kinds), " and ".join(kinds))

    made, condition = _walk(text, scope, _thawed(site, trying))
    metrics = frozenset(made.metrics) if isinstance(made, ReadingScope) else frozenset[str]()
    if not condition.atoms:
        raise RuleError(
            "the expression names no metric", expected="a condition over metrics", hint="for example: spo2 < 90"
        )
    return Expression(**_parts(made, condition), metrics=metrics)


def compile_inputs(
    text: str,
    values: Mapping[str, Range],
    occurrences: Sequence[str],
    *,
    scored: bool = False,
    device_facts: bool = False,
    limits: Limits = NO_LIMITS,
) -> InputExpression:
    """Compile ``text`` over the inputs of a condition. Raises RuleError."""
    site, trying = _frozen(limits)
    return _compile_inputs(text, tuple(values.items()), tuple(occurrences), scored, device_facts, site, trying)


@lru_cache(maxsize=4096)
def _compile_inputs(
    text: str,
    values: tuple[tuple[str, Range], ...],
    occurrences: tuple[str, ...],
    scored: bool,
    device_facts: bool,
    site: _Numbers,
    trying: _Numbers | None,
) -> InputExpression:
    def scope(source: Source, limits: Limits) -> Scope:
        return InputScope(source, limits, dict(values), occurrences, scored=scored, device_facts=device_facts)

    made, condition = _walk(text, scope, _thawed(site, trying))
    assert isinstance(made, InputScope)
    if not condition.atoms:
        raise RuleError(
            "the expression names no input",
            expected="a condition over inputs",
            hint="for example: seen(door, 1 * hours)",
        )
    return InputExpression(
        **_parts(made, condition),
        metrics=frozenset(),
        windows=frozenset(made.windows),
        pairs=frozenset(made.pairs),
        waits=made.waits,
    )


def _walk(text: str, scope: Callable[[Source, Limits], Scope], limits: Limits) -> tuple[Scope, Condition]:
    """The scope and the condition. With personal limits, what can never hold is found by their defaults first."""
    try:
        source = read(text, DIALECT)
        trial = scope(source, Limits(limits.site, limits.trying or {}))
        condition = trial.condition(source.tree, depth=1)
        if limits.trying is not None or not trial.limits:
            return trial, condition
        made = scope(source, limits)
        return made, made.condition(source.tree, depth=1)
    except ExpressionError as error:
        raise RuleError(error.problem, expected=error.expected, hint=error.hint, position=error.position) from None


def _parts(scope: Scope, condition: Condition) -> dict[str, Any]:
    used = _ordered(scope, condition)
    return {
        "text": scope.source.text,
        "literals": frozenset(scope.literals),
        "facts": frozenset(scope.facts),
        "limits": dict(scope.limits),
        "calendar": scope.calendar,
        "evaluate": function("condition", "metrics, env=None", _fetching(used, condition.code), NAMES),
        "facts_alone": all(atom.fetch.startswith(_OF_FACTS) for atom in used),
        "_condition": condition,
        "_values": _values_of(used),
    }


_OF_FACTS = ("env.fact(", "env.number(", "env.text(", "env.truth(")


def _ordered(scope: Scope, condition: Condition) -> list[Atom]:
    wanted = set(condition.atoms)
    for atom in reversed(scope.atoms.values()):  # what an atom needs was made before it
        if atom.variable in wanted:
            wanted |= atom.needs
    return [atom for atom in scope.atoms.values() if atom.variable in wanted]


def _lines(atoms: Sequence[Atom], *, to_show: bool = False) -> list[str]:
    """``to_show``: what divides by zero is unknown, and ends nothing."""
    lines = ["get = metrics.get"] if any(atom.fetch.startswith("get(") for atom in atoms) else []
    for atom in atoms:
        missing = " or ".join(f"{one} is None" for one in sorted(atom.needs))
        line = f"{atom.variable} = {f'None if {missing} else ' if missing else ''}{atom.fetch}"
        guarded = to_show and "divide(" in atom.fetch
        lines += [f"try: {line}", f"except ZeroDivisionError: {atom.variable} = None"] if guarded else [line]
    return lines


def _fetching(atoms: Sequence[Atom], code: str) -> list[str]:
    return [*_lines(atoms), f"return {code}"]


_SHOWING = {**NAMES, "ZeroDivisionError": ZeroDivisionError}


def _values_of(atoms: Sequence[Atom]) -> Callable[..., dict[str, Any]]:
    more = [f"{atom.variable}_more = {atom.detail}" for atom in atoms if atom.detail]
    names = [
        *(atom.variable for atom in atoms),
        *(f"{atom.variable}_more" for atom in atoms if atom.detail),
    ]
    made = "{" + ", ".join(f"{name!r}: {name}" for name in names) + "}"
    return function("values", "metrics, env=None", [*_lines(atoms, to_show=True), *more, f"return {made}"], _SHOWING)


@lru_cache(maxsize=512)
def ranges_of(kinds: tuple[str, ...]) -> dict[str, Range]:
    """The metrics that every one of ``kinds`` has, each with the widest of their plausible ranges."""
    tables = [KINDS[kind].metrics for kind in kinds]
    return {
        key: Range(
            min(t[key].low for t in tables),
            max(t[key].high for t in tables),
            tables[0][key].unit,
            min(t[key].resolution for t in tables),
        )
        for key in tables[0]
        if all(key in table for table in tables)
    }
