"""Erasure in the embedded store: rows away in small transactions, then their bytes. Also beside a running gateway."""

from __future__ import annotations

import json
import shutil
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from gateway.store.protocol import Point, StoreUnavailable
from gateway.store.telemetry_file import HOUR, MINUTE, connect, unavailable
from gateway.store.transfer.selection import MS, Selection, Span

ROWS_PER_STEP = 20_000
"""Rows deleted in one transaction: the gateway's writer must not wait long."""
CHECKPOINT_S = 30.0
"""So long readers are waited for, who hold back the emptying of the write-ahead log."""


class EmbeddedErasure:
    """One erasure in one file. Every step may be done again."""

    def __init__(self, path: Path) -> None:
        """Raises StoreUnavailable."""
        self._path = path
        if not path.exists():
            raise StoreUnavailable(f"{path} does not exist", hint="no gateway has run with this data directory")
        self._run = connect(path)
        self._run.execute("PRAGMA secure_delete = ON")  # what is deleted is overwritten with zeros
        self.counts: Counter[str] = Counter()

    def close(self) -> None:
        self._run.close()

    def spans(self, selection: Selection) -> list[Span]:
        """All that is to go of what devices said: certain, or theirs by where the device is registered now."""
        if not selection.resident:
            return [Span(device, selection.start_ms, selection.end_ms) for device in sorted(selection.devices)]
        stamped = {
            str(row[0])
            for row in self._run.execute("SELECT device FROM placed WHERE resident = ?", (selection.resident,))
        }
        devices = stamped | set(selection.serving.devices_of(selection.resident))
        if selection.devices:
            devices &= selection.devices
        found: list[Span] = []
        for device in sorted(devices):
            found += selection.certain(device) + (selection.if_stamped(device) if device in stamped else [])
        return found

    def erase(self, selection: Selection, spans: Sequence[Span], tell: Callable[[float], None]) -> None:
        """Delete the rows. Raises StoreUnavailable."""
        try:
            for number, span in enumerate(spans, 1):
                self._device(span)
                tell(number / (len(spans) + 1))
            self._points(selection)
            for device in sorted({span.device for span in spans}):
                self._forget(device, selection)
        except sqlite3.Error as error:
            raise unavailable(self._path, error) from error

    def scrub(self, reserve_bytes: int) -> str:
        """Write the file anew without its free pages, which hold what was trimmed before, and empty the write-ahead
        log; returns what could not be done, an empty string where all was. Raises StoreUnavailable."""
        size = self._path.stat().st_size
        free = shutil.disk_usage(self._path.parent).free
        try:
            if free < 2 * size + reserve_bytes:
                return (
                    f"{self._path} was not written anew, so free pages may hold older readings: that needs "
                    f"{(2 * size + reserve_bytes) // 2**20} MB of free disk, {free // 2**20} MB are there"
                )
            self._run.execute("VACUUM")
            end_s = time.monotonic() + CHECKPOINT_S
            while True:
                busy, _, _ = self._run.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                if not busy:
                    return ""
                if time.monotonic() > end_s:
                    return f"{self._path}-wal is still read by somebody, and is emptied when they have ended"
                time.sleep(0.05)
        except sqlite3.Error as error:
            raise unavailable(self._path, error) from error

    def _device(self, span: Span) -> None:
        series = [int(row[0]) for row in self._run.execute("SELECT id FROM series WHERE device = ?", (span.device,))]
        for id_ in series:
            self._delete("raw", "series", id_, span.start_ms, span.end_ms)
            for table, width in (("minute", MINUTE), ("hour", HOUR)):
                first = -(-span.start_ms // width) * width
                last = span.end_ms // width * width
                if first < last:
                    self._delete(table, "series", id_, first, last)
                    with self._transaction():
                        self._run.execute(
                            "DELETE FROM dirty WHERE width_ms = ? AND series = ? AND at_ms >= ? AND at_ms < ?",
                            (width, id_, first, last),
                        )
                for edge_ms in {span.start_ms // width * width, last}:
                    if edge_ms < first or edge_ms + width > span.end_ms:
                        self._edge(table, width, id_, edge_ms, span)
        for table in ("event", "waveform"):
            self._delete(table, "device", span.device, span.start_ms, span.end_ms)

    def _edge(self, table: str, width: int, series: int, at_ms: int, span: Span) -> None:
        """A minute or an hour that holds readings of both sides of an edge: computed again of what stays, where that is
        still there; else it goes, for it cannot be told apart any more."""
        if at_ms >= span.end_ms or at_ms + width <= span.start_ms:
            return
        finer = "raw" if table == "minute" else "minute"
        with self._transaction():
            complete_ms = self._run.execute("SELECT at_ms FROM complete_from WHERE name = ?", (finer,)).fetchone()[0]
            gone = self._run.execute(f"DELETE FROM {table} WHERE series = ? AND at_ms = ?", (series, at_ms)).rowcount
            stays = self._run.execute(
                f"SELECT 1 FROM {finer} WHERE series = ? AND at_ms >= ? AND at_ms < ? LIMIT 1",
                (series, at_ms, at_ms + width),
            ).fetchone()
            if stays:
                self._run.execute(
                    "INSERT OR REPLACE INTO dirty VALUES (?, ?, ?, ?)", (width, series, at_ms, span.end_ms)
                )
            if gone and at_ms < complete_ms:
                self.counts["mixed"] += gone

    def _delete(self, table: str, column: str, key: int | str, start_ms: int, end_ms: int) -> None:
        while True:
            with self._transaction():
                row = self._run.execute(
                    f"SELECT at_ms FROM {table} WHERE {column} = ? AND at_ms >= ? AND at_ms < ?"
                    f" ORDER BY at_ms LIMIT 1 OFFSET {ROWS_PER_STEP}",
                    (key, start_ms, end_ms),
                ).fetchone()
                until_ms = end_ms if row is None else max(int(row[0]), start_ms + 1)
                gone = self._run.execute(
                    f"DELETE FROM {table} WHERE {column} = ? AND at_ms >= ? AND at_ms < ?", (key, start_ms, until_ms)
                ).rowcount
            self.counts[table] += gone
            if row is None:
                return
            start_ms = until_ms

    def _points(self, selection: Selection) -> None:
        """Scores, limits and the like that are kept under the resident's or the device's id."""
        for id_, measurement, text in self._run.execute("SELECT id, measurement, tags FROM point_series").fetchall():
            tags: dict[str, str] = json.loads(text)
            if selection.resident not in (tags.get("resident"), "") or (
                not selection.resident and "device" not in tags
            ):
                continue
            instants = [
                at_ns
                for (at_ns,) in self._run.execute(
                    "SELECT DISTINCT at_ns FROM point WHERE series = ? AND at_ns >= ? AND at_ns < ?",
                    (id_, selection.start_ms * MS, selection.end_ms * MS),
                )
                if selection.takes(Point(measurement=measurement, tags=tags, fields={}, at_ns=at_ns))
            ]
            for start in range(0, len(instants), ROWS_PER_STEP):
                with self._transaction():
                    gone = self._run.executemany(
                        "DELETE FROM point WHERE series = ? AND at_ns = ?",
                        [(id_, at_ns) for at_ns in instants[start : start + ROWS_PER_STEP]],
                    )
                    self.counts["point"] += gone.rowcount
            with self._transaction():
                self._run.execute(
                    "DELETE FROM point_series WHERE id = ? AND NOT EXISTS (SELECT 1 FROM point WHERE series = ?)",
                    (id_, id_),
                )

    def _forget(self, device: str, selection: Selection) -> None:
        """What only named the device: its series, and where it is and whom it serves."""
        empty = " AND ".join(
            f"NOT EXISTS (SELECT 1 FROM {table} AS t WHERE t.series = series.id)"
            for table in ("raw", "minute", "hour", "dirty")
        )
        with self._transaction():
            self._run.execute(f"DELETE FROM series WHERE device = ? AND {empty}", (device,))
            left = any(
                self._run.execute(f"SELECT 1 FROM {table} WHERE device = ? LIMIT 1", (device,)).fetchone()
                for table in ("series", "event", "waveform")
            )
            if not left:
                self._run.execute("DELETE FROM placed WHERE device = ?", (device,))
            elif selection.resident and selection.serving.at(device, selection.end_ms) != selection.resident:
                self._run.execute(
                    "UPDATE placed SET resident = '' WHERE device = ? AND resident = ?", (device, selection.resident)
                )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._run.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._run.execute("COMMIT")
        except BaseException:
            if self._run.in_transaction:
                self._run.execute("ROLLBACK")
            raise
