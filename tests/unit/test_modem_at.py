"""The AT machine: whatever way the bytes are cut, and whatever the modem says of its own in between."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.outbox.modem.at import CTRL_Z, ESC, LINE_MAX, PROBE, Answer, AtCore, Command, Event, Urc, Write

CSQ = Command(text="AT+CSQ", info=("+CSQ:",))
SEND = Command(text="AT+CMGS=20", info=("+CMGS:",), payload=b"0011AABBCCDD" + CTRL_Z)
LIST = Command(text="AT+CMGL=4", info=("+CMGL:",), with_pdu=True)
DIAL = Command(text="ATD13800000001;", dials=True)


def fed(core: AtCore, *pieces: bytes) -> list[Event]:
    return [event for piece in pieces for event in core.feed(piece)]


@given(st.lists(st.integers(0, 200), max_size=12))
def test_an_answer_is_the_same_however_its_bytes_are_cut(cuts: list[int]) -> None:
    said = b"AT+CSQ\r\r\n+CSQ: 21,99\r\n\r\nOK\r\n\r\nRING\r\n\r\n+CDS: 24\r\n0006D60B911326880736F4111011719551\r\n"
    core = AtCore()
    assert core.begin(CSQ) == b"AT+CSQ\r"
    ends = sorted({min(cut, len(said)) for cut in cuts} | {0, len(said)})
    events = fed(core, *(said[a:b] for a, b in itertools.pairwise(ends)))
    assert events == [
        Answer("OK", ("+CSQ: 21,99",)),
        Urc("RING"),
        Urc("+CDS: 24", "0006D60B911326880736F4111011719551"),
    ]
    assert core.noise == 0


URCS = st.sampled_from(
    (
        "RING",
        '+CLIP: "138",129',
        '+CMTI: "SM",3',
        "+CREG: 1",
        '+CREG: 2,"18A1","0F2B"',
        "+RXDTMF: 1",
        "NO CARRIER",
        '+CUSD: 1,"Balance 3.20 > *100#",15',
        "+CTZV: 32",
        "VOICE CALL: BEGIN",
        "^SYSSTART",
        "MO RING",
    )
)


@given(st.lists(URCS, max_size=4), st.lists(URCS, max_size=4), st.lists(URCS, max_size=4), st.booleans())
def test_what_nobody_asked_for_is_never_part_of_an_answer(
    before: list[str], within: list[str], after: list[str], echo: bool
) -> None:
    core = AtCore()
    core.begin(Command(text="AT+CREG?", info=("+CREG:",)))
    lines = [*before, "+CREG: 1,5", *within, "OK", *after]
    said = (b"AT+CREG?\r" if echo else b"") + "".join(f"\r\n{line}\r\n" for line in lines).encode()
    events = fed(core, said)
    assert [event.line for event in events if isinstance(event, Urc)] == [*before, *within, *after]
    assert [event for event in events if isinstance(event, Answer)] == [Answer("OK", ("+CREG: 1,5",))]


@given(st.lists(st.integers(1, 3), min_size=1, max_size=30), st.lists(URCS, max_size=2))
def test_a_pdu_goes_out_at_its_prompt_once(sizes: list[int], urcs: list[str]) -> None:
    core = AtCore()
    core.begin(SEND)
    between = "".join(f"\r\n{urc}\r\n" for urc in urcs).encode()
    said = b"AT+CMGS=20\r" + between + b"\r\n> "
    events: list[Event] = []
    while said:
        size = sizes[len(said) % len(sizes)]
        events += core.feed(said[:size])
        said = said[size:]
    assert [event for event in events if not isinstance(event, Urc)] == [Write(SEND.payload)]
    assert [event.line for event in events if isinstance(event, Urc)] == urcs
    events = core.feed(b"0011AABBCCDD\r\n" + between + b"+CMGS: 214\r\n\r\nOK\r\n")
    assert Answer("OK", ("+CMGS: 214",)) in events
    assert not [event for event in events if isinstance(event, Write)]


def test_a_prompt_in_the_words_of_others_is_none() -> None:
    core = AtCore()
    core.begin(SEND)
    assert fed(core, b'\r\n+CUSD: 1,"press > 1"', b",15\r\n") == [Urc('+CUSD: 1,"press > 1",15')]
    assert fed(core, b"\r\n> ") == [Write(SEND.payload)]


def test_connect_is_a_prompt_as_well() -> None:
    core = AtCore()
    core.begin(Command(text='AT+QFUPL="RAM:a.wav",3', info=("+QFUPL:",), payload=b"\x00\r\n"))
    assert fed(core, b"\r\nCONNECT\r\n") == [Write(b"\x00\r\n")]
    assert fed(core, b"\r\n+QFUPL: 3,0\r\n\r\nOK\r\n") == [Answer("OK", ("+QFUPL: 3,0",))]


def test_a_list_keeps_its_pdus_although_somebody_rings_between_header_and_pdu() -> None:
    core = AtCore()
    core.begin(LIST)
    events = fed(
        core,
        b"\r\n+CMGL: 1,0,,25\r\n\r\nRING\r\n0791AABBCCDD\r\n\r\n+CMGL: 2,1,,25\r\n",
        b'\r\n+CMTI: "SM",3\r\n',
        b"0791EEFF0011\r\n\r\nOK\r\n",
    )
    assert events == [
        Urc("RING"),
        Urc('+CMTI: "SM",3'),
        Answer("OK", ("+CMGL: 1,0,,25\n0791AABBCCDD", "+CMGL: 2,1,,25\n0791EEFF0011")),
    ]


@pytest.mark.parametrize("final", ["NO CARRIER", "BUSY", "NO ANSWER", "NO DIALTONE"])
def test_only_a_dialling_ends_by_its_codes(final: str) -> None:
    core = AtCore()
    core.begin(DIAL)
    assert fed(core, f"\r\n{final}\r\n".encode()) == [Answer(final)]
    core.begin(CSQ)
    assert fed(core, f"\r\n{final}\r\n".encode()) == [Urc(final)]
    assert core.busy


@pytest.mark.parametrize(
    ("final", "error"),
    [
        ("+CME ERROR: 10", ("CME", 10)),
        ("+CMS ERROR: 500", ("CMS", 500)),
        ("ERROR", ("", None)),
        ("+CME ERROR: SIM not inserted", ("CME", None)),
        ("+CMS ERROR:38", ("CMS", 38)),
    ],
)
def test_errors(final: str, error: tuple[str, int | None]) -> None:
    core = AtCore()
    core.begin(CSQ)
    (answer,) = fed(core, f"\r\n{final}\r\n".encode())
    assert isinstance(answer, Answer)
    assert not answer.ok
    assert answer.error == error


def test_the_ok_of_a_command_that_was_given_up_is_not_the_probes() -> None:
    core = AtCore()
    core.begin(CSQ)
    core.abandon()
    core.begin(PROBE)
    assert fed(core, b"\r\n+CSQ: 21,99\r\n\r\nOK\r\n") == [Urc("+CSQ: 21,99")]
    assert core.busy
    assert fed(core, b"\r\n+CMEE: 1\r\n\r\nOK\r\n") == [Answer("OK", ("+CMEE: 1",))]
    assert core.noise == 1


def test_an_sms_that_is_given_up_before_its_prompt_is_taken_back() -> None:
    core = AtCore()
    core.begin(SEND)
    assert core.abandon() == ESC
    core.begin(SEND)
    core.feed(b"\r\n> ")
    assert core.abandon() == b""  # the PDU is written: it may go out


def test_two_at_once_are_a_mistake_of_ours() -> None:
    core = AtCore()
    core.begin(CSQ)
    with pytest.raises(RuntimeError, match="CSQ"):
        core.begin(DIAL)


def test_a_secret_is_not_in_what_is_logged() -> None:
    assert "1234" not in str(Command(text='AT+CPIN="1234"', secret=True))


def test_noise_in_front_of_a_line_does_not_cost_it() -> None:
    core = AtCore()
    core.begin(CSQ)
    assert fed(core, b"\x00\xff\xfe\r\n\x80\x00+CSQ: 9,99\r\n\xc3\xc3OK\r\n") == [Answer("OK", ("+CSQ: 9,99",))]


@given(st.lists(st.binary(max_size=50), max_size=20), st.sampled_from([None, CSQ, SEND, LIST, DIAL, PROBE]))
def test_no_bytes_ever_break_it(pieces: list[bytes], command: Command | None) -> None:
    core = AtCore()
    if command is not None:
        core.begin(command)
    fed(core, *pieces)
    core.feed(b"\r\n")
    core.abandon()
    core.begin(PROBE)
    assert Answer("OK", ("+CMEE: 1",)) in fed(core, b"\r\n", b"\r\n+CMEE: 1\r\n\r\nOK\r\n")


def test_a_line_without_an_end_is_thrown_away() -> None:
    core = AtCore()
    core.begin(CSQ)
    assert fed(core, b"x" * (LINE_MAX + 1), b"\r\n+CSQ: 1,1\r\nOK\r\n")[-1] == Answer("OK", ("+CSQ: 1,1",))
    assert core.noise == 1
