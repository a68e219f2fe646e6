"""The AT dialogue with a modem as a pure state machine: bytes in; answers, unsolicited lines and bytes to write out.

One command runs at a time. A modem says things of its own in between: before the echo, between header and PDU, within
an answer, right behind it. Only what the running command asked for belongs to its answer; every other line is
unsolicited.
Time is the edge's: it gives a command up with `abandon`, and finds the beat again with `PROBE`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

LINE_MAX = 4096
"""Longer lines are noise."""
CTRL_Z, ESC = b"\x1a", b"\x1b"

_FINALS = frozenset({"OK", "ERROR", "COMMAND NOT SUPPORT", "TOO MANY PARAMETERS"})
_DIAL_FINALS = frozenset({"NO CARRIER", "BUSY", "NO ANSWER", "NO DIALTONE", "NO DIAL TONE"})
_ERROR = re.compile(r"\+(CME|CMS) ERROR: ?(.*)")
_WITH_PDU = ("+CDS:", "+CMT:", "+CBM:")
"""Unsolicited, with a PDU on the line behind."""
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2}){2,}")
_STATE = re.compile(r"\+C(?:E|G|5G)?REG: ?\d,\d")
"""The answer to a question about registration; unsolicited it has no mode in front."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command and what belongs to its answer."""

    text: str
    info: tuple[str, ...] = ()
    """How the lines of its answer begin: ``+CSQ:``."""
    bare: bool = False
    """Lines that begin with nothing in particular belong to it (``AT+CGMM``)."""
    needed: bool = False
    """An OK without such a line is a late one, of an earlier command."""
    with_pdu: bool = False
    """Behind each of its lines stands a PDU (``AT+CMGL``)."""
    payload: bytes = b""
    """Written at the prompt (``>``, or a line CONNECT)."""
    dials: bool = False
    """NO CARRIER, BUSY … may be its answer."""
    secret: bool = False
    """It is not to be logged."""
    timeout_s: float = 5.0

    def __str__(self) -> str:
        return self.text.partition("=")[0] + "=…" if self.secret else self.text


PROBE = Command(text="AT+CMEE?", info=("+CMEE:",), needed=True, timeout_s=2.0)
"""Whose answer can be told from any late one."""


