"""One home as its devices see it: the resident's day, what a story does to it, and which valves are shut.

The devices of a home share one household, so that they tell one story also when it takes an unusual turn: who lies on
the floor is seen by the radar there and by no motion detector elsewhere, and a gas leak ends when the valve is shut.
"""

from __future__ import annotations

from firmware_sim.signals.home import Home, Moment
from firmware_sim.signals.homeday import Doing, Door, Dose, Opening, Room
from firmware_sim.spot import Medium

_DAY_MS = 86_400_000


class Household:
    """Times are those of the simulated life (`SimDevice.life_ms`)."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.shut: set[Medium] = set()
        """What a valve keeps out."""
        self._held: Moment | None = None

    @property
    def held(self) -> bool:
        """Whether a story keeps the resident where they are."""
        return self._held is not None

    def hold(self, room: Room, doing: Doing) -> None:
        """The resident stays in ``room`` and opens, takes and moves nothing, until `release`."""
        self._held = Moment(room, doing, 0)

    def release(self) -> None:
        """The day goes on as it would have."""
        self._held = None

    def at(self, life_ms: int) -> Moment:
        """Where the resident is and what they do: what a story says, else what the home's day says."""
        return self._held or self.home.at(life_ms)

    def next_change(self, life_ms: int) -> int | None:
        """When that changes; None while a story holds the resident, or where it is not known."""
        return None if self._held else self.home.next_change(life_ms)

    def next_movement(self, room: Room, life_ms: int) -> int | None:
        """When somebody next moves in the room; None while a story holds the resident, or where nobody does."""
        return None if self._held else self.home.next_movement(room, life_ms)

    def next_opening(self, door: Door, life_ms: int) -> Opening | None:
        """When the door is next used; None while a story holds the resident, or where it is not."""
        return None if self._held else self.home.next_opening(door, life_ms)

    def next_dose(self, life_ms: int) -> Dose | None:
        """The first that is due after ``life_ms``; None if there is none for two days."""
        return next(iter(self.home.doses(life_ms + 1, life_ms + 2 * _DAY_MS)), None)
