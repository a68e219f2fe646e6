"""HLK-LD2450 presence radar: up to three people, where they are and how they move, ten times a second.

Source: Hi-Link, "LD2450 Serial port communication protocol V1.03", 2.3 (the data output protocol). Made from it alone.
30 bytes, no checksum: ``AA FF 03 00``, three targets of x, y, speed and distance resolution (16 bits, low byte first),
``55 CC``. Numbers are sign and magnitude, and the sign bit is **set for positive** ones.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from devices.gear.messages import AddressBook, GearDevice, Reading, Said
from devices.gear.profile import Profile, SerialSetting
from devices.gear.stream import Behind, Faults, number_option
from devices.observation import Refusal

HEADER, TAIL = bytes.fromhex("AAFF0300"), bytes.fromhex("55CC")
FRAME_BYTES = 30
TARGETS = 3
REACH_MM = 8_000
"""The maker gives 6 m; a target farther off, or behind the radar, is a damaged frame: there is no checksum."""
SPEED_MOST = 1_000
"""Cm/s: faster than anybody runs."""
STEADY_FRAMES = 3
"""So many frames (0.3 s) must agree on how many are there: single frames show ghosts, and lose people."""
SILENT_AFTER_MS = 5_000
CHANGE_EVERY_MS = 1_000
"""How often a change of the number of people is told at most."""


@dataclass(frozen=True, slots=True)
class Target:
    """One person, seen from the radar. m and m/s; x to its right, y straight ahead; speed below 0 comes nearer."""

    x: float
    y: float
    speed: float

    @property
    def distance(self) -> float:
        """m, from the radar."""
        return math.hypot(self.x, self.y)


def decode(frame: bytes) -> tuple[Target, ...] | None:
    """The targets of one frame; None where they are none that the radar can see."""
    targets = []
    for place in range(TARGETS):
        x, y, speed, resolution = struct.unpack_from("<4H", frame, len(HEADER) + 8 * place)
        if not x and not y and not speed:
            continue  # no target in this place
        if not resolution:
            return None
        across, ahead, moving = _signed(x), _signed(y), _signed(speed)
        if not 0 <= ahead <= REACH_MM or abs(across) > REACH_MM or abs(moving) > SPEED_MOST:
            return None
        targets.append(Target(across / 1000, ahead / 1000, moving / 100))
    return tuple(targets)


def _signed(value: int) -> int:
    magnitude = value & 0x7FFF
    return magnitude if value & 0x8000 else -magnitude


class Ld2450:
    """One radar. See `devices.gear.profile.StreamGear`."""

    silent_after_ms = SILENT_AFTER_MS
    setting = SerialSetting(baud=256_000)

    def __init__(self, options: Mapping[str, str]) -> None:
        self._every_ms = round(1000 * number_option(options, "every_s", 10, low=1, high=600))
        self._hold_ms = round(1000 * number_option(options, "hold_s", 30, low=0, high=3600))
        self._behind = Behind("presence", vendor="Hi-Link", model="HLK-LD2450")
        self.opened(0)

    def opened(self, now_ms: int) -> None:
        self.good = self.bad = 0
        self._buffer = bytearray()
        self._faults = Faults()
        self._behind.opened()
        self._targets: tuple[Target, ...] = ()
        self._heard_ms: int | None = None
        self._steady = 0
        """How many are there, by enough frames."""
        self._other, self._row = 0, 0
        self._seen_ms: int | None = None
        """When somebody was seen last."""
        self._occupied: bool | None = None
        self._report_ms = now_ms + self._every_ms
        self._told_ms = now_ms - CHANGE_EVERY_MS
        self._told_targets = 0

    def feed(self, data: bytes, now_ms: int, received_at_ms: int, book: AddressBook) -> Reading:
        self._buffer += data
        frames = self._cut()
        for frame in frames:
            targets = decode(frame)
            if targets is None:
                self._damaged(f"{frame.hex(' ')} shows somebody where the radar cannot see")
                continue
            self.good += 1
            self._see(targets, now_ms)
        device = self._behind.device(book)
        if device is None:
            announced = self._behind.stranger() if self._heard_ms is not None else ()
            return Reading(announced=announced, faults=self._faults.due(now_ms))
        return Reading(said=self._changed(device, now_ms), faults=self._faults.due(now_ms))

    def _cut(self) -> list[bytes]:
        """Whole frames; what is none of one is passed over. The buffer stays shorter than one."""
        frames = []
        lost = 0
        while len(self._buffer) >= FRAME_BYTES:
            if self._buffer.startswith(HEADER) and self._buffer[FRAME_BYTES - 2 : FRAME_BYTES] == TAIL:
                frames.append(bytes(self._buffer[:FRAME_BYTES]))
                del self._buffer[:FRAME_BYTES]
                continue
            next_one = self._buffer.find(HEADER, 1)
            skip = next_one if next_one > 0 else len(self._buffer) - len(HEADER) + 1
            del self._buffer[:skip]
            lost += skip
        if lost:
            self._damaged(f"{lost} bytes that are part of no frame")
        return frames

    def _damaged(self, what: str) -> None:
        self.bad += 1
        self._faults.note(
            Refusal(
                "malformed",
                field="frame",
                expected="30 bytes from AA FF 03 00 to 55 CC",
                hint=f"got {what}; check the wiring and that the cable is short: 256,000 baud carry 2 m",
            )
        )

    def _see(self, targets: tuple[Target, ...], now_ms: int) -> None:
        self._heard_ms = now_ms
        self._row = self._row + 1 if len(targets) == self._other else 1
        self._other = len(targets)
        if self._row >= STEADY_FRAMES:
            self._steady = len(targets)
            self._targets = targets
        if self._steady and targets:
            self._seen_ms = now_ms

    def _changed(self, device: GearDevice, now_ms: int) -> tuple[Said, ...]:
        """What is to be told at once: somebody came, or there are more or fewer."""
        if self._row < STEADY_FRAMES:
            return ()
        occupied = self._is_occupied(now_ms)
        if occupied == self._occupied and (
            len(self._targets) == self._told_targets or now_ms - self._told_ms < CHANGE_EVERY_MS
        ):
            return ()
        return (self._tell(device, occupied, now_ms),)

    def _is_occupied(self, now_ms: int) -> bool:
        """Radars lose who sits still: somebody is there for a while after they were seen last."""
        return self._seen_ms is not None and (bool(self._steady) or now_ms - self._seen_ms < self._hold_ms)

    def _tell(self, device: GearDevice, occupied: bool, now_ms: int) -> Said:
        self._occupied = occupied
        self._told_targets = len(self._targets)
        self._told_ms = now_ms
        self._report_ms = now_ms + self._every_ms
        metrics: dict[str, float] = {"occupied": float(occupied), "targets": float(len(self._targets))}
        for number, target in enumerate(self._targets, start=1):
            metrics |= {
                f"target{number}_x": target.x,
                f"target{number}_y": target.y,
                f"target{number}_speed": target.speed,
            }
        if self._targets:
            metrics["nearest"] = round(min(target.distance for target in self._targets), 2)
        return Said(device=device, metrics=metrics)

    def due(self, now_ms: int, received_at_ms: int, book: AddressBook) -> tuple[bytes, Reading]:
        device = self._behind.device(book)
        dead = self._heard_ms is None or now_ms - self._heard_ms >= SILENT_AFTER_MS
        if dead or device is None:  # a dead radar sees nobody, and does not see that nobody is there
            self._report_ms = max(self._report_ms, now_ms + self._every_ms)
            self._occupied = None
            return b"", Reading()
        if now_ms >= min(self._report_ms, self._hold_until_ms(now_ms)):
            return b"", Reading(said=(self._tell(device, self._is_occupied(now_ms), now_ms),))
        return b"", Reading()

    def _hold_until_ms(self, now_ms: int) -> int:
        """When it becomes empty, if nobody is seen until then."""
        if not self._occupied or self._steady or self._seen_ms is None:
            return self._report_ms
        return self._seen_ms + self._hold_ms

    def next_due_ms(self, now_ms: int) -> int:
        return max(now_ms + 1, min(self._report_ms, self._hold_until_ms(now_ms)))


LD2450 = Profile(
    key="ld2450",
    zh="LD2450 人体存在雷达",
    en="HLK-LD2450 presence radar",
    carrier="serial",
    kinds=("presence",),
    commands={},
    models=("Hi-Link HLK-LD2450",),
    source='Hi-Link, "LD2450 Serial port communication protocol V1.03"',
    spec_only=True,
    options={
        "every_s": "seconds between two reports while nothing changes, 1 to 600; 10 by default",
        "hold_s": "seconds for which somebody counts as there after they were seen last, 0 to 3,600; 30 by default",
    },
    serial=SerialSetting(baud=256_000),
    stream=Ld2450,
)
