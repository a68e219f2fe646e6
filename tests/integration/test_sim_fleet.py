"""A whole fleet: control door, serial line, scenarios with people, and the commands as processes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from typer.testing import CliRunner

from devices.native import Command
from firmware_sim.cli import fleet_app, world_app
from firmware_sim.control import control_app
from firmware_sim.fleet import Fleet, behind_serial
from firmware_sim.housing import HOME_RADIO
from firmware_sim.kinds import SIMULATED
from firmware_sim.mqtt_device import Broker
from firmware_sim.people import People
from firmware_sim.play import Player, StoryError
from firmware_sim.pty_cable import PtyCable
from firmware_sim.scenario import load_scenario, parse_scenario
from firmware_sim.world.server import HOST, serving
from firmware_sim.yamlfile import FileError
from gateway.clock import SystemClock
from gateway.settings import SerialLine
from gateway.transports.serial import SerialTransport
from tests.support.broker import Mosquitto, mosquitto
from tests.support.eventually import PATIENCE, eventually, eventually_async
from tests.support.field_bus import FakeIntake
from tests.support.world import hamlet

pytestmark = pytest.mark.broker


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with mosquitto(tmp_path / "broker") as running:
        yield running


@contextlib.asynccontextmanager
async def living(fleet: Fleet) -> AsyncIterator[Fleet]:
    task = asyncio.create_task(fleet.run())
    try:
        await eventually_async(lambda: task.done() or fleet.all_connected, 15, "the fleet is connected")
        if task.done():
            task.result()
        yield fleet
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def fleet_on(broker: Mosquitto, homes: int = 1, **options: Any) -> Fleet:
    return Fleet(hamlet(homes), broker=Broker(broker.host, broker.port), **options)


async def test_control_door_presses_and_shows(broker: Mosquitto) -> None:
    async with (
        living(fleet_on(broker)) as fleet,
        serving(control_app(fleet)) as port,
        httpx.AsyncClient(base_url=f"http://{HOST}:{port}", timeout=10 * PATIENCE, trust_env=False) as http,
    ):
        before = (await http.get("/devices/sos_button-1")).json()
        assert (before["lamp"], before["acked"], before["resident"]) == ("off", [], "r1")
        assert {"boot", "seq", "voice", "battery", "actions", "connected", "unacked"} <= set(before)
        after = (await http.post("/devices/sos_button-1/press")).json()
        assert after["lamp"] == "amber"
        await eventually_async(lambda: len(fleet.devices["sos_button-1"].acked) == 1)
        acked = (await http.get("/devices/sos_button-1")).json()["acked"]
        assert acked == [{"message_id": f"sos_button-1:{after['boot']}:{after['seq']}", "event": "press"}]
        listed = (await http.get("/devices", params={"kind": "sos_button"})).json()
        assert listed == [{"id": "sos_button-1", "kind": "sos_button", "resident": "r1"}]
        assert (await http.get("/devices/nobody")).status_code == 404
        assert (await http.post("/devices/nobody/press")).status_code == 404
        wrong = await http.post("/devices/sos_button-1/dance")
        assert (wrong.status_code, "it can" in wrong.json()["error"]) == (422, True)
        assert (await http.post("/devices/sos_button-1/press", content=b"[1]")).status_code == 422
        assert (await http.post("/devices/sos_button-1/unplug")).status_code == 200
        await eventually_async(lambda: not fleet.mqtt["sos_button-1"].connected)
        assert (await http.get("/fleet")).json()["connected"] == len(fleet.devices) - 1


async def test_control_door_on_a_unix_socket(broker: Mosquitto, tmp_path: Path) -> None:
    door = tmp_path / "door"
    async with living(fleet_on(broker)) as fleet, serving(control_app(fleet), path=door):
        transport = httpx.AsyncHTTPTransport(uds=str(door))
        async with httpx.AsyncClient(base_url="http://fleet", transport=transport, trust_env=False) as http:
            assert (await http.get("/fleet")).json()["devices"] == len(fleet.devices)
        assert door.stat().st_mode & 0o077 == 0
    assert not door.exists()


async def test_rate_speeds_up_telemetry(broker: Mosquitto) -> None:
    async with living(fleet_on(broker, rate=600.0)) as fleet:
        await eventually_async(lambda: fleet.figures.acked > 60)
        totals = fleet.totals()
        assert totals["devices"] == totals["connected"] == len(SIMULATED)


async def test_devices_on_a_serial_line_turn_green_from_the_gateways_disk(tmp_path: Path) -> None:
    community = hamlet(1, kinds=("sos_button",))
    with PtyCable(tmp_path) as cable:
        intake = FakeIntake()
        transport = SerialTransport(SerialLine(name="bus", port=str(cable.gateway_path)), intake, SystemClock())
        transport.start()
        try:
            fleet = Fleet(
                community, broker=None, serial_port=str(cable.concentrator_path), serial_devices=["sos_button-1"]
            )
            async with living(fleet):
                await eventually_async(lambda: len(intake.stored) == 1, what="birth stored")
                intake.holding = True
                fleet.act("sos_button-1", "press")
                await eventually_async(lambda: len(intake.held) == 1)
                assert fleet.state("sos_button-1")["lamp"] == "amber"
                assert not fleet.devices["sos_button-1"].acked
                intake.release()
                await eventually_async(lambda: fleet.state("sos_button-1")["lamp"] == "green")
                assert len(fleet.devices["sos_button-1"].acked) == 1
                assert fleet.state("sos_button-1")["unacked"] == 0
                command = Command(v=1, id="x", command="indicate", args={"lamp": "blue"})
                await transport.send_command("sos_button-1", command, 10)
                await eventually_async(lambda: fleet.state("sos_button-1")["lamp"] == "blue")
                await eventually_async(lambda: len(intake.stored) == 3, what="the command's result is stored")
        finally:
            await asyncio.to_thread(transport.stop)


def test_serial_share_is_stable_and_of_home_devices_only() -> None:
    town = hamlet(50)
    small, large = behind_serial(town, 0.2), behind_serial(town, 0.6)
    assert small < large
    assert 0.15 < len(small) / (50 * len(HOME_RADIO)) < 0.25
    assert {device.rpartition("-")[0] for device in large} == set(HOME_RADIO)


def test_a_fleet_that_cannot_be_says_why() -> None:
    with pytest.raises(ValueError, match="sos_button-1 has no way to the gateway"):
        Fleet(hamlet(), broker=None)
    with pytest.raises(ValueError, match="need a serial port"):
        Fleet(hamlet(), broker=None, serial_devices=["smoke-1"])
    with pytest.raises(ValueError, match="not in this fleet: x"):
        Fleet(hamlet(), broker=None, serial_port="/dev/null", serial_devices=["x"])


# --- stories -----------------------------------------------------------------------------------------------------


class PaperGateway:
    """The part of a gateway's API that people use: one case, moved on by its actions. ``stale`` answers the first."""

    def __init__(self) -> None:
        self.case: dict[str, Any] | None = None
        self.done: list[tuple[str, str]] = []
        self.stale = 0
        self.app = Starlette(
            routes=[
                Route("/api/v1/cases", self._list),
                Route("/api/v1/cases/{case}", self._get),
                Route("/api/v1/cases/{case}/{action}", self._act, methods=["POST"]),
            ]
        )

    async def _list(self, request: Request) -> Response:
        assert request.headers["Authorization"] == "Bearer t0ken"
        older = {**paper_case(), "id": "c0", "number": "2026-000001"}  # of the same home, from before the story
        return JSONResponse([{"case": case} for case in (older, self.case) if case is not None])

    async def _get(self, request: Request) -> Response:
        return JSONResponse({"case": self.case, "timeline": []})

    async def _act(self, request: Request) -> Response:
        assert self.case is not None
        body, action = await request.json(), request.path_params["action"]
        if self.stale:
            self.stale -= 1
            self.case["version"] += 1
            return JSONResponse({"code": "stale", "zh": "", "en": ""}, status_code=409)
        assert body["version"] == self.case["version"]
        self.done.append((action, body["reason"]))
        stages = {"acknowledge": "acknowledged", "resolve": "resolved", "close": "closed"}
        if action not in stages:
            return JSONResponse({"code": "wrong_stage", "zh": "不行", "en": "no"}, status_code=409)
        self.case |= {"stage": stages[action], "version": self.case["version"] + 1}
        return JSONResponse({"case": self.case})


