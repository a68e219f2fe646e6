"""SIP messages without trust: the torture tests of RFC 4475 that concern a MESSAGE, and what nobody thought of."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.sip_message import (
    Request,
    Response,
    Wrong,
    answer,
    answer_port,
    body_length,
    message,
    parse,
    received_from,
    uri_of,
    via,
)


def made(
    *lines: str, body: bytes = b"", first: str = "MESSAGE sip:alarm@example.com SIP/2.0", length: int | None = None
) -> bytes:
    heads = {
        "Via": "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1",
        "From": "<sip:unit@example.com>;tag=1",
        "To": "<sip:alarm@example.com>",
        "Call-ID": "a84b4c76e66710",
        "CSeq": "1 MESSAGE",
        "Max-Forwards": "70",
    }
    for line in lines:
        name, _, value = line.partition(":")
        heads.pop(name.strip(), None)
        if value.strip() == "-":
            continue
        heads[line] = ""
    text = [first, *(f"{name}: {value}" if value else name for name, value in heads.items())]
    text.append(f"Content-Length: {len(body) if length is None else length}")
    return "\r\n".join([*text, "", ""]).encode() + body


def parsed(data: bytes) -> Request:
    found = parse(data)
    assert isinstance(found, Request)
    return found


def test_a_short_tortuous_message() -> None:
    """RFC 4475 3.1.1.1 (wsinv): odd white space, folded lines, short names, unknown headers, an escaped quoted name."""
    data = (
        b"MESSAGE sip:vivekg@chair-dnrc.example.com;unknownparam SIP/2.0\r\n"
        b"TO :\r\n sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n\r\n"
        b'from   : "J Rosenberg \\\\\\""       <sip:jdrosen@example.com>\r\n  ;\r\n  tag = 98asjd8\r\n'
        b"MaX-fOrWaRdS: 0068\r\nCall-ID: wsinv.ndaksdj@192.0.2.1\r\nContent-Length   : 4\r\n"
        b"cseq: 0009\r\n  MESSAGE\r\nVia  : SIP  /   2.0\r\n /UDP\r\n    192.0.2.2;branch=390skdjuw\r\ns :\r\n"
        b"NewFangledHeader:   newfangled value\r\n continued newfangled value\r\n"
        b"UnknownHeaderWithUnusualValue: ;;,,;;,;\r\nContent-Type: application/scaip+xml\r\n"
        b"v:  SIP  / 2.0  / TCP     spindle.example.com   ;\r\n  branch  =   z9hG4bK9ikj8  ,\r\n"
        b" SIP  /    2.0   / UDP  192.168.255.111   ; branch=\r\n z9hG4bK30239\r\n"
        b"m:<sip:jdrosen@example.com>\r\n\r\nbody"
    )
    found = parsed(data)
    assert found.method == "MESSAGE"
    assert uri_of(found.one("from")) == "sip:jdrosen@example.com"
    assert uri_of(found.one("to")).startswith("sip:vivekg@chair-dnrc.example.com")
    assert (found.via.host, found.via.branch) == ("192.0.2.2", "390skdjuw")
    assert found.one("contact") == "<sip:jdrosen@example.com>"
    assert found.body == b"body"


def test_the_whole_range_of_characters_in_names() -> None:
    """3.1.1.2 (intmeth): a method and headers of every character that a token may hold."""
    method = "!interesting-Method0123456789_*+`.%indeed'~"
    found = parsed(
        made(
            f"CSeq: 139122385 {method}",
            'From: "BEL:\\\x7f NUL: DEL:" <sip:1_unusual.URI~(to-be!sure)@example.com>'.replace("\x7f", "\\"),
            "To: <sip:a@b>",
            "extensionHeader-!.%*+_`'~: ﻿大停電",
            first=f"{method} sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*@example.com SIP/2.0",
        )
    )
    assert found.method == method


def test_escaped_characters_stay_what_they_are() -> None:
    """3.1.1.3 (esc01), 3.1.1.4 (escnull)."""
    found = parsed(
        made(
            "From: <sip:%00%00@host5.example.com>;tag=1",
            first="MESSAGE sip:sips%3Auser%40example.com@example.net SIP/2.0",
        )
    )
    assert found.uri == "sip:sips%3Auser%40example.com@example.net"
    assert uri_of(found.one("from")) == "sip:%00%00@host5.example.com"


def test_what_stands_behind_the_length_is_left_out() -> None:
    """3.1.1.8 (dblreq): another request in the same datagram."""
    found = parsed(made(body=b"one") + made(body=b"two"))
    assert found.body == b"one"


def test_long_values() -> None:
    """3.1.1.7 (longreq), within our bounds."""
    found = parsed(made(f'To: "{"a" * 1200}" <sip:alarm@example.com>', f"Call-ID: {'longcallid' * 20}", body=b"x"))
    assert len(found.one("call-id")) == 200


def test_a_body_of_any_bytes() -> None:
    """3.1.1.11 (mpart01) is a MESSAGE with bytes of every value."""
    body = bytes(range(256)) * 3
    assert parsed(made(body=body)).body == body


@pytest.mark.parametrize(
    ("data", "status"),
    [
        pytest.param(
            made("From: <sip:a@b>;tag=1", 'To: "Mr. J. User <sip:j.user@example.com>', body=b""), 400, id="quotbal"
        ),
        pytest.param(made("To: - <sip:a@b"), 400, id="unterminated angle"),
        pytest.param(made(body=b"abc", length=9999), 400, id="clerr: longer than what came"),
        pytest.param(made().replace(b"Content-Length: 0", b"Content-Length: -999"), 400, id="ncl: negative length"),
        pytest.param(made().replace(b"Content-Length: 0", b"Content-Length: 0\r\nl: 5"), 400, id="mcl01: two lengths"),
        pytest.param(made().replace(b"Content-Length: 0", b"Content-Length: +0"), 400, id="signed length"),
        pytest.param(made("CSeq: 36893488147419103232 MESSAGE"), 400, id="scalar02: overlarge number"),
        pytest.param(made("CSeq: 2147483648 MESSAGE"), 400, id="CSeq of 2^31"),
        pytest.param(made("Max-Forwards: 300"), 400, id="Max-Forwards beyond 255"),
        pytest.param(made(first="MESSAGE <sip:user@example.com> SIP/2.0"), 400, id="ltgtruri"),
        pytest.param(made(first="MESSAGE sip:user@example.com; lr SIP/2.0"), 400, id="lwsruri"),
        pytest.param(made(first="MESSAGE  sip:user@example.com  SIP/2.0"), 400, id="lwsstart"),
        pytest.param(made(first="MESSAGE sip:user@example.com SIP/2.0  "), 400, id="trws"),
        pytest.param(made(first="MESSAGE sip:user@example.com SIP/7.0"), 505, id="badvers"),
        pytest.param(made("CSeq: 8 INVITE"), 400, id="mismatch01"),
        pytest.param(made("CSeq: 8 NEWMETHOD", first="OTHER sip:a@b SIP/2.0"), 400, id="mismatch02"),
        pytest.param(made(first="MESSAGE nobodyKnowsThisScheme:totallyopaquecontent SIP/2.0"), 416, id="unkscm"),
        pytest.param(made(first="MESSAGE soap.beep://192.0.2.103:3002 SIP/2.0"), 416, id="novelsc"),
        pytest.param(made("From: Bell, Alexander <sip:a.g.bell@example.com>;tag=43"), 400, id="baddn"),
        pytest.param(made("From: <sip:a@b>;tag=1", "f: <sip:c@d>;tag=2"), 400, id="multi01: two From"),
        pytest.param(made("Call-ID: 1", "i: 2"), 400, id="multi01: two Call-ID"),
        pytest.param(made("no colon here"), 400, id="a line that is no header"),
        pytest.param(made("X: a\x00b"), 400, id="NUL in a header"),
        pytest.param(made("X: a\nb"), 400, id="a bare line feed"),
        pytest.param(made(*(f"X-{number}: 1" for number in range(120))), 400, id="too many headers"),
        pytest.param(made(f"X: {'a' * 3000}"), 400, id="a line too long"),
        pytest.param(made().replace(b"Content-Length: 0", b"Content-Length: 70000"), 413, id="a body too long"),
        pytest.param(made("From: -"), 0, id="insuf: without From nobody can be answered"),
        pytest.param(made("Call-ID: -"), 0, id="insuf: without Call-ID"),
        pytest.param(made("Via: -"), 0, id="insuf: without Via"),
        pytest.param(made("Via: SIP/2.0/UDP"), 0, id="a Via that names nobody"),
        pytest.param(made("Via: SIP/2.0/UDP 192.0.2.1:99999;branch=z"), 0, id="a Via without a port"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 0, id="another protocol"),
        pytest.param(made().split(b"\r\n\r\n")[0], 0, id="without an end"),
        pytest.param(made("X: a").replace(b"X: a", b"X: \xff\xfe"), 0, id="headers that are not UTF-8"),
        pytest.param(made().replace(b"\r\n", b"\n"), 0, id="bare line feeds"),
        pytest.param(b"SIP/2.0 4294967301 better not break the receiver\r\n\r\n", 0, id="bigcode"),
        pytest.param(b"", 0, id="nothing"),
    ],
)
def test_what_is_wrong_has_its_status(data: bytes, status: int) -> None:
    with pytest.raises(Wrong) as found:
        parse(data)
    assert found.value.status == status
    assert found.value.why
    assert (found.value.request is not None) == (status != 0)


def test_an_answer_to_what_is_wrong_can_be_read_again() -> None:
    with pytest.raises(Wrong) as found:
        parse(made("CSeq: 8 INVITE"))
    assert found.value.request is not None
    again = parse(answer(found.value.request, 400, "Bad Request", tag="t"))
    assert isinstance(again, Response)
    assert (again.status, again.one("cseq")) == (400, "8 INVITE")


def test_an_ack_is_never_answered() -> None:
    with pytest.raises(Wrong) as found:
        parse(made("CSeq: 8 INVITE", first="ACK sip:a@b SIP/2.0"))
    assert found.value.request is None


def test_an_answer_names_us_once() -> None:
    plain, tagged = parsed(made()), parsed(made("To: <sip:alarm@example.com>;tag=theirs"))
    assert b"To: <sip:alarm@example.com>;tag=ours\r\n" in answer(plain, 200, "OK", tag="ours")
    assert b"tag=ours" not in answer(tagged, 200, "OK", tag="ours")


@pytest.mark.parametrize(
    ("via_line", "stamped", "port"),
    [
        ("SIP/2.0/UDP 10.0.0.9;branch=z9hG4bK1", "SIP/2.0/UDP 10.0.0.9;branch=z9hG4bK1;received=192.0.2.7", 5060),
        ("SIP/2.0/UDP 10.0.0.9:7000;branch=z", "SIP/2.0/UDP 10.0.0.9:7000;branch=z;received=192.0.2.7", 7000),
        ("SIP/2.0/UDP u;rport;branch=z", "SIP/2.0/UDP u;branch=z;rport=4711;received=192.0.2.7", 4711),
        ("SIP/2.0/UDP u;branch=z, SIP/2.0/TCP p", "SIP/2.0/UDP u;branch=z;received=192.0.2.7, SIP/2.0/TCP p", 5060),
    ],
)
def test_where_an_answer_goes(via_line: str, stamped: str, port: int) -> None:
    """RFC 3261 18.2, RFC 3581."""
    request = parsed(made(f"Via: {via_line}"))
    assert received_from(request, "192.0.2.7", 4711).one("via") == stamped
    assert answer_port(request, 4711) == port


def test_a_message_of_ours_can_be_read() -> None:
    data = message(
        "sip:u@h",
        sender="sip:alarm@h",
        transport="TCP",
        at="h:5060",
        branch="z9hG4bKx",
        tag="t",
        call="c",
        body=b"<mrs/>",
    )
    found = parsed(data)
    assert (found.method, found.uri, found.body) == ("MESSAGE", "sip:u@h", b"<mrs/>")
    assert found.via == via("SIP/2.0/TCP h:5060;branch=z9hG4bKx;rport")


@pytest.mark.parametrize(
    ("head", "length"),
    [(b"A: b\r\nContent-Length: 12\r\n\r\n", 12), (b"l:0\r\n\r\n", 0), (b"CONTENT-LENGTH : 7\r\n\r\n", 7)],
)
def test_the_length_on_a_stream(head: bytes, length: int) -> None:
    assert body_length(head) == length


@pytest.mark.parametrize("head", [b"A: b\r\n\r\n", b"l: 1\r\nl: 2\r\n\r\n", b"l: x\r\n\r\n", b"l: 99999999\r\n\r\n"])
def test_a_stream_without_a_sensible_length_ends(head: bytes) -> None:
    with pytest.raises(Wrong):
        body_length(head)


@given(st.binary(max_size=400))
def test_any_bytes_are_a_message_or_wrong(data: bytes) -> None:
    try:
        parse(data)
    except Wrong as wrong:
        assert wrong.status in (0, 400, 413, 416, 505)


@given(st.data())
def test_a_damaged_message_is_a_message_or_wrong_and_can_be_answered(data: st.DataObject) -> None:
    whole = bytearray(made("Content-Type: application/scaip+xml", body=b"<mrq><cid>1</cid></mrq>"))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(whole) - 1))
        whole[at] = data.draw(st.integers(0, 255))
    try:
        found = parse(bytes(whole))
    except Wrong as wrong:
        if wrong.request is not None:
            assert answer(wrong.request, wrong.status, "x", tag="t").startswith(b"SIP/2.0 ")
        return
    if isinstance(found, Request):
        assert found.transaction
        assert isinstance(parse(answer(found, 200, "OK", tag="t")), Response)


@given(
    st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=30),
    st.binary(max_size=500),
)
def test_what_is_written_is_read_again(call: str, body: bytes) -> None:
    found = parsed(made(f"Call-ID: {call}", body=body))
    assert (found.one("call-id"), found.body) == (call, body)


@pytest.mark.parametrize("text", ["a " * 900, "\t " * 900, '"' + "\\a" * 900, "<" * 1500, ";" * 1900, '" ' * 900])
def test_nothing_takes_long(text: str) -> None:
    began = time.process_time()
    for name in ("From", "To", "Via", "CSeq", "Contact", "X"):
        try:
            parse(made(f"{name}: {text}"))
        except Wrong:
            continue
    assert time.process_time() - began < 2
