"""The chronicle at a real gateway's parts, into the embedded store and a real InfluxDB: at once, once, and whatever
happens in between."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
from collections.abc import AsyncIterator, Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from devices.measurements import HAPPENINGS
from devices.observation import Lane
from devices.telemetry import faults
from gateway.chronicle import rows
from gateway.chronicle.burning import burning, burning_query, look_until
from gateway.chronicle.chronicler import Chronicler
from gateway.chronicle.ground import Ground, ground_of
from gateway.chronicle.looks import Looks, Sources
from gateway.chronicle.pen import Pen
from gateway.chronicle.rows import ChronicleRows, Mark, kept_ms, store_key
from gateway.feed import News
from gateway.health import Part
from gateway.outbox import claims as outbox_claims
from gateway.outbox import rows as outbox_rows
from gateway.outbox.channel import Report, Result
from gateway.registry.directory import CommunityDirectory
from gateway.registry.load import load_community
from gateway.settings import RetentionSettings, Settings, StoreSettings
from gateway.state import tables as t
from gateway.state.db import reading, writing
from gateway.store.influx import InfluxStore
from gateway.store.protocol import Point, Store, StoreUnavailable
from tests.support.eventually import eventually_async
from tests.support.homes import FAR_LINE, community, write_community
from tests.support.house import House, open_house
from tests.support.outbox import make_send
from tests.support.stores import Influxd, Victoria


@pytest.fixture(scope="module")
def influxd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influxd]:
    server = Influxd(tmp_path_factory.mktemp("influxd"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path, yard()) as house:
        yield house


@pytest.fixture
async def influx(influxd: Influxd) -> AsyncIterator[InfluxStore]:
    influxd.create()
    store = InfluxStore(influxd.settings, "")
    yield store
    await store.close()
    influxd.drop()


RULES = ("sos-pressed", "service-call", "news2-emergency")


def yard() -> dict[str, Any]:
    """Two homes under a few rules: time is moved here, and silent devices are cases as well."""
    return community(rungs=FAR_LINE) | {"rules": [{"use": rule} for rule in RULES]}


class Desk:
    """A chronicle of a house, into a store of the test's choice."""

    def __init__(
        self,
        house: House,
        store: Store | None = None,
        name: str = "here",
        leads: bool = True,
        kept_ms: int | None = None,
    ) -> None:
        self.house = house
        self.store = store or house.store
        self.leads = leads
        self.rows = ChronicleRows(house.engine, name)
        self.pen = Pen(self.store, house.journal.quarantine, house.clock)
        self.chronicler = Chronicler(
            self.rows, self.pen, house.feed, house.clock, ground=self._ground, leads=lambda: self.leads, kept_ms=kept_ms
        )
        self.parts: list[Part] = []
        sources = Sources(
            gateway="gw",
            parts=lambda: self.parts,
            backlog=lambda: dict.fromkeys(Lane, (3, 40)),
            oldest_s=lambda _: 0.5,
            waited=house.decider.health.take_waited,
        )
        self.looks = Looks(self.rows, self.pen, house.clock, sources, ground=self._ground, leads=lambda: self.leads)

    def _ground(self) -> Any:
        directory = self.house.views.directory
        return None if directory is None else ground_of(directory)

    @contextlib.asynccontextmanager
    async def at_work(self) -> AsyncIterator[Desk]:
        task = asyncio.create_task(self.chronicler.run())
        try:
            yield self
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def marked(self) -> dict[str, int]:
        """What is remembered: the version of each case."""
        with reading(self.house.engine) as connection:
            rows = connection.execute(sa.select(t.chronicled).where(t.chronicled.c.what == "case"))
            return {row.id: row.version for row in rows}


def embedded(house: House, measurement: str) -> list[Point]:
    """What the embedded store holds, oldest first."""
    path = house.context.settings.data_dir / "telemetry.db"
    with contextlib.closing(sqlite3.connect(path)) as run:
        rows = run.execute(
            "SELECT s.tags, p.at_ns, p.field, p.value FROM point AS p JOIN point_series AS s ON s.id = p.series"
            " WHERE s.measurement = ? ORDER BY p.at_ns",
            (measurement,),
        ).fetchall()
    found: dict[tuple[str, int], dict[str, float | str]] = {}
    for tags, at_ns, name, value in rows:
        found.setdefault((tags, at_ns), {})[name] = value
    points = [
        Point(measurement=measurement, tags=json.loads(tags), fields=fields, at_ns=at_ns)
        for (tags, at_ns), fields in found.items()
    ]
    for point in points:
        assert faults(HAPPENINGS[measurement], point.tags, point.fields) == []
    return points


