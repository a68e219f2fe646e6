"""Who is told and where it is: the nearest duty, the family's order, the address, the EmergencyCard."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cases.directory import Directory
from gateway.cases.policy import Ladder, Recipient
from gateway.registry.directory import CommunityDirectory
from gateway.registry.model import Community, CommunityInfo, Person, Place
from gateway.registry.pace import faster
from gateway.registry.roster import Duty, Roster
from gateway.rules.forms import DeviceInfo
from tests.support.registry import loaded, without

IN_2026 = 1_790_000_000_000


@pytest.fixture
def community(tmp_path: Path) -> Community:
    return loaded(tmp_path)


@pytest.fixture
def directory(community: Community) -> CommunityDirectory:
    return CommunityDirectory(community)


def people(directory: Directory, recipient: Recipient, place: str | None, resident: str | None = None) -> list[str]:
    return [t.person for t in directory.resolve(recipient, place=place, resident=resident, at_ms=IN_2026)]


def test_roles_family_and_persons(directory: CommunityDirectory) -> None:
    assert people(directory, Recipient(role="control_room"), "b3-501") == ["op"]
    assert people(directory, Recipient(role="nobody"), "b3-501") == []
    assert people(directory, Recipient(family=True), "b3-501", "li") == ["daughter"]
    assert people(directory, Recipient(family=True), "b3-501") == []
    assert people(directory, Recipient(person="op"), None) == ["op"]
    assert people(directory, Recipient(person="gone"), None) == []
    (target,) = directory.resolve(Recipient(family=True), place=None, resident="li", at_ms=IN_2026)
    assert (target.name, [a.to for a in target.addresses]) == ("李雪", ["d", "d2"])


@pytest.mark.parametrize("place", [None, "removed-since"])
def test_without_a_known_place_the_whole_community_answers(directory: CommunityDirectory, place: str | None) -> None:
    assert people(directory, Recipient(role="control_room"), place) == ["op"]


def test_addresses(directory: CommunityDirectory) -> None:
    assert directory.place_path("b3-501", "zh") == "团结湖街道3号楼501"
    assert directory.place_path("b3-501", "en") == "Tuanjiehu, Building 3, 501"
    assert directory.place_path(None, "zh") == directory.place_path("gone", "zh") == ""
    assert directory.home_of("li") == "b3-501"
    assert directory.lies_in("b3-501", "grid") and not directory.lies_in("grid", "b3-501")


def test_devices_and_names(directory: CommunityDirectory) -> None:
    info: DeviceInfo | None = directory.ruled("sos-1")
    assert info is not None and (info.kind, info.place, info.resident) == ("sos_button", "b3-501", "li")
    assert directory.supervision_s("sos-1") == 3600
    assert directory.device("gone") is None and directory.ruled("gone") is None
    assert directory.device_name("sos-1", "zh") == "一键呼救按钮"
    assert directory.device_name("gone", "zh") == "gone"
    assert directory.resident_name("li") == "李秀兰"
    assert directory.resident_name(None) == ""


def test_the_emergency_card(directory: CommunityDirectory) -> None:
    card = directory.emergency_card(
        case_number="2026-0001", complaint="紧急呼救", place="b3-501", resident="li", source="呼救按钮", at_ms=IN_2026
    )
    assert card == {
        "case_number": "2026-0001",
        "complaint": "紧急呼救",
        "source": "呼救按钮",
        "call_back": "000-1",
        "patient": {
            "id": "li",
            "name": "李秀兰",
            "sex": "female",
            "age": 86,
            "birth_year": 1940,
            "conditions": ["冠心病"],
            "allergies": [],
            "doctor": {"name": "王敏", "phone": "000-2"},
        },
        "conscious": "unknown",
        "breathing": "unknown",
        "address": {"zh": "团结湖街道3号楼501", "en": "Tuanjiehu, Building 3, 501"},
        "position": {"lat": 39.9, "lon": 116.4, "datum": "WGS-84", "of": "团结湖街道"},
        "access": "门禁 1234；钥匙在邻居处",
        "meet_at": "东侧路口",
        "phones": [
            {"relation": "本人", "name": "李秀兰", "phone": "000-4"},
            {"relation": "女儿", "name": "李雪", "phone": "000-3"},
        ],
    }


def test_every_key_of_the_card_is_documented(directory: CommunityDirectory) -> None:
    card = directory.emergency_card(
        case_number="1", complaint="x", place=None, resident="li", source="y", at_ms=IN_2026
    )
    page = (Path(__file__).parents[2] / "docs" / "emergency-card.md").read_text(encoding="utf-8")
    patient = card["patient"]
    assert isinstance(patient, dict)
    assert card["address"] == {"zh": "团结湖街道3号楼501", "en": "Tuanjiehu, Building 3, 501"}  # home where no place
    missing = [key for key in (*card, *(f"patient.{key}" for key in patient)) if f"`{key}" not in page]
    assert missing == []


def test_a_card_about_nobody_known(community: Community) -> None:
    directory = CommunityDirectory(without(community, "residents", "li"))
    card = directory.emergency_card(
        case_number="1", complaint="x", place="gone", resident="li", source="y", at_ms=IN_2026
    )
    assert (card["patient"], card["position"], card["phones"], card["meet_at"]) == (None, None, [], "")


@st.composite
def trees(draw: st.DrawFn) -> tuple[list[int | None], set[int]]:
    """Places 0..n as a forest (each with an earlier parent or none), and those that have a duty."""
    size = draw(st.integers(1, 40))
    parents: list[int | None] = [None]
    for index in range(1, size):
        parents.append(draw(st.none() | st.integers(0, index - 1)))
    return parents, draw(st.sets(st.integers(0, size - 1)))


@given(trees())
def test_the_nearest_duty_up_the_tree_wins(tree: tuple[list[int | None], set[int]]) -> None:
    parents, staffed = tree
    community = Community(
        anju=1,
        community=CommunityInfo(id="x", name={"zh": "x", "en": "x"}),
        places=tuple(
            Place(id=f"p{i}", level="l", name={"zh": f"p{i}", "en": f"p{i}"}, parent=None if up is None else f"p{up}")
            for i, up in reversed(list(enumerate(parents)))
        ),
        people=tuple(Person(id=f"w{i}", name="w") for i in staffed),
        rosters=tuple(
            Roster(id=f"r{i}", duties=(Duty(role="grid_staff", place=f"p{i}", people=(f"w{i}",)),)) for i in staffed
        ),
    )
    directory = CommunityDirectory(community)
    for index in range(len(parents)):
        nearest: int | None = index
        while nearest is not None and nearest not in staffed:
            nearest = parents[nearest]
        expected = [] if nearest is None else [f"w{nearest}"]
        assert people(directory, Recipient(role="grid_staff"), f"p{index}") == expected


def test_a_faster_pace_respects_the_lower_bounds(community: Community) -> None:
    (slow,) = community.ladders
    (fast,) = faster(community, 10).ladders
    assert [rung.after_s for rung in slow.rungs] == [0, 45, 60]
    assert [rung.after_s for rung in fast.rungs] == [0, 4, 6]
    assert (fast.cancel_window_s, fast.lease_s, fast.on_the_way_s, fast.repeat_s) == (3, 18, 90, 10)
    (fastest,) = faster(community, 1e9).ladders
    assert [rung.after_s for rung in fastest.rungs] == [0, 1, 1]
    assert Ladder.model_validate(fastest.model_dump()) == fastest
    assert faster(community, 1) == community
    with pytest.raises(ValueError, match="at least 1"):
        faster(community, 0.5)
