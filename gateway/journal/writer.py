"""One thread that commits what is handed to it, in groups, into one SQLite file, and survives a full or failing disk.

The two lanes and the quarantine are each a `Table` under a `Writer` of its own, so that none of them waits for another.
"""

from __future__ import annotations

import contextlib
import logging
import math
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from gateway.clock import Clock, Millis
from gateway.journal.entry import Done, Outcome
from gateway.journal.file import JournalError, Obstacle, connect, explain, prepare

log = logging.getLogger(__name__)

BATCH_ROWS = 1000
"""Rows in one commit: larger ones gain little and make the first wait for the last."""
BATCH_BYTES = 8 * 2**20
IDLE_S = 1.0
"""With nothing to write, the thread looks this often for cursors to save and entries to trim."""
RETRY_FIRST_S = 0.05
RETRY_LAST_S = 2.0
CALM_S = 30.0
"""Only so long after the last failure does the back-off begin anew: a disk that flaps is not hammered."""

Row = TypeVar("Row")
Row_contra = TypeVar("Row_contra", contravariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """An obstacle as people see it. Empty health is good health."""

    part: str
    """``urgent``, ``routine`` or ``quarantine``."""
    code: str
    since_ms: Millis
    why: str
    what_to_do: str

    def __str__(self) -> str:
        return f"journal {self.part}: {self.why}; {self.what_to_do}"


class Table(Protocol[Row_contra]):
    """What one SQLite file holds. All methods run in the writer's thread, but `concern` may be read from any."""

    @property
    def schema(self) -> str:
        """The SQL that makes its tables, statements divided by ``;``."""
        ...

    @property
    def concern(self) -> Obstacle | None:
        """What stands in the way, or will soon, although the file itself can be written."""
        ...

    def opened(self, connection: sqlite3.Connection) -> None:
        """Read what is remembered in the file. Called again after a failure: uncommitted figures are forgotten."""
        ...

    def admit(self, connection: sqlite3.Connection) -> Obstacle | None:
        """Why nothing may be written now, or None."""
        ...

    def write(self, connection: sqlite3.Connection, rows: Sequence[Row_contra]) -> list[Outcome]:
        """Write ``rows`` inside the open transaction; what became of each."""
        ...

    def committed(self) -> None:
        """The transaction of the last `write`, `maintain` or `probe` is on disk."""
        ...

    def maintain(self, connection: sqlite3.Connection) -> bool:
        """One small step of housekeeping inside an open transaction; True when there is more to do at once."""
        ...

    def needs_maintenance(self, connection: sqlite3.Connection) -> bool:
        """Whether `maintain` has anything to do; cheap."""
        ...

    def probe(self, connection: sqlite3.Connection) -> None:
        """Write something harmless, to learn whether the file can be written again."""
        ...


@dataclass(slots=True)
class _Pending(Generic[Row]):
    row: Row
    size: int
    done: Done


class Writer(Generic[Row]):
    """A bounded queue and the thread that empties it."""

    def __init__(
        self,
        part: str,
        path: Path,
        table: Table[Row],
        clock: Clock,
        *,
        linger_s: float,
        queue_rows: int,
        queue_bytes: int,
        on_stored: Callable[[], None],
    ) -> None:
        self.part = part
        self.path = path
        self.commits = 0
        """Since the start of the process, as `refused`."""
        self.refused = 0
        self._table = table
        self._clock = clock
        self._linger_s = linger_s
        self._queue_rows = queue_rows
        self._queue_bytes = queue_bytes
        self._on_stored = on_stored
        self._changed = threading.Condition()
        self._queue: deque[_Pending[Row]] = deque()
        self._queued_bytes = 0
        self._running = False
        self._thread: threading.Thread | None = None
        self._connection: sqlite3.Connection | None = None
        self._trouble: Trouble | None = None
        self._failing = False
        self._to_prove = False
        self._written_at = -math.inf
        self._overflowing = False
        self._retry_at = 0.0
        self._retry_s = RETRY_FIRST_S
        self._failed_at = 0.0

    def start(self) -> None:
        """Begin to write. Raises JournalError when the file cannot be opened now."""
        prepare(self.path, self._table.schema)
        try:
            self._connected()
        except sqlite3.Error as error:
            raise JournalError(str(explain(error, self.path))) from error
        self._running = True
        self._thread = threading.Thread(target=self._run, name=f"journal-{self.part}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Write what is queued, then stop."""
        with self._changed:
            self._running = False
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self._disconnect()

    def submit(self, row: Row, size: int, done: Done) -> None:
        """Queue ``row``; ``done`` is called from the writer's thread. Refused at once, in the caller's thread, when the
        queue is full or the writer is not running."""
        with self._changed:
            accepted = (
                self._running
                and len(self._queue) < self._queue_rows
                and (self._queued_bytes + size <= self._queue_bytes or not self._queue)
            )
            if accepted:
                self._queue.append(_Pending(row, size, done))
                self._queued_bytes += size
                if len(self._queue) == 1:
                    self._changed.notify()
            else:
                self.refused += 1
                overflow_begins = self._running and not self._overflowing
                self._overflowing = self._running
        if not accepted:
            if overflow_begins:
                log.error("journal %s: the queue is full; messages are refused until the disk keeps up", self.part)
            _tell(done, Outcome.REFUSED)

    def prove(self) -> None:
        """Within about a second, write something harmless: `written_s` tells whether the file took it."""
        self._to_prove = True

    @property
    def written_s(self) -> float:
        """Since something was last brought onto the disk; infinite before the first time."""
        return time.monotonic() - self._written_at

    @property
    def depth(self) -> int:
        """Messages waiting to be written."""
        return len(self._queue)

    @property
    def trouble(self) -> Trouble | None:
        """What stands in the way now, or will soon; None while all is well."""
        return self._trouble

    # --- in the thread ---

    def _run(self) -> None:
        more = False
        maintained = time.monotonic()
        while True:
            batch = self._gather(0.0 if more else IDLE_S)
            if batch is None:
                return
            if batch:
                self._commit(batch)
            if more or not batch or time.monotonic() - maintained >= IDLE_S:
                more = self._maintain()
                maintained = time.monotonic()

    def _gather(self, idle_s: float) -> list[_Pending[Row]] | None:
        """The next rows to commit; an empty list to do housekeeping; None at the end."""
        with self._changed:
            if not self._queue and self._running:
                self._changed.wait(idle_s)
            if not self._queue:
                return [] if self._running else None
            linger = self._linger_s and self._running and len(self._queue) < BATCH_ROWS
        if linger:
            time.sleep(self._linger_s)
        batch: list[_Pending[Row]] = []
        size = 0
        with self._changed:
            while self._queue and len(batch) < BATCH_ROWS and size < BATCH_BYTES:
                pending = self._queue.popleft()
                size += pending.size
                batch.append(pending)
            self._queued_bytes -= size
            if self._overflowing and len(self._queue) < self._queue_rows // 2:
                self._overflowing = False
                log.warning("journal %s: the queue has room again", self.part)
        return batch

    def _commit(self, batch: list[_Pending[Row]]) -> None:
        outcomes = self._attempt(batch)
        if outcomes is None:
            outcomes = [Outcome.REFUSED] * len(batch)
        refused = outcomes.count(Outcome.REFUSED)
        if refused:
            with self._changed:
                self.refused += refused
        if Outcome.STORED in outcomes:
            self._on_stored()
        for pending, outcome in zip(batch, outcomes, strict=True):
            _tell(pending.done, outcome)

    def _attempt(self, batch: list[_Pending[Row]]) -> list[Outcome] | None:
        """Write and commit; None when nothing was written."""
        if time.monotonic() < self._retry_at:
            return None
        try:
            connection = self._connected()
            obstacle = self._table.admit(connection)
            if obstacle is not None:
                self._report(obstacle)
                return None
            self._to_prove = False  # before the file is touched: who asks from now on wants another proof
            connection.execute("BEGIN IMMEDIATE")
            outcomes = self._table.write(connection, [pending.row for pending in batch])
            connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 - a writer that dies would refuse everything for ever
            self._fail(error)
            return None
        self._succeed()
        return outcomes

    def _maintain(self) -> bool:
        """One step of housekeeping; while failing, a trial whether the file can be written again."""
        if time.monotonic() < self._retry_at:
            return False
        try:
            connection = self._connected()
            obstacle = self._table.admit(connection)
            proving = self._failing or self._to_prove
            if not proving and not self._table.needs_maintenance(connection):
                self._report(obstacle or self._table.concern)
                return False
            self._to_prove = False
            connection.execute("BEGIN IMMEDIATE")
            if proving:
                self._table.probe(connection)
            more = self._table.maintain(connection)
            connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 - as above
            self._fail(error)
            return False
        self._succeed(obstacle)
        return more

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            connection = connect(self.path)
            try:
                self._table.opened(connection)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):  # a rollback or a checkpoint that fails leaves the file as it was
                self._connection.close()
            self._connection = None

    def _succeed(self, obstacle: Obstacle | None = None) -> None:
        self.commits += 1
        self._written_at = time.monotonic()
        self._failing = False
        if time.monotonic() - self._failed_at > CALM_S:
            self._retry_s = RETRY_FIRST_S
        self._table.committed()
        self._report(obstacle or self._table.concern)

    def _fail(self, error: Exception) -> None:
        """Give the connection up: SQLite rolls back, and the next attempt begins with what is on disk."""
        if not isinstance(error, (sqlite3.Error, OSError)):
            log.error("journal %s: unexpected error; please report it", self.part, exc_info=error)
        self._disconnect()
        self._failing = True
        self._failed_at = time.monotonic()
        self._retry_at = self._failed_at + self._retry_s
        self._retry_s = min(self._retry_s * 2, RETRY_LAST_S)
        self._report(explain(error, self.path))

    def _report(self, obstacle: Obstacle | None) -> None:
        """Remember the state for `health`; log it once per change."""
        before = self._trouble
        if obstacle is None:
            self._trouble = None
            if before is not None:
                log.warning("journal %s: well again (was: %s)", self.part, before.why)
            return
        same = before is not None and before.code == obstacle.code
        self._trouble = Trouble(
            part=self.part,
            code=obstacle.code,
            since_ms=before.since_ms if before is not None and same else self._clock.now_ms(),
            why=obstacle.why,
            what_to_do=obstacle.what_to_do,
        )
        if not same:
            log.error("%s", self._trouble)


def _tell(done: Done, outcome: Outcome) -> None:
    try:
        done(outcome)
    except Exception:
        log.exception("journal: a transport failed when told %s; the message itself is %s", outcome, outcome)
