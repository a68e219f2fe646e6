"""Real telemetry servers for tests, on free loopback ports: Debian's InfluxDB 1.6.7 and VictoriaMetrics."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import httpx

from devices.observation import Lane, Observation, Waveform
from gateway.settings import StoreSettings
from tests.support.eventually import eventually
from tests.support.ports import free_port

START_MS = 1_790_000_000_000 // 3_600_000 * 3_600_000
"""A full hour."""
BUCKET = "anju"


class VirtualClock:
    """A clock that a test sets."""

    def __init__(self, now_ms: int = START_MS) -> None:
        self.ms = now_ms

    def now_ms(self) -> int:
        return self.ms

    def forward(self, *, s: float = 0, minutes: float = 0, hours: float = 0, days: float = 0) -> None:
        self.ms += round((s + 60 * minutes + 3600 * hours + 86_400 * days) * 1000)


class _Server:
    """A child process with an HTTP port that can be killed and started again on the same data."""

    name = ""
    ready = ""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def settings(self) -> StoreSettings:
        return StoreSettings(kind="influxdb", url=self.url, bucket=BUCKET)

    def command(self) -> list[str]:
        raise NotImplementedError

    def start(self) -> None:
        """Start and wait until it answers."""
        log_path = self.directory / "server.log"
        with log_path.open("ab") as log:
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=log, cwd=self.directory)
        try:
            eventually(self._answers, 20, f"{self.name} at {self.url}")
        except AssertionError:
            self.kill()
            raise AssertionError(log_path.read_text(errors="replace")[-4000:]) from None

    def _answers(self) -> bool:
        assert self.process is not None and self.process.poll() is None, f"{self.name} ended"
        try:
            return httpx.get(self.url + self.ready, timeout=1).is_success
        except httpx.HTTPError:
            return False

    def stop(self) -> None:
        """End it politely."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(20)
            self.process = None

    def kill(self) -> None:
        """End it with SIGKILL."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(20)
            self.process = None


class Influxd(_Server):
    """Debian's influxd 1.6.7."""

    name, ready = "influxd", "/ping"

    def __init__(self, directory: Path, *, auth: bool = False) -> None:
        super().__init__(directory)
        self._rpc_port = free_port()
        self._auth = auth

    def command(self) -> list[str]:
        config = self.directory / "influxd.conf"
        config.write_text(
            "reporting-disabled = true\n"
            f'bind-address = "127.0.0.1:{self._rpc_port}"\n'
            f'[meta]\ndir = "{self.directory}/meta"\n'
            f'[data]\ndir = "{self.directory}/data"\nwal-dir = "{self.directory}/wal"\nquery-log-enabled = false\n'
            f'[http]\nbind-address = "127.0.0.1:{self.port}"\nlog-enabled = false\n'
            f"auth-enabled = {str(self._auth).lower()}\n"
            "[monitor]\nstore-enabled = false\n"
        )
        return ["influxd", "-config", str(config)]

    def query(self, text: str, *, epoch: str = "ms", auth: tuple[str, str] | None = None) -> list[dict[str, Any]]:
        """The series of an InfluxQL statement."""
        params = {"db": BUCKET, "q": text, "epoch": epoch}
        answer = httpx.post(f"{self.url}/query", data=params, auth=auth, timeout=10).raise_for_status().json()
        result = answer["results"][0]
        assert "error" not in result, result
        return list(result.get("series", []))

    def write(self, line: str, policy: str = "") -> None:
        """A line from somebody else; ``policy``: the retention policy, where it is not the default."""
        params = {"db": BUCKET, "rp": policy}
        httpx.post(f"{self.url}/write", params=params, content=line, timeout=10).raise_for_status()

    def create(self, auth: tuple[str, str] | None = None) -> None:
        self.query(f'CREATE DATABASE "{BUCKET}"', auth=auth)

    def drop(self) -> None:
        self.query(f'DROP DATABASE "{BUCKET}"')


class Victoria(_Server):
    """Debian's victoria-metrics."""

    name, ready = "victoria-metrics", "/health"

    def command(self) -> list[str]:
        return [
            "victoria-metrics",
            f"-httpListenAddr=127.0.0.1:{self.port}",
            f"-storageDataPath={self.directory}/data",
            "-retentionPeriod=100y",
            "-dedup.minScrapeInterval=1ms",
            "-search.disableCache",
        ]

    def started(self) -> str:
        """Its start, in whole seconds."""
        metrics = httpx.get(f"{self.url}/metrics", timeout=5).text
        return next(line.split()[1] for line in metrics.splitlines() if line.startswith("vm_app_start_timestamp"))

    def restart_killed(self) -> None:
        """SIGKILL, and a start that can be told from the one before."""
        before = self.started()
        while True:
            self.kill()
            self.start()
            if self.started() != before:
                return

    def export(self, match: str = '{__name__!=""}') -> dict[str, dict[int, float]]:
        """All points: ``metric device`` → time in ms → value."""
        httpx.get(f"{self.url}/internal/force_flush", timeout=10).raise_for_status()
        params = {"match[]": match, "start": "0", "end": "4102444800"}
        answer = httpx.get(f"{self.url}/api/v1/export", params=params, timeout=20).raise_for_status()
        points: dict[str, dict[int, float]] = {}
        for line in answer.text.splitlines():
            series = json.loads(line)
            name = f"{series['metric']['__name__']} {series['metric'].get('device', '')}"
            points.setdefault(name, {}).update(zip(series["timestamps"], series["values"], strict=True))
        return points


_sequence = iter(range(1, 2**62))


def observe(
    at_ms: int,
    metrics: dict[str, float] | None = None,
    *,
    device: str = "bed-3",
    kind: str = "vitals_monitor",
    event: str | None = None,
    waveform: Waveform | None = None,
) -> Observation:
    """An observation as a decoder would make it."""
    return Observation(
        message_id=f"{device}:1:{next(_sequence)}",
        device=device,
        kind=kind,
        lane=Lane.URGENT if event else Lane.ROUTINE,
        observed_at_ms=at_ms,
        received_at_ms=at_ms + 40,
        metrics=metrics or {},
        event=event,
        waveform=waveform,
    )
