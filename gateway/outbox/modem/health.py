"""How a modem is doing, for health, metrics and the rules."""

from __future__ import annotations

from enum import StrEnum

from gateway.alarms import Frozen


class ModemState(StrEnum):
    """What a modem is doing, or why it does nothing."""

    STARTING = "starting"
    ABSENT = "absent"
    """The tty is not there, or somebody else has it."""
    SILENT = "silent"
    """It hangs: it is being reset."""
    NO_SIM = "no_sim"
    PIN = "pin"
    """The SIM wants a PIN that is missing or wrong."""
    PUK = "puk"
    """The SIM is locked: somebody has to unlock it by hand."""
    SEARCHING = "searching"
    """No network yet."""
    DENIED = "denied"
    """The network refuses this SIM."""
    READY = "ready"
    FAULT = "fault"


class ModemHealth(Frozen):
    """One modem at this moment."""

    name: str
    port: str
    state: ModemState
    zh: str
    en: str
    """What is wrong and what to do; what it is when all is well."""
    since_ms: int
    model: str = ""
    dialect: str = ""
    operator: str = ""
    signal_dbm: int | None = None
    sim: str = ""
    """The last four digits of the SIM's IMSI."""
    stored: int | None = None
    """SMS on the SIM."""
    room: int | None = None
    """How many it holds."""
    calling: bool = False
    calls: int = 0
    calls_failed: int = 0
    """That never left the house, or whose fate is unknown."""
    sms_sent: int = 0
    sms_failed: int = 0
    sms_received: int = 0
    resets: int = 0
    noise: int = 0
    last_error: str = ""

    @property
    def ready(self) -> bool:
        """Whether it carries calls and SMS."""
        return self.state is ModemState.READY
