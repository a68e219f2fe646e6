"""Each device's health, from its own messages: last heard, online, battery, signal, firmware, clock."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from devices.observation import Observation
from gateway.decider.case_rows import insert_for
from gateway.state import tables as t


def note(connection: sa.Connection, observations: Iterable[Observation]) -> set[str]:
    """Bring the states of the devices that spoke up to date; returns those whose online state or firmware changed."""
    rows: dict[str, dict[str, object]] = {}
    changed: set[str] = set()
    for observation in observations:
        row = rows.get(observation.device)
        if row is None:
            row = rows[observation.device] = {"device": observation.device, "last_seen_ms": 0} | _NOTHING_SAID
        row["last_seen_ms"] = max(int(str(row["last_seen_ms"])), observation.received_at_ms)
        row["online"] = observation.event != "offline"
        if observation.event in ("online", "offline"):
            changed.add(observation.device)
        for key in ("battery", "rssi"):
            if key in observation.metrics:
                row[key] = observation.metrics[key]
        if "firmware" in observation.data:
            row["firmware"] = str(observation.data["firmware"])
        row["clock_offset_ms"] = observation.observed_at_ms - observation.received_at_ms
    if rows:
        connection.execute(_upsert(connection.dialect.name), list(rows.values()))
    return changed


_NOTHING_SAID: dict[str, object] = {"battery": None, "rssi": None, "firmware": None}


@cache
def _upsert(dialect: str) -> sqlite.Insert | postgresql.Insert:
    """One statement for all rows of a batch; what a device did not say stays as it was."""
    statement = insert_for(dialect, t.device_states)
    kept = {name: sa.func.coalesce(statement.excluded[name], t.device_states.c[name]) for name in _NOTHING_SAID}
    new = {name: statement.excluded[name] for name in ("last_seen_ms", "online", "clock_offset_ms")}
    return statement.on_conflict_do_update(index_elements=["device"], set_=new | kept)
