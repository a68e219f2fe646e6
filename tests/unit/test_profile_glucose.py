"""Glucose meters by cable: TaiDoc's and LifeScan's frames, each measurement once, times by a clock that is wrong."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from devices.gear.messages import GearDevice
from devices.gear.profile import Profile
from devices.gear.stream import Faults
from devices.profiles.onetouch_ultraeasy import ONETOUCH_ULTRAEASY, UltraEasyLink, crc
from devices.profiles.onetouch_ultraeasy import frame as easy_frame
from devices.profiles.taidoc_td42xx import TAIDOC_TD42XX, TaidocLink, clock
from devices.profiles.taidoc_td42xx import frame as taidoc_frame
from tests.support.gear import START_MS, Book
from tests.support.lines import LineBench
from tests.support.recordings import recording

METER = GearDevice(id="glucose-1", kind="vitals_monitor", address="1")


def stamp(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


# --- formats ----------------------------------------------------------------------------------------------------------


def test_taidocs_connection_and_its_times() -> None:
    # Glucometer Protocols, "TaiDoc TD-42xx"; the fields as its project's tests have them.
    assert taidoc_frame(0x22, bytes(4), 0xA3) == bytes.fromhex("512200000000A316")
    assert clock(bytes.fromhex("21240E15")) == stamp("2018-01-01T21:14")
    assert clock(bytes.fromhex("21260E15")) == stamp("2019-01-01T21:14")
    assert clock(bytes.fromhex("0427250D")) == stamp("2019-08-04T13:37")


def test_lifescans_checksum_and_frames() -> None:
    assert crc(bytes.fromhex("02060803")) == bytes.fromhex("C262")
    assert crc(bytes.fromhex("02060603")) == bytes.fromhex("CD41")
    assert UltraEasyLink().question(b"") == bytes.fromhex("02060803C262")
    # The version is asked for with both counters at 1.
    assert easy_frame(3, bytes.fromhex("050D02")) == bytes.fromhex("020903050D0203089F")


def test_the_recorded_frames() -> None:
    for row in recording("glucose_serial_vectors/vectors.json") or ():
        if "hex" not in row:
            continue
        raw = bytes.fromhex(row["hex"])
        if row["dev"] == "TaiDoc datetime field":
            assert clock(raw) == stamp(row["value"])
        elif row["dev"].startswith("OneTouch UltraEasy"):
            assert easy_frame(raw[2], raw[3:-3]) == raw
        elif row["dev"].startswith("TaiDoc"):
            assert taidoc_frame(raw[1], raw[2:6], raw[6]) == raw


@pytest.mark.parametrize("piece", [1, 3, 100])
def test_answers_are_found_among_noise_and_echoes(piece: int) -> None:
    faults = Faults()
    link = TaidocLink()
    answer = taidoc_frame(0x2B, struct.pack("<HH", 7, 0), 0xA5)
    wire = b"\x51\x00noise" + taidoc_frame(0x2B, bytes(4), 0xA3) + answer
    found = [one for at in range(0, len(wire), piece) for one in link.feed(wire[at : at + piece], faults)[0]]
    assert found == [b"\x2b\x07\x00\x00\x00"]
    assert link.bad


def test_a_repeated_answer_is_acknowledged_again_and_taken_once() -> None:
    link = UltraEasyLink()
    link.question(bytes.fromhex("050D02"))
    answer = easy_frame(2, bytes.fromhex("0506AA"))
    first, back = link.feed(easy_frame(6, b"") + answer, Faults())
    again, back_again = link.feed(answer, Faults())
    assert first == [bytes.fromhex("0506AA")] and again == []
    assert back == back_again == easy_frame(7, b"")


# --- meters that answer -----------------------------------------------------------------------------------------------


@dataclass
class Taidoc:
    """Answers as the document says."""

    now: str
    records: list[tuple[str, int, int]] = field(default_factory=list)
    """Newest first: time, mg/dL, meal."""
    asked: int = 0

    def hear(self, wire: bytes) -> bytes:
        out = b""
        for at in range(0, len(wire), 8):
            command, data = wire[at + 1], wire[at + 2 : at + 6]
            self.asked += 1
            out += taidoc_frame(command, self.answer(command, *struct.unpack("<HH", data)), 0xA5)
        return out

    def answer(self, command: int, index: int, _: int) -> bytes:
        if command == 0x24:
            return bytes.fromhex("77420000")
        if command == 0x23:
            return self.time(self.now)
        if command == 0x2B:
            return struct.pack("<HH", len(self.records), 6)
        if command == 0x25:
            return self.time(self.records[index][0])
        if command == 0x26:
            return struct.pack("<HBB", self.records[index][1], 6, self.records[index][2])
        return bytes(4)

    @staticmethod
    def time(text: str) -> bytes:
        at = datetime.fromisoformat(text)
        return struct.pack("<HBB", (at.year - 2000) << 9 | at.month << 5 | at.day, at.minute, at.hour)


@dataclass
class Easy:
    """Answers as LifeScan's specification says: an acknowledgement, then the answer, which wants one too."""

    now: str
    records: list[tuple[str, int, int]] = field(default_factory=list)
    asked: int = 0
    sent: int = 0
    expected: int = 0
    lose: int = 0
    """So many of the following answers are lost on the way."""

    def hear(self, wire: bytes) -> bytes:
        out = b""
        while wire:
            length = wire[1]
            one, wire = wire[:length], wire[length:]
            assert crc(one[:-2]) == one[-2:]
            link, message = one[2], one[3:-3]
            if link & 8:
                self.sent = self.expected = 0
                out += easy_frame(0x0C, b"")
            elif not link & 4:
                self.asked += 1
                if link & 1 == self.expected:
                    self.expected ^= 1
                    self.sent_now, self.sent = self.sent, self.sent ^ 1
                if self.lose:
                    self.lose -= 1
                    continue
                out += easy_frame(4 | self.expected << 1, b"")
                out += easy_frame(self.sent_now | self.expected << 1, self.answer(message))
        return out

    def answer(self, message: bytes) -> bytes:
        if message[1] == 0x0B:
            return b"\x05\x06C176SA0BR"
        if message[1] == 0x20:
            return b"\x05\x06" + struct.pack("<I", stamp(self.now) // 1000)
        (index,) = struct.unpack("<H", message[2:4])
        if index == 501:
            return b"\x05\x0f" + struct.pack("<H", len(self.records))
        at, mgdl, _ = self.records[index]
        return b"\x05\x06" + struct.pack("<II", stamp(at) // 1000, mgdl)


Meter = Taidoc | Easy


class Talk(LineBench):
    """A profile and a meter at a cable."""

    meter: Meter | None = None

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds * 20)):
            self.wait(50)
            out = b"".join(self.wrote)
            self.wrote.clear()
            if out and self.meter is not None:
                self.feed(self.meter.hear(out))


