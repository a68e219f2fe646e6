"""The commands, as a person types them: what they print, and with which code they end."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import typer
from typer.testing import CliRunner, Result

from gateway import doctor as doctor_room
from gateway.api.auth import find_caller
from gateway.cli import app
from gateway.registry import store as registry_store
from gateway.registry.load import load_community
from gateway.settings import Secrets, Settings
from gateway.state.db import open_database
from gateway.transports.broker_config import ensure_broker_users
from tests.support.broker import Mosquitto, free_port, mosquitto
from tests.support.gateway import RunningGateway
from tests.support.homes import community, write_community
from tests.support.outside import OutsideWorld
from tests.support.stores import Influxd

runner = CliRunner(env={"COLUMNS": "200", "ANJU_TOKEN": None, "ANJU_URL": None})
CLEAN = {key: value for key, value in os.environ.items() if not key.startswith("ANJU_")}


def run(*args: object, env: dict[str, str | None] | None = None) -> Result:
    return runner.invoke(app, [str(arg) for arg in args], env=env)


def said(result: Result) -> str:
    assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
    return result.output


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A data directory with a community and the broker's passwords."""
    data = tmp_path / "data"
    data.mkdir()
    engine = open_database(f"sqlite:///{data / 'state.db'}")
    registry_store.apply(engine, load_community(write_community(tmp_path / "community.yaml", community())), "test", 1)
    engine.dispose()
    ensure_broker_users(Secrets(data / "secrets"))
    return data


# --- help


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield path, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, (*path, name))


EVERY = list(commands(typer.main.get_command(app)))


def test_the_commands_are_those_that_are_promised() -> None:
    promised = {"serve", "demo", "fleet", "send", "config", "apply", "devices", "cases", "doctor", "token", "journal"}
    assert promised <= {path[0] for path, _ in EVERY if path}


@pytest.mark.parametrize(("path", "command"), EVERY, ids=[" ".join(path) or "anju" for path, _ in EVERY])
def test_help_teaches(path: tuple[str, ...], command: Any) -> None:
    result = run(*path, "--help")
    assert result.exit_code == 0, said(result)
    sentence = (command.help or "").strip()
    assert len(sentence) > 15, f"anju {' '.join(path)} does not say what it does"
    for parameter in command.params:
        if parameter.param_type_name == "option" and parameter.name != "help":
            assert parameter.help, f"anju {' '.join(path)} {parameter.opts[0]} does not say what it is"


# --- settings


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("api: {port: many}", "api.port"),
        ("broker: {password: hunter2}", "broker.password"),
        ("- a", "expected settings by name"),
        ("{", "settings"),
        ("\udcff", "settings"),
    ],
)
@pytest.mark.parametrize(
    "command", [["serve"], ["doctor"], ["token", "list"], ["cases", "list"], ["send", "sos-1", "press"]]
)
def test_wrong_settings_are_explained(tmp_path: Path, command: list[str], text: str, expected: str) -> None:
    file = tmp_path / "settings.yaml"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    result = run(*command, "--settings", file)
    assert result.exit_code == 2
    assert expected in said(result)
    assert "hunter2" not in said(result), "what stands there may be a secret"


def test_wrong_settings_of_the_environment_are_explained(tmp_path: Path) -> None:
    result = run("doctor", "--data-dir", tmp_path, env={"ANJU_API__PORT": "many"})
    assert result.exit_code == 2
    assert "api.port" in said(result)
    result = run("doctor", "--data-dir", tmp_path, env={"ANJU_SERIAL": "{"})
    assert result.exit_code == 2
    assert "serial" in said(result)


def test_a_settings_file_that_is_not_there(tmp_path: Path) -> None:
    result = run("serve", "--settings", tmp_path / "none.yaml")
    assert result.exit_code == 2
    assert "none.yaml" in said(result)


# --- serve


def serve(data: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gateway", "serve", "--data-dir", str(data)],
        env={**CLEAN, "COLUMNS": "200", "ANJU_BROKER__PORT": str(free_port()), "ANJU_API__PORT": "0", **env},
        capture_output=True,
        text=True,
        timeout=180,
    )


def test_serve_without_a_community_says_what_to_do(tmp_path: Path) -> None:
    done = serve(tmp_path / "data")
    assert done.returncode == 1
    assert "anju apply" in done.stderr
    assert "Traceback" not in done.stderr


