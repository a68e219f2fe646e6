"""Door or window contact: opened as the resident of the home goes out and comes back, and as people visit."""

from __future__ import annotations

from devices.observation import Channel
from firmware_sim.device import Action, Setting, SimDevice
from firmware_sim.signals.home import Home


class Contact(SimDevice):
    kind_key = "contact"
    model = "DC-2"
    firmware = "1.1.7"
    heartbeat_s = 2400.0
    battery_days = 900.0

    def __init__(self, device_id: str, setting: Setting) -> None:
        super().__init__(device_id, setting)
        self.home = Home(f"{setting.seed}/{setting.resident or device_id}", setting.zone)
        self.is_open = False

    def started(self, now_ms: int) -> None:
        self._await_somebody(now_ms, now_ms)

    def opened(self, now_ms: int) -> None:
        if not self.is_open:
            self.is_open = True
            self.emit(Channel.EVENT, now_ms, event="opened")

    def closed(self, now_ms: int) -> None:
        if self.is_open:
            self.is_open = False
            self.emit(Channel.EVENT, now_ms, event="closed")

    def _await_somebody(self, now_ms: int, life_ms: int) -> None:
        """Wait for the next who opens the door. ``life_ms`` is the time of the home, which may run faster."""
        opening = self.home.next_opening("entrance", life_ms)
        if opening is None:
            self.once("wait on", 86_400.0, lambda at: self._await_somebody(at, life_ms + 86_400_000), since_ms=now_ms)
            return

        def somebody(at_ms: int) -> None:
            self.opened(at_ms)
            self.once("shut", (opening.to_ms - opening.from_ms) / 1000, self.closed, since_ms=at_ms)
            self._await_somebody(at_ms, opening.from_ms)

        self.once("somebody", (opening.from_ms - life_ms) / 1000, somebody, since_ms=now_ms)

    def actions(self) -> dict[str, Action]:
        return {
            **super().actions(),
            "open": lambda now_ms, args: self.opened(now_ms),
            "close": lambda now_ms, args: self.closed(now_ms),
        }

    def state(self) -> dict[str, object]:
        return {**super().state(), "open": self.is_open}
