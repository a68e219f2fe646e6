"""The configuration of a Mosquitto that serves a deployment: TLS only, a password for everybody, each device itself."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

from gateway.transports.broker_config import (
    GATEWAY_USER,
    GEAR_USER,
    HOME_USER,
    hashed,
    is_hash_of,
    mosquitto_keeps,
    service_rules,
)

PORT = 8883
HEALTH_USER = "health"
"""Asks the broker whether it lives, and may do nothing else."""
SERVICES = (GATEWAY_USER, GEAR_USER, HOME_USER, HEALTH_USER)
RECEIVE_MAXIMUM = 200
ALIVE_TOPIC = "$SYS/broker/uptime"
_DEVICE_ITERATIONS = 101
"""A device's password is 144 bits of chance, which nobody finds by trying: more would only slow the broker down when
thousands of devices come back at once."""


def configuration(config_dir: PurePosixPath, data_dir: PurePosixPath, *, port: int = PORT) -> str:
    """``mosquitto.conf``: where it finds its files, whom it lets in, how much it keeps."""
    lines = [
        "# Written by `anju init`, again at every run. Lines of your own: files *.conf in the directory extra.",
        "per_listener_settings false",
        "# The only way in: there is no listener without TLS.",
        f"listener {port}",
        "protocol mqtt",
        f"certfile {config_dir}/server.crt",
        f"keyfile {config_dir}/server.key",
        "tls_version tlsv1.2",
        "allow_anonymous false",
        f"password_file {config_dir}/passwords",
        f"acl_file {config_dir}/access",
        *mosquitto_keeps(data_dir, RECEIVE_MAXIMUM),
        "log_dest stdout",
        "log_type error",
        "log_type warning",
        "log_type notice",
        f"include_dir {config_dir}/extra",
    ]
    return "\n".join(lines) + "\n"


def access(community: str | None) -> str:
    """The access list. A device is its user name: it reports as itself alone, and reads its own commands alone.

    ``community``: the id in the topics; None: any, because no community was named.
    """
    blocks = ["# Written by `anju init`, again at every run."]
    for user in (GATEWAY_USER, GEAR_USER, HOME_USER):
        blocks.append("\n".join([f"user {user}", *service_rules(user)]))
    blocks.append(f"user {HEALTH_USER}\ntopic read {ALIVE_TOPIC}\ntopic deny anju/#")
    own = f"anju/v1/{community or '+'}/%u"
    rules = [f"pattern write {own}/{channel}" for channel in ("event", "telemetry", "status")]
    blocks.append("\n".join(["# Everybody else is a device.", *rules, f"pattern read {own}/command"]))
    return "\n\n".join(blocks) + "\n"


def community_of(written: str | None) -> str | None:
    """The community that an access list was written for; None where it names none."""
    found = re.search(r"^pattern write anju/v1/([^/+]+)/%u/event$", written or "", re.MULTILINE)
    return found.group(1) if found else None


def passwords(services: Mapping[str, str], devices: Iterable[tuple[str, str]], before: str | None) -> str:
    """The password file. A line of ``before`` stays where it is still right, so that nothing changes without need."""
    known = dict(line.split(":", 1) for line in (before or "").splitlines() if ":" in line)

    def line(user: str, password: str, iterations: int | None) -> str:
        found = known.get(user)
        if found is None or not is_hash_of(found, password):
            found = hashed(password) if iterations is None else hashed(password, iterations=iterations)
        return f"{user}:{found}"

    lines = [line(user, password, None) for user, password in services.items()]
    lines += [line(device, password, _DEVICE_ITERATIONS) for device, password in devices]
    return "\n".join(lines) + "\n"


def health_options(config_dir: PurePosixPath, password: str, *, port: int = PORT) -> str:
    """Options of `mosquitto_sub`, which it reads from ``$XDG_CONFIG_HOME/mosquitto_sub``: no password on its command
    line."""
    options = (f"-h localhost\n-p {port}", f"--cafile {config_dir}/ca.crt", f"-u {HEALTH_USER}", f"-P {password}")
    return "\n".join(options) + "\n"
