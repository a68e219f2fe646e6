"""What the journal promises: durable before it answers, each message once, bounded, trimmed only when read."""

from __future__ import annotations

import logging
import sqlite3
import threading
from pathlib import Path

import pytest

from devices.observation import Lane, Waveform
from gateway.journal import writer
from gateway.journal.entry import JournalReader, Outcome
from gateway.journal.journal import Journal, JournalError
from gateway.journal.lane import OLDEST_OUT
from gateway.journal.quarantine import KEEP_IN_ALL, KEEP_PER_DEVICE_AND_REASON, KEEP_PER_REASON
from gateway.journal.view import JournalView
from gateway.settings import JournalSettings
from tests.support.eventually import eventually
from tests.support.journal import HOUR, NOON, Answers, HandClock, Room, open_room, press, reading, unreadable


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture(autouse=True)
def quick_housekeeping(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "IDLE_S", 0.05)


def trimmed_to(room: Room, lane: Lane, rows: int) -> None:
    eventually(lambda: room.journal.stats().lanes[lane].totals.rows == rows, 10, f"{lane} trimmed to {rows} rows")


# --- what is stored is read ---


def test_what_was_stored_is_read_in_order_and_whole(directory: Path) -> None:
    wave = Waveform(name="ecg", lead="II", rate_hz=250, unit="mV", samples=(0.1, -0.25, 1.5))
    first = reading(1, metrics={"pulse": 72.0, "temperature": 36.6}, data={"note": "晨测", "ok": True, "x": 1.5})
    second = reading(2, waveform=wave, clock_suspect=True)
    with open_room(directory) as room:
        assert room.send_all([first, second]) == [Outcome.STORED] * 2
        entries = room.journal.read(Lane.ROUTINE, 0, 10)
        assert [entry.observation for entry in entries] == [first, second]
        assert room.journal.read(Lane.ROUTINE, entries[0].position, 10) == entries[1:]
        assert room.journal.last_position(Lane.ROUTINE) == entries[1].position
        assert room.journal.last_position(Lane.URGENT) == 0
        as_reader: JournalReader = room.journal
        assert as_reader.read(Lane.URGENT, 0, 10) == []


def test_it_is_there_after_a_restart(directory: Path) -> None:
    with open_room(directory) as room:
        room.send_all([press(1), reading(1)])
    with open_room(directory) as room:
        assert room.ids(Lane.URGENT) == ["sos-1:1:1"]
        assert room.ids(Lane.ROUTINE) == ["vitals-1:1:1"]
        assert room.send(press(1)) is Outcome.DUPLICATE
        assert room.journal.stats().lanes[Lane.URGENT].totals.accepted == 1


def test_readers_are_woken_for_what_is_new(directory: Path) -> None:
    woken: list[Lane] = []
    with open_room(directory) as room:
        room.journal.subscribe(woken.append)
        room.send(press(1))
        room.send(press(1))
        room.send(reading(1))
        assert woken == [Lane.URGENT, Lane.ROUTINE]


def test_a_reader_or_transport_that_raises_does_not_stop_the_journal(directory: Path) -> None:
    def broken(_: object) -> None:
        raise RuntimeError("a bug elsewhere")

    with open_room(directory) as room:
        room.journal.subscribe(broken)
        room.journal.submit(press(1), broken)
        assert room.send(press(2)) is Outcome.STORED
        assert room.ids(Lane.URGENT) == ["sos-1:1:1", "sos-1:1:2"]


# --- each message once ---


def test_a_repeat_is_known_as_one(directory: Path) -> None:
    with open_room(directory) as room:
        again = press(1, received_at_ms=NOON + 5000)
        assert room.send_all([press(1), again, press(2)]) == [Outcome.STORED, Outcome.DUPLICATE, Outcome.STORED]
        assert room.send(again) is Outcome.DUPLICATE
        totals = room.journal.stats().lanes[Lane.URGENT].totals
        assert (totals.accepted, totals.duplicates, totals.rows) == (2, 2, 2)


