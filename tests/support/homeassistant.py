"""Home Assistant's discovery for tests: a device that announces its parts."""

from __future__ import annotations

from typing import Any

from devices.profiles.homeassistant import HOMEASSISTANT
from tests.support.gear import Bench, Heard, device

DEVICE = {
    "identifiers": ["0x00124b0014d2b0a1"],
    "name": "hall",
    "manufacturer": "Heiman",
    "model": "HS1SA-E",
    "sw_version": "1.2",
}
ID = "0x00124b0014d2b0a1"


def announce(bench: Bench, component: str, object_id: str, node: str = "", **config: Any) -> Heard:
    topic = f"homeassistant/{component}/{f'{node}/' if node else ''}{object_id}/config"
    return bench.hear(topic, {"device": DEVICE, **config}, retained=True)


def smoke_bench(**config: Any) -> Bench:
    bench = Bench(HOMEASSISTANT, device(ID, "smoke"))
    announce(
        bench,
        "binary_sensor",
        "smoke",
        device_class="smoke",
        state_topic="gear/hall",
        value_template="{{ value_json.smoke }}",
        **{"payload_on": True, "payload_off": False, **config},
    )
    return bench
