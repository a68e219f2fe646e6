"""Calls of a simulated modem: dialling, keys heard, and what is said into them, by its voice or from a file."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from functools import partial

from firmware_sim.telephony.host import Commands, Host
from firmware_sim.telephony.phone import Cause, Phone

SPEAKS_PER_S = 4.5
"""Characters."""
KEY_LATE_S = 4.0
WAV_HEAD_BYTES, WAV_BYTES_PER_S = 44, 16_000


@dataclass(slots=True, eq=False)
class _Leg:
    """Our end of a call."""

    calls: Calls
    caller: str
    number: str
    stat: int = 2
    """As in AT+CLCC: 0 active, 2 dialling, 3 alerting."""
    phone: Phone | None = None
    over: bool = False

    def alerting(self) -> None:
        self.stat = 3
        self.calls.alerting()

    def answered(self) -> None:
        self.stat = 0
        self.calls.answered()

    def key(self, key: str) -> None:
        self.calls.hear_key(key)

    def end(self, cause: Cause) -> None:
        if self.over:
            return
        self.over = True
        if self.phone is not None:
            self.phone.ended(self)
        self.calls.ended(self, cause)


class Calls:
    """One call at a time. ``commands`` are those of calls."""

    def __init__(self, modem: Host) -> None:
        self._modem = modem
        self._leg: _Leg | None = None
        self._saying: asyncio.TimerHandle | None = None
        self._cause = Cause.HUNG_UP
        self._dtmf_on = False
        self._files: dict[str, bytes] = {}
        self.commands: Commands = {
            "CLCC": self._list,
            "CHUP": lambda _: self.hang_up(),
            "CEER": self._why,
            "DDET": partial(self._detect, "DDET"),
            "QTONEDET": partial(self._detect, "QTONEDET"),
            "CTTS": partial(self._speak, "CTTS", r'=1,"([0-9A-F]*)"', "+CTTS: 0"),
            "QWTTS": partial(self._speak, "QWTTS", r'=1,1,1,"([0-9A-F]{0,543})"', "+QWTTS: 0"),
            "QFUPL": partial(
                self._upload, "QFUPL", r'="RAM:([\w.]+)",(\d+),\d+', b"\r\nCONNECT\r\n", "+QFUPL: {size},0"
            ),
            "CFTRANRX": partial(self._upload, "CFTRANRX", r'="c:/([\w.]+)",(\d+)', b"\r\n>", ""),
            "QPSND": partial(self._play, "QPSND", r'=1,"RAM:([\w.]+)",0,1,1', "+QPSND: 0"),
            "CCMXPLAYWAV": partial(self._play, "CCMXPLAYWAV", r'="c:/([\w.]+)",1', "+WAVSTATE: wav play stop"),
        }

    def restarted(self) -> None:
        """The modem has just started: no keys are listened for until it is told to."""
        self._dtmf_on = False

    def broken(self) -> None:
        """The modem loses the network, or its tty: so does the call under way."""
        if self._leg is not None:
            self._leg.end(Cause.BROKEN)

    def forgotten(self) -> None:
        """The modem fell over: the call under way is gone, and nobody says so on the tty."""
        leg = self._drop()
        if leg is not None:
            leg.end(Cause.BROKEN)

    # what the network says

    def alerting(self) -> None:
        """The other side rings."""
        self._modem.terminal.urc(self._modem.model.says_alerting)

    def answered(self) -> None:
        """The other side took it."""
        self._modem.terminal.urc(self._modem.model.says_answered)

    def hear_key(self, key: str) -> None:
        """A key was pressed at the other side."""
        if not self._dtmf_on or self._modem.faults.dtmf == "missing":
            return
        line = self._modem.model.dtmf.format(key=key, code=ord(key))
        if self._modem.faults.dtmf == "late":
            self._modem.network.later(KEY_LATE_S, lambda: self._modem.terminal.urc(line))
        else:
            self._modem.terminal.urc(line)

    def ended(self, leg: _Leg, cause: Cause) -> None:
        """The call is over. Nothing is said of one that was hung up here."""
        if self._leg is not leg:
            return
        self._drop()
        self._cause = cause
        self._modem.terminal.urc(self._modem.model.says_ended)
        self._modem.terminal.urc(cause.value[0])

    def _drop(self) -> _Leg | None:
        leg, self._leg = self._leg, None
        if self._saying is not None:
            self._saying.cancel()
        return leg

    # commands

    def dial(self, number: str) -> None:
        """ATD."""
        modem, terminal = self._modem, self._modem.terminal
        if not modem.ready:
            terminal.answer("NO CARRIER" if modem.sim == "in" else "+CME ERROR: 10")
            return
        if self._leg is not None:
            terminal.answer("ERROR")
            return
        self._leg = _Leg(self, modem.number, number)
        if modem.faults.incoming_while_dialling:
            terminal.urc("RING")
            terminal.urc("NO CARRIER")  # it gave up
        terminal.answer("OK")
        modem.network.dial(self._leg, number)

    def hang_up(self) -> None:
        """ATH, AT+CHUP."""
        leg = self._drop()
        if leg is not None:
            leg.end(Cause.HUNG_UP)
        self._modem.terminal.answer("OK")

    def _list(self, rest: str) -> None:
        if rest.startswith("="):
            self._modem.terminal.answer("OK" if "CLCC=" in self._modem.model.known else "ERROR")
        elif self._leg is None:
            self._modem.terminal.answer("OK")
        else:
            self._modem.terminal.answer(f'+CLCC: 1,0,{self._leg.stat},0,0,"{self._leg.number}",129,""', "OK")

    def _why(self, _: str) -> None:
        _, number, words = self._cause.value
        said = {"sim800": f"+CEER: 0,{number}", "ec20": f"+CEER: 5,{number}"}
        self._modem.terminal.answer(said.get(self._modem.model.name, f"+CEER: {words}"), "OK")

    def _detect(self, name: str, rest: str) -> None:
        if name != self._modem.model.dtmf_on:
            self._modem.terminal.error()
            return
        self._dtmf_on = rest.startswith("=1")
        self._modem.terminal.answer("OK")

    def _speak(self, name: str, pattern: str, ended: str, rest: str) -> None:
        if name not in self._modem.model.known:
            self._modem.terminal.error()
            return
        found = re.fullmatch(pattern, rest)
        if found is None:
            self._modem.terminal.answer("OK" if rest.endswith("0") else "ERROR")
            if self._saying is not None:
                self._saying.cancel()
        else:
            text = bytes.fromhex(found[1]).decode("utf-16-be")
            self._sound(text, len(text) / SPEAKS_PER_S, ended)

    def _upload(self, name: str, pattern: str, prompt: bytes, said: str, rest: str) -> None:
        terminal = self._modem.terminal
        found = re.fullmatch(pattern, rest)
        if name not in self._modem.model.known or found is None:
            terminal.error()
            return
        file = found[1]

        def done(data: bytes) -> None:
            self._files[file] = data
            terminal.answer(*([said.format(size=len(data))] if said else []), "OK")

        terminal.ask(prompt, done, int(found[2]))

    def _play(self, name: str, pattern: str, ended: str, rest: str) -> None:
        found = re.fullmatch(pattern, rest)
        if name not in self._modem.model.known:
            self._modem.terminal.error()
        elif found is None:
            self._modem.terminal.answer("OK")
        elif found[1] not in self._files:
            self._modem.terminal.error(405)
        else:
            wav = self._files[found[1]]
            self._sound(words_of(wav), (len(wav) - WAV_HEAD_BYTES) / WAV_BYTES_PER_S, ended)

    def _sound(self, text: str, seconds: float, ended: str) -> None:
        """Say ``text`` into the call."""
        leg = self._leg
        if leg is None or leg.stat != 0:
            self._modem.terminal.error(903)
            return
        self._modem.terminal.answer("OK")

        def through() -> None:
            if leg.phone is not None:
                leg.phone.hears(leg, text)
            if self._modem.faults.speaks:
                self._modem.terminal.urc(ended)

        self._saying = self._modem.network.later(seconds, through)


def words_of(wav: bytes) -> str:
    """What a WAV says, from its comment; a mark where it has none."""
    at = wav.find(b"ICMT")
    if at < 0:
        return "(声音 a sound)"
    size = int.from_bytes(wav[at + 4 : at + 8], "little")
    return wav[at + 8 : at + 8 + size].rstrip(b"\0").decode(errors="replace")
