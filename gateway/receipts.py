"""What became of every message that came in, by transport: counted, and kept in quarantine where it was refused."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from devices.observation import Observation, Refusal
from gateway.clock import Millis
from gateway.journal.entry import Done, Outcome, Quarantined

log = logging.getLogger(__name__)

PAYLOAD_BYTES = 4096


class JournalSink(Protocol):
    """The side of the journal that is written to."""

    @property
    def keep_ms(self) -> int:
        """For so long what has been read is kept, and a repeat known as one."""
        ...

    def submit(self, observation: Observation, done: Done) -> None:
        """Write it down; ``done`` hears how that went, from another thread."""
        ...

    def quarantine(self, item: Quarantined, done: Done) -> None:
        """As `submit`, for what was not understood."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportStats:
    """What became of the messages of one transport since the start of the process."""

    transport: str
    """``mqtt``, ``http``, ``serial:<line>`` or ``gear:<bridge>``."""
    offered: int
    outcomes: Mapping[Outcome, int]
    """Of messages. What is offered and not yet here is under way."""
    faults: Mapping[str, int]
    """By reason: of refused messages, of parts left out of accepted ones, and of those who were not let in."""
    notes: Mapping[str, int]
    """By name: what was understood and is no news (``same_press``, ``retained_moment``, ``concerns_nobody``)."""


class Receipts:
    """Counts and refuses, for all transports together. From any thread."""

    def __init__(self, journal: JournalSink) -> None:
        self._journal = journal
        self._lock = threading.Lock()
        self._offered: Counter[str] = Counter()
        self._outcomes: Counter[tuple[str, Outcome]] = Counter()
        self._faults: Counter[tuple[str, str]] = Counter()
        self._notes: Counter[tuple[str, str]] = Counter()

    def counted(self, transport: str, done: Done) -> Done:
        """``done``, with a message of ``transport`` counted now, and its outcome when it comes."""
        with self._lock:
            self._offered[transport] += 1

        def count(outcome: Outcome) -> None:
            with self._lock:
                self._outcomes[transport, outcome] += 1
            done(outcome)

        return count

    def note(self, transport: str, name: str) -> None:
        """Something was understood and passed over."""
        with self._lock:
            self._notes[transport, name] += 1

    def leave_out(self, transport: str) -> None:
        """A part of a message that goes on without it: the journal has room for what is urgent only."""
        with self._lock:
            self._faults[transport, "not_written"] += 1

    def turn_away(self, transport: str) -> None:
        """Somebody is not let in, and nothing of it is kept: anybody could fill the disk."""
        with self._lock:
            self._faults[transport, "not_admitted"] += 1

    def refuse(
        self, transport: str, source: str, payload: bytes, refusal: Refusal, now_ms: Millis, done: Done | None = None
    ) -> None:
        """Keep ``payload`` with the reason. Without ``done`` it was only a part: nobody waits for its fate, and what
        even the quarantine cannot keep is counted by the journal."""
        with self._lock:
            self._faults[transport, refusal.reason] += 1
        self._journal.quarantine(
            Quarantined(
                received_at_ms=now_ms,
                transport=transport,
                source=source,
                device=refusal.device,
                reason=refusal.reason,
                field=refusal.field,
                expected=refusal.expected,
                hint=refusal.hint,
                payload=payload[:PAYLOAD_BYTES],
            ),
            done or _nobody_waits,
        )

    def defect(
        self, transport: str, source: str, payload: bytes, error: Exception, now_ms: Millis, done: Done, device: str
    ) -> None:
        """A decoder failed in a way it must not. Refused like any other message: not acknowledged it would come again
        for ever, and hold up everybody's presses. To be called in the except clause."""
        log.exception("a message from %s broke the decoder; it is kept in quarantine", source)
        defect = Refusal(
            "undecodable",
            field="payload",
            expected="a decoder that can judge every message",
            hint=f"{type(error).__name__}: {error}; report this as a defect",
            device=device,
        )
        self.refuse(transport, source, payload, defect, now_ms, done)

    def stats(self) -> tuple[TransportStats, ...]:
        """What became of the messages, by transport. From any thread."""
        with self._lock:
            transports = self._offered.keys() | {of for of, _ in self._faults}
            return tuple(
                TransportStats(
                    transport=transport,
                    offered=self._offered[transport],
                    outcomes={outcome: self._outcomes[transport, outcome] for outcome in Outcome},
                    faults={reason: count for (of, reason), count in self._faults.items() if of == transport},
                    notes={name: count for (of, name), count in self._notes.items() if of == transport},
                )
                for transport in sorted(transports)
            )


def _nobody_waits(outcome: Outcome) -> None:
    """The message is answered with its observation."""
