"""Boards as Grafana's JSON: what is committed, what Grafana knows, where links lead."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest

from dashboards.__main__ import FOLDER, differences, main
from dashboards.board import Board
from dashboards.boards import BOARDS
from dashboards.grafana.build import LABEL, files
from dashboards.grafana.panels import panel_id
from dashboards.text import LANGUAGES
from tests.support.grafana_types import faults

FILES = files(BOARDS)
NAMES = sorted(FILES)
BURNING = 959594
"""Links to this panel, and Grafana's own bookmarks, go by it."""
BY_UID = {board.uid: board for board in BOARDS}


def dashboard(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(FILES[name])
    return found


def panels(name: str) -> list[dict[str, Any]]:
    return [one for one in dashboard(name)["panels"] if one["type"] != "row"]


def test_what_is_committed_is_what_the_boards_say() -> None:
    assert differences(FILES, FOLDER) == [], "run `python -m dashboards` and commit what it writes"


def test_the_same_boards_give_the_same_bytes() -> None:
    assert files(BOARDS) == FILES


def test_check_says_what_differs_and_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("dashboards.__main__.FOLDER", tmp_path)
    (tmp_path / "zh").mkdir()
    (tmp_path / "zh" / "anju-gone.json").write_text("{}")
    assert main(["--check"]) == 1
    assert "zh/anju-gone.json" in capsys.readouterr().err
    assert [path.name for path in tmp_path.rglob("*.json")] == ["anju-gone.json"]
    assert main([]) == 0
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.json")) == NAMES
    assert main(["--check"]) == 0


@pytest.mark.parametrize("name", NAMES)
def test_grafana_knows_every_option(name: str) -> None:
    assert faults(dashboard(name)) == []


@pytest.mark.parametrize(
    ("path", "value", "fault"),
    [
        (("panels", 0, "options", "colourMode"), "value", "options.colourMode: unknown to Grafana"),
        (("panels", 0, "options", "colorMode"), "loud", "'loud' is not"),
        (("panels", 0, "gridPos", "w"), "6", "'6' is not <class 'int'>"),
        (("panels", 0, "fieldConfig", "defaults", "units"), "s", "defaults.units: unknown to Grafana"),
        (("panels", 0, "fieldConfig", "defaults", "unit"), "furlongs", "'furlongs' is no unit of Grafana"),
        (("panels", 0, "targets", 0, "sql"), "SELECT 1", "a query has 'sql'"),
        (("templating", "list", 0, "multiple"), True, "list[0].multiple: unknown to Grafana"),
        (("refresh_every",), "1s", "refresh_every: unknown to Grafana"),
    ],
)
def test_an_option_that_grafana_does_not_know_is_noticed(path: tuple[Any, ...], value: Any, fault: str) -> None:
    changed: Any = copy.deepcopy(dashboard("zh/anju-wall.json"))
    at = changed
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    found = faults(changed)
    assert any(fault in one for one in found), found


@pytest.mark.parametrize(
    ("id_", "value", "fault"),
    [
        ("custom.cellOption", {"type": "auto"}, "unknown to Grafana"),
        ("custom.width", "wide", "'wide' is not"),
        ("displayname", "Case", "unknown to Grafana"),
    ],
)
def test_an_override_that_grafana_does_not_know_is_noticed(id_: str, value: Any, fault: str) -> None:
    changed = dashboard("zh/anju-wall.json")
    table = next(one for one in changed["panels"] if one["type"] == "table")
    table["fieldConfig"]["overrides"][0]["properties"].append({"id": id_, "value": value})
    found = faults(changed)
    assert any(fault in one for one in found), found


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.uid)
def test_panels_have_numbers_that_stay(board: Board) -> None:
    numbers = [one["id"] for one in dashboard(f"zh{'-care' if board.private else ''}/{board.uid}.json")["panels"]]
    assert len(set(numbers)) == len(numbers)
    assert {panel_id(panel.key) for panel in board.panels()} <= set(numbers)
    assert panel_id("burning") == BURNING


@pytest.mark.parametrize("name", NAMES)
def test_panels_neither_overlap_nor_stick_out(name: str) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboard(name)["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_to_a_board_of_the_same_language_with_variables_that_it_has(name: str) -> None:
    language = name.partition("/")[0].removesuffix("-care")
    for url in links(dashboard(name)):
        if url.startswith("${anju_url:raw}/"):
            continue
        found = re.fullmatch(r"/d/(anju-[a-z-]+)-(zh|en)\?(.+)", url)
        assert found is not None, url
        assert found[2] == language
        there = {one.name for one in BY_UID[found[1]].variables}
        parts = found[3].split("&")
        assert parts[-1] == "${__url_time_range}"
        names = {match[1] for part in parts[:-1] if (match := re.match(r"(?:var-|\$\{)(\w+)", part))}
        assert names <= there, url


@pytest.mark.parametrize("name", NAMES)
def test_values_in_links_are_escaped_and_nothing_is_asked_of_a_tile_server(name: str) -> None:
    text = FILES[name]
    for value in re.findall(r"\$\{__(?:data|field)\.[^}]+\}", text.replace('\\"', '"')):
        assert value.endswith(":percentencode}"), value
    for panel in panels(name):
        if panel["type"] == "geomap":
            assert panel["options"]["basemap"]["type"] == "xyz"
            assert panel["options"]["basemap"]["config"]["url"].startswith("data:image/")
    assert not re.search(r"https?://(?!localhost:8120)", text)


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_edition_is_in_one_language(language: str) -> None:
    wall = dashboard(f"{language}/anju-wall.json")
    assert wall["uid"] == f"anju-wall-{language}"
    assert wall["title"] == BY_UID["anju-wall"].title.of(language)
    texts = [panel["title"] for panel in wall["panels"]] + [panel["description"] for panel in wall["panels"]]
    chinese = [one for one in texts if re.search(r"[\u4e00-\u9fff]", one)]
    assert (len(chinese) == len([one for one in texts if not one.isascii()])) if language == "zh" else chinese == []
    queries = [target["query"] for panel in panels(f"{language}/anju-wall.json") for target in panel["targets"]]
    other = "en" if language == "zh" else "zh"
    assert not [one for one in queries if f'_{other}"' in one]


@pytest.mark.parametrize(
    ("label", "text", "value"),
    [
        ("第3网格 (g-3)", "第3网格", "g-3"),
        ("3号楼 (东) (b-3e)", "3号楼 (东)", "b-3e"),
        ("Building 3 (b3)", "Building 3", "b3"),
    ],
)
def test_a_place_is_chosen_by_its_name_and_meant_by_its_id(label: str, text: str, value: str) -> None:
    found = re.fullmatch(LABEL.strip("/").replace("?<", "?P<"), label)
    assert found is not None
    assert (found["text"], found["value"]) == (text, value)


def links(node: Any) -> list[str]:
    """Addresses of every link below ``node``."""
    if isinstance(node, list):
        return [url for one in node for url in links(one)]
    if not isinstance(node, dict):
        return []
    own = [node["url"]] if isinstance(node.get("url"), str) and ("targetBlank" in node) else []
    return own + [url for one in node.values() for url in links(one)]
