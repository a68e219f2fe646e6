"""Modbus RTU on the wire: a query's frame, and its answer in whatever comes back. pymodbus knows the messages.

pymodbus's own serial clients are not used: they give up on all that was received at the first wrong byte, so that an
answer behind an echo, behind a late answer of another slave or behind noise is lost, and they own their port.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pymodbus.framer import FramerRTU
from pymodbus.pdu import DecodePDU, ExceptionResponse, ModbusPDU
from pymodbus.pdu.bit_message import ReadCoilsRequest, ReadDiscreteInputsRequest, WriteSingleCoilRequest
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersRequest,
    ReadInputRegistersRequest,
    WriteMultipleRegistersRequest,
    WriteSingleRegisterRequest,
)

from devices.gear.profile import SerialSetting
from devices.profiles.modbus.query import Answer, Excepted, Failure, NoAnswer, Query, Words, Written

FRAME_MOST = 256
"""Modbus over Serial Line V1.02, 2.5.1: the longest RTU frame."""
BUFFER_MOST = 4 * FRAME_MOST
"""An echo, an answer, a late answer of somebody else, and noise."""
EXCEPTION_BYTES = 5
WRITTEN_BYTES = 8
GAP_CHARACTERS = 3.5
"""Silence between two frames (2.5.1.1); above 19,200 baud it is fixed."""
FAST_BAUD, FAST_GAP_MS = 19_200, 1.75

_FRAMER = FramerRTU(DecodePDU(False))
_REQUESTS: Mapping[int, Callable[[Query], ModbusPDU]] = {
    1: lambda query: ReadCoilsRequest(dev_id=query.slave, address=query.address, count=query.count),
    2: lambda query: ReadDiscreteInputsRequest(dev_id=query.slave, address=query.address, count=query.count),
    3: lambda query: ReadHoldingRegistersRequest(dev_id=query.slave, address=query.address, count=query.count),
    4: lambda query: ReadInputRegistersRequest(dev_id=query.slave, address=query.address, count=query.count),
    5: lambda query: WriteSingleCoilRequest(dev_id=query.slave, address=query.address, bits=[bool(query.values[0])]),
    6: lambda query: WriteSingleRegisterRequest(
        dev_id=query.slave, address=query.address, registers=list(query.values)
    ),
    16: lambda query: WriteMultipleRegistersRequest(
        dev_id=query.slave, address=query.address, registers=list(query.values)
    ),
}


def frame(query: Query) -> bytes:
    """The query's bytes on the wire, checksum and all."""
    return _FRAMER.buildFrame(_REQUESTS[query.function](query))


def answer_bytes(query: Query) -> int:
    """How long its answer is when all goes well."""
    if query.function in (1, 2):
        return 5 + (query.count + 7) // 8
    if query.function in (3, 4):
        return 5 + 2 * query.count
    return WRITTEN_BYTES


def character_ms(setting: SerialSetting) -> float:
    """How long one byte takes: start bit, data, parity, stop bits."""
    bits = 1 + setting.bytesize + (setting.parity != "N") + setting.stopbits
    return 1000 * bits / setting.baud


def gap_ms(setting: SerialSetting) -> float:
    """How long the line must be silent before a frame begins."""
    return FAST_GAP_MS if setting.baud > FAST_BAUD else GAP_CHARACTERS * character_ms(setting)


def good_crc(data: bytes) -> bool:
    """Whether the last two bytes are the checksum of those before."""
    return FramerRTU.check_CRC(data[:-2], int.from_bytes(data[-2:], "big"))


