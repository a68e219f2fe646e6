"""Hypothesis strategies for messages of the native protocol, made from the catalogue."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

from devices.kind import Kind
from devices.kinds import KINDS
from devices.native import PROTOCOL_VERSION, Message, WireWaveform
from devices.observation import Channel


@dataclass(frozen=True)
class Ref:
    id: str
    kind: str


counts = st.integers(0, 2**53 - 1)
kinds = st.sampled_from(sorted(KINDS.values(), key=lambda kind: kind.key))
channels = st.sampled_from(list(Channel))
names = st.text(min_size=1, max_size=64)
texts = st.text(max_size=512)
data = st.dictionaries(names, texts | st.booleans() | st.floats(allow_nan=False, allow_infinity=False), max_size=5)


def metrics_of(kind: Kind, min_size: int) -> st.SearchStrategy[dict[str, float]]:
    pairs = [
        st.tuples(st.just(key), st.floats(metric.low, metric.high, allow_nan=False))
        for key, metric in kind.metrics.items()
    ]
    return st.lists(st.one_of(pairs), min_size=min_size, max_size=6, unique_by=lambda pair: pair[0]).map(dict)


@st.composite
def waves_of(draw: st.DrawFn, kind: Kind) -> WireWaveform | None:
    if not kind.waveforms or draw(st.booleans()):
        return None
    wave = draw(st.sampled_from(sorted(kind.waveforms.values(), key=lambda row: row.key)))
    scale = draw(st.sampled_from([0.001, 0.005, 1.0]))
    steps = st.integers(int(wave.low / scale), int(wave.high / scale))
    return WireWaveform(
        name=wave.key,
        rate=draw(st.floats(0.1, wave.rate_hz_max)),
        scale=scale,
        samples=draw(st.lists(steps, min_size=1, max_size=50)),
        lead=draw(st.sampled_from(["", "I", "II", "V1"])),
    )


@st.composite
def valid_messages(draw: st.DrawFn, received_at_ms: int) -> tuple[Kind, Channel, Message]:
    """Any message a healthy device of any kind may send."""
    kind = draw(kinds)
    channel = draw(channels)
    presence = ("online", "offline")
    event: str | None = None
    if channel is Channel.STATUS:
        event = draw(st.sampled_from(presence))
    elif channel is Channel.EVENT:
        event = draw(st.sampled_from(sorted(kind.events.keys() - set(presence))))
    message = Message(
        v=PROTOCOL_VERSION,
        boot=draw(counts),
        seq=draw(counts),
        t=draw(st.none() | st.integers(received_at_ms - 29 * 86_400_000, received_at_ms + 200_000)),
        event=event,
        metrics=draw(metrics_of(kind, min_size=1 if channel is Channel.TELEMETRY else 0)),
        data=draw(data),
        wave=draw(waves_of(kind)),
    )
    return kind, channel, message
