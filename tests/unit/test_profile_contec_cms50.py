"""Contec's finger oximeter: both formats, and what it shows when there is no finger in it."""

from __future__ import annotations

import pytest

from devices.gear.messages import GearDevice
from devices.profiles.contec_cms50 import CONTEC_CMS50, KEEP_ALIVE, NEW, OLD, START, Cms50
from devices.profiles.contec_frames import decode_new, decode_old
from tests.support.gear import START_MS, Book
from tests.support.lines import LineBench

OXIMETER = GearDevice(id="spo2-1", kind="vitals_monitor", address="1")

# A frame of a real CMS50D+ with firmware 4.6, recorded at 115,200 baud: 60 /min, 99 %, without a perfusion index.
RECORDED = bytes.fromhex("01E0849392BCE3FFFF")
# By the maker's "Communication protocol of pulse oximeter V7.0", table 3: probe error; no value in pulse, SpO2 and PI.
NO_FINGER = bytes.fromhex("01E9808080FFFFFFFF")
SEARCHING = bytes.fromhex("01EA848080FFFFFFFF")
PERFUSED = bytes.fromhex("0180849392BCE3A880")
# The older format, after the maker's sheet: 72 /min, 97 %; and a pulse of 137, whose bit 7 is in the third byte.
OLD_FRAME = bytes((0x84, 0x40, 0x08, 72, 97))
OLD_FAST = bytes((0x84, 0x40, 0x48, 137 - 128, 97))
OLD_NO_FINGER = bytes((0x90, 0x00, 0x40, 0x7F, 0x7F))


def bench(variant: str = "new", **options: str) -> LineBench:
    return LineBench(Cms50({"variant": variant, **options}), Book([OXIMETER]))


def stream(line: LineBench, frame: bytes, seconds: float, *, piece: int | None = None) -> None:
    """Sixty frames a second, three at a time."""
    for _ in range(round(seconds * 20)):
        line.feed(frame * 3, after_ms=50, piece=piece)


def test_the_recorded_frame_is_60_beats_and_99_per_cent() -> None:
    sample = decode_new(RECORDED)
    assert sample is not None
    assert (sample.pulse, sample.spo2, sample.perfusion, sample.signal, sample.wave) == (60, 99, None, 4, 19)
    assert not (sample.probe_off or sample.searching or sample.dropping)


def test_the_second_byte_is_the_high_bits_of_the_next_seven_and_no_status() -> None:
    fast = bytearray(RECORDED)
    fast[1] |= 1 << 3  # bit 7 of the pulse: 0x3C becomes 0xBC
    sample = decode_new(bytes(fast))
    assert sample is not None
    assert (sample.pulse, sample.spo2) == (188, 99)


def test_perfusion_is_in_tenths_of_a_per_cent() -> None:
    sample = decode_new(PERFUSED)
    assert sample is not None
    assert sample.perfusion == pytest.approx(4.0)


@pytest.mark.parametrize("frame", [NO_FINGER, SEARCHING], ids=["no finger", "searching"])
def test_the_words_for_no_value_are_no_numbers(frame: bytes) -> None:
    sample = decode_new(frame)
    assert sample is not None
    assert (sample.pulse, sample.spo2, sample.perfusion) == (None, None, None)
    assert (sample.probe_off, sample.searching) == (frame is NO_FINGER, frame is SEARCHING)


def test_the_older_format() -> None:
    slow, fast, off = decode_old(OLD_FRAME), decode_old(OLD_FAST), decode_old(OLD_NO_FINGER)
    assert slow is not None and fast is not None and off is not None
    assert (slow.pulse, slow.spo2, slow.wave, slow.probe_off) == (72, 97, 64, False)
    assert fast.pulse == 137
    assert (off.pulse, off.spo2, off.probe_off) == (None, None, True)


def test_zeros_are_no_dying_patient() -> None:
    line = bench("old")
    stream(line, bytes((0x80, 0, 0, 0, 0)), 12)
    assert line.metrics("probe_off") and not line.metrics("pulse") and not line.metrics("spo2")


@pytest.mark.parametrize(("variant", "frame", "pulse", "spo2"), [("new", RECORDED, 60, 99), ("old", OLD_FRAME, 72, 97)])
@pytest.mark.parametrize("piece", [None, 1, 7])
def test_a_report_every_five_seconds(variant: str, frame: bytes, pulse: int, spo2: int, piece: int | None) -> None:
    line = bench(variant)
    stream(line, frame, 21, piece=piece)
    assert line.metrics("pulse") == [pulse] * 4
    assert line.metrics("spo2") == [spo2] * 4
    assert line.metrics("signal_quality") == [50] * 4
    assert line.gear.good == 21 * 60 and line.gear.bad == 0
    assert not line.faults


