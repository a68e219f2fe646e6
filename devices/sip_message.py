"""SIP messages as alarm units send them: MESSAGE requests and their answers (RFC 3261, RFC 3428), read without trust.

Only what a listener of MESSAGE needs, and strictly: what is wrong has a status to be answered with, so that a unit is
told and not left waiting. No dialogs, no routing. Pure: bytes in, records out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

HEAD_MOST = 16_384
BODY_MOST = 65_536
LINES_MOST = 100
LINE_MOST = 2000
_TOKEN = r"[A-Za-z0-9.!%*_+`'~-]+"
_REQUEST = re.compile(rf"({_TOKEN}) ([A-Za-z][A-Za-z0-9+.-]*):([!-~]{{1,500}}) SIP/([0-9]+\.[0-9]+)")
_STATUS = re.compile(r"SIP/2\.0 ([1-6][0-9]{2}) ([^\r\n]*)")
_HEADER = re.compile(rf"({_TOKEN})[ \t]*:[ \t]*(.*)", re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_CSEQ = re.compile(rf"([0-9]{{1,10}})[ \t]+({_TOKEN})")
_VIA = re.compile(
    rf"SIP[ \t]*/[ \t]*2\.0[ \t]*/[ \t]*(?P<transport>{_TOKEN})[ \t]+(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)"
    r"(?:[ \t]*:[ \t]*(?P<port>[0-9]{1,5}))?[ \t]*(?P<parameters>(?:;[^,]*)?)"
)
_ADDRESS = re.compile(
    r'(?:(?:"(?:[^"\\]|\\.)*"[ \t]*|[A-Za-z0-9.!%*_+`\'~ \t-]*)<(?P<angled>[!-;=?-~]{1,500})>|'
    r"(?P<bare>[!-:=?-~]{1,500}))[ \t]*(?:;.*)?",
    re.DOTALL,
)
_LONG = {
    "v": "via",
    "f": "from",
    "t": "to",
    "i": "call-id",
    "l": "content-length",
    "c": "content-type",
    "e": "content-encoding",
    "m": "contact",
    "k": "supported",
    "s": "subject",
}
_ONCE = ("from", "to", "call-id", "cseq", "content-length", "content-type", "max-forwards")
_NEEDED = ("via", "from", "to", "call-id", "cseq")


class Wrong(Exception):
    """A message that cannot be used. ``status`` is what to answer, 0 where nobody could be answered."""

    def __init__(self, status: int, why: str, request: Request | None = None) -> None:
        super().__init__(why)
        self.status = status
        self.why = why
        self.request = request
        """As far as it could be read: enough to answer it."""


@dataclass(frozen=True, slots=True)
class Via:
    """The topmost Via: whom the answer goes to."""

    transport: str
    host: str
    port: int | None
    parameters: Mapping[str, str]

    @property
    def branch(self) -> str:
        """The name of the transaction at whoever sent it; empty where it has none."""
        return self.parameters.get("branch", "")


@dataclass(frozen=True, slots=True)
class Request:
    """Somebody asks for something (RFC 3261 7.1)."""

    method: str
    uri: str
    headers: tuple[tuple[str, str], ...]
    """Names in lower case and at full length, in their order."""
    body: bytes = b""

    def one(self, name: str) -> str:
        """The first header of this name; empty where there is none."""
        return next((value for key, value in self.headers if key == name), "")

    def every(self, name: str) -> list[str]:
        """All headers of this name, in their order."""
        return [value for key, value in self.headers if key == name]

    @property
    def via(self) -> Via:
        """Raises Wrong."""
        return via(self.one("via"))

    @property
    def transaction(self) -> str:
        """The same for a request that is sent again because no answer came (RFC 3261 17.2.3)."""
        top = self.via
        return "\n".join((top.branch, top.host, str(top.port), self.one("call-id"), self.one("cseq"), self.one("from")))


@dataclass(frozen=True, slots=True)
class Response:
    """The answer to a request (RFC 3261 7.2)."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""

    def one(self, name: str) -> str:
        """The first header of this name; empty where there is none."""
        return next((value for key, value in self.headers if key == name), "")


