"""Makes ``shapes.json``: heart beats and pulse waves by NeuroKit2, cut into pieces that strips are put together from.

``python -m firmware_sim.signals.make`` writes the file. The beats are those of ECGSYN (McSharry, Clifford, Tarassenko,
Smith 2003, doi:10.1109/TBME.2003.808805) as `neurokit2.ecg_simulate` integrates it; what is our own is the table of
waves below, in milliseconds and millivolts instead of the model's angles, so that a cardiologist can read it. The
model is linear in its waves: P and QRS-T are made apart, and a rhythm puts them together.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, NamedTuple

import neurokit2
import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

FILE = Path(__file__).with_name("shapes.json")
RATE_HZ = 500
CYCLES_S = (0.3, 0.36, 0.44, 0.53, 0.64, 0.77, 0.93, 1.12, 1.4)
"""The lengths of a heart cycle that there are beats for."""
PULSE_CYCLE_S = 0.8
_BEATS = 16
_FLAT_MS = 90
"""Between two beats in the making: no longer, for in a long flat line the model's integrator takes such strides that it
misses what comes next."""


class Wave(NamedTuple):
    """One wave of a heart beat, as a bell."""

    at_ms: float
    """Its summit after the summit of R, at 60 beats a minute."""
    width_ms: float
    """Standard deviation of the bell."""
    height_mv: float


_NONE = Wave(0.0, 10.0, 0.0)

_P_MV = {"I": 0.11, "II": 0.15, "V5": 0.10}
_P_WIDTH_MS = 22.0

# Five waves a beat, the first of them kept for P. T moves and widens with the cube root of the cycle (Fridericia), QRS
# stays: intervals come to PR 170 ms, QRS 95 ms, QT 430 ms at 60 a minute; heights to an electrical axis of 30 degrees.
_SHAPES: dict[str, dict[str, tuple[Wave, Wave, Wave, Wave, Wave]]] = {
    "normal": {
        "I": (_NONE, Wave(-28, 9, -0.10), Wave(0, 11, 0.95), Wave(28, 9, -0.16), Wave(275, 55, 0.25)),
        "II": (_NONE, Wave(-28, 9, -0.10), Wave(0, 11, 0.95), Wave(28, 9, -0.18), Wave(275, 55, 0.28)),
        "V5": (_NONE, Wave(-28, 9, -0.12), Wave(0, 11, 1.40), Wave(28, 9, -0.28), Wave(275, 55, 0.36)),
    },
    # Anterolateral infarction: the ST segment leaves R without an S, and bulges into T. Lead II barely shows it.
    "st_elevation": {
        "I": (_NONE, Wave(-30, 10, -0.22), Wave(0, 11, 0.80), Wave(85, 42, 0.24), Wave(240, 64, 0.34)),
        "II": (_NONE, Wave(-28, 9, -0.10), Wave(0, 11, 0.85), Wave(85, 42, -0.06), Wave(275, 55, 0.16)),
        "V5": (_NONE, Wave(-30, 10, -0.35), Wave(0, 11, 1.05), Wave(85, 42, 0.38), Wave(240, 64, 0.52)),
    },
    # A beat from the right ventricle's outflow: wide, notched, tall in II, and T points the other way.
    "ventricular": {
        "I": (_NONE, Wave(-42, 16, 0.35), Wave(0, 24, 0.90), Wave(62, 20, -0.30), Wave(290, 62, -0.28)),
        "II": (_NONE, Wave(-42, 16, 0.50), Wave(0, 24, 1.60), Wave(62, 20, -0.45), Wave(290, 62, -0.50)),
        "V5": (_NONE, Wave(-42, 16, 0.50), Wave(0, 24, 1.70), Wave(62, 20, -0.55), Wave(290, 62, -0.50)),
    },
}
_BEFORE_MS, _AFTER_MS = 130, 480
_P_HALF_MS = 90


def make() -> dict[str, Any]:
    """The whole file: microvolts by shape, cycle and lead, and one pulse wave from 0 to 1000."""
    beats: dict[str, Any] = {"p": {lead: _p(lead) for lead in _P_MV}}
    for name, leads in _SHAPES.items():
        beats[name] = [{lead: _qrst(waves, cycle) for lead, waves in leads.items()} for cycle in CYCLES_S]
    return {
        "made_by": "python -m firmware_sim.signals.make",
        "rate_hz": RATE_HZ,
        "before": {"p": _samples(_P_HALF_MS), "qrst": _samples(_BEFORE_MS)},
        "cycles_s": list(CYCLES_S),
        "beats_uv": beats,
        "pulse": _pulse(),
    }


def _p(lead: str) -> list[int]:
    flat, wave = Wave(0.0, 10.0, 0.0), Wave(0.0, _P_WIDTH_MS, _P_MV[lead])
    return _piece((flat, flat, wave, flat, flat), _P_HALF_MS, _P_HALF_MS)


def _qrst(waves: tuple[Wave, ...], cycle_s: float) -> list[int]:
    stretch = cycle_s ** (1 / 3)
    at_rate = tuple(  # ST and T stretch
        Wave(wave.at_ms * stretch, wave.width_ms * stretch, wave.height_mv) if wave.at_ms > 80 else wave
        for wave in waves
    )
    return _piece(at_rate, _BEFORE_MS, _AFTER_MS * stretch)


def _samples(ms: float) -> int:
    return round(ms * RATE_HZ / 1000)


def _signal(waves: tuple[Wave, ...], cycle_s: float) -> FloatArray:
    """Some beats with these waves, R at the whole cycles; heights to a common, unknown scale."""
    turn = math.tau / cycle_s / 1000  # radians a millisecond
    rate = 60.0 / cycle_s
    # The model widens and moves its waves with the heart rate; we say where they are, so take that back.
    fast, slow = math.sqrt(rate / 60), math.sqrt(math.sqrt(rate / 60))
    moved = (slow, fast, 1.0, fast, slow)
    signal = neurokit2.ecg_simulate(
        duration=(_BEATS + 1) * cycle_s,
        sampling_rate=RATE_HZ,
        noise=0,
        heart_rate=rate,
        heart_rate_std=0,
        method="ecgsyn",
        random_state=1,
        ti=[math.degrees(wave.at_ms * turn) / by for wave, by in zip(waves, moved, strict=True)],
        # far above the model's own breathing baseline and start value
        ai=[1e4 * wave.height_mv / wave.width_ms**2 for wave in waves],
        bi=[wave.width_ms * turn / fast for wave in waves],
    )
    return np.asarray(signal, dtype=np.float64)


def _piece(waves: tuple[Wave, ...], before_ms: float, after_ms: float) -> list[int]:
    """The median beat around its third wave (R, or P alone) in microvolts, the line through both ends laid on zero.

    The integrator sometimes steps over a narrow R all the same, and its phase slips by a few milliseconds: beats are
    laid summit on summit, and the half that is farthest from the table is left out.
    Raises ValueError where what is left does not look like the table.
    """
    cycle_s = (before_ms + after_ms + _FLAT_MS) / 1000
    signal, main = _signal(waves, cycle_s), waves[2]
    before, after, near = _samples(before_ms), _samples(after_ms), _samples(30)
    times = np.arange(-before, after + 1) * 1000 / RATE_HZ
    table = np.sum([w.height_mv * np.exp(-0.5 * ((times - w.at_ms) / w.width_ms) ** 2) for w in waves], axis=0)
    found = []
    for beat in range(3, _BEATS):
        middle = round(beat * cycle_s * RATE_HZ)
        summit = middle - near + int(np.argmax(signal[middle - near : middle + near + 1]))
        piece = signal[summit - before : summit + after + 1]
        piece = piece - np.linspace(piece[0], piece[-1], len(piece))
        found.append(piece * (table[before] / piece[before]))
    found.sort(key=lambda piece: float(np.abs(piece - table).max()))
    median = np.median(found[: len(found) // 2], axis=0)
    if np.abs(median - table).max() > 0.12 * main.height_mv:
        raise ValueError(f"the beat made of {waves} does not look like it")
    return [round(float(value) * 1000) for value in median]


def _pulse() -> list[int]:
    """The mean of many finger pulses without noise, from foot to foot, 0 to 1000."""
    rate_hz = 250
    signal = neurokit2.ppg_simulate(
        duration=120,
        sampling_rate=rate_hz,
        heart_rate=60 / PULSE_CYCLE_S,
        frequency_modulation=0,
        ibi_randomness=0,
        drift=0,
        motion_amplitude=0,
        powerline_amplitude=0,
        burst_amplitude=0,
        random_state=1,
    )
    length = round(PULSE_CYCLE_S * rate_hz)
    whole = [signal[i : i + length + 1] for i in range(length, len(signal) - 2 * length, length)]
    mean = np.mean(whole, axis=0)
    mean = mean - np.linspace(mean[0], mean[-1], len(mean))
    return [round(float(value) / float(mean.max()) * 1000) for value in mean]


if __name__ == "__main__":
    FILE.write_text(json.dumps(make(), separators=(",", ":")) + "\n", encoding="utf-8")
