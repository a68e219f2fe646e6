"""InfluxDB 1.x: a database, three retention policies, two continuous queries."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import NamedTuple

from gateway.settings import StoreSettings
from gateway.store.influx_http import InfluxHttp
from gateway.store.influxql import identifier
from gateway.store.setup.rolled import ROLL_UPS, RollUp, select_into, task_name
from gateway.store.setup.step import Step, in_words, refuse_to_shorten, seconds, shortens

_UNITS = {"h": 3600, "m": 60, "s": 1}


class Policy(NamedTuple):
    """A retention policy."""

    kept_s: int
    shard_s: int
    """Data is dropped by shards, which may not be wider than it is kept."""
    default: bool


async def set_up(http: InfluxHttp, settings: StoreSettings, *, shorten: bool, dry_run: bool) -> AsyncIterator[Step]:
    """See `gateway.store.setup.set_up`. A database that is there keeps its default policy, whatever that is called."""
    database, retention = settings.bucket, settings.retention
    there = [row[0] for one in await http.query("SHOW DATABASES") for row in one.values]

    async def run(statement: str) -> None:
        if not dry_run:
            await http.query(statement, method="POST")

    if database in there:
        yield Step(did="kept", what=f"database {database}")
        policies = await policies_of(http, database)
    else:
        await run(
            f"CREATE DATABASE {identifier(database)} WITH {_duration(seconds(retention.raw))} NAME {identifier('raw')}"
        )
        yield Step(did="made", what=f"database {database}")
        yield Step(did="made", what="retention policy raw (default)", said=f"keeps {retention.raw}")
        policies = {}
    raw = next((name for name, policy in policies.items() if policy.default), "raw")
    for name, kept in ((raw, retention.raw), *((one.name, getattr(retention, one.name)) for one in ROLL_UPS)):
        wanted_s, what = seconds(kept), f"retention policy {name}{' (default)' if name == raw else ''}"
        found = policies.get(name)
        on = f"{identifier(name)} ON {identifier(database)}"
        if found is None:
            if name != raw:
                await run(f"CREATE RETENTION POLICY {on} {_duration(wanted_s)} REPLICATION 1")
                yield Step(did="made", what=what, said=f"keeps {kept}")
        elif found.kept_s == wanted_s:
            yield Step(did="kept", what=what, said=f"keeps {kept}")
        elif shortens(found.kept_s, wanted_s) and not shorten:
            yield refuse_to_shorten(what, found.kept_s, wanted_s)
        else:
            narrower = f" SHARD DURATION {_shard_h(wanted_s)}h" if 0 < wanted_s < found.shard_s else ""
            await run(f"ALTER RETENTION POLICY {on} {_duration(wanted_s)}{narrower}")
            yield Step(did="changed", what=what, said=f"keeps {kept}, was {in_words(found.kept_s)}")
    known = await _continuous_queries(http, database) if database in there else {}
    for roll_up in ROLL_UPS:
        name, wanted = task_name(database, roll_up), _continuous_query(database, raw, roll_up)
        what = f"continuous query {name}"
        if _plain(known.get(name, "")) == _plain(wanted):
            yield Step(did="kept", what=what, said=_says(roll_up))
            continue
        if name in known:
            await run(f"DROP CONTINUOUS QUERY {identifier(name)} ON {identifier(database)}")
        await run(wanted)
        yield Step(did="changed" if name in known else "made", what=what, said=_says(roll_up))


async def policies_of(http: InfluxHttp, database: str) -> dict[str, Policy]:
    """The retention policies of a database, by name."""
    series = await http.query(f"SHOW RETENTION POLICIES ON {identifier(database)}")
    return {
        row["name"]: Policy(_in_seconds(row["duration"]), _in_seconds(row["shardGroupDuration"]), bool(row["default"]))
        for one in series
        for row in one.rows()
    }


async def _continuous_queries(http: InfluxHttp, database: str) -> dict[str, str]:
    found = await http.query("SHOW CONTINUOUS QUERIES")
    return {row["name"]: row["query"] for one in found if one.name == database for row in one.rows()}


def _continuous_query(database: str, raw: str, roll_up: RollUp) -> str:
    return (
        f"CREATE CONTINUOUS QUERY {identifier(task_name(database, roll_up))} ON {identifier(database)}"
        f" RESAMPLE EVERY {roll_up.every} FOR {roll_up.late} BEGIN {select_into(database, raw, roll_up)} END"
    )


def _says(roll_up: RollUp) -> str:
    return f"every {roll_up.every}, each time the last {roll_up.late}"


def _plain(query: str) -> str:
    """The server says a query back with its own quotes and spaces."""
    return re.sub(r'[\s"]', "", query)


def _duration(kept_s: int) -> str:
    return f"DURATION {kept_s // 3600}h" if kept_s else "DURATION INF"


def _shard_h(kept_s: int) -> int:
    """As the server itself chooses."""
    return 1 if kept_s < 2 * 86_400 else 24


def _in_seconds(duration: str) -> int:
    """``2160h0m0s`` in seconds; 0 is for ever."""
    return sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)([hms])", duration))
