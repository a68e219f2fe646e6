"""Roll-ups and retention of the embedded store, in small steps so that no write waits long.

Raw readings live 48 h, minutes 90 d, hours for ever (events and waveforms 90 d; points that are no reading as long as
`devices.measurements` says). A minute is computed from its raw
readings when it is over and again when a late reading changes it, so a resend can never count twice. Until that is
done the minute is *dirty* and readers take its raw readings instead.

Once the raw readings of a minute are trimmed, its roll-up is replaced only by one of more readings: a single late one
(which cannot be told from a resend) must not replace the sixty that were there.
"""

from __future__ import annotations

import logging
import sqlite3

from devices.measurements import HAPPENINGS, YEARS_2
from gateway.store.telemetry_file import HOUR, MINUTE

log = logging.getLogger(__name__)

RAW_KEPT_MS = 48 * HOUR
MINUTES_KEPT_MS = 90 * 24 * HOUR
GRACE_MS = 5_000
"""A minute is rolled up this long after its end, when most of its readings have come."""
QUIET_MS = HOUR
"""A minute older than raw readings are kept (a device's backlog after an outage) is rolled up, and its raw readings may
go, only when nothing has come for it for this long: backlogs arrive in pieces."""
UNITS_PER_STEP = 5_000
ROWS_PER_STEP = 20_000

_ROLL_MINUTE = """
INSERT INTO minute
SELECT series, :at, count(*), sum(value), min(value), max(value),
       (SELECT value FROM raw WHERE series = :series AND at_ms >= :at AND at_ms < :end ORDER BY at_ms DESC LIMIT 1)
FROM raw WHERE series = :series AND at_ms >= :at AND at_ms < :end GROUP BY series
ON CONFLICT (series, at_ms) DO UPDATE
SET n = excluded.n, sum = excluded.sum, low = excluded.low, high = excluded.high, last = excluded.last
WHERE :at >= :complete_from OR excluded.n > n
"""
_ROLL_HOUR = """
INSERT INTO hour
SELECT series, :at, sum(n), sum(sum), min(low), max(high),
       (SELECT last FROM minute WHERE series = :series AND at_ms >= :at AND at_ms < :end ORDER BY at_ms DESC LIMIT 1)
FROM minute WHERE series = :series AND at_ms >= :at AND at_ms < :end GROUP BY series
ON CONFLICT (series, at_ms) DO UPDATE
SET n = excluded.n, sum = excluded.sum, low = excluded.low, high = excluded.high, last = excluded.last
WHERE :at >= :complete_from OR excluded.n > n
"""
_MINUTES_DUE = """
SELECT series, at_ms FROM dirty
WHERE width_ms = :width AND at_ms < :closed AND (at_ms >= :old OR changed_ms < :quiet) LIMIT :limit
"""
_HOURS_DUE = """
SELECT series, at_ms FROM dirty AS h
WHERE width_ms = :width AND at_ms < :closed AND NOT EXISTS (
    SELECT 1 FROM dirty AS m
    WHERE m.width_ms = :minute AND m.series = h.series AND m.at_ms >= h.at_ms AND m.at_ms < h.at_ms + :width
) LIMIT :limit
"""
_TRIM_RAW = """
DELETE FROM raw WHERE series = :series AND at_ms < :floor
AND at_ms < (SELECT max(at_ms) FROM raw WHERE series = :series)
AND at_ms < ifnull((SELECT min(at_ms) FROM dirty WHERE width_ms = :width AND series = :series), :floor)
"""  # The newest reading of a series always stays: it is what `latest` shows.
_TRIM_MINUTE = """
DELETE FROM minute WHERE series = :series AND at_ms < :floor
AND at_ms < ifnull((SELECT min(at_ms) FROM dirty WHERE width_ms = :width AND series = :series), :floor)
"""


