"""InfluxStore against real servers where it hurts: refused lines, wrong tokens, no server, VictoriaMetrics."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devices.observation import Observation, Waveform
from gateway.clock import SystemClock
from gateway.settings import Settings, StoreSettings
from gateway.store import StoreUnavailable, open_store
from gateway.store.embedded import EmbeddedStore
from gateway.store.influx import InfluxStore
from gateway.store.points import screen
from gateway.store.protocol import Point
from tests.support.broker import free_port
from tests.support.stores import BUCKET, START_MS, Influxd, Victoria, observe

MINUTE = 60_000


@pytest.fixture(scope="module")
def influxd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influxd]:
    server = Influxd(tmp_path_factory.mktemp("influxd"))
    server.start()
    try:
        yield server
    finally:
        server.kill()


@pytest.fixture
async def store(influxd: Influxd) -> AsyncIterator[InfluxStore]:
    influxd.create()
    found = InfluxStore(influxd.settings, "")
    yield found
    await found.close()
    influxd.drop()


async def test_the_schema_on_the_server(store: InfluxStore, influxd: Influxd) -> None:
    strip = Waveform(name="ecg", lead="II", rate_hz=250, unit="mV", samples=(0.5, -0.25, 1))
    await store.write([observe(START_MS, {"pulse": 72, "spo2": 97.5}, event="measurement", waveform=strip)])

    types = {s["name"]: dict(s["values"]) for s in influxd.query("SHOW FIELD KEYS")}
    assert set(types) == {"vitals_monitor", "event", "waveform"}
    assert {kind for fields in types.values() for kind in fields.values()} == {"float"}
    tags = {s["name"]: [row[0] for row in s["values"]] for s in influxd.query("SHOW TAG KEYS")}
    assert tags == {
        "vitals_monitor": ["device"],
        "event": ["device", "event", "kind"],
        "waveform": ["device", "kind", "lead", "name", "unit"],
    }
    [waveform] = influxd.query("SELECT value FROM waveform", epoch="ns")
    assert waveform["values"] == [[START_MS * 1_000_000 + i * 4_000_000, v] for i, v in enumerate((0.5, -0.25, 1))]


async def test_a_line_the_server_refuses_is_found_alone(store: InfluxStore, influxd: Influxd) -> None:
    """Somebody else made ``steps`` an integer on this server; our floats never fit there."""
    influxd.write(f"vitals_monitor,device=alien steps=1i {START_MS}000000")
    batch = [observe(START_MS + i, {"pulse": 60 + i % 5}, device=f"d{i % 40}") for i in range(700)]
    refused = [observe(START_MS, {"steps": 5.0}, device=f"walker-{i}") for i in range(3)]
    batch[100:100], batch[500:500], batch[650:650] = refused[:1], refused[1:2], refused[2:]

    bad = await store.write(batch)

    assert [b.observation for b in bad] == refused
    assert all("field type conflict" in b.reason and "steps" in b.reason for b in bad)
    [count] = influxd.query("SELECT count(pulse) FROM vitals_monitor")
    assert count["values"][0][1] == 700


async def test_what_the_server_does_not_keep_so_long_is_refused_at_once(store: InfluxStore, influxd: Influxd) -> None:
    influxd.query(f'ALTER RETENTION POLICY autogen ON "{BUCKET}" DURATION 24h SHARD DURATION 1h')
    now = SystemClock().now_ms()
    old = [observe(now - 7 * 86_400_000 + i, {"pulse": 60}) for i in range(4000)]

    bad = await store.write([*old, observe(now, {"pulse": 61})])

    assert len(bad) == 4000 and "retention" in bad[0].reason
    assert [r.value for r in await store.readings("bed-3", "pulse", 0, now + 1, 10)] == [61]


async def test_no_bucket(store: InfluxStore, influxd: Influxd) -> None:
    influxd.drop()
    for attempt in (store.write([observe(START_MS, {"pulse": 60})]), store.latest("bed-3")):
        with pytest.raises(StoreUnavailable, match="database not found") as caught:
            await attempt
        assert "anju store setup" in caught.value.hint
    influxd.create()
    assert await store.write([observe(START_MS, {"pulse": 60})]) == []


async def test_nobody_there() -> None:
    store = InfluxStore(StoreSettings(kind="influxdb", url=f"http://127.0.0.1:{free_port()}"), "")
    attempts: list[Callable[[], Awaitable[object]]] = [
        lambda: store.write([observe(START_MS, {"pulse": 60})]),
        lambda: store.latest("bed-3"),
        store.ping,
    ]
    for attempt in attempts:
        with pytest.raises(StoreUnavailable, match="no answer from http") as caught:
            await attempt()
        assert "store.url" in caught.value.hint
    await store.close()


async def test_the_token(tmp_path: Path) -> None:
    server = Influxd(tmp_path, auth=True)
    server.start()
    try:
        server.query("CREATE USER anju WITH PASSWORD 'right' WITH ALL PRIVILEGES")
        server.create(auth=("anju", "right"))
        for token in ("", "anju:wrong"):
            wrong = InfluxStore(server.settings, token)
            for attempt in (wrong.write([observe(START_MS, {"pulse": 60})]), wrong.latest("bed-3")):
                with pytest.raises(StoreUnavailable) as caught:
                    await attempt
                assert "INFLUX_TOKEN" in caught.value.hint
            await wrong.close()
        right = InfluxStore(server.settings, "anju:right")
        assert await right.write([observe(START_MS, {"pulse": 60})]) == []
        assert (await right.latest("bed-3"))["pulse"].value == 60
        await right.close()
    finally:
        server.kill()


TEXTS = [
    'say "hi"',
    "ends in \\",
    '\\"',
    "two\nlines",
    "\r\n",
    "a,b=c d",
    "三号楼 🔥",
    "",
    " ",
    "\\n",
    "\t\x01\x7f",
    '"',
    "1i",
    "t",
]


async def test_text_comes_back_as_it_was(store: InfluxStore, influxd: Influxd) -> None:
    batch = [Point(measurement="case", tags={}, fields={"id": t, "open": 1.0}, at_ns=i) for i, t in enumerate(TEXTS)]
    assert await store.write_points(batch) == []
    [series] = influxd.query("SELECT id, open FROM case")
    assert [row[1:] for row in series["values"]] == [[text, 1] for text in TEXTS]


async def test_whatever_people_write_comes_back(store: InfluxStore, influxd: Influxd) -> None:
    texts: list[str] = []

    @settings(max_examples=300, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(st.text(max_size=30))
    def collect(text: str) -> None:
        texts.append(text)

    collect()
    batch = [Point(measurement="said", tags={}, fields={"text": t}, at_ns=i) for i, t in enumerate(texts)]
    refused = await store.write_points(batch)
    assert [one.point.fields["text"] for one in refused] == [text for text in texts if "\x00" in text]
    [series] = influxd.query("SELECT text FROM said", epoch="ns")
    assert series["values"] == [[i, text] for i, text in enumerate(texts) if "\x00" not in text]


async def test_a_point_is_corrected_field_by_field(store: InfluxStore, influxd: Influxd) -> None:
    def case(fields: dict[str, float | str]) -> Point:
        return Point(measurement="case", tags={"grid": "g-1", "building": ""}, fields=fields, at_ns=1_000_000_007)

    await store.write_points([case({"open": 1, "severity": 3, "stage": "raised"})])
    await store.write_points([case({"open": False, "stage": "answered"}), case({"stage": "closed"})])
    [series] = influxd.query("SELECT * FROM case", epoch="ns")
    assert dict(zip(series["columns"], series["values"][0], strict=True)) == {
        "time": 1_000_000_007,
        "grid": "g-1",
        "open": 0,
        "severity": 3,
        "stage": "closed",
    }
    assert len(series["values"]) == 1


async def test_a_point_the_server_refuses_is_found_alone(store: InfluxStore, influxd: Influxd) -> None:
    influxd.write('case,grid=g severity="high" 1')
    batch = [Point(measurement="case", tags={"grid": "g"}, fields={"open": 1.0}, at_ns=i) for i in range(300)]
    alien = Point(measurement="case", tags={"grid": "g"}, fields={"severity": 4.0}, at_ns=500)
    refused = await store.write_points([*batch[:77], alien, *batch[77:]])
    assert [one.point for one in refused] == [alien] and "field type conflict" in refused[0].reason
    [count] = influxd.query("SELECT count(open) FROM case")
    assert count["values"][0][1] == 300


names = st.text(min_size=1, max_size=12)
odd = st.builds(
    lambda device, metrics, at: observe(at, metrics, device=device),
    names,
    st.dictionaries(names, st.floats(), min_size=1, max_size=4),
    st.integers(min_value=0, max_value=2**42),
)


async def test_whatever_people_call_things_it_comes_back(store: InfluxStore) -> None:
    written: list[Observation] = []

    @settings(max_examples=150, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(odd)
    def collect(observation: Observation) -> None:
        written.append(observation)

    collect()
    bad = await store.write(written)
    sound = [rest for o in written if (rest := screen(o)[0]) is not None]
    assert [b.observation for b in bad] == [o for o in written if screen(o)[1]]
    wanted = {(o.device, m, o.observed_at_ms): v for o in sound for m, v in o.metrics.items()}
    assert len(wanted) > 50
    for device, metric, at_ms in wanted:
        [reading] = await store.readings(device, metric, at_ms, at_ms + 1, 5)
        assert reading.value == wanted[device, metric, at_ms]


# --- VictoriaMetrics ---


async def test_victoria_metrics_takes_everything_by_the_v2_door(tmp_path: Path) -> None:
    server = Victoria(tmp_path)
    server.start()
    store = InfluxStore(server.settings, "")
    try:
        assert await store.ping() == "VictoriaMetrics"
        assert store.durability_lag_s == 15
        strip = Waveform(name="ecg", lead="II", rate_hz=250, unit="mV", samples=(0.5, -0.25, 1))
        batch = [observe(START_MS + i * 1000, {"pulse": 60 + i, "spo2": 97.5}) for i in range(100)]
        batch += [observe(START_MS, event="press", device="sos 1,a=b", kind="sos_button", waveform=strip)]
        batch += [observe(START_MS, {"pulse": float("nan")})]
        for _ in range(2):
            assert len(await store.write(batch)) == 1  # NaN, which this server would have taken without a word
        case = Point(measurement="case", tags={}, fields={"open": 1.0, "id": "7"}, at_ns=START_MS * 1_000_000)
        words = Point(measurement="case", tags={}, fields={"title_zh": "two\nlines"}, at_ns=START_MS * 1_000_000)
        assert await store.write_points([case, words]) == []
        assert server.export('{__name__=~"case.*"}') == {"case_open ": {START_MS: 1}}, "numbers only"
        points = server.export()
        assert points["vitals_monitor_pulse bed-3"] == {START_MS + i * 1000: 60 + i for i in range(100)}
        assert len(points["vitals_monitor_spo2 bed-3"]) == 100
        assert points["event_value sos 1,a=b"] == {START_MS: 1}
        assert points["waveform_value sos 1,a=b"] == {START_MS: 0.5, START_MS + 4: -0.25, START_MS + 8: 1}
        with pytest.raises(StoreUnavailable, match="cannot be read by InfluxQL") as caught:
            await store.latest("bed-3")
        assert "PromQL" in caught.value.hint

        server.restart_killed()
        for asker in range(2):  # whoever asks first (a health page, say), the writer is told too
            with pytest.raises(StoreUnavailable, match="started anew"):
                await (store.ping() if asker == 0 else store.write(batch))
        assert len(await store.write(batch)) == 1
        assert await store.ping() == "VictoriaMetrics"
    finally:
        await store.close()
        server.kill()


# --- answers of servers that cannot be had here ---

Handler = Callable[[web.Request], Awaitable[web.Response]]


@pytest.fixture
async def playing() -> AsyncIterator[Callable[[str, Handler], Awaitable[str]]]:
    """Answers of a given InfluxDB version, from a real HTTP server."""
    runners: list[web.AppRunner] = []

    async def play(version: str, write: Handler) -> str:
        async def ping(_: web.Request) -> web.Response:
            return web.Response(status=204, headers={"X-Influxdb-Version": version})

        app = web.Application(client_max_size=2**26)
        app.router.add_get("/ping", ping)
        app.router.add_post("/api/v2/write", write)
        runner = web.AppRunner(app)
        await runner.setup()
        runners.append(runner)
        port = free_port()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        return f"http://127.0.0.1:{port}"

    yield play
    for runner in runners:
        await runner.cleanup()


async def body_lines(request: web.Request) -> list[str]:
    body = await request.read()
    return (gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body).decode().split("\n")


async def test_influxdb_3_names_the_bad_lines(playing: Callable[[str, Handler], Awaitable[str]]) -> None:
    calls: list[tuple[str, int]] = []
    stored: set[str] = set()

    async def write(request: web.Request) -> web.Response:
        lines = await body_lines(request)
        calls.append((request.headers.get("Authorization", ""), len(lines)))
        assert dict(request.query) == {"org": "anju", "bucket": "anju", "precision": "ns"}
        bad = [number for number, line in enumerate(lines, 1) if "bad" in line]
        stored.update(line for line in lines if "bad" not in line)
        faults = [{"original_line": lines[n - 1], "line_number": n, "error_message": "no such column"} for n in bad]
        text = json.dumps({"error": "partial write of line protocol occurred", "data": faults})
        return web.Response(status=400, text=text) if bad else web.Response(status=204)

    store = InfluxStore(StoreSettings(kind="influxdb", url=await playing("3.2.0", write)), "secret")
    batch = [observe(START_MS + i, {"bad" if i in (3, 77) else "pulse": 1.0}) for i in range(200)]
    bad = await store.write(batch)
    assert [b.observation for b in bad] == [batch[3], batch[77]] and bad[0].reason == "no such column"
    assert calls == [("Bearer secret", 200), ("Bearer secret", 198)] and len(stored) == 198
    await store.close()


async def test_too_large_a_request_is_sent_in_halves(playing: Callable[[str, Handler], Awaitable[str]]) -> None:
    stored: set[str] = set()

    async def write(request: web.Request) -> web.Response:
        lines = await body_lines(request)
        if sum(map(len, lines)) > 3000:
            return web.Response(status=413, text="too large")
        stored.update(lines)
        return web.Response(status=204)

    store = InfluxStore(StoreSettings(kind="influxdb", url=await playing("v2.9.0", write)), "t")
    giant = observe(START_MS, {f"metric_{i}": 1.0 for i in range(300)})
    bad = await store.write([*(observe(START_MS + i, {"pulse": 1.0}) for i in range(1, 500)), giant])
    assert [b.observation for b in bad] == [giant] and "too large" in bad[0].reason
    assert len(stored) == 499
    await store.close()


@pytest.mark.parametrize(
    ("status", "text", "hint"),
    [
        (401, '{"code":"unauthorized","message":"unauthorized access"}', "INFLUX_TOKEN"),
        (403, '{"code":"forbidden","message":"insufficient permissions"}', "right"),
        (404, '{"code":"not found","message":"bucket \\"anju\\" not found"}', "anju store setup"),
        (400, '{"code":"invalid","message":"org is required"}', "log"),
        (429, "", "overloaded"),
        (503, "engine closed", "overloaded"),
    ],
)
async def test_trouble_that_is_not_the_lines_fault_never_costs_a_line(
    playing: Callable[[str, Handler], Awaitable[str]], status: int, text: str, hint: str
) -> None:
    async def write(_: web.Request) -> web.Response:
        return web.Response(status=status, text=text)

    store = InfluxStore(StoreSettings(kind="influxdb", url=await playing("v2.9.0", write)), "t")
    with pytest.raises(StoreUnavailable, match=str(status)) as caught:
        await store.write([observe(START_MS, {"pulse": 60})])
    assert hint in caught.value.hint
    await store.close()


async def test_a_stranger_at_the_address(playing: Callable[[str, Handler], Awaitable[str]]) -> None:
    async def write(_: web.Request) -> web.Response:
        return web.Response(status=204)

    store = InfluxStore(StoreSettings(kind="influxdb", url=await playing("", write)), "t")
    with pytest.raises(StoreUnavailable):
        await store.write([observe(START_MS, {"pulse": 60})])
    await store.close()


# --- the door of the room ---


async def test_open_store_by_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SystemClock()
    embedded = open_store(Settings(data_dir=tmp_path), clock)
    assert isinstance(embedded, EmbeddedStore)
    await embedded.close()

    monkeypatch.delenv("INFLUX_TOKEN", raising=False)
    with pytest.raises(ValueError, match=r"store\.url"):
        open_store(Settings(data_dir=tmp_path, store=StoreSettings(kind="influxdb")), clock)
    remote = StoreSettings(kind="influxdb", url="http://127.0.0.1:8086")
    with pytest.raises(KeyError, match="INFLUX_TOKEN"):
        open_store(Settings(data_dir=tmp_path, store=remote), clock)
    monkeypatch.setenv("INFLUX_TOKEN", "t")
    assert isinstance(open_store(Settings(data_dir=tmp_path, store=remote), clock), InfluxStore)
