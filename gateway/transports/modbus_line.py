"""One Modbus RTU line: the master's thread. What is asked and what it means is `devices.profiles.modbus`."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import queue
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

import msgspec

from devices.gear.messages import AddressBook, GearDevice, Order, Reading
from devices.gear.profile import SerialSetting
from devices.native import Command
from devices.profiles.modbus.bus import ModbusBus, SlaveState
from devices.profiles.modbus.query import (
    ACCEPTED_CODE,
    EXCEPTIONS,
    ILLEGAL,
    Answer,
    Excepted,
    Failure,
    NoAnswer,
    Query,
    Written,
)
from gateway.clock import Clock
from gateway.settings import SerialLine
from gateway.transports.gear_line import TakeReading
from gateway.transports.modbus_wire import AnswerReader, answer_bytes, character_ms, frame, gap_ms
from gateway.transports.port import SUPERVISE_MS, WRONG_BAUD_AFTER, PortThread, Waiter, steady_now_ms
from gateway.transports.serial_health import (
    GEAR_NOTHING_YET,
    GEAR_WRONG_BAUD,
    MODBUS_NOBODY,
    MODBUS_SILENT,
    CommandOutcome,
    CommandReport,
    LineState,
    ModbusHealth,
    SlaveHealth,
)

log = logging.getLogger(__name__)

SETTLED_MS = 20
"""No further byte for so long after enough of them: an adapter's own buffer (USB: 16 ms) is empty, that is all."""
QUIET_WITHIN_MS = 1000
"""A line that is not silent for so long has somebody on it who talks without being asked."""
WRITE_TRIES = 3


@dataclass(frozen=True, slots=True)
class _Order:
    """A write on its way to the line's thread."""

    query: Query
    until_ms: int
    waiter: Waiter


@dataclass(frozen=True, slots=True)
class _Owed:
    """An answer that may still come, too late, to a query that was given up or asked twice."""

    query: Query
    until_ms: int


