"""What rules may know of devices, places and residents: how it is written, what is refused, and what rules see."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from gateway.registry.directory import CommunityDirectory
from gateway.registry.facts import PersonalLimit
from gateway.registry.fields import FieldChange, fields_between
from gateway.registry.model import Community, Device, Place, Resident
from gateway.rules.forms import Limit
from tests.support.registry import loaded, read, said

SHANGHAI = ZoneInfo("Asia/Shanghai")
SOS = (
    "resident: li}",
    "resident: li, attributes: {role: bedside, floor: 5, spare: false}, via: hub}\n"
    "  - {id: hub, kind: concentrator, place: b3}",
)
TOWN = ("datum: WGS-84}", "datum: WGS-84}, attributes: {armed: false, road_class: local}")
HOME = ("access: 钥匙在邻居处", "access: 钥匙在邻居处, attributes: {armed: true}")
LI = ("doctor: op", "doctor: op\n    attributes: {mobility: wheelchair}")


@pytest.fixture
def community(tmp_path: Path) -> Community:
    return loaded(tmp_path, SOS, TOWN, HOME, LI)


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=SHANGHAI).timestamp() * 1000)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("{Armed: true}", "devices[0].attributes.Armed: expected a name of a to z, 0 to 9 and _, with a letter first"),
        ("{class: a}", "devices[0].attributes.class: expressions keep the word 'class' for themselves"),
        ("{a: null}", "devices[0].attributes.a: expected a number, true or false, or text, found nothing"),
        ("{a: [1]}", "devices[0].attributes.a: expected a number, true or false, or text, found a list of 1"),
        ("{a: 2026-01-02}", "devices[0].attributes.a: expected a number, true or false, or text, found 2026-01-02"),
        ("{a: .nan}", "devices[0].attributes.a: expected a finite number, found nan"),
        ("{a: -.inf}", "devices[0].attributes.a: expected a finite number, found -inf"),
        ("{a: " + "9" * 400 + "}", "devices[0].attributes.a: expected a finite number, found 999"),
        ("{a: " + "x" * 101 + "}", "devices[0].attributes.a: expected at most 100 characters, found 101"),
        ('{a: "x\\ny"}', "devices[0].attributes.a: expected text on one line"),
        ("{" + ", ".join(f"a{n}: 1" for n in range(33)) + "}", "devices[0].attributes: expected at most 32"),
        ("{kind: a}", "devices[0].attributes: attribute 'kind' is called like a key of the entry itself"),
        ("{hardware: a}", "devices[0].attributes: attribute 'hardware' is called like a key of the entry itself"),
        ("[a]", "devices[0].attributes: expected a mapping (key: value), found a list of 1"),
    ],
)
def test_what_is_no_attribute_is_named(tmp_path: Path, written: str, expected: str) -> None:
    (found,) = said(read(tmp_path, ("resident: li}", f"resident: li, attributes: {written}}}")))
    assert found.startswith(f"more.yaml:20: {expected}")


@pytest.mark.parametrize("name", ["home", "sex", "birth_year", "limits", "id"])
def test_an_attribute_of_a_resident_is_not_called_like_a_key_of_a_resident(name: str) -> None:
    with pytest.raises(ValueError, match=f"attribute '{name}' is called like a key"):
        Resident(id="li", name="李", home="b3", attributes={name: 1})
    if name not in Place.model_fields:
        assert Place(id="b3", level="楼", name="3", attributes={name: 1}).attributes == {name: 1.0}


def test_rules_see_the_device_its_place_and_its_resident(community: Community) -> None:
    info = CommunityDirectory(community).ruled("sos-1")
    assert info is not None
    assert (info.kind, info.via, info.hardware) == ("sos_button", "hub", "native//sos-1")
    assert dict(info.facts) == {
        "device.id": "sos-1",
        "device.kind": "sos_button",
        "device.profile": "native",
        "device.role": "bedside",
        "device.floor": 5.0,
        "device.spare": False,
        "place.id": "b3-501",
        "place.level": "户",
        "place.armed": True,
        "place.road_class": "local",
        "resident.id": "li",
        "resident.sex": "female",
        "resident.birth_year": 1940.0,
        "resident.home": "b3-501",
        "resident.mobility": "wheelchair",
    }
    assert len(info.facts) == 15
    assert "place.armed" in info.facts and "place.meet_at" not in info.facts
    assert info.facts.get("resident.birth_year") == 1940.0
    assert info.facts.get("device.nothing") is None


def test_a_place_without_an_attribute_has_that_of_the_nearest_above(community: Community) -> None:
    hub = CommunityDirectory(community).ruled("hub")
    assert hub is not None
    assert {name: hub.facts[name] for name in ("place.id", "place.armed", "place.road_class")} == {
        "place.id": "b3",
        "place.armed": False,
        "place.road_class": "local",
    }
    assert not [name for name in hub.facts if name.startswith("resident.")]
    assert hub.limits == ()


def test_devices_of_one_home_share_what_is_known_of_it(community: Community) -> None:
    (sos, hub) = community.devices
    many = tuple(sos.model_copy(update={"id": f"sos-{n}"}) for n in range(100))
    directory = CommunityDirectory(community.model_copy(update={"devices": (*many, hub)}))
    shared = {id(info.facts._shared) for n in range(100) if (info := directory.ruled(f"sos-{n}")) is not None}
    assert len(shared) == 1


def test_a_retired_device_is_seen_too(community: Community) -> None:
    retired = tuple(device.model_copy(update={"status": "retired"}) for device in community.devices)
    assert CommunityDirectory(community.model_copy(update={"devices": retired})).ruled("sos-1") is not None


def test_devices_near_a_place(community: Community) -> None:
    valves = tuple(
        Device(id=f"valve-{n}", kind="valve", place=place, status=status)
        for n, (place, status) in enumerate(
            [("b3-501", "active"), ("b3", "active"), ("b3-501", "retired"), ("town", "active"), ("b3-501", "active")]
        )
    )
    directory = CommunityDirectory(community.model_copy(update={"devices": (*community.devices, *valves)}))
    assert directory.near("b3-501", {"valve"}) == ["valve-0", "valve-4"]
    assert directory.near("b3", {"valve"}) == ["valve-1", "valve-0", "valve-4"], "at the place itself first"
    assert directory.near("b3", {"sos_button", "concentrator"}) == ["hub", "sos-1"]
    assert directory.near("b3-501", {"siren"}) == directory.near("gone", {"valve"}) == []


@pytest.mark.parametrize(
    ("begins", "ends", "from_ms", "until_ms"),
    [
        (None, None, None, None),
        ("2026-03-01", "2026-03-31", ms("2026-03-01"), ms("2026-04-01")),
        ("2026-03-01 08:30", "2026-03-01T20:00:00", ms("2026-03-01 08:30"), ms("2026-03-01 20:00")),
        ("2026-03-01T00:30:00Z", "2026-12-31", ms("2026-03-01 08:30"), ms("2027-01-01")),
    ],
)
def test_a_limit_is_valid_from_its_beginning_to_the_end_of_its_last_day(
    begins: str | None, ends: str | None, from_ms: int | None, until_ms: int | None
) -> None:
    given = {"name": "spo2_low", "value": 88, "from": begins, "until": ends, "set_by": "dr-chen"}
    limit = PersonalLimit.model_validate(given)
    assert limit.seen_by_rules(SHANGHAI) == Limit("spo2_low", 88.0, from_ms, until_ms)
    assert PersonalLimit.model_validate_json(limit.model_dump_json()) == limit


def test_limits_are_written_as_dates_and_reach_the_rules(tmp_path: Path) -> None:
    written = "limits: [{name: spo2_low, value: 88, from: 2026-03-01, until: 2026-03-31 08:00:00, set_by: 陈医生}]"
    directory = CommunityDirectory(loaded(tmp_path, ("doctor: op", f"doctor: op\n    {written}")))
    info = directory.ruled("sos-1")
    assert info is not None
    assert info.limits == (Limit("spo2_low", 88.0, ms("2026-03-01"), ms("2026-03-31 08:00")),)


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("value: .nan", "limits[0].value: expected a finite number, found nan"),
        ("value: true", "limits[0].value: expected a number, found true"),
        ("from: 1.3.2026", "limits[0].from: expected a date such as 2026-03-01, or an instant such as"),
        ("until: 0026-03-01", "limits[0].until: expected a year from 1900 to 2200, found 26"),
        ('set_by: ""', 'limits[0].set_by: expected at least 1, found ""'),
        ("form: 2026-03-01", "limits[0].form: unknown key; expected one of from, name, note, set_by, until, value"),
        ("name: SpO2", "limits[0].name: expected a name of a to z"),
    ],
)
def test_what_is_no_limit_is_named(tmp_path: Path, field: str, expected: str) -> None:
    given = {"name": "a", "value": "1", "set_by": "op"} | dict([tuple(field.split(": ", 1))])
    written = ", ".join(f"{key}: {value}" for key, value in given.items())
    (found,) = said(read(tmp_path, ("doctor: op", f"doctor: op\n    limits: [{{{written}}}]")))
    assert found.startswith(f"more.yaml:18: residents[0].{expected}")


def test_true_is_another_attribute_than_one() -> None:
    (one, true, none) = (
        Place(id="b3", level="楼", name="3", attributes=given) for given in ({"a": 1}, {"a": True}, {})
    )
    assert fields_between("places", one, true) == (FieldChange("attributes.a", 1.0, True),)
    assert fields_between("places", none, true) == (FieldChange("attributes.a", None, True),)
    assert fields_between("places", one, one) == ()
