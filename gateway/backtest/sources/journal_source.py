"""The journal as history: both lanes merged, read-only beside a running gateway."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from pathlib import Path

from devices.observation import Lane, Observation
from gateway.backtest.model import Note
from gateway.backtest.sources.history import Findings, HistoryError, Within
from gateway.journal.file import JournalError
from gateway.journal.view import JournalView

BATCH = 2000
LEEWAY_MS = 60_000
"""Entries stand in the order in which they were written; their times of receipt are a little out of it."""


class JournalHistory:
    """A `History` over the journal in ``directory``."""

    share_read = None

    def __init__(self, directory: Path, within: Within) -> None:
        """``directory``: a gateway's data directory, or its ``journal``."""
        inside = directory / "journal"
        self._directory = inside if inside.is_dir() else directory
        self._within = within
        self._begins_ms: int | None = None
        self.findings = Findings()

    @property
    def name(self) -> str:
        return f"journal {self._directory}"

    def observations(self) -> Iterator[Observation]:
        view = JournalView(self._directory)
        try:
            oldest = [first for lane in Lane if (first := view.first_received_ms(lane)) is not None]
            self._begins_ms = min(oldest, default=None)
            lanes = [self._lane(view, lane) for lane in (Lane.URGENT, Lane.ROUTINE)]
            # Stable: of one millisecond the urgent come first.
            yield from heapq.merge(*lanes, key=_received)
        except JournalError as error:
            raise HistoryError("日志读不出", f"the journal cannot be read: {error}") from error
        finally:
            view.close()

    def _lane(self, view: JournalView, lane: Lane) -> Iterator[Observation]:
        within, last = self._within, view.last_position(lane)
        after = 0 if within.from_ms is None else view.position_before(lane, within.from_ms - LEEWAY_MS)
        while after < last:
            entries = view.read(lane, after, BATCH)
            if not entries:
                return
            after = entries[-1].position
            self.findings.step()
            for entry in entries:
                observation = entry.observation
                if entry.position <= last and observation.received_at_ms in within:
                    self.findings.rows += 1
                    yield observation
            oldest = entries[0].observation.received_at_ms
            if within.until_ms is not None and oldest > within.until_ms + LEEWAY_MS:
                return

    def notes(self) -> list[Note]:
        wanted, begins = self._within.asked_ms, self._begins_ms
        if wanted is not None and begins is not None and begins > wanted + LEEWAY_MS:
            return [
                Note(
                    code="journal_begins_later",
                    zh="日志的起点晚于所问时段：更早的没有，或已清理（journal.keep_hours）",
                    en="the journal begins later than was asked for: what was older is trimmed (journal.keep_hours), "
                    "or there was nothing",
                )
            ]
        return []


def _received(observation: Observation) -> int:
    return observation.received_at_ms