def paper_case() -> dict[str, Any]:
    return {
        "id": "c1",
        "number": "2026-000002",
        "version": 1,
        "stage": "opened",
        "resident": "r1",
        "device": "sos_button-1",
        "emergency": {"state": "none"},
    }


STORY = """
scenario: story
cast:
  elder: {kinds: [sos_button]}
steps:
  - {at: 0.1s, id: pressed, resident: elder, kind: sos_button, do: press}
  - {after: line_answered, within: 5s, operator: acknowledge, reason: mine}
  - {operator: resolve, reason: done}
  - {after: resolved, operator: close}
  - {kind: sos_button, expect: {lamp: amber}, within: 1s}
"""


async def test_a_story_with_people(broker: Mosquitto) -> None:
    gateway, told = PaperGateway(), list[str]()
    gateway.stale = 1
    async with (
        living(fleet_on(broker)) as fleet,
        serving(gateway.app) as port,
        People(f"http://{HOST}:{port}", "t0ken") as people,
    ):
        scenario, script = parse_scenario(STORY, "story.yaml")
        player = Player(scenario, script, fleet, people=people, tell=told.append)
        story = asyncio.create_task(player.play())
        await eventually_async(lambda: len(fleet.devices["sos_button-1"].acked) == 1)
        gateway.case = paper_case()
        await asyncio.sleep(0.2)
        assert gateway.done == [], "the line has not answered yet"
        gateway.case["emergency"] = {"state": "answered"}
        await asyncio.wait_for(story, 10 * PATIENCE)
        assert gateway.done == [("acknowledge", "mine"), ("resolve", "done"), ("close", "")]
        assert told[0] == "sos_button-1: press"
        assert told[-1] == "sos_button-1: {'lamp': 'amber'} as expected"


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ("- {kind: sos_button, expect: {lamp: green}, within: 0.2s}", "expected {'lamp': 'green'} within 0.2 s, found"),
        ("- {operator: acknowledge, within: 0.2s}", "not opened within 0.2 s: there is no case"),
    ],
)
async def test_a_story_that_fails_names_its_line(broker: Mosquitto, steps: str, said: str) -> None:
    gateway = PaperGateway()
    async with (
        living(fleet_on(broker)) as fleet,
        serving(gateway.app) as port,
        People(f"http://{HOST}:{port}", "t0ken") as people,
    ):
        scenario, script = parse_scenario(f"scenario: x\nsteps:\n  {steps}\n", "story.yaml")
        with pytest.raises(StoryError) as error:
            await Player(scenario, script, fleet, people=people).play()
        assert str(error.value).startswith("story.yaml:3: steps[0]: ")
        assert said in str(error.value)


