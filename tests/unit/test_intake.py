"""Whatever a transport hands in ends in a lane or in the quarantine, is counted, and is answered once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devices import native
from devices.observation import Channel, Lane, Observation
from gateway.intake import Intake
from gateway.journal.entry import Done, Outcome, Quarantined
from gateway.receipts import TransportStats
from gateway.settings import JournalSettings
from gateway.transports.mqtt import Delivery
from tests.support.journal import HOUR, NOON, Answers, HandClock, Room, open_room
from tests.support.native import Ref

DEVICES = {ref.id: ref for ref in (Ref("sos-1", "sos_button"), Ref("vitals-1", "vitals_monitor"))}
PRESS = b'{"v":1,"boot":1,"seq":1,"event":"press"}'


class Desk:
    """An intake over a real journal."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.intake = Intake(room.journal, room.clock, "tjh", DEVICES.get)
        self._answers = Answers()
        self._count = 0

    def mqtt(self, topic: str, payload: bytes, *, retained: bool = False) -> Outcome:
        self._count += 1
        self.intake.offer_mqtt(Delivery(topic, payload, retained), self._answers.of(str(self._count)))
        return self._answers.wait(str(self._count))

    def serial(self, device: str, channel: Channel, payload: bytes) -> Outcome:
        self._count += 1
        self.intake.offer_serial("yard", device, channel, payload, self._answers.of(str(self._count)))
        return self._answers.wait(str(self._count))

    def stats(self, transport: str) -> TransportStats:
        return next(stats for stats in self.intake.stats() if stats.transport == transport)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with open_room(tmp_path / "journal") as room:
        yield Desk(room)


def test_a_press_over_mqtt(desk: Desk) -> None:
    assert desk.mqtt("anju/v1/tjh/sos-1/event", PRESS) is Outcome.STORED
    assert desk.mqtt("anju/v1/tjh/sos-1/event", PRESS) is Outcome.DUPLICATE
    (entry,) = desk.room.journal.read(Lane.URGENT, 0, 10)
    assert (entry.observation.event, entry.observation.received_at_ms) == ("press", NOON)
    stats = desk.stats("mqtt")
    assert (stats.offered, stats.outcomes[Outcome.STORED], stats.outcomes[Outcome.DUPLICATE]) == (2, 1, 1)
    assert stats.faults == {}


def test_a_reading_over_a_serial_line(desk: Desk) -> None:
    payload = native.encode(native.Message(v=1, boot=1, seq=1, metrics={"pulse": 71.0}), "msgpack")
    assert desk.serial("vitals-1", Channel.TELEMETRY, payload) is Outcome.STORED
    assert desk.room.ids(Lane.ROUTINE) == ["vitals-1:1:1"]
    assert desk.stats("serial:yard").outcomes[Outcome.STORED] == 1


def test_faults_beside_an_observation_are_quarantined_and_the_message_is_stored(desk: Desk) -> None:
    payload = b'{"v":1,"boot":1,"seq":1,"event":"press","metrics":{"battery":101,"mood":2}}'
    assert desk.mqtt("anju/v1/tjh/sos-1/event", payload) is Outcome.STORED
    desk.mqtt("nowhere", b"")  # the quarantine is in order: what came before is on disk
    records = desk.room.journal.quarantined(10)[1:]
    assert {(item.device, item.reason, item.field) for item in records} == {
        ("sos-1", "out_of_range", "metrics.battery"),
        ("sos-1", "unknown_metric", "metrics.mood"),
    }
    assert all(item.payload == payload and item.transport == "mqtt" for item in records)
    assert desk.stats("mqtt").faults == {"out_of_range": 1, "unknown_metric": 1, "wrong_topic": 1}


