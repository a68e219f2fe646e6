"""The line protocol formatter against a parser that was written from the specification and shares no code with it."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from devices.observation import Lane, Observation, Waveform
from gateway.store.line_protocol import lines
from gateway.store.points import LAST_MS, screen
from tests.support.stores import START_MS, observe

Point = tuple[str, dict[str, str], dict[str, float], int]


def parse(line: str) -> Point:
    """One line, character by character, as the reference describes it."""
    assert "\n" not in line
    place = 0

    def upto(stops: str, escapable: str) -> tuple[str, str]:
        nonlocal place
        text = ""
        while True:
            char = line[place]
            if char == "\\" and line[place + 1] in escapable:
                text, place = text + line[place + 1], place + 2
            elif char in stops:
                place += 1
                return text, char
            else:
                text, place = text + char, place + 1

    measurement, stop = upto(", ", ", ")
    tags: dict[str, str] = {}
    while stop == ",":
        key, _ = upto("=", ",= ")
        assert key not in tags
        tags[key], stop = upto(", ", ",= ")
    fields: dict[str, float] = {}
    stop = ","
    while stop == ",":
        key, _ = upto("=", ",= ")
        number, stop = upto(", ", "")
        assert key not in fields and not number.endswith(("i", "u"))
        fields[key] = float(number)
    return measurement, tags, fields, int(line[place:])


names = st.text(min_size=1, max_size=20)
numbers = st.one_of(st.floats(), st.integers(), st.booleans())
strips = st.builds(
    Waveform,
    name=names,
    lead=st.text(max_size=4),
    rate_hz=st.floats(),
    unit=st.text(max_size=4),
    samples=st.lists(st.floats(width=32), max_size=5).map(tuple),
)
observations = st.builds(
    Observation,
    message_id=st.just("x:1:1"),
    device=names,
    kind=names,
    lane=st.just(Lane.ROUTINE),
    observed_at_ms=st.integers(min_value=-(2**60), max_value=2**60) | st.integers(min_value=0, max_value=LAST_MS),
    received_at_ms=st.just(START_MS),
    metrics=st.dictionaries(names, numbers, max_size=5),
    event=st.none() | names,
    waveform=st.none() | strips,
)


@given(observations)
def test_whatever_is_let_through_is_read_back_and_whatever_is_not_is_explained(observation: Observation) -> None:
    sound, reason = screen(observation)
    if sound is None:
        assert reason or not (observation.metrics or observation.event or observation.waveform)
        return
    assert bool(reason) == (sound != observation)
    points = [parse(line) for line in lines(sound)]
    ns = sound.observed_at_ms * 1_000_000
    if sound.metrics:
        expected = {key: float(value) for key, value in sound.metrics.items()}
        assert all(map(math.isfinite, expected.values()))
        assert points.pop(0) == (sound.kind, {"device": sound.device}, expected, ns)
    if sound.event is not None:
        tags = {"device": sound.device, "event": sound.event, "kind": sound.kind}
        assert points.pop(0) == ("event", tags, {"value": 1.0}, ns)
    if sound.waveform is not None:
        assert [fields["value"] for _, _, fields, _ in points] == list(sound.waveform.samples)
        assert points[0][2]["rate_hz"] == sound.waveform.rate_hz and points[0][2]["samples"] == len(points)
        assert points[0][3] == ns and [p[3] for p in points] == sorted({p[3] for p in points})
        points.clear()
    assert points == []


def test_the_bytes_are_these() -> None:
    observation = observe(
        START_MS,
        {"pulse": 72, "spo2": 97.5},
        event="measurement",
        waveform=Waveform(name="ecg", lead="II", rate_hz=250, unit="mV", samples=(0.5, -1.0)),
    )
    assert lines(observation) == [
        f"vitals_monitor,device=bed-3 pulse=72.0,spo2=97.5 {START_MS}000000",
        f"event,device=bed-3,event=measurement,kind=vitals_monitor value=1.0 {START_MS}000000",
        "waveform,device=bed-3,kind=vitals_monitor,lead=II,name=ecg,unit=mV"
        f" rate_hz=250.0,samples=2.0,value=0.5 {START_MS}000000",
        f"waveform,device=bed-3,kind=vitals_monitor,lead=II,name=ecg,unit=mV value=-1.0 {START_MS}000000".replace(
            f"{START_MS}000000", f"{START_MS}000000"[:-7] + "4000000"
        ),
    ]


def test_names_are_escaped_as_the_reference_says() -> None:
    [line] = lines(observe(1, {"a =,b": 1.0}, device="c d,e=f", kind="g h,i=j"))
    assert line == "g\\ h\\,i=j,device=c\\ d\\,e\\=f a\\ \\=\\,b=1.0 1000000"
