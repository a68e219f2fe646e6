"""``anju journal``, beside a gateway that writes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from devices.observation import Lane
from gateway.api.journal_cli import journal_app
from gateway.journal.view import JournalView
from tests.support.eventually import eventually
from tests.support.journal import Room, open_room, press, reading, unreadable

FOLLOW = "from gateway.api.journal_cli import journal_app; journal_app()"
runner = CliRunner(env={"COLUMNS": "200"})


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    with open_room(tmp_path / "journal") as room:
        yield room


def run(tmp_path: Path, *arguments: str) -> str:
    result = runner.invoke(journal_app, [*arguments, "--data-dir", str(tmp_path)])
    assert result.exit_code == 0, result.output
    return result.output


def test_tail_shows_the_newest_of_the_lanes_asked_for(room: Room, tmp_path: Path) -> None:
    room.send_all([press(n) for n in range(5)])
    room.send(reading(1, data={"note": "[b]text[/b]"}))
    both = run(tmp_path, "tail", "-n", "2")
    assert "sos-1:1:4" in both
    assert "vitals-1:1:1" in both
    assert "[b]text[/b]" in both
    assert "sos-1:1:3" not in both
    urgent = run(tmp_path, "tail", "--lane", "urgent")
    assert "sos-1:1:0" in urgent
    assert "vitals-1" not in urgent
    assert "sos-1" not in run(tmp_path, "tail", "-n", "0")


def test_stats_show_the_readers(room: Room, tmp_path: Path) -> None:
    room.send_all([press(n) for n in range(5)])
    room.journal.set_cursor("decider", Lane.URGENT, 2)
    room.quarantine_all([unreadable(1)])
    view = JournalView(tmp_path / "journal")
    eventually(lambda: view.lane_file(Lane.URGENT).cursors == {"decider": 2}, 10, "cursor saved")
    view.close()
    output = run(tmp_path, "stats")
    lines = {line.split("│")[1].strip(): line for line in output.splitlines() if line.count("│") > 2}
    assert lines["decider 未读 unread"].split("│")[2].strip() == "3"
    assert "malformed: 1" in output


def test_quarantine_explains(room: Room, tmp_path: Path) -> None:
    room.quarantine_all([unreadable(7)])
    output = run(tmp_path, "quarantine")
    assert "malformed: payload" in output
    assert "number 7" in output


def test_it_works_when_the_gateway_is_stopped(tmp_path: Path) -> None:
    with open_room(tmp_path / "journal") as room:
        room.send(press(1))
    assert "sos-1:1:1" in run(tmp_path, "tail")


def test_without_a_journal_it_says_where_it_looked(tmp_path: Path) -> None:
    result = runner.invoke(journal_app, ["stats"], env={"ANJU_DATA_DIR": str(tmp_path)})
    assert result.exit_code == 1
    assert "urgent.db does not exist" in result.output.replace("\n", " ")


def test_where_the_data_are_may_stand_in_the_settings(room: Room, tmp_path: Path) -> None:
    room.send(press(1))
    settings = tmp_path / "settings.yaml"
    settings.write_text(f"data_dir: {tmp_path}\n", encoding="utf-8")
    result = runner.invoke(journal_app, ["tail", "--settings", str(settings)])
    assert "sos-1:1:1" in result.output, result.output


def test_follow_shows_what_comes_in(room: Room, tmp_path: Path) -> None:
    room.send(press(1))
    process = subprocess.Popen(
        [sys.executable, "-c", FOLLOW, "tail", "--follow", "--data-dir", str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1", "COLUMNS": "200"},
    )
    assert process.stdout is not None
    try:
        with process.stdout as lines:
            assert any("sos-1:1:1" in line for line in iter(lines.readline, ""))
            room.send(press(2))
            assert any("sos-1:1:2" in line for line in iter(lines.readline, ""))
    finally:
        process.kill()
        process.wait(10)
