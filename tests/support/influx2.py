"""A stand-in for InfluxDB 2.x' management API that takes nothing but what its published contract allows.

What may be sent and what comes back is after contracts/ref/oss.yml of https://github.com/influxdata/openapi (MIT) at
commit ad26a17809307a9b190d5ca0ef6d0a0f094993ff: names of parameters and properties, which are required, their types,
and the status of an answer; nothing of the document's text. Behaviour beside it is after the manual of 2.x: a bucket
without a mapping of its own is shown with a *virtual* one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import jsonschema
from aiohttp import web

ORG, ORG_ID = "anju", "0a0a0a0a0a0a0a0a"
TOKEN = "operator-token"

_TEXT = {"type": "string"}
_RULES = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["everySeconds"],
        "additionalProperties": False,
        "properties": {
            "type": {"enum": ["expire"]},
            "everySeconds": {"type": "integer", "minimum": 0},
            "shardGroupDurationSeconds": {"type": "integer"},
        },
    },
}
_STATUS = {"enum": ["active", "inactive"]}


def _object(required: tuple[str, ...], **properties: object) -> dict[str, object]:
    return {"type": "object", "required": list(required), "additionalProperties": False, "properties": properties}


BODIES: Final[dict[tuple[str, str], dict[str, object]]] = {
    ("POST", "/api/v2/buckets"): _object(
        ("orgID", "name"), orgID=_TEXT, name=_TEXT, description=_TEXT, rp=_TEXT, retentionRules=_RULES
    ),
    ("PATCH", "/api/v2/buckets/{id}"): _object((), name=_TEXT, description=_TEXT, retentionRules=_RULES),
    ("POST", "/api/v2/dbrps"): _object(
        ("bucketID", "database", "retention_policy"),
        bucketID=_TEXT,
        database=_TEXT,
        retention_policy=_TEXT,
        default={"type": "boolean"},
        org=_TEXT,
        orgID=_TEXT,
    ),
    ("PATCH", "/api/v2/dbrps/{id}"): _object((), retention_policy=_TEXT, default={"type": "boolean"}),
    ("POST", "/api/v2/tasks"): _object(
        ("flux",), flux=_TEXT, org=_TEXT, orgID=_TEXT, status=_STATUS, description=_TEXT
    ),
    ("PATCH", "/api/v2/tasks/{id}"): _object(
        (), flux=_TEXT, status=_STATUS, name=_TEXT, every=_TEXT, offset=_TEXT, cron=_TEXT, description=_TEXT
    ),
    ("POST", "/api/v2/query"): {
        **_object(("query",), query=_TEXT, type={"enum": ["flux"]}, now={"type": "string", "format": "date-time"}),
    },
}
PARAMS: Final[dict[tuple[str, str], frozenset[str]]] = {
    ("GET", "/api/v2/orgs"): frozenset(("org", "orgID", "userID", "offset", "limit", "descending")),
    ("GET", "/api/v2/buckets"): frozenset(("org", "orgID", "name", "id", "offset", "limit", "after")),
    ("GET", "/api/v2/dbrps"): frozenset(("org", "orgID", "id", "bucketID", "default", "db", "rp")),
    ("PATCH", "/api/v2/dbrps/{id}"): frozenset(("org", "orgID")),
    ("GET", "/api/v2/tasks"): frozenset(("name", "after", "user", "org", "orgID", "status", "limit", "type")),
    ("POST", "/api/v2/query"): frozenset(("org", "orgID")),
}
"""Every parameter a request may have in its query."""


class Influx2:
    """What the server holds. `wrong` is everything that a request had and must not have."""

    def __init__(self) -> None:
        self.buckets: dict[str, dict[str, Any]] = {}
        self.dbrps: dict[str, dict[str, Any]] = {}
        self.tasks: dict[str, dict[str, Any]] = {}
        self.changes: list[tuple[str, str]] = []
        self.queries: list[str] = []
        self.wrong: list[str] = []
        self._ids = iter(range(1, 1000))

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/ping", self._ping)
        for path, store in (("buckets", self.buckets), ("dbrps", self.dbrps), ("tasks", self.tasks)):
            app.router.add_get(f"/api/v2/{path}", self._handler(f"/api/v2/{path}", getattr(self, f"_get_{path}")))
            app.router.add_post(f"/api/v2/{path}", self._handler(f"/api/v2/{path}", self._maker(path, store)))
            app.router.add_patch(
                f"/api/v2/{path}/{{id}}", self._handler(f"/api/v2/{path}/{{id}}", self._changer(path, store))
            )
        app.router.add_get("/api/v2/orgs", self._handler("/api/v2/orgs", self._get_orgs))
        app.router.add_post("/api/v2/query", self._handler("/api/v2/query", self._query))
        return app

    def add_bucket(self, name: str, every_s: int) -> str:
        id_ = self._id()
        rules = [{"type": "expire", "everySeconds": every_s}] if every_s else []
        self.buckets[id_] = {"id": id_, "orgID": ORG_ID, "name": name, "retentionRules": rules, "type": "user"}
        return id_

    def _id(self) -> str:
        return f"{next(self._ids):016x}"

    async def _ping(self, _: web.Request) -> web.Response:
        return web.Response(status=204, headers={"X-Influxdb-Version": "v2.9.1"})

    def _handler(
        self, path: str, answer: Callable[[web.Request, Any], web.Response]
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            if request.headers.get("Authorization") != f"Token {TOKEN}":
                return web.json_response({"code": "unauthorized", "message": "unauthorized access"}, status=401)
            key = (request.method, path)
            unknown = set(request.query) - PARAMS.get(key, frozenset())
            if unknown:
                self.wrong.append(f"{key}: parameters {sorted(unknown)}")
            body: Any = None
            if request.method != "GET":
                if request.headers.get("Content-Type") != "application/json":
                    self.wrong.append(f"{key}: content type {request.headers.get('Content-Type')}")
                body = await request.json()
                for error in jsonschema.Draft202012Validator(BODIES[key]).iter_errors(body):
                    self.wrong.append(f"{key}: {error.message}")
                self.changes.append((request.method, str(request.rel_url)))
            return answer(request, body)

        return handle

    def _get_orgs(self, request: web.Request, _: Any) -> web.Response:
        if request.query["org"] != ORG:
            message = f'organization name "{request.query["org"]}" not found'
            return web.json_response({"code": "not found", "message": message}, status=404)
        return web.json_response({"orgs": [{"id": ORG_ID, "name": ORG}]})

    def _get_buckets(self, request: web.Request, _: Any) -> web.Response:
        found = [one for one in self.buckets.values() if one["name"] == request.query["name"]]
        return web.json_response({"buckets": found})

    def _get_dbrps(self, request: web.Request, _: Any) -> web.Response:
        if not request.query.keys() & {"org", "orgID"}:
            return web.json_response({"code": "invalid", "message": "org or orgID is required"}, status=400)
        mapped = {one["bucketID"] for one in self.dbrps.values()}
        virtual = []
        for bucket in self.buckets.values():
            database, _slash, policy = bucket["name"].partition("/")
            if bucket["id"] not in mapped:
                virtual.append(
                    {
                        "id": bucket["id"],
                        "orgID": ORG_ID,
                        "bucketID": bucket["id"],
                        "database": database,
                        "retention_policy": policy or "autogen",
                        "default": not policy,
                        "virtual": True,
                    }
                )
        there = [one for one in (*self.dbrps.values(), *virtual) if one["database"] == request.query["db"]]
        return web.json_response({"content": there})

    def _get_tasks(self, request: web.Request, _: Any) -> web.Response:
        found = [one for one in self.tasks.values() if one["name"] == request.query["name"]]
        return web.json_response({"tasks": found})

    def _maker(self, path: str, store: dict[str, dict[str, Any]]) -> Callable[[web.Request, Any], web.Response]:
        def make(_: web.Request, body: Any) -> web.Response:
            id_ = self._id()
            store[id_] = {"id": id_, **body}
            if path == "tasks":
                store[id_] |= {"name": body["flux"].split('name: "')[1].split('"')[0]}
            return web.json_response(store[id_], status=201)

        return make

    def _changer(self, _path: str, store: dict[str, dict[str, Any]]) -> Callable[[web.Request, Any], web.Response]:
        def change(request: web.Request, body: Any) -> web.Response:
            known = store.get(request.match_info["id"])
            if known is None:
                return web.json_response({"code": "not found", "message": "not found"}, status=404)
            known.update(body)
            return web.json_response(known)

        return change

    def _query(self, _: web.Request, body: Any) -> web.Response:
        self.queries.append(body["query"])
        return web.Response(text="#datatype,string\r\n", content_type="text/csv")
