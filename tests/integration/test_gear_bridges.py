"""Bridges follow the registry while gear speaks."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from paho.mqtt.enums import MQTTProtocolVersion

from devices.gear.messages import Announced
from devices.observation import Lane
from gateway.clock import SystemClock
from gateway.gear.bridges import Bridges
from gateway.gear.intake import GearIntake
from gateway.journal.journal import Journal
from gateway.receipts import Receipts
from gateway.registry.directory import CommunityDirectory
from gateway.registry.model import Community
from gateway.settings import JournalSettings
from gateway.transports.mqtt_connection import Address
from tests.support.broker import mosquitto
from tests.support.eventually import eventually_async
from tests.support.homes import community
from tests.support.mqtt import Device

pytestmark = pytest.mark.broker
CAMERAS = 120


class Notes:
    """Strangers that nobody asks for."""

    def note(self, bridge: str, profile: str, announced: Announced, source: str, payload: bytes, at_ms: int) -> None:
        return None


def registry(**options: str) -> CommunityDirectory:
    """A community with many cameras behind one Frigate."""
    document = community(1) | {"rules": []}
    for channel in document["channels"]:
        channel["url"] = "json://127.0.0.1/{to}"
    document["emergency_line"]["url"] = "http://127.0.0.1"
    document["bridges"] = [{"id": "street", "profile": "frigate", "options": options}]
    document["devices"] = [
        {
            "id": f"cam-{n}",
            "kind": "camera",
            "profile": "frigate",
            "bridge": "street",
            "address": f"c{n}",
            "place": "yuan",
        }
        for n in range(CAMERAS)
    ]
    return CommunityDirectory(Community.model_validate(document))


async def test_what_is_said_while_a_bridges_options_change_is_heard_once(tmp_path: Path) -> None:
    with mosquitto(tmp_path / "broker") as broker:
        journal = Journal(tmp_path / "journal", JournalSettings(), SystemClock())
        journal.start()
        directory = registry()
        address = Address(
            host=broker.host,
            port=broker.port,
            username=None,
            password=None,
            client_id="anju-test",
            tls_ca=None,
            receive_maximum=20,
        )
        bridges = Bridges(
            GearIntake(journal, Receipts(journal), Notes()), lambda: address, (), lambda: directory, SystemClock()
        )
        frigate = Device("frigate", broker.port, "", "", MQTTProtocolVersion.MQTTv311, clean=True)

        def connected() -> bool:
            return all(one.lane is not None and one.lane.connected for one in bridges.health())

        def heard() -> list[str]:
            return sorted(
                entry.observation.device
                for entry in journal.read(Lane.ROUTINE, 0, 10_000)
                if entry.observation.event == "motion"
            )

        try:
            await bridges.follow(directory)
            await eventually_async(connected, 10)
            for number in range(CAMERAS):
                frigate.publish(f"frigate/c{number}/motion", "ON")
                if number in (CAMERAS // 3, CAMERAS // 2):
                    directory = registry(url=f"http://127.0.0.1:{number}")
                    changing = asyncio.create_task(bridges.follow(directory))
                await asyncio.sleep(0.01)  # not to wait for anything: it is the pace of the street
            await changing
            assert [one.bridge for one in bridges.health()] == ["street"]
            await eventually_async(lambda: len(heard()) >= CAMERAS, 15)
            assert heard() == sorted(f"cam-{number}" for number in range(CAMERAS))
        finally:
            frigate.stop()
            await bridges.stop()
            journal.close()