def of_influx(server: Influxd, query: str) -> list[dict[str, Any]]:
    return [
        dict(zip(series["columns"], values, strict=True)) | series.get("tags", {})
        for series in server.query(query, epoch="ns")
        for values in series["values"]
    ]


def version(house: House, case_id: str) -> int:
    with reading(house.engine) as connection:
        return int(connection.execute(sa.select(t.cases.c.version).where(t.cases.c.id == case_id)).scalar_one())


async def test_a_press_is_on_the_wall_and_is_corrected_as_it_goes_on(
    house: House, influx: InfluxStore, influxd: Influxd
) -> None:
    async with Desk(house).at_work() as own, Desk(house, influx, "influx").at_work():
        case = await house.press("sos-1")
        [point] = await eventually_async(lambda: embedded(house, "case"), 10, "the point of the press")
        assert (point.fields["number"], point.fields["open"], point.fields["stage"]) == (case["number"], 1, "opened")
        assert (await house.act(case["id"], "acknowledge")).status_code == 200
        await eventually_async(lambda: embedded(house, "case")[0].fields["stage"] == "acknowledged", 10, "taken")
        [point] = embedded(house, "case")
        assert (point.fields["within_60"], point.fields["owner_zh"]) == (1, "operator")
        query = 'SELECT * FROM "case"'
        await eventually_async(
            lambda: [row["stage"] for row in of_influx(influxd, query)] == ["acknowledged"], 10, "in InfluxDB"
        )
        [row] = of_influx(influxd, query)
        assert row["time"] == point.at_ns == case["times"]["raised"] * 1_000_000 + 1
        assert {name: row[name] for name in point.fields} == dict(point.fields), "both stores hold the same"
        await eventually_async(lambda: own.marked().get(case["id"]) == version(house, case["id"]), 10, "remembered")
    [alarm] = embedded(house, "alarm")
    assert (alarm.fields["active"], alarm.fields["case"], alarm.tags["rule"]) == (1, case["number"], "sos-pressed")
    [care] = embedded(house, "care")
    assert (care.tags["resident"], care.at_ns) == ("r-1", point.at_ns)


async def test_what_time_alone_changes(house: House) -> None:
    desk = Desk(house)
    case = await house.press("sos-1")
    await desk.chronicler.round()
    assert "within_60" not in embedded(house, "case")[0].fields
    house.clock.at += 60_001
    await desk.chronicler.round()
    [point] = embedded(house, "case")
    assert (point.fields["within_60"], point.fields["overdue"], "within_180" in point.fields) == (0, 0, False)
    house.clock.at += 120_000
    await desk.chronicler.round()
    [point] = embedded(house, "case")
    assert (point.fields["within_180"], point.fields["overdue"]) == (0, 1)
    assert (await house.act(case["id"], "cancel", reason="误按", cause="pressed_by_mistake")).status_code == 200
    house.clock.at += 10_000_000
    await Desk(house).chronicler.round()  # after a restart: of what the time was meanwhile nothing is lost
    [point] = embedded(house, "case")
    assert (point.fields["open"], point.fields["overdue"], point.fields["false_alarm"]) == (0, 0, 1)
    assert point.fields["cause_en"] == "pressed by mistake"
    [alarm] = embedded(house, "alarm")
    assert (alarm.fields["active"], alarm.fields["cleared_s"]) == (0, 180.001)


class _Killed(BaseException):
    """The process ends here."""


class KilledBeforeMarking(ChronicleRows):
    def remember(self, marks: Iterable[Mark]) -> None:
        raise _Killed


