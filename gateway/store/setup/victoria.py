"""VictoriaMetrics: nothing can be made there; how it was started is looked at."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

from gateway.settings import StoreSettings
from gateway.store.influx_http import InfluxHttp
from gateway.store.setup.step import Step

_FLAG = re.compile(r'^flag\{name="([^"]+)", ?value="([^"]*)"', re.MULTILINE)


async def look(http: InfluxHttp, settings: StoreSettings) -> AsyncIterator[Step]:
    """See `gateway.store.setup.set_up`."""
    answer = await http.call("GET", "/metrics", {})
    flags = dict(_FLAG.findall(answer.decode() if isinstance(answer, bytes) else ""))
    kept = flags.get("retentionPeriod", "")
    yield Step(
        did="attention" if not kept else "kept",
        what="retention",
        said=f"-retentionPeriod={kept} (a bare number: months); the settings say {settings.retention.raw}"
        if kept
        else "unknown: start the server with -retentionPeriod, its default is one month",
    )
    dedup = flags.get("dedup.minScrapeInterval", "")
    yield Step(
        did="kept" if dedup not in ("", "0s") else "attention",
        what="corrections",
        said=f"-dedup.minScrapeInterval={dedup}"
        if dedup not in ("", "0s")
        else "start the server with -dedup.minScrapeInterval=1ms: points that are written twice are kept twice without",
    )
    yield Step(
        did="attention",
        what="roll-ups by minute and hour",
        said="only its Enterprise edition has them; text is not kept, and the console cannot read it (PromQL only)",
    )
