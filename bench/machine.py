"""What the figures were taken on: without it no figure means anything."""

from __future__ import annotations

import platform
import shlex
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import psutil

from gateway.clock import SystemClock


def describe(directory: Path) -> list[tuple[str, str]]:
    """Name and value of everything that moves the figures; ``directory`` is where the databases lie."""
    cores = psutil.cpu_count(logical=True) or 0
    load = psutil.getloadavg()[0]
    when = datetime.fromtimestamp(SystemClock().now_ms() / 1000, UTC)
    return [
        ("date", f"{when:%Y-%m-%d %H:%M} UTC"),
        ("command", shlex.join([Path(sys.executable).name, "-m", "bench", *sys.argv[1:]])),
        ("processor", f"{_processor()}, {cores} logical cores"),
        ("memory", f"{psutil.virtual_memory().total / 2**30:.0f} GiB"),
        ("disk", _file_system(directory)),
        ("system", f"{platform.system()} {platform.release()}"),
        ("Python", platform.python_version()),
        ("broker", _mosquitto()),
        ("commit", _commit()),
        ("load before the run", f"{load:.2f}" + (" (the machine was busy with something else)" if load > 0.5 else "")),
    ]


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _file_system(directory: Path) -> str:
    inside = [p for p in psutil.disk_partitions(all=True) if directory.is_relative_to(p.mountpoint)]
    found = max(inside, key=lambda partition: len(partition.mountpoint), default=None)
    return "unknown" if found is None else f"{found.fstype} on {found.device}"


def _mosquitto() -> str:
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        return "nats-server (no Mosquitto found)"
    said = subprocess.run([program, "-h"], capture_output=True, text=True, check=False).stdout
    return said.splitlines()[0] if said else program


def _commit() -> str:
    try:
        said = subprocess.run(
            ["git", "describe", "--always", "--dirty"],
            capture_output=True,
            text=True,
            check=True,
            cwd=Path(__file__).parent,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return said.stdout.strip()
