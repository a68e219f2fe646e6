"""Traffic counter at a road station: flow, occupancy and speed by the minute."""

from __future__ import annotations

from firmware_sim.device import Action, Args, Setting, SimDevice, number
from firmware_sim.signals.traffic import Road


class TrafficCounter(SimDevice):
    kind_key = "traffic_counter"
    model = "TC-4"
    firmware = "2.0.5"
    heartbeat_s = 60.0
    signal = False

    def __init__(self, device_id: str, setting: Setting) -> None:
        super().__init__(device_id, setting)
        self.road = Road(self.rng, self.setting.zone)

    def measure(self, now_ms: int) -> dict[str, float]:
        return self.road.measure(now_ms, self.heartbeat_s)

    def incident(self, now_ms: int, args: Args) -> None:
        """Take away a part of the road (``severity`` 0 to 1; 0 clears it)."""
        self.road.incident(number(args, "severity", 0.7))
        self.report(now_ms)

    def actions(self) -> dict[str, Action]:
        return {**super().actions(), "incident": self.incident}
