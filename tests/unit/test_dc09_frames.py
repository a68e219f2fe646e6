"""SIA DC-09: published frames, what damage does, and what comes in pieces."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices import dc09
from devices.contact_id import Sort, from_adm, from_sia, sort_of
from devices.dc09 import BODY_MOST, Damaged, Frame, FrameReader, decode, encode, opened, read_key, sealed
from devices.observation import Refusal

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "dc09" / "frames.json").read_text(encoding="utf-8"))
NOW_MS = 1_790_000_000_000
ACCOUNTS = st.text("0123456789ABCDEF", min_size=3, max_size=16)
DATA = st.text(st.characters(codec="ascii", min_codepoint=32, exclude_characters="[]_"), max_size=60)
KEYS = st.none() | st.sampled_from([16, 24, 32]).flatmap(lambda size: st.binary(min_size=size, max_size=size))


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda golden: golden["frame"][:4])
def test_published_frames_say_what_they_say(golden: dict[str, object]) -> None:
    raw = str(golden["frame"]).encode()
    frame = decode(raw)
    key = read_key(str(golden["key"])) if "key" in golden else None
    content = opened(frame, key)
    assert (frame.account, frame.receiver, frame.line) == (
        golden["account"],
        golden.get("receiver", ""),
        golden.get("line", "0"),
    )
    assert content.data == golden["data"]
    at = None if content.at_ms is None else datetime.fromtimestamp(content.at_ms / 1000, UTC).isoformat()
    assert at == golden.get("time")
    signal = from_adm(content.data) if frame.token == "ADM-CID" else None
    signals = [signal] if signal is not None else from_sia(content.data)[0]
    assert [str(one) for one in signals] == golden["signals"]
    assert encode(frame) == b"\n" + raw + b"\r"


@pytest.mark.parametrize(
    ("data", "signals", "unknown"),
    [
        ("#123456|Nri0KR1^TAST. 001 ^", ["3114 00 001"], []),
        ("#123456|Nri1CL0^VX FRONTE ^", ["1400 01 000"], []),
        ("|Nri1/CL501", ["1400 01 501"], []),
        ("Nri1/WA000", ["1154 01 000"], []),
        ("Nti19:44/id1/ri4/RP", ["1602 04 000"], []),
        ("#006969|Nri04/OP001NM", ["1400 04 001"], []),
        ("|Nri2/FA3/BR4", ["1110 02 003", "3130 02 004"], []),
        ("|Nri1/ZX001", [], ["ZX"]),
        ("nothing", [], []),
    ],
)
def test_data_of_sia_units(data: str, signals: list[str], unknown: list[str]) -> None:
    found = from_sia(data)
    assert ([str(one) for one in found[0]], found[1]) == (signals, unknown)


def test_codes_have_their_sort() -> None:
    sorts = {
        code: sort_of(code) for code in (101, 111, 137, 147, 154, 301, 302, 350, 381, 383, 384, 406, 570, 602, 654)
    }
    assert sorts == {
        101: Sort.ALARM,
        111: Sort.ALARM,
        137: Sort.TAMPER,
        147: Sort.MISSING,
        154: Sort.ALARM,
        301: Sort.MAINS,
        302: Sort.BATTERY,
        350: Sort.FAULT,
        381: Sort.MISSING,
        383: Sort.TAMPER,
        384: Sort.BATTERY,
        406: Sort.CANCEL,
        570: Sort.OTHER,
        602: Sort.TEST,
        654: Sort.ALARM,
    }


@given(ACCOUNTS, DATA, KEYS, st.none() | st.integers(0, 4_000_000_000), st.binary(min_size=16, max_size=16))
def test_what_is_sealed_can_be_opened_with_its_key(
    account: str, data: str, key: bytes | None, at_s: int | None, noise: bytes
) -> None:
    at_ms = None if at_s is None else at_s * 1000
    frame = Frame(
        token="ADM-CID",
        encrypted=key is not None,
        sequence="0042",
        receiver="1",
        line="2",
        account=account,
        rest=sealed(data, at_ms, key, noise),
    )
    wire = encode(frame)
    (raw,) = FrameReader().feed(wire)
    assert decode(raw) == frame
    content = opened(frame, key)
    assert (content.data, content.at_ms) == (data, at_ms)


@given(st.data(), DATA, KEYS)
def test_damage_is_seen(draw: st.DataObject, data: str, key: bytes | None) -> None:
    frame = Frame(
        token="SIA-DCS", encrypted=key is not None, sequence="9999", receiver="", line="0", account="ABC123",
        rest=sealed(data, NOW_MS, key, b"0123456789abcdef"),
    )  # fmt: skip
    raw = encode(frame)[1:-1]
    at = draw.draw(st.sampled_from([*range(4), *range(8, len(raw))]))
    bit = draw.draw(st.integers(0, 7))
    bent = bytearray(raw)
    bent[at] ^= 1 << bit
    try:
        assert decode(bytes(bent)) == frame  # the check sum in small letters is the same check sum
    except Damaged:
        return
    assert at < 4


@given(st.lists(st.binary(max_size=40) | DATA.map(lambda data: data.encode()), max_size=8), st.integers(1, 50))
def test_frames_come_out_of_any_pieces_as_they_went_in(noise: list[bytes], piece: int) -> None:
    frames = [encode(Frame(token="NULL", encrypted=False, sequence=f"{number:04d}", receiver="", line="0",
                           account="1002", rest=sealed("", NOW_MS))) for number in range(3)]  # fmt: skip
    stream = b"".join(bytes(b for b in one if b not in b"\n\r") + b"\r" + frames[i % 3] for i, one in enumerate(noise))
    reader = FrameReader()
    found = [raw for at in range(0, len(stream), piece) for raw in reader.feed(stream[at : at + piece])]
    assert found == [frames[i % 3][1:-1] for i in range(len(noise))]
    assert not reader.holds


@given(st.binary(max_size=3000))
def test_no_bytes_make_it_raise_anything_else(noise: bytes) -> None:
    for raw in [noise, *FrameReader().feed(b"\n" + noise + b"\r")]:
        assert len(raw) <= max(len(noise), BODY_MOST + 8)
        for body in (raw, b"%04X%04X" % (dc09.checksum(raw), len(raw)) + raw):
            try:
                opened(decode(body), b"k" * 16)
            except (Damaged, Refusal) as error:
                assert str(error)


def test_a_frame_without_end_is_not_held() -> None:
    reader = FrameReader()
    assert reader.feed(b"\n" + b"A" * 100_000) == [] and not reader.holds
    assert reader.feed(b"\n12\n" + encode(decode(str(GOLDEN[0]["frame"]).encode()))) == [
        str(GOLDEN[0]["frame"]).encode()
    ]


def test_a_wrong_length_with_a_right_check_sum_is_taken() -> None:
    frame = decode(b'9EC40099"ADM-CID"0001L0#1002[#1002|1602 00 001]')
    assert frame.odd_length and frame.account == "1002"


def test_an_account_may_stand_in_the_data_alone() -> None:
    assert dc09.read_body(b'"SIA-DCS"4738R0001L0001[#006969|Nri04/OP001NM]').account == "006969"
    with pytest.raises(Refusal, match="account number"):
        dc09.read_body(b'"NULL"4738R0001L0001[]')


def test_another_key_is_told_from_damage() -> None:
    frame = decode(str(GOLDEN[-1]["frame"]).encode())
    for key, reason in ((None, "no_key"), (b"B" * 16, "undecipherable")):
        with pytest.raises(Refusal) as refusal:
            opened(frame, key)
        assert refusal.value.reason == reason and "AAAB" in refusal.value.hint


@pytest.mark.parametrize("secret", ["short", "hex:12", "hex:zz", "x" * 33])
def test_a_key_that_is_none_says_what_is_expected(secret: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        read_key(secret)
    assert read_key("hex:" + "0a" * 16) == b"\n" * 16 and read_key("A" * 32) == b"A" * 32


def test_answers() -> None:
    frame = decode(str(GOLDEN[1]["frame"]).encode())
    assert dc09.answer("ACK", frame, NOW_MS)[9:-1] == b'"ACK"9876R579BDFL789ABC#12345A[]'
    assert dc09.answer("DUH", frame, NOW_MS)[9:-1] == b'"DUH"9876R579BDFL789ABC#12345A[]'
    assert dc09.answer("NAK", frame, NOW_MS)[9:-1] == b'"NAK"0000R579BDFL789ABCA0[]_14:13:20,09-21-2026'
    encrypted = decode(str(GOLDEN[-1]["frame"]).encode())
    (raw,) = FrameReader().feed(dc09.answer("ACK", encrypted, NOW_MS, b"A" * 16, b"0123456789abcdef"))
    acknowledged = decode(raw)
    assert acknowledged.encrypted and acknowledged.token == "ACK"
    assert opened(acknowledged, b"A" * 16).at_ms == NOW_MS
