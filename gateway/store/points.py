"""Which parts of an observation can be stored: one rule for every store, so that moving between stores loses nothing.

The decoders have already refused implausible values; this is the last guard before a store that would take nonsense in
silence (VictoriaMetrics answers 204 to a broken line) or refuse a whole batch for it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from functools import lru_cache

import msgspec

from devices.observation import Observation, Waveform
from gateway.store.protocol import Point

LAST_MS = 9_000_000_000_000
"""The year 2255; InfluxDB's nanoseconds end in 2262."""
RATE_MAX_HZ = 1_000_000.0
"""Samples are told apart by their nanosecond."""

_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f\\\ud800-\udfff]")


@lru_cache(maxsize=65_536)
def name_fault(name: str) -> str:
    """Why ``name`` cannot name a device, metric, event or wave in every store; an empty string where it can.

    Line protocol has no escape for line breaks, and the servers disagree about backslashes.
    """
    if not name:
        return "is empty"
    if _FORBIDDEN.search(name):
        return "holds a backslash, a control character or half a surrogate pair"
    if name.startswith("#") or name in ("time", "_field", "_measurement"):
        return "has a meaning of its own in line protocol"
    return ""


def screen(observation: Observation) -> tuple[Observation | None, str]:
    """The part of ``observation`` that can be stored (None where nothing can), and why the rest cannot.

    The reason is an empty string where nothing was left out.
    """
    reasons = [
        f"{what} {name!r} {fault}"
        for what, name in (("device", observation.device), ("kind", observation.kind), ("event", observation.event))
        if name is not None and (fault := name_fault(name))
    ]
    if not 0 <= observation.observed_at_ms <= LAST_MS:
        reasons.append(f"observed_at_ms is {observation.observed_at_ms}, expected 0 to {LAST_MS}")
    if reasons:
        return None, "; ".join(reasons)
    bad = {key: fault for key, value in observation.metrics.items() if (fault := _metric_fault(key, value))}
    wave_fault = _waveform_fault(observation.waveform) if observation.waveform is not None else ""
    if not bad and not wave_fault:
        return observation, ""
    reasons = [f"metric {key!r} {fault}" for key, fault in bad.items()]
    if wave_fault:
        reasons.append(f"waveform {wave_fault}")
    rest = msgspec.structs.replace(
        observation,
        metrics={key: value for key, value in observation.metrics.items() if key not in bad},
        waveform=None if wave_fault else observation.waveform,
    )
    storable = rest if rest.metrics or rest.waveform or rest.event else None
    return storable, "; ".join(reasons)


TEXT_MAX_BYTES = 60_000
"""InfluxDB takes text up to 64 kB."""
_NO_TEXT = re.compile(r"[\x00\ud800-\udfff]")


def screen_point(point: Point) -> tuple[Point | None, str]:
    """The part of ``point`` that can be stored (None where nothing can), and why the rest cannot.

    Numbers come out as floats, empty tags are gone. The reason is an empty string where nothing was left out.
    """
    tags = {key: value for key, value in point.tags.items() if value}
    reasons = [
        f"{what} {name!r} {fault}"
        for what, name in (
            ("measurement", point.measurement),
            *(("tag", text) for pair in tags.items() for text in pair),
        )
        if (fault := name_fault(name))
    ]
    if not 0 <= point.at_ns <= LAST_MS * 1_000_000:
        reasons.append(f"at_ns is {point.at_ns}, expected 0 to {LAST_MS * 1_000_000}")
    if reasons:
        return None, "; ".join(reasons)
    sound: dict[str, float | str] = {}
    for key, value in point.fields.items():
        fault = name_fault(key) or (_text_fault(value) if isinstance(value, str) else _number_fault(value))
        if fault:
            reasons.append(f"field {key!r} {fault}")
        else:
            sound[key] = value if isinstance(value, str) else float(value)
    reason = "; ".join(reasons)
    if not sound:
        return None, reason or "has no fields"
    return Point(measurement=point.measurement, tags=tags, fields=sound, at_ns=point.at_ns), reason


def json_tags(tags: Mapping[str, str]) -> str:
    """Tags as one text that is the same for the same tags, whatever their order."""
    return _JSON.encode(dict(sorted(tags.items()))).decode()


_JSON = msgspec.json.Encoder()


def _text_fault(text: str) -> str:
    if _NO_TEXT.search(text):
        return "holds a NUL or half a surrogate pair"
    size = len(text.encode())
    return f"is {size} bytes long, at most {TEXT_MAX_BYTES} can be stored" if size > TEXT_MAX_BYTES else ""


def count_points(observation: Observation) -> int:
    """How many points an observation makes: one a metric, one an event, one a sample."""
    samples = len(observation.waveform.samples) if observation.waveform else 0
    return len(observation.metrics) + (observation.event is not None) + samples


def sample_time_ns(start_ms: int, rate_hz: float, index: int) -> int:
    """When a sample of a strip was taken, in ns since the epoch; the same wherever it is computed."""
    return start_ms * 1_000_000 + round(index * 1e9 / rate_hz)


def _metric_fault(key: str, value: float) -> str:
    return name_fault(key) or _number_fault(value)


def _number_fault(value: float) -> str:
    try:
        return "" if math.isfinite(value) else f"is {value}, which is no number a store can hold"
    except OverflowError:
        return "is too large for a 64-bit float"
    except TypeError:
        return f"is {value!r}, expected a number"


def _waveform_fault(wave: Waveform) -> str:
    if fault := name_fault(wave.name):
        return f"name {wave.name!r} {fault}"
    for what, text in (("lead", wave.lead), ("unit", wave.unit)):
        if text and (fault := name_fault(text)):
            return f"{what} {text!r} {fault}"
    if not 1e-3 <= wave.rate_hz <= RATE_MAX_HZ:
        return f"rate_hz is {wave.rate_hz}, expected 0.001 to {RATE_MAX_HZ:g}"
    if not wave.samples:
        return "has no samples"
    for index, value in enumerate(wave.samples):
        if fault := _number_fault(value):
            return f"sample {index} {fault}"
    return ""
