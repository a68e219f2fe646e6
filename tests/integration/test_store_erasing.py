"""Erasure where it is hard: a crash, a gateway that runs, the journal, roll-ups, stores that cannot do all of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import pytest

from devices.observation import Lane, Observation
from devices.telemetry import Stamps
from gateway.clock import SystemClock
from gateway.journal.entry import Outcome, Quarantined
from gateway.journal.journal import Journal
from gateway.journal.view import JournalView
from gateway.settings import JournalSettings
from gateway.state.leadership import Leadership
from gateway.store.cursors import StoreCursors
from gateway.store.embedded import EmbeddedStore
from gateway.store.erasures import Erasures, Marks, order, orders
from gateway.store.influx import InfluxStore
from gateway.store.transfer import embedded_source, influx_source, source
from gateway.store.transfer.embedded_source import EmbeddedSource
from gateway.store.transfer.influx_source import InfluxSource
from gateway.store.transfer.selection import Selection, Span
from gateway.store.writer import StoreWriter
from tests.support.eventually import eventually_async
from tests.support.influx2_data import TOKEN, Influx2Data
from tests.support.journal import Answers
from tests.support.stores import START_MS, Influxd, Victoria, VirtualClock, observe
from tests.support.transfers import HANDED_MS, LI_MARK, WANG_MARK, answers, desk, embedded, fill, points, where

HOUR = 3_600_000
END = START_MS + 30 * 24 * HOUR
ASKED = ("--because", "asked for it", "--yes")


@pytest.fixture(scope="module")
def influxd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influxd]:
    server = Influxd(tmp_path_factory.mktemp("influxd"))
    server.start()
    try:
        yield server
    finally:
        server.kill()


@pytest.fixture(scope="module")
def victoria(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victoria]:
    server = Victoria(tmp_path_factory.mktemp("victoria"))
    server.start()
    try:
        yield server
    finally:
        server.kill()


@pytest.mark.parametrize("step", ["journal", "deleting", "anew"])
async def test_one_that_is_killed_in_the_middle_is_carried_on(tmp_path: Path, step: str) -> None:
    gateway = desk(tmp_path)
    store = embedded(gateway, VirtualClock(START_MS + HOUR))
    await fill(store)
    await store.close()
    (gateway.data_dir / "journal").mkdir()
    gateway.file.rename(away := tmp_path / "away")
    gateway.run("erase", "--resident", "li", *ASKED, code=1)
    assert orders(gateway.engine) == [], "what cannot be looked at is not ordered"
    away.rename(gateway.file)
    child = [sys.executable, "-m", "tests.support.erase_child", str(gateway.data_dir), step]
    spans = [Span("bed-3", 0, HANDED_MS), Span("sos-1", 0, START_MS + HOUR)]
    order(
        gateway.engine,
        at_ms=START_MS + HOUR,
        actor="op",
        reason="asked",
        resident="li",
        devices=[],
        start_ms=0,
        end_ms=START_MS + HOUR,
        spans=spans,
        store="embedded SQLite",
    )
    killed = await asyncio.to_thread(subprocess.run, child, check=False, capture_output=True, timeout=60)
    assert killed.returncode == -9, killed.stderr.decode()
    [one] = orders(gateway.engine, unfinished=True)
    assert "✗" in gateway.run("erase", "--list").output

    gateway.run("erase", "--resume")
    assert orders(gateway.engine, unfinished=True) == [] and orders(gateway.engine)[0].id == one.id
    data = b"".join(file.read_bytes() for file in gateway.data_dir.glob("telemetry.db*"))
    assert struct.pack(">d", LI_MARK) not in data and struct.pack(">d", WANG_MARK) in data


async def test_a_gateway_that_runs_takes_notice_and_nothing_comes_back(tmp_path: Path) -> None:
    gateway = desk(tmp_path)
    journal = Journal(gateway.data_dir / "journal", JournalSettings(), SystemClock())
    journal.start()
    said = Answers()
    names = iter(f"m{number}" for number in range(1000))

    def say(*measured: Observation) -> list[Outcome]:
        # What was received long ago is trimmed when it has been read.
        now_ms = SystemClock().now_ms()
        observations = [msgspec.structs.replace(one, received_at_ms=now_ms) for one in measured]
        asked = [next(names) for _ in observations]
        for name, observation in zip(asked, observations, strict=True):
            journal.submit(observation, said.of(name))
        return [said.wait(name) for name in asked]

    Leadership(gateway.engine, SystemClock()).keep(0)
    first = observe(START_MS, {"pulse": LI_MARK})
    say(first, observe(HANDED_MS + 1, {"pulse": WANG_MARK}))
    journal.quarantine(_nonsense("bed-3", START_MS + 5), said.of("q1"))
    journal.quarantine(_nonsense("bed-9", START_MS + 5), said.of("q2"))
    assert said.wait("q2") and said.wait("q1")
    try:
        async with _writing(gateway.engine, journal, embedded(gateway, SystemClock())) as store:
            await eventually_async(lambda: journal.cursor("store", Lane.ROUTINE) == 2, 20)
            assert [r.value for r in await store.readings("bed-3", "pulse", 0, START_MS * 2, 9)] == [LI_MARK, WANG_MARK]
            erased = await asyncio.to_thread(gateway.run, "erase", "--resident", "li", *ASKED)
            assert "journal 1" in erased.output and "quarantine 1" in erased.output, erased.output

            # The device says it once more, and something that it had kept since then.
            assert say(first) == [Outcome.DUPLICATE]
            say(observe(START_MS + 9, {"pulse": LI_MARK}), observe(HANDED_MS + 2, {"pulse": WANG_MARK}))
            await eventually_async(
                lambda: journal.cursor("store", Lane.ROUTINE) == journal.last_position(Lane.ROUTINE), 20
            )
            found = await store.readings("bed-3", "pulse", 0, START_MS * 2, 9)
            assert [r.at_ms for r in found] == [HANDED_MS + 1, HANDED_MS + 2]
        view = JournalView(gateway.data_dir / "journal")
        assert [item.device for item in view.quarantined(9)] == ["bed-9"]
        emptied = view.read(Lane.ROUTINE, 0, 1)[0].observation
        assert (emptied.message_id, dict(emptied.metrics), dict(emptied.data)) == (
            first.message_id,
            {},
            {"erased": True},
        )
        view.close()
    finally:
        journal.close()


async def test_a_gateway_that_takes_no_notice_keeps_the_order_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = desk(tmp_path)
    store = embedded(gateway, VirtualClock(START_MS + HOUR))
    await fill(store)
    journal = Journal(gateway.data_dir / "journal", JournalSettings(), SystemClock())
    journal.start()
    Leadership(gateway.engine, SystemClock()).keep(0)
    monkeypatch.setattr("gateway.store.transfer.erasing.SEEN_WITHIN_S", 0.3)
    before = await answers(store)
    try:
        said = await asyncio.to_thread(gateway.run, "erase", "--resident", "li", *ASKED, code=1)
        assert "anju-gateway has not taken notice" in said.output
        assert await answers(store) == before and len(orders(gateway.engine, unfinished=True)) == 1
    finally:
        journal.close()
    gateway.run("erase", "--resume")
    assert (await answers(store))["events sos-1"] == []
    await store.close()


@contextlib.asynccontextmanager
async def _writing(engine: object, journal: Journal, store: EmbeddedStore) -> AsyncIterator[EmbeddedStore]:
    cursors = StoreCursors(engine)  # type: ignore[arg-type]  # a state database's engine
    writer = StoreWriter(
        journal,
        store,
        stamps=lambda _device: Stamps("demo"),
        load=cursors.load,
        save=cursors.save,
        quarantine=journal.quarantine,
        clock=SystemClock(),
        erased=Erasures(engine).marks,  # type: ignore[arg-type]
    )
    task = asyncio.create_task(writer.run())
    try:
        yield store
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await store.close()


def _nonsense(device: str, at_ms: int) -> Quarantined:
    return Quarantined(
        received_at_ms=at_ms,
        transport="mqtt",
        source="t",
        device=device,
        reason="malformed",
        field="metrics",
        expected="x",
        hint="y",
        payload=b"72.5",
    )


def test_marks_cover_what_was_erased_and_not_more() -> None:
    marks = Marks([Span("a", 10, 20), Span("a", 15, 30), Span("a", 40, 50), Span("b", 0, 5)])
    assert [at for at in range(0, 60, 5) if marks.cover("a", at)] == [10, 15, 20, 25, 40, 45]
    assert marks.cover("b", 4) and not marks.cover("b", 5) and not marks.cover("c", 4)
    assert marks and not Marks()


async def test_minutes_and_hours_of_what_is_trimmed_go_out_and_come_back(tmp_path: Path) -> None:
    gateway, clock = desk(tmp_path), VirtualClock(START_MS + HOUR)
    store = embedded(gateway, clock)
    await fill(store)
    for _ in range(2):
        clock.forward(days=5)
        for _ in range(40):
            await store.write(
                [observe(clock.now_ms(), {"rssi": -60.0}, device="door", kind="contact")], where(0).__getitem__
            )
            clock.forward(s=11)

    async def charts(of: EmbeddedStore) -> list[object]:
        return [
            await of.buckets(device, metric, START_MS, END, width)
            for device, metric in (("bed-3", "pulse"), ("bed-9", "pulse"), ("sos-1", "battery"))
            for width in (60, 3600)
        ]

    before = await charts(store)
    assert len(before[0]) > 30  # type: ignore[arg-type]
    assert len(await store.readings("bed-9", "pulse", 0, END, 99)) == 1, "all readings but the newest are trimmed"
    file = tmp_path / "all.csv"
    gateway.run("export", "--to", str(file))
    assert "pulse.sum" in file.read_text(encoding="utf-8-sig")
    (tmp_path / "other").mkdir()
    other = desk(tmp_path / "other")
    other.run("import", str(file))
    copy = embedded(other, clock)
    assert await charts(copy) == before
    await copy.close()

    # The hour in which the monitor changed hands cannot be told apart any more; its minutes can, but for one.
    said = gateway.run("erase", "--resident", "li", *ASKED).output
    assert "含两人的数据" in said
    mine = [bucket for bucket in before[0] if bucket.start_ms >= HANDED_MS]  # type: ignore[attr-defined]
    assert (await charts(store))[0] == mine and (await charts(store))[2] == before[2]
    await store.close()


async def test_influxdb_2_is_asked_as_its_contract_says(tmp_path: Path, influxd: Influxd) -> None:
    influxd.create()
    writing = InfluxStore(influxd.settings, "")
    await fill(writing)
    before = await answers(writing)
    with Influx2Data(influxd).serving() as server:
        gateway = desk(tmp_path, server)
        gateway.token = TOKEN
        said = gateway.run("erase", "--resident", "li", *ASKED).output
        assert "✓" in said
    assert {bucket for bucket, _ in server.deleted} == {"anju", "anju/minute"}
    assert ("anju", '"_measurement"="score" AND "resident"="li"') in server.deleted
    after = await answers(writing)
    assert after["events sos-1"] == [] and after["pulse bed-9"] == before["pulse bed-9"]
    assert min(r.at_ms for r in after["pulse bed-3"]) == HANDED_MS  # type: ignore[attr-defined]
    await writing.close()
    influxd.drop()


async def test_influxdb_3_core_cannot_and_says_what_to_do(tmp_path: Path, influxd: Influxd) -> None:
    influxd.create()
    writing = InfluxStore(influxd.settings, "")
    await fill(writing)
    before = await answers(writing)
    with Influx2Data(influxd, "v3.2.0").serving() as server:
        gateway = desk(tmp_path, server)
        said = gateway.run("erase", "--resident", "li", *ASKED, code=3).output
        assert "--without-resident li" in said and "influxdb3 delete database" in said
        assert [one.resident for one in orders(gateway.engine, unfinished=True)] == ["li"]
    assert await answers(writing) == before
    await writing.close()
    influxd.drop()


async def test_victoria_metrics_loses_whole_series_and_no_part_of_one(tmp_path: Path, victoria: Victoria) -> None:
    store = InfluxStore(victoria.settings, "")
    await fill(store)
    gateway = desk(tmp_path, victoria)

    def residents() -> set[str]:
        return {name for name in ("li", "wang") if victoria.export(f'{{resident="{name}"}}')}

    assert residents() == {"li", "wang"}
    refused = gateway.run("erase", "--resident", "li", "--from", "2026-09-21", *ASKED, code=3).output
    assert "whole series only" in refused
    assert residents() == {"li", "wang"} and orders(gateway.engine) == []
    assert " 9 个序列 whole series" in gateway.run("erase", "--resident", "li", *ASKED).output
    assert residents() == {"wang"}
    # From before there were stamps, and of both: no part of it can go.
    await store.write([observe(START_MS, {"pulse": LI_MARK}), observe(HANDED_MS, {"pulse": WANG_MARK})])
    assert "several people" in gateway.run("erase", "--resident", "li", *ASKED, code=3).output
    gateway.run("export", "--to", str(tmp_path / "x.lp"), code=1)
    await store.close()


async def test_roll_ups_and_the_index_of_influxdb_1_lose_the_person_too(tmp_path: Path, influxd: Influxd) -> None:
    influxd.create()
    influxd.query('CREATE RETENTION POLICY "minute" ON "anju" DURATION 90d REPLICATION 1')
    store = InfluxStore(influxd.settings, "")
    await fill(store)
    influxd.query('SELECT mean(*), count(*) INTO "anju"."minute".:MEASUREMENT FROM /vitals/ GROUP BY time(1m), *')
    gateway = desk(tmp_path, influxd)
    # Of a day before, whose readings are not kept any more.
    old_ms = START_MS - 24 * HOUR
    rolled = (
        "vitals_monitor,device=bed-3,resident=li mean_pulse=61,count_pulse=6,min_pulse=60,max_pulse=63,last_pulse=62"
    )
    influxd.write(f"{rolled} {old_ms}000000", "minute")
    file = tmp_path / "li.lp"
    gateway.run("export", "--resident", "li", "--to", str(file))
    assert [line for line in file.read_text().splitlines() if "rolled" in line] == [
        "vitals_monitor,device=bed-3,resident=li,rolled=1m "
        f"pulse.count=6.0,pulse.sum=366.0,pulse.min=60.0,pulse.max=63.0,pulse.last=62.0 {old_ms}000000"
    ]
    (tmp_path / "other").mkdir()
    other = desk(tmp_path / "other")
    other.run("import", str(file))
    copy = embedded(other, VirtualClock(START_MS + 24 * HOUR))
    [bucket, *_] = await copy.buckets("bed-3", "pulse", old_ms, END, 60)
    await copy.close()
    assert (bucket.start_ms, bucket.count, bucket.mean, bucket.last) == (old_ms, 6, 61.0, 62.0)

    gateway.run("erase", "--resident", "li", *ASKED)
    for policy in ("autogen", "minute"):
        found = influxd.query(f'SELECT * FROM "anju"."{policy}"./.*/ WHERE "resident" = \'li\'')
        assert found == []
        assert influxd.query(f'SELECT * FROM "anju"."{policy}"."vitals_monitor" WHERE "resident" = \'wang\'')
    keys = json.dumps([series["values"] for series in influxd.query("SHOW SERIES")])
    assert "resident=li" not in keys and "resident=wang" in keys
    await store.close()
    influxd.drop()


async def test_memory_is_bounded_by_the_helping(
    tmp_path: Path, influxd: Influxd, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = desk(tmp_path)
    influxd.create()
    stores = [embedded(gateway, VirtualClock(START_MS + HOUR)), InfluxStore(influxd.settings, "")]
    for store in stores:
        await fill(store)
        await store.close()
    monkeypatch.setattr(source, "HELPING", 7)
    monkeypatch.setattr(influx_source, "HELPING", 7)

    def read() -> list[list[tuple[str, int, tuple[tuple[str, object], ...]]]]:
        found = []
        for opened in (EmbeddedSource(gateway.file, {}), InfluxSource(influxd.settings, "")):
            helpings = [helping for helping in opened.read(Selection()) if helping.points]
            assert max(len(helping.points) for helping in helpings) <= 7 and len(helpings) > 40
            assert [h.done for h in helpings] == sorted(h.done for h in helpings)
            found.append(
                sorted(
                    (point.measurement, point.at_ns, tuple(sorted(point.fields.items())))
                    for helping in helpings
                    for point in helping.points
                )
            )
            opened.close()
        return found

    one, other = await asyncio.to_thread(read)
    assert one == other and len(one) == 189 + 123 + len(points())
    assert embedded_source.ROLLED == source.ROLLED
    influxd.drop()


FOREIGN = """\
# from somebody else
weather,station=roof temp=21.5,ok=t,n=3i 1790000000000
weather,station=roof temp=hot 1790000000000
contact,device=door battery=49 1790000001000
weather,station=roof note="wind, \\"north\\"" 1790000002000
weather station=roof 1790000002000
"""


async def test_line_protocol_of_others_and_lines_that_are_none(tmp_path: Path) -> None:
    gateway = desk(tmp_path)
    file = tmp_path / "foreign.lp"
    file.write_text(FOREIGN)
    dry = gateway.run("import", str(file), "--precision", "ms", "--dry-run", code=3).output
    assert "would be stored" in dry and "line 3" in dry and "line 6" in dry and not gateway.file.exists()
    said = gateway.run("import", str(file), "--precision", "ms", code=3).output
    assert "not taken: 2" in said and "made floats: 2" in said
    rejected = file.with_name("foreign.lp.rejected.txt").read_text().splitlines()
    assert [line.split("\t")[0] for line in rejected] == ["# line", "3", "6"]
    assert "'hot'" in rejected[1] and rejected[1].endswith("temp=hot 1790000000000")
    store = embedded(gateway, VirtualClock(START_MS + HOUR))
    assert [r.value for r in await store.readings("door", "battery", 0, START_MS * 2, 9)] == [49.0]
    await store.close()
    gateway.run("export", "--to", "-", "--format", "line", "--measurement", "weather")
    gateway.run("import", str(tmp_path / "nothing.lp"), code=1)
    (tmp_path / "what").write_text("x")
    gateway.run("import", str(tmp_path / "what"), code=2)


async def test_an_export_that_fails_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = desk(tmp_path)
    store = embedded(gateway, VirtualClock(START_MS + HOUR))
    await fill(store)
    await store.close()
    out = tmp_path / "out"
    out.mkdir()
    monkeypatch.setenv("ANJU_JOURNAL__RESERVE_MB", str(2**40))
    for name in ("a.csv", "a.parquet", "a.lp.gz"):
        said = gateway.run("export", "--to", str(out / name), code=1).output
        assert "stay for the journal" in said
    monkeypatch.delenv("ANJU_JOURNAL__RESERVE_MB")
    gateway.run("export", "--to", str(out / "nowhere" / "a.csv"), code=1)
    gateway.run("export", "--to", str(out / "a.xlsx"), code=2)
    assert list(out.iterdir()) == []
