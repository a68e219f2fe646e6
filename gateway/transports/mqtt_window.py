"""How much of a lane may be handed in and not yet answered: who hands in more waits, and with it the broker."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Window:
    """What was handed in and is not yet answered, over all connections of the lane.

    The bound is ours because it must be: Mosquitto 2.0.11 sends a backlog faster than the receive maximum allows, and
    MQTT 3.1.1 has no receive maximum. Who waits here is the network thread; TCP then makes the broker wait.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._since: dict[int, float] = {}
        self._answered: set[int] = set()
        self._next = 0
        self._changed = threading.Condition()

    def enter(self, give_up: Callable[[], bool]) -> int | None:
        """A place, as soon as there is one; None as soon as ``give_up()`` is true."""
        with self._changed:
            while not (stop := give_up()) and len(self._since) >= self._limit:
                self._changed.wait(0.2)
            if stop:
                return None
            self._next += 1
            self._since[self._next] = time.monotonic()
            return self._next

    def answer(self, place: int) -> bool:
        """The journal has answered what has this place; False if it had before."""
        with self._changed:
            if place not in self._since or place in self._answered:
                return False
            self._answered.add(place)
            return True

    def leave(self, place: int) -> None:
        """Give the place back. Not before the acknowledgement is sent: who waits for the window to be empty
        then ends the connection."""
        with self._changed:
            self._answered.discard(place)
            self._since.pop(place, None)
            self._changed.notify_all()

    def wait_empty(self, within_s: float) -> bool:
        """Whether everything is answered and acknowledged within that time."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._since, within_s)

    def unanswered(self) -> tuple[int, float]:
        """How many, and how old the oldest is in seconds."""
        with self._changed:
            oldest = next(iter(self._since.values()), None)
            return len(self._since), 0.0 if oldest is None else time.monotonic() - oldest
