"""Glass break detector: hears a pane break, and resets itself."""

from __future__ import annotations

from devices.observation import Channel
from firmware_sim.device import Action, Args, SimDevice

RESETS_S = 60.0


class GlassBreakDetector(SimDevice):
    """The firmware of what `devices.kinds.glass_break` describes."""

    kind_key = "glass_break"
    model = "GB-2"
    firmware = "1.0.3"
    heartbeat_s = 2400.0
    battery_days = 1095.0

    def started(self, now_ms: int) -> None:
        self.leave("alarm", now_ms)  # what broke before a restart is not heard again

    def shatter(self, now_ms: int, args: Args) -> None:
        """A pane breaks; another one within the minute is said as well."""
        if not self.enter("alarm", now_ms):
            self.emit(Channel.EVENT, now_ms, event="glass_break")
        self.soon("reset", RESETS_S, lambda at_ms: self._reset(at_ms), now_ms)

    def _reset(self, now_ms: int) -> None:
        self.leave("alarm", now_ms)

    def actions(self) -> dict[str, Action]:
        return {**super().actions(), "glass_break": self.shatter}
