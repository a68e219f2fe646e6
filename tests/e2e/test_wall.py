"""From a key to the wall: a whole gateway beside a real InfluxDB, which is killed and started again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.eventually import eventually
from tests.support.gateway import RunningGateway
from tests.support.homes import FAR_LINE, community
from tests.support.outside import OutsideWorld
from tests.support.stores import Influxd


@pytest.fixture(scope="module")
def influxd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influxd]:
    server = Influxd(tmp_path_factory.mktemp("influxd"))
    server.start()
    server.create()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, influxd: Influxd) -> Iterator[RunningGateway]:
    directory: Path = tmp_path_factory.mktemp("gateway")
    settings = {"ANJU_STORE__KIND": "influxdb", "ANJU_STORE__URL": influxd.url, "ANJU_STORE__TOKEN_SECRET": ""}
    with (
        OutsideWorld() as world,
        RunningGateway(directory, world, community=community(rungs=FAR_LINE), settings=settings) as gateway,
    ):
        yield gateway


def rows(server: Influxd, query: str) -> list[dict[str, Any]]:
    return [
        dict(zip(series["columns"], values, strict=True))
        for series in server.query(query)
        for values in series["values"]
    ]


def shown(server: Influxd, number: str) -> dict[str, Any]:
    found = eventually(
        lambda: rows(server, f"""SELECT * FROM "case" WHERE "number" = '{number}'"""), 20, f"{number} in InfluxDB"
    )
    assert len(found) == 1, "one case, one point"
    return found[0]


def test_a_key_is_on_the_wall_once_whatever_is_killed(gateway: RunningGateway, influxd: Influxd) -> None:
    with gateway.radio() as radio:
        radio.say("sos-1", "press")
        first = gateway.wait_for_case("sos-1")
        assert shown(influxd, first["number"])["open"] == 1
        gateway.kill()  # perhaps before it has remembered what it wrote
    gateway.start()
    with gateway.radio() as radio:
        influxd.kill()
        radio.say("sos-2", "press")
        second = gateway.wait_for_case("sos-2")
        gateway.act(first["id"], "acknowledge")
        eventually(lambda: gateway.parts()["chronicle"]["state"] == "degraded", 20, "it is seen")
        assert gateway.readyz()[0] == 200, "alarms are taken in and decided all the same"
        influxd.start()
        assert shown(influxd, second["number"])["stage"] == "opened"
        eventually(lambda: shown(influxd, first["number"])["stage"] == "acknowledged", 20, "what was missed is there")
    eventually(lambda: gateway.parts()["chronicle"]["state"] == "ok", 40, "well again")
    eventually(lambda: gateway.metric("anju_chronicle_behind") == 0, 20, "nothing is behind")
    assert gateway.metric("anju_chronicle_points_total")
    for measurement in ("part", "lane", "fleet", "place"):
        eventually(lambda name=measurement: rows(influxd, f'SELECT * FROM "{name}" LIMIT 1'), 20, measurement)
