"""Communities that are made up: as large as was asked for, the same for a seed, and whole for the gateway."""

from __future__ import annotations

import resource
from collections import Counter
from pathlib import Path

import pytest
from typer.testing import CliRunner

from devices.kinds import KINDS
from firmware_sim.cli import fleet_app
from firmware_sim.community import load_community as simulated_community
from firmware_sim.equipment import HOME
from firmware_sim.housing import housed
from firmware_sim.limits import BESIDES, make_room
from firmware_sim.maker import make
from firmware_sim.yamlfile import FileError
from gateway.registry.load import read_community

EXAMPLE = Path(__file__).parents[2] / "examples/tuanjiehu/community.yaml"


def test_a_made_up_community_is_whole_and_as_large_as_it_was_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "large.yaml"
    file.write_text(make(3000, 7, EXAMPLE), encoding="utf-8")
    result = read_community(file)
    assert [str(problem) for problem in result.problems] == []
    town = result.community
    assert town is not None
    assert len(town.devices) == 3000
    assert {device.kind for device in town.devices} == set(KINDS)
    example = read_community(EXAMPLE).community
    assert example is not None
    assert (town.rules, town.ladders, town.channels) == (example.rules, example.ladders, example.channels)
    homes = Counter(device.resident for device in town.devices if device.resident)
    assert set(homes) == {resident.id for resident in town.residents}
    expected = sum(item.share for item in HOME) + 0.9  # a valve comes with each gas detector
    assert sum(homes.values()) / len(homes) == pytest.approx(expected, rel=0.06)


def test_the_same_seed_makes_the_same_community_and_another_seed_another() -> None:
    assert make(200, 1, EXAMPLE) == make(200, 1, EXAMPLE)
    assert make(200, 1, EXAMPLE) != make(200, 2, EXAMPLE)


def test_the_command_prints_it_and_the_simulator_can_house_it(tmp_path: Path) -> None:
    result = CliRunner().invoke(fleet_app, ["make", "--devices", "120", "--like", str(EXAMPLE)])
    assert result.exit_code == 0
    file = tmp_path / "c.yaml"
    file.write_text(result.stdout, encoding="utf-8")
    settings = {place.id: setting for place, setting in housed(simulated_community(file), seed=1, rate=1.0)}
    assert len(settings) == 120
    assert settings["conc-1"].behind > 20
    radars = [setting.spot.room for id_, setting in settings.items() if id_.startswith("radar-")]
    assert radars and set(radars) == {"bedroom"}


def test_a_pattern_that_gives_nothing_is_named(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("anju: 1\ncommunity: {id: x, name: x}\nchannels: []\n", encoding="utf-8")
    with pytest.raises(FileError, match="ladders: missing; expected a community with"):
        make(100, 1, file)
    result = CliRunner().invoke(fleet_app, ["make", "--devices", "100", "--like", str(tmp_path / "none.yaml")])
    assert result.exit_code == 2
    assert "none.yaml: cannot be read" in result.output


def test_room_is_made_for_connections_as_far_as_the_system_lets(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda what: (1024, 5000))
    monkeypatch.setattr(resource, "setrlimit", lambda what, limits: given.append(limits))
    make_room(900)
    assert given == []
    make_room(3000)
    assert given == [(3000 + BESIDES, 5000)]
    with pytest.raises(ValueError, match=r"10000 devices need 10064 open files, .* one process 5000"):
        make_room(10_000)
