"""A real Mosquitto for tests: on a free loopback port, in a temporary directory, anonymous, with persistence.

For the broker as Anju configures it (users, access lists) tests use `gateway.transports.broker.ManagedBroker` itself.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.support.eventually import eventually
from tests.support.ports import free_port as free_port


def answers(port: int) -> bool:
    """Does anything accept TCP connections on this loopback port?"""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


class Mosquitto:
    """One broker process that can be stopped, killed and started again on the same port with the same data."""

    host = "127.0.0.1"

    def __init__(self, directory: Path, *, port: int | None = None, extra_config: str = "") -> None:
        self.directory = directory
        self.port = port or free_port()
        self._extra = extra_config
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        return self.directory / "mosquitto.log"

    def start(self) -> None:
        """Start and wait until it accepts connections."""
        executable = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
        self.directory.mkdir(parents=True, exist_ok=True)
        config = self.directory / "mosquitto.conf"
        config.write_text(
            f"listener {self.port} {self.host}\n"
            "allow_anonymous true\n"
            "persistence true\n"
            f"persistence_location {self.directory}/\n"
            "autosave_interval 1\nautosave_on_changes true\n"
            "max_queued_messages 0\n"
            "sys_interval 1\n"
            f"{'user root' if Path('/proc/self').owner() == 'root' else ''}\n"
            f"{self._extra}\n",
            encoding="utf-8",
        )
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [executable, "-c", str(config)], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        try:
            eventually(lambda: self._running() and answers(self.port), 10, f"Mosquitto on port {self.port}")
        except AssertionError:
            self.kill()
            raise AssertionError(self.log.read_text(encoding="utf-8", errors="replace")) from None

    def _running(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError(self.log.read_text(encoding="utf-8", errors="replace"))
        return True

    def stop(self) -> None:
        """End it politely (SIGTERM: it saves its persistence file)."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)
            self.process = None

    def kill(self) -> None:
        """End it with SIGKILL: nothing is saved."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)
            self.process = None


@contextlib.contextmanager
def mosquitto(directory: Path, *, extra_config: str = "") -> Iterator[Mosquitto]:
    """A running Mosquitto, ended when the block is left::

    @pytest.fixture
    def broker(tmp_path):
        with mosquitto(tmp_path / "broker") as running:
            yield running
    """
    broker = Mosquitto(directory, extra_config=extra_config)
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()
