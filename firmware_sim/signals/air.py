"""Gas in a well-mixed room: c' = (steady - c) / tau, the equation of ventilation engineers.

A leak of q (m3/h) into a room of v (m3) with n air changes an hour tends to q / (v n), with the time constant 1 / n: a
kitchen with its window shut has about 0.5 changes an hour, with the window open 5. Works for natural gas in % of its
lower explosive limit and for carbon monoxide in ppm alike. Between two changes the course is known in closed form.
"""

from __future__ import annotations

import math

SHUT_TAU_S, AIRED_TAU_S = 7200.0, 720.0
"""Half an air change an hour, and five."""


class Room:
    """One room's air."""

    def __init__(self, *, tau_s: float = SHUT_TAU_S, background: float = 0.0) -> None:
        self._tau_s = tau_s
        self._background = background
        self._steady = background
        self._value = background
        self._from_ms: int | None = None

    def at(self, now_ms: int) -> float:
        """The concentration now."""
        if self._from_ms is None:
            return self._value
        gone = math.exp(-max(0, now_ms - self._from_ms) / 1000 / self._tau_s)
        return self._steady + (self._value - self._steady) * gone

    def feed(self, now_ms: int, steady: float) -> None:
        """A leak or a smouldering stove begins: with this airing the concentration tends to ``steady``.

        0 shuts the valve or puts the fire out: what is in the air stays until it is aired away.
        """
        self._turn(now_ms)
        self._steady = self._background + steady

    def air(self, now_ms: int, tau_s: float = AIRED_TAU_S) -> None:
        """Open the window (or shut it): the same leak then tends to less, and faster."""
        self._turn(now_ms)
        self._steady = self._background + (self._steady - self._background) * tau_s / self._tau_s
        self._tau_s = tau_s

    def _turn(self, now_ms: int) -> None:
        self._value, self._from_ms = self.at(now_ms), now_ms
