"""Traps of telemetry servers and of their client, each met on purpose: nothing is lost in silence, nothing doubled.

Real InfluxDB 1.6.7 and VictoriaMetrics where they do it; 2.9 and 3 Core, which cannot run here, as they answer.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web

import gateway.store
from devices.observation import Waveform
from gateway.settings import StoreSettings
from gateway.store.influx import LINES_PER_REQUEST, VICTORIA_LAG_S, InfluxStore
from gateway.store.line_protocol import lines
from gateway.store.points import screen
from gateway.store.protocol import Point, StoreUnavailable
from tests.support.ports import free_port
from tests.support.stores import START_MS, Influxd, Victoria, observe

Answer = Callable[[list[str]], web.Response]


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


@dataclass
class Playing:
    """A server of a given version that answers writes as it is told."""

    version: str
    answer: Answer
    requests: list[web.Request] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    stored: list[str] = field(default_factory=list)

    async def write(self, request: web.Request) -> web.Response:
        self.requests.append(request)
        self.bodies.append(await request.content.read())
        found = gzip.decompress(self.bodies[-1]).decode().split("\n")
        answer = self.answer(found)
        if answer.status == 204:
            self.stored += found
        return answer

    async def ping(self, _: web.Request) -> web.Response:
        return web.Response(status=204, headers={"X-Influxdb-Version": self.version})


@asynccontextmanager
async def playing(server: Playing) -> AsyncIterator[InfluxStore]:
    # The body as it came: aiohttp would unpack it.
    app = web.Application(client_max_size=2**26)
    app.router.add_get("/ping", server.ping)
    app.router.add_post("/api/v2/write", server.write)
    runner = web.AppRunner(app, auto_decompress=False)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    store = InfluxStore(StoreSettings(kind="influxdb", url=f"http://127.0.0.1:{port}"), "token")
    try:
        yield store
    finally:
        await store.close()
        await runner.cleanup()


def fine(_: list[str]) -> web.Response:
    return web.Response(status=204)


# --- numbers ----------------------------------------------------------------------------------------------------------


async def test_nan_and_infinity_are_held_back_and_said(store: InfluxStore, influxd: Influxd) -> None:
    """The client's own Point leaves them out without a word; the server would refuse the line."""
    batch = [
        observe(START_MS + i, {"pulse": value, "spo2": 97.0})
        for i, value in enumerate((float("nan"), float("inf"), float("-inf")))
    ]
    bad = await store.write(batch)
    assert [one.observation for one in bad] == batch and all("'pulse'" in one.reason for one in bad)
    [series] = influxd.query("SELECT count(*) FROM vitals_monitor")
    assert dict(zip(series["columns"], series["values"][0], strict=True)) == {"time": 0, "count_spo2": 3}
    strip = Waveform(name="ecg", lead="I", rate_hz=250, unit="mV", samples=(0.1, float("nan")))
    assert len(await store.write([observe(START_MS, waveform=strip)])) == 1


async def test_integers_beyond_int64_are_floats(store: InfluxStore, influxd: Influxd) -> None:
    """The client's own Point writes 9223372036854775808i, which refuses the whole request."""
    assert await store.write([observe(START_MS, {"pulse": 2**63, "spo2": 97})]) == []
    [series] = influxd.query("SELECT pulse, spo2 FROM vitals_monitor")
    assert [float(value) for value in series["values"][0]] == [START_MS, 2.0**63, 97]  # JSON rounds it to 16 digits


async def test_an_integer_first_does_not_make_the_field_an_integer_for_ever(
    store: InfluxStore, influxd: Influxd
) -> None:
    for at, value in enumerate((72, 72.5, True)):
        assert await store.write([observe(START_MS + at, {"pulse": value})]) == []
        case = Point(measurement="case", tags={}, fields={"open": value}, at_ns=at)
        assert await store.write_points([case]) == []
    types = {s["name"]: dict(s["values"]) for s in influxd.query("SHOW FIELD KEYS")}
    assert types == {"vitals_monitor": {"pulse": "float"}, "case": {"open": "float"}}


