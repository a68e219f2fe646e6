"""The gateway observes itself: when it says what, and that it cries no wolf."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from devices.gear.memory import Memory
from devices.observation import Lane, Observation
from gateway.itself.figures import Seen
from gateway.itself.ill import Ill
from gateway.itself.watcher import Watcher
from gateway.journal.entry import Done, Outcome, Quarantined
from gateway.receipts import Receipts
from gateway.registry.model import Device
from tests.support.journal import HandClock

BOX = Device(id="anju-gateway", kind="gateway", place="yard")


@dataclass
class Sink:
    """A journal that keeps what it is given, or refuses it by lane."""

    refuses: frozenset[Lane] = frozenset()
    keep_ms: int = 604_800_000
    kept: list[Observation] = field(default_factory=list)
    quarantined: list[Quarantined] = field(default_factory=list)

    def submit(self, observation: Observation, done: Done) -> None:
        if observation.lane in self.refuses:
            done(Outcome.REFUSED)
        else:
            self.kept.append(observation)
            done(Outcome.STORED)

    def quarantine(self, item: Quarantined, done: Done) -> None:
        self.quarantined.append(item)
        done(Outcome.QUARANTINED)


class Line:
    """A 120 line that is asked, and never called."""

    def __init__(self) -> None:
        self.asked = 0
        self.says: str | Exception = ""

    async def trouble(self) -> str:
        self.asked += 1
        if isinstance(self.says, Exception):
            raise self.says
        return self.says


class Box:
    """A watcher, with what it sees in the test's hand."""

    def __init__(self, memory: Memory | None = None, device: Device | None = BOX) -> None:
        self.clock = HandClock()
        self.steady = 1_000_000
        self.metrics = {"disk_free": 40.0, "load": 0.5}
        self.ill: dict[str, Ill] = {"store_down": Ill(False), "disk_full": Ill(False)}
        self.line: Line | None = Line()
        self.sink = Sink()
        self.receipts = Receipts(self.sink)
        self.device = device
        figures: Callable[[], Seen] = lambda: Seen(dict(self.metrics), dict(self.ill))  # noqa: E731 - read when asked
        self.memory = memory or Memory()
        self.watcher = Watcher(
            figures,
            lambda: self.device,
            lambda: self.line,
            self.sink,
            self.receipts,
            self.memory,
            self.clock,
            lambda: self.steady,
        )

    async def after(self, seconds: float) -> list[Observation]:
        """Time passes, with a look every five seconds; returns what was written meanwhile."""
        before = len(self.sink.kept)
        end = self.steady + int(seconds * 1000)
        while self.steady < end:
            step = min(5_000, end - self.steady)
            self.steady += step
            self.clock.at += step
            await self.watcher.look()
        return self.sink.kept[before:]


def events(said: list[Observation]) -> list[str]:
    return [one.event for one in said if one.event is not None]


async def test_at_once_at_the_start_and_then_once_a_minute_in_the_routine_lane() -> None:
    box = Box()
    await box.watcher.look()
    (first,) = box.sink.kept
    assert (first.device, first.kind, first.lane, first.event) == ("anju-gateway", "gateway", Lane.ROUTINE, None)
    assert first.metrics == {
        "disk_free": 40, "load": 0.5, "uptime": 0, "store_down": 0, "disk_full": 0, "line_down": 0
    }  # fmt: skip
    assert first.data["firmware"]
    assert await box.after(55) == []
    (second,) = await box.after(5)
    assert second.metrics["uptime"] == 60 and second.data == {}
    assert len(await box.after(300)) == 5
    assert len({one.message_id for one in box.sink.kept}) == 7
    (counted,) = box.receipts.stats()
    assert (counted.transport, counted.outcomes[Outcome.STORED]) == ("itself", 7)


async def test_what_turns_ill_is_an_urgent_event_with_its_reason_and_what_turns_well_another() -> None:
    box = Box()
    await box.watcher.look()
    box.ill["store_down"] = Ill(True, "connection refused")
    assert await box.after(10) == [], "a store that is restarted is back by then"
    (down,) = await box.after(5)
    assert (down.event, down.lane) == ("store_down", Lane.URGENT)
    assert down.data == {"why": "store_down: connection refused"}
    assert down.metrics["store_down"] == 1 and down.metrics["disk_free"] == 40
    assert events(await box.after(300)) == [], "said again it is no news"
    box.ill["store_down"] = Ill(False)
    (up,) = await box.after(5)
    assert (up.event, up.lane, up.metrics["store_down"]) == ("store_up", Lane.URGENT, 0)


async def test_what_flaps_is_not_told() -> None:
    box = Box()
    await box.watcher.look()
    for _ in range(20):
        box.ill["store_down"] = Ill(True, "away")
        await box.after(5)
        box.ill["store_down"] = Ill(False)
        await box.after(5)
    assert events(box.sink.kept) == []


