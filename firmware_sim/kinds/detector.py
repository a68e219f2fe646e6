"""What detectors share: a level that is watched closely while something is going on, an alarm, a test key."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from firmware_sim.device import Action, ActionError, Args, number
from firmware_sim.kinds.indoors import Indoors
from firmware_sim.setting import Setting
from firmware_sim.signals.air import AIRED_TAU_S, SHUT_TAU_S
from firmware_sim.signals.air import Room as Air
from firmware_sim.signals.homeday import Room
from firmware_sim.spot import Medium

WATCH_S = 2.0
"""Between two looks while something is going on."""
IN_ALARM_S = 10.0
"""Between two reports in alarm."""
TEST_S = 10.0


class Detector(Indoors):
    """Raises ``alarm`` and takes it back as `alarming` and `clearing` say, and says it again after a restart."""

    heartbeat_s = 1200.0
    usual_room: ClassVar[Room] = "kitchen"

    def started(self, now_ms: int) -> None:
        self.standing.discard("testing")
        if "alarm" in self.standing:  # a restart does not blow the smoke away
            self.standing.discard("alarm")
            self.alarm(now_ms)
        elif self.going_on(now_ms):
            self._next_look(now_ms)

    @abstractmethod
    def alarming(self, now_ms: int) -> bool:
        """Whether what it measures is an alarm."""

    @abstractmethod
    def clearing(self, now_ms: int) -> bool:
        """Whether what it measures ends one."""

    @abstractmethod
    def going_on(self, now_ms: int) -> bool:
        """Whether it is worth a look every two seconds."""

    def look(self, now_ms: int) -> None:
        """Measure now, and again while something is going on."""
        if self.alarming(now_ms):
            self.alarm(now_ms)
        elif self.clearing(now_ms) and self.leave("alarm", now_ms, metrics=self.measure(now_ms)):
            self.stop("in alarm")
        if self.going_on(now_ms) or "alarm" in self.standing:
            self._next_look(now_ms)

    def alarm(self, now_ms: int) -> None:
        """Raise it, whatever is measured, and report often from now on."""
        if self.enter("alarm", now_ms, metrics=self.measure(now_ms)):
            self.soon("in alarm", IN_ALARM_S, self._in_alarm, now_ms)
            self._next_look(now_ms)

    def _next_look(self, now_ms: int) -> None:
        self.soon("look", WATCH_S, self.look, now_ms)

    def _in_alarm(self, now_ms: int) -> None:
        self.report(now_ms)
        self.soon("in alarm", IN_ALARM_S, self._in_alarm, now_ms)

    def self_test(self, now_ms: int, args: Args) -> None:
        """Somebody presses its test key."""
        self.enter("testing", now_ms)
        self.soon("tested", TEST_S, lambda at_ms: self.standing.discard("testing"), now_ms)

    def state(self) -> dict[str, object]:
        return {**super().state(), "alarm": "alarm" in self.standing}

    def actions(self) -> dict[str, Action]:
        testing = {"self_test": self.self_test} if "testing" in self.kind.states else {}
        return {**super().actions(), **testing}


class AirDetector(Detector):
    """Of a gas in the room's air, which a leak feeds until its valve is shut and somebody opens the window."""

    source: ClassVar[str]
    """The scenario's word for what lets the gas in."""
    medium: ClassVar[Medium] = "gas"
    """The valve that ends it: a boiler without gas makes no carbon monoxide either."""
    alarm_level: ClassVar[float]
    clear_level: ClassVar[float]
    usual_leak: ClassVar[float]
    """What the room tends to, where the scenario does not say."""
    ceiling: ClassVar[float]
    """The end of the scale."""

    def __init__(self, device_id: str, setting: Setting) -> None:
        super().__init__(device_id, setting)
        self.air = Air()
        self._leaking = False

    def level(self, now_ms: int) -> float:
        """What the sensor reads, up to the end of its scale."""
        return min(self.ceiling, self.air.at(now_ms))

    def alarming(self, now_ms: int) -> bool:
        return self.level(now_ms) >= self.alarm_level

    def clearing(self, now_ms: int) -> bool:
        return self.level(now_ms) <= self.clear_level

    def going_on(self, now_ms: int) -> bool:
        return self._leaking or self.level(now_ms) > self.clear_level

    def look(self, now_ms: int) -> None:
        if self._leaking and self.medium in self.household.shut:
            self._end_leak(now_ms)
        super().look(now_ms)

    def leak(self, now_ms: int, args: Args) -> None:
        """Gas begins to fill the room: towards ``steady``, with the room's time constant ``tau_s``."""
        steady, tau_s = number(args, "steady", self.usual_leak), number(args, "tau_s", SHUT_TAU_S)
        if steady < 0 or tau_s <= 0:
            raise ActionError(f"steady and tau_s: expected more than 0, got {steady:g} and {tau_s:g}")
        self.air.air(now_ms, tau_s)
        self.air.feed(now_ms, steady)
        self._leaking = True
        self.look(now_ms)

    def open_window(self, now_ms: int, args: Args) -> None:
        """The room is aired with the time constant ``tau_s``."""
        tau_s = number(args, "tau_s", AIRED_TAU_S)
        if tau_s <= 0:
            raise ActionError(f"tau_s: expected more than 0, got {tau_s:g}")
        self.air.air(now_ms, tau_s)
        self.look(now_ms)

    def _at_once(self, now_ms: int, args: Args) -> None:
        self.air = Air(background=self.usual_leak)
        self._leaking = False
        self.alarm(now_ms)

    def _over(self, now_ms: int, args: Args) -> None:
        self.air = Air()
        self._leaking = False
        self.look(now_ms)

    def _end_leak(self, now_ms: int) -> None:
        self.air.feed(now_ms, 0.0)
        self._leaking = False

    def actions(self) -> dict[str, Action]:
        alarm = self.kind.states["alarm"]
        assert alarm.on is not None and alarm.off is not None
        return {
            **super().actions(),
            self.source: self.leak,
            "open_window": self.open_window,
            alarm.on: self._at_once,
            alarm.off: self._over,
        }

    def state(self) -> dict[str, object]:
        return {**super().state(), "leaking": self._leaking}
