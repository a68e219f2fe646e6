"""Glucose meters that are read out over a serial cable: what their profiles share.

A meter keeps hundreds of measurements and gives them all, every time it is asked. Each is told once: by its identity,
which the journal knows for `TOLD_FOR_MS`. What is older than that cannot be told from a repeat, and is left out.

A meter's clock knows no time zone, and is often wrong. It is read first: a measurement counts as so long ago as it is
by that clock.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Protocol

from devices.gear.messages import AddressBook, GearDevice, Reading, Said, Scalar
from devices.gear.profile import SerialSetting
from devices.gear.stream import Behind, Faults, number_option
from devices.observation import Refusal

MGDL_PER_MMOLL = 18.0156
"""Molar mass of glucose, 180.156 g/mol."""
TOLD_FOR_MS = 6 * 86_400_000
"""Below the week for which the journal knows an identity (`journal.keep_hours`)."""
AHEAD_MS = 3_600_000
"""A measurement that is later than the meter's own clock by more: the clock was set back since."""
ABSENT_MS = 5_000
"""How often a meter is asked for that does not answer: whoever plugs it in waits for no longer."""
REPLY_MS = 1_000
"""Meters answer within a tenth of that."""
TRIES = 3
KNOWN_MOST = 2_000
"""Four meters full."""
RECORDS_MOST = 2_000
WAITING_MOST = 512
"""Bytes that wait to be written: a meter is asked one thing at a time."""
SILENT_AFTER_MS = 2 * 86_400_000
"""A meter is plugged in when somebody has measured, once a day or so: not to hear it is no fault of the line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One stored measurement."""

    clock_ms: int
    """By the meter's clock, taken as if it were UTC."""
    mgdl: int
    identity: str
    """Stable for this measurement in this meter; without ``:``."""
    data: Mapping[str, Scalar]


class Link(Protocol):
    """How questions and answers of one maker are framed."""

    good: int
    bad: int

    def reset(self) -> None:
        """A conversation begins."""
        ...

    def question(self, message: bytes) -> bytes:
        """The bytes of a question."""
        ...

    def feed(self, data: bytes, faults: Faults) -> tuple[list[bytes], bytes]:
        """Answers in ``data``, and what must be written at once (acknowledgements)."""
        ...


Questions = Generator[bytes, bytes, None]
"""A conversation: yields a question, is sent its answer. Ends by itself, or with `Confused`."""


class Confused(Exception):
    """The answer is none to the question."""


