"""A believable ECG strip: P, Q, R, S and T as Gaussians along the phase of each beat.

After McSharry, Clifford, Tarassenko, Smith, "A dynamical model for generating synthetic electrocardiogram signals",
IEEE Transactions on Biomedical Engineering 50(3), 2003, doi:10.1109/TBME.2003.808805: the angles, heights and widths of
table I, the stretch of the angles with heart rate, and RR intervals that breathe (0.25 Hz) and wave (0.1 Hz). The
model's differential equation is used in its closed form: far from the limit cycle's transients, z is that sum of bells.
"""

from __future__ import annotations

import math
import random
from typing import Literal

from devices.native import WireWaveform

RATE_HZ = 250
SECONDS = 10
STEP_MV = 0.005
"""One integer step of a sample: 5 µV, the resolution of common one-lead recorders (AHA asks for at least 10 µV)."""
R_PEAK_MV = 1.1

Pattern = Literal["normal", "st_elevation", "atrial_fibrillation"]

_WAVES = {
    # wave: angle (rad), height a, width b (rad); McSharry 2003, table I
    "P": (-math.pi / 3, 1.2, 0.25),
    "Q": (-math.pi / 12, -5.0, 0.1),
    "R": (0.0, 30.0, 0.1),
    "S": (math.pi / 12, -7.5, 0.1),
    "T": (math.pi / 2, 0.75, 0.4),
}


def strip(rng: random.Random, heart_rate: float, *, pattern: Pattern = "normal", lead: str = "I") -> WireWaveform:
    """Ten seconds at 250 Hz, as a device sends it. ``heart_rate`` in /min, 20 to 250."""
    samples = [round(mv / STEP_MV) for mv in _millivolts(rng, min(250.0, max(20.0, heart_rate)), pattern)]
    return WireWaveform(name="ecg", rate=RATE_HZ, scale=STEP_MV, samples=samples, lead=lead)


def _millivolts(rng: random.Random, heart_rate: float, pattern: Pattern) -> list[float]:
    bells = _bells(heart_rate, pattern)
    breath_phase, slow_phase = rng.uniform(0, math.tau), rng.uniform(0, math.tau)
    irregular = 0.18 if pattern == "atrial_fibrillation" else 0.008
    beat_s = 60.0 / heart_rate
    begin = -rng.uniform(0, beat_s)
    length = beat_s
    values = []
    for index in range(RATE_HZ * SECONDS):
        t = index / RATE_HZ
        while t >= begin + length:
            begin += length
            breathing = 0.02 * math.sin(math.tau * 0.25 * begin + breath_phase)
            waving = 0.01 * math.sin(math.tau * 0.1 * begin + slow_phase)
            length = beat_s * max(0.5, 1.0 + breathing + waving + rng.gauss(0, irregular))
        phase = -math.pi + math.tau * (t - begin) / length
        value = sum(height * math.exp(-0.5 * (_wrapped(phase - angle) / width) ** 2) for angle, height, width in bells)
        wander = 0.05 * math.sin(math.tau * 0.25 * t + breath_phase)
        values.append(value + wander + rng.gauss(0, 0.008))
    return values


def _bells(heart_rate: float, pattern: Pattern) -> list[tuple[float, float, float]]:
    stretch = math.sqrt(heart_rate / 60.0)
    r_height = 30.0 * 0.1**2
    bells = []
    for wave, (angle, a, b) in _WAVES.items():
        if wave == "P" and pattern == "atrial_fibrillation":
            continue  # no coordinated atrial contraction, so no P wave
        height = a * b * b / r_height * R_PEAK_MV
        angle *= math.sqrt(stretch) if wave in "PT" else stretch
        bells.append((angle, height, b * stretch))
    if pattern == "st_elevation":
        bells.append((math.pi / 4 * stretch, 0.3, 0.3 * stretch))  # the ST segment lifted by 0.3 mV, into the T wave
    return bells


def _wrapped(angle: float) -> float:
    return (angle + math.pi) % math.tau - math.pi
