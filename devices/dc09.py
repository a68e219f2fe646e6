"""SIA DC-09 frames: framing, check sum, encryption, answers. Both ends: alarm units call in, and we call a centre.

``LF CRC4 0LLL "id" seq4 [Rrcvr] Lline #acct [data] [extended]… _HH:MM:SS,MM-DD-YYYY CR``: the check sum (CRC-16/ARC)
and the length are over what lies between length and CR. ``*`` before the id: all behind the first ``[`` is AES-CBC with
a zero vector, in hexadecimal, filled up in front. Times are UTC.

Source: ANSI/SIA DC-09. Golden frames and where they were published: tests/golden/dc09/README.md.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

from devices.observation import Refusal

BODY_MOST = 2048
"""Bytes between length and CR. Real frames are below 300; extended data with an address may double that."""
LATE_MS, EARLY_MS = 40_000, 20_000
"""An encrypted frame whose time is further behind or ahead than this is played back, or of a clock that is wrong."""
LF, CR = b"\n", b"\r"
Answer = Literal["ACK", "NAK", "DUH"]

_BLOCK = 16
_KEY_BYTES = (16, 24, 32)
_FRAME = re.compile(
    rb'"(?P<encrypted>\*?)(?P<token>[A-Z0-9-]{3,7})"(?P<sequence>[0-9]{4})'
    rb"(?:R(?P<receiver>[0-9A-Fa-f]{1,6}))?(?:L(?P<line>[0-9A-Fa-f]{1,6}))?"
    rb"(?:[#A](?P<account>[0-9A-Za-z]{1,16}))?\[(?P<rest>.*)",
    re.DOTALL,
)
_CONTENT = re.compile(r"(?P<data>[^\]]*)\](?P<extended>(?:\[[^\[\]]*\])*)(?:_(?P<time>[0-9:,-]+))?\s*")
_ACCOUNT_INSIDE = re.compile(r"#?([0-9A-Za-z]{1,16})\|")
_TIME = "%H:%M:%S,%m-%d-%Y"


class Damaged(Exception):
    """A frame whose bytes did not arrive as they were sent. The standard: it is not answered, and comes again."""

    def __init__(self, why: str, raw: bytes) -> None:
        super().__init__(why)
        self.raw = raw


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One frame with a right check sum. ``rest``: all behind the first ``[``, in hexadecimal where it is encrypted."""

    token: str
    """``ADM-CID``, ``SIA-DCS``, ``NULL``; ``ACK``, ``NAK``, ``DUH`` of answers."""
    encrypted: bool
    sequence: str
    receiver: str
    line: str
    account: str
    rest: str
    odd_length: bool = False
    """The length was counted wrong, as some units do; the check sum vouches for the bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What stands in a frame behind its head, deciphered."""

    data: str
    """Without the filling: ``#1002|1602 00 001``."""
    extended: tuple[str, ...]
    at_ms: int | None
    """None where no time was sent, or one that is none."""


def checksum(body: bytes) -> int:
    """CRC-16/ARC."""
    crc = 0
    for byte in body:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
    return crc


def frame_bytes(body: bytes) -> bytes:
    """``body`` as it goes over the wire."""
    return b"%b%04X%04X%b%b" % (LF, checksum(body), len(body), body, CR)


def read_key(secret: str) -> bytes:
    """The AES key of an account: ``hex:`` and 32, 48 or 64 digits, or 16, 24 or 32 characters taken as they are.

    Raises ValueError. Makers differ in what they call the key: 32 characters may be meant as 16 bytes in hexadecimal.
    """
    if secret.startswith("hex:"):
        try:
            key = bytes.fromhex(secret[4:])
        except ValueError:
            raise ValueError("key: expected hexadecimal digits after hex:") from None
    else:
        key = secret.encode()
    if len(key) not in _KEY_BYTES:
        raise ValueError(
            "key: expected 16, 24 or 32 characters, or hex: and 32, 48 or 64 hexadecimal digits; "
            f"this one makes {len(key)} bytes"
        )
    return key


