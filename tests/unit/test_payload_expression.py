"""Expressions over the fields of a payload: what they compute, what is unknown, what is refused."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pytest

from devices.expression.errors import ExpressionError
from devices.expression.functions import TRUTHS
from devices.expression.payload import compile_condition, compile_field

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
        "temperature / -0",
        "temperature / (1 - 1)",
        "1 / abs(zero)",
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


# --- functions --------------------------------------------------------------------------------------------------------

_NOON = 1_714_564_800_000.0  # 2024-05-01 12:00 UTC, 20:00 in Beijing


@pytest.mark.parametrize(
    ("text", "x", "expected"),
    [
        ("min(x, 5)", 3, 3.0),
        ("max(x, 5, 4)", 3, 5.0),
        ("min(x, 5)", "3", None),
        ("abs(x)", -3, 3.0),
        ("round(x)", 2.6, 3.0),
        ("round(x, 2)", 2.346, 2.35),
        ("round(x, 9)", 1.7976931348623157e308, 1.7976931348623157e308),
        ("number(x)", "100.00", 100.0),
        ("number(x)", " 72 ", 72.0),
        ("number(x)", "-1.5e3", -1500.0),
        ("number(x)", 7, 7.0),
        ("number(x)", "", None),
        ("number(x)", "72 %", None),
        ("number(x)", "1_000", None),
        ("number(x)", "0x10", None),
        ("number(x)", "nan", None),
        ("number(x)", "-Infinity", None),
        ("number(x)", "1e999", None),
        ("number(x)", "٣", None),
        ("number(x)", "1" * 41, None),
        ("number(x)", True, None),
        ("number(x)", [1], None),
        ("text(x)", 12.0, "12"),
        ("text(x)", 12, "12"),
        ("text(x)", 0.1, "0.1"),
        ("text(x)", 1e300, "1e+300"),
        ("text(x)", 12345678901234567890, "12345678901234567890"),
        ("text(x)", 10**400, None),
        ("text(x)", math.inf, None),
        ("text(x)", False, "false"),
        ("text(x)", "as it is", "as it is"),
        ("text(x)", {}, None),
        ("text(x)", "a" * 4097, None),
        ("lower(x)", "ON Ü", "on ü"),
        ("lower(x)", "A" * 4097, None),
        ("lower(x)", 3, None),
        ("truth(x)", "ON", True),
        ("truth(x)", " Offline ", False),
        ("truth(x)", 1, True),
        ("truth(x)", 0.0, False),
        ("truth(x)", False, False),
        ("truth(x)", 2, None),
        ("truth(x)", "open", None),
        ("truth(x)", None, None),
        ("has(x)", 0, True),
        ("has(x)", {}, True),
        ("has(x)", None, False),
        ("has(x.y)", {"y": ""}, True),
        ("has(x.y)", 3, False),
        ("when(x > 3, 1, 0)", 4, 1.0),
        ("when(x > 3, 1, 0)", 3, 0.0),
        ("when(x > 3, 1, 0)", None, None),
        ('when(x > 3, "much", "little")', 9, "much"),
        ("when(x > 3, y, 0)", 4, None),
        ("when(x > 3, y, 0)", 2, 0.0),
        ("first(y, x, 9)", 4, 4.0),
        ("first(y, x, 9)", "4", 9.0),
        ("first(x, y)", "4", "4"),
        ("first(x.a, x.b)", {"a": None, "b": True}, True),
        ("first(x, y) + 1", 4, 5.0),
        ("first(x, y) == first(y, x)", 4, True),
        ('starts(x, "emer")', "emergency", True),
        ('ends(x, "emer")', "emergency", False),
        ('starts(x, "emer")', 3, None),
        ('part(x, "/", 0)', "a/b/c", "a"),
        ('part(x, "/", 2)', "a/b/c", "c"),
        ('part(x, "/", 3)', "a/b/c", None),
        ('part(x, "/", 1)', "a/b/c" + "/" * 4096, None),
        ('number(part(x, ", ", 1))', "12, 34", 34.0),
        ("millis(x)", 1_714_564_800, _NOON),
        ("millis(x)", 1_714_564_800.5, _NOON + 500),
        ("millis(x)", 1_714_564_800_000, _NOON),
        ("millis(x)", "2024-05-01T12:00:00Z", _NOON),
        ("millis(x)", "2024-05-01 20:00:00.250+08:00", _NOON + 250),
        ("millis(x)", "2024-05-01t12:00:00,123456789z", _NOON + 123),
        ("millis(x)", "2024-05-01T20:00+0800", _NOON),
        ("millis(x)", "2024-05-01T20:00:00", None),
        ('millis(x, "+08:00")', "2024-05-01T20:00:00", _NOON),
        ('millis(x, "-03:30")', "2024-05-01T08:30:00", _NOON),
        ('millis(x, "+08:00")', "2024-05-01T12:00:00Z", _NOON),
        ("millis(x)", "1970-01-01T00:05:00Z", None),
        ("millis(x)", 300, None),
        ("millis(x)", 1_714_564_800_000_000, None),
        ("millis(x)", "2024-02-30T12:00:00Z", None),
        ("millis(x)", "2024-05-01", None),
        ("millis(x)", "0001-01-01T00:00:00+14:00", None),
        ("millis(x)", "9999-12-31T23:59:59-14:00", None),
        ("millis(x)", True, None),
        ("millis(x)", 10**400, None),
        ("millis(x)", math.nan, None),
        ("bit(x, 0)", 5, True),
        ("bit(x, 1)", 5, False),
        ("bit(x, 52)", 2**53, False),
        ("bit(x, 52)", 2**52, True),
        ("bit(x, 0)", 5.5, None),
        ("bit(x, 0)", -1, None),
        ("bit(x, 0)", 2**54, None),
        ("signed(x, 16)", 65535, -1.0),
        ("signed(x, 16)", 32767, 32767.0),
        ("signed(x, 16)", 32768, -32768.0),
        ("signed(x, 8)", 256, None),
        ("signed(x, 8)", -1, None),
        ("signed(x, 8)", 1.5, None),
    ],
)  # fmt: skip
def test_functions(text: str, x: object, expected: object) -> None:
    found = value(text, {"x": x})
    assert found == expected and type(found) is type(expected)


def test_the_words_of_truth() -> None:
    for word, meaning in TRUTHS.items():
        assert value("truth(x)", {"x": word.upper()}) is meaning


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "problem", "position", "hint"),
    [
        ('"a" < 3', '"a" is a text', 1, "no order"),
        ('state < "b"', '"b" is a text', 9, "no order"),
        ("true < x", "true is true or false", 1, "no order"),
        ('not "text"', '"text" is a text', 5, "truth(x)"),
        ("not 3", "3 is a number", 5, "compare"),
        ("x and 3", "3 is a number", 7, "compare"),
        ('"a" + 3', '"a" is a text', 1, "number(x)"),
        ('电量 + "a"', '"a" is a text', 6, "number(x)"),
        ("(x > 3) * 2", "x > 3 is true or false", 2, "when(x, 1, 0)"),
        ('x == 3 == "a"', '"a" is a text', 11, "one kind"),
        ('x in ("a", 3)', "3 is a number", 12, "one kind"),
        ('abs(x) in ("a", "b")', '"a" is a text', 12, "one kind"),
        ('when(x, 1, "a")', '"a" is a text', 12, "one kind"),
        ('first(text(x), 3)', "3 is a number", 16, "one kind"),
        ('when("a", 1, 0)', '"a" is a text', 6, "truth(x)"),
        ("number(x == 3)", "x == 3 is true or false", 8, "when(x, 1, 0)"),
        ("lower(3)", "3 is a number", 7, "text(x)"),
        ("min(x, true)", "true is true or false", 8, "when(x, 1, 0)"),
        ("1 < 2", "the same for every payload", 1, "name the field"),
        ('"a" in ("a", "b")', "the same for every payload", 1, "name the field"),
        ("x / 0", "divides by zero", 5, "divisor"),
        ("x < 1e400", "too large", 5, "unit"),
        ("null", "null is no field", 1, "has(field)"),
        ("x == None", "None is no value", 6, "has(field)"),
        ("this", "this is no field", 1, 'this["this"]'),
        ("a.__class__", "__class__ is no name of a field", 1, "as a key"),
        ("__builtins__", "__builtins__ is no name of a field", 1, "as a key"),
        ("lower(a).b", "lower(a) has no parts", 1, "name a field"),
        ('"a".b', '"a" has no parts', 1, "name a field"),
        ("a[b]", "square brackets", 3, "write out"),
        ("a[-1]", "square brackets", 3, "write out"),
        ("a[1000]", "square brackets", 3, "write out"),
        ("a[true]", "square brackets", 3, "write out"),
        ("a[0:2]", "character ':'", 4, "remove it"),
        ("a.lower()", "only functions are called", 1, "name(x)"),
        ("min(x)", "min() got 1 value", 1, "brackets"),
        ("first(x)", "first() got 1 value", 1, "brackets"),
        ("when(x, 1)", "when() got 2 values", 1, "brackets"),
        ("has()", "has() got 0 values", 1, "brackets"),
        ('part(x, "/")', "part() got 2 values", 1, "brackets"),
        ("has(x + 1)", "has() asks for a field", 5, "one field"),
        ("round(x, y)", "y cannot stand here", 10, "round("),
        ("bit(x, 53)", "53 cannot stand here", 8, "bit("),
        ("signed(x, 1)", "1 cannot stand here", 11, "signed("),
        ('part(x, "", 0)', '"" cannot stand here', 9, "part("),
        ("starts(x, y)", "y cannot stand here", 11, "starts("),
        ('millis(x, "+8")', '"+8" cannot stand here', 11, "millis("),
        ("max(*x)", "plain values", 1, "*"),
        ("lowr(x)", "there is no function lowr", 1, "did you mean lower?"),
        ("mean(x, y)", "there is no function mean", 1, "did you mean"),
        ('x in "abc"', "in is not used rightly", 6, "round brackets"),
        ('x in ["abc"]', "in is not used rightly", 6, "round brackets"),
        ("x in ()", "in is not used rightly", 6, "round brackets"),
        ("x in (y, 3)", "y is not fixed", 7, "=="),
        ('x in ("a" "b")', "side by side", 11, "comma"),
        ("x is 3", "this comparison does not exist", 1, "=="),
        ("x if y else z", "if … else", 1, "when()"),
        ("x ** 2", "x ** 2 is not part of the language", 1, "these alone"),
        ("x % 2", "character '%'", 3, "leave units out"),
        ("x = 3", "it cannot be read", 3, "=="),
        ("x > 3 AND y", "it cannot be read", 7, "small letters"),
        ("after.class", "it cannot be read", 7, 'this["class"]'),
        ('x == "a', "it cannot be read", 6, "unterminated"),
        ("x ＞ 3", "character '＞'", 3, "type > in half width"),
        ("Ａ > 3", "character 'Ａ'", 1, "type A in half width"),
        ("x == “a”", "character '“'", 6, "for quotes"),
        ('f"{x}"', "f stands against a quoted text", 1, "letter"),
        (r'x == "a\d"', r"\d in a text means nothing", 8, "backslash"),
        ('x == "a\x00"', "cannot be seen", 8, "remove it"),
        ('x == "\ud800"', "cannot be seen", 7, "remove it"),
        ("  ", "the expression is empty", None, "temperature / 10"),
    ],
)  # fmt: skip
def test_what_it_refuses(text: str, problem: str, position: int | None, hint: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_field(text)
    error = caught.value
    assert problem in error.problem
    assert error.position == position
    assert hint in error.hint
    assert error.expected in str(error) and error.hint in str(error)


@pytest.mark.parametrize(("text", "problem"), [("x + 1", "x + 1 is a number"), ("text(x)", "text(x) is a text")])
def test_a_condition_must_be_true_or_false(text: str, problem: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_condition(text)
    assert caught.value.problem == problem and "truth(x)" in caught.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "(" * 240 + "x" + ")" * 240,
        "-" * 480 + "x",
        "not " * 120 + "x",
        "x" + ".a" * 240,
        "x" + "[0]" * 150,
        "x" + "()" * 240,
        "+".join(["x"] * 90),
        "first(" * 80 + "x",
        " + ".join(["x"] * 5700),
        "9" * 480,
        'x in (' + "1," * 200 + ")",
        "().__class__.__bases__",
        "__import__('os').system('true')",
        "[y for y in x]",
        "fields.get('x')",
        "get(x)",
        "(lambda)",
        "x, y",
        "x\x00",
        "yield",
        "await x",
        "*x",
        "...",
        "3j",
        "b'a'",
    ],
    ids=lambda text: text[:24],
)  # fmt: skip
def test_hostile_text_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError):
        compile_field(text)


@pytest.mark.parametrize("name", ["f0", "t1", "nf0", "get", "fields", "float", "min", "number", "_type", "None_"])
def test_the_names_of_the_machinery_are_ordinary_fields(name: str) -> None:
    assert value(f"number({name}) + {name} + min({name}, 9)", {name: 4}) == 12.0
