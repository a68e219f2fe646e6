"""Reading buckets from the embedded store: from hours, minutes or raw readings, whichever is coarsest and still exact.

Where a range begins or ends inside an hour or a minute, that edge is read from the finer table. Where the finer table
has been trimmed, a minute (an hour) belongs to the range that holds its start.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import NamedTuple

from gateway.store.protocol import Bucket
from gateway.store.telemetry_file import HOUR, MINUTE

RAW = 1
"""The finest width: readings as they are, ms."""


class Part(NamedTuple):
    """Readings of a stretch of time, taken together."""

    at_ms: int
    n: int
    sum: float
    low: float
    high: float
    last: float


def merge(parts: Iterable[Part], width_ms: int) -> list[Part]:
    """Join parts, oldest first, into stretches of ``width_ms`` counted from the epoch."""
    out: list[Part] = []
    for part in parts:
        start = part.at_ms // width_ms * width_ms
        if out and out[-1].at_ms == start:
            was = out[-1]
            out[-1] = Part(
                start,
                was.n + part.n,
                was.sum + part.sum,
                min(was.low, part.low),
                max(was.high, part.high),
                part.last,
            )
        else:
            out.append(part._replace(at_ms=start))
    return out


def as_buckets(parts: Iterable[Part], width_ms: int) -> list[Bucket]:
    """Parts, oldest first, as the buckets of the store protocol."""
    return [
        Bucket(start_ms=p.at_ms, count=p.n, mean=p.sum / p.n, low=p.low, high=p.high, last=p.last)
        for p in merge(parts, width_ms)
    ]


class TierReader:
    """One series' readings through one connection, in one read transaction of the caller."""

    def __init__(self, connection: sqlite3.Connection, series: int, width_ms: int) -> None:
        self._run = connection
        self._series = series
        self._width_ms = width_ms
        self._complete_from: dict[str, int] = dict(
            connection.execute("SELECT name, at_ms FROM complete_from").fetchall()
        )

    def buckets(self, start_ms: int, end_ms: int) -> list[Bucket]:
        """Buckets of ``start_ms <= t < end_ms``."""
        minutes_from = min(max(self._complete_from["minute"], start_ms), max(start_ms, end_ms))
        raw_from = min(max(self._complete_from["raw"], minutes_from), max(start_ms, end_ms))
        wanted = next((width for width in (HOUR, MINUTE) if self._width_ms % width == 0), RAW)
        parts = self._read(HOUR, HOUR, start_ms, minutes_from)
        parts += self._read(max(wanted, MINUTE), MINUTE, minutes_from, raw_from)
        parts += self._read(wanted, RAW, raw_from, end_ms)
        return as_buckets(parts, self._width_ms)

    def _read(self, width: int, finest: int, start: int, end: int) -> list[Part]:
        """Parts at most ``width`` wide; the edges from finer ones, down to ``finest``."""
        if start >= end:
            return []
        if width == finest:
            return self._units(width, start, end)
        finer = MINUTE if width == HOUR else RAW
        first, final = -(-start // width) * width, end // width * width
        if first >= final:
            return self._read(finer, finest, start, end)
        return [
            *self._read(finer, finest, start, first),
            *self._units(width, first, final),
            *self._read(finer, finest, final, end),
        ]

    def _units(self, width: int, start: int, end: int) -> list[Part]:
        if width == RAW:
            return self._raw(start, end, self._width_ms)
        table = "hour" if width == HOUR else "minute"
        rows = self._run.execute(
            f"SELECT at_ms, n, sum, low, high, last FROM {table} WHERE series = ? AND at_ms >= ? AND at_ms < ?",
            (self._series, start, end),
        )
        units = {row[0]: Part(*row) for row in rows}
        dirty = self._run.execute(
            "SELECT at_ms FROM dirty WHERE width_ms = ? AND series = ? AND at_ms >= ? AND at_ms < ?",
            (width, self._series, start, end),
        ).fetchall()
        for (at_ms,) in dirty:
            if width == HOUR:
                fresh = merge(self._units(MINUTE, at_ms, at_ms + HOUR), HOUR)
            else:
                fresh = self._raw(at_ms, at_ms + MINUTE, MINUTE)
            whole = at_ms >= self._complete_from["minute" if width == HOUR else "raw"]
            if fresh and (whole or at_ms not in units or fresh[0].n > units[at_ms].n):  # as `rollups` will decide
                units[at_ms] = fresh[0]
        return [units[at_ms] for at_ms in sorted(units)]

    def _raw(self, start: int, end: int, width: int) -> list[Part]:
        """Raw readings grouped by ``width``; SQLite takes the bare ``value`` from the row of the only max()."""
        where = "FROM raw WHERE series = ? AND at_ms >= ? AND at_ms < ? GROUP BY at_ms / ?"
        key = (self._series, start, end, width)
        parts = self._run.execute(f"SELECT min(at_ms), count(*), sum(value), min(value), max(value) {where}", key)
        lasts = self._run.execute(f"SELECT max(at_ms), value {where}", key)
        pairs = zip(parts.fetchall(), lasts.fetchall(), strict=True)
        return [Part(at, n, total, low, high, last) for (at, n, total, low, high), (_, last) in pairs]
