"""Finding a place by typing, and the life of a device in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.registry.directory import CommunityDirectory
from gateway.registry.history import Line
from gateway.registry.life import told
from gateway.web.places import find_places
from tests.support.registry import loaded


@pytest.fixture
def directory(tmp_path: Path) -> CommunityDirectory:
    more = "  - {id: b3-50, level: 户, name: '50', parent: b3}\n"
    return CommunityDirectory(loaded(tmp_path, ("people:\n", f"{more}people:\n")))


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("501", ["b3-501"]),
        ("3号楼 501", ["b3-501"]),
        ("李秀", ["b3-501"]),
        ("Building 3", ["b3-50", "b3-501", "b3"]),  # homes before what they lie in
        ("b3-50", ["b3-50", "b3-501"]),  # the id that is meant
        ("B3", ["b3", "b3-50", "b3-501"]),
        ("nowhere", []),
        ("  ", []),
    ],
)
def test_a_place_is_found_by_address_id_or_who_lives_there(
    directory: CommunityDirectory, typed: str, found: list[str]
) -> None:
    assert [one.id for one in find_places(directory, typed)] == found


def test_a_found_place_says_where_it_is_and_who_lives_there(directory: CommunityDirectory) -> None:
    (one,) = find_places(directory, "501")
    assert (one.path, one.lives) == ("团结湖街道3号楼501", ("李秀兰",))
    assert len(find_places(directory, "b3", limit=2)) == 2


HIDDEN = {"type": "smoke", "rule": "smoke-alarm", "explanation": "烟雾报警 smoke (smoke)"}


@pytest.mark.parametrize(
    ("what", "detail", "zh", "en"),
    [
        ("added", {"by": "adopt"}, "登记：接入", "added: adopted"),
        (
            "changed",
            {"fields": {"place": ["b3", "b4"], "resident": [None, "li"]}},
            "修改：place b3 → b4, resident — → li",
            "changed: place b3 → b4, resident — → li",
        ),
        (
            "replaced",
            {"address": ["a", "b"], "serial": ["", "B2"]},
            "更换硬件：address a → b, serial — → B2",
            "hardware replaced: address a → b, serial — → B2",
        ),
        ("firmware", {"before": "1.2", "after": "1.3"}, "固件更新：1.2 → 1.3", "new firmware: 1.2 → 1.3"),
        ("test", {"until_ms": 7, "reason": "年检"}, "开始测试：至 @7, 年检", "test begins: until @7, 年检"),
        ("tried", {"kind": "smoke", "event": "smoke"}, "测试中收到：烟雾报警", "heard in the test: smoke"),
        ("tried", {"kind": "gone", "event": "x"}, "测试中收到：x", "heard in the test: x"),
        (
            "hidden",
            {"mode": "test", "change": HIDDEN},
            "未报警：烟雾（烟雾报警 smoke (smoke)）",
            "not told: smoke (smoke-alarm)",
        ),
        ("retired", {"why": "搬走"}, "停用：搬走", "retired: 搬走"),
        ("from_a_later_version", {}, "from_a_later_version", "from_a_later_version"),
    ],
)
def test_a_line_of_a_devices_life(what: str, detail: dict[str, object], zh: str, en: str) -> None:
    line = Line(device="d", at_ms=1, actor="operator:wang", what=what, detail=detail)
    words = told(line, lambda at_ms: f"@{at_ms}")
    assert (words.zh, words.en) == (zh, en)