@pytest.mark.parametrize(
    ("topic", "payload", "reason", "device"),
    [
        ("anju/v1/tjh/sos-1/event", b"\xff\xfe", "malformed", "sos-1"),
        ("anju/v1/tjh/sos-2/event", PRESS, "unknown_device", "sos-2"),
        ("anju/v1/elsewhere/sos-1/event", PRESS, "wrong_topic", ""),
        ("anju/v1/tjh/sos-1/command", PRESS, "wrong_topic", ""),
        ("anju/v1/tjh/sos-1/telemetry", PRESS, "unknown_event", "sos-1"),
        ("anju/v1/tjh/sos-1/event", PRESS + b" " * native.MAX_MESSAGE_BYTES, "oversize", "sos-1"),
    ],
)
def test_what_cannot_be_understood_is_kept_with_its_reason(
    desk: Desk, topic: str, payload: bytes, reason: str, device: str
) -> None:
    assert desk.mqtt(topic, payload) is Outcome.QUARANTINED
    (item,) = desk.room.journal.quarantined(10)
    assert (item.source, item.reason, item.device) == (topic, reason, device)
    assert item.payload == payload[:4096]
    assert item.expected and item.hint
    assert desk.room.journal.last_position(Lane.URGENT) == 0
    assert desk.stats("mqtt").outcomes[Outcome.QUARANTINED] == 1


def test_a_retained_event_is_heard_while_it_is_fresh_and_never_again(desk: Desk) -> None:
    """A careless firmware retains its presses: the broker brings them at every new session, for years."""

    def payload() -> bytes:
        return msgspec.json.encode({"v": 1, "boot": 1, "seq": 1, "event": "press", "t": NOON - 1000})

    topic = "anju/v1/tjh/sos-1/event"
    assert desk.mqtt(topic, payload(), retained=True) is Outcome.STORED
    assert desk.mqtt(topic, payload(), retained=True) is Outcome.DUPLICATE
    for later in (JournalSettings().keep_hours * HOUR, 400 * 24 * HOUR):
        desk.room.clock.at = NOON + later
        assert desk.mqtt(topic, payload(), retained=True) is Outcome.QUARANTINED
    assert desk.stats("mqtt").faults == {"stale_retained": 2}
    assert desk.mqtt(topic, payload(), retained=False) is Outcome.DUPLICATE


class Refusing:
    """A journal whose disk is full."""

    keep_ms = HOUR

    def submit(self, observation: Observation, done: Done) -> None:
        done(Outcome.REFUSED)

    def quarantine(self, item: Quarantined, done: Done) -> None:
        done(Outcome.REFUSED)


def test_what_the_journal_refuses_is_refused_and_counted() -> None:
    intake = Intake(Refusing(), HandClock(), "tjh", DEVICES.get)
    outcomes: list[Outcome] = []
    intake.offer_mqtt(Delivery("anju/v1/tjh/sos-1/event", PRESS), outcomes.append)
    intake.offer_mqtt(Delivery("nowhere", PRESS), outcomes.append)
    assert outcomes == [Outcome.REFUSED] * 2
    assert intake.stats()[0].outcomes[Outcome.REFUSED] == 2


topics = st.text(st.characters()) | st.sampled_from([f"anju/v1/tjh/{d}/{c}" for d in DEVICES for c in Channel])


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(topic=topics, payload=st.binary(max_size=200), retained=st.booleans(), serial=st.booleans())
def test_no_bytes_escape_an_answer(desk: Desk, topic: str, payload: bytes, retained: bool, serial: bool) -> None:
    if serial:
        assert desk.serial(topic, Channel.EVENT, payload) is not Outcome.REFUSED
    else:
        assert desk.mqtt(topic, payload, retained=retained) is not Outcome.REFUSED


def test_many_threads_may_offer_at_once(desk: Desk) -> None:
    answers = Answers()

    def offer(thread: int) -> None:
        for n in range(200):
            payload = b'{"v":1,"boot":%d,"seq":%d,"metrics":{"pulse":70}}' % (thread, n)
            desk.intake.offer_mqtt(Delivery("anju/v1/tjh/vitals-1/telemetry", payload), answers.of(f"{thread}-{n}"))

    threads = [threading.Thread(target=offer, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answers.wait(f"{thread}-{n}") for thread in range(4) for n in range(200)} == {Outcome.STORED}
    assert len(set(desk.room.ids(Lane.ROUTINE))) == 800
    assert desk.stats("mqtt").outcomes[Outcome.STORED] == 800


def test_a_message_that_breaks_the_decoder_is_kept_and_does_not_come_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> object:
        raise RuntimeError("a defect")

    monkeypatch.setattr("gateway.intake.decode", broken)
    assert desk.mqtt("anju/v1/tjh/sos-1/event", PRESS) is Outcome.QUARANTINED
    (kept,) = desk.room.journal.quarantined(1)
    assert (kept.reason, kept.device) == ("undecodable", "sos-1")
    assert "RuntimeError: a defect" in kept.hint