def test_a_repeat_without_device_time_is_a_repeat(directory: Path) -> None:
    first = press(1, observed_at_ms=NOON, received_at_ms=NOON)
    again = press(1, observed_at_ms=NOON + 9000, received_at_ms=NOON + 9000)
    with open_room(directory) as room:
        assert room.send_all([first, again]) == [Outcome.STORED, Outcome.DUPLICATE]


@pytest.mark.parametrize(
    "other",
    [press(1, event="fall"), press(1, at=NOON + HOUR), press(1, metrics={"battery": 3.0})],
    ids=["another event", "another device time", "another value"],
)
def test_a_second_message_under_a_used_id_is_not_lost(directory: Path, other: object) -> None:
    """A device that lost count in a reboot presses again under an old number: that press must be heard."""
    with open_room(directory) as room:
        assert room.send_all([press(1), other, other]) == [Outcome.STORED, Outcome.STORED, Outcome.DUPLICATE]  # type: ignore[list-item]  # parametrized
        kept, amended = room.ids(Lane.URGENT)
        assert kept == "sos-1:1:1"
        assert amended.startswith("sos-1:1:1~")
        assert room.journal.stats().lanes[Lane.URGENT].totals.reused_ids == 1


# --- trimming and bounds ---


def test_nothing_is_trimmed_before_every_reader_has_read_it(directory: Path) -> None:
    clock = HandClock()
    with open_room(directory, clock, keep_hours=1) as room:
        room.send_all([press(n) for n in range(1, 11)])
        positions = [entry.position for entry in room.journal.read(Lane.URGENT, 0, 100)]
        room.journal.set_cursor("decider", Lane.URGENT, positions[-1])
        room.journal.set_cursor("store", Lane.URGENT, positions[2])
        clock.at += 2 * HOUR
        trimmed_to(room, Lane.URGENT, 7)
        assert room.ids(Lane.URGENT)[0] == "sos-1:1:4"
        stats = room.journal.stats().lanes[Lane.URGENT]
        assert stats.lag == {"decider": 0, "store": 7}
        assert (stats.totals.trimmed, stats.totals.dropped_unread) == (3, 0)


def test_read_entries_are_kept_as_long_as_they_should(directory: Path) -> None:
    clock = HandClock()
    with open_room(directory, clock, keep_hours=2) as room:
        room.send(reading(1))
        room.send(reading(2, at=NOON + 90 * 60_000))
        room.journal.set_cursor("store", Lane.ROUTINE, room.journal.last_position(Lane.ROUTINE))
        clock.at += 2 * HOUR + 1
        trimmed_to(room, Lane.ROUTINE, 1)
        assert room.ids(Lane.ROUTINE) == ["vitals-1:1:2"]


def test_without_a_known_reader_nothing_is_trimmed(directory: Path) -> None:
    clock = HandClock()
    with open_room(directory, clock, keep_hours=1) as room:
        room.send(press(1))
        clock.at += 100 * HOUR
    with open_room(directory, clock, keep_hours=1) as room:
        room.send(press(2))
        assert room.ids(Lane.URGENT) == ["sos-1:1:1", "sos-1:1:2"]


def test_cursors_are_remembered_over_a_restart_until_the_reader_is_forgotten(directory: Path) -> None:
    clock = HandClock()
    with open_room(directory, clock, keep_hours=1) as room:
        room.send_all([press(1), press(2)])
        room.journal.set_cursor("retired", Lane.URGENT, 1)
        room.journal.set_cursor("decider", Lane.URGENT, 2)
        with_file = JournalView(directory)
        eventually(
            lambda: with_file.lane_file(Lane.URGENT).cursors == {"retired": 1, "decider": 2}, 10, "cursors saved"
        )
        with_file.close()
    clock.at += 2 * HOUR
    with open_room(directory, clock, keep_hours=1) as room:
        trimmed_to(room, Lane.URGENT, 1)
        room.journal.retain_readers(["decider"])
        trimmed_to(room, Lane.URGENT, 0)


