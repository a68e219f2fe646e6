"""Expressions over the fields of a payload: what they compute, what is unknown, what is refused."""

from __future__ import annotations

import random
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.expression.errors import ExpressionError
from devices.expression.payload import FieldExpression, compile_condition, compile_field

PAYLOAD: Mapping[str, object] = {
    "temperature": 21,
    "ratio": 0.25,
    "battery": "100.00",
    "state": "ON",
    "contact": False,
    "tamper": True,
    "action": None,
    "empty": "",
    "after": {"score": 0.91, "label": "person", "box": [10, 20], "class": "a"},
    "update": {"installed_version": 33, "progress": None},
    "StatusSNS": [{"Temp": 5.5}, 7],
    "odd key": 3,
    "PM2.5": 12,
    "电量": 80,
    "true": "a field",
    "this": 9,
    "huge": 10**400,
    "infinite": float("inf"),
    "nan": float("nan"),
    "large": 1e200,
    "zero": 0,
}


def value(text: str, payload: Mapping[str, object] = PAYLOAD) -> float | str | bool | None:
    return compile_field(text).evaluate(payload)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("temperature", 21.0),
        ("contact", False),
        ("state", "ON"),
        ("after.score", 0.91),
        ("update.installed_version", 33.0),
        ('after["score"]', 0.91),
        ("after.box[1]", 20.0),
        ("StatusSNS[0].Temp", 5.5),
        ('this["odd key"] + 1', 4.0),
        ('this["PM2.5"]', 12.0),
        ("电量 / 100", 0.8),
        ('this["电量"]', 80.0),
        ('this["true"]', "a field"),
        ('this["this"]', 9.0),
        ('after["class"]', "a"),
        ("this.temperature", 21.0),
        ("(temperature - 32) / 1.8 + 0.5", -5.611111111111111),
        ("-temperature", -21.0),
        ("+temperature * 2", 42.0),
        ('"press"', "press"),
        ("3", 3.0),
        ("true", True),
        ("False", False),
        ("temperature > 20", True),
        ("20 < temperature < 21", False),
        ("temperature == 21", True),
        ("temperature != 21", False),
        ('state == "ON"', True),
        ('state != "ON"', False),
        ("contact == false", True),
        ("contact != False", False),
        ("contact == tamper", False),
        ("state == after.label", False),
        ('state in ("on", "ON")', True),
        ('state in ("on",)', False),
        ('state not in ("on", "ON")', False),
        ("temperature in (20, 21)", True),
        ("temperature in (-21,)", False),
        ("contact in (true, false)", True),
        ("not contact", True),
        ("tamper and not contact", True),
        ("tamper and contact", False),
        ("contact or tamper", True),
        ('empty == ""', True),
        ('state == \'ON\'', True),
        (" (temperature > 20\n\t and tamper) ", True),
    ],
)  # fmt: skip
def test_what_it_computes(text: str, expected: object) -> None:
    found = value(text)
    assert found == expected and type(found) is type(expected)


@pytest.mark.parametrize(
    "text",
    [
        "missing",
        "action",
        "missing + 1",
        'missing == "ON"',
        "not missing",
        "after",
        "after.box",
        "after.missing",
        "after.score.more",
        "state.length",
        "after[0]",
        "StatusSNS.Temp",
        "StatusSNS[2]",
        "StatusSNS[0][0]",
        "update.progress.percent",
        "contact + 1",
        "tamper == 1",
        "state > 3",
        'temperature == "21"',
        "temperature == state",
        "state and tamper",
        "temperature / zero",
        "temperature / (temperature - 21)",
        "huge",
        "infinite",
        "nan",
        "nan == nan",
        "infinite > 1",
        "large * large",
        "large * large > 1",
        "large * large - large * large",
        "1 / (large * large)",
        "min(large * large, 1)",
        "-large * large",
    ],
)
def test_what_is_unknown(text: str) -> None:
    assert value(text) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("missing == 1 or tamper", True),
        ("missing == 1 or contact", None),
        ("missing == 1 and contact", False),
        ("missing == 1 and tamper", None),
        ("not missing == 1", None),
        ("not (missing == 1 and contact)", True),
    ],
)
def test_an_unknown_part_decides_nothing(text: str, expected: bool | None) -> None:
    assert compile_condition(text).evaluate(PAYLOAD) is expected


