"""OmniPreSense OPS243 speed radar beside a road: how many vehicles pass, how fast, and which way.

Source: OmniPreSense, "AN-010 API Interface Specification" and "UM-003 OPS243-A User Manual". Made from them alone. The
radar is told to say every speed as JSON in km/h (``OJ``, ``UK``); one that was set up otherwise may say plain numbers,
with the time and the strength before the speed. Speeds towards the radar are positive.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from devices.gear.messages import AddressBook, Reading, Said
from devices.gear.profile import Profile, SerialSetting
from devices.gear.stream import Behind, Faults, TextLines, choice_option, number_option
from devices.observation import Refusal

LINE_BYTES = 512
SET_UP = b"OJUKOS"
"""JSON on, km/h, speeds on. Two letters are a command; nothing ends it."""
ASK_VERSION = b"?V"
ASK_EVERY_MS = 30_000
"""A radar says nothing while nothing moves: its answer to this shows that it is there."""
ASK_SOON_MS = 3_000
"""While it does not answer: it may still be starting."""
SILENT_AFTER_MS = 100_000
"""Three questions without an answer."""
PASSED_AFTER_MS = 1_500
"""Between two speeds of one vehicle: the radar says several a second while it sees it."""
REPORTS_LEAST = 2
"""One speed alone is a leaf in the wind; the maker's own counting wants two, too."""
SPEED_MOST = 250.0
SPEEDS_MOST = 16
"""The radar says up to nine at once."""
KMH = {"kmph": 1.0, "mps": 3.6, "mph": 1.609344, "fps": 1.09728, "cmps": 0.036}
"""Of the units that it can be set to (AN-010, speed output units)."""


@dataclass(slots=True)
class _Vehicle:
    """One that is passing."""

    inbound: bool
    last_ms: int
    reports: int = 0
    top: float = 0.0


def speeds(line: bytes, unit: str) -> list[float] | None:
    """The speeds in one line, in km/h, positive towards the radar; empty for an answer, None for rubbish."""
    text = line.strip()
    if text.startswith(b"{"):
        try:
            found = msgspec.json.decode(text)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None
        return _of_json(found, unit) if isinstance(found, dict) else None
    return _of_csv(text, unit)


def _of_json(found: Mapping[str, Any], unit: str) -> list[float] | None:
    said = found.get("speed")
    if said is None:
        return []  # an answer, or a report of something else
    factor = KMH.get(str(found.get("unit", unit)).strip('"'))
    values = [_number(value) for value in (said if isinstance(said, list) else [said])[:SPEEDS_MOST]]
    if factor is None or any(value is None for value in values):
        return None
    kmh = [value * factor for value in values if value is not None]
    return [-abs(value) for value in kmh] if found.get("direction") == "outbound" else kmh


def _of_csv(text: bytes, unit: str) -> list[float] | None:
    """Plain numbers: ``time,magnitude,speed``, each only where it is switched on; a unit in quotes may stand first."""
    try:
        fields = [field.strip() for field in text.decode("ascii").split(",")]
    except UnicodeDecodeError:
        return None
    if fields and fields[0].startswith('"'):
        unit = fields.pop(0).strip('"')
    values = [_number(field) for field in fields]
    factor = KMH.get(unit)
    if factor is None or not values or len(values) > 3:
        return None
    speed = values[-1]
    return None if speed is None or any(value is None for value in values) else [speed * factor]


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


