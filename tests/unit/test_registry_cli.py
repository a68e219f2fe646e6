"""`anju config`, `anju apply`, `anju devices` as one uses them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest
import sqlalchemy as sa
import yaml
from typer.testing import CliRunner, Result

from gateway.cli import app
from gateway.clock import SystemClock
from gateway.registry import store
from gateway.registry.reference import PAGE, page
from gateway.registry.schema import json_schema
from gateway.state.db import open_database
from gateway.state.tables import device_states
from tests.support.registry import MORE, SMALL, small


def run(*args: object, answer: str | None = None) -> Result:
    environment = {"COLUMNS": "200", "CENTRE_HOST": None, "MESSENGER_HOST": None}
    return CliRunner().invoke(app, [str(arg) for arg in args], input=answer, env=environment)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def engine(data: Path) -> Iterator[sa.Engine]:
    data.mkdir(parents=True, exist_ok=True)
    engine = open_database(f"sqlite:///{data / 'state.db'}")
    yield engine
    engine.dispose()


def test_check_says_what_is_there(tmp_path: Path) -> None:
    result = run("config", "check", small(tmp_path))
    assert result.exit_code == 0, result.output
    assert "1 台设备 devices" in result.output


def test_check_names_every_error_on_a_line_of_its_own(tmp_path: Path) -> None:
    main = small(tmp_path, ("kind: sos_button", "kind: sos_buton"), ("anju: 1", "anju: 2"))
    result = run("config", "check", main)
    assert result.exit_code == 1
    lines = result.output.splitlines()
    assert lines[0].startswith(f"错误 error {main}:1: anju: 版本不对 expected 1")
    assert lines[1].startswith(
        f"错误 error {main.parent / 'more.yaml'}:20: devices[0].kind: 未知的设备种类 unknown kind"
    )
    assert "2 处错误 errors" in lines[2]


def test_check_secrets_looks_where_the_gateway_looks(tmp_path: Path, data: Path) -> None:
    main = small(tmp_path)
    result = run("config", "check", "--secrets", "--data-dir", data, main)
    assert result.exit_code == 1
    missing = "secret MESSENGER_HOST is missing: set the environment variable MESSENGER_HOST or write"
    assert f"{main}:6: channels[0].url: 密钥设置不对 {missing}" in result.output
    for name in ("MESSENGER_HOST", "CENTRE_HOST", "CENTRE_PORT"):
        (data / "secrets").mkdir(parents=True, exist_ok=True)
        (data / "secrets" / name).write_text("x", encoding="utf-8")
    assert run("config", "check", "--secrets", "--data-dir", data, main).exit_code == 0
    (data / "secrets" / "CENTRE_PORT").write_text("\n", encoding="utf-8")
    result = run("config", "check", "--secrets", "--data-dir", data, main)
    assert result.exit_code == 1
    assert f"secret CENTRE_PORT is empty: {data / 'secrets/CENTRE_PORT'} holds nothing" in result.output


def test_what_is_written_is_whoever_runs_it_alone(tmp_path: Path, data: Path) -> None:
    command = [sys.executable, "-m", "gateway", "apply", "--yes", str(small(tmp_path)), "--data-dir", str(data)]
    subprocess.run(command, check=True, capture_output=True, timeout=60, umask=0o022)
    made = [data, *data.rglob("*")]
    assert data / "state.db" in made
    assert [str(path) for path in made if path.stat().st_mode & 0o077] == []


def test_apply_shows_asks_and_applies(tmp_path: Path, data: Path, engine: sa.Engine) -> None:
    main = small(tmp_path)
    declined = run("apply", main, "--data-dir", data, answer="n\n")
    assert declined.exit_code == 3
    assert "devices +1" in declined.output
    assert store.load(engine) is None

    assert run("apply", main, "--data-dir", data, answer="y\n").exit_code == 0
    assert store.revision(engine) == 1

    again = run("apply", main, "--data-dir", data)
    assert (again.exit_code, again.output) == (0, "没有变化 nothing to change, revision 1\n")

    changed = run("apply", small(tmp_path, ("after_s: 45", "after_s: 50")), "--yes", "--data-dir", data)
    assert changed.exit_code == 0
    assert "~ ladders life\n    rungs[1].after_s: 45 → 50\n" in changed.output

    wrong = run("apply", small(tmp_path, ("after_s: 45", "after_s: soon")), "--yes", "--data-dir", data)
    assert wrong.exit_code == 1
    assert store.revision(engine) == 2


def test_devices_list_and_show(tmp_path: Path, data: Path, engine: sa.Engine) -> None:
    more = "  - {id: smoke-1, kind: smoke, place: grid}\n  - {id: smoke-2, kind: smoke, place: b3}\n"
    applied = run("apply", small(tmp_path, ("devices:\n", f"devices:\n{more}")), "--yes", "--data-dir", data)
    assert applied.exit_code == 0, applied.output
    now_ms = SystemClock().now_ms()
    rows = [
        {"device": "sos-1", "last_seen_ms": now_ms, "online": True, "battery": 81.0},
        {"device": "smoke-1", "last_seen_ms": now_ms - 3_700_000, "online": True, "battery": None},
    ]
    with engine.begin() as connection:
        connection.execute(device_states.insert(), rows)

    def listed(*options: str) -> list[str]:
        output = run("devices", "list", "--data-dir", data, *options).output
        return [name for name in ("smoke-1", "smoke-2", "sos-1") if name in output]

    assert listed() == ["smoke-1", "smoke-2", "sos-1"]
    assert listed("--kind", "smoke") == ["smoke-1", "smoke-2"]
    assert listed("--place", "b3") == ["smoke-2", "sos-1"]
    assert listed("--silent") == ["smoke-1", "smoke-2"]

    shown = run("devices", "show", "sos-1", "--data-dir", data).output
    for expected in ("团结湖街道3号楼501", "李秀兰 (li)", "81.0 %", "3600 s", "online"):
        assert expected in shown
    unknown = run("devices", "show", "sos-9", "--data-dir", data)
    assert unknown.exit_code == 1
    assert "there is no device sos-9" in unknown.output


def test_devices_before_any_community(data: Path) -> None:
    result = run("devices", "list", "--data-dir", data)
    assert result.exit_code == 1
    assert "anju apply FILE" in result.output


def test_wrong_settings_are_wrong_usage(tmp_path: Path) -> None:
    result = run("apply", small(tmp_path), "--settings", tmp_path / "none.yaml")
    assert result.exit_code == 2


def test_the_schema_accepts_what_the_loader_accepts() -> None:
    validator = jsonschema.Draft202012Validator(json_schema())
    validator.check_schema(json_schema())
    use = "include: [a.yaml]\nrules:\n  - {use: sos-pressed, raises: {ladder: life}}\n"
    for text in (SMALL, MORE, use, "use: sos-pressed\n"):
        assert list(validator.iter_errors(yaml.safe_load(text))) == []
    for text in ("devices: [{id: a, kind: smoke}]", "plaes: []", "rules: [{use: no-such-rule}]"):
        assert not validator.is_valid(yaml.safe_load(text))
    assert json.dumps(json_schema()).count("In the order they are to be told.") == 1


def test_the_reference_is_current() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert page(text) == text, "run: python -m gateway.registry.reference"


def test_a_mistake_in_the_settings_is_named_without_what_stands_there(tmp_path: Path) -> None:
    settings = tmp_path / "settings.yaml"
    settings.write_text("mqtt: {password: geheim}")
    result = run("apply", small(tmp_path), "--settings", settings)
    assert result.exit_code == 2
    assert "mqtt" in result.output and "geheim" not in result.output
