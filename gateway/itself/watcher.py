"""The gateway observes itself, and puts it into its own journal: ordinary rules, charts and back-tests see it.

Once a minute, and at once when a state changes. What was said last outlives a restart, as with any device that repeats
itself (`devices.gear.memory`), so that a start is no news, and what was ill before and is well now is told.

It says nothing of what it does not know: a connection that is still being made, a 120 line that was not asked yet.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping
from importlib.metadata import version
from types import MappingProxyType
from typing import Literal, Protocol

import msgspec

from devices.gear.memory import Memory, observe
from devices.gear.messages import GearDevice, Said
from devices.observation import Lane, Observation
from gateway.clock import Clock
from gateway.decider.clock_watch import ClockWatch
from gateway.health import Part
from gateway.itself.figures import Seen
from gateway.itself.ill import Ill
from gateway.journal.entry import Done, Outcome
from gateway.receipts import JournalSink, Receipts
from gateway.registry.model import Device

log = logging.getLogger(__name__)

LOOK_S = 5.0
REPORT_MS = 60_000
LINE_EVERY_MS = 60_000
LINE_AGAIN_MS = 10_000
"""A line that has not answered is asked again sooner: one lost request is no dead line."""
PATIENCE_MS: Mapping[str, int] = MappingProxyType({"faulty": 60_000})
PATIENT_MS = 10_000
"""What is ill is told after so long: a broker that is restarted is back by then. What is well is told at once."""
STEP_MS = 60_000
"""Smaller steps of the clock are made up for (`gateway.decider.clock_watch`) and nobody's work."""
UNHEARD_MS = 3 * REPORT_MS
TRANSPORT = "itself"


class Line(Protocol):
    """The 120 line, as far as it can be asked without calling."""

    async def trouble(self) -> str:
        """Why a call would not be taken; empty where it would."""
        ...


