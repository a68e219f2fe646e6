"""One lane of the journal as a table: entries in order, each message once, trimmed when all have read them."""

from __future__ import annotations

import shutil
import sqlite3
import threading
import zlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path

import msgspec

from devices.observation import Lane, Observation
from gateway.clock import Clock
from gateway.journal.entry import Outcome
from gateway.journal.file import Obstacle

TRIM_STEP = 500
"""Entries deleted at once: a step must not keep a press waiting."""
OLDEST_OUT = 64
"""Entries that make room at once in a full lane."""
NEARLY_FULL = 0.8
REUSABLE_BYTES = 2**20
"""Below the reserve a lane still writes into so much free space inside its own file."""

SCHEMA = """
CREATE TABLE entries (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    message_id TEXT NOT NULL UNIQUE,
    received_at_ms INTEGER NOT NULL,
    body BLOB NOT NULL
);
CREATE TABLE cursors (reader TEXT PRIMARY KEY, position INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE totals (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    rows INTEGER NOT NULL DEFAULT 0,
    accepted INTEGER NOT NULL DEFAULT 0,
    duplicates INTEGER NOT NULL DEFAULT 0,
    reused_ids INTEGER NOT NULL DEFAULT 0,
    trimmed INTEGER NOT NULL DEFAULT 0,
    dropped_unread INTEGER NOT NULL DEFAULT 0
);
INSERT INTO totals (one) VALUES (1)
"""

_INSERT = "INSERT INTO entries (message_id, received_at_ms, body) VALUES (?, ?, ?) ON CONFLICT (message_id) DO NOTHING"

ERASED: dict[str, str | float | bool] = {"erased": True}
"""The data of an entry of which nothing else is kept (`gateway.journal.erase`)."""

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Observation)


def encode_body(observation: Observation) -> bytes:
    """An observation as it is stored (MessagePack)."""
    return _encoder.encode(observation)


