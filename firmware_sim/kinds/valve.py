"""Shut-off valve in a gas or water pipe: a motor that takes its time, a sensor of its position, and a flow meter."""

from __future__ import annotations

from collections.abc import Mapping

from devices.observation import Channel
from firmware_sim.device import Action, ActionError, Args, SimDevice, number
from firmware_sim.orders import Outcome
from firmware_sim.setting import Setting
from firmware_sim.signals.homeday import Doing
from firmware_sim.spot import Medium

TRAVEL_S = 6.0
"""From end to end, by the clock; motors on ball valves take 5 to 10 s."""
STALL_S = 2.0
"""So long the motor pushes against what does not move before it gives up."""

FLOWS: Mapping[Medium, Mapping[Doing, float]] = {
    # m3/h
    "gas": {"cooking": 0.25, "washing": 0.6},
    "water": {"washing": 0.35, "toilet": 0.3, "cooking": 0.15, "chores": 0.05},
}


class Valve(SimDevice):
    """The firmware of what `devices.kinds.valve` describes."""

    kind_key = "valve"
    model = "BV-20"
    firmware = "1.5.1"
    heartbeat_s = 1200.0

    def __init__(self, device_id: str, setting: Setting) -> None:
        super().__init__(device_id, setting)
        self.medium: Medium = "water" if setting.spot.medium == "water" else "gas"
        self._from, self._to, self._since_ms = 100.0, 100.0, 0
        self._jammed_at: float | None = None
        self.standing.add("open")

    def position(self, now_ms: int) -> float:
        """%; 0 is shut."""
        way = self._to - self._from
        done = min(abs(way), max(0, now_ms - self._since_ms) / 1000 / TRAVEL_S * 100.0)
        return self._from + (done if way > 0 else -done)

    def measure(self, now_ms: int) -> dict[str, float]:
        position = self.position(now_ms)
        drawn = FLOWS[self.medium].get(self.household.at(self.life_ms(now_ms)).doing, 0.0)
        return {"position": round(position), "flow_rate": round(drawn * position / 100.0, 3)}

    def power_off(self, now_ms: int) -> None:
        """The motor stops where it is."""
        super().power_off(now_ms)
        self._from = self._to = self.position(now_ms)

    def started(self, now_ms: int) -> None:
        if "moving" in self.standing:
            self._from = self._to = self.position(now_ms)
            self._arrived(now_ms)

    def obey(self, command: str, args: Mapping[str, str], now_ms: int) -> Outcome | None:
        return self._move(100.0 if command == "open" else 0.0, now_ms)

    def _move(self, wanted: float, now_ms: int) -> Outcome | None:
        here = self.position(now_ms)
        if here == wanted:
            return Outcome(True)
        jam = self._jammed_at
        blocked = jam is not None and min(here, wanted) <= jam <= max(here, wanted)
        goal = jam if jam is not None and blocked else wanted
        self._from, self._to, self._since_ms = here, goal, now_ms
        self.enter("moving", now_ms)
        takes = abs(goal - here) / 100.0 * TRAVEL_S + (STALL_S if blocked else 0.0)
        self.soon("arrive", takes, self._blocked if blocked else self._arrived, now_ms)
        return None

    def _arrived(self, now_ms: int) -> None:
        here = self.position(now_ms)
        self._from, self._to, self._since_ms = here, here, now_ms
        self.leave("moving", now_ms)
        self.leave("stuck", now_ms)
        self._tell_pipe(now_ms)
        self.finish(Outcome(True), now_ms)

    def _blocked(self, now_ms: int) -> None:
        here = self.position(now_ms)
        self._from, self._to = here, here
        self.leave("moving", now_ms)
        if not self.enter("stuck", now_ms, metrics={"position": round(here)}):
            self.emit(Channel.EVENT, now_ms, event="stuck", metrics={"position": round(here)})
        self._tell_pipe(now_ms)
        self.finish(Outcome(False, f"stuck at {here:.0f} %"), now_ms)

    def _tell_pipe(self, now_ms: int) -> None:
        """Shut is only what is shut."""
        here = self.position(now_ms)
        shut = self.household.shut
        if here <= 0.0:
            shut.add(self.medium)
            self.leave("open", now_ms, metrics={"position": 0.0})
        else:
            shut.discard(self.medium)
            self.enter("open", now_ms, metrics={"position": round(here)})

    def jam(self, now_ms: int, args: Args) -> None:
        """The next movement stops at ``at`` %, until ``free``."""
        at = number(args, "at", 60.0)
        if not 0 < at <= 100:
            raise ActionError(f"at: expected more than 0 and at most 100 %, got {at:g}")
        self._jammed_at = at

    def free(self, now_ms: int, args: Args) -> None:
        """Somebody frees it; that it moves again it knows when it has moved."""
        self._jammed_at = None

    def by_hand(self, wanted: float) -> Action:
        """Somebody turns it, jammed or not."""

        def turn(now_ms: int, args: Args) -> None:
            self.stop("arrive")
            self.emit(Channel.EVENT, now_ms, event="manual_operation", metrics={"position": round(wanted)})
            self._from, self._to, self._jammed_at = wanted, wanted, None
            self.finish(Outcome(False, "turned by hand meanwhile"), now_ms)
            self._arrived(now_ms)

        return turn

    def actions(self) -> dict[str, Action]:
        shut, opened = self.by_hand(0.0), self.by_hand(100.0)
        return {
            **super().actions(),
            **{"jam": self.jam, "free": self.free, "open": opened, "close": shut, "opened": opened, "closed": shut},
        }

    def state(self) -> dict[str, object]:
        return {**super().state(), "open": "open" in self.standing, "stuck": "stuck" in self.standing}
