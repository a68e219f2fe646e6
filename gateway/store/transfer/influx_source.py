"""InfluxDB 1.x, 2.x and 3.x read out by InfluxQL: one measurement after the other, in pages of bounded size."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from devices.kinds import KINDS
from gateway.settings import StoreSettings
from gateway.store.influx_http import InfluxHttp
from gateway.store.influxql import Series, device_is, identifier, string
from gateway.store.protocol import Point, StoreUnavailable
from gateway.store.setup.rolled import ROLL_UPS
from gateway.store.transfer.selection import END_MS, MS, Selection
from gateway.store.transfer.source import HELPING, ROLLED, ROLLED_FIELDS, Helping

DAY_NS = 86_400_000 * MS
"""All devices at once are asked for a day at a time: InfluxDB 3 Core refuses to search more than about three."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A measurement's name as InfluxQL has it, its tags and its fields."""

    name: str
    source: str
    """Quoted, with the retention policy where it is not the default."""
    tags: frozenset[str]
    fields: frozenset[str]
    rolled: str = ""


class InfluxSource:
    """A `gateway.store.transfer.source.Source`."""

    def __init__(self, settings: StoreSettings, token: str) -> None:
        """Raises StoreUnavailable, also where what answers cannot be read by InfluxQL."""
        self._http = InfluxHttp(settings, token)
        self._loop = asyncio.Runner()
        try:
            self.server = self._loop.run(self._http.detect())
            if self.server.victoria:
                raise StoreUnavailable(
                    "VictoriaMetrics cannot be read by InfluxQL",
                    hint=f'ask it itself: {settings.url}/api/v1/export?match[]={{device="…"}}',
                )
        except BaseException:
            self.close()
            raise

    @property
    def name(self) -> str:
        return self.server.name

    def read(self, selection: Selection) -> Iterator[Helping]:
        shapes = [
            shape for shape in self.shapes() if not selection.measurements or shape.name in selection.measurements
        ]
        parts = [(shape, selection) for shape in shapes] + self._rolled(shapes, selection)
        for number, (shape, part) in enumerate(parts):
            for points, within in self._measurement(shape, part):
                taken = [point for point in points if selection.takes(point)]
                yield Helping(taken, (number + within) / len(parts))

    def _rolled(self, shapes: list[Shape], selection: Selection) -> list[tuple[Shape, Selection]]:
        """Minutes and hours of before there are readings, and before there are minutes."""
        try:
            policies = {str(row["name"]) for series in self.query("SHOW RETENTION POLICIES") for row in series.rows()}
        except StoreUnavailable:  # InfluxDB 3 has none
            return []
        found: list[tuple[Shape, Selection]] = []
        for shape in (one for one in shapes if one.name in KINDS):
            end_ms = selection.end_ms
            for roll_up in (one for one in ROLL_UPS if one.name in policies):
                first_ns = self._edge(found[-1][0] if end_ms < selection.end_ms else shape, "", 0, END_MS * MS, "ASC")
                if first_ns is not None:
                    end_ms = min(end_ms, first_ns // MS // (roll_up.width_s * 1000) * (roll_up.width_s * 1000))
                source = f"{identifier(roll_up.name)}.{identifier(shape.name)}"
                rolled = replace(shape, source=source, rolled=roll_up.width)
                found.append((rolled, replace(selection, end_ms=max(end_ms, selection.start_ms))))
        return found

    def close(self) -> None:
        with contextlib.closing(self._loop):
            self._loop.run(self._http.close())

    def query(self, statements: str, *, epoch: str = "ns") -> list[Series]:
        """The series of one or several InfluxQL statements. Raises as `InfluxHttp.query`."""
        return self._loop.run(self._http.query(statements, epoch=epoch))

    def shapes(self) -> list[Shape]:
        """All measurements, sorted by name."""
        names = sorted(str(row[-1]) for series in self.query("SHOW MEASUREMENTS") for row in series.values)
        return [self._shape(name) for name in names if name != "information_schema"]

    def _shape(self, name: str) -> Shape:
        tags = self._names(f"SHOW TAG KEYS FROM {identifier(name)}", "tagKey")
        fields = self._names(f"SHOW FIELD KEYS FROM {identifier(name)}", "fieldKey")
        if both := tags & fields:
            raise StoreUnavailable(
                f"measurement {name!r} has {', '.join(sorted(both))} both as tag and as field: InfluxQL cannot tell "
                "them apart",
                hint="leave this measurement out by naming the others: --measurement",
            )
        return Shape(name, identifier(name), tags, fields)

    def _names(self, statement: str, column: str) -> frozenset[str]:
        return frozenset(str(row[column]) for series in self.query(statement) for row in series.rows())

    def _measurement(self, shape: Shape, selection: Selection) -> Iterator[tuple[list[Point], float]]:
        conditions = self._conditions(shape, selection)
        for number, (condition, by_day) in enumerate(conditions):
            for points, within in self._range(shape, condition, by_day, selection):
                yield points, (number + within) / len(conditions)

    def _conditions(self, shape: Shape, selection: Selection) -> list[tuple[str, bool]]:
        """One query after the other, and whether it has to go day by day: where it is of all devices."""
        devices = selection.devices
        if selection.resident and not selection.without:
            stamped = f'"resident" = {string(selection.resident)}' if "resident" in shape.tags else ""
            if "device" not in shape.tags:
                return [(stamped, True)] if stamped and not devices else []
            of_them = set(selection.serving.devices_of(selection.resident))
            if stamped:
                of_them |= self.devices(shape, stamped)
            named = [device_is(device) for device in sorted(of_them & devices if devices else of_them)]
            if stamped and not devices:
                named.append(f"\"device\" = '' AND {stamped}")
            return [(condition, False) for condition in named]
        if devices:
            return [(device_is(device), False) for device in sorted(devices)] if "device" in shape.tags else []
        return [("", True)]

    def devices(self, shape: Shape, condition: str) -> set[str]:
        """The devices that have points under ``condition``."""
        asked = f'SHOW TAG VALUES FROM {identifier(shape.name)} WITH KEY = "device" WHERE {condition}'
        return {str(row["value"]) for series in self.query(asked) for row in series.rows()}

    def _range(
        self, shape: Shape, condition: str, by_day: bool, selection: Selection
    ) -> Iterator[tuple[list[Point], float]]:
        start_ns, end_ns = selection.start_ms * MS, min(selection.end_ms, END_MS) * MS
        first_ns = self._edge(shape, condition, start_ns, end_ns, "ASC")
        if first_ns is None:
            return
        last_ns = self._edge(shape, condition, start_ns, end_ns, "DESC")
        end_ns = first_ns + 1 if last_ns is None else last_ns + 1
        at_ns = first_ns
        while at_ns < end_ns:
            until_ns = min(end_ns, (at_ns // DAY_NS + 1) * DAY_NS) if by_day else end_ns
            found = False
            for points in self._pages(shape, condition, at_ns, until_ns):
                found = True
                yield points, (points[-1].at_ns - first_ns) / (end_ns - first_ns)
            at_ns = until_ns
            if not found and at_ns < end_ns:  # over a stretch without points in one step
                at_ns = self._edge(shape, condition, at_ns, end_ns, "ASC") or end_ns

    def _edge(self, shape: Shape, condition: str, start_ns: int, end_ns: int, order: str) -> int | None:
        asked = (
            f"SELECT * FROM {shape.source} WHERE {_within(condition, start_ns, end_ns)} ORDER BY time {order} LIMIT 1"
        )
        return next((int(row["time"]) for series in self.query(asked) for row in series.rows()), None)

    def _pages(self, shape: Shape, condition: str, start_ns: int, end_ns: int) -> Iterator[list[Point]]:
        """Points in the order of time, a page at a time; the next page begins where the last one ended."""
        skip = 0
        while True:
            answer = self.query(
                f"SELECT * FROM {shape.source} WHERE {_within(condition, start_ns, end_ns)}"
                f" ORDER BY time LIMIT {HELPING} OFFSET {skip}"
            )
            points = [point for series in answer for row in series.rows() if (point := _point(shape, row)) is not None]
            rows = sum(len(series.values) for series in answer)
            if points:
                yield points
            if rows < HELPING:
                return
            last_ns = int(answer[-1].values[-1][answer[-1].columns.index("time")])
            same = sum(1 for series in answer for row in series.rows() if row["time"] == last_ns)
            skip = skip + same if last_ns == start_ns else same
            start_ns = last_ns


def _within(condition: str, start_ns: int, end_ns: int) -> str:
    return f"{condition}{' AND ' if condition else ''}time >= {start_ns}ns AND time < {end_ns}ns"


def _point(shape: Shape, row: dict[str, Any]) -> Point | None:
    tags = {name: str(row[name]) for name in shape.tags if row.get(name) not in (None, "")}
    if shape.rolled:
        rolled = _rolled_fields(row)
        tags[ROLLED] = shape.rolled
        return Point(measurement=shape.name, tags=tags, fields=rolled, at_ns=int(row["time"])) if rolled else None
    fields: dict[str, float | str] = {}
    for name in shape.fields:
        value = row.get(name)
        if value is not None:
            fields[name] = value if isinstance(value, str) else float(value)
    if not fields:
        return None
    return Point(measurement=shape.name, tags=tags, fields=dict(sorted(fields.items())), at_ns=int(row["time"]))


def _rolled_fields(row: dict[str, Any]) -> dict[str, float | str]:
    """``mean_pulse``, ``count_pulse`` … as the fields of a point that stands for a minute or an hour."""
    fields: dict[str, float | str] = {}
    for metric in sorted(name.removeprefix("count_") for name in row if name.startswith("count_")):
        mean, count, low, high, last = (row.get(f"{name}_{metric}") for name in ("mean", "count", "min", "max", "last"))
        if None in (mean, count, low, high, last):
            continue
        values = (float(count), float(mean) * float(count), float(low), float(high), float(last))  # type: ignore[arg-type]
        fields |= {f"{metric}.{name}": value for name, value in zip(ROLLED_FIELDS, values, strict=True)}
    return fields
