"""The part of Jinja that discovery messages may use: what it yields, and that what is beyond is named and never run."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.profiles.homeassistant.template import MAX_CHARACTERS, Template, TemplateError

PAYLOAD = {
    "state": "ON",
    "contact": False,
    "battery": "87",
    "temperature": 21.55,
    "power": -3.7,
    "ENERGY": {"Power": 41, "Today": 0.123},
    "odd key": {"a.b": 7},
    "list": [{"v": 1}, {"v": 2}],
    "empty": None,
    "lux": 0,
}


def value(template: str, payload: object = PAYLOAD, text: str = "Raw") -> object:
    return Template(template).evaluate(text, payload)


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        # As ESPHome, Tasmota, Theengs Gateway and Z-Wave JS UI announce them.
        ("{{ value_json.state }}", "ON"),
        ("{{value_json['ENERGY'].Power}}", 41),
        ('{{ value_json["odd key"]["a.b"] }}', 7),
        ("{{ value_json.temperature | is_defined }}", 21.55),
        ("{{ value_json.list[1].v }}", 2),
        ("{{ value | lower }}", "raw"),
        ("{{- value_json.contact -}}", False),
        ("ON", "ON"),
        # filters
        ("{{ value_json.temperature | round(1) }}", 21.6),
        ("{{ value_json.temperature | round }}", 22),
        ("{{ value_json.battery | int }}", 87),
        ("{{ value_json.power | int }}", -3),
        ("{{ value_json.battery | float / 100 }}", 0.87),
        ("{{ (value_json.temperature * 10) | round(0) }}", 216),
        ("{{ value_json.power | abs }}", 3.7),
        ("{{ value_json.missing | default('OFF') }}", "OFF"),
        ("{{ value_json.missing | float(0) }}", 0),
        ("{{ value_json.state | default(0) }}", None),
        ("{{ value_json.contact | default('none') }}", "false"),
        ("{{ value_json.get('missing', 3) }}", 3),
        # conditions
        ("{{ 'ON' if value_json.temperature > 20 else 'OFF' }}", "ON"),
        ("{{ 'wet' if value_json.state in ('LEAK', 'ON') else 'dry' }}", "wet"),
        ("{{ value_json.state == 'ON' and not value_json.contact }}", True),
        ("{{ value_json.missing is defined }}", False),
        ("{{ value_json.empty is none }}", True),
        ("{{ value_json.lux is not defined or value_json.lux < 5 }}", True),
        ("{% if value_json.state == 'ON' %}open{% else %}closed{% endif %}", "open"),
        ("{% if value_json.lux > 9 %}a{% elif value_json.lux == 0 %}{{ value_json.state }}{% endif %}", "ON"),
        ("{{ value_json.state if value_json.state is defined else 'OFF' }}", "ON"),
        ('{"cmd": "{{ value }}"}', '{"cmd": "Raw"}'),
        ("a {# a remark #} b", "a  b"),
    ],
)
def test_what_it_yields(template: str, expected: object) -> None:
    assert value(template) == expected


@pytest.mark.parametrize(
    "template",
    [
        "{{ value_json.missing }}",
        "{{ value_json.missing.deeper }}",
        "{{ 'closed' if value_json.missing == 'x' else 'open' }}",
        "{% if value_json.missing %}a{% else %}b{% endif %}",
        "{% if value_json.state == 'OFF' %}a{% endif %}",
        "{{ value_json.temperature / value_json.lux }}",
        "{{ value_json.state | float }}",
    ],
)
def test_what_a_payload_does_not_hold_is_unknown(template: str) -> None:
    assert value(template) is None


@pytest.mark.parametrize(
    ("template", "named"),
    [
        ("{{ states('sensor.x') }}", "states"),
        ("{{ now() }}", "now"),
        ("{{ value | regex_replace('a', 'b') }}", "regex_replace"),
        ("{{ value_json.a | timestamp_local }}", "timestamp_local"),
        ("{{ ''.__class__.__mro__ }}", "'.'"),
        ("{{ value_json.__class__.__init__.__globals__['os'] }}", ""),
        ("{% for x in value_json.list %}{{ x }}{% endfor %}", "for x in"),
        ("{% set x = 1 %}{{ x }}", "set x"),
        ("{% if value_json.a %}b", "endif"),
        ("{{ value_json.a", "not closed"),
        ("{{ value_json.a ~ 'x' }}", "~"),
        ("{{ value_json.a | round(1, 'floor') }}", "round"),
        ("{{ value_json[value] }}", "value"),
        ("{{ 1 if 'a' else 2 }}", ""),
        ("{{ " + "(" * 60 + "value" + ")" * 60 + " }}", "nested"),
        ("{{ " + "not " * 60 + "value }}", "nested"),
        ("x" * (MAX_CHARACTERS + 1), "characters"),
        ("{{ value == '\x00' }}", "cannot be seen"),
    ],
)
def test_what_is_beyond_is_refused_and_named(template: str, named: str) -> None:
    if not named:  # read as a field that no payload has, or refused: never more than that
        try:
            assert value(template) is None
        except TemplateError:
            return
        return
    with pytest.raises(TemplateError, match=named.replace("(", r"\(").replace(".", r"\.")):
        Template(template)


SIGNS = ("{{", "}}", "{%", "%}", "{#", "#}", "(", ")", "==", "<", "+", "*", "-", "|", ".", ",", " ")
WORDS = (
    "value_json",
    "value",
    "if",
    "elif",
    "else",
    "endif",
    "is",
    "defined",
    "not",
    "and",
    "or",
    "in",
    "none",
    "true",
)
OTHERS = ("a", "['b']", "[0]", "float", "int", "round", "(1)", "default", "('x')", "get", "1", "'x'")
TEMPLATES = st.text(max_size=80) | st.lists(st.sampled_from((*SIGNS, *WORDS, *OTHERS)), max_size=25).map(" ".join)


@given(
    template=TEMPLATES,
    payload=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b"]), inner, max_size=3),
        max_leaves=6,
    ),
)
def test_nothing_makes_it_raise_anything_but_its_own_error(template: str, payload: object) -> None:
    try:
        made = Template(template)
    except TemplateError as error:
        assert str(error)
        return
    result = made.evaluate(json.dumps(payload), payload)
    assert result is None or isinstance(result, float | str | bool)
