"""What a deployment is made of: which files, for whom, and what stands in them."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path, PurePosixPath

import yaml

from gateway.answers import links
from gateway.init import broker, certificates, credentials
from gateway.init.certificates import Pair
from gateway.init.keeper import PUBLIC, Fate, Keeper, Owner
from gateway.registry.model import Community
from gateway.transports.broker_config import CLIENT_KEY, GATEWAY_USER, GEAR_USER, HOME_USER

INFLUX_USER = "anju"
INFLUX_READER = "grafana"
"""Who may read telemetry and nothing else: whoever sees a dashboard can send any request with Grafana's credentials."""


class Kind(StrEnum):
    """Where it is to run."""

    CONTAINERS = "containers"
    BOX = "box"


CONTAINER_OWNERS = {
    "gateway": Owner(8120, 8120),
    "fleet": Owner(8120, 8120),
    "mosquitto": Owner(1883, 1883),
    "influxdb": Owner(1000, 1000),
    "grafana": Owner(472, 0),
}
"""As whom each service runs in docker-compose.yml, which is as its image has it."""
BOX_USERS = {"gateway": "anju", "mosquitto": "mosquitto", "influxdb": "influxdb", "grafana": "grafana"}
"""As whom each service runs where Debian's packages and deploy/systemd have installed it."""
GRAFANA_PUSH_KEY = "GRAFANA_PUSH_KEY"
"""With it Grafana's own alerts come back into Anju."""
MQTT_SECRETS = {GATEWAY_USER: "MQTT_PASSWORD", GEAR_USER: "MQTT_GEAR_PASSWORD", HOME_USER: "MQTT_HOME_PASSWORD"}


@dataclass(frozen=True, slots=True)
class Sight:
    """Where services find each other and their files, as they themselves see it."""

    mosquitto_config: PurePosixPath
    mosquitto_data: PurePosixPath
    gateway: PurePosixPath
    broker_host: str
    influx_url: str
    api_host: str
    names: tuple[str, ...]
    """Of the broker, by which it is always reached."""

    @staticmethod
    def of(kind: Kind, directory: Path) -> Sight:
        """Where the parts of such a deployment find each other; ``directory`` is where its files lie."""
        if kind is Kind.CONTAINERS:
            return Sight(
                mosquitto_config=PurePosixPath("/mosquitto/config"),
                mosquitto_data=PurePosixPath("/mosquitto/data"),
                gateway=PurePosixPath("/etc/anju"),
                broker_host="mosquitto",
                influx_url="http://influxdb:8086",
                api_host="0.0.0.0",
                names=("mosquitto", "localhost", "127.0.0.1"),
            )
        here = PurePosixPath(directory.absolute())
        return Sight(
            mosquitto_config=here / "mosquitto",
            mosquitto_data=PurePosixPath("/var/lib/mosquitto"),
            gateway=here / "gateway",
            broker_host="localhost",
            influx_url="http://127.0.0.1:8086",
            api_host="127.0.0.1",
            names=("localhost", "127.0.0.1"),
        )


@dataclass(frozen=True, slots=True)
class Made:
    """What a run has found and done."""

    devices: int
    """How many devices have a password."""
    withdrawn: int
    """How many had one, and have none any more."""
    names: list[str]
    """By which devices may reach the broker."""
    certificate_ends: datetime
    authority_ends: datetime
    renewed_because: str | None
    """Why the broker's certificate was made anew; None where it was kept, or is the first."""


