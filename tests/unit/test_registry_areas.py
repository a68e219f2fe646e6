"""Which grid and which building a place and a device belong to, whatever a community calls its levels."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.telemetry import Stamps
from gateway.registry.areas import Area, Areas, area
from gateway.registry.directory import CommunityDirectory
from gateway.registry.load import load_community, read_community
from gateway.registry.model import Levels, Place
from tests.support.registry import loaded, said, small

EXAMPLES = Path(__file__).parents[2] / "examples"


def way(*levels: str) -> list[Place]:
    """From the root in: ``网格*`` stands in no address. Ids are the levels."""
    steps = [Place(id=w.rstrip("*"), level=w.rstrip("*"), name=w, in_address=not w.endswith("*")) for w in levels]
    return steps[::-1]


@pytest.mark.parametrize(
    ("levels", "steps", "expected"),
    [
        # By default the nearest place that is in no address, and what is largest inside it.
        (Levels(), "town community grid* house stair door", ("grid", "house")),
        (Levels(), "town g1* g2* g3* door", ("g3", "door")),
        (Levels(), "town grid* pole", ("grid", "pole")),
        (Levels(), "town grid*", ("grid", "grid")),
        # Without such a place the one just inside the root.
        (Levels(), "lane house door", ("house", "door")),
        (Levels(), "lane house", ("house", "house")),
        (Levels(), "lane", ("", "lane")),
        # By the community's words.
        (Levels(grid="community", building="yard"), "city street station* community yard door", ("community", "yard")),
        (Levels(grid="community"), "city street station* community yard door", ("community", "yard")),
        (Levels(building="house"), "town grid* block house door", ("grid", "house")),
        (Levels(grid="lane", building="house"), "lane yard pole", ("lane", "yard")),
        (Levels(grid="g2"), "town g1* g2* g3* door", ("g2", "g3")),
        # Where the word is not on the way there is no grid.
        (Levels(grid="grid"), "town office", ("", "office")),
        (Levels(grid="grid"), "town", ("", "town")),
    ],
)
def test_grid_and_building(levels: Levels, steps: str, expected: tuple[str, str]) -> None:
    assert area(way(*steps.split()), levels) == Area(*expected)


def test_nowhere_is_in_no_area() -> None:
    assert area([], Levels()) == Area("", "")


@given(st.lists(st.sampled_from(["a", "b*", "c", "grid*", "house"]), max_size=6), st.booleans(), st.booleans())
def test_what_is_found_lies_on_the_way_and_the_building_never_around_a_default_grid(
    steps: list[str], grid: bool, building: bool
) -> None:
    named = [Place(id=f"p{i}", level=w.rstrip("*"), name=w, in_address="*" not in w) for i, w in enumerate(steps)]
    found = area(named, Levels(grid="grid" if grid else None, building="house" if building else None))
    ids = [place.id for place in named]
    assert found.building in ids or not ids
    assert found.grid == "" or found.grid in ids
    if found.grid and not building:
        assert ids.index(found.building) <= ids.index(found.grid), "at the grid itself or inside it"


def test_a_device_is_stamped_with_where_it_stands_and_whom_it_serves(tmp_path: Path) -> None:
    directory = CommunityDirectory(loaded(tmp_path), "box")
    of = directory.areas.of_device
    assert of("sos-1") == Stamps("demo", "grid", "b3", "b3-501", "li")
    assert of("box") == Stamps("demo", "", "town", "town", ""), "this gateway, of which no grid is"
    assert of("stranger") == Stamps("demo")
    assert directory.areas.of_place("b3") == Area("grid", "b3")
    assert directory.areas.of_place("no such place") == directory.areas.of_place(None) == Area()


def test_a_circle_ends() -> None:
    places = {
        "a": Place(id="a", level="x", name="a", parent="b"),
        "b": Place(id="b", level="x", name="b", parent="a"),
    }
    assert Areas("demo", Levels(), places, {}).of_place("a") == Area("a", "a")


def test_a_level_that_no_place_has_is_said(tmp_path: Path) -> None:
    path = small(tmp_path, ("call_back: 000-1}", "call_back: 000-1, levels: {grid: 网格, building: 栋}}"))
    [message] = said(read_community(path))
    assert "community.levels.building" in message and "there is no place of level 栋" in message and "楼" in message


@pytest.mark.parametrize(
    ("example", "place", "expected"),
    [
        ("jinjiang", "yard-1-203", ("wufu", "yard-1")),
        ("luyuan", "home-sun", ("g1-2-1", "g1-2-1-a")),
        ("ordinary-hardware", "b1-501", ("lane7", "b1")),
        ("ordinary-hardware", "pole-0012", ("lane7", "yard")),
    ],
)
def test_the_examples(example: str, place: str, expected: tuple[str, str]) -> None:
    directory = CommunityDirectory(load_community(EXAMPLES / example / "community.yaml"))
    assert directory.areas.of_place(place) == Area(*expected)
