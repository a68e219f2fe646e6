"""Faults, scenarios and communities as people write them: errors name file, line and key; faults do what they say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from devices.kinds import KINDS
from devices.native import decode
from devices.observation import Channel, Refusal
from firmware_sim.casting import Cast
from firmware_sim.cli import fleet_app
from firmware_sim.community import choose, load_community
from firmware_sim.faults import DeviceFaults, Fault, concerning, load_faults
from firmware_sim.play import holds
from firmware_sim.scenario import load_scenario, parse_scenario, shipped
from firmware_sim.yamlfile import FileError
from gateway.cli import app as anju
from tests.support.world import hamlet

PRESS = b'{"v":1,"boot":7,"seq":3,"event":"press"}'


def dice(*faults: Fault, device: str = "b1", seed: int = 1) -> DeviceFaults:
    return DeviceFaults(device, "sos_button", faults, seed)


# --- faults ------------------------------------------------------------------------------------------------------


def test_no_faults_one_copy_at_once() -> None:
    plan = dice().plan(Channel.EVENT, PRESS)
    assert [(copy.payload, copy.delay_s, copy.intact) for copy in plan.copies] == [(PRESS, 0.0, True)]
    assert plan.retry_s is None


def test_loss_sends_nothing_and_tries_again() -> None:
    faults = dice(Fault(what="loss", probability=0.3, seconds=4))
    plans = [faults.plan(Channel.EVENT, PRESS) for _ in range(1000)]
    lost = [plan for plan in plans if not plan.copies]
    assert 230 < len(lost) < 370
    assert faults.tally["loss"] == len(lost)
    assert {plan.retry_s for plan in lost} == {4}


def test_duplicate_sends_the_same_bytes_twice() -> None:
    plan = dice(Fault(what="duplicate")).plan(Channel.EVENT, PRESS)
    assert [copy.payload for copy in plan.copies] == [PRESS, PRESS]


def test_late_and_reordered_hold_back() -> None:
    assert dice(Fault(what="late", seconds=30)).plan(Channel.EVENT, PRESS).copies[0].delay_s == 30
    faults = dice(Fault(what="reordered", seconds=2))
    delays = [faults.plan(Channel.EVENT, PRESS).copies[0].delay_s for _ in range(50)]
    assert 0 <= min(delays) < max(delays) <= 2
    assert delays != sorted(delays)


def test_corrupt_garbles_a_copy_that_can_never_be_a_press_nobody_made() -> None:
    class Ref:
        id, kind = "b1", "sos_button"

    faults = dice(Fault(what="corrupt"))
    for _ in range(300):
        garbled, good = faults.plan(Channel.EVENT, PRESS).copies
        assert (garbled.intact, good.intact, good.payload) == (False, True, PRESS)
        try:
            heard = decode(Ref, Channel.EVENT, garbled.payload, received_at_ms=1_790_000_000_000)  # type: ignore[arg-type]  # a class serves as the reference
        except Refusal:
            continue
        assert heard.observation.message_id == "b1:7:3"


def test_flapping_is_known_by_device() -> None:
    faults = dice(Fault(what="flapping", seconds=10, down_s=3))
    up, down = faults.flapping or (0, 0)
    assert 7 <= up <= 13
    assert down == 3
    assert dice().flapping is None


def test_faults_concern_whom_they_say() -> None:
    def hit(fault: Fault, device: str = "b1", channel: Channel = Channel.EVENT) -> bool:
        return not dice(fault, device=device).plan(channel, PRESS).copies

    assert hit(Fault(what="loss", devices=("b1",)))
    assert not hit(Fault(what="loss", devices=("b2",)))
    assert not hit(Fault(what="loss", kinds=("camera",)))
    assert not hit(Fault(what="loss", channels=(Channel.TELEMETRY,)))
    assert 20 < sum(hit(Fault(what="loss", fraction=0.4), f"b{n}") for n in range(100)) < 60


def test_faults_inline_and_from_a_file(tmp_path: Path) -> None:
    inline = load_faults("[{what: loss, probability: 0.1}, {what: late, seconds: 5, kinds: [smoke]}]")
    file = tmp_path / "faults.yaml"
    file.write_text(
        "faults:\n  - {what: loss, probability: 0.1}\n  - {what: late, seconds: 5, kinds: [smoke]}\n", encoding="utf-8"
    )
    assert inline == load_faults(str(file))
    assert load_faults("{what: loss}") == (Fault(what="loss"),)


def test_fault_file_errors_name_file_line_and_key(tmp_path: Path) -> None:
    file = tmp_path / "faults.yaml"
    file.write_text("faults:\n  - what: loss\n    probability: 3\n  - what: rust\n", encoding="utf-8")
    with pytest.raises(FileError) as error:
        load_faults(str(file))
    first, second = str(error.value).splitlines()
    assert first.startswith(f"{file}:3: faults[0].probability: ")
    assert second.startswith(f"{file}:4: faults[1].what: ")


def test_faults_for_strangers_are_refused() -> None:
    with pytest.raises(FileError, match=r"faults\[0\]: not in this fleet: b9"):
        concerning([Fault(what="loss", devices=("b9",))], [("b1", "sos_button")])


# --- scenarios ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", shipped())
def test_shipped_scenarios_can_be_cast_in_any_community_with_every_kind(name: str) -> None:
    scenario, script = load_scenario(name)
    assert scenario.scenario == name
    assert any(target.devices or target.place for target in Cast(scenario, script, hamlet(2)).targets)


def test_the_commands_name_every_story() -> None:
    for app, command in ((fleet_app, []), (anju, ["demo"])):
        said = CliRunner(env={"COLUMNS": "300"}).invoke(app, [*command, "--help"]).output
        assert [name for name in shipped() if name not in said] == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("scenario: x\nsteps:\n  - {at: soon, device: a, do: press}\n", "s.yaml:3: steps[0].at: "),
        ("scenario: x\nsteps:\n  - at: 1s\n    device: a\n    doo: press\n", "s.yaml:5: steps[0].doo: "),
        ("scenario: x\nsteps:\n  - {at: 1s, do: press}\n", "s.yaml:3: steps[0]: "),
        ("scenario: x\nsteps:\n  - {device: a, do: press, operator: close}\n", "s.yaml:3: steps[0]: "),
        ("scenario: x\nsteps:\n  - device: a\n    do: p\n    after: nine\n", "s.yaml:5: steps[0].after: 'nine'"),
        ("scenario: x\nsteps:\n  - {kind: toaster, do: press}\n", "s.yaml:3: steps[0].kind: expected one of"),
        ("scenario: x\nscenario: y\nsteps: []\n", "s.yaml:2: scenario: given twice"),
        ("scenario: x\nsteps: [\n", "s.yaml:3: not YAML"),
        ("scenario: x\n", "s.yaml:1: steps: Field required"),
        ("scenario: x\nsteps:\n  - {operator: applaud}\n", "s.yaml:3: steps[0].operator: "),
        ("scenario: x\nsteps:\n  - {every: toaster, do: press}\n", "s.yaml:3: steps[0].every: expected one of"),
        ("scenario: x\nsteps:\n  - {device: a, place: b, do: press}\n", "s.yaml:3: steps[0]: "),
        ("scenario: x\nsteps:\n  - {every: valve, command: close}\n", "s.yaml:3: steps[0]: "),
        (
            "scenario: x\ncast:\n  q: {around: e, kinds: [smoke]}\nsteps:\n  - {device: a, do: p}\n",
            "s.yaml:3: cast.q: ",
        ),
    ],
)
def test_scenario_errors_name_file_line_and_key(text: str, fault: str) -> None:
    with pytest.raises(FileError) as error:
        parse_scenario(text, "s.yaml")
    assert str(error.value).startswith(fault)


def test_durations() -> None:
    text = "scenario: x\nsteps:\n  - {at: 1h2m3.5s, within: 90, device: a, do: press}\n"
    step = parse_scenario(text, "s.yaml")[0].steps[0]
    assert (step.at, step.within) == (3723.5, 90)


def test_casting_says_who_is_missing() -> None:
    head = "scenario: x\ncast:\n  elder: {kinds: [sos_button, vitals_monitor]}\n"
    scenario, script = parse_scenario(head + "steps:\n  - {resident: elder, kind: smoke, do: smoke}\n", "s.yaml")
    cast = Cast(scenario, script, hamlet(2))
    assert cast.residents == {"elder": "r1"}
    assert [target.devices for target in cast.targets] == [("smoke-1",)]
    with pytest.raises(FileError, match=r"s.yaml:3: cast.elder: no resident of this fleet has sos_button"):
        Cast(scenario, script, hamlet(1, kinds=("sos_button", "smoke")))
    with pytest.raises(FileError, match=r"s.yaml:5: steps\[0\].kind: r1 has no smoke, but"):
        Cast(scenario, script, hamlet(1, kinds=("sos_button", "vitals_monitor")))


def test_a_place_is_cast_around_somebody() -> None:
    text = (
        "scenario: x\ncast:\n  elder: {kinds: [sos_button]}\n  quarter: {around: elder, devices: 40}\n"
        "steps:\n  - {place: quarter, do: power_cut}\n  - {every: smoke, do: smoke}\n"
    )
    town = hamlet(2)
    parents = {"door-1": "house", "door-2": "house", "house": "yard"}
    cast = Cast(*parse_scenario(text, "s.yaml"), replace(town, parents=parents))
    assert cast.places == {"quarter": "house"}, "the smallest with forty devices"
    assert [target.place for target in cast.targets] == ["house", None]
    assert cast.targets[1].devices == ("smoke-1", "smoke-2")
    with pytest.raises(FileError, match=r"s\.yaml:4: cast\.quarter: no place around r1 has 40 devices in it"):
        Cast(*parse_scenario(text, "s.yaml"), replace(town, parents={}))


def test_unknown_scenario_lists_those_that_are_shipped() -> None:
    with pytest.raises(FileError, match="shipped are burglary, firmware-flood, gas-leak"):
        load_scenario("deluge")


@pytest.mark.parametrize(
    ("condition", "stage", "line", "expected"),
    [
        ("acknowledged", "arrived", "none", True),
        ("arrived", "acknowledged", "none", False),
        ("line_answered", "opened", "answered", True),
        ("line_answered", "opened", "committed", False),
        ("opened", "cancelled", "none", True),
        ("resolved", "cancelled", "none", False),
        ("cancelled", "closed", "none", False),
    ],
)
def test_how_far_a_case_has_come(condition: str, stage: str, line: str, expected: bool) -> None:
    assert holds(condition, {"stage": stage, "emergency": {"state": line}}) is expected


# --- communities -------------------------------------------------------------------------------------------------


def test_community_with_includes(tmp_path: Path) -> None:
    (tmp_path / "homes").mkdir()
    (tmp_path / "main.yaml").write_text(
        "anju: 1\ncommunity: {id: t, name: x, timezone: Asia/Urumqi}\ninclude: [homes/*.yaml]\n"
        "devices:\n  - {id: k1, kind: kiosk, place: hall, name: 大厅}\n",
        encoding="utf-8",
    )
    (tmp_path / "homes" / "a.yaml").write_text(
        "devices:\n  - {id: b1, kind: sos_button, place: d1, resident: r1}\n", encoding="utf-8"
    )
    (tmp_path / "homes" / "b.yaml").write_text("devices:\n  - {id: c1, kind: contact, place: d2}\n", encoding="utf-8")
    town = load_community(tmp_path / "main.yaml")
    assert (town.id, town.timezone) == ("t", "Asia/Urumqi")
    assert {(device.id, device.resident) for device in town.devices} == {("k1", None), ("b1", "r1"), ("c1", None)}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("devices: []\n", ":1: community.id: missing"),
        (
            "community: {id: t}\ndevices:\n  - id: a\n    kind: toaster\n    place: p\n",
            ":4: devices[0].kind: expected one of",
        ),
        ("community: {id: t}\ndevices:\n  - {id: a, place: p}\n", ":3: devices[0].kind: expected a kind"),
        (
            "community: {id: t}\ndevices:\n  - {id: a, kind: smoke, place: p}\n  - {id: a, kind: smoke, place: p}\n",
            ":4: devices[1].id: a is given twice",
        ),
        ("community: {id: t}\ninclude: [x.yaml]\n", ":2: include[0]: no file is called x.yaml"),
        ("community: {id: t}\ninclude: [main.yaml]\n", ":1: include: the file includes itself"),
    ],
)
def test_community_errors_name_file_line_and_key(tmp_path: Path, text: str, fault: str) -> None:
    file = tmp_path / "main.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(FileError) as error:
        load_community(file)
    assert str(error.value).startswith(f"{file}{fault}")


def test_a_subset_has_every_kind_and_grows_without_changing() -> None:
    devices = hamlet(20).devices
    few = len(KINDS) + 1
    small, large = choose(devices, few), choose(devices, 5 * few)
    assert len(small) == few
    assert {device.kind for device in small} == {device.kind for device in devices}
    assert set(small) < set(large)
    assert choose(devices, None) == devices
    assert choose(devices, few) == small
