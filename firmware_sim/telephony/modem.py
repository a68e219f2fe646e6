"""A simulated 4G modem: its AT commands as the makers' manuals print the answers, on a tty, in a simulated network.

What can be wrong with it is settable while it runs: echo, slow, lines of its own at awkward moments, a SIM that wants
a PIN, is locked or is pulled, a network that is gone, a hang in the middle of whatever it does, a full SIM.
"""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Literal

from firmware_sim.telephony.calls import Calls
from firmware_sim.telephony.faults import Hang, ModemFaults
from firmware_sim.telephony.host import Commands
from firmware_sim.telephony.messages import Messages
from firmware_sim.telephony.models import MODELS, Model
from firmware_sim.telephony.network import Network
from firmware_sim.telephony.terminal import Terminal

STARTS_AFTER_S = 3.0


class SimModem:
    """One modem. ``async with`` plugs it in; its methods belong to the event loop.

    ``room``: how many SMS its SIM holds. ``faults`` may be changed while it runs. Raises KeyError for a model that is
    none of `models.MODELS`.
    """

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
        """How often a wrong PIN may still be given."""
        self.puk = False
        """The SIM is locked, and wants its PUK."""
        self.registered = True
        self.denied = False
        """The network will not have it."""
        self.csq = 21
        """Signal as AT+CSQ counts it, 0 to 31."""
        self.starts = 0
        """How often it has started."""
        self.commands: list[str] = []
        """Every command it was given."""
        self.terminal = Terminal(path, self._command, network, self.faults, random.Random(seed))
        self._calls = Calls(self)
        self._messages = Messages(self, room)
        self._unlocked = pin is None
        self._known: Commands = {
            "CGMM": lambda _: self.terminal.answer(self.model.cgmm, "OK"),
            "CMEE": self._errors,
            "CPIN": self._pin,
            "SPIC": lambda _: self._tries_left("SPIC", f"+SPIC: {self.tries},10,0,10"),
            "QPINC": lambda _: self._tries_left("QPINC", f'+QPINC: "SC",{self.tries},10'),
            "CIMI": lambda _: self.terminal.answer(self.imsi, "OK"),
            "CLIP": lambda _: self.terminal.answer("OK"),
            "CREG": lambda rest: self._registration("CREG", rest),
            "CEREG": lambda rest: self._registration("CEREG", rest) if self.model.cereg else self.terminal.error(),
            "CSQ": lambda _: self.terminal.answer(f"+CSQ: {self.csq if self.registered else 99},99", "OK"),
            "COPS": self._operator,
            **self._calls.commands,
            **self._messages.commands,
        }
        network.modems[number] = self

    async def __aenter__(self) -> SimModem:
        self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.unplug()

    @property
    def ready(self) -> bool:
        """Whether its SIM is unlocked and in a network."""
        return self.sim == "in" and self._unlocked and not self.puk and self.registered and self.network.up

    @property
    def stored(self) -> dict[int, str]:
        """The SMS on its SIM: PDUs in hex by their place, from 1."""
        return self._messages.stored

    # what happens to it

    def start(self) -> None:
        """Power, and its tty."""
        self.starts += 1
        self._unlocked = self.pin is None
        self._calls.restarted()
        self.terminal.restart()
        self.network.retry_kept()

    def unplug(self) -> None:
        """Its tty vanishes, and the call with it."""
        self._calls.broken()
        self.terminal.unplug()

    def restart(self) -> None:
        """It restarts by itself: the tty goes, and comes again."""
        self.unplug()

        def back() -> None:
            self.start()
            self._say_ready()

        self.network.later(STARTS_AFTER_S, back)

    def crash(self) -> None:
        """It restarts by itself and its tty stays, as on a UART."""
        self._calls.forgotten()
        self.start()
        self._say_ready()

    def _say_ready(self) -> None:
        for line in self.model.ready:
            self.urc(line)

    def hang(self, how: Hang = "soft") -> None:
        """It answers nothing any more."""
        self.terminal.hung = how

    def pull_sim(self) -> None:
        """Somebody takes the SIM out."""
        self.sim = "out"
        self.urc(self.model.sim_out)

    def insert_sim(self) -> None:
        """The SIM is back, locked where it has a PIN."""
        self.sim, self._unlocked = "in", self.pin is None
        self.urc("+CPIN: READY" if self._unlocked else "+CPIN: SIM PIN")

    def lose_network(self) -> None:
        """No network any more, and the call is broken off."""
        self.registered = False
        self.urc("+CREG: 2")
        self._calls.broken()

    def find_network(self) -> None:
        """The network is back; what it kept comes in."""
        self.registered = True
        self.urc("+CREG: 1")
        self.network.retry_kept()

    def ring(self, number: str) -> None:
        """Somebody calls the modem."""
        self.urc("RING")
        self.urc(f'+CLIP: "{number}",161,,,,0')

    def urc(self, line: str) -> None:
        """Something it says by itself."""
        self.terminal.urc(line)

    def take_sms(self, sender: str, text: str) -> bool:
        """An SMS comes in. False where it has no room, or is not there: the centre keeps the SMS."""
        return self._messages.take(sender, text)

    def take_report(self, reference: int, to: str, sent_ms: int, status: int) -> None:
        """The centre reports what became of the SMS ``reference``; ``status`` as in 3GPP TS 23.040, 9.2.3.15."""
        self._messages.take_report(reference, to, sent_ms, status)

    # commands

    def _command(self, line: str) -> None:
        self.commands.append(line)
        upper = line.upper()
        restart = upper.startswith("AT+CFUN=1,1")
        if self.terminal.hung == "hard" or (self.terminal.hung and not restart):
            return
        if self.faults.hang_at and upper.startswith(self.faults.hang_at):
            self.faults.hang_at, self.terminal.hung = "", "soft"
        elif restart:
            self.restart()
        elif upper.startswith("ATD"):
            self._calls.dial(line[3:].rstrip(";"))
        elif (found := re.match(r"AT(?:\+(\w+))?(.*)", line, re.IGNORECASE)) is None:
            self.terminal.answer("ERROR")
        elif found[1] is None:
            self._basic(found[2].upper())
        else:
            self._extended(found[1].upper(), found[2])

    def _basic(self, rest: str) -> None:
        if rest in ("E0", "E1"):
            self.terminal.echo = rest == "E1"
            self.terminal.answer("OK")
        elif rest == "I":
            self.terminal.answer(*self.model.ati, "OK")
        elif rest == "H":
            self._calls.hang_up()
        else:
            self.terminal.answer("OK" if rest == "" else "ERROR")

    def _extended(self, name: str, rest: str) -> None:
        if (do := self._known.get(name)) is not None:
            do(rest)
        elif name in self.model.known:
            self.terminal.answer("OK")
        else:
            self.terminal.error()

    def _errors(self, rest: str) -> None:
        if rest == "?":
            self.terminal.answer(f"+CMEE: {int(self.terminal.verbose)}", "OK")
        else:
            self.terminal.verbose = rest != "=0"
            self.terminal.answer("OK")

    def _pin(self, rest: str) -> None:
        if rest == "?":
            if self.sim == "out":
                self.terminal.answer(self.model.cpin_absent)
            elif self.puk:
                self.terminal.answer("+CPIN: SIM PUK", "OK")
            else:
                self.terminal.answer("+CPIN: READY" if self._unlocked else "+CPIN: SIM PIN", "OK")
        elif rest == f'="{self.pin}"':
            self._unlocked, self.tries = True, 3
            self.terminal.answer("OK")
            self.urc("+CPIN: READY")
        else:
            self.tries -= 1
            self.puk = self.tries <= 0
            self.terminal.answer("+CME ERROR: 16")

    def _tries_left(self, name: str, answer: str) -> None:
        if self.model.tries == name:
            self.terminal.answer(answer, "OK")
        else:
            self.terminal.error()

    def _registration(self, name: str, rest: str) -> None:
        if rest == "?":
            state = 3 if self.denied else 1 if self.registered and self.network.up else 2
            self.terminal.answer(f"+{name}: 1,{state}", "OK")
        else:
            self.terminal.answer("OK")

    def _operator(self, _: str) -> None:
        self.terminal.answer('+COPS: 0,0,"CHINA MOBILE",7' if self.registered else "+COPS: 0", "OK")