async def test_killed_between_the_store_and_the_mark_it_is_one_point(
    house: House, influx: InfluxStore, influxd: Influxd
) -> None:
    case = await house.press("sos-1")
    desk = Desk(house, influx)
    desk.rows = KilledBeforeMarking(house.engine, "here")
    dying = Chronicler(desk.rows, desk.pen, house.feed, house.clock, ground=desk._ground, leads=lambda: True)
    with pytest.raises(_Killed):
        await dying.round()
    assert [row["number"] for row in of_influx(influxd, 'SELECT "number" FROM "case"')] == [case["number"]]
    assert desk.marked() == {}
    written = desk.pen.written
    again = Desk(house, influx)
    await again.chronicler.round()
    assert again.pen.written == written, "all of it once more"
    for measurement in ("case", "care", "alarm"):
        [row] = of_influx(influxd, f'SELECT count("severity") FROM "{measurement}"')
        assert row["count"] == 1, measurement
    assert again.marked() == {case["id"]: version(house, case["id"])}
    last = Desk(house, influx)
    await last.chronicler.round()
    assert last.rows.differing(100, 0) == ([], False)


async def test_an_outage_of_the_store_is_seen_and_made_up_for(house: House, tmp_path: Path) -> None:
    server = Influxd(tmp_path / "influxd")
    server.start()
    server.create()
    store = InfluxStore(server.settings, "")
    try:
        async with Desk(house, store).at_work() as desk:
            await house.press("sos-1")
            await eventually_async(lambda: of_influx(server, 'SELECT "number" FROM "case"'), 10, "the first case")
            server.kill()
            second = await house.press("sos-2")
            await eventually_async(lambda: desk.chronicler.health().state == "unavailable", 10, "the outage is seen")
            assert desk.chronicler.health().last_error
            assert desk.chronicler.health().behind >= 1
            await asyncio.to_thread(server.start)
            await eventually_async(
                lambda: second["number"] in [row["number"] for row in of_influx(server, 'SELECT "number" FROM "case"')],
                20,
                "the second case",
            )
            await eventually_async(lambda: desk.chronicler.health().state == "ok", 10, "well again")
            assert len(of_influx(server, 'SELECT "number" FROM "case"')) == 2
    finally:
        await store.close()
        server.kill()


def old_cases(house: House, case: dict[str, Any], count: int) -> None:
    """Closed cases of years, as if there had been no chronicle."""
    with writing(house.engine) as connection:
        row = connection.execute(sa.select(t.cases).where(t.cases.c.id == case["id"])).one()._asdict()
        for number in range(count):
            body = json.loads(row["body"]) | {"id": f"old-{number}", "number": f"2020-{number:06}", "stage": "closed"}
            body["times"] = {what: at - number * 3_600_000 for what, at in body["times"].items()}
            facts = {"id": body["id"], "number": body["number"], "stage": "closed", "open": False}
            facts |= {"opened_at_ms": body["times"]["raised"], "body": json.dumps(body)}
            connection.execute(sa.insert(t.cases).values(**row | facts))


async def test_old_cases_are_made_up_for_and_what_is_urgent_goes_before(house: House) -> None:
    case = await house.press("sos-1")
    old_cases(house, case, 130)
    desk = Desk(house)
    order: list[str] = []
    write_points = house.store.write_points

    async def noted(points: Any) -> Any:
        order.extend(str(point.fields["number"]) for point in points if point.measurement == "case")
        if len(order) == 51:  # the open one, and the first helping of the old ones
            house.feed.publish(News("case", case["id"]))
            await asyncio.sleep(0)  # the news arrives
        return await write_points(points)

    house.store.write_points = noted  # type: ignore[method-assign]  # to see the order in which things are written
    async with desk.at_work():
        await eventually_async(lambda: len(desk.marked()) == 131, 20, "all are there")
    assert order[0] == case["number"], "what is open goes first"
    assert order.index(case["number"], 1) == 51, "and what changes meanwhile goes between two helpings"
    assert [number for number in order if number != case["number"]] == [f"2020-{n:06}" for n in range(130)]
    assert len(embedded(house, "case")) == 131


