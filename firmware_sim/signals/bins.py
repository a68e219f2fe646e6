"""A waste bin: filled bag by bag as people come down in the morning and after supper, emptied by the rounds."""

from __future__ import annotations

import random
from dataclasses import dataclass

from firmware_sim.signals.day import bump, is_weekend, local_date, local_hour, midnight_ms
from firmware_sim.signals.noise import poisson
from firmware_sim.signals.weather import Weather

_BURNING_S = 900.0
_ROUND_JITTER_S = 1500.0
_STEP_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class BinReading:
    """What the bin's sensor measures at one instant."""

    fill: float
    """%; a heap above the rim shows 100."""
    temperature: float
    """Cel, inside."""
    collected: bool
    """Emptied since the last reading."""


class Bin:
    """One bin in that weather.

    ``daily`` is how much comes in a day, in % of its volume; ``rounds`` are the hours of collection.
    """

    def __init__(
        self, rng: random.Random, weather: Weather, *, daily: float | None = None, rounds: tuple[float, ...] = (6.5,)
    ) -> None:
        self._rng = rng
        self._weather = weather
        self._zone = weather.zone
        self._daily = rng.uniform(35.0, 95.0) if daily is None else daily
        self._bag = rng.uniform(1.2, 3.0)
        self._rounds = rounds
        self._late_s = [rng.uniform(0.0, _ROUND_JITTER_S) for _ in rounds]
        """The lorry reaches this bin so long after its round begins."""
        self._fill = rng.uniform(0.0, 50.0)
        self._burning_ms: int | None = None
        self._at_ms: int | None = None

    def read(self, now_ms: int) -> BinReading:
        """Level and warmth now. Calls must not go back in time; a long pause is lived through hour by hour."""
        at_ms = now_ms if self._at_ms is None else self._at_ms
        collected = False
        while at_ms < now_ms:
            until_ms = min(now_ms, at_ms + _STEP_MS)
            if self._round_between(at_ms, until_ms):
                self._empty()
                collected = True
            self._fill = min(115.0, self._fill + self._bag * self._bags(at_ms, until_ms))
            at_ms = until_ms
        self._at_ms = now_ms
        return BinReading(min(100.0, self._fill), self._warmth(now_ms), collected)

    def collect(self, now_ms: int) -> None:
        """An extra round."""
        self.read(now_ms)
        self._empty()

    def burn(self, now_ms: int) -> None:
        """Somebody threw in an ember: the bin burns for a quarter of an hour, if nobody puts it out."""
        self._burning_ms = now_ms

    def put_out(self) -> None:
        """What burns in it is put out."""
        self._burning_ms = None

    def _empty(self) -> None:
        self._fill = self._rng.uniform(0.0, 4.0)
        self._burning_ms = None

    def _bags(self, from_ms: int, to_ms: int) -> int:
        hour = local_hour((from_ms + to_ms) // 2, self._zone)
        # bells of 9.9 hours' width in all, so that a day's bags come to about ``_daily``
        by_hour = (bump(hour, 7.5, 1.0) + 0.5 * bump(hour, 12.5, 1.2) + bump(hour, 19.0, 1.4) + 0.1) / 9.9
        weekend = 1.15 if is_weekend(from_ms, self._zone) else 0.95
        return poisson(self._rng, self._daily * weekend * by_hour * (to_ms - from_ms) / 3_600_000 / self._bag)

    def _round_between(self, from_ms: int, to_ms: int) -> bool:
        midnight = midnight_ms(local_date(to_ms, self._zone), self._zone)
        return any(
            from_ms < midnight + round((hour * 3600 + late) * 1000) <= to_ms
            for hour, late in zip(self._rounds, self._late_s, strict=True)
        )

    def _warmth(self, now_ms: int) -> float:
        rot = 3.0 * min(1.0, self._fill / 100.0)
        warmth = self._weather.read(now_ms).temperature + rot
        if self._burning_ms is not None:
            since = (now_ms - self._burning_ms) / 1000 / _BURNING_S
            warmth += 220.0 * max(0.0, 4.0 * since * (1.0 - since)) if since < 1.0 else 0.0
        return warmth
