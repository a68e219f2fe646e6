"""TaiDoc TD-42xx glucose meters (FORA, GlucoRx Nexus, GlucoMen Nexus and others): stored measurements, read by cable.

Source: "TaiDoc TD-42xx" of the Glucometer Protocols project (protocols.glucometers.tech), and its recorded frames.
Eight bytes each way: ``51``, command, four of data, ``A3`` from here or ``A5`` from the meter, the sum of the seven.
"""

from __future__ import annotations

import struct
from collections.abc import Generator, Mapping
from datetime import UTC, datetime

from devices.gear.glucose import RECORDS_MOST, Confused, GlucoseMeter, Questions, Record
from devices.gear.messages import Scalar
from devices.gear.profile import Profile, SerialSetting
from devices.gear.stream import Faults
from devices.observation import Refusal

FRAME_BYTES = 8
STX, FROM_HERE, FROM_METER = 0x51, 0xA3, 0xA5
CONNECT, CLOCK, MODEL, WHEN, VALUE, COUNT = 0x22, 0x23, 0x24, 0x25, 0x26, 0x2B
CONNECTED = (0x22, 0x24, 0x54)
MEALS: Mapping[int, Scalar] = {0x40: "before", 0x80: "after"}
BUFFER_BYTES = 256


def frame(command: int, data: bytes, direction: int) -> bytes:
    """Eight bytes with their checksum."""
    body = bytes((STX, command)) + data + bytes((direction,))
    return body + bytes((sum(body) & 0xFF,))


def clock(data: bytes) -> int:
    """Minutes, hours, and a day of 7 + 4 + 5 bits, as ms since the epoch as if it were UTC. Raises Confused."""
    day, minute, hour = struct.unpack("<HBB", data)
    try:
        at = datetime(2000 + (day >> 9), day >> 5 & 0xF, day & 0x1F, hour, minute, tzinfo=UTC)
    except ValueError:
        raise Confused(f"{data.hex(' ')}, which is no time") from None
    return round(at.timestamp() * 1000)


class TaidocLink:
    """Cuts the meter's answers out of a stream."""

    def __init__(self) -> None:
        self.good = self.bad = 0
        self._buffer = bytearray()

    def reset(self) -> None:
        self._buffer.clear()

    def question(self, message: bytes) -> bytes:
        return frame(message[0], message[1:].ljust(4, b"\x00"), FROM_HERE)

    def feed(self, data: bytes, faults: Faults) -> tuple[list[bytes], bytes]:
        self._buffer += data
        answers = []
        lost = 0
        while len(self._buffer) >= FRAME_BYTES:
            candidate = bytes(self._buffer[:FRAME_BYTES])
            if frame(candidate[1], candidate[2:6], candidate[6]) != candidate or candidate[6] not in (0xA3, 0xA5):
                del self._buffer[0]
                lost += 1
                continue
            del self._buffer[:FRAME_BYTES]
            if candidate[6] == FROM_METER:  # else a cable that hears itself
                self.good += 1
                answers.append(candidate[1:6])
        if lost:
            self.bad += 1
            faults.note(
                Refusal(
                    "malformed",
                    field="frame",
                    expected="eight bytes with the sum of seven",
                    hint=f"got {lost} bytes that are part of none; check the cable and the baud rate",
                )
            )
        del self._buffer[:-BUFFER_BYTES]
        return answers, b""


class TaidocMeter(GlucoseMeter):
    """Newest measurements come first: reading ends where the last whole reading began, or at what is too old."""

    setting = SerialSetting(baud=19_200)

    def __init__(self, options: Mapping[str, str]) -> None:
        self._read_from: str | None = None
        """The newest measurement at the last reading that came to its end; what was broken off does not count."""
        super().__init__(options, TaidocLink(), vendor="TaiDoc", model="TD-42xx")

    def answers(self, question: bytes, answer: bytes) -> bool:
        return answer[0] in CONNECTED if question[0] == CONNECT else answer[0] == question[0]

    def conversation(self) -> Questions:
        yield bytes((CONNECT,))
        model = (yield from _ask(MODEL))[1::-1].hex()
        self.set_clock(clock((yield from _ask(CLOCK))))
        (count,) = struct.unpack("<H", (yield from _ask(COUNT))[:2])
        newest = None
        for index in range(min(count, RECORDS_MOST)):
            which = struct.pack("<H", index)
            when = yield from _ask(WHEN, which)
            value = yield from _ask(VALUE, which)
            record = _record(when, value, model)
            newest = newest or record.identity
            if record.identity == self._read_from or self.is_too_old(record):
                break
            self.found(record)
        self._read_from = newest


def _ask(command: int, data: bytes = b"") -> Generator[bytes, bytes, bytes]:
    """One question; its value is the four bytes of the answer's data."""
    answer = yield bytes((command,)) + data
    return answer[1:]


def _record(when: bytes, value: bytes, model: str) -> Record:
    (mgdl,) = struct.unpack("<H", value[:2])
    data: dict[str, Scalar] = {"model": f"TD-{model}"}
    if value[3] in MEALS:
        data["meal"] = MEALS[value[3]]
    return Record(clock_ms=clock(when), mgdl=mgdl, identity=f"td{model}-{when.hex()}{value.hex()}", data=data)


TAIDOC_TD42XX = Profile(
    key="taidoc-td42xx",
    zh="泰博 TD-42xx 血糖仪",
    en="TaiDoc TD-42xx glucose meter",
    carrier="serial",
    kinds=("vitals_monitor",),
    commands={},
    models=("TaiDoc TD-4235B, TD-4277", "GlucoRx Nexus", "Menarini GlucoMen Nexus", "Aktivmed GlucoCheck XL"),
    source='Glucometer Protocols, "TaiDoc TD-42xx" (protocols.glucometers.tech)',
    spec_only=True,
    options={"every_s": "seconds between two looks at a meter that is plugged in, 10 to 86,400; 60 by default"},
    serial=SerialSetting(baud=19_200),
    stream=TaidocMeter,
)
