"""The data half of an InfluxDB 2.x for tests: ``/api/v2/delete`` by its published contract, everything else an influxd
1.6.7 does.

The contract is that of ``DeletePredicateRequest`` in contracts/ref/oss.yml of https://github.com/influxdata/openapi at
commit ad26a17809307a9b190d5ca0ef6d0a0f094993ff; predicates are after the manual: ``tag="value"`` joined by AND.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import aiohttp
import jsonschema
from aiohttp import web

from tests.support.stores import BUCKET, Influxd

TOKEN = "all-access"
BODY = {
    "type": "object",
    "required": ["start", "stop"],
    "additionalProperties": False,
    "properties": {
        "start": {"type": "string", "format": "date-time"},
        "stop": {"type": "string", "format": "date-time"},
        "predicate": {"type": "string"},
    },
}
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z")
_TERM = re.compile(r'"((?:[^"\\]|\\.)*)"="((?:[^"\\]|\\.)*)"( AND |$)')


class Influx2Data:
    """Behind it stands ``server``; ``version`` is what it says of itself."""

    def __init__(self, server: Influxd, version: str = "v2.9.1") -> None:
        self._server = server
        self._version = version
        self.deleted: list[tuple[str, str]] = []
        """Bucket and predicate."""
        self.url = ""

    @contextmanager
    def serving(self) -> Iterator[Influx2Data]:
        """Serve on a free port, in a thread of its own."""
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, daemon=True)
        thread.start()
        runner = asyncio.run_coroutine_threadsafe(self._start(), loop).result(10)
        try:
            yield self
        finally:
            asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
            loop.call_soon_threadsafe(loop.stop)
            thread.join(10)
            loop.close()

    async def _start(self) -> web.AppRunner:
        app = web.Application()
        app.router.add_get("/ping", self._ping)
        app.router.add_get("/query", self._query)
        app.router.add_get("/api/v2/buckets", self._buckets)
        app.router.add_post("/api/v2/delete", self._delete)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        return runner

    async def _ping(self, _: web.Request) -> web.Response:
        return web.Response(status=204, headers={"X-Influxdb-Version": self._version})

    async def _query(self, request: web.Request) -> web.Response:
        async with aiohttp.ClientSession() as http:
            answer = await http.get(f"{self._server.url}/query", params=request.query)
            return web.json_response(await answer.json(), status=answer.status)

    async def _buckets(self, request: web.Request) -> web.Response:
        name = request.query["name"]
        if name not in (BUCKET, f"{BUCKET}/minute"):
            return web.json_response({"code": "not found", "message": f'bucket "{name}" not found'}, status=404)
        return web.json_response({"buckets": [{"id": "1", "name": name, "retentionRules": []}]})

    async def _delete(self, request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == f"Token {TOKEN}"
        assert set(request.query) <= {"org", "bucket", "orgID", "bucketID"}
        assert request.headers["Content-Type"] == "application/json"
        body = await request.json()
        jsonschema.validate(body, BODY)
        self.deleted.append((request.query["bucket"], body["predicate"]))
        if request.query["bucket"] == BUCKET:
            start_ns, stop_ns = (_ns(body[end]) for end in ("start", "stop"))
            terms = _terms(body["predicate"])
            of = f' FROM "{terms.pop("_measurement")}"' if "_measurement" in terms else ""
            where = " AND ".join(f"\"{tag}\" = '{value}'" for tag, value in terms.items())
            self._server.query(f"DELETE{of} WHERE {where} AND time >= {start_ns}ns AND time <= {stop_ns}ns")
        return web.Response(status=204)


def _terms(predicate: str) -> dict[str, str]:
    found, place = {}, 0
    while place < len(predicate):
        term = _TERM.match(predicate, place)
        assert term is not None, predicate
        found[term[1]] = term[2]
        place = term.end()
    return found


def _ns(text: str) -> int:
    found = _TIME.fullmatch(text)
    assert found is not None, text
    at = datetime.fromisoformat(found[1]).replace(tzinfo=UTC)
    return round(at.timestamp()) * 1_000_000_000 + int((found[2] or "").ljust(9, "0"))
