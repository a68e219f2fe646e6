"""How long a modem, the network and people are given. All in seconds."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """`faster` for a simulated network whose time runs faster."""

    command: float = 5.0
    """A command that asks the modem itself."""
    network: float = 40.0
    """One that asks the network."""
    send: float = 60.0
    """One SMS, from its PDU to the network's word."""
    upload: float = 60.0
    look: float = 20.0
    """Between two looks at signal, registration and SIM."""
    retry: float = 10.0
    """Before a modem that could not be set up is tried again; doubles up to `retry_max`."""
    retry_max: float = 300.0
    ring: float = 45.0
    """From dialling until nobody answers."""
    poll: float = 0.7
    """Between two looks at a call under way."""
    key: float = 20.0
    """After the words for a key to be pressed."""
    hang_up: float = 10.0
    pause: float = 1.0
    """Between two sayings of the words, and before the first: a telephone is put to the ear."""
    speak_margin: float = 5.0
    """How much longer than reckoned a voice may take before it is thought to be through."""
    reopen: float = 1.0
    """Between two tries to open a tty that is not there."""
    settle: float = 1.0
    """By this a dialect's own `settle_s` is multiplied."""
    per_second: float = 1.0
    """By this the length of a saying is multiplied."""

    def faster(self, factor: float) -> Self:
        """All of it divided by ``factor``."""
        return replace(self, **{one.name: getattr(self, one.name) / factor for one in fields(self)})
