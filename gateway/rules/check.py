"""What is wrong with rules, before they are put to work: for the configuration checker."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from devices.kinds import KINDS
from gateway.rules.document import EventRule, RuleDocument, ThresholdRule
from gateway.rules.errors import RuleError
from gateway.rules.expression import Expression, Metrics, number
from gateway.rules.threshold import compile_threshold

_COMBINATIONS = 4096
"""So many combinations of values at the limits are tried for a reading that raises and clears at once."""


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
    """Every problem of one rule by itself."""
    if isinstance(rule, EventRule):
        return _event_problems(rule)
    if isinstance(rule, ThresholdRule):
        try:
            threshold = compile_threshold(rule)
        except RuleError as error:
            return [error]
        both = _raises_and_clears(rule, threshold.when, threshold.clear)
        return [] if both is None else [both]
    return []


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


def _raises_and_clears(rule: ThresholdRule, when: Expression, clear: Expression | None) -> RuleError | None:
    """A reading for which both ``when`` and ``clear`` hold is a mistake in one of the limits."""
    if clear is None:
        return None
    names = sorted(when.metrics | clear.metrics)
    limits = when.literals | clear.literals
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
    around = {at + step for at in limits for step in (-metric.resolution, 0.0, metric.resolution)}
    return sorted({metric.low, metric.high} | {at for at in around if metric.low <= at <= metric.high})


def _holds(expression: Expression, metrics: Metrics) -> bool:
    try:
        return expression.evaluate(metrics) is True
    except ZeroDivisionError:
        return False