def test_positions_grow_after_everything_was_trimmed(directory: Path) -> None:
    clock = HandClock()
    with open_room(directory, clock, keep_hours=1) as room:
        room.send_all([press(n) for n in range(1, 6)])
        last = room.journal.last_position(Lane.URGENT)
        room.journal.set_cursor("decider", Lane.URGENT, last)
        clock.at += 2 * HOUR
        trimmed_to(room, Lane.URGENT, 0)
        assert room.journal.last_position(Lane.URGENT) == last
    with open_room(directory, clock) as room:
        room.send(press(99, at=clock.at))
        assert [entry.position for entry in room.journal.read(Lane.URGENT, last, 10)] == [last + 1]


def test_a_full_urgent_lane_refuses_rather_than_forget_what_is_unread(directory: Path) -> None:
    with open_room(directory, max_urgent_rows=100) as room:
        assert set(room.send_all([press(n) for n in range(100)])) == {Outcome.STORED}
        assert room.send_all([press(100), press(5)]) == [Outcome.REFUSED, Outcome.DUPLICATE]
        (trouble,) = room.journal.health()
        assert (trouble.part, trouble.code) == ("urgent", "lane_full")
        assert room.journal.stats().lanes[Lane.URGENT].refused == 1

        room.journal.set_cursor("decider", Lane.URGENT, 50)
        assert room.send(press(100)) is Outcome.STORED
        assert room.ids(Lane.URGENT) == [f"sos-1:1:{n}" for n in range(50, 101)]
        assert room.journal.health() == ()


def test_a_full_routine_lane_lets_the_oldest_out_and_says_so(directory: Path) -> None:
    with open_room(directory, max_routine_rows=100) as room:
        room.journal.set_cursor("store", Lane.ROUTINE, 10)
        assert set(room.send_all([reading(n) for n in range(1, 151)])) == {Outcome.STORED}
        totals = room.journal.stats().lanes[Lane.ROUTINE].totals
        assert totals.rows <= 100
        assert totals.trimmed == 10
        assert totals.dropped_unread == 150 - 10 - totals.rows
        assert room.ids(Lane.ROUTINE) == [f"vitals-1:1:{n}" for n in range(151 - totals.rows, 151)]
        (trouble,) = room.journal.health()
        assert trouble.code == "dropping_unread"
        assert "store" in str(trouble)
        before = totals
        assert set(room.send_all([reading(150)] * OLDEST_OUT)) == {Outcome.DUPLICATE}
        assert room.journal.stats().lanes[Lane.ROUTINE].totals.dropped_unread == before.dropped_unread


def test_a_lane_that_nobody_reads_warns_before_it_is_full(directory: Path) -> None:
    with open_room(directory, max_urgent_rows=100) as room:
        room.journal.set_cursor("decider", Lane.URGENT, 5)
        room.send_all([press(n) for n in range(90)])
        (trouble,) = room.journal.health()
        assert trouble.code == "nearly_full"
        assert "decider" in str(trouble)


# --- a disk that is full, or fails ---


def test_below_the_reserve_routine_leaves_the_disk_to_urgent(directory: Path, caplog: pytest.LogCaptureFixture) -> None:
    with open_room(directory, reserve_mb=10**9) as room, caplog.at_level(logging.WARNING):
        assert room.send_all([reading(n) for n in range(5)]) == [Outcome.REFUSED] * 5
        assert room.send(press(1)) is Outcome.STORED
        assert room.quarantine_all([unreadable(1)]) == [Outcome.QUARANTINED]
        (trouble,) = room.journal.health()
        assert (trouble.part, trouble.code, trouble.since_ms) == ("routine", "below_reserve", NOON)
        assert room.send(reading(9)) is Outcome.REFUSED
        assert len([record for record in caplog.records if "routine" in record.getMessage()]) == 1


