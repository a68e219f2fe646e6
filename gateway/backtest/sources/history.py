"""What every source of history is: observations in the order of their receipt, and what is to be said about them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from devices.observation import Observation
from gateway.backtest.model import BadRow, Note

ROWS_SHOWN = 100
"""So many wrong rows are said in full; all are counted."""


class HistoryError(Exception):
    """The history cannot be read at all. ``zh`` and ``en`` say what was expected, and what to do."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(f"{zh} {en}")
        self.zh = zh
        self.en = en


@dataclass
class Findings:
    """What was found on the way, besides observations."""

    rows: int = 0
    bad_rows: int = 0
    bad: list[BadRow] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    """What was passed over, by a word for it: ``unregistered``, ``waveform``."""
    step: Callable[[], None] = lambda: None
    """Called now and then while the source is at work, also where nothing comes out of it; may raise, to end it."""

    def wrong(self, line: int, column: str, found: str, expected: str) -> None:
        """A row that is not used."""
        self.bad_rows += 1
        if len(self.bad) < ROWS_SHOWN:
            self.bad.append(BadRow(line=line, column=column, found=found[:80], expected=expected))


class History(Protocol):
    """A source of history."""

    findings: Findings

    @property
    def name(self) -> str:
        """For people: ``journal anju-data/journal``."""
        ...

    def observations(self) -> Iterator[Observation]:
        """In the order of their receipt, of one millisecond the urgent first. Raises HistoryError."""
        ...

    def notes(self) -> list[Note]:
        """What is missing in it or otherwise to be known, when it has been read."""
        ...

    @property
    def share_read(self) -> float | None:
        """How much of it has been read in while nothing comes out yet; None where it comes out as it is read."""
        ...


class Within:
    """The part of a history that is asked for."""

    def __init__(self, from_ms: int | None, until_ms: int | None, warm_up_ms: int = 0) -> None:
        """Instants in ``from_ms <= t <= until_ms``; before that so much is read for rules to remember."""
        self.asked_ms = from_ms
        self.from_ms = None if from_ms is None else from_ms - warm_up_ms
        self.until_ms = until_ms

    def __contains__(self, at_ms: int) -> bool:
        return (self.from_ms is None or at_ms >= self.from_ms) and (self.until_ms is None or at_ms <= self.until_ms)
