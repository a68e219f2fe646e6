"""Home health monitor: pulse and SpO2 by the minute, blood pressure and glucose morning and evening, an ECG strip."""

from __future__ import annotations

from typing import get_args

from devices.observation import Channel
from firmware_sim.device import Action, ActionError, Args, SimDevice, number
from firmware_sim.setting import Setting
from firmware_sim.signals import ecg, pleth
from firmware_sim.signals.day import seconds_until
from firmware_sim.signals.physiology import VITALS, Body
from firmware_sim.signals.rhythm import Pattern, episode, rate_of
from firmware_sim.signals.shapes import Lead

MEASURING_HOURS = (7.2, 20.5)
"""When a resident sits down to measure: before breakfast and in the evening."""

CLOSE_WATCH_S = 2.0
"""Between two reports while something is wrong, by the clock."""
ONE_LEAD: tuple[Lead, ...] = ("I",)
"""From hand to hand, as home monitors take it."""


class VitalsMonitor(SimDevice):
    """The firmware of what `devices.kinds.vitals_monitor` describes."""

    kind_key = "vitals_monitor"
    model = "VM-7"
    firmware = "4.2.0"
    heartbeat_s = 60.0
    battery_days = 9.0
    radio = "wifi"

    def __init__(self, device_id: str, setting: Setting) -> None:
        super().__init__(device_id, setting)
        seed = f"{self.setting.seed}/{self.setting.resident or self.id}"
        self.body = Body(seed, self.rng, self.setting.zone)
        self.pattern: Pattern = "normal"

    def started(self, now_ms: int) -> None:
        for hour in MEASURING_HOURS:
            self._sit_down(hour, now_ms)
        self.every("charger", 86_400.0, self._charge)

    def _charge(self, now_ms: int) -> None:
        if self.battery < 40.0:  # somebody in the house puts it on its charger overnight
            self.battery = 100.0

    def _sit_down(self, hour: float, now_ms: int) -> None:
        def sit(at_ms: int) -> None:
            self.spot_measurement(at_ms, scale=hour < 12.0)
            self.strip(at_ms)
            self._sit_down(hour, at_ms)

        after = seconds_until(hour, self.life_ms(now_ms), self.setting.zone) + self.rng.uniform(60.0, 2400.0)
        self.once(f"sit down at {hour}", after, sit, since_ms=now_ms)

    def measure(self, now_ms: int) -> dict[str, float]:
        if "probe_off" in self.standing:  # a bedside monitor shows zeros then: not a dying patient
            return {"pulse": 0.0, "spo2": 0.0}
        vitals = {key: self._read(key, now_ms) for key in ("spo2", "perfusion", "respiration", "temperature")}
        return {"pulse": self.pulse(now_ms), **vitals}

    def _read(self, key: str, now_ms: int) -> float:
        return self.body.read(key, self.life_ms(now_ms))

    def pulse(self, now_ms: int) -> float:
        """The body's, as far as its heart's rhythm lets it."""
        return rate_of(self.pattern, self._read("pulse", now_ms))

    def spot_measurement(self, now_ms: int, *, scale: bool = False) -> None:
        """Blood pressure and glucose, measured once; weight, where somebody steps on the scale."""
        keys = ("systolic", "diastolic", "glucose", *(("weight",) if scale else ()))
        metrics = {key: self._read(key, now_ms) for key in keys}
        self.emit(Channel.EVENT, now_ms, event="measurement", metrics={**metrics, "pulse": self.pulse(now_ms)})

    def strip(self, now_ms: int) -> None:
        """Ten seconds of ECG, and of the pulse at the finger in the same beats."""
        pulse, perfusion = self.pulse(now_ms), self._read("perfusion", now_ms)
        beats = episode(self.rng, pulse, self.pattern)
        wave = ecg.strips(self.rng, beats, pattern=self.pattern, leads=ONE_LEAD)["I"]
        self.emit(Channel.TELEMETRY, now_ms, metrics={"pulse": pulse, "heart_rate": pulse}, wave=wave)
        finger = pleth.strip(self.rng, beats, perfusion=perfusion, probe_off="probe_off" in self.standing)
        self.emit(Channel.TELEMETRY, now_ms, metrics={"perfusion": perfusion}, wave=finger)

    def cardiac_pattern(self, now_ms: int, args: Args) -> None:
        """The monitor's own analysis finds an abnormal strip, and sends it along."""
        pattern = str(args.get("pattern", "st_elevation"))
        if pattern not in get_args(Pattern):
            raise ActionError(f"pattern: expected one of {', '.join(get_args(Pattern))}, got {pattern!r}")
        self.pattern = pattern  # type: ignore[assignment]  # checked in the line above
        pulse = self.pulse(now_ms)
        wave = ecg.strip(self.rng, pulse, pattern=self.pattern)
        data: dict[str, str | bool | float] = {"pattern": pattern}
        self.emit(Channel.EVENT, now_ms, event="cardiac_pattern", metrics={"pulse": pulse}, data=data, wave=wave)

    def set_vitals(self, now_ms: int, args: Args) -> None:
        """Lead the body to ``vitals: {pulse: 120, …}`` over ``over_s`` seconds; watch closely meanwhile."""
        vitals = args.get("vitals")
        if not isinstance(vitals, dict) or not vitals or not set(vitals) <= set(VITALS):
            raise ActionError(f"vitals: expected a mapping of {', '.join(VITALS)}, got {vitals!r}")
        goals = {str(key): number(vitals, str(key), 0.0) for key in vitals}
        over_s = number(args, "over_s", 0.0)
        self.body.set(goals, self.life_ms(now_ms), over_s * self.setting.rate)
        self.soon("close watch", CLOSE_WATCH_S, self._watch, now_ms)

    def recover(self, now_ms: int) -> None:
        """The resident is well again, and the probe is on."""
        self.body.recover()
        self.pattern = "normal"
        self.leave("probe_off", now_ms)
        self.report(now_ms)

    def set_probe_off(self, now_ms: int) -> None:
        """The finger is out of the probe."""
        self.enter("probe_off", now_ms)
        self.report(now_ms)

    def _watch(self, now_ms: int) -> None:
        self.report(now_ms)
        if self.body.disturbed:
            self.soon("close watch", CLOSE_WATCH_S, self._watch, now_ms)

    def actions(self) -> dict[str, Action]:
        return {
            **super().actions(),
            "set": self.set_vitals,
            "recover": lambda now_ms, args: self.recover(now_ms),
            "eat": lambda now_ms, args: self.body.eat(self.life_ms(now_ms), number(args, "grams", 15.0)),
            "insulin": lambda now_ms, args: self.body.inject(self.life_ms(now_ms), number(args, "units", 4.0)),
            "measure": lambda now_ms, args: self.spot_measurement(now_ms),
            "measurement": lambda now_ms, args: self.spot_measurement(now_ms),
            "strip": lambda now_ms, args: self.strip(now_ms),
            "cardiac_pattern": self.cardiac_pattern,
            "probe_off": lambda now_ms, args: self.set_probe_off(now_ms),
        }
