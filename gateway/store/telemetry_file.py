"""The embedded store's SQLite file: schema, connections, writing. Blocking; `embedded.py` runs it in threads.

What SQL of others (`dashboards.sql`) may rely on is the schema below with its comments, and `complete_from`: readings
of ``raw`` are all there from ``complete_from['raw']`` on, before that there are minutes, before ``['minute']`` hours.
The kind of a reading is ``placed.kind`` of its device; an event's value is 1.

``synchronous=FULL``: a committed batch survives a power cut, so the journal's cursor may follow at once. With batches
of hundreds of points one fsync a batch costs nothing that can be measured; ``NORMAL`` would force the cursor to wait
for checkpoints.
"""

from __future__ import annotations

import sqlite3
import zlib
from array import array
from collections.abc import Sequence
from operator import itemgetter
from pathlib import Path

from devices.observation import Observation
from devices.telemetry import Stamps
from gateway.store.points import json_tags
from gateway.store.protocol import Point, StampsOf, StoreUnavailable

MINUTE = 60_000
HOUR = 3_600_000
DAY_NS = 24 * HOUR * 1_000_000
SCHEMA_VERSION = 3

SCHEMA_1 = """
CREATE TABLE series (id INTEGER PRIMARY KEY, device TEXT NOT NULL, metric TEXT NOT NULL, UNIQUE (device, metric));
CREATE TABLE raw (
    series INTEGER NOT NULL, at_ms INTEGER NOT NULL, value REAL NOT NULL, PRIMARY KEY (series, at_ms)
) WITHOUT ROWID;
CREATE TABLE minute (
    series INTEGER NOT NULL, at_ms INTEGER NOT NULL,
    n INTEGER NOT NULL, sum REAL NOT NULL, low REAL NOT NULL, high REAL NOT NULL, last REAL NOT NULL,
    PRIMARY KEY (series, at_ms)
) WITHOUT ROWID;
CREATE TABLE hour (
    series INTEGER NOT NULL, at_ms INTEGER NOT NULL,
    n INTEGER NOT NULL, sum REAL NOT NULL, low REAL NOT NULL, high REAL NOT NULL, last REAL NOT NULL,
    PRIMARY KEY (series, at_ms)
) WITHOUT ROWID;
-- Minutes and hours (width_ms) whose readings changed since they were rolled up, and when that was.
CREATE TABLE dirty (
    width_ms INTEGER NOT NULL, series INTEGER NOT NULL, at_ms INTEGER NOT NULL, changed_ms INTEGER NOT NULL,
    PRIMARY KEY (width_ms, series, at_ms)
) WITHOUT ROWID;
CREATE TABLE event (
    device TEXT NOT NULL, at_ms INTEGER NOT NULL, event TEXT NOT NULL, PRIMARY KEY (device, at_ms, event)
) WITHOUT ROWID;
CREATE INDEX event_at ON event (at_ms);
CREATE TABLE waveform (
    device TEXT NOT NULL, at_ms INTEGER NOT NULL, name TEXT NOT NULL, lead TEXT NOT NULL,
    rate_hz REAL NOT NULL, unit TEXT NOT NULL, samples BLOB NOT NULL,
    UNIQUE (device, at_ms, name, lead)
);
CREATE INDEX waveform_at ON waveform (at_ms);
-- From when on each table is complete: what is older has been trimmed.
CREATE TABLE complete_from (name TEXT PRIMARY KEY, at_ms INTEGER NOT NULL);
INSERT INTO complete_from VALUES ('raw', 0), ('minute', 0);
"""

