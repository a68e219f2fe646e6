"""The hardware behind simulated Modbus slaves: what stands in the registers of each model.

Laid out from each model's own document, as its firmware does it; nothing is shared with the maps of the gateway.
"""

from __future__ import annotations

import random
import struct
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar

from firmware_sim.device import Action, Args, number
from firmware_sim.signals.day import bump, local_hour
from firmware_sim.signals.traffic import Road
from firmware_sim.signals.weather import Weather

TRAVEL_MS = 3_000
"""A motor valve from one end to the other."""
ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE, BUSY = 1, 2, 3, 6


class SlaveException(Exception):
    """The slave answers that it will not; ``code`` after Modbus Application Protocol V1.1b3, 7."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Model(ABC):
    """One slave's hardware. Registers and bits by address, as its document lists them."""

    longest: ClassVar[int] = 125

    def __init__(self, rng: random.Random, zone: str) -> None:
        self.rng = rng
        self.zone = zone

    @abstractmethod
    def advance(self, now_ms: int) -> None:
        """Bring the registers up to now."""

    def registers(self, function: int) -> Mapping[int, int]:
        """Address → content, of function 3 or 4."""
        return {}

    def bits(self, function: int) -> Mapping[int, int]:
        """Address → 0 or 1, of function 1 or 2."""
        return {}

    def write_coil(self, address: int, on: bool, now_ms: int) -> None:
        """Function 5. Raises SlaveException where the slave has no such coil."""
        raise SlaveException(ILLEGAL_FUNCTION)

    def actions(self) -> Mapping[str, Action]:
        """What a scenario may do to it, by name."""
        return {}

    def look(self) -> Mapping[str, object]:
        """What can be seen at it, for tests."""
        return {}


def _floats(values: Mapping[int, float]) -> dict[int, int]:
    """Eastron: IEEE 754 in two registers, high word first."""
    found = {}
    for address, value in values.items():
        found[address], found[address + 1] = struct.unpack(">HH", struct.pack(">f", value))
    return found


def _longs(values: Mapping[int, int]) -> dict[int, int]:
    found = {}
    for address, value in values.items():
        found[address], found[address + 1] = struct.unpack(">HH", struct.pack(">i", value))
    return found


class EnergyMeter(Model):
    """A household's or a house's electricity meter (Eastron). Registers that the model does not have read as 0."""

    longest = 60

    def __init__(self, rng: random.Random, zone: str, *, phases: int) -> None:
        super().__init__(rng, zone)
        self.phases = phases
        self.power = 0.0
        self.energy = rng.uniform(100, 9000)
        self.volts = rng.gauss(230, 3)
        self.forced: float | None = None
        self._at_ms: int | None = None

    def advance(self, now_ms: int) -> None:
        hour = local_hour(now_ms, self.zone)
        usual = 90 + 600 * bump(hour, 19.5, 2.0) + 350 * bump(hour, 7.5, 1.0) + 150 * bump(hour, 12.5, 1.5)
        self.power = self.forced if self.forced is not None else usual * self.phases * self.rng.uniform(0.95, 1.05)
        if self._at_ms is not None:
            self.energy += self.power * max(0, now_ms - self._at_ms) / 3.6e9
        self._at_ms = now_ms

    def registers(self, function: int) -> Mapping[int, int]:
        if function != 4:
            return {}
        amps = self.power / 0.97 / self.volts / self.phases
        values: dict[int, float] = dict.fromkeys(range(0, 0x60, 2), 0.0)
        for phase in range(self.phases):
            values[2 * phase] = self.volts
            values[6 + 2 * phase] = amps
            values[0x0C + 2 * phase] = self.power / self.phases
            values[0x1E + 2 * phase] = 0.97
        if self.phases == 3:
            values |= {0x2A: self.volts, 0x2E: amps, 0x30: 3 * amps, 0x34: self.power, 0x3E: 0.97}
        values |= {0x46: 50.0 + self.rng.uniform(-0.02, 0.02), 0x48: self.energy, 0x156: self.energy}
        return _floats(values)

    def actions(self) -> Mapping[str, Action]:
        return {"set": self._set}

    def _set(self, now_ms: int, args: Args) -> None:
        """``power`` in W; without it the day decides again."""
        self.forced = number(args, "power", 0.0) if "power" in args else None

    def look(self) -> Mapping[str, object]:
        return {"power": self.power, "energy": self.energy}


class Climate(Model):
    """XY-MD02: temperature and humidity in tenths."""

    def __init__(self, rng: random.Random, zone: str) -> None:
        super().__init__(rng, zone)
        self._weather = Weather(str(rng.random()), zone)
        self.temperature = self.humidity = 0.0
        self.forced: float | None = None

    def advance(self, now_ms: int) -> None:
        air = self._weather.read(now_ms)
        self.temperature, self.humidity = air.temperature, air.humidity
        if self.forced is not None:
            self.temperature = self.forced

    def registers(self, function: int) -> Mapping[int, int]:
        if function != 4:
            return {}
        return {1: round(self.temperature * 10) & 0xFFFF, 2: round(self.humidity * 10)}

    def actions(self) -> Mapping[str, Action]:
        def set_temperature(now_ms: int, args: Args) -> None:
            self.forced = number(args, "temperature", 20.0)

        return {"set": set_temperature}

    def look(self) -> Mapping[str, object]:
        return {"temperature": self.temperature, "humidity": self.humidity}


