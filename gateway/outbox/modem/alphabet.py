"""The GSM 7-bit default alphabet with its extension (3GPP TS 23.038, 6.2.1), and how septets lie in octets."""

from __future__ import annotations

BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENSION = {"\f": 10, "^": 20, "{": 40, "}": 41, "\\": 47, "[": 60, "~": 61, "]": 62, "|": 64, "€": 101}
ESCAPE = 27

_CODES: dict[str, tuple[int, ...]] = {
    **{character: (code,) for code, character in enumerate(BASIC) if code != ESCAPE},
    **{character: (ESCAPE, code) for character, code in EXTENSION.items()},
}
_EXTENDED = {code: character for character, code in EXTENSION.items()}


def fits(text: str) -> bool:
    """Whether every character of ``text`` is in the alphabet."""
    return all(character in _CODES for character in text)


def septets(text: str) -> list[int]:
    """``text`` as septets. Raises ValueError for a character that is not in the alphabet."""
    found: list[int] = []
    for character in text:
        codes = _CODES.get(character)
        if codes is None:
            raise ValueError(f"{character!r} is not in the GSM 7-bit alphabet")
        found += codes
    return found


def characters(codes: list[int]) -> str:
    """Septets as text. What follows an escape and is not known is read from the basic table, as 6.2.1.1 asks."""
    out: list[str] = []
    escaped = False
    for code in codes:
        if escaped:
            out.append(_EXTENDED.get(code, BASIC[code] if code != ESCAPE else " "))
            escaped = False
        elif code == ESCAPE:
            escaped = True
        else:
            out.append(BASIC[code])
    return "".join(out)


def pack(codes: list[int], fill: int = 0) -> bytes:
    """Septets in octets, lowest bit first, after ``fill`` empty bits (a header before them ends on a septet)."""
    bits, width = 0, fill
    for code in codes:
        bits |= code << width
        width += 7
    return bits.to_bytes((width + 7) // 8, "little")


def unpack(octets: bytes, count: int, fill: int = 0) -> list[int]:
    """The first ``count`` septets after ``fill`` bits; fewer where the octets end before."""
    bits = int.from_bytes(octets, "little") >> fill
    there = max(0, (len(octets) * 8 - fill) // 7)
    return [bits >> (7 * index) & 0x7F for index in range(min(count, there))]
