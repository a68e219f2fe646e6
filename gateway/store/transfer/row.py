"""A point as rows of a table, one a field, and back: what CSV and Parquet hold. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from typing import NamedTuple

from devices.measurements import MEASUREMENTS
from gateway.store.points import json_tags
from gateway.store.protocol import Point
from gateway.store.transfer.line_reader import Refused

COLUMNS = ("time", "measurement", "device", "resident", "field", "number", "text", "unit", "tags")
COLUMN_WORDS = {
    "time": ("何时测得或发生，带时区", "when it was measured or happened, with the offset from UTC"),
    "measurement": (
        "什么：设备种类，或 event、waveform、score …",
        "what: the kind of device, or event, waveform, score …",
    ),
    "device": ("哪台设备；不是设备说的则为空", "which device; empty where it is of none"),
    "resident": ("当时为谁服务（居民编号）", "whom it served then: the id of the resident"),
    "field": ("量的名称", "the name of the quantity"),
    "number": ("数值", "its value, where it is a number"),
    "text": ("文字", "its value, where it is text"),
    "unit": ("单位（UCUM）", "the unit of the number (UCUM)"),
    "tags": ("其余标签，JSON", "all other tags, as JSON"),
}
"""What each column holds, Chinese and English."""

_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)")


class Row(NamedTuple):
    """One value with all that identifies it; in the order of `COLUMNS`."""

    at_ns: int
    measurement: str
    device: str
    resident: str
    field: str
    number: float | None
    text: str | None
    unit: str
    tags: str


def rows_of(point: Point) -> Iterator[Row]:
    """The rows of a point: one a field."""
    others = {key: value for key, value in point.tags.items() if key not in ("device", "resident")}
    device, resident = point.tags.get("device", ""), point.tags.get("resident", "")
    tags = json_tags(others)
    for field, value in point.fields.items():
        number, text = (None, value) if isinstance(value, str) else (float(value), None)
        unit = unit_of(point, field) if text is None else ""
        yield Row(point.at_ns, point.measurement, device, resident, field, number, text, unit, tags)


class Numbered(NamedTuple):
    """A row, and where it stands in its file."""

    number: int
    row: Row


def points_of(rows: Iterable[Numbered]) -> Iterator[tuple[int, Point]]:
    """The points of rows, each with the number of its first row. Rows of one point stand together.

    Raises Refused for tags that are none.
    """
    first, fields, key = 0, dict[str, float | str](), None
    for number, row in rows:
        this = (row.measurement, row.device, row.resident, row.tags, row.at_ns)
        if key is not None and (this != key or row.field in fields):
            yield first, _point(key, fields)
            key = None
        if key is None:
            first, fields, key = number, {}, this
        value: float | str | None = row.number if row.text is None else row.text
        assert value is not None
        fields[row.field] = value
    if key is not None:
        yield first, _point(key, fields)


def _point(key: tuple[str, str, str, str, int], fields: dict[str, float | str]) -> Point:
    measurement, device, resident, tags, at_ns = key
    known = {"device": device, "resident": resident} | read_tags(tags)
    return Point(
        measurement=measurement, tags={tag: value for tag, value in known.items() if value}, fields=fields, at_ns=at_ns
    )


@lru_cache(maxsize=4096)
def _read_tags(text: str) -> tuple[tuple[str, str], ...]:
    try:
        found = json.loads(text or "{}")
    except ValueError:
        found = None
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise Refused('tags: expected a JSON object of texts such as {"kind": "smoke"}')
    return tuple(found.items())


def read_tags(text: str) -> dict[str, str]:
    """The tags in a cell. Raises Refused."""
    return dict(_read_tags(text))


def unit_of(point: Point, field: str) -> str:
    """The unit of a number, where the catalogue knows it."""
    if point.measurement == "waveform":
        return point.tags.get("unit", "") if field == "value" else "Hz" if field == "rate_hz" else ""
    known = MEASUREMENTS.get(point.measurement)
    described = known.field(field) if known is not None else None
    return described.unit if described is not None else ""


def write_time(at_ns: int, zone: tzinfo) -> str:
    """RFC 3339 with nanoseconds where there are any, in the time of ``zone``."""
    seconds, ns = divmod(at_ns, 1_000_000_000)
    day, offset = _second(seconds, zone)
    if not ns:
        return day + offset
    return f"{day}.{ns // 1_000_000:03d}{offset}" if ns % 1_000_000 == 0 else f"{day}.{ns:09d}{offset}"


@lru_cache(maxsize=8192)
def _second(seconds: int, zone: tzinfo) -> tuple[str, str]:
    text = datetime.fromtimestamp(seconds, zone).isoformat()
    return text[:19], text[19:]


def read_time(text: str) -> int:
    """ns since the epoch. Raises Refused."""
    found = _TIME.fullmatch(text.strip())
    if found is None:
        raise Refused(f"time: expected 2026-10-01T08:30:00.000+08:00, got {text[:40]!r}")
    return _seconds(f"{found[1]}T{found[2]}{found[4]}") * 1_000_000_000 + int((found[3] or "").ljust(9, "0"))


@lru_cache(maxsize=8192)
def _seconds(text: str) -> int:
    try:
        return round(datetime.fromisoformat(text).astimezone(UTC).timestamp())
    except (ValueError, OverflowError) as error:
        raise Refused(f"time: {error}") from None
