"""What can be wrong with a simulated modem; all of it is settable while it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from firmware_sim.telephony.port import WireFaults

Hang = Literal["", "soft", "hard"]
"""``soft``: only CFUN helps. ``hard``: nothing does."""


@dataclass(slots=True, kw_only=True)
class ModemFaults(WireFaults):
    """Of one modem, with those of its wire."""

    echo: bool = True
    """As it starts: until somebody says ATE0."""
    awkward: bool = False
    """It says something of its own in the middle of answers."""
    slow_s: float = 0.0
    """Before each answer."""
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
