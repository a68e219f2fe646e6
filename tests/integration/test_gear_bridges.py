"""Bridges follow the registry while gear speaks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
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


def bridges_at(port: int, journal: Journal, directory: Callable[[], CommunityDirectory]) -> Bridges:
    address = Address(
        host="127.0.0.1",
        port=port,
        username=None,
        password=None,
        client_id="anju-test",
        tls_ca=None,
        receive_maximum=20,
    )
    return Bridges(GearIntake(journal, Receipts(journal), Notes()), lambda: address, (), directory, SystemClock())


async def test_what_is_said_while_a_bridges_options_change_is_heard_once(tmp_path: Path) -> None:
    with mosquitto(tmp_path / "broker") as broker:
        journal = Journal(tmp_path / "journal", JournalSettings(), SystemClock())
        journal.start()
        directory = registry()
        bridges = bridges_at(broker.port, journal, lambda: directory)
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


async def test_what_was_said_while_nobody_was_connected_is_marked_as_such(tmp_path: Path) -> None:
    """A walk test that began meanwhile must not hide it (`gateway.decider.care`)."""
    with mosquitto(tmp_path / "broker") as broker:
        journal = Journal(tmp_path / "journal", JournalSettings(), SystemClock())
        journal.start()
        directory = registry()
        frigate = Device("frigate", broker.port, "", "", MQTTProtocolVersion.MQTTv311, clean=True)

        def waited(camera: str) -> list[bool]:
            entries = journal.read(Lane.ROUTINE, 0, 10_000)
            found = [entry.observation for entry in entries if entry.observation.device == camera]
            return [one.may_have_waited for one in found if one.event == "motion"]

        try:
            bridges = bridges_at(broker.port, journal, lambda: directory)
            await bridges.follow(directory)
            await eventually_async(lambda: all(one.lane and one.lane.connected for one in bridges.health()), 10)
            frigate.publish("frigate/c1/motion", "ON")
            await eventually_async(lambda: waited("cam-1"), 10)
            await bridges.stop()
            frigate.publish("frigate/c2/motion", "ON")
            bridges = bridges_at(broker.port, journal, lambda: directory)
            await bridges.follow(directory)
            await eventually_async(lambda: waited("cam-2"), 10)
            assert (waited("cam-1"), waited("cam-2")) == ([False], [True])
        finally:
            frigate.stop()
            await bridges.stop()
            journal.close()
