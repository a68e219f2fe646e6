"""What gear says is acknowledged when it is on disk; what was refused is news again; a restart knows what was known."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from devices.gear.memory import Memory
from devices.gear.messages import AddressBook, Announced, GearDevice, Incoming, Reading, Said
from devices.native import Command
from devices.observation import Lane, Observation, Refusal
from gateway.gear.intake import GearIntake
from gateway.gear.mqtt_bridge import MqttBridge
from gateway.gear.restore import restored
from gateway.gear.strangers import Strangers
from gateway.journal.entry import Done, Outcome, Quarantined
from gateway.receipts import Receipts
from gateway.registry.candidates import waiting
from gateway.registry.model import Bridge
from gateway.state import tables as t
from gateway.state.db import open_database, reading, writing
from gateway.transports.mqtt_connection import Address
from tests.support.eventually import eventually
from tests.support.gear import Book
from tests.support.journal import NOON, Answers, HandClock, Room, open_room

SMOKE = GearDevice(id="smoke-1", kind="smoke", address="kitchen")
KEY = GearDevice(id="sos-1", kind="sos_button", address="bed")


class Notes:
    """Strangers that nobody asks for."""

    def note(self, *_: object) -> None:
        return None


class Desk:
    """An intake over a real journal and a real state database."""

    def __init__(self, room: Room, directory: Path, memories: dict[str, Memory] | None = None) -> None:
        self.room = room
        self.engine = open_database(f"sqlite:///{directory / 'state.db'}")
        self.receipts = Receipts(room.journal)
        self.strangers = Strangers(self.engine, room.clock)
        self.intake = GearIntake(room.journal, self.receipts, self.strangers, memories)
        self._answers = Answers()
        self._count = 0

    def hear(self, reading: Reading | Refusal | Exception, *, redelivered: bool = False) -> Outcome:
        def receive(incoming: Incoming, book: AddressBook) -> Reading:
            if isinstance(reading, Exception):
                raise reading
            return reading

        self._count += 1
        self.room.clock.at += 1
        incoming = Incoming(
            source="house/kitchen", payload=b"{}", received_at_ms=self.room.clock.at, redelivered=redelivered
        )
        self.intake.offer("z1", "test", receive, incoming, Book(()), self._answers.of(str(self._count)))
        return self._answers.wait(str(self._count))

    def events(self, lane: Lane = Lane.URGENT) -> list[str | None]:
        return [entry.observation.event for entry in self.room.journal.read(lane, 0, 100)]

    def close(self) -> None:
        self.engine.dispose()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with open_room(tmp_path / "journal") as room:
        desk = Desk(room, tmp_path)
        yield desk
        desk.close()


def smoke(alarm: float, **metrics: float) -> Reading:
    return Reading(said=(Said(device=SMOKE, metrics={"alarm": alarm, **metrics}),))


PRESS = Reading(said=(Said(device=KEY, events=("press",)),))


def test_a_message_is_stored_once_and_its_repeat_says_nothing_new(desk: Desk) -> None:
    assert desk.hear(smoke(1, battery=80)) is Outcome.STORED
    assert desk.events() == ["smoke"]
    assert desk.hear(smoke(1, battery=80)) is Outcome.STORED, "the measurement is kept"
    assert (desk.events(), desk.events(Lane.ROUTINE)) == (["smoke"], [None])
    assert desk.hear(PRESS) is Outcome.STORED
    assert desk.hear(PRESS) is Outcome.DUPLICATE, "one press, said twice"
    (stats,) = desk.receipts.stats()
    assert (stats.transport, stats.offered, stats.notes) == ("gear:z1", 4, {"same_press": 1})


def test_one_message_of_several_devices_is_answered_once(desk: Desk) -> None:
    both = Reading(said=(Said(device=SMOKE, metrics={"alarm": 1, "tampered": 1}), Said(device=KEY, events=("press",))))
    assert desk.hear(both) is Outcome.STORED
    assert desk.events() == ["smoke", "tamper", "press"]


def test_what_the_journal_refuses_is_news_when_it_comes_again(tmp_path: Path) -> None:
    with open_room(tmp_path / "journal", max_urgent_rows=3) as room:
        room.journal.retain_readers(["decider"])  # nobody reads, so nothing may be dropped
        desk = Desk(room, tmp_path)
        for minute in range(20):
            room.clock.at += 60_000
            if desk.hear(smoke((minute + 1) % 2)) is Outcome.REFUSED:
                break
        else:
            pytest.fail("the journal never became full")
        written = desk.events()
        wanted = 0.0 if written[-1] == "smoke" else 1.0
        assert desk.hear(smoke(wanted), redelivered=True) is Outcome.REFUSED, "said again, it is offered again"
        room.journal.set_cursor("decider", Lane.URGENT, room.journal.last_position(Lane.URGENT))

        def taken() -> bool:
            return desk.hear(smoke(wanted), redelivered=True) is Outcome.STORED

        eventually(taken, 10, "there is room again")
        assert desk.events()[-1] == ("smoke" if wanted else "smoke_cleared")
        desk.close()


class SlowJournal:
    """Answers when it is told to."""

    keep_ms = 0

    def __init__(self) -> None:
        self.submitted: list[tuple[Observation, Done]] = []

    def submit(self, observation: Observation, done: Done) -> None:
        self.submitted.append((observation, done))

    def quarantine(self, item: Quarantined, done: Done) -> None:
        done(Outcome.QUARANTINED)

    def answer(self, number: int, outcome: Outcome) -> None:
        self.submitted[number][1](outcome)

    def events(self) -> list[str | None]:
        return [observation.event for observation, _ in self.submitted]


@pytest.mark.parametrize("outcome", [Outcome.STORED, Outcome.REFUSED])
@pytest.mark.parametrize("reading", [smoke(1), PRESS], ids=["state", "moment"])
def test_a_repeat_is_not_answered_before_its_event_is_on_disk(reading: Reading, outcome: Outcome) -> None:
    """Delivered again on a new connection, it is the same message to the broker: its answer is the answer of both."""
    journal = SlowJournal()
    intake = GearIntake(journal, Receipts(journal), Notes())
    answers: list[tuple[str, Outcome]] = []
    for name in ("first", "again"):
        incoming = Incoming(source="house", payload=b"{}", received_at_ms=NOON, redelivered=name == "again")
        intake.offer(
            "z1",
            "test",
            lambda *_: reading,
            incoming,
            Book(()),
            lambda outcome, name=name: answers.append((name, outcome)),
        )
    assert answers == [], "nothing is on disk yet"
    assert len(journal.submitted) == 1, "what is known by the event is not written before it"
    journal.answer(0, outcome)
    for number in range(1, len(journal.submitted)):
        journal.answer(number, outcome)
    assert dict(answers)["first"] is outcome
    assert (dict(answers)["again"] is Outcome.REFUSED) == (outcome is Outcome.REFUSED)
    assert len(answers) == 2


def test_a_second_event_does_not_wait_for_the_first() -> None:
    journal = SlowJournal()
    intake = GearIntake(journal, Receipts(journal), Notes())
    answers: list[Outcome] = []
    for alarm in (1, 0, 0):
        incoming = Incoming(source="house", payload=b"{}", received_at_ms=NOON)
        intake.offer("z1", "test", lambda *_, alarm=alarm: smoke(alarm), incoming, Book(()), answers.append)
    assert journal.events() == ["smoke", "smoke_cleared"]
    journal.answer(1, Outcome.STORED)
    assert answers == []
    journal.answer(0, Outcome.STORED)
    assert answers == [Outcome.STORED, Outcome.STORED]
    journal.answer(2, Outcome.STORED)
    assert (journal.events(), answers) == (["smoke", "smoke_cleared", None], [Outcome.STORED] * 3)
    assert intake._under_way == {}


def test_a_stranger_is_kept_and_noted_with_what_it_said(desk: Desk) -> None:
    desk.strangers.start()
    stranger = Announced(address="0x9", kind="smoke", vendor="HEIMAN", model="HS1SA", heard=True)
    described = Announced(address="0x8", kind="leak", name="bathroom")
    assert desk.hear(Reading(announced=(stranger, described))) is Outcome.QUARANTINED
    (kept,) = desk.room.journal.quarantined(10)
    assert (kept.reason, kept.device, kept.transport, kept.payload) == ("unknown_device", "z1/0x9", "gear:z1", b"{}")
    assert "anju devices adopt z1 0x9" in kept.hint
    desk.strangers.stop()
    with reading(desk.engine) as connection:
        found = {one.address: one for one in waiting(connection)}
    assert (found["0x9"].kind, found["0x9"].model, found["0x9"].heard) == ("smoke", "HS1SA", 1)
    assert found["0x9"].last_payload == "{}"
    assert (found["0x8"].kind, found["0x8"].name, found["0x8"].heard) == ("leak", "bathroom", 0)


def test_a_stranger_beside_a_device_holds_nobody_up(desk: Desk) -> None:
    mixed = Reading(said=smoke(1).said, announced=(Announced(address="0x9", heard=True),))
    assert desk.hear(mixed) is Outcome.STORED
    assert desk.events() == ["smoke"]
    eventually(lambda: [one.reason for one in desk.room.journal.quarantined(10)] == ["unknown_device"])


def test_a_refusal_and_a_defect_are_kept_and_answered(desk: Desk) -> None:
    refusal = Refusal("malformed", field="payload", expected="JSON", hint="got nothing")
    assert desk.hear(refusal) is Outcome.QUARANTINED
    assert desk.hear(ZeroDivisionError("a profile is wrong")) is Outcome.QUARANTINED
    assert [one.reason for one in desk.room.journal.quarantined(10)] == ["undecodable", "malformed"]
    assert desk.hear(Reading()) is Outcome.DUPLICATE
    (stats,) = desk.receipts.stats()
    assert (stats.faults, stats.notes) == ({"malformed": 1, "undecodable": 1}, {"concerns_nobody": 1})


def test_parts_that_cannot_be_used_are_kept_beside_the_observation(desk: Desk) -> None:
    assert desk.hear(smoke(1, battery=300)) is Outcome.STORED
    eventually(lambda: [one.field for one in desk.room.journal.quarantined(10)] == ["metrics.battery"])
    assert desk.events() == ["smoke"]


def test_a_restart_knows_what_the_decider_had_seen_and_what_it_had_not(tmp_path: Path) -> None:
    """States up to the decider's cursor come from the database, the rest from the journal itself."""
    with open_room(tmp_path / "journal") as room:
        desk = Desk(room, tmp_path)
        desk.hear(smoke(1))
        decided = room.journal.last_position(Lane.URGENT)
        desk.hear(smoke(0))
        desk.hear(smoke(1))
        desk.hear(PRESS)
        with writing(desk.engine) as connection:
            connection.execute(
                sa.insert(t.device_states).values(
                    device="smoke-1", last_seen_ms=NOON, online=True, states='{"alarm": 1, "tampered": 0}'
                )
            )
            connection.execute(sa.insert(t.cursors).values(reader="decider", lane="urgent", position=decided))
        desk.close()
    clock = HandClock(room.clock.at + 5_000)
    with open_room(tmp_path / "journal", clock) as room:
        again = Desk(room, tmp_path)
        memories = restored(again.engine, room.journal, lambda device: device in ("smoke-1", "sos-1"))
        assert memories["smoke-1"].states["alarm"] == 1 and memories["smoke-1"].states["tampered"] == 0
        again = Desk(room, tmp_path, memories)
        before = again.events()
        assert before == ["smoke", "smoke_cleared", "smoke", "press"]
        again.hear(smoke(1))
        again.hear(PRESS, redelivered=True)
        assert again.events() == before, "nothing of this is news"
        again.hear(smoke(0))
        assert again.events() == [*before, "smoke_cleared"]
        again.close()


