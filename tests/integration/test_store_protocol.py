"""One story of a telemetry store, told to the embedded one and to a real InfluxDB 1.6.7: the answers are the same."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from devices.observation import Waveform
from gateway.store.embedded import EmbeddedStore
from gateway.store.influx import InfluxStore
from gateway.store.protocol import Bucket, Point, RefusedPoint, Store
from tests.support.stores import START_MS, Influxd, VirtualClock, observe

MINUTE = 60_000


@pytest.fixture(scope="module")
def influxd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influxd]:
    server = Influxd(tmp_path_factory.mktemp("influxd"))
    server.start()
    try:
        yield server
    finally:
        server.kill()


@pytest.fixture(params=["embedded", "influxd"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    found: Store
    if request.param == "embedded":
        found = EmbeddedStore(tmp_path / "telemetry.db", VirtualClock(START_MS + 10 * MINUTE))
    else:
        server: Influxd = request.getfixturevalue("influxd")
        server.create()
        request.addfinalizer(server.drop)
        found = InfluxStore(server.settings, "")
    yield found
    await found.close()


async def test_a_reading_comes_back_as_it_was(store: Store) -> None:
    assert await store.write([observe(START_MS + 7, {"pulse": 71.25, "spo2": 98})]) == []

    [reading] = await store.readings("bed-3", "pulse", START_MS, START_MS + MINUTE, 10)
    assert (reading.at_ms, reading.device, reading.metric, reading.value) == (START_MS + 7, "bed-3", "pulse", 71.25)
    assert {m: r.value for m, r in (await store.latest("bed-3")).items()} == {"pulse": 71.25, "spo2": 98.0}


async def test_what_nobody_said_is_empty(store: Store) -> None:
    assert await store.latest("nobody") == {}
    assert await store.readings("nobody", "pulse", 0, START_MS, 10) == []
    assert await store.buckets("nobody", "pulse", 0, START_MS, 60) == []
    assert await store.waveforms("nobody", 0, START_MS) == []
    assert await store.events("nobody", 0, START_MS) == []
    await store.write([observe(START_MS, {"pulse": 70})])
    assert await store.readings("bed-3", "spo2", 0, START_MS + 1, 10) == []
    assert await store.buckets("bed-3", "spo2", 0, START_MS + 1, 60) == []


async def test_latest_is_by_time_of_the_device_not_of_arrival(store: Store) -> None:
    await store.write([observe(START_MS + 5000, {"pulse": 80})])
    await store.write([observe(START_MS + 1000, {"pulse": 60, "glucose": 5.4})])

    latest = await store.latest("bed-3")
    assert (latest["pulse"].at_ms, latest["pulse"].value) == (START_MS + 5000, 80)
    assert latest["glucose"].at_ms == START_MS + 1000


async def test_a_range_holds_its_start_and_not_its_end(store: Store) -> None:
    await store.write([observe(START_MS + i * 1000, {"pulse": 60 + i}) for i in range(10)])

    found = await store.readings("bed-3", "pulse", START_MS + 2000, START_MS + 6000, 100)
    assert [r.value for r in found] == [62, 63, 64, 65]
    assert [r.value for r in await store.readings("bed-3", "pulse", START_MS, START_MS + 9000, 3)] == [60, 61, 62]


async def test_the_same_points_again_change_nothing(store: Store) -> None:
    batch = [observe(START_MS + i * 500, {"pulse": 60 + i % 7}) for i in range(400)]
    batch.append(observe(START_MS, event="measurement"))
    await store.write(batch)
    before = await _everything(store)
    await store.write(batch)
    await store.write(batch[100:200])
    assert await _everything(store) == before


async def test_a_correction_takes_the_place_of_the_reading(store: Store) -> None:
    await store.write([observe(START_MS, {"pulse": 60, "spo2": 97})])
    await store.write([observe(START_MS, {"pulse": 61})])

    assert {m: r.value for m, r in (await store.latest("bed-3")).items()} == {"pulse": 61, "spo2": 97}
    [bucket] = await store.buckets("bed-3", "pulse", START_MS, START_MS + MINUTE, 60)
    assert (bucket.count, bucket.mean) == (1, 61)


@pytest.mark.parametrize("width_s", [7, 60, 90, 3600])
@pytest.mark.parametrize(("first_s", "final_s"), [(0, 3600), (13, 3301), (59, 62), (3599, 7300)])
async def test_buckets_are_what_one_would_reckon_by_hand(
    store: Store, width_s: int, first_s: int, final_s: int
) -> None:
    chance = random.Random(4)
    at = [START_MS + round(chance.uniform(0, 7200) * 1000) for _ in range(700)]
    readings = {ms: round(chance.gauss(70, 9), 1) for ms in at}
    await store.write([observe(ms, {"pulse": value}) for ms, value in readings.items()])

    start, end = START_MS + first_s * 1000, START_MS + final_s * 1000
    found = await store.buckets("bed-3", "pulse", start, end, width_s)
    _same(found, reckon(readings, start, end, width_s))


async def test_events_by_device_and_time(store: Store) -> None:
    await store.write(
        [
            observe(START_MS + 2000, event="cancel", device="sos-1", kind="sos_button"),
            observe(START_MS, {"battery": 80}, event="press", device="sos-1", kind="sos_button"),
            observe(START_MS + 1000, event="press", device="sos-2", kind="sos_button"),
        ]
    )
    assert await store.events("sos-1", START_MS, START_MS + 2001) == [(START_MS, "press"), (START_MS + 2000, "cancel")]
    assert await store.events("sos-1", START_MS + 1, START_MS + 2000) == []
    assert (await store.latest("sos-1")).keys() == {"battery"}


async def test_strips_come_back_sample_by_sample(store: Store) -> None:
    chance = random.Random(9)

    def strip(lead: str, rate_hz: float, count: int) -> Waveform:
        samples = tuple(chance.uniform(-2, 2) for _ in range(count))
        return Waveform(name="ecg", lead=lead, rate_hz=rate_hz, unit="mV", samples=samples)

    long, short, plain = strip("II", 250.0, 2500), strip("II", 333.3, 400), strip("", 1000.0, 1)
    await store.write(
        [
            observe(START_MS, waveform=long),
            observe(START_MS + 5001, waveform=short),  # begins while the first one runs
            observe(START_MS + 5000, {"pulse": 70}, waveform=plain),
        ]
    )

    found = await store.waveforms("bed-3", START_MS, START_MS + 5002)
    assert found == [(START_MS, long), (START_MS + 5000, plain), (START_MS + 5001, short)]
    assert await store.waveforms("bed-3", START_MS + 1, START_MS + 5000) == []
    assert (await store.latest("bed-3")).keys() == {"pulse"}


async def test_what_cannot_be_stored_is_named_and_the_rest_is_kept(store: Store) -> None:
    nan, inf = float("nan"), float("inf")
    broken = [
        observe(START_MS, {"pulse": nan, "spo2": 97}),
        observe(START_MS + 1000, {"pulse": inf}),
        observe(-1, {"pulse": 70}),
        observe(START_MS, {"pulse": 70}, device="two\nlines"),
        observe(START_MS, {"pulse": 70}, device="back\\slash"),
        observe(START_MS, {"time": 4}),
        observe(START_MS, {"pulse": 10**400}),
    ]
    good = [observe(START_MS + i * 1000, {"pulse": 60}) for i in range(2, 5)]

    bad = await store.write([*broken[:3], *good, *broken[3:]])

    assert [b.observation for b in bad] == broken
    assert "'pulse'" in bad[0].reason and "nan" in bad[0].reason
    assert len(await store.readings("bed-3", "pulse", 0, START_MS + MINUTE, 10)) == 3
    assert (await store.latest("bed-3"))["spo2"].value == 97


async def test_a_point_that_cannot_be_stored_is_named_and_the_rest_of_it_is_kept(store: Store) -> None:
    sound = Point(measurement="case", tags={"grid": "g 1,=", "drill": ""}, fields={"open": True, "id": "1"}, at_ns=7)
    broken = [
        Point(measurement="case", tags={}, fields={"open": 1.0, "lat": float("nan")}, at_ns=8),
        Point(measurement="case", tags={"grid": "two\nlines"}, fields={"open": 1.0}, at_ns=9),
        Point(measurement="", tags={}, fields={"open": 1.0}, at_ns=10),
        Point(measurement="case", tags={}, fields={"id": "half a pair: \ud800"}, at_ns=11),
        Point(measurement="case", tags={}, fields={"id": "x" * 70_000}, at_ns=12),
        Point(measurement="case", tags={}, fields={}, at_ns=13),
        Point(measurement="case", tags={}, fields={"open": 1.0}, at_ns=-1),
    ]
    refused = await store.write_points([sound, *broken])
    assert [one.point for one in refused] == broken
    assert all(isinstance(one, RefusedPoint) and one.reason for one in refused)
    assert "'lat'" in refused[0].reason and "nan" in refused[0].reason
    assert await store.write_points([sound]) == []


async def test_what_is_reckoned_from_a_device_is_no_reading_of_it(store: Store) -> None:
    await store.write([observe(START_MS, {"speed": 31.0}, device="road-1", kind="traffic_counter")])
    tags = {"device": "road-1", "road_class": "arterial"}
    road = Point(measurement="road", tags=tags, fields={"level": 2.0, "speed": 31.0}, at_ns=START_MS * 1_000_000)
    assert await store.write_points([road]) == []
    assert {m: r.value for m, r in (await store.latest("road-1")).items()} == {"speed": 31.0}
    assert [b.count for b in await store.buckets("road-1", "speed", START_MS, START_MS + MINUTE, 60)] == [1]


NAMES = [
    "a b",
    "a,b=c",
    'say "hi"',
    "it's",
    "门磁-3号楼",
    "'; DROP SERIES FROM /.*/; --",
    "x" * 200,
    "a/b.c:d",
    " ",
    "=,=",
]


@pytest.mark.parametrize("name", NAMES)
async def test_any_name_can_be_asked_for(store: Store, name: str) -> None:
    assert await store.write([observe(START_MS, {name: 1.5, "pulse": 70}, device=name, event=name)]) == []

    assert {m: r.value for m, r in (await store.latest(name)).items()} == {name: 1.5, "pulse": 70}
    assert [r.value for r in await store.readings(name, name, START_MS, START_MS + 1, 5)] == [1.5]
    assert [b.count for b in await store.buckets(name, name, START_MS, START_MS + 1, 60)] == [1]
    assert await store.events(name, START_MS, START_MS + 1) == [(START_MS, name)]


async def test_a_hostile_name_finds_nothing_and_breaks_nothing(store: Store) -> None:
    await store.write([observe(START_MS, {"pulse": 70})])
    for name in ["' OR '1'='1", "x' OR 1=1 --", "\\' OR \\'\\'=\\'", "two\nlines", ""]:
        assert await store.latest(name) == {}
        assert await store.readings(name, "pulse", 0, START_MS + 1, 5) == []
        assert await store.readings("bed-3", '" OR "' + name, 0, START_MS + 1, 5) == []
        assert await store.events(name, 0, START_MS + 1) == []


EXTREMES = [0.0, -0.0, 5e-324, 1.7976931348623157e308, -1e300, 1 / 3, 1e21, 123456789012345680.0, 2.0**53 + 1]


async def test_every_float_survives_to_the_last_bit(store: Store) -> None:
    assert await store.write([observe(START_MS + i, {"pulse": value}) for i, value in enumerate(EXTREMES)]) == []
    assert [r.value for r in await store.readings("bed-3", "pulse", START_MS, START_MS + 100, 100)] == EXTREMES


async def test_a_device_that_became_another_kind_has_one_history(store: Store) -> None:
    await store.write([observe(START_MS + 10, {"battery": 20}, device="d-1", kind="smoke")])
    await store.write([observe(START_MS, {"battery": 90}, device="d-1", kind="contact")])

    assert [r.value for r in await store.readings("d-1", "battery", START_MS, START_MS + MINUTE, 5)] == [90, 20]
    [bucket] = await store.buckets("d-1", "battery", START_MS, START_MS + MINUTE, 60)
    assert (bucket.count, bucket.mean, bucket.low, bucket.high, bucket.last) == (2, 55, 20, 90, 20)
    assert (await store.latest("d-1"))["battery"].value == 20


async def test_it_says_what_it_is(store: Store) -> None:
    assert await store.ping() in ("embedded SQLite", "InfluxDB 1.6.7~rc0")
    assert store.durability_lag_s == 0


def reckon(readings: dict[int, float], start_ms: int, end_ms: int, width_s: int) -> list[Bucket]:
    """Buckets by the plainest arithmetic."""
    groups: dict[int, list[float]] = {}
    for at_ms in sorted(readings):
        if start_ms <= at_ms < end_ms:
            groups.setdefault(at_ms // (width_s * 1000) * width_s * 1000, []).append(readings[at_ms])
    return [
        Bucket(start_ms=at, count=len(v), mean=sum(v) / len(v), low=min(v), high=max(v), last=v[-1])
        for at, v in groups.items()
    ]


def _same(found: list[Bucket], expected: list[Bucket]) -> None:
    def exact(buckets: list[Bucket]) -> list[tuple[float, ...]]:
        return [(b.start_ms, b.count, b.low, b.high, b.last) for b in buckets]

    assert exact(found) == exact(expected)
    assert [b.mean for b in found] == pytest.approx([b.mean for b in expected])


async def _everything(store: Store) -> list[object]:
    readings = await store.readings("bed-3", "pulse", 0, START_MS * 2, 10_000)
    buckets = await store.buckets("bed-3", "pulse", START_MS, START_MS + 10 * MINUTE, 60)
    seconds = await store.buckets("bed-3", "pulse", START_MS, START_MS + 10 * MINUTE, 1)
    return [readings, buckets, seconds, await store.latest("bed-3"), await store.events("bed-3", 0, START_MS + 1)]
