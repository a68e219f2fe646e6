"""The quarantine as a table: what could not be understood, with its explanation; bounded, and counted for ever.

One broken device must not push everybody else's faults out, so the newest are kept per device and reason, per reason,
and in all; what is beyond only counts.
"""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from gateway.journal.entry import Outcome, Quarantined
from gateway.journal.file import Obstacle

KEEP_PER_DEVICE_AND_REASON = 20
KEEP_PER_REASON = 2_000
KEEP_IN_ALL = 10_000
PAYLOAD_BYTES = 4096
TEXT_CHARS = 500

SCHEMA = """
CREATE TABLE records (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    received_at_ms INTEGER NOT NULL,
    transport TEXT NOT NULL,
    source TEXT NOT NULL,
    device TEXT NOT NULL,
    reason TEXT NOT NULL,
    field TEXT NOT NULL,
    expected TEXT NOT NULL,
    hint TEXT NOT NULL,
    payload BLOB NOT NULL
);
CREATE INDEX records_by_device ON records (reason, device);
CREATE INDEX records_by_reason ON records (reason);
CREATE TABLE counts (reason TEXT PRIMARY KEY, total INTEGER NOT NULL) WITHOUT ROWID
"""

_COLUMNS = "received_at_ms, transport, source, device, reason, field, expected, hint, payload"


def clip(item: Quarantined) -> Quarantined:
    """``item`` within the bounds of a record, and storable whatever bytes it came from."""
    return Quarantined(
        received_at_ms=item.received_at_ms,
        transport=_text(item.transport),
        source=_text(item.source),
        device=_text(item.device),
        reason=_text(item.reason),
        field=_text(item.field),
        expected=_text(item.expected),
        hint=_text(item.hint),
        payload=bytes(item.payload[:PAYLOAD_BYTES]),
    )


def _text(value: str) -> str:
    return value[:TEXT_CHARS].encode("utf-8", "backslashreplace").decode("utf-8")


def load_records(connection: sqlite3.Connection, limit: int, device: str | None = None) -> list[Quarantined]:
    """The newest first; ``device``: only what was heard from it."""
    where, values = ("", ()) if device is None else ("WHERE device = ?", (device,))
    rows = connection.execute(f"SELECT {_COLUMNS} FROM records {where} ORDER BY id DESC LIMIT ?", (*values, limit))
    names = _COLUMNS.split(", ")
    return [Quarantined(**dict(zip(names, row, strict=True))) for row in rows]


def load_counts(connection: sqlite3.Connection) -> dict[str, int]:
    """How many messages were ever quarantined, by reason."""
    return dict(connection.execute("SELECT reason, total FROM counts ORDER BY reason").fetchall())


class QuarantineTable:
    """The records and their counts."""

    schema = SCHEMA
    concern: Obstacle | None = None

    def __init__(self) -> None:
        self.counts: Mapping[str, int] = {}
        """As committed, by reason."""
        self._next: dict[str, int] = {}

    def opened(self, connection: sqlite3.Connection) -> None:
        self.counts = self._next = load_counts(connection)

    def admit(self, connection: sqlite3.Connection) -> Obstacle | None:
        """Always: a message that is not acknowledged comes again and would block the good ones behind it."""
        return None

    def write(self, connection: sqlite3.Connection, rows: Sequence[Quarantined]) -> list[Outcome]:
        groups: dict[tuple[str, str], list[Quarantined]] = defaultdict(list)
        for row in rows:
            groups[row.reason, row.device].append(row)
        for (reason, device), items in groups.items():
            connection.executemany(
                f"INSERT INTO records ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        r.received_at_ms,
                        r.transport,
                        r.source,
                        r.device,
                        r.reason,
                        r.field,
                        r.expected,
                        r.hint,
                        r.payload,
                    )
                    for r in items[-KEEP_PER_DEVICE_AND_REASON:]
                ],
            )
            _keep_newest(connection, "reason = ? AND device = ?", (reason, device), KEEP_PER_DEVICE_AND_REASON)
        added = Counter(row.reason for row in rows)
        for reason, count in added.items():
            connection.execute(
                "INSERT INTO counts (reason, total) VALUES (?, ?) "
                "ON CONFLICT (reason) DO UPDATE SET total = total + excluded.total",
                (reason, count),
            )
            _keep_newest(connection, "reason = ?", (reason,), KEEP_PER_REASON)
        _keep_newest(connection, "1", (), KEEP_IN_ALL)
        self._next = dict(Counter(self.counts) + added)
        return [Outcome.QUARANTINED] * len(rows)

    def committed(self) -> None:
        self.counts = self._next

    def needs_maintenance(self, connection: sqlite3.Connection) -> bool:
        return False

    def maintain(self, connection: sqlite3.Connection) -> bool:
        return False

    def probe(self, connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO counts (reason, total) VALUES ('', 0)")
        connection.execute("DELETE FROM counts WHERE reason = ''")


def _keep_newest(connection: sqlite3.Connection, where: str, values: tuple[str, ...], keep: int) -> None:
    connection.execute(
        f"DELETE FROM records WHERE {where} AND id <= "
        f"(SELECT id FROM records WHERE {where} ORDER BY id DESC LIMIT 1 OFFSET ?)",
        (*values, *values, keep),
    )
