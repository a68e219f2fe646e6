"""What a managed broker is told: its users, who may do what, and how much it keeps. Text only; no process here."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePath

from gateway.settings import Secrets, write_private

GATEWAY_USER = "gateway"
DEVICES_USER = "devices"
GEAR_USER = "gear"
"""Zigbee2MQTT, Frigate and the like: everything but Anju's own topics."""
HOME_USER = "home"
"""A home assistant: everything but what devices and the gateway say to each other. It may see what is announced, and
say what devices are to do; whether they obey, the gateway decides."""
CLIENT_KEY = "MQTT_CLIENT_KEY"
"""The secret in the gateway's client ids, with any broker."""
MAX_PACKET_BYTES = 1_048_576
"""Far above what a device may send, so that an oversize message reaches the quarantine instead of being cut off."""
MAX_QUEUED_MESSAGES = 200_000
"""Per client and therefore per lane: a full routine queue takes nothing from the urgent one. ~100 MB when full."""
_DAMAGED = "Couldn't open database"
AUTOSAVE_S = 2
"""Mosquitto writes its whole state to disk this often (2.0.11: a second later), and answers nobody meanwhile. By time
and not by number of changes: under a flood the state is large and changes come by the thousand, and a broker that wrote
it after every 100 of them wrote 100 MB/s and took 1,500 messages/s (measured) where it takes 10,000; in a quiet hour
100 changes would be a long time. While the gateway does not read, `ManagedBroker` has it saved every second."""
CLIENT_EXPIRY = "30d"
NATS_ACK_WAIT = "2s"
"""nats-server sends an unacknowledged message again only after this long, also to a new connection. What the journal
takes longer for comes twice, which it knows how to handle."""
MAX_STORE_BYTES = 2 * 2**30
_HASH_ITERATIONS = 1000


def ensure_broker_users(
    known: Secrets,
    *,
    gateway_secret: str = "MQTT_PASSWORD",
    device_secret: str = "MQTT_DEVICE_PASSWORD",
    gear_secret: str = "MQTT_GEAR_PASSWORD",
    home_secret: str = "MQTT_HOME_PASSWORD",
) -> dict[str, str]:
    """User → password of the managed broker. What is missing is generated once, into files only the owner can read."""
    return {
        GATEWAY_USER: known.ensure(gateway_secret),
        DEVICES_USER: known.ensure(device_secret),
        GEAR_USER: known.ensure(gear_secret),
        HOME_USER: known.ensure(home_secret),
    }


def write_mosquitto(
    directory: Path, *, host: str, port: int, users: Mapping[str, str], receive_maximum: int
) -> list[str]:
    """Write configuration, users and access list into ``directory``; returns the arguments to start with."""
    write_private(directory / "passwords", "".join(f"{user}:{hashed(users[user])}\n" for user in users))
    write_private(directory / "access", _mosquitto_access(users))
    lines = [
        "# Written by Anju at every start; changes here are lost.",
        "per_listener_settings false",
        f"listener {port} {host}",
        "allow_anonymous false",
        f"password_file {directory / 'passwords'}",
        f"acl_file {directory / 'access'}",
        *mosquitto_keeps(directory, receive_maximum),
        "log_dest stdout",
        "log_timestamp false",
        "log_type error",
        "log_type warning",
        "log_type notice",
    ]
    if os.geteuid() == 0:
        # Else it becomes the user mosquitto, who may not read the data directory.
        lines.append("user root")
    write_private(directory / "mosquitto.conf", "\n".join(lines) + "\n")
    return ["-c", str(directory / "mosquitto.conf")]


def mosquitto_keeps(data_dir: PurePath, receive_maximum: int) -> list[str]:
    """Lines of a configuration: what Mosquitto keeps for whom, how much, and when it writes it to ``data_dir``."""
    return [
        "persistence true",
        f"persistence_location {data_dir}/",
        "autosave_on_changes false",
        f"autosave_interval {AUTOSAVE_S}",
        f"persistent_client_expiration {CLIENT_EXPIRY}",
        f"max_queued_messages {MAX_QUEUED_MESSAGES}",
        "max_queued_bytes 0",
        # Off-the-shelf gear often publishes with QoS 0: what came while the gateway was away is to be kept, too.
        "queue_qos0_messages true",
        f"max_inflight_messages {receive_maximum}",
        f"max_packet_size {MAX_PACKET_BYTES}",
        "set_tcp_nodelay true",
    ]