async def test_a_part_that_fails_makes_it_faulty_after_a_minute() -> None:
    box = Box()
    await box.watcher.look()
    box.ill["faulty"] = Ill(True, "serial-b3: the port is gone")
    assert events(await box.after(60)) == []
    (fault,) = (one for one in await box.after(10) if one.event)
    assert fault.event == "fault" and "serial-b3" in str(fault.data["why"])


async def test_a_start_is_no_news_but_what_ended_meanwhile_is() -> None:
    remembered = Memory(states={"store_down": 1.0, "line_down": 1.0, "disk_full": 0.0})
    box = Box(remembered)
    box.ill["store_down"] = Ill(True, "still away")
    assert box.line is not None
    box.line.says = "cannot connect"
    await box.watcher.look()
    (first,) = box.sink.kept
    assert "store_down" not in first.metrics and "line_down" not in first.metrics, "not known yet, so it ends no alarm"
    assert events(await box.after(70)) == [], "what was down and is down is known"
    box.line.says = ""
    assert events(await box.after(15)) == ["line_up"]
    again = Box(Memory(states={"store_down": 1.0}))
    await again.watcher.look()
    assert events(again.sink.kept) == ["store_up"]


async def test_a_connection_that_is_still_being_made_is_unknown() -> None:
    box = Box()
    box.ill["broker_down"] = Ill(True, "not yet")
    await box.watcher.look()
    assert "broker_down" not in box.sink.kept[0].metrics
    box.ill["broker_down"] = Ill(False)
    assert events(await box.after(60)) == []
    assert box.sink.kept[-1].metrics["broker_down"] == 0


async def test_the_line_is_asked_every_minute_and_sooner_where_it_did_not_answer() -> None:
    box = Box()
    assert box.line is not None
    await box.watcher.look()
    await box.after(120)
    assert box.line.asked == 3
    box.line.says = "cannot connect: refused"
    await box.after(60)  # asked, and told by the second answer
    said = [one for one in box.sink.kept if one.event]
    assert events(said) == []
    (down,) = (one for one in await box.after(15) if one.event)
    assert (down.event, down.data["why"]) == ("line_down", "line_down: cannot connect: refused")
    assert box.line.asked >= 5
    box.line.says = RuntimeError("the client has been closed")
    said = await box.after(60)
    assert events(said) == [] and "line_down" not in said[-1].metrics, "a line that is just being replaced"
    box.line = None
    assert "line_down" not in (await box.after(60))[-1].metrics


async def test_a_clock_that_was_set_by_hours_is_told_and_one_that_drifts_is_not() -> None:
    box = Box()
    await box.watcher.look()
    box.clock.at += 30_000
    assert events(await box.after(60)) == []
    box.clock.at -= 7_200_000
    (stepped,) = await box.after(5)
    assert (stepped.event, stepped.metrics["clock_step"], stepped.lane) == ("clock_stepped", -7200, Lane.URGENT)
    assert events(await box.after(120)) == []
    ids = [int(one.message_id.rpartition(":")[2]) for one in box.sink.kept]
    assert ids == sorted(ids), "in their order, whatever the clock says"


async def test_a_clock_that_was_never_set_and_is_set_right_is_one_thing_and_not_two() -> None:
    box = Box()
    box.ill["clock_wrong"] = Ill(True, "1970")
    await box.watcher.look()
    assert events(await box.after(15)) == ["clock_wrong"]
    box.clock.at += 1_500_000_000_000
    box.ill["clock_wrong"] = Ill(False)
    assert events(await box.after(10)) == ["clock_right"]


async def test_with_room_for_what_is_urgent_only_it_still_says_that_it_lives() -> None:
    box = Box()
    box.sink.refuses = frozenset({Lane.ROUTINE})
    await box.watcher.look()
    (said,) = box.sink.kept
    assert (said.lane, said.event) == (Lane.URGENT, None)


async def test_an_event_that_the_journal_refuses_is_said_again_until_it_is_on_disk() -> None:
    box = Box()
    await box.watcher.look()
    box.sink.refuses = frozenset(Lane)
    box.ill["disk_full"] = Ill(True, "the disk is full")
    assert await box.after(60) == []
    box.sink.refuses = frozenset()
    assert events(await box.after(5)) == ["disk_full"]
    assert events(await box.after(60)) == []


async def test_its_own_part_says_when_nothing_reaches_the_disk_and_when_it_is_no_device() -> None:
    box = Box()
    await box.watcher.look()
    assert box.watcher.part().state == "ok"
    box.sink.refuses = frozenset(Lane)
    await box.after(200)
    part = box.watcher.part()
    assert (part.state, part.critical) == ("degraded", False) and "check the disk" in part.en
    nobody = Box(device=None)
    await nobody.watcher.look()
    assert nobody.sink.kept == [] and "gateway_device" in nobody.watcher.part().en
