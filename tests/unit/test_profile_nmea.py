"""Satellite receivers: positions, lost positions, talkers, dates, and sentences that are none."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from devices.gear.messages import GearDevice
from devices.profiles.nmea import NMEA, Malformed, Nmea, checked, gga, rmc
from tests.support.gear import Book
from tests.support.lines import LineBench

CAR = GearDevice(id="car-1", kind="tracker", address="1")

# gpsd, "NMEA Revealed", the examples of GGA and RMC; the checksums are theirs.
GGA_EXAMPLE = b"$GNGGA,001043.00,4404.14036,N,12118.85961,W,1,12,0.98,1113.0,M,-21.3,M,,*47"
RMC_EXAMPLE = b"$GNRMC,001031.00,A,4404.13993,N,12118.86023,W,0.146,,100117,,,A*7B"
VTG_EXAMPLE = b"$GPVTG,220.86,T,,M,2.550,N,4.724,K,A*34"
GSA_EXAMPLE = b"$GNGSA,A,3,80,71,73,79,69,,,,,,,,1.83,1.09,1.47*17"


def sentence(body: str) -> bytes:
    check = 0
    for byte in body.encode():
        check ^= byte
    return f"${body}*{check:02X}\r\n".encode()


def epoch(
    second: int, *, talker: str = "GN", valid: bool = True, day: str = "050326", minutes: float = 54.1234
) -> bytes:
    """One second of a receiver in Beijing that drives east."""
    clock = f"08{second // 60 % 60:02}{second % 60:02}.00"
    east = f"11627.{round(5000 + second * 3):04}"
    if not valid:
        return sentence(f"{talker}RMC,{clock},V,,,,,,,{day},,,N") + sentence(
            f"{talker}GGA,{clock},,,,,0,00,99.99,,,,,,"
        )
    return sentence(f"{talker}RMC,{clock},A,39{minutes:07.4f},N,{east},E,19.44,090.1,{day},,,A") + sentence(
        f"{talker}GGA,{clock},39{minutes:07.4f},N,{east},E,1,09,0.9,44.1,M,-9.0,M,,"
    )


def bench(**options: str) -> LineBench:
    return LineBench(Nmea(options), Book([CAR]))


def drive(line: LineBench, start: int, count: int, *, piece: int | None = None, **how: object) -> None:
    for second in range(start, start + count):
        line.feed(epoch(second, **how), after_ms=1000, piece=piece)  # type: ignore[arg-type] # passed on


def test_published_sentences() -> None:
    fields = checked(GGA_EXAMPLE)
    assert fields is not None
    fix = gga(fields)
    assert fix.valid and fix.latitude == pytest.approx(44.0690060) and fix.longitude == pytest.approx(-121.3143268)
    assert (fix.satellites, fix.hdop, fix.altitude) == (12, 0.98, 1113.0)
    fields = checked(RMC_EXAMPLE)
    assert fields is not None
    fix = rmc(fields)
    assert fix.at_ms == round(datetime(2017, 1, 10, 0, 10, 31, tzinfo=UTC).timestamp() * 1000)
    assert fix.speed == pytest.approx(0.27, abs=0.001) and fix.course is None
    for example in (VTG_EXAMPLE, GSA_EXAMPLE):
        assert checked(example) is not None


@pytest.mark.parametrize("talker", ["GN", "GP", "BD", "GB", "GL", "GA"])
@pytest.mark.parametrize("piece", [None, 1, 13])
def test_a_drive(talker: str, piece: int | None) -> None:
    line = bench(every_s="10")
    drive(line, 0, 31, talker=talker, piece=piece)
    assert line.gear.bad == 0
    assert line.metrics("fix") == [1, 1, 1, 1]
    last = line.said[-1]
    assert last.metrics["latitude"] == pytest.approx(39 + 54.1234 / 60)
    assert last.metrics["longitude"] == pytest.approx(116 + 27.5 / 60, abs=0.001)
    assert last.metrics["speed"] == pytest.approx(36, abs=0.01)
    assert last.metrics["course"] == 90.1 and last.metrics["altitude"] == 44.1 and last.metrics["satellites"] == 9
    assert last.observed_at_ms is not None
    at = datetime.fromtimestamp(last.observed_at_ms / 1000, UTC)
    assert (at.year, at.month, at.day, at.hour) == (2026, 3, 5, 8) and 28 <= at.second <= 30


def test_in_a_tunnel_the_position_is_lost_after_five_seconds_and_found_at_once() -> None:
    line = bench()
    drive(line, 0, 12)
    drive(line, 12, 4, valid=False)
    assert set(line.metrics("fix")) == {1}, "a bridge is no tunnel"
    drive(line, 16, 10, valid=False)
    assert line.metrics("fix")[-1] == 0
    lost = next(said for said in line.said if said.metrics["fix"] == 0)
    assert lost.metrics == {"fix": 0}, "the last position is not the position"
    before = len(line.said)
    drive(line, 26, 1)
    assert line.said[before:][-1].metrics["fix"] == 1, "said at once"


def test_of_a_receiver_that_is_silent_the_position_is_lost_once() -> None:
    line = bench()
    drive(line, 0, 5)
    line.wait(120_000)
    assert line.metrics("fix") == [1, 0]


def test_before_the_first_fix_nobody_is_at_null_island() -> None:
    line = bench()
    for second in range(12):
        body = f"GPRMC,0800{second:02}.00,A,0000.0000,N,00000.0000,E,0.0,,050326,,,A"
        line.feed(sentence(body), after_ms=1000)
    assert set(line.metrics("fix")) == {0} and not line.metrics("latitude")


def test_south_and_west_are_negative() -> None:
    fields = checked(sentence("GPGGA,080000,3351.0000,S,15112.0000,W,1,05,1.0,,M,,M,,").strip())
    assert fields is not None
    fix = gga(fields)
    assert (fix.latitude, fix.longitude, fix.altitude) == (pytest.approx(-33.85), pytest.approx(-151.2), None)


@pytest.mark.parametrize(
    "body",
    [
        "GPRMC,080000,A,3960.0000,N,11627.0000,E,1.0,,050326,,,A",
        "GPRMC,080000,A,9100.0000,N,11627.0000,E,1.0,,050326,,,A",
        "GPRMC,080000,A,3954.1234,X,11627.0000,E,1.0,,050326,,,A",
        "GPRMC,080000,A,3954.1234,N,11627.0000,E,nan,,050326,,,A",
        "GPRMC,080000,A,3954.1234,N,11627.0000,E,1e9,,050326,,,A",
        "GPRMC,246000,A,3954.1234,N,11627.0000,E,1.0,,050326,,,A",
        "GPRMC,080000,A,3954.1234,N,11627.0000,E,1.0,,320226,,,A",
        "GPRMC,080000,A",
    ],
)
def test_a_sentence_whose_checksum_is_right_may_still_be_none(body: str) -> None:
    fields = checked(sentence(body).strip())
    assert fields is not None
    with pytest.raises(Malformed):
        rmc(fields)
    line = bench()
    line.feed(sentence(body))
    line.wait(11_000)
    assert line.gear.bad == 1 and not line.metrics("latitude")
    assert [fault.reason for fault in line.faults] == ["malformed"]


@pytest.mark.parametrize(
    "line",
    [
        GGA_EXAMPLE[:-1] + b"8",
        GGA_EXAMPLE.replace(b"44", b"45"),
        GGA_EXAMPLE[: GGA_EXAMPLE.index(b"*")],
        b"GNGGA,001043.00*47",
        b"$",
        b"$*",
        b"\xff$GP\xff*00",
    ],
)
def test_without_a_right_checksum_it_is_no_sentence(line: bytes) -> None:
    assert checked(line) is None


def test_a_leap_second_and_a_receiver_without_a_date() -> None:
    fields = checked(sentence("GPRMC,235960.00,A,3954.1234,N,11627.0000,E,1.0,,311216,,,A").strip())
    assert fields is not None
    assert rmc(fields).at_ms is not None
    fields = checked(sentence("GPRMC,080000.00,A,3954.1234,N,11627.0000,E,1.0,,,,,A").strip())
    assert fields is not None
    assert rmc(fields).at_ms is None


def test_what_was_said_long_ago_does_not_stand_beside_a_new_position() -> None:
    line = bench()
    drive(line, 0, 11)
    for second in range(11, 25):
        body = f"GPRMC,0800{second:02}.00,A,3954.1234,N,11627.0000,E,,,050326,,,A"
        line.feed(sentence(body), after_ms=1000)
    assert line.said[-1].metrics.keys() == {"fix", "latitude", "longitude"}


def test_wrong_options_are_named() -> None:
    assert NMEA.stream is not None
    assert NMEA.stream({"baud": "4800"}).setting.baud == 4800
    for options in ({"baud": "fast"}, {"every_s": "0"}):
        with pytest.raises(ValueError, match=next(iter(options))):
            NMEA.stream(options)
