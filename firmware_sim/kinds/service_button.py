"""One-key call for daily services: one key per service."""

from __future__ import annotations

from firmware_sim.device import Action
from firmware_sim.kinds.button import Button


class ServiceButton(Button):
    """The firmware of what `devices.kinds.service_button` describes."""

    kind_key = "service_button"
    model = "SV-3"
    firmware = "1.4.0"
    heartbeat_s = 2400.0
    battery_days = 1095.0

    def actions(self) -> dict[str, Action]:
        return {**super().actions(), **{name: self.calling(name) for name in ("plumbing", "drain", "housekeeping")}}