@dataclass(frozen=True, slots=True)
class Answer:
    """How a command ended: its lines (a PDU behind its header, with a line feed between), and the final code."""

    final: str
    lines: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the modem did it."""
        return self.final == "OK"

    @property
    def first(self) -> str:
        """What stands behind the colon of the first line; the line itself where it has none."""
        line = self.lines[0] if self.lines else ""
        name, colon, value = line.partition(":")
        return value.strip() if colon and name.startswith(("+", "^", "*")) else line

    @property
    def error(self) -> tuple[str, int | None]:
        """``CME`` or ``CMS`` (empty for a bare ERROR) and the code; None where it is in words."""
        found = _ERROR.fullmatch(self.final)
        if found is None:
            return "", None
        return found[1], int(found[2]) if found[2].strip().isdigit() else None


@dataclass(frozen=True, slots=True)
class Urc:
    """A line that nobody asked for; ``pdu`` where one stands behind it."""

    line: str
    pdu: str = ""


@dataclass(frozen=True, slots=True)
class Write:
    """Bytes to be written now: the payload, at its prompt."""

    data: bytes


Event = Answer | Urc | Write


@dataclass(slots=True)
class _Running:
    command: Command
    lines: list[str] = field(default_factory=list)
    prompted: bool = False


class AtCore:
    """The machine. `noise` counts lines that were none."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._running: _Running | None = None
        self._header = ""
        """An unsolicited header whose PDU has not come yet."""
        self.noise = 0

    @property
    def busy(self) -> bool:
        """Whether a command runs: `begin` must wait."""
        return self._running is not None

    def begin(self, command: Command) -> bytes:
        """What to write for ``command``. Raises RuntimeError while another runs."""
        if self._running is not None:
            raise RuntimeError(f"{self._running.command} still runs")
        self._running = _Running(command)
        return command.text.encode("ascii") + b"\r"

    def abandon(self) -> bytes:
        """Give the running command up; what to write so that the modem does as well (ESC at a prompt)."""
        running, self._running = self._running, None
        return ESC if running is not None and running.command.payload and not running.prompted else b""

    def feed(self, data: bytes) -> list[Event]:
        """What the bytes mean. Never raises."""
        events: list[Event] = []
        self._buffer += data
        while True:
            if self._at_prompt():
                assert self._running is not None
                self._running.prompted = True
                events.append(Write(self._running.command.payload))
            end = min((at for at in (self._buffer.find(b"\r"), self._buffer.find(b"\n")) if at >= 0), default=-1)
            if end < 0:
                break
            raw = bytes(self._buffer[:end])
            del self._buffer[: end + 1]
            if (event := self._line(_clean(raw))) is not None:
                events.append(event)
        if len(self._buffer) > LINE_MAX:
            self._buffer.clear()
            self.noise += 1
        return events

    def _at_prompt(self) -> bool:
        running = self._running
        if running is None or not running.command.payload or running.prompted:
            return False
        bare = self._buffer.lstrip(b"\r\n \x00" + bytes(range(0x7F, 0x100)))
        if not bare.startswith(b">"):
            return False
        del self._buffer[: len(self._buffer) - len(bare) + 1]
        return True

    def _line(self, line: str) -> Event | None:
        if not line:
            return None
        running = self._running
        if running is not None and line == running.command.text:
            return None  # the echo
        if self._header and _HEX.fullmatch(line):
            header, self._header = self._header, ""
            return Urc(header, line)
        if line.startswith(_WITH_PDU):
            self._header = line
            return None
        if running is not None:
            answered = self._answer(running, line)
            if answered is not False:
                return answered
        if line in _FINALS or _ERROR.fullmatch(line):
            self.noise += 1  # late: the command it belongs to was given up
            return None
        if line[0] in "+^*#%$" or line in _DIAL_FINALS or _WORDS.match(line):
            return Urc(line)
        self.noise += 1
        return None

    def _answer(self, running: _Running, line: str) -> Event | Literal[False] | None:
        """What ``line`` is as a part of the answer, None where it only belongs to it; False for any other line."""
        command = running.command
        payload = command.payload
        if line == "CONNECT" and payload and not running.prompted:
            running.prompted = True
            return Write(payload)
        if payload and running.prompted and line.encode("latin-1") == payload.rstrip(CTRL_Z + b"\r\n"):
            return None  # the echo of the PDU
        if line in _FINALS or _ERROR.fullmatch(line) or (command.dials and line in _DIAL_FINALS):
            if command.needed and line == "OK" and not running.lines:
                self.noise += 1
                return None
            self._running = None
            return Answer(line, tuple(running.lines))
        if command.info and line.startswith(command.info):
            if "REG:" in line and not _STATE.match(line):
                return False  # unsolicited: it has no mode in front
            running.lines.append(line)
            return None
        if command.with_pdu and running.lines and "\n" not in running.lines[-1] and _HEX.fullmatch(line):
            running.lines[-1] += f"\n{line}"
            return None
        if command.bare and line[0] not in "+^*" and not line.startswith("AT") and not _WORDS.match(line):
            running.lines.append(line)
            return None
        return False


_WORDS = re.compile(
    r"RING$|RDY$|Call Ready$|SMS Ready$|SMS DONE$|PB DONE$|VOICE CALL: |MISSED_CALL: |MO (RING|CONNECTED)$|"
    r"NORMAL POWER DOWN$|UNDER-VOLTAGE|OVER-VOLTAGE|POWERED DOWN$|NO CARRIER$|BUSY$|NO ANSWER$|NO DIAL ?TONE$|DST: "
)


def _clean(raw: bytes) -> str:
    """A line without the noise in front of it that a plug or a wake-up makes."""
    return raw.decode("latin-1").lstrip("".join(map(chr, (*range(0x21), *range(0x7F, 0x100))))).rstrip(" \x00")
