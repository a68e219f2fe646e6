"""Draws the figures of docs/simulation.md: ``python -m docs.screens.signals``. Matplotlib comes with NeuroKit2."""

from __future__ import annotations

import random
from datetime import date
from pathlib import Path
from typing import get_args

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt

from firmware_sim.signals import ecg, pleth
from firmware_sim.signals.day import midnight_ms
from firmware_sim.signals.home import ROOMS, Home
from firmware_sim.signals.physiology import Body
from firmware_sim.signals.rhythm import Pattern, episode
from firmware_sim.signals.traffic import Road

HERE = Path(__file__).parent
ZONE = "Asia/Shanghai"
MINUTE, DAY = 60_000, 86_400_000
RATES: dict[Pattern, float] = {"tachycardia": 128, "ventricular_tachycardia": 170, "bradycardia": 42}


def main() -> None:
    hearts()
    day()


def hearts() -> None:
    """Every rhythm in lead V5, and the pulse at the finger."""
    patterns: tuple[Pattern, ...] = get_args(Pattern)
    figure, axes = plt.subplots(len(patterns), 1, figsize=(11, 11), sharex=True)
    for axis, pattern in zip(axes, patterns, strict=True):
        rng = random.Random(5)
        beats = episode(rng, RATES.get(pattern, 75), pattern)
        wave, finger = ecg.strips(rng, beats, pattern=pattern)["V5"], pleth.strip(rng, beats)
        axis.plot([i / wave.rate for i in range(2500)], [s * wave.scale for s in wave.samples], "k", linewidth=0.7)
        axis.plot([i / finger.rate for i in range(1000)], [s * finger.scale / 80 - 2.2 for s in finger.samples], "C0")
        axis.set(ylim=(-2.4, 2.2), yticks=[], title=pattern.replace("_", " "))
        axis.title.set_fontsize(8)
    axes[-1].set_xlabel("s")
    save(figure, "signals-heart")


def day() -> None:
    """One resident's day in one home, the body with it, and a road."""
    midnight = midnight_ms(date(2026, 9, 24), ZONE)
    home = Home("figure/237", ZONE)
    body, hours = Body("figure/237", random.Random(1), ZONE), [minute / 60 for minute in range(0, 1440, 5)]
    figure, axes = plt.subplots(4, 1, figsize=(11, 11), sharex=True)
    for stay in home.stays(midnight, midnight + DAY):
        begin, end = ((at - midnight) / DAY * 24 for at in (stay.from_ms, stay.to_ms))
        axes[0].barh(ROOMS.index(stay.room), end - begin, left=begin, height=0.7, color="C0")
    for room in ROOMS[:-1]:
        seen = [(at - midnight) / DAY * 24 for at in home.movements(room, midnight, midnight + DAY)]
        axes[0].plot(seen, [ROOMS.index(room) + 0.45] * len(seen), "k|", markersize=4)
    doors = [(opening.from_ms - midnight) / DAY * 24 for opening in home.openings("entrance", midnight, midnight + DAY)]
    axes[0].plot(doors, [ROOMS.index("hall")] * len(doors), "rv")
    axes[0].set(yticks=range(len(ROOMS)), yticklabels=ROOMS, title="where the resident is; movements seen; the door")
    for key, axis in (("systolic", axes[1]), ("diastolic", axes[1]), ("pulse", axes[1]), ("glucose", axes[2])):
        axis.plot(hours, [body.read(key, midnight + round(hour * 60) * MINUTE) for hour in hours], label=key)
    axes[1].legend(fontsize=7)
    axes[1].set_title("blood pressure (mmHg), pulse (/min)")
    axes[2].set_title("glucose (mmol/L)")
    road = Road(random.Random(9), ZONE)
    readings = []
    for minute in range(1440):
        if minute in (680, 720):
            road.incident(0.8 if minute == 680 else 0.0)
        readings.append(road.read(midnight + minute * MINUTE, 60))
    minutes = [minute / 60 for minute in range(1440)]
    axes[3].plot(minutes, [reading.flow / 60 for reading in readings], linewidth=0.6, label="vehicles a minute")
    axes[3].plot(minutes, [reading.speed for reading in readings], linewidth=0.8, label="km/h")
    axes[3].plot(minutes, [reading.occupancy for reading in readings], linewidth=0.6, label="occupancy, %")
    axes[3].legend(fontsize=7)
    axes[3].set(title="a road, with an incident from 11:20 to 12:00", xlim=(0, 24), xlabel="hour")
    for axis in axes:
        axis.title.set_fontsize(8)
    save(figure, "signals-day")


def save(figure: plt.Figure, name: str) -> None:
    figure.tight_layout()
    figure.savefig(HERE / f"{name}.png", dpi=80, metadata={"Software": None})


if __name__ == "__main__":
    main()
