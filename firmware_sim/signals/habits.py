"""How one resident lives: when they sleep, eat, go out, and who comes. Drawn once from the resident's seed."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class Habits:
    """Hours are of the local day."""

    lights_out: float
    in_bed_h: float
    """Old people lie long: 8.6 to 10.2 hours, most of which a home is silent."""
    breakfast: float
    lunch: float
    supper: float
    out_mornings: float
    """How likely on a day: market, park."""
    out_afternoons: float
    strolls: float
    naps: float
    night_visits: float
    """To the bathroom, a night, on average."""
    wanders: bool
    """Walks about some nights: what dementia does."""
    carer_days: frozenset[int]
    """Weekdays (0 = Monday) on which somebody comes to help."""
    doses: tuple[str, ...]
    """With which meals medicine is due."""
    forgetful: float
    """How likely a dose is missed."""

    @property
    def wakes(self) -> float:
        """The usual hour of getting up, 0 to 24."""
        return (self.lights_out + self.in_bed_h) % 24.0


@lru_cache(maxsize=16_384)
def habits_of(seed: str) -> Habits:
    """The habits that belong to a resident's seed."""
    rng = random.Random(f"habits/{seed}")

    def within(mean: float, spread: float, low: float, high: float) -> float:
        return min(high, max(low, rng.gauss(mean, spread)))

    lights_out, in_bed = within(21.1, 0.5, 20.3, 22.2), within(9.3, 0.4, 8.6, 10.2)
    wakes = (lights_out + in_bed) % 24.0
    return Habits(
        lights_out=lights_out,
        in_bed_h=in_bed,
        breakfast=wakes + rng.uniform(0.5, 1.0),
        lunch=within(11.8, 0.3, 11.2, 12.5),
        supper=within(17.9, 0.4, 17.0, 18.8),
        out_mornings=rng.uniform(0.55, 0.97),
        out_afternoons=rng.uniform(0.1, 0.6),
        strolls=rng.uniform(0.0, 0.5),
        naps=rng.uniform(0.3, 0.95),
        night_visits=rng.uniform(0.2, 1.6),
        wanders=rng.random() < 0.06,
        carer_days=frozenset(rng.sample(range(5), 2)) if rng.random() < 0.25 else frozenset(),
        doses=rng.choice(
            (("breakfast",), ("breakfast", "supper"), ("breakfast", "supper"), ("breakfast", "lunch", "supper"))
        ),
        forgetful=rng.uniform(0.0, 0.06),
    )
