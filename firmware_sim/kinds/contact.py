"""Door or window contact: opened and closed as people come and go, mostly by day."""

from __future__ import annotations

from devices.observation import Channel
from firmware_sim.device import Action, Setting, SimDevice
from firmware_sim.signals.day import bump, local_hour


class Contact(SimDevice):
    kind_key = "contact"
    model = "DC-2"
    firmware = "1.1.7"
    heartbeat_s = 2400.0
    battery_days = 900.0
    _look_s = 900.0

    def __init__(self, device_id: str, setting: Setting) -> None:
        super().__init__(device_id, setting)
        self.is_open = False

    def started(self, now_ms: int) -> None:
        self.every("come-and-go", self._look_s, self._come_and_go)

    def opened(self, now_ms: int) -> None:
        if not self.is_open:
            self.is_open = True
            self.emit(Channel.EVENT, now_ms, event="opened")

    def closed(self, now_ms: int) -> None:
        if self.is_open:
            self.is_open = False
            self.emit(Channel.EVENT, now_ms, event="closed")

    def _come_and_go(self, now_ms: int) -> None:
        hour = local_hour(now_ms, self.setting.zone)
        busy = bump(hour, 7.6, 1.0) + 0.5 * bump(hour, 12.0, 1.5) + bump(hour, 17.8, 1.6)
        if self.is_open or self.rng.random() < 0.25 * min(1.0, busy):
            self.opened(now_ms)
            self.once("shut", self.rng.uniform(4.0, 40.0), self.closed, since_ms=now_ms)

    def actions(self) -> dict[str, Action]:
        return {
            **super().actions(),
            "open": lambda now_ms, args: self.opened(now_ms),
            "close": lambda now_ms, args: self.closed(now_ms),
        }

    def state(self) -> dict[str, object]:
        return {**super().state(), "open": self.is_open}