async def test_a_refused_action_ends_the_story_with_the_gateways_words(broker: Mosquitto) -> None:
    gateway = PaperGateway()
    async with (
        living(fleet_on(broker)) as fleet,
        serving(gateway.app) as port,
        People(f"http://{HOST}:{port}", "t0ken") as people,
    ):
        text = "scenario: x\nsteps:\n  - {kind: sos_button, do: press}\n  - {operator: arrive}\n"
        scenario, script = parse_scenario(text, "story.yaml")
        story = asyncio.create_task(Player(scenario, script, fleet, people=people).play())
        await eventually_async(lambda: len(fleet.devices["sos_button-1"].acked) == 1)
        gateway.case = paper_case()
        with pytest.raises(StoryError, match=r"story.yaml:4: .*HTTP 409: .*wrong_stage"):
            await asyncio.wait_for(story, 10 * PATIENCE)


async def test_a_story_that_cannot_be_played_is_refused_before_it_begins(broker: Mosquitto) -> None:
    fleet = fleet_on(broker)
    with pytest.raises(FileError, match="give --api URL"):
        Player(*load_scenario("heart-attack"), fleet)
    text = "scenario: x\nsteps:\n  - kind: smoke\n    do: press\n"
    with pytest.raises(FileError, match=r"story.yaml:4: steps\[0\].do: smoke-1 cannot 'press'; it can .*smoke"):
        Player(*parse_scenario(text, "story.yaml"), fleet)


# --- as commands -------------------------------------------------------------------------------------------------


def community_file(directory: Path, homes: int) -> Path:
    town = hamlet(homes)
    lines = ["anju: 1", "community: {id: hamlet, name: 小村}", "devices:"]
    for device in town.devices:
        whose = f", resident: {device.resident}" if device.resident else ""
        lines.append(f"  - {{id: {device.id}, kind: {device.kind}, place: {device.place}{whose}}}")
    file = directory / "hamlet.yaml"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


