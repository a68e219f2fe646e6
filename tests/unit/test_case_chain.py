"""The timeline's hash chain: whole as written, and every single change shows, at its line."""

from __future__ import annotations

import hashlib
import json

from hypothesis import given
from hypothesis import strategies as st

from gateway.cases import chain
from gateway.cases.chain import Fault, Line

CASE, NUMBER = "2026-000042-abc123", "2026-000042"
scalars = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(max_size=20)
data = st.dictionaries(
    st.text(max_size=8), st.recursive(scalars, lambda inner: st.lists(inner, max_size=3), max_leaves=6), max_size=4
)
told = st.lists(
    st.tuples(st.integers(0, 2**42), st.text(max_size=12), st.text(max_size=12), st.text(max_size=30), data),
    min_size=1,
    max_size=8,
)


def written(said: list[tuple[int, str, str, str, dict[str, object]]], before: int = 0) -> list[Line]:
    head, lines = chain.origin(CASE, NUMBER, before), []
    for seq, (at_ms, actor, what, reason, facts) in enumerate(said, 1):
        head = chain.link(head, CASE, seq, at_ms, actor, what, reason, facts)
        kept = json.loads(json.dumps(facts))
        line = Line(seq=seq, at_ms=at_ms, actor=actor, what=what, reason=reason, data=kept, hash=head)
        lines.append(line)
    return lines


def test_the_form_is_what_the_documentation_says() -> None:
    """Reckoned by hand: another program must come to the same."""
    assert chain.canonical({"b": [1, 2.5, None, True], "a": "急 \"'\n"}) == '{"a":"急 \\"\'\\n","b":[1,2.5,null,true]}'
    first = hashlib.sha256(f'["anju-timeline-1","{CASE}","{NUMBER}",0]'.encode()).hexdigest()
    assert chain.origin(CASE, NUMBER, 0) == first
    body = f'["{first}","{CASE}",1,1000,"system","opened","因为",{{"rung":"family"}}]'
    assert chain.link(first, CASE, 1, 1000, "system", "opened", "因为", {"rung": "family"}) == (
        hashlib.sha256(body.encode()).hexdigest()
    )


@given(told)
def test_what_was_written_is_whole(said: list[tuple[int, str, str, str, dict[str, object]]]) -> None:
    lines = written(said)
    verdict = chain.verify(CASE, NUMBER, 0, lines, lines[-1].hash, len(lines))
    assert verdict.whole
    assert (verdict.lines, verdict.head, verdict.fault) == (len(lines), lines[-1].hash, None)


@given(told, st.data())
def test_every_change_shows_at_its_line(
    said: list[tuple[int, str, str, str, dict[str, object]]], pick: st.DataObject
) -> None:
    lines = written(said)
    at = pick.draw(st.integers(0, len(lines) - 1))
    line = lines[at]
    change = pick.draw(
        st.sampled_from(
            [
                {"at_ms": line.at_ms + 1},
                {"actor": line.actor + "x"},
                {"what": line.what + "x"},
                {"reason": line.reason + " "},
                {"data": {**line.data, "more": 1}},
                {"hash": "0" * 64},
            ]
        )
    )
    forged = [*lines[:at], line.model_copy(update=change), *lines[at + 1 :]]
    verdict = chain.verify(CASE, NUMBER, 0, forged, lines[-1].hash, len(lines))
    assert (verdict.whole, verdict.fault, verdict.seq) == (False, Fault.CHANGED, at + 1)


@given(told, st.data())
def test_a_line_taken_out_or_cut_off_shows(
    said: list[tuple[int, str, str, str, dict[str, object]]], pick: st.DataObject
) -> None:
    lines = written(said)
    at = pick.draw(st.integers(0, len(lines) - 1))
    verdict = chain.verify(CASE, NUMBER, 0, [*lines[:at], *lines[at + 1 :]], lines[-1].hash, len(lines))
    last = at == len(lines) - 1
    assert (verdict.whole, verdict.fault, verdict.seq) == (False, Fault.CUT if last else Fault.MISSING, at + 1)


def test_a_forged_head_a_line_too_many_and_another_case_show() -> None:
    lines = written([(1, "system", "opened", "", {}), (2, "operator:a", "acknowledged", "", {})])
    head = lines[-1].hash
    assert chain.verify(CASE, NUMBER, 0, lines, "0" * 64, 2).fault is Fault.CUT
    assert chain.verify(CASE, NUMBER, 0, lines, lines[0].hash, 1).fault is Fault.MORE
    # Cutting the end off and telling the case so: its head still is that of the line before. What shows it is the
    # anchor that was told outside (tests/integration/test_record.py).
    assert chain.verify(CASE, NUMBER, 0, lines[:1], lines[0].hash, 1).whole
    for case, number, before in ((CASE + "x", NUMBER, 0), (CASE, "2026-000043", 0), (CASE, NUMBER, 1)):
        verdict = chain.verify(case, number, before, lines, head, 2)
        assert (verdict.fault, verdict.seq) == (Fault.CHANGED, 1)
    assert chain.verify(CASE, NUMBER, 0, [], chain.origin(CASE, NUMBER, 0), 0).whole
