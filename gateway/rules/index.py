"""Which rules an observation can concern: worked out once for a set of rules."""

from __future__ import annotations

from collections.abc import Sequence

from devices.observation import Observation
from gateway.rules.document import EventRule, RuleDocument, SilenceRule, ThresholdRule
from gateway.rules.threshold import Threshold, compile_threshold

_SHAPES_KEPT = 4096
"""Which rules a combination of metrics concerns is remembered for so many combinations."""


class RuleIndex:
    """The enabled rules by what can touch them. Raises RuleError for a rule that cannot be compiled."""

    def __init__(self, rules: Sequence[RuleDocument]) -> None:
        enabled = [rule for rule in rules if rule.enabled]
        thresholds = [compile_threshold(rule) for rule in enabled if isinstance(rule, ThresholdRule)]
        self.rules: dict[str, RuleDocument] = {rule.id: rule for rule in enabled}
        self.silence = {rule.id: rule for rule in enabled if isinstance(rule, SilenceRule)}
        self.by_event: dict[tuple[str, str], list[EventRule]] = {}
        self.silence_by_kind: dict[str, list[SilenceRule]] = {}
        self._by_kind: dict[str, list[Threshold]] = {}
        self._shapes: dict[tuple[str, frozenset[str]], tuple[Threshold, ...]] = {}
        for rule in enabled:
            for kind in rule.kinds:
                if isinstance(rule, EventRule):
                    for event in dict.fromkeys((*rule.events, *rule.clear_events, *rule.cancel_events)):
                        self.by_event.setdefault((kind, event), []).append(rule)
                elif isinstance(rule, SilenceRule):
                    self.silence_by_kind.setdefault(kind, []).append(rule)
        for threshold in thresholds:
            for kind in threshold.rule.kinds:
                self._by_kind.setdefault(kind, []).append(threshold)

    def thresholds(self, observation: Observation) -> tuple[Threshold, ...]:
        """The threshold rules that its metrics can concern."""
        shape = (observation.kind, frozenset(observation.metrics))
        found = self._shapes.get(shape)
        if found is None:
            found = tuple(t for t in self._by_kind.get(shape[0], ()) if not t.touched_by.isdisjoint(shape[1]))
            if len(self._shapes) >= _SHAPES_KEPT:
                self._shapes.clear()
            self._shapes[shape] = found
        return found