def set_damaged_aside(directory: Path, said: Iterable[str]) -> Path | None:
    """Where Mosquitto does not start because what it kept in ``directory`` is damaged (a power cut on a tired disk),
    move that aside; returns where it is now. None where ``said``, its last words, say something else."""
    kept = directory / "mosquitto.db"
    if not any(_DAMAGED in line for line in said) or not kept.exists():
        return None
    return kept.replace(kept.with_suffix(".damaged"))


def service_rules(user: str) -> list[str]:
    """The lines of an access list for a user that is no device: `GATEWAY_USER`, `GEAR_USER` or `HOME_USER`."""
    rules = {
        GATEWAY_USER: ["readwrite #", "read $SYS/#"],
        GEAR_USER: ["readwrite #", "deny anju/#"],
        HOME_USER: ["readwrite #", "deny anju/v1/#"],
    }[user]
    return [f"topic {rule}" for rule in rules]


def _mosquitto_access(users: Mapping[str, str]) -> str:
    """The gateway may do everything; devices may report, and read commands; gear may do what is not below anju/, a home
    assistant what is not below anju/v1/.

    Topics with a level too few or too many may be published so that they are seen in quarantine; they can never be
    command topics, which have exactly five levels.
    """
    blocks = []
    for user in users:
        if user in (GATEWAY_USER, GEAR_USER, HOME_USER):
            rules = service_rules(user)
        else:
            may = [f"write anju/v1/+/+/{channel}" for channel in ("event", "telemetry", "status")]
            may += ["write anju/v1/+", "write anju/v1/+/+", "write anju/v1/+/+/+/+/#", "read anju/v1/+/+/command"]
            rules = [f"topic {rule}" for rule in may]
        blocks.append(f"user {user}\n" + "".join(f"{rule}\n" for rule in rules))
    return "\n".join(blocks)


def hashed(password: str, *, iterations: int = _HASH_ITERATIONS) -> str:
    """The format of mosquitto_passwd since 2.0: PBKDF2-HMAC-SHA512, ``$7$iterations$salt$hash``."""
    salt = secrets.token_bytes(12)
    key = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, iterations)
    return f"$7${iterations}${base64.b64encode(salt).decode()}${base64.b64encode(key).decode()}"


def is_hash_of(text: str, password: str) -> bool:
    """Whether ``text`` is what `hashed` made of this password. False for what it did not make."""
    try:
        _, version, iterations, salt, key = text.split("$")
        made = hashlib.pbkdf2_hmac("sha512", password.encode(), base64.b64decode(salt), int(iterations))
        return version == "7" and hmac.compare_digest(made, base64.b64decode(key))
    except ValueError:
        return False


def write_nats(
    directory: Path, *, host: str, port: int, own_port: int, users: Mapping[str, str], receive_maximum: int
) -> list[str]:
    """The same for nats-server: its MQTT door at ``port``, JetStream on disk with an fsync per write."""
    everything = [">"]

    def all_but(*ours: str) -> dict[str, object]:
        says = {"allow": everything, "deny": [*ours, "$SYS.>", "$JS.>", "$MQTT.>"]}
        hears = {"allow": everything, "deny": [*ours, "$SYS.>", "$JS.>"]}  # its own deliveries come by $MQTT
        return {"publish": says, "subscribe": hears}

    reports = {"allow": ["anju.v1.>"], "deny": ["anju.v1.*.*.command"]}
    accounts = [
        {
            "user": user,
            "password": password,
            "permissions": {
                GATEWAY_USER: {"publish": everything, "subscribe": everything},
                GEAR_USER: all_but("anju.>"),
                HOME_USER: all_but("anju.v1.>"),
            }.get(user, {"publish": reports, "subscribe": ["anju.v1.*.*.command"]}),
        }
        for user, password in users.items()
    ]
    config = {
        "server_name": "anju",
        # NATS's own protocol is not used, but cannot be switched off: loopback, a free port, the same users.
        "listen": f"127.0.0.1:{own_port}",
        "max_payload": MAX_PACKET_BYTES,
        "jetstream": {
            "store_dir": str(directory / "jetstream"),
            "max_file_store": MAX_STORE_BYTES,
            "sync_interval": "always",
        },
        "mqtt": {"listen": f"{host}:{port}", "max_ack_pending": receive_maximum, "ack_wait": NATS_ACK_WAIT},
        "accounts": {"ANJU": {"jetstream": "enabled", "users": accounts}},
    }
    # The configuration language of nats-server is a superset of JSON.
    write_private(directory / "nats.conf", json.dumps(config, indent=1) + "\n")
    return ["-c", str(directory / "nats.conf")]
