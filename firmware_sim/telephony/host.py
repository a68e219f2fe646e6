"""What the parts of a simulated modem need of the whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol

from firmware_sim.telephony.faults import ModemFaults
from firmware_sim.telephony.models import Model
from firmware_sim.telephony.network import Network
from firmware_sim.telephony.terminal import Terminal

Commands = dict[str, Callable[[str], None]]
"""What is done at ``AT+NAME``, by name; it is given what stands behind the name."""


class Host(Protocol):
    """The modem around its calls and its SMS."""

    number: str
    sim: Literal["in", "out"]
    model: Model
    network: Network
    faults: ModemFaults
    terminal: Terminal

    @property
    def ready(self) -> bool:
        """Whether its SIM is unlocked and in a network."""
        ...

    def take_sms(self, sender: str, text: str) -> bool:
        """As in `network.Subscriber`."""
        ...

    def take_report(self, reference: int, to: str, sent_ms: int, status: int) -> None:
        """As in `network.Subscriber`."""
        ...
