"""Two gateways on one database: one decides and speaks at a time, and whoever is left goes on.

Stories over a real SQLite and a real PostgreSQL, with clocks moved by hand.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from devices.observation import Lane
from gateway.cases.commands import HumanAction, Refused
from gateway.cases.effects import Purpose
from gateway.state.db import writing
from gateway.state.human_tables import relayed
from gateway.state.leadership import LEASE_S, LINE_WAIT_S, PEER_S, NotLeading
from tests.integration.conftest import DATABASES
from tests.support.deciding import Clocks
from tests.support.pair import Pair, Side


@pytest.fixture
def pair(database: sa.Engine, tmp_path: Path) -> Pair:
    return Pair(tmp_path, database, repeat_s=20)


def told(side: Side) -> list[tuple[str | None, str]]:
    """Whom the cases told what, in order: the person and the rung."""
    return [(send.person, send.rung or "") for send in side.sent() if send.purpose is Purpose.ALARM]


def test_both_hear_a_press_and_one_decides_it(pair: Pair) -> None:
    pair.press()
    pair.forward(3)
    assert pair.home.decider.leads
    assert not pair.other.decider.leads
    [case] = pair.home.cases()
    assert "alarm_repeated" not in pair.home.timeline(case)
    assert len(told(pair.home)) == len(set(told(pair.home))) > 0


def test_the_other_goes_on_when_the_leader_is_gone_and_nobody_is_told_twice(pair: Pair) -> None:
    pair.forward(3)
    pair.press()
    pair.forward(2)
    before = told(pair.home)
    assert before
    pair.forward(60, pair.other)  # the leader was killed
    [case] = pair.other.cases()
    assert pair.other.decider.leads
    assert "alarm_repeated" not in pair.other.timeline(case)
    assert len(told(pair.other)) == len(set(told(pair.other)))
    assert any(send.purpose is Purpose.REMINDER for send in pair.other.sent()), "the ladder goes on"


def test_a_press_that_the_leader_died_on_is_decided_by_the_other(pair: Pair) -> None:
    pair.forward(3)
    pair.press()  # in both journals; the leader never takes it up
    pair.forward(int(LEASE_S) + 4, pair.other)
    assert pair.other.cases() == [], "the leader may be alive"
    pair.forward(2, pair.other)
    assert len(pair.other.cases()) == 1


def test_a_leader_that_was_asleep_can_commit_nothing(pair: Pair) -> None:
    pair.forward(3)
    pair.forward(20, pair.other)
    assert pair.other.decider.leads
    pair.press(pair.home)
    with pytest.raises(NotLeading):
        pair.home.cycle()  # its own clock stood still: for it no time has passed
    assert pair.home.cases() == []
    pair.home.cycle()  # it looks, and stands by
    assert not pair.home.decider.leads
    assert pair.home.cases() == []


def test_the_line_waits_longer_than_people_do(pair: Pair) -> None:
    pair.forward(3)
    pair.forward(int(LEASE_S) + 6, pair.other)
    assert pair.other.leadership.leads
    assert not pair.other.leadership.may_dial
    pair.forward(int(LINE_WAIT_S), pair.other)
    assert pair.other.leadership.may_dial


def test_a_stop_in_order_keeps_nobody_waiting(pair: Pair) -> None:
    pair.forward(3)
    pair.home.leadership.give_up()
    pair.forward(3, pair.other)
    assert pair.other.leadership.may_dial
    assert pair.other.woken == 1, "the outbox is woken by the change"


def test_a_gateway_that_starts_again_goes_on_at_once(pair: Pair) -> None:
    pair.forward(3)
    pair.press()
    pair.home.restart()
    pair.home.cycle()
    assert pair.home.decider.leads
    assert len(pair.home.cases()) == 1
    assert pair.home.leadership.may_dial


def test_of_two_with_one_name_the_later_leads_and_the_other_stands_by(pair: Pair) -> None:
    pair.forward(3)
    twin = Side(pair.engine, pair.clocks, "home", 0)
    pair.forward(30, pair.home, pair.other, twin)
    assert [side.decider.leads for side in (pair.home, pair.other, twin)] == [False, False, True]


def test_what_people_decide_at_the_one_that_stands_by_is_done_by_the_leader(pair: Pair) -> None:
    pair.forward(3)
    pair.press()
    pair.forward(2)
    [case] = pair.home.cases()
    future = pair.other.decider.act(case.id, HumanAction(action="acknowledge", actor="person:wang"))
    pair.other.cycle()
    assert not future.done()
    pair.home.cycle()
    pair.other.cycle()
    assert future.result(timeout=0).owner == "person:wang"
    late = pair.other.decider.act(case.id, HumanAction(action="acknowledge", actor="person:li"))
    nowhere = pair.other.decider.act("2020-000001", HumanAction(action="acknowledge", actor="person:li"))
    pair.other.cycle()
    pair.home.cycle()
    pair.other.cycle()
    with pytest.raises(Refused, match="already_taken"):
        late.result(timeout=0)
    with pytest.raises(KeyError):
        nowhere.result(timeout=0)


def test_what_the_leader_cannot_read_keeps_no_press_waiting(pair: Pair) -> None:
    pair.forward(3)
    pair.press()
    pair.forward(2)
    [case] = pair.home.cases()
    future = pair.other.decider.act(case.id, HumanAction(action="acknowledge", actor="person:wang"))
    pair.other.cycle()
    with writing(pair.engine) as connection:  # as a newer gateway would write it
        connection.execute(sa.update(relayed).values(body='{"action": "of_tomorrow", "actor": "person:wang"}'))
    pair.press()
    pair.home.cycle()
    assert "alarm_repeated" in pair.home.timeline(case)
    assert pair.home.decider.health.undecidable == 1
    pair.other.cycle()
    with pytest.raises(Refused, match="not_decided"):
        future.result(timeout=0)


def test_nobody_waits_for_ever_where_no_gateway_takes_it_up(pair: Pair) -> None:
    pair.forward(3)
    future = pair.other.decider.act("2020-000001", HumanAction(action="acknowledge", actor="person:wang"))
    pair.other.cycle()
    pair.clocks.forward(61)
    pair.other.cycle()
    with pytest.raises(TimeoutError):
        future.result(timeout=0)


class _Behind(Clocks):
    """A machine whose clock was set by hand."""

    def __init__(self, right: Clocks) -> None:
        super().__init__()
        self._right = right

    def now_ms(self) -> int:
        return self._right.now_ms() - 300_000


def test_what_people_decide_where_the_clock_is_wrong_is_done_by_the_leader(pair: Pair) -> None:
    behind = Side(pair.engine, _Behind(pair.clocks), "behind", 2)
    pair.forward(5, pair.home, behind)
    assert "behind" in pair.home.leadership.peers
    pair.press(pair.home)
    pair.forward(1, pair.home, behind)
    [case] = pair.home.cases()
    future = behind.decider.act(case.id, HumanAction(action="acknowledge", actor="person:wang"))
    pair.forward(3, behind, pair.home)
    pair.forward(1, behind)
    assert future.result(timeout=0).owner == "person:wang"
    for _ in range(2):
        pair.home.steady_s += PEER_S
        pair.home.cycle()
    assert "behind" in pair.home.leadership.missing


def test_what_somebody_decides_while_the_lead_changes_is_done_by_who_has_it_now(pair: Pair) -> None:
    pair.forward(3)
    pair.press()
    pair.forward(2)
    [case] = pair.home.cases()
    pair.forward(20, pair.other)  # home was asleep, and does not know yet that it leads no more
    future = pair.home.decider.act(case.id, HumanAction(action="acknowledge", actor="person:wang"))
    with pytest.raises(NotLeading):
        pair.home.cycle()
    pair.forward(2)
    assert future.result(timeout=0).owner == "person:wang"


def test_an_answer_left_for_a_leader_that_died_is_taken_by_whoever_follows(pair: Pair) -> None:
    pair.forward(3)
    pair.press()
    pair.forward(2)
    [case] = pair.home.cases()
    future = pair.other.decider.act(case.id, HumanAction(action="acknowledge", actor="person:wang"))
    pair.forward(20, pair.other)
    assert future.result(timeout=0).owner == "person:wang"


def test_a_pair_that_swaps_back_and_forth_loses_and_doubles_nothing(pair: Pair) -> None:
    alive, idle = pair.home, pair.other
    for _ in range(4):
        pair.press()
        pair.forward(2, alive)
        pair.press()
        pair.forward(30, idle)
        alive, idle = idle, alive
    [case] = pair.home.cases()
    assert pair.home.timeline(case).count("alarm_repeated") == 7, "eight presses, each known once"


def test_work_that_is_longer_than_the_lease_does_not_lose_it(pair: Pair) -> None:
    pair.forward(3)
    for _ in range(6):  # transactions of one cycle, in a flood
        pair.press()
        pair.home.steady_s += LEASE_S / 2
        pair.other.steady_s += LEASE_S / 2
        pair.home.decider._hearing.observations(Lane.URGENT, 1)
        assert pair.home.leadership.leads
        pair.other.cycle()
    assert not pair.other.decider.leads


def test_a_lead_that_was_away_between_two_looks_is_taken_up_with_what_the_other_decided(pair: Pair) -> None:
    pair.forward(3)
    pair.forward(20, pair.other)
    pair.press()
    pair.forward(2, pair.other)  # the other decides it, and ends in order
    pair.other.leadership.give_up()
    pair.home.steady_s += 3
    pair.home.cycle()
    assert pair.home.decider.leads
    [case] = pair.home.cases()
    assert "alarm_repeated" not in pair.home.timeline(case), "what the rules remember is the database's"
    pair.press()
    pair.forward(2, pair.home)
    assert pair.home.timeline(case).count("alarm_repeated") <= 1
    assert len(pair.home.cases()) == 1


@pytest.mark.skipif("postgresql" not in DATABASES, reason="there is no PostgreSQL here")
@pytest.mark.parametrize("database", ["postgresql"], indirect=True)  # two boxes share no SQLite
def test_a_leader_that_stops_in_the_middle_of_a_decision_keeps_nobody_waiting(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.state.leadership.HELD_S", 1.0)
    pair.press()
    pair.forward(3)
    with pair.engine.connect() as stopped:  # its machine is paused, or without power: PostgreSQL hears nothing of it
        stopped.begin()
        pair.home.leadership.require(stopped)
        pair.press(pair.other)
        pair.forward(30, pair.other)
        assert pair.other.decider.leads
        assert pair.other.timeline(pair.other.cases()[0]).count("alarm_repeated") == 1
        with pytest.raises(sa.exc.DBAPIError):
            stopped.execute(sa.text("SELECT 1"))  # it wakes up: nothing of this can be committed any more
