"""Anju's devices on a real broker, read as a home assistant reads them."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
import sqlalchemy as sa
from jinja2 import Environment

from gateway.announce import announcer
from gateway.announce.announcer import Announcer
from gateway.registry import store as registry_store
from gateway.registry.load import load_community
from gateway.state import tables as t
from gateway.state.db import reading
from gateway.transports.mqtt_connection import Address
from tests.support.broker import Mosquitto, mosquitto
from tests.support.eventually import eventually_async
from tests.support.homes import COMMUNITY, community, write_community
from tests.support.house import House, open_house

pytestmark = pytest.mark.broker


@dataclass
class Assistant:
    """Subscribes as Home Assistant does, and keeps what the broker keeps."""

    client: aiomqtt.Client
    kept: dict[str, bytes] = field(default_factory=dict)
    moments: list[tuple[str, Any]] = field(default_factory=list)

    async def listen(self) -> None:
        async for message in self.client.messages:
            topic, payload = str(message.topic), bytes(message.payload or b"")
            if topic.endswith("/event"):
                self.moments.append((topic, json.loads(payload)))
            elif payload:
                self.kept[topic] = payload
            else:
                self.kept.pop(topic, None)

    def config(self, component: str, object_id: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.kept[f"homeassistant/{component}/anju-{COMMUNITY}/{object_id}/config"])
        return found

    def shows(self, component: str, object_id: str) -> str:
        """What an entity shows: its template over the message on its state topic; empty while there is nothing."""
        try:
            config = self.config(component, object_id)
            state = self.kept[config["state_topic"]]
        except KeyError:
            return ""
        template = Environment(autoescape=False).from_string(config["value_template"])
        shown = template.render(value_json=json.loads(state))
        words = {config.get("payload_on"): "on", config.get("payload_off"): "off"}
        return words.get(shown, shown) if component == "binary_sensor" else shown

    def available(self, component: str, object_id: str) -> bool:
        for one in self.config(component, object_id)["availability"]:
            text = self.kept.get(one["topic"], b"").decode()
            if "value_template" in one and text:
                template = Environment(autoescape=False).from_string(one["value_template"])
                text = template.render(value_json=json.loads(text))
            if text != "online":
                return False
        return True


@contextlib.asynccontextmanager
async def home_assistant(broker: Mosquitto) -> AsyncIterator[Assistant]:
    async with aiomqtt.Client(broker.host, broker.port) as client:
        assistant = Assistant(client)
        listening = asyncio.create_task(assistant.listen())
        for topic in ("homeassistant/#", "anju/state/#"):
            await client.subscribe(topic, qos=1)
        try:
            yield assistant
        finally:
            listening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await listening


def document(**options: str) -> dict[str, Any]:
    found = community(1)
    found["devices"] += [
        {"id": "valve-1", "kind": "valve", "place": "door-1"},
        {"id": "radar-1", "kind": "presence", "place": "door-1", "resident": "r-1"},
    ]
    if options:
        found["bridges"] = [{"id": "home", "profile": "homeassistant", "options": options}]
    return found


@dataclass
class Site:
    house: House
    broker: Mosquitto
    announcer: Announcer
    directory: Path
    said: list[bool]
    task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self.task = asyncio.create_task(self.announcer.run())

    async def stop(self) -> None:
        assert self.task is not None
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task

    async def apply(self, changed: dict[str, Any]) -> None:
        file = write_community(self.directory / "changed.yaml", changed)
        registry_store.apply(self.house.engine, load_community(file), "test", self.house.clock.now_ms())
        before = self.house.views.directory
        self.house.decider.wake()
        await eventually_async(lambda: self.house.views.directory is not before, 10, "the new registry")
        self.announcer.follow()


@contextlib.asynccontextmanager
async def site(tmp_path: Path, **options: str) -> AsyncIterator[Site]:
    with mosquitto(tmp_path / "broker") as broker:
        async with open_house(tmp_path, document(**options)) as house:
            said: list[bool] = []
            made = Announcer(
                house.engine,
                house.journal,
                house.store.latest,
                lambda: house.views.directory,
                lambda: Address(
                    host=broker.host,
                    port=broker.port,
                    username=None,
                    password=None,
                    client_id="anju-announce",
                    tls_ca=None,
                    receive_maximum=100,
                ),
                house.clock,
                said=lambda: said.append(True),
            )
            found = Site(house, broker, made, tmp_path, said)
            found.start()
            try:
                yield found
            finally:
                await found.stop()


async def eventually(condition: Callable[[], object], what: str) -> None:
    await eventually_async(condition, 15, what)


async def test_a_home_assistant_sees_states_events_and_what_the_store_knew(tmp_path: Path) -> None:
    async with site(tmp_path, announce="true") as home, home_assistant(home.broker) as seen:
        now_ms = home.house.clock.now_ms()
        await home.house.read("smoke-1", "smoke", now_ms - 60_000, battery=71.0, alarm=0.0)
        await eventually(lambda: seen.shows("sensor", "smoke-1-battery") == "71", "what the store knew")
        assert seen.shows("binary_sensor", "smoke-1-alarm") == "off"
        assert seen.shows("sensor", "smoke-1-obscuration") == "None", "unknown"
        await home.house.say("smoke-1", "smoke", alarm=1.0, battery=70.0)
        await eventually(lambda: seen.shows("binary_sensor", "smoke-1-alarm") == "on", "the alarm")
        assert seen.shows("sensor", "smoke-1-battery") == "70"
        assert seen.available("binary_sensor", "smoke-1-alarm")
        await home.house.say("sos-1", "cancel", battery=90.0)
        await eventually(lambda: seen.moments, "the moment")
        topic, moment = seen.moments[0]
        assert topic == seen.config("event", "sos-1-event")["state_topic"]
        assert moment["event_type"] == "cancel" and moment["metrics"] == {"battery": 90}
        assert not [one for one in seen.kept if "vitals" in one or "radar" in one], "nobody asked for their health"
        assert not seen.available("binary_sensor", "contact-1-open"), "it was never heard"


async def test_routine_news_are_gathered_and_urgent_ones_are_not(tmp_path: Path) -> None:
    async with site(tmp_path, announce="true") as home, home_assistant(home.broker) as seen:
        await eventually(lambda: f"anju/state/{COMMUNITY}/smoke-1" in seen.kept, "the first state")
        for number in range(20):
            await home.house.say("smoke-1", temperature=20.0 + number)
        await home.house.say("smoke-1", "smoke", alarm=1.0)
        await eventually(lambda: seen.shows("binary_sensor", "smoke-1-alarm") == "on", "the alarm")
        # What needs a person is read first: what came before it may follow it, as routine news do.
        await eventually(lambda: seen.shows("sensor", "smoke-1-temperature") == "39", "all that had come before it")


async def test_devices_that_leave_are_taken_back_also_those_of_before_a_start(tmp_path: Path) -> None:
    async with site(tmp_path, announce="true", health="r-1") as home, home_assistant(home.broker) as seen:
        await eventually(lambda: f"anju/state/{COMMUNITY}/radar-1" in seen.kept, "announced, as r-1 wants it")
        assert [one for one in seen.kept if "vitals-1" in one]
        without = document(announce="true")
        await home.apply(without)
        await eventually(lambda: not [one for one in seen.kept if "radar" in one or "vitals" in one], "taken back")
        await home.stop()
        await eventually(lambda: seen.kept[f"anju/state/{COMMUNITY}"] == b"offline", "its farewell")
        assert not seen.available("binary_sensor", "smoke-1-alarm")
        without["devices"] = [one for one in without["devices"] if one["id"] != "smoke-1"]
        await home.apply(without)
        home.start()
        await eventually(lambda: not [one for one in seen.kept if "smoke-1" in one], "of before the start")
        await home.apply(document())
        await eventually(lambda: not [one for one in seen.kept if one.startswith("homeassistant/")], "all of it")


async def test_who_is_allowed_obeys_and_nobody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(announcer, "COMMAND_EVERY_S", 600.0)  # too soon is too soon on a slow machine as well
    async with site(tmp_path, announce="true", commands="valve-1") as home, home_assistant(home.broker) as seen:
        await eventually(lambda: home.announcer.health.connected, "connected")
        await eventually(lambda: f"anju/state/{COMMUNITY}/valve-1" in seen.kept, "announced")
        config = seen.config("valve", "valve-1-open")
        assert (config["payload_open"], config["payload_close"]) == ("open", "close")
        await seen.client.publish(config["command_topic"], "close", qos=1)
        await eventually(lambda: home.announcer.health.commands == 1, "obeyed")
        assert home.said, "the outbox was told"
        with reading(home.house.engine) as connection:
            (row,) = connection.execute(sa.select(t.outbox)).all()
            assert '"close"' in row.body
            (line,) = connection.execute(sa.select(t.device_history).where(t.device_history.c.what == "command"))
            assert line.actor == "bridge home"
        for topic, command in (
            (config["command_topic"], "open"),  # too soon after the last
            (f"anju/set/{COMMUNITY}/smoke-1", "open"),
            (f"anju/set/{COMMUNITY}/nobody", "open"),
            (config["command_topic"], "explode"),
        ):
            await seen.client.publish(topic, command, qos=1)
        await eventually(lambda: home.announcer.health.refused == 4, "refused")
        assert home.announcer.health.commands == 1


async def test_a_broker_that_goes_and_comes_is_told_everything_again(tmp_path: Path) -> None:
    async with site(tmp_path, announce="true") as home:
        await eventually(lambda: home.announcer.health.connected, "connected")
        home.broker.kill()
        await eventually(lambda: not home.announcer.health.connected, "gone")
        (tmp_path / "broker" / "mosquitto.db").unlink(missing_ok=True)
        home.broker.start()
        async with home_assistant(home.broker) as seen:
            await eventually(lambda: seen.shows("binary_sensor", "smoke-1-alarm") != "", "announced anew")
            await eventually(lambda: seen.kept.get(f"anju/state/{COMMUNITY}") == b"online", "and there")


async def test_nothing_is_announced_where_nobody_asked(tmp_path: Path) -> None:
    async with site(tmp_path) as home, home_assistant(home.broker) as seen:
        await home.house.say("smoke-1", "smoke", alarm=1.0)
        await home.house.decided()
        assert not seen.kept and not home.announcer.health.connected
