"""The newest vitals of residents, from their monitors: each value with its unit and its age."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from devices.kinds import KINDS
from gateway.api.context import Context
from gateway.cases.wording import Words
from gateway.registry.model import Device
from gateway.store.protocol import Reading, StoreUnavailable

MONITOR = "vitals_monitor"
SHOWN = ("pulse", "spo2", "systolic", "diastolic", "respiration", "temperature", "glucose")
_NEED_PROBE = ("pulse", "spo2")


@dataclass(frozen=True, slots=True)
class Value:
    """A newest value, and whether it is too old to say how the person is now."""

    metric: str
    name: Words
    value: float
    unit: str
    at_ms: int
    stale: bool
    device: str


@dataclass(frozen=True, slots=True)
class Vitals:
    """What is known of one resident. ``trouble`` says why nothing can be read."""

    resident: str
    name: str
    where: Words
    values: tuple[Value, ...]
    probe_off: bool
    trouble: str = ""


def monitors(context: Context) -> dict[str, list[Device]]:
    """The vitals monitors of each resident who has one."""
    directory = context.directory()
    found: dict[str, list[Device]] = {}
    for device in directory.devices.values() if directory is not None else ():
        if device.kind == MONITOR and device.resident is not None:
            found.setdefault(device.resident, []).append(device)
    return found


async def vitals_of(context: Context, resident: str) -> Vitals | None:
    """The newest vitals of a resident; None for one without a monitor."""
    directory = context.directory()
    own = monitors(context).get(resident, [])
    if directory is None or not own:
        return None
    home = directory.home_of(resident)
    where = Words(directory.place_path(home, "zh"), directory.place_path(home, "en"))
    name = directory.resident_name(resident)
    newest: dict[str, Value] = {}
    probe_off = False
    for device in own:
        try:
            latest = await context.store.latest(device.id)
        except StoreUnavailable as error:
            return Vitals(resident, name, where, (), False, str(error))
        for value in _values(latest, device, context.clock.now_ms()):
            if value.metric not in newest or newest[value.metric].at_ms < value.at_ms:
                newest[value.metric] = value
        off = latest.get("probe_off")
        probe_off = probe_off or (off is not None and off.value > 0)
    shown = tuple(newest[metric] for metric in SHOWN if metric in newest)
    if probe_off:
        shown = tuple(value for value in shown if value.metric not in _NEED_PROBE)
    return Vitals(resident, name, where, shown, probe_off)


def _values(latest: Mapping[str, Reading], device: Device, now_ms: int) -> list[Value]:
    kind = KINDS[MONITOR]
    old_ms = (device.supervision_s or kind.supervision_s) * 1000
    return [
        Value(
            key, Words(metric.zh, metric.en), one.value, metric.unit, one.at_ms, now_ms - one.at_ms > old_ms, device.id
        )
        for key, one in latest.items()
        if key in SHOWN and (metric := kind.metrics[key])
    ]
