"""`anju roster` as whoever plans the duty uses it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from typer.testing import CliRunner

from gateway.cli import app
from gateway.registry.roster_cli import instant_of
from tests.support.registry import small

Run = Callable[..., str]
SHANGHAI = ZoneInfo("Asia/Shanghai")
MORE_PEOPLE = (
    "  - {id: daughter",
    "  - {id: li, name: 李强, contacts: [{channel: messenger, to: li}]}\n"
    "  - {id: sun, name: 孙燕, contacts: [{channel: messenger, to: sun}]}\n  - {id: daughter",
)
SHIFTS = (
    "people: [op]}]}",
    'shifts: [{hours: "08:00-20:00", people: [op]}, {hours: "20:00-08:00", people: [li]}]}]}',
)
GAP = ("people: [op]}]}", 'shifts: [{days: [mon], hours: "08:00-20:00", people: [op]}]}]}')


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def run(*args: object, code: int = 0) -> str:
        where = [] if "--file" in args or args[0] == "config" else ["--data-dir", str(tmp_path / "data")]
        result = CliRunner().invoke(app, [*map(str, args), *where], env={"COLUMNS": "240"})
        assert result.exit_code == code, result.output
        return result.output

    run("apply", small(tmp_path / "files", MORE_PEOPLE, SHIFTS), "--yes")
    return run


def test_who_is_on_duty_now_then_and_somebody_else(run: Run) -> None:
    assert "王敏" in run("roster", "now", "--at", "2090-03-07 12:00")
    assert "李强" in run("roster", "now", "--place", "b3-501", "--at", "2090-03-07 03:00")
    span = ("--from", "2090-03-07 08:00", "--until", "2090-03-07 20:00")
    checked = run("roster", "override", "--instead-of", "op", "--check", *span)
    assert "提醒 warning" in checked and "无人值班" in checked
    assert "王敏" in run("roster", "now", "--at", "2090-03-07 12:00"), "only looked at"
    made = run("roster", "override", "--instead-of", "op", "--person", "sun", "--why", "生病", *span)
    found = re.search(r"✓ (\w+-1): ", made)
    assert found is not None and "孙燕" in made and "提醒" not in made
    assert "孙燕" in run("roster", "now", "--at", "2090-03-07 12:00")
    assert "王敏" in run("roster", "now", "--at", "2090-03-08 12:00")
    assert found[1] in run("roster", "show", "--days", "1")
    run("roster", "end", found[1])
    assert "王敏" in run("roster", "now", "--at", "2090-03-07 12:00")
    refused = run("roster", "override", "--instead-of", "opp", "--person", "sun", *span, code=1)
    assert "did you mean op?" in refused


def test_two_people_swap(run: Run) -> None:
    first = ("--first", "2090-03-07 08:00", "2090-03-07 20:00")
    second = ("--second", "2090-03-07 20:00", "2090-03-08 08:00")
    run("roster", "swap", "op", "li", *first, *second)
    assert "李强" in run("roster", "now", "--at", "2090-03-07 12:00")
    assert "王敏" in run("roster", "now", "--at", "2090-03-07 22:00")


def test_holes_have_an_exit_code_and_stand_in_the_check(run: Run, tmp_path: Path) -> None:
    assert "没有空档" in run("roster", "holes")
    gap = small(tmp_path / "gap", GAP)
    said = run("roster", "holes", "--file", gap, "--days", "7", "--at", "2026-03-02 00:00", code=1)
    assert "周一 03-02 00:00-08:00 团结湖街道无人值班" in said
    assert "周一 03-02 20:00 至 周一 03-09 00:00" in said
    warned = run("config", "check", gap)
    assert "值班 roster" in warned and "nobody for Tuanjiehu" in warned


def test_hand_overs_are_listed_and_what_is_not_there_is_said(run: Run) -> None:
    assert "接班" in run("roster", "handover")
    run("roster", "handover", "--confirm", "none", code=1)


def test_times_are_read_as_people_write_them() -> None:
    now_ms = instant_of("2026-03-02 10:00", SHANGHAI, 0)
    assert instant_of("now", SHANGHAI, now_ms) == now_ms
    assert instant_of("18:30", SHANGHAI, now_ms) == now_ms + 510 * 60_000
    with pytest.raises(ValueError, match="expected a time such as"):
        instant_of("tomorrow", SHANGHAI, now_ms)
