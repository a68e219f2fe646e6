"""What a condition remembers of its inputs, as immutable records: bounded, ordered by when things happened.

A window is a row of at most `STEPS` cells (and one that leaves): readings closer together than a `STEPS`-th of its
length share a cell, so that its memory is known whatever comes in. With fewer readings it is exact; else what is older
than the window goes with the last reading of its cell, at most a `STEPS`-th of the length late.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from gateway.rules.scopes import DISTINCT_MOST

STEPS = 32
DEVICES_MOST = 64
"""Devices of one subject whose states are told apart; of more, those that spoke last."""


class Cell(NamedTuple):
    """Readings that lie close together."""

    start_ms: int
    end_ms: int
    readings: int
    total: float
    low: float
    high: float
    first: float
    last: float


class Kept(NamedTuple):
    """A value, and when it was said last."""

    value: float
    at_ms: int


class InputState(msgspec.Struct, frozen=True, omit_defaults=True):
    """One input of one subject."""

    at_ms: int = 0
    """When the newest occurrence or reading happened; 0 for never."""
    received_ms: int = 0
    message_id: str = ""
    device: str = ""
    event: str = ""
    value: float | None = None
    base_ms: int = 0
    """``quiet`` counts from here: the newest occurrence, or since when anybody listens."""
    by_device: dict[str, Kept] = {}
    """For ``state``: what each device said last."""
    windows: dict[str, tuple[Cell, ...]] = {}
    """By length in ms."""
    gaps: dict[str, tuple[Cell, ...]] = {}
    distinct: dict[str, tuple[Kept, ...]] = {}


class PairState(msgspec.Struct, frozen=True, omit_defaults=True):
    """Two inputs of one subject in their order."""

    first_ms: int = 0
    """``without``: the first one since the other. ``followed``: the newest one. 0 for none."""
    matched_ms: int = 0
    """``followed``: when the second came after a first, and how long after."""
    after_ms: int = 0


def add(cells: tuple[Cell, ...], at_ms: int, value: float, length_ms: int, now_ms: int) -> tuple[Cell, ...]:
    """``cells`` with a reading where it happened, and without what has left the window by ``now_ms``."""
    floor = now_ms - length_ms
    if at_ms <= floor:
        return trimmed(cells, floor)
    step = max(1, length_ms // STEPS)
    if not cells or at_ms >= cells[-1].start_ms:
        if cells and at_ms - cells[-1].start_ms < step:
            made = (*cells[:-1], _merged(cells[-1], at_ms, value))
        else:
            made = (*cells, Cell(at_ms, at_ms, 1, value, value, value, value, value))
        return trimmed(made, floor)
    place = len(cells) - 1
    while place > 0 and cells[place].start_ms > at_ms:
        place -= 1
    cell = cells[place]
    if len(cells) >= STEPS or 0 <= at_ms - cell.start_ms < step or 0 < cell.start_ms - at_ms < step:
        made = (*cells[:place], _merged(cell, at_ms, value), *cells[place + 1 :])
    else:
        at = place + 1 if cell.start_ms <= at_ms else place
        made = (*cells[:at], Cell(at_ms, at_ms, 1, value, value, value, value, value), *cells[at:])
    return trimmed(made, floor)


def _merged(cell: Cell, at_ms: int, value: float) -> Cell:
    later, earlier = at_ms >= cell.end_ms, at_ms < cell.start_ms
    return Cell(
        min(cell.start_ms, at_ms),
        max(cell.end_ms, at_ms),
        cell.readings + 1,
        cell.total + value,
        min(cell.low, value),
        max(cell.high, value),
        value if earlier else cell.first,
        value if later else cell.last,
    )


def trimmed(cells: tuple[Cell, ...], floor_ms: int) -> tuple[Cell, ...]:
    """Without the cells whose last reading happened at or before ``floor_ms``."""
    gone = 0
    while gone < len(cells) and cells[gone].end_ms <= floor_ms:
        gone += 1
    return cells[gone:] if gone else cells


def add_distinct(kept: tuple[Kept, ...], at_ms: int, value: float, floor_ms: int) -> tuple[Kept, ...]:
    """The different values of a window, the newest last; at most `DISTINCT_MOST`."""
    known = next((one for one in kept if one.value == value), None)
    newest = Kept(value, max(at_ms, known.at_ms) if known is not None else at_ms)
    rest = [one for one in kept if one.value != value and one.at_ms > floor_ms]
    return tuple(sorted((*rest, newest), key=lambda one: one.at_ms))[-DISTINCT_MOST:]


def not_after(one: InputState, now_ms: int) -> InputState:
    """``one`` as it can have been: what seems to be from the future is from before the clock was set back."""

    def cells(rows: dict[str, tuple[Cell, ...]]) -> dict[str, tuple[Cell, ...]]:
        return {
            name: tuple(
                cell._replace(start_ms=min(cell.start_ms, now_ms), end_ms=min(cell.end_ms, now_ms)) for cell in row
            )
            for name, row in rows.items()
        }

    def kept(value: Kept) -> Kept:
        return value._replace(at_ms=min(value.at_ms, now_ms))

    return msgspec.structs.replace(
        one,
        at_ms=min(one.at_ms, now_ms),
        received_ms=min(one.received_ms, now_ms),
        by_device={device: kept(value) for device, value in one.by_device.items()},
        windows=cells(one.windows),
        gaps=cells(one.gaps),
        distinct={name: tuple(map(kept, values)) for name, values in one.distinct.items()},
    )