class Ops243:
    """One radar. See `devices.gear.profile.StreamGear`."""

    silent_after_ms = SILENT_AFTER_MS

    def __init__(self, options: Mapping[str, str]) -> None:
        self._every_ms = round(1000 * number_option(options, "every_s", 60, low=10, high=3600))
        self._least = number_option(options, "min_kmh", 8, low=1, high=100)
        self._way = choice_option(options, "way", ("both", "inbound", "outbound"))
        self._unit = choice_option(options, "unit", tuple(KMH))
        self.setting = SerialSetting(baud=round(number_option(options, "baud", 19_200, low=9600, high=230_400)))
        self._behind = Behind("traffic_counter", vendor="OmniPreSense", model="OPS243-A")
        self.opened(0)

    def opened(self, now_ms: int) -> None:
        self.good = self.bad = 0
        self._lines = TextLines(LINE_BYTES)
        self._faults = Faults()
        self._behind.opened()
        self._passing: _Vehicle | None = None
        self._passed: list[float] = []
        self._heard_ms: int | None = None
        self._set_up = False
        self._ask_ms = now_ms
        self._report_ms = now_ms + self._every_ms

    def feed(self, data: bytes, now_ms: int, received_at_ms: int, book: AddressBook) -> Reading:
        lines, too_long = self._lines.feed(data)
        if too_long:
            self._damaged(f"{too_long} lines of more than {LINE_BYTES} bytes")
        said = []
        device = self._behind.device(book)
        for line in lines:
            found = speeds(line, self._unit)
            if found is None or any(abs(speed) > SPEED_MOST for speed in found):
                self._damaged(repr(line[:80]))
                continue
            self.good += 1
            self._heard_ms = now_ms
            wrong_way = self._see(found, now_ms)
            if device is not None and wrong_way is not None:
                said.append(Said(device=device, events=("wrong_way",), data={"speed": round(wrong_way, 1)}))
        announced = self._behind.stranger() if device is None and self._heard_ms is not None else ()
        return Reading(said=tuple(said), announced=announced, faults=self._faults.due(now_ms))

    def _see(self, found: list[float], now_ms: int) -> float | None:
        """Follow who is passing; the speed of one that has just turned out to go the wrong way."""
        self._pass_by(now_ms)
        moving = [speed for speed in found if abs(speed) >= self._least]
        if not moving:
            return None
        speed = max(moving, key=abs)
        vehicle = self._passing
        if vehicle is not None and vehicle.inbound != (speed > 0):
            self._count(vehicle)
            vehicle = None
        if vehicle is None:
            vehicle = self._passing = _Vehicle(speed > 0, now_ms)
        vehicle.last_ms = now_ms
        vehicle.reports += 1
        vehicle.top = max(vehicle.top, abs(speed))
        wrong = self._way != "both" and vehicle.inbound != (self._way == "inbound")
        return vehicle.top if wrong and vehicle.reports == REPORTS_LEAST else None

    def _pass_by(self, now_ms: int) -> None:
        """Nobody sees the vehicle any more: it has passed."""
        vehicle = self._passing
        if vehicle is not None and now_ms - vehicle.last_ms >= PASSED_AFTER_MS:
            self._count(vehicle)
            self._passing = None

    def _count(self, vehicle: _Vehicle) -> None:
        if vehicle.reports >= REPORTS_LEAST and len(self._passed) < 10_000:  # 10,000 in an hour: more fit on no lane
            self._passed.append(vehicle.top)

    def _damaged(self, what: str) -> None:
        self.bad += 1
        self._faults.note(
            Refusal(
                "malformed",
                field="line",
                expected='{"speed":…} or numbers as in AN-010',
                hint=f"got {what}; check the baud rate (19,200 from the factory) and the option unit",
            )
        )

    def due(self, now_ms: int, received_at_ms: int, book: AddressBook) -> tuple[bytes, Reading]:
        self._pass_by(now_ms)
        out = b""
        if now_ms >= self._ask_ms:
            # One that was without power has forgotten how it was set up.
            alive = self._heard_ms is not None and now_ms - self._heard_ms < SILENT_AFTER_MS
            out = ASK_VERSION if alive and self._set_up else SET_UP + ASK_VERSION
            self._set_up = alive
            self._ask_ms = now_ms + (ASK_EVERY_MS if alive else ASK_SOON_MS)
        if now_ms < self._report_ms:
            return out, Reading()
        self._report_ms = now_ms + self._every_ms
        passed, self._passed = self._passed, []
        device = self._behind.device(book)
        if device is None or self._heard_ms is None or now_ms - self._heard_ms >= SILENT_AFTER_MS:
            return out, Reading()  # nothing heard is not an empty road
        metrics = {"flow": len(passed) * 3_600_000 / self._every_ms}
        if passed:
            metrics["speed"] = round(sum(passed) / len(passed), 1)
        data = {"top_speed": round(max(passed), 1)} if passed else {}
        return out, Reading(said=(Said(device=device, metrics=metrics, data=data),))

    def next_due_ms(self, now_ms: int) -> int:
        times = [self._report_ms, self._ask_ms]
        if self._passing is not None:
            times.append(self._passing.last_ms + PASSED_AFTER_MS)
        return max(now_ms + 1, min(times))


OPS243 = Profile(
    key="ops243",
    zh="OPS243 测速雷达",
    en="OmniPreSense OPS243 speed radar",
    carrier="serial",
    kinds=("traffic_counter",),
    commands={},
    models=("OmniPreSense OPS243-A", "OmniPreSense OPS241-A", "OmniPreSense OPS242-A"),
    source='OmniPreSense, "AN-010 API Interface Specification"; "UM-003 OPS243-A User Manual"',
    spec_only=True,
    options={
        "every_s": "seconds that one report covers, 10 to 3,600; 60 by default",
        "min_kmh": "what is slower is nobody's vehicle, 1 to 100; 8 by default",
        "way": "which way traffic goes: both (default), inbound or outbound; the other way is reported at once",
        "unit": "of lines without one: kmph (default), mps, mph, fps, cmps",
        "baud": "19200 by default",
    },
    serial=SerialSetting(baud=19_200),
    stream=Ops243,
)