class Upkeep:
    """What has to be done beside writing; remembers where trimming has got to. Blocking; raises sqlite3.Error."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._run = connection
        self._floor_ms = -1
        self._to_trim: list[int] = []
        self._points_to_trim: list[tuple[int, int]] = []
        """Series, and the ns before which its points go."""

    def step(self, now_ms: int) -> bool:
        """Do a bounded part of what is due, each in a transaction; returns whether more is left."""
        rolled = self._roll(MINUTE, _MINUTES_DUE, _ROLL_MINUTE, now_ms)
        rolled += self._roll(HOUR, _HOURS_DUE, _ROLL_HOUR, now_ms)
        more = self._trim(now_ms)
        return more or rolled >= UNITS_PER_STEP

    def _roll(self, width: int, due_sql: str, roll_sql: str, now_ms: int) -> int:
        due = self._run.execute(
            due_sql,
            {
                "width": width,
                "minute": MINUTE,
                "closed": now_ms - width - GRACE_MS,
                "old": now_ms - RAW_KEPT_MS + HOUR,
                "quiet": now_ms - QUIET_MS,
                "limit": UNITS_PER_STEP,
            },
        ).fetchall()
        if due:
            with _transaction(self._run):
                finer = "raw" if width == MINUTE else "minute"
                row = self._run.execute("SELECT at_ms FROM complete_from WHERE name = ?", (finer,)).fetchone()
                rolled = self._run.executemany(
                    roll_sql,
                    [{"series": s, "at": at, "end": at + width, "complete_from": row[0]} for s, at in due],
                )
                self._run.executemany(
                    "DELETE FROM dirty WHERE width_ms = ? AND series = ? AND at_ms = ?",
                    [(width, s, at) for s, at in due],
                )
            if rolled.rowcount < len(due):
                log.warning(
                    "telemetry came after its raw readings were trimmed: %d roll-ups of %d s keep what they had",
                    len(due) - rolled.rowcount,
                    width // 1000,
                )
        return len(due)

    def _trim(self, now_ms: int) -> bool:
        """Go round all series once for each hour that passes; returns whether this round is unfinished."""
        raw_floor = (now_ms - RAW_KEPT_MS) // HOUR * HOUR
        minute_floor = (now_ms - MINUTES_KEPT_MS) // HOUR * HOUR
        if raw_floor > self._floor_ms:
            self._floor_ms = raw_floor
            self._to_trim = [row[0] for row in self._run.execute("SELECT id FROM series ORDER BY id DESC")]
            self._points_to_trim = [
                (series, now_ms * 1_000_000 - _kept_ns(measurement))
                for series, measurement in self._run.execute("SELECT id, measurement FROM point_series")
            ]
            with _transaction(self._run):  # readers stop relying on what will be gone before it goes
                for name, floor in (("raw", raw_floor), ("minute", minute_floor)):
                    self._run.execute(
                        "UPDATE complete_from SET at_ms = ? WHERE name = ? AND at_ms < ?", (floor, name, floor)
                    )
        if not self._to_trim and not self._points_to_trim:
            return False
        with _transaction(self._run):
            gone = 0
            for table in ("event", "waveform"):
                gone += self._run.execute(f"DELETE FROM {table} WHERE at_ms < ?", (minute_floor,)).rowcount
            while self._to_trim and gone < ROWS_PER_STEP:
                series = self._to_trim.pop()
                for sql, floor, width in ((_TRIM_RAW, raw_floor, MINUTE), (_TRIM_MINUTE, minute_floor, HOUR)):
                    gone += self._run.execute(sql, {"series": series, "floor": floor, "width": width}).rowcount
            while self._points_to_trim and gone < ROWS_PER_STEP:
                floor_of = self._points_to_trim.pop()
                gone += self._run.execute("DELETE FROM point WHERE series = ? AND at_ns < ?", floor_of).rowcount
        return bool(self._to_trim or self._points_to_trim)


def _kept_ns(measurement: str) -> int:
    known = HAPPENINGS.get(measurement)
    return (known.kept_days if known is not None else YEARS_2) * 24 * HOUR * 1_000_000


class _transaction:
    """BEGIN IMMEDIATE … COMMIT, or ROLLBACK when something is raised."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._run = connection

    def __enter__(self) -> None:
        self._run.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if kind is None:
            self._run.execute("COMMIT")
        elif self._run.in_transaction:
            self._run.execute("ROLLBACK")
