"""Whom each device served when: from the registry as it is and the lives of its devices."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import sqlalchemy as sa

from gateway.state import tables as t


class Turn(NamedTuple):
    """A line of a device's life that says whom it served. None: the line does not say; ``""``: nobody."""

    at_ms: int
    before: str | None
    after: str | None


def load_lives(connection: sa.Connection) -> dict[str, list[tuple[int, str | None]]]:
    """By device: from when on it served whom, in the order of time, the first from 0; ``""`` for nobody, None where it
    is not known any more. Of devices in the registry, and of those that it ever had."""
    now: dict[str, str] = {}
    rows = connection.execute(sa.select(t.registry.c.id, t.registry.c.body).where(t.registry.c.section == "devices"))
    for device, body in rows:
        now[device] = json.loads(body).get("resident") or ""
    h = t.device_history.c
    turns: dict[str, list[Turn]] = defaultdict(list)
    for row in connection.execute(sa.select(h.device, h.at_ms, h.what, h.detail).order_by(h.id)):
        turn = turn_of(row.at_ms, row.what, json.loads(row.detail))
        if turn is not None:
            turns[row.device].append(turn)
    return {device: life(turns.get(device, ()), now.get(device, "")) for device in sorted(now.keys() | turns.keys())}


def turn_of(at_ms: int, what: str, detail: Mapping[str, object]) -> Turn | None:
    """What a line of a device's life says about whom it served; None where that is nothing."""
    fields = detail.get("fields")
    if isinstance(fields, Mapping) and "resident" in fields:
        before, after = fields["resident"]
        return Turn(at_ms, str(before or ""), str(after or ""))
    said = str(detail["resident"] or "") if "resident" in detail else None
    if what == "added":
        return Turn(at_ms, "", said)
    if what == "removed":
        return Turn(at_ms, said, "")
    return None


def life(turns: Iterable[Turn], now: str) -> list[tuple[int, str | None]]:
    """Whom a device served, from its turns in the order of time and whom it serves ``now``.

    What one line does not say of what comes after it, the next one says of what was before it.
    """
    ordered = sorted(turns, key=lambda turn: turn.at_ms)
    found: list[tuple[int, str | None]] = []
    from_ms, after = 0, None
    for turn in [*ordered, Turn(-1, now, now)]:
        found.append((from_ms, turn.before if after is None else after))
        from_ms, after = turn.at_ms, turn.after
    return [entry for index, entry in enumerate(found) if index == 0 or entry[1] != found[index - 1][1]]
