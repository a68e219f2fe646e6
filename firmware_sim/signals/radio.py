"""The radio between a device and its receiver: what strength it has, and how often a packet is lost.

Path loss by distance and walls with a spread that stays (log-normal shadowing), people and doors that change it over
minutes, and echoes that change it from packet to packet. Loss falls off as an S around the receiver's sensitivity.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import Literal

from firmware_sim.signals.noise import Drift

Technology = Literal["zigbee", "wifi", "lora", "lte"]


@dataclass(frozen=True, slots=True)
class _Band:
    mean_dbm: float
    spread_db: float
    """From place to place."""
    strongest_dbm: float
    sensitivity_dbm: float
    noise_dbm: float


_BANDS: dict[Technology, _Band] = {
    "zigbee": _Band(-68.0, 9.0, -30.0, -100.0, -103.0),
    "wifi": _Band(-62.0, 8.0, -30.0, -92.0, -95.0),
    "lora": _Band(-98.0, 11.0, -40.0, -133.0, -117.0),  # spreading factor 10: heard 15 dB below the noise
    "lte": _Band(-92.0, 8.0, -60.0, -118.0, -110.0),  # RSRP
}
_FADING_DB = 1.8


class Link:
    """One device's link."""

    def __init__(self, rng: random.Random, technology: Technology = "zigbee") -> None:
        self._rng = rng
        self._band = _BANDS[technology]
        mean = rng.gauss(self._band.mean_dbm, self._band.spread_db)
        # who installs a device does not leave it where it is not heard
        self._mean = min(self._band.strongest_dbm - 5.0, max(self._band.sensitivity_dbm + 8.0, mean))
        self._people = Drift(rng, sigma=2.2, tau_s=600)
        self.shielded_db = 0.0
        """Lost on the way in addition: a metal door, a moved receiver, a jammer."""

    def rssi(self, now_ms: int) -> float:
        """dBm of the packet sent now."""
        here = self._mean + self._people.at(now_ms) - self.shielded_db + self._rng.gauss(0.0, _FADING_DB)
        return min(self._band.strongest_dbm, max(self._band.sensitivity_dbm - 3.0, here))

    def lqi(self, rssi: float) -> int:
        """Link quality, 0 to 255, as Zigbee coordinators give it: a straight line from the sensitivity to -35 dBm."""
        part = (rssi - self._band.sensitivity_dbm) / (-35.0 - self._band.sensitivity_dbm)
        return round(255.0 * min(1.0, max(0.0, part)))

    def snr(self, rssi: float) -> float:
        """dB above the noise, as a LoRa gateway gives it: it shows at most about 12."""
        return min(12.0, rssi - self._band.noise_dbm)

    def loss(self, rssi: float) -> float:
        """How likely a packet of that strength is not heard."""
        return 1.0 / (1.0 + math.exp((rssi - self._band.sensitivity_dbm - 2.0) / 1.2))
