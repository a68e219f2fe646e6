"""The gateway under test: a child process of its own with its managed broker and embedded store, as in a community."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
from prometheus_client.parser import text_string_to_metric_families

from devices.observation import Lane
from gateway.clock import SystemClock
from gateway.demo.stage import Stage
from gateway.registry import store as registry_store
from gateway.registry.model import Community
from gateway.settings import Settings
from gateway.state.db import open_database
from gateway.transports.broker_config import DEVICES_USER, GATEWAY_USER, ensure_broker_users
from gateway.transports.broker_ports import free_port


@dataclass(frozen=True)
class BrokerAddress:
    host: str
    port: int
    username: str
    password: str


@dataclass(frozen=True)
class Reading:
    """Counters and sizes at one instant; rates are differences."""

    at_s: float
    """On the monotonic clock."""
    accepted: dict[Lane, int]
    """Observations on the gateway's disk."""
    decided: dict[Lane, int]
    decider_lag: int
    """Routine observations on disk that the decider has still to read."""
    store_lag: int
    gateway_cpu_s: float
    broker_cpu_s: float
    gateway_rss: int
    """Bytes."""


class System:
    """A running gateway: where its broker is, and what it says of itself."""

    def __init__(self, url: str, port: int, passwords: dict[str, str], gateway: psutil.Process, data_dir: Path) -> None:
        self.data_dir = data_dir
        self._url = url
        self._port = port
        self._passwords = passwords
        self._gateway = gateway
        self._broker = gateway.children()[0]

    @property
    def for_devices(self) -> BrokerAddress:
        return BrokerAddress("127.0.0.1", self._port, DEVICES_USER, self._passwords[DEVICES_USER])

    @property
    def for_gateway(self) -> BrokerAddress:
        """The broker's user who may read and write everything."""
        return BrokerAddress("127.0.0.1", self._port, GATEWAY_USER, self._passwords[GATEWAY_USER])

    def broker_cpu_s(self) -> float:
        return cpu_s(self._broker)

    def broker_rss(self) -> int:
        """Bytes."""
        return int(self._broker.memory_info().rss)

    def read(self) -> Reading:
        """Ask the gateway for its metrics, and the operating system for the processes' time. Raises httpx.HTTPError."""
        answer = httpx.get(f"{self._url}/metrics", timeout=30, trust_env=False)
        answer.raise_for_status()
        values: dict[tuple[str, ...], float] = {}
        for family in text_string_to_metric_families(answer.text):
            for sample in family.samples:
                values[sample.name, *(sample.labels[name] for name in sorted(sample.labels))] = sample.value

        def count(*key: str) -> int:
            return int(values.get(key, 0))

        return Reading(
            at_s=time.monotonic(),
            accepted={lane: count("anju_journal_entries_total", "accepted", lane.value) for lane in Lane},
            decided={lane: count("anju_decided_total", lane.value) for lane in Lane},
            decider_lag=count("anju_journal_lag", Lane.ROUTINE.value, "decider"),
            store_lag=count("anju_store_lag"),
            gateway_cpu_s=cpu_s(self._gateway),
            broker_cpu_s=self.broker_cpu_s(),
            gateway_rss=self._gateway.memory_info().rss,
        )


def cpu_s(process: psutil.Process) -> float:
    """Processor seconds since it began."""
    times = process.cpu_times()
    return times.user + times.system


@contextlib.contextmanager
def running(
    community: Community, more: Mapping[str, str] | None = None, prepare: Callable[[Path], None] | None = None
) -> Iterator[System]:
    """A gateway with this community, in a temporary directory beside the working directory: on a real disk.

    ``more``: further ``ANJU_…`` variables; ``prepare`` is called with the data directory before it starts. Raises
    StageError when it does not start.
    """
    with tempfile.TemporaryDirectory(prefix="anju-bench-", dir=Path.cwd()) as directory:
        settings = Settings(data_dir=Path(directory))
        passwords = ensure_broker_users(settings.secrets)
        engine = open_database(settings.database)
        registry_store.apply(engine, community, "bench", SystemClock().now_ms())
        engine.dispose()
        if prepare is not None:
            prepare(Path(directory))
        port, api_port = free_port("127.0.0.1"), free_port("127.0.0.1")
        url = f"http://127.0.0.1:{api_port}"
        with Stage(Path(directory) / "logs") as stage:
            pid = stage.start(
                "gateway",
                ["serve", "--data-dir", directory],
                {"ANJU_API__PORT": str(api_port), "ANJU_BROKER__PORT": str(port), **(more or {})},
            )
            stage.wait_until("the gateway", lambda: _ready(url))
            yield System(url, port, passwords, psutil.Process(pid), Path(directory))


def _ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=2.0, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False
