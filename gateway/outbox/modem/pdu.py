"""SMS as a modem takes and gives it in PDU mode (3GPP TS 23.040, 9.2): SUBMIT out, DELIVER and STATUS-REPORT in.

Own code because no kept library writes a SUBMIT with a header or reads a status report (docs/decisions/0027). The tests
hold it against published PDUs and against `smspdudecoder`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from gateway.outbox.modem import alphabet

ONE_GSM7, PART_GSM7 = 160, 153
"""Septets of a message alone, and of a part behind the six octets of a header."""
ONE_UCS2, PART_UCS2 = 70, 67
"""UTF-16 code units, the same."""
MOST_PARTS = 255

_MTI_DELIVER, _MTI_REPORT = 0, 2
_UDHI, _STATUS_REPORT, _RELATIVE_VALIDITY, _SUBMIT = 0x40, 0x20, 0x10, 0x01
_INTERNATIONAL, _UNKNOWN, _ALPHANUMERIC = 0x91, 0x81, 0x50
_SEMI = "0123456789*#abc"


class PduError(ValueError):
    """What the modem gave is no PDU of a kind that is read here; the message says where it went wrong."""


@dataclass(frozen=True, slots=True)
class Concat:
    """Which part of which message this is."""

    reference: int
    total: int
    number: int
    """From 1."""


@dataclass(frozen=True, slots=True)
class Deliver:
    """One SMS, or one part of one, that came in."""

    sender: str
    text: str
    at_ms: int
    """The centre's time stamp."""
    concat: Concat | None = None


@dataclass(frozen=True, slots=True)
class StatusReport:
    """What the centre says became of a message that was sent: matched by reference and recipient."""

    reference: int
    """TP-MR, 0 to 255, of this SIM."""
    recipient: str
    status: int
    """TP-ST; see `gateway.outbox.modem.reports`."""
    discharged_ms: int


@dataclass(frozen=True, slots=True)
class Submit:
    """One SMS-SUBMIT, ready for ``AT+CMGS=<length>`` and the prompt."""

    hex: str
    length: int
    """Octets without those of the centre's address."""


def units(text: str) -> int:
    """UTF-16 code units: what UCS-2 counts. An emoji has two."""
    return len(text.encode("utf-16-be", errors="surrogatepass")) // 2


def split(text: str) -> tuple[bool, list[str]]:
    """Whether ``text`` goes as GSM 7-bit, and its parts: one, or as many as it takes.

    No part ends within a character: neither within a surrogate pair nor between an escape and what it escapes.
    """
    gsm7 = alphabet.fits(text)
    size = (lambda piece: len(alphabet.septets(piece))) if gsm7 else units
    one, part = (ONE_GSM7, PART_GSM7) if gsm7 else (ONE_UCS2, PART_UCS2)
    if size(text) <= one:
        return gsm7, [text]
    parts, current, used = [], "", 0
    for character in text:
        width = size(character)
        if used + width > part:
            parts.append(current)
            current, used = "", 0
        current += character
        used += width
    return gsm7, [*parts, current]


def submit(number: str, text: str, *, reference: int = 0, report: bool = True, validity_s: int = 3600) -> list[Submit]:
    """``text`` to ``number`` as one SUBMIT or several, with ``reference`` (0 to 255) in the header of parts.

    ``report`` asks for a delivery report; after ``validity_s`` the centre no longer tries. Raises ValueError for a
    number that is none, and for a text that does not fit into 255 parts.
    """
    gsm7, parts = split(text)
    if len(parts) > MOST_PARTS:
        raise ValueError(f"{len(text)} characters do not fit into {MOST_PARTS} parts")
    made = []
    for index, part in enumerate(parts, 1):
        header = bytes((5, 0, 3, reference, len(parts), index)) if len(parts) > 1 else b""
        first = _SUBMIT | _RELATIVE_VALIDITY | (_STATUS_REPORT if report else 0) | (_UDHI if header else 0)
        data = _user_data(part, header, gsm7=gsm7)
        tpdu = bytes((first, 0)) + address(number) + bytes((0, 0 if gsm7 else 8, validity(validity_s))) + data
        # The empty address of the centre: the SIM's own is taken.
        made.append(Submit(hex=(b"\x00" + tpdu).hex().upper(), length=len(tpdu)))
    return made


def address(number: str) -> bytes:
    """A telephone number as a PDU holds it. Raises ValueError for what is none."""
    bare = re.sub(r"[ \-().]", "", number)
    kind = _INTERNATIONAL if bare.startswith("+") else _UNKNOWN
    digits = bare.removeprefix("+")
    if not re.fullmatch(r"[0-9*#]{2,20}", digits):
        raise ValueError(f"expected a telephone number such as 13800138000 or +8613800138000, found {number!r}")
    return bytes((len(digits), kind)) + _semi_octets(digits)


