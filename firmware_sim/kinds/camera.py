"""Camera on a numbered pole: frame and bit rate, movement by the hour."""

from __future__ import annotations

from devices.observation import Channel
from firmware_sim.device import Action, Args, Setting, SimDevice
from firmware_sim.signals.day import bump, local_hour
from firmware_sim.signals.noise import Drift


class Camera(SimDevice):
    kind_key = "camera"
    model = "IPC-4M"
    firmware = "7.2.3"
    heartbeat_s = 60.0
    signal = False
    _look_s = 600.0

    def __init__(self, device_id: str, setting: Setting) -> None:
        super().__init__(device_id, setting)
        self._full_rate = self.rng.choice((15.0, 20.0, 25.0, 25.0))
        self._mean_rate = self.rng.uniform(1800.0, 4200.0)
        self._wander = Drift(self.rng, sigma=0.12, tau_s=900)
        self.lost = False

    def started(self, now_ms: int) -> None:
        self.every("look", self._look_s, self._look)

    def measure(self, now_ms: int) -> dict[str, float]:
        if self.lost:
            return {"fps": 0.0, "bitrate": 0.0}
        day = 0.7 + 0.4 * bump(local_hour(now_ms, self.setting.zone), 14.0, 5.0)
        fps = max(1.0, self._full_rate - abs(self.rng.gauss(0, 0.4)))
        rate = self._mean_rate * day * max(0.3, 1.0 + self._wander.at(now_ms))
        return {"fps": round(fps), "bitrate": round(rate)}

    def _look(self, now_ms: int) -> None:
        hour = local_hour(now_ms, self.setting.zone)
        movement = 0.02 + 0.25 * (bump(hour, 8.0, 1.5) + bump(hour, 18.0, 2.0))
        if not self.lost and self.rng.random() < movement:
            self.emit(Channel.EVENT, now_ms, event="motion")

    def video_loss(self, now_ms: int, args: Args) -> None:
        self.lost = True
        self.emit(Channel.EVENT, now_ms, event="video_loss")

    def recover(self, now_ms: int) -> None:
        self.lost = False
        self.report(now_ms)

    def see(self, now_ms: int, args: Args) -> None:
        """The camera recognises something (``label``)."""
        data: dict[str, str | bool | float] = {"label": str(args.get("label", "person"))[:64], "score": 0.9}
        self.emit(Channel.EVENT, now_ms, event="object", data=data)

    def actions(self) -> dict[str, Action]:
        return {
            **super().actions(),
            "motion": self.plain_event("motion"),
            "object": self.see,
            "video_loss": self.video_loss,
            "recover": lambda now_ms, args: self.recover(now_ms),
        }

    def state(self) -> dict[str, object]:
        return {**super().state(), "lost": self.lost}
