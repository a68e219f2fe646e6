"""Variable message sign: shows what it is told, as bright as the day is."""

from __future__ import annotations

from collections.abc import Mapping

from firmware_sim.device import SimDevice
from firmware_sim.orders import Outcome
from firmware_sim.setting import Setting

BRIGHTNESS = {"low": 20.0, "medium": 50.0, "high": 100.0}
FULL_SUN_LX = 60_000.0
PIXEL_DAYS = 40.0
"""Between two pixels that fail."""


class Sign(SimDevice):
    """The firmware of what `devices.kinds.sign` describes."""

    kind_key = "sign"
    model = "VMS-3"
    firmware = "4.0.2"
    heartbeat_s = 60.0
    radio = None

    def __init__(self, device_id: str, setting: Setting) -> None:
        super().__init__(device_id, setting)
        self._failed = self.rng.randint(0, 6)
        self.shown: dict[str, str] = {"level": "none", "pictogram": "none", "brightness": "auto"}

    def started(self, now_ms: int) -> None:
        self._clear()  # after a restart it is dark until it is told again
        self.every("pixel", PIXEL_DAYS * 86_400, self._lose_pixel)

    def _lose_pixel(self, now_ms: int) -> None:
        self._failed += 1

    def measure(self, now_ms: int) -> dict[str, float]:
        air = self.sky.read(self.life_ms(now_ms))
        light = 100.0 * min(1.0, air.illuminance / FULL_SUN_LX)
        bright = BRIGHTNESS.get(self.shown["brightness"], max(8.0, light))
        return {
            "brightness": round(bright) if "showing" in self.standing else 0.0,
            "failed_pixels": self._failed,
            "illuminance": round(air.illuminance),
            "temperature": round(air.temperature + 8.0, 1),
        }

    def obey(self, command: str, args: Mapping[str, str], now_ms: int) -> Outcome | None:
        if command == "clear":
            self._clear()
        else:
            self.shown |= {"level": "none", "pictogram": "none", **args}
            blank = self.shown["level"] == self.shown["pictogram"] == "none"
            self.turn("showing", not blank, now_ms)
        self.report(now_ms)
        return Outcome(True)

    def _clear(self) -> None:
        self.shown = {"level": "none", "pictogram": "none", "brightness": "auto"}
        self.standing.discard("showing")

    def state(self) -> dict[str, object]:
        return {**super().state(), "shown": dict(self.shown)}
