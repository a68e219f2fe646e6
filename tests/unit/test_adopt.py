"""Adoption: from a stranger or a label to a device, with everything proposed that can be."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.registry import adopt
from gateway.registry.adopt import Way, Wish
from gateway.registry.candidates import Candidate
from gateway.registry.desk import Refused
from gateway.registry.label import Label
from gateway.registry.model import Bridge, Community, Device
from tests.support.registry import loaded

DOOR = Candidate(
    bridge="z2m",
    address="0x00158d0001a2b3c4",
    profile="zigbee2mqtt",
    kind="contact",
    name="front_door",
    vendor="Aqara",
    model="MCCGQ11LM",
    firmware="",
    first_ms=1,
    last_ms=2,
    heard=1,
    last_source="",
    last_payload="",
    dismissed_at_ms=None,
)
KEY = Way(profile="native", bridge=None, address="sos-7F")


@pytest.fixture
def community(tmp_path: Path) -> Community:
    return loaded(tmp_path, ("devices:\n", "bridges:\n  - {id: z2m, profile: zigbee2mqtt}\ndevices:\n"))


def made(community: Community, way: Way, wish: Wish, kind: str | None = None) -> Device:
    (edit,) = adopt.adopted(way, wish, kind=kind, by="adopt")(community)
    assert edit.before is None
    assert edit.what == "added"
    return edit.after


def test_a_stranger_needs_only_a_place(community: Community) -> None:
    device = made(community, adopt.way_of(DOOR), Wish(place="b3-501"), DOOR.kind)
    assert device == Device(
        id="contact-b3-501",
        kind="contact",
        profile="zigbee2mqtt",
        bridge="z2m",
        address="0x00158d0001a2b3c4",
        place="b3-501",
    )


def test_what_a_person_says_goes_before_what_is_proposed(community: Community) -> None:
    wish = Wish(place="b3", kind="motion", resident="li", id="m-9", name_zh="门厅", serial="A1")
    device = made(community, adopt.way_of(DOOR), wish, DOOR.kind)
    assert (device.id, device.kind, device.resident, device.serial) == ("m-9", "motion", "li", "A1")
    assert device.name is not None
    assert (device.name.zh, device.name.en) == ("门厅", "门厅")


def test_a_native_device_keeps_the_name_it_speaks_under(community: Community) -> None:
    assert made(community, KEY, Wish(place="b3", kind="sos_button")) == Device(
        id="sos-7F", kind="sos_button", place="b3"
    )
    named = made(community, KEY, Wish(place="b3", kind="sos_button", id="bed"))
    assert (named.id, named.address) == ("bed", "sos-7F")


def test_without_a_kind_or_a_place_it_is_asked_for(community: Community) -> None:
    for wish, field in ((Wish(place="b3"), "kind"), (Wish(place="", kind="smoke"), "place")):
        with pytest.raises(Refused) as refused:
            made(community, KEY, wish)
        assert [fault.field for fault in refused.value.faults] == [field]


def test_an_id_that_is_taken_is_refused_and_never_proposed(community: Community) -> None:
    with pytest.raises(Refused, match="there is a device of this id"):
        made(community, KEY, Wish(place="b3", kind="sos_button", id="sos-1"))
    taken = ["smoke-b3", "smoke-b3-2", "sos-7F"]
    zigbee = adopt.way_of(DOOR)
    assert adopt.proposed_id("smoke", "b3", zigbee, taken) == "smoke-b3-3"
    assert adopt.proposed_id("sos_button", "b3", KEY, taken) == "sos-button-b3"
    assert adopt.proposed_id("smoke", "b3", KEY, []) == "sos-7F"
    long = adopt.proposed_id("traffic_counter", "p" * 64, zigbee, ["traffic-counter-" + "p" * 44])
    assert len(long) <= 64
    assert made(community, zigbee, Wish(place="b3-501", id=long), "smoke").id == long


def test_the_resident_is_proposed_where_only_one_lives(community: Community) -> None:
    assert adopt.resident_of(community, "b3-501") == "li"
    assert adopt.resident_of(community, "b3") is None
    (li,) = community.residents
    two = community.model_copy(update={"residents": (li, li.model_copy(update={"id": "wang"}))})
    assert adopt.resident_of(two, "b3-501") is None


def test_a_label_finds_its_stranger_and_its_device(community: Community) -> None:
    zigbee = Label(form="zigbee", address="0x00158d0001a2b3c4")
    assert adopt.strangers_with(zigbee, [DOOR]) == [DOOR]
    assert adopt.strangers_with(Label(form="fields", address="00:15:8D:00:01:A2:B3:C4"), [DOOR]) == [DOOR]
    assert adopt.strangers_with(Label(form="serial", serial="front_door"), [DOOR]) == [DOOR]
    assert adopt.strangers_with(Label(form="serial", serial="A1"), [DOOR]) == []
    device = Device(id="d", kind="smoke", place="b3", serial="A1", address="x-1")
    assert adopt.registered_with(Label(form="serial", serial="A1"), [device]) == [device]
    assert adopt.registered_with(Label(form="anju", address="x-1"), [device]) == [device]
    assert adopt.registered_with(zigbee, [device]) == []


def test_a_label_of_something_unheard_goes_by_the_only_bridge_that_can_hear_it(community: Community) -> None:
    zigbee = Label(form="zigbee", address="0x00158d0001a2b3c4")
    assert adopt.way_of_label(zigbee, community.bridges) == adopt.way_of(DOOR)
    assert adopt.way_of_label(Label(form="anju", kind="sos_button", address="sos-7F"), ()) == KEY
    second = Bridge(id="z2m-2", profile="zigbee2mqtt")
    for label, bridges, said in (
        (zigbee, (*community.bridges, second), "name the bridge: one of z2m, z2m-2"),
        (zigbee, (), "there is no bridge that hears it"),
        (Label(form="serial", serial="A1"), community.bridges, "let it speak once"),
    ):
        with pytest.raises(Refused, match=said):
            adopt.way_of_label(label, bridges)
