"""Which server is there, and whether it has been set up: for `anju doctor`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from gateway.settings import StoreSettings
from gateway.store.influx_http import InfluxHttp, Refused
from gateway.store.setup import set_up


class Found(NamedTuple):
    """What answers, and what `anju store setup` would make."""

    server: str
    missing: Sequence[str]


async def what_is_there(settings: StoreSettings, token: str) -> Found:
    """Changes nothing. Raises StoreUnavailable: nobody answers, or the token may not read.

    A token that may read and write, and not manage, cannot see what is missing: then that is not said.
    """
    http = InfluxHttp(settings, token)
    try:
        server = await http.detect()
        missing: list[str] = []
        try:
            async for step in set_up(http, server, settings, dry_run=True):
                if step.did == "made":
                    missing.append(step.what)
        except Refused as error:
            if error.status not in (401, 403):
                raise
        if not server.victoria and not missing:
            await http.query("SHOW MEASUREMENTS")
        return Found(server.name, missing)
    finally:
        await http.close()
