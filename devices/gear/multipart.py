"""A body of several parts (RFC 2046) as cameras push it: ``multipart/form-data`` or ``multipart/mixed``, with or
without a correct header around it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from devices.observation import Refusal

MAX_PARTS = 64
MAX_BYTES = 1_048_576
_MAX_HEAD = 4096
_BOUNDARY = re.compile(r'boundary="?([^";,]{1,70})"?', re.IGNORECASE)
_BEGINNING = re.compile(rb"\A\s*--([^\r\n]{1,70})\r?\n")
_BLANK = re.compile(rb"\r?\n\r?\n")


@dataclass(frozen=True, slots=True)
class Part:
    """One part."""

    content_type: str
    """In small letters, without parameters; empty where none is given."""
    body: bytes


def parts_of(payload: bytes, content_type: str) -> tuple[Part, ...]:
    """The parts of a body; a body that is not of several parts is one. Raises Refusal."""
    if len(payload) > MAX_BYTES:
        raise Refusal(
            "oversize",
            field="payload",
            expected=f"at most {MAX_BYTES} bytes",
            hint=f"got {len(payload)} bytes; let the camera send smaller pictures",
        )
    boundary = _boundary(payload, content_type)
    if boundary is None:
        return (Part(_bare(content_type), payload),)
    pieces = payload.split(b"--" + boundary, MAX_PARTS + 1)
    if len(pieces) > MAX_PARTS:
        raise Refusal("oversize", field="payload", expected=f"at most {MAX_PARTS} parts", hint="got more")
    found = [_part(piece) for piece in pieces[1:] if not piece.startswith(b"--")]
    return tuple(part for part in found if part is not None)


def _boundary(payload: bytes, content_type: str) -> bytes | None:
    """As declared, if the body uses it; else as the body begins."""
    declared = _BOUNDARY.search(content_type) if "multipart" in content_type.lower() else None
    if declared is not None:
        boundary = declared[1].strip().encode("latin-1", "replace")
        if b"--" + boundary in payload:
            return boundary
        if boundary.startswith(b"--") and boundary in payload:  # declared with its dashes
            return boundary[2:]
    begun = _BEGINNING.match(payload[:200])
    return begun[1].rstrip() if begun is not None else None


def _part(piece: bytes) -> Part | None:
    """Head and body of what stands between two boundaries."""
    piece = piece.lstrip(b" \t").removeprefix(b"\r").removeprefix(b"\n")
    blank = _BLANK.search(piece[:_MAX_HEAD])
    if blank is None:
        return Part("", piece.strip()) if piece.strip() else None
    kind = ""
    for line in piece[: blank.start()].decode("latin-1").splitlines():
        name, _, value = line.partition(":")
        if name.strip().lower() == "content-type":
            kind = _bare(value)
    return Part(kind, piece[blank.end() :].removesuffix(b"\n").removesuffix(b"\r"))


def _bare(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()
