"""Buckets older than InfluxDB keeps readings: from its roll-ups by the minute and by the hour (`gateway.store.setup`).

As in the embedded store: where the finer ones are gone, a minute (an hour) belongs to the range that holds its start.
"""

from __future__ import annotations

from typing import NamedTuple

from gateway.settings import StoreSettings
from gateway.store.influx_http import InfluxHttp, Refused, Server
from gateway.store.influxql import identifier, within
from gateway.store.setup.influx1 import policies_of
from gateway.store.telemetry_file import HOUR
from gateway.store.tiers import Part


class Kept(NamedTuple):
    """How long the server keeps what, in seconds; 0 is for ever."""

    raw_s: int
    minute_s: int

    def raw_from_ms(self, now_ms: int) -> int:
        """Readings are all there from this hour on."""
        return _from(self.raw_s, now_ms)

    def minute_from_ms(self, now_ms: int) -> int:
        """Minutes are all there from this hour on."""
        return _from(self.minute_s, now_ms)


ALL = Kept(0, 0)


async def kept(http: InfluxHttp, server: Server, settings: StoreSettings) -> Kept:
    """What the server keeps; `ALL` where it has no roll-ups, so that readings are all there is."""
    if server.major == 1:
        policies = await policies_of(http, settings.bucket)
        raw = next((policy for policy in policies.values() if policy.default), None)
        if raw is None or not {"minute", "hour"} <= policies.keys():
            return ALL
        return Kept(raw.kept_s, policies["minute"].kept_s)
    if server.major == 2:
        found: list[int] = []
        for name in (settings.bucket, f"{settings.bucket}/minute", f"{settings.bucket}/hour"):
            try:
                answer = await http.call("GET", "/api/v2/buckets", {"org": settings.org, "name": name})
            except Refused as error:
                if error.status in (401, 403, 404):
                    return ALL  # not there, or not ours to see
                raise
            rules = [one["retentionRules"] for one in answer.get("buckets", []) if one["name"] == name]
            if not rules:
                return ALL
            found.append(next((int(rule["everySeconds"]) for rule in rules[0]), 0))
        return Kept(found[0], found[1])
    return ALL


async def old_parts(
    http: InfluxHttp, of: Kept, kind: str, device: str, metric: str, start_ms: int, end_ms: int, now_ms: int
) -> list[Part]:
    """Hours and minutes that begin in ``start_ms <= t < end_ms``, oldest first; minutes as long as they are kept."""
    minute_from = min(max(of.minute_from_ms(now_ms), start_ms), end_ms)
    names = {function: identifier(f"{function}_{metric}") for function in ("count", "mean", "min", "max", "last")}
    found: list[Part] = []
    for policy, begin, end in (("hour", start_ms, minute_from), ("minute", minute_from, end_ms)):
        if begin >= end:
            continue
        series = await http.query(
            f"SELECT {', '.join(f'{name} AS {function}' for function, name in names.items())}"
            f" FROM {identifier(policy)}.{identifier(kind)} WHERE {within(device, begin, end)}"
        )
        rows = [row for one in series for row in one.rows() if row["count"]]
        found += [
            Part(
                row["time"],
                int(row["count"]),
                float(row["mean"]) * int(row["count"]),
                float(row["min"]),
                float(row["max"]),
                float(row["last"]),
            )
            for row in rows
        ]
    return found


def _from(kept_s: int, now_ms: int) -> int:
    return 0 if kept_s == 0 else -(-(now_ms - kept_s * 1000) // HOUR) * HOUR
