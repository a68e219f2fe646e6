"""Making a telemetry server ready: databases, how long they keep what, and roll-ups by minute and hour."""

from __future__ import annotations

from collections.abc import AsyncIterator

from gateway.settings import StoreSettings
from gateway.store.influx_http import InfluxHttp, Server
from gateway.store.setup import influx1, influx2, influx3, victoria
from gateway.store.setup.step import Step


async def set_up(
    http: InfluxHttp, server: Server, settings: StoreSettings, *, shorten: bool = False, dry_run: bool = False
) -> AsyncIterator[Step]:
    """Bring ``server`` to what ``settings`` say, step by step; run again it changes nothing.

    What is there already and would be kept for a shorter time than now loses data: that is done only with ``shorten``.
    With ``dry_run`` nothing is done, and every step says what would be. Raises StoreUnavailable.
    """
    if server.victoria:
        steps = victoria.look(http, settings)
    elif server.major == 1:
        steps = influx1.set_up(http, settings, shorten=shorten, dry_run=dry_run)
    elif server.major == 2:
        steps = influx2.set_up(http, settings, shorten=shorten, dry_run=dry_run)
    else:
        steps = influx3.set_up(http, settings, dry_run=dry_run)
    async for step in steps:
        yield step
