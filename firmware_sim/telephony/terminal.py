"""The modem's side of its tty: lines and payloads in, answers and words of its own out, byte by byte as on the wire."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from firmware_sim.telephony.faults import Hang, ModemFaults
from firmware_sim.telephony.network import Network
from firmware_sim.telephony.port import ModemPort

AWKWARD = ('+CUSD: 1,"Balance 3.20 > *100#",15', "+CTZV: 32", "*PSUTTZ: 26,11,28,18,0,0,32,0", "DST: 0")
"""Said in the middle of answers."""

_CTRL_Z, _ESCAPE = b"\x1a", b"\x1b"


@dataclass(slots=True)
class _Payload:
    """The modem waits for bytes that are no command."""

    done: Callable[[bytes], None]
    size: int | None
    """None: until Ctrl-Z."""
    taken: bytearray = field(default_factory=bytearray)


class Terminal:
    """One tty. Belongs to the event loop; ``command`` gets every whole line."""

    def __init__(
        self, path: Path, command: Callable[[str], None], network: Network, faults: ModemFaults, rng: random.Random
    ) -> None:
        self.echo = faults.echo
        self.verbose = False
        """Errors come with a number (AT+CMEE)."""
        self.hung: Hang = ""
        self._command = command
        self._network = network
        self._faults = faults
        self._rng = rng
        self._port = ModemPort(path, self._take, faults, rng)
        self._buffer = bytearray()
        self._payload: _Payload | None = None

    def restart(self) -> None:
        """As after power on, with the tty there."""
        self.hung = ""
        self.echo, self.verbose = self._faults.echo, False
        self._payload, self._buffer = None, bytearray()
        self._port.plug()

    def unplug(self) -> None:
        """The tty vanishes."""
        self._port.unplug()

    def urc(self, line: str) -> None:
        """Say something that nobody asked for; an empty line is nothing."""
        if line and not self.hung:
            self._port.write(f"\r\n{line}\r\n".encode("latin-1"))

    def answer(self, *lines: str) -> None:
        """An answer, after the time it takes, with something in the middle of it where that is asked for."""
        said = list(lines)
        if self._faults.awkward:
            at = self._rng.randrange(len(said)) if len(said) > 1 else 0
            said.insert(at, self._rng.choice(AWKWARD))

        def speak() -> None:
            if not self.hung:
                self._port.write("".join(f"\r\n{line}\r\n" for line in said).encode("latin-1"))

        if self._faults.slow_s:
            self._network.later(self._faults.slow_s, speak)
        else:
            speak()

    def error(self, code: int = 100) -> None:
        """Answer with an error of the equipment (27.007, 9.2); 100 is "unknown"."""
        self.answer(f"+CME ERROR: {code}" if self.verbose else "ERROR")

    def ask(self, prompt: bytes, done: Callable[[bytes], None], size: int | None = None) -> None:
        """Take the next bytes as a payload: ``size`` of them, or all until Ctrl-Z. Escape calls it off."""
        self._payload = _Payload(done, size)
        self._port.write(prompt)

    def _take(self, data: bytes) -> None:
        for byte in data:
            one = bytes((byte,))
            if self._payload is not None:
                self._take_payload(self._payload, one)
            elif one == _ESCAPE:
                self._buffer.clear()
            elif one in b"\r\n":
                if self.echo and one == b"\r" and not self.hung and self._buffer:
                    self._port.write(bytes(self._buffer) + b"\r")
                line, self._buffer = self._buffer.decode("latin-1").strip(), bytearray()
                if line:
                    self._command(line)
            else:
                self._buffer += one

    def _take_payload(self, payload: _Payload, one: bytes) -> None:
        if payload.size is None and one == _ESCAPE:
            self._payload = None
            self.answer("OK")
            return
        ended = payload.size is None and one == _CTRL_Z
        if not ended:
            payload.taken += one
        if ended or (payload.size is not None and len(payload.taken) >= payload.size):
            self._payload = None
            payload.done(bytes(payload.taken))
