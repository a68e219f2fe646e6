"""A CSV file as history: ``time, device, kind, event`` and a column for each metric. See docs/backtest.md."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from devices.kinds import KINDS
from devices.observation import Observation
from gateway.backtest.model import Note
from gateway.backtest.sources.history import Findings, HistoryError, Within
from gateway.backtest.sources.ordering import in_order
from gateway.backtest.sources.rows import KindOf, Reading, RowReader, Wrong, number, plausible
from gateway.registry.problem import did_you_mean

FIXED = ("time", "device", "kind", "event", "received")
METRICS = frozenset(name for kind in KINDS.values() for name in kind.metrics)


class CsvHistory:
    """A `History` over a CSV file, in any order of rows."""

    def __init__(self, path: Path, within: Within, zone: ZoneInfo, kind_of: KindOf) -> None:
        self.findings = Findings()
        self._file = Reading(path, self.findings)
        self._within = within
        self._zone = zone
        self._rows = RowReader(kind_of)
        self._header: list[str] = []

    @property
    def name(self) -> str:
        return f"csv {self._file.path}"

    @property
    def share_read(self) -> float | None:
        return self._file.share

    def notes(self) -> list[Note]:
        return []

    def observations(self) -> Iterator[Observation]:
        return in_order(self._read())

    def _read(self) -> Iterator[Observation]:
        within, findings = self._within, self.findings
        with self._file.lines() as lines:
            table = csv.reader(lines, strict=True)
            try:
                self._header = self._columns(next(table, []))
                for cells in table:
                    if not any(cells):
                        continue
                    findings.rows += 1
                    try:
                        observation = self._observation(cells)
                    except Wrong as wrong:
                        findings.wrong(table.line_num, wrong.column, wrong.found, wrong.expected)
                        continue
                    if observation.received_at_ms in within:
                        yield observation
            except csv.Error as error:
                raise HistoryError(
                    "CSV 格式有误",
                    f'{self._file.path}: line {table.line_num}: {error}; expected cells with commas, quoted by "',
                ) from None

    def _columns(self, cells: list[str]) -> list[str]:
        header = [cell.strip().lower() for cell in cells]
        faults = [
            f"{name!r} is no column; expected {', '.join(FIXED)} or a metric of the catalogue"
            f"{did_you_mean(name, (*FIXED, *METRICS))}"
            for name in header
            if name not in FIXED and name not in METRICS
        ]
        faults += [f"the column {name!r} stands there twice" for name in sorted(set(header)) if header.count(name) > 1]
        faults += [f"the column {name!r} is missing" for name in ("time", "device") if name not in header]
        if faults:
            raise HistoryError("CSV 表头有误", f"{self._file.path}: line 1: {'; '.join(faults)}")
        return header

    def _observation(self, cells: list[str]) -> Observation:
        if len(cells) > len(self._header) and any(cells[len(self._header) :]):
            raise Wrong("", cells[len(self._header)], f"{len(self._header)} cells, as the header has")
        row = {name: cell.strip() for name, cell in zip(self._header, cells, strict=False)}
        at_ms = self._instant("time", row.pop("time", ""))
        received = row.pop("received", "")
        received_ms = self._instant("received", received) if received else at_ms
        device = row.pop("device", "")
        kind = self._rows.kind(device, row.pop("kind", ""))
        event = row.pop("event", "") or None
        metrics = {name: number(name, cell) for name, cell in row.items() if cell}
        return self._rows.observation(device, kind, at_ms, event, metrics, received_ms)

    def _instant(self, column: str, text: str) -> int:
        """ISO 8601 (local to the community where it says no zone), or milliseconds since the epoch."""
        if text.isdecimal():
            return plausible(column, text, int(text), "milliseconds since the epoch")
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            raise Wrong(column, text, "2026-10-08T07:30:00, 2026-10-08 07:30:00+08:00, or milliseconds") from None
        at = at.replace(tzinfo=self._zone) if at.tzinfo is None else at
        try:
            return plausible(column, text, round(at.astimezone(UTC).timestamp() * 1000), "with its year")
        except OverflowError:
            raise Wrong(column, text, "an instant between 2000 and 2100") from None
