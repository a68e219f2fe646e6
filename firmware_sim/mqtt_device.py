"""One simulated device on one real MQTT connection: persistent session, last will, QoS 1, nothing forgotten.

A message is in the device's memory until its PUBACK came; after a reconnect it goes out again with the same identity.
Events go first. A client object serves one connection only: paho would carry its old packets over to the next one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import random
import socket
import ssl
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import aiomqtt
from paho.mqtt.enums import MQTTErrorCode

from devices.native import command_topic, decode_command, encode, topic
from devices.observation import Channel, Refusal
from firmware_sim.device import Outgoing, SimDevice
from firmware_sim.faults import Copy, DeviceFaults
from firmware_sim.figures import Figures

log = logging.getLogger(__name__)

IN_FLIGHT = 16
"""Messages under way at once; below paho's own window of 20, so that paho never queues behind our back."""
ROUTINE_KEPT = 2000
"""Telemetry and status a device keeps in memory while it is offline; the oldest go first. Events are all kept."""
BACK_OFF_S = (0.2, 10.0)
KEEPALIVE_S = 60
LOOK_S = 15.0
"""Between two looks at a connection's keep-alive: a fifteenth of aiomqtt's own looking, which is most of what
thousands of idle devices cost."""

Key = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Broker:
    """Where devices connect. ``username`` may contain ``{device}``."""

    host: str
    port: int
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    passwords: Mapping[str, str] | None = field(default=None, repr=False)
    """Each device's own, by its id in topics, which is its user name then."""
    tls: ssl.SSLContext | None = field(default=None, repr=False, compare=False)

    def signs_in(self, device: str, hardware: str) -> tuple[str | None, str | None]:
        """User name and password of a device. One without a password of its own is turned away by the broker."""
        if self.passwords is not None:
            return hardware, self.passwords.get(hardware, "")
        return self.username.format(device=device) if self.username else None, self.password


