"""`anju store setup`: real InfluxDB 1.6.7 and VictoriaMetrics, 2.x by its published contract, 3 Core by its manual."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from typer.testing import CliRunner

from gateway.api.store_cli import store_app
from gateway.clock import SystemClock
from gateway.settings import RetentionSettings, StoreSettings
from gateway.store.influx import InfluxStore
from gateway.store.influx_http import InfluxHttp
from gateway.store.protocol import Point, StoreUnavailable
from gateway.store.setup import set_up
from gateway.store.setup.backlog import roll_up_again
from gateway.store.setup.rolled import ROLL_UPS, flux_task, kinds_pattern
from tests.integration.test_store_protocol import reckon
from tests.support.eventually import eventually_async
from tests.support.influx2 import ORG, TOKEN, Influx2
from tests.support.ports import free_port
from tests.support.stores import BUCKET, Influxd, Victoria, observe

DAY_S, HOUR = 86_400, 3_600_000
Steps = list[tuple[str, str]]


@pytest.fixture(scope="module")
def influxd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influxd]:
    server = Influxd(tmp_path_factory.mktemp("influxd"))
    server.start()
    try:
        yield server
    finally:
        server.kill()


@pytest.fixture
def fresh(influxd: Influxd) -> Iterator[Influxd]:
    """No database."""
    yield influxd
    influxd.drop()


async def run(settings: StoreSettings, token: str = "", *, shorten: bool = False, dry_run: bool = False) -> Steps:
    http = InfluxHttp(settings, token)
    try:
        server = await http.detect()
        steps = set_up(http, server, settings, shorten=shorten, dry_run=dry_run)
        return [(step.did, f"{step.what} {step.said}".strip()) async for step in steps]
    finally:
        await http.close()


def keeping(settings: StoreSettings, **retention: str) -> StoreSettings:
    return settings.model_copy(update={"retention": RetentionSettings.model_validate(retention)})


def did(steps: Steps) -> list[str]:
    return [did for did, _ in steps]


def policies(server: Influxd) -> dict[str, tuple[str, bool]]:
    [series] = server.query(f"SHOW RETENTION POLICIES ON {BUCKET}")
    return {row[0]: (row[1], row[4]) for row in series["values"]}


# --- InfluxDB 1.x ---


async def test_an_empty_server_is_made_ready_and_the_second_time_nothing_changes(fresh: Influxd) -> None:
    first = await run(fresh.settings)
    assert set(did(first)) == {"made"}
    wanted = {"raw": ("2160h0m0s", True), "minute": ("4320h0m0s", False), "hour": ("0s", False)}
    assert policies(fresh) == wanted

    second = await run(fresh.settings)
    assert set(did(second)) == {"kept"} and len(second) == len(first)
    assert policies(fresh) == wanted


async def test_a_dry_run_does_nothing(fresh: Influxd) -> None:
    assert set(did(await run(fresh.settings, dry_run=True))) == {"made"}
    assert [BUCKET] not in fresh.query("SHOW DATABASES")[0].get("values", [])
    await run(fresh.settings)
    shorter = keeping(fresh.settings, raw="30d", hour="365d")
    assert "changed" in did(await run(shorter, shorten=True, dry_run=True))
    assert policies(fresh)["raw"] == ("2160h0m0s", True)


async def test_a_database_that_is_there_keeps_its_data_and_its_default_policy(fresh: Influxd) -> None:
    fresh.create()  # as somebody made it: kept for ever, in `autogen`
    store = InfluxStore(fresh.settings, "")
    now = SystemClock().now_ms()
    await store.write([observe(now - 300 * DAY_S * 1000, {"pulse": 60}), observe(now, {"pulse": 61})])

    steps = await run(fresh.settings)
    assert ("attention", steps[1][1]) == steps[1] and "--shorten" in steps[1][1] and "autogen" in steps[1][1]
    assert policies(fresh)["autogen"] == ("0s", True)
    assert len(await store.readings("bed-3", "pulse", 0, now + 1, 10)) == 2

    assert "changed" in did(await run(fresh.settings, shorten=True))
    assert policies(fresh)["autogen"] == ("2160h0m0s", True)
    longer = keeping(fresh.settings, raw="200d")
    assert [said for did, said in await run(longer) if did == "changed"] == [
        "retention policy autogen (default) keeps 200d, was 90d"
    ], "longer needs no leave"
    await store.close()


async def test_readings_are_rolled_up_and_late_ones_correct_it(fresh: Influxd) -> None:
    # A database of its own: a query runs at once when it is new to the server, and then every ten minutes.
    settings = fresh.settings.model_copy(update={"bucket": "rolled"})
    fresh.query('CREATE DATABASE "rolled" WITH DURATION 90d NAME "raw"')
    store = InfluxStore(settings, "")
    minute = (SystemClock().now_ms() // 60_000 - 4) * 60_000
    batch = [observe(minute + i * 10_000, {"pulse": 60.0 + i, "spo2": 97.0}) for i in range(6)]
    await store.write(batch)
    case = Point(measurement="case", tags={"grid": "g"}, fields={"open": 1.0, "id": "7"}, at_ns=minute * 1_000_000)
    await store.write_points([case])

    def rolled() -> dict[str, Any]:
        series = fresh.query('SELECT * FROM "rolled"."minute"./.*/')
        assert [one["name"] for one in series] in ([], ["vitals_monitor"]), "readings of devices, and nothing else"
        rows = [
            {name: value for name, value in zip(one["columns"], row, strict=True) if value is not None}
            for one in series
            for row in one["values"]
        ]
        return next((row for row in rows if row["time"] == minute), {})

    await run(settings)
    await eventually_async(lambda: bool(rolled()), 20)
    wanted = {"time": minute, "device": "bed-3"}
    for metric, values in (("pulse", [60, 61, 62, 63, 64, 65]), ("spo2", [97] * 6)):
        wanted |= {f"mean_{metric}": sum(values) / 6, f"min_{metric}": min(values), f"max_{metric}": max(values)}
        wanted |= {f"count_{metric}": 6, f"last_{metric}": values[-1]}
    assert rolled() == wanted

    await store.write([observe(minute + 5_000, {"pulse": 180.0})])  # late; and resent
    http = InfluxHttp(settings, "")
    for _ in range(2):
        await store.write(batch)
        shares = [
            at.share async for at in roll_up_again(http, await http.detect(), settings, minute + 7_000, minute + 8_000)
        ]
        assert shares[-1] == 1
        found = rolled()
        assert (found["max_pulse"], found["count_pulse"], found["count_spo2"]) == (180, 7, 6)
        [hour] = fresh.query('SELECT * FROM "rolled"."hour"."vitals_monitor"')
        counts = [dict(zip(hour["columns"], row, strict=True))["count_pulse"] for row in hour["values"]]
        assert counts == [7]
    await http.close()
    await store.close()
    fresh.query('DROP DATABASE "rolled"')


async def test_what_comes_to_be_known_later_comes_into_the_query(fresh: Influxd) -> None:
    await run(fresh.settings)
    fresh.query(f'DROP CONTINUOUS QUERY "{BUCKET}-hour" ON "{BUCKET}"')
    older = f'SELECT mean(*) INTO "{BUCKET}"."hour".:MEASUREMENT FROM "{BUCKET}"."raw"./^(smoke)$/ GROUP BY time(1h), *'
    fresh.query(f'CREATE CONTINUOUS QUERY "{BUCKET}-hour" ON "{BUCKET}" BEGIN {older} END')
    changed = [said for did, said in await run(fresh.settings) if did == "changed"]
    assert len(changed) == 1 and "anju-hour" in changed[0]
    assert set(did(await run(fresh.settings))) == {"kept"}


async def test_without_a_set_up_there_is_nothing_to_roll_up_into(fresh: Influxd) -> None:
    fresh.create()
    http = InfluxHttp(fresh.settings, "")
    with pytest.raises(StoreUnavailable, match="no retention policy minute, hour") as caught:
        async for _ in roll_up_again(http, await http.detect(), fresh.settings, 0, 1):
            pass
    assert "anju store setup" in caught.value.hint
    await http.close()


def test_the_command(fresh: Influxd, tmp_path: Path) -> None:
    settings = tmp_path / "anju.yaml"
    settings.write_text(
        json.dumps({"store": {"kind": "influxdb", "url": fresh.url, "token_secret": ""}, "data_dir": str(tmp_path)})
    )
    there = ["--settings", str(settings)]
    first = CliRunner().invoke(store_app, ["setup", *there])
    assert first.exit_code == 0, first.output
    assert first.output.startswith("InfluxDB 1.6.7") and "+ continuous query anju-minute" in first.output
    again = CliRunner().invoke(store_app, ["setup", *there])
    assert again.exit_code == 0 and "+" not in again.output and "= database anju" in again.output
    done = CliRunner().invoke(store_app, ["downsample", "--from", "2026-10-01", "--to", "2026-10-02", *there])
    assert done.exit_code == 0 and "done" in done.output
    wrong = CliRunner().invoke(store_app, ["downsample", "--from", "yesterday", "--to", "2026-10-02", *there])
    assert wrong.exit_code == 2


# --- InfluxDB 2.x ---


@asynccontextmanager
async def served(app: web.Application) -> AsyncIterator[str]:
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


@pytest.fixture
async def influx2() -> AsyncIterator[tuple[Influx2, StoreSettings]]:
    server = Influx2()
    async with served(server.app()) as url:
        yield server, StoreSettings(kind="influxdb", url=url, bucket=BUCKET, org=ORG)
    assert server.wrong == [], "every request is as the published contract has it"


async def test_2_is_made_ready_and_the_second_time_nothing_changes(influx2: tuple[Influx2, StoreSettings]) -> None:
    server, settings = influx2
    assert set(did(await run(settings, TOKEN))) == {"made"}
    kept = {one["name"]: one["retentionRules"][0]["everySeconds"] for one in server.buckets.values()}
    assert kept == {"anju": 90 * DAY_S, "anju/minute": 180 * DAY_S, "anju/hour": 0}
    names = {(one["database"], one["retention_policy"], one["default"]) for one in server.dbrps.values()}
    assert names == {("anju", "raw", True), ("anju", "minute", False), ("anju", "hour", False)}
    assert {one["name"] for one in server.tasks.values()} == {"anju-minute", "anju-hour"}

    server.changes.clear()
    assert set(did(await run(settings, TOKEN))) == {"kept"}
    assert server.changes == []


async def test_a_bucket_of_2_that_is_there_loses_nothing_unasked(influx2: tuple[Influx2, StoreSettings]) -> None:
    server, settings = influx2
    bucket = server.add_bucket(BUCKET, 0)
    assert did(await run(settings, TOKEN))[:2] == ["attention", "made"]
    assert server.buckets[bucket]["retentionRules"] == []
    assert did(await run(settings, TOKEN, shorten=True))[0] == "changed"
    assert server.buckets[bucket]["retentionRules"] == [{"type": "expire", "everySeconds": 90 * DAY_S}]


async def test_a_task_of_2_is_brought_up_to_date(influx2: tuple[Influx2, StoreSettings]) -> None:
    server, settings = influx2
    await run(settings, TOKEN)
    task = next(iter(server.tasks.values()))
    right, task["flux"] = task["flux"], task["flux"].replace("vitals_monitor|", "")
    server.changes.clear()
    assert did(await run(settings, TOKEN)).count("changed") == 1
    assert task["flux"] == right and len(server.changes) == 1


async def test_a_dry_run_on_2_changes_nothing(influx2: tuple[Influx2, StoreSettings]) -> None:
    server, settings = influx2
    assert set(did(await run(settings, TOKEN, dry_run=True))) == {"made"}
    assert server.changes == []


async def test_who_may_not_set_up_2_is_told(influx2: tuple[Influx2, StoreSettings]) -> None:
    _, settings = influx2
    with pytest.raises(StoreUnavailable, match="401"):
        await run(settings, "another")
    with pytest.raises(StoreUnavailable, match="no organization elsewhere") as caught:
        await run(settings.model_copy(update={"org": "elsewhere"}), TOKEN)
    assert "store.org" in caught.value.hint


async def test_a_backlog_on_2_is_rolled_up_by_whole_minutes_and_hours(influx2: tuple[Influx2, StoreSettings]) -> None:
    server, settings = influx2
    http = InfluxHttp(settings, TOKEN)
    start = 1_790_000_000_000 // 3_600_000 * 3_600_000
    found = [
        at async for at in roll_up_again(http, await http.detect(), settings, start + 61_500, start + 13 * 3_600_000)
    ]
    await http.close()
    assert found[-1].share == 1 and [at.roll_up.name for at in found] == ["minute", "minute", "minute", "hour"]
    spans = [re.findall(r"(?:start|stop) = (\S+)", query) for query in server.queries]
    assert spans == [  # stop, start
        ["2026-09-21T20:01:00Z", "2026-09-21T14:01:00Z"],
        ["2026-09-22T02:01:00Z", "2026-09-21T20:01:00Z"],
        ["2026-09-22T03:00:00Z", "2026-09-22T02:01:00Z"],
        ["2026-09-22T03:00:00Z", "2026-09-21T14:00:00Z"],
    ]
    assert 'from(bucket: "anju")' in server.queries[0] and 'to(bucket: "anju/minute")' in server.queries[0]


# --- InfluxDB 3 Core ---


def core(there: list[str], made: list[dict[str, Any]], *, knows_retention: bool = True) -> web.Application:
    """After https://docs.influxdata.com/influxdb3/core/admin/databases/create/."""

    async def ping(_: web.Request) -> web.Response:
        return web.json_response({"version": "3.4.0"}, headers={"X-Influxdb-Version": "3.4.0"})

    async def listed(request: web.Request) -> web.Response:
        assert request.query == {"format": "json"} and request.headers["Authorization"] == "Bearer admin"
        return web.json_response([{"iox::database": name, "deleted": False} for name in there])

    async def make(request: web.Request) -> web.Response:
        body = await request.json()
        if "retention_period" in body and not knows_retention:
            return web.Response(status=400, text="unknown field `retention_period`")
        made.append(body)
        there.append(body["db"])
        return web.Response(status=200)

    app = web.Application()
    app.router.add_get("/ping", ping)
    app.router.add_get("/api/v3/configure/database", listed)
    app.router.add_post("/api/v3/configure/database", make)
    return app