def talk(profile: Profile, meter: Meter | None, *devices: GearDevice) -> Talk:
    assert profile.stream is not None
    line = Talk(profile.stream({}), Book(devices or (METER,)))
    line.meter = meter
    return line


BOTH = pytest.mark.parametrize(
    ("profile", "kind"), [(TAIDOC_TD42XX, Taidoc), (ONETOUCH_ULTRAEASY, Easy)], ids=["taidoc", "lifescan"]
)
DAY = [("2026-03-04T18:30", 180, 0x80), ("2026-03-04T07:05", 99, 0x40), ("2026-03-03T19:00", 126, 0)]


@BOTH
def test_what_is_stored_is_told_once_in_mmol_and_in_the_gateways_time(profile: Profile, kind: type[Meter]) -> None:
    line = talk(profile, kind("2026-03-04T20:30", list(DAY)))
    line.run(10)
    assert sorted(line.metrics("glucose")) == [5.5, 7.0, 10.0]
    newest = next(said for said in line.said if said.metrics["glucose"] == 10.0)
    assert newest.events == ("measurement",) and newest.data["mgdl"] == 180
    assert newest.observed_at_ms is not None
    assert abs(newest.observed_at_ms - (START_MS + line.now_ms - 2 * 3_600_000)) < 15_000, "two hours ago"
    assert len({said.identity for said in line.said}) == 3
    line.run(130)
    assert len(line.said) == 3
    assert not line.faults


