"""What detectors of fire share: a fire in the room below them, which grows and is put out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from firmware_sim.device import Action, ActionError, Args, number
from firmware_sim.kinds.detector import Detector
from firmware_sim.setting import Setting
from firmware_sim.signals.fire import Fire, Growth

FASTEST = 1000.0


@dataclass(slots=True)
class _Burning:
    """A fire in a time of its own: a scenario need not wait 40 minutes for a cigarette in the bedding."""

    fire: Fire
    began_ms: int
    speed: float

    def at(self, now_ms: int) -> int:
        return self.began_ms + round((now_ms - self.began_ms) * self.speed)


class FireDetector(Detector):
    """In the kitchen, where nobody says otherwise."""

    def __init__(self, device_id: str, setting: Setting) -> None:
        super().__init__(device_id, setting)
        self._burning: _Burning | None = None

    def smoke_of_fire(self, now_ms: int) -> float:
        """dB/m"""
        return 0.0 if self._burning is None else self._burning.fire.obscuration(self._burning.at(now_ms))

    def heat_of_fire(self, now_ms: int) -> float:
        """K"""
        return 0.0 if self._burning is None else self._burning.fire.warming(self._burning.at(now_ms))

    def going_on(self, now_ms: int) -> bool:
        return self._burning is not None

    def fire(self, now_ms: int, args: Args) -> None:
        """A fire begins: ``growth`` smouldering, slow, medium or fast, ``speed`` times as fast as in life."""
        growth, speed = args.get("growth", "medium"), number(args, "speed", 1.0)
        if growth not in get_args(Growth):
            raise ActionError(f"growth: expected one of {', '.join(get_args(Growth))}, got {growth!r}")
        if not 0 < speed <= FASTEST:
            raise ActionError(f"speed: expected more than 0 and at most {FASTEST:g}, got {speed:g}")
        fire = Fire(now_ms, next(known for known in get_args(Growth) if known == growth))
        self._burning = _Burning(fire, now_ms, speed)
        self.look(now_ms)

    def put_out(self, now_ms: int, args: Args) -> None:
        """Somebody puts it out; smoke and heat go as the room is aired."""
        if self._burning is not None:
            self._burning.fire.put_out(self._burning.at(now_ms))
        self.look(now_ms)

    def forget_fire(self) -> None:
        """There never was one."""
        self._burning = None

    def actions(self) -> dict[str, Action]:
        return {**super().actions(), "fire": self.fire, "put_out": self.put_out}
