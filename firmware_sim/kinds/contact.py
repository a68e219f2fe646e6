"""Door or window contact: opened as the resident of the home goes out and comes back, and as people visit."""

from __future__ import annotations

from firmware_sim.device import Action
from firmware_sim.kinds.indoors import Indoors
from firmware_sim.setting import Setting

LOOK_AGAIN_MS = 60_000
"""Of life, where the home's day stands still."""

SHUTS_S = 2.0
"""Somebody in a story shuts the door behind them."""


class Contact(Indoors):
    """The firmware of what `devices.kinds.contact` describes."""

    kind_key = "contact"
    model = "DC-2"
    firmware = "1.1.7"
    heartbeat_s = 2400.0
    battery_days = 900.0

    def __init__(self, device_id: str, setting: Setting) -> None:
        super().__init__(device_id, setting)
        self.door = setting.spot.door or "entrance"

    @property
    def is_open(self) -> bool:
        """Whether it stands open."""
        return "open" in self.standing

    def measure(self, now_ms: int) -> dict[str, float]:
        return {"temperature": round(self.warmth(now_ms), 1)}

    def started(self, now_ms: int) -> None:
        self._await_somebody(now_ms, self.life_ms(now_ms))

    def opened(self, now_ms: int) -> None:
        self.enter("open", now_ms)

    def closed(self, now_ms: int) -> None:
        """Somebody shuts it."""
        self.leave("open", now_ms)

    def _await_somebody(self, now_ms: int, life_ms: int) -> None:
        """Wait for the next who opens the door after ``life_ms``."""
        opening = self.household.next_opening(self.door, life_ms)
        if opening is None:
            again_ms = self.life_ms(now_ms) + LOOK_AGAIN_MS
            self.at_life("somebody", again_ms, lambda at_ms: self._await_somebody(at_ms, again_ms), now_ms)
            return

        def somebody(at_ms: int) -> None:
            if not self.household.held:
                self.opened(at_ms)
                self.once("shut", (opening.to_ms - opening.from_ms) / 1000, self.closed, since_ms=at_ms)
            self._await_somebody(at_ms, opening.from_ms)

        self.at_life("somebody", opening.from_ms, somebody, now_ms)

    def go_out(self, now_ms: int) -> None:
        """The resident goes out by this door, and stays away until ``come_home``."""
        self.opened(now_ms)
        self.household.hold("outside", "away")
        self.soon("shut", SHUTS_S, self.closed, now_ms)

    def come_home(self, now_ms: int) -> None:
        """The resident comes home: what a story held them to is over, the door opens and shuts."""
        self.household.release()
        self.opened(now_ms)
        self.soon("shut", SHUTS_S, self.closed, now_ms)

    def actions(self) -> dict[str, Action]:
        return {
            **super().actions(),
            "open": lambda now_ms, args: self.opened(now_ms),
            "close": lambda now_ms, args: self.closed(now_ms),
            "go_out": lambda now_ms, args: self.go_out(now_ms),
            "come_home": lambda now_ms, args: self.come_home(now_ms),
        }

    def state(self) -> dict[str, object]:
        return {**super().state(), "open": self.is_open}
