"""Which rules an observation can concern: worked out once for a set of rules."""

from __future__ import annotations

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from devices.observation import Observation
from gateway.rules.actions import compile_actions
from gateway.rules.compiled import Condition, compile_condition
from gateway.rules.document import ConditionRule, EventRule, RuleDocument, SilenceRule, ThresholdRule
from gateway.rules.env import Env
from gateway.rules.errors import RuleError
from gateway.rules.expression import Expression, compile_expression
from gateway.rules.forms import DeviceInfo
from gateway.rules.threshold import Threshold, compile_threshold

_SHAPES_KEPT = 4096
"""Which rules a combination of metrics concerns is remembered for so many combinations."""
_UTC = ZoneInfo("UTC")


def compile_where(rule: RuleDocument) -> Expression | None:
    """For which devices a rule is. Raises RuleError, naming rule and key."""
    if rule.where is None:
        return None
    try:
        return compile_expression(rule.where, rule.kinds, facts_only=True)
    except RuleError as error:
        error.rule, error.key = rule.id, "where"
        raise


def usable(rules: Sequence[RuleDocument]) -> tuple[list[RuleDocument], list[RuleError]]:
    """The rules that can run, and what is wrong with the others: one that this version cannot read must not keep the
    rest from ruling."""
    good: list[RuleDocument] = []
    errors: list[RuleError] = []
    for rule in rules:
        try:
            RuleIndex([rule])
        except RuleError as error:
            errors.append(error)
        else:
            good.append(rule)
    return good, errors


class RuleIndex:
    """The enabled rules by what can touch them. Raises RuleError for a rule that cannot be compiled."""

    def __init__(self, rules: Sequence[RuleDocument]) -> None:
        enabled = [rule for rule in rules if rule.enabled]
        thresholds = [compile_threshold(rule) for rule in enabled if isinstance(rule, ThresholdRule)]
        self.conditions: list[Condition] = [compile_condition(r) for r in enabled if isinstance(r, ConditionRule)]
        self.rules: dict[str, RuleDocument] = {rule.id: rule for rule in enabled}
        self.silence = {rule.id: rule for rule in enabled if isinstance(rule, SilenceRule)}
        self.by_event: dict[tuple[str, str], list[EventRule]] = {}
        self.silence_by_kind: dict[str, list[SilenceRule]] = {}
        self._by_kind: dict[str, list[Threshold]] = {}
        self._shapes: dict[tuple[str, frozenset[str]], tuple[Threshold, ...]] = {}
        self._where = {rule.id: where for rule in enabled if (where := compile_where(rule)) is not None}
        self._applies: dict[tuple[str, str], bool] = {}
        for rule in enabled:
            compile_actions(rule)
            for kind in rule.kinds:
                if isinstance(rule, EventRule):
                    for event in dict.fromkeys((*rule.events, *rule.clear_events, *rule.cancel_events)):
                        self.by_event.setdefault((kind, event), []).append(rule)
                elif isinstance(rule, SilenceRule):
                    self.silence_by_kind.setdefault(kind, []).append(rule)
        self.by_id = {threshold.rule.id: threshold for threshold in thresholds}
        for threshold in thresholds:
            for kind in threshold.rule.kinds:
                self._by_kind.setdefault(kind, []).append(threshold)
        self.look_at_events = frozenset(
            kind for kind, found in self._by_kind.items() if any(not one.touched_by for one in found)
        )
        """Kinds of which a threshold rule looks at messages without any metric, too."""

    def thresholds(self, observation: Observation) -> tuple[Threshold, ...]:
        """The threshold rules that its metrics can concern."""
        shape = (observation.kind, frozenset(observation.metrics))
        found = self._shapes.get(shape)
        if found is None:
            found = tuple(
                t for t in self._by_kind.get(shape[0], ()) if not t.touched_by or not t.touched_by.isdisjoint(shape[1])
            )
            if len(self._shapes) >= _SHAPES_KEPT:
                self._shapes.clear()
            self._shapes[shape] = found
        return found

    def asks(self, rule: RuleDocument) -> Expression | None:
        """The ``where`` of a rule, compiled; None where it is for all devices of its kinds."""
        return self._where.get(rule.id)

    def applies(self, rule: RuleDocument, device: DeviceInfo) -> bool:
        """Whether a rule is for this device, by its ``where``."""
        where = self._where.get(rule.id)
        if where is None:
            return True
        key = (rule.id, device.id)
        known = self._applies.get(key)
        if known is None:
            try:
                known = where.evaluate({}, Env(device, 0, _UTC)) is True
            except ZeroDivisionError:
                known = False
            self._applies[key] = known
        return known

    def condition_applies(self, condition: Condition, device: DeviceInfo) -> bool:
        """As `applies`, for a compiled condition."""
        return self.applies(condition.rule, device)

    def forget_facts(self) -> None:
        """The registry changed: which rules are for which devices is to be asked anew."""
        self._applies.clear()
