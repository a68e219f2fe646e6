"""SMS as the simulated network handles them: SUBMIT in, DELIVER and STATUS-REPORT out (3GPP TS 23.040).

Written apart from the gateway's codec, from the specification, bit by bit: two that agree are worth more than one that
agrees with itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

TABLE = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
BEHIND_ESCAPE = {"\f": 0x0A, "^": 0x14, "{": 0x28, "}": 0x29, "\\": 0x2F, "[": 0x3C, "~": 0x3D, "]": 0x3E, "|": 0x40}
BEHIND_ESCAPE["€"] = 0x65
ZONE = timedelta(hours=8)


class BadPdu(ValueError):
    """The modem was given something that is no SUBMIT."""


@dataclass(frozen=True, slots=True)
class Submitted:
    """What somebody wants sent."""

    to: str
    data: bytes
    """The characters in UTF-16 (big endian): of a part they may end within a pair."""
    wants_report: bool
    part: tuple[int, int, int] | None
    """Reference, how many, which."""

    @property
    def text(self) -> str:
        """What it says; of a part, its part of it."""
        return joined([self.data])


def joined(parts: list[bytes]) -> str:
    """The text of parts in their order."""
    return b"".join(parts).decode("utf-16-be", errors="replace")


def read_submit(text: str) -> Submitted:
    """A SUBMIT in hex with the centre's address before it. Raises BadPdu."""
    try:
        octets = list(bytes.fromhex(text))
        at = 1 + octets[0]
        first = octets[at]
        if first & 0x03 != 0x01:
            raise BadPdu(f"type {first & 3} is no SUBMIT")
        digits, kind = octets[at + 2], octets[at + 3]
        at += 4
        number = ""
        for octet in octets[at : at + (digits + 1) // 2]:
            number += "0123456789*#abc "[octet & 15] + "0123456789*#abc "[octet >> 4]
        number = ("+" if kind == 0x91 else "") + number[:digits]
        at += (digits + 1) // 2
        coding = octets[at + 1]
        at += 2 + {0: 0, 2: 1, 1: 7, 3: 7}[first >> 3 & 3]
        length, data = octets[at], octets[at + 1 :]
        header: list[int] = []
        if first & 0x40:
            header = data[: data[0] + 1]
        part = None
        if header[1:3] == [0, 3]:
            part = (header[3], header[4], header[5])
        if coding == 8:
            if len(data) != length:
                raise BadPdu(f"{length} octets announced, {len(data)} there")
            return Submitted(number, bytes(data[len(header) :]), bool(first & 0x20), part)
        bits = "".join(format(octet, "08b")[::-1] for octet in data)
        codes = [int(bits[index * 7 : index * 7 + 7][::-1], 2) for index in range(length)]
        out, escaped = "", False
        for code in codes[-(-len(header) * 8 // 7) :]:
            if code == 0x1B and not escaped:
                escaped = True
                continue
            found = [one for one, behind in BEHIND_ESCAPE.items() if behind == code] if escaped else [TABLE[code]]
            out += found[0] if found else TABLE[code]
            escaped = False
        return Submitted(number, out.encode("utf-16-be"), bool(first & 0x20), part)
    except (IndexError, KeyError) as error:
        raise BadPdu(f"it ends too early: {error}") from None
    except ValueError as error:
        raise BadPdu(str(error)) from None


def deliver(sender: str, text: str, at_ms: int, *, reference: int = 1) -> list[str]:
    """``text`` from ``sender`` as one DELIVER or several, in hex."""
    septets = _septets(text)
    if septets is not None and len(septets) <= 160:
        return [_deliver(sender, at_ms, 0x00, len(septets), _packed(septets))]
    if septets is not None:
        pieces: list[list[int]] = []
        piece: list[int] = []
        for code in septets:
            if len(piece) == 153 or (len(piece) == 152 and code == 0x1B):
                pieces.append(piece)
                piece = []
            piece.append(code)
        pieces.append(piece)
        return [
            _deliver(
                sender,
                at_ms,
                0x00,
                7 + len(one),
                bytes((5, 0, 3, reference, len(pieces), index)) + _shifted(one),
                header=True,
            )
            for index, one in enumerate(pieces, 1)
        ]
    encoded = text.encode("utf-16-be", errors="replace")
    if len(encoded) <= 140:
        return [_deliver(sender, at_ms, 0x08, len(encoded), encoded)]
    # Telephones do cut within pairs: whoever puts it together has to live with that.
    cuts = [encoded[at : at + 134] for at in range(0, len(encoded), 134)]
    return [
        _deliver(
            sender,
            at_ms,
            0x08,
            6 + len(cut),
            bytes((5, 0, 3, reference, len(cuts), index)) + cut,
            header=True,
        )
        for index, cut in enumerate(cuts, 1)
    ]


def status_report(reference: int, recipient: str, sent_ms: int, done_ms: int, status: int) -> str:
    """A STATUS-REPORT in hex, with the centre's address."""
    tpdu = bytes((0x06, reference)) + _address(recipient) + _stamp(sent_ms) + _stamp(done_ms) + bytes((status,))
    return (_CENTRE + tpdu).hex().upper()


_CENTRE = bytes.fromhex("0891683110102105F0")


def _deliver(sender: str, at_ms: int, coding: int, length: int, data: bytes, *, header: bool = False) -> str:
    first = 0x04 | (0x40 if header else 0)
    tpdu = bytes((first,)) + _address(sender) + bytes((0, coding)) + _stamp(at_ms) + bytes((length,)) + data
    return (_CENTRE + tpdu).hex().upper()


def _address(number: str) -> bytes:
    digits = number.removeprefix("+")
    padded = digits + "F" * (len(digits) % 2)
    swapped = "".join(padded[at + 1] + padded[at] for at in range(0, len(padded), 2))
    return bytes((len(digits), 0x91 if number.startswith("+") else 0x81)) + bytes.fromhex(swapped)


def _stamp(at_ms: int) -> bytes:
    when = datetime.fromtimestamp(at_ms / 1000, UTC) + ZONE
    digits = when.strftime("%y%m%d%H%M%S") + "32"  # 32 quarters of an hour
    return bytes.fromhex("".join(digits[at + 1] + digits[at] for at in range(0, 14, 2)))


def _septets(text: str) -> list[int] | None:
    codes: list[int] = []
    for character in text:
        if character in BEHIND_ESCAPE:
            codes += [0x1B, BEHIND_ESCAPE[character]]
        elif character in TABLE and character != "\x1b":
            codes.append(TABLE.index(character))
        else:
            return None
    return codes


def _packed(codes: list[int], fill: str = "") -> bytes:
    bits = fill + "".join(format(code, "07b")[::-1] for code in codes)
    bits += "0" * (-len(bits) % 8)
    return bytes(int(bits[at : at + 8][::-1], 2) for at in range(0, len(bits), 8))


def _shifted(codes: list[int]) -> bytes:
    """Behind a header of 48 bits one empty bit brings the next septet to its place."""
    return _packed(codes, "0")
