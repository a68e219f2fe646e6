"""The worker over a real database with a clock that is moved by hand: order, pauses, giving up, restarts, stalls."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from gateway.cases.effects import DEVICE_CHANNEL, LINE_CHANNEL, Purpose, Send
from gateway.outbox import claims, policy, rows
from gateway.outbox.channel import Attempt, Limits, Report, Result
from gateway.outbox.health import ChannelHealth
from gateway.outbox.worker import OutboxWorker
from gateway.state.db import open_database
from tests.support.eventually import PATIENCE, eventually_async
from tests.support.outbox import (
    BUSY,
    DELIVERED,
    LOST,
    NEVER,
    Desk,
    HandClock,
    ScriptedChannel,
    forward,
    make_send,
    working,
)

SENT = Report(result=Result.SENT, detail="with the broker")
NOT_THERE = Report(result=Result.RETRY, detail="never heard of it")
CANNOT_SAY = Report(result=Result.UNKNOWN, detail="unreachable")
QUICK = Limits(timeout_s=0.05, parallel=2)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sa.Engine]:
    opened = open_database(f"sqlite:///{tmp_path / 'state.db'}")
    yield opened
    opened.dispose()


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def desk(engine: sa.Engine, clock: HandClock) -> Desk:
    return Desk(engine, clock)


async def test_what_is_said_is_sent_once_and_heard_of(engine: sa.Engine, desk: Desk, clock: HandClock) -> None:
    channel = ScriptedChannel(DELIVERED)
    async with working(engine, {"wecom": channel}, clock) as worker:
        desk.say(make_send("a"), make_send("b"))
        worker.wake()
        await eventually_async(lambda: desk.status("a") == desk.status("b") == "delivered")
    assert sorted(channel.keys) == ["a", "b"]
    assert sorted(desk.hear()) == [("a", "delivered"), ("b", "delivered")]
    assert channel.closed


@pytest.mark.parametrize(
    ("urgent", "pauses"), [(True, [2, 4, 8, 16, 32, 60, 60]), (False, [10, 20, 40, 80, 160, 320, 600, 600])]
)
async def test_pauses_double_up_to_a_limit(
    engine: sa.Engine, desk: Desk, clock: HandClock, urgent: bool, pauses: list[int]
) -> None:
    channel = ScriptedChannel(BUSY)
    desk.say(make_send("k", urgent=urgent, give_up_after_s=86_400))
    async with working(engine, {"wecom": channel}, clock) as worker:
        await eventually_async(lambda: desk.status("k") == "pending" and channel.sent)
        for tries, pause in enumerate(pauses, start=1):
            clock.ms += pause * 1000 - 1
            with engine.begin() as connection:
                assert claims.claim_due(connection, clock.ms, lease_s=1, limit=1) == [], "not before its time"
            await forward(
                worker,
                clock,
                0.001,
                lambda tries=tries: len(channel.sent) == tries + 1 and desk.status("k") == "pending",  # type: ignore[misc]
            )
    assert [attempt.number for _, attempt in channel.sent] == list(range(1, len(pauses) + 2))
    assert not any(attempt.repeat for _, attempt in channel.sent), "a clean refusal is no repeat"
    assert desk.hear() == [("k", "trouble")]


def test_jitter_spreads_but_never_lengthens() -> None:
    assert policy.backoff_ms(1, urgent=True, jitter=0) == 2000
    assert policy.backoff_ms(1, urgent=True, jitter=1) == 1500
    assert policy.backoff_ms(500, urgent=True, jitter=0) == 60_000


async def test_500_three_times_and_then_it_goes(engine: sa.Engine, desk: Desk, clock: HandClock) -> None:
    channel = ScriptedChannel(BUSY, BUSY, BUSY, DELIVERED)
    desk.say(make_send("k"))
    async with working(engine, {"wecom": channel}, clock) as worker:
        for tries, seconds in enumerate((0, 2, 4, 8), start=1):
            await forward(
                worker,
                clock,
                seconds,
                lambda tries=tries: len(channel.sent) == tries and desk.status("k") != "sending",  # type: ignore[misc]
            )
    assert desk.hear() == [("k", "trouble"), ("k", "delivered")]


async def test_it_is_given_up_at_its_deadline_after_a_last_try(engine: sa.Engine, desk: Desk, clock: HandClock) -> None:
    channel = ScriptedChannel(BUSY)
    desk.say(make_send("k", give_up_after_s=5))
    async with working(engine, {"wecom": channel}, clock) as worker:
        await forward(worker, clock, 0, lambda: desk.attempts("k") == ["retry"])
        await forward(worker, clock, 2, lambda: desk.attempts("k") == ["retry"] * 2)
        await forward(worker, clock, 3, lambda: desk.status("k") == "failed")
    assert desk.attempts("k") == ["retry"] * 3
    assert desk.hear() == [("k", "trouble"), ("k", "gave_up")]


async def test_what_waited_past_its_deadline_is_still_tried_once(
    engine: sa.Engine, desk: Desk, clock: HandClock
) -> None:
    desk.say(make_send("k", give_up_after_s=60))
    clock.ms += 7_200_000  # the gateway was off
    channel = ScriptedChannel(DELIVERED)
    async with working(engine, {"wecom": channel}, clock):
        await eventually_async(lambda: desk.hear() == [("k", "delivered")])


async def test_refused_is_not_tried_again(engine: sa.Engine, desk: Desk, clock: HandClock) -> None:
    channel = ScriptedChannel(NEVER)
    desk.say(make_send("k"))
    async with working(engine, {"wecom": channel}, clock):
        await eventually_async(lambda: desk.status("k") == "failed")
    assert desk.hear() == [("k", "gave_up")]
    assert len(channel.sent) == 1


async def test_no_such_channel_is_said_plainly(engine: sa.Engine, desk: Desk, clock: HandClock) -> None:
    desk.say(make_send("k", "pigeon"))
    async with working(engine, {}, clock) as worker:
        await eventually_async(lambda: desk.status("k") == "failed")
        assert worker.health().channels["pigeon"].failing == 1
    (outcome,) = desk.outcomes()
    assert "pigeon" in outcome.detail


async def test_a_hanging_messenger_holds_up_neither_the_line_nor_other_channels_nor_its_own_urgent_ones(
    engine: sa.Engine, desk: Desk, clock: HandClock
) -> None:
    slow = Limits(timeout_s=30, parallel=2)
    messenger, webhook, line = (
        ScriptedChannel(None, limits=slow),
        ScriptedChannel(DELIVERED),
        ScriptedChannel(DELIVERED, limits=slow),
    )
    async with working(
        engine, {"wecom": messenger, "hook": webhook, LINE_CHANNEL: line}, clock, grace_s=0.05
    ) as worker:
        desk.say(*(make_send(f"slow{i}", urgent=False) for i in range(5)))
        worker.wake()
        await eventually_async(lambda: messenger.hanging == 2)
        desk.say(make_send("120", LINE_CHANNEL, purpose=Purpose.EMERGENCY_CALL), make_send("hook", "hook"))
        desk.say(make_send("urgent"))
        worker.wake()
        await eventually_async(lambda: desk.status("120") == desk.status("hook") == "delivered")
        await eventually_async(lambda: messenger.hanging == 3)
        assert "urgent" in messenger.keys
        assert worker.health().waiting >= 0


async def test_an_urgent_message_without_room_on_its_channel_goes_another_way(
    engine: sa.Engine, desk: Desk, clock: HandClock
) -> None:
    hanging = ScriptedChannel(None, limits=Limits(timeout_s=60, parallel=1))
    heard: list[tuple[str, str]] = []
    async with working(engine, {"wecom": hanging}, clock, grace_s=0.05) as worker:
        desk.say(make_send("k0"), make_send("k1"), make_send("k2"), make_send("slow", urgent=False))
        worker.wake()
        await eventually_async(lambda: hanging.hanging == 2)
        assert desk.hear() == []
        clock.ms += 16_000
        worker.wake()
        await eventually_async(lambda: heard.extend(desk.hear()) or len(heard) >= 2)
        clock.ms += 60_000
        worker.wake()
        await eventually_async(lambda: worker.health().looked_s < 1)
    assert heard == [("k1", "trouble"), ("k2", "trouble")], "each once, and only those that nobody has tried"


async def test_a_timeout_is_unknown_and_the_resend_says_that_it_may_be_one(
    engine: sa.Engine, desk: Desk, clock: HandClock
) -> None:
    channel = ScriptedChannel(None, DELIVERED, limits=QUICK)
    desk.say(make_send("k"))
    async with working(engine, {"wecom": channel}, clock) as worker:
        await forward(worker, clock, 0, lambda: desk.attempts("k") == ["unknown"])
        await forward(worker, clock, 2, lambda: desk.status("k") == "delivered")
    assert channel.questions == ["k"], "asked first"
    assert [(attempt.number, attempt.repeat) for _, attempt in channel.sent] == [(1, False), (2, True)]
    assert desk.hear() == [("k", "trouble"), ("k", "delivered")]


async def test_what_arrived_after_all_is_not_sent_again(engine: sa.Engine, desk: Desk, clock: HandClock) -> None:
    channel = ScriptedChannel(LOST, asked=DELIVERED)
    desk.say(make_send("k"))
    async with working(engine, {"wecom": channel}, clock) as worker:
        await forward(worker, clock, 0, lambda: desk.attempts("k") == ["unknown"])
        await forward(worker, clock, 2, lambda: desk.status("k") == "delivered")
    assert channel.keys == ["k"]
    assert desk.attempts("k") == ["delivered"]


async def test_what_did_not_arrive_is_sent_as_new(engine: sa.Engine, desk: Desk, clock: HandClock) -> None:
    channel = ScriptedChannel(LOST, DELIVERED, asked=NOT_THERE)
    desk.say(make_send("k"))
    async with working(engine, {"wecom": channel}, clock) as worker:
        await forward(worker, clock, 0, lambda: desk.attempts("k") == ["unknown"])
        await forward(worker, clock, 2, lambda: desk.status("k") == "delivered")
    assert [attempt.repeat for _, attempt in channel.sent] == [False, False]


async def test_the_line_is_called_three_times_into_the_dark_and_no_more(
    engine: sa.Engine, desk: Desk, clock: HandClock
) -> None:
    limits = Limits(timeout_s=1, parallel=2, unclear_max=3)
    line = ScriptedChannel(LOST, asked=CANNOT_SAY, limits=limits)
    desk.say(make_send("120", LINE_CHANNEL, purpose=Purpose.EMERGENCY_CALL, give_up_after_s=600))
    async with working(engine, {LINE_CHANNEL: line}, clock) as worker:
        for tries, seconds in enumerate((0, 2, 4), start=1):
            await forward(
                worker,
                clock,
                seconds,
                lambda tries=tries: desk.attempts("120") == ["unknown"] * tries,  # type: ignore[misc]
            )
        await forward(worker, clock, 8, lambda: desk.status("120") == "failed")
    assert [attempt.repeat for _, attempt in line.sent] == [False, True, True]
    assert line.questions == ["120"] * 3, "asked before each repeat and before giving up"
    assert desk.hear() == [("120", "trouble"), ("120", "gave_up")]


async def test_a_channel_that_raises_harms_nobody_else(engine: sa.Engine, desk: Desk, clock: HandClock) -> None:
    broken = ScriptedChannel(RuntimeError("bug"))
    desk.say(make_send("a"), make_send("b", "hook"))
    async with working(engine, {"wecom": broken, "hook": ScriptedChannel(DELIVERED)}, clock):
        await eventually_async(lambda: desk.status("b") == "delivered" and desk.attempts("a") == ["unknown"])


async def test_a_command_waits_for_the_device_and_is_sent_again_with_the_same_key(
    engine: sa.Engine, desk: Desk, clock: HandClock
) -> None:
    device = ScriptedChannel(SENT)
    desk.say(make_send("lamp", DEVICE_CHANNEL, to="sos-1", purpose=Purpose.INDICATE, give_up_after_s=120))
    async with working(engine, {DEVICE_CHANNEL: device}, clock) as worker:
        await forward(worker, clock, 0, lambda: desk.attempts("lamp") == ["sent"])
        assert desk.status("lamp") == "sending"
        await forward(worker, clock, 10, lambda: desk.attempts("lamp") == ["unknown", "sent"])
        with engine.begin() as connection:
            rows.confirm_command(connection, "sos-1", rows.command_id("lamp"), True, "", clock.ms)
        await forward(worker, clock, 60, lambda: desk.status("lamp") == "delivered")
    assert device.keys == ["lamp", "lamp"]
    assert desk.hear() == [("lamp", "trouble"), ("lamp", "delivered")], "that it did not answer is heard soon"


async def test_a_silent_device_is_given_up_at_the_deadline(engine: sa.Engine, desk: Desk, clock: HandClock) -> None:
    device = ScriptedChannel(SENT)
    desk.say(make_send("lamp", DEVICE_CHANNEL, to="sos-1", purpose=Purpose.INDICATE, give_up_after_s=25))
    async with working(engine, {DEVICE_CHANNEL: device}, clock) as worker:
        for tries, seconds in enumerate((0, 10, 10), start=1):
            await forward(
                worker,
                clock,
                seconds,
                lambda tries=tries: desk.attempts("lamp") == ["unknown"] * (tries - 1) + ["sent"],  # type: ignore[misc]
            )
        await forward(worker, clock, 10, lambda: desk.status("lamp") == "failed")
    assert desk.hear() == [("lamp", "trouble"), ("lamp", "gave_up")]


async def test_restarts_send_nothing_again(engine: sa.Engine, desk: Desk, clock: HandClock) -> None:
    channel = ScriptedChannel(DELIVERED)
    desk.say(make_send("a"), make_send("lamp", DEVICE_CHANNEL, to="sos-1", purpose=Purpose.INDICATE))
    device = ScriptedChannel(SENT)
    async with working(engine, {"wecom": channel, DEVICE_CHANNEL: device}, clock):
        await eventually_async(lambda: desk.status("a") == "delivered" and desk.attempts("lamp") == ["sent"])
    for _ in range(3):
        async with working(engine, {"wecom": channel, DEVICE_CHANNEL: device}, clock) as worker:
            desk.say(make_send(f"more-{clock.ms}"))
            await forward(worker, clock, 1, lambda: "pending" not in desk.status(f"more-{clock.ms - 1000}"))
    assert channel.keys.count("a") == 1
    assert device.keys == ["lamp"]


async def test_what_was_cut_off_by_a_stop_is_asked_about_at_once_after_the_next_start(
    engine: sa.Engine, desk: Desk, clock: HandClock
) -> None:
    hanging = ScriptedChannel(None, limits=Limits(timeout_s=30, parallel=2))
    desk.say(make_send("k"))
    async with working(engine, {"wecom": hanging}, clock, grace_s=0.05):
        await eventually_async(lambda: hanging.hanging == 1)
    assert desk.attempts("k") == [None]
    channel = ScriptedChannel(DELIVERED)
    async with working(engine, {"wecom": channel}, clock):
        await eventually_async(lambda: desk.status("k") == "delivered")
    assert channel.questions == ["k"]
    assert channel.sent[0][1].repeat


async def test_a_stop_lets_running_attempts_end(engine: sa.Engine, desk: Desk, clock: HandClock) -> None:
    go = asyncio.Event()

    class Slow(ScriptedChannel):
        async def send(self, message: object, attempt: object) -> Report:
            self.hanging = 1
            await go.wait()
            return DELIVERED

    channel = Slow()
    desk.say(make_send("k"))
    worker = OutboxWorker(engine, {"wecom": channel}, clock, lambda: None)
    task = asyncio.create_task(worker.run())
    await eventually_async(lambda: channel.hanging == 1)
    worker.stop()
    go.set()
    await asyncio.wait_for(task, 5 * PATIENCE)
    assert desk.hear() == [("k", "delivered")]


async def test_a_locked_database_loses_no_result(tmp_path: Path, clock: HandClock) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'state.db'}")

    @sa.event.listens_for(engine, "checkout")
    def impatient(connection: sqlite3.Connection, *_: object) -> None:
        connection.execute("PRAGMA busy_timeout=20")

    desk = Desk(engine, clock)
    gate, entered = threading.Event(), asyncio.Event()

    class Locking(ScriptedChannel):
        """While the message is on its way, somebody else takes the database and keeps it."""

        async def send(self, message: object, attempt: object) -> Report:
            self.sent.append((message, attempt))  # type: ignore[arg-type]
            blocker.execute("BEGIN IMMEDIATE")
            entered.set()
            return DELIVERED

    blocker = sqlite3.connect(tmp_path / "state.db", isolation_level=None)
    channel = Locking()
    desk.say(make_send("k"))
    heard = threading.Event()
    worker = OutboxWorker(engine, {"wecom": channel}, clock, heard.set)
    task = asyncio.create_task(worker.run())
    await entered.wait()
    await eventually_async(lambda: worker.health().unrecorded == 1 and worker.health().database_error)
    assert not heard.is_set()
    blocker.execute("ROLLBACK")
    await eventually_async(heard.is_set)
    worker.stop()
    await asyncio.wait_for(task, 5 * PATIENCE)
    assert len(channel.sent) == 1
    assert desk.hear() == [("k", "delivered")]
    gate.set()
    blocker.close()
    engine.dispose()


async def test_what_runs_longer_than_its_lease_is_not_started_twice(
    engine: sa.Engine, desk: Desk, clock: HandClock
) -> None:
    slow = ScriptedChannel(None, limits=Limits(timeout_s=30, parallel=4))
    hook = ScriptedChannel(DELIVERED)
    desk.say(make_send("slow"))
    async with working(engine, {"wecom": slow, "hook": hook}, clock, grace_s=0.05) as worker:
        await eventually_async(lambda: slow.hanging == 1)
        desk.say(make_send("probe", "hook"))
        await forward(worker, clock, 600, lambda: desk.status("probe") == "delivered")
        assert (slow.keys, slow.questions) == (["slow"], [])


async def test_wake_from_another_thread(engine: sa.Engine, desk: Desk, clock: HandClock) -> None:
    channel = ScriptedChannel(DELIVERED)
    async with working(engine, {"wecom": channel}, clock) as worker:
        await eventually_async(lambda: worker.health().waiting == 0)

        def other_thread() -> None:
            desk.say(make_send("k"))
            worker.wake()

        await asyncio.to_thread(other_thread)
        await eventually_async(lambda: desk.status("k") == "delivered", 2)


async def test_channels_are_exchanged_and_the_old_ones_closed_when_they_are_done(
    engine: sa.Engine, desk: Desk, clock: HandClock
) -> None:
    old, new = ScriptedChannel(None, limits=Limits(timeout_s=0.3, parallel=2)), ScriptedChannel(DELIVERED)
    desk.say(make_send("old"))
    async with working(engine, {"wecom": old}, clock) as worker:
        await eventually_async(lambda: old.hanging == 1)
        worker.replace_channels({"wecom": new})
        desk.say(make_send("new"))
        worker.wake()
        await eventually_async(lambda: desk.status("new") == "delivered")
        assert not old.closed
        await eventually_async(lambda: old.closed)
        assert desk.attempts("old") == ["unknown"]


async def test_health_tells_what_is_wrong_and_for_how_long(engine: sa.Engine, desk: Desk, clock: HandClock) -> None:
    channel = ScriptedChannel(DELIVERED, BUSY)
    async with working(engine, {"wecom": channel}, clock) as worker:
        desk.say(make_send("a"))
        await forward(worker, clock, 0, lambda: desk.status("a") == "delivered")
        delivered_ms = clock.ms
        desk.say(make_send("b"))
        await forward(worker, clock, 1, lambda: desk.attempts("b") == ["retry"])
        await eventually_async(lambda: worker.health().waiting == 1)
        health = worker.health().channels["wecom"]
        assert (health.delivered, health.failed, health.failing) == (1, 1, 1)
        assert health.last_success_ms == delivered_ms
        assert health.last_error == "HTTP 503"


async def test_a_channel_that_keeps_failing_is_logged_once_a_minute(
    engine: sa.Engine, desk: Desk, clock: HandClock, caplog: pytest.LogCaptureFixture
) -> None:
    desk.say(*(make_send(f"k{number}") for number in range(20)))
    async with working(engine, {"wecom": ScriptedChannel(BUSY)}, clock) as worker:
        await eventually_async(lambda: worker.health().channels.get("wecom", ChannelHealth()).failed >= 20)
    said = [
        record for record in caplog.records if record.name == "gateway.outbox.health" and record.levelname == "WARNING"
    ]
    assert len(said) == 1


class CutOffWithin(ScriptedChannel):
    """Its own connection is cancelled under the first message, as when several share one that ends."""

    async def send(self, message: Send, attempt: Attempt) -> Report:
        report = await super().send(message, attempt)
        if len(self.sent) == 1:
            shared: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            shared.cancel()
            await shared
        return report


async def test_what_is_cancelled_within_a_channel_is_of_unknown_fate_at_once(
    engine: sa.Engine, desk: Desk, clock: HandClock
) -> None:
    channel = CutOffWithin(DELIVERED)
    desk.say(make_send("k"))
    async with working(engine, {"wecom": channel}, clock) as worker:
        await eventually_async(lambda: channel.sent and desk.status("k") == "pending")
        await forward(worker, clock, 2, lambda: desk.status("k") == "delivered")
    assert desk.attempts("k") == ["unknown", "delivered"]
    assert [attempt.repeat for _, attempt in channel.sent] == [False, True]


class Unclosable(ScriptedChannel):
    """Cannot be closed."""

    async def close(self) -> None:
        raise OSError("bad file descriptor")


async def test_a_channel_that_cannot_be_closed_keeps_no_other_open(
    engine: sa.Engine, clock: HandClock, caplog: pytest.LogCaptureFixture
) -> None:
    former, broken, good = Unclosable(), Unclosable(), ScriptedChannel()
    async with working(engine, {"wecom": former}, clock) as worker:
        worker.replace_channels({"wecom": broken, "sms": good})
    assert good.closed
    assert caplog.text.count("a channel could not be closed") == 2
    worker.settle("k", DELIVERED)  # a late delivery report finds nobody, and does no harm
    await asyncio.sleep(0)
    assert len(asyncio.all_tasks()) == 1
