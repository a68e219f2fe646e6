"""Rows as CSV (RFC 4180) that Excel opens right and runs nothing of, and back. Pure."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from datetime import tzinfo
from typing import Any, TextIO

from gateway.store.protocol import Point
from gateway.store.transfer.line_reader import Line, Refused
from gateway.store.transfer.row import COLUMNS, Numbered, Row, points_of, read_time, rows_of, write_time


class CsvWriter:
    """Writes points to ``file``, which must be open without translation of line ends."""

    def __init__(self, file: TextIO, zone: tzinfo) -> None:
        self._file = file
        self._zone = zone
        self._csv = csv.writer(file)
        file.write("\ufeff")  # without it Excel takes Chinese for something else
        self._csv.writerow(COLUMNS)

    def write(self, points: Iterable[Point]) -> None:
        self._csv.writerows(self._cells(row) for point in points for row in rows_of(point))

    def _cells(self, row: Row) -> list[str]:
        names = (disarmed(row.measurement), disarmed(row.device), disarmed(row.resident), disarmed(row.field))
        number = "" if row.number is None else repr(row.number)
        text = "" if row.text is None else f"'{row.text}" if not row.text else disarmed(row.text)
        return [write_time(row.at_ns, self._zone), *names, number, text, disarmed(row.unit), row.tags]


def disarmed(cell: str) -> str:
    """A cell that begins like a formula is text all the same; `armed` takes the apostrophe away again."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "'", "\t", "\r", "\n")) else cell


def armed(cell: str) -> str:
    """The text of a cell without the quote that keeps spreadsheets from running it."""
    return cell[1:] if cell.startswith("'") else cell


def read_csv(file: TextIO) -> Iterator[Line]:
    """The points of a table as written above, with columns in any order and some left out.

    What is wrong with one row is told of that row, and the others go on. Raises Refused for a table that is none.
    """
    table = csv.reader(file, strict=True)
    header = [name.strip().lower() for name in next(table, [])]
    if header:
        header[0] = header[0].removeprefix("\ufeff")
    if missing := {"time", "measurement", "field", "number"} - set(header):
        raise Refused(f"no table of points: the columns {', '.join(sorted(missing))} are missing in the first line")
    good: list[Numbered] = []
    texts: dict[int, str] = {}
    while True:
        number = table.line_num + 1
        try:
            cells = next(table)
        except StopIteration:
            break
        except csv.Error as error:
            yield from _flushed(good, texts)
            yield Line(number, "", None, f"no CSV: {error}", 0)
            continue
        if not cells:
            continue
        text = ",".join(cells)
        try:
            row = _row(dict(zip(header, cells, strict=False)), len(cells) == len(header))
        except Refused as refused:
            yield from _flushed(good, texts)
            yield Line(number, text, None, str(refused), 0)
            continue
        if good and row[:4] + row[8:] != good[0].row[:4] + good[0].row[8:]:
            yield from _flushed(good, texts)
        good.append(Numbered(number, row))
        texts[number] = text
    yield from _flushed(good, texts)


def _flushed(good: list[Numbered], texts: dict[int, str]) -> Iterator[Line]:
    try:
        for first, point in points_of(good):
            yield Line(first, texts[first], point, "", 0)
    except Refused as refused:
        for number, _ in good:
            yield Line(number, texts[number], None, str(refused), 0)
    good.clear()
    texts.clear()


def _row(cells: dict[str, Any], whole: bool) -> Row:
    if not whole:
        raise Refused("has more or fewer cells than the first line")
    number, text = cells["number"].strip(), cells.get("text", "")
    if bool(number) == bool(text):
        raise Refused("expected a number or a text, not both or none")
    try:
        value = float(number) if number else None
    except ValueError:
        raise Refused(f"number: expected a number, got {number[:40]!r}") from None
    row = Row(
        at_ns=read_time(cells["time"]),
        measurement=armed(cells["measurement"]),
        device=armed(cells.get("device", "")),
        resident=armed(cells.get("resident", "")),
        field=armed(cells["field"]),
        number=value,
        text=armed(text) if text else None,
        unit="",
        tags=cells.get("tags", "") or "{}",
    )
    if not row.measurement or not row.field:
        raise Refused("measurement and field must not be empty")
    return row
