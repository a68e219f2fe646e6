"""Takes a person's telemetry out of the journal, also beside a running gateway: what all readers have read is emptied.

An entry stays, under its id and with nothing in it: a device that says it once more is still known to repeat itself. Of
the urgent lane nothing is touched: it holds what cases rest on, and goes by itself after ``journal.keep_hours``.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from devices.observation import Lane, Observation
from gateway.journal.file import JournalError, connect, explain
from gateway.journal.lane import ERASED, decode_body, encode_body
from gateway.journal.view import QUARANTINE, file_of

STEP = 500
"""Entries looked at, and changed in one transaction: a step must not keep a press waiting."""

Spans = Mapping[str, Sequence[tuple[int, int]]]
"""By device: stretches of its own time, in ms, the ends not included."""


@dataclass(slots=True)
class Emptied:
    """What was done in the journal."""

    entries: int = 0
    quarantined: int = 0
    unread: int = 0
    """Entries that not all readers have read yet: they are left, and to be emptied by another call."""


def erase(directory: Path, spans: Spans) -> Emptied:
    """Empty what the devices of ``spans`` measured then. Raises JournalError."""
    done = Emptied()
    for part in (Lane.ROUTINE.value, QUARANTINE):
        path = file_of(directory, part)
        if not path.exists():
            continue
        try:
            with contextlib.closing(connect(path)) as run:
                run.execute("PRAGMA secure_delete = ON")  # what is overwritten leaves nothing behind
                if part == QUARANTINE:
                    _quarantine(run, spans, done)
                else:
                    _lane(run, spans, done)
                run.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error as error:
            raise JournalError(f"{path}: {explain(error, path).why}") from error
    return done


def _lane(run: sqlite3.Connection, spans: Spans, done: Emptied) -> None:
    cursors = [int(row[0]) for row in run.execute("SELECT position FROM cursors")]
    read_by_all = min(cursors, default=0)
    after = 0
    while True:
        rows = run.execute(
            "SELECT position, body FROM entries WHERE position > ? ORDER BY position LIMIT ?", (after, STEP)
        ).fetchall()
        if not rows:
            return
        after = rows[-1][0]
        mine = [(position, o) for position, o in _theirs(rows, spans) if o.data != ERASED]
        done.unread += sum(position > read_by_all for position, _ in mine)
        empty = [
            (encode_body(msgspec.structs.replace(o, metrics={}, data=ERASED, waveform=None)), position)
            for position, o in mine
            if position <= read_by_all
        ]
        if empty:
            with _transaction(run):
                run.executemany("UPDATE entries SET body = ? WHERE position = ?", empty)
            done.entries += len(empty)


def _theirs(rows: Sequence[tuple[int, bytes]], spans: Spans) -> Iterator[tuple[int, Observation]]:
    names = [device.encode() for device in spans]
    for position, body in rows:
        if any(name in body for name in names):
            observation = decode_body(body)
            at_ms = observation.observed_at_ms
            if any(start <= at_ms < end for start, end in spans.get(observation.device, ())):
                yield position, observation


def _quarantine(run: sqlite3.Connection, spans: Spans, done: Emptied) -> None:
    with _transaction(run):
        for device, stretches in spans.items():
            for start_ms, end_ms in stretches:
                done.quarantined += run.execute(
                    "DELETE FROM records WHERE device = ? AND received_at_ms >= ? AND received_at_ms < ?",
                    (device, start_ms, end_ms),
                ).rowcount


@contextlib.contextmanager
def _transaction(run: sqlite3.Connection) -> Iterator[None]:
    run.execute("BEGIN IMMEDIATE")
    try:
        yield
        run.execute("COMMIT")
    except BaseException:
        if run.in_transaction:
            run.execute("ROLLBACK")
        raise


def gateway_runs(directory: Path) -> bool:
    """Whether a gateway writes this journal now."""
    import fcntl

    path = directory / "lock"
    if not path.exists():
        return False
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
