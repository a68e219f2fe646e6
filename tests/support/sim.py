"""Simulated devices without a link: made, lived through by hand, and heard as the gateway hears them."""

from __future__ import annotations

from dataclasses import dataclass

from devices.native import Decoded, decode, encode
from firmware_sim.device import Outgoing, SimDevice
from firmware_sim.kinds import SIMULATED
from firmware_sim.setting import Setting

DAWN = 1_790_000_000_000
HOUR = 3_600_000


@dataclass(frozen=True)
class Ref:
    id: str
    kind: str


def make(kind: str, seed: int = 1, *, device_id: str | None = None, **setting: object) -> SimDevice:
    """A device that was started at `DAWN`."""
    device = SIMULATED[kind](device_id or f"{kind}-1", Setting(seed=seed, **setting))  # type: ignore[arg-type]  # test helper
    device.power_on(DAWN)
    return device


def live(device: SimDevice, from_ms: int, until_ms: int) -> list[tuple[int, Outgoing]]:
    """Everything the device says in that time."""
    said = [(from_ms, out) for out in device.take()]
    now = from_ms
    while device.next_due_ms <= until_ms:
        now = max(now, device.next_due_ms)
        device.tick(now)
        said += [(now, out) for out in device.take()]
    return said


def events(said: list[tuple[int, Outgoing]]) -> list[str]:
    """The events among what was said, in order."""
    return [out.message.event for _, out in said if out.message.event is not None]


def readings(said: list[tuple[int, Outgoing]], metric: str) -> list[float]:
    """What telemetry said of a metric, in order."""
    return [out.message.metrics[metric] for _, out in said if metric in out.message.metrics]


def heard(device: SimDevice, out: Outgoing, at_ms: int) -> Decoded:
    """As the gateway decodes it, from MQTT and from the serial line alike."""
    ref = Ref(device.id, device.kind_key)
    found = decode(ref, out.channel, encode(out.message, "json"), received_at_ms=at_ms)
    packed = decode(ref, out.channel, encode(out.message, "msgpack"), received_at_ms=at_ms, encoding="msgpack")
    assert packed.observation == found.observation
    return found
