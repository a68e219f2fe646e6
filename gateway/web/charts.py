"""Lines over time and ECG strips as SVG, made at the server: nothing to load, nothing to run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from devices.observation import Waveform
from gateway.store.protocol import Bucket

WIDTH, HEIGHT = 720.0, 150.0
LEFT, BOTTOM, TOP = 52.0, 22.0, 8.0
_GAP_BUCKETS = 3
"""A line is broken where so many buckets in a row are empty: what was not measured is not drawn."""

MM_PER_S, MM_PER_MV = 25.0, 10.0
"""The usual scale of an ECG on paper."""
_ECG_BASE_MV = 1.5
_ECG_MOST_MV = 6.0


@dataclass(frozen=True, slots=True)
class Line:
    """A metric over time, in SVG coordinates."""

    paths: tuple[str, ...]
    """One ``d`` for each unbroken stretch of means."""
    bands: tuple[str, ...]
    """One closed ``d`` for each stretch, from the lowest to the highest."""
    dots: tuple[tuple[float, float], ...]
    """Single buckets that no line reaches."""
    rows: tuple[tuple[float, str], ...]
    """Horizontal grid lines: y and label."""
    columns: tuple[tuple[float, int], ...]
    """Vertical grid lines: x and instant."""


@dataclass(frozen=True, slots=True)
class Strip:
    """An ECG strip in millimetres of paper."""

    width: float
    height: float
    path: str
    calibration: str
    """The 1 mV mark at the left."""


def line(buckets: Sequence[Bucket], start_ms: int, end_ms: int, width_s: int) -> Line | None:
    """The buckets between two instants; None where there are none."""
    if not buckets:
        return None
    low, high = min(bucket.low for bucket in buckets), max(bucket.high for bucket in buckets)
    step = _nice_step(max(high - low, abs(high) * 0.02, 0.5))
    bottom = step * (low // step)
    top = bottom
    while top < high or top == bottom:
        top += step

    def x(at_ms: float) -> float:
        return round(LEFT + (at_ms - start_ms) / (end_ms - start_ms) * (WIDTH - LEFT - 8), 1)

    def y(value: float) -> float:
        return round(TOP + (top - value) / (top - bottom) * (HEIGHT - TOP - BOTTOM), 1)

    stretches: list[list[Bucket]] = []
    for bucket in buckets:
        if stretches and bucket.start_ms - stretches[-1][-1].start_ms <= _GAP_BUCKETS * width_s * 1000:
            stretches[-1].append(bucket)
        else:
            stretches.append([bucket])
    middle = width_s * 500
    paths, bands, dots = [], [], []
    for stretch in stretches:
        at = [x(bucket.start_ms + middle) for bucket in stretch]
        if len(stretch) == 1:
            dots.append((at[0], y(stretch[0].mean)))
            continue
        paths.append(_path(zip(at, (y(bucket.mean) for bucket in stretch), strict=True)))
        there = list(zip(at, (y(bucket.high) for bucket in stretch), strict=True))
        back = list(zip(reversed(at), (y(bucket.low) for bucket in reversed(stretch)), strict=True))
        bands.append(_path([*there, *back]) + "Z")
    count = round((top - bottom) / step)
    rows = tuple((y(bottom + step * index), f"{bottom + step * index:g}") for index in range(count + 1))
    every_ms = max(600_000, (end_ms - start_ms) // 6)
    first = start_ms - start_ms % every_ms + every_ms
    columns = tuple((x(at_ms), at_ms) for at_ms in range(first, end_ms, every_ms))
    return Line(tuple(paths), tuple(bands), tuple(dots), rows, columns)


def ecg(wave: Waveform) -> Strip:
    """A strip at 25 mm/s and 10 mm/mV. What leaves the paper is cut at its edge."""
    high = min(_ECG_MOST_MV, max([_ECG_BASE_MV, *wave.samples]))
    low = max(-_ECG_MOST_MV, min([-_ECG_BASE_MV / 2, *wave.samples]))
    top = 5 * -(-high * MM_PER_MV // 5)
    height = top + 5 * -(low * MM_PER_MV // 5)
    lead_in = 10.0
    width = lead_in + 5 * -(-len(wave.samples) / wave.rate_hz * MM_PER_S // 5)
    points = (
        (
            round(lead_in + index / wave.rate_hz * MM_PER_S, 2),
            round(top - min(high, max(low, value)) * MM_PER_MV, 2),
        )
        for index, value in enumerate(wave.samples)
    )
    mark = [(1, top), (2.5, top), (2.5, top - MM_PER_MV), (7.5, top - MM_PER_MV), (7.5, top), (9, top)]
    return Strip(width, height, _path(points), _path(mark))


def _path(points: Iterable[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in points)


def _nice_step(spread: float) -> float:
    """1, 2 or 5 times a power of ten, so that three to five rows fit."""
    step = 10.0 ** len(str(int(spread))) / 100
    for factor in (1, 2, 5, 10, 20, 50, 100):
        if spread / (step * factor) <= 4:
            return step * factor
    return spread