def body_length(head: bytes) -> int:
    """How many bytes follow ``head`` on a stream (from its first byte to the empty line). Raises Wrong."""
    found = re.findall(rb"(?im)^(?:content-length|l)[ \t]*:[ \t]*([^\r\n]*)", head)
    if len(set(found)) != 1:
        raise Wrong(400, "Content-Length is needed, once, on a stream")
    return _length(found[0].decode("latin-1").strip())


def parse(data: bytes) -> Request | Response:
    """One message, whole. Bytes behind its Content-Length are left out. Raises Wrong."""
    head, found, body = data.partition(b"\r\n\r\n")
    if not found or len(head) > HEAD_MOST:
        raise Wrong(0, "there is no end of the headers" if not found else "the headers are too long")
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError:
        raise Wrong(0, "the headers are not UTF-8") from None
    first, *lines = _unfolded(text)
    status = _STATUS.fullmatch(first)
    headers, trouble = _headers(lines)
    if status is not None:
        if trouble:
            raise Wrong(0, trouble)
        return Response(int(status[1]), headers, _body(headers, body, None))
    start = _REQUEST.fullmatch(first)
    if start is None:
        # As far as it can be answered: the headers may be whole.
        raise _wrong(400, f"the first line is no request: {first[:60]!r}", Request("", "", headers))
    method, scheme, rest, version = start.groups()
    request = Request(method, f"{scheme}:{rest}", headers)
    if version != "2.0":
        raise _wrong(505, f"SIP/{version} is not spoken", request)
    if trouble:
        raise _wrong(400, trouble, request)
    _check(request, scheme)
    return Request(method, request.uri, headers, _body(headers, body, request))


def via(text: str) -> Via:
    """The first of what a Via header holds. Raises Wrong."""
    found = _VIA.match(text)
    if found is None:
        raise Wrong(0, f"Via cannot be read: {text[:60]!r}")
    port = int(found["port"]) if found["port"] else None
    if port is not None and not 0 < port < 65_536:
        raise Wrong(0, f"Via has no port {port}")
    parameters = {}
    for part in found["parameters"].split(";")[1:]:
        key, _, value = part.strip().partition("=")
        parameters[key.strip().lower()] = value.strip()
    return Via(found["transport"].upper(), found["host"].lower(), port, parameters)


def answer(
    request: Request, status: int, reason: str, *, tag: str, more: Sequence[str] = (), body: bytes = b""
) -> bytes:
    """The answer to ``request``; ``tag`` marks our side where the request names none."""
    to = request.one("to")
    if ";tag=" not in to.lower():
        to = f"{to};tag={tag}"
    lines = [
        f"SIP/2.0 {status} {reason}",
        *(f"Via: {value}" for value in request.every("via")),
        f"From: {request.one('from')}",
        f"To: {to}",
        f"Call-ID: {request.one('call-id')}",
        f"CSeq: {request.one('cseq')}",
        *more,
    ]
    return _written(lines, body)


def received_from(request: Request, host: str, port: int) -> Request:
    """``request`` with what RFC 3261 18.2.1 and RFC 3581 put into the topmost Via: where it really came from."""
    first, *rest = request.every("via")
    top, *others = first.split(",", 1)
    if "rport" in request.via.parameters:
        top = ";".join(part for part in top.split(";") if not part.strip().lower().startswith("rport"))
        top += f";rport={port}"
    vias = [",".join([f"{top};received={host}", *others]), *rest]
    headers = (*(("via", one) for one in vias), *(one for one in request.headers if one[0] != "via"))
    return replace(request, headers=headers)


def answer_port(request: Request, port: int) -> int:
    """Where over UDP the answer to what came from ``port`` goes (RFC 3261 18.2.2, RFC 3581)."""
    top = request.via
    return port if "rport" in top.parameters else top.port or 5060


def message(uri: str, *, sender: str, transport: str, at: str, branch: str, tag: str, call: str, body: bytes) -> bytes:
    """A MESSAGE request to ``uri``; ``at`` is the address that the answer is to come back to."""
    lines = [
        f"MESSAGE {uri} SIP/2.0",
        f"Via: SIP/2.0/{transport} {at};branch={branch};rport",
        "Max-Forwards: 70",
        f"From: <{sender}>;tag={tag}",
        f"To: <{uri}>",
        f"Call-ID: {call}",
        "CSeq: 1 MESSAGE",
        "Content-Type: application/scaip+xml",
    ]
    return _written(lines, body)


