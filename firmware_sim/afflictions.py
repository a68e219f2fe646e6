"""What is wrong with a device itself, seeded and counted: dying batteries, lying sensors, lost memories, idiots.

Each is a parasite of one device: it acts after every start, on every measurement and on every message, and knows
nothing of the kind. Two devices with one id are the fleet's doing (`firmware_sim.fleet`), for they are two.
"""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Iterable

from pydantic import ValidationError

from devices.kind import HOUSEKEEPING
from devices.observation import Channel
from firmware_sim.device import ActionError, Args, Outgoing, SimDevice
from firmware_sim.faults import Fault
from firmware_sim.signals.battery import Cell

_ABOUT_ITSELF = frozenset(metric.key for metric in HOUSEKEEPING)
REMEMBERED = 2000
"""Messages that a device may say again."""


class Affliction:
    """Base: nothing is wrong."""

    def __init__(self, fault: Fault, device: SimDevice, rng: random.Random, tally: Counter[str]) -> None:
        self.fault = fault
        self.device = device
        self.rng = rng
        self._tally = tally

    def booted(self, now_ms: int) -> None:
        """After every start; timers have to be set anew."""

    def sensed(self, metrics: dict[str, float], now_ms: int) -> dict[str, float]:
        """What the device makes of its measurements."""
        return metrics

    def born(self, data: dict[str, str | bool | float]) -> dict[str, str | bool | float]:
        """What the device says of itself when it comes online."""
        return data

    def said(self, out: Outgoing, now_ms: int) -> None:
        """The device has put a message on its pile."""

    def count(self) -> None:
        """Note in the tally that the fault has struck once more."""
        self._tally[self.fault.what] += 1

    def measurements(self, metrics: dict[str, float]) -> Iterable[str]:
        """The keys that are neither about the device itself nor states."""
        states = self.device.kind.states
        return [key for key in metrics if key not in _ABOUT_ITSELF and key not in states]


class ClockSkew(Affliction):
    """Its clock is wrong by so much, always."""

    def booted(self, now_ms: int) -> None:
        self.device.clock_skew_ms = round(self.fault.value * 1000)


class WrongClock(Affliction):
    """Its clock has lost the date: each start, and each step, finds another year."""

    def booted(self, now_ms: int) -> None:
        self._step(now_ms)

    def _step(self, now_ms: int) -> None:
        self.count()
        self.device.clock_skew_ms = round(1000 * self.rng.uniform(-self.fault.value, self.fault.value))
        self.device.soon("wrong clock", self.fault.every_s * self.rng.uniform(0.5, 1.5), self._step, now_ms)


class BatterySag(Affliction):
    """An old cell: at rest its voltage looks well, and so does the percentage; while the radio sends it breaks down.

    First the device restarts when it sends, then it is dead.
    """

    USED_AT_FIRST = 0.8
    RADIO_MA = 12.0
    BROWN_OUT_V = 2.35
    """Below it the processor stops."""

    def __init__(self, fault: Fault, device: SimDevice, rng: random.Random, tally: Counter[str]) -> None:
        super().__init__(fault, device, rng, tally)
        self._cell = Cell("lithium_coin")
        self._since_ms: int | None = None

    def booted(self, now_ms: int) -> None:
        self._since_ms = self._since_ms or now_ms

    def sensed(self, metrics: dict[str, float], now_ms: int) -> dict[str, float]:
        if "battery" not in metrics or self._since_ms is None:
            return metrics
        gone = (now_ms - self._since_ms) / 1000 / max(1.0, self.fault.value)
        used = min(1.0, self.USED_AT_FIRST + (1.0 - self.USED_AT_FIRST) * gone)
        sending = self._cell.volts(used, load_ma=self.RADIO_MA)
        if sending < self.BROWN_OUT_V:
            self.count()
            dead = used >= 1.0
            self.device.soon("sag", 0.2, self.device.power_off if dead else self.device.power_on, now_ms)
        shown = round(self._cell.percent(self._cell.volts(used)))
        return {**metrics, "battery": shown, "battery_voltage": round(sending, 3)}


class BrownOut(Affliction):
    """Its supply gives way every few seconds, and it starts again: a new boot id, online and offline each time."""

    def booted(self, now_ms: int) -> None:
        self.count()
        pause_s = self.fault.value * self.rng.uniform(0.5, 1.5)
        self.device.soon("brown-out", pause_s, self.device.power_on, now_ms)


class StuckSensor(Affliction):
    """It repeats its last measurement for ever, as fresh as ever."""

    def __init__(self, fault: Fault, device: SimDevice, rng: random.Random, tally: Counter[str]) -> None:
        super().__init__(fault, device, rng, tally)
        self._from_ms: int | None = None
        self._stuck: dict[str, float] = {}

    def booted(self, now_ms: int) -> None:
        if self._from_ms is None:
            self._from_ms = now_ms + round(self.fault.value * 1000)

    def sensed(self, metrics: dict[str, float], now_ms: int) -> dict[str, float]:
        if self._from_ms is None or now_ms < self._from_ms:
            return metrics
        keys = self.measurements(metrics)
        if keys:
            self.count()
        return {**metrics, **{key: self._stuck.setdefault(key, metrics[key]) for key in keys}}


