"""Hearts of the simulator before NeuroKit2, the field's own reader of ECG and pulse waves."""

from __future__ import annotations

import importlib
import json
import random
import subprocess
import sys
import warnings
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any, get_args

import numpy as np
import pytest

from devices.native import WireWaveform
from firmware_sim.signals import ecg, pleth
from firmware_sim.signals.rhythm import Heart, Pattern, episode, rate_of
from firmware_sim.signals.shapes import Lead

pytestmark = pytest.mark.filterwarnings("ignore")

RATES: dict[Pattern, float] = {
    "normal": 72,
    "bradycardia": 42,
    "tachycardia": 118,
    "atrial_fibrillation": 80,
    "premature_ventricular_beats": 70,
    "ventricular_tachycardia": 170,
    "st_elevation": 95,
}


@cache
def neurokit2() -> Any:
    """Loaded when somebody reads with it: that takes seconds, and every worker of a run collects these tests."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what its own imports deprecate is not ours
        return importlib.import_module("neurokit2")


def values(wave: WireWaveform) -> Any:
    return np.asarray(wave.samples) * wave.scale


@dataclass(frozen=True)
class Reading:
    """What NeuroKit2 finds in a strip."""

    peaks: Any
    waves: dict[str, Any]

    @property
    def intervals_ms(self) -> Any:
        return np.diff(self.peaks) / ecg.RATE_HZ * 1000

    @property
    def rate(self) -> float:
        return float(60_000 / self.intervals_ms.mean())

    @property
    def rmssd_ms(self) -> float:
        return float(np.sqrt(np.mean(np.diff(self.intervals_ms) ** 2)))

    @property
    def pnn50(self) -> float:
        return float(np.mean(np.abs(np.diff(self.intervals_ms)) > 50) * 100)

    def found(self, wave: str) -> int:
        return int(np.sum(~np.isnan(np.asarray(self.waves[wave], dtype=float))))

    def between_ms(self, begin: str, end: str) -> Any:
        gap = np.asarray(self.waves[end], dtype=float) - np.asarray(self.waves[begin], dtype=float)
        return gap / ecg.RATE_HZ * 1000


def read(wave: WireWaveform, *, delineated: bool = True) -> Reading:
    clean = neurokit2().ecg_clean(values(wave), sampling_rate=ecg.RATE_HZ)
    _, peaks = neurokit2().ecg_peaks(clean, sampling_rate=ecg.RATE_HZ)
    found = peaks["ECG_R_Peaks"]
    if not delineated:
        return Reading(found, {})
    _, waves = neurokit2().ecg_delineate(clean, found, sampling_rate=ecg.RATE_HZ, method="dwt")
    return Reading(found, waves)


@pytest.mark.slow
def test_the_shapes_are_what_the_maker_makes() -> None:
    from firmware_sim.signals import make

    made, kept = make.make(), json.loads(make.FILE.read_text(encoding="utf-8"))
    assert made.keys() == kept.keys()
    assert made["beats_uv"].keys() == kept["beats_uv"].keys()
    for part in ("made_by", "rate_hz", "before", "cycles_s"):
        assert made[part] == kept[part]

    def numbers(of: dict[str, Any]) -> list[list[int]]:
        beats = of["beats_uv"]
        by_lead = [beats["p"], *(level for name in sorted(beats) if name != "p" for level in beats[name])]
        return [*(leads[lead] for leads in by_lead for lead in sorted(leads)), of["pulse"]]

    for ours, theirs in zip(numbers(made), numbers(kept), strict=True):
        assert ours == pytest.approx(theirs, abs=2)  # microvolts: rounding differs between builds of NumPy
    assert make.FILE.stat().st_size < 300_000


@pytest.mark.parametrize("lead", get_args(Lead))
@pytest.mark.parametrize(("pattern", "rate"), RATES.items())
def test_r_peaks_lie_where_the_rhythm_put_them(pattern: Pattern, rate: float, lead: Lead) -> None:
    rng = random.Random(11)
    beats = episode(rng, rate, pattern)
    reading = read(ecg.strips(rng, beats, pattern=pattern)[lead], delineated=False)
    wanted = [beat.at_s for beat in beats if 0.3 < beat.at_s < 9.7]
    found = reading.peaks / ecg.RATE_HZ
    for at_s in wanted:
        assert np.abs(found - at_s).min() < 0.03, f"no R found at {at_s:.2f} s"
    assert len(wanted) <= len(found) <= len(wanted) + 2
    if pattern != "atrial_fibrillation":  # ten seconds of it are too few for a mean
        assert reading.rate == pytest.approx(rate, rel=0.04)


@pytest.mark.parametrize("lead", get_args(Lead))
@pytest.mark.parametrize("rate", [50, 60, 75, 90])
def test_sinus_rhythm_has_p_and_t_and_the_intervals_of_a_healthy_heart(rate: float, lead: Lead) -> None:
    reading = read(ecg.strip(random.Random(rate), rate, lead=lead))
    beats = len(reading.peaks)
    assert reading.found("ECG_P_Peaks") >= beats - 1
    assert reading.found("ECG_T_Peaks") >= beats - 1
    assert 110 < np.nanmedian(reading.between_ms("ECG_P_Onsets", "ECG_R_Onsets")) < 210
    assert 80 < np.nanmedian(reading.between_ms("ECG_R_Onsets", "ECG_R_Offsets")) < 140
    qt = np.nanmedian(reading.between_ms("ECG_R_Onsets", "ECG_T_Offsets"))
    assert 370 < qt / (60 / rate) ** (1 / 3) < 460, "corrected after Fridericia"


def test_fibrillating_atria_beat_without_order_and_without_p() -> None:
    chaotic, calm = [], []
    for seed in range(8):
        chaotic.append(read(ecg.strip(random.Random(seed), 85, pattern="atrial_fibrillation"), delineated=False))
        calm.append(read(ecg.strip(random.Random(seed), 70), delineated=False))
    assert min(reading.rmssd_ms for reading in chaotic) > 90
    assert max(reading.rmssd_ms for reading in calm) < 50
    assert min(reading.pnn50 for reading in chaotic) > 40
    assert max(reading.pnn50 for reading in calm) < 15
    assert not any(beat.p_wave for beat in episode(random.Random(1), 85, "atrial_fibrillation"))


def test_between_its_beats_the_fibrillating_line_trembles() -> None:
    def tremble_mv(pattern: Pattern) -> float:
        """Spread around a straight line, between the end of T and where P would begin."""
        wave = ecg.strip(random.Random(3), 56, pattern=pattern)
        line = values(wave)
        parts = [line[b - 130 : b - 60] for a, b in pairwise(read(wave, delineated=False).peaks) if b - a > 235]
        assert len(parts) >= 3
        x = np.arange(70)
        return float(np.mean([np.std(part - np.polyval(np.polyfit(x, part, 1), x)) for part in parts]))

    assert tremble_mv("atrial_fibrillation") > 2.5 * tremble_mv("normal")


def test_a_premature_beat_is_wide_early_and_followed_by_a_full_pause() -> None:
    rng = random.Random(11)
    beats = episode(rng, 70, "premature_ventricular_beats")
    reading = read(ecg.strips(rng, beats, pattern="premature_ventricular_beats")["II"])
    width = reading.between_ms("ECG_R_Onsets", "ECG_R_Offsets")
    where = {round(float(peak) / ecg.RATE_HZ, 1): float(w) for peak, w in zip(reading.peaks, width, strict=True)}
    early = [i for i, beat in enumerate(beats) if beat.shape == "ventricular" and 1 < beat.at_s < 9]
    assert early
    for i in early:
        assert where[min(where, key=lambda at: abs(at - beats[i].at_s))] > 150
        before, after = beats[i].at_s - beats[i - 1].at_s, beats[i + 1].at_s - beats[i].at_s
        assert before < 0.65 * 60 / 70
        assert before + after == pytest.approx(2 * 60 / 70, rel=0.02)
    narrow = [w for at, w in where.items() if all(abs(at - beats[i].at_s) > 0.2 for i in early)]
    assert np.nanmedian(narrow) < 140


@pytest.mark.parametrize("seed", range(20))
def test_every_strip_with_premature_beats_shows_one(seed: int) -> None:
    beats = episode(random.Random(seed), 66, "premature_ventricular_beats")
    assert any(beat.shape == "ventricular" and 0 < beat.at_s < 10 for beat in beats)
    assert sum(beat.shape == "ventricular" for beat in beats) < len(beats) / 3


def test_ventricular_tachycardia_is_fast_regular_and_wide() -> None:
    wave = ecg.strip(random.Random(4), 90, pattern="ventricular_tachycardia", lead="II")
    reading = read(wave, delineated=False)
    assert reading.rate == pytest.approx(140, rel=0.03), "a slower one is not called so"
    assert reading.rmssd_ms < 25
    assert width_ms(wave) > 2.0 * width_ms(ecg.strip(random.Random(4), 140, lead="II"))


def width_ms(wave: WireWaveform) -> float:
    """How long R stands above half its height, by the median of the beats."""
    line = values(wave)
    widths = []
    for peak in read(wave, delineated=False).peaks[1:-1]:
        left = right = peak
        while line[left] > line[peak] / 2:
            left -= 1
        while line[right] > line[peak] / 2:
            right += 1
        widths.append((right - left) / ecg.RATE_HZ * 1000)
    return float(np.median(widths))


def averaged(wave: WireWaveform) -> Any:
    """The mean beat from 200 ms before R, its PR segment at zero."""
    line = values(wave)
    peaks = [p for p in read(wave, delineated=False).peaks if 50 < p < len(line) - 130]
    beat = np.mean([line[p - 50 : p + 130] for p in peaks], axis=0)
    return beat - beat[50 - 18 : 50 - 14].mean()


def test_infarction_lifts_the_st_segment_where_its_artery_runs() -> None:
    def st(pattern: Pattern, lead: Lead) -> float:
        """60 ms after the J point (45 ms after R), in mV."""
        return float(averaged(ecg.strip(random.Random(8), 80, pattern=pattern, lead=lead))[50 + 26])

    for lead, least in (("I", 0.1), ("V5", 0.2)):
        assert st("st_elevation", lead) > least, "guidelines ask for 0.1 mV in two leads that belong together"
        assert abs(st("normal", lead)) < 0.08
    assert st("st_elevation", "II") < 0.05


def test_asystole_is_a_line_that_breathes() -> None:
    line = values(ecg.strip(random.Random(1), 70, pattern="asystole"))
    assert np.abs(line).max() < 0.1
    assert np.ptp(line) > 0.05


@pytest.mark.parametrize("pattern", get_args(Pattern))
def test_same_seed_same_strip_and_another_seed_another(pattern: Pattern) -> None:
    assert ecg.strip(random.Random(1), 70, pattern=pattern) == ecg.strip(random.Random(1), 70, pattern=pattern)
    assert ecg.strip(random.Random(1), 70, pattern=pattern) != ecg.strip(random.Random(2), 70, pattern=pattern)
    low, high = rate_of(pattern, 0), rate_of(pattern, 1000)
    assert low <= rate_of(pattern, 80) <= high


# --- artefacts --------------------------------------------------------------------------------------------------------


def power(line: Any, low: float, high: float) -> float:
    spectrum = np.abs(np.fft.rfft(line - line.mean())) ** 2
    frequency = np.fft.rfftfreq(len(line), 1 / ecg.RATE_HZ)
    return float(spectrum[(frequency >= low) & (frequency <= high)].sum())


def test_artefacts_are_what_they_are_called() -> None:
    plain = values(ecg.strip(random.Random(5), 75))
    mains = values(ecg.strip(random.Random(5), 75, artefacts=("mains",)))
    assert power(mains, 49.5, 50.5) > 100 * power(plain, 49.5, 50.5)
    motion = values(ecg.strip(random.Random(5), 75, artefacts=("motion",)))
    assert np.abs(motion - plain).max() > 0.4
    off = values(ecg.strip(random.Random(5), 75, artefacts=("lead_off",)))
    assert np.all(np.abs(off[5 * ecg.RATE_HZ :]) > 0.9 * ecg.RAIL_MV)
    assert np.abs(off).max() <= ecg.RAIL_MV
    # NeuroKit2 still finds the beats through the hum, which a notch filter takes out
    clean = neurokit2().ecg_clean(mains, sampling_rate=ecg.RATE_HZ, powerline=50)
    assert len(neurokit2().ecg_peaks(clean, sampling_rate=ecg.RATE_HZ)[1]["ECG_R_Peaks"]) in (12, 13)


# --- pleth ------------------------------------------------------------------------------------------------------------


def pulses(line: Any, rate_hz: float) -> Any:
    clean = neurokit2().ppg_clean(np.asarray(line), sampling_rate=rate_hz)
    return neurokit2().ppg_findpeaks(clean, sampling_rate=rate_hz)["PPG_Peaks"] / rate_hz


@pytest.mark.parametrize("rate", [50, 72, 95, 120])
def test_each_beat_sends_one_pulse_to_the_finger(rate: float) -> None:
    rng = random.Random(rate)
    beats = episode(rng, rate)
    found = pulses(values(pleth.strip(rng, beats)), 100)
    r = np.asarray([beat.at_s for beat in beats])
    delays = [at - r[r < at - 0.15].max() for at in found]
    assert all(0.2 < delay < 0.6 for delay in delays), "the summit of the pulse comes after R"
    inner = r[(r > 0.3) & (r < 9.2)]
    assert all(np.any((found > at + 0.15) & (found < at + 0.65)) for at in inner)
    assert len(inner) <= len(found) <= len(inner) + 2


def test_poor_perfusion_flattens_the_pulse_and_a_bare_probe_shows_none() -> None:
    def height(perfusion: float) -> float:
        rng = random.Random(2)
        return float(np.ptp(values(pleth.strip(rng, episode(rng, 75), perfusion=perfusion))))

    warm, shocked = pleth.perfusion_of(125), pleth.perfusion_of(62, skin=26)
    assert warm == pytest.approx(4.3, abs=0.3)
    assert shocked < 1
    assert height(warm) > 60
    assert height(shocked) < 0.3 * height(warm)
    off = pleth.strip(random.Random(2), episode(random.Random(2), 75), probe_off=True)
    assert set(off.samples) == {0}


def test_a_premature_beat_is_a_pulse_deficit() -> None:
    rng = random.Random(11)
    beats = episode(rng, 70, "premature_ventricular_beats")
    line = values(pleth.strip(rng, beats))
    for i, beat in enumerate(beats):
        if beat.shape == "ventricular" and 1 < beat.at_s < 8:
            weak = line[round(100 * (beat.at_s + 0.3)) : round(100 * (beats[i + 1].at_s + 0.2))].max()
            strong = line[round(100 * (beats[i + 1].at_s + 0.2)) :][:60].max()
            assert weak < 0.65 * strong


def test_a_finger_read_live_gives_every_sample_once() -> None:
    finger, line = pleth.Finger(random.Random(3), rate_hz=60), list[float]()
    start = 1_790_000_000_000
    for step in range(0, 20_000, 170):
        line += finger.read(start + step, pulse=80)
    assert len(line) == 19_890 * 60 // 1000
    steps = np.diff(line)
    assert np.abs(steps).max() < 25, "no tear where two readings meet"
    found = pulses(line, 60)
    assert 60 / np.diff(found).mean() == pytest.approx(80, rel=0.05)
    assert len(finger.read(start + 3_600_000, pulse=80)) == 600, "after a pause, ten seconds"
    assert set(finger.read(start + 3_601_000, pulse=80, probe_off=True)) == {0.0}


def test_a_heart_that_stops_and_starts_again() -> None:
    heart = Heart(random.Random(1))
    assert len(heart.beats(10, 60)) in (10, 11)
    heart.pattern = "asystole"
    assert heart.beats(20, 60) == []
    heart.pattern = "normal"
    again = heart.beats(30, 60)
    assert again[0].at_s >= 20
    assert len(again) in (10, 11)


def test_the_simulator_runs_without_numpy_and_neurokit2() -> None:
    """They belong to those who make the shapes and test them."""
    code = """
import pkgutil, sys, importlib, firmware_sim.signals as signals
for module in pkgutil.iter_modules(signals.__path__):
    if module.name != "make":
        importlib.import_module(f"firmware_sim.signals.{module.name}")
print(*sorted({"numpy", "scipy", "neurokit2", "pandas"} & set(sys.modules)))
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert run.stdout.strip() == ""
