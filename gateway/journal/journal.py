"""The durable log of observations: two lanes and a quarantine, each with a file and a thread of its own.

A message is told STORED, DUPLICATE or QUARANTINED only when it is on disk, so that a transport may acknowledge it then.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import shutil
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from devices.observation import Lane, Observation
from gateway.clock import Clock
from gateway.journal.entry import Done, Entry, Outcome, Quarantined
from gateway.journal.file import JournalError, is_damaged
from gateway.journal.lane import LaneRow, LaneTable, Totals, encode_body
from gateway.journal.quarantine import QuarantineTable, clip
from gateway.journal.view import QUARANTINE, JournalView, bytes_on_disk, file_of
from gateway.journal.writer import Trouble, Writer
from gateway.settings import JournalSettings

log = logging.getLogger(__name__)

LINGER_S = {Lane.URGENT: 0.0, Lane.ROUTINE: 0.003}
"""How long the first message of a commit waits for others: halves the load at 2,000 messages/s."""
QUEUE_ROWS = 10_000
QUEUE_BYTES = 64 * 2**20
QUARANTINE_LINGER_S = 0.01
QUARANTINE_QUEUE_ROWS = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneStats:
    """One lane now."""

    depth: int
    """Messages that wait for their commit."""
    refused: int
    """Since the start of the process: never stored, never acknowledged."""
    commits: int
    """Since the start of the process."""
    totals: Totals
    last_position: int
    lag: Mapping[str, int]
    """Reader to the number of entries it has still to read, at most."""
    bytes_on_disk: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineStats:
    """The quarantine now."""

    depth: int
    refused: int
    counts: Mapping[str, int]
    """Messages ever quarantined, by reason."""
    bytes_on_disk: int

    @property
    def total(self) -> int:
        """Messages ever quarantined."""
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalStats:
    """All parts of the journal now."""

    lanes: Mapping[Lane, LaneStats]
    quarantine: QuarantineStats
    disk_free_bytes: int
    troubles: tuple[Trouble, ...]


class Journal:
    """Writes and reads the journal in ``directory`` (``<data_dir>/journal``). A `JournalReader`.

    One process writes at a time; others may read through `JournalView`.
    """

    def __init__(self, directory: Path, settings: JournalSettings, clock: Clock) -> None:
        self.directory = directory
        self.keep_ms = settings.keep_hours * 3_600_000
        """A repeat of a message is known as one for so long."""
        self._view = JournalView(directory)
        self._wakers: list[Callable[[Lane], None]] = []
        self._lock_file: BinaryIO | None = None
        self._tables = {
            lane: LaneTable(
                lane,
                file_of(directory, lane),
                clock,
                max_rows=settings.max_urgent_rows if lane is Lane.URGENT else settings.max_routine_rows,
                keep_hours=settings.keep_hours,
                reserve_mb=settings.reserve_mb,
            )
            for lane in Lane
        }
        self._writers = {
            lane: Writer(
                lane.value,
                file_of(directory, lane),
                table,
                clock,
                linger_s=LINGER_S[lane],
                queue_rows=QUEUE_ROWS,
                queue_bytes=QUEUE_BYTES,
                on_stored=lambda lane=lane: self._wake(lane),  # type: ignore[misc]  # mypy cannot infer a bound default
            )
            for lane, table in self._tables.items()
        }
        self._quarantine_table = QuarantineTable()
        self._quarantine_writer = Writer(
            QUARANTINE,
            file_of(directory, QUARANTINE),
            self._quarantine_table,
            clock,
            linger_s=QUARANTINE_LINGER_S,
            queue_rows=QUARANTINE_QUEUE_ROWS,
            queue_bytes=QUEUE_BYTES,
            on_stored=lambda: None,
        )

    @property
    def _all_writers(self) -> tuple[Writer[LaneRow] | Writer[Quarantined], ...]:
        return (*self._writers.values(), self._quarantine_writer)

    def start(self) -> None:
        """Lock the directory, open the files and begin to write.

        A file that is damaged is set aside, and said to be. Raises JournalError: another process writes here, a file is
        of another version, the disk is full.
        """
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            self._lock_file = _lock(self.directory)
        except OSError as error:
            raise JournalError(
                f"{self.directory}: cannot be written ({error}); check its rights and the disk"
            ) from error
        try:
            for writer in self._all_writers:
                _begin(writer)
            _sync(self.directory)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Write what is queued, stop the threads, release the directory. What comes later is refused."""
        for writer in self._all_writers:
            writer.close()
        self._view.close()
        if self._lock_file is not None:
            self._lock_file.close()
            self._lock_file = None

    def submit(self, observation: Observation, done: Done) -> None:
        """Hand an observation to its lane; returns at once.

        ``done`` is called once: after the fsync from the lane's thread, or, where the lane's queue is full, at once
        from the caller's with REFUSED.
        """
        body = encode_body(observation)
        self._writers[observation.lane].submit(LaneRow(observation, body), len(body), done)

    def quarantine(self, item: Quarantined, done: Done) -> None:
        """Keep ``item`` (its payload and texts cut to their bounds); ``done`` as in `submit`."""
        clipped = clip(item)
        self._quarantine_writer.submit(clipped, len(clipped.payload), done)

    # --- readers ---

    def read(self, lane: Lane, after: int, limit: int) -> list[Entry]:
        """Entries with position > ``after``, in order. Raises JournalError."""
        return self._view.read(lane, after, limit)

    def tail(self, lane: Lane, limit: int) -> list[Entry]:
        """The newest ``limit`` entries, in order. Raises JournalError."""
        return self._view.tail(lane, limit)

    def last_position(self, lane: Lane) -> int:
        """The highest position ever given in ``lane``; 0 when there was none. Raises JournalError."""
        return self._view.last_position(lane)

    def quarantined(self, limit: int, device: str | None = None) -> list[Quarantined]:
        """The newest records first, of all or of one device. Raises JournalError."""
        return self._view.quarantined(limit, device)

    def subscribe(self, wake: Callable[[Lane], None]) -> None:
        """Call ``wake`` from the lane's thread after each commit that added entries."""
        self._wakers.append(wake)

    def cursor(self, reader: str, lane: Lane) -> int | None:
        """How far ``reader`` had come, up to about a second ago when the process was killed."""
        return self._tables[lane].cursors.get(reader)

    def set_cursor(self, reader: str, lane: Lane, position: int) -> None:
        """``reader`` will not ask for anything at or before ``position`` again. Saved within about a second.

        A reader registers by its first call; from then on nothing is trimmed that it has not read. A lower position
        than before is taken too: a reader that was restored from a backup reads again what is still there.
        """
        self._tables[lane].set_cursor(reader, position)

    def retain_readers(self, readers: Collection[str]) -> None:
        """Forget the cursors of all others: a reader that no longer exists must not keep entries for ever."""
        for table in self._tables.values():
            table.retain_readers(readers)

    # --- how it is ---

    def prove(self) -> None:
        """Have both lanes write something harmless within about a second: `written_s` tells whether they could."""
        for writer in self._writers.values():
            writer.prove()

    def written_s(self, lane: Lane) -> float:
        """Since something of ``lane`` was last brought onto the disk; infinite before the first time."""
        return self._writers[lane].written_s

    def health(self) -> tuple[Trouble, ...]:
        """What is wrong, since when, and what to do; empty when all is well."""
        return tuple(trouble for writer in self._all_writers if (trouble := writer.trouble) is not None)

    def stats(self) -> JournalStats:
        """Figures for metrics and screens. Cheap: opens nothing."""
        return JournalStats(
            lanes={lane: self._lane_stats(lane) for lane in Lane},
            quarantine=QuarantineStats(
                depth=self._quarantine_writer.depth,
                refused=self._quarantine_writer.refused,
                counts=dict(self._quarantine_table.counts),
                bytes_on_disk=bytes_on_disk(file_of(self.directory, QUARANTINE)),
            ),
            disk_free_bytes=shutil.disk_usage(self.directory).free,
            troubles=self.health(),
        )

    def _lane_stats(self, lane: Lane) -> LaneStats:
        writer, table = self._writers[lane], self._tables[lane]
        return LaneStats(
            depth=writer.depth,
            refused=writer.refused,
            commits=writer.commits,
            totals=table.totals,
            last_position=table.last_position,
            lag=table.lag,
            bytes_on_disk=bytes_on_disk(writer.path),
        )

    def _wake(self, lane: Lane) -> None:
        for wake in self._wakers:
            try:
                wake(lane)
            except Exception:
                log.exception("journal: a reader could not be woken; it looks again by itself")


