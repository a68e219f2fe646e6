"""Simulated devices on a real Mosquitto: acknowledged only after PUBACK, nothing forgotten, the last will spoken."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from devices.native import Command, command_topic, encode_command
from devices.observation import Channel
from firmware_sim.faults import DeviceFaults, Fault
from firmware_sim.fleet import system_ms
from firmware_sim.kinds.sos_button import SosButton
from firmware_sim.mqtt_device import ROUTINE_KEPT, Broker, MqttDevice
from firmware_sim.setting import Setting
from tests.support.broker import Mosquitto, mosquitto
from tests.support.eventually import eventually_async

pytestmark = pytest.mark.broker


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with mosquitto(tmp_path / "broker") as running:
        yield running


@dataclass
class Heard:
    """What a subscriber of the community has got."""

    messages: list[tuple[str, bytes]] = field(default_factory=list)

    def all(self, channel: str) -> list[dict[str, Any]]:
        return [json.loads(payload) for topic, payload in self.messages if topic.endswith(f"/{channel}")]

    def events(self, channel: str = "event") -> list[str]:
        return [message["event"] for message in self.all(channel)]


@contextlib.asynccontextmanager
async def listening(broker: Mosquitto, pattern: str = "anju/v1/hamlet/+/+") -> AsyncIterator[Heard]:
    heard = Heard()
    async with aiomqtt.Client(broker.host, broker.port) as client:
        await client.subscribe(pattern, qos=1)

        async def listen() -> None:
            async for message in client.messages:
                heard.messages.append((message.topic.value, bytes(message.payload)))

        task = asyncio.create_task(listen())
        try:
            yield heard
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def button_on(broker: Mosquitto, *faults: Fault, clock: Callable[[], int] = system_ms) -> tuple[SosButton, MqttDevice]:
    device = SosButton("b1", Setting(seed=1))
    device.power_on(clock())
    link = MqttDevice(
        device,
        community="hamlet",
        broker=Broker(broker.host, broker.port),
        clock=clock,
        faults=DeviceFaults("b1", "sos_button", faults, 1),
    )
    return device, link


@contextlib.asynccontextmanager
async def alive(link: MqttDevice, *, connected: bool = True) -> AsyncIterator[None]:
    task = asyncio.create_task(link.run())
    try:
        if connected:
            await eventually_async(lambda: link.connected, what="device connected")
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert not task.done() or task.cancelled() or task.exception() is None


async def test_birth_then_press_is_acknowledged_without_any_subscriber(broker: Mosquitto) -> None:
    device, link = button_on(broker)
    async with alive(link):
        press = device.press(system_ms())
        assert not device.acked
        link.pump()
        await eventually_async(lambda: len(device.acked) == 1)
        assert list(device.acked) == [(*press.key, "press")]
        assert device.lamp == "amber", "the gateway has not said anything"
        await eventually_async(lambda: not link.unacked)


async def test_a_press_without_a_broker_is_kept_and_goes_out_later(broker: Mosquitto) -> None:
    broker.stop()
    device, link = button_on(broker)
    async with alive(link, connected=False):
        press = device.press(system_ms())
        link.pump()
        await asyncio.sleep(0.3)
        assert not device.acked
        assert press.key in link.unacked
        broker.start()
        await eventually_async(lambda: list(device.acked) == [(*press.key, "press")])


async def test_what_the_broker_did_not_acknowledge_is_sent_again_with_its_identity(broker: Mosquitto) -> None:
    device, link = button_on(broker)
    async with alive(link):
        await eventually_async(lambda: not link.unacked)
        broker.kill()
        await eventually_async(lambda: not link.connected)
        presses = [device.press(system_ms()) for _ in range(3)]
        link.pump()
        broker.start()
        async with listening(broker) as heard:
            await eventually_async(lambda: len(device.acked) == 3, 15)
            assert [key[:2] for key in device.acked] == [press.key for press in presses]
            births = [message["seq"] for message in heard.all("status")]
            assert len(births) == len(set(births))


async def test_frozen_broker_no_puback_no_ack(broker: Mosquitto) -> None:
    """The press is on the wire, but nobody has answered for it."""
    device, link = button_on(broker)
    async with alive(link):
        await eventually_async(lambda: not link.unacked)
        assert broker.process is not None
        broker.process.send_signal(19)  # SIGSTOP
        try:
            device.press(system_ms())
            link.pump()
            await eventually_async(lambda: link.figures.sent == 2)
            await asyncio.sleep(0.3)
            assert not device.acked
            assert len(link.unacked) == 1
        finally:
            broker.process.send_signal(18)  # SIGCONT
        await eventually_async(lambda: len(device.acked) == 1)


async def test_last_will_when_the_plug_is_pulled_and_not_when_it_ends_politely(broker: Mosquitto) -> None:
    _, link = button_on(broker)
    async with listening(broker) as heard:
        async with alive(link):
            await eventually_async(lambda: heard.events("status") == ["online"])
            link.unplug()
            await eventually_async(lambda: heard.events("status") == ["online", "offline"])
            link.plug()
            await eventually_async(lambda: heard.events("status") == ["online", "offline", "online"])
            seqs = [(m["boot"], m["seq"]) for m in heard.all("status")]
            assert len(set(seqs)) == 3
            assert "t" not in heard.all("status")[1]
        async with aiomqtt.Client(broker.host, broker.port) as probe:  # the broker has worked through the farewell
            await probe.publish("anju/v1/hamlet/probe/status", b'{"event": "probe"}', qos=1)
        await eventually_async(lambda: "probe" in heard.events("status"))
        assert heard.events("status").count("offline") == 1


async def test_restart_changes_the_boot_and_loses_no_press(broker: Mosquitto) -> None:
    device, link = button_on(broker)
    async with listening(broker) as heard, alive(link):
        await eventually_async(lambda: not link.unacked)
        device.press(system_ms())
        device.power_on(system_ms())
        link.pump()
        await eventually_async(lambda: heard.events("status")[-1:] == ["online"] and len(heard.all("status")) >= 3)
        await eventually_async(lambda: "press" in heard.events())
        boots = [message["boot"] for message in heard.all("status")]
        assert boots[-1] > boots[0]
        await eventually_async(lambda: len(device.acked) == 1)


async def test_command_moves_lamp_and_voice_and_is_answered(broker: Mosquitto) -> None:
    device, link = button_on(broker)
    async with listening(broker) as heard, alive(link):
        command = Command(v=1, id="case-1:indicate", command="indicate", args={"lamp": "blue", "voice": "drill"})
        async with aiomqtt.Client(broker.host, broker.port) as gateway:
            target = command_topic("hamlet", "b1")
            await gateway.publish(target, b"\xff{", qos=1)
            await gateway.publish(target, encode_command(command, "json"), qos=1)
        await eventually_async(lambda: (device.lamp, device.voice) == ("blue", "drill"))
        await eventually_async(lambda: "command_result" in heard.events())
        assert heard.all("event")[-1]["data"] == {"id": "case-1:indicate", "ok": True}
        assert link.figures.bad_commands == 1


async def test_command_sent_while_it_was_away_arrives_later(broker: Mosquitto) -> None:
    device, link = button_on(broker)
    async with alive(link):
        link.unplug()
        await eventually_async(lambda: not link.connected)
        async with aiomqtt.Client(broker.host, broker.port) as gateway:
            command = Command(v=1, id="x", command="indicate", args={"lamp": "green"})
            await gateway.publish(command_topic("hamlet", "b1"), encode_command(command, "json"), qos=1)
        assert device.lamp == "off"
        link.plug()
        await eventually_async(lambda: device.lamp == "green")


async def test_events_overtake_telemetry_and_are_never_forgotten(broker: Mosquitto) -> None:
    broker.stop()
    device, link = button_on(broker)
    async with alive(link, connected=False):
        presses = [device.press(system_ms()) for _ in range(5)]
        link.pump()
        for _ in range(ROUTINE_KEPT + 300):
            device.report(system_ms())
        link.pump()
        device.press(system_ms())
        link.pump()
        assert link.figures.dropped >= 300
        assert sum(out.channel is Channel.EVENT for out in link.unacked.values()) == len(presses) + 1
        broker.start()
        await eventually_async(lambda: len(device.acked) == 6, 15)
        assert len(link.unacked) > ROUTINE_KEPT / 2, "the presses did not wait for the telemetry"
        await eventually_async(lambda: not link.unacked, 15)


async def test_faults_together_lose_nothing(broker: Mosquitto) -> None:
    faults = (
        Fault(what="loss", probability=0.2, seconds=0.05),
        Fault(what="duplicate", probability=0.2),
        Fault(what="reordered", probability=0.5, seconds=0.1),
        Fault(what="late", probability=0.1, seconds=0.3),
        Fault(what="corrupt", probability=0.2),
        Fault(what="flapping", seconds=0.5, down_s=0.05),
    )
    device, link = button_on(broker, *faults)
    async with listening(broker) as heard, alive(link):
        sent = []
        for _ in range(60):
            sent.append(device.press(system_ms()).key)
            link.pump()
            await asyncio.sleep(0.02)
        await eventually_async(lambda: len(device.acked) == 60, 20)
        assert {key[:2] for key in device.acked} == set(sent)
        presses, garbled = [], 0
        for topic, payload in heard.messages:
            if not topic.endswith("/event"):
                continue
            try:
                message = json.loads(payload)
            except ValueError:
                garbled += 1
                continue
            presses.append((message["boot"], message["seq"]))
        assert set(presses) == set(sent), "each arrived, and nothing that nobody pressed"
        assert len(presses) > 60, "some twice"
        assert presses != sorted(presses), "some overtook others"
        assert garbled > 0
        tally = link._faults.tally
        assert set(tally) == {"loss", "duplicate", "reordered", "late", "corrupt", "flapping"}


async def test_skewed_clock_shows_in_the_message(broker: Mosquitto) -> None:
    device, link = button_on(broker)
    device.clock_skew_ms = -3_600_000
    async with listening(broker) as heard, alive(link):
        before = system_ms()
        await eventually_async(lambda: len(heard.all("status")) == 1)
        assert abs(heard.all("status")[0]["t"] - (before - 3_600_000)) < 10_000
