"""A rule as text: written so that it reads back the same, and read with everything that is wrong."""

from __future__ import annotations

import time

import pytest
import yaml

from gateway.registry.rule_text import read_draft, read_drafts, written, written_all
from gateway.rules.library import library_rules

COLD = """\
# why: it freezes
id: cold
zh: 冷
en: Cold
form: threshold
kinds: [kiosk]
when: temperature < -20
raises: {type: device_fault, severity: service, ladder: maintenance}
"""


@pytest.mark.parametrize("rule", sorted(library_rules()))
def test_every_rule_of_the_library_is_read_back_as_it_was(rule: str) -> None:
    known = library_rules()[rule]
    draft, problems = read_draft(written(known))
    assert problems == ()
    assert draft is not None and draft.rule == known


def test_what_is_short_stands_on_one_line() -> None:
    text = written(library_rules()["bin-full"])
    assert "raises: {type: bin_full, severity: service, ladder: service}\n" in text
    assert text.startswith("id: bin-full\nversion: ")


def test_a_section_for_the_files() -> None:
    rules = [library_rules()["bin-full"], library_rules()["sos-pressed"]]
    assert [one["id"] for one in yaml.safe_load(written_all(rules))["rules"]] == ["bin-full", "sos-pressed"]
    drafts, problems = read_drafts(written_all(rules))
    assert ([draft.rule for draft in drafts], problems) == (rules, ())


def test_what_was_written_is_known_beside_what_is_left_out() -> None:
    draft, _ = read_draft(COLD)
    assert draft is not None
    assert (draft.version, draft.enabled, draft.shadow, draft.rule.version) == (None, None, None, 1)
    draft, _ = read_draft(COLD + "version: 4\nenabled: false\n")
    assert draft is not None
    assert (draft.version, draft.enabled, draft.shadow) == (4, False, None)


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("", 1, "expected a rule"),
        ("- 1\n- 2\n", 1, "expected a rule"),
        ("rules: []\n", 1, "expected a rule"),
        ("rules:\n- {use: bin-full}\n- {use: bin-full}\n", 3, "expected one rule, found 2"),
        ("use: bin-ful\n", 1, "did you mean bin-full?"),
        ("a: &x 1\nb: *x\n", 1, "anchors"),
        (COLD + "storm: {count: .inf}\n", 9, "storm"),
        (COLD + "examples: [{name: x, given: [{at: '08:00', metrics: {temperature: .nan}}]}]\n", 9, "finite"),
        (COLD + "examples: [{name: x, given: [{at: '2026-02-30 08:00'}]}]\n", 9, "day"),
        (COLD + "examples: [{name: x, given: [{at: '08:00'}], until: d900 08:00}]\n", 9, "at most 400 days"),
        (
            COLD + "days: workday\n",
            9,
            'days expected one of workdays, holidays, or a list […], found "workday"; did you',
        ),
        (
            COLD + "days: [sat, sunday]\n",
            9,
            'days[1] expected one of mon, tue, wed, thu, fri, sat, sun, found "sunday"',
        ),
        (COLD + "for_s: 10:00\n", 9, 'for_s expected a number, found "10:00"'),
    ],
)
def test_what_is_no_rule_is_said_with_its_line(text: str, line: int, said: str) -> None:
    draft, problems = read_draft(text)
    assert draft is None
    assert problems[0].line == line
    assert said in f"{problems[0].key} {problems[0].message}"


@pytest.mark.parametrize(
    "text",
    [
        "a: " + "[" * 200_000,
        "a" + ": " * 100_000 + "“",
        "a" * 100_000 + "：: 1",
        COLD + "\n".join(f"k{n}: 1" for n in range(10_000)),
    ],
    ids=["deep", "spaces", "mark", "keys"],
)
def test_a_text_without_end_is_refused_in_a_moment(text: str) -> None:
    began = time.process_time()
    assert read_draft(text)[1]
    assert time.process_time() - began < 5, "a guard against what never ends, not a figure"


def test_a_time_of_day_needs_no_quotes() -> None:
    """YAML 1.1 makes 36600 of ``10:10``, and text of ``08:00``: nobody would understand that one must be quoted."""
    given = (
        "examples: [{name: x, given: [{at: 10:10, metrics: {temperature: -30}}], expect: [{move: raise, at: 10:10}]}]"
    )
    draft, problems = read_draft(f"{COLD}hours: 10:00-12:00\n{given}\n".replace("for_s: 600\n", ""))
    assert draft is not None, problems
    assert draft.rule.examples[0].given[0].at == "10:10"
