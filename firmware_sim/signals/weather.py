"""The air outside, the same for all who share the seed: season, day and night, and the slow changes of the weather.

Means of the months are those of a city of the North China plain, in round figures of its published climate normals:
dry and cold in winter, hot and wet in July. Humidity follows from the dew point, which changes slowly, and from the
temperature, which does not (Magnus formula, coefficients of Alduchov and Eskridge 1996): so it is highest at dawn.
Fine dust gathers over days and is blown away.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date

from firmware_sim.signals.day import local_date, local_hour
from firmware_sim.signals.noise import wander

_MEAN_CEL = (-3.0, 0.5, 7.5, 15.0, 21.0, 25.0, 27.0, 26.0, 21.0, 13.5, 5.0, -1.5)
_DEW_CEL = (-15.0, -12.5, -8.0, -0.5, 7.0, 15.0, 21.0, 20.0, 13.0, 4.0, -5.5, -12.0)
_PM25 = (48.0, 45.0, 45.0, 40.0, 33.0, 30.0, 30.0, 28.0, 32.0, 42.0, 48.0, 46.0)
_SWING_K = 5.0
"""Half the difference between day and night."""


@dataclass(frozen=True, slots=True)
class Air:
    """What an environment sensor outdoors measures."""

    temperature: float
    """Cel"""
    humidity: float
    """%"""
    pressure: float
    """hPa"""
    pm25: float
    """ug/m3"""
    pm10: float
    """ug/m3"""
    illuminance: float
    """lx"""
    wind_speed: float
    """m/s"""


@dataclass(frozen=True, slots=True)
class Weather:
    """The weather of one place."""

    seed: str
    zone: str

    def read(self, now_ms: int) -> Air:
        """The air at this instant: the same for whoever asks."""
        hour, today = local_hour(now_ms, self.zone), local_date(now_ms, self.zone)
        mass = self._slow("mass", now_ms, 3.0)
        sky = 1.0 / (1.0 + math.exp(1.0 + 1.6 * self._slow("sky", now_ms, 0.6)))  # 0 clear to 1 overcast
        sun = _sun(hour, today)
        day = math.cos(math.tau * (hour - 14.7) / 24.0)
        quick = 0.3 * self._slow("quick", now_ms, 0.015)
        temperature = _of_month(_MEAN_CEL, today) + 2.8 * mass + _SWING_K * (1.0 - 0.6 * sky) * day + quick
        dew = min(temperature - 0.3, _of_month(_DEW_CEL, today) + 3.0 * self._slow("dew", now_ms, 2.0) + 2.0 * mass)
        wind = 2.2 * math.exp(0.5 * self._slow("wind", now_ms, 0.4)) * (1.0 + 0.5 * sun)
        haze = 0.85 * math.exp(0.5 * self._slow("haze", now_ms, 2.5) - 0.12 * (wind - 2.2))
        pm25 = _of_month(_PM25, today) * haze * (1.0 - 0.15 * day)
        dust = 1.5 + 0.25 * self._slow("dust", now_ms, 1.0)
        return Air(
            temperature=temperature,
            humidity=min(100.0, 100.0 * _vapour(dew) / _vapour(temperature)),
            pressure=1013.0 - 0.32 * (temperature - 13.0) + 5.0 * self._slow("pressure", now_ms, 2.5),
            pm25=min(600.0, pm25),
            pm10=min(900.0, pm25 * max(1.15, dust)),
            illuminance=95_000.0 * sun * (1.0 - 0.85 * sky),
            wind_speed=wind,
        )

    def _slow(self, what: str, now_ms: int, days: float) -> float:
        return wander(f"{self.seed}/{what}", now_ms, days * 86_400)


def _of_month(table: tuple[float, ...], today: date) -> float:
    """Between the middles of the months, in a straight line."""
    place = today.month - 1 + (today.day - 15.5) / 30.5
    low = math.floor(place)
    part = place - low
    return table[low % 12] * (1.0 - part) + table[(low + 1) % 12] * part


def _sun(hour: float, today: date) -> float:
    """Sine of the sun's height at 40 degrees north, 0 at night; the sun is highest at a quarter past twelve."""
    declination = math.radians(23.44) * math.sin(math.tau * (today.timetuple().tm_yday - 81) / 365.25)
    latitude, turned = math.radians(40.0), math.tau * (hour - 12.25) / 24.0
    height = math.sin(latitude) * math.sin(declination) + math.cos(latitude) * math.cos(declination) * math.cos(turned)
    return max(0.0, height)


def _vapour(celsius: float) -> float:
    """Saturation vapour pressure over water, hPa."""
    return 6.1094 * math.exp(17.625 * celsius / (celsius + 243.04))
