"""InfluxQL text: quoting, times, and the series in an answer. Runs on InfluxDB 1.x, 2.x and 3.x."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n"})


class Series(NamedTuple):
    """One table of an answer."""

    statement: int
    name: str
    tags: dict[str, str]
    columns: list[str]
    values: list[list[Any]]

    def rows(self) -> Iterator[dict[str, Any]]:
        """Rows by column name."""
        return (dict(zip(self.columns, row, strict=True)) for row in self.values)


def identifier(name: str) -> str:
    """A measurement, tag or field name."""
    return '"' + name.translate(_ESCAPES).replace('"', '\\"') + '"'


def string(text: str) -> str:
    """A string literal."""
    return "'" + text.translate(_ESCAPES).replace("'", "\\'") + "'"


def device_is(device: str) -> str:
    """The condition that a point is of ``device``."""
    return f'"device" = {string(device)}'


def within(device: str, start_ms: int, end_ms: int) -> str:
    """The condition that a point is of ``device`` and in ``start_ms <= t < end_ms``."""
    return f"{device_is(device)} AND time >= {start_ms}ms AND time < {end_ms}ms"


def parse(answer: object) -> tuple[list[Series], str]:
    """The series of a ``/query`` answer, and the first error in it (an empty string where there is none)."""
    found: list[Series] = []
    if not isinstance(answer, dict):
        return found, f"expected JSON, got {answer!r:.200}"
    if "error" in answer:
        return found, str(answer["error"])
    for number, result in enumerate(answer.get("results", [])):
        if "error" in result:
            return found, str(result["error"])
        for series in result.get("series", []):
            statement = int(result.get("statement_id", number))
            tags = {key: value or "" for key, value in series.get("tags", {}).items()}
            found.append(Series(statement, series.get("name", ""), tags, series["columns"], series.get("values", [])))
    return found, ""
