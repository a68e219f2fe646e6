"""What is wrong with rules, before they are put to work: for the configuration checker, the API and the examples."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from zoneinfo import ZoneInfo

from devices.kinds import KINDS
from gateway.rules.actions import compile_actions
from gateway.rules.compiled import compile_condition
from gateway.rules.document import ConditionRule, EventRule, RuleDocument, SilenceRule, ThresholdRule, placeholders
from gateway.rules.env import Env
from gateway.rules.errors import RuleError
from gateway.rules.expression import Expression, Metrics, number
from gateway.rules.index import compile_where
from gateway.rules.threshold import compile_threshold
from gateway.rules.trial import run_examples

_COMBINATIONS = 4096
"""So many combinations of values at the limits are tried for a reading that raises and clears at once."""
_REMEMBERED = 512
"""Of so many rules it is kept what is wrong with them: a community is read again and again, nearly always with the same
rules, and to try those of the library on their examples takes most of a second."""
_NOWHERE = Env(None, 0, ZoneInfo("UTC"))


@dataclass(frozen=True, slots=True)
class _Written:
    """A rule as it is written: two are the same where every word is."""

    text: str
    rule: RuleDocument = field(compare=False)


def _written(rule: RuleDocument) -> _Written:
    return _Written(rule.model_dump_json(), rule)


def check_rules(rules: Sequence[RuleDocument]) -> list[str]:
    """Every problem of ``rules``: rule, key, what is wrong, what was expected, what to do. Empty when all can run."""
    problems = [str(error) for rule in rules for error in rule_problems(rule)]
    seen: set[str] = set()
    for rule in rules:
        if rule.id in seen:
            problems.append(f"rule {rule.id}: id: given twice; expected ids that differ; rename one, or remove it")
        seen.add(rule.id)
    return problems


def rule_problems(rule: RuleDocument) -> list[RuleError]:
    """Every problem of one rule by itself; a rule that can run is tried on its own examples."""
    return list(_problems(_written(rule)))


@lru_cache(_REMEMBERED)
def _problems(written: _Written) -> tuple[RuleError, ...]:
    rule = written.rule
    problems: list[RuleError] = []
    words: set[str] = set()
    try:
        compile_where(rule)
        compile_actions(rule)
        if isinstance(rule, EventRule):
            problems += _event_problems(rule)
            words = set.intersection(*(set(KINDS[kind].metrics) for kind in rule.kinds))
        elif isinstance(rule, ThresholdRule):
            threshold = compile_threshold(rule)
            both = _raises_and_clears(rule, threshold.when, threshold.clear)
            problems += [] if both is None else [both]
            words = {*threshold.metrics, *threshold.when.limits}
        elif isinstance(rule, SilenceRule):
            words = {"silent"}
        else:
            condition = compile_condition(rule)
            words = {*condition.inputs, *condition.when.limits, *(("score", "score_highest") if rule.score else ())}
    except RuleError as error:
        return (*problems, error)
    problems += _wording_problems(rule, words)
    problems += _limit_problems(rule)
    return tuple(problems or _example_problems(rule))


def names_in(rule: RuleDocument) -> tuple[frozenset[str], frozenset[str]]:
    """The facts and the personal limits that a rule asks for. Raises RuleError."""
    return _names(_written(rule))


@lru_cache(_REMEMBERED)
def _names(written: _Written) -> tuple[frozenset[str], frozenset[str]]:
    rule = written.rule
    expressions: list[Expression | None] = [compile_where(rule), *compile_actions(rule)]
    if isinstance(rule, ThresholdRule):
        threshold = compile_threshold(rule)
        expressions += [threshold.when, threshold.clear, threshold.ignore]
    elif isinstance(rule, ConditionRule):
        condition = compile_condition(rule)
        expressions += [condition.when, condition.clear, *(row.when for row in condition.score)]
        for one in condition.inputs.values():
            expressions += [one.where, one.reading]
    asked = [one for one in expressions if one is not None]
    facts = frozenset().union(*(one.facts for one in asked)) if asked else frozenset[str]()
    limits = frozenset(name for one in asked for name in one.limits)
    return facts, limits


def limit_problem(rule: RuleDocument, name: str, value: float) -> RuleError | None:
    """What a personal limit does to a rule that asks for it: None where it still makes sense."""
    try:
        if isinstance(rule, ThresholdRule):
            tried = compile_threshold(rule, trying={name: value})
            return _raises_and_clears(rule, tried.when, tried.clear, frozenset({value}))
        elif isinstance(rule, ConditionRule):
            compile_condition(rule, trying={name: value})
    except RuleError as error:
        return error
    return None


def _limit_problems(rule: RuleDocument) -> list[RuleError]:
    known = names_in(rule)[1]
    return [
        RuleError(
            f"no expression of the rule asks for limit {name}",
            expected=f"one of {', '.join(sorted(known)) or 'no limits: it asks for none'}",
            hint="correct the name",
            rule=rule.id,
            key=f"limits.{name}",
        )
        for name in sorted(rule.limits.keys() - known)
    ]


def _wording_problems(rule: RuleDocument, words: set[str]) -> list[RuleError]:
    if rule.say is None:
        return []
    return [
        RuleError(
            f"there is nothing to put in place of {{{name}}}",
            expected=f"one of {', '.join(f'{{{word}}}' for word in sorted(words)) or 'no placeholders'}",
            hint="correct the name",
            rule=rule.id,
            key="say",
        )
        for name in sorted(placeholders(rule.say) - words)
    ]


def _example_problems(rule: RuleDocument) -> list[RuleError]:
    return [
        RuleError(
            f"example “{outcome.example.name}”: {outcome.problem}",
            expected="a rule that does what its examples say",
            hint="correct the rule or the example: `anju rules test FILE` shows the steps",
            rule=rule.id,
            key=f"examples.{at}",
        )
        for at, outcome in enumerate(run_examples(rule))
        if outcome.problem
    ]


def _event_problems(rule: EventRule) -> list[RuleError]:
    problems = []
    for key, events in (("clear_events", rule.clear_events), ("cancel_events", rule.cancel_events)):
        for event in events:
            if event in rule.events or (key == "cancel_events" and event in rule.clear_events):
                problems.append(
                    RuleError(
                        f"{event} both raises and ends the alarm"
                        if event in rule.events
                        else f"{event} both clears and cancels the alarm",
                        expected="one meaning for each event",
                        hint="leave it in one of the lists",
                        rule=rule.id,
                        key=key,
                    )
                )
    return problems


def _raises_and_clears(
    rule: ThresholdRule, when: Expression, clear: Expression | None, also: frozenset[float] = frozenset()
) -> RuleError | None:
    """A reading for which both ``when`` and ``clear`` hold is a mistake in one of the limits. ``also``: limits that
    stand in neither text."""
    if clear is None:
        return None
    names = sorted(when.metrics | clear.metrics)
    limits = when.literals | clear.literals | also
    values = [_interesting(rule, name, limits) for name in names]
    for combination in itertools.islice(itertools.product(*values), _COMBINATIONS):
        metrics = dict(zip(names, combination, strict=True))
        if _holds(when, metrics) and _holds(clear, metrics):
            shown = ", ".join(f"{name} {number(value)}" for name, value in metrics.items())
            return RuleError(
                f"a reading of {shown} would raise the alarm and clear it",
                expected=f"a condition apart from when: {when.text}",
                hint="leave a gap between the two limits, so that the alarm does not flap",
                rule=rule.id,
                key="clear",
            )
    return None


def _interesting(rule: ThresholdRule, name: str, limits: frozenset[float]) -> list[float]:
    """The ends of a metric's range, and the limits with their neighbours."""
    metric = KINDS[rule.kinds[0]].metrics[name]
    signed = limits | {-limit for limit in limits}  # a limit below zero is written as a minus and a number
    around = {at + step for at in signed for step in (-metric.resolution, 0.0, metric.resolution)}
    return sorted({metric.low, metric.high} | {at for at in around if metric.low <= at <= metric.high})


def _holds(expression: Expression, metrics: Metrics) -> bool:
    try:
        return expression.evaluate(metrics, _NOWHERE) is True
    except ZeroDivisionError:
        return False
