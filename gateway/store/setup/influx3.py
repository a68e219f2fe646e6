"""InfluxDB 3 Core: a database. It computes no roll-ups by itself, and never changes how long it keeps data."""

from __future__ import annotations

from collections.abc import AsyncIterator

from gateway.settings import StoreSettings
from gateway.store.influx_http import InfluxHttp, Refused
from gateway.store.setup.step import Step

_PATH = "/api/v3/configure/database"
_NAME = "iox::database"


async def set_up(http: InfluxHttp, settings: StoreSettings, *, dry_run: bool) -> AsyncIterator[Step]:
    """See `gateway.store.setup.set_up`."""
    database, kept = settings.bucket, settings.retention.raw
    what = f"database {database}"
    answer = await http.call("GET", _PATH, {"format": "json"})
    if database in {one.get(_NAME) for one in answer or [] if not one.get("deleted")}:
        yield Step(
            did="kept", what=what, said="how long it keeps data was said when it was made, and cannot be changed"
        )
    else:
        body = {"db": database} if kept == "forever" else {"db": database, "retention_period": kept}
        try:
            if not dry_run:
                await http.call("POST", _PATH, {}, body)
            yield Step(did="made", what=what, said=f"keeps {kept}")
        except Refused as error:
            if error.status not in (400, 422) or "retention_period" not in body:
                raise
            # The first releases of 3 Core know no retention period.
            await http.call("POST", _PATH, {}, {"db": database})
            yield Step(did="made", what=what, said=f"keeps forever: this release refuses a retention period ({error})")
    yield Step(
        did="attention",
        what="roll-ups by minute and hour",
        said="InfluxDB 3 Core has no tasks, and searches about three days at a time: for charts of months use 2.x, or "
        "the embedded store",
    )