class Drift(Affliction):
    """Its measurements wander away, at last out of what the instrument can show."""

    def __init__(self, fault: Fault, device: SimDevice, rng: random.Random, tally: Counter[str]) -> None:
        super().__init__(fault, device, rng, tally)
        self._since_ms: int | None = None
        self._up = rng.random() < 0.5

    def booted(self, now_ms: int) -> None:
        self._since_ms = self._since_ms or now_ms

    def sensed(self, metrics: dict[str, float], now_ms: int) -> dict[str, float]:
        assert self._since_ms is not None
        known = self.device.kind.metrics
        tenths = (now_ms - self._since_ms) / 1000 / max(1.0, abs(self.fault.value)) * (1 if self._up else -1)
        drifted = {}
        for key in self.measurements(metrics):
            row = known[key]
            steps = round((metrics[key] + tenths * 0.1 * (row.high - row.low)) / row.resolution)
            drifted[key] = round(steps * row.resolution, 6)
        if drifted:
            self.count()
        return {**metrics, **drifted}


class LostFlash(Affliction):
    """A write was cut off: the counter of its starts is lost, so that each start is the same one, and numbers come
    again with other content; what it says of itself is garbage."""

    def __init__(self, fault: Fault, device: SimDevice, rng: random.Random, tally: Counter[str]) -> None:
        super().__init__(fault, device, rng, tally)
        self._boot: int | None = None

    def booted(self, now_ms: int) -> None:
        self.count()
        self._boot = self._boot or self.device.boot
        self.device.boot = self._boot
        pause_s = self.fault.value * self.rng.uniform(0.5, 1.5)
        self.device.soon("flash", pause_s, self.device.power_on, now_ms)

    def born(self, data: dict[str, str | bool | float]) -> dict[str, str | bool | float]:
        def garbage() -> str:
            return bytes(self.rng.randrange(256) for _ in range(40)).decode("latin-1")

        return {**data, "firmware": garbage(), "model": garbage()}


class Replay(Affliction):
    """A queue that was not emptied: what was said, and acknowledged, is said again days later, as the same message."""

    def __init__(self, fault: Fault, device: SimDevice, rng: random.Random, tally: Counter[str]) -> None:
        super().__init__(fault, device, rng, tally)
        self._again: deque[tuple[int, Outgoing]] = deque(maxlen=REMEMBERED)

    def booted(self, now_ms: int) -> None:
        self._set_timer(now_ms)

    def said(self, out: Outgoing, now_ms: int) -> None:
        if out.channel is Channel.STATUS or self.rng.random() >= self.fault.probability:
            return
        self._again.append((now_ms + round(self.fault.value * 1000), out))
        if len(self._again) == 1:
            self._set_timer(now_ms)

    def _set_timer(self, now_ms: int) -> None:
        if self._again:
            self.device.soon("replay", max(0, self._again[0][0] - now_ms) / 1000, self._say_again, now_ms)

    def _say_again(self, now_ms: int) -> None:
        while self._again and self._again[0][0] <= now_ms:
            self.count()
            self.device.say_again(self._again.popleft()[1])
        self._set_timer(now_ms)


class Babble(Affliction):
    """A babbling idiot: it reports hundreds of times a second, or (``channels: [event]``) cries its alarm."""

    def booted(self, now_ms: int) -> None:
        self._babble(now_ms)

    def _babble(self, now_ms: int) -> None:
        self.count()
        if Channel.EVENT in self.fault.channels:
            self.device.emit(Channel.EVENT, now_ms, event=self._cry())
        if not self.fault.channels or Channel.TELEMETRY in self.fault.channels:
            self.device.report(now_ms)
        self.device.soon("babble", max(0.001, self.fault.value), self._babble, now_ms)

    def _cry(self) -> str:
        """The first event of its kind that is not about coming and going."""
        return next(key for key in self.device.kind.events if key not in ("online", "offline", "command_result"))


_AFFLICTIONS: dict[str, type[Affliction]] = {
    "clock_skew": ClockSkew,
    "clock_wrong": WrongClock,
    "battery_sag": BatterySag,
    "brown_out": BrownOut,
    "stuck_sensor": StuckSensor,
    "drift": Drift,
    "lost_flash": LostFlash,
    "replay": Replay,
    "babble": Babble,
}


def afflict(device: SimDevice, faults: Iterable[Fault], seed: int, tally: Counter[str]) -> None:
    """Give a device what of ``faults`` is in the device; before its first start. A battery that is not there does
    not sag."""
    for index, fault in enumerate(faults):
        affliction = _AFFLICTIONS.get(fault.what)
        if affliction is None or (affliction is BatterySag and device.battery_days is None):
            continue
        rng = random.Random(f"affliction/{seed}/{device.id}/{index}/{fault.what}")
        device.afflictions.append(affliction(fault, device, rng, tally))


def fall_ill(device: SimDevice, args: Args, seed: int, tally: Counter[str], now_ms: int) -> None:
    """Give a living device a fault: ``what`` and the rest of `Fault`. Raises ActionError for what it cannot have."""
    try:
        fault = Fault.model_validate(dict(args))
    except ValidationError as error:
        raise ActionError(f"afflict: {error.errors(include_url=False)[0]['msg']}, got {dict(args)}") from None
    if fault.what not in _AFFLICTIONS:
        raise ActionError(f"afflict: what: expected one of {', '.join(_AFFLICTIONS)}, got {fault.what}")
    afflict(device, (fault,), seed, tally)
    for affliction in device.afflictions[-1:]:
        affliction.booted(now_ms)


def cure(device: SimDevice, now_ms: int) -> None:
    """It gets sound firmware, and starts with it."""
    device.afflictions.clear()
    device.clock_skew_ms = 0
    device.power_on(now_ms)
