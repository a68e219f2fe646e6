"""InfluxDB's past, by InfluxQL."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection

from gateway.settings import StoreSettings
from gateway.store.influx_http import InfluxHttp
from gateway.store.influxql import identifier
from gateway.store.line_protocol import EVENT
from gateway.store.past import Said, ordered
from gateway.store.protocol import StoreUnavailable


class InfluxPast:
    """A `gateway.store.past.Past`: one query for all devices of all kinds."""

    def __init__(self, settings: StoreSettings, token: str, kinds: Collection[str]) -> None:
        self._http = InfluxHttp(settings, token)
        self._loop = asyncio.Runner()
        self._url = settings.url
        try:
            server = self._loop.run(self._http.detect())
            if server.victoria:
                raise StoreUnavailable(
                    "VictoriaMetrics cannot be read by InfluxQL",
                    hint="export from it, or take the journal: the same back-test without --store",
                )
            there = self._loop.run(self._http.query("SHOW MEASUREMENTS"))
        except BaseException:
            self.close()
            raise
        names = {row[0] for series in there for row in series.values}
        self._kinds = sorted(names.intersection(kinds))
        self._events = EVENT in names

    @property
    def name(self) -> str:
        return f"influxdb {self._url}"

    def coarse_before_ms(self) -> int:
        return 0

    def begins_ms(self) -> int | None:
        found: list[int] = []
        for measurement in (*self._kinds, *([EVENT] if self._events else [])):
            series = self._loop.run(self._http.query(f"SELECT * FROM {identifier(measurement)} ORDER BY time LIMIT 1"))
            found += [row["time"] for one in series for row in one.rows()]
        return min(found, default=None)

    def between(self, start_ms: int, end_ms: int) -> list[Said]:
        where = f"WHERE time >= {start_ms}ms AND time < {end_ms}ms"
        values: dict[tuple[int, str], dict[str, float]] = {}
        events: list[tuple[int, str, str]] = []
        if self._kinds:
            tables = ", ".join(identifier(kind) for kind in self._kinds)
            for series in self._loop.run(self._http.query(f"SELECT * FROM {tables} {where}")):
                for row in series.rows():
                    values.setdefault((row["time"], row["device"]), {}).update(
                        (name, float(value))
                        for name, value in row.items()
                        if name != "time" and isinstance(value, int | float)
                    )
        if self._events:
            for series in self._loop.run(self._http.query(f"SELECT * FROM {EVENT} {where}")):
                events += [(row["time"], row["device"], row["event"]) for row in series.rows()]
        return ordered(values, sorted(events))

    def close(self) -> None:
        with contextlib.closing(self._loop):
            self._loop.run(self._http.close())
