"""The embedded store over days and months: roll-ups, late readings, retention, and death by SIGKILL."""

from __future__ import annotations

import asyncio
import random
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from dashboards.answer import Answer, Look
from dashboards.query import Column, Query
from devices.observation import Waveform
from devices.telemetry import NOWHERE, Stamps
from gateway.store import embedded
from gateway.store.embedded import READERS, EmbeddedStore
from gateway.store.past import EmbeddedPast
from gateway.store.protocol import Bucket, Point, StoreUnavailable
from gateway.store.telemetry_file import SCHEMA_1, SCHEMA_2
from tests.integration.test_store_protocol import reckon
from tests.support.stores import START_MS, VirtualClock, observe

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
async def store(tmp_path: Path, clock: VirtualClock) -> AsyncIterator[EmbeddedStore]:
    found = EmbeddedStore(tmp_path / "telemetry.db", clock)
    yield found
    await found.close()


async def live_on(store: EmbeddedStore, clock: VirtualClock, *, times: int = 3) -> None:
    """Something else is written, so that upkeep gets its turns."""
    for _ in range(times):
        clock.forward(s=11)
        await store.write([observe(clock.ms, {"battery": 90}, device="other", kind="contact")])


async def look(store: EmbeddedStore, readings: dict[int, float], start: int, end: int, width_s: int) -> None:
    found = await store.buckets("bed-3", "pulse", start, end, width_s)
    wanted = reckon(readings, start, end, width_s)

    def exact(buckets: list[Bucket]) -> list[tuple[float, ...]]:
        return [(b.start_ms, b.count, b.low, b.high, b.last) for b in buckets]

    assert exact(found) == exact(wanted)
    assert [b.mean for b in found] == pytest.approx([b.mean for b in wanted])


