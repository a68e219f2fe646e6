"""The MQTT side of simulated gear: one connection, a last will, retained topics, and the habits of real bridges.

Real bridges publish with QoS 0 unless they are told otherwise, keep nothing while they have no connection, and say
all they keep again when it is back. So does this one: what is said without a connection is lost, and `connected` says
what the maker's software says then.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import socket
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import aiomqtt

from firmware_sim.device import Action
from firmware_sim.gear.base import GearPart, Link, SimGear
from firmware_sim.mqtt_device import Broker

log = logging.getLogger(__name__)

BACK_OFF_S = 0.2
KEEPALIVE_S = 30
LOOK_AGAIN_S = 1.0


@dataclass(frozen=True, slots=True)
class Say:
    """One publication."""

    topic: str
    payload: bytes
    retain: bool = False
    qos: int = 0


class MqttGear(SimGear):
    """A bridge on one MQTT connection. Subclasses `say`, and name what they listen to."""

    listens: tuple[str, ...] = ()
    """Topic filters below the base, subscribed to at every connection; set in the constructor."""

    def __init__(
        self, link: Link, parts: Sequence[GearPart] = (), *, base: str = "", seed: int = 0, clock: Callable[[], int]
    ) -> None:
        super().__init__(link, parts, base=base, seed=seed, clock=clock)
        if not isinstance(link, Broker):
            raise ValueError(f"{self.profile}: speaks MQTT; expected a broker, got {type(link).__name__}")
        self.broker = link
        self.online = False
        self._out: deque[Say] = deque()
        self._speaking = False
        self._wake = asyncio.Event()
        self._client: aiomqtt.Client | None = None
        self._running = asyncio.Event()
        self._running.set()

    # --- for subclasses -----------------------------------------------------------------------------------------

    @abstractmethod
    def will(self) -> Say:
        """What the broker says when the bridge vanishes."""

    @abstractmethod
    def connected(self, now_ms: int) -> None:
        """The connection stands: `say` what the maker's software says then."""

    def heard(self, topic: str, payload: bytes, now_ms: int) -> None:
        """Something came on a topic of `listens`."""

    def next_due_ms(self, now_ms: int) -> int | None:
        """When `tick` has something to do; None for never."""
        return None

    def tick(self, now_ms: int) -> None:
        """Do what has become due."""

    def say(self, topic: str, payload: bytes | str, *, retain: bool = False, qos: int = 0) -> None:
        """Publish; lost where there is no connection, as with a real bridge."""
        if not self.online:
            return
        raw = payload.encode() if isinstance(payload, str) else payload
        self._out.append(Say(topic, raw, retain, qos))
        self._wake.set()

    @property
    def quiet(self) -> bool:
        """All that was said is on its way."""
        return not self._out and not self._speaking

    # --- the hand of the simulation -----------------------------------------------------------------------------

    def drop(self) -> None:
        """Break the connection without a word; it comes back by itself."""
        if self._client is not None:
            sock = self._client._client.socket()  # aiomqtt has no public way to break off without DISCONNECT
            if isinstance(sock, socket.socket):
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    def halt(self) -> None:
        """The machine that runs the bridge stops: no connection until `resume`, and the last will is spoken."""
        self._running.clear()
        self.drop()

    def resume(self) -> None:
        """It starts again, and says what it says at a start."""
        self._running.set()

    def of_bridge(self) -> dict[str, Action]:
        """What may be done to any bridge, by name."""
        return {
            "halt": lambda now_ms, args: self.halt(),
            "resume": lambda now_ms, args: self.resume(),
            "drop": lambda now_ms, args: self.drop(),
        }

    # --- the connection -----------------------------------------------------------------------------------------

    async def run(self) -> None:
        told = ""
        while True:
            await self._running.wait()
            try:
                await self._connection()
            except* aiomqtt.MqttError as group:
                why = str(group.exceptions[0])
                # Once for each reason: a wrong password would else look like gear that has nothing to say.
                log.log(logging.DEBUG if why == told else logging.WARNING, "%s: no connection: %s", self.profile, why)
                told = why
            finally:
                self.online, self._client, self._speaking = False, None, False
                self._out.clear()
            await asyncio.sleep(BACK_OFF_S)

    async def _connection(self) -> None:
        will, broker = self.will(), self.broker
        client = aiomqtt.Client(
            broker.host,
            broker.port,
            username=broker.username.format(device=self.base) if broker.username else None,
            password=broker.password,
            keepalive=KEEPALIVE_S,
            timeout=math.inf,  # with one, aiomqtt waits by wait_for, which loses a cancellation on Python 3.11
            will=aiomqtt.Will(will.topic, will.payload, qos=will.qos, retain=will.retain),
        )
        async with client:
            for topic in self.listens:
                await client.subscribe(topic, qos=1)
            self._client, self.online = client, True
            self.connected(self.clock())
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._listen(client))
                tasks.create_task(self._speak(client))
                tasks.create_task(self._live())

    async def _listen(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            self.heard(str(message.topic), bytes(message.payload or b""), self.clock())

    async def _speak(self, client: aiomqtt.Client) -> None:
        while True:
            while self._out:
                self._speaking = True
                said = self._out.popleft()
                await client.publish(said.topic, said.payload, qos=said.qos, retain=said.retain)
            self._speaking = False
            self._wake.clear()
            await self._wake.wait()

    async def _live(self) -> None:
        while True:
            now_ms = self.clock()
            due_ms = self.next_due_ms(now_ms)
            if due_ms is not None and due_ms <= now_ms:
                self.tick(now_ms)
                continue
            # what is done to it meanwhile may be due sooner
            await asyncio.sleep(LOOK_AGAIN_S if due_ms is None else min(LOOK_AGAIN_S, (due_ms - now_ms) / 1000))
