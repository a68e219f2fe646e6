"""What waits in a gateway's journal after its telemetry store was away: an hour of readings, decided and not stored.

The rows are those that the intake would have written, in the journal's own form, put into its file in large
transactions: the journal's speed is not what is measured here.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from bench.town import monitor
from devices.observation import Lane, Observation
from gateway.clock import SystemClock
from gateway.decider.positions import Positions
from gateway.journal.journal import Journal
from gateway.journal.lane import encode_body
from gateway.journal.view import file_of
from gateway.settings import Settings
from gateway.state.db import open_database, writing

METRICS = 4
ROWS_AT_ONCE = 50_000
_INSERT = "INSERT INTO entries (message_id, received_at_ms, body) VALUES (?, ?, ?)"


def readings(monitors: int, seconds: int, end_ms: int) -> Iterator[Observation]:
    """Each of ``monitors`` says four metrics every second, up to ``end_ms``; in the order of time."""
    for second in range(seconds):
        for number in range(monitors):
            at_ms = end_ms - (seconds - second) * 1000 + number * 1000 // monitors
            device, turn = monitor(number), second + number
            yield Observation(
                message_id=f"{device}:1:{second}",
                device=device,
                kind="vitals_monitor",
                lane=Lane.ROUTINE,
                observed_at_ms=at_ms,
                received_at_ms=at_ms + 40,
                metrics={
                    "pulse": 60.0 + turn % 37,
                    "spo2": 94.0 + turn % 5,
                    "respiration": 12.0 + turn % 7,
                    "temperature": 36.5,
                },
            )


def leave_behind(data_dir: Path, monitors: int, seconds: int) -> None:
    """Make the journal of ``data_dir`` as the outage leaves it. Raises JournalError, sqlite3.Error."""
    settings, clock = Settings(data_dir=data_dir), SystemClock()
    directory = data_dir / "journal"
    journal = Journal(directory, settings.journal, clock)
    journal.start()  # it makes its files itself
    journal.close()
    with contextlib.closing(sqlite3.connect(file_of(directory, Lane.ROUTINE), isolation_level=None)) as run:
        run.execute("PRAGMA synchronous = OFF")
        run.execute("PRAGMA cache_size = -262144")
        _fill(run, readings(monitors, seconds, clock.now_ms()))
        run.execute("UPDATE totals SET rows = rows + :n, accepted = accepted + :n", {"n": monitors * seconds})
        run.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    engine = open_database(settings.database)
    with writing(engine) as connection:
        Positions(engine, journal).save(connection, Lane.ROUTINE, monitors * seconds)
    engine.dispose()


def _fill(run: sqlite3.Connection, said: Iterator[Observation]) -> None:
    rows: list[tuple[str, int, bytes]] = []
    for one in said:
        rows.append((one.message_id, one.received_at_ms, encode_body(one)))
        if len(rows) == ROWS_AT_ONCE:
            _insert(run, rows)
            rows.clear()
    _insert(run, rows)


def _insert(run: sqlite3.Connection, rows: list[tuple[str, int, bytes]]) -> None:
    run.execute("BEGIN")
    run.executemany(_INSERT, rows)
    run.execute("COMMIT")
