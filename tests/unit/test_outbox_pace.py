"""A channel's pace: never more in any minute than its provider takes, and what costs lives goes first."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.outbox import worker as outbox_worker
from gateway.outbox.channel import Limits
from gateway.outbox.pace import WINDOW_S, Pace
from gateway.state.db import open_database
from tests.support.eventually import eventually_async
from tests.support.outbox import DELIVERED, Desk, HandClock, ScriptedChannel, make_send, working


@given(st.integers(1, 20), st.lists(st.tuples(st.floats(0, 90), st.integers(1, 30)), max_size=60))
def test_no_minute_has_more_than_the_pace_allows(per_minute: int, asked: list[tuple[float, int]]) -> None:
    now = 0.0
    pace = Pace(per_minute, lambda: now)
    taken: list[float] = []
    for later_s, wanted in asked:
        now += later_s
        count = min(wanted, pace.room())
        pace.take(count)
        taken += [now] * count
        assert (pace.wait_s() == 0) == (pace.room() > 0)
    for start in taken:
        assert sum(start <= at < start + WINDOW_S for at in taken) <= per_minute


async def test_urgent_messages_go_first_and_the_others_when_there_is_room_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(outbox_worker, "Pace", lambda per_minute: Pace(per_minute, lambda: now))
    engine, clock = open_database(f"sqlite:///{tmp_path / 'state.db'}"), HandClock()
    desk, channel = Desk(engine, clock), ScriptedChannel(DELIVERED)
    channel.limits = Limits(timeout_s=5, parallel=50, per_minute=5)
    desk.say(*(make_send(f"later-{n}", urgent=False) for n in range(4)))
    desk.say(*(make_send(f"life-{n}", urgent=True) for n in range(4)))
    async with working(engine, {"wecom": channel}, clock) as worker:
        await eventually_async(lambda: len(channel.sent) == 4)
        assert sorted(channel.keys) == [f"life-{n}" for n in range(4)], "the fifth place is kept for the next life"
        now += WINDOW_S
        worker.wake()
        await eventually_async(lambda: len(channel.sent) == 8)
    assert len(set(channel.keys)) == 8
    engine.dispose()
