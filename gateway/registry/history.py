"""The life of a device, line by line: who did what to it, and what it said of itself that was new. Append only."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from gateway.state import tables as t

ITSELF = "device"
"""The actor of what the device said of itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a device's life."""

    device: str
    at_ms: int
    actor: str
    what: str
    """``added``, ``changed``, ``replaced``, ``retired``, ``firmware``, ``model``, ``battery_changed``,
    ``maintenance``, ``test``, ``care_ended`` …"""
    detail: Mapping[str, object]


def write(connection: sa.Connection, *lines: Line) -> None:
    """Append ``lines``."""
    if lines:
        connection.execute(
            sa.insert(t.device_history),
            [
                {
                    "device": line.device,
                    "at_ms": line.at_ms,
                    "actor": line.actor,
                    "what": line.what,
                    "detail": json.dumps(line.detail, ensure_ascii=False),
                }
                for line in lines
            ],
        )


def serves(device: Mapping[str, object]) -> dict[str, object]:
    """Whom a device serves, as the line says it by which it comes or goes: whose its readings are stays known."""
    return {"resident": device["resident"]} if device.get("resident") else {}


def read(connection: sa.Connection, device: str, limit: int) -> list[Line]:
    """The life of one device, the newest first."""
    h = t.device_history.c
    query = sa.select(t.device_history).where(h.device == device).order_by(h.id.desc()).limit(limit)
    return [
        Line(device=row.device, at_ms=row.at_ms, actor=row.actor, what=row.what, detail=json.loads(row.detail))
        for row in connection.execute(query)
    ]


def replaced_ms(connection: sa.Connection) -> dict[str, int]:
    """When the hardware of each device was replaced last; devices whose hardware is the first are left out."""
    h = t.device_history.c
    query = sa.select(h.device, sa.func.max(h.at_ms).label("at_ms")).where(h.what == "replaced").group_by(h.device)
    return {row.device: row.at_ms for row in connection.execute(query)}
