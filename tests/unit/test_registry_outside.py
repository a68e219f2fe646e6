"""Hand-overs in a community's files: what is wrong with them, accounts and zones, where things are."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from gateway.alarms import Position
from gateway.registry.directory import CommunityDirectory
from gateway.registry.load import read_community
from gateway.registry.outside import account_of, receivers, scene
from tests.support.homes import community, write_community
from tests.support.town import Story

ARC = {"id": "arc", "type": "dc09", "account": "abcd", "receivers": [{"host": "127.0.0.1", "port": 9}]}


def town(**changes: Any) -> dict[str, Any]:
    document = copy.deepcopy(community(2))
    document["channels"].append(ARC)
    document["hand_over"] = [{"id": "arc", "channel": "arc", **changes}]
    return document


def said(directory: Path, document: dict[str, Any]) -> list[str]:
    reading = read_community(write_community(directory / "community.yaml", document))
    return [f"{one.level}: {one.message}" for one in reading.problems if "hand_over" in one.key or "people" in one.key]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"channel": "nowhere"}, "there is no channel nowhere"),
        ({"channel": "messenger"}, "expected a channel of type cap, dc09 or webhook"),
        ({"types": ["smok"]}, "unknown alarm type smok"),
        ({"places": ["moon"]}, "there is no place moon"),
        ({"accounts": {"moon": "1003"}}, "there is no place moon"),
        ({"accounts": {"moon": "xyz"}}, "expected 3 to 16 hexadecimal digits"),
        ({"zones": {"sos-9": {"zone": 1}}}, "there is no device sos-9"),
        ({"zones": {"sos-1": {"zone": 1000}}}, "999"),
        ({"zones": {"sos-1": {"zone": 1}, "sos-2": {"zone": 1}}}, "zone 1 is both sos-1 and sos-2"),
        ({"mode": "real"}, "drill"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, changes: dict[str, Any], expected: str) -> None:
    assert any(expected in one for one in said(tmp_path, town(**changes))), said(tmp_path, town(**changes))


def test_people_are_not_reached_by_what_speaks_to_machines(tmp_path: Path) -> None:
    document = town()
    document["people"][0]["contacts"] = [{"channel": "arc", "to": "1002"}]
    assert any("tells outside systems, not people" in one for one in said(tmp_path, document))


def test_a_sound_one_is_taken_and_says_nothing(tmp_path: Path) -> None:
    document = town(types=["smoke", "staff_call"], accounts={}, zones={"sos-1": {"zone": 1}})
    reading = read_community(write_community(tmp_path / "community.yaml", document))
    assert reading.community is not None and reading.community.hand_over[0].mode == "drill"


def directory(tmp_path: Path, document: dict[str, Any]) -> CommunityDirectory:
    reading = read_community(write_community(tmp_path / "community.yaml", document))
    assert reading.community is not None, reading.errors
    return CommunityDirectory(reading.community)


def test_the_nearest_account_up_the_tree_counts_and_areas_keep_others_out(tmp_path: Path) -> None:
    document = town()
    parents = {one["id"]: one.get("parent") for one in document["places"]}
    home = document["devices"][0]["place"]
    building = parents[home]
    document["hand_over"] = [
        {"id": "arc", "channel": "arc", "to": "eeee", "accounts": {building: "b00b", home: "cafe"}},
        {"id": "elsewhere", "channel": "arc", "places": [next(key for key in parents if parents[key] is None)]},
    ]
    found = directory(tmp_path, document)
    outsider = found.community.hand_over[0]
    assert account_of(found, outsider, home) == "CAFE"
    assert account_of(found, outsider, building) == "B00B"
    assert account_of(found, outsider, parents[building]) == "EEEE"
    assert [one.rule.id for one in receivers(found, home)] == ["arc", "elsewhere"]
    assert [one.rule.id for one in receivers(found, None)] == ["arc"], "a place nobody knows lies in no area"
    assert all(one.contact_id for one in receivers(found, home))


@pytest.mark.parametrize("datum", ["WGS-84", "GCJ-02"])
def test_where_it_is_stands_in_wgs84_whatever_the_registry_has(tmp_path: Path, datum: str) -> None:
    document = town()
    parents = {one["id"]: one.get("parent") for one in document["places"]}
    home = document["devices"][0]["place"]
    for place in document["places"]:
        place.pop("position", None)
        if place["id"] == parents[home]:
            place["position"] = {"lat": 39.9289, "lon": 116.4583, "datum": datum}
    found = directory(tmp_path, document)
    case = Story().case.model_copy(update={"place": home, "resident": None})
    spot = scene(found, case).spot
    assert spot is not None and not spot.exact
    moved = abs(spot.lat - 39.9289) > 1e-4
    assert moved is (datum == "GCJ-02")
    reported = case.model_copy(update={"position": Position(lat=39.9, lon=116.4, datum="WGS-84")})
    exact = scene(found, reported).spot
    assert exact is not None and exact.exact and (exact.lat, exact.lon) == (39.9, 116.4)
    nowhere = scene(found, case.model_copy(update={"place": "gone"}))
    assert nowhere.spot is None and nowhere.address.zh == ""
