"""(d) A whole simulated community on the gateway: what ten thousand devices cost, connecting, living, and faster.

The devices are those of `anju fleet make`, each on an MQTT connection of its own, all in one process; the gateway, its
broker and the simulator share the machine. The rate is the simulator's: at 1 a device reports as often as a real one.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from bench.path import Say
from bench.report import Figures
from bench.system import Reading, System, running
from devices.observation import Lane
from firmware_sim.maker import make
from gateway.registry.channels import AppriseChannel
from gateway.registry.load import load_community

EXAMPLE = Path(__file__).parents[1] / "examples/tuanjiehu/community.yaml"
NOBODY = tuple(AppriseChannel(id=id_, type="apprise", url="json://127.0.0.1:9/{to}") for id_ in ("messenger", "sms"))
"""Messengers that refuse at once: the few cases of a quiet town are not what is measured."""
BEHIND_S = 5.0
"""Kept up: what is under way at the end is less than this many seconds' worth."""


@dataclass(frozen=True)
class Size:
    devices: int = 10_000
    rates: tuple[float, ...] = (1.0, 10.0, 50.0)
    """Of the simulator, one run each."""
    connect_within_s: float = 300.0
    settle_s: float = 20.0
    measure_s: float = 60.0


QUICK = Size(devices=200, rates=(20.0,), settle_s=1.0, measure_s=3.0)


class FleetError(Exception):
    """The fleet did not start, did not connect in time, or ended by itself."""


def run(size: Size, say: Say) -> list[Figures]:
    """Connect a community, and let it live at each rate. Raises FleetError, and as `path.run`."""
    connecting = Figures(
        f"(d) {size.devices:,} devices connect, and each says that it is there",
        (
            "rate",
            "took s",
            "said meanwhile",
            "simulator CPU",
            "broker CPU",
            "gateway CPU",
            "until all decided s",
        ),
    )
    living = Figures(
        f"(d) {size.devices:,} devices live, each on a connection of its own, all in one process",
        (
            "rate",
            "messages/s",
            "events/s",
            "simulator CPU",
            "memory",
            "gateway CPU",
            "memory",
            "broker CPU",
            "memory",
            "behind",
            "kept up",
        ),
    )
    with tempfile.TemporaryDirectory(prefix="anju-bench-", dir=Path.cwd()) as directory:
        file = Path(directory) / "large.yaml"
        say(f"making up a community of {size.devices:,} devices")
        file.write_text(make(size.devices, 1, EXAMPLE), encoding="utf-8")
        community = load_community(file).model_copy(update={"channels": NOBODY})
        for rate in size.rates:
            with running(community) as system:
                _measure(system, file, rate, size, say, connecting, living)
    connecting.notes.append("16 connections are opened at a time; until all is decided: since the first of them")
    living.notes += [
        "each device has a connection, a session and a last will of its own; memory is resident",
        f"kept up: at the end less than {BEHIND_S:g} s' worth was under way anywhere",
        "100 % is one core; simulator, broker and gateway share the machine",
    ]
    return [connecting, living]


def _measure(
    system: System, file: Path, rate: float, size: Size, say: Say, connecting: Figures, living: Figures
) -> None:
    before, begun = system.read(), time.monotonic()
    with _fleet(system, file, rate) as fleet:
        say(f"rate {rate:g}: {size.devices:,} devices connect")
        while (figures := fleet.figures())["connected"] < size.devices:
            if time.monotonic() - begun > size.connect_within_s:
                raise FleetError(f"{figures['connected']} of {size.devices} connected in {size.connect_within_s:g} s")
            time.sleep(0.2)
        connected, took_s = system.read(), time.monotonic() - begun
        connected_cpu_s = fleet.cpu_s
        _wait_decided(system)
        connecting.add(
            f"{rate:g}",
            f"{took_s:.0f}",
            f"{_accepted(connected) - _accepted(before):,}",
            f"{connected_cpu_s / took_s:.0%}",
            f"{(connected.broker_cpu_s - before.broker_cpu_s) / took_s:.0%}",
            f"{(connected.gateway_cpu_s - before.gateway_cpu_s) / took_s:.0%}",
            f"{time.monotonic() - begun:.0f}",
        )
        time.sleep(size.settle_s)
        say(f"rate {rate:g}: {size.devices:,} devices live")
        first, said, cpu_s = system.read(), fleet.figures(), fleet.cpu_s
        time.sleep(size.measure_s)
        last, told, elapsed = system.read(), fleet.figures(), system.read().at_s - first.at_s
        per_s = (_accepted(last) - _accepted(first)) / elapsed
        behind = int(told["unacked"]) + max(last.decider_lag, last.store_lag)
        living.add(
            f"{rate:g}",
            f"{per_s:,.0f}",
            f"{(told['events'] - said['events']) / elapsed:,.1f}",
            f"{(fleet.cpu_s - cpu_s) / elapsed:.0%}",
            f"{fleet.memory / 2**20:,.0f} MB",
            f"{(last.gateway_cpu_s - first.gateway_cpu_s) / elapsed:.0%}",
            f"{last.gateway_rss / 2**20:,.0f} MB",
            f"{(last.broker_cpu_s - first.broker_cpu_s) / elapsed:.0%}",
            f"{system.broker_rss() / 2**20:,.0f} MB",
            f"{behind:,}",
            "yes" if behind <= BEHIND_S * per_s else "no",
        )


def _accepted(reading: Reading) -> int:
    return sum(reading.accepted[lane] for lane in Lane)


def _wait_decided(system: System, within_s: float = 120.0) -> None:
    deadline = time.monotonic() + within_s
    while system.read().decider_lag and time.monotonic() < deadline:
        time.sleep(0.2)


class _Fleet:
    """`anju fleet --figures` as a process, and the newest of its lines."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._watched = psutil.Process(process.pid)
        self._newest: dict[str, Any] = {"connected": 0, "unacked": 0, "events": 0}
        self._reader = threading.Thread(target=self._read, name="fleet figures", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._newest = json.loads(line)

    def figures(self) -> Mapping[str, Any]:
        """Raises FleetError when it has ended."""
        if self._process.poll() is not None:
            assert self._process.stderr is not None
            raise FleetError(f"the fleet ended with {self._process.returncode}: {self._process.stderr.read()[-500:]}")
        return self._newest

    @property
    def cpu_s(self) -> float:
        times = self._watched.cpu_times()
        return float(times.user + times.system)

    @property
    def memory(self) -> int:
        return int(self._watched.memory_info().rss)


@contextlib.contextmanager
def _fleet(system: System, file: Path, rate: float) -> Iterator[_Fleet]:
    broker = system.for_devices
    password = file.with_name("password")
    password.write_text(broker.password, encoding="utf-8")
    command = [sys.executable, "-m", "gateway", "fleet", "--community", str(file), "--rate", str(rate), "--figures"]
    command += ["--broker", f"{broker.host}:{broker.port}", "--username", broker.username]
    command += ["--password-file", str(password)]
    root = str(Path(__file__).parents[1])
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=root)
    try:
        yield _Fleet(process)
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
