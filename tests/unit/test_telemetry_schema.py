"""The telemetry store's schema: every row of it is sound, and what is written conforms."""

from __future__ import annotations

import re

import pytest

from devices import telemetry_document
from devices.kinds import KINDS
from devices.measurements import EVENT, HAPPENINGS, MEASUREMENTS, WAVEFORM
from devices.observation import Waveform
from devices.telemetry import Measurement, Stamps, faults
from gateway.store.line_protocol import lines
from gateway.store.points import name_fault
from tests.support.stores import START_MS, observe
from tests.unit.test_store_line_protocol import parse

SOME = Stamps("tjh", "grid-1", "b-3", "b-3-101", "wang")


def test_no_name_stands_for_two_things() -> None:
    assert len(MEASUREMENTS) == len(KINDS) + 2 + len(HAPPENINGS)
    assert all(key == one.key for key, one in MEASUREMENTS.items())


@pytest.mark.parametrize("measurement", MEASUREMENTS.values(), ids=MEASUREMENTS.keys())
def test_every_row_is_sound(measurement: Measurement) -> None:
    tags, fields = [tag.key for tag in measurement.tags], [field.key for field in measurement.fields]
    # In InfluxQL a tag and a field of one name cannot be told apart.
    names = [*tags, *fields]
    twice = {name for name in names if names.count(name) > 1}
    assert not twice and fields
    assert not [name for name in names if name_fault(name)]
    for tag in measurement.tags:
        assert tag.zh and tag.en and tag.bound
        assert tag.of == "" or tag.of in tags, "what it follows from is a tag of the same points"
    assert measurement.own_tags, "there is at least one series"
    for field in measurement.fields:
        assert field.zh and field.en and not re.search(r"\s", field.unit)
    both = {key[:-3] for key in fields if key.endswith(("_zh", "_en"))}
    assert all({f"{key}_zh", f"{key}_en"} <= set(fields) for key in both), (
        "texts for people are there in both languages"
    )


@pytest.mark.parametrize("kind", KINDS)
def test_readings_conform(kind: str) -> None:
    metrics = {key: metric.low for key, metric in KINDS[kind].metrics.items()}
    event = next(iter(KINDS[kind].events))
    strip = Waveform(name="ecg", lead="II", rate_hz=250, unit="mV", samples=(0.5, 1.0))
    for line in lines(observe(START_MS, metrics, kind=kind, event=event, waveform=strip), SOME):
        name, tags, fields, _ = parse(line)
        assert faults(MEASUREMENTS[name], tags, fields) == []


def test_every_stamp_is_a_tag_of_every_reading() -> None:
    for measurement in (*(MEASUREMENTS[kind] for kind in KINDS), EVENT, WAVEFORM):
        assert {"device", *Stamps._fields} <= {tag.key for tag in measurement.tags}


def test_what_does_not_conform_is_said() -> None:
    case = MEASUREMENTS["case"]
    assert faults(case, {"grid": "g", "resident": ""}, {"open": 1.0, "stage": "closed"}) == []
    assert faults(case, {"resident": "wang"}, {"open": "yes", "stage": 1.0, "mood": 1.0}) == [
        "case: tag resident is not in the schema",
        "case: field open is 'yes', expected a number",
        "case: field stage is 1.0, expected text",
        "case: field mood is not in the schema",
    ]


def test_no_field_is_a_persons_name_or_number() -> None:
    fields = {field.key for one in HAPPENINGS.values() for field in one.fields if field.text}
    assert not {name for name in fields if re.search(r"phone|contact|person|resident", name)}


def test_the_page_is_that_of_the_code() -> None:
    assert telemetry_document.PAGE.read_text(encoding="utf-8") == telemetry_document.page(), "run `make docs`"
