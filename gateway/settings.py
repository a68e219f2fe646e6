"""How this box is set up: directories, broker, serial lines, database, store, API. The community is another file.

Read from a YAML file and from the environment (``ANJU_API__PORT=8120``); the environment wins. Secrets never stand
here: `Secrets` reads them from the environment or from one file each in ``secrets_dir``.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import yaml
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class BrokerSettings(_Part):
    """The MQTT broker. ``managed``: Anju starts one itself, Mosquitto where it is found, else nats-server."""

    managed: bool = True
    host: str = "127.0.0.1"
    port: int = Field(default=1883, ge=0, le=65535)
    """0: a free one is chosen at each start; only where the broker is managed."""
    username: str | None = "gateway"
    password_secret: str = "MQTT_PASSWORD"
    tls_ca: Path | None = None
    receive_maximum: int = Field(default=200, ge=1, le=65535)


class SerialLine(_Part):
    """One serial line: the field bus or, where a bridge of the registry has its name as id, gear of another maker."""

    name: str
    port: str
    """A tty; a path under /dev/serial/by-id survives replugging."""
    baud: int | None = Field(default=None, ge=50, le=4_000_000)
    """None: as the protocol has it; 115,200 on the field bus."""


class ModemSettings(_Part):
    """A 4G modem for calls and SMS: docs/telephony.md."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")
    """What it is called in health, metrics and timelines; where the community has a device of kind ``modem`` with this
    id, what is seen of it is that device's."""
    port: str
    """The tty that takes AT commands; a path under /dev/serial/by-id survives replugging."""
    baud: int = Field(default=115_200, ge=1200, le=4_000_000)
    pin_secret: str | None = None
    """Name of the secret that holds the SIM's PIN."""
    dialect: Literal["auto", "sim800", "sim7600", "quectel"] = "auto"
    audio: Literal["auto", "tts", "file"] = "auto"
    """How words reach the other side: the modem's own voice, or a WAV made here and played by the modem. ``auto``: the
    modem's own voice where its dialect has one."""
    sms_per_minute: int = Field(default=20, ge=1, le=600)
    """What is not urgent waits beyond that: operators block who sends too fast."""


class JournalSettings(_Part):
    """How much of what devices said is kept on this machine."""

    max_urgent_rows: int = Field(default=1_000_000, ge=1000)
    max_routine_rows: int = Field(default=5_000_000, ge=1000)
    keep_hours: int = Field(default=168, ge=1)
    """Read entries are kept so long: for explanations, and so that a late repeat is known as one."""
    reserve_mb: int = Field(default=64, ge=0)
    """Below so much free disk, routine is refused so that urgent still fits."""


Kept = Annotated[str, Field(pattern=r"^([1-9][0-9]{0,4}d|forever)$")]
"""``90d``, or ``forever``."""


class RetentionSettings(_Part):
    """How long a server (not the embedded store) keeps telemetry: `anju store setup` tells it. docs/telemetry.md."""

    raw: Kept = "90d"
    """Everything as it came, cases and alarms too."""
    minute: Kept = "180d"
    """Readings by the minute."""
    hour: Kept = "forever"
    """Readings by the hour."""


class StoreSettings(_Part):
    """Where telemetry goes: the embedded store, or InfluxDB (or what speaks its protocol) by URL."""

    kind: Literal["embedded", "influxdb"] = "embedded"
    url: str = ""
    org: str = "anju"
    bucket: str = "anju"
    token_secret: str = "INFLUX_TOKEN"
    """Name of the secret with the server's token; ``""`` where the server asks for none."""
    retention: RetentionSettings = RetentionSettings()


class ApiSettings(_Part):
    """Where the API and the console are reached."""

    host: str = "127.0.0.1"
    port: int = Field(default=8120, ge=0, le=65535)
    public_url: str = ""
    """Where people's telephones reach this gateway, ``https://help.example.cn``; links in messages begin with it.
    Without it messages hold no link."""

    @field_validator("public_url")
    @classmethod
    def _for_telephones(cls, value: str) -> str:
        if not value:
            return value
        parts = urlsplit(value)
        secure = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost"))
        if not secure or not parts.hostname or parts.query or parts.fragment or parts.username:
            raise ValueError("expected https:// and a name that telephones reach, such as https://help.example.cn")
        return value.rstrip("/")


class Dc09Settings(_Part):
    """Where alarm units of other makers call in by SIA DC-09: TCP and UDP on the same port."""

    host: str = "0.0.0.0"
    port: int = Field(default=5093, ge=0, le=65535)
    """0: a free one, for tests."""


