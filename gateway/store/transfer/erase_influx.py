"""Erasure in InfluxDB and VictoriaMetrics, by what each of them can do; where one cannot, it says what to do instead.

1.x deletes over all retention policies of the database; 2.x by its own interface, bucket by bucket; 3 Core deletes only
whole tables; VictoriaMetrics only whole series.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from gateway.settings import StoreSettings
from gateway.store.influx_http import InfluxHttp, Refused, Server
from gateway.store.influxql import identifier, string
from gateway.store.setup.rolled import ROLL_UPS
from gateway.store.transfer.influx_source import InfluxSource, Shape
from gateway.store.transfer.selection import END_MS, MS, Selection, Span
from gateway.store.transfer.source import CannotErase

YEAR_2100 = "4102444800"
RECENT_MS = 60_000
"""An order that goes up to now is of whole series."""
BY_HAND = (
    "export what stays (/api/v1/export), delete the series (/api/v1/admin/tsdb/delete_series), import what stays "
    "(/api/v1/import); see https://docs.victoriametrics.com/guides/guide-delete-or-replace-metrics"
)


def influx_requests(source: InfluxSource, selection: Selection, spans: Sequence[Span]) -> list[Cut]:
    """What is to be deleted, as conditions on tags and a range each."""
    cuts = [Cut({"device": span.device}, span.start_ms, span.end_ms) for span in spans]
    if not selection.resident:
        return cuts
    stamp = {"resident": selection.resident}
    for shape in source.shapes():
        if "resident" not in shape.tags:
            continue
        if "device" not in shape.tags:
            if not selection.devices:
                cuts.append(Cut(stamp, selection.start_ms, selection.end_ms, shape.name))
            continue
        stamped = source.devices(shape, f'"resident" = {string(selection.resident)}')
        for device in sorted(stamped & selection.devices if selection.devices else stamped):
            cuts += [
                Cut(stamp | {"device": device}, span.start_ms, span.end_ms, shape.name)
                for span in selection.if_stamped(device)
            ]
    return cuts


class Cut:
    """Points with these tags in a range, of one measurement or (``""``) of all."""

    def __init__(self, tags: dict[str, str], start_ms: int, end_ms: int, measurement: str = "") -> None:
        self.tags = tags
        self.start_ms = start_ms
        self.end_ms = min(end_ms, END_MS)
        self.measurement = measurement

    def influxql(self) -> str:
        """As a statement of InfluxDB 1.x."""
        of = f" FROM {identifier(self.measurement)}" if self.measurement else ""
        where = " AND ".join(f"{identifier(tag)} = {string(value)}" for tag, value in sorted(self.tags.items()))
        return f"DELETE{of} WHERE {where} AND time >= {self.start_ms * MS}ns AND time < {self.end_ms * MS}ns"

    def predicate(self) -> dict[str, str]:
        """As the body of ``/api/v2/delete``, whose range holds both its ends."""
        tags = ({"_measurement": self.measurement} if self.measurement else {}) | self.tags
        return {
            "start": _rfc3339(self.start_ms * MS),
            "stop": _rfc3339(self.end_ms * MS - 1),
            "predicate": " AND ".join(f'"{_quoted(tag)}"="{_quoted(value)}"' for tag, value in sorted(tags.items())),
        }


class InfluxErasure:
    """One erasure on one server. Every step may be done again. Blocking."""

    def __init__(self, settings: StoreSettings, token: str) -> None:
        """Raises StoreUnavailable."""
        self._settings = settings
        self._http = InfluxHttp(settings, token)
        self._loop = asyncio.Runner()
        try:
            self.server: Server = self._loop.run(self._http.detect())
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        with contextlib.closing(self._loop):
            self._loop.run(self._http.close())

    def erase(
        self, source: InfluxSource, selection: Selection, spans: Sequence[Span], tell: Callable[[float], None]
    ) -> int:
        """Delete in InfluxDB 1.x or 2.x; returns the number of requests. Raises StoreUnavailable, CannotErase."""
        if self.server.major >= 3:
            raise CannotErase(_three(self._settings, selection))
        cuts = influx_requests(source, selection, spans)
        buckets = self._buckets() if self.server.major == 2 else []
        for number, cut in enumerate(cuts, 1):
            if self.server.major == 1:
                self._command(cut.influxql())
            for bucket in buckets:
                params = {"org": self._settings.org, "bucket": bucket}
                self._loop.run(self._http.call("POST", "/api/v2/delete", params, cut.predicate()))
            tell(number / len(cuts))
        if self.server.major == 1 and selection.resident:
            self._drop_empty(source, selection)
        return len(cuts) * max(1, len(buckets))

    def _drop_empty(self, source: InfluxSource, selection: Selection) -> None:
        """Series without points stay in the index of InfluxDB 1.x, with the resident's id: those go as well."""
        for shape in source.shapes():
            if "resident" in shape.tags and not _holds(source, shape, selection.resident):
                of, stamp = identifier(shape.name), f'"resident" = {string(selection.resident)}'
                self._command(f"DROP SERIES FROM {of} WHERE {stamp}")

    def _command(self, statement: str) -> None:
        self._loop.run(self._http.query(statement, method="POST"))

    def _buckets(self) -> list[str]:
        """The bucket and those of its roll-ups."""
        names = [self._settings.bucket, *(f"{self._settings.bucket}/{one.name}" for one in ROLL_UPS)]
        return [name for name in names if self._has_bucket(name)]

    def _has_bucket(self, name: str) -> bool:
        try:
            answer = self._loop.run(
                self._http.call("GET", "/api/v2/buckets", {"org": self._settings.org, "name": name})
            )
        except Refused as refused:
            if refused.status != 404:
                raise
            return False
        return any(bucket["name"] == name for bucket in answer["buckets"])

    def erase_series(self, selection: Selection, spans: Sequence[Span], now_ms: int) -> int:
        """Delete whole series of VictoriaMetrics; returns how many. Raises StoreUnavailable, CannotErase."""
        matches = self._matches(selection, spans, now_ms)
        found = sum(map(self._series, matches))
        for match in matches:
            self._loop.run(self._http.call("POST", "/api/v1/admin/tsdb/delete_series", {"match[]": match}))
        return found

    def series(self, selection: Selection, spans: Sequence[Span], now_ms: int) -> int:
        """How many series of VictoriaMetrics would go. Raises StoreUnavailable, CannotErase."""
        return sum(map(self._series, self._matches(selection, spans, now_ms)))

    def _matches(self, selection: Selection, spans: Sequence[Span], now_ms: int) -> list[str]:
        """Which series go. Raises CannotErase where only a part of one would have to."""
        if selection.start_ms > 0 or selection.end_ms < now_ms - RECENT_MS:
            raise CannotErase(f"VictoriaMetrics deletes whole series only, no ranges: {BY_HAND}")
        self._loop.run(self._http.call("GET", "/internal/force_flush", {}))  # what came in the last second is found too
        devices = sorted({span.device for span in spans})
        if not selection.resident:
            return [f"{{device={_label(device)}}}" for device in devices]
        own = f"resident={_label(selection.resident)}"
        if selection.devices:
            matches = [f"{{device={_label(device)},{own}}}" for device in sorted(selection.devices)]
        else:
            matches = [f"{{{own}}}"]
        for device in devices:
            unstamped = f'{{device={_label(device)},resident=""}}'  # from before there were stamps
            if self._series(unstamped):
                if served_others(selection, device):
                    raise CannotErase(
                        f"VictoriaMetrics deletes whole series only, and those of {device} without a resident's id are "
                        f"of several people: {BY_HAND}"
                    )
                matches.append(unstamped)
        return matches

    def _series(self, match: str) -> int:
        params = {"match[]": match, "start": "1", "end": YEAR_2100}  # beyond that it finds nothing at all
        return len(self._loop.run(self._http.call("GET", "/api/v1/series", params))["data"])


