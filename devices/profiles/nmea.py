"""Satellite receivers that speak NMEA 0183: the position of an inspector's vehicle.

Source: NMEA 0183 V4.11 in its public reproductions (gpsd, "NMEA Revealed"; u-blox, "Receiver Description"). Sentences
RMC, GGA, VTG and GSA of any talker: GP, GL, GA, GB and BD (BeiDou), GN (several). Four sentences of which ten fields
are used: a parser of our own is shorter than the checks that a library's output would need.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from devices.gear.messages import AddressBook, GearDevice, Reading, Said
from devices.gear.profile import Profile, SerialSetting
from devices.gear.stream import Behind, Faults, TextLines, number_option
from devices.observation import Refusal

LINE_BYTES = 200
"""The standard allows 82; receivers with many satellites send more."""
KMH_PER_KNOT = 1.852
LOST_AFTER_MS = 5_000
"""Five positions in a row are missing: a bridge or a tree hides the sky for a second or two."""
TOGETHER_MS = 3_000
"""What another sentence said belongs to this position for so long: two epochs of a receiver at 1 Hz, and a margin."""
SILENT_AFTER_MS = 10_000
_NUMBER = re.compile(r"[+-]?\d{1,12}(\.\d{1,12})?")
_TIME = re.compile(r"(\d\d)(\d\d)(\d\d)(\.\d{1,6})?")
_DATE = re.compile(r"(\d\d)(\d\d)(\d\d)")
_ANGLE = re.compile(r"(\d{2,3})(\d\d\.\d{1,9}|\d\d)")


class Malformed(Exception):
    """A field is not what the standard says."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(f"{field}: {text!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    """What one RMC or GGA says. ``valid``: the receiver itself believes it."""

    valid: bool
    latitude: float | None = None
    longitude: float | None = None
    at_ms: int | None = None
    speed: float | None = None
    """km/h"""
    course: float | None = None
    altitude: float | None = None
    satellites: float | None = None
    hdop: float | None = None


def checked(line: bytes) -> list[str] | None:
    """The fields of a sentence whose checksum is right, its name first; None for anything else."""
    start = max(line.rfind(b"$"), line.rfind(b"!"))
    if start < 0 or not line.isascii():
        return None
    body, star, check = line[start + 1 :].partition(b"*")
    if not star or len(check.strip()) != 2:
        return None
    computed = 0
    for byte in body:
        computed ^= byte
    try:
        if int(check, 16) != computed:
            return None
    except ValueError:
        return None
    return body.decode("ascii").split(",")


def rmc(fields: Sequence[str]) -> Fix:
    """Recommended minimum: status, position, speed, course, date. Raises Malformed."""
    _long_enough(fields, 10)
    if fields[2] != "A":
        return Fix(valid=False)
    knots = _number("speed", fields[7])
    return Fix(
        valid=True,
        latitude=_angle("latitude", fields[3], fields[4], "NS", 90),
        longitude=_angle("longitude", fields[5], fields[6], "EW", 180),
        at_ms=_instant(fields[9], fields[1]),
        speed=None if knots is None else knots * KMH_PER_KNOT,
        course=_number("course", fields[8]),
    )


def gga(fields: Sequence[str]) -> Fix:
    """Fix data: quality, position, satellites, dilution, altitude. Raises Malformed."""
    _long_enough(fields, 11)
    if fields[6] in ("", "0"):
        return Fix(valid=False)
    return Fix(
        valid=True,
        latitude=_angle("latitude", fields[2], fields[3], "NS", 90),
        longitude=_angle("longitude", fields[4], fields[5], "EW", 180),
        satellites=_number("satellites", fields[7]),
        hdop=_number("hdop", fields[8]),
        altitude=_number("altitude", fields[9]) if fields[10] == "M" else None,
    )


def _long_enough(fields: Sequence[str], wanted: int) -> None:
    if len(fields) < wanted:
        raise Malformed("sentence", ",".join(fields))


def _number(name: str, text: str) -> float | None:
    """None where the field is empty: the receiver has no value."""
    if not text:
        return None
    if _NUMBER.fullmatch(text) is None:
        raise Malformed(name, text)
    return float(text)


def _angle(name: str, text: str, side: str, sides: str, most: int) -> float:
    """``3954.1234,N`` is 39 degrees and 54.1234 minutes."""
    found = _ANGLE.fullmatch(text)
    if found is None or side not in tuple(sides):
        raise Malformed(name, f"{text},{side}")
    minutes = float(found[2])
    degrees = int(found[1]) + minutes / 60
    if minutes >= 60 or degrees > most:
        raise Malformed(name, f"{text},{side}")
    return round(degrees if side == sides[0] else -degrees, 7)


def _instant(date: str, time: str) -> int | None:
    """Ms since the epoch; None where the receiver does not know the date yet."""
    if not date or not time:
        return None
    day, clock = _DATE.fullmatch(date), _TIME.fullmatch(time)
    if day is None or clock is None:
        raise Malformed("date and time", f"{date},{time}")
    year = int(day[3])
    try:
        at = datetime(
            2000 + year if year < 80 else 1900 + year,
            int(day[2]),
            int(day[1]),
            int(clock[1]),
            int(clock[2]),
            min(59, int(clock[3])),  # a leap second
            tzinfo=UTC,
        )
    except ValueError:
        raise Malformed("date and time", f"{date},{time}") from None
    return round(at.timestamp() * 1000 + float(clock[4] or 0) * 1000)


class Nmea:
    """One receiver. See `devices.gear.profile.StreamGear`."""

    silent_after_ms = SILENT_AFTER_MS

    def __init__(self, options: Mapping[str, str]) -> None:
        self._every_ms = round(1000 * number_option(options, "every_s", 10, low=1, high=3600))
        self.setting = SerialSetting(baud=round(number_option(options, "baud", 9600, low=1200, high=921_600)))
        self._behind = Behind("tracker", vendor="", model="NMEA 0183")
        self.opened(0)

    def opened(self, now_ms: int) -> None:
        self.good = self.bad = 0
        self._lines = TextLines(LINE_BYTES)
        self._faults = Faults()
        self._behind.opened()
        self._known: dict[str, tuple[float, int]] = {}
        """Metric → value, and when it was said."""
        self._at_ms: int | None = None
        self._at_heard_ms = 0
        self._position_ms: int | None = None
        """When a valid position came last."""
        self._fix: bool | None = None
        self._heard_ms: int | None = None
        self._opened_ms = now_ms
        self._report_ms = now_ms

    def feed(self, data: bytes, now_ms: int, received_at_ms: int, book: AddressBook) -> Reading:
        lines, too_long = self._lines.feed(data)
        if too_long:
            self._damaged(f"{too_long} lines of more than {LINE_BYTES} bytes")
        for line in lines:
            self._take(line, now_ms)
        device = self._behind.device(book)
        if device is None:
            announced = self._behind.stranger() if self._heard_ms is not None else ()
            return Reading(announced=announced, faults=self._faults.due(now_ms))
        said = (self._tell(device, now_ms),) if self._position_ms == now_ms and not self._fix else ()
        return Reading(said=said, faults=self._faults.due(now_ms))

    def _take(self, line: bytes, now_ms: int) -> None:
        fields = checked(line)
        if fields is None:
            self._damaged(f"{line[:80]!r}, which has no right checksum")
            return
        self.good += 1
        self._heard_ms = now_ms
        try:
            match fields[0][-3:]:
                case "RMC":
                    self._fixed(rmc(fields), now_ms)
                case "GGA":
                    self._fixed(gga(fields), now_ms)
                case "VTG" if len(fields) > 7:
                    self._note("speed", _number("speed", fields[7]), now_ms)
                case "GSA" if len(fields) > 16:
                    self._note("hdop", _number("hdop", fields[16]), now_ms)
        except Malformed as error:
            self._damaged(f"{fields[0]} with {error}")

    def _fixed(self, fix: Fix, now_ms: int) -> None:
        if not fix.valid or fix.latitude is None or fix.longitude is None:
            return
        if fix.latitude == 0 and fix.longitude == 0:
            return  # where receivers are before they know where they are
        self._position_ms = now_ms
        for metric in ("latitude", "longitude", "speed", "course", "altitude", "satellites", "hdop"):
            self._note(metric, getattr(fix, metric), now_ms)
        if fix.at_ms is not None:
            self._at_ms, self._at_heard_ms = fix.at_ms, now_ms

    def _note(self, metric: str, value: float | None, now_ms: int) -> None:
        if value is not None and math.isfinite(value):
            self._known[metric] = value, now_ms

    def _damaged(self, what: str) -> None:
        self.bad += 1
        self._faults.note(
            Refusal(
                "malformed",
                field="sentence",
                expected="$…*hh as in NMEA 0183",
                hint=f"got {what}; check the baud rate (9600, older receivers 4800)",
            )
        )

    def _has_position(self, now_ms: int) -> bool:
        return self._position_ms is not None and now_ms - self._position_ms < LOST_AFTER_MS

    def _tell(self, device: GearDevice, now_ms: int) -> Said:
        self._report_ms = now_ms + self._every_ms
        self._fix = self._has_position(now_ms)
        if not self._fix:
            return Said(device=device, metrics={"fix": 0.0})
        metrics = {metric: value for metric, (value, at_ms) in self._known.items() if now_ms - at_ms < TOGETHER_MS}
        fresh = self._at_ms is not None and now_ms - self._at_heard_ms < TOGETHER_MS
        return Said(device=device, metrics=metrics | {"fix": 1.0}, observed_at_ms=self._at_ms if fresh else None)

    def due(self, now_ms: int, received_at_ms: int, book: AddressBook) -> tuple[bytes, Reading]:
        if now_ms < self._next_ms():
            return b"", Reading()
        device = self._behind.device(book)
        dead = self._heard_ms is None or now_ms - self._heard_ms >= SILENT_AFTER_MS
        if device is None or (dead and not self._fix):  # a dead receiver is told of by the line
            self._report_ms = now_ms + self._every_ms
            return b"", Reading()
        return b"", Reading(said=(self._tell(device, now_ms),))

    def _next_ms(self) -> int:
        """The next report, or the moment at which the position counts as lost."""
        if self._fix and self._position_ms is not None:
            return min(self._report_ms, self._position_ms + LOST_AFTER_MS)
        return self._report_ms

    def next_due_ms(self, now_ms: int) -> int:
        return max(now_ms + 1, self._next_ms())


NMEA = Profile(
    key="nmea",
    zh="NMEA 卫星定位接收机",
    en="NMEA 0183 satellite receiver",
    carrier="serial",
    kinds=("tracker",),
    commands={},
    models=("u-blox NEO-6M, NEO-M8N", "Quectel L76", "ATGM336H", "GlobalSat BU-353S4"),
    source='NMEA 0183 V4.11; u-blox, "u-blox 8 / M8 Receiver Description", 31 NMEA protocol',
    options={
        "every_s": "seconds between two positions, 1 to 3,600; 10 by default",
        "baud": "9600 by default; older receivers 4800",
    },
    serial=SerialSetting(baud=9600),
    stream=Nmea,
)
