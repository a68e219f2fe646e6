"""The benchmarks run from end to end and give figures. What the figures are is for a quiet machine, not for a test."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench import decode
from bench.month import CASES, Density, Month
from devices.measurements import HAPPENINGS
from devices.profiles import PROFILES

ROOT = Path(__file__).parents[2]


@pytest.mark.broker
@pytest.mark.slow
def test_path_from_the_command_line(tmp_path: Path) -> None:
    report = tmp_path / "figures.md"
    command = [sys.executable, "-m", "bench", "path", "--quick", "--flood-rate", "500", "--markdown", str(report)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = {
        cells[1].strip(): [cell.strip() for cell in cells[2:-1]]
        for line in report.read_text(encoding="utf-8").splitlines()
        if line.startswith("|") and (cells := line.split("|"))
    }
    for name in ("bare broker round trip", "press → PUBACK", "press → lamp", "press → notified"):
        count, p50, p99, longest, *under_flood = rows[name]
        assert count == under_flood[0] == "8"  # nothing was lost, idle or under flood
        times = [float(cell.replace(",", "")) for cell in (p50, p99, longest, *under_flood[1:])]
        assert all(time > 0 for time in times)
    assert "--flood-rate 500" in rows["command"][0]
    assert list(tmp_path.iterdir()) == [report]  # the gateway's directory is gone


@pytest.mark.broker
@pytest.mark.slow
def test_fleet_from_the_command_line(tmp_path: Path) -> None:
    report = tmp_path / "figures.md"
    command = [sys.executable, "-m", "bench", "fleet", "--quick", "--markdown", str(report)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line.split("|") for line in report.read_text(encoding="utf-8").splitlines() if line.startswith("| 20 |")]
    (connecting, living) = ([cell.strip() for cell in row[1:-1]] for row in rows)
    assert int(connecting[2].replace(",", "")) >= 200, "each of 200 devices said that it is there"
    assert float(living[1].replace(",", "")) > 0
    assert living[-1] == "yes"
    assert list(tmp_path.iterdir()) == [report]


@pytest.mark.broker
@pytest.mark.slow
def test_catching_up_from_the_command_line(tmp_path: Path) -> None:
    report = tmp_path / "figures.md"
    command = [sys.executable, "-m", "bench", "catchup", "--quick", "--markdown", str(report)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line.split("|") for line in report.read_text(encoding="utf-8").splitlines()]
    for name in ("embedded SQLite", "InfluxDB 1.6.7"):
        caught_up, presses = ([cell.strip() for cell in one[2:-1]] for one in lines if one[1:2] == [f" {name} "])
        assert float(caught_up[2].replace(",", "")) > 0, "observations a second"
        assert presses[4] == "4", "every lamp turned green"
    assert list(tmp_path.iterdir()) == [report]


def test_the_month_of_the_boards_holds_all_that_boards_ask_for() -> None:
    month = Month(Density(devices=150, days=1, often=240, seldom=480, fleet=240, part=240, lane_s=3_600))
    month.begin()
    said = list(month.readings())
    assert [one.observed_at_ms // 3_600_000 for one in said] == sorted(one.observed_at_ms // 3_600_000 for one in said)
    kinds = {device.kind for device in month.ground.directory.devices.values()}
    assert {one.kind for one in said if one.metrics} >= kinds - {"siren"}
    points = [*month.points(said), *month.rest()]
    assert {point.measurement for point in points} == set(HAPPENINGS) - {"limit"}, (
        "nobody there has limits of their own"
    )
    assert len({(one.measurement, str(one.tags), one.at_ns) for one in points}) == len(points), "nothing twice"
    at_ms = {one.measurement: one.at_ns // 1_000_000 for one in points if one.measurement not in ("place", *CASES)}
    assert all(month.end_ms - 4 * 3_600_000 <= last <= month.end_ms for last in at_ms.values()), "up to the end"


def test_an_unknown_part_is_explained() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench", "pth"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert "path" in done.stderr and "throughput" in done.stderr


def test_decoding_is_measured_for_every_profile_with_messages_or_a_line() -> None:
    measured = {row[0] for table in decode.figures(0.005, lambda text: None) for row in table.rows}
    assert measured == {"native (JSON)", *(key for key, one in PROFILES.items() if one.carrier != "modbus")}
