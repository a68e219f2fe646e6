"""The units for a box without containers: as systemd itself reads them, and in step with what else says the same."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from gateway.init.deployment import BOX_USERS, Kind, Sight
from tests.support.stack import ROOT, compose

UNITS = ROOT / "deploy/systemd"
SERVICES = sorted(path.name for path in UNITS.glob("*.service"))
EXPOSURE_MAX = 40
"""Of 100, by systemd's own reckoning: 0 is locked away, 96 what a unit without a word about it has."""


def settings(unit: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in (UNITS / unit).read_text(encoding="utf-8").splitlines():
        key, sign, value = line.partition("=")
        if sign and not line.startswith(("#", "[")):
            found.setdefault(key, []).append(value)
    return found


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The units, with programs that exist where they name some."""
    directory = tmp_path_factory.mktemp("units")
    program = directory / "anju"
    program.write_text("#!/bin/sh\n", encoding="utf-8")
    program.chmod(0o755)
    for path in UNITS.glob("anju*"):
        text = path.read_text(encoding="utf-8").replace("/usr/local/bin/anju", str(program))
        (directory / path.name).write_text(text, encoding="utf-8")
    return directory


def analyze(*arguments: str, units: Path) -> subprocess.CompletedProcess[str]:
    program = shutil.which("systemd-analyze")
    assert program is not None, "systemd-analyze is in Debian's package systemd"
    environment = {**os.environ, "SYSTEMD_UNIT_PATH": f"{units}:", "SYSTEMD_COLORS": "0"}
    return subprocess.run(
        [program, *arguments], capture_output=True, text=True, timeout=60, check=False, env=environment, cwd=units
    )


def test_systemd_understands_every_line(installed: Path) -> None:
    names = sorted(path.name for path in installed.glob("anju?*.*"))
    assert {"anju-certificate.timer", "anju.service", "anju-store.service"} <= {"anju.service", *names}
    run = analyze("verify", "--man=no", "anju.service", *names, units=installed)
    ours = [line for line in (run.stdout + run.stderr).splitlines() if line.startswith(("anju", str(installed)))]
    assert ours == []
    broken = installed / "anju-broken.service"
    broken.write_text("[Service]\nExecStart=/bin/true\nProtectSytem=strict\n", encoding="utf-8")
    said = analyze("verify", "--man=no", broken.name, units=installed)
    broken.unlink()
    assert "ProtectSytem" in said.stderr, "it says nothing about a wrong line"


@pytest.mark.parametrize("unit", SERVICES)
def test_a_service_is_locked_away(installed: Path, unit: str) -> None:
    run = analyze("security", "--offline=true", f"--threshold={EXPOSURE_MAX}", f"./{unit}", units=installed)
    assert run.returncode == 0, run.stdout[-300:]
    assert settings(unit)["NoNewPrivileges"] == ["yes"]
    assert settings(unit)["ProtectSystem"] == ["strict"]


def test_the_gateway_comes_back_always_and_waits_for_nobody() -> None:
    gateway = settings("anju.service")
    assert (gateway["Restart"], gateway["StartLimitIntervalSec"]) == (["always"], ["0"])
    assert "Requires" not in gateway
    assert "anju-store.service" not in " ".join(gateway["After"])
    # It does not notify systemd, so a watchdog would kill a gateway that is well.
    assert "WatchdogSec" not in gateway
    assert "sd_notify" not in "".join(path.read_text(encoding="utf-8") for path in (ROOT / "gateway").glob("*.py"))
    assert settings("anju-store.service")["Restart"] == ["on-failure"]


def test_units_name_what_anju_init_makes() -> None:
    sight = Sight.of(Kind.BOX, Path("/etc/anju"))
    assert f"--settings {sight.gateway}/settings.yaml" in settings("anju.service")["ExecStart"][0]
    assert settings("anju.service")["User"] == [BOX_USERS["gateway"]]
    broker = settings("mosquitto.service.d/anju.conf")
    assert broker["ExecStart"] == ["", f"/usr/sbin/mosquitto -c {sight.mosquitto_config}/mosquitto.conf"]
    assert broker["User"] == [BOX_USERS["mosquitto"]]
    assert str(sight.mosquitto_data) == "/var/lib/mosquitto"
    assert broker["StateDirectory"] == ["mosquitto"]


def test_grafana_is_told_the_same_on_a_box_as_in_a_container() -> None:
    container = compose()["services"]["grafana"]
    there = {key: str(value) for key, value in container["environment"].items()}  # type: ignore[attr-defined]
    unit = settings("grafana-server.service.d/anju.conf")
    here = dict(line.split("=", 1) for line in unit["Environment"])
    for key in [key for key in there if key.endswith("__FILE")]:
        there[key.removesuffix("__FILE")] = f"$__file{{{there.pop(key)}}}"
    only_there = {"GF_SERVER_ROOT_URL", "GF_LOG_MODE"}
    only_here = {"GF_SERVER_HTTP_ADDR", "GF_PATHS_PROVISIONING"}
    sight = Sight.of(Kind.BOX, Path("/etc/anju"))
    there |= {"ANJU_INFLUX_URL": sight.influx_url, "ANJU_GATEWAY_URL": f"http://{sight.api_host}:8120"}
    assert {key: value for key, value in here.items() if key not in only_here} == {
        key: value for key, value in there.items() if key not in only_there
    }
    bound = dict(line.split(":") for line in unit["BindReadOnlyPaths"])
    assert set(bound.values()) == {f"/run/secrets/{name}" for name in container["secrets"]}  # type: ignore[attr-defined]
    for source, target in bound.items():
        stem = Path(source).name.replace("-", "_")
        assert target.endswith(stem)


def test_the_pages_name_the_files_and_not_their_text() -> None:
    page = (ROOT / "docs/operating.md").read_text(encoding="utf-8")
    assert "[Service]" not in page
    deploy = (ROOT / "docs/deploy.md").read_text(encoding="utf-8")
    named = set(re.findall(r"deploy/systemd/([\w.-]+)", deploy + page))
    assert {path.name for path in UNITS.iterdir()} <= named