async def test_100_days_are_right_at_every_age(store: EmbeddedStore, clock: VirtualClock) -> None:
    chance = random.Random(2)
    readings: dict[int, float] = {}
    while clock.ms < START_MS + 100 * DAY:
        batch = {clock.ms + i * 97_000: round(chance.gauss(70, 8), 1) for i in range(223)}  # six hours
        await store.write([observe(at, {"pulse": value}) for at, value in batch.items()])
        readings |= batch
        clock.forward(hours=6)
    await live_on(store, clock, times=12)
    now = clock.ms

    await look(store, readings, START_MS, now, 3600)
    await look(store, readings, START_MS, now, DAY // 1000)
    await look(store, readings, now - 80 * DAY // MINUTE * MINUTE, now, 300)
    await look(store, readings, now - 47 * HOUR + 12_345, now, 7)
    await look(store, readings, now - 47 * HOUR + 12_345, now - 999, 60)
    await look(store, readings, now // HOUR * HOUR - 50 * DAY, now - 777, 7200)
    oldest = await store.readings("bed-3", "pulse", 0, now, 1)
    assert now - 50 * HOUR < oldest[0].at_ms < now - 47 * HOUR, "raw readings are kept 48 h"


async def test_a_resend_counts_once_whatever_was_rolled_up(store: EmbeddedStore, clock: VirtualClock) -> None:
    readings = {START_MS + i * 10_000: 60.0 + i % 9 for i in range(720)}
    batch = [observe(at, {"pulse": value}) for at, value in readings.items()]
    for wait_hours in (0, 3, 30):
        clock.forward(hours=wait_hours)
        await store.write(batch)
        await live_on(store, clock)
        await look(store, readings, START_MS, START_MS + 3 * HOUR, 60)
        await look(store, readings, START_MS, START_MS + 3 * HOUR, 3600)
    clock.forward(hours=70)
    await live_on(store, clock)
    assert await store.readings("bed-3", "pulse", 0, clock.ms, 1000) != [], "the newest stays, for `latest`"
    await store.write(batch[:100])  # after the raw readings have gone
    for _ in range(3):
        await look(store, readings, START_MS, START_MS + 3 * HOUR, 60)
        clock.forward(hours=2)
        await live_on(store, clock)
    await look(store, readings, START_MS, START_MS + 3 * HOUR, 3600)


async def test_a_late_reading_finds_its_minute_and_hour(store: EmbeddedStore, clock: VirtualClock) -> None:
    readings = {START_MS + i * 20_000: 70.0 for i in range(300)}
    await store.write([observe(at, {"pulse": value}) for at, value in readings.items()])
    clock.forward(hours=5)
    await live_on(store, clock)

    late = {START_MS + 61_000: 150.0, START_MS + HOUR + 7: 20.0}
    await store.write([observe(at, {"pulse": value}) for at, value in late.items()])
    for _ in range(2):
        await look(store, readings | late, START_MS, START_MS + 2 * HOUR, 60)
        await look(store, readings | late, START_MS, START_MS + 2 * HOUR, 3600)
        await live_on(store, clock)


async def test_a_reading_too_late_to_be_counted_replaces_nothing(
    store: EmbeddedStore, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    readings = {START_MS + i * MINUTE: 70.0 for i in range(120)}
    await store.write([observe(at, {"pulse": value}) for at, value in readings.items()])
    clock.forward(hours=60)
    await live_on(store, clock)
    await store.write([observe(START_MS + 30_000, {"pulse": 180.0})])
    for _ in range(3):
        await look(store, readings, START_MS, START_MS + 2 * HOUR, 60)
        await look(store, readings, START_MS, START_MS + 2 * HOUR, 3600)
        clock.forward(hours=2)
        await live_on(store, clock)
    assert "after its raw readings were trimmed" in caplog.text


async def test_a_backlog_of_days_may_come_in_pieces(store: EmbeddedStore, clock: VirtualClock) -> None:
    """A field-bus line was out for five days; its concentrator sends the backlog, newest first, over an hour."""
    clock.forward(days=5)
    readings = {START_MS + i * 5_000: 50.0 + i % 40 for i in range(2000)}
    backlog = [observe(at, {"pulse": value}) for at, value in readings.items()]
    chance = random.Random(3)
    chance.shuffle(backlog)
    for part in range(0, 2000, 250):
        await store.write(backlog[part : part + 250])
        clock.forward(minutes=7)
        await live_on(store, clock)
    for _ in range(3):
        await look(store, readings, START_MS, START_MS + 3 * HOUR, 60)
        await look(store, readings, START_MS, START_MS + 3 * HOUR, 3600)
        clock.forward(hours=3)
        await live_on(store, clock)
    assert len(await store.readings("bed-3", "pulse", 0, clock.ms, 5000)) == 1, "trimmed in the end"


async def test_latest_is_known_after_a_year_of_silence(store: EmbeddedStore, clock: VirtualClock) -> None:
    await store.write([observe(START_MS + i, {"pulse": 60 + i}) for i in range(5)])
    for _ in range(4):
        clock.forward(days=100)
        await live_on(store, clock)
    assert (await store.latest("bed-3"))["pulse"].value == 64


async def test_events_and_strips_are_kept_90_days(store: EmbeddedStore, clock: VirtualClock) -> None:
    strip = Waveform(name="ecg", lead="I", rate_hz=250, unit="mV", samples=(0.1, 0.2))
    await store.write([observe(START_MS, event="measurement", waveform=strip)])
    clock.forward(days=89)
    await live_on(store, clock)
    assert await store.events("bed-3", 0, clock.ms) and await store.waveforms("bed-3", 0, clock.ms)
    clock.forward(days=2)
    await live_on(store, clock)
    assert not await store.events("bed-3", 0, clock.ms) and not await store.waveforms("bed-3", 0, clock.ms)


def rows(path: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as file:
        return file.execute(sql).fetchall()


async def test_sql_finds_points_as_they_were_corrected(store: EmbeddedStore, tmp_path: Path) -> None:
    def case(fields: dict[str, float | str], tags: dict[str, str]) -> Point:
        return Point(measurement="case", tags=tags, fields=fields, at_ns=START_MS * 1_000_000 + 7)

    await store.write_points([case({"open": True, "severity": 3, "stage": "raised"}, {"type": "sos", "grid": "g-1"})])
    await store.write_points([case({"open": 0, "stage": "二\n行"}, {"grid": "g-1", "building": "", "type": "sos"})])
    found = rows(
        tmp_path / "telemetry.db",
        "SELECT measurement, json_extract(tags, '$.grid'), json_extract(tags, '$.building'), at_ns, field, value,"
        " typeof(value) FROM point JOIN point_series ON id = series ORDER BY field",
    )
    assert found == [
        ("case", "g-1", None, START_MS * 1_000_000 + 7, "open", 0.0, "real"),
        ("case", "g-1", None, START_MS * 1_000_000 + 7, "severity", 3.0, "real"),
        ("case", "g-1", None, START_MS * 1_000_000 + 7, "stage", "二\n行", "text"),
    ]


async def test_points_are_kept_as_long_as_the_schema_says(
    store: EmbeddedStore, clock: VirtualClock, tmp_path: Path
) -> None:
    async def kept() -> set[object]:
        await live_on(store, clock)
        return {row[0] for row in rows(tmp_path / "telemetry.db", "SELECT field FROM point")}

    at_ns = clock.ms * 1_000_000
    await store.write_points([Point(measurement="case", tags={}, fields={"open": 1.0}, at_ns=at_ns)])
    await store.write_points([Point(measurement="lane", tags={}, fields={"backlog": 1.0}, at_ns=at_ns)])
    clock.forward(days=89)
    assert await kept() == {"open", "backlog"}
    clock.forward(days=2)
    assert await kept() == {"open"}
    clock.forward(days=650)
    assert await kept() == set()


async def test_sql_finds_where_each_device_is_now(store: EmbeddedStore, tmp_path: Path) -> None:
    at = {"bed-3": Stamps("tjh", "grid-1", "b-3", "b-3-101", "wang"), "sos-1": Stamps("tjh", place="pole-7")}

    def of(device: str) -> Stamps:
        return at.get(device, NOWHERE)

    batch = [observe(START_MS, {"pulse": 70}), observe(START_MS, event="press", device="sos-1", kind="sos_button")]
    await store.write([*batch, observe(START_MS, {"battery": 9}, device="stranger", kind="contact")], of)
    bed, sos = ("bed-3", "vitals_monitor", "tjh", "grid-1", "b-3", "b-3-101", "wang"), ("sos-1", "sos_button", "tjh")
    stranger = ("stranger", "contact", "", "", "", "", "")
    sql = "SELECT * FROM placed ORDER BY device"
    assert rows(tmp_path / "telemetry.db", sql) == [bed, (*sos, "", "", "pole-7", ""), stranger]

    at["bed-3"] = Stamps("tjh", "grid-2", "b-9", "b-9-404", "wang")
    await store.write([observe(START_MS + 1, {"pulse": 71})], of)
    assert rows(tmp_path / "telemetry.db", sql)[0] == (*bed[:3], "grid-2", "b-9", "b-9-404", "wang")


async def test_a_file_of_the_first_version_is_taken_on(tmp_path: Path, clock: VirtualClock) -> None:
    with closing(sqlite3.connect(tmp_path / "t.db")) as file:
        file.executescript(SCHEMA_1 + "PRAGMA user_version = 1;")
        file.execute("INSERT INTO series VALUES (1, 'bed-3', 'pulse')")
        file.execute("INSERT INTO raw VALUES (1, ?, 66.0)", (START_MS,))
        file.commit()
    past = EmbeddedPast(tmp_path / "t.db")
    assert [said.metrics for said in past.between(START_MS, START_MS + 1)] == [{"pulse": 66.0}], "not yet taken on"
    past.close()
    store = EmbeddedStore(tmp_path / "t.db", clock)
    assert (await store.latest("bed-3"))["pulse"].value == 66
    assert await store.write_points([Point(measurement="part", tags={}, fields={"level": 0.0}, at_ns=1)]) == []
    await store.close()
    assert rows(tmp_path / "t.db", "PRAGMA user_version") == [(3,)]


async def test_points_of_a_file_of_the_second_version_are_found_where_they_are_looked_for(
    tmp_path: Path, clock: VirtualClock
) -> None:
    with closing(sqlite3.connect(tmp_path / "t.db")) as file:
        file.executescript(SCHEMA_1 + SCHEMA_2 + "PRAGMA user_version = 2;")
        for series, back in enumerate((0, 40), start=1):
            file.execute("INSERT INTO point_series VALUES (?, 'part', ?)", (series, f'{{"part":"p-{series}"}}'))
            at_ns = (START_MS - back * DAY) * 1_000_000
            file.execute("INSERT INTO point VALUES (?, ?, 'level', ?)", (series, at_ns, float(series)))
        file.execute("INSERT INTO point_series VALUES (3, 'part', '{\"part\":\"trimmed\"}')")
        file.commit()
    levels = Query("part", (Column("level"),), by=("part",))

    async def found(store: EmbeddedStore, days: int) -> list[object]:
        look = Look(language="zh", start_ms=START_MS - days * DAY, end_ms=START_MS)
        return list((await store.ask(levels, look)).column("part"))

    store = EmbeddedStore(tmp_path / "t.db", clock)
    assert (await found(store, 0), await found(store, 39), await found(store, 40)) == (["p-1"], ["p-1"], ["p-1", "p-2"])
    late, newer = (
        Point(measurement="part", tags={"part": name}, fields={"level": 0.0}, at_ns=(START_MS - back) * 1_000_000)
        for name, back in (("p-1", 41 * DAY), ("p-2", 1))
    )
    await store.write_points([late, newer])
    assert (await found(store, 0), await found(store, 1)) == (["p-1"], ["p-1", "p-2"])
    await store.close()
    store = EmbeddedStore(tmp_path / "t.db", clock)
    await store.write_points([late])  # what is late makes nothing older
    assert (await found(store, 1), await found(store, 41)) == (["p-1", "p-2"], ["p-1", "p-1", "p-2", "p-2"])
    await store.close()


async def test_a_second_start_finds_everything(tmp_path: Path, clock: VirtualClock) -> None:
    for value in (60, 61):
        store = EmbeddedStore(tmp_path / "t.db", clock)
        await store.write([observe(clock.ms + value, {"pulse": value})])
        await store.close()
    with closing(sqlite3.connect(tmp_path / "t.db")) as file:
        assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert file.execute("SELECT count(*) FROM raw").fetchone() == (2,)


def test_a_damaged_file_says_what_to_do(tmp_path: Path, clock: VirtualClock) -> None:
    (tmp_path / "t.db").write_bytes(b"this is no database" * 1000)
    with pytest.raises(StoreUnavailable, match="not a database") as caught:
        EmbeddedStore(tmp_path / "t.db", clock)
    assert "move" in caught.value.hint


async def test_a_file_that_was_taken_away_is_said_and_takes_nothing_more(store: EmbeddedStore, tmp_path: Path) -> None:
    await store.write([observe(START_MS, {"pulse": 60})])
    (tmp_path / "telemetry.db").rename(tmp_path / "elsewhere.db")
    with pytest.raises(StoreUnavailable, match="deleted or moved away") as caught:
        await store.write([observe(START_MS + 1, {"pulse": 61})])
    assert "restart" in caught.value.hint
    (tmp_path / "elsewhere.db").rename(tmp_path / "telemetry.db")
    assert await store.write([observe(START_MS + 1, {"pulse": 61})]) == []


async def test_a_full_disk_is_said_and_nothing_half_written(store: EmbeddedStore, tmp_path: Path) -> None:
    await store.write([observe(START_MS, {"pulse": 60})])
    with closing(sqlite3.connect(tmp_path / "telemetry.db")) as file:
        pages = file.execute("PRAGMA page_count").fetchone()[0]
    store._writer.connection.execute(f"PRAGMA max_page_count = {pages + 2}")  # as if the disk ended here
    many = [observe(START_MS + i, {f"m{i % 50}": 1.0}, device=f"d{i}") for i in range(5000)]

    with pytest.raises(StoreUnavailable, match="full") as caught:
        await store.write(many)
    assert "free space" in caught.value.hint
    assert await store.latest("d7") == {}

    store._writer.connection.execute("PRAGMA max_page_count = 1000000")
    assert await store.write(many) == []
    assert (await store.latest("d7"))["m7"].value == 1.0


CHILD = """
import asyncio, sys
from pathlib import Path
from gateway.store.embedded import EmbeddedStore
from tests.support.stores import START_MS, VirtualClock, observe

async def main():
    clock = VirtualClock()
    store = EmbeddedStore(Path(sys.argv[1]), clock)
    for batch in range(10**9):
        await store.write([observe(START_MS + (batch * 50 + i) * 1000, {"pulse": 60.0}) for i in range(50)])
        clock.forward(s=50)
        sys.stdout.write(f"{batch}\\n")
        sys.stdout.flush()
asyncio.run(main())
"""


def write_until_killed(path: Path, kill_after: int) -> int:
    """Run the child above, kill it at some instant, return how many batches it saw acknowledged."""
    with subprocess.Popen([sys.executable, "-c", CHILD, str(path)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        while int(child.stdout.readline()) < kill_after:
            pass
        child.send_signal(signal.SIGKILL)
        return kill_after + 1 + len(child.stdout.read().split())


@pytest.mark.parametrize("kill_after", [3, 40, 150])
async def test_sigkill_loses_no_batch_that_was_acknowledged(tmp_path: Path, kill_after: int) -> None:
    batches = await asyncio.to_thread(write_until_killed, tmp_path / "t.db", kill_after)

    store = EmbeddedStore(tmp_path / "t.db", VirtualClock())
    counted = await store.buckets("bed-3", "pulse", START_MS, START_MS + batches * 50_000, 60)
    assert sum(bucket.count for bucket in counted) == batches * 50
    await store.close()


async def test_a_question_without_end_is_given_up_and_keeps_nobody_waiting(
    store: EmbeddedStore, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def endless(run: sqlite3.Connection, *_: object) -> Answer:
        run.execute("WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n").fetchone()
        raise AssertionError("it has no end")

    await store.write([observe(START_MS, {"pulse": 60})])
    sound = Query("part", (Column("level", "max"),))
    look = Look(language="zh", start_ms=START_MS - HOUR, end_ms=START_MS + HOUR)
    monkeypatch.setattr(embedded, "ASK_LONGEST_S", 0.5)
    with monkeypatch.context() as patch:
        patch.setattr(embedded, "ask_embedded", endless)
        asked = [asyncio.create_task(store.ask(sound, look)) for _ in range(READERS + 2)]  # as many walls
        newest = await store.latest("bed-3")
        assert newest["pulse"].value == 60 and not asked[-1].done()
        for one in asked:
            with pytest.raises(StoreUnavailable, match=r"within 0\.5 s"):
                await one
    assert (await store.ask(sound, look)).rows == ()


async def test_closing_waits_for_no_question(
    tmp_path: Path, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = threading.Event()

    def endless(run: sqlite3.Connection, *_: object) -> Answer:
        begun.set()
        run.execute("WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n").fetchone()
        raise AssertionError("it has no end")

    store = EmbeddedStore(tmp_path / "t.db", clock)
    monkeypatch.setattr(embedded, "ask_embedded", endless)
    look = Look(language="zh", start_ms=START_MS - HOUR, end_ms=START_MS + HOUR)
    asked = asyncio.create_task(store.ask(Query("part", (Column("level", "max"),)), look))
    await asyncio.to_thread(begun.wait)
    async with asyncio.timeout(embedded.ASK_LONGEST_S / 2):
        await store.close()
    with pytest.raises(StoreUnavailable):
        await asked
