"""A kind's table of expressions: what it makes of fields, and how its mistakes are told."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.gear.kindmap import ProfileError, load_maps
from devices.gear.messages import GearDevice
from tests.support.gear import device

MAPS = load_maps(
    """
any:
  metrics: {battery: number(battery), link_quality: linkquality / 255 * 100, temperature: temp}
  events: {self_test: test == true}
  data: {firmware: fw}
contact:
  metrics:
    open: when(truth(option.reverse), contact, not contact)
    tampered: tamper
sos_button:
  metrics: {battery: null_battery}
  events: {press: 'action in ("emergency", "sos")', cancel: action == "cancel"}
  data: {label: option.label, battery: battery}
smoke:
  metrics: {alarm: smoke}
""",
    "maps.yaml",
)


def contact(**options: str) -> GearDevice:
    return device("door", "contact", **({"reverse": "no"} | options))


def test_values_states_and_what_is_missing() -> None:
    said, faults = MAPS["contact"].said(
        contact(), {"battery": "98.5", "contact": False, "linkquality": 51, "fw": "1.2"}
    )
    assert said.metrics == {"battery": 98.5, "open": 1.0, "link_quality": 20.0}
    assert (said.events, said.data, faults) == ((), {"firmware": "1.2"}, ())
    assert said.device is not None and said.identity is None


def test_what_is_meant_for_all_counts_only_where_the_kind_has_it() -> None:
    assert MAPS["contact"].said(contact(), {"temp": 5, "test": True})[0].events == ()
    said, _ = MAPS["smoke"].said(device("x", "smoke"), {"test": True, "smoke": False})
    assert (said.events, said.metrics) == (("self_test",), {"alarm": 0.0})


def test_a_kinds_own_row_goes_before_the_one_for_all() -> None:
    said, _ = MAPS["sos_button"].said(device("x", "sos_button"), {"battery": 10, "null_battery": 20})
    assert (said.metrics, said.data) == ({"battery": 20.0}, {"battery": 10.0})


def test_options_of_the_device_are_read_for_each_device() -> None:
    fields = {"contact": False}
    assert MAPS["contact"].said(contact(), fields)[0].metrics == {"open": 1.0}
    assert MAPS["contact"].said(contact(reverse="yes"), fields)[0].metrics == {"open": 0.0}
    assert MAPS["contact"].said(device("door", "contact"), fields)[0].metrics == {}  # nobody said which way


def test_moments() -> None:
    button = device("x", "sos_button", label="床头")
    said, _ = MAPS["sos_button"].said(button, {"action": "sos"}, observed_at_ms=5, identity="a", presence=True)
    assert (said.events, said.data) == (("press",), {"label": "床头"})
    assert (said.observed_at_ms, said.identity, said.presence) == (5, "a", True)
    for nothing in ({"action": ""}, {"action": None}, {"action": 3}, {}):
        assert MAPS["sos_button"].said(button, nothing)[0].events == ()


def test_a_text_where_a_number_must_be_is_a_fault_and_the_rest_is_kept() -> None:
    said, faults = MAPS["smoke"].said(device("kitchen", "smoke", id="s-1"), {"smoke": "ON", "battery": 5})
    assert said.metrics == {"battery": 5.0}
    (fault,) = faults
    assert (fault.device, fault.reason, fault.field) == ("s-1", "malformed", "metrics.alarm")
    assert "got 'ON' from smoke" in str(fault) and "a number, or true or false" in str(fault)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
KEYS = (
    "battery",
    "linkquality",
    "temp",
    "test",
    "fw",
    "contact",
    "tamper",
    "action",
    "smoke",
    "null_battery",
    "option",
)


@given(st.dictionaries(st.sampled_from(KEYS), JSON), st.sampled_from(sorted(MAPS)))
def test_no_fields_make_it_raise(fields: dict[str, object], kind: str) -> None:
    said, faults = MAPS[kind].said(device("x", kind), fields)
    assert all(isinstance(value, float) for value in said.metrics.values())
    assert {fault.reason for fault in faults} <= {"malformed"}
    json.dumps(dict(said.data))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("contact:\n  metrics:\n    opn: x", "f.yaml:3: contact.metrics.opn: a contact has no such metric"),
        ("contact: {metrics: {opn: x}}", "did you mean open?"),
        ("contact: {metrics: {opened: x}}", "it is an event: write it under events"),
        ("contact: {events: {open: x}}", "it is a state: write it under metrics"),
        ("contact: {events: {online: x}}", "a contact says no such event here"),
        ("contact: {metrics: {open: not}}", "column 1 of the expression: it cannot be read"),
        ("contact: {metrics: {open: first(x, y)}}", "between { and } a comma ends the expression"),
        ("contact: {metrics: {open: lower(x)}}", "lower(x) is a text; expected a number, or true or false"),
        ("contact: {metrics: {temperature: x == 1}}", "x == 1 is true or false; expected a number, in Cel"),
        ("contact: {events: {opened: x + 1}}", "x + 1 is a number"),
        ("contact: {metrics: {open: {a: b}}}", "contact.metrics.open: it is no expression; expected one text"),
        (
            "contact: {metric: {}}",
            "there is no such part of a map; expected metrics, events, data; did you mean metrics?",
        ),
        ("contact: 5", "contact: it is no table"),
        ("contact: {}\n\ncontact: {}", "f.yaml:3: contact: given twice"),
        ("conact: {}", "conact: there is no such kind"),
        ("any: {metrics: {power: x}}\ncontact: {}", "any.metrics.power: none of the mapped kinds has it (contact)"),
        ("any: {events: {presss: x}}\ncontact: {}", "did you mean press?"),
        ("any: {}", "it maps no kind"),
        ("", "it maps no kind"),
        ("contact: [", "not YAML"),
        ("contact: &a {}", "anchors and aliases are not read"),
        ("--- {}\n--- {}", "f.yaml:2: a second document begins here"),
        ("? [a]\n: b", "a list or a table stands where a key is"),
        ("[" * 40, "it is nested too deeply"),
        ("#" * 300_000, "it has 300000 characters"),
        ("contact: \x00", "not YAML"),
    ],
)
def test_mistakes_say_where_what_was_expected_and_what_to_do(text: str, told: str) -> None:
    with pytest.raises(ProfileError) as caught:
        load_maps(text, "f.yaml")
    assert told in str(caught.value)
    assert str(caught.value).startswith("f.yaml:") and caught.value.expected and caught.value.hint


def test_scalars_stay_what_was_written() -> None:
    maps = load_maps("plug: {metrics: {powered: on == 1, power: 1_0}}\n", "f.yaml")
    assert maps["plug"].said(device("x", "plug"), {"on": 1})[0].metrics == {"powered": 1.0, "power": 10.0}


@given(st.text(max_size=60))
def test_no_text_makes_reading_raise_anything_else(text: str) -> None:
    try:
        load_maps(text, "f.yaml")
    except ProfileError as error:
        assert error.line >= 1


@pytest.mark.parametrize(
    ("fields", "faults"),
    [
        ({"smoke": "maybe"}, ["metrics.alarm"]),
        ({"smoke": {"on": 1}}, ["metrics.alarm"]),
        ({"smoke": "unavailable"}, []),
        ({"smoke": None}, []),
        ({}, []),
        ({"sub": {"battery": "full"}}, ["metrics.battery"]),
        ({"sub": {}}, []),
        ({"gas": "warming up"}, []),
    ],
)
def test_a_field_that_is_there_and_means_nothing_is_a_fault(fields: dict[str, object], faults: list[str]) -> None:
    text = """
smoke:
  metrics:
    alarm: truth(smoke)
    battery: number(sub.battery)
    tampered: when(gas in ("ok", "bad"), gas == "bad", unknown)
"""
    said, refused = load_maps(text, "a.yaml")["smoke"].said(device("a", "smoke"), {**fields, "unknown": None})
    assert [one.field for one in refused] == faults
    assert said.metrics == {}
    assert all("correct the gear" in one.hint and one.device == "smoke-1" for one in refused)
