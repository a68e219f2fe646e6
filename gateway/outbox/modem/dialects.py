"""What modems of different makers say differently, as data. Sources and what was never tried: docs/telephony.md."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

TTS_PIECE = 100
"""Characters given to a modem's voice at once: Quectel takes 543 octets, four for each character."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePlayer:
    """How a WAV comes into the modem and to the other side."""

    upload: str
    """``{name}`` and ``{size}``; the octets follow at the prompt."""
    play: str
    stop: str
    ended: tuple[str, ...]
    """How the line begins that says that it was played."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """The modem's own voice, towards the other side."""

    before: tuple[str, ...] = ()
    say: str
    """``{hex}``: the text in UCS-2."""
    stop: str
    ended: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One family of modems."""

    name: str
    models: re.Pattern[str]
    """Of ``AT+CGMM`` or ``ATI``."""
    init: tuple[str, ...] = ()
    """Said once the SIM is ready; one that the modem does not know is passed over."""
    dtmf_on: str
    dtmf: tuple[str, ...]
    """How the line begins that says that a key was heard."""
    dtmf_as: Literal["character", "ascii"] = "character"
    voice: Voice | None = None
    files: FilePlayer | None = None
    pin_tries: str = ""
    """Asks how many tries the PIN has left; empty where the modem cannot say."""
    answered: tuple[str, ...] = ()
    """Unsolicited: the other side has taken the call."""
    settle_s: float = field(default=10.0)
    """From a reset until the modem speaks again."""

    def key(self, line: str) -> str:
        """The key that an unsolicited line reports; empty where it reports none."""
        for prefix in self.dtmf:
            if line.startswith(prefix):
                value = line[len(prefix) :].strip().strip('"').split(",")[0]
                if self.dtmf_as == "ascii" and value.isdigit() and len(value) == 2:
                    value = chr(int(value))
                return value if re.fullmatch(r"[0-9*#A-D]", value) else ""
        return ""


SIM800 = Dialect(
    name="sim800",
    models=re.compile(r"SIM(8|9)\d\d|SIMCOM_SIM8", re.IGNORECASE),
    init=("AT+MORING=1", "AT+CLTS=0"),
    dtmf_on="AT+DDET=1",
    dtmf=("+DTMF:",),
    voice=Voice(
        before=("AT+CTTSPARAM=90,0,50,50,0",), say='AT+CTTS=1,"{hex}"', stop="AT+CTTS=0", ended=("+CTTS: 0", "+CTTS:0")
    ),
    pin_tries="AT+SPIC",
    answered=("MO CONNECTED",),
)
SIM7600 = Dialect(
    name="sim7600",
    models=re.compile(r"SIM(COM_SIM)?7[0-9]\d\d|A76\d\d", re.IGNORECASE),
    init=("AT+CLCC=1",),
    dtmf_on="AT+DDET=1",
    dtmf=("+RXDTMF:", "+DTMF:"),
    voice=Voice(
        # The path of the voice: to the other side.
        before=("AT+CDTAM=1", "AT+CTTSPARAM=1,3,0,1,1"),
        say='AT+CTTS=1,"{hex}"',
        stop="AT+CTTS=0",
        ended=("+CTTS: 0", "+CTTS:0"),
    ),
    files=FilePlayer(
        upload='AT+CFTRANRX="c:/{name}",{size}',
        play='AT+CCMXPLAYWAV="c:/{name}",1',
        stop="AT+CCMXSTOPWAV",
        ended=("+WAVSTATE: wav play stop",),
    ),
    pin_tries="AT+SPIC",
    answered=("VOICE CALL: BEGIN",),
)
QUECTEL = Dialect(
    name="quectel",
    models=re.compile(r"\bE[CGM]\d\d|\bUC\d\d|\bM[69]\d", re.IGNORECASE),
    init=('AT+QURCCFG="urcport","all"', 'AT+QINDCFG="ring",1'),
    dtmf_on="AT+QTONEDET=1",
    dtmf=("+QTONEDET:",),
    dtmf_as="ascii",
    voice=Voice(say='AT+QWTTS=1,1,1,"{hex}"', stop="AT+QWTTS=1,1,0", ended=("+QWTTS:", "+QTTS: 0")),
    files=FilePlayer(
        upload='AT+QFUPL="RAM:{name}",{size},60',
        play='AT+QPSND=1,"RAM:{name}",0,1,1',
        stop='AT+QPSND=0,"RAM:{name}",0',
        ended=("+QPSND: 0",),
    ),
    pin_tries='AT+QPINC="SC"',
)

DIALECTS = {dialect.name: dialect for dialect in (SIM800, SIM7600, QUECTEL)}


def of_model(said: str) -> Dialect | None:
    """The dialect of a modem by what it says of itself; None for one that is not known."""
    return next((dialect for dialect in DIALECTS.values() if dialect.models.search(said)), None)


def pieces(text: str) -> list[str]:
    """``text`` in pieces that a modem's voice takes, cut behind a stop where there is one."""
    found = []
    while len(text) > TTS_PIECE:
        cut = max(text.rfind(stop, 0, TTS_PIECE) for stop in ("。", "，", ". ", ", ", " "))
        cut = cut + 1 if cut > 0 else TTS_PIECE
        found.append(text[:cut].strip())
        text = text[cut:]
    return [piece for piece in (*found, text.strip()) if piece]


def ucs2(text: str) -> str:
    """``text`` in UCS-2 as hex; what has no place in it is left out: it cannot be spoken either."""
    return "".join(character for character in text if character <= "\uffff").encode("utf-16-be").hex().upper()