def make(
    keeper: Keeper,
    kind: Kind,
    now_ms: int,
    *,
    community: Community | None,
    devices: Sequence[str] = (),
    names: Sequence[str] = (),
) -> Made:
    """Make what is missing, and bring up to date what is made from other things.

    ``devices``: ids of devices that are in no file of the community. ``names``: host names and addresses by which
    devices reach the broker; those of earlier runs stay. Raises OSError, and ValueError with what cannot be used.
    """
    sight = Sight.of(kind, keeper.root)
    keeper.house()
    keeper.room("ca")
    rooms = [*BOX_USERS, *(["fleet"] if kind is Kind.CONTAINERS else [])]
    for room in rooms:
        keeper.room(room)
    authority = _authority(keeper, now_ms)
    pair, renewed_because = _server(keeper, authority, [*sight.names, *names], now_ms)
    table, withdrawn = _credentials(keeper, community, devices)
    _mosquitto(keeper, sight, table, community)
    _stores(keeper)
    _gateway(keeper, sight, authority)
    if kind is Kind.CONTAINERS:
        keeper.text("fleet/ca.crt", authority.certificate)
        keeper.text("fleet/devices.csv", credentials.write_table(table))
    return Made(
        devices=len(table),
        withdrawn=withdrawn,
        names=certificates.names_of(pair.certificate),
        certificate_ends=pair.ends,
        authority_ends=authority.ends,
        renewed_because=renewed_because,
    )


def due(keeper: Keeper, kind: Kind, now_ms: int) -> str | None:
    """Why `anju init` must be run again; None while it need not. Looks only. Raises ValueError, OSError."""
    certificate, key = keeper.read("mosquitto/server.crt"), keeper.read("mosquitto/server.key")
    authority, authority_key = keeper.read("ca.crt"), keeper.read("ca/ca.key")
    if not (certificate and key and authority and authority_key):
        return f"{keeper.root} holds no certificates yet"
    ca = Pair(authority, authority_key)
    names = Sight.of(kind, keeper.root).names
    return certificates.why_renew(Pair(certificate, key), ca, names, now_ms)


def _authority(keeper: Keeper, now_ms: int) -> Pair:
    """The key is written first, and everything else follows from it: a run that was cut off between the two goes on."""
    key = keeper.read("ca/ca.key")
    certificate = keeper.read("ca.crt")
    if key is None and certificate is not None:
        raise ValueError(
            f"{keeper.root / 'ca/ca.key'} is missing, and ca.crt is there: put the key back, or delete ca.crt and give "
            "every device the new one"
        )
    if key is None:
        pair = certificates.new_authority(now_ms)
    elif certificate is None:
        # Copies first: devices hold that one.
        copies = (keeper.read(f"{room}/ca.crt") for room in ("mosquitto", "gateway", "fleet"))
        found = next((copy for copy in copies if copy is not None and certificates.belongs(copy, key)), None)
        pair = Pair(found, key) if found is not None else certificates.authority_of(key, now_ms)
    else:
        if not certificates.belongs(certificate, key):
            raise ValueError(f"{keeper.root / 'ca.crt'} is not the certificate of ca/ca.key: put back the one that is")
        pair = Pair(certificate, key)
    if (pair.ends.timestamp() * 1000 - now_ms) / 1000 < certificates.SERVER_LIFE.total_seconds():
        pair = certificates.again(pair, now_ms)
    keeper.secret("ca/ca.key", lambda: pair.key.strip())
    keeper.text("ca.crt", pair.certificate, PUBLIC)
    return pair


def _server(keeper: Keeper, authority: Pair, wanted: list[str], now_ms: int) -> tuple[Pair, str | None]:
    certificate, key = keeper.read("mosquitto/server.crt"), keeper.read("mosquitto/server.key")
    why = None
    if certificate is not None and key is not None:
        pair = Pair(certificate, key)
        why = certificates.why_renew(pair, authority, wanted, now_ms)
        if why is None:
            keeper.text("mosquitto/server.key", key)
            keeper.text("mosquitto/server.crt", certificate, PUBLIC)
            return pair, None
        wanted = [*wanted, *certificates.names_of(certificate)]
    pair = certificates.new_server(authority, wanted, now_ms)
    keeper.text("mosquitto/server.key", pair.key)
    keeper.text("mosquitto/server.crt", pair.certificate, PUBLIC)
    return pair, why