async def test_a_record_that_cannot_be_read_stops_nothing(house: House) -> None:
    case = await house.press("sos-1")
    old_cases(house, case, 2)
    with writing(house.engine) as connection:
        connection.execute(sa.update(t.cases).where(t.cases.c.id == "old-0").values(body='{"id": 5}'))
    desk = Desk(house)
    await desk.chronicler.round()
    await desk.chronicler.settle(at_once=True)
    assert (desk.chronicler.health().unreadable, len(embedded(house, "case"))) == (1, 2)
    again = Desk(house)
    await again.chronicler.round()
    assert again.chronicler.health().unreadable == 0, "it is not tried again until it changes"


async def test_only_who_leads_writes_of_cases_and_who_leads_next_goes_on(house: House) -> None:
    first, second = Desk(house), Desk(house, leads=False)
    one = await house.press("sos-1")
    await second.chronicler.round()
    assert (embedded(house, "case"), second.chronicler.health().state) == ([], "standing_by")
    await first.chronicler.round()
    first.leads, second.leads = False, True
    two = await house.press("sos-2")
    for desk in (first, second):
        await desk.chronicler.round()
    assert {p.fields["number"] for p in embedded(house, "case")} == {one["number"], two["number"]}
    assert first.chronicler.health().state == "standing_by"
    assert set(second.marked()) == {one["id"], two["id"]}


async def test_another_store_is_filled_from_the_beginning(house: House, influx: InfluxStore, influxd: Influxd) -> None:
    case = await house.press("sos-1")
    await Desk(house).chronicler.round()
    await Desk(house, influx, "another").chronicler.round()
    assert [row["number"] for row in of_influx(influxd, 'SELECT "number" FROM "case"')] == [case["number"]]
    remote = StoreSettings(kind="influxdb", url="http://db:8086/", bucket="anju")
    assert store_key(Settings(store=remote)) == "influxdb:http://db:8086/anju"
    assert store_key(Settings(gateway_device="east")) == "embedded:east", "an embedded store is its gateway's own"


async def test_a_store_that_was_emptied_is_filled_again(house: House, influx: InfluxStore, influxd: Influxd) -> None:
    case = await house.press("sos-1")
    old_cases(house, case, 3)
    desk = Desk(house, influx)
    await desk.chronicler.round()
    await desk.chronicler.settle(at_once=True)
    assert len(desk.marked()) == 4
    whole = Desk(house, influx)
    await whole.chronicler.round()
    assert whole.pen.written == 2, "what is open, once more: the case, and under its resident"
    influxd.drop()
    influxd.create()
    again = Desk(house, influx)
    await again.chronicler.round()
    await again.chronicler.settle(at_once=True)
    assert len(of_influx(influxd, 'SELECT "number" FROM "case"')) == 4
    assert len(again.marked()) == 4


async def test_forgetting_takes_small_steps_and_who_is_interrupted_finds_out_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = await house.press("sos-1")
    old_cases(house, case, 3)
    desk = Desk(house)
    await desk.chronicler.round()
    await desk.chronicler.settle(at_once=True)
    newest = desk.rows.newest(0)
    assert len(desk.marked()) == 4
    monkeypatch.setattr(rows, "FORGOTTEN_AT_ONCE", 2)
    steps = iter((writing, writing, None))

    def cut_off(engine: sa.Engine) -> Any:
        step = next(steps)
        if step is None:
            raise InterruptedError("as a power cut would")
        return step(engine)

    with monkeypatch.context() as patch:
        patch.setattr(rows, "writing", cut_off)
        with pytest.raises(InterruptedError):
            desk.rows.forget()
    assert 0 < len(desk.marked()) < 4
    assert desk.rows.newest(0) == newest, "what is not in the store is still the newest"
    desk.rows.forget()
    assert desk.marked() == {}


async def test_what_the_store_would_not_keep_is_left_out(house: House) -> None:
    case = await house.press("sos-1")
    old_cases(house, case, 5)  # an hour apart
    desk = Desk(house, kept_ms=4 * 3_600_000)
    await desk.chronicler.round()
    assert len(embedded(house, "case")) == 1 + 4, "the last three hours: what is about to go is not written"
    with writing(house.engine) as connection:  # somebody adds a note to one of long ago
        connection.execute(sa.update(t.cases).where(t.cases.c.id == "old-4").values(version=99))
    async with desk.at_work():
        await eventually_async(lambda: house.feed.watchers == 1, 10, "it watches")
        house.feed.publish(News("case", "old-4"))
        await eventually_async(lambda: desk.marked().get("old-4") == 99, 10, "seen, and not asked again")
    assert len(embedded(house, "case")) == 1 + 4
    assert kept_ms(Settings()) == 731 * 86_400_000
    for_ever = StoreSettings(kind="influxdb", url="http://db", retention=RetentionSettings(raw="forever"))
    assert kept_ms(Settings(store=for_ever)) is None


