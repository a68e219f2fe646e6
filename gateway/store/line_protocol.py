"""Observations as InfluxDB line protocol (https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/).

Schema: docs/telemetry.md. Every field is a float (an integer first would make the field an integer for ever), every
time is in nanoseconds, and series keys are cached: formatting costs about half a microsecond a point. Only what
`gateway.store.points.screen` let through may come here.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from devices.observation import Observation, Waveform
from devices.telemetry import NOWHERE, Stamps
from gateway.store.points import sample_time_ns
from gateway.store.protocol import Point

EVENT = "event"
WAVEFORM = "waveform"

_MEASUREMENT = str.maketrans({",": "\\,", " ": "\\ "})
_KEY_OR_TAG = str.maketrans({",": "\\,", " ": "\\ ", "=": "\\="})
_TEXT = str.maketrans({'"': '\\"', "\\": "\\\\"})


def lines(observation: Observation, stamps: Stamps = NOWHERE) -> list[str]:
    """The lines of an observation: one with its metrics, one with its event, one for each sample of its waveform."""
    out: list[str] = []
    at_ms = observation.observed_at_ms
    if observation.metrics:
        fields = ",".join([f"{_field(key)}={float(value)!r}" for key, value in observation.metrics.items()])
        out.append(f"{_series(observation.kind, observation.device, stamps)} {fields} {at_ms}000000")
    if observation.event is not None:
        key = _event(observation.kind, observation.device, observation.event, stamps)
        out.append(f"{key} value=1.0 {at_ms}000000")
    if observation.waveform is not None:
        out.extend(_strip(observation.kind, observation.device, at_ms, observation.waveform, stamps))
    return out


def point_line(point: Point, *, text: bool = True) -> str:
    """The line of a point; without ``text`` of its numbers alone, an empty string where it has none.

    A line break in text stays one: between quotes it ends no line (InfluxDB 1.x to 3.x; VictoriaMetrics would cut it).
    """
    fields = ",".join(
        [
            f'{_field(key)}="{value.translate(_TEXT)}"' if isinstance(value, str) else f"{_field(key)}={value!r}"
            for key, value in point.fields.items()
            if text or not isinstance(value, str)
        ]
    )
    return f"{series_key(point.measurement, point.tags)} {fields} {point.at_ns}" if fields else ""


def _strip(kind: str, device: str, at_ms: int, wave: Waveform, stamps: Stamps) -> list[str]:
    """The first sample carries rate and length, by which a reader finds the strip's start and its other samples."""
    own = {"device": device, "kind": kind, "lead": wave.lead, "name": wave.name, "unit": wave.unit}
    key = series_key(WAVEFORM, own | stamps._asdict())
    head = f"rate_hz={float(wave.rate_hz)!r},samples={float(len(wave.samples))!r},"
    out = []
    for index, value in enumerate(wave.samples):
        out.append(f"{key} {head}value={float(value)!r} {sample_time_ns(at_ms, wave.rate_hz, index)}")
        head = ""
    return out


def series_key(measurement: str, tags: Mapping[str, str]) -> str:
    """Measurement and tags, escaped; empty tags do not exist in line protocol and are left out."""
    pairs = (
        f",{tag.translate(_KEY_OR_TAG)}={value.translate(_KEY_OR_TAG)}" for tag, value in sorted(tags.items()) if value
    )
    return measurement.translate(_MEASUREMENT) + "".join(pairs)


@lru_cache(maxsize=65_536)
def _series(kind: str, device: str, stamps: Stamps) -> str:
    return series_key(kind, {"device": device} | stamps._asdict())


@lru_cache(maxsize=65_536)
def _event(kind: str, device: str, event: str, stamps: Stamps) -> str:
    return series_key(EVENT, {"device": device, "event": event, "kind": kind} | stamps._asdict())


@lru_cache(maxsize=4096)
def _field(metric: str) -> str:
    return metric.translate(_KEY_OR_TAG)
