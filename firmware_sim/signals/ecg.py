"""ECG strips: beats of a rhythm, drawn with the shapes of ECGSYN (`firmware_sim.signals.make`), in leads I, II and V5.

Fibrillating atria: a saw-tooth of about 6 Hz that wavers in height and rate, after Stridh and Sörnmo, "Spatiotemporal
QRST cancellation techniques for analysis of atrial fibrillation", IEEE Transactions on Biomedical Engineering 48(1),
2001. R breathes with the chest by some per cent, and the line wanders with it.
"""

from __future__ import annotations

import math
import random
from collections.abc import Collection, Sequence
from typing import Literal, get_args

from devices.native import WireWaveform
from firmware_sim.signals.rhythm import Beat, Pattern, episode
from firmware_sim.signals.shapes import Lead, shapes

RATE_HZ = 250
SECONDS = 10
STEP_MV = 0.005
"""One integer step of a sample: 5 µV, the resolution of common one-lead recorders (AHA asks for at least 10 µV)."""
RAIL_MV = 5.0
"""Where an amplifier stands when its electrode is off."""
LEADS: tuple[Lead, ...] = get_args(Lead)

Artefact = Literal["motion", "mains", "lead_off"]

_PR_S = 0.165
"""From the summit of P to that of R at 60 /min; shorter the faster."""
_NOISE_MV = 0.008


def strip(
    rng: random.Random,
    heart_rate: float,
    *,
    pattern: Pattern = "normal",
    lead: Lead = "I",
    artefacts: Collection[Artefact] = (),
) -> WireWaveform:
    """Ten seconds at 250 Hz, as a device sends it. ``heart_rate`` in /min is brought to what the pattern allows."""
    beats = episode(rng, heart_rate, pattern, seconds=SECONDS)
    return strips(rng, beats, pattern=pattern, leads=(lead,), artefacts=artefacts)[lead]


def strips(
    rng: random.Random,
    beats: Sequence[Beat],
    *,
    pattern: Pattern = "normal",
    leads: Collection[Lead] = LEADS,
    artefacts: Collection[Artefact] = (),
    respiration: float = 15.0,
) -> dict[Lead, WireWaveform]:
    """Several leads of the same ten seconds (beats from `rhythm.episode`)."""
    breath = rng.uniform(0, math.tau)
    trembling = _fibrillation(rng) if pattern == "atrial_fibrillation" else None
    found: dict[Lead, WireWaveform] = {}
    for lead in leads:
        line = _drawn(beats, lead, respiration, breath)
        line = [value + rng.gauss(0.0, _NOISE_MV) for value in line]
        _add_wander(line, respiration, breath)
        if trembling is not None:
            line = [a + b for a, b in zip(line, trembling, strict=True)]
        for artefact in artefacts:
            _DISTURB[artefact](rng, line)
        samples = [round(value / STEP_MV) for value in line]
        found[lead] = WireWaveform(name="ecg", rate=RATE_HZ, scale=STEP_MV, samples=samples, lead=lead)
    return found


def _drawn(beats: Sequence[Beat], lead: Lead, respiration: float, breath: float) -> list[float]:
    line = [0.0] * (RATE_HZ * SECONDS)
    known = shapes()
    for beat in beats:
        depth = 1.0 + 0.03 * math.sin(math.tau * respiration / 60.0 * beat.at_s + breath)
        _lay(line, known.beat(beat.shape, lead, beat.cycle_s), beat.at_s, known.qrst_before, depth)
        if beat.p_wave:
            _lay(line, known.p[lead], beat.at_s - _PR_S * math.sqrt(math.sqrt(beat.cycle_s)), known.p_before, depth)
    return line


def _lay(line: list[float], piece: Sequence[float], at_s: float, before: int, factor: float) -> None:
    """Add a piece whose summit, ``before`` samples from its begin, is to lie at ``at_s``."""
    fine = shapes().rate_hz // RATE_HZ
    start = round(at_s * shapes().rate_hz) - before  # in the finer samples of the shapes
    first = max(0, -(-start // fine))
    for index, value in enumerate(piece[first * fine - start :: fine], first):
        if index >= len(line):
            break
        line[index] += factor * value


def _add_wander(line: list[float], respiration: float, breath: float) -> None:
    step = math.tau * respiration / 60.0 / RATE_HZ
    for index in range(len(line)):
        line[index] += 0.05 * math.sin(step * index + breath)


def _fibrillation(rng: random.Random) -> list[float]:
    rate, height = rng.uniform(5.2, 7.2), rng.uniform(0.035, 0.06)
    height_phase, rate_phase = rng.uniform(0, math.tau), rng.uniform(0, math.tau)
    found = []
    for index in range(RATE_HZ * SECONDS):
        t = index / RATE_HZ
        angle = math.tau * rate * t + 0.35 / 0.12 * math.sin(math.tau * 0.12 * t + rate_phase)
        now = height * (1.0 + 0.35 * math.sin(math.tau * 0.23 * t + height_phase))
        found.append(-now * (math.sin(angle) + math.sin(2 * angle) / 2 + math.sin(3 * angle) / 3))
    return found


# --- artefacts --------------------------------------------------------------------------------------------------------


def _motion(rng: random.Random, line: list[float]) -> None:
    """One to three pulls at the cable: the line jumps, swings at 1 to 4 Hz and comes back in a second or so."""
    for _ in range(rng.randint(1, 3)):
        begin = rng.randrange(len(line) * 9 // 10)
        height, rate, fade = rng.choice((-1, 1)) * rng.uniform(0.5, 1.8), rng.uniform(1.0, 4.0), rng.uniform(0.4, 1.2)
        for index in range(begin, min(len(line), begin + round(5 * fade * RATE_HZ))):
            t = (index - begin) / RATE_HZ
            swing = math.cos(math.tau * rate * t) + rng.gauss(0, 0.12)
            line[index] += height * min(1.0, t / 0.04) * math.exp(-t / fade) * swing


def _mains(rng: random.Random, line: list[float]) -> None:
    """50 Hz from the wall, with some of its second harmonic."""
    height, phase = rng.uniform(0.08, 0.2), rng.uniform(0, math.tau)
    for index in range(len(line)):
        angle = math.tau * 50.0 * index / RATE_HZ + phase
        line[index] += height * (math.sin(angle) + 0.15 * math.sin(2 * angle))


def _lead_off(rng: random.Random, line: list[float]) -> None:
    """An electrode comes off within the strip: the amplifier runs to its rail and stays there, humming."""
    begin = rng.randrange(RATE_HZ, 4 * RATE_HZ)
    rail = rng.choice((-RAIL_MV, RAIL_MV))
    for index in range(begin, len(line)):
        gone = 1.0 - math.exp(-(index - begin) / (0.15 * RATE_HZ))
        hum = 0.3 * math.sin(math.tau * 50.0 * index / RATE_HZ)
        line[index] = min(RAIL_MV, max(-RAIL_MV, line[index] * (1.0 - gone) + (rail + hum) * gone))


_DISTURB = {"motion": _motion, "mains": _mains, "lead_off": _lead_off}
