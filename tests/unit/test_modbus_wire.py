"""Modbus RTU on the wire: literal frames of makers' documents, and every sort of rubbish around them."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.gear.profile import SerialSetting
from devices.profiles.modbus.query import Answer, Excepted, Failure, NoAnswer, Query, Words, Written
from firmware_sim.gear.modbus import crc
from gateway.transports.modbus_wire import (
    BUFFER_MOST,
    AnswerReader,
    answer_bytes,
    character_ms,
    frame,
    gap_ms,
    good_crc,
)
from tests.support.recordings import recording

VOLTS = Query(slave=1, function=4, address=0, count=2)
RELAY = Query(slave=1, function=5, address=0, values=(1,))
# Eastron, "SDM320Y User Manual" V1.0, page 42: 230.2 V.
VOLTS_ANSWER = bytes.fromhex("010404436633341B38")
# Modbus Application Protocol V1.1b3, 6.3: registers 108 to 110 of slave 17 (checksums computed).
OTHER_SLAVE = bytes.fromhex("110306022B00000064C8BA")


@pytest.mark.parametrize(
    ("query", "wire"),
    [
        # Eastron, SDM320Y User Manual V1.0, page 42: a holding register read, two written.
        (Query(slave=1, function=3, address=0x0C, count=2), "0103000C00020408"),
        (Query(slave=1, function=16, address=0x16, values=(0x3F80, 0)), "011000160002043F8000007F75"),
        # Waveshare wiki, Modbus RTU Relay: relay 0 on, off; the state of all; XY-MD02's sheet: both values.
        (RELAY, "01050000FF008C3A"),
        (Query(slave=1, function=5, address=0, values=(0,)), "010500000000CDCA"),
        (Query(slave=1, function=1, address=0, count=8), "0101000000083DCC"),
        (Query(slave=1, function=4, address=1, count=2), "010400010002200B"),
        # Modbus over Serial Line and the application protocol, 6.6: register 2 set to 3.
        (Query(slave=17, function=6, address=1, values=(3,)), "1106000100039A9B"),
    ],
)
def test_requests_of_the_makers_documents(query: Query, wire: str) -> None:
    assert frame(query) == bytes.fromhex(wire)


@pytest.mark.parametrize(
    ("query", "wire", "answer"),
    [
        (VOLTS, VOLTS_ANSWER.hex(), Words((0x4366, 0x3334))),
        (Query(slave=1, function=3, address=0x0C, count=2), "01030442C800006FB5", Words((0x42C8, 0))),
        (Query(slave=1, function=4, address=1, count=2), "010404013102222ACE", Words((305, 546))),
        # Waveshare wiki, Modbus RTU Relay: relay 0 is on; and relays 0 and 6 (checksum computed).
        (Query(slave=1, function=1, address=0, count=8), "010101019048", Words((1, 0, 0, 0, 0, 0, 0, 0))),
        (Query(slave=1, function=1, address=0, count=8), "0101014191B8", Words((1, 0, 0, 0, 0, 0, 1, 0))),
        (RELAY, "01050000FF008C3A", Written()),
        (Query(slave=1, function=16, address=0x16, values=(0x3F80, 0)), "011000160002A00C", Written()),
        (VOLTS, "018402C2C1", Excepted(2)),
    ],
)
@pytest.mark.parametrize("piece", [1, 3, 300])
def test_answers_in_any_pieces(query: Query, wire: str, answer: Answer, piece: int) -> None:
    data = bytes.fromhex(wire)
    assert good_crc(data), data.hex()
    reader = AnswerReader(query, echoes=False)
    found = [reader.feed(data[at : at + piece]) for at in range(0, len(data), piece)]
    assert found[-1] == answer
    assert all(one is None for one in found[:-1])


def test_a_wrong_checksum_is_no_answer() -> None:
    for place in range(len(VOLTS_ANSWER)):
        for bit in range(8):
            wrong = bytearray(VOLTS_ANSWER)
            wrong[place] ^= 1 << bit
            reader = AnswerReader(VOLTS, echoes=False)
            assert reader.feed(bytes(wrong)) is None, (place, bit)
            assert reader.time_is_up().failure is Failure.DAMAGED


@pytest.mark.parametrize(
    "before",
    [b"\x00", b"\xff\x01\x04\x04", b"\x01\x04\x04\x43\x66", bytes(300), VOLTS_ANSWER[:-1]],
    ids=["a null", "half a header", "half an answer", "300 nulls", "all but the last byte"],
)
def test_noise_before_and_after_the_answer(before: bytes) -> None:
    reader = AnswerReader(VOLTS, echoes=False)
    assert reader.feed(before + VOLTS_ANSWER + b"\x00\x00") == Words((0x4366, 0x3334))


def test_the_echo_glued_to_the_answer() -> None:
    reader = AnswerReader(VOLTS, echoes=False)
    assert reader.feed(frame(VOLTS) + VOLTS_ANSWER) == Words((0x4366, 0x3334))
    assert reader.echoed


def test_an_echo_that_looks_like_an_answer_is_none() -> None:
    """Bits at 0x0300 and following, 20 of them: the request, heard again, is a whole and good answer of three bytes."""
    query = Query(slave=1, function=1, address=0x0300, count=20)
    reader = AnswerReader(query, echoes=False)
    assert reader.feed(frame(query)) is None
    assert reader.time_is_up() == NoAnswer(Failure.SILENT)


def test_the_echo_alone_is_silence() -> None:
    reader = AnswerReader(VOLTS, echoes=True)
    assert reader.feed(frame(VOLTS)) is None
    assert reader.time_is_up() == NoAnswer(Failure.SILENT)


def test_on_a_line_that_echoes_one_copy_of_a_write_confirms_nothing() -> None:
    reader = AnswerReader(RELAY, echoes=True)
    assert reader.feed(frame(RELAY)) is None
    assert reader.feed(frame(RELAY)) == Written()
    assert AnswerReader(RELAY, echoes=False).feed(frame(RELAY)) == Written()


def test_the_answer_of_another_slave_is_passed_over_and_named() -> None:
    reader = AnswerReader(VOLTS, echoes=False)
    assert reader.feed(OTHER_SLAVE) is None
    outcome = reader.time_is_up()
    assert outcome.failure is Failure.STRANGE
    assert "slave 17" in outcome.detail
    assert reader.feed(VOLTS_ANSWER) == Words((0x4366, 0x3334))


def test_an_answer_to_another_question_is_none() -> None:
    four = Query(slave=1, function=4, address=0, count=4)
    reader = AnswerReader(four, echoes=False)
    assert reader.feed(VOLTS_ANSWER) is None
    assert AnswerReader(Query(slave=1, function=3, address=0, count=2), echoes=False).feed(VOLTS_ANSWER) is None
    other = Query(slave=1, function=5, address=1, values=(1,))
    assert AnswerReader(other, echoes=False).feed(frame(RELAY)) is None


def test_a_damaged_answer_is_known_as_one_before_the_time_is_up() -> None:
    reader = AnswerReader(VOLTS, echoes=False)
    reader.feed(VOLTS_ANSWER[:-1])
    assert not reader.spoilt
    reader.feed(b"\x00")
    assert reader.spoilt


@pytest.mark.parametrize(
    ("wire", "good"),
    [
        ("0103 0000 0001 840A", True),
        # Typed by hand in a report of a fault, with a wrong checksum.
        ("0103 0000 0001 C0A1", False),
        # 1.0 and 2.5 in two pairs of registers.
        ("0103 08 3F80 0000 4020 0000 4341", True),
    ],
)
def test_checksums(wire: str, good: bool) -> None:
    assert good_crc(bytes.fromhex(wire)) is good


def test_recorded_frames() -> None:
    """What users of other masters showed of their lines: checksums right and wrong, and long answers."""
    for row in recording("modbus_rtu_traces/frames.json") or ():
        raw = bytes.fromhex(row["hex"])
        assert good_crc(raw) is row["crc_ok"], row
        if "reply" in row["source"] and row["crc_ok"]:
            query = Query(slave=raw[0], function=raw[1], address=0, count=raw[2] // 2)
            answer = AnswerReader(query, echoes=False).feed(raw)
            assert isinstance(answer, Words) and len(answer.values) == query.count
            assert answer.values[0] == int.from_bytes(raw[3:5], "big")


@given(data=st.lists(st.binary(max_size=300), max_size=12), echoes=st.booleans())
@settings(deadline=None)
def test_no_bytes_make_it_raise_or_grow(data: list[bytes], echoes: bool) -> None:
    for query in (VOLTS, RELAY, Query(slave=3, function=2, address=7, count=9)):
        reader = AnswerReader(query, echoes=echoes)
        for piece in data:
            answer = reader.feed(piece)
            assert answer is None or isinstance(answer, Words | Written | Excepted)
            assert len(reader._buffer) <= BUFFER_MOST
        assert isinstance(reader.time_is_up(), NoAnswer)


@given(
    function=st.sampled_from((1, 2, 3, 4)),
    count=st.integers(1, 60),
    slave=st.integers(1, 247),
    noise=st.binary(max_size=40),
    words=st.data(),
)
@settings(deadline=None)
def test_what_was_asked_for_is_what_comes_out(
    function: int, count: int, slave: int, noise: bytes, words: st.DataObject
) -> None:
    query = Query(slave=slave, function=function, address=5, count=count)
    most = 1 if function <= 2 else 0xFFFF
    values = tuple(words.draw(st.lists(st.integers(0, most), min_size=count, max_size=count)))
    if function <= 2:
        body = bytearray((count + 7) // 8)
        for place, bit in enumerate(values):
            body[place // 8] |= bit << place % 8
    else:
        body = bytearray(b"".join(value.to_bytes(2, "big") for value in values))
    answer = bytes((slave, function, len(body))) + bytes(body)
    answer += crc(answer)
    assert len(answer) == answer_bytes(query)
    assert AnswerReader(query, echoes=False).feed(noise + answer) == Words(values)


def test_the_gap_between_frames_is_three_and_a_half_characters() -> None:
    settings = [SerialSetting(baud=baud) for baud in (1200, 2400, 9600, 19_200, 38_400)]
    assert character_ms(SerialSetting(baud=9600, parity="E")) == pytest.approx(11 / 9.6)
    assert gap_ms(settings[2]) == pytest.approx(3.65, abs=0.01)
    assert gap_ms(settings[4]) == 1.75
    assert all(gap_ms(slow) > gap_ms(fast) for slow, fast in pairwise(settings))
