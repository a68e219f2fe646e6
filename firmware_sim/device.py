"""What every simulated device has: identity, sequence numbers, timers, states, a battery, commands obeyed once.

A device is a state machine without I/O: time is passed in, chance comes from one seeded generator, and what it wants
to say piles up until its link takes it. The same seed and the same calls give the same messages.

Its states are those of the catalogue: `enter` and `leave` say the event of the change, and every report tells which of
them hold. So a kind's firmware is what it measures, what moves it from state to state, and how it obeys.
"""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from devices.kind import Kind
from devices.kinds import KINDS
from devices.native import PROTOCOL_VERSION, Command, Message, WireWaveform
from devices.observation import Channel
from firmware_sim.household import Household
from firmware_sim.orders import Orders, Outcome
from firmware_sim.setting import Setting
from firmware_sim.signals.home import Home
from firmware_sim.signals.homeday import Room
from firmware_sim.signals.radio import Link, Technology
from firmware_sim.signals.weather import Weather
from firmware_sim.timers import At, Timers

if TYPE_CHECKING:
    from firmware_sim.afflictions import Affliction

ACKED_REMEMBERED = 100_000
LOW_BATTERY, CHARGED = 15.0, 30.0
"""Per cent at which a device says that its battery is low, and from which it is no longer."""

Args = Mapping[str, object]
Action = Callable[[int, Args], None]


class ActionError(Exception):
    """Something was asked of a simulated device that it cannot do. Says what it can."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message on its way to the gateway."""

    channel: Channel
    message: Message

    @property
    def key(self) -> tuple[int, int]:
        """Identity within the device: boot and sequence number."""
        return self.message.boot, self.message.seq