@pytest.mark.parametrize("knows_retention", [True, False])
async def test_3_core_gets_its_database_and_what_it_cannot_do_is_said(knows_retention: bool) -> None:
    there: list[str] = ["_internal"]
    made: list[dict[str, Any]] = []
    async with served(core(there, made, knows_retention=knows_retention)) as url:
        settings = StoreSettings(kind="influxdb", url=url, bucket=BUCKET)
        first, second = await run(settings, "admin"), await run(settings, "admin")
    assert made == [{"db": "anju", "retention_period": "90d"} if knows_retention else {"db": "anju"}]
    assert ("keeps forever" in first[0][1]) is not knows_retention
    assert did(first) == ["made", "attention"] and did(second) == ["kept", "attention"]
    assert "roll-ups" in first[1][1] and "2.x" in first[1][1]


# --- VictoriaMetrics ---


async def test_victoria_metrics_says_how_it_was_started(tmp_path: Path) -> None:
    server = Victoria(tmp_path)
    server.start()
    try:
        steps = await run(server.settings)
    finally:
        server.kill()
    assert "-retentionPeriod=100y" in steps[0][1] and "-dedup.minScrapeInterval=1ms" in steps[1][1]
    assert did(steps) == ["kept", "kept", "attention"]


# --- what roll-ups are for --------------------------------------------------------------------------------------------


