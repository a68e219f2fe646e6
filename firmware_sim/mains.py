"""A power cut at one device: without a battery it goes dark, with one it loses its router, backed up it says so."""

from __future__ import annotations

from firmware_sim.device import SimDevice
from firmware_sim.mqtt_device import MqttDevice


def lose_mains(device: SimDevice, link: MqttDevice | None, now_ms: int) -> None:
    """``link`` is None behind a concentrator, which goes on with its battery."""
    if device.backed_up:
        if "mains_lost" in device.kind.states:
            device.enter("mains_lost", now_ms)
        return
    if device.battery_days is None:
        device.power_off(now_ms)
    if link is not None:
        link.unplug()


def regain_mains(device: SimDevice, link: MqttDevice | None, now_ms: int) -> None:
    """Everything comes back at once: what was dark starts, and all connect and say so."""
    if device.backed_up:
        device.leave("mains_lost", now_ms)
        return
    if not device.powered:
        device.power_on(now_ms)
    if link is not None:
        link.plug()
