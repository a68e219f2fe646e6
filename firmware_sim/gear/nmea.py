"""A satellite receiver in an inspector's car that drives round the community: GGA, GSA, RMC and VTG once a second."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from devices.gear.profile import SerialSetting
from firmware_sim.device import Action, Args, number
from firmware_sim.gear.base import GearPart, Link
from firmware_sim.gear.serial import SerialGear
from firmware_sim.tty import LineFaults

EPOCH_MS = 1_000
CENTRE = (39.9335, 116.4615)
"""The middle of its round."""
_METRES_A_DEGREE = 111_320.0
_SIDE_M = 400.0
"""It drives round a square of blocks of this length."""


class SimNmea(SerialGear):
    """Device actions: ``tunnel`` and ``open_sky``, ``drive`` (speed in km/h), ``glitch`` (one spoilt sentence). Of the
    receiver (``""``): ``power_off``, ``power_on``."""

    profile = "nmea"
    setting = SerialSetting(baud=9600)

    def __init__(
        self,
        link: Link,
        parts: Sequence[GearPart] = (),
        *,
        base: str = "",
        seed: int = 0,
        clock: Callable[[], int],
        faults: LineFaults = LineFaults(),
        bytewise: bool = False,
    ) -> None:
        super().__init__(link, parts, base=base, seed=seed, clock=clock, faults=faults, bytewise=bytewise)
        (self.part,) = self.parts.values()
        self.talker = self.part.options.get("talker", "GN")
        self.kmh = 30.0
        self.covered = False
        self._glitch = False
        self._way_m = self.rng.uniform(0, 4 * _SIDE_M)
        self._moved_ms = clock()
        self._next_ms = 0

    @classmethod
    def example(cls) -> tuple[GearPart, ...]:
        return (GearPart(address="1", kind="tracker", options={"talker": "GN"}),)

    def started(self, now_ms: int) -> None:
        self._next_ms = now_ms

    def next_due_ms(self, now_ms: int) -> int | None:
        return self._next_ms

    def tick(self, now_ms: int) -> None:
        self._next_ms = now_ms + EPOCH_MS
        self._move(now_ms)
        at = datetime.fromtimestamp(now_ms / 1000, UTC)
        clock, date = f"{at:%H%M%S}.{at.microsecond // 10000:02}", f"{at:%d%m%y}"
        if self.covered:
            self._say(f"GGA,{clock},,,,,0,00,99.99,,,,,,")
            self._say("GSA,A,1,,,,,,,,,,,,,99.99,99.99,99.99")
            self._say(f"RMC,{clock},V,,,,,,,{date},,,N")
            self._say("VTG,,,,,,,,,N")
            return
        latitude, longitude, course = self.place()
        position = f"{_minutes(latitude, 2)},N,{_minutes(longitude, 3)},E"
        self._say(f"GGA,{clock},{position},1,09,0.95,44.0,M,-9.5,M,,")
        self._say("GSA,A,3,02,05,13,15,18,24,29,30,12,,,,1.70,0.95,1.41")
        self._say(f"RMC,{clock},A,{position},{self.kmh / 1.852:.3f},{course:.2f},{date},,,A")
        self._say(f"VTG,{course:.2f},T,,M,{self.kmh / 1.852:.3f},N,{self.kmh:.3f},K,A")

    def _move(self, now_ms: int) -> None:
        self._way_m = (self._way_m + self.kmh / 3.6 * (now_ms - self._moved_ms) / 1000) % (4 * _SIDE_M)
        self._moved_ms = now_ms

    def place(self) -> tuple[float, float, float]:
        """Latitude, longitude, course: round the square, clockwise from its south-west corner."""
        side, along = divmod(self._way_m, _SIDE_M)
        corners = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]
        north, east = corners[int(side) % 4]
        step = along / _SIDE_M
        course = 90.0 * (int(side) % 4)
        north += step * round(math.cos(math.radians(course)))
        east += step * round(math.sin(math.radians(course)))
        latitude = CENTRE[0] + (north - 0.5) * _SIDE_M / _METRES_A_DEGREE
        longitude = CENTRE[1] + (east - 0.5) * _SIDE_M / _METRES_A_DEGREE / math.cos(math.radians(CENTRE[0]))
        return latitude, longitude, course

    def _say(self, body: str) -> None:
        body = self.talker + body
        check = 0
        for byte in body.encode():
            check ^= byte
        if self._glitch:
            self._glitch = False
            check ^= 0x10
        self.write(f"${body}*{check:02X}\r\n".encode())

    def actions(self, device: str) -> Mapping[str, Action]:
        if not device:
            return {
                "power_off": lambda now_ms, args: self.power(False),
                "power_on": lambda now_ms, args: self.power(True),
            }
        return {
            "tunnel": lambda now_ms, args: self._cover(True),
            "open_sky": lambda now_ms, args: self._cover(False),
            "drive": self._drive,
            "glitch": lambda now_ms, args: self._spoil(),
        }

    def _cover(self, covered: bool) -> None:
        self.covered = covered

    def _drive(self, now_ms: int, args: Args) -> None:
        self._move(now_ms)
        self.kmh = number(args, "speed", 30.0)

    def _spoil(self) -> None:
        self._glitch = True

    def look(self, device: str) -> Mapping[str, object]:
        latitude, longitude, course = self.place()
        return {"latitude": latitude, "longitude": longitude, "course": course, "covered": self.covered}


def _minutes(degrees: float, width: int) -> str:
    """Degrees and minutes with five decimals: ``3956.01234``."""
    whole = int(degrees)
    return f"{whole:0{width}}{(degrees - whole) * 60:08.5f}"
