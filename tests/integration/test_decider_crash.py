"""What else follows from an alarm, with every writing statement failing once: whole or not at all, then the same."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from gateway.record.chains import verdicts
from gateway.state import tables as t
from tests.support.deciding import Clocks, DecidingRoom, MemoryJournal, deciding

_CASE_ID = re.compile(r"\b(\d{4}-\d{6})-[0-9a-f]{6}\b")
TABLES = (t.alarms, t.cases, t.timeline, t.timers, t.outbox, t.withheld, t.shadow_alarms, t.shadow_totals)


class Breaks(OSError):
    """What is said when the machine fails."""


class BreakAt:
    """Makes the n-th writing statement (or commit) fail, once, while it is ``armed``."""

    def __init__(self, engine: sa.Engine) -> None:
        self.armed, self.at, self.count = False, 0, 0
        sa.event.listen(engine, "before_cursor_execute", self._execute)
        sa.event.listen(engine, "commit", self._commit)

    def _execute(self, _connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith(("INSERT", "UPDATE", "DELETE")):
            self._step()

    def _commit(self, connection: sa.Connection) -> None:
        if not connection.get_execution_options().get("anju_read_only"):
            self._step()

    def _step(self) -> None:
        self.count += self.armed
        if self.armed and self.count == self.at:
            raise Breaks(f"at statement {self.count}")


def document(room: DecidingRoom) -> dict[str, Any]:
    return room.document | {
        "rules": [
            {"use": "gas-alarm", "do": [{"command": "close", "kinds": ["valve"]}]},
            {"use": "power-lost"},
            {"use": "tamper", "inhibited_by": {"types": ["power_lost"], "at": "place"}},
            {"use": "water-leak", "do": [], "storm": {"count": 2, "within_s": 600}},
            {"use": "smoke-alarm", "shadow": True},
        ],
        "devices": [
            *room.document["devices"],
            {"id": "gas-1", "kind": "gas", "place": "door-1"},
            {"id": "valve-1", "kind": "valve", "place": "door-1"},
            {"id": "hub-b", "kind": "concentrator", "place": "b-1"},
            {"id": "siren-b", "kind": "siren", "place": "b-1"},
            *({"id": f"leak-{n}", "kind": "leak", "place": ("yuan", "b-1", "door-1")[n % 3]} for n in range(4)),
        ],
    }


STORY = (
    (1, "gas-1", "gas", "gas"),
    (1, "hub-b", "concentrator", "power_lost"),
    (1, "siren-b", "siren", "tamper"),
    (1, "smoke-1", "smoke", "smoke"),
    (1, "hub-b", "concentrator", "power_restored"),
    (1, "gas-1", "gas", "gas_cleared"),
    (700, "leak-0", "leak", "leak"),
    *((1, f"leak-{n}", "leak", "leak") for n in range(1, 4)),
)


def play(room: DecidingRoom, breaks: BreakAt, at: int) -> dict[str, list[object]]:
    """The story from its start, with a failure at this statement."""
    with room.engine.begin() as connection:
        for table in (*TABLES, t.rule_states, t.device_states, t.cursors, t.meta):
            connection.execute(
                sa.delete(table).where(sa.true() if table is not t.meta else t.meta.c.key.like("case-%"))
            )
    room.journal, room.clocks, room._seq = MemoryJournal(), Clocks(), 0
    room.restart()
    room.cycle()
    breaks.armed, breaks.at, breaks.count = True, at, 0
    for seconds, device, kind, event in STORY:
        room.clocks.forward(seconds)
        room.say(device, kind, event)
        for _ in range(2):
            try:
                room.cycle()
            except Breaks:
                room.restart()
    breaks.armed = False
    return rows(room)


def rows(room: DecidingRoom) -> dict[str, list[object]]:
    found: dict[str, list[object]] = {}
    with room.engine.begin() as connection:
        assert all(verdict.whole for verdict in verdicts(connection, limit=1000))
        for table in TABLES:
            columns = [column for column in table.c if column.name not in ("hash", "timeline_head")]  # by random ids
            text = [str(tuple(row)) for row in connection.execute(sa.select(*columns))]
            found[table.name] = sorted((_CASE_ID.sub(r"\1", row) for row in text), key=json.dumps)
    return found


@pytest.mark.timeout(300)
def test_a_failure_at_any_statement_changes_nothing_in_the_end(tmp_path: Path) -> None:
    with deciding(tmp_path) as room:
        room.apply(document(room))
        breaks = BreakAt(room.engine)
        expected = play(room, breaks, 0)
        statements = breaks.count
        assert len(expected["shadow_alarms"]) == 1
        assert expected["withheld"] == []
        assert sum(":do:" in row for row in map(str, expected["outbox"])) == 1
        assert sum("alarm_storm" in row for row in map(str, expected["alarms"])) == 1
        assert sum("held back since" in row for row in map(str, expected["alarms"])) == 1
        assert statements > 50
        for at in range(1, statements + 1, 3):  # all of them take minutes
            assert play(room, breaks, at) == expected, f"after a failure at statement {at}"