def test_every_number_of_every_line_is_a_float() -> None:
    strip = Waveform(name="ecg", lead="I", rate_hz=250, unit="mV", samples=(1, -2))
    sound, _ = screen(observe(START_MS, {"a": 1, "b": 2**70, "c": True}, event="x", waveform=strip))
    assert sound is not None
    for line in lines(sound):
        for number in re.findall(r"=([^,= ]+)(?=[, ])", line.split(" ", 1)[1] + " "):
            assert re.fullmatch(r"-?[0-9]+(\.[0-9]+)?(e\+?[0-9]+)?", number) and not number.endswith("i")
            assert "." in number or "e" in number


# --- partial writes ---------------------------------------------------------------------------------------------------


async def test_a_partial_write_with_400_keeps_the_good_lines(store: InfluxStore, influxd: Influxd) -> None:
    influxd.write(f"vitals_monitor,device=alien steps=1i {START_MS}000000")
    good = [observe(START_MS + i, {"pulse": 60.0}) for i in range(100)]
    alien = observe(START_MS, {"steps": 1.0}, device="walker")
    assert [one.observation for one in await store.write([*good[:50], alien, *good[50:]])] == [alien]
    [count] = influxd.query("SELECT count(pulse) FROM vitals_monitor")
    assert count["values"][0][1] == 100


async def test_a_partial_write_with_422_keeps_the_good_lines() -> None:
    """2.9: the good lines are stored, the answer says how many were not, and not which."""
    stored: set[str] = set()

    def answer(found: list[str]) -> web.Response:
        bad = [line for line in found if "steps" in line]
        stored.update(line for line in found if line not in bad)
        message = f"failure writing points to database: partial write: field type conflict: dropped={len(bad)}"
        return web.json_response({"code": "unprocessable entity", "message": message}, status=422) if bad else fine([])

    server = Playing("v2.9.1", answer)
    batch = [observe(START_MS + i, {"steps" if i in (3, 900) else "pulse": 1.0}) for i in range(1000)]
    async with playing(server) as store:
        bad = await store.write(batch)
    assert [one.observation for one in bad] == [batch[3], batch[900]]
    assert all("field type conflict" in one.reason for one in bad)
    assert len(stored) == 998 and len(server.requests) < 60, "found by halves"


# --- what is tried again, and what is not -----------------------------------------------------------------------------


async def test_a_refused_connection_is_no_answer_of_the_server() -> None:
    """The client lets aiohttp's own error through there, which is no ApiException."""
    store = InfluxStore(StoreSettings(kind="influxdb", url=f"http://127.0.0.1:{free_port()}"), "")
    for attempt in (store.write([observe(START_MS, {"pulse": 60})]), store.write_points([])):
        with pytest.raises(StoreUnavailable, match="no answer from"):
            await attempt
    await store.close()


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
async def test_429_and_5xx_are_offered_again_whole(status: int) -> None:
    server = Playing("v2.9.1", lambda _: web.Response(status=status, text="partial write: later"))
    batch = [observe(START_MS + i, {"pulse": 60.0}) for i in range(10)]
    async with playing(server) as store:
        with pytest.raises(StoreUnavailable, match=str(status)):
            await store.write(batch)
        server.answer = fine
        assert await store.write(batch) == []
    assert len(server.requests) == 2 and len(server.stored) == 10


@pytest.mark.parametrize("status", [400, 422])
async def test_a_line_at_fault_is_not_offered_again(status: int) -> None:
    message = json.dumps({"message": "unable to parse 'x': invalid field format"})
    server = Playing("v2.9.1", lambda _: web.Response(status=status, text=message))
    async with playing(server) as store:
        [bad] = await store.write([observe(START_MS, {"pulse": 60.0})])
    assert "invalid field format" in bad.reason and len(server.requests) == 1


