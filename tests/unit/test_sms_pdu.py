"""The PDU codec against PDUs that others published, against another library, and against itself."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from smspdudecoder.easy import read_incoming_sms, read_outgoing_sms

from firmware_sim.telephony import pdu as sim
from gateway.outbox.modem import alphabet, pdu
from gateway.outbox.modem.inbox import MISSING, WAIT_MS, Inbox, Stored, Whole
from gateway.outbox.modem.reports import Fate, fate, words

PUBLISHED: dict[str, Any] = json.loads(Path("tests/golden/sms/published.json").read_text(encoding="utf-8"))
NUMBERS = st.from_regex(r"\A\+?[0-9]{3,15}\Z")
GSM = st.text(st.sampled_from([*alphabet.BASIC.replace("\x1b", ""), *alphabet.EXTENSION]), max_size=400)
ANY = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)


@pytest.mark.parametrize("published", PUBLISHED["deliver"], ids=lambda one: one["text"][:12])
def test_published_delivers_are_read(published: dict[str, Any]) -> None:
    found = pdu.read(published["pdu"])
    assert isinstance(found, pdu.Deliver)
    assert (found.sender, found.text) == (published["sender"], published["text"])
    assert found.at_ms == datetime.fromisoformat(published["at"]).timestamp() * 1000
    concat = published.get("concat")
    assert found.concat == (pdu.Concat(*concat) if concat else None)


@pytest.mark.parametrize("published", PUBLISHED["report"], ids=lambda one: str(one["reference"]))
def test_published_reports_are_read(published: dict[str, Any]) -> None:
    found = pdu.read(published["pdu"])
    assert isinstance(found, pdu.StatusReport)
    assert (found.reference, found.recipient) == (published["reference"], published["recipient"])
    assert found.status == published["status"]
    assert fate(found.status) is Fate.DELIVERED


@pytest.mark.parametrize("published", PUBLISHED["submit"], ids=lambda one: one["text"])
def test_published_submits_are_written(published: dict[str, Any]) -> None:
    """But for the validity, each octet after the address is the same."""
    (made,) = pdu.submit(published["to"], published["text"], report=False)
    address = pdu.address(published["to"]).hex().upper()
    mine, theirs = made.hex.partition(address)[2], published["pdu"].partition(address)[2]
    assert mine, made.hex
    assert mine[:4] == theirs[:4]  # protocol and coding
    assert theirs.endswith(mine[6:])
    assert made.length == len(made.hex) // 2 - 1


def test_the_published_concatenation_is_written_octet_by_octet() -> None:
    published = PUBLISHED["concatenated"]
    made = pdu.submit(published["to"], published["text"], reference=0)
    assert [one.hex[-len(data) :] for one, data in zip(made, published["user_data"], strict=True)] == published[
        "user_data"
    ]


@pytest.mark.parametrize("published", PUBLISHED["septets"], ids=lambda one: one["text"])
def test_published_septets(published: dict[str, Any]) -> None:
    codes = alphabet.septets(published["text"])
    assert alphabet.pack(codes).hex() == published["packed"]
    assert alphabet.characters(alphabet.unpack(bytes.fromhex(published["packed"]), len(codes))) == published["text"]


@pytest.mark.parametrize("published", PUBLISHED["address"], ids=lambda one: one["number"])
def test_published_addresses(published: dict[str, Any]) -> None:
    assert pdu.address(published["number"]).hex() == published["octets"]


@pytest.mark.parametrize("published", PUBLISHED["validity"], ids=lambda one: str(one["vp"]))
def test_published_validities(published: dict[str, Any]) -> None:
    assert pdu.validity(published["seconds"]) == published["vp"]


def test_a_chinese_message_is_ucs2_of_70_and_67() -> None:
    assert len(pdu.submit("13800138000", "急" * 70)) == 1
    first, second = pdu.submit("13800138000", "急" * 71, reference=7)
    assert first.hex.endswith("8C" + "050003070201" + "6025" * 67)
    assert second.hex.endswith("0E" + "050003070202" + "6025" * 4)
    assert len(pdu.submit("13800138000", "急" * 134)) == 2
    assert len(pdu.submit("13800138000", "急" * 135)) == 3


def test_an_emoji_is_never_cut() -> None:
    _, parts = pdu.split("急" * 66 + "🚑" + "急" * 10)
    assert parts == ["急" * 66, "🚑" + "急" * 10]


def test_an_escaped_character_is_never_cut() -> None:
    gsm7, parts = pdu.split("x" * 152 + "€" + "y" * 20)
    assert gsm7
    assert parts == ["x" * 152, "€" + "y" * 20]


@given(number=NUMBERS, text=ANY | GSM, reference=st.integers(0, 255))
@example(number="+8613800138000", text="急🚑" * 60, reference=255)
def test_what_is_written_another_library_reads(number: str, text: str, reference: int) -> None:
    made = pdu.submit(number, text, reference=reference)
    read = [read_outgoing_sms(one.hex) for one in made]
    assert {one["recipient"] for one in read} == {number}
    if all(character <= "\uffff" for character in text):
        # That library loses an @ (septet 0) at the end of a part, and does not know pairs.
        assert [one["content"].rstrip("@") for one in read] == [part.rstrip("@") for part in pdu.split(text)[1]]


@given(number=NUMBERS, text=ANY | GSM, reference=st.integers(0, 255))
def test_what_is_written_the_simulated_centre_reads(number: str, text: str, reference: int) -> None:
    made = [sim.read_submit(one.hex) for one in pdu.submit(number, text, reference=reference)]
    assert {one.to for one in made} == {number}
    assert sim.joined([one.data for one in made]) == text
    if len(made) > 1:
        assert [one.part for one in made] == [(reference, len(made), i) for i in range(1, len(made) + 1)]


@given(sender=NUMBERS, text=ANY | GSM, reference=st.integers(0, 255), at_ms=st.integers(10**12, 2 * 10**12))
def test_what_the_simulated_centre_delivers_is_read(sender: str, text: str, reference: int, at_ms: int) -> None:
    at_ms -= at_ms % 1000
    inbox = Inbox()
    whole: Whole | None = None
    for index, one in enumerate(sim.deliver(sender, text, at_ms, reference=reference)):
        found = pdu.read(one)
        assert isinstance(found, pdu.Deliver)
        assert (found.sender, found.at_ms) == (sender, at_ms)
        assert whole is None
        whole = inbox.take(Stored(index, found), at_ms)
    assert whole is not None
    assert whole.text == text
    assert inbox.waiting == 0


@given(text=GSM)
def test_an_incoming_sms_reads_as_the_other_library_reads_it(text: str) -> None:
    one = sim.deliver("+8613800138000", text[:70], 1_700_000_000_000)[0]
    found = pdu.read(one)
    assert isinstance(found, pdu.Deliver)
    assert found.text.rstrip("@") == read_incoming_sms(one)["content"].rstrip("@")


@given(st.binary(max_size=200))
def test_octets_that_are_no_pdu_are_said_to_be_none(octets: bytes) -> None:
    try:
        found = pdu.read(octets.hex())
    except pdu.PduError as error:
        assert str(error)
    else:
        assert isinstance(found, pdu.Deliver | pdu.StatusReport)


@given(st.text(max_size=40))
def test_text_that_is_no_hex_is_said_to_be_none(text: str) -> None:
    try:
        pdu.read(text)
    except pdu.PduError as error:
        assert str(error)


@pytest.mark.parametrize("number", ["", "1", "abc", "+", "1" * 21, "13800138000;ATD120", "138\r\nATD120;"])
def test_what_is_no_number_is_refused(number: str) -> None:
    with pytest.raises(ValueError, match="telephone number"):
        pdu.submit(number, "x")


def test_a_text_beyond_255_parts_is_refused() -> None:
    with pytest.raises(ValueError, match="255 parts"):
        pdu.submit("13800138000", "急" * (255 * 67 + 1))


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        *((status, Fate.DELIVERED) for status in (0x00, 0x01, 0x02)),
        *((status, Fate.TRYING) for status in (0x20, 0x25, 0x30)),
        *((status, Fate.FAILED) for status in (0x40, 0x46, 0x62, 0x80, 0xFF)),
    ],
)
def test_the_table_of_statuses(status: int, expected: Fate) -> None:
    assert fate(status) is expected
    assert words(status)


# parts


def _parts(text: str, *, sender: str = "+8613", reference: int = 9, at_ms: int = 1_700_000_000_000) -> list[Stored]:
    found = []
    for index, one in enumerate(sim.deliver(sender, text, at_ms, reference=reference)):
        deliver = pdu.read(one)
        assert isinstance(deliver, pdu.Deliver)
        found.append(Stored(index + 1, deliver))
    return found


@given(st.permutations(range(4)))
def test_parts_in_any_order_are_one_message(order: list[int]) -> None:
    text = "一" * 67 + "二" * 67 + "三" * 67 + "四"
    parts, inbox = _parts(text), Inbox()
    found = [inbox.take(parts[index], 0) for index in order]
    assert found[:-1] == [None] * 3
    assert found[-1] is not None
    assert (found[-1].text, found[-1].indexes) == (text, (1, 2, 3, 4))


def test_a_part_that_never_comes_is_marked_after_ten_minutes() -> None:
    first, _, third = _parts("一" * 67 + "二" * 67 + "三")
    inbox = Inbox()
    assert inbox.take(first, 0) is None
    assert inbox.take(third, 5000) is None
    assert inbox.due(WAIT_MS - 1) == []
    (whole,) = inbox.due(WAIT_MS)
    assert whole.text == "一" * 67 + MISSING + "三"
    assert whole.indexes == (1, 3)


def test_on_a_full_sim_the_oldest_parts_go_at_once() -> None:
    inbox = Inbox()
    inbox.take(_parts("一" * 80, reference=1)[0], 0)
    inbox.take(_parts("二" * 80, reference=2)[1], 1000)
    (whole,) = inbox.due(2000, room=False)
    assert whole.text == "一" * 67 + MISSING


def test_the_same_reference_again_is_another_message() -> None:
    inbox = Inbox()
    inbox.take(_parts("一" * 80)[0], 0)
    again = _parts("二" * 80)
    late = inbox.take(Stored(11, again[0].deliver), 0)
    assert late is not None
    assert late.text == "一" * 67 + MISSING
    whole = inbox.take(Stored(12, again[1].deliver), 0)
    assert whole is not None
    assert whole.text == "二" * 80


def test_a_part_that_comes_twice_is_deleted_twice() -> None:
    inbox = Inbox()
    first, second = _parts("一" * 80)
    inbox.take(first, 0)
    inbox.take(Stored(7, first.deliver), 0)
    inbox.take(first, 0)  # read again from the SIM
    whole = inbox.take(second, 0)
    assert whole is not None
    assert whole.indexes == (1, 2, 7)
