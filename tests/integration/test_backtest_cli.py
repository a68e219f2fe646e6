"""`anju backtest` as one uses it: exit codes, what is printed, what is given to machines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml
from typer.testing import CliRunner, Result

from gateway.cli import app
from gateway.registry import store
from gateway.registry.load import load_community
from gateway.state.db import open_database
from tests.support.deciding import START_MS, deciding
from tests.support.history import LOW, at, journal_of, said
from tests.support.homes import community, write_community
from tests.support.journal import HandClock, open_room, press

TABLE = """\
time,device,kind,event,spo2
2026-10-01 08:00,vitals-1,vitals_monitor,,97
2026-10-01 08:01,vitals-1,vitals_monitor,,88
2026-10-01 08:02,vitals-1,vitals_monitor,,86
2026-10-01 08:20,vitals-1,vitals_monitor,,95
2026-10-01 08:21,vitals-1,vitals_monitor,,96
"""
LOWER = yaml.safe_dump(LOW | {"version": 9, "when": "spo2 < 87", "readings": {"count": 1, "of": 1}}, allow_unicode=True)


def run(*args: object) -> Result:
    return CliRunner().invoke(app, ["backtest", *(str(arg) for arg in args)], env={"COLUMNS": "220"})


def machine(*args: object) -> dict[str, Any]:
    result = run(*args, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "history.csv"
    path.write_text(TABLE, encoding="utf-8")
    return path


@pytest.fixture
def low(tmp_path: Path) -> Path:
    path = tmp_path / "low.yaml"
    path.write_text(yaml.safe_dump(LOW, allow_unicode=True), encoding="utf-8")
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def registry(data: Path) -> Iterator[sa.Engine]:
    """A gateway's data directory with a community of two homes."""
    data.mkdir()
    engine = open_database(f"sqlite:///{data / 'state.db'}")
    document = write_community(data / "community.yaml", community(2))
    store.apply(engine, load_community(document), "test", at("09-01 00:00"))
    yield engine
    engine.dispose()


def test_a_table_without_any_gateway(table: Path, data: Path, low: Path) -> None:
    low.write_text(LOWER, encoding="utf-8")
    result = run("--rule", low, "--csv", table, "--data-dir", data)
    assert result.exit_code == 0, result.output
    printed = result.stdout
    assert "2026-10-01 08:02:00" in printed
    assert "spo2 86 < 87" in printed
    assert "1 次报警 alarms, 每天 per day 1" in printed
    assert "两者都有 both" in printed
    assert "没有社区" in printed
    assert not data.exists()  # nothing is made


def test_exit_codes_tell_what_became_of_it(table: Path, data: Path, low: Path) -> None:
    asked = ("--rule", low, "--csv", table, "--data-dir", data)
    assert run(*asked, "--fail-on", "alarms_per_day>5").exit_code == 0
    broken = run(*asked, "--fail-on", "alarms_per_day>5", "--fail-on", "alarms>=1")
    assert broken.exit_code == 1
    assert "✗ 不符 broken alarms>=1 (1)" in broken.stdout
    table.write_text(TABLE + "2026-10-01 08:22,vitals-1,vitals_monitor,,low\n", encoding="utf-8")
    bad = run(*asked)
    assert bad.exit_code == 2
    assert "第 7 行 line 7, spo2: 应为 expected a number such as 36.6; 实为 found 'low'" in bad.stdout
    assert run(*asked, "--skip-bad").exit_code == 0
    assert run(*asked, "--skip-bad", "--fail-on", "bad_rows>0").exit_code == 1


@pytest.mark.parametrize(
    ("args", "said_of_it"),
    [
        ((), "give --rule FILE or --use ID"),
        (("--use", "spo2-lo"), "did you mean spo2-low?"),
        (("--use", "spo2-low", "--use", "spo2-low"), "spo2-low: given twice"),
        (("--rule", "nowhere.yaml"), "nowhere.yaml: cannot be read"),
        (("--use", "spo2-low", "--from", "yesterday"), "--from 'yesterday': expected a date"),
        (("--use", "spo2-low", "--from", "2026-10-02", "--to", "2026-10-01"), "is not before"),
        (("--use", "spo2-low", "--fail-on", "alarms"), "such as alarms_per_day>5"),
        (("--use", "spo2-low", "--no-compare", "--fail-on", "both>1"), "both needs the comparison"),
        (("--use", "spo2-low", "--store"), "give one of --journal, --csv"),
    ],
)
def test_what_cannot_be_used_is_said_in_words(table: Path, data: Path, args: tuple[str, ...], said_of_it: str) -> None:
    result = run(*args, "--csv", table, "--data-dir", data)
    assert result.exit_code == 2
    assert said_of_it in result.stderr


