"""A Contec CMS50D+ on a finger: 60 frames a second in the newer or the older format.

The newer one sends after a start command and stops when it is not asked to go on; the older one sends while it is on.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

from devices.gear.profile import SerialSetting
from firmware_sim.device import Action, ActionError, Args, number
from firmware_sim.gear.base import GearPart, Link
from firmware_sim.gear.serial import SerialGear
from firmware_sim.signals.physiology import VITALS, Body
from firmware_sim.signals.pleth import Finger
from firmware_sim.tty import LineFaults

RATE_HZ = 60
TICK_MS = 50
"""Three frames at once: what its UART's buffer gathers."""
ASKED_FOR_MS = 10_000
"""Two of the maker's keep-alives missed, and it stops sending."""
SEARCHING_MS = 2_000
"""From a finger put in to the first pulse found."""
PERFUSION = 4.0


class SimCms50(SerialGear):
    """The oximeter on its cable; ``asked_for_ms``: the newer one stops so long after it was last asked to go on."""

    profile = "contec-cms50"

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
        asked_for_ms: int = ASKED_FOR_MS,
        zone: str = "Asia/Shanghai",
    ) -> None:
        super().__init__(link, parts, base=base, seed=seed, clock=clock, faults=faults, bytewise=bytewise)
        if len(self.parts) != 1:
            raise ValueError(f"{self.profile}: one oximeter on a line, got {len(self.parts)}")
        (self.part,) = self.parts.values()
        self.old = self.part.options.get("variant") == "old"
        self.setting = SerialSetting(baud=19_200, parity="O") if self.old else SerialSetting(baud=115_200)
        self.body = Body(f"{seed}/{self.part.name}", random.Random(f"{seed}/noise"), zone)
        self.finger = Finger(random.Random(f"{seed}/finger"), rate_hz=RATE_HZ)
        self.asked_for_ms = asked_for_ms
        self.probe_off = False
        self.heard_commands: list[bytes] = []
        """As they came, without their padding: ``A1``, ``AF``."""
        self._found_ms = 0
        self._asked_until_ms = 0
        self._next_ms = 0
        self._command = bytearray()

    @classmethod
    def example(cls) -> tuple[GearPart, ...]:
        return (GearPart(address="1", kind="vitals_monitor", options={"variant": "new"}),)

    # --- its life -----------------------------------------------------------------------------------------------

    def started(self, now_ms: int) -> None:
        self._asked_until_ms = 0
        self._found_ms = now_ms + SEARCHING_MS
        self._next_ms = now_ms
        self._command.clear()

    @property
    def sending(self) -> bool:
        """Whether it sends just now."""
        return self.old or self.clock() < self._asked_until_ms

    def next_due_ms(self, now_ms: int) -> int | None:
        return self._next_ms

    def tick(self, now_ms: int) -> None:
        self._next_ms = now_ms + TICK_MS
        pulse, spo2 = self.body.read("pulse", now_ms), self.body.read("spo2", now_ms)
        samples = self.finger.read(now_ms, pulse=pulse, perfusion=PERFUSION, probe_off=self.probe_off)
        if not self.sending:
            return
        encode = self._old_frame if self.old else self._new_frame
        for sample in samples:
            self.write(encode(round(sample * 127 / 100), round(pulse), round(spo2), now_ms < self._found_ms))

    def heard(self, data: bytes, now_ms: int) -> None:
        """Commands are nine bytes: 7D 81, the command, six of padding. The older one listens to none of them."""
        for byte in data:
            if byte == 0x7D:
                self._command.clear()
            self._command.append(byte)
            if len(self._command) == 9 and self._command[:2] == b"\x7d\x81":
                self._obey(self._command[2], now_ms)
                self._command.clear()
            del self._command[9:]

    def _obey(self, command: int, now_ms: int) -> None:
        if self.old:
            return
        self.heard_commands.append(bytes((command,)))
        if command == 0xA1 or (command == 0xAF and self.sending):
            self._asked_until_ms = now_ms + self.asked_for_ms
        elif command == 0xA2:
            self._asked_until_ms = 0

    # --- the formats --------------------------------------------------------------------------------------------

    def _new_frame(self, wave: int, pulse: int, spo2: int, searching: bool) -> bytes:
        blind = self.probe_off or searching
        status = (0 if self.probe_off else 4) | (0x80 if self.probe_off else 0)
        index = 0xFFFF if blind else round(PERFUSION * 10)
        data = [
            status,
            wave | (0x80 if searching and not self.probe_off else 0),
            0 if blind else wave >> 3,
            0xFF if blind else pulse,
            0x7F if blind else spo2,
            index & 0xFF,
            index >> 8,
        ]
        high = sum(1 << place for place, value in enumerate(data) if value > 0x7F)
        return bytes((0x01, 0x80 + high, *(0x80 | value for value in data)))

    def _old_frame(self, wave: int, pulse: int, spo2: int, searching: bool) -> bytes:
        blind = self.probe_off or searching
        if blind:
            pulse, spo2 = 0xFF, 0x7F
        return bytes(
            (
                0x80 + (0 if self.probe_off else 4) + (0x10 if self.probe_off else 0),
                wave,
                (0 if blind else wave >> 3) + (0x20 if searching and not self.probe_off else 0) + (pulse >> 7 << 6),
                pulse & 0x7F,
                spo2,
            )
        )

    # --- the hand of the simulation -----------------------------------------------------------------------------

    def actions(self, device: str) -> Mapping[str, Action]:
        if not device:
            return {
                "power_off": lambda now_ms, args: self.power(False),
                "power_on": lambda now_ms, args: self.power(True),
            }
        return {
            "probe_off": lambda now_ms, args: self._take_out(),
            "probe_on": lambda now_ms, args: self._put_in(now_ms),
            "set": self._set,
            "recover": lambda now_ms, args: self.body.recover(),
        }

    def _take_out(self) -> None:
        self.probe_off = True

    def _put_in(self, now_ms: int) -> None:
        self.probe_off = False
        self._found_ms = now_ms + SEARCHING_MS

    def _set(self, now_ms: int, args: Args) -> None:
        """Lead the body to ``vitals: {pulse: 120, …}`` over ``over_s`` seconds."""
        vitals = args.get("vitals")
        if not isinstance(vitals, dict) or not vitals or not set(vitals) <= set(VITALS):
            raise ActionError(f"vitals: expected a mapping of {', '.join(VITALS)}, got {vitals!r}")
        self.body.set({str(key): number(vitals, str(key), 0.0) for key in vitals}, now_ms, number(args, "over_s", 0.0))

    def look(self, device: str) -> Mapping[str, object]:
        now_ms = self.clock()
        return {
            "pulse": self.body.read("pulse", now_ms),
            "spo2": self.body.read("spo2", now_ms),
            "probe_off": self.probe_off,
            "sending": self.sending,
        }