class SimDevice:
    """Base of all kinds. Subclasses set the class variables and start their timers in `started`."""

    kind_key: ClassVar[str]
    model: ClassVar[str]
    firmware: ClassVar[str]
    heartbeat_s: ClassVar[float]
    """Between two reports of telemetry; always below the kind's supervision interval."""
    battery_days: ClassVar[float | None] = None
    """What a full battery lasts; None on mains."""
    backed_up: ClassVar[bool] = False
    """On mains, with a battery that carries it through a power cut, and a way of its own to the gateway."""
    radio: ClassVar[Technology | None] = "zigbee"
    """By which it reports the strength of its signal; None on a cable."""
    mean_uptime_days: ClassVar[float] = 60.0
    """Between two restarts by the watchdog."""
    usual_room: ClassVar[Room] = "living_room"
    """Where it hangs if nobody says where."""

    def __init__(self, device_id: str, setting: Setting) -> None:
        self.id = device_id
        self.hardware = setting.hardware or device_id
        self.setting = setting
        self.rng = random.Random(f"{setting.seed}/{self.kind_key}/{device_id}")
        self.boot = 0
        self.seq = 0
        self.starts = 0
        """How often it was started; unlike ``boot`` never wrong."""
        self.powered = False
        self.clock_skew_ms = 0
        """How wrong the device's own clock is: a fault of the simulation."""
        self.afflictions: list[Affliction] = []
        self.standing: set[str] = set()
        """States of the kind that hold."""
        self.acked: deque[tuple[int, int, str]] = deque(maxlen=ACKED_REMEMBERED)
        """(boot, seq, event) of every event whose acknowledgement the device has seen, in order."""
        self.battery = self.rng.uniform(35.0, 100.0)
        self.household = setting.household or Household(
            Home(f"{setting.seed}/{setting.resident or device_id}", setting.zone)
        )
        self.room = setting.spot.room or self.usual_room
        self._out: deque[Outgoing] = deque()
        self._timers = Timers(self.rng, setting.rate)
        self._orders = Orders(self.kind, self._answer, lambda order, at: self.obey(order.command, order.args, at))
        self._born_ms = 0
        self._started_ms = 0
        self._drained_ms = 0
        self._link = None if self.radio is None else Link(self.rng, self.radio)

    @property
    def kind(self) -> Kind:
        """Its row in the catalogue."""
        return KINDS[self.kind_key]

    @property
    def reporting_s(self) -> float:
        """Between two reports of telemetry, as this one does it."""
        return self.heartbeat_s * self.setting.sparing

    @property
    def sky(self) -> Weather:
        """The weather that all devices of the community share."""
        return Weather(f"{self.setting.seed}/weather", self.setting.zone)

    # --- life -------------------------------------------------------------------------------------------------

    def power_on(self, now_ms: int) -> None:
        """Start, or start again: a new boot id, the sequence from 0, timers anew. What was unsent stays in flash."""
        self._born_ms = self._born_ms or now_ms
        self.boot = max(self.boot + 1, now_ms)
        self.seq = 0
        self.starts += 1
        self.powered = True
        self._started_ms = now_ms
        self._drained_ms = now_ms
        self._orders.restarted()
        self._timers.clear()
        self.every("heartbeat", self.reporting_s, self.report)
        days = self.rng.expovariate(1 / self.mean_uptime_days)
        self.once("watchdog", days * 86_400, self.power_on)
        for affliction in self.afflictions:
            affliction.booted(now_ms)
        self.started(now_ms)

    def power_off(self, now_ms: int) -> None:
        """Go dark: nothing happens any more until `power_on`."""
        self.powered = False
        self._timers.clear()

    def started(self, now_ms: int) -> None:
        """A kind starts its own timers and signals here."""

    def connected(self, now_ms: int) -> None:
        """The link is up: say online, with firmware and battery."""
        data: dict[str, str | bool | float] = {"firmware": self.firmware, "model": self.model, **self.birth()}
        for affliction in self.afflictions:
            data = affliction.born(data)
        self.emit(Channel.STATUS, now_ms, event="online", metrics=self.housekeeping(now_ms), data=data)

    def birth(self) -> dict[str, str | bool | float]:
        """What else a kind says of itself when it comes online."""
        return {}

    def details(self) -> dict[str, str | bool | float]:
        """What stands in the ``data`` of the kind's own events, where nothing else does."""
        return {}

    def last_will(self) -> Message:
        """What the broker says for the device when it vanishes. Takes a sequence number of its own, so that no
        other message can have its identity; it has no time, because nobody knows it beforehand."""
        return Message(v=PROTOCOL_VERSION, boot=self.boot, seq=self._next_seq(), event="offline")

    def acknowledged(self, out: Outgoing, *, durable: bool) -> None:
        """The link saw the acknowledgement. ``durable``: it came from the gateway's disk, not from a broker."""
        if out.channel is Channel.EVENT and out.message.event is not None:
            self.acked.append((out.message.boot, out.message.seq, out.message.event))

    # --- time -------------------------------------------------------------------------------------------------

    def life_ms(self, now_ms: int) -> int:
        """The time of the simulated life, which the natural signals go by: from the first start on it runs ``rate``
        times as fast as the clock. It is the same for all devices that were first started together."""
        return self._born_ms + round((now_ms - self._born_ms) * self.setting.rate)

    def every(self, name: str, interval_s: float, action: At) -> None:
        """Run ``action(now_ms)`` about every ``interval_s`` of simulated life, the first time at random within it."""
        self._timers.every(name, interval_s, action, self._started_ms)

    def once(self, name: str, after_s: float, action: At, *, since_ms: int | None = None) -> None:
        """Run ``action(now_ms)`` once, ``after_s`` of simulated life after ``since_ms`` (the start if None)."""
        self._timers.once(name, after_s, action, self._started_ms if since_ms is None else since_ms)

    def soon(self, name: str, after_s: float, action: At, now_ms: int) -> None:
        """Run ``action(now_ms)`` once, in ``after_s`` by the clock: motors, voices and alarms do not run faster."""
        self._timers.at(name, now_ms + round(after_s * 1000), action)

    def at_life(self, name: str, at_life_ms: int, action: At, now_ms: int) -> None:
        """Run ``action(now_ms)`` once when the simulated life has come to ``at_life_ms``, and not a moment before."""
        due_ms = now_ms + max(0, math.ceil((at_life_ms - self.life_ms(now_ms)) / self.setting.rate))
        while self.life_ms(due_ms) < at_life_ms:
            due_ms += 1
        self._timers.at(name, due_ms, action)

    def stop(self, name: str) -> None:
        """Forget the timer of this name, if it runs."""
        self._timers.stop(name)

    @property
    def next_due_ms(self) -> int:
        """When `tick` has something to do."""
        return self._timers.next_due_ms

    def tick(self, now_ms: int) -> None:
        """Do what is due."""
        self._timers.tick(now_ms)

    # --- states -----------------------------------------------------------------------------------------------

    def enter(
        self,
        state: str,
        now_ms: int,
        *,
        metrics: Mapping[str, float] | None = None,
        data: Mapping[str, str | bool | float] | None = None,
    ) -> bool:
        """The state holds from now on; its event is said, where it has one. False where it held already."""
        if state in self.standing:
            return False
        self.standing.add(state)
        if (event := self.kind.states[state].on) is not None:
            self.emit(Channel.EVENT, now_ms, event=event, metrics=metrics, data=data or self.details())
        return True

    def leave(self, state: str, now_ms: int, *, metrics: Mapping[str, float] | None = None) -> bool:
        """The state is over; its event is said, where it has one. False where it did not hold."""
        if state not in self.standing:
            return False
        self.standing.discard(state)
        if (event := self.kind.states[state].off) is not None:
            self.emit(Channel.EVENT, now_ms, event=event, metrics=metrics, data=self.details())
        return True

    def turn(self, state: str, holds: bool, now_ms: int) -> bool:
        """`enter` or `leave`."""
        return self.enter(state, now_ms) if holds else self.leave(state, now_ms)

    # --- saying -----------------------------------------------------------------------------------------------

    def emit(
        self,
        channel: Channel,
        now_ms: int,
        *,
        event: str | None = None,
        metrics: Mapping[str, float] | None = None,
        data: Mapping[str, str | bool | float] | None = None,
        wave: WireWaveform | None = None,
    ) -> Outgoing:
        """Put one message on the pile, with the device's time and the next sequence number."""
        measured = dict(metrics or {})
        for affliction in self.afflictions:
            measured = affliction.sensed(measured, now_ms)
        message = Message(
            v=PROTOCOL_VERSION,
            boot=self.boot,
            seq=self._next_seq(),
            t=max(0, now_ms + self.clock_skew_ms),
            event=event,
            metrics=measured,
            data=dict(data or {}),
            wave=wave,
        )
        out = Outgoing(channel, message)
        self._out.append(out)
        for affliction in self.afflictions:
            affliction.said(out, now_ms)
        return out

    def say_again(self, out: Outgoing) -> None:
        """Put an old message on the pile once more, as it was."""
        self._out.append(out)

    def take(self) -> list[Outgoing]:
        """What the device wants to say, oldest first; the link owns it from here."""
        taken = list(self._out)
        self._out.clear()
        return taken

    def _next_seq(self) -> int:
        self.seq += 1
        return self.seq

    def report(self, now_ms: int) -> None:
        """The heartbeat: housekeeping, the kind's measurements, and its states."""
        holding = {state: float(state in self.standing) for state in self.kind.states}
        self.emit(Channel.TELEMETRY, now_ms, metrics={**self.housekeeping(now_ms), **self.measure(now_ms), **holding})
        if self.battery_days is not None and self.battery < LOW_BATTERY:
            self.enter("battery_low", now_ms, metrics={"battery": round(self.battery)})
        elif self.battery > CHARGED:
            self.standing.discard("battery_low")

    def measure(self, now_ms: int) -> dict[str, float]:
        """The kind's own metrics at this instant."""
        return {}

    def housekeeping(self, now_ms: int) -> dict[str, float]:
        """Battery, signal strength, uptime."""
        metrics: dict[str, float] = {"uptime": max(0, now_ms - self._started_ms) // 1000}
        if self.battery_days is not None:
            self._drain(now_ms)
            metrics["battery"] = round(self.battery)
        if self._link is not None:
            metrics["rssi"] = round(self._link.rssi(now_ms))
        return metrics

    def _drain(self, now_ms: int) -> None:
        assert self.battery_days is not None
        days = max(0, now_ms - self._drained_ms) / 86_400_000 * self.setting.rate
        self._drained_ms = now_ms
        self.battery = max(0.0, self.battery - days * 100.0 / self.battery_days)

    # --- being told -------------------------------------------------------------------------------------------

    def command(self, command: Command, now_ms: int) -> None:
        """A command has come."""
        self._orders.take(command, now_ms, now_ms + self.clock_skew_ms)

    def obey(self, command: str, args: Mapping[str, str], now_ms: int) -> Outcome | None:
        """Do what a command of the kind says; its name and arguments have been checked against the catalogue.

        None where it takes a while: then `finish` says how it went, and a command given meanwhile takes its place.
        """
        raise NotImplementedError(f"a {self.kind_key} has commands, and its firmware none")

    def finish(self, outcome: Outcome, now_ms: int) -> None:
        """How the command went that `obey` left under way."""
        self._orders.finish(outcome, now_ms)

    def _answer(self, command_id: str, outcome: Outcome, now_ms: int) -> None:
        data: dict[str, str | bool | float] = {"id": command_id, "ok": outcome.ok}
        if not outcome.ok:
            data["error"] = outcome.error
        self.emit(Channel.EVENT, now_ms, event="command_result", data=data)

    # --- the hand of the simulation ---------------------------------------------------------------------------

    def actions(self) -> dict[str, Action]:
        """What a scenario or the control door may do to this device, by name: every event of the kind, and ``mend``.

        An event that begins or ends a state moves the device into or out of it.
        """
        table: dict[str, Action] = {
            "reboot": lambda now_ms, args: self.power_on(now_ms),
            "mend": lambda now_ms, args: self.mend(),
        }
        for event in self.kind.events:
            if event not in ("online", "offline", "command_result"):
                table[event] = self.plain_event(event)
        for state in self.kind.states.values():
            if state.on is not None:
                table[state.on] = partial(self._begin, state.key)
            if state.off is not None:
                table[state.off] = partial(self._end, state.key)
        return table

    def _begin(self, state: str, now_ms: int, args: Args) -> None:
        row = self.kind.states[state]
        if not self.enter(state, now_ms) and row.on is not None and row.off is None:
            self.emit(Channel.EVENT, now_ms, event=row.on, data=self.details())  # tampered with again, said again

    def _end(self, state: str, now_ms: int, args: Args) -> None:
        self.leave(state, now_ms)

    def mend(self) -> None:
        """Somebody puts it right: what no event ends (tampered, faulty, battery low) is over, the battery new."""
        for state in self.kind.states.values():
            if state.off is None:
                self.standing.discard(state.key)
        if self.battery_days is not None:
            self.battery = 100.0

    def act(self, name: str, now_ms: int, args: Args) -> None:
        """Do one of `actions`. Raises ActionError for a name or arguments it does not know."""
        table = self.actions()
        if name not in table:
            raise ActionError(f"{self.id}: a {self.kind_key} cannot {name!r}; it can {', '.join(sorted(table))}")
        table[name](now_ms, args)

    def plain_event(self, event: str) -> Action:
        """An action that just says ``event``."""

        def say(now_ms: int, args: Args) -> None:
            self.emit(Channel.EVENT, now_ms, event=event, data=self.details())

        return say

    def state(self) -> dict[str, object]:
        """What can be seen at the device, for tests and for the demo."""
        return {
            "id": self.id,
            "kind": self.kind_key,
            "resident": self.setting.resident,
            "boot": self.boot,
            "seq": self.seq,
            "battery": round(self.battery, 1) if self.battery_days is not None else None,
            "firmware": self.firmware,
            "powered": self.powered,
            "states": sorted(self.standing),
            "acked": [
                {"message_id": f"{self.hardware}:{boot}:{seq}", "event": event} for boot, seq, event in self.acked
            ],
        }


def number(args: Args, name: str, default: float) -> float:
    """A numeric argument of an action. Raises ActionError where it is something else."""
    value = args.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ActionError(f"{name}: expected a number, got {value!r}")
    return float(value)