def test_a_faulty_rule_is_named_with_its_line(table: Path, data: Path, tmp_path: Path) -> None:
    rule = tmp_path / "rules.yaml"
    rule.write_text("rules:\n  - use: spo2-low\n    when: sp02 < 87\n", encoding="utf-8")
    result = run("--rule", rule, "--csv", table, "--data-dir", data)
    assert result.exit_code == 2
    assert f"{rule}:3: rules[0].when:" in result.stderr
    assert "did you mean spo2?" in result.stderr


def test_no_community_and_no_journal_are_said_in_words(data: Path, registry: sa.Engine, tmp_path: Path) -> None:
    nobody = run("--use", "spo2-low", "--data-dir", tmp_path / "empty")
    assert nobody.exit_code == 2
    assert "no community has been applied yet" in nobody.stderr
    silent = run("--use", "spo2-low", "--data-dir", data)
    assert silent.exit_code == 2
    assert "no gateway has run with this data directory" in silent.stderr
    unknown = run("--use", "spo2-low", "--data-dir", data, "--device", "vitals-9")
    assert unknown.exit_code == 2
    assert "there is no device vitals-9" in unknown.stderr


def test_the_journal_of_a_gateway_with_its_community(
    data: Path, low: Path, registry: sa.Engine, tmp_path: Path
) -> None:
    readings = [said(f"10-01 08:{n:02}", f"vitals-{1 + n % 2}", spo2=86) for n in range(4)]
    journal = journal_of(data, [*readings, said("10-02 08:00", "sos-1", "press")])
    span = ("--from", "2026-10-01", "--to", "2026-10-02", "--data-dir", data)
    found = machine("--rule", low, *span)
    assert [(one["subject"], one["subject_zh"]) for one in found["alarms"]] == [
        ("resident:r-1", "李秀兰1"),
        ("resident:r-2", "李秀兰2"),
    ]
    assert (found["observations"], found["devices"], found["timezone"]) == (5, 3, "Asia/Shanghai")
    assert {rule["origin"] for rule in found["comparisons"][0]["rules"]} == {"registry"}
    assert [one["against"] for one in found["comparisons"]] == ["rules_in_force", "really_raised"]
    assert found["comparisons"][1]["alarms"] == 0  # nobody decided this journal
    assert machine("--rule", low, *span, "--no-compare")["comparisons"] == []
    assert machine("--rule", low, *span, "--device", "vitals-2")["summary"]["alarms"] == 1
    elsewhere = write_community(tmp_path / "community.yaml", community(1))
    other = machine("--use", "sos-pressed", *span[:4], "--journal", journal, "--community", elsewhere)
    assert [one["subject"] for one in other["alarms"]] == ["resident:r-1"]


def test_what_was_really_raised_stands_beside_it(tmp_path: Path) -> None:
    with deciding(tmp_path) as room, open_room(tmp_path / "journal", HandClock(START_MS)) as journal:
        room.journal = journal.journal  # type: ignore[assignment]  # a real one in place of that in memory
        room.restart()
        journal.send(press(1, at=START_MS))
        room.cycle()
        found = machine("--use", "sos-pressed", "--data-dir", tmp_path, "--from", "2026-09-01", "--to", "2026-09-30")
    [in_force, really] = found["comparisons"]
    assert (really["alarms"], really["both"], really["only_new"], really["only_current"]) == (1, 1, 0, 0)
    assert in_force["both"] == 1


def test_the_keys_for_machines_are_those_of_the_page(table: Path, data: Path) -> None:
    found = machine("--use", "spo2-low", "--csv", table, "--data-dir", data)
    page = (Path(__file__).parents[2] / "docs" / "backtest.md").read_text(encoding="utf-8")
    assert [key for key in found if f"`{key}`" not in page] == []
    assert found["format"] == 1