class DeadManSettings(_Part):
    """A heartbeat to somebody outside, who raises the alarm when it stays away. Without ``url`` nobody watches."""

    url: str = ""
    """Where it goes; ``${NAME}`` stands for a secret, as in ``https://hc-ping.com/${DEAD_MAN_ID}``."""
    every_s: int = Field(default=60, ge=10, le=3600)
    method: Literal["POST", "GET", "HEAD"] = "POST"
    """Only a POST carries how the gateway is."""
    secret: str | None = None
    """Name of the secret by which a POST is signed, as webhooks are."""
    fail_url: str = ""
    """Told, as often, while the heartbeat is withheld: ``https://hc-ping.com/${DEAD_MAN_ID}/fail``. Not needed."""

    @field_validator("url", "fail_url")
    @classmethod
    def _http(cls, value: str) -> str:
        if value and urlsplit(value).scheme not in ("http", "https"):
            raise ValueError("expected http:// or https:// of the watcher outside")
        return value


class DialPlan(_Part):
    """How numbers are sent to a trunk. Numbers of fewer than seven digits (120, an extension) go as they are, behind
    ``prefix``."""

    prefix: str = Field(default="", pattern=r"^[0-9*#]{0,8}$")
    """Put before every number: an exchange's ``9`` for outside."""
    country_code: str = Field(default="86", pattern=r"^[1-9][0-9]{0,2}$")
    form: Literal["national", "e164"] = "national"
    """How numbers are sent: as dialled in the country, or all with their country code, +8613800138000."""
    trunk_prefix: str = Field(default="0", pattern=r"^[0-9]{0,4}$")
    """What is dialled before an area within the country: +86 10 … is 010 …"""
    whole: str = Field(default="13 14 15 16 17 18 19 400 800", pattern=r"^[0-9 ]*$")
    """National numbers that begin so have no area, and are dialled without ``trunk_prefix``: mobiles."""


class SipTrunk(_Part):
    """A SIP trunk for voice calls (docs/telephony.md)."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}$")
    proxy: str = Field(pattern=r"^[A-Za-z0-9.-]+(:[0-9]{1,5})?$")
    """Registrar and proxy: host, or host:port. A host without a port is looked up as SIP asks (SRV)."""
    domain: str | None = Field(default=None, pattern=r"^[A-Za-z0-9.-]+(:[0-9]{1,5})?$")
    """The domain of our address and of the numbers; default: as ``proxy``."""
    user: str = Field(pattern=r"^[A-Za-z0-9_.+~*!-]{1,64}$")
    secret: str | None = None
    """Name of the secret that holds the password; none for a trunk that knows us by our address."""
    caller_id: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_.+~*!-]{1,64}$")
    """The number that we call from, where it is not ``user``."""
    transport: Literal["udp", "tcp"] = "udp"
    """Not TLS: Debian 12's baresip does not check whose certificate it is (docs/decisions/0028)."""
    register_s: int = Field(default=300, ge=0, le=86_400)
    """Registered anew so often, by the first line; 0: the trunk wants no registration."""
    bind: str | None = Field(default=None, pattern=r"^[0-9.]+$")
    """IPv4 address of this box that the trunk is reached from; default: any."""
    rtp_ports: str = Field(default="20000-29998", pattern=r"^[0-9]{4,5}-[0-9]{4,5}$")
    """UDP ports for voice, from and to."""
    calls: int = Field(default=2, ge=1, le=30)
    """Calls at once that the trunk carries; each is a line with a process of its own."""
    dial: DialPlan = DialPlan()

    @model_validator(mode="after")
    def _whole(self) -> SipTrunk:
        low, high = map(int, self.rtp_ports.split("-"))
        if not 1024 <= low < high <= 65_535 or high - low < 4 * self.calls:
            raise ValueError("rtp_ports: expected two ports from 1024 to 65535, four or more apart for each call")
        return self


class ScaipSettings(_Part):
    """Alarm units that send SCAIP (SS 91100): where they are listened to, over UDP and TCP (docs/devices/scaip.md)."""

    host: str = "0.0.0.0"
    port: int = Field(default=5060, ge=0, le=65535)


class GrafanaSettings(_Part):
    """An existing Grafana, for ``anju grafana`` (docs/grafana.md)."""

    url: str = ""
    """Where it is, for this box: ``https://grafana.example``."""
    admin_secret: str = "GRAFANA_ADMIN_TOKEN"
    """Name of the secret with an administrator's token, or ``user:password``; needed the first time only."""
    token_secret: str = "GRAFANA_TOKEN"
    """Name of the secret with the service account's token, which ``anju grafana apply`` writes."""
    token_days: int = Field(default=365, ge=1, le=3650)
    """How long that token is good for."""
    store_url: str = ""
    """Where Grafana reaches the telemetry store, if not by ``store.url``."""
    store_token_secret: str = ""
    """Name of the secret with a token of the store that may only read, for Grafana; else ``store.token_secret``."""
    gateway_url: str = ""
    """Where Grafana reaches this gateway to post its alerts, if not by ``api.public_url``."""
    push_key_secret: str = "GRAFANA_PUSH_KEY"
    """Name of the secret with the key by which it does; made where it is missing."""
    everyone: bool = True
    """Whether everybody who may log in there sees the boards that hold no health data."""


