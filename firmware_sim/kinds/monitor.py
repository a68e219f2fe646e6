"""Monitoring system: says how many of its alerts fire, and what happens to it."""

from __future__ import annotations

from firmware_sim.device import SimDevice


class Monitor(SimDevice):
    """The firmware of what `devices.kinds.monitor` describes."""

    kind_key = "monitor"
    model = "MW-1"
    firmware = "1.0.0"
    heartbeat_s = 900.0
    radio = None
    backed_up = True

    def measure(self, now_ms: int) -> dict[str, float]:
        return {"alerts": float(len(self.standing & {"alerting", "critical"}))}
