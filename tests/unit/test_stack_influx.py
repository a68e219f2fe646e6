"""What is said to InfluxDB's own command when a deployment is new: buckets, and a user who may only read them."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any, cast

import pytest

from gateway.init.deployment import INFLUX_READER
from gateway.settings import RetentionSettings, StoreSettings
from gateway.store.setup.rolled import ROLL_UPS
from tests.support.stack import ROOT, compose

SCRIPT = ROOT / "deploy/influxdb/reader.sh"
STAND_IN = """#!/bin/sh
# Writes down what it is told, and answers as InfluxDB's command does: an id, a tab, and more.
printf '%s\\n' "$*" >>"$SAID"
case "$1 $2" in
"bucket list")
    [ "$6" = "$KNOWN" ] || { echo 'Error: bucket "x" not found' >&2; exit 1; }
    printf '00000000000000aa\\t%s\\t2160h0m0s\\n' "$6"
    ;;
"bucket create") printf '00000000000000bb\\t%s\\t9600h0m0s\\n' "$6" ;;
"v1 auth") echo "created" ;;
*) exit 2 ;;
esac
"""


def run(tmp_path: Path, **environment: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    influx = tmp_path / "influx"
    influx.write_text(STAND_IN, encoding="utf-8")
    influx.chmod(0o755)
    password = tmp_path / "reader-password"
    password.write_text("only-reads\n", encoding="utf-8")
    said = tmp_path / "said"
    done = subprocess.run(
        [str(SCRIPT)],
        env={
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "SAID": str(said),
            "READER_PASSWORD_FILE": str(password),
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    return done, said.read_text(encoding="utf-8").splitlines() if said.exists() else []


def test_grafana_may_read_the_three_buckets_and_nothing_else(tmp_path: Path) -> None:
    done, said = run(tmp_path, KNOWN="anju", DOCKER_INFLUXDB_INIT_ORG="anju", DOCKER_INFLUXDB_INIT_BUCKET="anju")
    assert done.returncode == 0, done.stderr
    assert said == [
        "bucket list --org anju --name anju --hide-headers",
        "bucket list --org anju --name anju/minute --hide-headers",
        "bucket create --org anju --name anju/minute --retention 180d --hide-headers",
        "bucket list --org anju --name anju/hour --hide-headers",
        "bucket create --org anju --name anju/hour --retention 0 --hide-headers",
        f"v1 auth create --org anju --username {INFLUX_READER} --password only-reads --read-bucket 00000000000000aa "
        "--read-bucket 00000000000000bb --read-bucket 00000000000000bb",
    ]
    assert "only-reads" not in done.stdout + done.stderr
    assert "3 buckets" in done.stdout


def test_buckets_and_how_long_they_keep_are_those_of_the_store() -> None:
    wanted = dict(re.findall(r'"\$bucket(?:/(\w+))?=(\w+)"', SCRIPT.read_text(encoding="utf-8")))
    kept = RetentionSettings()
    as_command = {name: getattr(kept, name or "raw").replace("forever", "0") for name in wanted}
    assert wanted == as_command
    assert set(wanted) == {"", *(roll_up.name for roll_up in ROLL_UPS)}
    influx = cast("dict[str, Any]", compose()["services"]["influxdb"]["environment"])
    assert influx["DOCKER_INFLUXDB_INIT_RETENTION"] == kept.raw
    assert influx["DOCKER_INFLUXDB_INIT_BUCKET"] == StoreSettings().bucket
    assert influx["DOCKER_INFLUXDB_INIT_ORG"] == StoreSettings().org


@pytest.mark.parametrize("missing", ["password", "bucket"])
def test_what_fails_is_not_passed_over(tmp_path: Path, missing: str) -> None:
    if missing == "password":
        done, said = run(tmp_path, KNOWN="anju", READER_PASSWORD_FILE=str(tmp_path / "nowhere"))
        assert not [line for line in said if line.startswith("v1 auth")]
    else:
        (tmp_path / "cut").write_text("#!/bin/sh\nexit 3\n", encoding="utf-8")
        (tmp_path / "cut").chmod(0o755)
        done, _ = run(tmp_path, KNOWN="anju")
    assert done.returncode != 0
