"""Where a simulated device lives."""

from __future__ import annotations

from dataclasses import dataclass

from firmware_sim.household import Household
from firmware_sim.spot import NOWHERE, Spot

Position = tuple[float, float]
SOMEWHERE: Position = (39.93, 116.46)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Where a simulated device lives."""

    seed: int = 0
    zone: str = "Asia/Shanghai"
    """IANA time zone of its day."""
    rate: float = 1.0
    """Speed factor of telemetry, natural life and the battery; 1 is life itself."""
    sparing: float = 1.0
    """So many times more rarely than otherwise it reports: for a past that is told at once."""
    resident: str | None = None
    hardware: str | None = None
    """What it calls itself in topics and frames, where that is not the id that the registry knows it by."""
    spot: Spot = NOWHERE
    household: Household | None = None
    """Shared by the devices of one home; None gives the device one of its own."""
    position: Position = SOMEWHERE
    """Latitude and longitude, WGS-84."""
    behind: int = 0
    """How many devices reach the gateway through this one."""
