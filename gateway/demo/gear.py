"""The off-the-shelf gear of a demo: its lines, its keys, and the process that simulates it."""

from __future__ import annotations

import json
from pathlib import Path

import sqlalchemy as sa

from devices.profiles import PROFILES
from gateway.clock import SystemClock
from gateway.gear.bridges import speaks_on_a_line
from gateway.gear.keys import create_key
from gateway.registry.model import Community
from gateway.settings import Secrets, write_private
from gateway.state.db import writing
from gateway.transports.broker_config import GEAR_USER

LINES = "lines"


def lines(town: Community, data_dir: Path) -> list[dict[str, str]]:
    """The serial lines of its bridges, as the settings name them."""
    return [
        {"name": bridge.id, "port": str(data_dir / LINES / bridge.id / "gateway.tty")}
        for bridge in town.bridges
        if speaks_on_a_line(bridge)
    ]


def push_keys(engine: sa.Engine, town: Community, secrets: Secrets) -> Path:
    """A file with a new key for each bridge that pushes over HTTP; only its owner can read it."""
    senders = [bridge.id for bridge in town.bridges if PROFILES[bridge.profile].carrier == "http"]
    now_ms = SystemClock().now_ms()
    with writing(engine) as connection:
        keys = {sender: create_key(connection, sender, now_ms) for sender in senders}
    path = secrets.directory / "demo-push-keys.json"
    write_private(path, json.dumps(keys) + "\n")
    return path


def command(community: Path, data_dir: Path, secrets: Secrets, broker_port: int, url: str, keys: Path) -> list[str]:
    """`anju gear …`."""
    return [
        "gear",
        *("--community", str(community)),
        *("--broker", f"127.0.0.1:{broker_port}"),
        *("--username", GEAR_USER),
        *("--password-file", str(secrets.directory / "MQTT_GEAR_PASSWORD")),
        *("--lines", str(data_dir / LINES)),
        *("--push", url),
        *("--push-keys", str(keys)),
    ]