async def test_a_worse_alarm_makes_another_point_and_voids_the_one_before(house: House) -> None:
    desk = Desk(house)
    await house.say("service-1", "plumbing")
    await house.decided()
    await desk.chronicler.round()
    [before] = embedded(house, "case")
    with writing(house.engine) as connection:  # as the machine does where something worse joins
        row = connection.execute(sa.select(t.cases)).one()
        body = json.loads(row.body) | {"type": "smoke", "severity": "emergency", "version": row.version + 1}
        changed = {"body": json.dumps(body), "version": row.version + 1}
        connection.execute(sa.update(t.cases).values(**changed))
    house.feed.publish(News("case", row.id))
    await Desk(house).chronicler.round()
    points = {point.tags["type"]: point for point in embedded(house, "case")}
    assert points.keys() == {"service_request", "smoke"}
    assert {name: points["service_request"].fields[name] for name in ("open", "merged", "life")} == {
        "open": 0,
        "merged": 1,
        "life": 0,
    }
    assert (points["smoke"].fields["open"], points["smoke"].fields["merged"]) == (1, 0)
    assert points["smoke"].at_ns == before.at_ns


class Forgetful:
    """A store whose answers do not arrive: it took the points, and whoever wrote does not know."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.deaf = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def write_points(self, points: Collection[Point]) -> Any:
        refused = await self._store.write_points(list(points))
        if self.deaf:
            raise StoreUnavailable("no answer")
        return refused


async def burns(store: Store, house: House) -> list[tuple[str, str]]:
    """What the store shows as open: number and type."""
    answer = await store.ask(burning_query("yuan"), look_until(house.clock.now_ms()))
    return sorted((one.number, one.tags["type"]) for one in burning(answer))


@pytest.fixture(params=["embedded", "influxdb"])
def either(request: pytest.FixtureRequest, house: House) -> Store:
    return house.store if request.param == "embedded" else request.getfixturevalue("influx")


async def test_what_was_written_without_an_answer_burns_no_more_when_the_case_goes_on_otherwise(
    house: House, either: Store
) -> None:
    deaf = Forgetful(either)
    desk = Desk(house, deaf)
    await house.say("service-1", "plumbing")
    await house.decided()
    with pytest.raises(StoreUnavailable):
        await desk.chronicler.round()
    with writing(house.engine) as connection:  # as the machine does where something worse joins
        row = connection.execute(sa.select(t.cases)).one()
        body = json.loads(row.body) | {"type": "smoke", "severity": "emergency", "version": row.version + 1}
        connection.execute(sa.update(t.cases).values(body=json.dumps(body), version=row.version + 1))
    assert await burns(either, house) == [(row.number, "service_request")]
    deaf.deaf = False
    again = Desk(house, either)
    await again.chronicler.round()
    assert await burns(either, house) == [(row.number, "smoke")]


async def test_a_case_of_which_the_database_knows_nothing_burns_no_more(house: House, either: Store) -> None:
    case = await house.press("sos-1")
    await Desk(house, either).chronicler.round()
    [(number, type_)] = await burns(either, house)
    ours = next(iter(burning(await either.ask(burning_query("yuan"), look_until(house.clock.now_ms())))))
    fields: dict[str, float | str] = {"open": 1.0, "id": "gone", "number": "2026-000977", "merged": 0.0}
    other = {**ours.tags, "community": "elsewhere"}
    at_ns = house.clock.now_ms() * 1_000_000 + 977
    await either.write_points(
        [Point(measurement="case", tags=tags, fields=fields, at_ns=at_ns) for tags in (dict(ours.tags), other)]
    )
    assert len(await burns(either, house)) == 2
    await Desk(house, either).chronicler.round()
    assert await burns(either, house) == [(number, type_)], "what is open burns on"
    assert number == case["number"]
    elsewhere = await either.ask(burning_query("elsewhere"), look_until(house.clock.now_ms()))
    assert [one.number for one in burning(elsewhere)] == ["2026-000977"], "another community is none of our business"


async def test_a_store_that_is_older_than_what_is_remembered_is_corrected(house: House, either: Store) -> None:
    case = await house.press("sos-1")
    desk = Desk(house, either)
    await desk.chronicler.round()
    [open_] = burning(await either.ask(burning_query("yuan"), look_until(house.clock.now_ms())))
    for action in ("acknowledge", "cancel"):
        answer = await house.client("operator").post(
            f"/api/v1/cases/{case['id']}/{action}", json={"cause": "pressed_by_mistake", "reason": "x"}
        )
    assert answer.status_code == 200, answer.text
    await Desk(house, either).chronicler.round()
    assert await burns(either, house) == []
    # Somebody brings back yesterday's store.
    await either.write_points([Point(measurement="case", tags=open_.tags, fields={"open": 1.0}, at_ns=open_.at_ns)])
    await Desk(house, either).chronicler.round()
    assert await burns(either, house) == []


async def test_a_store_that_comes_back_empty_is_filled_again(
    house: House, influx: InfluxStore, influxd: Influxd
) -> None:
    case = await house.press("sos-1")
    deaf = Forgetful(influx)
    deaf.deaf = False
    desk = Desk(house, deaf)
    async with desk.at_work():
        await eventually_async(lambda: desk.marked(), 10, "it is remembered")
        influxd.drop()
        influxd.create()
        deaf.deaf = True
        await house.press("sos-2")
        await eventually_async(lambda: desk.chronicler.health().state == "unavailable", 10, "the outage")
        deaf.deaf = False
        await eventually_async(
            lambda: case["number"] in [row["number"] for row in of_influx(influxd, 'SELECT "number" FROM "case"')],
            10,
            "the first case is there again",
        )


async def test_what_the_store_refuses_is_kept_and_the_rest_is_written(house: House) -> None:
    desk = Desk(house)
    good, bad = (
        Point(
            measurement="lane",
            tags={"gateway": gateway, "lane": "urgent"},
            fields={"backlog": 1.0},
            at_ns=house.clock.at * 1_000_000,
        )
        for gateway in ("gw", "a\\b")
    )
    await desk.pen.write([good, bad])
    assert [point.tags["gateway"] for point in embedded(house, "lane")] == ["gw"]
    assert (desk.pen.written, desk.pen.refused) == (2, 1)
    [kept] = house.journal.quarantined(10)
    assert (kept.reason, kept.field, "backslash" in kept.hint) == ("store_refused", "lane", True)


async def test_victoria_metrics_is_believed_only_after_a_while(house: House, tmp_path: Path) -> None:
    server = Victoria(tmp_path / "victoria")
    server.start()
    store = InfluxStore(server.settings, "")
    try:
        desk = Desk(house, store)
        case = await house.press("sos-1")
        await desk.chronicler.round()
        await desk.chronicler.settle(at_once=True)
        assert desk.marked() == {}, "what it has in memory only is not believed"
        await asyncio.to_thread(server.restart_killed)
        store.durability_lag_s = 0.001  # as if the 15 s were over
        with pytest.raises(StoreUnavailable):
            await desk.chronicler.settle(at_once=True)
        assert desk.marked() == {}
        again = Desk(house, store)
        await again.chronicler.round()
        store.durability_lag_s = 0.001
        await again.chronicler.settle(at_once=True)
        assert set(again.marked()) == {case["id"]}
        assert any(name.startswith("case_open") for name in server.export())
    finally:
        await store.close()
        server.kill()


# looks


async def look(desk: Desk, *names: str) -> None:
    """Look at these now."""
    desk.looks._led = True  # it did before: else all is looked at
    for one in desk.looks._looks:
        one.due_s = float("-inf") if not names or one.name in names else float("inf")
    assert await desk.looks.look() is False
    assert desk.looks._said == {}


async def test_parts_and_lanes_say_how_the_gateway_is(house: House) -> None:
    desk = Desk(house)
    await house.press("sos-1")
    desk.parts = [Part(name="store", state="degraded", critical=False, zh="电话 13800001234 不通", en="down")]
    await look(desk, "parts", "lanes")
    [part] = embedded(house, "part")
    assert (part.fields["level"], part.fields["says_zh"], part.tags["part"]) == (1, "电话 … 不通", "store")
    lanes = {point.tags["lane"]: point.fields for point in embedded(house, "lane")}
    assert (lanes["urgent"]["backlog"], lanes["urgent"]["oldest_s"], lanes["urgent"]["p50_s"]) == (3, 0.5, 0)
    assert "p50_s" not in lanes["routine"], "nothing was decided"
    house.clock.at += 10_000
    await look(desk, "parts", "lanes")
    assert len(embedded(house, "part")) == 1, "it says the same"
    assert len(embedded(house, "lane")) == 4
    desk.parts = [Part(name="store", state="ok", critical=False, zh="正常", en="well")]
    desk.leads = False
    house.clock.at += 10_000
    await look(desk, "parts", "fleet", "places")
    assert [point.fields["level"] for point in embedded(house, "part")] == [1, 0], "of itself each gateway writes"
    assert embedded(house, "fleet") == [] == embedded(house, "place")


async def test_the_fleet_and_places_follow_what_happens(house: House) -> None:
    desk = Desk(house)
    await look(desk, "fleet", "places")
    fleet = {(p.tags.get("grid"), p.tags["kind"]): p.fields for p in embedded(house, "fleet")}
    assert (fleet["b-1", "sos_button"]["devices"], fleet["b-1", "sos_button"]["silent"]) == (2, 2)
    places = {p.tags["place"]: p.fields for p in embedded(house, "place")}
    assert (places["yuan"]["cases"], places["yuan"]["cameras_dark"], places["door-1"]["cases"]) == (0, 1, 0)
    await house.press("sos-1")
    written = desk.pen.written
    await look(desk, "places")
    places = {p.tags["place"]: p.fields for p in embedded(house, "place")}
    assert (places["yuan"]["cases"], places["b-1"]["cases"], places["door-1"]["cases"]) == (1, 1, 1)
    assert desk.pen.written - written == 3, "only where something changed"
    await look(desk, "places")
    assert desk.pen.written - written == 3
    house.clock.at += 86_400_000
    await look(desk, "places")
    assert desk.pen.written - written == 3 + 4, "and all of them on a new day"


async def test_a_place_that_is_moved_or_gone_burns_no_more_where_it_was(house: House, tmp_path: Path) -> None:
    desk = Desk(house)
    await house.press("sos-1")
    await look(desk, "places")
    document = yard()
    document["places"].insert(1, {"id": "b-2", "level": "楼", "name": "4号楼", "parent": "yuan"})
    for place in document["places"]:
        if place["id"] == "door-1":
            place["parent"] = "b-2"
    moved = Ground(CommunityDirectory(load_community(write_community(tmp_path / "moved.yaml", document))))
    desk.looks._ground = lambda: moved
    await look(desk, "places")
    burning_ = {(p.tags["place"], p.tags.get("grid")) for p in embedded(house, "place") if p.fields["state"] == 2}
    assert burning_ == {("yuan", None), ("b-2", "b-2"), ("door-1", "b-2")}


async def test_a_score_is_the_rules_own(house: House) -> None:
    desk = Desk(house)
    await house.say("vitals-1", respiration=26, spo2=93, oxygen=0, systolic=128, pulse=115)
    await house.decided()
    await look(desk, "scores")
    [partial] = embedded(house, "score")
    assert (partial.tags["resident"], partial.tags["score"]) == ("r-1", "news2")
    assert (partial.fields["complete"], partial.fields["worst"], "total" in partial.fields) == (0, 3, False)
    house.clock.at += 60_000
    await house.say("vitals-1", consciousness=0, temperature=38.4)
    await house.decided()
    await look(desk, "scores")
    whole = embedded(house, "score")[-1]
    # respiration 3, SpO2 2, pulse 2, temperature 1: as the rule's own example has it
    assert (whole.fields["complete"], whole.fields["worst"], whole.fields["total"]) == (1, 3, 8)
    assert whole.at_ns == house.clock.at * 1_000_000
    written = desk.pen.written
    await look(desk, "scores")
    assert desk.pen.written == written, "it is the same until something is measured"


async def test_limits_that_hold(tmp_path: Path) -> None:
    document = yard()
    document["residents"][0]["limits"] = [
        {"name": "spo2_low", "value": 86.0, "set_by": "desk"},
        {"name": "pulse_high", "value": 125.0, "set_by": "李秀兰1 000-5001-999", "until": "2020-01-01"},
        {"name": "pulse_low", "value": 42.0, "set_by": "陈医生 13800001234"},
        {"name": "news2_emergency", "value": 8.0, "set_by": "desk"},
    ]
    async with open_house(tmp_path, document) as house:
        desk = Desk(house)
        await look(desk, "limits")
        found = {p.tags["metric"]: p.fields for p in embedded(house, "limit")}
    assert found == {
        "spo2": {"low": 86, "set_by": "值班室 值班员"},
        "pulse": {"low": 42, "set_by": "陈医生 …"},
        "news2_emergency": {"high": 8, "set_by": "值班室 值班员"},
    }


def send(house: House, key: str, *, at_ms: int, result: Result | None, channel: str = "sms", case: str = "") -> None:
    with writing(house.engine) as connection:
        outbox_rows.enqueue(connection, case, make_send(key, channel), house.clock.now_ms())
        if result is not None:
            outbox_claims.conclude(connection, key, Report(result=result, detail="x"), at_ms)


async def test_messages_when_their_fate_is_known(house: House) -> None:
    desk = Desk(house)
    now = house.clock.at
    send(house, "one", at_ms=now + 2_500, result=Result.DELIVERED)
    send(house, "two", at_ms=now, result=None)
    send(house, "lamp", at_ms=now, result=Result.DELIVERED, channel="device")
    house.clock.at += 5_000
    await look(desk, "messages")
    [message] = embedded(house, "message")
    assert message.tags == {"community": "yuan", "channel": "sms", "result": "delivered", "urgent": "1", "drill": "0"}
    assert message.fields == {"took_s": 2.5, "attempts": 0, "case": ""}
    assert message.at_ns // 1_000_000 == now
    [command] = embedded(house, "command")
    assert (command.tags["result"], command.fields["done"], command.fields["device"]) == ("delivered", 1, "li")
    written = desk.pen.written
    await look(desk, "messages")
    assert desk.pen.written == written, "each is written once"
    with writing(house.engine) as connection:
        outbox_claims.conclude(connection, "two", Report(result=Result.REFUSED, detail="x"), now + 70_000)
    house.clock.at += 70_000
    await look(Desk(house), "messages")  # after a restart what is remembered and a minute before it
    assert sorted(point.tags["result"] for point in embedded(house, "message")) == ["delivered", "failed"]
    house.clock.at -= 3_600_000  # somebody sets the clock back
    send(house, "three", at_ms=house.clock.at, result=Result.DELIVERED)
    await look(desk, "messages")
    assert len(embedded(house, "message")) == 3


async def test_a_store_that_is_away_ends_no_look(house: House, influxd: Influxd) -> None:
    gone = InfluxStore(StoreSettings(kind="influxdb", url="http://127.0.0.1:9", bucket="anju"), "")
    desk = Desk(house, gone)
    assert await desk.looks.look() is True
    await gone.close()
    found: Collection[str] = [one.name for one in desk.looks._looks if one.due_s == float("-inf")]
    assert "lanes" in found, "it is looked at again"


async def test_a_fault_in_a_look_ends_no_gateway(house: House) -> None:
    desk = Desk(house)
    ground, faults_ = desk._ground(), iter([RuntimeError("as a defect would")])

    def broken() -> Any:
        for fault in faults_:
            raise fault
        return ground

    desk.looks._ground = broken
    task = asyncio.create_task(desk.looks.run())
    await eventually_async(lambda: task.done() or embedded(house, "lane"), 10, "it looked again")
    assert not task.done()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