async def test_charts_go_on_where_readings_are_gone(fresh: Influxd) -> None:
    settings = fresh.settings.model_copy(update={"bucket": "aged"})
    fresh.query('CREATE DATABASE "aged" WITH DURATION INF SHARD DURATION 1h NAME "raw"')
    now = SystemClock().now_ms()
    start = (now // HOUR - 5 * 24) * HOUR
    readings = {at: 60.0 + (at // 97_000) % 31 for at in range(start, now, 97_000)}
    store = InfluxStore(settings, "")
    await store.write([observe(at, {"pulse": value, "spo2": 97.0}) for at, value in readings.items()])
    await run(settings)
    http = InfluxHttp(settings, "")
    async for _ in roll_up_again(http, await http.detect(), settings, start, now):
        pass
    await http.close()

    async def look(start_ms: int, end_ms: int, width_s: int) -> None:
        found = await store.buckets("bed-3", "pulse", start_ms, end_ms, width_s)
        wanted = reckon(readings, start_ms, end_ms, width_s)
        assert [(b.start_ms, b.count, b.low, b.high, b.last) for b in found] == [
            (b.start_ms, b.count, b.low, b.high, b.last) for b in wanted
        ]
        assert [b.mean for b in found] == pytest.approx([b.mean for b in wanted])

    await look(start, now, 3600)  # all readings are there yet
    await run(keeping(settings, raw="1d", minute="2d"), shorten=True)
    [shards] = [one for one in fresh.query("SHOW SHARDS") if one["name"] == "aged"]
    for shard in (dict(zip(shards["columns"], row, strict=True)) for row in shards["values"]):
        days = {"raw": 1, "minute": 2}.get(shard["retention_policy"])
        if days and shard["end_time"] < f"{datetime.fromtimestamp(now / 1000 - days * DAY_S, UTC):%Y-%m-%dT%H:%M:%SZ}":
            fresh.query(f"DROP SHARD {shard['id']}")
    await store.close()
    store = InfluxStore(settings, "")
    [raw] = fresh.query('SELECT count(pulse) FROM "aged"."raw"."vitals_monitor"')
    assert raw["values"][0][1] < 1.2 * 86_400 / 97, "older readings are gone"

    await look(start, now, 3600)
    await look(start, now, DAY_S)
    await look((now - 47 * HOUR) // 300_000 * 300_000, now, 300)
    await look(now - 20 * HOUR + 12_345, now - 999, 7)
    assert await store.buckets("bed-3", "pulse", start, start + 60_000, 60) != [], "an hour stands for its minutes"
    await store.close()
    fresh.query('DROP DATABASE "aged"')


def test_the_flux_is_what_was_checked() -> None:
    """Nothing here runs Flux. This text was found well-typed by InfluxData's own language server (flux-lsp 0.8.40);
    whoever changes it has it checked again: ``new Flux(text).is_valid()`` of npm's @influxdata/flux-lsp-node."""
    found = flux_task("anju", ROLL_UPS[0]).replace(kinds_pattern(), "KINDS")
    assert (
        found
        == """\
import "date"

option task = {name: "anju-minute", every: 10m, offset: 30s}

stop = date.truncate(t: now(), unit: 1m)
start = date.sub(d: 2h, from: stop)
readings =
    from(bucket: "anju")
        |> range(start: start, stop: stop)
        |> filter(fn: (r) => r._measurement =~ /KINDS/)
rolled = (name, fn) =>
    readings
        |> aggregateWindow(every: 1m, fn: fn, createEmpty: false, timeSrc: "_start")
        |> map(fn: (r) => ({r with _field: name + "_" + r._field}))
        |> to(bucket: "anju/minute")
        |> group()
        |> count()
        |> yield(name: name)

rolled(name: "mean", fn: mean)
rolled(name: "min", fn: min)
rolled(name: "max", fn: max)
rolled(name: "count", fn: count)
rolled(name: "last", fn: last)
"""
    )
