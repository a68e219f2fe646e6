"""Simulated alarm units that call in by SIA DC-09 over real sockets: zones, link tests, keys, clocks that are wrong.

Each account is a unit with a line of its own. What was not acknowledged is said again, with the same sequence; after
NAK the clock is set and it is said again; after DUH it is given up, as real units do.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from firmware_sim.device import Action, ActionError, Args
from firmware_sim.gear.base import GearPart, Link, Receiver, SimGear
from firmware_sim.gear.wire import Wire, connect

ANSWER_S = 2.0
AGAIN_S = 0.3
POLL_MS = 60_000
_NEW, _RESTORE = 1, 3
_ALARM_CODES: Mapping[str, tuple[int, str]] = {
    "sos_button": (101, "QA"),
    "smoke": (111, "FA"),
    "heat": (114, "KA"),
    "gas": (151, "GA"),
    "co": (162, "GA"),
    "leak": (154, "WA"),
    "contact": (131, "BA"),
    "motion": (132, "BA"),
    "glass_break": (130, "BA"),
}
_NAMES: Mapping[str, tuple[str, str | None]] = {
    "sos_button": ("press", None),
    "contact": ("open", "close"),
    "motion": ("motion", "motion_cleared"),
    "leak": ("leak", "leak_cleared"),
    "glass_break": ("glass_break", "glass_break_cleared"),
    **{kind: (kind, f"{kind}_cleared") for kind in ("smoke", "heat", "gas", "co")},
}
"""Kind → what is done to it, and what ends it."""
_RESTORED = {"QA": "QH", "FA": "FH", "KA": "KH", "GA": "GH", "WA": "WH", "BA": "BH"}


@dataclass(slots=True)
class _Said:
    """Something on its way, with its sequence."""

    token: str
    data: str
    sequence: int
    damaged: bool = False


@dataclass(slots=True)
class _Unit:
    """One account."""

    account: str
    sequence: int = 0
    key: bytes | None = None
    sia: bool = False
    timed: bool = True
    off_ms: int = 0
    """How wrong its clock is."""
    out: deque[_Said] = field(default_factory=deque)
    answers: list[str] = field(default_factory=list)
    frames: list[bytes] = field(default_factory=list)
    """Every frame as it went out."""
    last: _Said | None = None
    wake: asyncio.Event = field(default_factory=asyncio.Event)


class SimDc09(SimGear):
    """The units. Actions of a zone: those of its kind, ``tamper``, ``low_battery``, ``fault``, ``still``, and ``lost``
    and ``found`` by its unit; of a unit (kind ``concentrator``): ``power_lost``, ``power_restored``, ``tamper``,
    ``low_battery``, ``fault``, ``test`` (602), ``heartbeat`` (NULL), ``set_key`` (``value``), ``set_clock``
    (``seconds``), ``speak`` (``how``: adm, sia), ``timed`` (``on``), ``repeat`` (the last frame again), ``damage`` (a
    frame with a wrong check sum), ``say`` (``data``, ``token``: anything)."""

    profile = "dc09"

    def __init__(
        self, link: Link, parts: Sequence[GearPart] = (), *, base: str = "", seed: int = 0, clock: Callable[[], int]
    ) -> None:
        super().__init__(link, parts, base=base, seed=seed, clock=clock)
        if not isinstance(link, Receiver):
            raise ValueError(f"{self.profile}: calls in; expected a receiver, got {type(link).__name__}")
        self.receiver = link
        self.units = {part.address: _Unit(part.address) for part in self.parts.values()}
        self._polled_ms = clock()

    @classmethod
    def example(cls) -> tuple[GearPart, ...]:
        zones = ("sos_button", "smoke", "heat", "gas", "co", "leak", "contact", "motion", "glass_break")
        return (
            GearPart(address="1002", kind="concentrator"),
            *(GearPart(address="1002", kind=kind, part=str(number)) for number, kind in enumerate(zones, 1)),
        )

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for unit in self.units.values():
                tasks.create_task(self._speak(unit))
            tasks.create_task(self._poll())

    async def _poll(self) -> None:
        while True:
            now_ms = self.clock()
            if now_ms - self._polled_ms >= POLL_MS:
                self._polled_ms = now_ms
                for unit in self.units.values():
                    self._put(unit, "NULL", "")
            await asyncio.sleep(AGAIN_S)

    # --- the hand of the simulation ---------------------------------------------------------------------------------

    def actions(self, device: str) -> Mapping[str, Action]:
        if not device:
            return {}
        part = self.parts[device]
        zone = int(part.part or 0)
        both: dict[str, Action] = {
            "tamper": self._event(part, 383 if zone else 137, "TA", zone, _NEW),
            "tamper_cleared": self._event(part, 383 if zone else 137, "TR", zone, _RESTORE),
            "low_battery": self._event(part, 384 if zone else 302, "XT" if zone else "YT", zone, _NEW),
            "fault": self._event(part, 380 if zone else 350, "BT" if zone else "YC", zone, _NEW),
            "fault_cleared": self._event(part, 380 if zone else 350, "BJ" if zone else "YK", zone, _RESTORE),
        }
        if part.kind == "concentrator":
            return both | self._of_unit(part)
        code, sia = _ALARM_CODES[part.kind]
        begin, end = _NAMES[part.kind]
        both |= {
            begin: self._event(part, code, sia, zone, _NEW),
            "lost": self._event(part, 381, "UY", zone, _NEW),
            "found": self._event(part, 381, "UJ", zone, _RESTORE),
            "still": self._event(part, code, sia, zone, 6),
        }
        if end is not None:
            both[end] = self._event(part, code, _RESTORED[sia], zone, _RESTORE)
        else:
            both["cancel"] = self._event(part, 406, "BC", zone, _NEW)
        return both

    def look(self, device: str) -> Mapping[str, object]:
        unit = self.units[self.parts[device].address]
        return {"answers": unit.answers[-5:], "waiting": len(unit.out)}

    def _of_unit(self, part: GearPart) -> dict[str, Action]:
        unit = self.units[part.address]

        def set_key(now_ms: int, args: Args) -> None:
            unit.key = str(args.get("value", "")).encode() or None

        def set_clock(now_ms: int, args: Args) -> None:
            unit.off_ms = int(float(str(args.get("seconds", 0))) * 1000)

        def speak(now_ms: int, args: Args) -> None:
            if args.get("how") not in ("adm", "sia"):
                raise ActionError(f"how: expected adm or sia, got {args.get('how')!r}")
            unit.sia = args.get("how") == "sia"

        def timed(now_ms: int, args: Args) -> None:
            unit.timed = bool(args.get("on"))

        def repeat(now_ms: int, args: Args) -> None:
            if unit.last is None:
                raise ActionError(f"{part.address}: has said nothing yet")
            unit.out.append(unit.last)
            unit.wake.set()

        def say(now_ms: int, args: Args) -> None:
            self._put(unit, str(args.get("token", "ADM-CID")), str(args.get("data", "")))

        return {
            "power_lost": self._event(part, 301, "AT", 0, _NEW),
            "power_restored": self._event(part, 301, "AR", 0, _RESTORE),
            "test": self._event(part, 602, "RP", 0, _NEW),
            "heartbeat": lambda now_ms, args: self._put(unit, "NULL", ""),
            "damage": lambda now_ms, args: self._put(unit, "NULL", "", damaged=True),
            "set_key": set_key,
            "set_clock": set_clock,
            "speak": speak,
            "timed": timed,
            "repeat": repeat,
            "say": say,
        }

    def _event(self, part: GearPart, code: int, sia: str, zone: int, qualifier: int) -> Action:
        unit = self.units[part.address]

        def do(now_ms: int, args: Args) -> None:
            if unit.sia:
                self._put(unit, "SIA-DCS", f"#{unit.account}|Nri1/{sia}{zone:03d}")
            else:
                self._put(unit, "ADM-CID", f"#{unit.account}|{qualifier}{code:03d} 01 {zone:03d}")

        return do

    def _put(self, unit: _Unit, token: str, data: str, *, damaged: bool = False) -> None:
        unit.sequence = unit.sequence % 9999 + 1
        unit.out.append(_Said(token, data, unit.sequence, damaged))
        unit.wake.set()

    # --- bytes ------------------------------------------------------------------------------------------------------

    def frame(self, unit: _Unit, said: _Said) -> bytes:
        """What goes over the wire now."""
        now = datetime.fromtimestamp((self.clock() + unit.off_ms) / 1000, UTC)
        time = now.strftime("_%H:%M:%S,%m-%d-%Y") if unit.timed or unit.key else ""
        head = f'"{"*" if unit.key else ""}{said.token}"{said.sequence:04d}R1L0#{unit.account}['
        tail = f"{said.data}]{time}"
        if unit.key:
            tail = f"|{tail}" if said.data else tail
            fill = "".join(self.rng.choice("abcdefghijklmnop0123456789") for _ in range(-len(tail) % 16))
            seal = Cipher(algorithms.AES(unit.key), modes.CBC(b"\0" * 16)).encryptor()
            tail = (seal.update((fill + tail).encode()) + seal.finalize()).hex().upper()
        body = (head + tail).encode()
        crc = 0
        for byte in body:
            crc ^= byte
            for _ in range(8):
                crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
        if said.damaged:
            crc ^= 0x5555
        return b"\n" + f"{crc:04X}{len(body):04X}".encode() + body + b"\r"

    # --- the way to the receiver --------------------------------------------------------------------------------------

    async def _speak(self, unit: _Unit) -> None:
        wire: Wire | None = None
        while True:
            while unit.out:
                said = unit.out[0]
                try:
                    wire = wire or await connect(self.receiver)
                    unit.frames.append(self.frame(unit, said))
                    answer = await _ask(wire, unit.frames[-1])
                except TimeoutError:
                    unit.answers.append("")
                    _close(wire)
                    wire = None
                    if said.damaged:
                        unit.out.popleft()
                    continue
                except (OSError, asyncio.IncompleteReadError):
                    _close(wire)
                    wire = None
                    await asyncio.sleep(AGAIN_S)
                    continue
                self._settle(unit, said, answer)
            unit.wake.clear()
            await unit.wake.wait()

    def _settle(self, unit: _Unit, said: _Said, answer: bytes) -> None:
        found = re.search(rb'"\*?(ACK|NAK|DUH)"(\d{4})', answer)
        word = found[1].decode() if found else "?"
        unit.answers.append(word)
        time = re.search(rb"_(\d\d:\d\d:\d\d,\d\d-\d\d-\d{4})", answer)
        if word == "NAK" and time:
            theirs = datetime.strptime(time[1].decode(), "%H:%M:%S,%m-%d-%Y").replace(tzinfo=UTC)
            unit.off_ms = int(theirs.timestamp() * 1000) - self.clock()
            return
        unit.last = said
        unit.out.popleft()


async def _ask(wire: Wire, frame: bytes) -> bytes:
    wire.write(frame)
    async with asyncio.timeout(ANSWER_S):
        return await wire.reader.readuntil(b"\r")


def _close(wire: Wire | None) -> None:
    if wire is not None:
        wire.close()