def served_others(selection: Selection, device: str) -> bool:
    """Whether the device served somebody else too, so that series without a stamp may be of both."""
    return any(one.resident not in (selection.resident, "", None) for one in selection.serving.life(device))


def _holds(source: InfluxSource, shape: Shape, resident: str) -> bool:
    asked = f'SELECT * FROM {shape.source} WHERE "resident" = {string(resident)} LIMIT 1'
    return any(series.values for series in source.query(asked))


def _three(settings: StoreSettings, selection: Selection) -> str:
    whom = f"--without-resident {selection.resident}" if selection.resident else "(without the device)"
    return (
        "InfluxDB 3 Core cannot delete points, only whole tables and databases. Instead:\n"
        f"  1. anju store export {whom} --to keep.lp.gz\n"
        f"  2. influxdb3 create database {settings.bucket}-2, and store.bucket: {settings.bucket}-2 in the settings\n"
        "  3. restart the gateway, then: anju store import keep.lp.gz\n"
        f"  4. influxdb3 delete database --hard-delete now {settings.bucket}\n"
        "The order stands: what the journal still holds of it is not written any more."
    )


def _rfc3339(at_ns: int) -> str:
    seconds, ns = divmod(at_ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{ns:09d}Z"


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _label(text: str) -> str:
    return '"' + _quoted(text) + '"'
