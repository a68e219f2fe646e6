"""What simulated glucose meters share: a memory of measurements, a clock that may be wrong, a body that is measured."""

from __future__ import annotations

import random
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from firmware_sim.device import Action, Args, number
from firmware_sim.gear.base import GearPart, Link
from firmware_sim.gear.serial import SerialGear
from firmware_sim.signals.physiology import Body
from firmware_sim.tty import LineFaults

KEPT = 450
"""Measurements that a meter keeps; the oldest go."""
MGDL_PER_MMOLL = 18.016


@dataclass(frozen=True, slots=True)
class Stored:
    """One measurement, by the meter's own clock."""

    at: datetime
    mgdl: int
    meal: str = ""


class SimGlucoseMeter(SerialGear):
    """Device actions: ``measure`` (mmol: that value and not the body's; meal: before or after; hours_ago), ``clock``
    (wrong_by_s). Of the meter (``""``): ``power_off`` (pulled off its cable), ``power_on``."""

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
    ) -> None:
        super().__init__(link, parts, base=base, seed=seed, clock=clock, faults=faults, bytewise=bytewise)
        (self.part,) = self.parts.values()
        self.records: list[Stored] = []
        """Newest first."""
        self.wrong_by_s = 0.0
        self._zone = ZoneInfo(zone)
        self._body = Body(f"{seed}/{self.part.name}", random.Random(f"{seed}/noise"), zone)
        self._incoming = bytearray()
        for hours in (60.0, 36.0, 12.0):  # what it holds when it is first plugged in
            self._measure(clock(), {"hours_ago": hours})

    @classmethod
    def example(cls) -> tuple[GearPart, ...]:
        return (GearPart(address="1", kind="vitals_monitor"),)

    def shown(self, now_ms: int) -> datetime:
        """What its clock shows: the time of the place, without saying which, and maybe wrong."""
        local = datetime.fromtimestamp(now_ms / 1000 + self.wrong_by_s, self._zone)
        return local.replace(tzinfo=UTC)

    def started(self, now_ms: int) -> None:
        self._incoming.clear()

    def next_due_ms(self, now_ms: int) -> int | None:
        return None

    def tick(self, now_ms: int) -> None:
        """It speaks when it is asked."""

    def heard(self, data: bytes, now_ms: int) -> None:
        self._incoming += data
        self.listen(self._incoming, now_ms)

    @abstractmethod
    def listen(self, incoming: bytearray, now_ms: int) -> None:
        """Take whole questions off the front of ``incoming``, and answer them."""

    def actions(self, device: str) -> Mapping[str, Action]:
        if not device:
            return {
                "power_off": lambda now_ms, args: self.power(False),
                "power_on": lambda now_ms, args: self.power(True),
            }
        return {"measure": self._measure, "clock": self._set_clock}

    def _measure(self, now_ms: int, args: Args) -> None:
        at_ms = now_ms - round(number(args, "hours_ago", 0.0) * 3_600_000)
        mmol = number(args, "mmol", self._body.read("glucose", at_ms))
        stored = Stored(self.shown(at_ms), round(mmol * MGDL_PER_MMOLL), str(args.get("meal", "")))
        self.records = sorted([stored, *self.records], key=lambda one: one.at, reverse=True)[:KEPT]

    def _set_clock(self, now_ms: int, args: Args) -> None:
        self.wrong_by_s = number(args, "wrong_by_s", 0.0)

    def look(self, device: str) -> Mapping[str, object]:
        return {"records": len(self.records)}
