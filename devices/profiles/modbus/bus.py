"""The master of one RS-485 line: which slave is asked what and when, and what its registers mean.

The rules, each for what happens on real lines:

* Each slave has its own interval. Whoever has been due longest is next.
* A slave that did not answer is asked less and less often, and never twice in a row while another that answers is due:
  a dead one costs the others at most every second turn, and soon nothing.
* Three visits without an answer are silence, and its devices are said to be offline. One lost frame is none.
* What a slave refuses for good (no such register) is not asked again for a while; the rest of it is.
* After a write its registers are read at once, and every second for half a minute: the device's own word counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from devices.gear.messages import AddressBook, GearDevice, Order, Publication, Reading, Said
from devices.gear.profile import PARITIES, SerialSetting
from devices.gear.profile_error import ProfileError
from devices.gear.stream import Faults, choice_option, number_option
from devices.native import Command
from devices.observation import Refusal
from devices.profiles.modbus.maps import map_of
from devices.profiles.modbus.query import (
    BUSY_CODE,
    EXCEPTIONS,
    ILLEGAL,
    Answer,
    Excepted,
    NoAnswer,
    Query,
    Words,
    Written,
)
from devices.profiles.modbus.register_map import Block, KindRows, RegisterMap, Row, blocks

SLAVES_MOST = 247
"""Modbus over Serial Line V1.02, 2.2: addresses 1 to 247. 0 is everybody, and answers nothing."""
OFFLINE_AFTER = 3
"""Visits in a row without an answer. Two happen when a heavy load is switched beside the cable."""
BACK_OFF_LONGEST_MS = 60_000
"""How late a slave that got its power back may be noticed."""
BUSY_AGAIN_MS = 1_000
REFUSED_AGAIN_MS = 600_000
"""Until something that a slave refused for good is asked again: it may have been exchanged, or given new firmware."""
CLOSE_WATCH_MS = 30_000
"""A motor valve takes 5 to 15 s from one end to the other."""
CLOSE_WATCH_EVERY_MS = 1_000
FAULT_EVERY_MS = 3_600_000
TIMEOUT_MS = 500
"""Meters answer within 60 to 200 ms (Eastron: 60 ms); half a second is for the slow, and costs little by the rules
above."""
TRIES = 2
"""A slave that answered last time is asked again at once: one frame in hundreds is damaged on a long cable."""
BUSY_TOLD = 10


@dataclass(slots=True)
class SlaveState:
    """What is known of one slave. Counts are since the line was started."""

    answers: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    exceptions: Counter[int] = field(default_factory=Counter)
    silent_visits: int = 0
    """In a row."""

    @property
    def offline(self) -> bool:
        """Whether it has been silent too often to be there."""
        return self.silent_visits >= OFFLINE_AFTER


@dataclass(frozen=True, slots=True)
class _Reader:
    """One device of a slave with what its registers mean."""

    device: GearDevice
    map: RegisterMap
    rows: KindRows
    part: int
    turned: bool


@dataclass(slots=True)
class _Plan:
    """One slave: its devices, what is asked of it, and when."""

    readers: tuple[_Reader, ...]
    blocks: tuple[Block, ...]
    every_ms: int
    due_ms: int
    watch_until_ms: int = 0
    refused: dict[Block, int] = field(default_factory=dict)
    """What it refused for good → when it may be asked again."""


@dataclass(slots=True)
class _Visit:
    """The reading of one slave that is under way."""

    slave: int
    left: list[Block]
    words: dict[tuple[int, int], int] = field(default_factory=dict)
    """(function, address) → content."""
    tries: int = 0
    busy: bool = False


class ModbusBus:
    """The master of one line. Belongs to one thread at a time."""

    def __init__(self, options: Mapping[str, str]) -> None:
        """Raises ValueError that names the option."""
        self.setting = SerialSetting(
            baud=round(number_option(options, "baud", 9600, low=300, high=1_000_000)),
            parity=PARITIES[choice_option(options, "parity", tuple(PARITIES))],
            stopbits=round(number_option(options, "stopbits", 1, low=1, high=2)),
        )
        self.timeout_ms = round(number_option(options, "timeout_ms", TIMEOUT_MS, low=20, high=10_000))
        self.slaves: dict[int, SlaveState] = {}
        self._plans: dict[int, _Plan] = {}
        self._book: tuple[GearDevice, ...] | None = None
        self._visit: _Visit | None = None
        self._counters: dict[tuple[str, str], tuple[int, int]] = {}
        """(device, metric) → what its counter showed, and when."""
        self._last_doubtful = False
        self._faults = Faults(every_ms=FAULT_EVERY_MS)

    # --- polling --------------------------------------------------------------------------------------------------

    def next(self, now_ms: int, book: AddressBook) -> tuple[Query | None, Reading]:
        """What to ask now; None: nothing until `next_due_ms`. The reading: what is wrong with the registry."""
        self._follow(book, now_ms)
        if self._visit is None:
            self._visit = self._choose(now_ms)
        visit = self._visit
        query = None
        if visit is not None:
            block = visit.left[0]
            query = Query(slave=visit.slave, function=block.function, address=block.address, count=block.count)
        return query, Reading(faults=self._faults.due(now_ms))

    def next_due_ms(self, now_ms: int) -> int:
        """When `next` has something to ask, if nothing else happens."""
        if self._visit is not None:
            return now_ms
        return min((plan.due_ms for plan in self._plans.values()), default=now_ms + BACK_OFF_LONGEST_MS)

    def answered(self, answer: Answer, now_ms: int) -> Reading:
        """What became of the query that `next` gave last."""
        visit = self._visit
        assert visit is not None
        state, plan = self.slaves[visit.slave], self._plans[visit.slave]
        block = visit.left[0]
        match answer:
            case Words(values):
                state.answers += 1
                visit.words |= {(block.function, block.address + place): value for place, value in enumerate(values)}
                self._go_on(visit)
            case Excepted(code):
                state.answers += 1
                state.exceptions[code] += 1
                self._excepted(visit, plan, block, code, now_ms)
                self._go_on(visit)
            case NoAnswer(failure, detail):
                state.failures[failure.value] += 1
                visit.tries += 1
                if visit.tries < TRIES and not state.silent_visits:
                    return Reading()
                self._faults.note(_no_answer(visit.slave, failure.value, detail))
                return self._end(visit, plan, state, now_ms, answered=False)
            case Written():  # no question of ours
                return Reading()
        if visit.left:
            return Reading()
        return self._end(visit, plan, state, now_ms, answered=True)

    def lost(self) -> Reading:
        """The port is gone, and with it everybody behind it."""
        self._visit = None
        readers = (reader for plan in self._plans.values() for reader in plan.readers)
        return Reading(said=tuple(Said(device=reader.device, presence=False) for reader in readers))

    def _go_on(self, visit: _Visit) -> None:
        del visit.left[0]
        visit.tries = 0

    def _choose(self, now_ms: int) -> _Visit | None:
        due = sorted((plan.due_ms, slave) for slave, plan in self._plans.items() if plan.due_ms <= now_ms)
        healthy = [slave for _, slave in due if not self.slaves[slave].silent_visits]
        doubtful = [slave for _, slave in due if self.slaves[slave].silent_visits]
        if healthy and (self._last_doubtful or not doubtful or due[0][1] == healthy[0]):
            chosen = healthy[0]
        elif doubtful:
            chosen = doubtful[0]
        else:
            return None
        self._last_doubtful = bool(self.slaves[chosen].silent_visits)
        plan = self._plans[chosen]
        left = [block for block in plan.blocks if plan.refused.get(block, 0) <= now_ms]
        if not left:  # all refused: one question shows whether it is still there
            left = [plan.blocks[0]]
        return _Visit(chosen, left)

    def _end(self, visit: _Visit, plan: _Plan, state: SlaveState, now_ms: int, *, answered: bool) -> Reading:
        self._visit = None
        if answered:
            state.silent_visits = 0
            pause_ms = CLOSE_WATCH_EVERY_MS if now_ms < plan.watch_until_ms else plan.every_ms
            plan.due_ms = now_ms + (min(pause_ms, BUSY_AGAIN_MS) if visit.busy else pause_ms)
        else:
            state.silent_visits += 1
            pause_ms = plan.every_ms * 2 ** min(state.silent_visits - 1, 16)
            plan.due_ms = now_ms + min(pause_ms, max(plan.every_ms, BACK_OFF_LONGEST_MS))
        said = []
        for reader in plan.readers:
            metrics = self._metrics(reader, visit.words, now_ms)
            if metrics or answered:
                said.append(Said(device=reader.device, metrics=metrics, presence=True))
            elif state.offline:
                said.append(Said(device=reader.device, presence=False))
        return Reading(said=tuple(said), faults=self._faults.due(now_ms))

    def _excepted(self, visit: _Visit, plan: _Plan, block: Block, code: int, now_ms: int) -> None:
        if code in ILLEGAL:
            plan.refused[block] = now_ms + REFUSED_AGAIN_MS
        elif code == BUSY_CODE:
            visit.busy = True
            if self.slaves[visit.slave].exceptions[code] % BUSY_TOLD:
                return
        name, hint = EXCEPTIONS.get(code, (f"exception {code}", "see the device's manual"))
        self._faults.note(
            Refusal(
                "refused_by_device",
                field=f"slave {visit.slave} function {block.function} address {block.address:#06x}",
                expected=f"{block.count} values",
                hint=f"it answered {code}, {name}; {hint}",
                device=plan.readers[0].device.id,
            )
        )

    # --- what registers mean --------------------------------------------------------------------------------------

    def _metrics(self, reader: _Reader, words: Mapping[tuple[int, int], int], now_ms: int) -> dict[str, float]:
        sums: dict[str, float | None] = {}
        for row in reader.rows.rows:
            value = self._value(reader, row, words, now_ms)
            before = sums.get(row.metric, 0.0)
            sums[row.metric] = None if value is None or before is None else before + value
        return {metric: value for metric, value in sums.items() if value is not None}

    def _value(self, reader: _Reader, row: Row, words: Mapping[tuple[int, int], int], now_ms: int) -> float | None:
        places = [(row.function, row.at(reader.part) + place) for place in range(row.size)]
        if any(place not in words for place in places):
            return None
        raw = row.raw([words[place] for place in places], reader.turned)
        if raw is None:
            return None
        if not row.increase:
            return row.value(raw)
        assert isinstance(raw, int)
        name = (reader.device.id, row.metric)
        before = self._counters.get(name)
        self._counters[name] = raw, now_ms
        if before is None or now_ms <= before[1]:
            return None
        grown = (raw - before[0]) % row.wraps_at
        if grown > row.wraps_at // 2:  # it went back: somebody set it to 0, or it was exchanged
            return None
        worth = grown * row.scale
        return worth if row.increase == "count" else worth * 3_600_000 / (now_ms - before[1])

    # --- commands -------------------------------------------------------------------------------------------------

    def order(self, device: GearDevice, command: Command, now_ms: int) -> Order:
        """``command`` as a write. Raises Refusal where this device cannot do it."""
        try:
            reader, slave = _reader(device)
        except _Misfit as misfit:
            raise misfit.refusal from None
        write = reader.rows.commands.get(command.command)
        if write is None:
            raise Refusal(
                "unknown_command",
                field="command",
                expected=f"one of {', '.join(sorted(reader.rows.commands)) or 'none'}",
                hint=f"map {reader.map.key} has no {command.command!r} for a {device.kind}",
                device=device.id,
            )
        query = Query(slave=slave, function=write.function, address=write.at(reader.part), values=write.values)
        return Order(publications=(Publication(topic="", payload=msgspec.json.encode(query)),), confirm=write.confirm)

    def written(self, slave: int, now_ms: int) -> None:
        """A slave was written to: it is read at once, and closely for a while."""
        plan = self._plans.get(slave)
        if plan is not None:
            plan.due_ms = now_ms
            plan.watch_until_ms = now_ms + CLOSE_WATCH_MS

    # --- the registry ---------------------------------------------------------------------------------------------

    def _follow(self, book: AddressBook, now_ms: int) -> None:
        """Plan anew where the registry has changed."""
        devices = tuple(book.all())
        if devices == self._book:
            return
        self._book = devices
        readers: dict[int, list[_Reader]] = {}
        for device in devices:
            try:
                reader, slave = _reader(device)
                readers.setdefault(slave, []).append(reader)
            except _Misfit as misfit:
                self._faults.note(misfit.refusal)
        plans = {slave: _plan(found, now_ms) for slave, found in readers.items()}
        for slave, plan in plans.items():
            old = self._plans.get(slave)
            if old is not None:
                plan.due_ms = min(old.due_ms, now_ms + plan.every_ms)
                plan.watch_until_ms = old.watch_until_ms
        self._plans = plans
        self.slaves = {slave: self.slaves.get(slave, SlaveState()) for slave in plans}
        known = {device.id for device in devices}
        self._counters = {name: value for name, value in self._counters.items() if name[0] in known}
        self._visit = None


class _Misfit(Exception):
    """A device cannot be read as it is registered."""

    def __init__(self, device: GearDevice, field_: str, expected: str, hint: str) -> None:
        super().__init__(field_)
        self.refusal = Refusal(
            "malformed", field=f"{device.id}: {field_}", expected=expected, hint=hint, device=device.id
        )


def _reader(device: GearDevice) -> tuple[_Reader, int]:
    """The device with its map, and its slave's address. Raises _Misfit."""
    if not device.address.isdecimal() or not 1 <= int(device.address) <= SLAVES_MOST:
        raise _Misfit(device, "address", f"1 to {SLAVES_MOST}, the slave's address", f"got {device.address!r}")
    try:
        found = map_of(device.options.get("map", ""))
    except ProfileError as error:
        raise _Misfit(device, "options.map", error.expected, str(error)) from None
    rows = found.kinds.get(device.kind)
    if rows is None:
        raise _Misfit(device, "kind", f"one of {', '.join(found.kinds)}", f"map {found.key} knows no {device.kind}")
    part = device.part or "1"
    if not part.isdecimal() or not 1 <= int(part) <= found.parts:
        raise _Misfit(device, "address", f"a part of 1 to {found.parts} after #", f"got {device.part!r}")
    words = device.options.get("words", "map")
    if words not in ("map", "turned"):
        raise _Misfit(device, "options.words", "map or turned", f"got {words!r}")
    return _Reader(device, found, rows, int(part), words == "turned"), int(device.address)


def _plan(readers: Sequence[_Reader], now_ms: int) -> _Plan:
    wanted = [(row.function, row.at(reader.part), row.size) for reader in readers for row in reader.rows.rows]
    every_ms = min(_every_ms(reader) for reader in readers)
    span, gap = min(reader.map.span for reader in readers), min(reader.map.gap for reader in readers)
    return _Plan(tuple(readers), blocks(wanted, span, gap), every_ms, now_ms)


def _every_ms(reader: _Reader) -> int:
    try:
        return round(
            1000 * number_option(reader.device.options, "every_s", reader.map.every_ms / 1000, low=1, high=86_400)
        )
    except ValueError:
        return reader.map.every_ms


def _no_answer(slave: int, failure: str, detail: str) -> Refusal:
    return Refusal(
        "malformed" if failure != "silent" else "no_answer",
        field=f"slave {slave}",
        expected="an answer",
        hint=f"{detail or failure}; check its power, address and baud rate, and A and B of the cable",
    )
