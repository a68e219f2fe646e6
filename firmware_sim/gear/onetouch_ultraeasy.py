"""A OneTouch UltraEasy: counted frames, each acknowledged, with a checksum."""

from __future__ import annotations

from devices.gear.profile import SerialSetting
from firmware_sim.gear.glucose import SimGlucoseMeter

SERIAL_NUMBER = b"C176SA0BR"
_S, _E, _ACK, _DISCONNECT = 1, 2, 4, 8


def crc(data: bytes) -> bytes:
    """CRC-CCITT, polynomial 1021, start FFFF, low byte first."""
    value = 0xFFFF
    for byte in data:
        value ^= byte << 8
        for _ in range(8):
            value = (value << 1 ^ 0x1021 if value & 0x8000 else value << 1) & 0xFFFF
    return bytes((value & 0xFF, value >> 8))


class SimUltraEasy(SimGlucoseMeter):
    """The meter on its cable."""

    profile = "onetouch-ultraeasy"
    setting = SerialSetting(baud=9600)

    _sent = _expected = 0
    """Its own bit and the computer's, of the next frame of each."""
    _last = b""
    """Its last answer: said again when the question comes again."""

    def started(self, now_ms: int) -> None:
        super().started(now_ms)
        self._sent = self._expected = 0
        self._last = b""

    def listen(self, incoming: bytearray, now_ms: int) -> None:
        while len(incoming) >= 6:
            length = incoming[1]
            if incoming[0] != 0x02 or not 6 <= length <= 40:
                del incoming[0]
                continue
            if len(incoming) < length:
                return
            question = bytes(incoming[:length])
            if crc(question[:-2]) != question[-2:]:
                del incoming[0]
                continue
            del incoming[:length]
            self._take(question[2], question[3:-3], now_ms)

    def _take(self, link: int, message: bytes, now_ms: int) -> None:
        if link & _DISCONNECT:
            self._sent = self._expected = 0
            self._send(_DISCONNECT | _ACK, b"")
        elif not link & _ACK:
            if link & _S == self._expected:
                self._expected ^= 1
                self._last = self._frame(self._sent * _S | self._expected * _E, self._answer(message, now_ms))
                self._sent ^= 1
            self._send(_ACK | self._expected * _E, b"")
            if self._last:
                self.write(self._last, after_s=0.01)

    def _send(self, link: int, message: bytes) -> None:
        self.write(self._frame(link, message), after_s=0.005)

    @staticmethod
    def _frame(link: int, message: bytes) -> bytes:
        body = bytes((0x02, 6 + len(message), link)) + message + b"\x03"
        return body + crc(body)

    def _answer(self, message: bytes, now_ms: int) -> bytes:
        command = message[1] if len(message) > 1 else 0
        if command == 0x0B:
            return b"\x05\x06" + SERIAL_NUMBER
        if command == 0x20:
            return b"\x05\x06" + round(self.shown(now_ms).timestamp()).to_bytes(4, "little")
        if command == 0x1F and len(message) == 4:
            record = int.from_bytes(message[2:4], "little")
            if record >= 500:
                return b"\x05\x0f" + len(self.records).to_bytes(2, "little")
            if record < len(self.records):
                stored = self.records[record]
                when, value = round(stored.at.timestamp()), stored.mgdl
                return b"\x05\x06" + when.to_bytes(4, "little") + value.to_bytes(4, "little")
        return b"\x05\x09"
