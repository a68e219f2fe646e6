"""How large telemetry becomes: counted from the registry, and never less than what there is."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from devices.kinds import KINDS
from devices.measurements import HAPPENINGS
from gateway.api.store_cli import store_app
from gateway.registry.census import BEGIN, END, Census, census, with_table
from gateway.registry.directory import CommunityDirectory
from gateway.registry.store import apply
from gateway.state.db import open_database
from tests.support.registry import loaded
from tests.support.stores import START_MS

MORE = """  - {id: sos-1, kind: sos_button, place: b3-501, resident: li}
  - {id: monitor-1, kind: vitals_monitor, place: b3-501, resident: li, supervision_s: 300}
  - {id: road-1, kind: traffic_counter, place: grid}
  - {id: gone, kind: smoke, place: b3-501, status: retired}
"""


def small(tmp_path: Path, **more: float) -> Census:
    community = loaded(tmp_path, ("  - {id: sos-1, kind: sos_button, place: b3-501, resident: li}\n", MORE))
    return census(CommunityDirectory(community, "box"), **more)  # type: ignore[arg-type]


def series(found: Census) -> dict[str, int]:
    return {row.name: row.series for row in found.rows}


def test_every_measurement_is_counted(tmp_path: Path) -> None:
    found = small(tmp_path)
    assert [row.name for row in found.rows] == ["readings", "event", "waveform", *HAPPENINGS]
    assert found.series == sum(series(found).values()) and found.values_a_day > 0


def test_series_are_those_of_the_registry(tmp_path: Path) -> None:
    found = small(tmp_path)
    kinds = ("sos_button", "vitals_monitor", "traffic_counter", "gateway")  # the retired one says nothing any more
    assert found.devices == 4
    assert found.metrics == sum(len(KINDS[kind].metrics) for kind in kinds)
    counted = series(found)
    assert counted["readings"] == 4
    assert counted["event"] == sum(len(KINDS[kind].events) for kind in kinds)
    assert counted["waveform"] == 12 + 1, "twelve leads of an ECG, and the pleth wave"
    assert (counted["road"], counted["bin"], counted["score"], counted["limit"]) == (1, 0, 1, 0)
    assert counted["place"] == 4 + 1, "the places, and the community"
    assert counted["lane"] == 2 and counted["fleet"] == 4 and 1 <= counted["fleet_grid"] <= 4


def test_more_devices_make_more_series(tmp_path: Path) -> None:
    once, ten = small(tmp_path), small(tmp_path, times=10)
    assert ten.devices == 10 * once.devices and series(ten)["event"] == 10 * series(once)["event"]
    assert series(ten)["place"] == series(once)["place"]
    assert ten.kept_mb() > once.kept_mb() > 90 * once.raw_mb_a_day


def test_there_are_no_more_series_than_points(tmp_path: Path) -> None:
    found = series(small(tmp_path))
    assert found["case"] <= 90 and found["alarm"] <= 180, "a case of each device in fifty days, of four devices"


def test_the_table_has_a_place_in_the_page() -> None:
    page = f"before\n{BEGIN}old\n{END}after\n"
    assert with_table(page, "new\n") == f"before\n{BEGIN}new\n{END}after\n"
    with pytest.raises(ValueError, match="no place for the table"):
        with_table("nothing here", "new\n")


def test_the_command_says_it_for_the_applied_community(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    nobody = CliRunner().invoke(store_app, ["schema", "--data-dir", str(data)])
    assert nobody.exit_code == 1
    apply(open_database(f"sqlite:///{data}/state.db"), loaded(tmp_path), "test", START_MS)
    told = CliRunner().invoke(store_app, ["schema", "--data-dir", str(data)])
    assert told.exit_code == 0, told.output
    assert "小区" in told.output and "案卷" in told.output and "disk, a day" in told.output
