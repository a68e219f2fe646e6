"""LifeScan OneTouch UltraEasy (UltraMini): stored measurements, read by cable.

Source: LifeScan, "UltraMini/UltraEasy Meter Communication Specification"; frames of the glucometerutils project's
tests. A frame is ``02``, its length, link control, the message, ``03``, CRC-CCITT low byte first. Link control counts
frames in one bit each way, acknowledges (4) and disconnects (8).
"""

from __future__ import annotations

import binascii
import struct
from collections.abc import Generator, Mapping

from devices.gear.glucose import RECORDS_MOST, Confused, GlucoseMeter, Questions, Record
from devices.gear.profile import Profile, SerialSetting
from devices.gear.stream import Faults
from devices.observation import Refusal

STX, ETX = 0x02, 0x03
FRAME_LEAST, FRAME_MOST = 6, 64
"""The longest answer, the serial number, has 17 bytes."""
SENT, EXPECTED, ACKNOWLEDGE, DISCONNECT = 1, 2, 4, 8
HELLO = b""
"""An empty question: disconnect, which starts both counters over."""
SERIAL_NUMBER = bytes.fromhex("050B0200000000846AE87300")
CLOCK = bytes.fromhex("05200200000000")
COUNT = bytes.fromhex("051FF501")
"""Record 501, which no meter has: the answer is how many it has."""
RECORD = bytes.fromhex("051F")


def crc(data: bytes) -> bytes:
    """CRC-CCITT, start FFFF, low byte first."""
    return binascii.crc_hqx(data, 0xFFFF).to_bytes(2, "little")


def frame(link: int, message: bytes) -> bytes:
    """A message in its frame; ``link`` is the byte with the counting bits."""
    body = bytes((STX, FRAME_LEAST + len(message), link)) + message + bytes((ETX,))
    return body + crc(body)


class UltraEasyLink:
    """Frames, their counters, and acknowledgements."""

    def __init__(self) -> None:
        self.good = self.bad = 0
        self._buffer = bytearray()
        self.reset()

    def reset(self) -> None:
        self._buffer.clear()
        self._sent = self._expected = 0
        """Our bit and the meter's, of the next frame of each."""

    def question(self, message: bytes) -> bytes:
        if not message:
            return frame(DISCONNECT, b"")
        out = frame(self._control(), message)
        self._sent ^= 1
        return out

    def _control(self) -> int:
        return self._sent * SENT | self._expected * EXPECTED

    def feed(self, data: bytes, faults: Faults) -> tuple[list[bytes], bytes]:
        self._buffer += data
        answers: list[bytes] = []
        back = b""
        lost = 0
        while len(self._buffer) >= FRAME_LEAST:
            length = self._buffer[1]
            if self._buffer[0] != STX or not FRAME_LEAST <= length <= FRAME_MOST:
                del self._buffer[0]
                lost += 1
                continue
            if len(self._buffer) < length:
                break
            candidate = bytes(self._buffer[:length])
            if candidate[-3] != ETX or crc(candidate[:-2]) != candidate[-2:]:
                del self._buffer[0]
                lost += 1
                continue
            del self._buffer[:length]
            self.good += 1
            back += self._take(candidate[2], candidate[3:-3], answers)
        if lost:
            self.bad += 1
            faults.note(
                Refusal(
                    "malformed",
                    field="frame",
                    expected="02 … 03 and its checksum",
                    hint=f"got {lost} bytes that are part of none; check the cable and the baud rate",
                )
            )
        return answers, back

    def _take(self, link: int, message: bytes, answers: list[bytes]) -> bytes:
        """Take one frame in; what must be said to it at once."""
        if link & DISCONNECT:
            answers.append(b"")
            return b""
        if link & ACKNOWLEDGE:
            return b""
        if link & SENT == self._expected * SENT:
            self._expected ^= 1
            answers.append(message)
        # Else it came a second time, because our acknowledgement was lost: it is acknowledged again.
        return frame(ACKNOWLEDGE | self._control(), b"")


class UltraEasyMeter(GlucoseMeter):
    """All measurements are read when their number, the first or the last has changed: their order is not relied on."""

    setting = SerialSetting(baud=9600)

    def __init__(self, options: Mapping[str, str]) -> None:
        self._last: tuple[int, bytes, bytes] | None = None
        super().__init__(options, UltraEasyLink(), vendor="LifeScan", model="OneTouch UltraEasy")

    def answers(self, question: bytes, answer: bytes) -> bool:
        return bool(question) == bool(answer)  # else the frames' counters tell

    def conversation(self) -> Questions:
        yield HELLO
        serial = (yield from _ask(SERIAL_NUMBER, 9)).decode("ascii", "replace").strip()
        (now_s,) = struct.unpack("<I", (yield from _ask(CLOCK, 4)))
        self.set_clock(now_s * 1000)
        answer = yield COUNT
        if answer[:2] != b"\x05\x0f" or len(answer) < 4:
            raise Confused(f"{answer.hex(' ')} in answer to how many")
        (count,) = struct.unpack("<H", answer[2:4])
        count = min(count, RECORDS_MOST)
        if not count:
            return
        ends = (count, (yield from self._record(0)), (yield from self._record(count - 1)))
        if ends == self._last:
            return
        for index in range(count):
            at_s, mgdl = struct.unpack("<II", (yield from self._record(index)))
            identity = f"{serial}-{at_s}-{mgdl}".replace(":", "")
            self.found(Record(clock_ms=at_s * 1000, mgdl=mgdl, identity=identity, data={"serial": serial}))
        self._last = ends

    def _record(self, index: int) -> Generator[bytes, bytes, bytes]:
        return (yield from _ask(RECORD + struct.pack("<H", index), 8))


def _ask(question: bytes, length: int) -> Generator[bytes, bytes, bytes]:
    """One question; its value is what stands in the answer behind "here it is" (05 06)."""
    answer = yield question
    if answer[:2] != b"\x05\x06" or len(answer) < 2 + length:
        raise Confused(f"{answer.hex(' ')} in answer to {question.hex(' ')}")
    return answer[2 : 2 + length]


ONETOUCH_ULTRAEASY = Profile(
    key="onetouch-ultraeasy",
    zh="强生稳豪倍易型血糖仪",
    en="OneTouch UltraEasy glucose meter",
    carrier="serial",
    kinds=("vitals_monitor",),
    commands={},
    models=("LifeScan OneTouch UltraEasy", "LifeScan OneTouch UltraMini"),
    source='LifeScan, "UltraMini/UltraEasy Meter Communication Specification"',
    spec_only=True,
    options={"every_s": "seconds between two looks at a meter that is plugged in, 10 to 86,400; 60 by default"},
    serial=SerialSetting(baud=9600),
    stream=UltraEasyMeter,
)
