"""The frame codec: whatever arrives, a whole frame is found, an error says what was wrong, and nothing grows."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.observation import Channel
from devices.serial_codec import FrameReader, crc16, encode, pack, wrap
from devices.serial_frames import (
    MAX_DEVICE_BYTES,
    MAX_FRAME_BYTES,
    MAX_PAYLOAD_BYTES,
    READ_LIMIT_BYTES,
    Ack,
    CommandAck,
    CommandFrame,
    CommandStatus,
    Data,
    Fault,
    Frame,
    FrameError,
    Header,
    Hello,
    HelloAck,
    Nak,
    NakReason,
    Ping,
    Pong,
)

u32 = st.integers(0, 2**32 - 1)
boots = st.integers(1, 2**32 - 1)
names = st.text(min_size=1, max_size=MAX_DEVICE_BYTES).filter(
    lambda text: len(text.encode(errors="replace")) <= MAX_DEVICE_BYTES and text.isprintable()
)
payloads = st.one_of(st.binary(max_size=600), st.just(b"\x00" * MAX_PAYLOAD_BYTES), st.just(b"\xff" * 600))
frames: st.SearchStrategy[Frame] = st.one_of(
    st.builds(Hello, boot=boots, seq=u32, depth=u32, firmware=names),
    st.builds(HelloAck, boot=u32, seq=u32),
    st.builds(Data, boot=boots, seq=u32, channel=st.sampled_from(Channel), device=names, payload=payloads),
    st.builds(Ack, boot=u32, seq=u32),
    st.builds(Nak, boot=u32, seq=u32, reason=st.sampled_from(NakReason)),
    st.builds(CommandFrame, boot=u32, seq=u32, device=names, payload=payloads),
    st.builds(CommandAck, boot=u32, seq=u32, status=st.sampled_from(CommandStatus)),
    st.builds(Ping, boot=u32, seq=u32),
    st.builds(Pong, boot=u32, seq=u32),
)
garbage = st.binary(max_size=200)
PRESS = Data(boot=7, seq=1, channel=Channel.EVENT, device="sos-1", payload=b"\x81\xa1v\x01")


def textbook_crc(data: bytes) -> int:
    register = 0xFFFF
    for byte in data:
        register ^= byte << 8
        for _ in range(8):
            register = (register << 1) ^ 0x1021 if register & 0x8000 else register << 1
            register &= 0xFFFF
    return register ^ 0xFFFF


def textbook_unstuff(stuffed: bytes) -> bytes:
    out, at = bytearray(), 0
    while at < len(stuffed):
        code = stuffed[at]
        out += stuffed[at + 1 : at + code]
        at += code
        if code < 255 and at < len(stuffed):
            out.append(0)
    return bytes(out)


def test_the_check_value_of_the_crc() -> None:
    assert crc16(b"123456789") == textbook_crc(b"123456789") == 0xD64E


@given(st.binary(max_size=300))
def test_the_crc_is_the_textbook_one(data: bytes) -> None:
    assert crc16(data) == textbook_crc(data)


@given(frames)
def test_round_trip_and_form(frame: Frame) -> None:
    wire = encode(frame)
    assert wire[0] == wire[-1] == 0
    assert 0 not in wire[1:-1]
    raw = textbook_unstuff(wire[1:-1])
    assert raw[:-2] == pack(frame)
    assert textbook_crc(raw[:-2]) == int.from_bytes(raw[-2:], "big")
    assert len(raw) <= MAX_FRAME_BYTES
    reader = FrameReader()
    assert reader.feed(wire) == [frame]
    assert (reader.good, reader.bad.total()) == (1, 0)


@given(st.lists(frames, max_size=5), st.lists(st.integers(1, 80), max_size=60))
def test_split_at_any_byte(sent: list[Frame], cuts: list[int]) -> None:
    wire = b"".join(map(encode, sent))
    reader = FrameReader()
    found: list[Frame | FrameError] = []
    for cut in cuts:
        found += reader.feed(wire[:cut])
        wire = wire[cut:]
    found += reader.feed(wire)
    assert found == sent


@given(st.lists(frames, max_size=3))
def test_byte_by_byte(sent: list[Frame]) -> None:
    reader = FrameReader()
    assert [found for byte in b"".join(map(encode, sent)) for found in reader.feed(bytes((byte,)))] == sent


@given(st.lists(st.tuples(garbage, frames), max_size=5), garbage)
def test_garbage_never_loses_a_later_frame(mixed: list[tuple[bytes, Frame]], tail: bytes) -> None:
    found = FrameReader().feed(b"".join(noise + encode(frame) for noise, frame in mixed) + tail)
    assert [frame for frame in found if not isinstance(frame, FrameError)] == [frame for _, frame in mixed]


@given(frames, st.data())
def test_half_a_frame_never_loses_the_next(frame: Frame, data: st.DataObject) -> None:
    wire = encode(frame)
    half = wire[: data.draw(st.integers(1, len(wire) - 1))]
    found = FrameReader().feed(half + encode(PRESS))
    assert found[-1] == PRESS
    assert len(found) <= 2
    if len(found) == 2:  # only the closing delimiter was missing, and that of the next frame served
        assert isinstance(found[0], FrameError) or half == wire[:-1]


@settings(derandomize=True)  # one error in 65,536 passes any CRC-16, and a test must not depend on luck
@given(frames, st.data())
def test_a_turned_bit_makes_no_other_frame(frame: Frame, data: st.DataObject) -> None:
    """Delimiters too: with a CRC that is not inverted, 01 for the closing 00 made a good frame one byte longer."""
    wire = bytearray(encode(frame))
    wire[data.draw(st.integers(0, len(wire) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    found = FrameReader().feed(encode(PRESS) + bytes(wire) + encode(PRESS))
    assert found[0] == found[-1] == PRESS
    assert all(isinstance(one, FrameError) for one in found[1:-1])


def test_a_turned_bit_anywhere_in_a_press_is_found() -> None:
    wire = encode(PRESS)
    for at in range(len(wire)):
        for bit in range(8):
            bad = wire[:at] + bytes((wire[at] ^ 1 << bit,)) + wire[at + 1 :]
            found = FrameReader().feed(encode(PRESS) + bad + encode(PRESS))
            assert found[0] == found[-1] == PRESS
            assert [one for one in found[1:-1] if not isinstance(one, FrameError)] == []


@given(st.lists(st.binary(max_size=400), max_size=20))
def test_nothing_but_frames_and_errors_comes_of_anything(chunks: list[bytes]) -> None:
    reader = FrameReader()
    errors = 0
    for chunk in chunks:
        for found in reader.feed(chunk):
            assert isinstance(found, FrameError | Frame)
            errors += isinstance(found, FrameError)
            if isinstance(found, FrameError):
                assert str(found).startswith(found.fault.value)
    assert errors == reader.bad.total()


@given(st.integers(0, 255), st.integers(0, 255), st.binary(max_size=90))
def test_any_body_under_a_good_crc_is_a_frame_or_a_typed_error(version: int, kind: int, body: bytes) -> None:
    header = bytes((version, kind)) + b"\x00\x00\x00\x07\x00\x00\x00\x2a"
    (found,) = FrameReader().feed(wrap(header + body))
    if isinstance(found, FrameError):
        assert found.fault in (Fault.BAD_VERSION, Fault.UNKNOWN_TYPE, Fault.MALFORMED)
        assert found.header == Header(version, kind, 7, 42)
    else:
        assert (found.boot, found.seq) == (7, 42)
        assert encode(found) == wrap(header + body)


def test_a_stream_without_delimiters_does_not_grow() -> None:
    reader = FrameReader()
    chunk = b"\x55" * 4096
    tracemalloc.start()
    for _ in range(1000):
        reader.feed(chunk)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * READ_LIMIT_BYTES
    assert reader.bad == {Fault.OVERSIZE: 1}
    assert reader.feed(encode(PRESS)) == [PRESS]


HEAD = b"\x00\x00\x00\x07\x00\x00\x00\x2a"


@pytest.mark.parametrize(
    ("wire", "fault", "words"),
    [
        (b"\x00\x09\x01\x00", Fault.BAD_COBS, "not enough"),
        (b"\x00\x04\x01\x02\x03\x00", Fault.TRUNCATED, "3 bytes"),
        (b"\x00" + bytes(encode(PRESS)[1:-2]) + b"\x01\x00", Fault.CRC, "carry CRC"),
        (wrap(b"\x02\x03" + HEAD), Fault.BAD_VERSION, "version 2"),
        (wrap(b"\x01\x7f" + HEAD), Fault.UNKNOWN_TYPE, "0x7F"),
        (wrap(b"\x01\x03" + HEAD), Fault.MALFORMED, "channel missing"),
        (wrap(b"\x01\x03" + HEAD + b"\x09\x01a"), Fault.MALFORMED, "channel 09"),
        (wrap(b"\x01\x03" + HEAD + b"\x01\x00"), Fault.MALFORMED, "device of 0 bytes"),
        (wrap(b"\x01\x03" + HEAD + b"\x01\x05abc"), Fault.MALFORMED, "device of 5 bytes"),
        (wrap(b"\x01\x03" + HEAD + b"\x01\x01\xff"), Fault.MALFORMED, "utf-8"),
        (wrap(b"\x01\x03" + HEAD + b"\x01\x01a" + bytes(8001)), Fault.MALFORMED, "8001 bytes"),
        (wrap(b"\x01\x03\x00\x00\x00\x00" + HEAD[4:] + b"\x01\x01a"), Fault.MALFORMED, "boot 0"),
        (wrap(b"\x01\x04" + HEAD + b"\x00"), Fault.MALFORMED, "1 bytes too many"),
        (wrap(b"\x01\x06" + HEAD + b"\x63"), Fault.MALFORMED, "99"),
        (wrap(b"\x01\x01" + HEAD + b"\x00\x00\x00\x01"), Fault.MALFORMED, "4 bytes"),
        (wrap(b"\x01\x03" + HEAD + b"\x01\x01a" + bytes(9000)), Fault.OVERSIZE, "9015 bytes"),
        (b"\x00" + b"\x01" * 20_000 + b"\x00", Fault.OVERSIZE, "without a delimiter"),
    ],
)
def test_errors_say_what_was_wrong(wire: bytes, fault: Fault, words: str) -> None:
    reader = FrameReader()
    (found,) = reader.feed(wire)
    assert isinstance(found, FrameError)
    assert found.fault is fault
    assert words in str(found)
    assert reader.bad == {fault: 1}
    assert reader.feed(encode(PRESS)) == [PRESS]


@pytest.mark.parametrize(
    ("frame", "fault"),
    [
        (Data(boot=7, seq=1, channel=Channel.EVENT, device="a", payload=bytes(8001)), Fault.OVERSIZE),
        (Data(boot=7, seq=1, channel=Channel.EVENT, device="a" * 65, payload=b""), Fault.MALFORMED),
        (Data(boot=7, seq=1, channel=Channel.EVENT, device="", payload=b""), Fault.MALFORMED),
        (Ack(boot=2**32, seq=1), Fault.MALFORMED),
        (Ack(boot=1, seq=-1), Fault.MALFORMED),
        (Hello(boot=1, seq=1, depth=2**32, firmware="x"), Fault.MALFORMED),
    ],
)
def test_a_frame_that_no_reader_would_take_is_not_made(frame: Frame, fault: Fault) -> None:
    with pytest.raises(FrameError) as error:
        encode(frame)
    assert error.value.fault is fault