class WaterMeter(Model):
    """Dynaflox ultraD: whole cubic metres and millilitres in registers of their own."""

    longest = 22

    def __init__(self, rng: random.Random, zone: str) -> None:
        super().__init__(rng, zone)
        self.millilitres = rng.randrange(10**8, 10**9)
        self.litres_per_hour = 0
        self._at_ms: int | None = None

    def advance(self, now_ms: int) -> None:
        if self._at_ms is not None:
            self.millilitres += round(self.litres_per_hour * max(0, now_ms - self._at_ms) / 3600)
        self._at_ms = now_ms
        hour = local_hour(now_ms, self.zone)
        running = self.rng.random() < 0.05 + 0.4 * bump(hour, 7.5, 1.0) + 0.3 * bump(hour, 19.0, 1.5)
        self.litres_per_hour = self.rng.randrange(200, 900) if running else 0

    def registers(self, function: int) -> Mapping[int, int]:
        if function != 3:
            return {}
        whole, rest = divmod(self.millilitres, 1_000_000)
        return _longs({0: self.litres_per_hour, 2: whole, 4: rest, 6: 0, 8: 0, 10: 3600, 12: 0, 14: 3612}) | {16: 0}

    def look(self) -> Mapping[str, object]:
        return {"volume": self.millilitres / 1e6}


class LoopCounter(Model):
    """Proconel LD120: a loop in the road, a fault bit and a counter of 32 bits."""

    longest = 8

    def __init__(self, rng: random.Random, zone: str) -> None:
        super().__init__(rng, zone)
        self._road = Road(rng, zone)
        self.count = rng.randrange(0, 1_000_000)
        self._passing = 0.0
        """The part of a vehicle that is on the loop."""
        self.broken = False
        self._at_ms: int | None = None

    def advance(self, now_ms: int) -> None:
        if self._at_ms is not None and now_ms > self._at_ms and not self.broken:
            period_s = (now_ms - self._at_ms) / 1000
            self._passing += self._road.read(now_ms, period_s).flow * period_s / 3600
            passed = int(self._passing)
            self._passing -= passed
            self.count = (self.count + passed) % 2**32
        self._at_ms = now_ms

    def bits(self, function: int) -> Mapping[int, int]:
        return {0: int(self.broken), 1: 0, 4: int(self.broken), 5: 0, 2: 0, 3: 0, 6: 0, 7: 0} if function == 2 else {}

    def registers(self, function: int) -> Mapping[int, int]:
        if function != 3:
            return {}
        return dict.fromkeys(range(2, 14), 0) | {9: self.count >> 16, 10: self.count & 0xFFFF}

    def actions(self) -> Mapping[str, Action]:
        return {"fault": lambda now_ms, args: self._break(True), "mend": lambda now_ms, args: self._break(False)}

    def _break(self, broken: bool) -> None:
        self.broken = broken

    def look(self) -> Mapping[str, object]:
        return {"count": self.count, "fault": self.broken}


class RelayBoard(Model):
    """Waveshare relay board: eight coils; with inputs, the end switches of valves that the relays hold open."""

    def __init__(self, rng: random.Random, zone: str, *, inputs: bool) -> None:
        super().__init__(rng, zone)
        self.coils = [False] * 8
        self.inputs = inputs
        self.positions = [0.0] * 8
        """Of the valves: 0 shut to 1 open."""
        self.stuck = [False] * 8
        self._at_ms: int | None = None

    def advance(self, now_ms: int) -> None:
        step = 0.0 if self._at_ms is None else max(0, now_ms - self._at_ms) / TRAVEL_MS
        self._at_ms = now_ms
        for channel, coil in enumerate(self.coils):
            if not self.stuck[channel]:
                goal, at = float(coil), self.positions[channel]
                self.positions[channel] = min(goal, at + step) if goal > at else max(goal, at - step)

    def bits(self, function: int) -> Mapping[int, int]:
        if function == 1:
            return {channel: int(coil) for channel, coil in enumerate(self.coils)}
        if function == 2 and self.inputs:
            return {channel: int(position >= 1.0) for channel, position in enumerate(self.positions)}
        return {}

    def write_coil(self, address: int, on: bool, now_ms: int) -> None:
        if not 0 <= address < 8:
            raise SlaveException(ILLEGAL_ADDRESS)
        self.coils[address] = on

    def look(self) -> Mapping[str, object]:
        return {"coils": list(self.coils), "positions": list(self.positions)}


MODELS: Mapping[str, Callable[[random.Random, str], Model]] = {
    "sdm120": lambda rng, zone: EnergyMeter(rng, zone, phases=1),
    "sdm630": lambda rng, zone: EnergyMeter(rng, zone, phases=3),
    "xy-md02": Climate,
    "ultrad": WaterMeter,
    "ld120": LoopCounter,
    "waveshare-relay": lambda rng, zone: RelayBoard(rng, zone, inputs=False),
    "waveshare-relay-d": lambda rng, zone: RelayBoard(rng, zone, inputs=True),
}
