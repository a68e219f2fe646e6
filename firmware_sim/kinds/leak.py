"""Water leak detector: two contacts on the floor, wet until somebody mops up or long after the valve was shut."""

from __future__ import annotations

from firmware_sim.device import Action, Args
from firmware_sim.kinds.detector import Detector

DRIES_S = 60.0
"""With the water shut off, the floor around the contacts runs dry by the clock of a story, not of a flood."""


class LeakDetector(Detector):
    """The firmware of what `devices.kinds.leak` describes."""

    kind_key = "leak"
    model = "WL-1"
    firmware = "1.0.8"
    heartbeat_s = 2400.0
    battery_days = 1460.0
    usual_room = "bathroom"
    _wet = False
    _shut_since_ms: int | None = None

    def alarming(self, now_ms: int) -> bool:
        return self._wet

    def clearing(self, now_ms: int) -> bool:
        return not self._wet

    def going_on(self, now_ms: int) -> bool:
        return self._wet

    def look(self, now_ms: int) -> None:
        if "water" not in self.household.shut:
            self._shut_since_ms = None
        elif self._shut_since_ms is None:
            self._shut_since_ms = now_ms
        elif now_ms - self._shut_since_ms >= DRIES_S * 1000:
            self._wet = False
        super().look(now_ms)

    def measure(self, now_ms: int) -> dict[str, float]:
        return {"temperature": round(self.warmth(now_ms), 1)}

    def _leak(self, now_ms: int, args: Args) -> None:
        self._wet, self._shut_since_ms = True, None
        self.look(now_ms)

    def _dry(self, now_ms: int, args: Args) -> None:
        self._wet = False
        self.look(now_ms)

    def actions(self) -> dict[str, Action]:
        return {**super().actions(), "leak": self._leak, "leak_cleared": self._dry}
