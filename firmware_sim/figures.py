"""What a fleet's links have done, in numbers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields


@dataclass(slots=True)
class Figures:
    """Since the start."""

    sent: int = 0
    acked: int = 0
    resent: int = 0
    events: int = 0
    """Things that happened at the devices; sent or still to be sent."""
    dropped: int = 0
    """Routine messages given up because the device's memory was full."""
    connects: int = 0
    bad_commands: int = 0


def total(figures: Iterable[Figures]) -> Figures:
    """All together."""
    found = Figures()
    for one in figures:
        for field in fields(Figures):
            setattr(found, field.name, getattr(found, field.name) + getattr(one, field.name))
    return found
