"""Smoke detector: a chamber that slowly gathers dust, and smoke when a scenario wants it."""

from __future__ import annotations

from devices.observation import Channel
from firmware_sim.device import Action, Args, Setting, SimDevice, number
from firmware_sim.signals.day import bump, local_hour
from firmware_sim.signals.noise import Drift

ALARM_AT = 0.12
"""dB/m; EN 14604 detectors answer between 0.05 and 0.2."""


class SmokeDetector(SimDevice):
    kind_key = "smoke"
    model = "SD-10"
    firmware = "3.0.2"
    heartbeat_s = 1200.0
    battery_days = 3650.0
    _burning_report_s = 10.0

    def __init__(self, device_id: str, setting: Setting) -> None:
        super().__init__(device_id, setting)
        self._dust = self.rng.uniform(0.0, 0.02)
        self._room = self.rng.uniform(21.0, 25.0)
        self._air = Drift(self.rng, sigma=0.004, tau_s=1800)
        self._warmth = Drift(self.rng, sigma=0.6, tau_s=7200)
        self.obscured = 0.0
        """dB/m of smoke in the chamber."""

    @property
    def smoking(self) -> bool:
        return self.obscured >= ALARM_AT

    def measure(self, now_ms: int) -> dict[str, float]:
        hour = local_hour(now_ms, self.setting.zone)
        chamber = self._dust + self.obscured + abs(self._air.at(now_ms))
        heat = 14.0 * self.obscured
        warmth = self._room + 1.5 * bump(hour, 16.0, 4.0) + self._warmth.at(now_ms) + heat
        return {"obscuration": round(min(10.0, chamber), 2), "temperature": round(min(125.0, warmth), 1)}

    def smoke(self, now_ms: int, args: Args) -> None:
        """Smoke fills the chamber: the alarm at once, then a report every ten seconds until it is gone."""
        was = self.smoking
        self.obscured = min(9.0, max(ALARM_AT, number(args, "obscuration", 0.6)))
        if not was:
            self.emit(Channel.EVENT, now_ms, event="smoke", metrics=self.measure(now_ms))
        self.once("burning", self._burning_report_s, self._burning, since_ms=now_ms)

    def cleared(self, now_ms: int) -> None:
        was, self.obscured = self.smoking, 0.0
        self.stop("burning")
        if was:
            self.emit(Channel.EVENT, now_ms, event="smoke_cleared", metrics=self.measure(now_ms))

    def started(self, now_ms: int) -> None:
        if self.smoking:  # a restart does not blow the smoke away
            self.emit(Channel.EVENT, now_ms, event="smoke", metrics=self.measure(now_ms))
            self.once("burning", self._burning_report_s, self._burning)

    def _burning(self, now_ms: int) -> None:
        self.report(now_ms)
        self.once("burning", self._burning_report_s, self._burning, since_ms=now_ms)

    def actions(self) -> dict[str, Action]:
        return {
            **super().actions(),
            "smoke": self.smoke,
            "smoke_cleared": lambda now_ms, args: self.cleared(now_ms),
            "self_test": self.plain_event("self_test"),
        }

    def state(self) -> dict[str, object]:
        return {**super().state(), "obscured": self.obscured}