class AnswerReader:
    """Finds the answer to one query in a stream, whatever else is in it. Holds at most `BUFFER_MOST` bytes."""

    def __init__(self, query: Query, *, echoes: bool) -> None:
        """``echoes``: this line is known to give back what is sent on it (an RS-485 adapter that hears itself)."""
        self._query = query
        self._request = frame(query)
        self._must_echo = echoes
        self._buffer = bytearray()
        self.echoed = False
        """The request itself came back."""
        self.received = 0
        """Bytes that came, without the echo."""

    def feed(self, data: bytes) -> Answer | None:
        """The answer, once ``data`` completes it."""
        self._buffer += data
        self.received += len(data)
        self._strip_echo()
        if self._must_echo and not self.echoed and self._is_like_its_request:
            return None  # it may be the echo: the answer would come behind it
        found = self._find()
        if found is None:
            del self._buffer[:-BUFFER_MOST]
        return found

    @property
    def spoilt(self) -> bool:
        """What came begins as the answer does, is as long as it, and is none: nothing better will come."""
        buffer, query = self._buffer, self._query
        if len(buffer) < answer_bytes(query) or (self._must_echo and not self.echoed):
            return False
        return buffer[0] == query.slave and buffer[1] & 0x7F == query.function

    def time_is_up(self) -> NoAnswer:
        """What is to be said of a query without an answer."""
        if not self.received:
            return NoAnswer(Failure.SILENT)
        shown = bytes(self._buffer[:32]).hex(" ")
        stranger = self._stranger()
        if stranger is not None:
            return NoAnswer(Failure.STRANGE, f"slave {stranger} spoke: {shown}")
        return NoAnswer(Failure.DAMAGED, f"{self.received} bytes with no good answer in them: {shown}")

    @property
    def _is_like_its_request(self) -> bool:
        """Whether the answer looks as the request does: who writes one coil or register is told the same back."""
        return self._query.function in (5, 6)

    def _strip_echo(self) -> None:
        # Where the line is not known to echo, what looks like the answer is taken for it; what the device reports
        # afterwards shows whether it was.
        if self.echoed or (self._is_like_its_request and not self._must_echo):
            return
        at = self._buffer.find(self._request)
        if at >= 0:
            del self._buffer[at : at + len(self._request)]
            self.received -= len(self._request)
            self.echoed = True

    def _find(self) -> Answer | None:
        query = self._query
        for start in range(len(self._buffer) - EXCEPTION_BYTES + 1):
            if self._buffer[start] != query.slave:
                continue
            function = self._buffer[start + 1]
            if function == query.function:
                length = answer_bytes(query)
            elif function == query.function | 0x80:
                length = EXCEPTION_BYTES
            else:
                continue
            candidate = bytes(self._buffer[start : start + length])
            if len(candidate) < length or not good_crc(candidate):
                continue
            answer = self._decode(candidate)
            if answer is not None:
                return answer
        return None

    def _decode(self, candidate: bytes) -> Answer | None:
        query = self._query
        pdu = _FRAMER.decoder.decode(candidate[1:-2])
        if pdu is None:
            return None
        if isinstance(pdu, ExceptionResponse):
            return Excepted(pdu.exception_code)
        if query.function in (1, 2):
            bits = tuple(int(bit) for bit in pdu.bits[: query.count])
            return Words(bits) if candidate[2] == (query.count + 7) // 8 else None
        if query.function in (3, 4):
            return Words(tuple(pdu.registers)) if len(pdu.registers) == query.count else None
        # Written: it repeats the address and the value, or the address and how many.
        return Written() if candidate[2:6] == self._request[2:6] else None

    def _stranger(self) -> int | None:
        """The slave of a good frame that is no answer to this query."""
        buffer = bytes(self._buffer)
        for start in range(len(buffer) - EXCEPTION_BYTES + 1):
            for length in _lengths(buffer, start):
                candidate = buffer[start : start + length]
                if len(candidate) == length and good_crc(candidate):
                    return candidate[0]
        return None


def _lengths(buffer: bytes, start: int) -> tuple[int, ...]:
    """How long a frame that begins there may be."""
    function = buffer[start + 1]
    if function & 0x80:
        return (EXCEPTION_BYTES,)
    if function in (1, 2, 3, 4):
        return (5 + buffer[start + 2], WRITTEN_BYTES)
    return (WRITTEN_BYTES,)
