"""Rule documents that are wrong or hostile: a clear error, within a bound, and nothing changed."""

from __future__ import annotations

import copy
import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from gateway.rules.check import rule_problems
from gateway.rules.document import RuleDocument
from gateway.rules.engine import Engine
from gateway.rules.errors import RuleError
from gateway.rules.library import library

_adapter: TypeAdapter[RuleDocument] = TypeAdapter(RuleDocument)
LIBRARY = library()
_junk = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=True, allow_infinity=True)
    | st.text(max_size=40)
    | st.sampled_from(
        ("1e999", "0" * 300, "spo2 < 90", "quiet(a, 1)", "((((((((((1", "a.b.c.d == 'x'", "limit(x, 1) > 0")
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


def said(document: Any) -> list[str]:
    """What is wrong with a document, in words; empty where nothing is."""
    try:
        rule = _adapter.validate_python(document)
    except ValidationError as error:
        return [str(one["msg"]) for one in error.errors()]
    return [str(one) for one in rule_problems(rule)]


@given(st.sampled_from(sorted(LIBRARY)), st.data())
@settings(max_examples=300, deadline=None)
def test_any_key_may_hold_anything(name: str, data: st.DataObject) -> None:
    document = copy.deepcopy(dict(LIBRARY[name]))
    document.pop("examples", None)
    for _ in range(data.draw(st.integers(1, 3))):
        document[data.draw(st.sampled_from((*document, "where", "hours", "days", "inputs", "when", "score", "do")))] = (
            data.draw(_junk)
        )
    for problem in said(document):
        assert problem.strip()


@given(_junk)
@settings(max_examples=200, deadline=None)
def test_what_is_no_rule_at_all_is_refused(junk: Any) -> None:
    assert said(junk)


def condition(**more: Any) -> dict[str, Any]:
    raises = {"type": "device_fault", "severity": "notice", "ladder": "l"}
    inputs = {"a": {"kinds": ["motion"], "events": ["motion"]}}
    base = {
        "id": "r",
        "version": 1,
        "zh": "规",
        "en": "r",
        "form": "condition",
        "inputs": inputs,
        "when": "seen(a, 60)",
    }
    return {**base, "raises": raises, **more}


@pytest.mark.parametrize(
    "more",
    [
        {"when": "not " * 100 + "seen(a, 60)"},
        {"when": "(" * 200 + "seen(a, 60)" + ")" * 200},
        {"when": " or ".join(["seen(a, 60)"] * 60)},
        {"when": "seen(a, " + "9" * 400 + ")"},
        {"when": "seen(a, 1e308 * 10)"},
        {"when": "seen(a, 60) and place." + "x" * 300},
        {"when": "place.__class__ == 'x' and seen(a, 60)"},
        {"when": "seen(a, 60).__self__"},
        {"when": "env.wake(0) or seen(a, 60)"},
        {"when": "a0 and seen(a, 60)"},
        {"when": "seen(a, seconds if a else days)"},
        {"when": "seen(a, 60) and limit(a, 1) > 2 and limit(__import__, 2) > 1"},
        {"when": "count(a, 60) > 0 and 1 / 0 > 0"},
        {"for_s": float("nan")},
        {"for_s": float("inf")},
        {"lateness_s": 10**12},
        {"rest_s": -1},
        {"hours": "00:00-24:00," * 40},
        {"days": ["mon"] * 3 + ["never"]},
        {"inputs": {"a": {"kinds": ["motion"], "metric": "battery", "max_age_s": 10**12}}, "when": "a > 1"},
        {"score": [{"of": "a", "bands": [{"upto": float("nan"), "points": 1}, {"points": 2}]}]},
        {"score": [{"of": "a", "bands": [{"points": 1}]}]},
        {"examples": [{"name": "x", "given": [{"at": "25:00", "event": "motion"}]}]},
        {"examples": [{"name": "x", "given": [{"at": "2026-02-30 08:00", "event": "motion"}]}]},
        {"examples": [{"name": "x", "given": [{"at": "08:00", "event": "motion"}] * 501}]},
        {"examples": [{"name": "x", "given": [{"at": "08:00", "metrics": {"battery": float("inf")}}]}]},
        {"examples": [{"name": "x", "given": [{"at": "08:00", "device": "ghost", "event": "motion"}]}]},
    ],
    ids=lambda more: str(more)[:40],
)  # fmt: skip
def test_hostile_rules_are_refused_in_a_moment(more: dict[str, Any]) -> None:
    began = time.process_time()
    assert said(condition(**more))
    assert time.process_time() - began < 5, "a guard against what never ends, not a figure"


def test_a_bad_set_of_rules_changes_nothing() -> None:
    good = _adapter.validate_python(condition())
    engine = Engine([good], lambda _: None, {})
    bad = _adapter.validate_python(condition(id="bad", when="sen(a, 60)"))
    with pytest.raises(RuleError, match="rule bad: when"):
        engine.replace([good, bad], 0)
    assert set(engine.rules) == {"r"}


def test_documents_survive_a_round_through_json() -> None:
    for name, document in LIBRARY.items():
        rule = _adapter.validate_python(dict(document))
        assert _adapter.validate_json(json.dumps(rule.model_dump(mode="json"))) == rule, name


def test_a_pattern_is_no_pattern_but_a_text() -> None:
    assert said(condition(when="place.x == '" + "(a+)+$" * 60 + "' and seen(a, 60)")) == []


@pytest.mark.parametrize("id_", ["library", "export", "schema", "new"])
def test_a_rule_does_not_take_the_address_of_something_else(id_: str) -> None:
    assert any("take another id" in one for one in said(condition(id=id_)))