class MqttDevice:
    """The link of one device. `run` until cancelled; call `pump` after the device may have something to say."""

    def __init__(
        self,
        device: SimDevice,
        *,
        community: str,
        broker: Broker,
        clock: Callable[[], int],
        faults: DeviceFaults | None = None,
        figures: Figures | None = None,
        connecting: asyncio.Semaphore | None = None,
        changed: Callable[[], None] = lambda: None,
        seed: int = 0,
        client: str = "",
    ) -> None:
        """``changed`` is called when the device may have set itself another timer; ``client`` is put behind its
        client id, for a second device of the same id."""
        self.device = device
        self.connected = False
        self.figures = figures or Figures()
        self.unacked: OrderedDict[Key, Outgoing] = OrderedDict()
        """What the device keeps in memory: everything without a PUBACK."""
        self._community = community
        self._broker = broker
        self._clock = clock
        self._faults = faults or DeviceFaults(device.id, device.kind_key, (), seed)
        self._connecting = connecting or asyncio.Semaphore(1)
        self._rng = random.Random(f"link/{seed}/{device.id}")
        self._changed = changed
        self._client_id = f"{community}-{device.hardware}{client}"
        self._tried: set[Key] = set()
        self._to_send: dict[Channel, OrderedDict[Key, Outgoing]] = {channel: OrderedDict() for channel in Channel}
        self._wake = asyncio.Event()
        self._client: aiomqtt.Client | None = None
        self._starts = device.starts
        self._plugged = asyncio.Event()
        self._plugged.set()

    # --- from the fleet ---------------------------------------------------------------------------------------

    def pump(self) -> None:
        """Take what the device has to say. A device that restarted or went dark meanwhile loses its connection."""
        device = self.device
        for out in device.take():
            self.unacked[out.key] = out
            self._to_send[out.channel][out.key] = out
            self.figures.events += out.channel is Channel.EVENT
        self._forget_oldest_routine()
        if device.starts != self._starts:
            self._starts = device.starts
            self.drop()
        if not device.powered:
            self.unplug()
        self._wake.set()
        self._changed()

    def drop(self) -> None:
        """Break the connection without a word, as a pulled plug does: the broker will speak the last will."""
        if self._client is None:
            return
        paho = self._client._client  # aiomqtt has no public way to break off without DISCONNECT
        sock = paho.socket()
        if isinstance(sock, socket.socket):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def unplug(self) -> None:
        """No connection until `plug`."""
        self._plugged.clear()
        self.drop()

    def plug(self) -> None:
        """Connect again after `unplug`."""
        self._plugged.set()

    def _forget_oldest_routine(self) -> None:
        if len(self.unacked) <= ROUTINE_KEPT:
            return
        routine = [key for key, out in self.unacked.items() if out.channel is not Channel.EVENT]
        for key in routine[: max(0, len(routine) - ROUTINE_KEPT)]:
            out = self.unacked.pop(key)
            self._to_send[out.channel].pop(key, None)
            self._tried.discard(key)
            self.figures.dropped += 1

    # --- the connection ---------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Stay connected until cancelled."""
        back_off = BACK_OFF_S[0]
        while True:
            await self._plugged.wait()
            try:
                await self._connection()
            except* aiomqtt.MqttError as group:
                log.debug("%s: connection lost: %s", self.device.id, group.exceptions[0])
            was_up, self.connected, self._client = self.connected, False, None
            back_off = BACK_OFF_S[0] if was_up else min(BACK_OFF_S[1], back_off * 2)
            flapping = self._faults.flapping
            await asyncio.sleep(max(back_off * self._rng.uniform(0.5, 1.0), flapping[1] if flapping and was_up else 0))

    async def _connection(self) -> None:
        broker, device = self._broker, self.device
        will = encode(device.last_will(), "json")
        username, password = broker.signs_in(device.id, device.hardware)
        client = aiomqtt.Client(
            broker.host,
            broker.port,
            username=username,
            password=password,
            tls_context=broker.tls,
            identifier=self._client_id,
            clean_session=False,
            keepalive=KEEPALIVE_S,
            will=aiomqtt.Will(self._topic(Channel.STATUS), will, qos=1),
        )
        client.pending_calls_threshold = IN_FLIGHT + 4  # aiomqtt logs a warning above it
        async with contextlib.AsyncExitStack() as stack:
            async with self._connecting:
                await stack.enter_async_context(client)
            if device.kind.commands:
                await client.subscribe(command_topic(self._community, device.hardware), qos=1)
            self._client = client
            self.connected = True
            self.figures.connects += 1
            for queue in self._to_send.values():
                queue.clear()
            for key, out in self.unacked.items():
                self._to_send[out.channel][key] = out
            device.connected(self._clock())
            self.pump()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._listen(client))
                tasks.create_task(self._keep_alive(client))
                tasks.create_task(self._speak(client, tasks))
                if (flapping := self._faults.flapping) is not None:
                    tasks.create_task(self._flap(flapping[0]))

    async def _keep_alive(self, client: aiomqtt.Client) -> None:
        if client._misc_task is not None:  # aiomqtt has no public way to look less often
            client._misc_task.cancel()
        while client._client.loop_misc() == MQTTErrorCode.MQTT_ERR_SUCCESS:  # noqa: ASYNC110 - nobody else looks
            await asyncio.sleep(LOOK_S * self._rng.uniform(0.8, 1.2))

    async def _flap(self, up_s: float) -> None:
        await asyncio.sleep(up_s)
        self._faults.tally["flapping"] += 1
        self.drop()

    async def _listen(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            try:
                command = decode_command(bytes(message.payload), "json")
            except Refusal as refusal:
                self.figures.bad_commands += 1
                log.warning("%s: command refused: %s", self.device.id, refusal)
                continue
            self.device.command(command, self._clock())
            self.pump()

    async def _speak(self, client: aiomqtt.Client, tasks: asyncio.TaskGroup) -> None:
        window = asyncio.Semaphore(IN_FLIGHT)
        while True:
            out = self._next()
            if out is None:
                self._wake.clear()
                await self._wake.wait()
                continue
            plan = self._faults.plan(out.channel, encode(out.message, "json"))
            if out.key in self._tried:
                self.figures.resent += 1
            self._tried.add(out.key)
            for copy in plan.copies:
                if copy.delay_s:
                    tasks.create_task(self._publish_later(client, out, copy, window))
                else:
                    await window.acquire()
                    tasks.create_task(self._publish(client, out, copy, window))
            if plan.retry_s is not None:
                tasks.create_task(self._try_again(out, plan.retry_s))

    def _next(self) -> Outgoing | None:
        """The next message to send: events before status before telemetry."""
        for channel in (Channel.EVENT, Channel.STATUS, Channel.TELEMETRY):
            queue = self._to_send[channel]
            if queue:
                return queue.popitem(last=False)[1]
        return None

    async def _try_again(self, out: Outgoing, after_s: float) -> None:
        await asyncio.sleep(after_s)
        if out.key in self.unacked:
            self._to_send[out.channel][out.key] = out
            self._wake.set()

    async def _publish_later(
        self, client: aiomqtt.Client, out: Outgoing, copy: Copy, window: asyncio.Semaphore
    ) -> None:
        await asyncio.sleep(copy.delay_s)
        await window.acquire()
        await self._publish(client, out, copy, window)

    async def _publish(self, client: aiomqtt.Client, out: Outgoing, copy: Copy, window: asyncio.Semaphore) -> None:
        try:
            self.figures.sent += 1
            # No timeout: as long as the connection stands the broker owes a PUBACK; when it falls we are cancelled.
            await client.publish(self._topic(out.channel), copy.payload, qos=1, timeout=math.inf)
        finally:
            window.release()
        if copy.intact and self.unacked.pop(out.key, None) is not None:
            self._tried.discard(out.key)
            self.figures.acked += 1
            self.device.acknowledged(out, durable=False)

    def _topic(self, channel: Channel) -> str:
        return topic(self._community, self.device.hardware, channel)