# --- the way there ----------------------------------------------------------------------------------------------------


async def test_bodies_are_really_gzipped() -> None:
    server = Playing("v2.9.1", fine)
    async with playing(server) as store:
        await store.write([observe(START_MS + i, {"pulse": 60.0, "spo2": 97.0}) for i in range(1000)])
    [request], [body] = server.requests, server.bodies
    assert request.headers["Content-Encoding"] == "gzip" and body[:2] == b"\x1f\x8b"
    assert len(body) < sum(map(len, server.stored)) / 4


async def test_nothing_to_write_sends_nothing() -> None:
    """An empty write is an error to some servers; the client's ``flush`` does nothing at all."""
    server = Playing("v2.9.1", fine)
    async with playing(server) as store:
        assert await store.write([]) == [] and await store.write_points([]) == []
        assert len(await store.write([observe(START_MS, {"pulse": float("nan")})])) == 1
    assert server.requests == []


def test_the_clients_batching_is_not_used() -> None:
    """Its WriteApi loses points in silence where no callback is given, and is done before the server has them."""
    sources = [path.read_text() for path in Path(gateway.store.__file__).parent.rglob("*.py")]
    assert not [text for text in sources if re.search(r"write_api|WriteApi|WriteOptions", text)] and len(sources) > 20


async def test_what_a_device_said_arrives_in_its_order_also_when_requests_are_split() -> None:
    def answer(found: list[str]) -> web.Response:
        return web.Response(status=413) if len(found) > 700 else fine(found)

    server = Playing("v2.9.1", answer)
    batch = [observe(START_MS + i, {"pulse": 60.0}, device=f"d{i % 7}") for i in range(2 * LINES_PER_REQUEST + 11)]
    async with playing(server) as store:
        assert await store.write(batch) == []
    times = [int(line.rsplit(" ", 1)[1]) for line in server.stored]
    assert times == sorted(times) and len(times) == len(batch)


# --- VictoriaMetrics --------------------------------------------------------------------------------------------------


async def test_victoria_metrics_says_204_to_nonsense_so_nothing_of_it_is_sent(tmp_path: Path) -> None:
    server = Victoria(tmp_path)
    server.start()
    store = InfluxStore(server.settings, "")
    nonsense = [
        observe(START_MS, {"pulse": float("nan")}),
        observe(-5, {"pulse": 60.0}),
        observe(START_MS, {"pulse": 60.0}, device="two\nlines"),
        observe(START_MS, {"time": 1.0}),
    ]
    try:
        assert [
            one.observation for one in await store.write([*nonsense, observe(START_MS, {"spo2": 97.0})])
        ] == nonsense
        assert server.export() == {"vitals_monitor_spo2 bed-3": {START_MS: 97}}
        assert store.durability_lag_s == VICTORIA_LAG_S == 15, "it loses what it took in the last seconds"
    finally:
        await store.close()
        server.kill()


async def test_a_restart_of_victoria_metrics_that_points_saw_first_is_told_to_the_writer_of_readings(
    tmp_path: Path,
) -> None:
    server = Victoria(tmp_path)
    server.start()
    store = InfluxStore(server.settings, "")
    lane = Point(measurement="lane", tags={"lane": "urgent"}, fields={"backlog": 1.0}, at_ns=START_MS * 1_000_000)
    try:
        await store.write([observe(START_MS, {"pulse": 60.0})])
        server.kill()
        with pytest.raises(StoreUnavailable, match="no answer"):
            await store.write_points([lane])
        while True:  # its start can be told from the one before in whole seconds
            server.start()
            if server.started() != store._started:
                break
            server.kill()
        assert await store.write_points([lane]) == []
        with pytest.raises(StoreUnavailable, match="started anew"):
            await store.write([observe(START_MS, {"pulse": 60.0})])
        assert await store.write([observe(START_MS, {"pulse": 60.0})]) == []
    finally:
        await store.close()
        server.kill()