class GlucoseMeter(ABC):
    """One meter on one line. See `devices.gear.profile.StreamGear`."""

    silent_after_ms = SILENT_AFTER_MS
    setting: SerialSetting

    def __init__(self, options: Mapping[str, str], link: Link, *, vendor: str, model: str) -> None:
        self._every_ms = round(1000 * number_option(options, "every_s", 60, low=10, high=86_400))
        self._link = link
        self._behind = Behind("vitals_monitor", vendor=vendor, model=model)
        self._known: OrderedDict[str, None] = OrderedDict()
        """Measurements that were told, by identity."""
        self.opened(0)

    @abstractmethod
    def answers(self, question: bytes, answer: bytes) -> bool:
        """Whether ``answer`` is one to ``question``, as far as can be seen: bad cables say things twice."""

    @abstractmethod
    def conversation(self) -> Questions:
        """Everything that is asked of a meter that has been plugged in; calls `found` for each measurement."""

    # --- for subclasses -----------------------------------------------------------------------------------------

    clock_ms: int
    """What the meter's clock said in this conversation."""

    def set_clock(self, clock_ms: int) -> None:
        """The meter's own clock says this (ms)."""
        self.clock_ms = clock_ms

    def is_too_old(self, record: Record) -> bool:
        """Whether the measurement is older than what is still told."""
        return self.clock_ms - record.clock_ms > TOLD_FOR_MS

    def found(self, record: Record) -> None:
        """A measurement was read."""
        if record.identity not in self._known and not self.is_too_old(record):
            self._records.append((record, self.clock_ms - record.clock_ms))

    # --- the stream ---------------------------------------------------------------------------------------------

    @property
    def good(self) -> int:
        return self._link.good

    @property
    def bad(self) -> int:
        return self._link.bad

    def opened(self, now_ms: int) -> None:
        self._link.good = self._link.bad = 0
        self._faults = Faults()
        self._behind.opened()
        self._records: list[tuple[Record, int]] = []
        """Read and not yet told, with how long ago each was."""
        self._next_ms = now_ms
        self._stop()

    def _stop(self) -> None:
        self._link.reset()
        self._questions: Questions | None = None
        self._message = self._asked = b""
        """The question that waits for its answer, and as it went out."""
        self._held: bytes | None = None
        """An answer to a question that was asked more than once: the others must be let pass by first."""
        self._tries = 0
        self._until_ms = 0
        self._out = b""
        self.clock_ms = 0

    def feed(self, data: bytes, now_ms: int, received_at_ms: int, book: AddressBook) -> Reading:
        answers, back = self._link.feed(data, self._faults)
        self._write(back)
        device = self._behind.device(book)
        if device is None:  # nobody to tell it of: what it keeps is read once it is registered
            if answers:
                self._stop()
                self._next_ms = now_ms + self._every_ms
            return Reading(announced=self._behind.stranger() if answers else (), faults=self._faults.due(now_ms))
        for answer in answers:
            self._hear(answer, now_ms)
        said = tuple(self._said(device, record, ago_ms, received_at_ms) for record, ago_ms in self._records)
        self._records.clear()
        return Reading(said=said, faults=self._faults.due(now_ms))

    def _hear(self, answer: bytes, now_ms: int) -> None:
        if self._questions is None or self._held is not None:
            return
        if not self.answers(self._message, answer):
            self._confused(f"{answer.hex(' ')} in answer to {self._message.hex(' ')}")
        elif self._tries > 1:
            self._held = answer
            self._until_ms = now_ms + REPLY_MS
        else:
            self._go_on(answer, now_ms)

    def _write(self, out: bytes) -> None:
        if len(self._out) < WAITING_MOST:
            self._out += out

    def _go_on(self, answer: bytes | None, now_ms: int) -> None:
        """Ask the next question; ``answer`` is None at the beginning."""
        assert self._questions is not None
        try:
            self._message = next(self._questions) if answer is None else self._questions.send(answer)
        except StopIteration:
            self._stop()
            self._next_ms = now_ms + self._every_ms
            return
        except Confused as error:
            self._confused(str(error))
            self._stop()
            self._next_ms = now_ms + ABSENT_MS
            return
        self._asked = self._link.question(self._message)
        self._write(self._asked)
        self._tries = 1
        self._until_ms = now_ms + REPLY_MS

    def _confused(self, what: str) -> None:
        self._faults.note(
            Refusal(
                "malformed",
                field="answer",
                expected="an answer as in the meter's protocol",
                hint=f"got {what}; check the model of the meter",
            )
        )

    def _said(self, device: GearDevice, record: Record, ago_ms: int, received_at_ms: int) -> Said:
        self._known[record.identity] = None
        while len(self._known) > KNOWN_MOST:
            self._known.popitem(last=False)
        sure = ago_ms >= -AHEAD_MS
        return Said(
            device=device,
            metrics={"glucose": round(record.mgdl / MGDL_PER_MMOLL, 1)},
            events=("measurement",),
            data={"mgdl": float(record.mgdl), **record.data},
            observed_at_ms=received_at_ms - max(0, ago_ms) if sure else None,
            identity=record.identity,
        )

    def due(self, now_ms: int, received_at_ms: int, book: AddressBook) -> tuple[bytes, Reading]:
        if self._questions is None:
            if now_ms >= self._next_ms:
                self._stop()
                self._questions = self.conversation()
                self._go_on(None, now_ms)
        elif now_ms >= self._until_ms:
            if self._held is not None:
                answer, self._held = self._held, None
                self._go_on(answer, now_ms)
            elif self._tries < TRIES and self._link.good:
                self._tries += 1
                self._write(self._asked)
                self._until_ms = now_ms + REPLY_MS
            else:  # it is not there, or was pulled
                self._stop()
                self._next_ms = now_ms + ABSENT_MS
        out, self._out = self._out, b""
        return out, Reading()

    def next_due_ms(self, now_ms: int) -> int:
        if self._out:
            return now_ms + 1
        return max(now_ms + 1, self._until_ms if self._questions is not None else self._next_ms)
