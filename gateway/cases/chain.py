"""The timeline's hash chain: a line that is changed, taken out or cut off afterwards shows. Pure.

Each line's hash is SHA-256 over the canonical form of the hash before it and what the line says; the first one is bound
to the case's id and number. Whoever can write the whole database can also make a whole new chain: against that, heads
are told to somebody outside (`gateway.record.anchors`).

The form is fixed for ever: exports of years ago must stay verifiable. docs/records.md describes it for other programs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from enum import StrEnum

from gateway.alarms import Frozen

FORM = "anju-timeline-1"
"""Name of the form that everything is hashed in; another one would be another chain."""


class Line(Frozen):
    """A line of the timeline, with its hash as it was written."""

    seq: int
    at_ms: int
    actor: str
    what: str
    reason: str
    data: dict[str, object]
    hash: str


class Fault(StrEnum):
    """In which way a chain is broken."""

    CHANGED = "changed"
    """A line, or the case's own number, is not what it was when it was written."""
    MISSING = "missing"
    """A line between others is not there."""
    CUT = "cut"
    """Lines at the end are not there, or the head of the case was changed."""
    MORE = "more"
    """There are lines that the case does not know of."""


_WORDS = {
    Fault.CHANGED: ("第 {seq} 条或其之前的内容被改动", "line {seq}, or what it is bound to, was changed"),
    Fault.MISSING: ("第 {seq} 条缺失", "line {seq} is missing"),
    Fault.CUT: ("第 {seq} 条起的记录被删除，或案卷链头被改动", "lines from {seq} on were cut off, or the head changed"),
    Fault.MORE: ("第 {seq} 条起的记录不属于该案卷", "lines from {seq} on were put in from outside"),
}


class Verdict(Frozen):
    """Whether a chain holds, and where it does not."""

    case: str
    number: str
    whole: bool
    lines: int
    """How many lines there are."""
    before: int = 0
    """How many of them were written before there was a chain: it shows that they were not changed since then."""
    head: str
    fault: Fault | None = None
    seq: int | None = None
    """The first line that is not as it was."""
    zh: str
    en: str


def canonical(value: object) -> str:
    """The one way to write a value down: JSON with sorted keys, without white space, not escaped beyond JSON's need."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def origin(case: str, number: str, before: int) -> str:
    """What the first line is bound to. ``before``: how many lines were written before there was a chain."""
    return _digest([FORM, case, number, before])


def link(
    previous: str, case: str, seq: int, at_ms: int, actor: str, what: str, reason: str, data: dict[str, object]
) -> str:
    """The hash of one line."""
    return _digest([previous, case, seq, at_ms, actor, what, reason, data])


def verify(case: str, number: str, before: int, lines: Iterable[Line], head: str, count: int) -> Verdict:
    """Look at a whole chain. ``lines`` in their order; ``head`` and ``count`` as they are kept with the case."""
    previous, seen = origin(case, number, before), 0

    def verdict(fault: Fault | None, seq: int | None) -> Verdict:
        zh, en = ("完整，未被改动", "whole") if fault is None else _WORDS[fault]
        return Verdict(
            case=case,
            number=number,
            whole=fault is None,
            lines=seen,
            before=before,
            head=previous,
            fault=fault,
            seq=seq,
            zh=zh.format(seq=seq),
            en=en.format(seq=seq),
        )

    for line in lines:
        seen += 1
        if line.seq != seen:
            return verdict(Fault.MISSING if line.seq > seen else Fault.CHANGED, seen)
        own = link(previous, case, line.seq, line.at_ms, line.actor, line.what, line.reason, line.data)
        if own != line.hash:
            return verdict(Fault.CHANGED, seen)
        previous = own
        if seen == count and previous != head:
            return verdict(Fault.CUT, seen + 1)
    if seen > count:
        return verdict(Fault.MORE, count + 1)
    if seen < count or previous != head:
        return verdict(Fault.CUT, seen + 1)
    return verdict(None, None)


def _digest(parts: list[object]) -> str:
    return hashlib.sha256(canonical(parts).encode("utf-8", "surrogatepass")).hexdigest()
