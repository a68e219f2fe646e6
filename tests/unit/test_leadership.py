"""Who leads: never two at once, whatever stops, sleeps or starts again; and the outbox keeps to it."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gateway.cases.effects import LINE_CHANNEL
from gateway.state.db import open_database
from gateway.state.leadership import LEASE_S, LINE_WAIT_S, RANK_S, Leadership, NotLeading
from tests.support.eventually import eventually_async
from tests.support.outbox import DELIVERED, Desk, HandClock, ScriptedChannel, make_send, working


class Member:
    """One gateway process with a steady clock of its own."""

    def __init__(self, engine: sa.Engine, name: str, rank: int) -> None:
        self.engine = engine
        self.now_s = 0.0
        self.lead = Leadership(engine, HandClock(), name, rank=rank, steady=lambda: self.now_s)

    def could_commit(self) -> bool:
        with self.engine.connect() as connection, connection.begin():
            try:
                self.lead.require(connection)
            except NotLeading:
                return False
            return True


class Gateways(RuleBasedStateMachine):
    """Three gateways that live, sleep, die and start again, with time passing for some of them."""

    @initialize()
    def found(self) -> None:
        self.directory = tempfile.TemporaryDirectory()
        self.engine = open_database(f"sqlite:///{Path(self.directory.name) / 'state.db'}")
        self.members = [Member(self.engine, f"gateway-{rank}", rank) for rank in range(3)]
        self.fences = [0]

    def teardown(self) -> None:
        self.engine.dispose()
        self.directory.cleanup()

    @rule(which=st.integers(0, 2))
    def works(self, which: int) -> None:
        self.members[which].lead.keep(0)

    @rule(which=st.sets(st.integers(0, 2)), seconds=st.sampled_from((1, 3, 9, 11, 16, 40)))
    def time_passes_for(self, which: set[int], seconds: int) -> None:
        for one in which:
            self.members[one].now_s += seconds

    @rule(which=st.integers(0, 2))
    def starts_again(self, which: int) -> None:
        self.members[which] = Member(self.engine, f"gateway-{which}", which)

    @rule(which=st.integers(0, 2))
    def stops_in_order(self, which: int) -> None:
        self.members[which].lead.give_up()

    @invariant()
    def one_can_commit_at_most(self) -> None:
        assert sum(member.could_commit() for member in self.members) <= 1

    @invariant()
    def the_fence_only_grows(self) -> None:
        with self.engine.connect() as connection:
            fence = connection.exec_driver_sql("SELECT max(fence) FROM leadership").scalar() or 0
        assert fence >= self.fences[-1]
        self.fences.append(fence)


Gateways.TestCase.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
TestGateways = Gateways.TestCase


@pytest.fixture
def engine(tmp_path: Path) -> sa.Engine:
    return open_database(f"sqlite:///{tmp_path / 'state.db'}")


def lived(member: Member, seconds: float) -> None:
    for _ in range(int(seconds)):
        member.now_s += 1
        member.lead.keep(0)


@pytest.mark.parametrize("rank", [0, 1, 4])
def test_the_next_waits_by_its_rank_and_no_longer(engine: sa.Engine, rank: int) -> None:
    home, other = Member(engine, "home", 0), Member(engine, "other", rank)
    assert home.lead.keep(0)
    other.lead.keep(0)
    wait_s = LEASE_S + rank * RANK_S
    lived(other, wait_s - 1)
    assert not other.lead.leads
    lived(other, 3)
    assert other.lead.leads
    assert not home.could_commit()


def test_a_leader_that_cannot_renew_holds_back_before_the_next_may_take_over(engine: sa.Engine) -> None:
    home = Member(engine, "home", 0)
    home.lead.keep(0)
    home.now_s += LEASE_S
    assert not home.lead.leads
    assert home.lead.keep(0), "nobody took it: it goes on"


async def test_the_outbox_of_one_that_stands_by_sends_nothing(engine: sa.Engine) -> None:
    home, other = Member(engine, "home", 0), Member(engine, "other", 1)
    home.lead.keep(0)
    other.lead.keep(0)
    clock, channel, line = HandClock(), ScriptedChannel(DELIVERED), ScriptedChannel(DELIVERED)
    desk = Desk(engine, clock)
    desk.say(make_send("a"), make_send("call", channel=LINE_CHANNEL))
    async with working(engine, {"wecom": channel, LINE_CHANNEL: line}, clock, leadership=other.lead) as worker:
        for _ in range(20):
            worker.wake()
            await eventually_async(lambda: worker.health().looked_s < 5)
        assert channel.sent == line.sent == []
        lived(other, LEASE_S + RANK_S + 2)
        worker.wake()
        await eventually_async(lambda: desk.status("a") == "delivered")
        worker.wake()
        assert line.sent == [], "the gateway before may be calling still"
        lived(other, LINE_WAIT_S)
        worker.wake()
        await eventually_async(lambda: desk.status("call") == "delivered")
    assert len(line.sent) == 1