def uri_of(address: str) -> str:
    """The URI of a From, To or Contact header; empty where it cannot be read."""
    found = _ADDRESS.fullmatch(address.strip())
    return (found["angled"] or found["bare"]) if found is not None else ""


def media_type(request: Request) -> str:
    """``application/scaip+xml``, without parameters, in lower case."""
    return request.one("content-type").partition(";")[0].replace(" ", "").replace("\t", "").lower()


def _written(lines: Sequence[str], body: bytes) -> bytes:
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


def _unfolded(text: str) -> list[str]:
    """Lines, with those that go on in the next one put together."""
    lines: list[str] = []
    for line in text.split("\r\n"):
        if line[:1] in (" ", "\t") and len(lines) > 1:
            lines[-1] += " " + line.strip(" \t")
        else:
            lines.append(line)
    return lines


def _headers(lines: Sequence[str]) -> tuple[tuple[tuple[str, str], ...], str]:
    """The headers that can be read, and what is wrong with the others; empty where nothing is."""
    found: list[tuple[str, str]] = []
    trouble = "" if len(lines) <= LINES_MOST else f"there are more than {LINES_MOST} headers"
    for line in lines[:LINES_MOST]:
        match = _HEADER.fullmatch(line)
        if match is None or len(line) > LINE_MOST or _CONTROL.search(line):
            trouble = trouble or f"a header cannot be read: {line[:60]!r}"
            continue
        name = match[1].lower()
        found.append((_LONG.get(name, name), match[2].strip(" \t")))
    return tuple(found), trouble


def _check(request: Request, scheme: str) -> None:
    for name in _NEEDED:
        if not request.one(name):
            raise _wrong(400, f"{name} is missing", request)
    for name in _ONCE:
        if len(request.every(name)) > 1:
            raise _wrong(400, f"{name} stands there more than once", request)
    request.via  # noqa: B018 - raises for one that cannot be read
    for name in ("from", "to"):
        if not uri_of(request.one(name)):
            raise _wrong(400, f"{name} is no address: {request.one(name)[:60]!r}", request)
    numbered = _CSEQ.fullmatch(request.one("cseq"))
    if numbered is None or int(numbered[1]) >= 2**31:
        raise _wrong(400, f"CSeq cannot be read: {request.one('cseq')[:60]!r}", request)
    if numbered[2] != request.method:
        raise _wrong(400, f"CSeq is of {numbered[2]}, the request is {request.method}", request)
    forwards = request.one("max-forwards")
    if forwards and not (forwards.isascii() and forwards.isdigit() and int(forwards) <= 255):
        raise _wrong(400, f"Max-Forwards cannot be read: {forwards[:20]!r}", request)
    if scheme.lower() not in ("sip", "sips", "tel", "im"):
        raise _wrong(416, f"{scheme}: is no scheme of ours", request)


def _body(headers: tuple[tuple[str, str], ...], body: bytes, request: Request | None) -> bytes:
    given = [value for name, value in headers if name == "content-length"]
    if not given:
        length = len(body)
    else:
        try:
            length = _length(given[0])
        except Wrong as wrong:
            raise _wrong(wrong.status, wrong.why, request) from None
    if length > BODY_MOST:
        raise _wrong(413, f"the body is longer than {BODY_MOST} bytes", request)
    if length > len(body):
        raise _wrong(400, f"Content-Length is {length}, and {len(body)} bytes came", request)
    return body[:length]


def _length(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 10):
        raise Wrong(400, f"Content-Length cannot be read: {text[:20]!r}")
    length = int(text)
    if length > BODY_MOST:
        raise Wrong(413, f"the body is longer than {BODY_MOST} bytes")
    return length


def _wrong(status: int, why: str, request: Request | None) -> Wrong:
    """Only who names the way back, the call and itself can be answered."""
    if request is not None and request.method != "ACK" and all(request.one(name) for name in _NEEDED):
        try:
            request.via  # noqa: B018
        except Wrong:
            return Wrong(0, why)
        return Wrong(status, why, request)
    return Wrong(0, why)
