"""Reads line protocol, also what others wrote, strictly: a line is understood whole or refused with its reason. Pure.

https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from gateway.store.points import TEXT_MAX_BYTES
from gateway.store.protocol import Point

PRECISIONS = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}
"""What a number in the place of the time counts, in ns."""

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_INTEGER = re.compile(r"(?:[+-]?\d+i|\d+u)")
_BOOLEANS = {"t": 1.0, "T": 1.0, "true": 1.0, "True": 1.0, "TRUE": 1.0} | {
    "f": 0.0,
    "F": 0.0,
    "false": 0.0,
    "False": 0.0,
    "FALSE": 0.0,
}
_TOKEN = {
    "measurement": re.compile(r"(?:\\.|[^\\, ]|\\$)+", re.S),
    "key": re.compile(r"(?:\\.|[^\\,= ]|\\$)+", re.S),
}
_QUOTED = re.compile(r'"((?:\\.|[^"\\])*)"', re.S)
_PLAIN = re.compile(r"[^, ]+")
_UNESCAPE_NAME = re.compile(r"\\([,= ])")
_UNESCAPE_MEASUREMENT = re.compile(r"\\([, ])")
_UNESCAPE_TEXT = re.compile(r'\\(["\\])')


class Refused(ValueError):
    """A line that is not understood, and why."""


class Unfinished(Refused):
    """A line that ends between quotation marks: text may hold line breaks."""


class Line(NamedTuple):
    """One line that was read: a point, or why there is none."""

    number: int
    """Of the line in the file where it begins, from 1."""
    text: str
    point: Point | None
    reason: str
    converted: int
    """Integers and booleans that became floats."""


def read_lines(physical: Iterable[str], scale: int = 1) -> Iterator[Line]:
    """The points in lines without their ends; blank lines and comments are left out. ``scale``: of `PRECISIONS`."""
    source = enumerate(physical, 1)
    waiting: deque[tuple[int, str]] = deque()
    while True:
        try:
            number, text = waiting.popleft() if waiting else next(source)
        except StopIteration:
            return
        if not text.strip() or text.lstrip().startswith("#"):
            continue
        joined, more = text, list[tuple[int, str]]()
        try:
            while True:
                try:
                    point, converted = parse_line(joined, scale)
                    break
                except Unfinished:
                    joined = _longer(joined, more, waiting, source)
        except Refused as refused:
            waiting.extendleft(reversed(more))  # what was taken for the rest of its text may be lines of their own
            yield Line(number, text, None, str(refused), 0)
        else:
            yield Line(number, joined, point, "", converted)


def _longer(
    text: str, more: list[tuple[int, str]], waiting: deque[tuple[int, str]], source: Iterator[tuple[int, str]]
) -> str:
    """``text`` up to the next line with a quotation mark in it. Raises Refused where none comes in time."""
    while len(text) <= 2 * TEXT_MAX_BYTES:
        following = waiting.popleft() if waiting else next(source, None)
        if following is None:
            break
        more.append(following)
        text += "\n" + following[1]
        if '"' in following[1]:
            return text
    raise Refused("a quotation mark is opened and not closed")


def parse_line(line: str, scale: int = 1) -> tuple[Point, int]:
    """The point of one line, and how many integers and booleans in it became floats. Raises Refused."""
    line = line.removesuffix("\r").strip(" ")
    measurement, place = _token("measurement", line, 0, "a measurement")
    tags: dict[str, str] = {}
    while place < len(line) and line[place] == ",":
        key, place = _pair(line, place + 1, "a tag")
        value, place = _token("key", line, place, f"a value of tag {key!r}")
        if key in tags:
            raise Refused(f"tag {key!r} stands twice")
        tags[key] = value
    if line[place : place + 1] != " ":
        raise Refused("expected fields after a space: measurement,tag=value field=value time")
    place = _spaces(line, place)
    fields: dict[str, float | str] = {}
    converted = 0
    while True:
        key, place = _pair(line, place, "a field")
        value_of, place, other = _value(line, place, key)
        if key in fields:
            raise Refused(f"field {key!r} stands twice")
        fields[key], converted = value_of, converted + other
        if line[place : place + 1] != ",":
            break
        place += 1
    at = line[_spaces(line, place) :]
    if not re.fullmatch(r"-?\d{1,19}", at):
        raise Refused("has no time" if not at else f"expected the time as a whole number, got {at[:40]!r}")
    name = _UNESCAPE_MEASUREMENT.sub(r"\1", measurement)
    return Point(measurement=name, tags=tags, fields=fields, at_ns=int(at) * scale), converted


def _token(what: str, line: str, place: int, expected: str) -> tuple[str, int]:
    found = _TOKEN[what].match(line, place)
    if found is None:
        raise Refused(f"expected {expected} at character {place + 1}")
    text = found[0]
    return (_UNESCAPE_NAME.sub(r"\1", text) if what == "key" else text), found.end()


def _pair(line: str, place: int, expected: str) -> tuple[str, int]:
    """A key up to behind its equals sign."""
    key, place = _token("key", line, place, expected)
    if line[place : place + 1] != "=":
        raise Refused(f"expected = behind {key!r}")
    return key, place + 1


def _value(line: str, place: int, key: str) -> tuple[float | str, int, int]:
    if line[place : place + 1] == '"':
        quoted = _QUOTED.match(line, place)
        if quoted is None:
            raise Unfinished(f"the text of field {key!r} has no end")
        return _UNESCAPE_TEXT.sub(r"\1", quoted[1]), quoted.end(), 0
    plain = _PLAIN.match(line, place)
    text = plain[0] if plain is not None else ""
    end = place + len(text)
    if _NUMBER.fullmatch(text):
        return float(text), end, 0
    if _INTEGER.fullmatch(text):
        return float(text[:-1]), end, 1
    if text in _BOOLEANS:
        return _BOOLEANS[text], end, 1
    raise Refused(f"field {key!r}: expected a number, true, false or text in quotation marks, got {text[:40]!r}")


def _spaces(line: str, place: int) -> int:
    while line[place : place + 1] == " ":
        place += 1
    return place