@pytest.mark.slow
def test_300_devices_in_one_process_are_quiet_company(broker: Mosquitto, tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from firmware_sim.cli import fleet_app; fleet_app()"]
    command += ["--community", str(community_file(tmp_path, 40)), "--broker", f"{broker.host}:{broker.port}"]
    command += ["--devices", "300", "--figures", "--control", "0", "--control-port-file", str(tmp_path / "port")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        for line in process.stdout:
            figures = json.loads(line)
            if figures["connected"] == 300 and figures["unacked"] == 0:
                break
        port = eventually(lambda: (tmp_path / "port").read_text().strip())
        state = httpx.post(
            f"http://{HOST}:{port}/devices/sos_button-1/press", timeout=10 * PATIENCE, trust_env=False
        ).json()
        assert state["lamp"] == "amber"
        watched = psutil.Process(process.pid)
        begun, used = time.monotonic(), sum(watched.cpu_times()[:2])
        for _ in range(3):
            process.stdout.readline()
        share = (sum(watched.cpu_times()[:2]) - used) / (time.monotonic() - begun)
        assert share < 0.10, f"{share:.0%} of a core while idle"
    finally:
        process.terminate()
        assert process.wait(20 * PATIENCE) == 0


def test_in_a_terminal_there_is_a_live_table(broker: Mosquitto, tmp_path: Path) -> None:
    command = ["--community", str(community_file(tmp_path, 2)), "--broker", f"{broker.host}:{broker.port}"]
    command += ["--faults", "[{what: brown_out, kinds: [kiosk]}]", "--rate", "60"]
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ |= {"COLUMNS": "140", "LINES": "60"}
        os.execv(
            sys.executable, [sys.executable, "-c", "from firmware_sim.cli import fleet_app; fleet_app()", *command]
        )
    seen = b""

    def shown(words: str) -> bool:
        nonlocal seen
        if select.select([terminal], [], [], 0.1)[0]:
            seen += os.read(terminal, 65_536)
        return words in re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", seen).decode(errors="replace")

    try:
        for words in ("connecting", "一键呼救按钮 sos_button", "faults: brown_out", "connects", "memory"):
            eventually(lambda words=words: shown(words), 20, words)
        os.write(terminal, b"\x03")
        with contextlib.suppress(OSError):  # its end closes the terminal
            while True:
                seen += os.read(terminal, 65_536)
    finally:
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        os.close(terminal)


def test_figures_as_lines_tell_of_the_process_as_well(broker: Mosquitto, tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from firmware_sim.cli import fleet_app; fleet_app()", "--figures"]
    command += ["--community", str(community_file(tmp_path, 1)), "--broker", f"{broker.host}:{broker.port}"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        lines = [json.loads(process.stdout.readline()) for _ in range(3)]
        assert lines[-1]["devices"] == len(SIMULATED)
        assert lines[-1]["memory_mb"] > 10 and lines[-1]["cpu"] >= 0
    finally:
        process.terminate()
        assert process.wait(20 * PATIENCE) == 0


def test_story_from_the_command_line(broker: Mosquitto, tmp_path: Path) -> None:
    story = tmp_path / "story.yaml"
    story.write_text("scenario: s\nsteps:\n  - {at: 0s, kind: sos_button, do: press}\n", encoding="utf-8")
    command = [sys.executable, "-c", "from firmware_sim.cli import fleet_app; fleet_app()"]
    command += ["--community", str(community_file(tmp_path, 1)), "--broker", f"{broker.host}:{broker.port}"]
    command += ["--scenario", str(story), "--exit-after-scenario"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["sos_button-1: press", "the story is over, all as written"]


def test_world_from_the_command_line(tmp_path: Path) -> None:
    port_file = tmp_path / "port"
    command = [sys.executable, "-c", "from firmware_sim.cli import world_app; world_app()"]
    process = subprocess.Popen([*command, "--port", "0", "--port-file", str(port_file)], stdout=subprocess.PIPE)
    try:
        port = eventually(lambda: port_file.exists() and port_file.read_text().strip())
        assert httpx.get(f"http://{HOST}:{port}/calls", timeout=10 * PATIENCE, trust_env=False).json()["calls"] == []
        assert httpx.get(f"http://{HOST}:{port}/inbox", timeout=10 * PATIENCE, trust_env=False).json()["messages"] == []
    finally:
        process.terminate()
        assert process.wait(10 * PATIENCE) == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--broker", "nowhere"], "--broker: expected host:port"),
        ([], "has no way to the gateway"),
        (["--devices", "1000"], "anju fleet make --devices 1000"),
        (["--broker", "h:1", "--faults", "[{what: rust}]"], "--faults:1: faults[0].what"),
        (["--broker", "h:1", "--scenario", "deluge"], "shipped are"),
        (["--broker", "h:1", "--scenario", "mistake", "--api", "http://x"], "--token-file"),
    ],
)
def test_wrong_options_are_explained(tmp_path: Path, options: list[str], said: str) -> None:
    result = CliRunner().invoke(fleet_app, ["--community", str(community_file(tmp_path, 1)), *options])
    assert result.exit_code == 2
    assert said in result.output


def test_help_teaches() -> None:
    for app in (fleet_app, world_app):
        assert CliRunner().invoke(app, ["--help"]).exit_code == 0
