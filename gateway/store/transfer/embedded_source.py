"""The embedded store read out: readings, minutes and hours, events, strips and points, device by device."""

from __future__ import annotations

import heapq
import json
import sqlite3
from collections.abc import Iterator, Mapping
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from gateway.store.line_protocol import EVENT, WAVEFORM
from gateway.store.points import sample_time_ns
from gateway.store.protocol import Point, StoreUnavailable
from gateway.store.telemetry_file import SCHEMA_VERSION, unavailable, unpack
from gateway.store.transfer.selection import MS, Selection, Span
from gateway.store.transfer.source import ROLLED, ROLLED_FIELDS, Helping, helpings

_PLACED = ("kind", "community", "grid", "building", "place", "resident")
WIDTHS = {"1m": "minute", "1h": "hour"}
"""The tag `ROLLED` and the table it is of."""


class EmbeddedSource:
    """A `gateway.store.transfer.source.Source`, also beside a running gateway: each device is one short read."""

    def __init__(self, path: Path, kinds: Mapping[str, str]) -> None:
        """``kinds``: by device, for those whose kind the file does not know (any more). Raises StoreUnavailable."""
        self._path = path
        self._kinds = kinds
        if not path.exists():
            raise StoreUnavailable(f"{path} does not exist", hint="no gateway has run with this data directory")
        try:
            self._run = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
            self._run.execute("PRAGMA busy_timeout = 10000")
            version = int(self._run.execute("PRAGMA user_version").fetchone()[0])
        except sqlite3.Error as error:
            raise unavailable(path, error) from error
        if version != SCHEMA_VERSION:
            raise StoreUnavailable(
                f"{path}: has schema {version}, this Anju {SCHEMA_VERSION}",
                hint="start the gateway once: it upgrades it",
            )

    @property
    def name(self) -> str:
        return "embedded SQLite"

    def read(self, selection: Selection) -> Iterator[Helping]:
        try:
            devices = self._devices(selection)
            everything = len(devices) + 1
            for number, device in enumerate(devices, 1):
                yield from helpings(filter(selection.takes, self._of_device(device, selection)), number / everything)
            yield from helpings(filter(selection.takes, self._points(selection)), 1.0)
        except sqlite3.Error as error:
            raise unavailable(self._path, error) from error

    def close(self) -> None:
        self._run.close()

    def _devices(self, selection: Selection) -> list[str]:
        if selection.devices:
            return sorted(selection.devices)
        found = {
            row[0]
            for table in ("series", "event", "waveform", "placed")
            for row in self._run.execute(f"SELECT DISTINCT device FROM {table}")
        }
        if selection.resident and not selection.without:
            served = set(selection.serving.devices_of(selection.resident))
            served |= {
                row[0]
                for row in self._run.execute("SELECT device FROM placed WHERE resident = ?", (selection.resident,))
            }
            found &= served
        return sorted(found)

    def _of_device(self, device: str, selection: Selection) -> Iterator[Point]:
        row = self._run.execute(f"SELECT {', '.join(_PLACED)} FROM placed WHERE device = ?", (device,)).fetchone()
        placed = dict(zip(_PLACED, row, strict=True)) if row is not None else {}
        kind = placed.pop("kind", "") or self._kinds.get(device, "unknown")
        tagged = _Tagged(device, kind, placed, selection)
        series = self._run.execute(
            "SELECT id, metric FROM series WHERE device = ? ORDER BY metric", (device,)
        ).fetchall()
        span = Span(device, selection.start_ms, selection.end_ms)
        for width, table in reversed(WIDTHS.items()):
            yield from self._rolled(tagged, series, span, width, table)
        yield from self._raw(tagged, series, span)
        yield from self._events(tagged, span)
        yield from self._strips(tagged, span)

    def _raw(self, tagged: _Tagged, series: list[tuple[int, str]], span: Span) -> Iterator[Point]:
        def readings(id_: int, metric: str) -> Iterator[tuple[int, str, float]]:
            rows = self._run.execute(
                "SELECT at_ms, value FROM raw WHERE series = ? AND at_ms >= ? AND at_ms < ? ORDER BY at_ms",
                (id_, span.start_ms, span.end_ms),
            )
            return ((at_ms, metric, value) for at_ms, value in rows)

        merged = heapq.merge(*(readings(id_, metric) for id_, metric in series))
        for at_ms, group in groupby(merged, key=itemgetter(0)):
            yield tagged.point(tagged.kind, at_ms * MS, {metric: value for _, metric, value in group}, {})

    def _rolled(
        self, tagged: _Tagged, series: list[tuple[int, str]], span: Span, width: str, table: str
    ) -> Iterator[Point]:
        """Minutes and hours that cannot be computed from what is finer."""
        finer = "raw" if table == "minute" else "minute"
        row = self._run.execute("SELECT at_ms FROM complete_from WHERE name = ?", (finer,)).fetchone()
        end_ms = min(span.end_ms, int(row[0]))

        def units(id_: int, metric: str) -> Iterator[tuple[int, str, tuple[float, ...]]]:
            rows = self._run.execute(
                f"SELECT at_ms, n, sum, low, high, last FROM {table} WHERE series = ? AND at_ms >= ? AND at_ms < ?"
                " ORDER BY at_ms",
                (id_, span.start_ms, end_ms),
            )
            return ((at_ms, metric, tuple(map(float, values))) for at_ms, *values in rows)

        merged = heapq.merge(*(units(id_, metric) for id_, metric in series), key=itemgetter(0, 1))
        for at_ms, group in groupby(merged, key=itemgetter(0)):
            fields = {
                f"{metric}.{name}": value
                for _, metric, values in group
                for name, value in zip(ROLLED_FIELDS, values, strict=True)
            }
            yield tagged.point(tagged.kind, at_ms * MS, fields, {ROLLED: width})

    def _events(self, tagged: _Tagged, span: Span) -> Iterator[Point]:
        rows = self._run.execute(
            "SELECT at_ms, event FROM event WHERE device = ? AND at_ms >= ? AND at_ms < ? ORDER BY at_ms, event", span
        )
        for at_ms, event in rows:
            yield tagged.point(EVENT, at_ms * MS, {"value": 1.0}, {"kind": tagged.kind, "event": event})

    def _strips(self, tagged: _Tagged, span: Span) -> Iterator[Point]:
        rows = self._run.execute(
            "SELECT at_ms, name, lead, rate_hz, unit, samples FROM waveform"
            " WHERE device = ? AND at_ms >= ? AND at_ms < ? ORDER BY at_ms, name, lead",
            span,
        )
        for at_ms, name, lead, rate_hz, unit, blob in rows:
            samples = unpack(blob)
            tags = {"kind": tagged.kind, "name": name, "lead": lead, "unit": unit}
            head = {"rate_hz": float(rate_hz), "samples": float(len(samples))}
            for index, value in enumerate(samples):
                yield tagged.point(WAVEFORM, sample_time_ns(at_ms, rate_hz, index), head | {"value": value}, tags)
                head = {}

    def _points(self, selection: Selection) -> Iterator[Point]:
        series = self._run.execute("SELECT id, measurement, tags FROM point_series ORDER BY id").fetchall()
        for id_, measurement, tags in series:
            if selection.measurements and measurement not in selection.measurements:
                continue
            rows = self._run.execute(
                "SELECT at_ns, field, value FROM point WHERE series = ? AND at_ns >= ? AND at_ns < ?"
                " ORDER BY at_ns, field",
                (id_, selection.start_ms * MS, selection.end_ms * MS),
            )
            known: dict[str, str] = json.loads(tags)
            for at_ns, group in groupby(rows, key=itemgetter(0)):
                yield Point(
                    measurement=measurement, tags=known, fields={name: value for _, name, value in group}, at_ns=at_ns
                )


class _Tagged:
    """Points of one device with its stamps: where it is, and whom it served then."""

    def __init__(self, device: str, kind: str, placed: Mapping[str, Any], selection: Selection) -> None:
        self.kind = kind
        self._device = device
        self._placed = placed
        self._serving = selection.serving

    def point(self, measurement: str, at_ns: int, fields: Mapping[str, float | str], tags: Mapping[str, str]) -> Point:
        # A device that served nobody then and somebody by now: what comes late bears the stamp of now, as in InfluxDB.
        known = self._serving.at(self._device, at_ns // MS)
        resident = known or self._placed.get("resident", "")
        all_tags = {"device": self._device} | dict(tags) | dict(self._placed) | {"resident": resident}
        return Point(
            measurement=measurement,
            tags={tag: value for tag, value in all_tags.items() if value},
            fields=fields,
            at_ns=at_ns,
        )
