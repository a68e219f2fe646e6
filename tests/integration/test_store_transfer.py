"""Telemetry out of a store, away, and back: the embedded store and a real InfluxDB 1.6.7, by the command line."""

from __future__ import annotations

import gzip
import json
import struct
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from gateway.answers.rows import disclosures_of
from gateway.state import tables as t
from gateway.store.erasures import orders
from gateway.store.influx import InfluxStore
from gateway.store.protocol import Store
from tests.support.stores import START_MS, Influxd, VirtualClock, observe
from tests.support.transfers import HANDED_MS, LI_MARK, WANG_MARK, Desk, answers, desk, embedded, fill

CASE: dict[str, object] = {
    "id": "c-1",
    "number": "20261001-0001",
    "stage": "closed",
    "open": False,
    "severity": "emergency",
    "resident": "li",
    "opened_at_ms": START_MS,
    "version": 1,
    "body": "{}",
    "timeline_head": "",
    "timeline_lines": 0,
}


@pytest.fixture(scope="module")
def influxd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influxd]:
    server = Influxd(tmp_path_factory.mktemp("influxd"))
    server.start()
    try:
        yield server
    finally:
        server.kill()


class Kept:
    """A desk, and how to open its store."""

    def __init__(self, desk: Desk, server: Influxd | None) -> None:
        self.desk = desk
        self._server = server

    def open(self) -> Store:
        if self._server is not None:
            return InfluxStore(self._server.settings, "")
        return embedded(self.desk, VirtualClock(START_MS + 3_600_000))

    async def answers(self) -> dict[str, object]:
        store = self.open()
        try:
            return await answers(store)
        finally:
            await store.close()


@pytest.fixture(params=["embedded", "influxd"])
async def kept(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Kept]:
    server: Influxd | None = None
    if request.param == "influxd":
        server = request.getfixturevalue("influxd")
        server.create()
        request.addfinalizer(server.drop)
    found = Kept(desk(tmp_path, server), server)
    store = found.open()
    await fill(store)
    await store.close()
    yield found


@pytest.mark.parametrize("name", ["all.lp.gz", "all.csv", "all.parquet"])
async def test_out_away_and_back_in_every_format(kept: Kept, tmp_path: Path, name: str) -> None:
    before = await kept.answers()
    kept.desk.run("export", "--to", str(tmp_path / name))
    kept.desk.run("erase", "--resident", "li", "--because", "asked for it on 2026-11-01", "--yes")
    assert await kept.answers() != before

    again = kept.desk.run("import", str(tmp_path / name)).output
    assert "曾被清除" in again, "what was erased does not come back by itself"
    assert (await kept.answers())["pulse bed-9"] == before["pulse bed-9"]
    kept.desk.run("import", str(tmp_path / name), "--restore-erased")
    assert await kept.answers() == before
    kept.desk.run("import", str(tmp_path / name), "--restore-erased")
    assert await kept.answers() == before, "the same file again changes nothing"


async def test_erasing_takes_all_of_one_and_nothing_of_the_other(kept: Kept, tmp_path: Path) -> None:
    before = await kept.answers()
    said = kept.desk.run("erase", "--resident", "li", "--because", "moved out", "--yes").output
    assert "王强" not in said and "bed-9" not in said and "sos-1" in said

    after = await kept.answers()
    for device in ("bed-9", "door"):
        assert {k: v for k, v in after.items() if k.endswith(device)} == {
            k: v for k, v in before.items() if k.endswith(device)
        }
    assert not any(bool(value) for key, value in after.items() if key.endswith("sos-1"))
    pulse = [r for r in before["pulse bed-3"] if r.at_ms >= HANDED_MS]  # type: ignore[attr-defined]  # readings
    assert after["pulse bed-3"] == pulse and len(pulse) == 61
    assert after["spo2 bed-3"] == [] and after["events bed-3"] == [] and after["waveforms bed-3"] == []
    minutes = after["minutes of pulse bed-3"]
    assert sum(bucket.count for bucket in minutes) == 61  # type: ignore[attr-defined]  # buckets

    left = tmp_path / "left.lp"
    kept.desk.run("export", "--resident", "li", "--to", str(left))
    assert left.read_text() == ""
    kept.desk.run("export", "--to", str(left))
    assert "resident=li" not in left.read_text() and "resident=wang,score=news2 total=3.0" in left.read_text()
    [order] = orders(kept.desk.engine)
    assert order.done_ms is not None and order.reason == "moved out" and order.actor.startswith("system user")
    assert LI_MARK not in order.counts.values()


