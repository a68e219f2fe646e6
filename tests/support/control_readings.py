"""What the devices of the simulated control room say in a week: plausible values, more of them at its end."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from devices.kinds import KINDS
from devices.observation import Lane, Observation
from tests.support.control_town import Fitted, devices

ZONE = ZoneInfo("Asia/Shanghai")
MINUTE_MS = 60_000
HOUR_MS = 3_600_000
DAY_MS = 86_400_000
WEEK_MS = 7 * DAY_MS
OFTEN_MS = 10 * MINUTE_MS
"""In the last hour."""


class Usual(NamedTuple):
    """A metric's usual value, how far it strays, and how much more it is by day than at night."""

    mean: float
    stray: float
    day: float = 0.0


_ANY: Mapping[str, Usual] = {
    "battery": Usual(74, 12),
    "rssi": Usual(-71, 9),
    "snr": Usual(8, 3),
    "link_quality": Usual(78, 14),
    "temperature": Usual(22, 1.5, 3),
    "humidity": Usual(45, 6),
    "illuminance": Usual(40, 20, 260),
    "presses": Usual(1, 1),
}
_OF_KIND: Mapping[str, Mapping[str, Usual]] = {
    "vitals_monitor": {
        "pulse": Usual(71, 6, 8),
        "heart_rate": Usual(71, 6, 8),
        "spo2": Usual(96, 1.6),
        "perfusion": Usual(4, 1),
        "signal_quality": Usual(85, 8),
        "respiration": Usual(16, 2),
        "systolic": Usual(128, 9, 8),
        "diastolic": Usual(78, 6, 4),
        "glucose": Usual(6.4, 1.1, 1.2),
        "temperature": Usual(36.5, 0.25, 0.2),
        "weight": Usual(61, 0.5),
    },
    "smoke": {"obscuration": Usual(0.02, 0.02)},
    "gas": {"gas": Usual(0.6, 0.6)},
    "co": {"co": Usual(2, 2)},
    "valve": {"position": Usual(100, 0), "flow_rate": Usual(0.2, 0.1)},
    "presence": {"targets": Usual(1, 0.4), "nearest": Usual(2.4, 0.8), "respiration": Usual(15, 2)},
    "medication_box": {"compartment": Usual(8, 3), "doses_left": Usual(14, 5)},
    "plug": {
        "power": Usual(80, 40, 200),
        "energy": Usual(310, 1),
        "voltage": Usual(228, 3),
        "current": Usual(0.6, 0.3),
    },
    "environment": {"co2": Usual(640, 90, 150), "pm25": Usual(31, 12), "noise": Usual(38, 4, 12)},
    "meter": {"energy": Usual(5300, 4), "volume": Usual(180, 1), "power": Usual(300, 150, 500)},
    "sign": {"brightness": Usual(40, 5, 50), "failed_pixels": Usual(3, 2)},
    "kiosk": {"clicks": Usual(6, 4, 60), "searches": Usual(2, 1, 14), "temperature": Usual(33, 2, 4)},
    "camera": {"fps": Usual(24, 1), "bitrate": Usual(3900, 300), "objects": Usual(2, 2, 6)},
    "tracker": {
        "latitude": Usual(39.94, 0.002),
        "longitude": Usual(116.462, 0.002),
        "speed": Usual(2, 2),
        "satellites": Usual(9, 2),
    },
    "concentrator": {"devices": Usual(32, 0), "devices_online": Usual(31, 1), "queue": Usual(1, 1)}
    | {"frames": Usual(900, 80), "frames_bad": Usual(2, 2)},
    "modem": {"rsrp": Usual(-92, 4), "rsrq": Usual(-11, 2), "sinr": Usual(12, 3)},
    "gateway": {
        "temperature": Usual(47, 2, 3),
        "load": Usual(0.6, 0.3, 0.3),
        "memory_free": Usual(61, 5),
        "disk_free": Usual(44, 1),
        "journal_backlog": Usual(3, 3),
        "journal_oldest": Usual(0.4, 0.4),
        "store_lag": Usual(1.4, 1.0),
        "outbox_overdue": Usual(0.2, 0.4),
        "outbox_oldest": Usual(3, 5),
        "quarantine": Usual(5, 0),
        "rules_failed": Usual(0, 0),
        "roster_hole_in": Usual(400_000, 50_000),
        "clock_offset": Usual(0.01, 0.02),
    },
}
_ON: Mapping[str, tuple[str, ...]] = {"valve": ("open",), "modem": ("registered", "sim_ready"), "tracker": ("fix",)}
"""States that usually hold."""
_PASSING = ("occupied", "in_bed", "open", "motion", "lid_open", "showing", "powered")
"""States that come and go all day."""
ACCIDENT_MS = 25 * MINUTE_MS
"""So long nothing has moved on one of the roads."""
STEPS: Mapping[str, int] = {"traffic_counter": 15 * MINUTE_MS, "waste_bin": 30 * MINUTE_MS}
"""How often a kind speaks all the week; the others every two hours."""


