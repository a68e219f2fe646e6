"""The shapes of heart beats and of a finger's pulse, from ``shapes.json`` (made by `firmware_sim.signals.make`)."""

from __future__ import annotations

import json
from bisect import bisect
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import Literal

Lead = Literal["I", "II", "V5"]
Shape = Literal["normal", "st_elevation", "ventricular"]
Samples = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Shapes:
    """Pieces of ECG in mV and one pulse wave from 0 to 1."""

    rate_hz: int
    p: dict[str, Samples]
    """By lead."""
    p_before: int
    """Samples before the summit of P."""
    qrst: dict[str, tuple[dict[str, Samples], ...]]
    """By shape, length of cycle and lead."""
    qrst_before: int
    """Samples before the summit of R."""
    pulse: Samples
    """From foot to foot."""
    _borders_s: tuple[float, ...]

    def beat(self, shape: Shape, lead: Lead, cycle_s: float) -> Samples:
        """QRS and T of a heart that beats once in ``cycle_s``."""
        return self.qrst[shape][bisect(self._borders_s, cycle_s)][lead]


@cache
def shapes() -> Shapes:
    """Read once."""
    document = json.loads(files("firmware_sim.signals").joinpath("shapes.json").read_text(encoding="utf-8"))
    beats, cycles = document["beats_uv"], document["cycles_s"]

    def by_lead(pieces: dict[str, list[int]]) -> dict[str, Samples]:
        return {lead: tuple(value / 1000 for value in piece) for lead, piece in pieces.items()}

    return Shapes(
        rate_hz=document["rate_hz"],
        p=by_lead(beats["p"]),
        p_before=document["before"]["p"],
        qrst={shape: tuple(by_lead(pieces) for pieces in levels) for shape, levels in beats.items() if shape != "p"},
        qrst_before=document["before"]["qrst"],
        pulse=tuple(value / 1000 for value in document["pulse"]),
        _borders_s=tuple((a + b) / 2 for a, b in pairwise(cycles)),
    )