def _begin(writer: Writer[LaneRow] | Writer[Quarantined]) -> None:
    """Open the file and begin to write. Where it is damaged, a gateway that does not start would hear nobody until
    somebody comes: it is kept beside a new one. What was not decided yet is in there; that is milliseconds' worth."""
    try:
        writer.start()
    except JournalError as error:
        if not is_damaged(error.__cause__):
            raise
        aside = _set_aside(writer.path)
        log.error("%s. Begun anew: what was not decided yet is in %s, and not heard", error, aside)
        writer.start()


def _set_aside(path: Path) -> Path:
    """Rename a file with its write-ahead log, over none that was set aside before."""
    names = (path.with_name(f"{path.name}.damaged{number}") for number in ("", *(f"-{n}" for n in range(2, 1000))))
    aside = next(name for name in names if not name.exists())
    for part in ("-wal", "-shm", ""):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + part).rename(aside.with_name(aside.name + part))
    return aside


def _lock(directory: Path) -> BinaryIO:
    path = directory / "lock"
    file = path.open("a+b")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        owner = file.read(20).decode("ascii", "replace").strip() or "unknown"
        file.close()
        raise JournalError(
            f"{directory}: another gateway (process {owner}) writes this journal; stop it, or give this one a "
            "data_dir of its own"
        ) from None
    file.truncate(0)
    file.write(str(os.getpid()).encode())
    file.flush()
    return file


def _sync(directory: Path) -> None:
    """The names of new files survive a power cut only when their directory is on disk too."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


__all__ = ["Entry", "Journal", "JournalError", "JournalStats", "LaneStats", "Outcome", "QuarantineStats", "Trouble"]
