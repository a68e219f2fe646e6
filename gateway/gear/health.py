"""How one way in of off-the-shelf gear is."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.transports.listener import ListenerHealth
from gateway.transports.mqtt_lane import LaneHealth
from gateway.transports.serial_health import PortHealth


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeHealth:
    """How one bridge is. ``trouble``: why it could not even be started, Chinese and English; empty where it runs."""

    bridge: str
    profile: str
    trouble: str
    lane: LaneHealth | None = None
    port: PortHealth | None = None
    listener: ListenerHealth | None = None
