"""The devices as a whole: how many of each kind speak, which do not, whose battery is low."""

from __future__ import annotations

from dataclasses import dataclass, field

from devices.kinds import KINDS
from gateway.api import reads
from gateway.api.context import Context
from gateway.api.reads import DeviceState
from gateway.cases.wording import Words
from gateway.registry.model import Device

LOW_BATTERY = 20.0
"""Per cent."""
LISTED = 8


@dataclass(frozen=True, slots=True)
class Seat:
    """A device with its health in words."""

    device: Device
    name: Words
    kind: Words
    where: Words
    resident: str
    health: str
    """``online``, ``offline`` (said so itself, or its broker did), ``silent`` (not heard for too long), ``never``,
    ``retired``."""
    low: bool
    state: DeviceState | None


@dataclass(slots=True)
class Count:
    """How the devices of one kind are."""

    kind: str
    name: Words
    all: int = 0
    online: int = 0
    away: int = 0
    """Offline, silent, or never heard."""
    low: int = 0


@dataclass(slots=True)
class Fleet:
    """How the devices are: counts by kind, who is away, whose battery is low."""

    counts: list[Count]
    away: list[Seat] = field(default_factory=list)
    low: list[Seat] = field(default_factory=list)

    @property
    def all(self) -> int:
        """How many devices there are."""
        return sum(count.all for count in self.counts)

    @property
    def online(self) -> int:
        """How many are heard."""
        return sum(count.online for count in self.counts)

    @property
    def away_count(self) -> int:
        """How many are not heard."""
        return sum(count.away for count in self.counts)

    @property
    def low_count(self) -> int:
        """How many have a low battery."""
        return sum(count.low for count in self.counts)


def health_of(device: Device, state: DeviceState | None, now_ms: int) -> str:
    """How a device is, in one word of `words.DEVICE_STATES`."""
    if device.status == "retired":
        return "retired"
    if state is None:
        return "never"
    supervision_s = device.supervision_s or KINDS[device.kind].supervision_s
    if now_ms - state.last_seen_ms > supervision_s * 1000:
        return "silent"
    return "online" if state.online else "offline"


def is_low(state: DeviceState | None) -> bool:
    """Whether its battery is low, as far as is known."""
    return state is not None and state.battery is not None and state.battery < LOW_BATTERY


def seat(context: Context, device: Device, state: DeviceState | None) -> Seat:
    """A device in words."""
    directory = context.directory()
    kind = KINDS[device.kind]
    named = device.name
    return Seat(
        device=device,
        name=Words(named.zh, named.en) if named is not None else Words(kind.zh, kind.en),
        kind=Words(kind.zh, kind.en),
        where=Words(directory.place_path(device.place, "zh"), directory.place_path(device.place, "en"))
        if directory is not None
        else Words("", ""),
        resident=directory.resident_name(device.resident) if directory is not None else "",
        health=health_of(device, state, context.clock.now_ms()),
        low=is_low(state),
        state=state,
    )


def fleet(context: Context) -> Fleet:
    """All devices counted, and the first few of those that need a look: the longest silent, the emptiest batteries."""
    directory = context.directory()
    devices = directory.devices.values() if directory is not None else ()
    states = reads.device_states(context.engine)
    now_ms = context.clock.now_ms()
    counts = {key: Count(key, Words(kind.zh, kind.en)) for key, kind in KINDS.items()}
    away: list[tuple[int, Device]] = []
    low: list[tuple[float, Device]] = []
    for device in devices:
        state = states.get(device.id)
        count = counts[device.kind]
        count.all += 1
        if health_of(device, state, now_ms) == "online":
            count.online += 1
        else:
            count.away += 1
            away.append((state.last_seen_ms if state is not None else 0, device))
        if is_low(state) and state is not None:
            count.low += 1
            low.append((state.battery or 0.0, device))
    found = Fleet([count for count in counts.values() if count.all])
    found.away = [
        seat(context, device, states.get(device.id)) for _, device in sorted(away, key=lambda one: one[0])[:LISTED]
    ]
    found.low = [
        seat(context, device, states.get(device.id)) for _, device in sorted(low, key=lambda one: one[0])[:LISTED]
    ]
    return found
