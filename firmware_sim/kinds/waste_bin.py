"""Sensed waste bin: fills bag by bag, is emptied by the rounds, may burn or fall over."""

from __future__ import annotations

from firmware_sim.device import Action, Args, SimDevice
from firmware_sim.setting import Setting
from firmware_sim.signals.bins import Bin

FULL_AT = 85.0
DEPTH_MM = 1000.0
FIRE_AT = 60.0
"""Cel: no sun heats a bin to it."""
BURNING_LOOK_S = 10.0
LYING_DEG = 90.0


class WasteBin(SimDevice):
    """The firmware of what `devices.kinds.waste_bin` describes."""

    kind_key = "waste_bin"
    model = "WB-240"
    firmware = "1.1.2"
    heartbeat_s = 3600.0
    battery_days = 1460.0
    radio = "lora"

    def __init__(self, device_id: str, setting: Setting) -> None:
        super().__init__(device_id, setting)
        self.bin = Bin(self.rng, self.sky)
        self._leaning = self.rng.uniform(0.0, 4.0)
        self._burning = False

    def started(self, now_ms: int) -> None:
        if self._burning:
            self._look(now_ms)

    def measure(self, now_ms: int) -> dict[str, float]:
        found = self.bin.read(self.life_ms(now_ms))
        if found.collected:
            self.leave("full", now_ms)
        if found.fill >= FULL_AT:
            self.enter("full", now_ms, metrics={"fill": round(found.fill)})
        return {
            "fill": round(found.fill),
            "distance": round(DEPTH_MM * (1.0 - found.fill / 100.0)),
            "temperature": round(min(125.0, found.temperature), 1),
            "tilt": round(LYING_DEG if "tilted" in self.standing else self._leaning),
        }

    def _look(self, now_ms: int) -> None:
        """Its thermometer, while it burns."""
        metrics = self.measure(now_ms)
        if metrics["temperature"] >= FIRE_AT:
            self.enter("alarm", now_ms, metrics=metrics)
        elif self.leave("alarm", now_ms, metrics=metrics):
            self._burning = False
        if self._burning:
            self.soon("look", BURNING_LOOK_S, self._look, now_ms)

    def ember(self, now_ms: int, args: Args) -> None:
        """Somebody throws one in; the bin says so when it is hot."""
        self.bin.burn(self.life_ms(now_ms))
        self._burning = True
        self._look(now_ms)

    def put_out(self, now_ms: int, args: Args) -> None:
        """What burns in it is put out."""
        self.bin.put_out()
        self._burning = False
        self.leave("alarm", now_ms)

    def collect(self, now_ms: int, args: Args) -> None:
        """An extra round."""
        self.bin.collect(self.life_ms(now_ms))
        self.leave("full", now_ms)
        self.report(now_ms)

    def actions(self) -> dict[str, Action]:
        return {
            **super().actions(),
            "ember": self.ember,
            "collected": self.collect,
            "fire_cleared": self.put_out,
        }
