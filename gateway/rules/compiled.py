"""A condition rule ready to run: its expressions compiled, its memory known and within its budget."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from devices.kinds import KINDS
from devices.observation import Observation
from gateway.rules.document import ConditionRule, Input, Parameter
from gateway.rules.env import Env
from gateway.rules.errors import RuleError
from gateway.rules.expression import (
    Expression,
    InputExpression,
    Limits,
    compile_expression,
    compile_inputs,
    ranges_of,
)
from gateway.rules.memory import STEPS
from gateway.rules.scopes import SCORES
from gateway.rules.terms import Range

CELLS_MOST = 10 * STEPS
"""What one rule may remember of one subject in its windows: about 100 bytes a cell."""


@dataclass(frozen=True, slots=True)
class CompiledInput:
    """One input: what of an observation it takes."""

    name: str
    spec: Input
    where: Expression | None
    reading: Expression | None
    cells: tuple[tuple[str, int], ...]
    """Its windows: the name under which each is kept, and its length in ms."""
    gaps: tuple[tuple[str, int], ...]
    distinct: tuple[tuple[str, int], ...]

    def takes(self, observation: Observation, env: Env) -> float | None:
        """The value it takes of an observation (1 for an occurrence); None where it takes nothing."""
        spec = self.spec
        if observation.kind not in spec.kinds:
            return None
        value: float | None = None
        if spec.metric is not None:
            value = observation.metrics.get(spec.metric)
        elif spec.state is not None:
            row = KINDS[observation.kind].states[spec.state]
            if observation.event is not None and observation.event in (row.on, row.off):
                value = 1.0 if observation.event == row.on else 0.0
            else:
                value = observation.metrics.get(row.key)
        elif observation.event in spec.events or (self.reading is not None and _holds(self.reading, observation, env)):
            value = 1.0
        if value is None or (self.where is not None and not _holds(self.where, observation, env)):
            return None
        return value


def _holds(expression: Expression, observation: Observation, env: Env) -> bool:
    try:
        return expression.evaluate(observation.metrics, env) is True
    except ZeroDivisionError:
        return False


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a score."""

    of: str
    when: InputExpression | None
    bands: tuple[tuple[float, int], ...]

    def points(self, value: float | None) -> float | None:
        """The points of a value, by its bands; None where the value is not known."""
        if value is None:
            return None
        return float(next(points for upto, points in self.bands if value <= upto))


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition rule ready to run."""

    rule: ConditionRule
    inputs: Mapping[str, CompiledInput]
    when: InputExpression
    clear: InputExpression | None
    score: tuple[Row, ...]
    scored: frozenset[str]
    """The inputs that a complete score needs."""
    pairs: tuple[tuple[str, str, str], ...]
    condition: str
    """Fingerprint: while it stays, a new version of the rule goes on with what is remembered."""
    linked: bool
    """Whether an input comes from another device."""
    waits: bool
    """Whether something that does not happen can raise it."""
    calendar: bool
    lateness_ms: int
    cells: int
    """What it remembers at most of one subject."""


def compile_condition(rule: ConditionRule, *, trying: Mapping[str, float] | None = None) -> Condition:
    """Compile a rule's expressions. ``trying``: check it with these limits. Raises RuleError, naming rule and key."""
    limits = Limits(rule.limits, trying)

    def of(key: str, text: str | None, *, scored: bool = True) -> InputExpression | None:
        if text is None:
            return None
        try:
            return compile_inputs(
                text,
                {name: _range(one) for name, one in rule.inputs.items() if not one.occurrence},
                [name for name, one in rule.inputs.items() if one.occurrence],
                scored=scored and bool(rule.score),
                device_facts=rule.subject == "device",
                limits=limits,
            )
        except RuleError as error:
            error.rule, error.key = rule.id, key
            raise

    when = of("when", rule.when)
    assert when is not None
    clear = of("clear", rule.clear)
    rows = tuple(_row(row, of(f"score.{at}.when", row.when, scored=False)) for at, row in enumerate(rule.score))
    asked = [one for one in (when, clear, *(row.when for row in rows)) if one is not None]
    windows = frozenset().union(*(one.windows for one in asked))
    inputs = {name: _input(rule, name, one, windows, limits) for name, one in rule.inputs.items()}
    cells = sum((2 if memory == "distinct" else STEPS) for _, memory, _ in windows)
    if cells > CELLS_MOST:
        raise RuleError(
            f"its windows would remember {cells} cells of every subject",
            expected=f"at most {CELLS_MOST}, which is {CELLS_MOST // STEPS} windows",
            hint="ask for fewer lengths of time, or split the rule",
            rule=rule.id,
            key="when",
        )
    _check_used(rule, asked)
    parts = rule.model_dump(
        mode="json",
        include={"inputs", "score", "when", "for_s", "clear", "momentary", "subject", "where", "limits"},
    )
    return Condition(
        rule=rule,
        inputs=inputs,
        when=when,
        clear=clear,
        score=rows,
        scored=frozenset(row.of for row in rows),
        pairs=tuple(sorted(frozenset().union(*(one.pairs for one in asked)))),
        condition=hashlib.sha256(msgspec.json.encode(parts, order="sorted")).hexdigest()[:12],
        linked=any(one.link is not None for one in rule.inputs.values()),
        waits=any(one.waits for one in asked),
        calendar=any(one.calendar for one in asked),
        lateness_ms=rule.lateness_s * 1000,
        cells=cells,
    )


def _range(one: Input) -> Range:
    if one.state is not None:
        return Range(0, 1, "1")
    assert one.metric is not None
    return ranges_of(one.kinds)[one.metric]


def _row(row: Parameter, when: InputExpression | None) -> Row:
    return Row(row.of, when, tuple((float("inf") if b.upto is None else b.upto, b.points) for b in row.bands))


def _input(
    rule: ConditionRule, name: str, one: Input, windows: frozenset[tuple[str, str, int]], limits: Limits
) -> CompiledInput:
    def compiled(key: str, text: str | None) -> Expression | None:
        try:
            return None if text is None else compile_expression(text, one.kinds, limits=limits)
        except RuleError as error:
            error.rule, error.key = rule.id, f"inputs.{name}.{key}"
            raise

    def lengths(memory: str) -> tuple[tuple[str, int], ...]:
        found = sorted(length for of, kind, length in windows if (of, kind) == (name, memory))
        return tuple((str(length), length) for length in found)

    return CompiledInput(
        name=name,
        spec=one,
        where=compiled("where", one.where),
        reading=compiled("reading", one.reading),
        cells=lengths("cells"),
        gaps=lengths("gaps"),
        distinct=lengths("distinct"),
    )


def _check_used(rule: ConditionRule, asked: list[InputExpression]) -> None:
    """An input that nothing asks about is a mistake in its name, or in the condition's."""
    text = " ".join(one.text for one in asked)
    scored = {row.of for row in rule.score}
    for name in rule.inputs:
        if name in SCORES:
            raise RuleError(
                f"{name} is the name of a result", expected="another name", hint="rename it", rule=rule.id, key="inputs"
            )
        if name not in scored and not any(name == word for word in _words(text)):
            raise RuleError(
                f"input {name} is not used",
                expected="inputs that when, clear or score ask about",
                hint="remove it, or correct the name in the condition",
                rule=rule.id,
                key=f"inputs.{name}",
            )


def _words(text: str) -> set[str]:
    return set("".join(character if character.isalnum() or character == "_" else " " for character in text).split())
