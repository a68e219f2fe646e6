"""From a real journal into real stores: nothing lost, nothing doubled, whatever dies on the way."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

import gateway.store.influx
import gateway.store.writer
from dashboards.answer import Look
from dashboards.query import Column, Query
from devices.observation import Lane, Observation
from devices.telemetry import Stamps
from gateway.chronicle.street import OnStreet, Street
from gateway.clock import SystemClock
from gateway.journal.journal import Journal
from gateway.settings import JournalSettings
from gateway.state.db import open_database
from gateway.store.cursors import StoreCursors
from gateway.store.embedded import EmbeddedStore
from gateway.store.influx import InfluxStore
from gateway.store.protocol import BadPoint, StampsOf, Store, unstamped
from gateway.store.writer import BACKLOG_BATCH, BATCH, Meaning, StoreWriter
from tests.support.eventually import eventually_async
from tests.support.stores import START_MS, Influxd, Victoria, observe


@dataclass
class House:
    """A journal and a state database on disk, and a writer between them and a store."""

    journal: Journal
    engine: sa.Engine

    @contextlib.asynccontextmanager
    async def writing(self, store: Store, meaning: Meaning | None = None) -> AsyncIterator[StoreWriter]:
        cursors = StoreCursors(self.engine)
        writer = StoreWriter(
            self.journal,
            store,
            stamps=lambda device: Stamps("demo", grid="grid-1", place=f"home of {device}"),
            load=cursors.load,
            save=cursors.save,
            quarantine=self.journal.quarantine,
            clock=SystemClock(),
            meaning=meaning,
        )
        task = asyncio.create_task(writer.run())
        try:
            yield writer
        finally:
            assert not task.done()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await store.close()

    async def say(self, *observations: Observation) -> None:
        """Into the journal, and wait until it is on disk."""
        before = {lane: self.journal.last_position(lane) for lane in Lane}
        for observation in observations:
            self.journal.submit(observation, lambda _outcome: None)
        wanted = {lane: before[lane] + sum(o.lane is lane for o in observations) for lane in Lane}
        await eventually_async(lambda: all(self.journal.last_position(lane) >= wanted[lane] for lane in Lane))


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    journal = Journal(tmp_path / "journal", JournalSettings(), SystemClock())
    journal.start()
    engine = open_database(f"sqlite:///{tmp_path}/state.db")
    yield House(journal, engine)
    journal.close()
    engine.dispose()


@pytest.fixture
def influxd(tmp_path: Path) -> Iterator[Influxd]:
    server = Influxd(tmp_path / "influxd")
    server.start()
    server.create()
    yield server
    server.kill()


def run_of(first: int, count: int) -> list[Observation]:
    """Readings, one a second, with a press now and then."""
    return [
        observe(START_MS + i * 1000, {"pulse": 60.0 + i % 50}, event="measurement" if i % 10 == 0 else None)
        for i in range(first, first + count)
    ]


async def written(writer: StoreWriter) -> None:
    await eventually_async(lambda: writer.health().state == "ok" and writer.health().lag_entries == 0, 20)


def stored(server: Influxd) -> tuple[int, int]:
    """How many readings and how many events the server holds."""
    counts = [server.query(q) for q in ("SELECT count(pulse) FROM vitals_monitor", "SELECT count(value) FROM event")]
    return tuple(series[0]["values"][0][1] if series else 0 for series in counts)  # type: ignore[return-value]  # two


async def test_readings_carry_where_their_device_is(house: House, influxd: Influxd) -> None:
    batch = [observe(START_MS, {"pulse": 70}, event="measurement"), observe(START_MS, {"pulse": 60}, device="bed-9")]
    async with house.writing(InfluxStore(influxd.settings, "")):
        await house.say(*batch)
        await eventually_async(lambda: sum(len(found["values"]) for found in influxd.query("SHOW SERIES")) == 3)
    keys = {row[0] for row in influxd.query("SHOW SERIES")[0]["values"]}
    assert keys == {
        r"vitals_monitor,community=demo,device=bed-3,grid=grid-1,place=home\ of\ bed-3",
        r"vitals_monitor,community=demo,device=bed-9,grid=grid-1,place=home\ of\ bed-9",
        r"event,community=demo,device=bed-3,event=measurement,grid=grid-1,kind=vitals_monitor,place=home\ of\ bed-3",
    }


async def test_a_backlog_is_taken_in_large_batches_and_little_in_small_ones(house: House, tmp_path: Path) -> None:
    taken: list[int] = []

    class Counting(EmbeddedStore):
        async def write(self, observations: Sequence[Observation], stamps: StampsOf = unstamped) -> list[BadPoint]:
            if any(one.lane is Lane.ROUTINE for one in observations):
                taken.append(len(observations))
            return await super().write(observations, stamps)

    await house.say(*(observe(START_MS + i * 1000, {"pulse": 60.0}) for i in range(9_000)))
    await house.say(*(observe(START_MS + i * 1000, {"pulse": 60.0}) for i in range(9_000, 13_000)))
    async with house.writing(Counting(tmp_path / "t.db", SystemClock())) as writer:
        await written(writer)
        assert taken == [BATCH, BACKLOG_BATCH, 13_000 - BATCH - BACKLOG_BATCH]
        await house.say(observe(START_MS, {"pulse": 61.0}, device="bed-9"))
        await written(writer)
    assert taken[3:] == [1]


async def test_what_readings_mean_is_stored_with_them_also_after_an_outage(house: House, influxd: Influxd) -> None:
    bin_3 = OnStreet("三号桶", "第3网格", Stamps("demo", grid="grid-1"), supervision_s=14_400)
    fills = (60, 88, 92, 4, 9)
    said = [
        observe(START_MS + i * 3_600_000, {"fill": fill}, device="bin-3", kind="waste_bin")
        for i, fill in enumerate(fills)
    ]
    await house.say(*said[:2])
    async with house.writing(InfluxStore(influxd.settings, ""), Street({"bin-3": bin_3}.get)) as writer:
        await written(writer)
        influxd.kill()
        await house.say(*said[2:])
        await eventually_async(lambda: writer.health().state == "unavailable", 20)
        influxd.start()
        await written(writer)
    (series,) = influxd.query('SELECT collected, full_s FROM bin GROUP BY "name", grid_name')
    assert series["tags"] == {"name": "三号桶", "grid_name": "第3网格"}
    assert [row[1:] for row in series["values"]] == [[0, 0], [0, 3600], [1, 3600], [0, 0]]


async def test_a_reading_whose_meaning_nobody_can_tell_stops_nothing(house: House, tmp_path: Path) -> None:
    def known(device: str) -> OnStreet | None:
        if device == "bin-6":
            raise ZeroDivisionError("as a defect would")
        return OnStreet("三号桶", "第3网格", Stamps("demo", grid="grid-1"), supervision_s=14_400)

    store = EmbeddedStore(tmp_path / "t.db", SystemClock())
    async with house.writing(store, Street(known)) as writer:
        for device in ("bin-6", "bin-3"):
            await house.say(observe(START_MS, {"fill": 60}, device=device, kind="waste_bin"))
            await written(writer)
        found = [(await store.latest(device))["fill"].value for device in ("bin-6", "bin-3")]
        answer = await store.ask(
            Query("bin", (Column("fill"),), by=("device",)), Look(language="zh", start_ms=START_MS, end_ms=START_MS)
        )
    assert found == [60, 60], "the readings themselves are there"
    assert [row[1] for row in answer.rows] == ["bin-3"]


async def test_both_lanes_arrive_and_the_cursors_are_kept(house: House, tmp_path: Path) -> None:
    await house.say(*run_of(0, 500))
    async with house.writing(EmbeddedStore(tmp_path / "t.db", SystemClock())) as writer:
        await written(writer)
        await house.say(*run_of(500, 30))
        await written(writer)
        health = writer.health()
        assert (health.store, health.points_written, health.oldest_unwritten_ms) == ("embedded SQLite", 583, None)
        assert health.points_per_s > 0
    assert writer.health().state == "stopped"
    cursors = StoreCursors(house.engine)
    assert {lane: cursors.load(lane) for lane in Lane} == {lane: house.journal.last_position(lane) for lane in Lane}

    async with house.writing(EmbeddedStore(tmp_path / "t.db", SystemClock())) as writer:
        await house.say(observe(START_MS, {"spo2": 97}))
        await written(writer)
        assert writer.health().points_written == 1, "nothing is read again after a clean stop"


async def test_influxdb_killed_again_and_again_loses_and_doubles_nothing(house: House, influxd: Influxd) -> None:
    async with house.writing(InfluxStore(influxd.settings, "")) as writer:
        for turn in range(3):
            await house.say(*run_of(turn * 3000, 1500))
            await eventually_async(lambda: writer.health().points_written > 0)
            await asyncio.to_thread(influxd.kill)
            await house.say(*run_of(turn * 3000 + 1500, 1500))
            await eventually_async(lambda: writer.health().state == "unavailable")
            await asyncio.to_thread(influxd.start)
        await written(writer)
        assert await asyncio.to_thread(stored, influxd) == (9000, 900)


async def test_an_outage_is_shown_and_caught_up(house: House, influxd: Influxd) -> None:
    await asyncio.to_thread(influxd.stop)
    async with house.writing(InfluxStore(influxd.settings, "")) as writer:
        await house.say(*run_of(0, 8000))
        await eventually_async(lambda: writer.health().state == "unavailable")
        health = writer.health()
        assert "no answer from http://127.0.0.1" in health.last_error and "store.url" in health.what_to_do
        assert health.lag_entries == 8000 and health.oldest_unwritten_ms == START_MS + 40
        assert StoreCursors(house.engine).load(Lane.ROUTINE) == 0

        await asyncio.to_thread(influxd.start)
        await written(writer)
        health = writer.health()
        assert (health.store, health.last_error, health.lag_entries) == ("InfluxDB 1.6.7~rc0", "", 0)
        assert await asyncio.to_thread(stored, influxd) == (8000, 800)


async def test_a_bad_line_goes_to_quarantine_alone(house: House, influxd: Influxd) -> None:
    await asyncio.to_thread(influxd.write, f"vitals_monitor,device=alien steps=1i {START_MS}000000")
    good = run_of(0, 300)
    bad = observe(START_MS, {"steps": 9.0, "pulse": 61.0}, device="walker")
    async with house.writing(InfluxStore(influxd.settings, "")) as writer:
        await house.say(*good[:150], bad, *good[150:])
        await written(writer)
        assert writer.health().points_refused == 1
        assert await asyncio.to_thread(stored, influxd) == (300, 30)
    [record] = house.journal.quarantined(10)
    assert (record.transport, record.device, record.reason) == ("store", "walker", "store_refused")
    assert "field type conflict" in record.hint and bad.message_id.encode() in record.payload


async def test_a_lost_cursor_means_writing_again_and_doubling_nothing(house: House, influxd: Influxd) -> None:
    for _ in range(2):
        async with house.writing(InfluxStore(influxd.settings, "")) as writer:
            if house.journal.last_position(Lane.ROUTINE) == 0:
                await house.say(*run_of(0, 1000))
            await written(writer)
            assert writer.health().points_written == 1100
        StoreCursors(house.engine).save(Lane.ROUTINE, 0)
        StoreCursors(house.engine).save(Lane.URGENT, 10**9)  # and one from another life of the journal
    assert await asyncio.to_thread(stored, influxd) == (1000, 100)


async def test_victoria_metrics_killed_is_written_again(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It acknowledges what it has only in memory: the cursor waits, and goes back when the server was started anew."""
    monkeypatch.setattr(gateway.store.writer, "SAVE_EVERY_S", 0.3)
    monkeypatch.setattr(gateway.store.influx, "VICTORIA_LAG_S", 4.0)
    server = Victoria(tmp_path / "vm")
    await asyncio.to_thread(server.start)
    async with house.writing(InfluxStore(server.settings, "")) as writer:
        await house.say(*run_of(0, 2000))
        await written(writer)
        assert StoreCursors(house.engine).load(Lane.ROUTINE) == 0, "not yet"
        await asyncio.to_thread(server.restart_killed)
        await house.say(*run_of(2000, 1000))
        await eventually_async(lambda: writer.health().points_written >= 2200 + 3300, 40)
        await written(writer)
        points = await asyncio.to_thread(server.export)
        assert points["vitals_monitor_pulse bed-3"] == {START_MS + i * 1000: 60.0 + i % 50 for i in range(3000)}
        assert len(points["event_value bed-3"]) == 300
    server.kill()


async def test_a_restart_that_no_write_saw_is_found_before_the_cursor_moves(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway.store.writer, "SAVE_EVERY_S", 0.3)
    monkeypatch.setattr(gateway.store.influx, "VICTORIA_LAG_S", 4.0)
    server = Victoria(tmp_path / "vm")
    await asyncio.to_thread(server.start)
    async with house.writing(InfluxStore(server.settings, "")) as writer:
        await house.say(*run_of(0, 500))
        await written(writer)
        await asyncio.to_thread(server.restart_killed)  # while there is nothing to write
        cursors = StoreCursors(house.engine)
        await eventually_async(lambda: cursors.load(Lane.ROUTINE) == house.journal.last_position(Lane.ROUTINE), 40)
        assert writer.health().points_written >= 2 * 550
        points = await asyncio.to_thread(server.export)
        assert len(points["vitals_monitor_pulse bed-3"]) == 500
    server.kill()
