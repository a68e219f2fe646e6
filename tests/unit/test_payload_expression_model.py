"""Payload expressions against anything: any text, any payload, and a second reading of what they mean."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping

from hypothesis import given, settings
from hypothesis import strategies as st

from devices.expression.errors import ExpressionError
from devices.expression.payload import FieldExpression, compile_field

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
        return draw.choice([*_NAMES, *_NAMES, "0", "0", "1", "2.5", "1e15", '"ON"', '""', "true", "false"])
    a, b, c = (_expression(draw, depth - 1) for _ in range(3))
    return draw.choice(
        [
            f"({a} {draw.choice('+-*/')} {b})",
            f"({a} / {draw.choice('+-')}{b})",
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
@settings(max_examples=300)
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
@settings(max_examples=300)
def test_no_text_does_anything_but_compile_or_be_refused(text: str, payload: dict[str, object]) -> None:
    for expression in _compiled(text):
        assert type(expression.evaluate(payload)) in (float, str, bool, type(None))


def test_the_deepest_nesting_that_is_accepted_also_runs() -> None:
    shapes = [
        "first({}, y)",
        "when({}, true, y)",
        "not {}",
        "({} and y)",
        "-{}",
        "min({}, 9)",
        "number(text({}))",
        "({} / y)",
    ]
    shapes += [
        "first(first({}, y), y)",
        "({} == y)",
        "({} == true)",
        "round({})",
        "lower({})",
        "truth({})",
        "signed({}, 9)",
    ]
    for shape in shapes:
        text, deepest = "x", ""
        while _compiled(text):
            text, deepest = shape.format(text), text
        assert deepest.count("(") + deepest.count("-") + deepest.count("not") >= 8
        assert type(compile_field(deepest).evaluate({"x": True, "y": 1})) in (float, str, bool, type(None))


# --- the meaning, written down a second time -----------------------------------------------------------------------

# ``+ 0`` below: without it, fields alone may be compared as texts or truth, too.
_Meaning = Callable[[Mapping[str, object]], "float | bool | None"]


def _a_number(draw: random.Random, depth: int) -> tuple[str, _Meaning]:
    if depth == 0 or draw.random() < 0.3:
        name, literal = draw.choice("ab"), float(draw.randint(-3, 3))
        if draw.random() < 0.3:
            return f"({literal})", lambda _: literal

        def field(payload: Mapping[str, object]) -> float | None:
            found = payload.get(name)
            return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else None

        return name, field
    (one, left), (two, right) = _a_number(draw, depth - 1), _a_number(draw, depth - 1)
    symbol = draw.choice(["+", "-", "*", "/", "min", "when", "first"])
    if symbol == "first":
        return f"first({one}, {two} + 0)", lambda p: left(p) if left(p) is not None else right(p)
    if symbol == "when":
        asked, test = _a_truth(draw, depth - 1)
        return f"when({asked}, {one}, {two})", lambda p: None if test(p) is None else left(p) if test(p) else right(p)

    def reckoned(payload: Mapping[str, object]) -> float | None:
        a, b = left(payload), right(payload)
        if a is None or b is None or (symbol == "/" and b == 0):
            return None
        found = {"+": a + b, "-": a - b, "*": a * b, "min": min(a, b)}[symbol] if symbol != "/" else a / b
        return found if math.isfinite(found) else None

    return (f"min({one}, {two})" if symbol == "min" else f"({one} {symbol} {two})"), reckoned


def _a_truth(draw: random.Random, depth: int) -> tuple[str, _Meaning]:
    pick = draw.random()
    if depth == 0 or pick < 0.4:
        (one, left), (two, right) = _a_number(draw, 1), _a_number(draw, 1)
        symbol = draw.choice(["<", "<=", "==", "!=", ">"])

        def compared(payload: Mapping[str, object]) -> bool | None:
            a, b = left(payload), right(payload)
            if a is None or b is None:
                return None
            return {"<": a < b, "<=": a <= b, "==": a == b, "!=": a != b, ">": a > b}[symbol]

        return f"({one} {symbol} {two} + 0)", compared
    (one, left), (two, right) = _a_truth(draw, depth - 1), _a_truth(draw, depth - 1)
    if pick < 0.6:
        return f"(not {one})", lambda p: None if left(p) is None else not left(p)
    decided = pick < 0.8

    def joined(payload: Mapping[str, object]) -> bool | None:
        answers = (left(payload), right(payload))
        return decided if decided in answers else None if None in answers else not decided

    return f"({one} {'or' if decided else 'and'} {two})", joined


@given(
    st.randoms(use_true_random=False),
    st.dictionaries(
        st.sampled_from("ab"), st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from([1e200, "1"])
    ),
)
@settings(max_examples=250)
def test_it_means_what_a_plain_reading_says(draw: random.Random, payload: dict[str, object]) -> None:
    for text, meaning in (_a_number(draw, 3), _a_truth(draw, 3)):
        for expression in _compiled(text):
            found, expected = expression.evaluate(payload), meaning(payload)
            if expression.yields != "any" or expected is not None:
                assert found == expected and type(found) is type(expected)