class Watcher:
    """Run `run` as a task; `look` is one look, for tests."""

    def __init__(
        self,
        figures: Callable[[], Seen],
        device: Callable[[], Device | None],
        line: Callable[[], Line | None],
        journal: JournalSink,
        receipts: Receipts,
        memory: Memory,
        clock: Clock,
        steady_ms: Callable[[], int],
    ) -> None:
        """``memory``: what was said last, as far as it is on disk. ``steady_ms``: a clock that nobody can set."""
        self._figures = figures
        self._device = device
        self._line = line
        self._journal = journal
        self._receipts = receipts
        self._memory = memory
        self._clock = clock
        self._steady_ms = steady_ms
        self._watch = ClockWatch(clock, steady_ms)
        self._lock = threading.Lock()
        """The memory: the journal's threads say what was refused."""
        self._began_ms = self._heard_ms = steady_ms()
        self._reported_ms: int | None = None
        """None: something is to be said again at the next look."""
        self._introduced = False
        self._ill_since: dict[str, int] = {}
        self._told: dict[str, float] = {}
        self._line_seen = Ill(None)
        self._line_due_ms = self._began_ms

    async def run(self) -> None:
        """Look until cancelled. Nothing that is found ends it."""
        while True:
            try:
                await self.look()
            except Exception:  # it watches others: it must outlive what they do
                log.exception("this gateway could not look at itself; it looks again")
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """One look; a report where one is due, or where a state has changed."""
        device = self._device()
        seen, line = await asyncio.gather(asyncio.to_thread(self._figures), self._ask_line())
        now_ms = self._steady_ms()
        clock_was_wrong = self._told.get("clock_wrong") == 1
        states = {**seen.states, "line_down": line}
        changed = self._settle(states, now_ms)
        stepped_ms = self._watch.stepped_ms()
        stepped = abs(stepped_ms) >= STEP_MS and not clock_was_wrong  # else it was just set right
        if device is None:
            return
        due = self._reported_ms is None or now_ms - self._reported_ms >= REPORT_MS
        if not due and not stepped and not changed:
            return
        metrics = {**seen.metrics, **self._told, "uptime": (now_ms - self._began_ms) // 1000}
        data: dict[str, str | float | bool] = {}
        if stepped:
            metrics["clock_step"] = round(stepped_ms / 1000)
        if changed:
            data["why"] = "; ".join(f"{key}: {states[key].why}" for key in sorted(changed) if states[key].holds)
        if not self._introduced:
            data["firmware"] = version("anju")
        self._reported_ms, self._introduced = now_ms, True
        self._watch.settled()
        self._say(
            Said(
                device=GearDevice(id=device.id, kind=device.kind, address=device.id),
                metrics=metrics,
                events=("clock_stepped",) if stepped else (),
                data={key: value for key, value in data.items() if value},
            )
        )

    def part(self) -> Part:
        """How the watching itself goes."""
        if self._device() is None:
            return _part(
                "degraded",
                "设置中的 gateway_device 不是启用的网关设备",
                "gateway_device of the settings is no active gateway",
            )
        silent_ms = self._steady_ms() - self._heard_ms
        if silent_ms > UNHEARD_MS:
            said = f"{silent_ms // 1000}"
            return _part(
                "degraded", f"{said} 秒未能记录自身状态，请检查磁盘", f"nothing on disk for {said} s: check the disk"
            )
        ill = sorted(key for key, value in self._told.items() if value)
        return _part(
            "ok", f"已观察，异常 {len(ill)} 项", f"watching; ill: {', '.join(ill)}" if ill else "watching; all is well"
        )

    def _settle(self, states: Mapping[str, Ill], now_ms: int) -> set[str]:
        """Take over what is to be told of each state; returns those that changed."""
        before = dict(self._told)
        for key, ill in states.items():
            if not ill.holds:
                self._ill_since.pop(key, None)
            if ill.holds is None:
                self._told.pop(key, None)
            elif not ill.holds:
                self._told[key] = 0.0
            elif now_ms - self._ill_since.setdefault(key, now_ms) >= PATIENCE_MS.get(key, PATIENT_MS):
                self._told[key] = 1.0
        return {key for key, value in self._told.items() if before.get(key, 0.0) != value}

    async def _ask_line(self) -> Ill:
        line = self._line()
        if line is None:
            self._line_seen = Ill(None)
        elif self._steady_ms() >= self._line_due_ms:
            try:
                why = await line.trouble()
            except Exception as error:  # noqa: BLE001 - a line that is just being replaced is not known to be down
                log.warning("the 120 line cannot be asked: %s", error)
                self._line_seen, why = Ill(None), "?"
            else:
                self._line_seen = Ill(bool(why), why)
            self._line_due_ms = self._steady_ms() + (LINE_AGAIN_MS if why else LINE_EVERY_MS)
        return self._line_seen

    def _say(self, said: Said) -> None:
        now_ms = self._clock.now_ms()
        with self._lock:
            found = observe(said, self._memory, received_at_ms=now_ms, retained=False, redelivered=False)
        for fault in found.faults:
            self._receipts.refuse(TRANSPORT, said.device.id, b"", fault, now_ms)
        for observation in found.observations:
            done = self._receipts.counted(TRANSPORT, self._written(observation))
            self._journal.submit(observation, done)

    def _written(self, observation: Observation) -> Done:
        def written(outcome: Outcome) -> None:
            if outcome is not Outcome.REFUSED:
                self._heard_ms = self._steady_ms()
                return
            with self._lock:
                self._memory.doubt(observation)
            if observation.event is not None:
                self._reported_ms = None
            if observation.lane is Lane.ROUTINE:
                # With little room left the journal takes what is urgent only. That this gateway lives is.
                urgent = msgspec.structs.replace(observation, lane=Lane.URGENT)
                self._journal.submit(urgent, self._receipts.counted(TRANSPORT, self._written(urgent)))

        return written


def _part(state: Literal["ok", "degraded"], zh: str, en: str) -> Part:
    return Part(name="itself", state=state, critical=False, zh=zh, en=en)
