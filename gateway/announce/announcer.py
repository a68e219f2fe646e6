"""Who announces: one connection of its own, which never stands in the way of what devices say.

It reads the journal behind everybody else and keeps no cursor: what it misses, the next reading makes good. Discovery
messages and states of devices that have left are taken back, also those from before a start: the broker is asked what
it keeps of ours.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import aiomqtt
import sqlalchemy as sa

from devices.observation import Lane, Observation
from devices.profiles import PROFILES
from devices.profiles.homeassistant.announcing import Announcing, announcing
from gateway.announce.outgoing import Outgoing, SayState
from gateway.announce.wording import (
    OFFLINE,
    ONLINE,
    DeviceState,
    announced,
    command_topic,
    configs,
    event_payload,
    event_topic,
    gateway_topic,
    is_moment,
    node_of,
    obeyed_commands,
    state_topic,
)
from gateway.clock import Clock
from gateway.journal.entry import JournalReader
from gateway.outbox.by_hand import command_by_hand
from gateway.registry.directory import CommunityDirectory
from gateway.registry.model import Device
from gateway.state import tables as t
from gateway.state.db import reading, writing
from gateway.store.protocol import Reading
from gateway.transports.mqtt_connection import Address

log = logging.getLogger(__name__)

PROFILE = "homeassistant"
LATE_MS = 60_000
"""What happened longer ago is in the state, and no moment any more: an automation would act on the past."""
BATCH = 2000
BEHIND = 20_000
"""Further behind than this in a lane it goes on from the newest: devices say their states again."""
LOOK_AGAIN_S = 5.0
BACK_OFF_S = (0.5, 30.0)
COMMAND_EVERY_S = 1.0
"""A device is told something from there at most so often."""
KEEPALIVE_S = 15
CONNECT_S = 10.0
GOODBYE_S = 2.0


@dataclass(slots=True)
class AnnouncerHealth:
    """How the announcing is doing. Counters are since the start of the process."""

    bridge: str = ""
    """Empty where nothing is to be announced."""
    connected: bool = False
    why: str = ""
    """Why the connection last ended; stays after a reconnect."""
    published: int = 0
    commands: int = 0
    refused: int = 0
    """Commands that nobody may give from there."""


class Announcer:
    """`run` as a task; `follow` in the event loop whenever the registry has changed."""

    def __init__(
        self,
        engine: sa.Engine,
        journal: JournalReader,
        latest: Callable[[str], Awaitable[Mapping[str, Reading]]],
        directory: Callable[[], CommunityDirectory | None],
        address: Callable[[], Address],
        clock: Clock,
        *,
        said: Callable[[], None],
    ) -> None:
        """``latest``: the newest readings of a device, from the store. ``said``: something is in the outbox."""
        self._engine = engine
        self._journal = journal
        self._latest = latest
        self._directory = directory
        self._address = address
        self._clock = clock
        self._said = said
        self._changed = asyncio.Event()
        self._woken = asyncio.Event()
        self._more = asyncio.Event()
        self._settled = asyncio.Event()
        """All that the broker is to keep, or to keep no more, has been published."""
        self._community = ""
        self._wanted: Announcing | None = None
        self._devices: dict[str, Device] = {}
        """Those that are announced."""
        self._states: dict[str, DeviceState] = {}
        self._standing: dict[str, bytes] = {}
        """What the broker keeps of ours under discovery topics, as far as known."""
        self._read: dict[Lane, int] = {}
        self._told_s: dict[str, float] = {}
        self._out = Outgoing()
        self.health = AnnouncerHealth()

    def follow(self) -> None:
        """The registry may want something else now."""
        self._changed.set()

    async def run(self) -> None:
        """Announce until cancelled. Nothing that the broker does ends it."""
        loop = asyncio.get_running_loop()
        self._journal.subscribe(lambda _lane: _wake(loop, self._woken))
        back_off_s = BACK_OFF_S[0]
        while True:
            self._changed.clear()
            found = wanted_of(self._directory())
            self.health.bridge, self._wanted = found if found is not None else ("", None)
            if found is None:
                await self._changed.wait()
                continue
            began_s = time.monotonic()
            try:
                await self._connection(found[1])
                continue
            except Exception as error:  # noqa: BLE001 - whatever it is, the gateway goes on without a home assistant
                self.health.why = self._tell(error)
            finally:
                self.health.connected = False
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise asyncio.CancelledError  # a task group forgets it where one of its tasks failed in that moment
            steady = time.monotonic() - began_s > BACK_OFF_S[1]
            back_off_s = BACK_OFF_S[0] if steady else min(BACK_OFF_S[1], back_off_s * 2)
            await asyncio.sleep(back_off_s)

    def _tell(self, error: BaseException) -> str:
        """Log what ended a connection; returns it in short."""
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        why = f"{type(error).__name__}: {error}"
        if isinstance(error, aiomqtt.MqttError | OSError):
            log.warning("announcing: %s; trying again", why)
        else:
            log.error("announcing: %s; trying again", why, exc_info=error)
        return why

    # --- one connection ---------------------------------------------------------------------------------------------

    async def _connection(self, wanted: Announcing) -> None:
        """Announce under ``wanted``'s prefix until the registry wants that no more. Raises MqttError."""
        directory = self._directory()
        assert directory is not None
        self._community = directory.community.community.id
        self._out, self._standing, self._states, self._devices = Outgoing(), {}, {}, {}
        here = gateway_topic(self._community)
        async with contextlib.AsyncExitStack() as stack:
            client = _client(self._address(), aiomqtt.Will(here, OFFLINE, qos=1, retain=True))
            async with asyncio.timeout(CONNECT_S):
                await stack.enter_async_context(client)
            self._read = {lane: await asyncio.to_thread(self._journal.last_position, lane) for lane in Lane}
            await self._describe(wanted)
            async with asyncio.timeout(CONNECT_S):
                for topic in (
                    f"{wanted.prefix}/+/{node_of(self._community)}/+/config",
                    state_topic(self._community, "+"),
                    command_topic(self._community, "+"),
                ):
                    await client.subscribe(topic, qos=1)
                await client.publish(here, ONLINE, qos=1, retain=True)
            self.health.connected = True
            try:
                async with asyncio.TaskGroup() as tasks:
                    work = [
                        tasks.create_task(each) for each in (self._listen(client), self._watch(), self._speak(client))
                    ]
                    await self._keep_up(wanted)
                    for task in work:
                        task.cancel()
            finally:
                # Who disconnects politely has no last will.
                with contextlib.suppress(aiomqtt.MqttError, TimeoutError):
                    async with asyncio.timeout(GOODBYE_S):
                        await client.publish(here, OFFLINE, qos=1, retain=True)

    async def _keep_up(self, wanted: Announcing) -> None:
        """Bring what is announced to what the registry says. Returns when it wants no more under this prefix, and
        everything under it is taken back."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            found = wanted_of(self._directory())
            self.health.bridge, self._wanted = found if found is not None else ("", None)
            if self._wanted is None or self._wanted.prefix != wanted.prefix:
                break
            await self._describe(self._wanted)
        self._settled.clear()
        self._replace({}, {})
        await self._settled.wait()

    async def _describe(self, wanted: Announcing) -> None:
        directory = self._directory()
        assert directory is not None
        known = await asyncio.to_thread(self._known)
        firmware = {device: said for device, (_, said) in known.items()}
        devices = announced(directory, wanted)
        for device in devices:
            if device not in self._states:
                self._states[device] = DeviceState(online=known.get(device, (False, ""))[0])
        self._replace(devices, configs(directory, wanted, firmware))

    def _replace(self, devices: Mapping[str, Device], described: Mapping[str, bytes]) -> None:
        """``devices`` are announced from now on, by these messages, and nothing else is."""
        for device in self._devices.keys() - devices.keys():
            self._out.forget(device)
            self._states.pop(device, None)
            self._out.keep(state_topic(self._community, device), b"")
        for topic in self._standing.keys() - described.keys():
            self._out.keep(topic, b"")
        for topic, payload in described.items():
            if self._standing.get(topic) != payload:
                self._out.keep(topic, payload)
        self._standing = dict(described)
        for device in devices.keys() - self._devices.keys():
            self._out.state(device, urgent=False)
        self._devices = dict(devices)
        self._more.set()

    def _known(self) -> dict[str, tuple[bool, str]]:
        """Of each device that was ever heard: whether it is online, and its firmware."""
        columns = t.device_states.c
        with reading(self._engine) as connection:
            rows = connection.execute(sa.select(columns.device, columns.online, columns.firmware))
            return {row.device: (bool(row.online), row.firmware or "") for row in rows}

    # --- from the journal -------------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        while True:
            self._woken.clear()
            # What needs a person goes first, as everywhere.
            while any([await self._follow_lane(lane) for lane in (Lane.URGENT, Lane.ROUTINE)]):
                pass
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_AGAIN_S):
                    await self._woken.wait()

    async def _follow_lane(self, lane: Lane) -> bool:
        """Read a helping; whether there may be more."""
        entries = await asyncio.to_thread(self._journal.read, lane, self._read[lane], BATCH)
        for entry in entries:
            self._take(entry.observation)
        if entries:
            self._read[lane] = entries[-1].position
            self._more.set()
        if len(entries) < BATCH:
            return False
        newest = await asyncio.to_thread(self._journal.last_position, lane)
        if newest - self._read[lane] > BEHIND:
            log.warning("announcing: %d readings behind; going on from the newest", newest - self._read[lane])
            self._read[lane] = newest
        return True

    def _take(self, observation: Observation) -> None:
        state = self._states.get(observation.device)
        if state is None:
            return
        state.take(observation)
        urgent = observation.lane is Lane.URGENT or observation.event in ("online", "offline")
        self._out.state(observation.device, urgent=urgent)
        if is_moment(observation) and observation.observed_at_ms >= self._clock.now_ms() - LATE_MS:
            self._out.happened(event_topic(self._community, observation.device), event_payload(observation))

    # --- to and from the broker -------------------------------------------------------------------------------------

    async def _speak(self, client: aiomqtt.Client) -> None:
        while True:
            self._more.clear()
            now_s = time.monotonic()
            while (one := self._out.next(now_s)) is not None:
                if isinstance(one, SayState):
                    device = self._devices.get(one.device)
                    if device is None:
                        continue
                    payload = (await self._state_of(device)).payload(device.kind)
                    await client.publish(state_topic(self._community, device.id), payload, qos=1, retain=True)
                else:
                    await client.publish(one.topic, one.payload, qos=1, retain=one.retain)
                self.health.published += 1
                now_s = time.monotonic()
            self._settled.set()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._out.due_in_s(now_s)):
                    await self._more.wait()

    async def _state_of(self, device: Device) -> DeviceState:
        """The state of a device; the first time with what the store knows of it."""
        state = self._states[device.id]
        if not state.complete:
            state.complete = True
            for key, newest in (await self._latest(device.id)).items():
                state.metrics.setdefault(key, newest.value)
                state.at_ms = max(state.at_ms, newest.at_ms)
        return state

    async def _listen(self, client: aiomqtt.Client) -> None:
        state_prefix, command_prefix = state_topic(self._community, ""), command_topic(self._community, "")
        async for message in client.messages:
            topic, payload = str(message.topic), bytes(message.payload or b"")
            if topic.startswith(command_prefix):
                await self._told(topic.removeprefix(command_prefix), payload, retained=message.retain)
            elif not message.retain or not payload:
                continue  # our own word, said just now
            elif topic.startswith(state_prefix):
                if topic.removeprefix(state_prefix) not in self._devices:
                    self._out.keep(topic, b"")
            elif topic not in self._standing:
                self._out.keep(topic, b"")
            self._more.set()

    async def _told(self, name: str, payload: bytes, *, retained: bool) -> None:
        """A home assistant wants a device to do something."""
        command = payload[:64].decode("utf-8", "replace").strip()
        directory, device, wanted = self._directory(), self._devices.get(name), self._wanted
        allowed = obeyed_commands(device, wanted, directory) if device and wanted and directory else ()
        now_s = time.monotonic()
        too_soon = now_s - self._told_s.get(name, -COMMAND_EVERY_S) < COMMAND_EVERY_S
        if device is None or retained or command not in allowed or too_soon:
            self.health.refused += 1
            why = "it was kept by the broker" if retained else "too soon after the last" if too_soon else "not allowed"
            log.warning("announcing: %s is not told %r: %s; allowed: %s", name, command, why, ", ".join(allowed) or "-")
            return
        self._told_s[name] = now_s
        await asyncio.to_thread(self._order, device, command)
        self.health.commands += 1
        self._said()

    def _order(self, device: Device, command: str) -> None:
        actor = f"bridge {self.health.bridge}"
        with writing(self._engine) as connection:
            command_by_hand(connection, device.id, device.kind, command, {}, actor, self._clock.now_ms())


def wanted_of(directory: CommunityDirectory | None) -> tuple[str, Announcing] | None:
    """The bridge that wants Anju's devices announced, and how; the first, where several do."""
    if directory is None:
        return None
    for bridge in directory.bridges.values():
        if bridge.profile == PROFILE:
            with contextlib.suppress(ValueError):  # the bridge itself says what is wrong with its options
                wanted = announcing(bridge.base or PROFILES[PROFILE].base, bridge.options)
                if wanted is not None:
                    return bridge.id, wanted
    return None


def _client(address: Address, will: aiomqtt.Will) -> aiomqtt.Client:
    tls = aiomqtt.TLSParameters(ca_certs=str(address.tls_ca)) if address.tls_ca is not None else None
    return aiomqtt.Client(
        address.host,
        address.port,
        username=address.username,
        password=address.password,
        identifier=address.identifier,
        keepalive=KEEPALIVE_S,
        timeout=math.inf,  # with one, aiomqtt waits by wait_for, which loses a cancellation on Python 3.11
        tls_params=tls,
        will=will,
    )


def _wake(loop: asyncio.AbstractEventLoop, woken: asyncio.Event) -> None:
    with contextlib.suppress(RuntimeError):  # the loop has ended
        loop.call_soon_threadsafe(woken.set)