SCHEMA_2 = """
-- Where each device that ever wrote is now (devices.telemetry.Stamps); an empty text where there is none. These are the
-- tags of a reading in InfluxDB: series and event are joined to it by device. A device that moves takes its past along.
CREATE TABLE placed (
    device TEXT PRIMARY KEY, kind TEXT NOT NULL, community TEXT NOT NULL, grid TEXT NOT NULL, building TEXT NOT NULL,
    place TEXT NOT NULL, resident TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX placed_kind ON placed (kind);
-- What is no reading of a device: gateway.store.protocol.Point. tags: a JSON object in the order of its keys, values
-- are texts, never empty (json_extract gives NULL for a tag that is not there).
CREATE TABLE point_series (
    id INTEGER PRIMARY KEY, measurement TEXT NOT NULL, tags TEXT NOT NULL, UNIQUE (measurement, tags)
);
-- One row a field. value has no affinity: a number is REAL, always; text is TEXT, always.
CREATE TABLE point (
    series INTEGER NOT NULL, at_ns INTEGER NOT NULL, field TEXT NOT NULL, value NOT NULL,
    PRIMARY KEY (series, at_ns, field)
) WITHOUT ROWID;
"""

SCHEMA_3 = """
-- Every point of a series is before this: the end of the newest one's day (UTC). Cases make a series for each building,
-- type and year: whoever looks back for a month need not look into all that there ever were.
ALTER TABLE point_series ADD COLUMN until_ns INTEGER NOT NULL DEFAULT 0;
UPDATE point_series SET until_ns = ifnull(
    (SELECT max(at_ns) FROM point WHERE series = id) / 86400000000000 * 86400000000000 + 86400000000000, 0
);
CREATE INDEX point_series_until ON point_series (measurement, until_ns);
"""


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """Open the file, creating it where it is missing. Raises StoreUnavailable."""
    try:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10.0)
        if read_only:
            connection.execute("PRAGMA query_only = ON")
            return connection
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA cache_size = -32768")  # KiB: the pages that 10,000 series write to
        connection.execute("PRAGMA journal_size_limit = 67108864")
        connection.execute("BEGIN IMMEDIATE")
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if version < SCHEMA_VERSION:
            for schema in (SCHEMA_1, SCHEMA_2, SCHEMA_3)[version:]:
                for statement in schema.split(";\n"):
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        raise unavailable(path, error) from error
    if version > SCHEMA_VERSION:
        raise StoreUnavailable(
            f"{path} was written by a newer Anju (schema {version}, this one knows {SCHEMA_VERSION})",
            hint="run the newer version, or move the file away to begin a new one",
        )
    return connection


def unavailable(path: Path, error: sqlite3.Error) -> StoreUnavailable:
    """What an SQLite error means to the person who runs the box."""
    text = str(error)
    if "full" in text:
        hint = f"the disk is full: free space where {path} lies; nothing is lost meanwhile, the journal keeps it"
    elif "malformed" in text or "not a database" in text:
        hint = f"the file is damaged: stop Anju, move {path} away (keep it for repair) and start again"
    else:
        hint = f"check that {path} can be read and written by this user, and that no other program locks it"
    return StoreUnavailable(f"embedded store: {text}", hint=hint)


