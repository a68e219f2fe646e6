"""The past that a demo begins with: told by the simulator, decided by the gateway, over when the demo begins."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa
import yaml

from dashboards.answer import Look
from dashboards.query import Column, Query
from devices.observation import Channel
from firmware_sim.community import load_community as simulated_community
from firmware_sim.past import LIVED_MS, WEEK, past
from gateway.cases.model import Case
from gateway.clock import SystemClock
from gateway.demo import past as made_up
from gateway.demo import telephone
from gateway.demo.stage import StageError
from gateway.demo.town import cut_out
from gateway.record.chains import verdicts
from gateway.registry.load import load_community
from gateway.registry.model import NATIVE, Community
from gateway.settings import Settings
from gateway.state import tables as t
from gateway.state.db import open_database, reading
from gateway.store.embedded import EmbeddedStore
from tests.support.eventually import PATIENCE

ROOT = Path(__file__).parents[2]
WEEK_MS = 7 * 86_400_000


@dataclass(frozen=True)
class Lived:
    """A small town that has lived through its week."""

    settings: Settings
    town: Community
    until_ms: int
    cases: int
    shown: tuple[float, ...]


@pytest.fixture(scope="module")
def town() -> Community:
    return telephone.with_telephones(cut_out(load_community(ROOT / "examples/tuanjiehu/community.yaml"), 40))


@pytest.fixture(scope="module")
def file(town: Community, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("town") / "community.yaml"
    path.write_text(yaml.safe_dump(town.model_dump(mode="json", exclude_defaults=True), allow_unicode=True))
    return path


@pytest.fixture(scope="module")
def lived(town: Community, file: Path, tmp_path_factory: pytest.TempPathFactory) -> Lived:
    settings = Settings(data_dir=tmp_path_factory.mktemp("data"))
    assert made_up.wanted(settings)
    shown: list[float] = []
    until_ms = SystemClock().now_ms()
    cases = made_up.live_through(settings, town, file, until_ms, shown.append)
    return Lived(settings, town, until_ms, cases, tuple(shown))


@pytest.fixture
def state(lived: Lived) -> Iterator[sa.Connection]:
    engine = open_database(lived.settings.database)
    with reading(engine) as connection:
        yield connection
    engine.dispose()


def test_the_simulator_tells_the_same_past_every_time_in_the_order_of_time(file: Path) -> None:
    community, until_ms = simulated_community(file), 1_796_000_000_000
    told = list(past(community, until_ms))
    assert [one.at_ms for one in told] == sorted(one.at_ms for one in told)
    assert until_ms - WEEK_MS < told[0].at_ms and told[-1].at_ms <= until_ms
    before = [one for one in told if one.at_ms < until_ms - LIVED_MS]
    assert len(before) < 4 * len(WEEK), "of the days before, only what happened"
    assert {Channel.EVENT, Channel.TELEMETRY, Channel.STATUS} == {one.channel for one in told[len(before) :]}
    again = past(community, until_ms)
    assert told[:500] == [next(again) for _ in range(500)]


def test_all_that_happened_is_over_and_nobody_has_still_to_be_told(lived: Lived, state: sa.Connection) -> None:
    cases = [Case.model_validate_json(body) for body in state.execute(sa.select(t.cases.c.body)).scalars()]
    assert len(cases) == lived.cases > 20
    assert [case.number for case in cases if case.open] == []
    assert {"personal_emergency", "smoke", "water_leak", "bin_full", "service_request"} <= {case.type for case in cases}
    assert state.execute(sa.select(sa.func.count()).select_from(t.timers)).scalar_one() == 0
    waiting = sa.select(t.outbox.c.key).where(t.outbox.c.status.in_(("pending", "sending")))
    assert list(state.execute(waiting).scalars()) == []
    assert list(state.execute(sa.select(t.alarms.c.rule).where(t.alarms.c.cleared_at_ms.is_(None))).scalars()) == []
    assert all(verdict.whole for verdict in verdicts(state, limit=1_000))


def test_the_gateway_begins_as_at_any_first_start(lived: Lived, state: sa.Connection) -> None:
    assert state.execute(sa.select(sa.func.count()).select_from(t.rule_states)).scalar_one() == 0
    assert state.execute(sa.select(sa.func.count()).select_from(t.cursors)).scalar_one() == 0
    heard = set(state.execute(sa.select(t.device_states.c.device)).scalars())
    native = {device.id for device in lived.town.devices if device.profile == NATIVE}
    assert heard == native, "so that nobody is taken for silent"
    assert not (lived.settings.data_dir / made_up.FOLDER).exists()
    assert not made_up.wanted(lived.settings), "only a new demo has a past made up"
    assert list(lived.shown) == sorted(lived.shown) and lived.shown[-1] > 0.9


async def test_boards_have_a_day_of_readings(lived: Lived) -> None:
    store = EmbeddedStore(lived.settings.data_dir / "telemetry.db", SystemClock())
    begun_ms = lived.until_ms - LIVED_MS
    look = Look(language="zh", start_ms=begun_ms, end_ms=lived.until_ms, variables={}, width_ms=3_600_000)
    try:
        for measurement, field in (
            ("vitals_monitor", "pulse"),
            ("road", "level"),
            ("bin", "fill"),
            ("fleet", "devices"),
        ):
            query = Query(measurement, (Column(field, "count", name="n"),), every="1h")
            answer = await asyncio.wait_for(store.ask(query, look), 30 * PATIENCE)
            hours = [row[0] for row in answer.rows if row[1]]
            assert len(hours) >= 20, f"{measurement}: {len(hours)} hours"
        silent = await store.ask(Query("fleet", (Column("silent", "max"),)), look)
        assert list(silent.column("silent")) == [0.0]
    finally:
        await store.close()


def test_a_past_that_cannot_be_told_leaves_nothing_behind_that_counts(town: Community, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    with pytest.raises(StageError, match="cannot tell the past"):
        made_up.live_through(settings, town, tmp_path / "gone.yaml", SystemClock().now_ms(), lambda done: None)
    assert made_up.wanted(settings)


def test_what_is_kept_elsewhere_is_left_alone(tmp_path: Path) -> None:
    assert not made_up.wanted(Settings(data_dir=tmp_path, database_url="postgresql+psycopg://nobody@localhost/none"))
    (tmp_path / "state.db").touch()
    assert not made_up.wanted(Settings(data_dir=tmp_path))
