"""What goes wrong around off-the-shelf gear, against a whole gateway: whatever it is, a press is heard at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from paho.mqtt.enums import MQTTProtocolVersion

from tests.support.broker import mosquitto
from tests.support.eventually import eventually
from tests.support.gateway import RunningGateway
from tests.support.homes import FAR_LINE, community
from tests.support.mqtt import Device
from tests.support.outside import OutsideWorld

ROOMS = 5
MORE_THAN_ANY_DISK_MB = 10**9


def building() -> dict[str, Any]:
    """Rooms with a key and a smoke detector each, all behind one Zigbee2MQTT."""
    document = community(1, rungs=FAR_LINE)
    document["bridges"] = [{"id": "z", "profile": "zigbee2mqtt"}]
    for n in range(ROOMS):
        document["places"].append({"id": f"room-{n}", "level": "户", "name": f"{n}室", "parent": "b-1"})
        for kind, name in (("sos_button", "key"), ("smoke", "detector")):
            entry = {"id": f"{name}-{n}", "kind": kind, "profile": "zigbee2mqtt", "bridge": "z"}
            document["devices"].append(entry | {"address": f"{name}{n}", "place": f"room-{n}"})
    return document


def alarms(gateway: RunningGateway) -> dict[tuple[str, str], int]:
    """(device, event) → how often it was repeated."""
    answer = gateway.api.get("/api/v1/alarms", params={"limit": 1000})
    assert answer.status_code == 200, answer.text
    return {(said["device"], said["event"]): one["repeats"] for one in answer.json() for said in one["evidence"][:1]}


def test_on_a_disk_that_is_nearly_full_presses_go_on_and_measurements_are_left_out(tmp_path: Path) -> None:
    with (
        mosquitto(tmp_path / "broker") as broker,
        OutsideWorld() as world,
        RunningGateway(
            tmp_path,
            world,
            community=building(),
            broker=broker,
            settings={"ANJU_JOURNAL__RESERVE_MB": str(MORE_THAN_ANY_DISK_MB)},
        ) as gateway,
    ):
        eventually(lambda: gateway.parts().get("bridge-z", {}).get("state") == "ok", 15, "the bridge is up")
        coordinator = Device("z2m", broker.port, "", "", MQTTProtocolVersion.MQTTv311, clean=True)
        try:
            for n in range(ROOMS):
                for room in range(ROOMS):
                    says = {"smoke": room == 0, "tamper": False, "battery": 90 - n}
                    coordinator.publish(f"zigbee2mqtt/detector{room}", json.dumps(says))
                coordinator.publish(f"zigbee2mqtt/key{n}", json.dumps({"action": "emergency", "battery": 50}))
                pressed = f"key-{n}", "press"
                eventually(lambda pressed=pressed: pressed in alarms(gateway), 5, "the press")  # type: ignore[misc]
            wanted = {("detector-0", "smoke"), *((f"key-{n}", "press") for n in range(ROOMS))}
            assert alarms(gateway) == dict.fromkeys(wanted, 0), "each once"
            assert (gateway.metric("anju_faults_total", transport="gear:z", reason="not_written") or 0) > ROOMS
            assert gateway.metric("anju_mqtt_events_total", lane="z", what="reconnects") == 0
        finally:
            coordinator.stop()