def test_serve_where_a_port_is_taken(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        outside = {f"{who}_{what}": "1" for who in ("MESSENGER", "CENTRE") for what in ("HOST", "PORT")}
        done = serve(home, ANJU_API__PORT=port, **outside)
    assert done.returncode == 1
    assert "in use" in done.stderr and port in done.stderr
    assert "Traceback" not in done.stderr


# --- tokens and cases


def test_a_token_from_its_making_to_its_end(home: Path) -> None:
    made = run("token", "create", "夜班", "--role", "operator", "--data-dir", home)
    assert made.exit_code == 0, said(made)
    token = made.stdout.strip()
    engine = open_database(f"sqlite:///{home / 'state.db'}")
    caller = find_caller(engine, token)
    assert caller is not None and (caller.name, caller.role) == ("夜班", "operator")
    again = run("token", "create", "夜班", "--data-dir", home)
    assert again.exit_code == 1
    assert "anju token revoke" in said(again)
    assert run("token", "create", "x" * 65, "--data-dir", home).exit_code == 1
    listed = said(run("token", "list", "--data-dir", home))
    assert "夜班" in listed and "operator" in listed
    assert token not in listed
    assert run("token", "revoke", "夜班", "--data-dir", home).exit_code == 0
    assert find_caller(engine, token) is None
    assert run("token", "revoke", "夜班", "--data-dir", home).exit_code == 1
    assert run("token", "create", "夜班", "--role", "reader", "--data-dir", home).exit_code == 0
    assert run("token", "create", "x", "--role", "king", "--data-dir", home).exit_code == 2
    engine.dispose()


@pytest.mark.parametrize(
    "command",
    [
        ["token", "list"],
        ["token", "create", "x"],
        ["cases", "list"],
        ["cases", "show", "1"],
        ["send", "sos-1", "press"],
    ],
)
def test_no_data_is_said_and_none_is_made(tmp_path: Path, command: list[str]) -> None:
    result = run(*command, "--data-dir", tmp_path / "nowhere")
    assert result.exit_code == 1
    assert "nowhere" in said(result)
    assert not (tmp_path / "nowhere").exists()


def test_a_database_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_bytes(b"not a database" * 100)
    result = run("token", "list", "--data-dir", tmp_path)
    assert result.exit_code == 1
    assert "not a database" in said(result)
    result = run("doctor", "--data-dir", tmp_path, env={"ANJU_API__PORT": str(free_port())})
    assert result.exit_code == 1
    assert "✗ state database" in said(result)


def test_cases_of_a_running_gateway(tmp_path: Path) -> None:
    with OutsideWorld() as world, RunningGateway(tmp_path, world) as gateway:
        data = ("--data-dir", gateway.data_dir)
        there = ("--url", gateway.url)
        assert "no open cases" in said(run("cases", "list", *data))
        sent = run("send", "sos-1", "press", "--broker", f"127.0.0.1:{gateway.broker_port}", *data)
        assert sent.exit_code == 0, said(sent)
        assert "anju/v1/yuan/sos-1/event" in said(sent)
        number = gateway.wait_for_case("sos-1")["number"]
        listed = said(run("cases", "list", *data))
        assert number in listed and "personal_emergency" in listed
        acted = run("cases", "act", number, "acknowledge", *there, "--token", gateway.token)
        assert (acted.exit_code, acted.stdout.strip()) == (0, f"{number}: 已受理 taken"), said(acted)
        refused = run("cases", "act", number, "verify", *there, env={"ANJU_TOKEN": gateway.token})
        assert refused.exit_code == 1
        assert "wrong_stage" in said(refused)
        assert run("cases", "act", number, "explode", *there, "--token", gateway.token).exit_code == 2
        for token, expected in (("wrong", "no_token"), ("", "a token is needed"), ("ü", "a token is needed")):
            denied = run("cases", "act", number, "note", "--reason", "x", *there, "--token", token)
            assert denied.exit_code == 1
            assert expected in said(denied)
        unknown = run("cases", "act", "a/b?c", "acknowledge", *there, "--token", gateway.token)
        assert unknown.exit_code == 1
        shown = said(run("cases", "show", number, *data))
        assert "acknowledged" in shown and "operator:night-desk" in shown and "grid" in shown
        assert run("cases", "show", "nothing", *data).exit_code == 1
        running = run("doctor", *data, env=dict(gateway.env))
        assert "✓ gateway: ready" in said(running)
        assert running.exit_code == 0, said(running)


def test_act_where_nobody_or_somebody_else_answers() -> None:
    nobody = run("cases", "act", "1", "acknowledge", "--url", f"http://127.0.0.1:{free_port()}", "--token", "t")
    assert nobody.exit_code == 1
    assert "no gateway at" in said(nobody)
    nonsense = run("cases", "act", "1", "acknowledge", "--url", "http://[", "--token", "t")
    assert nonsense.exit_code == 1
    with other_server() as port:
        other = run("cases", "act", "1", "acknowledge", "--url", f"http://127.0.0.1:{port}", "--token", "t")
        assert other.exit_code == 1
        assert "no gateway of this version" in said(other)


class other_server:
    """A web server that is no gateway."""

    def __enter__(self) -> int:
        class Page(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"<html>hello</html>")

            do_POST = do_GET

            def log_message(self, *_: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Page)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()
        return self.server.server_port

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


# --- send


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with mosquitto(tmp_path / "broker") as running:
        yield running


def test_send_says_what_the_gateway_would_not_take(home: Path) -> None:
    for words, expected in (
        (("sos-9", "press"), "did you mean"),
        (("sos-1", "explode"), "knows the events"),
        (("vitals-1", "-m", "spo2=400"), "spo2"),
        (("vitals-1", "-m", "mood=1"), "mood"),
    ):
        result = run("send", *words, "--data-dir", home)
        assert result.exit_code == 1, words
        assert expected in said(result)
    for wrong in (
        ("vitals-1",),
        ("vitals-1", "-m", "spo2"),
        ("vitals-1", "-m", "spo2=nan"),
        ("sos-1", "press", "--broker", "x"),
    ):
        assert run("send", *wrong, "--data-dir", home).exit_code == 2


def test_send_is_for_native_devices_that_are_heard(tmp_path: Path) -> None:
    document = community(1)
    document["bridges"] = [{"id": "lora", "profile": "chirpstack"}]
    document["devices"] += [
        {"id": "node-1", "kind": "leak", "profile": "chirpstack", "address": "24e124", "place": "door-1"},
        {"id": "old-1", "kind": "sos_button", "status": "retired", "place": "door-1"},
    ]
    engine = open_database(f"sqlite:///{tmp_path / 'state.db'}")
    registry_store.apply(engine, load_community(write_community(tmp_path / "c.yaml", document)), "test", 1)
    engine.dispose()
    for device, said in (("node-1", "anju devices try chirpstack"), ("old-1", "is retired")):
        result = run("send", device, "--data-dir", tmp_path, "-m", "battery=50")
        assert result.exit_code == 1
        assert said in result.stderr


def test_send_to_the_broker_of_the_settings(home: Path, broker: Mosquitto) -> None:
    result = run("send", "vitals-1", "-m", "spo2=97", "--data-dir", home, env={"ANJU_BROKER__PORT": str(broker.port)})
    assert result.exit_code == 0, said(result)
    assert "anju/v1/yuan/vitals-1/telemetry" in said(result)


def test_send_without_a_broker(home: Path) -> None:
    result = run("send", "sos-1", "press", "--broker", f"127.0.0.1:{free_port()}", "--data-dir", home)
    assert result.exit_code == 1
    assert "is the gateway running" in said(result)


# --- doctor


def found(settings: Settings) -> dict[str, tuple[str, str]]:
    return {finding.what: (finding.level, finding.said) for finding in doctor_room.findings(settings)}


def fresh(data: Path, **more: Any) -> Settings:
    values: dict[str, Any] = {"data_dir": data, "api": {"port": free_port()}, "broker": {"port": free_port()}}
    return Settings.model_validate(values | more)


def test_doctor_on_a_fresh_machine_leaves_nothing_behind(tmp_path: Path) -> None:
    looked = found(fresh(tmp_path / "a" / "b"))
    assert {level for level, _ in looked.values()} <= {"ok", "warning"}
    assert looked["community"] == ("warning", "none applied yet: anju apply FILE")
    assert looked["gateway"][0] == "ok"
    assert list(tmp_path.iterdir()) == []


def test_doctor_says_where_it_may_not_look(tmp_path: Path) -> None:
    looked = found(fresh(tmp_path / ("x" * 300)))  # as root nothing else is refused
    level, words = looked.popitem()[1]
    assert level == "error" and "cannot be written" in words and "the gateway's own login" in words


def test_doctor_finds_what_is_missing(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "broker").mkdir(exist_ok=True)
    (home / "broker" / "mosquitto.damaged").touch()
    home.chmod(0o700)
    assert "data directory" not in found(fresh(home))
    home.chmod(0o755)
    assert found(fresh(home))["data directory"] == (
        "warning",
        f"{home} is open to every login of this machine (755): chmod 700 {home}",
    )
    looked = found(fresh(home, serial=[{"name": "bus", "port": str(tmp_path / "tty")}]))
    assert looked["broker/mosquitto.damaged"] == ("warning", looked["broker/mosquitto.damaged"][1])
    assert looked["serial bus"][0] == "error"
    assert looked["secret MESSENGER_HOST"][0] == "error"
    assert looked["community"][0] == looked["120 line"][0] == "ok"
    monkeypatch.setattr(doctor_room, "LEAST_FREE_MB", 10**9)
    monkeypatch.setattr(doctor_room, "SLOW_FSYNC_MS", 0.0)
    monkeypatch.setattr(doctor_room, "find_broker", lambda: None)
    monkeypatch.setattr("gateway.clock.SystemClock.now_ms", lambda _: 0)
    looked = found(fresh(home))
    assert {what: looked[what][0] for what in ("disk", "fsync", "broker", "clock")} == {
        "disk": "error",
        "fsync": "warning",
        "broker": "error",
        "clock": "error",
    }
    assert run("doctor", "--data-dir", home).exit_code == 1


def test_doctor_looks_for_the_line_of_a_bridge(tmp_path: Path) -> None:
    document = community(1)
    document["bridges"] = [{"id": "lora", "profile": "chirpstack"}, {"id": "ward", "profile": "contec-cms50"}]
    engine = open_database(f"sqlite:///{tmp_path / 'state.db'}")
    registry_store.apply(engine, load_community(write_community(tmp_path / "c.yaml", document)), "test", 1)
    engine.dispose()
    looked = found(fresh(tmp_path))
    assert looked["bridge lora"] == ("ok", "chirpstack, 0 devices")
    assert looked["bridge ward"][0] == "error" and "{name: ward, port: /dev/…}" in looked["bridge ward"][1]
    looked = found(fresh(tmp_path, serial=[{"name": "ward", "port": "/dev/null"}]))
    assert looked["bridge ward"] == ("ok", "contec-cms50, 0 devices on /dev/null")


def test_doctor_looks_at_what_is_elsewhere(home: Path, broker: Mosquitto) -> None:
    looked = found(
        fresh(
            home,
            broker={"managed": False, "port": broker.port},
            store={"kind": "influxdb", "url": "http://127.0.0.1:1"},
        )
    )
    assert looked["broker"][0] == "ok"
    assert looked["telemetry store"][0] == "error"
    assert looked["secret INFLUX_TOKEN"][0] == "error"
    looked = found(fresh(home, broker={"managed": False, "port": free_port()}, store={"kind": "influxdb"}))
    assert looked["broker"][0] == looked["telemetry store"][0] == "error"


def test_doctor_says_which_telemetry_server_it_is(home: Path, tmp_path: Path) -> None:
    server = Influxd(tmp_path / "influxd")
    server.start()
    try:
        settings = fresh(home, store={"kind": "influxdb", "url": server.url, "token_secret": ""})
        level, words = found(settings)["telemetry store"]
        assert level == "warning" and "InfluxDB 1.6.7" in words and "database anju" in words, words
        server.create()
        level, words = found(settings)["telemetry store"]
        assert level == "warning" and "retention policy minute" in words and "anju store setup" in words, words
        env: dict[str, str | None] = {"ANJU_STORE__KIND": "influxdb", "ANJU_STORE__URL": server.url}
        assert run("store", "setup", "--data-dir", home, env=env | {"ANJU_STORE__TOKEN_SECRET": ""}).exit_code == 0
        assert found(settings)["telemetry store"] == ("ok", f"InfluxDB 1.6.7~rc0 at {server.url}")
    finally:
        server.kill()


def test_doctor_finds_ports_that_others_have(home: Path) -> None:
    with other_server() as port:
        assert found(fresh(home, api={"port": port}))["gateway"][0] == "error"
        level, words = found(fresh(home, broker={"port": port}))["broker.port"]
        assert level == "error" and str(port) in words


def test_the_database_stays_as_it_was(home: Path) -> None:
    engine = open_database(f"sqlite:///{home / 'state.db'}")
    before = sa.inspect(engine).get_table_names()
    found(fresh(home))
    assert sa.inspect(engine).get_table_names() == before
    engine.dispose()
