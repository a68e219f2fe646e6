"""Read the journal: within the gateway, and from any other process while it runs."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from devices.observation import Lane
from gateway.journal.entry import Entry, Quarantined
from gateway.journal.file import SCHEMA_VERSION, JournalError, explain
from gateway.journal.lane import Totals, decode_body, last_position, load_totals
from gateway.journal.quarantine import load_counts, load_records

QUARANTINE = "quarantine"


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneFile:
    """What one lane's file says of itself."""

    lane: Lane
    totals: Totals
    last_position: int
    cursors: Mapping[str, int]
    """Reader to the position it has read up to; up to a second old."""
    bytes_on_disk: int

    @property
    def lag(self) -> dict[str, int]:
        """Reader to the number of entries it has still to read, at most."""
        rows, last = self.totals.rows, self.last_position
        return {reader: max(0, min(rows, last - at)) for reader, at in self.cursors.items()}


def file_of(directory: Path, part: str) -> Path:
    """The file of ``urgent``, ``routine`` or ``quarantine``."""
    return directory / f"{part}.db"


def bytes_on_disk(path: Path) -> int:
    """The file with its write-ahead log."""
    total = 0
    for each in (path, path.with_name(path.name + "-wal")):
        with contextlib.suppress(FileNotFoundError):
            total += each.stat().st_size
    return total


class JournalView:
    """Reads the three files. Safe from any thread: each read borrows a connection of its own.

    Every method raises JournalError where the files are missing or cannot be read.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._lock = threading.Lock()
        self._idle: dict[str, list[sqlite3.Connection]] = {}
        self._closed = False

    def read(self, lane: Lane, after: int, limit: int) -> list[Entry]:
        """Entries with position > ``after``, in order."""
        with self._connection(lane) as connection:
            rows = connection.execute(
                "SELECT position, body FROM entries WHERE position > ? ORDER BY position LIMIT ?", (after, limit)
            ).fetchall()
        return [Entry(position, decode_body(body)) for position, body in rows]

    def tail(self, lane: Lane, limit: int) -> list[Entry]:
        """The newest ``limit`` entries, in order."""
        with self._connection(lane) as connection:
            rows = connection.execute(
                "SELECT position, body FROM entries ORDER BY position DESC LIMIT ?", (limit,)
            ).fetchall()
        return [Entry(position, decode_body(body)) for position, body in reversed(rows)]

    def last_position(self, lane: Lane) -> int:
        """The highest position ever given in ``lane``; 0 when there was none."""
        with self._connection(lane) as connection:
            return last_position(connection)

    def first_received_ms(self, lane: Lane) -> int | None:
        """When the oldest entry that is still there was received; None for an empty lane."""
        with self._connection(lane) as connection:
            row = connection.execute("SELECT received_at_ms FROM entries ORDER BY position LIMIT 1").fetchone()
        return None if row is None else int(row[0])

    def position_before(self, lane: Lane, at_ms: int) -> int:
        """A position behind which everything stands that was received at ``at_ms`` or later.

        Positions follow the times of receipt but for moments, and where the clock was set: ask with some leeway.
        """
        query = "SELECT position, received_at_ms FROM entries WHERE position >= ? ORDER BY position LIMIT 1"
        with self._connection(lane) as connection:
            low = int(connection.execute("SELECT coalesce(min(position), 0) FROM entries").fetchone()[0])
            high = last_position(connection) + 1
            while low < high:  # the first position received at ``at_ms`` or later lies in low..high
                middle = (low + high) // 2
                row = connection.execute(query, (middle,)).fetchone()
                if row is None or row[1] >= at_ms:
                    high = middle
                else:
                    low = int(row[0]) + 1
        return max(0, low - 1)

    def said_by(self, lane: Lane, senders: Sequence[str], from_ms: int, until_ms: int, limit: int) -> list[Entry]:
        """What these said (the part of a message id before its first ``:``), received between two instants: the newest
        ``limit``, in order. By the index over message ids: it costs what it finds, not what the lane holds."""
        found: list[Entry] = []
        query = (
            "SELECT position, body FROM entries WHERE message_id >= ? AND message_id < ?"
            " AND received_at_ms BETWEEN ? AND ? ORDER BY position DESC LIMIT ?"
        )
        with self._connection(lane) as connection:
            for sender in dict.fromkeys(senders):
                rows = connection.execute(query, (f"{sender}:", f"{sender};", from_ms, until_ms, limit)).fetchall()
                found += [Entry(position, decode_body(body)) for position, body in rows]
        return sorted(found, key=lambda entry: entry.position)[-limit:]

    def lane_file(self, lane: Lane) -> LaneFile:
        """The figures and cursors of ``lane``, as committed."""
        with self._connection(lane) as connection:
            return LaneFile(
                lane=lane,
                totals=load_totals(connection),
                last_position=last_position(connection),
                cursors=dict(connection.execute("SELECT reader, position FROM cursors").fetchall()),
                bytes_on_disk=bytes_on_disk(file_of(self.directory, lane)),
            )

    def quarantined(self, limit: int, device: str | None = None) -> list[Quarantined]:
        """The newest records first; ``device``: only what was heard from it (``bridge/address`` of a stranger)."""
        with self._connection(QUARANTINE) as connection:
            return load_records(connection, limit, device)

    def quarantine_counts(self) -> dict[str, int]:
        """How many messages were ever quarantined, by reason."""
        with self._connection(QUARANTINE) as connection:
            return load_counts(connection)

    def close(self) -> None:
        """Close what is open and idle; a read that is under way closes its own."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, {}
        for connections in idle.values():
            for connection in connections:
                connection.close()

    @contextlib.contextmanager
    def _connection(self, part: str) -> Iterator[sqlite3.Connection]:
        path = file_of(self.directory, part)
        with self._lock:
            idle = self._idle.get(part)
            connection = idle.pop() if idle else None
        try:
            if connection is None:
                connection = _open_to_read(path)
            connection.execute("BEGIN")
            yield connection
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            if connection is not None:
                connection.close()
            raise JournalError(f"cannot read {path}: {explain(error, path).why}") from error
        except BaseException:
            if connection is not None:
                connection.close()
            raise
        with self._lock:
            if not self._closed:
                self._idle.setdefault(part, []).append(connection)
                return
        connection.close()


def _open_to_read(path: Path) -> sqlite3.Connection:
    if not path.exists():
        raise JournalError(f"{path} does not exist: no gateway has run with this data directory")
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute("PRAGMA busy_timeout=2000")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version != SCHEMA_VERSION:
            raise JournalError(f"{path}: written by another version of Anju (schema {version}, not {SCHEMA_VERSION})")
    except BaseException:
        connection.close()
        raise
    return connection