def test_a_turned_bit_does_not_move_the_median() -> None:
    line = bench("old")
    turned = bytes((0x84, 0x40, 0x48, 72, 97))
    for _ in range(120):
        line.feed(OLD_FRAME * 2 + turned, after_ms=50)
    assert line.metrics("pulse") == [72]


def test_the_finger_taken_out_is_said_at_once_and_its_last_numbers_are_not() -> None:
    line = bench()
    stream(line, RECORDED, 3)
    line.feed(NO_FINGER * 2)
    assert line.metrics("probe_off") == [0.0], "two frames may be noise"
    line.feed(NO_FINGER)
    assert line.metrics("probe_off") == [0.0, 1.0]
    stream(line, NO_FINGER, 6)
    assert set(line.metrics("probe_off")[1:]) == {1.0}
    assert line.metrics("pulse") == [], "three seconds with a finger and five without: no numbers"
    line.feed(RECORDED * 3)
    assert line.metrics("probe_off")[-1] == 0.0


def test_searching_is_said_beside_the_report() -> None:
    line = bench()
    stream(line, SEARCHING, 7)
    report = line.said[-1]
    assert report.data == {"searching": True}
    assert "pulse" not in report.metrics


def test_started_kept_alive_and_started_again_after_a_silence() -> None:
    line = bench()
    line.wait(1)
    assert line.wrote == [START]
    stream(line, RECORDED, 11)
    assert line.wrote[1:] == [KEEP_ALIVE] * 2
    line.wait(2001)
    assert line.wrote[3:] == [START]


def test_the_older_one_is_told_nothing() -> None:
    line = bench("old")
    line.wait(20_000)
    assert line.wrote == [] and line.gear.setting == OLD


def test_automatic_both_formats_are_tried_in_turn_until_one_speaks() -> None:
    line = bench("auto")
    line.wait(3_999)
    assert line.gear.setting == NEW
    line.wait(1)
    assert line.gear.setting == OLD
    line.wait(4_000)
    assert line.gear.setting == NEW
    line.wait(4_000)
    stream(line, OLD_FRAME, 12)
    assert line.gear.setting == OLD
    assert line.metrics("pulse") == [72, 72]


def test_few_frames_that_look_right_are_not_enough_to_choose_a_format() -> None:
    line = bench("auto")
    line.feed(RECORDED * 9)
    line.feed(b"\x01\x80")
    line.feed(RECORDED * 9)
    line.wait(4_000)
    assert line.gear.setting == OLD and not line.said


def test_a_strip_of_the_pulse_wave_every_minute_whole_and_in_its_own_time() -> None:
    line = bench(pleth_s="10")
    stream(line, RECORDED, 80)
    strips = [said for said in line.said if said.waveform is not None]
    assert len(strips) == 2
    first, next_one = strips
    assert first.waveform is not None and first.waveform.rate_hz == 60
    assert len(first.waveform.samples) == 600
    assert first.waveform.samples[0] == pytest.approx(19 * 100 / 127, abs=0.05)
    assert first.observed_at_ms is not None and next_one.observed_at_ms is not None
    assert next_one.observed_at_ms - first.observed_at_ms == pytest.approx(60_000, abs=1000)
    assert first.observed_at_ms < START_MS + line.now_ms


def test_a_frame_that_the_oximeter_cannot_mean_is_a_fault_and_is_told_with_measure() -> None:
    line = bench()
    impossible = bytes.fromhex("01E0849392BCF0FFFF")  # SpO2 112 %
    for _ in range(30):
        line.feed(impossible * 10, after_ms=1000)
    assert line.gear.bad == 300
    assert [fault.reason for fault in line.faults] == ["malformed"]
    assert "variant" in line.faults[0].hint


def test_an_oximeter_nobody_registered_is_announced_once() -> None:
    line = LineBench(Cms50({"variant": "new"}), Book([]))
    stream(line, RECORDED, 5)
    assert line.announced == ["1"] and not line.said


@pytest.mark.parametrize(
    ("options", "named"),
    [({"variant": "newest"}, "variant"), ({"every_s": "0"}, "every_s"), ({"pleth_s": "long"}, "pleth_s")],
)
def test_a_wrong_option_is_named(options: dict[str, str], named: str) -> None:
    assert CONTEC_CMS50.stream is not None
    with pytest.raises(ValueError, match=named):
        CONTEC_CMS50.stream(options)
