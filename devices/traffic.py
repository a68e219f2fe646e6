"""Level of service of an urban road: how its speed reads on a road of its class.

Five levels for each of three classes of road, as Chinese cities publish them. The rules of congestion begin at the same
speeds.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, Literal, get_args

RoadClass = Literal["expressway", "arterial", "branch"]
ROAD_CLASSES: Final[tuple[RoadClass, ...]] = get_args(RoadClass)
DEFAULT_CLASS: Final[RoadClass] = "arterial"
"""Of a road of which nobody said it; the rules take it so, too."""


class Level(IntEnum):
    """From free to severely congested; a sign's ``level`` has the same words."""

    FREE = 1
    MOSTLY_FREE = 2
    LIGHT = 3
    MODERATE = 4
    SEVERE = 5


FROM_KMH: Final[dict[RoadClass, tuple[float, float, float, float]]] = {
    "expressway": (65, 50, 35, 20),
    "arterial": (40, 30, 20, 15),
    "branch": (35, 25, 15, 10),
}
"""Faster than the first is free, than the second mostly free, than the third light, than the last moderate."""
BUSY_FLOW: Final[dict[RoadClass, float]] = {"expressway": 300, "arterial": 300, "branch": 150}
"""Vehicles an hour: a road with fewer, whose space is not taken either, is empty and not congested."""
BUSY_OCCUPANCY: Final = 25.0
"""%; few vehicles that stand take as much."""


def road_class(given: object) -> RoadClass:
    """The class in an attribute ``road_class``; the default where there is none, or another word."""
    return next((known for known in ROAD_CLASSES if known == given), DEFAULT_CLASS)


def level(of: RoadClass, speed: float | None, flow: float | None, occupancy: float | None) -> Level | None:
    """The level of service by mean speed (km/h), flow (vehicles/h) and occupancy (%).

    An empty road is slow by its zeros, or says no speed at all: it is free. None where too little is known to say.
    """
    busy = (flow is not None and flow >= BUSY_FLOW[of]) or (occupancy is not None and occupancy >= BUSY_OCCUPANCY)
    if not busy and (flow is not None or occupancy is not None):
        return Level.FREE
    if speed is None:
        return None
    return next((Level(at) for at, limit in enumerate(FROM_KMH[of], 1) if speed > limit), Level.SEVERE)