class Settings(BaseSettings):
    """All settings of one gateway."""

    model_config = SettingsConfigDict(env_prefix="ANJU_", env_nested_delimiter="__", extra="forbid")

    data_dir: Path = Path("anju-data")
    secrets_dir: Path | None = None
    """One file per secret; default ``<data_dir>/secrets``."""
    database_url: str | None = None
    """Default: SQLite in the data directory."""
    broker: BrokerSettings = BrokerSettings()
    serial: list[SerialLine] = []
    modems: list[ModemSettings] = []
    journal: JournalSettings = JournalSettings()
    store: StoreSettings = StoreSettings()
    api: ApiSettings = ApiSettings()
    dc09: Dc09Settings | None = None
    """None: nobody is listened to. The registry names who may call (a bridge of profile dc09)."""
    gateway_device: str = Field(default="anju-gateway", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")
    """The device, of kind ``gateway``, that is this box. One that the community does not have is built in."""
    live_dialling: bool = False
    """Whether this box may really dial 120, 119 and 110 where its community's ``emergency_line`` is live. The second of
    two keys: a copy of that community on a test machine dials nobody."""
    rank: int = Field(default=0, ge=0, le=9)
    """Of several gateways on one database (``database_url``), each with a ``gateway_device`` of its own: the one that
    leads is followed by the lowest rank, 5 s later for each."""
    dead_man: DeadManSettings = DeadManSettings()
    sip: list[SipTrunk] = []
    """Trunks for voice calls, in the order in which they are tried."""
    scaip: ScaipSettings | None = None
    """None: nobody is listened to."""
    grafana: GrafanaSettings = GrafanaSettings()

    @field_validator("modems")
    @classmethod
    def _modems_differ(cls, value: list[ModemSettings]) -> list[ModemSettings]:
        for what in ("name", "port"):
            given = [getattr(modem, what) for modem in value]
            if twice := next((one for one in given if given.count(one) > 1), None):
                raise ValueError(f"modems: {what} {twice!r} stands twice; each modem has its own")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment before the file (which comes in as keyword arguments)."""
        return env_settings, init_settings

    @property
    def database(self) -> str:
        """The state database as SQLAlchemy names it."""
        return self.database_url or f"sqlite:///{self.data_dir.absolute() / 'state.db'}"

    @property
    def secrets(self) -> Secrets:
        """The files with what nobody may read."""
        return Secrets(self.secrets_dir or self.data_dir / "secrets")


class Secrets:
    """Secrets by name: from the environment, else from the file of that name in the secrets directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def get(self, name: str) -> str:
        """Return the secret; raises KeyError that says where it was looked for.

        An empty one is no secret: it would sign with nothing, and make an address out of half of one.
        """
        path = self.directory / name
        value = os.environ.get(name)
        if value is None:
            try:
                value = path.read_text(encoding="utf-8").strip()
            except FileNotFoundError:
                raise KeyError(
                    f"secret {name} is missing: set the environment variable {name} or write it to {path}"
                ) from None
            where = str(path)
        else:
            where = f"the environment variable {name}"
        if not value:
            raise KeyError(f"secret {name} is empty: {where} holds nothing")
        return value

    def ensure(self, name: str) -> str:
        """Return the secret; one that is missing is made, by chance, into a file only the owner can read."""
        try:
            return self.get(name)
        except KeyError:
            self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_private(self.directory / name, secrets.token_urlsafe(24) + "\n")
            return self.get(name)


def write_private(path: Path, text: str) -> None:
    """Write a file only the owner can read, whole or not at all."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def load_settings(path: Path | None) -> Settings:
    """Read ``path`` (YAML) under the environment.

    Raises ValueError (pydantic.ValidationError, SettingsError, undecodable text), yaml.YAMLError, OSError.
    """
    values: dict[str, Any] = {}
    if path is not None:
        loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
        values = loaded if loaded is not None else {}
        if not isinstance(values, dict):
            raise ValueError(f"expected settings by name such as 'api: {{port: 8120}}', got {values!r:.60}")
        values = {str(key): value for key, value in values.items()}
    return Settings(**values)
