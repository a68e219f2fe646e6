"""Camera on a numbered pole: frame and bit rate, movement by the hour, and what it recognises."""

from __future__ import annotations

from devices.observation import Channel
from firmware_sim.device import Action, Args, SimDevice
from firmware_sim.setting import Setting
from firmware_sim.signals.day import bump, local_hour
from firmware_sim.signals.noise import Drift, poisson

LOOK_S = 600.0
MOVES_S = 25.0
"""Somebody walks through the picture for so long."""


class Camera(SimDevice):
    """The firmware of what `devices.kinds.camera` describes."""

    kind_key = "camera"
    model = "IPC-4M"
    firmware = "7.2.3"
    heartbeat_s = 60.0
    radio = None

    def __init__(self, device_id: str, setting: Setting) -> None:
        super().__init__(device_id, setting)
        self._full_rate = self.rng.choice((15.0, 20.0, 25.0, 25.0))
        self._mean_rate = self.rng.uniform(1800.0, 4200.0)
        self._wander = Drift(self.rng, sigma=0.12, tau_s=900)
        # region, kind of platform, kind of device (132: camera), serial number: GB/T 28181, annex D
        self._gb28181_id = f"1101050000132{self.rng.randrange(10**7):07d}"

    def started(self, now_ms: int) -> None:
        self.leave("motion", now_ms)
        self.every("look", LOOK_S, self._look)

    def details(self) -> dict[str, str | bool | float]:
        return {"gb28181_id": self._gb28181_id}

    def _bustle(self, now_ms: int) -> float:
        """0 to about 1 over the day."""
        hour = local_hour(self.life_ms(now_ms), self.setting.zone)
        return bump(hour, 8.0, 1.5) + bump(hour, 18.0, 2.0)

    def measure(self, now_ms: int) -> dict[str, float]:
        if "video_lost" in self.standing:
            return {"fps": 0.0, "bitrate": 0.0}
        life_ms = self.life_ms(now_ms)
        day = 0.7 + 0.4 * bump(local_hour(life_ms, self.setting.zone), 14.0, 5.0)
        fps = max(1.0, self._full_rate - abs(self.rng.gauss(0, 0.4)))
        rate = self._mean_rate * day * max(0.3, 1.0 + self._wander.at(life_ms))
        return {"fps": round(fps), "bitrate": round(rate), "objects": poisson(self.rng, 2.0 * self._bustle(now_ms))}

    def _look(self, now_ms: int) -> None:
        if "video_lost" not in self.standing and self.rng.random() < 0.02 + 0.25 * self._bustle(now_ms):
            self.enter("motion", now_ms)
            self.once("still", MOVES_S, self._still, since_ms=now_ms)

    def _still(self, now_ms: int) -> None:
        self.leave("motion", now_ms)

    def recover(self, now_ms: int, args: Args) -> None:
        """The picture is back."""
        self.leave("video_lost", now_ms)
        self.report(now_ms)

    def see(self, now_ms: int, args: Args) -> None:
        """The camera recognises something (``label``)."""
        seen: dict[str, str | bool | float] = {"label": str(args.get("label", "person"))[:64], "score": 0.9}
        self.emit(Channel.EVENT, now_ms, event="object", data={**self.details(), **seen})

    def actions(self) -> dict[str, Action]:
        return {**super().actions(), "object": self.see, "recover": self.recover}

    def state(self) -> dict[str, object]:
        return {**super().state(), "lost": "video_lost" in self.standing}