def test_it_names_the_fields_it_reads_and_says_what_it_yields() -> None:
    score = compile_field('when(after["score"] > 0.5, this["odd key"], StatusSNS[0]["Temp"]) + after["class"]')
    assert score.names == {"after.score", 'this["odd key"]', "StatusSNS[0].Temp", 'after["class"]'}
    assert score.yields == "number"
    assert [compile_field(text).yields for text in ("a", 'a == "x"', "text(a)", "first(a, b)", "first(a, 3)")] == [
        "any",
        "truth",
        "text",
        "any",
        "number",
    ]
    assert compile_condition("has(a.b) and c").names == {"a.b", "c"}


# --- whatever comes ---------------------------------------------------------------------------------------------------

_NAMES = ["a", "b", "a.b", "a[0]", 'a["x y"]', "b.c.d", 'this["电"]']
_KEYS = st.sampled_from(["a", "b", "c", "d", "x y", "电"]) | st.text(max_size=3)
_LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([0, 1, 2**53, 10**400, 1700000000, 1700000000000])
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(
        ["ON", "off", "100.00", " 72 ", "1e999", "2024-05-01T12:00:00Z", "2024-13-01T12:00:00+99:99", "a/b"]
    )
)
_JSON = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3), max_leaves=8
)
_PAYLOADS = st.dictionaries(_KEYS, _JSON, max_size=5)


def _expression(draw: random.Random, depth: int) -> str:
    """A text that looks like an expression; its types may or may not meet."""
    if depth == 0 or draw.random() < 0.2:
        return draw.choice([*_NAMES, *_NAMES, "0", "1", "2.5", "1e15", '"ON"', '""', "true", "false"])
    a, b, c = (_expression(draw, depth - 1) for _ in range(3))
    return draw.choice(
        [
            f"({a} {draw.choice('+-*/')} {b})",
            f"({a} {draw.choice(['<', '<=', '>', '>=', '==', '!='])} {b})",
            f"({a} {draw.choice(['==', '<'])} {b} {draw.choice(['!=', '>='])} {c})",
            f"({a} {draw.choice(['and', 'or'])} {b})",
            f"not {a}",
            f"-{a}",
            f'{a} in ("ON", "off")',
            f"{a} not in (1, -2)",
            f"min({a}, {b})",
            f"max({a}, {b}, {c})",
            f"when({a}, {b}, {c})",
            f"first({a}, {b})",
            f"{draw.choice(['abs', 'round', 'number', 'text', 'truth', 'lower', 'millis'])}({a})",
            f"round({a}, {draw.randint(0, 9)})",
            f'millis({a}, "-03:30")',
            f'{draw.choice(["starts", "ends"])}({a}, "O")',
            f'part({a}, "/", {draw.randint(0, 3)})',
            f"bit({a}, {draw.randint(0, 52)})",
            f"signed({a}, {draw.randint(2, 52)})",
            f"has({draw.choice(_NAMES)})",
        ]
    )


def _compiled(text: str) -> list[FieldExpression]:
    try:
        return [compile_field(text)]
    except ExpressionError as error:
        assert error.problem and error.expected and error.hint
        return []


@given(st.randoms(use_true_random=False), st.lists(_PAYLOADS, min_size=1, max_size=4))
@settings(max_examples=600)
def test_whatever_a_payload_holds_the_answer_is_a_value_or_unknown(
    draw: random.Random, payloads: list[dict[str, object]]
) -> None:
    for expression in _compiled(_expression(draw, 3)):
        for payload in payloads:
            found = expression.evaluate(payload)
            assert found is None or type(found) in (float, str, bool)
            expected = {"number": float, "text": str, "truth": bool}.get(expression.yields)
            assert found is None or expected in (None, type(found))
            assert not isinstance(found, float) or abs(found) < float("inf")


@given(st.text(max_size=520) | st.text(alphabet="ab.[]()<>=!+-*/ ,\"\\_'019andorthisnwf温", max_size=120), _PAYLOADS)
@settings(max_examples=600)
def test_no_text_does_anything_but_compile_or_be_refused(text: str, payload: dict[str, object]) -> None:
    for expression in _compiled(text):
        assert type(expression.evaluate(payload)) in (float, str, bool, type(None))
