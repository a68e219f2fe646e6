"""docs/devices/life.md as a technician follows it: every command, in its order, on one gateway."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from gateway.cli import app
from gateway.clock import SystemClock
from gateway.registry import candidates, store
from gateway.registry.candidates import CandidateNote
from gateway.registry.csvfile import COLUMNS
from gateway.state.db import open_database
from tests.support.registry import small

PAGE = Path(__file__).parents[2] / "docs" / "devices" / "life.md"
STRANGERS = {
    "0x00158d0001a2b3c4": "contact",
    "0x54ef44100006e7df": "smoke",
    "0x54ef44100006e700": "leak",
}
BRIDGES = "bridges:\n  - {id: z2m, profile: zigbee2mqtt}\n  - {id: lora, profile: chirpstack}\ndevices:\n"


def commands() -> list[str]:
    text = PAGE.read_text(encoding="utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return [line for block in blocks for line in block.splitlines() if line.startswith("anju ")]


@pytest.fixture
def engine(tmp_path: Path) -> sa.Engine:
    (tmp_path / "data").mkdir()
    return open_database(f"sqlite:///{tmp_path / 'data' / 'state.db'}")


def test_every_command_of_the_page_works_in_its_order(
    tmp_path: Path, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(small(tmp_path / "files", ("devices:\n", BRIDGES)).parent)
    now_ms = SystemClock().now_ms()
    said: dict[str, str] = {}

    def run(line: str) -> str:
        words = shlex.split(line, comments=True)[1:]
        target = Path(words.pop()) if ">" in words else None
        words = [word for word in words if word != ">"]
        result = CliRunner().invoke(
            app, [*words, "--data-dir", str(tmp_path / "data")], input="y\n", env={"COLUMNS": "240"}
        )
        assert result.exit_code == 0, f"{line}\n{result.output}"
        if target is not None:
            target.write_text(result.output, encoding="utf-8")
        return result.output

    run("anju apply community.yaml --yes")
    with engine.begin() as connection:
        notes = [
            CandidateNote(bridge="z2m", profile="zigbee2mqtt", address=address, kind=kind, heard=True, at_ms=now_ms)
            for address, kind in STRANGERS.items()
        ]
        candidates.note(connection, notes, now_ms)
    for line in commands():
        said[line] = run(line)
    assert len(said) >= 20
    history = next(output for line, output in said.items() if "history sos-0007" in line)
    for expected in ("sos-0007 → sos-7F3A", "开始维护", "开始测试", "床头按钮"):
        assert expected in history, "the page tells one story"
    community = store.load(engine)
    assert community is not None
    assert [device.id for device in community.devices] == ["sos-1"], "at its end the files' word was taken"


def test_the_columns_of_the_table_are_those_of_the_page() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \| ([^|]+) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert rows == [(name, zh, holds) for name, (zh, holds) in COLUMNS.items()]
