"""What every simulated device has: identity, sequence numbers, timers, a battery, commands obeyed once.

A device is a state machine without I/O: time is passed in, chance comes from one seeded generator, and what it wants
to say piles up until its link takes it. The same seed and the same calls give the same messages.
"""

from __future__ import annotations

import random
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from devices.kind import Kind
from devices.kinds import KINDS
from devices.native import PROTOCOL_VERSION, Command, Message, WireWaveform
from devices.observation import Channel

COMMANDS_REMEMBERED = 64
"""A command id is obeyed once; a device remembers this many."""
ACKED_REMEMBERED = 100_000

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


@dataclass(slots=True)
class _Timer:
    due_ms: int
    interval_s: float | None
    """None for a timer that fires once."""
    action: Callable[[int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Where a simulated device lives."""

    seed: int = 0
    zone: str = "Asia/Shanghai"
    """IANA time zone of its day."""
    rate: float = 1.0
    """Speed factor of telemetry, natural activity and the battery; 1 is life itself."""
    resident: str | None = None


class SimDevice:
    """Base of all kinds. Subclasses set the class variables and start their timers in `started`."""

    kind_key: ClassVar[str]
    model: ClassVar[str]
    firmware: ClassVar[str]
    heartbeat_s: ClassVar[float]
    """Between two reports of telemetry; always below the kind's supervision interval."""
    battery_days: ClassVar[float | None] = None
    """What a full battery lasts; None on mains."""
    signal: ClassVar[bool] = True
    """Whether it knows the strength of its radio signal."""
    mean_uptime_days: ClassVar[float] = 60.0
    """Between two restarts by the watchdog."""

    def __init__(self, device_id: str, setting: Setting) -> None:
        self.id = device_id
        self.setting = setting
        self.rng = random.Random(f"{setting.seed}/{self.kind_key}/{device_id}")
        self.boot = 0
        self.seq = 0
        self.clock_skew_ms = 0
        """How wrong the device's own clock is: a fault of the simulation."""
        self.acked: deque[tuple[int, int, str]] = deque(maxlen=ACKED_REMEMBERED)
        """(boot, seq, event) of every event whose acknowledgement the device has seen, in order."""
        self.battery = self.rng.uniform(35.0, 100.0)
        self.obeyed: OrderedDict[str, Outcome] = OrderedDict()
        self._out: deque[Outgoing] = deque()
        self._timers: dict[str, _Timer] = {}
        self._started_ms = 0
        self._drained_ms = 0
        self._low_told = False
        self._rssi = self.rng.uniform(-82.0, -48.0)

    @property
    def kind(self) -> Kind:
        return KINDS[self.kind_key]

    # --- life -------------------------------------------------------------------------------------------------

    def power_on(self, now_ms: int) -> None:
        """Start, or start again: a new boot id, the sequence from 0, timers anew. What was unsent stays in flash."""
        self.boot = max(self.boot + 1, now_ms)
        self.seq = 0
        self._started_ms = now_ms
        self._drained_ms = now_ms
        self._timers.clear()
        self.every("heartbeat", self.heartbeat_s, self.report)
        days = self.rng.expovariate(1 / self.mean_uptime_days)
        self.once("watchdog", days * 86_400, self.power_on)
        self.started(now_ms)

    def started(self, now_ms: int) -> None:
        """A kind starts its own timers and signals here."""

    def connected(self, now_ms: int) -> None:
        """The link is up: say online, with firmware and battery."""
        self.emit(
            Channel.STATUS,
            now_ms,
            event="online",
            metrics=self.housekeeping(now_ms),
            data={"firmware": self.firmware, "model": self.model},
        )

    def last_will(self) -> Message:
        """What the broker says for the device when it vanishes. Takes a sequence number of its own, so that no
        other message can have its identity; it has no time, because nobody knows it beforehand."""
        return Message(v=PROTOCOL_VERSION, boot=self.boot, seq=self._next_seq(), event="offline")

    def acknowledged(self, out: Outgoing, *, durable: bool) -> None:
        """The link saw the acknowledgement. ``durable``: it came from the gateway's disk, not from a broker."""
        if out.channel is Channel.EVENT and out.message.event is not None:
            self.acked.append((out.message.boot, out.message.seq, out.message.event))

    # --- time -------------------------------------------------------------------------------------------------

    def every(self, name: str, interval_s: float, action: Callable[[int], None]) -> None:
        """Run ``action(now_ms)`` about every ``interval_s`` of simulated life, the first time at random within it."""
        due = self._started_ms + round(self.rng.uniform(0.02, 1.0) * interval_s / self.setting.rate * 1000)
        self._timers[name] = _Timer(due, interval_s, action)

    def once(self, name: str, after_s: float, action: Callable[[int], None], *, since_ms: int | None = None) -> None:
        """Run ``action(now_ms)`` once, ``after_s`` of simulated life after ``since_ms`` (the start if None)."""
        since = self._started_ms if since_ms is None else since_ms
        self._timers[name] = _Timer(since + round(after_s / self.setting.rate * 1000), None, action)

    def stop(self, name: str) -> None:
        self._timers.pop(name, None)

    @property
    def next_due_ms(self) -> int:
        """When `tick` has something to do."""
        return min(timer.due_ms for timer in self._timers.values())

    def tick(self, now_ms: int) -> None:
        """Do what is due. After a pause a timer fires once, not as often as it was missed."""
        due = sorted((t.due_ms, name) for name, t in self._timers.items() if t.due_ms <= now_ms)
        for _, name in due:
            timer = self._timers.get(name)
            if timer is None or timer.due_ms > now_ms:
                continue  # another timer of this round stopped or restarted it
            if timer.interval_s is None:
                del self._timers[name]
            else:
                spread = self.rng.uniform(0.97, 1.03)
                timer.due_ms = now_ms + max(1, round(timer.interval_s * spread / self.setting.rate * 1000))
            timer.action(now_ms)

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
        message = Message(
            v=PROTOCOL_VERSION,
            boot=self.boot,
            seq=self._next_seq(),
            t=max(0, now_ms + self.clock_skew_ms),
            event=event,
            metrics=dict(metrics or {}),
            data=dict(data or {}),
            wave=wave,
        )
        out = Outgoing(channel, message)
        self._out.append(out)
        return out

    def take(self) -> list[Outgoing]:
        """What the device wants to say, oldest first; the link owns it from here."""
        taken = list(self._out)
        self._out.clear()
        return taken

    def _next_seq(self) -> int:
        self.seq += 1
        return self.seq

    def report(self, now_ms: int) -> None:
        """The heartbeat: housekeeping and the kind's measurements."""
        self.emit(Channel.TELEMETRY, now_ms, metrics={**self.housekeeping(now_ms), **self.measure(now_ms)})
        if self.battery_days is not None and self.battery < 15.0 and not self._low_told:
            self._low_told = True
            if "low_battery" in self.kind.events:
                self.emit(Channel.EVENT, now_ms, event="low_battery", metrics={"battery": round(self.battery)})

    def measure(self, now_ms: int) -> dict[str, float]:
        """The kind's own metrics at this instant."""
        return {}

    def housekeeping(self, now_ms: int) -> dict[str, float]:
        """Battery, signal strength, uptime."""
        metrics: dict[str, float] = {"uptime": max(0, now_ms - self._started_ms) // 1000}
        if self.battery_days is not None:
            self._drain(now_ms)
            metrics["battery"] = round(self.battery)
        if self.signal:
            self._rssi = min(-40.0, max(-95.0, self._rssi + self.rng.gauss(0, 1.0)))
            metrics["rssi"] = round(self._rssi)
        return metrics

    def _drain(self, now_ms: int) -> None:
        assert self.battery_days is not None
        days = max(0, now_ms - self._drained_ms) / 86_400_000 * self.setting.rate
        self._drained_ms = now_ms
        self.battery = max(0.0, self.battery - days * 100.0 / self.battery_days)

    # --- being told -------------------------------------------------------------------------------------------

    def command(self, command: Command, now_ms: int) -> None:
        """Obey a command once, and answer it each time it comes: the answer may have been lost."""
        outcome = self.obeyed.get(command.id)
        if outcome is None:
            outcome = self._obey(command, now_ms)
            self.obeyed[command.id] = outcome
            if len(self.obeyed) > COMMANDS_REMEMBERED:
                self.obeyed.popitem(last=False)
        data: dict[str, str | bool | float] = {"id": command.id, "ok": outcome.ok}
        if not outcome.ok:
            data["error"] = outcome.error
        self.emit(Channel.EVENT, now_ms, event="command_result", data=data)

    def _obey(self, command: Command, now_ms: int) -> Outcome:
        if command.v != PROTOCOL_VERSION:
            return Outcome(False, f"version {command.v} is not {PROTOCOL_VERSION}")
        if command.expires is not None and now_ms + self.clock_skew_ms > command.expires:
            return Outcome(False, "expired")
        known = self.kind.commands.get(command.command)
        if known is None:
            return Outcome(False, f"unknown command {command.command}")
        for name, value in command.args.items():
            if name not in known.args or value not in known.args[name]:
                return Outcome(False, f"unknown argument {name}={value}")
        return self.obey(command.command, command.args, now_ms)

    def obey(self, command: str, args: Mapping[str, str], now_ms: int) -> Outcome:
        """Do what a command of the kind says; its name and arguments have been checked against the catalogue."""
        return Outcome(False, f"{command} is not implemented in this firmware")

    # --- the hand of the simulation ---------------------------------------------------------------------------

    def actions(self) -> dict[str, Action]:
        """What a scenario or the control door may do to this device, by name."""
        table: dict[str, Action] = {"reboot": lambda now_ms, args: self.power_on(now_ms)}
        for event in ("low_battery", "tamper", "fault"):
            if event in self.kind.events:
                table[event] = self.plain_event(event)
        return table

    def act(self, name: str, now_ms: int, args: Args) -> None:
        """Do one of `actions`. Raises ActionError for a name or arguments it does not know."""
        table = self.actions()
        if name not in table:
            raise ActionError(f"{self.id}: a {self.kind_key} cannot {name!r}; it can {', '.join(sorted(table))}")
        table[name](now_ms, args)

    def plain_event(self, event: str) -> Action:
        """An action that just says ``event``."""

        def say(now_ms: int, args: Args) -> None:
            self.emit(Channel.EVENT, now_ms, event=event)

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
            "acked": [{"message_id": f"{self.id}:{boot}:{seq}", "event": event} for boot, seq, event in self.acked],
        }


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command went."""

    ok: bool
    error: str = ""


def number(args: Args, name: str, default: float) -> float:
    """A numeric argument of an action. Raises ActionError where it is something else."""
    value = args.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ActionError(f"{name}: expected a number, got {value!r}")
    return float(value)
