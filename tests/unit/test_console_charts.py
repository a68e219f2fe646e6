"""ECG paper and lines over time: the scale is what a doctor expects, and what was not measured is not drawn."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.observation import Waveform
from gateway.store.protocol import Bucket
from gateway.web.charts import HEIGHT, WIDTH, ecg, line
from gateway.web.render import number, span


def strip(*samples: float, rate_hz: float = 1.0) -> Waveform:
    return Waveform(name="ecg", lead="I", rate_hz=rate_hz, unit="mV", samples=samples)


def points(d: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"(-?[\d.]+) (-?[\d.]+)", d)]


def bucket(start_s: int, value: float) -> Bucket:
    return Bucket(start_ms=start_s * 1000, count=1, mean=value, low=value - 1, high=value + 1, last=value)


def test_a_second_is_25_mm_and_a_millivolt_10_mm() -> None:
    (x0, y0), (x1, y1), _ = points(ecg(strip(0.0, 1.0, 0.0)).path)
    assert (x1 - x0, y0 - y1) == (25.0, 10.0)


def test_the_calibration_mark_is_one_millivolt_high() -> None:
    heights = {y for _, y in points(ecg(strip(0.0)).calibration)}
    assert max(heights) - min(heights) == 10.0


@given(st.lists(st.floats(-20, 20), min_size=1, max_size=200))
def test_a_strip_stays_on_its_paper(samples: list[float]) -> None:
    drawn = ecg(strip(*samples, rate_hz=250))
    assert all(0 <= x <= drawn.width and 0 <= y <= drawn.height for x, y in points(drawn.path))


def test_a_gap_is_not_bridged() -> None:
    drawn = line([bucket(0, 70), bucket(60, 71), bucket(1200, 90), bucket(1260, 91)], 0, 3_600_000, 60)
    assert drawn is not None and len(drawn.paths) == 2
    lonely = line([bucket(0, 70)], 0, 3_600_000, 60)
    assert lonely is not None and not lonely.paths and len(lonely.dots) == 1
    assert line([], 0, 3_600_000, 60) is None


@given(st.lists(st.floats(-1e6, 1e6, allow_nan=False), min_size=1, max_size=60))
def test_a_line_stays_within_its_frame_and_has_few_labels(values: list[float]) -> None:
    drawn = line([bucket(60 * index, value) for index, value in enumerate(values)], 0, 3_600_000, 60)
    assert drawn is not None and 2 <= len(drawn.rows) <= 8
    for d in (*drawn.paths, *drawn.bands):
        assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in points(d))


@pytest.mark.parametrize(
    ("ms", "text"),
    [(0, "0:00"), (-5, "0:00"), (61_999, "1:01"), (3_661_000, "1:01:01"), (172_800_000, "2天 2 d")],
)
def test_a_span_is_short(ms: int, text: str) -> None:
    assert span(ms) == text


def test_a_number_has_no_tail() -> None:
    assert [number(value) for value in (72.0, 36.65, 5.5, 100.0)] == ["72", "36.65", "5.5", "100"]
