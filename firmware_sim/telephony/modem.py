"""A simulated 4G modem: its AT commands as the makers' manuals print the answers, on a tty, in a simulated network.

What can be wrong with it is settable while it runs: echo, slow, lines of its own at awkward moments, a SIM that wants
a PIN, is locked or is pulled, a network that is gone, a hang in the middle of whatever it does, a full SIM.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from firmware_sim.telephony import pdu
from firmware_sim.telephony.models import MODELS, Model
from firmware_sim.telephony.network import Network, now_ms
from firmware_sim.telephony.phone import Cause, Phone
from firmware_sim.telephony.port import ModemPort, WireFaults

AWKWARD = ('+CUSD: 1,"Balance 3.20 > *100#",15', "+CTZV: 32", "*PSUTTZ: 26,11,28,18,0,0,32,0", "DST: 0")
"""Said in the middle of answers."""
SPEAKS_PER_S = 4.5
STARTS_AFTER_S = 3.0

Hang = Literal["", "soft", "hard"]
"""``soft``: only CFUN helps. ``hard``: nothing does."""


@dataclass(slots=True, kw_only=True)
class ModemFaults(WireFaults):
    echo: bool = True
    """As it starts: until somebody says ATE0."""
    awkward: bool = False
    slow_s: float = 0.0
    """Before each answer."""
    hang: Hang = ""
    hang_at: str = ""
    """A command that begins so makes it hang (soft), once."""
    send_error: str = ""
    """The answer to the next SMS: ``+CMS ERROR: 38``."""
    send_hangs_after: int | None = None
    """So many SMS are still answered."""
    dtmf: Literal["heard", "late", "missing"] = "heard"
    speaks: bool = True
    """False: the voice does not say when it is through."""
    incoming_while_dialling: bool = False


@dataclass(slots=True)
class _Leg:
    """Our end of a call."""

    modem: SimModem
    number: str
    stat: int = 2
    phone: Phone | None = None
    over: bool = False

    @property
    def caller(self) -> str:
        return self.modem.number

    def alerting(self) -> None:
        self.stat = 3
        self.modem.urc(self.modem.model.says_alerting)

    def answered(self) -> None:
        self.stat = 0
        self.modem.urc(self.modem.model.says_answered)

    def key(self, key: str) -> None:
        self.modem.hear_key(key)

    def end(self, cause: Cause) -> None:
        if self.over:
            return
        self.over = True
        if self.phone is not None:
            self.phone.ended(self)
        self.modem.call_ended(self, cause)


@dataclass(slots=True)
class _Data:
    """The modem waits for a payload."""

    done: Callable[[bytes], None]
    size: int | None
    """None: until Ctrl-Z."""
    taken: bytearray = field(default_factory=bytearray)


class SimModem:
    """One modem. ``async with`` plugs it in; its methods belong to the event loop."""

    def __init__(
        self,
        network: Network,
        path: Path,
        number: str,
        model: str = "sim7600",
        *,
        pin: str | None = None,
        room: int = 20,
        seed: int = 1,
        faults: ModemFaults | None = None,
    ) -> None:
        self.network = network
        self.number = number
        self.model: Model = MODELS[model]
        self.faults = faults or ModemFaults()
        self.imsi = "46000" + number.strip("+")[-10:].rjust(10, "0")
        self.sim: Literal["in", "out"] = "in"
        self.pin = pin
        self.tries = 3
        self.puk = False
        self.room = room
        self.stored: dict[int, str] = {}
        self.registered = True
        self.denied = False
        self.csq = 21
        self.starts = 0
        """How often it has started."""
        self.commands: list[str] = []
        """Every command it was given."""
        self.files: dict[str, bytes] = {}
        self._rng = random.Random(seed)
        self._port = ModemPort(path, self._take, self.faults, self._rng)
        self._buffer = bytearray()
        self._data: _Data | None = None
        self._leg: _Leg | None = None
        self._saying: asyncio.TimerHandle | None = None
        self._cause = Cause.HUNG_UP
        self._unlocked = pin is None
        self._dtmf_on = self._verbose = False
        self._hung: Hang = ""
        network.modems[number] = self

    async def __aenter__(self) -> SimModem:
        self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.unplug()

    # what happens to it

    def start(self) -> None:
        """Power, and its tty."""
        self.starts += 1
        self._hung = ""
        self._echo = self.faults.echo
        self._unlocked = self.pin is None
        self._dtmf_on = self._verbose = False
        self._data, self._buffer = None, bytearray()
        self._port.plug()
        self.network.retry_kept()

    def unplug(self) -> None:
        """Its tty vanishes, and the call with it."""
        if self._leg is not None:
            self._leg.end(Cause.BROKEN)
        self._port.unplug()

    def plug(self) -> None:
        self._port.plug()

    def restart(self) -> None:
        """It restarts by itself: the tty goes, and comes again."""
        self.unplug()

        def back() -> None:
            self.start()
            for line in self.model.ready:
                self.urc(line)

        self.network.later(STARTS_AFTER_S, back)

    def crash(self) -> None:
        """It restarts by itself and its tty stays, as on a UART."""
        self._leg = None
        self.start()
        for line in self.model.ready:
            self.urc(line)

    def hang(self, how: Hang = "soft") -> None:
        self._hung = how

    def pull_sim(self) -> None:
        self.sim = "out"
        self.urc(self.model.sim_out)

    def insert_sim(self) -> None:
        self.sim, self._unlocked = "in", self.pin is None
        self.urc("+CPIN: READY" if self._unlocked else "+CPIN: SIM PIN")

    def lose_network(self) -> None:
        self.registered = False
        self.urc("+CREG: 2")
        if self._leg is not None:
            self._leg.end(Cause.BROKEN)

    def find_network(self) -> None:
        self.registered = True
        self.urc("+CREG: 1")
        self.network.retry_kept()

    def ring(self, number: str) -> None:
        """Somebody calls the modem."""
        self.urc("RING")
        self.urc(f'+CLIP: "{number}",161,,,,0')

    # SMS in

    def take_sms(self, sender: str, text: str) -> bool:
        if not self._ready or self._hung:
            return False
        parts = pdu.deliver(sender, text, now_ms(), reference=self.network.next_reference())
        if len(self.stored) + len(parts) > self.room:
            return False
        for one in parts:
            index = min(set(range(1, self.room + 1)) - set(self.stored))
            self.stored[index] = one
            self.urc(f'+CMTI: "SM",{index}')
        return True

    def take_report(self, reference: int, to: str, sent_ms: int, status: int) -> None:
        if self._ready and not self._hung:
            text = pdu.status_report(reference, to, sent_ms, now_ms(), status)
            self.urc(f"+CDS: {len(text) // 2 - 9}\r\n{text}")

    # calls

    def hear_key(self, key: str) -> None:
        if not self._dtmf_on or self.faults.dtmf == "missing":
            return
        line = self.model.dtmf.format(key=key, code=ord(key))
        if self.faults.dtmf == "late":
            self.network.later(4.0, lambda: self.urc(line))
        else:
            self.urc(line)

    def call_ended(self, leg: _Leg, cause: Cause) -> None:
        if self._leg is not leg:
            return
        self._leg, self._cause = None, cause
        if self._saying is not None:
            self._saying.cancel()
        self.urc(self.model.says_ended)
        self.urc(cause.value[0])

    # the tty

    def urc(self, line: str) -> None:
        """Something it says by itself."""
        if line and not self._hung:
            self._port.write(f"\r\n{line}\r\n".encode("latin-1"))

    @property
    def _ready(self) -> bool:
        return self.sim == "in" and self._unlocked and not self.puk and self.registered and self.network.up

    def _take(self, data: bytes) -> None:
        for byte in data:
            one = bytes((byte,))
            if self._data is not None:
                self._take_data(one)
            elif one == b"\x1b":
                self._buffer.clear()
            elif one in b"\r\n":
                if self._echo and one == b"\r" and not self._hung and self._buffer:
                    self._port.write(bytes(self._buffer) + b"\r")
                line, self._buffer = self._buffer.decode("latin-1").strip(), bytearray()
                if line:
                    self._command(line)
            else:
                self._buffer += one

    def _take_data(self, one: bytes) -> None:
        data = self._data
        assert data is not None
        if data.size is None and one == b"\x1b":
            self._data = None
            self._answer("OK")
        elif data.size is None and one == b"\x1a":
            self._data = None
            data.done(bytes(data.taken))
        else:
            data.taken += one
            if data.size is not None and len(data.taken) >= data.size:
                self._data = None
                data.done(bytes(data.taken))

    def _answer(self, *lines: str) -> None:
        """An answer, after the time it takes, with something in the middle of it where that is asked for."""
        said = list(lines)
        if self.faults.awkward:
            at = self._rng.randrange(len(said)) if len(said) > 1 else 0
            said.insert(at, self._rng.choice(AWKWARD))

        def speak() -> None:
            if not self._hung:
                self._port.write("".join(f"\r\n{line}\r\n" for line in said).encode("latin-1"))

        if self.faults.slow_s:
            self.network.later(self.faults.slow_s, speak)
        else:
            speak()

    def _ask(self, prompt: bytes, done: Callable[[bytes], None], size: int | None = None) -> None:
        self._data = _Data(done, size)
        self._port.write(prompt)

    def _error(self, code: int, words: str = "") -> None:
        self._answer(f"+CME ERROR: {code}" if self._verbose else words or "ERROR")

    # commands

    def _command(self, line: str) -> None:
        self.commands.append(line)
        upper = line.upper()
        if self._hung == "hard" or (self._hung and not upper.startswith("AT+CFUN=1,1")):
            return
        if self.faults.hang_at and upper.startswith(self.faults.hang_at):
            self.faults.hang_at, self._hung = "", "soft"
            return
        if upper.startswith("AT+CFUN=1,1"):
            self.restart()
            return
        if upper.startswith("ATD"):
            self._dial(line[3:].rstrip(";"))
            return
        found = re.match(r"AT(?:\+(\w+))?(.*)", line, re.IGNORECASE)
        if found is None:
            self._answer("ERROR")
        elif found[1] is None:
            self._basic(found[2].upper())
        else:
            self._extended(found[1].upper(), found[2])

    def _basic(self, rest: str) -> None:
        if rest in ("E0", "E1"):
            self._echo = rest == "E1"
            self._answer("OK")
        elif rest == "I":
            self._answer(*self.model.ati, "OK")
        elif rest == "H":
            self._hang_up()
        else:
            self._answer("OK" if rest == "" else "ERROR")

    def _extended(self, name: str, rest: str) -> None:
        handler = getattr(self, f"_at_{name.lower()}", None)
        if handler is not None:
            handler(rest)
        elif name in self.model.known:
            self._answer("OK")
        elif name == "CLCC" and rest.startswith("=") and "CLCC=" not in self.model.known:
            self._answer("ERROR")
        else:
            self._error(100 if self._verbose else 0)

    def _at_cgmm(self, _: str) -> None:
        self._answer(self.model.cgmm, "OK")

    def _at_cmee(self, rest: str) -> None:
        if rest == "?":
            self._answer(f"+CMEE: {int(self._verbose)}", "OK")
        else:
            self._verbose = rest != "=0"
            self._answer("OK")

    def _at_cpin(self, rest: str) -> None:
        if rest == "?":
            if self.sim == "out":
                self._answer(self.model.cpin_absent)
            elif self.puk:
                self._answer("+CPIN: SIM PUK", "OK")
            else:
                self._answer("+CPIN: READY" if self._unlocked else "+CPIN: SIM PIN", "OK")
            return
        if rest == f'="{self.pin}"':
            self._unlocked, self.tries = True, 3
            self._answer("OK")
            self.urc("+CPIN: READY")
        else:
            self.tries -= 1
            self.puk = self.tries <= 0
            self._answer("+CME ERROR: 16")

    def _at_spic(self, _: str) -> None:
        if self.model.tries == "SPIC":
            self._answer(f"+SPIC: {self.tries},10,0,10", "OK")
        else:
            self._error(100)

    def _at_qpinc(self, _: str) -> None:
        if self.model.tries == "QPINC":
            self._answer(f'+QPINC: "SC",{self.tries},10', "OK")
        else:
            self._error(100)

    def _at_cimi(self, _: str) -> None:
        self._answer(self.imsi, "OK")

    def _at_cmgf(self, _: str) -> None:
        self._answer("OK")

    def _at_cnmi(self, _: str) -> None:
        self._answer("OK")

    def _at_clip(self, _: str) -> None:
        self._answer("OK")

    def _at_cpms(self, rest: str) -> None:
        used = len(self.stored)
        if rest == "?":
            self._answer("+CPMS: " + ",".join([f'"SM",{used},{self.room}'] * 3), "OK")
        else:
            self._answer("+CPMS: " + ",".join([f"{used},{self.room}"] * 3), "OK")

    def _registration(self, name: str, rest: str) -> None:
        if rest == "?":
            state = 3 if self.denied else 1 if self.registered and self.network.up else 2
            self._answer(f"+{name}: 1,{state}", "OK")
        else:
            self._answer("OK")

    def _at_creg(self, rest: str) -> None:
        self._registration("CREG", rest)

    def _at_cereg(self, rest: str) -> None:
        if self.model.cereg:
            self._registration("CEREG", rest)
        else:
            self._error(100)

    def _at_csq(self, _: str) -> None:
        self._answer(f"+CSQ: {self.csq if self.registered else 99},99", "OK")

    def _at_cops(self, _: str) -> None:
        self._answer('+COPS: 0,0,"CHINA MOBILE",7' if self.registered else "+COPS: 0", "OK")

    # calls

    def _dial(self, number: str) -> None:
        if not self._ready:
            self._answer("NO CARRIER" if self.sim == "in" else "+CME ERROR: 10")
            return
        if self._leg is not None:
            self._answer("ERROR")
            return
        self._leg = _Leg(self, number)
        if self.faults.incoming_while_dialling:
            self.urc("RING")
            self.urc("NO CARRIER")  # it gave up
        self._answer("OK")
        self.network.dial(self._leg, number)

    def _at_clcc(self, rest: str) -> None:
        if rest.startswith("="):
            self._answer("OK" if "CLCC=" in self.model.known else "ERROR")
        elif self._leg is None:
            self._answer("OK")
        else:
            self._answer(f'+CLCC: 1,0,{self._leg.stat},0,0,"{self._leg.number}",129,""', "OK")

    def _at_chup(self, _: str) -> None:
        self._hang_up()

    def _hang_up(self) -> None:
        leg, self._leg = self._leg, None
        if self._saying is not None:
            self._saying.cancel()
        if leg is not None:
            leg.end(Cause.HUNG_UP)
        self._answer("OK")

    def _at_ceer(self, _: str) -> None:
        _, number, words = self._cause.value
        said = {"sim800": f"+CEER: 0,{number}", "ec20": f"+CEER: 5,{number}"}
        self._answer(said.get(self.model.name, f"+CEER: {words}"), "OK")

    def _at_ddet(self, rest: str) -> None:
        self._detect("DDET", rest)

    def _at_qtonedet(self, rest: str) -> None:
        self._detect("QTONEDET", rest)

    def _detect(self, name: str, rest: str) -> None:
        if name != self.model.dtmf_on:
            self._error(100)
            return
        self._dtmf_on = rest.startswith("=1")
        self._answer("OK")

    def _at_ctts(self, rest: str) -> None:
        self._speak("CTTS", rest, r'=1,"([0-9A-F]*)"', "+CTTS: 0")

    def _at_qwtts(self, rest: str) -> None:
        self._speak("QWTTS", rest, r'=1,1,1,"([0-9A-F]{0,543})"', "+QWTTS: 0")

    def _speak(self, name: str, rest: str, pattern: str, ended: str) -> None:
        if name not in self.model.known:
            self._error(100)
            return
        found = re.fullmatch(pattern, rest)
        if found is None:
            self._answer("OK" if rest.endswith("0") else "ERROR")
            if self._saying is not None:
                self._saying.cancel()
        else:
            text = bytes.fromhex(found[1]).decode("utf-16-be")
            self._sound(text, len(text) / SPEAKS_PER_S, ended)

    def _sound(self, text: str, seconds: float, ended: str) -> None:
        """Say ``text`` into the call."""
        leg = self._leg
        if leg is None or leg.stat != 0:
            self._error(903)
            return
        self._answer("OK")

        def through() -> None:
            if leg.phone is not None:
                leg.phone.hears(leg, text)
            if self.faults.speaks:
                self.urc(ended)

        self._saying = self.network.later(seconds, through)

    # files

    def _at_qfupl(self, rest: str) -> None:
        self._upload("QFUPL", rest, r'="RAM:([\w.]+)",(\d+),\d+', b"\r\nCONNECT\r\n", "+QFUPL: {size},0")

    def _at_cftranrx(self, rest: str) -> None:
        self._upload("CFTRANRX", rest, r'="c:/([\w.]+)",(\d+)', b"\r\n>", "")

    def _upload(self, name: str, rest: str, pattern: str, prompt: bytes, said: str) -> None:
        found = re.fullmatch(pattern, rest)
        if name not in self.model.known or found is None:
            self._error(100)
            return
        file = found[1]

        def done(data: bytes) -> None:
            self.files[file] = data
            self._answer(*([said.format(size=len(data))] if said else []), "OK")

        self._ask(prompt, done, int(found[2]))

    def _at_qpsnd(self, rest: str) -> None:
        self._play("QPSND", rest, r'=1,"RAM:([\w.]+)",0,1,1', "+QPSND: 0")

    def _at_ccmxplaywav(self, rest: str) -> None:
        self._play("CCMXPLAYWAV", rest, r'="c:/([\w.]+)",1', "+WAVSTATE: wav play stop")

    def _play(self, name: str, rest: str, pattern: str, ended: str) -> None:
        found = re.fullmatch(pattern, rest)
        if name not in self.model.known:
            self._error(100)
        elif found is None:
            self._answer("OK")
        elif found[1] not in self.files:
            self._error(405)
        else:
            wav = self.files[found[1]]
            self._sound(words_of(wav), (len(wav) - 44) / 16_000, ended)

    # SMS

    def _at_cmgs(self, rest: str) -> None:
        length = int(rest.lstrip("=") or 0)

        def done(data: bytes) -> None:
            if self.faults.send_hangs_after is not None:
                if self.faults.send_hangs_after == 0:
                    self._hung = "soft"
                    return
                self.faults.send_hangs_after -= 1
            if self.faults.send_error:
                error, self.faults.send_error = self.faults.send_error, ""
                self._answer(error)
                return
            if not self._ready:
                self._answer("+CMS ERROR: 331")
                return
            text = data.decode("latin-1")
            try:
                sms = pdu.read_submit(text)
                if len(text) // 2 - 1 - int(text[:2], 16) != length:
                    raise pdu.BadPdu("another length than announced")
            except pdu.BadPdu as error:
                self.network.surprise(f"a PDU that is none ({error}): {text}")
                self._answer("+CMS ERROR: 304")
                return
            reference = self.network.next_reference()
            self._answer(f"+CMGS: {reference}", "OK")
            self.network.submit(self, sms, reference)

        self._ask(b"\r\n> ", done)

    def _at_cmgl(self, _: str) -> None:
        lines = [f"+CMGL: {index},1,,{len(one) // 2 - 9}\r\n{one}" for index, one in sorted(self.stored.items())]
        self._answer(*lines, "OK")

    def _at_cmgr(self, rest: str) -> None:
        one = self.stored.get(int(rest.lstrip("=")))
        if one is None:
            self._answer("+CMS ERROR: 321")
        else:
            self._answer(f"+CMGR: 0,,{len(one) // 2 - 9}\r\n{one}", "OK")

    def _at_cmgd(self, rest: str) -> None:
        self.stored.pop(int(rest.lstrip("=").split(",")[0]), None)
        self._answer("OK")
        self.network.retry_kept()


def words_of(wav: bytes) -> str:
    """What a WAV says, from its comment; a mark where it has none."""
    at = wav.find(b"ICMT")
    if at < 0:
        return "(声音 a sound)"
    size = int.from_bytes(wav[at + 4 : at + 8], "little")
    return wav[at + 8 : at + 8 + size].rstrip(b"\0").decode(errors="replace")
