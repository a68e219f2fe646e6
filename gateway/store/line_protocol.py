"""Observations as InfluxDB line protocol (https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/).

Schema: docs/telemetry.md. Every field is a float (an integer first would make the field an integer for ever), every
time is in nanoseconds, and series keys are cached: formatting costs about half a microsecond a point. Only what
`gateway.store.points.screen` let through may come here.
"""

from __future__ import annotations

from functools import lru_cache

from devices.observation import Observation, Waveform
from gateway.store.points import sample_time_ns

EVENT = "event"
WAVEFORM = "waveform"

_MEASUREMENT = str.maketrans({",": "\\,", " ": "\\ "})
_KEY_OR_TAG = str.maketrans({",": "\\,", " ": "\\ ", "=": "\\="})


def lines(observation: Observation) -> list[str]:
    """The lines of an observation: one with its metrics, one with its event, one for each sample of its waveform."""
    out: list[str] = []
    at_ms = observation.observed_at_ms
    if observation.metrics:
        fields = ",".join([f"{_field(key)}={float(value)!r}" for key, value in observation.metrics.items()])
        out.append(f"{_series(observation.kind, observation.device)} {fields} {at_ms}000000")
    if observation.event is not None:
        out.append(f"{_event(observation.kind, observation.device, observation.event)} value=1.0 {at_ms}000000")
    if observation.waveform is not None:
        out.extend(_strip(observation.kind, observation.device, at_ms, observation.waveform))
    return out


def _strip(kind: str, device: str, at_ms: int, wave: Waveform) -> list[str]:
    """The first sample carries rate and length, by which a reader finds the strip's start and its other samples."""
    key = series_key(WAVEFORM, device=device, kind=kind, lead=wave.lead, name=wave.name, unit=wave.unit)
    head = f"rate_hz={float(wave.rate_hz)!r},samples={float(len(wave.samples))!r},"
    out = []
    for index, value in enumerate(wave.samples):
        out.append(f"{key} {head}value={float(value)!r} {sample_time_ns(at_ms, wave.rate_hz, index)}")
        head = ""
    return out


def series_key(measurement: str, **tags: str) -> str:
    """Measurement and tags, escaped; empty tags do not exist in line protocol and are left out."""
    key = measurement.translate(_MEASUREMENT)
    return key + "".join(f",{tag}={value.translate(_KEY_OR_TAG)}" for tag, value in sorted(tags.items()) if value)


@lru_cache(maxsize=65_536)
def _series(kind: str, device: str) -> str:
    return series_key(kind, device=device)


@lru_cache(maxsize=65_536)
def _event(kind: str, device: str, event: str) -> str:
    return series_key(EVENT, device=device, event=event, kind=kind)


@lru_cache(maxsize=4096)
def _field(metric: str) -> str:
    return metric.translate(_KEY_OR_TAG)
