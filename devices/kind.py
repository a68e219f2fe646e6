"""What a device kind is: a table of metrics, events and commands. A new kind is one file of rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeVar


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A number a device reports. Values outside ``low..high`` are not plausible and are refused."""

    key: str
    unit: str
    """UCUM code (``/min``, ``%``, ``mm[Hg]``, ``Cel``, ``mmol/L``, ``mV``, ``km/h``, ``1`` for a count)."""
    low: float
    high: float
    zh: str
    en: str
    resolution: float = 1.0
    loinc: str | None = None

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ValueError(f"metric {self.key}: low {self.low} must be below high {self.high}")


@dataclass(frozen=True, slots=True, kw_only=True)
class EventType:
    """Something that happened at a device, by name."""

    key: str
    zh: str
    en: str
    contact_id: int | None = None
    """SIA Contact ID event code, where the field has one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveformType:
    """A strip of samples a device may attach to a message."""

    key: str
    unit: str
    low: float
    high: float
    rate_hz_max: float
    samples_max: int
    zh: str
    en: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandType:
    """Something the gateway may ask of a device. ``args`` maps an argument to the values it may take."""

    key: str
    zh: str
    en: str
    args: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of device: what it may say, what it may be told, and how often it must be heard."""

    key: str
    zh: str
    en: str
    metrics: Mapping[str, Metric]
    events: Mapping[str, EventType]
    commands: Mapping[str, CommandType]
    waveforms: Mapping[str, WaveformType]
    supervision_s: int
    """The longest healthy silence in seconds; a device may be configured with another."""


ONLINE = EventType(key="online", zh="上线", en="online")
OFFLINE = EventType(key="offline", zh="离线", en="offline", contact_id=350)
COMMAND_RESULT = EventType(key="command_result", zh="命令结果", en="command result")
LOW_BATTERY = EventType(key="low_battery", zh="电量低", en="low battery", contact_id=384)
TAMPER = EventType(key="tamper", zh="防拆", en="tamper", contact_id=383)

_Row = TypeVar("_Row", Metric, EventType, CommandType, WaveformType)

HOUSEKEEPING = (
    Metric(key="battery", unit="%", low=0, high=100, zh="电量", en="battery"),
    Metric(key="rssi", unit="dB[mW]", low=-150, high=20, zh="信号强度", en="signal strength"),
    Metric(key="uptime", unit="s", low=0, high=1e10, zh="运行时间", en="uptime"),
)
"""What any device may report about itself."""


def make_kind(
    key: str,
    zh: str,
    en: str,
    *,
    supervision_s: int,
    metrics: tuple[Metric, ...] = (),
    events: tuple[EventType, ...] = (),
    commands: tuple[CommandType, ...] = (),
    waveforms: tuple[WaveformType, ...] = (),
) -> Kind:
    """Build a kind from its rows, adding what every device has. Raises ValueError for a row given twice."""

    def table(rows: tuple[_Row, ...]) -> Mapping[str, _Row]:
        found = {row.key: row for row in rows}
        if len(found) != len(rows):
            raise ValueError(f"kind {key}: a key is given twice in {[row.key for row in rows]}")
        return MappingProxyType(found)

    return Kind(
        key=key,
        zh=zh,
        en=en,
        metrics=table((*HOUSEKEEPING, *metrics)),
        events=table((ONLINE, OFFLINE, COMMAND_RESULT, *events)),
        commands=table(commands),
        waveforms=table(waveforms),
        supervision_s=supervision_s,
    )
