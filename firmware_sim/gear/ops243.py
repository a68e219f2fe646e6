"""An OPS243 radar beside a road: several speeds a second of each vehicle, and nothing while nothing moves."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence

from devices.gear.profile import SerialSetting
from firmware_sim.device import Action, Args, number
from firmware_sim.gear.base import GearPart, Link
from firmware_sim.gear.serial import SerialGear
from firmware_sim.signals.noise import poisson
from firmware_sim.signals.traffic import Road
from firmware_sim.tty import LineFaults

REPORT_MS = 150
"""Between two speeds of a vehicle."""
SEEN_REPORTS = 8
"""It is seen for a second or so."""
APART_MS = 2_500
"""Between two vehicles: one lane."""
LOOK_MS = 1_000


class SimOps243(SerialGear):
    """Device actions: ``pass`` (speed in km/h, below 0 away from the radar), ``jam`` (severity 0 to 1). Of the radar
    (``""``): ``power_off``, ``power_on``."""

    profile = "ops243"
    setting = SerialSetting(baud=19_200)

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
        zone: str = "Asia/Shanghai",
        traffic: bool = True,
    ) -> None:
        """``traffic``: vehicles come by themselves."""
        super().__init__(link, parts, base=base, seed=seed, clock=clock, faults=faults, bytewise=bytewise)
        self._road = Road(self.rng, zone)
        self._traffic = traffic
        self._reports: deque[tuple[int, float]] = deque()
        """When which speed is to be said, in order."""
        self._free_ms = 0
        """When the last vehicle that is known of is gone."""
        self._look_ms = 0
        self._json = False
        self._unit, self._factor = "mps", 1 / 3.6
        self._letters = b""
        self.passed: list[float] = []
        """Every vehicle's speed."""

    @classmethod
    def example(cls) -> tuple[GearPart, ...]:
        return (GearPart(address="1", kind="traffic_counter"),)

    def started(self, now_ms: int) -> None:
        self._json, self._unit, self._factor = False, "mps", 1 / 3.6  # as it leaves the factory
        self._look_ms = now_ms
        self._reports.clear()
        self._letters = b""

    def next_due_ms(self, now_ms: int) -> int | None:
        return min(self._look_ms, self._reports[0][0]) if self._reports else self._look_ms

    def tick(self, now_ms: int) -> None:
        if now_ms >= self._look_ms:
            self._look_ms = now_ms + LOOK_MS
            if self._traffic:
                reading = self._road.read(now_ms, LOOK_MS / 1000)
                for _ in range(poisson(self.rng, reading.flow * LOOK_MS / 3.6e6)):
                    if self._free_ms < now_ms + 10_000 and reading.speed is not None:
                        self._drive_past(now_ms, reading.speed * self.rng.uniform(0.85, 1.15))
        while self._reports and self._reports[0][0] <= now_ms:
            self._say(self._reports.popleft()[1])

    def _drive_past(self, now_ms: int, kmh: float) -> None:
        begin_ms = max(now_ms, self._free_ms)
        self._free_ms = begin_ms + SEEN_REPORTS * REPORT_MS + APART_MS
        self.passed.append(kmh)
        for number_ in range(SEEN_REPORTS):
            self._reports.append((begin_ms + number_ * REPORT_MS, kmh * self.rng.uniform(0.97, 1.0)))
        self._wake.set()

    def _say(self, kmh: float) -> None:
        speed = kmh * self._factor
        if self._json:
            self.write(f'{{"unit":"{self._unit}","speed":"{speed:.1f}"}}\r\n'.encode())
        else:
            self.write(f"{speed:.1f}\r\n".encode())

    def heard(self, data: bytes, now_ms: int) -> None:
        """Commands of two letters."""
        self._letters += data
        while len(self._letters) >= 2:
            command, self._letters = self._letters[:2], self._letters[2:]
            if command == b"OJ":
                self._json = True
            elif command == b"UK":
                self._unit, self._factor = "kmph", 1.0
            elif command == b"UM":
                self._unit, self._factor = "mps", 1 / 3.6
            elif command == b"?V":
                self.write(b'{"Version":"1.3.1"}\r\n')

    def actions(self, device: str) -> Mapping[str, Action]:
        if not device:
            return {
                "power_off": lambda now_ms, args: self.power(False),
                "power_on": lambda now_ms, args: self.power(True),
            }
        return {"pass": self._pass, "jam": lambda now_ms, args: self._road.incident(number(args, "severity", 0.9))}

    def _pass(self, now_ms: int, args: Args) -> None:
        self._drive_past(now_ms, number(args, "speed", 45.0))

    def look(self, device: str) -> Mapping[str, object]:
        return {"passed": len(self.passed)}
