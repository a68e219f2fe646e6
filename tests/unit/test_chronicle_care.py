"""A case under its resident says what those who care for them need, and nothing that leads to the case's place."""

from __future__ import annotations

import random

import pytest

from devices.measurements import MEASUREMENTS
from devices.telemetry import faults
from gateway.cases import figures
from gateway.cases.model import Case
from gateway.chronicle.cases import care_point, case_point
from gateway.chronicle.ground import ground_of
from gateway.store.protocol import Point
from tests.support.control_cases import Casework
from tests.support.control_town import town
from tests.support.control_week import END_MS


@pytest.fixture(scope="module")
def casework() -> Casework:
    found = Casework(ground_of(town()), END_MS, random.Random(1))
    found.live()
    return found


def _points(casework: Casework) -> list[tuple[Case, Point, Point | None]]:
    found = []
    for life in casework.lives:
        seen = figures.seen(life.case.model_dump_json())
        point = case_point(life.case, seen, casework.ground, END_MS)
        found.append((life.case, point, care_point(life.case, point)))
    return found


def test_it_is_under_the_resident_alone(casework: Casework) -> None:
    of_somebody = 0
    for case, point, care in _points(casework):
        if case.resident is None:
            assert care is None
            continue
        assert care is not None
        of_somebody += 1
        assert care.tags == {
            "community": casework.ground.community,
            "resident": case.resident,
            "drill": "1" if case.drill else "0",
        }
        assert care.at_ns == point.at_ns and care.fields.items() <= point.fields.items()
        assert {"number", "stage", "title_zh", "title_en", "severity", "open", "merged"} <= care.fields.keys()
        assert not {"place", "place_zh", "place_en", "lat", "lon"} & care.fields.keys()
        assert faults(MEASUREMENTS["care"], care.tags, care.fields) == []
    assert of_somebody > 10


def test_a_case_itself_says_nobody(casework: Casework) -> None:
    assert all("resident" not in point.tags for _, point, _ in _points(casework))


def test_what_is_promised_is_a_field(casework: Casework) -> None:
    arrived = [point for case, point, _ in _points(casework) if "arrived" in case.times]
    assert arrived and all({"on_site_45", "on_site_60"} <= point.fields.keys() for point in arrived)
    assert {point.fields["on_site_45"] for point in arrived} == {0.0, 1.0}
    answered = [point for _, point, _ in _points(casework) if "answered_s" in point.fields and point.fields["alarm"]]
    for point in answered:
        for seconds in (60, 90, 180):
            assert point.fields[f"within_{seconds}"] == float(float(point.fields["answered_s"]) <= seconds)


def test_the_hour_is_the_communitys(casework: Casework) -> None:
    for case, point, _ in _points(casework):
        assert point.fields["hour"] == (case.times["raised"] // 3_600_000 + 8) % 24