def time_text(at_ms: int) -> str:
    """An instant as a frame carries it, in UTC, with the underscore before it."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime(f"_{_TIME}")


def body_of(frame: Frame) -> bytes:
    """What stands between length and CR."""
    star = "*" if frame.encrypted else ""
    receiver = f"R{frame.receiver}" if frame.receiver else ""
    account = f"#{frame.account}" if frame.account else ""
    head = f'"{star}{frame.token}"{frame.sequence}{receiver}L{frame.line or "0"}{account}['
    return (head + frame.rest).encode("ascii")


def encode(frame: Frame) -> bytes:
    """A frame as it goes over the wire. Raises UnicodeEncodeError for what is not ASCII."""
    return frame_bytes(body_of(frame))


def sealed(data: str, at_ms: int | None, key: bytes | None = None, noise: bytes = b"") -> str:
    """The ``rest`` of a frame: ``data``, its end and its time; with ``key`` encrypted, filled up from ``noise``.

    ``noise``: 16 random bytes, so that the same message does not look the same twice."""
    plain = f"{data}]{'' if at_ms is None else time_text(at_ms)}"
    if key is None:
        return plain
    plain = f"|{plain}" if data else plain
    letters = bytes(ord("a") + byte % 26 for byte in noise[:_BLOCK].ljust(_BLOCK, b"\x0f"))
    filled = letters[: -len(plain) % _BLOCK] + plain.encode("ascii")
    encryptor = Cipher(AES(key), CBC(bytes(_BLOCK))).encryptor()
    return (encryptor.update(filled) + encryptor.finalize()).hex().upper()


def decode(raw: bytes) -> Frame:
    """The frame in ``raw``, which stands between LF and CR. Raises Damaged, Refusal (a sound frame nobody can read)."""
    try:
        crc, length = int(raw[:4], 16), int(raw[4:8], 16)
    except ValueError:
        raise Damaged("no check sum and length in front", raw) from None
    body = raw[8:]
    if checksum(body) != crc:
        raise Damaged(f"check sum {raw[:4].decode('ascii', 'replace')}, expected {checksum(body):04X}", raw)
    return read_body(body, odd_length=length != len(body))


def read_body(body: bytes, *, odd_length: bool = False) -> Frame:
    """The frame in what stands between length and CR. Raises Refusal."""
    found = _FRAME.fullmatch(body)
    try:
        text = {name: (value or b"").decode("ascii") for name, value in found.groupdict().items()} if found else {}
    except UnicodeDecodeError:
        text = {}
    if not text:
        raise Refusal(
            "malformed",
            field="frame",
            expected='"id" sequence [Rreceiver] Lline #account [data]',
            hint=f"got {body[:60].decode('ascii', 'replace')}",
        )
    if not text["account"] and not text["encrypted"] and (inside := _ACCOUNT_INSIDE.match(text["rest"])):
        text["account"] = inside[1]  # some units name it in the data alone
    if not text["account"]:
        raise Refusal(
            "no_account",
            field="account",
            expected="#account before [, or in the data",
            hint="set an account number in the unit",
        )
    return Frame(
        token=text["token"],
        encrypted=bool(text["encrypted"]),
        sequence=text["sequence"],
        receiver=text["receiver"].upper(),
        line=text["line"].upper(),
        account=text["account"].upper(),
        rest=text["rest"],
        odd_length=odd_length,
    )


def opened(frame: Frame, key: bytes | None) -> Content:
    """What the frame holds. Raises Refusal: ``no_key``, ``undecipherable`` (another key), ``malformed``."""
    text = frame.rest
    if frame.encrypted:
        if key is None:
            raise Refusal(
                "no_key",
                field="account",
                expected="a key for every account that encrypts",
                hint=f"account {frame.account}: name its secret (option key of its device, or of the bridge)",
                device=frame.account,
            )
        text = _deciphered(frame, key)
    found = _CONTENT.fullmatch(text)
    if found is None:
        if frame.encrypted:
            raise _undecipherable(frame)
        raise Refusal(
            "malformed",
            field="data",
            expected="[data] [extended]… _time",
            hint=f"got [{text[:60]}",
            device=frame.account,
        )
    data = found["data"]
    if frame.encrypted:  # what stands before the first bar fills the block up
        data = data.partition("|")[2]
    extended = tuple(part for part in re.split(r"[\[\]]+", found["extended"]) if part)
    return Content(data=data, extended=extended, at_ms=_time(found["time"]))


def _deciphered(frame: Frame, key: bytes) -> str:
    try:
        secret = bytes.fromhex(frame.rest)
        decryptor = Cipher(AES(key), CBC(bytes(_BLOCK))).decryptor()
        plain = decryptor.update(secret) + decryptor.finalize()
        return plain.decode("ascii")
    except ValueError:
        raise _undecipherable(frame) from None


def _undecipherable(frame: Frame) -> Refusal:
    return Refusal(
        "undecipherable",
        field="key",
        expected="what was encrypted with the key of this account",
        hint=f"account {frame.account}: the unit and its secret here hold different keys",
        device=frame.account,
    )


def time_of(found: re.Match[bytes] | None) -> int | None:
    """The time that a pattern found, ms; None where there is none."""
    return None if found is None else _time(found[1].decode("ascii", "replace"))


def _time(text: str | None) -> int | None:
    try:
        return int(datetime.strptime(text or "", _TIME).replace(tzinfo=UTC).timestamp()) * 1000
    except (ValueError, OverflowError):
        return None


def answer(kind: Answer, to: Frame | None, now_ms: int, key: bytes | None = None, noise: bytes = b"") -> bytes:
    """The answer to a frame. NAK tells the time, and is never encrypted; so is DUH. ``to`` None: of a frame nobody
    could read."""
    if kind == "NAK" or to is None:
        receiver = f"R{to.receiver}" if to is not None and to.receiver else "R0"
        line = (to.line if to is not None else "") or "0"
        return frame_bytes(f'"{kind}"0000{receiver}L{line}A0[]{time_text(now_ms)}'.encode())
    encrypted = to.encrypted and key is not None and kind == "ACK"
    rest = sealed("", now_ms, key, noise) if encrypted else "]"
    return encode(
        Frame(
            token=kind,
            encrypted=encrypted,
            sequence=to.sequence,
            receiver=to.receiver,
            line=to.line,
            account=to.account,
            rest=rest,
        )
    )


class FrameReader:
    """Bytes in pieces of any size → what stands between LF and CR. Holds at most one frame."""

    def __init__(self) -> None:
        self._held: bytearray | None = None
        """None: outside of a frame."""

    @property
    def holds(self) -> bool:
        """Whether a frame was begun and has not ended."""
        return self._held is not None

    def feed(self, data: bytes) -> list[bytes]:
        """The frames that ``data`` completes. What is not in a frame, or too long for one, is passed over."""
        found: list[bytes] = []
        for byte in data:
            if byte == LF[0]:
                self._held = bytearray()  # whatever was begun was cut off
            elif self._held is None:
                continue
            elif byte == CR[0]:
                if self._held:
                    found.append(bytes(self._held))
                self._held = None
            elif len(self._held) >= BODY_MOST + 8:
                self._held = None
            else:
                self._held.append(byte)
        return found
