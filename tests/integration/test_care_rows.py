"""Care as rows, on both databases: begun, prolonged, ended, due, moved with the clock, forgotten."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from devices.observation import Lane, Observation
from gateway.alarms import AlarmChange, AlarmMove, Severity
from gateway.decider import care_rows
from gateway.registry import care, history
from gateway.registry.care import LATE_MS, Care
from gateway.state import tables as t

NOW = 1_790_000_000_000


def begin(database: sa.Engine, mode: care.Mode = "test", *, seconds: int = 600, now_ms: int = NOW) -> Care:
    with database.begin() as connection:
        return care.begin(connection, "d", mode, seconds=seconds, actor="operator:wang", reason="r", now_ms=now_ms)


def due(database: sa.Engine, now_ms: int, read_until_ms: int | None = None) -> list[str]:
    with database.begin() as connection:
        return [one.device for one in care_rows.due(connection, now_ms, read_until_ms or now_ms)]


def test_the_clock_of_before_is_kept_when_it_is_prolonged(database: sa.Engine) -> None:
    with database.begin() as connection:
        row = {"device": "d", "last_seen_ms": NOW, "online": True, "clock_offset_ms": -40}
        connection.execute(t.device_states.insert(), row)
    assert begin(database).clock_offset_ms == -40
    with database.begin() as connection:
        connection.execute(sa.update(t.device_states).values(clock_offset_ms=-90_000))
    longer = begin(database, now_ms=NOW + 1000)
    assert (longer.since_ms, longer.until_ms, longer.clock_offset_ms) == (NOW, NOW + 601_000, -40)
    other = begin(database, "maintenance", now_ms=NOW + 2000)
    assert (other.since_ms, other.clock_offset_ms) == (NOW + 2000, -90_000)


def test_it_is_due_at_its_end_at_once_for_another_mode_and_never_twice(database: sa.Engine) -> None:
    first = begin(database)
    assert due(database, NOW + 599_999) == []
    assert due(database, NOW + 600_000) == ["d"]
    begin(database, "maintenance", now_ms=NOW + 1000)
    assert due(database, NOW + 1000) == ["d"], "what the test hid, maintenance may not hide"
    with database.begin() as connection:
        running = care.find(connection, "d", NOW + 1000)
        assert running is not None
        care_rows.settled(connection, running, NOW + 1000)
    assert due(database, NOW + 2000) == []
    assert due(database, NOW + 601_000) == ["d"]
    with database.begin() as connection:
        ended = care.end(connection, "d", actor="operator:wang", now_ms=NOW + 3000)
        assert ended is not None
        care_rows.settled(connection, first, NOW + 3_000_000)
    assert due(database, NOW + 10**9) == []


def test_a_set_clock_moves_it_and_its_row_goes_in_the_end(database: sa.Engine) -> None:
    begin(database)
    with database.begin() as connection:
        care_rows.move(connection, -3_600_000)
        (moved,) = care.remembered(connection, NOW).values()
        assert (moved.since_ms, moved.until_ms) == (NOW - 3_600_000, NOW - 3_000_000)
    assert due(database, NOW) == ["d"]
    with database.begin() as connection:
        care_rows.settled(connection, moved, NOW + LATE_MS)
        assert connection.execute(sa.select(sa.func.count()).select_from(t.device_care)).scalar_one() == 0


def test_what_is_hidden_is_found_again_with_its_explanation(
    database: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = begin(database)
    change = AlarmChange(
        move=AlarmMove.RAISED,
        rule="smoke-alarm",
        rule_version=1,
        subject="place:door-1",
        type="smoke",
        severity=Severity.EMERGENCY,
        ladder="life-safety",
        at_ms=NOW,
        observed_at_ms=NOW,
        device="d",
        place="door-1",
        resident=None,
        momentary=False,
        explanation="烟雾",
    )
    said = Observation(
        message_id="d:1:1",
        device="d",
        kind="smoke",
        lane=Lane.URGENT,
        observed_at_ms=NOW,
        received_at_ms=NOW,
        event="smoke",
    )
    monkeypatch.setattr(care_rows, "LINES_MOST", 2)
    with database.begin() as connection:
        care_rows.tried(connection, running, said, NOW)
        care_rows.hide(connection, running, change, NOW)
        care_rows.hide(connection, running, change, NOW + 1)  # one too many
        assert care_rows.last_hidden(connection, "d", change) == change
        assert care_rows.last_hidden(connection, "d", change.model_copy(update={"rule": "other"})) is None
        assert [line.what for line in history.read(connection, "d", 9)] == ["hidden", "tried", "test"]
        assert history.replaced_ms(connection) == {}
        history.write(
            connection,
            *(
                history.Line(device="d", at_ms=NOW + n, actor="a", what="replaced", detail={"address": ["a", "b"]})
                for n in range(2)
            ),
        )
        assert history.replaced_ms(connection) == {"d": NOW + 1}


def test_a_late_message_is_settled_when_the_rest_of_its_backlog_has_come(database: sa.Engine) -> None:
    running = begin(database, seconds=60)
    with database.begin() as connection:
        care_rows.settled(connection, running, NOW + 60_000)
    assert due(database, NOW + 100_000) == []
    with database.begin() as connection:
        late = AlarmChange(
            move=AlarmMove.RAISED,
            rule="r",
            rule_version=1,
            subject="device:d",
            type="smoke",
            severity=Severity.EMERGENCY,
            ladder="l",
            at_ms=NOW + 100_000,
            observed_at_ms=NOW + 1,
            device="d",
            place=None,
            resident=None,
            momentary=False,
            explanation="",
        )
        care_rows.hide(connection, running, late, NOW + 100_000)
    assert due(database, NOW + 100_000) == []
    assert due(database, NOW + 100_000 + care_rows.LATE_SETTLE_MS) == ["d"]