def readings(end_ms: int, dice: random.Random) -> Iterator[Observation]:
    """Every device's metrics, in the order of time for each device."""
    for number, device in enumerate(devices()):
        offset = number * 1_777 % MINUTE_MS
        if device.id == "smoke-6":
            continue  # it is silent: registered and never heard
        for at_ms in _times(device, end_ms):
            metrics = _metrics(device, at_ms - offset, dice)
            if device.id == "traffic-2" and end_ms - at_ms < ACCIDENT_MS:
                metrics |= {"speed": 6.0, "flow": 240.0, "occupancy": 71.0}
            yield _say(device, at_ms - offset, metrics)


def events(end_ms: int, dice: random.Random) -> Iterator[Observation]:
    """Every event of every kind, some of them often, over the week."""
    by_kind: dict[str, list[Fitted]] = {}
    for device in devices():
        by_kind.setdefault(device.kind, []).append(device)
    for kind, found in by_kind.items():
        for event in KINDS[kind].events:
            often = 60 if event in ("motion", "opened", "closed", "entered", "left", "bed_entered", "object") else 6
            for _ in range(often):
                device = dice.choice(found)
                yield _say(device, end_ms - int(dice.uniform(0.01, 6.9) * DAY_MS), {}, event)
            yield _say(dice.choice(found), end_ms - int(dice.uniform(1, 50) * MINUTE_MS), {}, event)


def by_day(at_ms: int) -> float:
    """0 in the dead of night, 1 in the early afternoon."""
    moment = datetime.fromtimestamp(at_ms / 1000, ZONE)
    return max(0.0, math.sin((moment.hour + moment.minute / 60 - 5) / 16 * math.pi))


def _times(device: Fitted, end_ms: int) -> Iterator[int]:
    step = STEPS.get(device.kind, 2 * HOUR_MS)
    yield from range(end_ms - WEEK_MS, end_ms - HOUR_MS, step)
    yield from range(end_ms - HOUR_MS, end_ms + 1, OFTEN_MS)


def _metrics(device: Fitted, at_ms: int, dice: random.Random) -> dict[str, float]:
    if device.kind == "traffic_counter":
        return _traffic(device, at_ms, dice)
    found: dict[str, float] = {}
    own = _OF_KIND.get(device.kind, {})
    for key, metric in KINDS[device.kind].metrics.items():
        if key in KINDS[device.kind].states:
            found[key] = _state(device, key, at_ms, dice)
        elif (usual := own.get(key) or _ANY.get(key)) is not None:
            value = usual.mean + usual.day * by_day(at_ms) + dice.gauss(0, 1) * usual.stray
            found[key] = round(min(metric.high, max(metric.low, value)), 2)
    if device.kind == "waste_bin":
        found["fill"] = _fill(device, at_ms)
    if device.id == "contact-2":
        found["battery"] = 11.0
    return found


def _state(device: Fitted, key: str, at_ms: int, dice: random.Random) -> float:
    if device.kind == "vitals_monitor" and key == "probe_off":
        return float(dice.random() < 0.04)
    if key in _ON.get(device.kind, ()):
        return float(dice.random() < 0.97)
    return float(dice.random() < (0.4 if key in _PASSING else 0.004))


def _fill(device: Fitted, at_ms: int) -> float:
    """Fills in a day and a half, and is then emptied; the two of a point not at the same time."""
    hours = at_ms / HOUR_MS + (11 if device.id.endswith("b") else 0) + 5 * int(device.id[4])
    return round(4 + 92 * (hours % 34) / 34, 1)


def _traffic(device: Fitted, at_ms: int, dice: random.Random) -> dict[str, float]:
    moment = datetime.fromtimestamp(at_ms / 1000, ZONE)
    hour = moment.hour + moment.minute / 60
    rush = math.exp(-((hour - 8) ** 2) / 1.2) + math.exp(-((hour - 18) ** 2) / 1.6)
    free = {"1": 82.0, "2": 52.0, "3": 34.0}[device.id[-1]]
    load = min(1.0, 0.12 + 0.35 * by_day(at_ms) + 0.75 * rush)
    speed = max(4.0, free * (1 - 0.9 * load**2) + dice.gauss(0, 2))
    return {
        "flow": round(1500 * load * (1 - 0.4 * load) + dice.uniform(0, 60)),
        "speed": round(speed, 1),
        "occupancy": round(min(95.0, 55 * load**1.5 + dice.uniform(0, 4)), 1),
        "battery": round(80 + dice.uniform(-4, 4), 1),
        "count_car": round(300 * load),
        "count_bicycle": round(80 * load),
        "faulty": 0.0,
        "battery_low": 0.0,
        "rssi": round(-70 + dice.gauss(0, 4), 1),
        "link_quality": round(min(100.0, max(0.0, 78 + dice.gauss(0, 5))), 1),
    }


def _say(device: Fitted, at_ms: int, metrics: dict[str, float], event: str | None = None) -> Observation:
    return Observation(
        message_id=f"{device.id}:1:{at_ms}{event or ''}",
        device=device.id,
        kind=device.kind,
        lane=Lane.URGENT if event else Lane.ROUTINE,
        observed_at_ms=at_ms,
        received_at_ms=at_ms + 120,
        metrics=metrics,
        event=event,
    )