def validity(seconds: int) -> int:
    """TP-VP, relative: rounded up to what can be said; five minutes at least."""
    minutes = max(5, -(-seconds // 60))
    if minutes <= 720:
        return -(-minutes // 5) - 1
    if minutes <= 1440:
        return 143 + -(-(minutes - 720) // 30)
    if minutes <= 30 * 1440:
        return 166 + -(-minutes // 1440)
    return min(255, 192 + -(-minutes // (7 * 1440)))


def read(text: str) -> Deliver | StatusReport:
    """A PDU in hex as the modem gives it, with the centre's address. Raises PduError."""
    try:
        octets = bytes.fromhex(text.strip())
    except ValueError:
        raise PduError(f"expected hex digits, found {text[:40]!r}") from None
    take = _Reader(octets)
    take.some(take.one("length of the centre's address"), "the centre's address")
    first = take.one("type")
    if first & 3 == _MTI_DELIVER:
        return _deliver(take, first)
    if first & 3 == _MTI_REPORT:
        return _report(take)
    raise PduError(f"expected a DELIVER or a STATUS-REPORT, found type {first & 3}")


class _Reader:
    def __init__(self, octets: bytes) -> None:
        self._octets = octets
        self._at = 0

    def one(self, what: str) -> int:
        return self.some(1, what)[0]

    def some(self, count: int, what: str) -> bytes:
        piece = self._octets[self._at : self._at + count]
        if len(piece) < count:
            raise PduError(f"it ends within {what}")
        self._at += count
        return piece

    def rest(self) -> bytes:
        return self._octets[self._at :]


def _deliver(take: _Reader, first: int) -> Deliver:
    sender = _address(take)
    take.one("protocol")
    coding = _coding(take.one("coding"))
    at_ms = _time(take.some(7, "the time stamp"))
    length = take.one("length of the text")
    text, concat = _text(take.rest(), length, coding, header=bool(first & _UDHI))
    return Deliver(sender=sender, text=text, at_ms=at_ms, concat=concat)


def _report(take: _Reader) -> StatusReport:
    reference = take.one("reference")
    recipient = _address(take)
    take.some(7, "the time stamp")
    discharged_ms = _time(take.some(7, "the discharge time"))
    return StatusReport(reference, recipient, take.one("status"), discharged_ms)


def _address(take: _Reader) -> str:
    length, kind = take.one("length of an address"), take.one("type of an address")
    octets = take.some((length + 1) // 2, "an address")
    if kind & 0x70 == _ALPHANUMERIC:
        return alphabet.characters(alphabet.unpack(octets, length * 4 // 7))
    digits = "".join(f"{octet & 15:x}{octet >> 4:x}" for octet in octets)[:length]
    readable = "".join(_SEMI[int(digit, 16)] for digit in digits if digit != "f")
    return f"+{readable}" if kind & 0x70 == 0x10 else readable


def _coding(scheme: int) -> str:
    """``gsm7``, ``ucs2`` or ``binary`` (TS 23.038, 4)."""
    if scheme & 0xC0 == 0 or scheme & 0xC0 == 0x40:
        return ("gsm7", "binary", "ucs2", "gsm7")[scheme >> 2 & 3]
    if scheme & 0xF0 == 0xE0:
        return "ucs2"
    if scheme & 0xF0 == 0xF0 and scheme & 4:
        return "binary"
    return "gsm7"


def _text(data: bytes, length: int, coding: str, *, header: bool) -> tuple[str, Concat | None]:
    concat, begins = None, 0
    if header:
        if not data or data[0] + 1 > len(data):
            raise PduError("it ends within the header")
        begins = data[0] + 1
        concat = _concat(data[1:begins])
    if coding == "gsm7":
        gone = -(-begins * 8 // 7)
        codes = alphabet.unpack(data[begins:], max(0, length - gone), gone * 7 - begins * 8)
        return alphabet.characters(codes), concat
    octets = data[begins:length]
    if coding == "ucs2":
        return octets[: len(octets) // 2 * 2].decode("utf-16-be", errors="surrogatepass"), concat
    return octets.decode("latin-1"), concat


def _concat(elements: bytes) -> Concat | None:
    at = 0
    while at + 2 <= len(elements):
        kind, size = elements[at], elements[at + 1]
        value = elements[at + 2 : at + 2 + size]
        found = None
        if kind == 0 and len(value) == 3:
            found = Concat(value[0], value[1], value[2])
        elif kind == 8 and len(value) == 4:
            found = Concat(int.from_bytes(value[:2], "big"), value[2], value[3])
        if found is not None and 1 <= found.number <= found.total:
            return found
        at += 2 + size
    return None


def _time(octets: bytes) -> int:
    """A time stamp; 0 where it is none (some centres send zeros)."""
    pairs = [(octet & 15) * 10 + (octet >> 4) for octet in octets[:6]]
    zone = octets[6]
    quarters = (zone & 7) * 10 + (zone >> 4)
    offset = timedelta(minutes=15 * (-quarters if zone & 8 else quarters))
    try:
        year = 2000 + pairs[0] if pairs[0] < 90 else 1900 + pairs[0]
        _, month, day, hour, minute, second = pairs
        when = datetime(year, month, day, hour, minute, second, tzinfo=timezone(offset))
        return max(0, int(when.astimezone(UTC).timestamp() * 1000))
    except (ValueError, OverflowError):
        return 0


def _semi_octets(digits: str) -> bytes:
    codes = [_SEMI.index(digit) for digit in digits] + [15] * (len(digits) % 2)
    return bytes(low | high << 4 for low, high in zip(codes[::2], codes[1::2], strict=True))


def _user_data(text: str, header: bytes, *, gsm7: bool) -> bytes:
    if gsm7:
        gone = -(-len(header) * 8 // 7)
        codes = alphabet.septets(text)
        packed = alphabet.pack(codes, gone * 7 - len(header) * 8)
        return bytes((gone + len(codes),)) + header + packed
    encoded = text.encode("utf-16-be", errors="surrogatepass")
    return bytes((len(header) + len(encoded),)) + header + encoded
