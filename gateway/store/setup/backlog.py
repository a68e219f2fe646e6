"""Roll-ups of a stretch of the past, for readings that came later than the server computes again by itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import NamedTuple

from gateway.settings import StoreSettings
from gateway.store.influx_http import InfluxHttp, Server
from gateway.store.protocol import StoreUnavailable
from gateway.store.setup.influx1 import policies_of
from gateway.store.setup.rolled import ROLL_UPS, RollUp, flux, select_into


class Progress(NamedTuple):
    """How far it is."""

    roll_up: RollUp
    until_ms: int
    share: float
    """Of all, 0 to 1."""


async def roll_up_again(
    http: InfluxHttp, server: Server, settings: StoreSettings, start_ms: int, end_ms: int
) -> AsyncIterator[Progress]:
    """Compute minutes and hours that begin in ``start_ms <= t < end_ms`` anew; again it gives the same.

    What the server has no readings of any more stays as it was. Raises StoreUnavailable, also where the server has no
    roll-ups.
    """
    if server.major not in (1, 2):
        raise StoreUnavailable(
            f"{server.name} has no roll-ups", hint="they are made on InfluxDB 1.x and 2.x: see docs/telemetry.md"
        )
    raw = ""
    if server.major == 1:
        policies = await policies_of(http, settings.bucket)
        missing = [one.name for one in ROLL_UPS if one.name not in policies]
        if missing:
            raise StoreUnavailable(
                f"{settings.bucket} has no retention policy {', '.join(missing)}", hint="run `anju store setup` first"
            )
        raw = next(name for name, policy in policies.items() if policy.default)
    spans = [(one, *_whole(one, start_ms, end_ms)) for one in ROLL_UPS]
    total = sum(last - first for _, first, last in spans) or 1
    done = 0
    for roll_up, first, last in spans:
        step_ms = roll_up.step_s * 1000
        for begin in range(first, last, step_ms):
            end = min(begin + step_ms, last)
            if server.major == 1:
                where = f" WHERE time >= {begin}ms AND time < {end}ms"
                await http.query(select_into(settings.bucket, raw, roll_up, where), method="POST")
            else:
                body = {"query": flux(settings.bucket, roll_up, _rfc3339(begin), _rfc3339(end)), "type": "flux"}
                await http.call("POST", "/api/v2/query", {"org": settings.org}, body)
            done += end - begin
            yield Progress(roll_up, end, done / total)


def _whole(roll_up: RollUp, start_ms: int, end_ms: int) -> tuple[int, int]:
    """The range widened to whole minutes or hours: a part of one must never replace the whole."""
    width = roll_up.width_s * 1000
    return start_ms // width * width, -(-end_ms // width) * width


def _rfc3339(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
