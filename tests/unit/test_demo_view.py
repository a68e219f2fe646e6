"""The demo's view fits the terminal it is shown in, whatever there is to show."""

from __future__ import annotations

from io import StringIO
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from rich.console import Console
from rich.text import Text

from gateway.demo.view import View


def case(number: int) -> dict[str, Any]:
    return {
        "type_zh": "紧急呼救",
        "type_en": "personal emergency",
        "resident_name": "陈秀英",
        "place_zh": "团结湖街道中路南社区3号楼1单元301",
        "case": {
            "id": str(number),
            "number": f"2026-{number:06}",
            "stage": "opened",
            "owner": None,
            "times": {"raised": 0},
            "emergency": {"state": "armed", "deadline_ms": 17_000},
            "next_at_ms": 17_000,
            "rung": 0,
            "ladder": {"rungs": [{"id": "line-120", "call": "120"}]},
        },
    }


def shown(width: int, height: int, cases: int, lines: int) -> list[str]:
    console = Console(width=width, height=height, file=StringIO(), force_terminal=True, color_system=None)
    view = View("http://127.0.0.1:1", "t", console, "安居 Anju " + "x" * 100, ZoneInfo("Asia/Shanghai"))
    view.scene.cases = [case(number) for number in range(1, cases + 1)]
    view.scene.lines.extend(Text(f"event-{number:03} " + "已通知 told · 赵勇、彭琳 " * 8) for number in range(lines))
    view.scene.health = [{"name": "broker", "state": "ok"}, {"name": "store", "state": "degraded"}]
    with console.capture() as captured:
        console.print(view.render())
    return captured.get().rstrip("\n").split("\n")


@pytest.mark.parametrize(("width", "height"), [(80, 24), (100, 30), (150, 45), (200, 20)])
@pytest.mark.parametrize("cases", [0, 1, 3, 40])
@pytest.mark.parametrize("lines", [0, 2, 400])
def test_it_fits_with_the_newest_line_the_case_numbers_and_the_footer(
    width: int, height: int, cases: int, lines: int
) -> None:
    rows = shown(width, height, cases, lines)
    assert len(rows) < height
    page = "\n".join(rows)
    assert "Ctrl-C" in rows[-1] and "● store" in page
    assert not lines or f"event-{lines - 1:03}" in page
    assert not cases or "2026-000001" in page
    assert page.count("120 0 s") == page.count("2026-"), "a step that is the line is shown once"
    assert "line-120" not in page