def decode_body(body: bytes) -> Observation:
    """The observation of a stored body. Raises msgspec.DecodeError."""
    return _decoder.decode(body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Figures of one lane since its file was made; committed with the entries they count."""

    rows: int = 0
    accepted: int = 0
    duplicates: int = 0
    reused_ids: int = 0
    """Messages under the id of an earlier, different one: stored all the same, under an amended id."""
    trimmed: int = 0
    """Deleted after every reader had read them."""
    dropped_unread: int = 0
    """Deleted before every reader had read them: the lane was full. Never in the urgent lane."""


def load_totals(connection: sqlite3.Connection) -> Totals:
    """The figures of a lane's file, as committed."""
    row = connection.execute(
        "SELECT rows, accepted, duplicates, reused_ids, trimmed, dropped_unread FROM totals"
    ).fetchone()
    return Totals(
        rows=row[0], accepted=row[1], duplicates=row[2], reused_ids=row[3], trimmed=row[4], dropped_unread=row[5]
    )


@dataclass(frozen=True, slots=True)
class LaneRow:
    """An observation on its way into the file, and the bytes it is stored as."""

    observation: Observation
    body: bytes


class LaneTable:
    """The entries of one lane, its readers' cursors and its figures."""

    schema = SCHEMA

    def __init__(
        self, lane: Lane, path: Path, clock: Clock, *, max_rows: int, keep_hours: int, reserve_mb: int
    ) -> None:
        self.totals = Totals()
        """As committed."""
        self.last_position = 0
        """The highest position ever given."""
        self._lane = lane
        self._path = path
        self._clock = clock
        self._max_rows = max_rows
        self._keep_ms = keep_hours * 3_600_000
        self._reserve_bytes = reserve_mb * 2**20
        self._next = Totals()
        """As it will be with the open transaction."""
        self._lock = threading.Lock()
        self._cursors: dict[str, int] = {}
        self._cursors_changed = False
        self._loaded = False
        self._refusing = False
        self._dropping = False

    # --- cursors: any thread ---

    def set_cursor(self, reader: str, position: int) -> None:
        """``reader`` has read up to ``position``; saved with the next commit."""
        with self._lock:
            if self._cursors.get(reader) != position:
                self._cursors[reader] = position
                self._cursors_changed = True

    def retain_readers(self, readers: Collection[str]) -> None:
        """Forget the cursors of all others."""
        with self._lock:
            gone = self._cursors.keys() - set(readers)
            for reader in gone:
                del self._cursors[reader]
            self._cursors_changed = self._cursors_changed or bool(gone)

    @property
    def cursors(self) -> dict[str, int]:
        """Reader to the position it has read up to; a copy."""
        with self._lock:
            return dict(self._cursors)

    @property
    def lag(self) -> dict[str, int]:
        """Reader to the number of entries it has still to read, at most."""
        return {reader: max(0, min(self.totals.rows, self.last_position - at)) for reader, at in self.cursors.items()}

    def _read_by_all(self) -> int:
        """Every reader has read up to here; 0 while no reader is known, so that nothing is trimmed."""
        with self._lock:
            return min(self._cursors.values(), default=0)

    # --- the table: the writer's thread ---

    @property
    def concern(self) -> Obstacle | None:
        rows = self.totals.rows
        laggard = self._laggard()
        if self._refusing and self._unread(rows) >= rows:
            return Obstacle(
                "lane_full",
                f"full with {rows} unread entries: new {self._lane} messages are refused",
                f"find out why the reader {laggard} does not go on; raise journal.max_{self._lane}_rows meanwhile",
            )
        if self._dropping:
            return Obstacle(
                "dropping_unread",
                f"full: the oldest of {rows} entries go out unread ({self.totals.dropped_unread} so far)",
                f"find out why the reader {laggard} does not go on; what it has not read is lost to it",
            )
        if rows >= NEARLY_FULL * self._max_rows and self._unread(rows) >= NEARLY_FULL * self._max_rows:
            return Obstacle(
                "nearly_full",
                f"{rows} of {self._max_rows} entries, most of them unread",
                f"find out why the reader {laggard} does not go on",
            )
        return None

    def _laggard(self) -> str:
        with self._lock:
            return min(self._cursors, key=lambda name: self._cursors[name], default="(none has registered)")

    def _unread(self, rows: int) -> int:
        return min(rows, self.last_position - self._read_by_all())

    def opened(self, connection: sqlite3.Connection) -> None:
        self.totals = self._next = load_totals(connection)
        self.last_position = last_position(connection)
        if not self._loaded:
            with self._lock:
                saved = dict(connection.execute("SELECT reader, position FROM cursors").fetchall())
                self._cursors = saved | self._cursors
            self._loaded = True
        self._cursors_changed = True

    def admit(self, connection: sqlite3.Connection) -> Obstacle | None:
        """Routine leaves the last of the disk to urgent, but may go on within the space its own file has free."""
        if self._lane is Lane.URGENT or not self._below_reserve():
            return None
        pages = connection.execute("PRAGMA freelist_count").fetchone()[0]
        page_bytes = connection.execute("PRAGMA page_size").fetchone()[0]
        if pages * page_bytes >= REUSABLE_BYTES:
            return None
        return Obstacle(
            "below_reserve",
            f"less than {self._reserve_bytes // 2**20} MB of disk are free: routine messages are refused so that "
            "urgent ones still fit",
            "free disk space; writing resumes by itself",
        )

    def _below_reserve(self) -> bool:
        return shutil.disk_usage(self._path.parent).free < self._reserve_bytes

    def write(self, connection: sqlite3.Connection, rows: Sequence[LaneRow]) -> list[Outcome]:
        now = self._totals_in_progress()
        outcomes = []
        refused = False
        dropped_before = self._next.dropped_unread
        for row in rows:
            message_id = row.observation.message_id
            if (
                now["rows"] >= self._max_rows
                and _stored_body(connection, message_id) is None
                and not self._oldest_out(connection, now)
            ):
                outcomes.append(Outcome.REFUSED)
                refused = True
                continue
            outcome = self._insert(connection, row, now)
            outcomes.append(outcome)
        self._refusing = refused
        self._dropping = now["dropped_unread"] > dropped_before or (
            self._dropping and self._unread(now["rows"]) >= NEARLY_FULL * self._max_rows
        )
        self._save_cursors(connection)
        self._keep(connection, now)
        return outcomes

    def _insert(self, connection: sqlite3.Connection, row: LaneRow, now: dict[str, int]) -> Outcome:
        observation, body = row.observation, row.body
        stored = connection.execute(_INSERT, (observation.message_id, observation.received_at_ms, body)).rowcount
        if not stored:
            known = _stored_body(connection, observation.message_id)
            if known is not None and not is_repeat(decode_body(known), observation):
                # Two messages under one id: a device that lost count. A press must not vanish as a "repeat".
                observation = amend_id(observation)
                stored = connection.execute(
                    _INSERT, (observation.message_id, observation.received_at_ms, encode_body(observation))
                ).rowcount
                now["reused_ids"] += stored
        if stored:
            now["rows"] += 1
            now["accepted"] += 1
            return Outcome.STORED
        now["duplicates"] += 1
        return Outcome.DUPLICATE

    def _oldest_out(self, connection: sqlite3.Connection, now: dict[str, int]) -> bool:
        """Make room in a full lane. Urgent: only what all have read; False where that is nothing."""
        read_by_all = self._read_by_all()
        limit = read_by_all if self._lane is Lane.URGENT else 2**63 - 1
        oldest = [
            position
            for (position,) in connection.execute(
                "SELECT position FROM entries WHERE position <= ? ORDER BY position LIMIT ?", (limit, OLDEST_OUT)
            )
        ]
        if not oldest:
            return False
        unread = sum(position > read_by_all for position in oldest)
        connection.execute("DELETE FROM entries WHERE position <= ?", (oldest[-1],))
        now["rows"] -= len(oldest)
        now["trimmed"] += len(oldest) - unread
        now["dropped_unread"] += unread
        return True

    def needs_maintenance(self, connection: sqlite3.Connection) -> bool:
        return self._cursors_changed or bool(self._trimmable(connection, 1))

    def maintain(self, connection: sqlite3.Connection) -> bool:
        self._save_cursors(connection)
        old = self._trimmable(connection, TRIM_STEP)
        if old:
            now = self._totals_in_progress()
            connection.execute("DELETE FROM entries WHERE position <= ?", (old[-1],))
            now["rows"] -= len(old)
            now["trimmed"] += len(old)
            self._keep(connection, now)
        return len(old) == TRIM_STEP

    def _save_cursors(self, connection: sqlite3.Connection) -> None:
        with self._lock:
            if not self._cursors_changed:
                return
            cursors = list(self._cursors.items())
            self._cursors_changed = False
        connection.execute("DELETE FROM cursors")
        connection.executemany("INSERT INTO cursors (reader, position) VALUES (?, ?)", cursors)

    def _trimmable(self, connection: sqlite3.Connection, limit: int) -> list[int]:
        """The oldest entries that all have read and that were kept long enough; below the reserve, of any age."""
        oldest = connection.execute(
            "SELECT position, received_at_ms FROM entries WHERE position <= ? ORDER BY position LIMIT ?",
            (self._read_by_all(), limit),
        ).fetchall()
        if self._lane is Lane.ROUTINE and oldest and self._below_reserve():
            return [position for position, _ in oldest]
        before = self._clock.now_ms() - self._keep_ms
        return [position for position, received_at_ms in takewhile(lambda row: row[1] < before, oldest)]

    def probe(self, connection: sqlite3.Connection) -> None:
        # SQLite leaves out a page to which the same was written again: so it would prove nothing.
        connection.execute("UPDATE totals SET rows = rows + 1")
        self._keep(connection, self._totals_in_progress())

    def committed(self) -> None:
        self.totals = self._next

    def _totals_in_progress(self) -> dict[str, int]:
        self._next = self.totals
        return {name: getattr(self.totals, name) for name in Totals.__slots__}

    def _keep(self, connection: sqlite3.Connection, now: dict[str, int]) -> None:
        connection.execute(
            "UPDATE totals SET rows = :rows, accepted = :accepted, duplicates = :duplicates, "
            "reused_ids = :reused_ids, trimmed = :trimmed, dropped_unread = :dropped_unread",
            now,
        )
        self._next = replace(self.totals, **now)
        self.last_position = last_position(connection)


def last_position(connection: sqlite3.Connection) -> int:
    """The highest position ever given; stays when the entry itself is trimmed."""
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'entries'").fetchone()
    return int(row[0]) if row else 0


def is_repeat(first: Observation, again: Observation) -> bool:
    """Whether two messages of one id are one message sent twice. In doubt they are."""
    if first.data == ERASED:
        return True
    if _content(first) != _content(again):
        return False
    return not (_timed(first) and _timed(again) and first.observed_at_ms != again.observed_at_ms)


def amend_id(observation: Observation) -> Observation:
    """Another id, the same for every repeat of this message."""
    time_part = observation.observed_at_ms if _timed(observation) else None
    digest = zlib.crc32(_encoder.encode((*_content(observation), time_part)))
    return msgspec.structs.replace(observation, message_id=f"{observation.message_id}~{digest:08x}")


def _content(observation: Observation) -> tuple[object, ...]:
    return observation.event, observation.metrics, observation.data, observation.waveform


def _timed(observation: Observation) -> bool:
    """Whether the time is the device's own; otherwise it is the time of arrival, which a repeat does not share."""
    return not observation.clock_suspect and observation.observed_at_ms != observation.received_at_ms


def _stored_body(connection: sqlite3.Connection, message_id: str) -> bytes | None:
    row = connection.execute("SELECT body FROM entries WHERE message_id = ?", (message_id,)).fetchone()
    return row[0] if row else None