def _credentials(
    keeper: Keeper, community: Community | None, by_hand: Sequence[str]
) -> tuple[list[credentials.Credential], int]:
    before = keeper.read("devices.csv")
    try:
        known = credentials.read_table(before) if before is not None else {}
    except ValueError as error:
        raise ValueError(f"{keeper.root / 'devices.csv'}: {error}") from None
    native = credentials.devices_of(community) if community is not None else None
    table = credentials.brought_up_to_date(known, native, by_hand)
    if clash := sorted({row.device for row in table} & set(broker.SERVICES)):
        raise ValueError(f"device {clash[0]}: services sign in by that name at the broker; give the device another id")
    keeper.text("devices.csv", credentials.write_table(table))
    return table, len(known.keys() - {row.device for row in table})


def _mosquitto(
    keeper: Keeper, sight: Sight, table: Sequence[credentials.Credential], community: Community | None
) -> None:
    services = {user: keeper.secret(f"gateway/secrets/{secret}") for user, secret in MQTT_SECRETS.items()}
    services[broker.HEALTH_USER] = keeper.secret("mosquitto/health-password")
    keeper.room("mosquitto/extra")
    devices = [(row.device, row.password) for row in table]
    keeper.text("mosquitto/passwords", broker.passwords(services, devices, keeper.read("mosquitto/passwords")))
    # Where no community is named this time, as for a renewal, the one of earlier runs stays.
    named = community.community.id if community is not None else broker.community_of(keeper.read("mosquitto/access"))
    keeper.text("mosquitto/access", broker.access(named))
    keeper.text("mosquitto/mosquitto.conf", broker.configuration(sight.mosquitto_config, sight.mosquitto_data))
    health = broker.health_options(sight.mosquitto_config, services[broker.HEALTH_USER])
    keeper.text("mosquitto/mosquitto_sub", health)
    authority = keeper.read("ca.crt")
    assert authority is not None
    keeper.text("mosquitto/ca.crt", authority, PUBLIC)


def _stores(keeper: Keeper) -> None:
    keeper.once("influxdb/admin-username", INFLUX_USER + "\n")
    keeper.secret("influxdb/admin-password")
    token = keeper.secret("influxdb/admin-token", lambda: secrets.token_urlsafe(48))
    keeper.text("gateway/secrets/INFLUX_TOKEN", token + "\n")
    reader = keeper.secret("influxdb/reader-password")
    keeper.secret("grafana/influx-token", lambda: f"{INFLUX_READER}:{reader}")
    keeper.secret("grafana/admin-password")
    push_key = keeper.secret("grafana/push-key")
    keeper.text(f"gateway/secrets/{GRAFANA_PUSH_KEY}", push_key + "\n")
    # Grafana has a well-known key of its own where none is given: with it anybody reads the secrets in its database.
    keeper.secret("grafana/secret-key", lambda: secrets.token_urlsafe(32))


def _gateway(keeper: Keeper, sight: Sight, authority: Pair) -> None:
    keeper.room("gateway/secrets")
    keeper.secret(f"gateway/secrets/{links.SECRET}")
    keeper.secret(f"gateway/secrets/{CLIENT_KEY}")
    keeper.text("gateway/ca.crt", authority.certificate, PUBLIC)
    document = {
        "data_dir": "/var/lib/anju",
        "secrets_dir": str(sight.gateway / "secrets"),
        "broker": {
            "managed": False,
            "host": sight.broker_host,
            "port": broker.PORT,
            "username": GATEWAY_USER,
            "password_secret": MQTT_SECRETS[GATEWAY_USER],
            "tls_ca": str(sight.gateway / "ca.crt"),
        },
        "store": {
            "kind": "influxdb",
            "url": sight.influx_url,
            "org": "anju",
            "bucket": "anju",
            "token_secret": "INFLUX_TOKEN",
        },
        "api": {"host": sight.api_host, "port": 8120},
    }
    heading = "# Made by `anju init` once; yours from now on. docs/operating.md says what can stand here.\n"
    settings = yaml.safe_dump(document, allow_unicode=True, sort_keys=False)
    keeper.once("gateway/settings.yaml", heading + settings)


def changed(keeper: Keeper) -> list[str]:
    """Files of Mosquitto that are not as they were: it must read them again."""
    return [
        name
        for name, fate in keeper.fates.items()
        if fate is Fate.RENEWED and name.startswith("mosquitto/") and name != "mosquitto/mosquitto_sub"
    ]
