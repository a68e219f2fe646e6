"""A deployment as `anju init` makes it, in a temporary directory, and its broker run by Debian's Mosquitto.

What a container finds at fixed paths is put where the test has it: those paths and the port are all that is changed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from gateway.clock import SystemClock
from gateway.init import deployment
from gateway.init.deployment import CONTAINER_OWNERS, Kind, Made
from gateway.init.keeper import Keeper
from gateway.registry.load import read_community
from tests.support.broker import answers
from tests.support.eventually import eventually
from tests.support.ports import free_port

ROOT = Path(__file__).parents[2]
COMMUNITY = ROOT / "examples/luyuan/community.yaml"
"""Four devices of the native protocol: sos-guo, service-guo, sos-sun, smoke-sun."""


@contextlib.contextmanager
def open_directory() -> Iterator[Path]:
    """A temporary directory that other users may enter, as the services of a deployment are others."""
    with tempfile.TemporaryDirectory(prefix="anju-stack-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        yield directory


@dataclass
class Stack:
    """The files of a deployment."""

    directory: Path
    runs: list[Made] = field(default_factory=list)

    def init(
        self,
        *,
        community: Path | None = COMMUNITY,
        devices: Sequence[str] = (),
        names: Sequence[str] = (),
        now_ms: int | None = None,
    ) -> Keeper:
        """What `anju init` does; files go to the services' users where the test may give them away."""
        keeper = Keeper(self.directory, dict(CONTAINER_OWNERS) if os.geteuid() == 0 else None)
        town = read_community(community).community if community is not None else None
        at_ms = SystemClock().now_ms() if now_ms is None else now_ms
        self.runs.append(deployment.make(keeper, Kind.CONTAINERS, at_ms, community=town, devices=devices, names=names))
        return keeper

    def read(self, name: str) -> str:
        """What stands in a file, without the end of its line."""
        return (self.directory / name).read_text(encoding="utf-8").strip()

    def password(self, device: str) -> str:
        rows = dict(line.split(",")[:2] for line in self.read("devices.csv").splitlines())
        return rows[device]


class StackBroker:
    """Mosquitto with the configuration of a deployment, as the user that it has in its container."""

    host = "127.0.0.1"

    def __init__(self, stack: Stack, directory: Path) -> None:
        self.stack = stack
        self.port = free_port()
        self._directory = directory
        self._as = CONTAINER_OWNERS["mosquitto"].uid if os.geteuid() == 0 else None
        for room in ("config", "data"):
            path = directory / room
            path.mkdir(exist_ok=True)
            self._give(path)
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def config(self) -> Path:
        return self._directory / "config"

    @property
    def log(self) -> Path:
        return self._directory / "mosquitto.log"

    def take_files(self) -> None:
        """The deployment's files as they are now, at the paths of this test."""
        source = self.stack.directory / "mosquitto"
        shutil.copytree(source, self.config, dirs_exist_ok=True)
        for name in ("mosquitto.conf", "mosquitto_sub"):
            file = self.config / name
            text = (source / name).read_text(encoding="utf-8")
            text = text.replace("/mosquitto/config", str(self.config)).replace(
                "/mosquitto/data", f"{self._directory}/data"
            )
            text = text.replace("listener 8883", f"listener {self.port}").replace("-p 8883", f"-p {self.port}")
            file.write_text(text, encoding="utf-8")
        for file in (self.config, *self.config.rglob("*")):
            self._give(file)

    def _give(self, path: Path) -> None:
        if self._as is not None:
            os.chown(path, self._as, self._as)

    def start(self) -> None:
        """Start it, and wait until it listens."""
        self.take_files()
        executable = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [executable, "-c", str(self.config / "mosquitto.conf")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=self._as,
                group=self._as,
                extra_groups=[] if self._as is not None else None,
            )
        eventually(self._listening, 10, f"Mosquitto on port {self.port}")

    def _listening(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text(encoding="utf-8", errors="replace")
        return answers(self.port)

    def read_again(self) -> None:
        """What `docker compose kill -s HUP mosquitto` does."""
        assert self.process is not None
        self.take_files()
        self.process.send_signal(signal.SIGHUP)

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)
            self.process = None


@contextlib.contextmanager
def running_broker(stack: Stack) -> Iterator[StackBroker]:
    with open_directory() as directory:
        broker = StackBroker(stack, directory)
        broker.start()
        try:
            yield broker
        finally:
            broker.stop()


def compose(path: str = "docker-compose.yml") -> dict[str, dict[str, dict[str, object]]]:
    """A compose file, with its anchors put in."""
    document = yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))
    assert isinstance(document, dict)
    return document
