"""Traffic counter at a road station: flow, occupancy and speed by the minute, of the road and of each lane; classes."""

from __future__ import annotations

from firmware_sim.device import Action, ActionError, Args, SimDevice, number
from firmware_sim.setting import Setting
from firmware_sim.signals.traffic import LaneReading, Road, RoadReading


class TrafficCounter(SimDevice):
    """The firmware of what `devices.kinds.traffic_counter` describes."""

    kind_key = "traffic_counter"
    model = "TC-4"
    firmware = "2.0.5"
    heartbeat_s = 60.0
    radio = None

    def __init__(self, device_id: str, setting: Setting) -> None:
        super().__init__(device_id, setting)
        self.road = Road(self.rng, self.setting.zone)

    def measure(self, now_ms: int) -> dict[str, float]:
        reading = self.road.read(self.life_ms(now_ms), self.reporting_s)
        metrics = _metrics(reading, "")
        for lane, its_reading in enumerate(reading.lanes, 1):
            metrics |= _metrics(its_reading, f"_lane{lane}")
        return metrics | {f"count_{kind}": count for kind, count in reading.counts.items()}

    def incident(self, now_ms: int, args: Args) -> None:
        """Take away a part of the road (``severity`` 0 to 1; 0 clears it), ``where``: ahead of it or behind."""
        where = args.get("where", "ahead")
        if where not in ("ahead", "behind"):
            raise ActionError(f"where: expected ahead or behind, got {where!r}")
        self.road.incident(number(args, "severity", 0.7), where="ahead" if where == "ahead" else "behind")
        self.report(now_ms)

    def market(self, now_ms: int, args: Args) -> None:
        """Hold a market at the road (``on`` 1), or end it (0)."""
        self.road.market(number(args, "on", 1.0) > 0)

    def actions(self) -> dict[str, Action]:
        return {**super().actions(), "incident": self.incident, "market": self.market}


def _metrics(reading: RoadReading | LaneReading, suffix: str) -> dict[str, float]:
    """Speed is left out where nothing passed."""
    metrics = {f"flow{suffix}": round(reading.flow), f"occupancy{suffix}": round(reading.occupancy, 1)}
    return metrics if reading.speed is None else metrics | {f"speed{suffix}": round(reading.speed, 1)}
