"""Windows beside a list of everything: exact while they are sparse, bounded whatever comes in."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.rules.memory import STEPS, Cell, Kept, add, add_distinct, trimmed
from gateway.rules.scopes import DISTINCT_MOST

LENGTH = 32_000
STEP = LENGTH // STEPS
_readings = st.lists(st.tuples(st.integers(1, 200_000), st.floats(-1e6, 1e6)), min_size=1, max_size=150)


def fill(readings: list[tuple[int, float]]) -> tuple[tuple[Cell, ...], int]:
    cells: tuple[Cell, ...] = ()
    newest = 0
    for at_ms, value in readings:
        newest = max(newest, at_ms)
        cells = add(cells, at_ms, value, LENGTH, newest)
    return cells, newest


@given(_readings)
@settings(max_examples=300)
def test_a_window_is_bounded_ordered_and_loses_nothing_that_is_young(readings: list[tuple[int, float]]) -> None:
    cells, newest = fill(readings)
    assert len(cells) <= 2 * STEPS
    assert [cell.start_ms for cell in cells] == sorted(cell.start_ms for cell in cells)
    inside = [value for at_ms, value in readings if at_ms > newest - LENGTH]
    assert sum(cell.readings for cell in cells) >= len(inside)
    assert min(cell.low for cell in cells) <= min(inside) and max(cell.high for cell in cells) >= max(inside)
    for cell in cells:
        assert cell.start_ms <= cell.end_ms and cell.low <= cell.high and cell.readings > 0


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=80), st.integers(0, 40_000))
@settings(max_examples=200)
def test_a_sparse_window_in_order_is_exact(values: list[float], later_ms: int) -> None:
    readings = [(1 + number * STEP, value) for number, value in enumerate(values)]
    cells, newest = fill(readings)
    now_ms = newest + later_ms
    seen = trimmed(cells, now_ms - LENGTH)
    inside = [value for at_ms, value in readings if at_ms > now_ms - LENGTH]
    assert [cell.last for cell in seen] == inside
    assert all(cell.readings == 1 for cell in seen)


@given(_readings)
def test_what_comes_in_another_order_gives_the_same_extremes(readings: list[tuple[int, float]]) -> None:
    young = [one for one in readings if one[0] > max(at for at, _ in readings) - LENGTH // 2]
    there, _ = fill(sorted(young))
    mixed, _ = fill(young)
    assert sum(cell.readings for cell in there) == sum(cell.readings for cell in mixed) == len(young)
    assert max(cell.high for cell in there) == max(cell.high for cell in mixed)
    assert min(cell.low for cell in there) == min(cell.low for cell in mixed)


@given(st.lists(st.tuples(st.integers(1, 100_000), st.integers(0, 60)), min_size=1, max_size=200))
def test_different_values_are_counted_up_to_a_bound(readings: list[tuple[int, int]]) -> None:
    kept: tuple[Kept, ...] = ()
    newest = 0
    for at_ms, value in readings:
        newest = max(newest, at_ms)
        kept = add_distinct(kept, at_ms, float(value), newest - LENGTH)
    young = {value for at_ms, value in readings if at_ms > newest - LENGTH}
    found = sum(one.at_ms > newest - LENGTH for one in kept)
    assert len(kept) <= DISTINCT_MOST
    assert found == min(len(young), DISTINCT_MOST)
