"""docs/expressions.md: every example is worked out, every function is there, every message is the one that comes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from devices.expression.errors import ExpressionError
from devices.expression.functions import FUNCTIONS, SPECIAL, TRUTHS
from devices.expression.payload import compile_field
from gateway.rules.expression import compile_expression
from gateway.rules.scopes import CALENDAR, OCCURRENCES, ROOTS, SCORES, UNITS, WINDOWS

PAGE = (Path(__file__).parents[2] / "docs" / "expressions.md").read_text(encoding="utf-8")
VITALS = ("vitals_monitor",)


def section(heading: str) -> str:
    found = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None, heading
    return found[1]


def payload() -> dict[str, object]:
    found = re.search(r"^```json\n(.*?)^```", section("Over payload fields"), re.MULTILINE | re.DOTALL)
    assert found is not None
    read = json.loads(found[1])
    assert isinstance(read, dict)
    return read


def meant(written: str) -> object:
    return None if written == "unknown" else json.loads(written.strip("`"))


FIELD_EXAMPLES = re.findall(r"`([^`]+)`(?: \([^|]+\))?(?: \|)? → (unknown|`[^`]+`)", section("Over payload fields"))
METRIC_EXAMPLES = re.findall(r"`([^`]+)` with `([^`]+)` \| → (unknown|`[^`]+`)", section("Over metrics"))


@pytest.mark.parametrize(("text", "result"), FIELD_EXAMPLES)
def test_examples_over_payload_fields(text: str, result: str) -> None:
    found = compile_field(text).evaluate(payload())
    assert found == meant(result) and type(found) is type(meant(result))


@pytest.mark.parametrize(("text", "reading", "result"), METRIC_EXAMPLES)
def test_examples_over_metrics(text: str, reading: str, result: str) -> None:
    assert compile_expression(text, VITALS).evaluate(json.loads(reading)) is meant(result)


def test_no_example_was_overlooked() -> None:
    assert PAGE.count("→") == len(FIELD_EXAMPLES) + len(METRIC_EXAMPLES)


def test_every_function_is_in_the_table_with_its_usage_and_an_example() -> None:
    usages = {**SPECIAL, **{name: row.usage for name, row in FUNCTIONS.items()}}
    rows = dict(
        re.findall(r"^\| `((?:\w+)\([^`]+\))` \|.*\| (.*→.*) \|$", section("Over payload fields"), re.MULTILINE)
    )
    assert sorted(rows) == sorted(usages.values())
    assert [name for name, usage in usages.items() if f"{name}(" not in rows[usage]] == []


def test_every_function_over_inputs_is_in_their_table() -> None:
    rows = "".join(re.findall(r"^\| (`.*?`) \|", section("Over inputs"), re.MULTILINE))
    known = {*WINDOWS, *OCCURRENCES, "there", "has", *SCORES}
    assert set(re.findall(r"`(\w+)", rows)) == known


def test_the_words_of_time_and_facts_are_those_of_the_code() -> None:
    text = section("In both scopes of rules")
    for word in (*UNITS, *CALENDAR, "workday", *(f"{root}." for root in ROOTS)):
        assert f"`{word}" in text or f" {word}" in text, word


def test_the_words_of_truth_are_those_of_the_table() -> None:
    found = re.search(r"true: (.*?); false: (.*?);", section("Over payload fields"))
    assert found is not None
    for words, meaning in zip(found.groups(), (True, False), strict=True):
        assert re.findall(r"`(\w+)`", words) == [word for word, means in TRUTHS.items() if means is meaning]


def _rule(text: str) -> object:
    return compile_expression(text, VITALS)


@pytest.mark.parametrize(("heading", "compiled"), [("In rules:", _rule), ("In profiles:", compile_field)])
def test_refusals_read_as_shown(heading: str, compiled: Callable[[str], object]) -> None:
    block = section("What is refused").split(heading, 1)[1].split("```")[1]
    shown = re.findall(r"^> (.*)\n(.*)$", block, re.MULTILINE)
    assert shown
    for text, message in shown:
        with pytest.raises(ExpressionError) as caught:
            compiled(text)
        assert re.fullmatch(re.escape(message).replace("…", ".*"), str(caught.value)), str(caught.value)