class Writer:
    """The one writing connection, with the ids of the series it has seen."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self._series: dict[tuple[str, str], int] = {}
        self._point_series: dict[tuple[str, str], tuple[int, int]] = {}
        """Id, and the end of its newest point's day."""
        self._placed: dict[str, tuple[str, Stamps]] = {}
        self._version = 0

    def write(self, observations: Sequence[Observation], stamps: StampsOf, now_ms: int) -> None:
        """Store a batch in one durable transaction; the same points again change nothing. Raises sqlite3.Error."""
        run = self.connection
        run.execute("BEGIN IMMEDIATE")
        try:
            self._forget_what_others_changed()
            points = [
                (self._id(o.device, metric), o.observed_at_ms, float(value))
                for o in observations
                for metric, value in o.metrics.items()
            ]
            points.sort(key=itemgetter(0, 1))  # neighbours in the file one after the other: a quarter less CPU
            run.executemany("INSERT OR REPLACE INTO raw VALUES (?, ?, ?)", points)
            run.executemany(
                "INSERT OR REPLACE INTO dirty VALUES (?, ?, ?, ?)",
                [
                    (width, series, start, now_ms)
                    for width in (MINUTE, HOUR)
                    for series, start in sorted({(series, at_ms // width * width) for series, at_ms, _ in points})
                ],
            )
            run.executemany(
                "INSERT OR REPLACE INTO event VALUES (?, ?, ?)",
                [(o.device, o.observed_at_ms, o.event) for o in observations if o.event is not None],
            )
            run.executemany(
                "INSERT OR REPLACE INTO waveform VALUES (?, ?, ?, ?, ?, ?, ?)",
                [
                    (o.device, o.observed_at_ms, w.name, w.lead, w.rate_hz, w.unit, pack(w.samples))
                    for o in observations
                    if (w := o.waveform) is not None
                ],
            )
            newest = {o.device: o.kind for o in observations}
            moved = {
                device: now
                for device, kind in newest.items()
                if self._placed.get(device) != (now := (kind, stamps(device)))
            }
            run.executemany(
                "INSERT OR REPLACE INTO placed VALUES (?, ?, ?, ?, ?, ?, ?)",
                [(device, kind, *at) for device, (kind, at) in moved.items()],
            )
            run.execute("COMMIT")
            self._placed.update(moved)
        except BaseException:
            self._roll_back()
            raise

    def write_points(self, points: Sequence[Point]) -> None:
        """Store screened points in one durable transaction, correcting what is there. Raises sqlite3.Error."""
        run = self.connection
        run.execute("BEGIN IMMEDIATE")
        try:
            self._forget_what_others_changed()
            run.executemany(
                "INSERT OR REPLACE INTO point VALUES (?, ?, ?, ?)",
                [
                    (series, point.at_ns, field, value)
                    for point in points
                    for series in (self._id_of_point(point.measurement, json_tags(point.tags), point.at_ns),)
                    for field, value in point.fields.items()
                ],
            )
            run.execute("COMMIT")
        except BaseException:
            self._roll_back()
            raise

    def _forget_what_others_changed(self) -> None:
        """An erasure or an import, in a process of its own, may have taken ids away and given them to others."""
        version = int(self.connection.execute("PRAGMA data_version").fetchone()[0])
        if version != self._version:
            self._version = version
            self._series.clear()
            self._point_series.clear()
            self._placed.clear()

    def _roll_back(self) -> None:
        self._series.clear()  # ids given in this transaction are gone with it
        self._point_series.clear()
        if self.connection.in_transaction:
            self.connection.execute("ROLLBACK")

    def _id_of_point(self, measurement: str, tags: str, at_ns: int) -> int:
        found = self._point_series.get((measurement, tags))
        if found is not None and at_ns < found[1]:
            return found[0]
        run = self.connection
        run.execute("INSERT OR IGNORE INTO point_series (measurement, tags) VALUES (?, ?)", (measurement, tags))
        query = "SELECT id, until_ns FROM point_series WHERE measurement = ? AND tags = ?"
        series, until_ns = run.execute(query, (measurement, tags)).fetchone()
        if at_ns >= until_ns:
            until_ns = at_ns // DAY_NS * DAY_NS + DAY_NS
            run.execute("UPDATE point_series SET until_ns = ? WHERE id = ?", (until_ns, series))
        self._point_series[measurement, tags] = series, until_ns
        return int(series)

    def _id(self, device: str, metric: str) -> int:
        found = self._series.get((device, metric))
        if found is None:
            run = self.connection
            run.execute("INSERT OR IGNORE INTO series (device, metric) VALUES (?, ?)", (device, metric))
            row = run.execute("SELECT id FROM series WHERE device = ? AND metric = ?", (device, metric)).fetchone()
            found = self._series[device, metric] = int(row[0])
        return found


def pack(samples: Sequence[float]) -> bytes:
    """Samples as 64-bit little-endian floats, compressed (an ECG strip shrinks to about a tenth)."""
    values = array("d", samples)
    if _BIG_ENDIAN:
        values.byteswap()
    return zlib.compress(values.tobytes(), 1)


def unpack(blob: bytes) -> tuple[float, ...]:
    """The samples in a blob of `pack`."""
    values = array("d")
    values.frombytes(zlib.decompress(blob))
    if _BIG_ENDIAN:
        values.byteswap()
    return tuple(values)


_BIG_ENDIAN = array("H", [1]).tobytes() == b"\x00\x01"
