"""The telemetry store on InfluxDB 1.x, 2.x, 3.x, and the writing half on VictoriaMetrics."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from dashboards.answer import Answer, Look
from dashboards.query import Query, TagValues
from devices.measurements import HAPPENINGS
from devices.observation import Observation, Waveform
from gateway.clock import Clock, SystemClock
from gateway.settings import StoreSettings
from gateway.store.asking import ask_influx
from gateway.store.influx_http import InfluxHttp, LinesRefused, Server, TooLarge
from gateway.store.influx_tiers import Kept, kept, old_parts
from gateway.store.influxql import Series, device_is, identifier, string, within
from gateway.store.line_protocol import EVENT, WAVEFORM, lines, point_line
from gateway.store.points import sample_time_ns, screen, screen_point
from gateway.store.protocol import (
    BadPoint,
    Bucket,
    Point,
    Reading,
    RefusedPoint,
    StampsOf,
    StoreUnavailable,
    unstamped,
)
from gateway.store.tiers import Part, as_buckets

LINES_PER_REQUEST = 5_000
NO_READINGS = frozenset((EVENT, WAVEFORM, *HAPPENINGS))
"""Measurements that have a tag ``device`` and hold no reading of it."""
VICTORIA_LAG_S = 15.0
"""VictoriaMetrics keeps new points in memory: killed, it loses those of the last 6 to 12 s (measured)."""


class Line(NamedTuple):
    """A line and which observation or point of the batch it comes from."""

    owner: int
    text: str


class InfluxStore:
    """A `gateway.store.protocol.Store` by HTTP. Finds out at first use, and after every outage, what it talks to."""

    def __init__(self, settings: StoreSettings, token: str, clock: Clock | None = None) -> None:
        """``token``: 2.x and 3.x an API token, 1.x ``user:password``, empty where no one is asked."""
        self._http = InfluxHttp(settings, token)
        self._clock = clock or SystemClock()
        self._kept: Kept | None = None
        self._server: Server | None = None
        self._started = ""
        self._restarted = False
        self.restarts = 0
        self.durability_lag_s = VICTORIA_LAG_S  # until the server is known

    async def write(self, observations: Sequence[Observation], stamps: StampsOf = unstamped) -> list[BadPoint]:
        server = await self._known()
        if self._restarted:
            self._restarted = False  # whoever writes knows now, and will offer again what may be gone
            raise _started_anew()
        reasons, batch = await asyncio.to_thread(_format, observations, stamps)
        await self._send_all(server, batch, reasons)
        return [
            BadPoint(observation=observations[owner], reason=_said(found)) for owner, found in sorted(reasons.items())
        ]

    async def write_points(self, points: Sequence[Point]) -> list[RefusedPoint]:
        server = await self._known()
        reasons, batch = _format_points(points, text=not server.victoria)
        await self._send_all(server, batch, reasons)
        return [RefusedPoint(point=points[owner], reason=_said(found)) for owner, found in sorted(reasons.items())]

    async def _send_all(self, server: Server, batch: list[Line], reasons: dict[int, list[str]]) -> None:
        try:
            for start in range(0, len(batch), LINES_PER_REQUEST):
                await self._send(server, batch[start : start + LINES_PER_REQUEST], reasons)
        except StoreUnavailable:
            self._server = None  # another version may come back
            raise

    async def _send(self, server: Server, batch: list[Line], reasons: dict[int, list[str]]) -> None:
        """Write ``batch``; lines that the server will never take are found, by halves if it must be, and set aside."""
        if not batch:
            return
        try:
            await self._http.write(server, "\n".join(line.text for line in batch))
            return
        except LinesRefused as error:
            refused, named, all_refused = str(error), error.lines, error.dropped == len(batch)
        except TooLarge as error:
            refused, named, all_refused = f"too large for the server: {error}", {}, False
        named = {number: why for number, why in named.items() if 0 <= number < len(batch)}
        if all_refused or len(batch) == 1:
            named = dict.fromkeys(range(len(batch)), refused)
        if named:
            for number, why in named.items():
                reasons.setdefault(batch[number].owner, []).append(why)
            await self._send(server, [line for number, line in enumerate(batch) if number not in named], reasons)
            return
        middle = len(batch) // 2
        await self._send(server, batch[:middle], reasons)
        await self._send(server, batch[middle:], reasons)

    async def latest(self, device: str) -> dict[str, Reading]:
        server = await self._readable()
        kinds = await self._kinds(device)
        if not kinds:
            return {}
        fields = await self._http.query(";".join(f"SHOW FIELD KEYS FROM {identifier(kind)}" for kind in kinds))
        wanted = [(series.name, row["fieldKey"]) for series in fields for row in series.rows()]
        # InfluxDB 3 Core refuses to search more than three days of files.
        recent = " AND time > now() - 3d" if server.major >= 3 else ""
        statements = [
            f"SELECT last({identifier(metric)}) FROM {identifier(kind)} WHERE {device_is(device)}{recent}"
            for kind, metric in wanted
        ]
        newest: dict[str, Reading] = {}
        for series in await self._http.query(";".join(statements)) if statements else []:
            metric = wanted[series.statement][1]
            at_ms, value = series.values[0]
            if metric not in newest or at_ms > newest[metric].at_ms:
                newest[metric] = Reading(at_ms=at_ms, device=device, metric=metric, value=float(value))
        return newest

    async def readings(self, device: str, metric: str, start_ms: int, end_ms: int, limit: int) -> list[Reading]:
        await self._readable()
        found = await self._values(await self._kinds(device), device, metric, start_ms, end_ms, f" LIMIT {int(limit)}")
        return found[:limit]

    async def buckets(self, device: str, metric: str, start_ms: int, end_ms: int, width_s: int) -> list[Bucket]:
        server = await self._readable()
        kinds = await self._kinds(device)
        if len(kinds) > 1:  # the id was given to another kind of device: `last` needs both histories in one order
            values = await self._values(kinds, device, metric, start_ms, end_ms)
            parts = (Part(r.at_ms, 1, r.value, r.value, r.value, r.value) for r in values)
            return as_buckets(parts, width_s * 1000)
        if not kinds:
            return []
        if self._kept is None:
            self._kept = await kept(self._http, server, self._http.settings)
        now_ms = self._clock.now_ms()
        raw_from = min(max(self._kept.raw_from_ms(now_ms), start_ms), end_ms)
        fresh = await self._fresh_buckets(kinds[0], device, metric, raw_from, end_ms, width_s)
        if raw_from == start_ms:
            return fresh
        old = await old_parts(self._http, self._kept, kinds[0], device, metric, start_ms, raw_from, now_ms)
        new = [Part(b.start_ms, b.count, b.mean * b.count, b.low, b.high, b.last) for b in fresh]
        return as_buckets([*old, *new], width_s * 1000)

    async def _fresh_buckets(
        self, kind: str, device: str, metric: str, start_ms: int, end_ms: int, width_s: int
    ) -> list[Bucket]:
        """From the readings themselves."""
        if start_ms >= end_ms:
            return []
        field = identifier(metric)
        series = await self._http.query(
            f"SELECT count({field}), mean({field}), min({field}), max({field}), last({field})"
            f" FROM {identifier(kind)} WHERE {within(device, start_ms, end_ms)}"
            f" GROUP BY time({width_s}s) fill(none)"
        )
        return [
            Bucket(
                start_ms=row["time"],
                count=int(row["count"]),
                mean=float(row["mean"]),
                low=float(row["min"]),
                high=float(row["max"]),
                last=float(row["last"]),
            )
            for one in series
            for row in one.rows()
        ]

    async def waveforms(self, device: str, start_ms: int, end_ms: int) -> list[tuple[int, Waveform]]:
        await self._readable()
        heads = await self._http.query(
            f"SELECT rate_hz, samples FROM {WAVEFORM} WHERE {within(device, start_ms, end_ms)}"
            ' GROUP BY "name", "lead", "unit"',
        )
        strips = [
            (row["time"], await self._strip(device, head, row["time"], float(row["rate_hz"]), int(row["samples"])))
            for head in heads
            for row in head.rows()
            if row["rate_hz"] is not None
        ]
        return sorted(strips, key=lambda strip: (strip[0], strip[1].name, strip[1].lead))

    async def _strip(self, device: str, head: Series, start_ms: int, rate_hz: float, count: int) -> Waveform:
        """The samples at the instants that belong to this strip; another may overlap it."""
        instants = [sample_time_ns(start_ms, rate_hz, index) for index in range(count)]
        where = " AND ".join(f"{identifier(tag)} = {string(value)}" for tag, value in head.tags.items())
        series = await self._http.query(
            f"SELECT value FROM {WAVEFORM} WHERE {device_is(device)} AND {where}"
            f" AND time >= {instants[0]}ns AND time <= {instants[-1]}ns",
            epoch="ns",
        )
        values = {row["time"]: float(row["value"]) for one in series for row in one.rows()}
        return Waveform(
            name=head.tags["name"],
            lead=head.tags["lead"],
            rate_hz=rate_hz,
            unit=head.tags["unit"],
            samples=tuple(values[instant] for instant in instants if instant in values),
        )

    async def events(self, device: str, start_ms: int, end_ms: int) -> list[tuple[int, str]]:
        await self._readable()
        series = await self._http.query(
            f'SELECT value FROM {EVENT} WHERE {within(device, start_ms, end_ms)} GROUP BY "event"'
        )
        return sorted((row["time"], one.tags["event"]) for one in series for row in one.rows())

    async def ask(self, query: Query | TagValues, look: Look) -> Answer:
        await self._readable()
        return await ask_influx(self._http, query, look)

    async def ping(self) -> str:
        server = await self._http.detect()
        self._learn(server)
        if self._restarted:
            raise _started_anew()
        return server.name

    async def count_restarts(self) -> int:
        self._learn(await self._http.detect())
        return self.restarts

    async def close(self) -> None:
        await self._http.close()

    async def _known(self) -> Server:
        if self._server is None:
            self._learn(await self._http.detect())
            assert self._server is not None
        return self._server

    def _learn(self, server: Server) -> None:
        if self._started not in ("", server.started):
            self._restarted = True
            self.restarts += 1
        self._server, self._started, self._kept = server, server.started, None
        self.durability_lag_s = VICTORIA_LAG_S if server.victoria else 0.0

    async def _readable(self) -> Server:
        server = await self._known()
        if server.victoria:
            raise StoreUnavailable(
                "VictoriaMetrics cannot be read by InfluxQL: history and latest values are not shown here",
                hint="read it with PromQL (Grafana), or use InfluxDB or the embedded store for the console",
            )
        return server

    async def _kinds(self, device: str) -> list[str]:
        """The measurements that hold readings of ``device``."""
        series = await self._http.query(f'SHOW TAG VALUES WITH KEY = "device" WHERE {device_is(device)}')
        return [one.name for one in series if one.name not in NO_READINGS]

    async def _values(
        self, kinds: list[str], device: str, metric: str, start_ms: int, end_ms: int, limit: str = ""
    ) -> list[Reading]:
        """Readings from all ``kinds``, oldest first; ``limit`` applies to each."""
        if not kinds:
            return []
        series = await self._http.query(
            f"SELECT {identifier(metric)} FROM {','.join(map(identifier, kinds))}"
            f" WHERE {within(device, start_ms, end_ms)}{limit}"
        )
        found = [
            Reading(at_ms=at_ms, device=device, metric=metric, value=float(value))
            for one in series
            for at_ms, value in one.values
        ]
        return sorted(found, key=lambda reading: reading.at_ms)


def _started_anew() -> StoreUnavailable:
    return StoreUnavailable(
        "VictoriaMetrics was started anew: what it had in memory is written again",
        hint="nothing to do; if it happens often, look at the server's log",
    )


def _said(reasons: list[str]) -> str:
    return "; ".join(dict.fromkeys(reasons))


def _format(observations: Sequence[Observation], stamps: StampsOf) -> tuple[dict[int, list[str]], list[Line]]:
    """Reasons by index for what cannot be stored, and the lines of the rest."""
    reasons: dict[int, list[str]] = {}
    batch: list[Line] = []
    for owner, observation in enumerate(observations):
        sound, reason = screen(observation)
        if reason:
            reasons[owner] = [reason]
        if sound is not None:
            batch.extend([Line(owner, text) for text in lines(sound, stamps(sound.device))])
    return reasons, batch


def _format_points(points: Sequence[Point], *, text: bool) -> tuple[dict[int, list[str]], list[Line]]:
    reasons: dict[int, list[str]] = {}
    batch: list[Line] = []
    for owner, point in enumerate(points):
        sound, reason = screen_point(point)
        if reason:
            reasons[owner] = [reason]
        if sound is not None and (line := point_line(sound, text=text)):
            batch.append(Line(owner, line))
    return reasons, batch
