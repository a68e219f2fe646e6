"""What the decider writes down of each device: one statement for a batch, and nothing a device did not say is lost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from devices.observation import Lane, Observation
from gateway.decider import device_rows
from gateway.registry import history
from gateway.state import tables as t
from gateway.state.db import open_database

START = 1_790_000_000_000


def said(device: str, at_ms: int, **more: object) -> Observation:
    fields: dict[str, object] = {
        "message_id": f"{device}:1:{at_ms}",
        "device": device,
        "kind": "vitals_monitor",
        "lane": Lane.ROUTINE,
        "observed_at_ms": at_ms - 40,
        "received_at_ms": at_ms,
    }
    return Observation(**fields | more)  # type: ignore[arg-type]  # a helper of keyword arguments


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sa.Engine]:
    opened = open_database(f"sqlite:///{tmp_path / 'state.db'}")
    yield opened
    opened.dispose()


def note(engine: sa.Engine, *observations: Observation, now_ms: int | None = None) -> None:
    with engine.begin() as connection:
        newest_ms = max(observation.received_at_ms for observation in observations)
        device_rows.note(connection, observations, newest_ms if now_ms is None else now_ms)


def states(engine: sa.Engine, device: str) -> dict[str, float]:
    with engine.begin() as connection:
        query = sa.select(t.device_states.c.states).where(t.device_states.c.device == device)
        body = connection.execute(query).scalar_one()
    return {} if body is None else json.loads(body)


def life(engine: sa.Engine, device: str) -> list[tuple[str, dict[str, object]]]:
    with engine.begin() as connection:
        return [(line.what, dict(line.detail)) for line in reversed(history.read(connection, device, 50))]


def test_what_a_device_did_not_say_stays_as_it_was(engine: sa.Engine) -> None:
    first = [
        said("one", START, metrics={"battery": 80.0}, data={"firmware": "1.2"}, event="online"),
        said("two", START, metrics={"rssi": -70.0}),
        said("one", START + 10, metrics={"rssi": -60.0}),
    ]
    with engine.begin() as connection:
        assert device_rows.note(connection, first, START) == {"one"}
    with engine.begin() as connection:
        later = [said("one", START + 20), said("two", START + 30, event="offline")]
        assert device_rows.note(connection, later, START + 40) == {"two"}
        assert device_rows.note(connection, [], START + 40) == set()
        rows = {row.device: row for row in connection.execute(sa.select(t.device_states))}
    one, two = rows["one"], rows["two"]
    assert (one.battery, one.rssi, one.firmware, one.online) == (80.0, -60.0, "1.2", True)
    assert (one.last_seen_ms, one.clock_offset_ms) == (START + 20, -40)
    assert (two.battery, two.rssi, two.firmware, two.online) == (None, -70.0, None, False)
    assert one.states is None


def smoke(at_ms: int, lane: Lane = Lane.ROUTINE, event: str | None = None, **metrics: float) -> Observation:
    return said("smoke-1", at_ms, kind="smoke", lane=lane, event=event, metrics=metrics)


def test_states_are_merged_within_a_batch_and_over_batches(engine: sa.Engine) -> None:
    note(engine, smoke(START, alarm=0.0, battery=90.0), smoke(START + 1, faulty=1.0), smoke(START + 2, alarm=1.0))
    assert states(engine, "smoke-1") == {"alarm": 1.0, "faulty": 1.0}
    note(engine, smoke(START + 3, obscuration=0.1))
    assert states(engine, "smoke-1") == {"alarm": 1.0, "faulty": 1.0}, "no state was said, and none is forgotten"
    note(engine, smoke(START + 4, tampered=1.0, faulty=0.0))
    assert states(engine, "smoke-1") == {"alarm": 1.0, "faulty": 0.0, "tampered": 1.0}


def test_of_two_lanes_the_later_word_counts_and_not_the_one_decided_last(engine: sa.Engine) -> None:
    """Urgent is decided first. A state that went back in the table would make the next alarm no news later."""
    note(engine, smoke(START + 500, Lane.URGENT, "smoke_cleared", alarm=0.0))
    note(engine, smoke(START + 100, alarm=1.0, faulty=1.0), now_ms=START + 501)
    assert states(engine, "smoke-1") == {"alarm": 0.0, "faulty": 1.0}
    note(engine, smoke(START + 600, alarm=1.0), smoke(START + 550, alarm=0.0))
    assert states(engine, "smoke-1")["alarm"] == 1.0


def test_of_one_millisecond_the_change_counts(engine: sa.Engine) -> None:
    note(engine, smoke(START, Lane.URGENT, "smoke_cleared", alarm=0.0))
    note(engine, smoke(START, alarm=1.0), now_ms=START + 1)
    assert states(engine, "smoke-1") == {"alarm": 0.0}
    note(engine, smoke(START + 5, alarm=0.0))
    note(engine, smoke(START + 5, Lane.URGENT, "smoke", alarm=1.0), now_ms=START + 6)
    assert states(engine, "smoke-1") == {"alarm": 1.0}


def test_after_the_clock_was_set_back_states_follow_again(engine: sa.Engine) -> None:
    note(engine, smoke(START + 3_600_000, alarm=1.0))
    note(engine, smoke(START, alarm=0.0))
    assert states(engine, "smoke-1") == {"alarm": 0.0}


def test_new_firmware_another_model_and_a_changed_battery_are_lines_of_its_life(engine: sa.Engine) -> None:
    born = {"firmware": "1.2", "model": "AJ-1"}
    note(engine, said("one", START, event="online", data=born, metrics={"battery": 20.0}))
    note(engine, said("one", START + 1, event="online", data=born, metrics={"battery": 41.0}))
    assert life(engine, "one") == [], "said for the first time, and said again"
    note(engine, said("one", START + 2, event="online", data=born | {"firmware": "1.3"}))
    note(engine, said("one", START + 3, data={"model": "AJ-2"}, metrics={"battery": 98.0}))
    assert life(engine, "one") == [
        ("firmware", {"before": "1.2", "after": "1.3"}),
        ("model", {"before": "AJ-1", "after": "AJ-2"}),
        ("battery_changed", {"before": 41.0, "after": 98.0}),
    ]


def test_the_model_of_another_thing_is_not_taken_for_its_own(engine: sa.Engine) -> None:
    note(engine, said("c-1", START, kind="concentrator", event="online", data={"model": "AJ-C"}))
    note(engine, said("c-1", START + 1, kind="concentrator", event="device_joined", data={"model": "TS0201"}))
    note(engine, said("c-1", START + 2, kind="concentrator", data={"model": "AJ\0-C"}))
    with engine.begin() as connection:
        assert connection.execute(sa.select(t.device_states.c.model)).scalar_one() == "AJ-C"
    assert life(engine, "c-1") == []
