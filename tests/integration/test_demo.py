"""The demo: the town it cuts out, the stage it plays on, and a short run in a real terminal."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import sqlalchemy as sa
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.kinds import KINDS
from firmware_sim.casting import Cast
from firmware_sim.community import load_community as simulated_community
from firmware_sim.scenario import load_scenario, shipped
from gateway.demo.stage import Stage, StageError
from gateway.demo.town import cut_out
from gateway.registry.check import check
from gateway.registry.load import load_community
from gateway.registry.model import Community
from gateway.registry.pace import faster
from gateway.state.db import open_database, reading
from gateway.state.tables import device_states
from tests.support.broker import free_port
from tests.support.eventually import eventually
from tests.support.homes import RUNGS, community, write_community

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples/tuanjiehu/community.yaml"


# --- town


@pytest.fixture(scope="module")
def large() -> Community:
    return load_community(EXAMPLE)


def errors(town: Community) -> list[str]:
    return [str(finding.message) for finding in check(town) if finding.level == "error"]


def test_every_town_is_whole(large: Community) -> None:
    @settings(max_examples=15, deadline=None, database=None)
    @given(st.integers(40, 2000), st.sampled_from([1.0, 6.0]))
    def cut(devices: int, pace: float) -> None:
        town = faster(cut_out(large, devices), pace)
        assert errors(town) == []
        assert devices * 0.8 <= len(town.devices) <= devices
        assert cut_out(large, devices) == cut_out(large, devices)
        homes = {device.resident for device in town.devices if device.resident}
        for resident in homes:
            assert {d.id for d in town.devices if d.resident == resident} == {
                d.id for d in large.devices if d.resident == resident
            }, "a home comes with all its devices"

    cut()


@pytest.mark.parametrize("devices", [60, 300])
def test_a_small_town_shows_every_kind_and_can_play_every_story(large: Community, tmp_path: Path, devices: int) -> None:
    town = cut_out(large, devices)
    assert {device.kind for device in town.devices} == set(KINDS)
    file = tmp_path / "town.yaml"
    file.write_text(yaml.safe_dump(town.model_dump(mode="json", exclude_defaults=True)), encoding="utf-8")
    simulated = simulated_community(file)
    for name in shipped():
        assert Cast(*load_scenario(name), simulated).targets


def test_people_named_on_a_ladder_come_along(tmp_path: Path) -> None:
    document = community(2, rungs=[*RUNGS, {"id": "chief", "after_s": 1, "notify": [{"person": "daughter-2"}]}])
    town = cut_out(load_community(write_community(tmp_path / "c.yaml", document)), 8)
    assert {resident.id for resident in town.residents} == {"r-1"}
    assert errors(town) == []


# --- stage


def test_a_process_that_dies_is_reported_with_the_end_of_its_log(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        stage.start("gateway", ["serve", "--settings", str(tmp_path / "none.yaml")])
        with pytest.raises(StageError, match=r"gateway ended with code 2:\n.*none\.yaml"):
            stage.wait_until("the gateway", lambda: False)


def test_what_does_not_get_ready_is_reported(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        stage.start("world", ["world", "--port-file", str(tmp_path / "port")])
        with pytest.raises(StageError, match=r"the moon not ready within 0\.1 s"):
            stage.wait_until("the moon", lambda: False, within_s=0.1)


def test_what_was_started_is_ended(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        pid = stage.start("world", ["world", "--port-file", str(tmp_path / "port")])
        stage.wait_until("the world", (tmp_path / "port").exists)
        assert psutil.pid_exists(pid)
    assert not psutil.pid_exists(pid)


# --- the whole demo


class Terminal:
    """The demo in a terminal of its own."""

    def __init__(self, data: Path, *more: str) -> None:
        self.seen = b""
        broker, console = free_port(), free_port()
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            os.chdir(ROOT)
            os.environ |= {"ANJU_BROKER__PORT": str(broker), "COLUMNS": "200", "LINES": "50"}
            arguments = ["demo", "--devices", "40", "--port", str(console), "--data-dir", str(data), "--no-past", *more]
            os.execv(sys.executable, [sys.executable, "-m", "gateway", *arguments])
        self.processes: list[psutil.Process] = []

    def read_until(self, ready: Callable[[bytes], bool], within_s: float = 120) -> None:
        deadline = time.monotonic() + within_s
        while not ready(self.seen):
            assert time.monotonic() < deadline, self.seen[-3000:].decode(errors="replace")
            if select.select([self._fd], [], [], 0.1)[0]:
                try:
                    self.seen += os.read(self._fd, 65536)
                except OSError:  # the other end is closed: it has ended
                    assert ready(self.seen), self.seen[-3000:].decode(errors="replace")

    def playing(self) -> None:
        self.read_until(lambda seen: "下一步".encode() in seen or "一切平安".encode() in seen)
        self.processes = psutil.Process(self.pid).children(recursive=True)
        assert {"serve", "fleet", "world"} <= {word for process in self.processes for word in process.cmdline()}

    def press_ctrl_c(self) -> int:
        os.write(self._fd, b"\x03")
        return self.end()

    def end(self) -> int:
        self.read_until(lambda seen: b"everything is kept" in seen or b"stopped" in seen)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def close(self) -> None:
        os.close(self._fd)

    def gone(self) -> bool:
        return all(not process.is_running() or process.status() == psutil.STATUS_ZOMBIE for process in self.processes)


@pytest.mark.slow
def test_a_demo_ends_on_ctrl_c_and_finds_everything_again(tmp_path: Path) -> None:
    first = Terminal(tmp_path / "data")
    first.playing()
    first.read_until(lambda seen: "立案".encode() in seen)
    case = re.search(rb"\d{4}-\d{6}", first.seen)
    assert case is not None
    assert first.press_ctrl_c() == 0
    assert first.gone(), first.processes
    first.close()
    assert b"Traceback" not in first.seen
    second = Terminal(tmp_path / "data")
    second.playing()
    second.read_until(lambda seen: case[0] in seen)
    links = [set(re.findall(rb"#token=[\w-]{43}", terminal.seen)) for terminal in (first, second)]
    assert len(links[0]) == 1 and links[0] == links[1], "yesterday's link opens today"
    rival = subprocess.run(
        [
            sys.executable,
            "-m",
            "gateway",
            "demo",
            "--devices",
            "40",
            "--port",
            "0",
            "--data-dir",
            str(tmp_path / "data"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=180,
        env={**os.environ, "COLUMNS": "200"},
    )
    assert rival.returncode == 1
    assert "another demo runs" in rival.stdout
    assert second.press_ctrl_c() == 0
    assert b"as it was" in second.seen
    second.close()


@pytest.mark.slow
def test_a_demo_of_off_the_shelf_gear_hears_all_that_speaks_by_itself(tmp_path: Path) -> None:
    file = ROOT / "examples/ordinary-hardware/community.yaml"
    demo = Terminal(tmp_path / "data", "--devices", "300", "--community", str(file))
    demo.read_until(lambda seen: "一切平安".encode() in seen or "下一步".encode() in seen)
    demo.processes = psutil.Process(demo.pid).children(recursive=True)
    assert "fleet" not in {word for process in demo.processes for word in process.cmdline()}, "nothing native is there"
    engine = open_database(f"sqlite:///{tmp_path / 'data' / 'state.db'}")

    def silent() -> set[str]:
        with reading(engine) as connection:
            heard = set(connection.execute(sa.select(device_states.c.device)).scalars())
        return {device.id for device in load_community(file).devices} - heard

    # LoRaWAN nodes and a radio pendant speak when something happens; the others at once.
    asleep = {"leak-cellar", "door-cellar", "bin-1", "people-gate", "pendant-601"}
    eventually(lambda: silent() <= asleep, 40, "every device that speaks by itself is heard")
    engine.dispose()
    assert demo.press_ctrl_c() == 0
    assert demo.gone(), demo.processes
    demo.close()
    assert b"Traceback" not in demo.seen


@pytest.mark.slow
def test_nothing_outlives_a_demo_that_is_killed(tmp_path: Path) -> None:
    demo = Terminal(tmp_path / "data")
    demo.playing()
    os.kill(demo.pid, signal.SIGKILL)
    os.waitpid(demo.pid, 0)
    eventually(demo.gone, 20, "all processes have ended")
    demo.close()


@pytest.mark.slow
def test_a_part_that_dies_ends_the_demo_with_its_log(tmp_path: Path) -> None:
    demo = Terminal(tmp_path / "data")
    demo.playing()
    fleet = next(process for process in demo.processes if "fleet" in process.cmdline())
    fleet.kill()
    assert demo.end() == 1
    assert b"fleet ended with code -9" in demo.seen
    assert demo.gone()
    demo.close()


def test_a_port_that_is_taken_is_said_before_anything_is_made(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [sys.executable, "-m", "gateway", "demo", "--port", port, "--data-dir", str(tmp_path / "data")],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=180,
            env={**os.environ, "COLUMNS": "200"},
        )
    assert done.returncode == 1
    assert f"port {port} cannot be used" in done.stdout
    assert not (tmp_path / "data").exists()


def test_a_community_that_is_not_there(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "demo", "--port", "0", "--data-dir", str(tmp_path / "data")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=180,
        env={**os.environ, "COLUMNS": "200", "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 1
    assert "--community FILE" in done.stdout
