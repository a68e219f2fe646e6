"""What the decider writes down of each device: one statement for a batch, and nothing a device did not say is lost."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from devices.observation import Lane, Observation
from gateway.decider import device_rows
from gateway.state import tables as t
from gateway.state.db import open_database

START = 1_790_000_000_000


def said(device: str, at_ms: int, **more: object) -> Observation:
    return Observation(
        message_id=f"{device}:1:{at_ms}",
        device=device,
        kind="vitals_monitor",
        lane=Lane.ROUTINE,
        observed_at_ms=at_ms - 40,
        received_at_ms=at_ms,
        **more,  # type: ignore[arg-type]  # a helper of keyword arguments
    )


def test_what_a_device_did_not_say_stays_as_it_was(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'state.db'}")
    first = [
        said("one", START, metrics={"battery": 80.0}, data={"firmware": "1.2"}, event="online"),
        said("two", START, metrics={"rssi": -70.0}),
        said("one", START + 10, metrics={"rssi": -60.0}),
    ]
    with engine.begin() as connection:
        assert device_rows.note(connection, first) == {"one"}
    with engine.begin() as connection:
        assert device_rows.note(connection, [said("one", START + 20), said("two", START + 30, event="offline")]) == {
            "two"
        }
        assert device_rows.note(connection, []) == set()
        rows = {row.device: row for row in connection.execute(sa.select(t.device_states))}
    one, two = rows["one"], rows["two"]
    assert (one.battery, one.rssi, one.firmware, one.online) == (80.0, -60.0, "1.2", True)
    assert (one.last_seen_ms, one.clock_offset_ms) == (START + 20, -40)
    assert (two.battery, two.rssi, two.firmware, two.online) == (None, -70.0, None, False)
    engine.dispose()
