"""InfluxDB 2.x: three buckets, their names for InfluxQL, two tasks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from gateway.settings import StoreSettings
from gateway.store.influx_http import InfluxHttp, Refused
from gateway.store.protocol import StoreUnavailable
from gateway.store.setup.rolled import ROLL_UPS, flux_task, task_name
from gateway.store.setup.step import Step, in_words, refuse_to_shorten, seconds, shortens


async def set_up(http: InfluxHttp, settings: StoreSettings, *, shorten: bool, dry_run: bool) -> AsyncIterator[Step]:
    """See `gateway.store.setup.set_up`. The buckets of roll-ups are called ``anju/minute`` and ``anju/hour``; InfluxQL
    finds them as the retention policies ``minute`` and ``hour`` of ``anju``, as on 1.x."""
    maker = _Maker(http, settings, shorten=shorten, dry_run=dry_run)
    retention = settings.retention
    await maker.find_org()
    raw_id, step = await maker.bucket(settings.bucket, seconds(retention.raw))
    yield step
    yield await maker.mapping(raw_id, "raw", default=True)
    for roll_up in ROLL_UPS:
        kept_s = seconds(getattr(retention, roll_up.name))
        bucket_id, step = await maker.bucket(f"{settings.bucket}/{roll_up.name}", kept_s)
        yield step
        yield await maker.mapping(bucket_id, roll_up.name, default=False)
        name = task_name(settings.bucket, roll_up)
        said = f"every {roll_up.every}, each time the last {roll_up.late}"
        yield await maker.task(name, flux_task(settings.bucket, roll_up), said)


class _Maker:
    def __init__(self, http: InfluxHttp, settings: StoreSettings, *, shorten: bool, dry_run: bool) -> None:
        self._http = http
        self._settings = settings
        self._shorten = shorten
        self._dry_run = dry_run
        self._org_id = ""

    async def find_org(self) -> None:
        """Raises StoreUnavailable where there is none of this name, or the token may not see it."""
        org = self._settings.org
        try:
            answer = await self._http.call("GET", "/api/v2/orgs", {"org": org})
        except Refused as error:
            if error.status != 404:
                raise
            answer = {}
        found = [one["id"] for one in answer.get("orgs", []) if one["name"] == org]
        if not found:
            raise StoreUnavailable(
                f"there is no organization {org}, or the token may not see it",
                hint="correct store.org, or give a token that may set up buckets and tasks by --token-secret",
            )
        self._org_id = found[0]

    async def bucket(self, name: str, kept_s: int) -> tuple[str, Step]:
        """Its id (empty where it would only be made), and what was done."""
        what, says = f"bucket {name}", f"keeps {in_words(kept_s)}"
        rules = [{"type": "expire", "everySeconds": kept_s}]
        answer = await self._http.call("GET", "/api/v2/buckets", {"orgID": self._org_id, "name": name})
        found = next((one for one in answer.get("buckets", []) if one["name"] == name), None)
        if found is None:
            body = {"orgID": self._org_id, "name": name, "retentionRules": rules}
            made = await self._do("POST", "/api/v2/buckets", body)
            return made.get("id", ""), Step(did="made", what=what, said=says)
        now_s = next((int(rule["everySeconds"]) for rule in found["retentionRules"]), 0)
        if now_s == kept_s:
            return found["id"], Step(did="kept", what=what, said=says)
        if shortens(now_s, kept_s) and not self._shorten:
            return found["id"], refuse_to_shorten(what, now_s, kept_s)
        await self._do("PATCH", f"/api/v2/buckets/{found['id']}", {"retentionRules": rules})
        return found["id"], Step(did="changed", what=what, said=f"{says}, was {in_words(now_s)}")

    async def mapping(self, bucket_id: str, policy: str, *, default: bool) -> Step:
        """The bucket's name in InfluxQL. What 2.x makes up by itself (``virtual``) is no promise of a default."""
        database = self._settings.bucket
        what = f"InfluxQL name {database}.{policy}{' (default)' if default else ''}"
        params = {"orgID": self._org_id, "db": database}
        answer = await self._http.call("GET", "/api/v2/dbrps", params)
        there = [one for one in answer.get("content", []) if not one.get("virtual")]
        if any(one["bucketID"] == bucket_id and bool(one["default"]) is default for one in there):
            return Step(did="kept", what=what)
        body = {
            "orgID": self._org_id,
            "bucketID": bucket_id,
            "database": database,
            "retention_policy": policy,
            "default": default,
        }
        taken = next((one for one in there if one["retention_policy"] == policy), None)
        if taken is not None and taken["bucketID"] != bucket_id:
            return Step(
                did="attention", what=what, said=f"is another bucket's ({taken['bucketID']}): remove that mapping"
            )
        if taken is not None:
            await self._do("PATCH", f"/api/v2/dbrps/{taken['id']}", {"default": default}, {"orgID": self._org_id})
            return Step(did="changed", what=what)
        await self._do("POST", "/api/v2/dbrps", body)
        return Step(did="made", what=what)

    async def task(self, name: str, flux: str, said: str) -> Step:
        what = f"task {name}"
        answer = await self._http.call("GET", "/api/v2/tasks", {"orgID": self._org_id, "name": name})
        found = next((one for one in answer.get("tasks", []) if one["name"] == name), None)
        if found is None:
            await self._do("POST", "/api/v2/tasks", {"orgID": self._org_id, "flux": flux, "status": "active"})
            return Step(did="made", what=what, said=said)
        if found["flux"].strip() == flux.strip() and found.get("status", "active") == "active":
            return Step(did="kept", what=what, said=said)
        await self._do("PATCH", f"/api/v2/tasks/{found['id']}", {"flux": flux, "status": "active"})
        return Step(did="changed", what=what, said=said)

    async def _do(self, method: str, path: str, body: dict[str, Any], params: dict[str, str] | None = None) -> Any:
        return {} if self._dry_run else await self._http.call(method, path, params or {}, body)
