"""Simulated social alarm units that report by SCAIP over real sockets: SIP MESSAGE, UDP or TCP.

Each ``cid`` is a unit with a line of its own. What was not answered is sent again as SIP asks (the same transaction),
and then as SCAIP asks (the same reference, another transaction); what was refused is given up, as units do that have
another receiver. Units listen for a MESSAGE with their ``mrs`` as well, and answer it.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from firmware_sim.device import Action, ActionError, Args
from firmware_sim.gear.base import GearPart, Link, Receiver, SimGear
from firmware_sim.gear.wire import Wire, connect

ANSWER_S = 4.0
AGAIN_S = 0.3
HEARTBEAT_MS = 60_000
_TYPES: Mapping[str, str] = {
    "concentrator": "0002",
    "sos_button": "0003",
    "smoke": "0023",
    "heat": "0025",
    "gas": "0021",
    "co": "0026",
    "leak": "0033",
    "contact": "0014",
    "motion": "0028",
}
_NAMES: Mapping[str, tuple[str, str, str, str]] = {
    "contact": ("open", "0076", "close", "0021"),
    "motion": ("motion", "0119", "motion_cleared", "0070"),
    "leak": ("leak", "0009", "leak_cleared", "0094"),
    **{kind: (kind, "0009", f"{kind}_cleared", "0094") for kind in ("smoke", "heat", "gas", "co")},
}
"""Kind → what is done to it, and what ends it, with the status codes."""


@dataclass(slots=True)
class _Said:
    """Something on its way."""

    body: bytes
    content_type: str = "application/scaip+xml"
    tries: int = 0


@dataclass(slots=True)
class _Unit:
    """One ``cid``."""

    cid: str
    count: int = 0
    out: deque[_Said] = field(default_factory=deque)
    answers: list[str] = field(default_factory=list)
    """``snu`` of each answer, ``503`` and the like where there was none, empty for silence."""
    own: list[str] = field(default_factory=list)
    """``snu`` of each ``mrs`` that came as a MESSAGE of its own."""
    last: _Said | None = None
    wake: asyncio.Event = field(default_factory=asyncio.Event)


class SimScaip(SimGear):
    """The units. Actions of a device: those of its kind, ``fall``, ``tamper``, ``low_battery``, ``battery_ok``,
    ``lost``, ``found``; of a unit (kind ``concentrator``): ``power_lost``, ``power_restored``, ``fault``,
    ``fault_cleared``, ``heartbeat``, ``repeat`` (the last message again), ``say`` (``body``, ``type``: anything)."""

    profile = "scaip"

    def __init__(
        self, link: Link, parts: Sequence[GearPart] = (), *, base: str = "", seed: int = 0, clock: Callable[[], int]
    ) -> None:
        super().__init__(link, parts, base=base, seed=seed, clock=clock)
        if not isinstance(link, Receiver):
            raise ValueError(f"{self.profile}: reports; expected a receiver, got {type(link).__name__}")
        self.receiver = link
        self.units = {part.address: _Unit(part.address) for part in self.parts.values()}
        self._beat_ms = clock()

    @classmethod
    def example(cls) -> tuple[GearPart, ...]:
        kinds = ("sos_button", "smoke", "heat", "gas", "co", "leak", "contact", "motion")
        return (
            GearPart(address="+861065001001", kind="concentrator"),
            *(GearPart(address="+861065001001", kind=kind, part=f"d{number}") for number, kind in enumerate(kinds, 1)),
        )

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for unit in self.units.values():
                tasks.create_task(self._speak(unit))
            tasks.create_task(self._beat())

    async def _beat(self) -> None:
        while True:
            now_ms = self.clock()
            if now_ms - self._beat_ms >= HEARTBEAT_MS:
                self._beat_ms = now_ms
                for unit in self.units.values():
                    self._put(unit, mty="PI", dty="0002")
            await asyncio.sleep(AGAIN_S)

    # --- the hand of the simulation ---------------------------------------------------------------------------------

    def actions(self, device: str) -> Mapping[str, Action]:
        if not device:
            return {}
        part = self.parts[device]
        both = {
            "tamper": self._event(part, "IN", "0125"),
            "low_battery": self._event(part, "IN", "0016"),
            "battery_ok": self._event(part, "IN", "0015"),
        }
        if part.kind == "concentrator":
            return both | self._of_unit(part)
        both |= {"lost": self._event(part, "IN", "0123"), "found": self._event(part, "IN", "0124")}
        if part.kind == "sos_button":
            both |= {
                "press": self._event(part, "ME", "0010"),
                "cancel": self._event(part, "RE", "0093"),
                "fall": self._event(part, "ME", "0009", dty="0005"),
            }
        else:
            begin, on, end, off = _NAMES[part.kind]
            both |= {begin: self._event(part, "ME", on), end: self._event(part, "RE", off)}
        return both

    def look(self, device: str) -> Mapping[str, object]:
        unit = self.units[self.parts[device].address]
        return {"answers": unit.answers[-5:], "waiting": len(unit.out)}

    def _of_unit(self, part: GearPart) -> dict[str, Action]:
        unit = self.units[part.address]

        def repeat(now_ms: int, args: Args) -> None:
            if unit.last is None:
                raise ActionError(f"{part.address}: has said nothing yet")
            self._queue(unit, unit.last)

        def say(now_ms: int, args: Args) -> None:
            kind = str(args.get("type", "application/scaip+xml"))
            self._queue(unit, _Said(str(args.get("body", "")).encode(), kind))

        return {
            "power_lost": self._event(part, "IN", "0085"),
            "power_restored": self._event(part, "IN", "0086"),
            "fault": self._event(part, "IN", "0042"),
            "fault_cleared": self._event(part, "IN", "0091"),
            "heartbeat": lambda now_ms, args: self._put(unit, mty="PI", dty="0002"),
            "repeat": repeat,
            "say": say,
        }

    def _event(self, part: GearPart, mty: str, stc: str, *, dty: str = "") -> Action:
        unit = self.units[part.address]

        def do(now_ms: int, args: Args) -> None:
            self._put(unit, mty=mty, dty=dty or _TYPES[part.kind], did=part.part, stc=stc)

        return do

    def _put(self, unit: _Unit, **tags: str) -> None:
        unit.count += 1
        known = {"ver": "01.00", "ref": f"{unit.cid}-{unit.count}", "cid": unit.cid, **tags, "pri": "0"}
        inside = "".join(f"<{tag}>{value}</{tag}>" for tag, value in known.items() if value)
        self._queue(unit, _Said(f'<?xml version="1.0" encoding="UTF-8"?>\n<mrq>{inside}</mrq>'.encode()))

    def _queue(self, unit: _Unit, said: _Said) -> None:
        unit.out.append(said)
        unit.wake.set()

    # --- the way to the receiver --------------------------------------------------------------------------------------

    async def _speak(self, unit: _Unit) -> None:
        talk: _Talk | None = None
        while True:
            while unit.out:
                said = unit.out[0]
                said.tries += 1
                try:
                    talk = talk or _Talk(await connect(self.receiver), unit, self.receiver.udp)
                    status, body = await talk.ask(self._request(unit, said, talk.wire.here))
                except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
                    if isinstance(error, TimeoutError):
                        unit.answers.append("")
                    if talk is not None:
                        talk.wire.close()
                    talk = None
                    await asyncio.sleep(AGAIN_S)
                    continue
                number = re.search(rb"<snu>(\d+)</snu>", body)
                unit.answers.append(number[1].decode() if number else str(status))
                if status == 503:
                    await asyncio.sleep(AGAIN_S)
                    continue
                unit.last = said
                unit.out.popleft()
            unit.wake.clear()
            await unit.wake.wait()

    def _request(self, unit: _Unit, said: _Said, here: tuple[str, int]) -> bytes:
        key = f"{self.rng.getrandbits(64):016x}"
        host, port = here
        user = f"sip:{unit.cid}@{host}:{port}"
        head = (
            f"MESSAGE sip:alarm@{self.receiver.host}:{self.receiver.port} SIP/2.0\r\n"
            f"Via: SIP/2.0/{'UDP' if self.receiver.udp else 'TCP'} {host}:{port};branch=z9hG4bK{key};rport\r\n"
            f"Max-Forwards: 70\r\nFrom: <{user}>;tag={key[:8]}\r\n"
            f"To: <sip:alarm@{self.receiver.host}>\r\nCall-ID: {key}\r\nCSeq: 1 MESSAGE\r\n"
            f"Content-Type: {said.content_type}\r\nContent-Length: {len(said.body)}\r\n\r\n"
        )
        return head.encode() + said.body


class _Talk:
    """What goes to the receiver and back; datagrams are sent again until something comes back."""

    def __init__(self, wire: Wire, unit: _Unit, udp: bool) -> None:
        self.wire = wire
        self._unit, self._udp = unit, udp
        self._answers: asyncio.Queue[tuple[int, bytes] | OSError] = asyncio.Queue()
        self._task = asyncio.create_task(self._read())

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Status and body of the final answer. Raises TimeoutError, OSError."""
        wait_s = 0.5
        async with asyncio.timeout(ANSWER_S):
            self.wire.write(request)
            while True:
                try:
                    async with asyncio.timeout(wait_s if self._udp else ANSWER_S):
                        found = await self._answers.get()
                except TimeoutError:
                    self.wire.write(request)
                    wait_s *= 2
                    continue
                if isinstance(found, OSError):
                    raise found
                return found

    async def _read(self) -> None:
        try:
            while True:
                head = await self.wire.reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"(?im)^content-length:\s*(\d+)", head)
                body = await self.wire.reader.readexactly(int(length[1]) if length else 0)
                status = re.match(rb"SIP/2.0 (\d{3})", head)
                if status:
                    self._answers.put_nowait((int(status[1]), body))
                elif head.startswith(b"MESSAGE "):
                    number = re.search(rb"<snu>(\d+)</snu>", body)
                    self._unit.own.append(number[1].decode() if number else "?")
                    kept = re.findall(rb"(?im)^(?:via|from|to|call-id|cseq):[^\r\n]*\r\n", head)
                    self.wire.write(b"SIP/2.0 200 OK\r\n" + b"".join(kept) + b"Content-Length: 0\r\n\r\n")
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
            self._answers.put_nowait(ConnectionResetError("the receiver hung up"))
