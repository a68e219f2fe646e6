"""The outbox in SQL, on SQLite and on a real PostgreSQL server: the same story on both."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from gateway.cases.effects import DEVICE_CHANNEL, LINE_CHANNEL, Delivery, Purpose
from gateway.outbox import claims, rows
from gateway.outbox.channel import Report, Result
from gateway.outbox.records import Claim, Withdrawal
from gateway.state import tables
from gateway.state.db import open_database
from tests.support.outbox import (
    BUSY,
    DELIVERED,
    LOST,
    NEVER,
    START_MS,
    Desk,
    HandClock,
    make_send,
    postgres,
    postgres_bin,
)

DATABASES = ["sqlite", "postgresql"] if postgres_bin() else ["sqlite"]
SENT = Report(result=Result.SENT, detail="with the broker")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as directory, postgres(Path(directory)) as url:
        yield url


@pytest.fixture(params=DATABASES)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sa.Engine]:
    if request.param == "sqlite":
        opened = open_database(f"sqlite:///{tmp_path / 'state.db'}")
    else:
        opened = open_database(request.getfixturevalue("server"))
        with opened.begin() as connection:
            connection.execute(sa.delete(tables.outbox))
            connection.execute(sa.delete(tables.outbox_attempts))
    yield opened
    opened.dispose()


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def desk(engine: sa.Engine, clock: HandClock) -> Desk:
    return Desk(engine, clock)


def claim(engine: sa.Engine, now_ms: int = START_MS, limit: int = 100) -> list[Claim]:
    with engine.begin() as connection:
        return claims.claim_due(connection, now_ms, lease_s=30, limit=limit)


def finish(
    engine: sa.Engine, found: Claim, report: Report, now_ms: int = START_MS, again_ms: int | None = None
) -> None:
    with engine.begin() as connection:
        claims.finish(connection, found.key, found.attempts, report, now_ms, again_ms=again_ms)


def withdraw(engine: sa.Engine, reason: str = "closed") -> Withdrawal:
    with engine.begin() as connection:
        return rows.withdraw_unsent(connection, "case-1", reason, START_MS)


def test_a_key_goes_in_once(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        assert rows.enqueue(connection, "case-1", make_send("k"), START_MS)
        assert not rows.enqueue(connection, "case-1", make_send("k", to="somebody else"), START_MS)
    assert [found.send.to for found in claim(engine)] == ["li"]


def test_the_emergency_line_goes_first_then_what_is_urgent_then_what_waited_longest(
    engine: sa.Engine, desk: Desk, clock: HandClock
) -> None:
    desk.say(make_send("routine", urgent=False))
    clock.ms += 1
    desk.say(make_send("urgent-1"))
    clock.ms += 1
    desk.say(make_send("urgent-2"), make_send("120", LINE_CHANNEL, purpose=Purpose.EMERGENCY_CALL))
    assert [found.key for found in claim(engine, clock.ms)] == ["120", "urgent-1", "urgent-2", "routine"]


def test_a_full_lane_does_not_hide_what_waits_behind_it(engine: sa.Engine, desk: Desk) -> None:
    desk.say(*(make_send(f"a{i}", "hanging") for i in range(50)), make_send("b", "webhook", urgent=False))
    with engine.begin() as connection:
        found = claims.claim_due(
            connection, START_MS, lease_s=30, limit=10, room=lambda channel, _: 0 if channel == "hanging" else 4
        )
    assert [one.key for one in found] == ["b"]


def test_a_claimed_row_is_leased_and_its_attempt_is_on_record(engine: sa.Engine, desk: Desk) -> None:
    desk.say(make_send("k"))
    assert [found.attempts for found in claim(engine)] == [1]
    assert claim(engine) == []
    assert desk.attempts("k") == [None]


def test_an_expired_lease_is_asked_about_before_anything_is_sent(engine: sa.Engine, desk: Desk) -> None:
    desk.say(make_send("k"))
    claim(engine)
    (again,) = claim(engine, START_MS + 30_000)
    assert (again.ask_first, again.unclear, again.attempts) == (True, 1, 1)
    assert desk.attempts("k") == ["unknown"], "no second attempt yet, and the first is known to be cut off"
    with engine.begin() as connection:
        begun = claims.begin(connection, again, START_MS + 30_000)
    assert begun is not None
    assert (begun.attempts, begun.unclear) == (2, 1)


def test_what_did_not_arrive_is_no_repeat(engine: sa.Engine, desk: Desk) -> None:
    desk.say(make_send("k"))
    claim(engine)
    (again,) = claim(engine, START_MS + 30_000)
    with engine.begin() as connection:
        claims.did_not_arrive(connection, "k", "404")
        begun = claims.begin(connection, again, START_MS + 30_000)
    assert begun is not None
    assert begun.unclear == 0


def test_after_a_start_leases_are_over_but_a_device_may_still_answer(engine: sa.Engine, desk: Desk) -> None:
    desk.say(make_send("k"), make_send("lamp", DEVICE_CHANNEL, to="sos-1", purpose=Purpose.INDICATE))
    for found in claim(engine):
        if found.key == "lamp":
            finish(engine, found, SENT, again_ms=START_MS + 10_000)
    with engine.begin() as connection:
        assert claims.expire_leases(connection, START_MS) == 1
    assert [found.key for found in claim(engine)] == ["k"]


def test_trouble_first_and_the_end_later_each_heard_once(engine: sa.Engine, desk: Desk) -> None:
    desk.say(make_send("k"))
    finish(engine, claim(engine)[0], BUSY, again_ms=START_MS + 2000)
    assert desk.hear() == [("k", "trouble")]
    finish(engine, claim(engine, START_MS + 2000)[0], BUSY, START_MS + 2000, again_ms=START_MS + 6000)
    assert desk.hear() == [], "only the first trouble is news"
    finish(engine, claim(engine, START_MS + 6000)[0], DELIVERED, START_MS + 6000)
    assert desk.hear() == [("k", "delivered")]
    assert desk.hear() == []


def test_trouble_and_end_between_two_looks_come_in_order(engine: sa.Engine, desk: Desk) -> None:
    desk.say(make_send("k"))
    finish(engine, claim(engine)[0], BUSY, again_ms=START_MS)
    finish(engine, claim(engine)[0], NEVER, START_MS - 5000)  # the wall clock was set back
    assert desk.hear() == [("k", "trouble"), ("k", "gave_up")]


def test_an_outcome_that_comes_while_another_is_heard_is_not_lost(engine: sa.Engine, desk: Desk) -> None:
    desk.say(make_send("k"))
    finish(engine, claim(engine)[0], BUSY, again_ms=START_MS)
    with engine.connect() as connection:
        (trouble,) = rows.unseen_outcomes(connection)
        connection.rollback()
    finish(engine, claim(engine)[0], DELIVERED)
    with engine.begin() as connection:
        rows.mark_seen(connection, trouble)
    assert desk.hear() == [("k", "delivered")]


def test_a_rolled_back_hearing_is_heard_again(engine: sa.Engine, desk: Desk) -> None:
    desk.say(make_send("k"))
    finish(engine, claim(engine)[0], DELIVERED)
    with engine.connect() as connection:
        for outcome in rows.unseen_outcomes(connection):
            rows.mark_seen(connection, outcome)
        connection.rollback()
    assert desk.hear() == [("k", "delivered")]


def test_the_outcome_tells_the_case_all_it_needs(engine: sa.Engine, desk: Desk) -> None:
    desk.say(make_send("120", LINE_CHANNEL, to="120", purpose=Purpose.EMERGENCY_CALL))
    answered = DELIVERED.model_copy(update={"detail": "seat 12", "reference": "C-7"})
    finish(engine, claim(engine)[0], answered)
    (outcome,) = desk.outcomes()
    assert outcome.case_id == "case-1"
    heard = outcome.heard
    assert (heard.key, heard.channel, heard.purpose) == ("120", LINE_CHANNEL, Purpose.EMERGENCY_CALL)
    assert (heard.delivery, heard.detail, heard.reference) == (Delivery.DELIVERED, "seat 12", "C-7")


def test_withdrawing_takes_what_waits_and_stops_retries_but_not_what_is_under_way(
    engine: sa.Engine, desk: Desk, clock: HandClock
) -> None:
    desk.say(make_send("retrying"))
    finish(engine, claim(engine)[0], BUSY, again_ms=START_MS + 60_000)
    desk.say(make_send("under-way"))
    (under_way,) = claim(engine)
    desk.say(make_send("waiting"), make_send("120", LINE_CHANNEL, purpose=Purpose.EMERGENCY_CALL))
    desk.say(make_send("other"), case="case-2")
    desk.hear()
    done = withdraw(engine)
    assert set(done.withdrawn) == {"retrying", "waiting"}
    assert done.in_flight == ("under-way",)
    assert sorted(desk.hear()) == [("retrying", "withdrawn"), ("waiting", "withdrawn")]
    assert [found.key for found in claim(engine)] == ["120", "other"]
    finish(engine, under_way, BUSY, again_ms=START_MS + 2000)
    assert desk.hear() == [("under-way", "withdrawn")], "its retry does not go out any more"


def test_what_was_under_way_and_arrives_is_delivered_even_though_it_was_to_be_withdrawn(
    engine: sa.Engine, desk: Desk
) -> None:
    desk.say(make_send("k"))
    (found,) = claim(engine)
    withdraw(engine)
    finish(engine, found, DELIVERED)
    assert desk.hear() == [("k", "delivered")]


def test_what_was_cut_off_and_then_withdrawn_is_not_sent_again_and_says_that_it_may_have_arrived(
    engine: sa.Engine, desk: Desk
) -> None:
    desk.say(make_send("k"))
    claim(engine)
    withdraw(engine, "the case was closed")
    assert claim(engine, START_MS + 30_000) == []
    (outcome,) = desk.outcomes()
    assert outcome.delivery is Delivery.WITHDRAWN
    assert "the case was closed" in outcome.detail
    assert "may have arrived" in outcome.detail


def test_withdrawn_between_question_and_attempt(engine: sa.Engine, desk: Desk) -> None:
    desk.say(make_send("k"))
    finish(engine, claim(engine)[0], LOST, again_ms=START_MS)
    (asked,) = claim(engine)
    withdraw(engine)
    with engine.begin() as connection:
        assert claims.begin(connection, asked, START_MS) is None
    assert desk.status("k") == "withdrawn"


def test_a_late_result_of_an_older_attempt_only_counts_when_it_arrived(engine: sa.Engine, desk: Desk) -> None:
    desk.say(make_send("k"))
    (first,) = claim(engine)
    (again,) = claim(engine, START_MS + 30_000)
    with engine.begin() as connection:
        second = claims.begin(connection, again, START_MS + 30_000)
    assert second is not None
    finish(engine, first, BUSY, again_ms=START_MS + 90_000)
    assert desk.status("k") == "sending"
    finish(engine, first, DELIVERED)
    assert desk.status("k") == "delivered"
    finish(engine, second, NEVER)
    assert desk.hear() == [("k", "delivered")]


def test_recording_a_result_twice_changes_nothing(engine: sa.Engine, desk: Desk) -> None:
    desk.say(make_send("k"))
    (found,) = claim(engine)
    for _ in range(2):
        finish(engine, found, BUSY, again_ms=START_MS + 2000)
    assert desk.hear() == [("k", "trouble")]
    (found,) = claim(engine, START_MS + 2000)
    for _ in range(2):
        finish(engine, found, DELIVERED)
    assert desk.hear() == [("k", "delivered")]


@pytest.mark.parametrize("waits", ["sending", "before finish", "pending"])
def test_a_device_confirms_its_command(engine: sa.Engine, desk: Desk, waits: str) -> None:
    desk.say(make_send("lamp", DEVICE_CHANNEL, to="sos-1", purpose=Purpose.INDICATE))
    (found,) = claim(engine)
    if waits == "sending":
        finish(engine, found, SENT, again_ms=START_MS + 10_000)
    elif waits == "pending":
        finish(engine, found, LOST, again_ms=START_MS + 10_000)
        desk.hear()
    id = rows.command_id("lamp")
    with engine.begin() as connection:
        assert rows.confirm_command(connection, "sos-2", id, True, "", START_MS) is None, "another device"
        assert rows.confirm_command(connection, "sos-1", "0" * 16, True, "", START_MS) is None
        assert rows.confirm_command(connection, "sos-1", id, True, "", START_MS) == "lamp"
        assert rows.confirm_command(connection, "sos-1", id, True, "", START_MS) is None
    if waits == "before finish":
        finish(engine, found, SENT, again_ms=START_MS + 10_000)
    assert desk.hear() == [("lamp", "delivered")]
    assert claim(engine, START_MS + 60_000) == []


def test_what_was_confirmed_while_it_was_given_up_stays_confirmed(engine: sa.Engine, desk: Desk) -> None:
    desk.say(make_send("lamp", DEVICE_CHANNEL, to="sos-1", purpose=Purpose.INDICATE))
    claim(engine)
    with engine.begin() as connection:
        rows.confirm_command(connection, "sos-1", rows.command_id("lamp"), True, "", START_MS)
        claims.conclude(connection, "lamp", NEVER, START_MS)
    assert desk.hear() == [("lamp", "delivered")]


def test_a_device_that_cannot_is_not_asked_again(engine: sa.Engine, desk: Desk) -> None:
    desk.say(make_send("lamp", DEVICE_CHANNEL, to="sos-1", purpose=Purpose.INDICATE))
    finish(engine, claim(engine)[0], SENT, again_ms=START_MS + 10_000)
    with engine.begin() as connection:
        rows.confirm_command(connection, "sos-1", rows.command_id("lamp"), False, "no lamp", START_MS)
    (outcome,) = desk.outcomes()
    assert outcome.delivery is Delivery.GAVE_UP
    assert "no lamp" in outcome.detail


def test_a_wall_clock_set_back_does_not_hold_anything_up(engine: sa.Engine, desk: Desk) -> None:
    desk.say(make_send("fresh"), make_send("retrying"), make_send("cut-off"))
    for found in claim(engine):
        if found.key == "retrying":
            finish(engine, found, BUSY, again_ms=START_MS + 60_000)
        if found.key == "fresh":
            finish(engine, found, BUSY, again_ms=START_MS)
    an_hour_back = START_MS - 3_600_000
    assert {found.key for found in claim(engine, an_hour_back)} == {"fresh", "retrying", "cut-off"}


def test_depth_says_how_much_waits_and_for_how_long(engine: sa.Engine, desk: Desk) -> None:
    desk.say(make_send("a"), make_send("b"), make_send("c"))
    finish(engine, claim(engine, limit=1)[0], BUSY, again_ms=START_MS + 8000)
    claim(engine, limit=1)
    with engine.connect() as connection:
        depth = claims.depth(connection, START_MS + 5000)
    assert (depth.waiting, depth.in_flight) == (2, 1)
    assert depth.most_overdue_ms == START_MS
    assert depth.next_due_ms == START_MS + 8000


def test_claims_side_by_side_never_overlap(engine: sa.Engine, desk: Desk) -> None:
    desk.say(*(make_send(f"k{i}") for i in range(60)))
    taken: list[str] = []

    def take() -> None:
        while found := claim(engine, limit=5):
            taken.extend(one.key for one in found)

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    # With SKIP LOCKED a taker may leave while others still hold rows; none is ever taken twice.
    taken.extend(one.key for one in claim(engine))
    assert sorted(taken) == sorted(f"k{i}" for i in range(60))
