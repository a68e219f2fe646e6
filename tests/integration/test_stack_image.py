"""What the image holds and does, without an engine: its own build script, its own entry, real servers around it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from gateway.clock import SystemClock
from gateway.registry import store as registry_store
from gateway.registry.load import read_community
from gateway.state.db import open_database
from tests.support.eventually import eventually
from tests.support.ports import free_port
from tests.support.stack import COMMUNITY, ROOT, Stack, StackBroker, open_directory, running_broker
from tests.support.stores import Influxd

IMAGE = ROOT / "deploy/image"
pytestmark = pytest.mark.timeout(280)
"""A dozen programs are started one after the other, each of which loads all of Anju."""


@pytest.fixture(scope="module")
def prefix() -> Iterator[Path]:
    """What `deploy/image/build.sh` makes, with this environment's packages in place of fetched ones."""
    with open_directory() as directory:
        subprocess.run(
            ["sh", str(IMAGE / "build.sh"), str(directory / "anju"), sysconfig.get_path("purelib")],
            check=True,
            timeout=200,
            env={**os.environ, "PYTHON": sys.executable},
        )
        yield directory / "anju"


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with open_directory() as directory:
        made = Stack(directory)
        made.init()
        yield made


@pytest.fixture(scope="module")
def broker(stack: Stack) -> Iterator[StackBroker]:
    with running_broker(stack) as running:
        yield running


@pytest.fixture(scope="module")
def influx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influxd]:
    server = Influxd(tmp_path_factory.mktemp("influx"))
    server.start()
    yield server
    server.stop()