def test_new_hardware_has_seen_nothing_of_what_the_old_one_saw(desk: Desk) -> None:
    desk.hear(smoke(1))
    replaced = GearDevice(id="smoke-1", kind="smoke", address="0x77")
    assert desk.hear(Reading(said=(Said(device=replaced, metrics={"alarm": 1}),))) is Outcome.STORED
    assert desk.events() == ["smoke", "smoke"], "it is the new detector's first alarm"


async def test_a_valve_turned_by_hand_is_no_answer_to_a_command_that_never_went_out(desk: Desk) -> None:
    valve = GearDevice(id="valve-1", kind="valve", address="gas valve")
    nowhere = Address(
        host="127.0.0.1", port=1, username=None, password=None, client_id="t", tls_ca=None, receive_maximum=20
    )
    bridge = MqttBridge(
        Bridge(id="z1", profile="zigbee2mqtt"), nowhere, desk.intake, lambda: Book((valve,)), desk.room.clock
    )
    close = Command(v=1, id="c1", command="close")
    assert (await bridge.send("valve-1", close, 30)).outcome == "not_sent", "no connection"
    assert desk.hear(Reading(said=(Said(device=valve, metrics={"open": 0}),))) is Outcome.STORED
    assert "command_result" not in desk.events()
    desk.intake.expect(valve, "c2", {"open": 0}, desk.room.clock.at)
    desk.hear(Reading(said=(Said(device=valve, metrics={"open": 0}),)))
    assert desk.events() == ["command_result"]


def test_only_gear_is_remembered(tmp_path: Path) -> None:
    with open_room(tmp_path / "journal") as room:
        desk = Desk(room, tmp_path)
        desk.hear(smoke(1))
        assert restored(desk.engine, room.journal, lambda device: False) == {}
        desk.close()
