"""Motion detector: sees who walks through its room, and says that it is over when nobody has for a while."""

from __future__ import annotations

from firmware_sim.kinds.indoors import Indoors

BLIND_MS = 180_000
"""Of life: so long after the last movement it says that nobody moves. Detectors on a battery hold for minutes."""
LOOK_AGAIN_MS = 60_000
"""Of life, where the home's day stands still."""


class MotionDetector(Indoors):
    """The firmware of what `devices.kinds.motion` describes."""

    kind_key = "motion"
    model = "PIR-2"
    firmware = "1.3.0"
    heartbeat_s = 2400.0
    battery_days = 730.0

    def measure(self, now_ms: int) -> dict[str, float]:
        return {"illuminance": round(self.light(now_ms)), "temperature": round(self.warmth(now_ms), 1)}

    def started(self, now_ms: int) -> None:
        self.leave("occupied", now_ms)
        self._await_movement(now_ms, self.life_ms(now_ms))

    def _await_movement(self, now_ms: int, life_ms: int) -> None:
        """Wait for what moves after ``life_ms``."""
        next_ms = self.household.next_movement(self.room, life_ms)
        if "occupied" in self.standing and (next_ms is None or next_ms > life_ms + BLIND_MS):
            self.at_life("quiet", life_ms + BLIND_MS, self._quiet, now_ms)
        if next_ms is None:
            again_ms = self.life_ms(now_ms) + LOOK_AGAIN_MS
            self.at_life("movement", again_ms, lambda at_ms: self._await_movement(at_ms, again_ms), now_ms)
            return

        def moved(at_ms: int) -> None:
            if not self.household.held:
                self.stop("quiet")
                self.enter("occupied", at_ms)
            self._await_movement(at_ms, next_ms)

        self.at_life("movement", next_ms, moved, now_ms)

    def _quiet(self, now_ms: int) -> None:
        self.leave("occupied", now_ms)
