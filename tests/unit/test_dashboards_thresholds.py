"""Colours of boards come from the rule library and the targets: one catalogue for alarms and pictures."""

from __future__ import annotations

import re

import pytest

from dashboards.board import Step, Thresholds
from dashboards.thresholds import ANSWERED_60, ANSWERED_180, JUST_ABOVE, Bound, bounds, watched
from devices import targets
from gateway.cases import figures
from gateway.rules.library import library


def colour(thresholds: Thresholds, value: float) -> str:
    """As Grafana colours: that of the last step that the value has reached."""
    return [step.colour for step in thresholds.steps if step.at is None or value >= step.at][-1]


@pytest.mark.parametrize(
    ("rule", "metric"),
    [
        ("low-battery", "battery"),
        ("bin-full", "fill"),
        ("gateway-disk-low", "disk_free"),
        ("gateway-outbox-stuck", "outbox_oldest"),
        ("camera-frozen", "fps"),
        ("news2-emergency", "score"),
        ("glucose-low", "glucose"),
    ],
)
def test_a_value_is_green_if_and_only_if_its_rule_does_not_hold(rule: str, metric: str) -> None:
    when = re.sub(r"limit\(\w+, ([\d.]+)\)", r"\1", str(library()[rule]["when"]))
    (bound,) = bounds(rule, metric)
    for value in (bound.at - 1, bound.at - 0.01, bound.at, bound.at + 0.01, bound.at + 1):
        holds = eval(when, {metric: value})
        assert (colour(watched(metric, rule), value) != "green") == holds, f"{rule}: {value}"


def test_rules_of_one_metric_make_one_scale() -> None:
    assert watched("speed", "traffic-congestion", "traffic-severe").steps == (
        Step(None, "yellow"),
        Step(15 + JUST_ABOVE, "yellow"),
        Step(20 + JUST_ABOVE, "green"),
    )
    assert watched("score", "news2-urgent:high", "news2-emergency").steps == (
        Step(None, "green"),
        Step(5, "orange"),
        Step(7, "red"),
    )


def test_the_source_is_named() -> None:
    assert watched("battery", "low-battery").source == "rule low-battery"


def test_a_community_has_limits_of_its_own() -> None:
    assert bounds("glucose-low", "glucose") == [Bound("low", 3.0, False)]
    assert bounds("glucose-low", "glucose", {"glucose_critical": 2.8}) == [Bound("low", 2.8, False)]
    assert watched("glucose", "glucose-low", limits={"glucose_critical": 2.8}).steps[1].at == 2.8


def test_what_no_rule_says_is_refused() -> None:
    with pytest.raises(LookupError, match="not in the library"):
        watched("battery", "no-such-rule")
    with pytest.raises(LookupError, match="expected one bound of fill, found none"):
        watched("fill", "low-battery")
    with pytest.raises(LookupError, match="found low 7, high 5"):
        watched("score", "news2-urgent")


def test_targets_are_those_of_the_figures() -> None:
    assert (figures.LIFE, figures.OTHER, figures.ON_SITE) == (targets.LIFE, targets.OTHER, targets.ON_SITE)
    assert ANSWERED_60.steps == (Step(None, "red"), Step(97.5, "green"))
    assert ANSWERED_180.steps == (Step(None, "red"), Step(99, "green"))
