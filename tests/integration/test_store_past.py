"""The past for back-tests out of a real InfluxDB 1.6.7: the same as out of the embedded store, and readings alone."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from devices.kinds import KINDS
from devices.observation import Waveform
from devices.telemetry import Stamps
from gateway.settings import Settings
from gateway.store import open_store
from gateway.store.influx_http import InfluxHttp
from gateway.store.past import Past, open_past
from gateway.store.protocol import Point
from gateway.store.setup import set_up
from gateway.store.setup.backlog import roll_up_again
from tests.support.stores import START_MS, Influxd, VirtualClock, observe

NS = 1_000_000
AT = {"bed-3": Stamps("tjh", "grid-1", "b-3", "b-3-101", "wang"), "sos-1": Stamps("tjh", "5", "7", "9", "11")}


@pytest.fixture(scope="module")
def influxd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influxd]:
    server = Influxd(tmp_path_factory.mktemp("influxd"))
    server.start()
    try:
        yield server
    finally:
        server.kill()


async def write_all(settings: Settings) -> None:
    """A story of everything that the store may hold; `sos-1` stands at places whose ids look like numbers."""
    store = open_store(settings, VirtualClock(START_MS + 60_000))
    strip = Waveform(name="ecg", lead="II", rate_hz=250, unit="mV", samples=(0.5, 1.5))
    await store.write(
        [
            observe(START_MS, {"pulse": 70, "spo2": 97.5}, event="measurement", waveform=strip),
            observe(START_MS + 1000, {"battery": 88}, device="sos-1", kind="sos_button", event="press"),
            observe(START_MS + 2000, {"speed": 31, "flow": 400}, device="road-1", kind="traffic_counter"),
            observe(START_MS + 3000, {"pulse": 71}),
        ],
        lambda device: AT.get(device, Stamps("tjh")),
    )
    tags = {"community": "tjh", "grid": "grid-1", "device": "road-1"}
    await store.write_points(
        [
            Point(measurement="case", tags={"grid": "5"}, fields={"open": 1.0, "id": "7"}, at_ns=START_MS * NS),
            Point(measurement="road", tags=tags, fields={"level": 3.0, "speed": 31.0}, at_ns=(START_MS + 2000) * NS),
            Point(measurement="lane", tags={"lane": "urgent"}, fields={"backlog": 0.0}, at_ns=1),
        ]
    )
    await store.close()


def told(past: Past) -> list[tuple[int, str, str | None, dict[str, float]]]:
    try:
        assert past.begins_ms() == START_MS, "the points of others are no beginning"
        assert past.between(START_MS + 3001, START_MS + 60_000) == []
        found = past.between(START_MS, START_MS + 3001)
        return [(one.at_ms, one.device, one.event, dict(one.metrics)) for one in found]
    finally:
        past.close()


def test_tags_points_and_roll_ups_are_no_readings(influxd: Influxd, tmp_path: Path) -> None:
    remote = Settings(data_dir=tmp_path, store=influxd.settings.model_copy(update={"token_secret": ""}))
    embedded = Settings(data_dir=tmp_path)

    async def story() -> None:
        http = InfluxHttp(remote.store, "")
        server = await http.detect()
        async for _ in set_up(http, server, remote.store):
            pass
        await write_all(remote)
        async for _ in roll_up_again(http, server, remote.store, START_MS, START_MS + 60_000):
            pass
        await http.close()
        await write_all(embedded)

    asyncio.run(story())
    assert influxd.query('SELECT * FROM "minute"."vitals_monitor"'), "there are roll-ups"
    expected = [
        (START_MS, "bed-3", "measurement", {}),
        (START_MS, "bed-3", None, {"pulse": 70.0, "spo2": 97.5}),
        (START_MS + 1000, "sos-1", "press", {}),
        (START_MS + 1000, "sos-1", None, {"battery": 88.0}),
        (START_MS + 2000, "road-1", None, {"speed": 31.0, "flow": 400.0}),
        (START_MS + 3000, "bed-3", None, {"pulse": 71.0}),
    ]
    assert told(open_past(remote, KINDS)) == expected
    assert told(open_past(embedded, KINDS)) == expected