class Container:
    """The gateway's container, as processes of this machine: entry and environment as there, paths of the test."""

    def __init__(self, prefix: Path, stack: Stack, broker: StackBroker, influx_url: str, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        settings = yaml.safe_load(stack.read("gateway/settings.yaml"))
        settings["data_dir"] = str(directory / "data")
        settings["secrets_dir"] = str(stack.directory / "gateway/secrets")
        settings["broker"] |= {
            "host": broker.host,
            "port": broker.port,
            "tls_ca": str(stack.directory / "gateway/ca.crt"),
        }
        settings["store"]["url"] = influx_url
        settings["store"]["token_secret"] = ""  # Debian's InfluxDB asks for none
        settings["api"] = {"host": "127.0.0.1", "port": self.port}
        self.settings = directory / "settings.yaml"
        self.settings.write_text(yaml.safe_dump(settings), encoding="utf-8")
        self.community = COMMUNITY
        self._prefix = prefix
        self.key = stack.directory / "gateway/secrets/GRAFANA_PUSH_KEY"
        self.log = directory / "log"

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": f"{self._prefix / 'bin'}:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "HOME": str(self.directory),
            "ANJU_SETTINGS": str(self.settings),
            "ANJU_COMMUNITY_FILE": str(self.community),
            "ANJU_GRAFANA_KEY_FILE": str(self.key),
            "ANJU_API__PORT": str(self.port),
            "ANJU_STORE_RETRY_S": "60",
            "MESSENGER_HOST": "127.0.0.1",
            "MESSENGER_PORT": "9",
        }

    def enter(self, *command: str) -> subprocess.CompletedProcess[str]:
        """`docker compose exec gateway …`, or another command in place of serving."""
        return subprocess.run(
            [str(IMAGE / "entrypoint.sh"), *command],
            env=self.environment,
            cwd=self.directory,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def apply(self) -> None:
        """What an earlier start has left in the volume."""
        (self.directory / "data").mkdir()
        engine = open_database(f"sqlite:///{self.directory / 'data/state.db'}")
        town = read_community(self.community).community
        assert town is not None
        registry_store.apply(engine, town, "test", SystemClock().now_ms())
        engine.dispose()

    @contextlib.contextmanager
    def serving(self) -> Iterator[subprocess.Popen[bytes]]:
        """The container, up and ready; ended as `docker compose stop` ends it."""
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [str(IMAGE / "entrypoint.sh"), "serve"],
                env=self.environment,
                cwd=self.directory,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            eventually(lambda: self._is_up(process), 120, "the gateway is up")
            health = self.healthy()
            assert health.returncode == 0, health.stderr
            yield process
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0, self.said
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # with the loop that waits for the store
            process.wait(10)

    def _is_up(self, process: subprocess.Popen[bytes]) -> bool:
        assert process.poll() is None, self.said
        return "已就绪 is ready" in self.said

    def healthy(self) -> subprocess.CompletedProcess[str]:
        """What the image's HEALTHCHECK runs."""
        return subprocess.run(
            [str(IMAGE / "healthcheck.py")],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )

    @property
    def said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")


def test_the_image_has_all_of_anju_and_nothing_to_build_with(prefix: Path) -> None:
    programs = {path.name for path in (prefix / "bin").iterdir()}
    assert "anju" in programs
    assert not [name for name in programs if name.startswith(("pip", "wheel", "gcc"))]
    where = subprocess.run(
        [str(prefix / "bin/python"), "-c", "import gateway, devices, dashboards; print(gateway.__file__)"],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
        cwd="/",
    )
    assert Path(where.stdout.strip()).is_relative_to(prefix)


def test_from_a_simulated_device_over_tls_to_the_store_with_the_images_own_steps(
    prefix: Path, stack: Stack, broker: StackBroker, influx: Influxd, tmp_path: Path
) -> None:
    container = Container(prefix, stack, broker, influx.url, tmp_path)
    before = {path: path.read_bytes() for path in stack.directory.rglob("*") if path.is_file()}
    assert "no answer" in container.healthy().stderr
    with container.serving():
        fleet = subprocess.Popen(
            [
                str(prefix / "bin/anju"),
                "fleet",
                f"--community={COMMUNITY}",
                f"--broker=localhost:{broker.port}",
                f"--broker-ca={stack.directory / 'fleet/ca.crt'}",
                f"--passwords={stack.directory / 'fleet/devices.csv'}",
                "--rate=1000",
            ],
            env=container.environment,
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            eventually(lambda: told(influx, "smoke"), 120, "a reading of a smoke detector in InfluxDB")
        finally:
            fleet.terminate()
            fleet.wait(10)
    assert "已应用 applied" in container.said
    assert "Grafana's own alerts reach nobody" in container.said, "this community has no bridge for them"
    assert {path: path.read_bytes() for path in stack.directory.rglob("*") if path.is_file()} == before, (
        "the deployment's files are read-only where the gateway runs"
    )


def told(influx: Influxd, measurement: str) -> bool:
    try:
        return bool(influx.query(f'SELECT count(*) FROM "{measurement}"'))
    except AssertionError:  # the database is not there yet
        return False


def test_alarms_wait_neither_for_a_store_nor_for_a_right_community(
    prefix: Path, stack: Stack, broker: StackBroker, tmp_path: Path
) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    container = Container(prefix, stack, broker, nowhere, tmp_path)
    container.key = tmp_path / "none"
    container.apply()
    broken = tmp_path / "community.yaml"
    broken.write_text("community: {id: x}\n", encoding="utf-8")
    container.community = broken
    with container.serving():
        eventually(lambda: "the telemetry store is not prepared yet" in container.said, 120, "it says so")
    assert "the community was NOT applied, the former one stays in force" in container.said


def test_a_deployment_that_was_not_initialised_says_what_to_do(
    prefix: Path, stack: Stack, broker: StackBroker, tmp_path: Path
) -> None:
    container = Container(prefix, stack, broker, "http://127.0.0.1:1", tmp_path)
    container.settings.unlink()
    done = container.enter()
    assert done.returncode == 1
    assert "docker compose run --rm init" in done.stderr
    other = container.enter("sh", "-c", "echo $0 $1", "as", "it is")
    assert (other.returncode, other.stdout) == (0, "as it is\n")
