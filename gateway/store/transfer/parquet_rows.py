"""Rows as a Parquet file by DuckDB (the extra ``parquet``) and back, in bounded memory, by way of a table of CSV."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType

from gateway.store.protocol import Point
from gateway.store.transfer.line_reader import Line, Refused
from gateway.store.transfer.row import COLUMNS, Numbered, Row, points_of, rows_of

MEMORY = "256MB"
ROWS_PER_GROUP = 50_000
ROWS_PER_READ = 5_000
_NONE = "\x00"
"""Stands for no value in the table between; text in the store never holds it."""


class ParquetMissing(Exception):
    """DuckDB is not there; the message names the command that brings it."""


def duckdb() -> ModuleType:
    """The module. Raises ParquetMissing."""
    try:
        import duckdb
    except ImportError:
        raise ParquetMissing("Parquet needs DuckDB; run: pip install 'anju[parquet]'") from None
    return duckdb


class ParquetWriter:
    """Gathers points in ``path`` with ``.rows`` behind its name; `close` turns it into ``path``."""

    def __init__(self, path: Path) -> None:
        self._duckdb = duckdb()
        self._path = path
        self._table = path.with_name(path.name + ".rows")
        self._file = self._table.open("w", encoding="utf-8", newline="")
        self._csv = csv.writer(self._file, lineterminator="\n")

    @property
    def scratch(self) -> Path:
        """What has to go when the writing was broken off."""
        return self._table

    def write(self, points: Iterable[Point]) -> None:
        self._csv.writerows(
            [_NONE if cell is None else repr(cell) if isinstance(cell, float) else cell for cell in row]
            for point in points
            for row in rows_of(point)
        )

    def close(self) -> None:
        """Write the file. Raises OSError."""
        self._file.close()
        columns = {
            name: "BIGINT" if name == "time" else "DOUBLE" if name == "number" else "VARCHAR" for name in COLUMNS
        }
        config = {"threads": 1, "memory_limit": MEMORY}
        with self._duckdb.connect(":memory:", config=config) as run:
            try:
                run.execute(
                    f"COPY (SELECT make_timestamp_ns(time) AS time, * EXCLUDE (time, tags),"
                    " CAST(CAST(tags AS JSON) AS MAP(VARCHAR, VARCHAR)) AS tags FROM read_csv($table, header=false,"
                    f" auto_detect=false, delim=',', quote='\"', escape='\"', nullstr=chr(0), columns={columns!r},"
                    " new_line='\\n', strict_mode=true, max_line_size=4000000))"
                    f" TO {_quoted(self._path)} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROWS_PER_GROUP})",
                    {"table": str(self._table)},
                )
            except self._duckdb.Error as error:
                raise OSError(f"Parquet cannot be written: {error}") from error
        self._table.unlink()


def read_parquet(path: Path) -> Iterator[Line]:
    """The points of a file as written above. Raises Refused for a file that is none, ParquetMissing."""
    module = duckdb()
    with module.connect(":memory:", config={"threads": 1, "memory_limit": MEMORY}) as run:
        try:
            found = {row[0] for row in run.execute("DESCRIBE SELECT * FROM read_parquet($1)", [str(path)]).fetchall()}
            if missing := set(COLUMNS) - {"unit"} - found:
                raise Refused(f"no table of points: the columns {', '.join(sorted(missing))} are missing")
            cursor = run.execute(
                "SELECT epoch_ns(time), measurement, coalesce(device, ''), coalesce(resident, ''), field, number, text,"
                " '', CAST(to_json(tags) AS VARCHAR) FROM read_parquet($1)",
                [str(path)],
            )
            for first, point in points_of(_rows(cursor)):
                yield Line(first, "", point, "", 0)
        except module.Error as error:
            raise Refused(f"no Parquet: {error}") from error


def _rows(cursor: object) -> Iterator[Numbered]:
    number = 0
    while rows := cursor.fetchmany(ROWS_PER_READ):  # type: ignore[attr-defined]  # duckdb is no dependency of the gateway
        for cells in rows:
            number += 1
            row = Row(*cells)
            if row.number is None and row.text is None:
                raise Refused(f"row {number} has neither a number nor a text")
            yield Numbered(number, row)


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
