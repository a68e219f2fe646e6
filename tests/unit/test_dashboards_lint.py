"""Our rules for boards: every board keeps them, and each rule notices when one does not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dashboards.board import Annotation, Board, ColumnLook, Link, Panel, Row, Step, Thresholds, Variable
from dashboards.boards import BOARDS
from dashboards.lint import faults
from dashboards.query import Column, FieldIs, Query, TagIs, Var
from dashboards.text import Text

BY_UID = {board.uid: board for board in BOARDS}
TITLE = Text("案卷", "Cases")
GRID = Variable("grid", Text("网格", "Grid"), role="grid")
COUNT = Query("case", (Column("open", "sum", name="cases"),), (TagIs("grid", Var("grid")),))
PANEL = Panel(key="cases", kind="stat", title=TITLE, description=TITLE, queries=(COUNT,), unit="short")
BOARD = Board(uid="anju-try", title=TITLE, description=TITLE, rows=(Row(None, (PANEL,)),), variables=(GRID,))


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.uid)
def test_every_board_keeps_the_rules(board: Board) -> None:
    assert faults(board, BY_UID) == []


def test_all_eleven_boards_are_there() -> None:
    assert {board.uid for board in BOARDS} == {
        f"anju-{name}"
        for name in (
            *("wall", "response", "elder-care", "security", "fire-gas", "traffic"),
            *("waste", "kiosks", "poles", "fleet", "gateway"),
        )
    }


def said(panel: dict[str, Any] | None = None, **board: Any) -> list[str]:
    """What is wrong when the sound board is changed so."""
    changed = replace(BOARD, rows=(Row(None, (replace(PANEL, **(panel or {})),)),))
    changed = replace(changed, **board)
    return faults(changed, {changed.uid: changed})


def test_a_sound_board_has_no_faults() -> None:
    assert said() == []


def asks(**changes: Any) -> dict[str, Any]:
    return {"queries": (replace(COUNT, **changes),)}


def shows(*columns: Column, **more: Any) -> dict[str, Any]:
    query = Query("case", columns, (TagIs("grid", Var("grid")),), **more)
    return {"queries": (query,)}


def from_40(source: str) -> dict[str, Any]:
    return {"thresholds": Thresholds((Step(None, "green"), Step(40, "red")), source)}


LOOK = (ColumnLook("cases", link=Link(TITLE, path="/cases/{number}")),)


@pytest.mark.parametrize(
    ("panel", "fault"),
    [
        ({"unit": ""}, "has no unit"),
        ({"description": Text("案卷", "")}, "'案卷' has no English"),
        ({"description": Text(" ", "Cases")}, "'Cases' has no Chinese"),
        ({"queries": ()}, "asks for nothing"),
        ({"kind": "text"}, "a text panel without a text"),
        ({"width": 25}, "25 wide and 8 high"),
        ({"title": Text("案" * 33, "Cases")}, "letters long; 32 fit"),
        ({"kind": "timeseries", "legend": False, **asks(by=("grid",))}, "several series and no legend"),
        ({"kind": "state-timeline"}, "states without words or colours"),
        ({"kind": "map"}, "a map without lat and lon"),
        ({"kind": "xychart"}, "points of one number alone"),
        (asks(measurement="kase"), "there is no measurement kase"),
        (shows(Column("number")), "points as they are without a limit"),
        (shows(Column("nummer"), limit=5), "case has no field nummer"),
        (shows(Column("stage", localized=True), Column("number", localized=True), limit=5), "no field number_zh"),
        (shows(Column("number", "sum")), "case.number is text, and no number to reckon with"),
        (shows(Column("grid", "count")), "grid is a tag of case"),
        (asks(by=("colour",)), "case has no tag colour"),
        (asks(where=(TagIs("grid", Var("grid")), TagIs("stage", "opened"))), "case has no tag stage"),
        (asks(where=(TagIs("grid", Var("grid")), FieldIs("opened", "=", 1))), "case has no field opened"),
        (asks(where=(TagIs("grid", Var("grid")), FieldIs("stage", "=", 1))), "case.stage is text, compared with"),
        (asks(where=(TagIs("grid", Var("grid")), FieldIs("open", "=", "1"))), "case.open is a number, compared with"),
        (asks(where=(TagIs("grid", Var("grid")), FieldIs("stage", "<", "b"))), "texts are alike or not"),
        (asks(name="{type}"), "needs the tag type"),
        (asks(last="yesterday"), "'yesterday' is no span of time"),
        (asks(where=()), "nothing uses the variable grid"),
        (asks(where=(TagIs("grid", Var("grid")), TagIs("building", Var("house")))), "house is used and not declared"),
        ({"columns": LOOK}, "the link 'Cases' needs the column number"),
        ({"links": (Link(TITLE),)}, "to one of them"),
        ({"links": (Link(TITLE, path="cases"),)}, "begins with no slash"),
        ({"links": (Link(TITLE, board="anju-nowhere"),)}, "the board anju-nowhere, which does not exist"),
        ({"links": (Link(TITLE, board="anju-try", carry=(("road", "cases"),)),)}, "has no variable road"),
        (from_40("experience"), "neither rule nor target"),
        (
            from_40("rule no-such-thing"),
            "not in the library",
        ),
        (from_40("figures HOPE"), "there is no target HOPE"),
        ({"thresholds": Thresholds((Step(None, "green"),), " ")}, "thresholds without a source"),
        ({"thresholds": Thresholds((Step(0, "green"),), "a number")}, "do not begin at the lowest"),
        (
            {"thresholds": Thresholds((Step(None, "green"), Step(1, "red"), Step(0, "grey")), "a count")},
            "not in their order",
        ),
    ],
)
def test_each_rule_notices(panel: dict[str, Any], fault: str) -> None:
    found = said(panel)
    assert any(fault in one for one in found), found
    assert all(one.startswith("anju-try") for one in found), found


@pytest.mark.parametrize(
    ("board", "fault"),
    [
        ({"uid": "wall"}, "a board's uid is anju-<word>"),
        ({"rows": (Row(None, (PANEL, PANEL)),)}, "anju-try/cases: the key stands 2 times"),
        ({"variables": (GRID, GRID)}, "the variable grid stands 2 times"),
        ({"variables": (replace(GRID, within=("community",)),)}, "is within community, which does not stand above"),
        ({"range": "now/d"}, "'now/d' is no span of time"),
        ({"links": (Link(TITLE, path="/cases/{number}"),)}, "needs the column number"),
        ({"rows": (Row(Text("行", ""), (PANEL,)),)}, "'行' has no English"),
        (
            {"annotations": (Annotation("marks", TITLE, replace(COUNT, every="1h"), "title"),)},
            "marks show the column title",
        ),
    ],
)
def test_each_rule_for_the_whole_board_notices(board: dict[str, Any], fault: str) -> None:
    found = said(**board)
    assert any(fault in one for one in found), found


def test_a_board_about_single_residents_is_private() -> None:
    query = Query("score", (Column("total", "last"),), (TagIs("grid", Var("grid")),), by=("resident",))
    assert said({"queries": (query,)}) == ["anju-try: shows single residents (cases) and is not private"]
    assert said({"queries": (query,)}, rows=(Row(None, (replace(PANEL, queries=(query,)),)),), private=True) == []
