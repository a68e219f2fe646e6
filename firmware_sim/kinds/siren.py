"""Siren and voice unit: sounds for as long as it is told, or until it is silenced; says one of its sentences."""

from __future__ import annotations

from collections.abc import Mapping

from firmware_sim.device import SimDevice
from firmware_sim.orders import Outcome
from firmware_sim.setting import Setting

USUAL_S = 180.0
"""Where the command does not say how long."""


class Siren(SimDevice):
    """The firmware of what `devices.kinds.siren` describes."""

    kind_key = "siren"
    model = "SV-110"
    firmware = "1.9.0"
    heartbeat_s = 1200.0
    battery_days = 900.0
    usual_room = "hall"

    def __init__(self, device_id: str, setting: Setting) -> None:
        super().__init__(device_id, setting)
        self.tone = "none"
        self.voice = "none"

    def started(self, now_ms: int) -> None:
        self._silence(now_ms)

    def obey(self, command: str, args: Mapping[str, str], now_ms: int) -> Outcome | None:
        if command == "say":
            self.voice = args.get("voice", "none")
        elif command == "silence":
            self._silence(now_ms)
        else:
            self.tone = args.get("tone", "emergency")
            self.enter("sounding", now_ms)
            self.soon("fall silent", float(args.get("duration_s", USUAL_S)), self._silence, now_ms)
        return Outcome(True)

    def _silence(self, now_ms: int) -> None:
        self.tone = "none"
        self.stop("fall silent")
        self.leave("sounding", now_ms)

    def state(self) -> dict[str, object]:
        return {**super().state(), "tone": self.tone, "voice": self.voice}