def test_below_the_reserve_read_entries_make_room_and_their_space_is_used(directory: Path) -> None:
    big = "x" * 500
    with open_room(directory) as room:
        room.send_all([reading(n, data={f"k{i}": big for i in range(8)}) for n in range(600)])
    with open_room(directory, reserve_mb=10**9) as room:
        assert room.send(reading(1000)) is Outcome.REFUSED
        room.journal.set_cursor("store", Lane.ROUTINE, room.journal.last_position(Lane.ROUTINE))
        trimmed_to(room, Lane.ROUTINE, 0)
        assert room.send(reading(1000)) is Outcome.STORED
        assert room.journal.health() == ()


def test_a_full_file_is_never_acknowledged_and_writing_resumes(
    directory: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """SQLITE_FULL from SQLite itself: the writer's connections are given a page limit."""
    limit = [30]
    real = writer.connect

    def connect(path: Path) -> sqlite3.Connection:
        connection = real(path)
        if path.name == "urgent.db":
            connection.execute(f"PRAGMA max_page_count={limit[0]}")
        return connection

    monkeypatch.setattr(writer, "connect", connect)
    with open_room(directory) as room, caplog.at_level(logging.WARNING):
        outcomes = [room.send(press(n, data={"text": "x" * 500})) for n in range(300)]
        stored = outcomes.count(Outcome.STORED)
        assert 0 < stored < 300
        assert set(outcomes) == {Outcome.STORED, Outcome.REFUSED}
        assert [f"sos-1:1:{n}" for n, outcome in enumerate(outcomes) if outcome is Outcome.STORED] == room.ids(
            Lane.URGENT
        )
        (trouble,) = room.journal.health()
        assert (trouble.part, trouble.code) == ("urgent", "disk_full")
        assert "free disk space" in str(trouble)
        assert room.send(reading(1)) is Outcome.STORED, "the other lane goes on"
        assert len([record for record in caplog.records if "is full" in record.getMessage()]) == 1

        limit[0] = 100_000
        eventually(lambda: room.journal.health() == (), 10, "recovered by itself, without traffic")
        room.journal.prove()
        eventually(lambda: room.journal.written_s(Lane.URGENT) < 1, 10, "and shows it when asked")
        assert room.send(press(1000)) is Outcome.STORED
        assert room.journal.stats().lanes[Lane.URGENT].totals.rows == stored + 1 == len(room.ids(Lane.URGENT))


def test_a_full_queue_refuses_at_once_and_counts(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.journal.journal.QUEUE_ROWS", 10)
    held = threading.Event()
    answers = Answers()

    def hold(_: Outcome) -> None:
        held.wait(10)

    with open_room(directory) as room:
        room.journal.submit(press(0), hold)
        eventually(lambda: room.journal.stats().lanes[Lane.URGENT].totals.rows == 1, 10, "the writer is held")
        for n in range(1, 13):
            room.journal.submit(press(n), answers.of(str(n)))
        assert [answers["11"], answers["12"]] == [Outcome.REFUSED] * 2
        assert room.send(reading(1)) is Outcome.STORED, "the other lane goes on"
        held.set()
        assert answers.wait("10") is Outcome.STORED
        assert room.journal.stats().lanes[Lane.URGENT].refused == 2


def test_after_closing_everything_is_refused_and_what_was_queued_is_kept(directory: Path) -> None:
    answers = Answers()
    with open_room(directory) as room:
        for n in range(500):
            room.journal.submit(reading(n), answers.of(str(n)))
    assert {answers[str(n)] for n in range(500)} == {Outcome.STORED}
    assert room.send(press(1)) is Outcome.REFUSED


# --- opening ---


def test_a_second_writer_is_told_who_writes(directory: Path) -> None:
    with (
        open_room(directory),
        pytest.raises(JournalError, match=r"another gateway \(process \d+\) writes this journal"),
    ):
        Journal(directory, JournalSettings(), HandClock()).start()
    with open_room(directory) as room:
        assert room.send(press(1)) is Outcome.STORED


@pytest.mark.parametrize("name", ["urgent.db", "routine.db", "quarantine.db"])
def test_a_damaged_file_is_set_aside_and_the_gateway_hears_on(
    directory: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    with open_room(directory) as room:
        assert room.send(press(1)) is Outcome.STORED
    for times in (1, 2):
        (directory / name).write_bytes(b"this is not a database, and it is long enough to be looked at" * 20)
        with open_room(directory) as room:
            assert room.send(press(1 + times)) is Outcome.STORED
        assert f"{name} is damaged" in caplog.text
        assert len(list(directory.glob(f"{name}.damaged*"))) == times, "nothing is thrown away"


def test_a_file_of_another_version_stops_the_start(directory: Path) -> None:
    with open_room(directory):
        pass
    with sqlite3.connect(directory / "routine.db") as connection:
        connection.execute("PRAGMA user_version=99")
    connection.close()
    with pytest.raises(JournalError, match="another version of Anju"):
        Journal(directory, JournalSettings(), HandClock()).start()
    with pytest.raises(JournalError, match="another version of Anju"):
        JournalView(directory).last_position(Lane.ROUTINE)


# --- quarantine ---


def test_the_quarantine_keeps_the_message_with_its_explanation(directory: Path) -> None:
    item = unreadable(1)
    with open_room(directory) as room:
        assert room.quarantine_all([item]) == [Outcome.QUARANTINED]
        assert room.journal.quarantined(10) == [item]


def test_a_flood_of_one_fault_is_counted_and_does_not_push_others_out(directory: Path) -> None:
    with open_room(directory) as room:
        room.quarantine_all([unreadable(1, device="rare", reason="bad_version")])
        for _ in range(5):
            assert set(room.quarantine_all([unreadable(n) for n in range(1000)])) == {Outcome.QUARANTINED}
        kept = room.journal.quarantined(KEEP_IN_ALL)
        assert [item.device for item in kept].count("sos-1") == KEEP_PER_DEVICE_AND_REASON
        assert kept[0].hint == "number 999"
        assert kept[-1].device == "rare"
        assert room.journal.stats().quarantine.counts == {"malformed": 5000, "bad_version": 1}
    with open_room(directory) as room:
        assert room.journal.stats().quarantine.total == 5001, "the counts survive a restart"


def test_invented_device_names_cannot_fill_the_quarantine(directory: Path) -> None:
    with open_room(directory) as room:
        room.quarantine_all([unreadable(1, reason="bad_version")])
        for batch in range(3):
            room.quarantine_all([unreadable(n, device=f"x{batch}-{n}", reason="unknown_device") for n in range(1000)])
        kept = room.journal.quarantined(KEEP_IN_ALL)
        assert len(kept) == KEEP_PER_REASON + 1
        assert kept[-1].reason == "bad_version"


def test_a_lane_that_is_asked_to_prove_itself_really_writes(directory: Path) -> None:
    """SQLite leaves out a page that is written with what it holds already: such a proof would prove nothing."""
    with open_room(directory) as room:
        assert room.send(press(1)) is Outcome.STORED
        assert room.send(reading(2)) is Outcome.STORED
        for lane in Lane:
            log = directory / f"{lane}.db-wal"
            before = log.read_bytes()
            room.journal.prove()
            eventually(lambda log=log, before=before: log.read_bytes() != before, 10, f"{lane} reached the disk")
            assert room.journal.written_s(lane) < 10
        assert room.journal.stats().lanes[Lane.URGENT].totals.rows == 1, "and the figures are what they were"
