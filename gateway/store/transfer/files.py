"""Files of an export: whole or not at all, never onto a disk that a press will need; and files that come back."""

from __future__ import annotations

import gzip
import io
import os
import shutil
import sys
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import tzinfo
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, Protocol, TextIO

from gateway.store.line_protocol import point_line
from gateway.store.protocol import Point
from gateway.store.transfer.csv_rows import CsvWriter, read_csv
from gateway.store.transfer.line_reader import Line, Refused, read_lines
from gateway.store.transfer.parquet_rows import ParquetWriter, read_parquet

STDOUT = Path("-")
_GZIP = b"\x1f\x8b"
_PARQUET = b"PAR1"


class Format(StrEnum):
    """How points stand in a file."""

    LINE = "line"
    CSV = "csv"
    PARQUET = "parquet"


class DiskFull(OSError):
    """Less disk would be left than the journal needs."""


class PointWriter(Protocol):
    """What takes the points of an export."""

    def write(self, points: Iterable[Point]) -> None:
        """Write these, in their order."""
        ...


class LineWriter:
    """Points as line protocol."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, points: Iterable[Point]) -> None:
        self._file.writelines(f"{point_line(point)}\n" for point in points)


def format_of(path: Path) -> Format | None:
    """The format that a name tells; None where it tells none."""
    for suffix in reversed(path.suffixes):
        if suffix == ".gz":
            continue
        return {".lp": Format.LINE, ".line": Format.LINE, ".csv": Format.CSV, ".parquet": Format.PARQUET}.get(suffix)
    return None


@contextmanager
def writing_to(
    path: Path, form: Format, *, zone: tzinfo, compress: bool, reserve_bytes: int
) -> Iterator[tuple[PointWriter, DiskGuard]]:
    """A writer into ``path``, which appears under its name only when all is on disk; ``-``: standard output.

    Only the owner can read the file. Raises OSError, DiskFull, ParquetMissing.
    """
    if path == STDOUT:
        with _text(sys.stdout.buffer, compress) as text:
            yield _writer(text, form, zone), DiskGuard(None, 0)
        return
    part = path.with_name(f".{path.name}.part")
    scratch = [part]
    guard = DiskGuard(path.absolute().parent, reserve_bytes)
    guard.look()
    try:
        if form is Format.PARQUET:
            old_mask = os.umask(0o077)
            try:
                columns = ParquetWriter(part)
                scratch.append(columns.scratch)
                yield columns, guard
                columns.close()
            finally:
                os.umask(old_mask)
        else:
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as raw, _text(raw, compress) as text:
                yield _writer(text, form, zone), guard
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.replace(path)
    finally:
        for leftover in scratch:
            leftover.unlink(missing_ok=True)


class DiskGuard:
    """Looks after the free space of a disk while something is written to it."""

    def __init__(self, directory: Path | None, reserve_bytes: int) -> None:
        self._directory = directory
        self._reserve_bytes = reserve_bytes

    def look(self) -> None:
        """Raises DiskFull while less than the reserve is free, OSError where there is no such directory."""
        if self._directory is None:
            return
        free = shutil.disk_usage(self._directory).free
        if free < self._reserve_bytes:
            raise DiskFull(
                f"{free // 2**20} MB are free in {self._directory}; {self._reserve_bytes // 2**20} MB stay for the "
                "journal, so that a press still fits: free space, or export to another disk"
            )


def _writer(text: TextIO, form: Format, zone: tzinfo) -> PointWriter:
    if form is Format.PARQUET:
        raise ValueError("Parquet cannot be written to standard output: give a file")
    return CsvWriter(text, zone) if form is Format.CSV else LineWriter(text)


@contextmanager
def _text(raw: BinaryIO, compress: bool) -> Iterator[TextIO]:
    packed = gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=6, mtime=0) if compress else None
    text = io.TextIOWrapper(packed or raw, encoding="utf-8", newline="", write_through=False)
    try:
        yield text
        text.flush()
    finally:
        text.detach()
        if packed is not None:
            packed.close()
        raw.flush()


class Incoming:
    """A file to be read: what it holds, and how far it has been read."""

    def __init__(self, path: Path, form: Format | None) -> None:
        """Raises OSError, ValueError where the format cannot be told."""
        self.size = path.stat().st_size if path != STDOUT else 0
        """In bytes as it lies there; 0 where it is not known."""
        self._path = path
        self._raw = (
            io.BufferedReader(io.FileIO(sys.stdin.fileno(), closefd=False)) if path == STDOUT else path.open("rb")
        )
        head = self._raw.peek(4)[:4]
        found = Format.PARQUET if head == _PARQUET else form or format_of(path)
        if found is None:
            raise ValueError(f"{path}: what is it? give --format line, csv or parquet")
        if found is Format.PARQUET and path == STDOUT:
            raise ValueError("Parquet cannot be read from standard input: give a file")
        self.format = found
        self._packed = head[:2] == _GZIP

    def lines(self, scale: int) -> Iterator[Line]:
        """Every point, and what is no point with its reason. Raises Refused, OSError, ParquetMissing."""
        if self.format is Format.PARQUET:
            yield from read_parquet(self._path)
            return
        stream = gzip.GzipFile(fileobj=self._raw) if self._packed else self._raw
        text = io.TextIOWrapper(stream, encoding="utf-8", errors="surrogateescape", newline="\n")
        try:
            if self.format is Format.CSV:
                yield from read_csv(text)
            else:
                yield from read_lines((line.removesuffix("\n") for line in text), scale)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise Refused(f"{self._path} is broken off or damaged: {error}") from error
        finally:
            text.detach()  # or it would close the file with it

    def done(self) -> int:
        """Bytes that have been read of it."""
        return 0 if self.format is Format.PARQUET or self._path == STDOUT else self._raw.tell()

    def close(self) -> None:
        if self._path != STDOUT:
            self._raw.close()