@BOTH
def test_a_new_measurement_is_told_at_the_next_look(profile: Profile, kind: type[Meter]) -> None:
    meter = kind("2026-03-04T20:30", list(DAY))
    line = talk(profile, meter)
    line.run(10)
    meter.records.insert(0, ("2026-03-04T20:40", 54, 0))
    meter.now = "2026-03-04T20:41"
    line.run(70)
    assert line.metrics("glucose")[3:] == [3.0]


@BOTH
def test_a_clock_that_is_years_wrong_does_not_matter(profile: Profile, kind: type[Meter]) -> None:
    line = talk(profile, kind("2009-01-01T00:20", [("2009-01-01T00:05", 90, 0)]))
    line.run(10)
    (said,) = line.said
    assert said.observed_at_ms is not None
    assert abs(START_MS + line.now_ms - said.observed_at_ms - 15 * 60_000) < 15_000


@BOTH
def test_what_is_too_old_to_be_known_as_told_is_left_out(profile: Profile, kind: type[Meter]) -> None:
    line = talk(profile, kind("2026-03-14T20:30", [("2026-03-14T07:00", 90, 0), *DAY]))
    line.run(10)
    assert line.metrics("glucose") == [5.0]


@BOTH
def test_the_same_measurement_has_the_same_identity_in_another_session(profile: Profile, kind: type[Meter]) -> None:
    first, second = (talk(profile, kind(now, list(DAY))) for now in ("2026-03-04T20:30", "2026-03-05T09:10"))
    first.run(10)
    second.run(10)
    assert {said.identity for said in first.said} == {said.identity for said in second.said}
    assert all(":" not in str(said.identity) for said in first.said)


@BOTH
def test_a_meter_that_is_plugged_in_later_is_found_within_seconds(profile: Profile, kind: type[Meter]) -> None:
    line = talk(profile, None)
    line.run(60)
    assert line.gear.good == 0
    line.meter = kind("2026-03-04T20:30", list(DAY))
    line.run(10)
    assert len(line.said) == 3


@BOTH
def test_pulled_in_the_middle_and_plugged_in_again(profile: Profile, kind: type[Meter]) -> None:
    meter = kind("2026-03-04T20:30", [(f"2026-03-04T{hour:02}:00", 100 + hour, 0) for hour in range(19, 0, -1)])
    line = talk(profile, meter)
    while len(line.said) < 5:
        line.run(0.1)
    line.meter = None
    line.run(20)
    told = len(line.said)
    assert told < 19
    line.meter = meter
    line.run(15)
    assert len({said.identity for said in line.said}) == 19


def test_a_lost_answer_is_asked_for_again_with_the_same_counter() -> None:
    meter = Easy("2026-03-04T20:30", list(DAY))
    line = talk(ONETOUCH_ULTRAEASY, meter)
    line.run(0.5)
    meter.lose = 1
    line.run(15)
    assert len(line.said) == 3 and not line.faults


@BOTH
def test_a_meter_nobody_registered_is_announced_and_read_once_somebody_did(profile: Profile, kind: type[Meter]) -> None:
    line = talk(profile, kind("2026-03-04T20:30", list(DAY)))
    line.book.devices.clear()
    line.run(100)
    assert line.announced == ["1"] and not line.said
    line.book.devices.append(METER)
    line.run(100)
    assert len(line.said) == 3


@BOTH
def test_an_answer_to_something_else_ends_the_conversation_and_is_told(profile: Profile, kind: type[Meter]) -> None:
    class Confusing(kind):  # type: ignore[misc, valid-type] # one of two classes
        def answer(self, *args: object) -> bytes:
            return b"\x77\x99\x99\x99"

    line = talk(profile, Confusing("2026-03-04T20:30", list(DAY)))
    line.run(20)
    assert not line.said
    assert line.faults and {fault.reason for fault in line.faults} == {"malformed"}


def test_wrong_options_are_named() -> None:
    for profile in (TAIDOC_TD42XX, ONETOUCH_ULTRAEASY):
        assert profile.stream is not None
        with pytest.raises(ValueError, match="every_s"):
            profile.stream({"every_s": "1"})
