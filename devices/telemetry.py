"""What the telemetry store holds: where a reading was taken, and (below) every measurement with its tags and fields."""

from __future__ import annotations

from typing import NamedTuple


class Stamps(NamedTuple):
    """Where a device is and whom it serves, as ids, at the time its reading is written; empty where there is none.

    They are functions of the device, so as tags they add no series, except when a device moves.
    """

    community: str = ""
    grid: str = ""
    """网格: the part of the community that one grid worker looks after."""
    building: str = ""
    place: str = ""
    """The device's own place: a home, a door, a pole."""
    resident: str = ""


NOWHERE = Stamps()
"""Of a device that the registry does not know (any more)."""
