"""A map of registers in YAML, read strictly and checked against the kinds.

In YAML::

    model: Eastron SDM120
    zh: 单相电能表
    source: the document the map was made from
    setting: 2400 8N1          # as it leaves the factory
    every_s: 10                # between two readings
    span: 60                   # registers it gives at once; 125 where the document sets no limit
    gap: 0                     # registers it may be asked for beside those wanted, to save a request; 0: none
    parts: 8                   # channels, where it has several; address "5#3" is the third
    kinds:
      meter:
        read:
          - {metric: voltage, function: 4, address: 0x0000, type: f32, unit: V}
        commands:
          close: {function: 5, address: 0, value: 1, stride: 1, confirm: {open: 0}}

Addresses are those on the wire, counted from 0; manuals that say 40001 or 30001 mean 0. ``unit`` is that of the value
after ``scale`` and ``offset``, and must be the kind's own. A metric given twice is the sum of the two (whole and broken
part in registers of their own).
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from devices.gear.profile import PARITIES, SerialSetting
from devices.gear.profile_error import nearest
from devices.gear.yamltext import Document, Path, read
from devices.kind import Kind
from devices.kinds import KINDS
from devices.profiles.modbus.register_map import (
    PARTS_MOST,
    SPAN_MOST,
    STRUCTS,
    TYPES,
    WRITES,
    KindRows,
    RegisterMap,
    Row,
    ValueType,
    Write,
)


def load_map(text: str, key: str) -> RegisterMap:
    """The map in ``text``. Raises ProfileError with file, line, key and expectation."""
    return _Reader(read(text, f"{key}.yaml"), key).map()


_SETTING = re.compile(r"(\d{3,6}) 8([NEO])([12])")
_TOP = ("model", "zh", "source", "setting", "every_s", "span", "gap", "parts", "kinds")
_ROW = ("metric", "function", "address", "type", "unit", "words", "bytes", "scale", "offset", "stride")
_ROW_MORE = ("none", "bit", "equals", "invert", "increase")
_WRITE = ("function", "address", "value", "type", "words", "stride", "confirm")


class _Reader:
    """Reads one document strictly: what it does not know is an error, where it stands."""

    def __init__(self, document: Document, key: str) -> None:
        self._document = document
        self._key = key

    def map(self) -> RegisterMap:
        top = self._table((), self._document.value, _TOP)
        kinds = {name: self._kind(name, value) for name, value in self._plain(("kinds",), top.get("kinds")).items()}
        if not kinds:
            raise self._error(("kinds",), "it says nothing", "at least one kind", "add what its registers mean")
        return RegisterMap(
            key=self._key,
            model=self._text(top, (), "model"),
            zh=self._text(top, (), "zh"),
            source=self._text(top, (), "source"),
            setting=self._setting(top),
            every_ms=round(1000 * self._number(top, (), "every_s", 10, low=1, high=86_400)),
            span=self._whole(top, (), "span", SPAN_MOST, low=1, high=SPAN_MOST),
            gap=self._whole(top, (), "gap", 0, low=0, high=SPAN_MOST),
            parts=self._whole(top, (), "parts", 1, low=1, high=PARTS_MOST),
            kinds=kinds,
        )

    def _setting(self, top: Mapping[str, Any]) -> SerialSetting:
        text = self._text(top, (), "setting")
        found = _SETTING.fullmatch(text)
        if found is None:
            raise self._error(
                ("setting",), f"{text!r} is no setting", "such as 9600 8N1 or 19200 8E1", "see the manual"
            )
        return SerialSetting(baud=int(found[1]), parity=PARITIES[found[2]], stopbits=int(found[3]))

    def _kind(self, name: str, value: Any) -> KindRows:
        path: Path = ("kinds", name)
        kind = KINDS.get(name)
        if kind is None:
            raise self._error(
                path, "no such kind", "a kind of the catalogue", nearest(name, KINDS, "see docs/protocol.md")
            )
        table = self._table(path, value, ("read", "commands"))
        listed = table.get("read")
        if not isinstance(listed, list) or not listed:
            raise self._error((*path, "read"), "nothing is read", "a list of registers", "add them")
        rows = tuple(self._row(kind, (*path, "read", index), row) for index, row in enumerate(listed))
        readable = {row.metric for row in rows}
        commands = {
            command: self._write(kind, readable, (*path, "commands", command), write)
            for command, write in self._plain((*path, "commands"), table.get("commands", {})).items()
        }
        return KindRows(rows=rows, commands=commands)

    def _row(self, kind: Kind, path: Path, value: Any) -> Row:
        row = self._table(path, value, (*_ROW, *_ROW_MORE))
        metric = self._text(row, path, "metric")
        known = kind.metrics.get(metric)
        if known is None:
            hint = nearest(metric, kind.metrics, f"a {kind.key} has {', '.join(sorted(kind.metrics))}")
            raise self._error((*path, "metric"), f"{metric!r} is no metric of {kind.key}", "one of the kind's", hint)
        function = self._whole(row, path, "function", None, low=1, high=4)
        kept: ValueType = self._choice(row, path, "type", TYPES, "bit" if function <= 2 else None)  # type: ignore[assignment] # one of TYPES
        if (kept == "bit") != (function <= 2):
            raise self._error(
                (*path, "type"),
                f"function {function} does not give {kept}",
                "bit of coils and inputs, numbers of registers",
                "correct function or type",
            )
        unit = row.get("unit", "")
        is_state = metric in kind.states
        if unit != known.unit and not (is_state and not unit):
            raise self._error(
                (*path, "unit"), f"{unit!r} is not the kind's unit", known.unit, "convert with scale and offset"
            )
        found = Row(
            metric=metric,
            function=function,
            address=self._whole(row, path, "address", None, low=0, high=0xFFFF),
            type=kept,
            words=self._choice(row, path, "words", ("high", "low"), "high"),  # type: ignore[arg-type] # one of these
            bytes=self._choice(row, path, "bytes", ("high", "low"), "high"),  # type: ignore[arg-type] # one of these
            scale=self._number(row, path, "scale", 1, low=-1e9, high=1e9),
            offset=self._number(row, path, "offset", 0, low=-1e9, high=1e9),
            stride=self._whole(row, path, "stride", 0, low=0, high=1000),
            none=self._wholes(row, path, "none"),
            bit=self._whole(row, path, "bit", None, low=0, high=15) if "bit" in row else None,
            equals=self._wholes(row, path, "equals"),
            invert=self._choice(row, path, "invert", ("no", "yes"), "no") == "yes",
            increase=self._choice(row, path, "increase", ("", "count", "per_hour"), ""),  # type: ignore[arg-type] # one of these
        )
        if is_state and not (found.type == "bit" or found.bit is not None or found.equals):
            raise self._error(
                path,
                f"{metric} is 0 or 1, and this is a number",
                "type bit, a bit, or equals",
                "say which contents mean 1",
            )
        if found.increase and (found.type.startswith("f") or found.type == "bit"):
            raise self._error(
                (*path, "increase"), f"a counter of type {found.type}", "a whole number", "leave out increase"
            )
        return found

    def _write(self, kind: Kind, readable: set[str], path: Path, value: Any) -> Write:
        command = path[-1]
        if command not in kind.commands:
            known = ", ".join(sorted(kind.commands)) or "none"
            raise self._error(path, "no such command", f"one that a {kind.key} has: {known}", "see docs/protocol.md")
        row = self._table(path, value, _WRITE)
        function = self._whole(row, path, "function", None, low=5, high=16)
        if function not in WRITES:
            raise self._error((*path, "function"), f"{function} is no way to write", "5, 6 or 16", "see the manual")
        confirm: dict[str, float] = {}
        for metric, wanted in self._plain((*path, "confirm"), row.get("confirm", {})).items():
            if metric not in readable:
                raise self._error(
                    (*path, "confirm", metric),
                    "it is not read, so nobody would see it",
                    f"one of {', '.join(sorted(readable))}",
                    "read it, too",
                )
            confirm[metric] = self._number({metric: wanted}, (*path, "confirm"), metric, None, low=-1e9, high=1e9)
        return Write(
            function=function,
            address=self._whole(row, path, "address", None, low=0, high=0xFFFF),
            values=self._values(row, path, function),
            stride=self._whole(row, path, "stride", 0, low=0, high=1000),
            confirm=confirm or None,
        )

    def _values(self, row: Mapping[str, Any], path: Path, function: int) -> tuple[int, ...]:
        if function == 5:
            return (self._whole(row, path, "value", None, low=0, high=1),)
        if function == 6:
            return (self._whole(row, path, "value", None, low=0, high=0xFFFF),)
        kept = self._choice(row, path, "type", TYPES[1:], "u16")
        number = self._number(row, path, "value", None, low=-1e18, high=1e18)
        layout = STRUCTS[kept]
        try:
            packed = struct.pack(layout, number if kept.startswith("f") else int(number))
        except struct.error:
            raise self._error((*path, "value"), f"{number:g} is no {kept}", kept, "see the manual") from None
        words = list(struct.unpack(f">{len(packed) // 2}H", packed))
        if self._choice(row, path, "words", ("high", "low"), "high") == "low":
            words.reverse()
        return tuple(words)

    # --- texts of the document ------------------------------------------------------------------------------------

    def _table(self, path: Path, value: Any, known: Sequence[str]) -> dict[str, Any]:
        table = self._plain(path, value)
        for key in table:
            if key not in known:
                raise self._error(
                    (*path, key), "unknown key", f"one of {', '.join(known)}", nearest(key, known, "leave it out")
                )
        return table

    def _plain(self, path: Path, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self._error(path, "no table", "keys and values", "write key: value")
        return value

    def _text(self, table: Mapping[str, Any], path: Path, key: str) -> str:
        value = table.get(key)
        if not isinstance(value, str) or not value:
            raise self._error((*path, key), "missing or no text", "a text", "add it")
        return value

    def _choice(self, table: Mapping[str, Any], path: Path, key: str, known: Sequence[str], default: str | None) -> str:
        value = table.get(key, default)
        if value not in known:
            raise self._error((*path, key), f"{value!r}", f"one of {', '.join(filter(None, known))}", "see the manual")
        assert isinstance(value, str)
        return value

    def _number(
        self, table: Mapping[str, Any], path: Path, key: str, default: float | None, *, low: float, high: float
    ) -> float:
        return self._parsed(table, path, key, default, low, high, float)

    def _whole(
        self, table: Mapping[str, Any], path: Path, key: str, default: int | None, *, low: int, high: int
    ) -> int:
        return round(self._parsed(table, path, key, default, low, high, _int))

    def _wholes(self, table: Mapping[str, Any], path: Path, key: str) -> frozenset[int]:
        value = table.get(key, [])
        if not isinstance(value, list):
            raise self._error((*path, key), "no list", "a list of numbers", "write [0x7FFF]")
        return frozenset(round(self._parsed({key: item}, path, key, None, 0, 2**64 - 1, _int)) for item in value)

    def _parsed(
        self,
        table: Mapping[str, Any],
        path: Path,
        key: str,
        default: float | None,
        low: float,
        high: float,
        parse: Callable[[str], float],
    ) -> float:
        value = table.get(key, default)
        expected = f"{low:g} to {high:g}"
        if value is None:
            raise self._error((*path, key), "missing", expected, "see the manual")
        try:
            number = value if isinstance(value, int | float) else parse(value)
        except (ValueError, TypeError):
            raise self._error((*path, key), f"{value!r} is no number", expected, "see the manual") from None
        if not math.isfinite(number) or not low <= number <= high:
            raise self._error((*path, key), f"{value} is out of range", expected, "see the manual")
        return number

    def _error(self, path: Path, problem: str, expected: str, hint: str) -> Exception:
        return self._document.error(path, problem, expected=expected, hint=hint)


def _int(text: str) -> int:
    """Decimal, or hexadecimal with 0x, as manuals have it."""
    return int(text, 0)
