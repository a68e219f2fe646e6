"""One SQLite file of the journal: how it is opened so that every commit is on disk, and its faults in words."""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import dataclass
from pathlib import Path

SCHEMA_VERSION = 1


class JournalError(Exception):
    """The journal cannot be opened; the message says which file, why, and what to do."""


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a file does not take entries now, or will soon not."""

    code: str
    """One word for machines: ``disk_full``, ``corrupt``, ``io_error``, ``lane_full`` …"""
    why: str
    what_to_do: str


def connect(path: Path) -> sqlite3.Connection:
    """A connection that writes: explicit transactions, WAL, every commit on disk before it returns."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA busy_timeout=2000")
        mode = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
        if mode != "wal":
            raise sqlite3.OperationalError(f"this file system cannot hold a write-ahead log (journal mode {mode})")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute(f"PRAGMA journal_size_limit={64 * 2**20}")
    except BaseException:
        connection.close()
        raise
    return connection


def prepare(path: Path, schema: str) -> None:
    """Create the file and its tables where they are missing. Raises JournalError."""
    try:
        with contextlib.closing(connect(path)) as connection:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version not in (0, SCHEMA_VERSION):
                raise JournalError(
                    f"{path}: written by another version of Anju (schema {version}, this one knows {SCHEMA_VERSION}); "
                    "run the version that wrote it, or move the file away to begin a new one"
                )
            if version == 0:
                connection.executescript(f"BEGIN;{schema};PRAGMA user_version={SCHEMA_VERSION};COMMIT;")
    except sqlite3.Error as error:
        obstacle = explain(error, path)
        raise JournalError(f"{path}: {obstacle.why}; {obstacle.what_to_do}") from error


def is_damaged(error: BaseException | None) -> bool:
    """Whether it is the file itself that SQLite cannot make sense of."""
    return getattr(error, "sqlite_errorname", "") in ("SQLITE_CORRUPT", "SQLITE_NOTADB")


def explain(error: Exception, path: Path) -> Obstacle:
    """An error of SQLite or of the operating system, in words for the person who runs the box."""
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    if name == "SQLITE_FULL":
        return Obstacle("disk_full", f"the disk under {path} is full", "free disk space; writing resumes by itself")
    if is_damaged(error):
        return Obstacle(
            "corrupt",
            f"{path} is damaged ({error})",
            "restart the gateway, which sets the file aside and begins a new one, and check the disk",
        )
    return Obstacle(
        "io_error",
        f"{path} cannot be written ({name}: {error})",
        "check the disk, its free space and the rights of the directory; writing resumes by itself",
    )
