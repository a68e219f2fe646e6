"""A bus of Modbus slaves: meters, sensors, a loop counter and relay boards on one simulated RS-485 line."""

from __future__ import annotations

import math
import random
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from devices.gear.profile import SerialSetting
from firmware_sim.device import Action, ActionError, Args
from firmware_sim.gear.base import GearPart, Link
from firmware_sim.gear.modbus_models import (
    ILLEGAL_ADDRESS,
    ILLEGAL_FUNCTION,
    ILLEGAL_VALUE,
    MODELS,
    Model,
    RelayBoard,
    SlaveException,
)
from firmware_sim.gear.serial import SerialGear
from firmware_sim.tty import LineFaults

ANSWER_S = 0.02
"""What a slave thinks."""


def crc(data: bytes) -> bytes:
    """CRC-16 of Modbus: polynomial A001 reflected, start FFFF, low byte first."""
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
    return bytes((value & 0xFF, value >> 8))


@dataclass(slots=True)
class Trouble:
    """What is wrong with one slave."""

    silent: bool = False
    slow_s: float = 0.0
    bad_crc: bool = False
    wrong_id: bool = False
    exception: int = 0


class SimModbus(SerialGear):
    """One line with its slaves; ``echo``: the adapter hears what it sends itself."""

    profile = "modbus"
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
        echo: bool = False,
        zone: str = "Asia/Shanghai",
    ) -> None:
        """``echo``: the adapter at the master hears itself."""
        super().__init__(link, parts, base=base, seed=seed, clock=clock, faults=faults, bytewise=bytewise)
        self.echo = echo
        self.slaves: dict[int, Model] = {}
        self.trouble: dict[int, Trouble] = {}
        self.asked: list[tuple[int, int, int, int]] = []
        """Slave, function, address, count or value: as it came, newest last; the last thousand."""
        for part in self.parts.values():
            slave, model = int(part.address), part.options.get("map", "")
            if model not in MODELS:
                raise ValueError(f"{part.name}: map: expected one of {', '.join(MODELS)}, got {model!r}")
            if slave not in self.slaves:
                self.slaves[slave] = MODELS[model](random.Random(f"{seed}/{slave}"), zone)
                self.trouble[slave] = Trouble()
        self._request = bytearray()
        self._last_ms = 0

    @classmethod
    def example(cls) -> tuple[GearPart, ...]:
        return (
            GearPart(address="1", kind="meter", options={"map": "sdm120"}),
            GearPart(address="2", kind="meter", options={"map": "sdm630"}),
            GearPart(address="3", kind="meter", options={"map": "ultrad"}),
            GearPart(address="4", kind="environment", options={"map": "xy-md02"}),
            GearPart(address="5", kind="traffic_counter", options={"map": "ld120"}),
            GearPart(address="6", part="1", kind="valve", options={"map": "waveshare-relay-d"}),
            GearPart(address="6", part="2", kind="plug", options={"map": "waveshare-relay-d"}),
            GearPart(address="7", part="1", kind="plug", options={"map": "waveshare-relay"}),
        )

    def started(self, now_ms: int) -> None:
        self._request.clear()

    def tick(self, now_ms: int) -> None:
        """Slaves speak only when they are asked."""

    def next_due_ms(self, now_ms: int) -> int | None:
        return None

    # --- a request ------------------------------------------------------------------------------------------------

    def heard(self, data: bytes, now_ms: int) -> None:
        if now_ms - self._last_ms > 100:
            self._request.clear()  # the silence between two frames
        self._last_ms = now_ms
        if self.echo:
            self.write(data)
        self._request += data
        while len(self._request) >= 8:
            length = 9 + self._request[6] if self._request[1] in (15, 16) else 8
            if len(self._request) < length:
                return
            request = bytes(self._request[:length])
            if crc(request[:-2]) != request[-2:]:
                del self._request[0]
                continue
            del self._request[:length]
            self._answer(request, now_ms)

    def _answer(self, request: bytes, now_ms: int) -> None:
        slave, function = request[0], request[1]
        address, amount = struct.unpack(">HH", request[2:6])
        self.asked = [*self.asked[-999:], (slave, function, address, amount)]
        model, trouble = self.slaves.get(slave), self.trouble.get(slave)
        if model is None or trouble is None or trouble.silent:
            return
        model.advance(now_ms)
        try:
            if trouble.exception:
                raise SlaveException(trouble.exception)
            body = self._carried_out(model, function, address, amount, request, now_ms)
        except SlaveException as refused:
            body = bytes((function | 0x80, refused.code))
        answer = bytes((slave % 247 + 1 if trouble.wrong_id else slave,)) + body
        check = crc(answer)
        if trouble.bad_crc:
            check = bytes((check[0] ^ 0x55, check[1]))
        self.write(answer + check, after_s=ANSWER_S + trouble.slow_s)

    def _carried_out(
        self, model: Model, function: int, address: int, amount: int, request: bytes, now_ms: int
    ) -> bytes:
        if function in (1, 2):
            bits = _present(model.bits(function), address, amount)
            packed = bytearray(math.ceil(amount / 8))
            for place, bit in enumerate(bits):
                packed[place // 8] |= bit << place % 8
            return bytes((function, len(packed))) + bytes(packed)
        if function in (3, 4):
            if not 1 <= amount <= model.longest:
                raise SlaveException(ILLEGAL_VALUE)
            words = _present(model.registers(function), address, amount)
            return bytes((function, 2 * amount)) + struct.pack(f">{amount}H", *words)
        if function == 5:
            if amount not in (0, 0xFF00):
                raise SlaveException(ILLEGAL_VALUE)
            model.write_coil(address, amount == 0xFF00, now_ms)
            return request[1:6]
        raise SlaveException(ILLEGAL_FUNCTION)

    # --- the hand of the simulation -------------------------------------------------------------------------------

    def actions(self, device: str) -> Mapping[str, Action]:
        if not device:
            return {
                "power_off": lambda now_ms, args: self.power(False),
                "power_on": lambda now_ms, args: self.power(True),
            }
        slave = int(self.parts[device].address)
        channel = int(self.parts[device].part or 1) - 1
        model = self.slaves[slave]
        found = {**model.actions(), "trouble": lambda now_ms, args: self._trouble(slave, args)}
        if isinstance(model, RelayBoard):
            found |= {
                "stuck": lambda now_ms, args: model.stuck.__setitem__(channel, True),
                "stuck_cleared": lambda now_ms, args: model.stuck.__setitem__(channel, False),
            }
        return found

    def _trouble(self, slave: int, args: Args) -> None:
        """``silent``, ``slow_s``, ``bad_crc``, ``wrong_id``, ``exception``; nothing: all is well again."""
        trouble = Trouble()
        for key, value in args.items():
            if not hasattr(trouble, key):
                raise ActionError(f"trouble: expected one of {', '.join(Trouble.__slots__)}, got {key!r}")
            setattr(trouble, key, value)
        self.trouble[slave] = trouble

    def look(self, device: str) -> Mapping[str, object]:
        model = self.slaves[int(self.parts[device].address)]
        model.advance(self.clock())
        return model.look()


def _present(table: Mapping[int, int], address: int, amount: int) -> list[int]:
    wanted = range(address, address + amount)
    if not table:
        raise SlaveException(ILLEGAL_FUNCTION)
    if any(one not in table for one in wanted):
        raise SlaveException(ILLEGAL_ADDRESS)
    return [table[one] for one in wanted]
