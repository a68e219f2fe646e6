"""Each device's health, from its own messages: last heard, online, battery, signal, firmware, clock."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from devices.observation import Observation
from gateway.decider.case_rows import insert
from gateway.state import tables as t


def note(connection: sa.Connection, observations: Iterable[Observation]) -> set[str]:
    """Bring the states of the devices that spoke up to date; returns those whose online state or firmware changed."""
    rows: dict[str, dict[str, object]] = {}
    changed: set[str] = set()
    for observation in observations:
        row = rows.setdefault(observation.device, {"device": observation.device})
        row["last_seen_ms"] = max(int(str(row.get("last_seen_ms", 0))), observation.received_at_ms)
        row["online"] = observation.event != "offline"
        if observation.event in ("online", "offline"):
            changed.add(observation.device)
        for key in ("battery", "rssi"):
            if key in observation.metrics:
                row[key] = observation.metrics[key]
        if "firmware" in observation.data:
            row["firmware"] = str(observation.data["firmware"])
        row["clock_offset_ms"] = observation.observed_at_ms - observation.received_at_ms
    for row in rows.values():
        # A will (offline) is sent by the broker: the device itself was last heard before it.
        statement = insert(connection, t.device_states).values(**row)
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=["device"], set_={key: value for key, value in row.items() if key != "device"}
            )
        )
    return changed
