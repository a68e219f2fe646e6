"""Each device's health, from its own messages: last heard, online, battery, signal, firmware, states, clock."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from devices.gear.memory import known_by
from devices.observation import Lane, Observation
from gateway.registry import history
from gateway.state import tables as t
from gateway.state.db import insert_for

BATTERY_JUMP = 30.0
"""Per cent by which no weather and no rest lifts a battery: it was changed, or charged."""
BATTERY_FULL = 70.0
_AT_ONCE = 500


@dataclass(slots=True)
class _News:
    """What one device said in a batch."""

    last_seen_ms: int = 0
    online: bool = True
    clock_offset_ms: int = 0
    battery: float | None = None
    rssi: float | None = None
    firmware: str | None = None
    model: str | None = None
    states: dict[str, tuple[float, int, bool]] = field(default_factory=dict)
    """State → value, when it was received, and whether by a change (urgent)."""

    @property
    def compared(self) -> bool:
        """Whether what is new depends on what was known."""
        changed = self.battery is not None and self.battery >= BATTERY_FULL
        return changed or bool(self.states) or self.firmware is not None or self.model is not None


def note(connection: sa.Connection, observations: Iterable[Observation], now_ms: int) -> set[str]:
    """Bring the states of the devices that spoke up to date; returns those whose online state changed.

    New firmware, another model and a changed battery become lines of the device's history.
    """
    news: dict[str, _News] = {}
    changed: set[str] = set()
    for observation in observations:
        _take(news.setdefault(observation.device, _News()), observation)
        if observation.event in ("online", "offline"):
            changed.add(observation.device)
    if not news:
        return changed
    known = _known(connection, [device for device, new in news.items() if new.compared])
    rows: list[dict[str, object]] = []
    for device, new in news.items():
        row = {name: getattr(new, name) for name in (*_ALWAYS, *_WHERE_SAID)}
        states, states_ms = _merged(known.get(device), new, now_ms)
        rows.append({"device": device, "states": states, "states_ms": states_ms, **row})
    connection.execute(_upsert(connection.dialect.name), rows)
    history.write(connection, *(line for row in known.values() for line in _life(row, news[row.device], now_ms)))
    return changed


def _take(new: _News, observation: Observation) -> None:
    new.last_seen_ms = max(new.last_seen_ms, observation.received_at_ms)
    new.online = observation.event != "offline"
    new.clock_offset_ms = observation.observed_at_ms - observation.received_at_ms
    new.battery = observation.metrics.get("battery", new.battery)
    new.rssi = observation.metrics.get("rssi", new.rssi)
    if observation.event in (None, "online"):  # beside another event ``model`` may be that of something else
        new.firmware = _text(observation.data.get("firmware")) or new.firmware
        new.model = _text(observation.data.get("model")) or new.model
    for key, value in known_by(observation).items():
        if observation.received_at_ms >= new.states.get(key, (0.0, 0, False))[1]:
            new.states[key] = value, observation.received_at_ms, observation.lane is Lane.URGENT


def _text(value: object) -> str | None:
    """What a device says of itself, in characters that every database takes."""
    return None if value is None else "".join(filter(str.isprintable, str(value)))[:100].strip()


def _known(connection: sa.Connection, devices: Sequence[str]) -> dict[str, sa.Row[Any]]:
    s = t.device_states.c
    found: dict[str, sa.Row[Any]] = {}
    for start in range(0, len(devices), _AT_ONCE):
        query = sa.select(s.device, s.battery, s.firmware, s.model, s.states, s.states_ms).where(
            s.device.in_(devices[start : start + _AT_ONCE])
        )
        found |= {row.device: row for row in connection.execute(query)}
    return found


def _merged(row: sa.Row[Any] | None, new: _News, now_ms: int) -> tuple[str | None, str | None]:
    """The states after what was said, each with its time of receipt; (None, None) where there is nothing to change.

    The two lanes are not decided in the order of receipt, so that for each state the later word counts; of two words of
    one millisecond the change: a routine word repeats the state before it, or the state it led to. A time from the
    future is that of a clock which was set back since.
    """
    if not new.states:
        return None, None
    values: dict[str, float] = json.loads(row.states) if row is not None and row.states else {}
    times: dict[str, int] = json.loads(row.states_ms) if row is not None and row.states_ms else {}
    for key, (value, at_ms, changed) in new.states.items():
        earlier = at_ms < times.get(key, 0) or (at_ms == times.get(key) and not changed)
        if not (earlier and times[key] <= now_ms):
            values[key], times[key] = value, at_ms
    return json.dumps(values), json.dumps(times)


def _life(row: sa.Row[Any], new: _News, now_ms: int) -> Iterator[history.Line]:
    for what, before, after in (("firmware", row.firmware, new.firmware), ("model", row.model, new.model)):
        if before is not None and after is not None and before != after:
            yield _line(row.device, now_ms, what, {"before": before, "after": after})
    if (
        row.battery is not None
        and new.battery is not None
        and new.battery >= BATTERY_FULL
        and new.battery - row.battery >= BATTERY_JUMP
    ):
        yield _line(row.device, now_ms, "battery_changed", {"before": row.battery, "after": new.battery})


def _line(device: str, at_ms: int, what: str, detail: Mapping[str, object]) -> history.Line:
    return history.Line(device=device, at_ms=at_ms, actor=history.ITSELF, what=what, detail=detail)


_ALWAYS = ("last_seen_ms", "online", "clock_offset_ms")
_WHERE_SAID = ("battery", "rssi", "firmware", "model")
_STATES = ("states", "states_ms")


@cache
def _upsert(dialect: str) -> sqlite.Insert | postgresql.Insert:
    """One statement for all rows of a batch; what a device did not say stays as it was."""
    statement = insert_for(dialect, t.device_states)
    kept = {
        name: sa.func.coalesce(statement.excluded[name], t.device_states.c[name]) for name in (*_WHERE_SAID, *_STATES)
    }
    new = {name: statement.excluded[name] for name in _ALWAYS}
    return statement.on_conflict_do_update(index_elements=["device"], set_=new | kept)