class ModbusLine(PortThread):
    """The transport of one line; the bridge of the registry has the line's name as its id."""

    def __init__(
        self, line: SerialLine, bus: ModbusBus, take: TakeReading, book: Callable[[], AddressBook], clock: Clock
    ) -> None:
        super().__init__(line, clock)
        self._bus = bus
        self._take = take
        self._book = book
        self._inbox: queue.SimpleQueue[_Order] = queue.SimpleQueue()
        # Owned by the line's thread:
        self._heard = False
        """Whether somebody answered since the port was opened."""
        self._quiet_since_ms = 0
        """When the last byte came or went."""
        self._owed: dict[int, _Owed] = {}
        """By slave."""
        # Shared with `health`, under the lock:
        self._answers: Counter[str] = Counter()
        self._bad: Counter[str] = Counter()
        self._echoes = False
        self._slaves: dict[int, SlaveHealth] = {}

    def order(self, device: GearDevice, command: Command, now_ms: int) -> Order:
        """``command`` as a write, with what will show that it was done. Raises Refusal."""
        return self._bus.order(device, command, now_ms)

    async def send(self, order: Order, timeout_s: float) -> CommandReport:
        """Write what ``order`` says. Handed over: the slave repeated it; whether it did it, its registers will show."""
        with self._lock:
            if self._state is LineState.DOWN:
                return CommandReport(CommandOutcome.LINE_DOWN, self._reason)
        loop = asyncio.get_running_loop()
        until_ms = steady_now_ms() + round(timeout_s * 1000)
        report = CommandReport(CommandOutcome.MALFORMED, "the order writes nothing")
        for publication in order.publications:
            waiter = Waiter(loop, loop.create_future())
            query = msgspec.json.decode(publication.payload, type=Query)
            self._inbox.put(_Order(query, until_ms, waiter))
            self._poke()
            try:
                async with asyncio.timeout(max(0.0, (until_ms - steady_now_ms()) / 1000)):
                    report = await waiter.future
            except TimeoutError:
                return CommandReport(CommandOutcome.NO_ANSWER, f"slave {query.slave}: not within {timeout_s:g} s")
            if report.outcome is not CommandOutcome.HANDED_OVER:
                return report
        return report

    def health(self) -> ModbusHealth:
        """A snapshot."""
        with self._lock:
            return ModbusHealth(
                line=self.line.name,
                port=self.line.port,
                state=self._state,
                since_ms=self._since_ms,
                reason=self._reason,
                opened=self._opened,
                last_heard_ms=self._last_heard_ms,
                devices=sum(not slave.offline for slave in self._slaves.values()),
                frames_ok=dict(self._answers),
                frames_bad=dict(self._bad),
                echoes=self._echoes,
                slaves=dict(self._slaves),
            )

    # --- the line's thread ----------------------------------------------------------------------------------------

    def _setting(self) -> SerialSetting:
        setting = self._bus.setting
        return setting if self.line.baud is None else replace(setting, baud=self.line.baud)

    def _begin(self) -> None:
        self._heard = False
        self._quiet_since_ms = steady_now_ms()
        self._set_state(LineState.SILENT, GEAR_NOTHING_YET, quiet=True)

    def _end(self) -> bool:
        if not self._stopping.is_set():
            self._hand_in(self._bus.lost(), b"")
        self._idle()
        return self._heard

    def _idle(self) -> None:
        while (order := self._next_order()) is not None:
            order.waiter.tell(CommandReport(CommandOutcome.LINE_DOWN, self._reason))

    def _next_order(self) -> _Order | None:
        with suppress(queue.Empty):
            return self._inbox.get_nowait()
        return None

    def _converse(self, fd: int) -> None:
        while not self._stopping.is_set():
            order = self._next_order()
            if order is not None:
                self._write(fd, order)
                continue
            now_ms = steady_now_ms()
            query, trouble = self._bus.next(now_ms, self._book())
            self._hand_in(trouble, b"")
            if query is not None:
                answer, wire = self._ask(fd, query)
                if self._stopping.is_set():
                    return
                self._hand_in(self._bus.answered(answer, steady_now_ms()), wire)
            self._judge()
            if query is None:
                self._drain(fd, min(SUPERVISE_MS, self._bus.next_due_ms(now_ms) - now_ms))

    def _write(self, fd: int, order: _Order) -> None:
        query = order.query
        report = CommandReport(CommandOutcome.NO_ANSWER, f"slave {query.slave}: not sent, the time was up")
        for _ in range(WRITE_TRIES):
            if steady_now_ms() >= order.until_ms:  # nobody waits any more: a valve must not move when nobody expects it
                break
            answer, _wire = self._ask(fd, query)
            report = _report(query, answer)
            # Also where no answer came: it may have been done.
            self._bus.written(query.slave, steady_now_ms())
            if not isinstance(answer, NoAnswer):
                break
        order.waiter.tell(report)

    def _ask(self, fd: int, query: Query) -> tuple[Answer, bytes]:
        """What the slave answers, and all that came."""
        self._sit_out(fd, query)
        if not self._silence(fd):
            return self._counted(NoAnswer(Failure.DAMAGED, "the line is never silent: somebody talks unasked")), b""
        request = frame(query)
        reader = AnswerReader(query, echoes=self._echoes)
        character = character_ms(self._setting())
        until_ms = steady_now_ms() + self._bus.timeout_ms
        until_ms += math.ceil((len(request) + answer_bytes(query)) * character)
        out, wire, answer = bytearray(request), bytearray(), None
        while answer is None and not self._stopping.is_set() and (left_ms := until_ms - steady_now_ms()) > 0:
            if reader.spoilt:
                left_ms = min(left_ms, self._quiet_since_ms + SETTLED_MS - steady_now_ms())
                if left_ms <= 0:
                    break
            data, writable = self._wait(fd, left_ms, writing=bool(out))
            if writable:
                with suppress(BlockingIOError):
                    del out[: os.write(fd, out)]
            if data or writable:
                self._quiet_since_ms = steady_now_ms()
            if data:
                wire += data
                answer = reader.feed(data)
        self._learn(reader, answer)
        self._note_owed(query, answer, until_ms)
        return self._counted(answer or reader.time_is_up()), bytes(wire)

    def _sit_out(self, fd: int, query: Query) -> None:
        """Let a late answer pass by: it looks like the answer to another question about as many registers."""
        owed = self._owed.get(query.slave)
        if owed is not None and owed.query != query:
            while not self._stopping.is_set() and (left_ms := owed.until_ms - steady_now_ms()) > 0:
                self._drain(fd, left_ms)
            del self._owed[query.slave]

    def _note_owed(self, query: Query, answer: Answer | None, until_ms: int) -> None:
        """An answer that did not come may come late; one that came to the second asking may come twice."""
        owed = self._owed.pop(query.slave, None)
        if answer is None or (owed is not None and owed.until_ms > steady_now_ms()):
            self._owed[query.slave] = _Owed(query, until_ms + self._bus.timeout_ms)

    def _learn(self, reader: AnswerReader, answer: Answer | None) -> None:
        """A read tells whether the adapter hears itself: its answer never looks like its request."""
        if reader.echoed or (answer is not None and not isinstance(answer, Written)):
            with self._lock:
                self._echoes = reader.echoed

    def _silence(self, fd: int) -> bool:
        """Wait until the line was silent for the gap between two frames; False where it never is."""
        gap = math.ceil(gap_ms(self._setting()))
        until_ms = steady_now_ms() + QUIET_WITHIN_MS
        while (left_ms := self._quiet_since_ms + gap - steady_now_ms()) > 0:
            if steady_now_ms() > until_ms:
                return False
            self._drain(fd, left_ms)
        return True

    def _drain(self, fd: int, pause_ms: int) -> None:
        """Nobody was asked: what comes is a late answer, or noise."""
        data, _ = self._wait(fd, pause_ms, writing=False)
        if data:
            self._quiet_since_ms = steady_now_ms()
            with self._lock:
                self._bad["stray_bytes"] += len(data)

    def _counted(self, answer: Answer) -> Answer:
        with self._lock:
            if isinstance(answer, NoAnswer):
                self._bad[answer.failure.value] += 1
            else:
                self._heard = True
                self._last_heard_ms = self._clock.now_ms()
                self._answers["exceptions" if isinstance(answer, Excepted) else "answers"] += 1
        return answer

    def _hand_in(self, reading: Reading, payload: bytes) -> None:
        with self._lock:
            self._slaves = {slave: _slave(state) for slave, state in self._bus.slaves.items()}
        if not (reading.said or reading.faults):
            return
        try:
            self._take(self.line.name, reading, self._clock.now_ms(), self.line.port, payload)
        except Exception:
            log.exception("serial line %s: what the slaves said was not taken", self.line.name)

    def _judge(self) -> None:
        slaves = self._bus.slaves
        if not slaves:
            self._set_state(LineState.SILENT, MODBUS_NOBODY, quiet=True)
        elif self._heard and not all(state.offline for state in slaves.values()):
            self._set_state(LineState.UP, "")
        elif not self._heard and self._bad[Failure.DAMAGED.value] >= WRONG_BAUD_AFTER:
            self._set_state(LineState.SILENT, GEAR_WRONG_BAUD)
        elif all(state.offline for state in slaves.values()):
            self._set_state(LineState.SILENT, MODBUS_SILENT)


def _slave(state: SlaveState) -> SlaveHealth:
    return SlaveHealth(
        answers=state.answers,
        failures=dict(state.failures),
        exceptions=dict(state.exceptions),
        offline=state.offline,
    )


def _report(query: Query, answer: Answer) -> CommandReport:
    """What an answer to a write means for who ordered it."""
    who = f"slave {query.slave}"
    match answer:
        case Written():
            return CommandReport(CommandOutcome.HANDED_OVER, f"{who} repeated it")
        case Excepted(code):
            name, hint = EXCEPTIONS.get(code, (f"exception {code}", "see its manual"))
            if code == ACCEPTED_CODE:
                return CommandReport(CommandOutcome.HANDED_OVER, f"{who}: {name}; {hint}")
            # What may pass is tried again: a valve whose driver has a fault now may shut in a minute.
            outcome = CommandOutcome.MALFORMED if code in ILLEGAL else CommandOutcome.BUSY
            return CommandReport(outcome, f"{who} answered {code}, {name}; {hint}")
        case NoAnswer(failure, detail):
            return CommandReport(CommandOutcome.NO_ANSWER, f"{who}: {detail or failure.value}")
        case _:
            return CommandReport(CommandOutcome.NO_ANSWER, f"{who} answered something else")
