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
    routine: bool = False
    """True for what happens all day and needs nobody (movement, clicks): off-the-shelf gear says it in the routine
    lane. A native device chooses the lane itself, by its topic."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StateType:
    """A metric that is 0 or 1 and holds until it changes (a door is open, a detector is in alarm).

    Gear that repeats its state with every message is understood by this row: what counts is the change, and the change
    is an event (`devices.gear.memory`). A native device says the event itself, and may report the metric beside it.
    """

    key: str
    """The metric's key."""
    zh: str
    en: str
    on: str | None
    """The event of the change from 0 to 1; None where that change is no event."""
    off: str | None
    """The event of the change from 1 to 0."""


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
    states: Mapping[str, StateType]
    supervision_s: int
    """The longest healthy silence in seconds; a device may be configured with another."""
    remembered: frozenset[str]
    """The metrics by which it is known what is news: its states, and the number of its last press."""


ONLINE = EventType(key="online", zh="上线", en="online")
OFFLINE = EventType(key="offline", zh="离线", en="offline", contact_id=350)
COMMAND_RESULT = EventType(key="command_result", zh="命令结果", en="command result")
LOW_BATTERY = EventType(key="low_battery", zh="电量低", en="low battery", contact_id=384)
TAMPER = EventType(key="tamper", zh="防拆", en="tamper", contact_id=383)
FAULT = EventType(key="fault", zh="故障", en="fault", contact_id=380)
POWER_LOST = EventType(key="power_lost", zh="市电断开", en="mains lost", contact_id=301)
POWER_RESTORED = EventType(key="power_restored", zh="市电恢复", en="mains restored")
SELF_TEST = EventType(key="self_test", zh="自检", en="self test", contact_id=601)

BATTERY_LOW = StateType(key="battery_low", zh="电量低", en="battery low", on="low_battery", off=None)
TAMPERED = StateType(key="tampered", zh="被拆动", en="tampered with", on="tamper", off=None)
FAULTY = StateType(key="faulty", zh="有故障", en="faulty", on="fault", off=None)
TESTING = StateType(key="testing", zh="自检中", en="testing itself", on="self_test", off=None)
MAINS_LOST = StateType(key="mains_lost", zh="市电已断", en="without mains", on="power_lost", off="power_restored")
"""States that many kinds share; a kind that lists one has the event of the same row."""

_Row = TypeVar("_Row", Metric, EventType, CommandType, WaveformType, StateType)

TEMPERATURE = Metric(key="temperature", unit="Cel", low=-40, high=125, resolution=0.1, zh="温度", en="temperature")
"""What the temperature chips in detectors, bins and cabinets can show (-40 to 125 °C)."""
ILLUMINANCE = Metric(key="illuminance", unit="lx", low=0, high=200_000, zh="照度", en="illuminance")
"""Direct sun is about 120,000 lx."""

PRESSES = Metric(key="presses", unit="1", low=0, high=1e9, zh="按键计数", en="presses as the device numbers them")
"""Gear that says its last press again and again numbers its presses: the same number is the same press
(`devices.gear.memory`), over restarts of the gateway too."""

HOUSEKEEPING = (
    Metric(key="battery", unit="%", low=0, high=100, zh="电量", en="battery"),
    # From one cell that is nearly empty to a 48 V lead battery on charge.
    Metric(key="battery_voltage", unit="V", low=0, high=60, resolution=0.001, zh="电池电压", en="battery voltage"),
    Metric(key="rssi", unit="dB[mW]", low=-150, high=20, zh="信号强度", en="signal strength"),
    # LoRa hears down to about -20 dB below the noise; nothing is received better than 40 dB above it.
    Metric(key="snr", unit="dB", low=-40, high=60, resolution=0.1, zh="信噪比", en="signal to noise ratio"),
    # A share of the radio's own scale (IEEE 802.15.4: one octet, so 255 is 100 %).
    Metric(key="link_quality", unit="%", low=0, high=100, zh="链路质量", en="link quality"),
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
    states: tuple[StateType, ...] = (),
) -> Kind:
    """Build a kind from its rows, adding what every device has. A state gets its metric, of 0 or 1.

    Raises ValueError for a row given twice, or a state whose events the kind does not have.
    """
    state_metrics = tuple(Metric(key=state.key, unit="1", low=0, high=1, zh=state.zh, en=state.en) for state in states)

    def table(rows: tuple[_Row, ...]) -> Mapping[str, _Row]:
        found = {row.key: row for row in rows}
        if len(found) != len(rows):
            raise ValueError(f"kind {key}: a key is given twice in {[row.key for row in rows]}")
        return MappingProxyType(found)

    known_events = table((ONLINE, OFFLINE, COMMAND_RESULT, *events))
    for state in states:
        for event in (state.on, state.off):
            if event is not None and event not in known_events:
                raise ValueError(f"kind {key}: state {state.key} names event {event}, which the kind does not have")
    return Kind(
        key=key,
        zh=zh,
        en=en,
        metrics=table((*HOUSEKEEPING, *metrics, *state_metrics)),
        events=known_events,
        commands=table(commands),
        waveforms=table(waveforms),
        states=table(states),
        supervision_s=supervision_s,
        remembered=frozenset((*(state.key for state in states), *({PRESSES.key} & {one.key for one in metrics}))),
    )