async def test_one_persons_data_are_theirs_alone(kept: Kept, tmp_path: Path) -> None:
    file = tmp_path / "li.csv"
    with kept.desk.engine.begin() as connection:
        connection.execute(sa.insert(t.cases).values(CASE))
    said = kept.desk.run("export", "--resident", "li", "--to", str(file)).output
    text = file.read_text(encoding="utf-8-sig")
    rows = text.splitlines()
    assert rows[0] == "time,measurement,device,resident,field,number,text,unit,tags"
    assert {row.split(",")[3] for row in rows[1:] if row.startswith("2026")} == {"li"}
    assert str(LI_MARK) in text and str(WANG_MARK) not in text and ",/min," in text and "+08:00" in text
    assert (file.stat().st_mode & 0o777, file.with_name("li.csv.readme.txt").stat().st_mode & 0o777) == (0o600, 0o600)
    page = file.with_name("li.csv.readme.txt").read_text(encoding="utf-8-sig")
    assert "李秀兰 (li)" in page and "脉率 pulse" in page and "sos-1" in page and "bed-9" not in page
    assert "anju cases export 20261001-0001 --pdf" in page and "20261001-0001" in said
    [told] = disclosures_of(kept.desk.engine, resident="li")
    assert (told.way, told.basis) == ("export", "request")


async def test_a_range_a_kind_a_device_and_all_but_one(kept: Kept, tmp_path: Path) -> None:
    file = tmp_path / "part.lp"

    def lines(*args: str) -> list[str]:
        kept.desk.run("export", "--to", str(file), *args)
        return [line for line in file.read_text().splitlines() if " " in line]

    assert {line.split(",")[0] for line in lines("--measurement", "event")} == {"event"}
    assert len(lines("--device", "door")) == 2
    begin = "2026-09-21T22:00:00+08:00"
    some = lines("--device", "bed-9", "--from", begin)
    assert 0 < len(some) <= 60 and all(int(line.split()[-1]) >= 1_789_999_200_000_000_000 for line in some)
    without = lines("--without-resident", "li")
    assert not any("resident=li" in line for line in without)
    assert len(without) + len(lines("--resident", "li")) == len(lines())


async def test_to_standard_output_goes_only_data(kept: Kept) -> None:
    result = kept.desk.run("export", "--to", "-", "--format", "line", "--device", "door")
    assert [line.split(",")[0] for line in result.stdout.splitlines()] == ["contact", "event"]
    assert "values" in result.stderr
    packed = kept.desk.run("export", "--to", "-", "--format", "csv", "--gzip", "--device", "door").stdout_bytes
    assert gzip.decompress(packed).decode("utf-8-sig").startswith("time,measurement")


async def test_nothing_is_erased_without_a_reason_and_a_yes(kept: Kept) -> None:
    before = await kept.answers()
    kept.desk.run("erase", "--resident", "li", code=2)
    kept.desk.run("erase", "--because", "x", code=2)
    result = kept.desk.run("erase", "--resident", "li", "--because", "asked", code=None)
    assert result.exit_code == 1 and "sos-1" in result.output
    assert await kept.answers() == before and orders(kept.desk.engine) == []


async def test_a_device_and_a_range_alone(kept: Kept) -> None:
    before = await kept.answers()
    until = "2026-09-21T22:20:00+08:00"
    kept.desk.run("erase", "--device", "bed-9", "--until", until, "--because", "a wrong patient", "--yes")
    after = await kept.answers()
    kept_ms = 1_790_000_400_000
    assert after["pulse bed-9"] == [r for r in before["pulse bed-9"] if r.at_ms >= kept_ms]  # type: ignore[attr-defined]
    assert after["pulse bed-3"] == before["pulse bed-3"]


async def test_the_bytes_are_gone_from_the_embedded_file(tmp_path: Path) -> None:
    gateway = desk(tmp_path)
    store = embedded(gateway, VirtualClock(START_MS + 3_600_000))
    await fill(store)
    marks = [struct.pack(">d", LI_MARK), json.dumps("li").encode()]
    try:
        assert marks[0] in _bytes(gateway) and marks[1] in _bytes(gateway) and b"sos-1" in _bytes(gateway)
        gateway.run("erase", "--resident", "li", "--because", "asked", "--yes")
        for mark in (*marks, b"sos-1"):
            assert mark not in _bytes(gateway)
        assert struct.pack(">d", WANG_MARK) in _bytes(gateway)
        # The store that was open all the while goes on, and gives nobody the number of a series that went.
        await store.write([observe(START_MS + 9_000_000, {"battery": 42.0}, device="sos-1", kind="sos_button")])
        await store.write([observe(START_MS + 9_000_000, {"weight": 60.0}, device="new")])
        assert {m: r.value for m, r in (await store.latest("sos-1")).items()} == {"battery": 42.0}
        assert {m: r.value for m, r in (await store.latest("new")).items()} == {"weight": 60.0}
    finally:
        await store.close()


def _bytes(gateway: Desk) -> bytes:
    files = sorted(gateway.data_dir.glob("telemetry.db*"))
    return b"".join(file.read_bytes() for file in files)
