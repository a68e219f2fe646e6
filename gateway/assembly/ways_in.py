"""The ways in: broker, MQTT lanes, serial lines, bridges of gear. What comes in goes to the journal, and nowhere else.

Commands to devices leave by the same connections.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from devices.gear.memory import Memory
from devices.native import Command, encode_command
from gateway.assembly.problem import NotConfigured
from gateway.assembly.records import Records
from gateway.clock import Clock
from gateway.decider.view import Views
from gateway.gear.bridges import Bridges, speaks_on_a_line
from gateway.gear.intake import GearIntake
from gateway.gear.restore import restored
from gateway.gear.strangers import Strangers
from gateway.intake import Intake
from gateway.outbox.channels.device_command import Published
from gateway.receipts import Receipts
from gateway.registry.directory import CommunityDirectory
from gateway.registry.model import NATIVE
from gateway.settings import Settings
from gateway.transports.broker import ManagedBroker
from gateway.transports.broker_config import CLIENT_KEY, ensure_broker_users
from gateway.transports.mqtt import MqttTransport, gateway_address
from gateway.transports.mqtt_connection import Address
from gateway.transports.serial import SerialTransport

SERIAL_COMMAND_S = 10.0
"""A command is given up on a serial line after so long, or sooner where it is worthless sooner."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaysIn:
    """Made by `open_ways_in`, and open."""

    community: str
    """Under whose name devices speak."""
    receipts: Receipts
    intake: Intake
    gear: GearIntake
    broker: ManagedBroker | None
    """None where it is not this gateway's own."""
    mqtt: MqttTransport
    lines: Sequence[SerialTransport]
    bridges: Bridges
    address: Callable[[str], Address]
    """Where and as whom to connect to the broker for something of this name."""
    memory: Memory
    """What this gateway said last of itself before it was stopped."""
    modem_memories: dict[str, Memory]
    """What it said last of each of its modems."""
    views: Views

    async def publish(self, device: str, command: Command, expiry_s: int) -> Published:
        """Hand ``command`` to whatever ``device`` is reached by; it is worthless after ``expiry_s`` seconds."""
        known = self.views.directory.device(device) if self.views.directory is not None else None
        if known is not None and known.profile != NATIVE:
            return await self.bridges.send(device, command, expiry_s)
        hardware = known.address or device if known is not None else device
        for line in self.lines:
            if line.knows(hardware):
                return await line.send_command(hardware, command, min(SERIAL_COMMAND_S, expiry_s))
        return await self.mqtt.publish_command(hardware, encode_command(command, "json"), expiry_s)


async def open_ways_in(
    settings: Settings,
    clock: Clock,
    records: Records,
    views: Views,
    directory: CommunityDirectory,
    stack: contextlib.AsyncExitStack,
) -> WaysIn:
    """Start the broker, then the serial lines, then MQTT; bridges follow the registry later.

    Raises NotConfigured, BrokerError, and what the journal and the database raise.
    """
    engine, journal = records.engine, records.journal
    community, itself = directory.community.community.id, settings.gateway_device
    receipts = Receipts(journal)
    strangers = Strangers(engine, clock)
    strangers.start()
    stack.push_async_callback(asyncio.to_thread, strangers.stop)
    intake = Intake(journal, clock, community, views.native, receipts=receipts, stranger=strangers.note_native)
    own = {itself, *(modem.name for modem in settings.modems)}
    # Before anything new is let in: what was said last is what is on disk now.
    memories = await asyncio.to_thread(restored, engine, journal, lambda name: name in own or views.is_gear(name))
    modem_memories = {name: memories.pop(name) for name in own & memories.keys() - {itself}}
    memory = memories.pop(itself, Memory())
    gear = GearIntake(journal, receipts, strangers, memories)
    key = _client_key(settings)
    broker, password = await _start_broker(settings, stack)

    def address(name: str) -> Address:
        return gateway_address(settings.broker, password, community, name, itself, key)

    foreign = {bridge.id for bridge in directory.bridges.values() if speaks_on_a_line(bridge)}
    lines = [SerialTransport(line, intake.offer_serial, clock) for line in settings.serial if line.name not in foreign]
    mqtt = MqttTransport(settings.broker, password, community, intake.offer_mqtt, clock, itself, key)
    bridges = Bridges(
        gear,
        lambda: address("bridge"),
        settings.serial,
        lambda: views.directory,
        clock,
        field_bus=frozenset(line.line.name for line in lines),
        dc09=None if settings.dc09 is None else (settings.dc09, settings.secrets),
        scaip=settings.scaip,
    )
    for line in lines:
        line.start()
        stack.push_async_callback(asyncio.to_thread, line.stop)
    if broker is not None:
        broker.reading = lambda: mqtt.reading
    mqtt.start()
    stack.push_async_callback(asyncio.to_thread, mqtt.stop)
    stack.push_async_callback(bridges.stop)
    return WaysIn(
        community=community,
        receipts=receipts,
        intake=intake,
        gear=gear,
        broker=broker,
        mqtt=mqtt,
        lines=lines,
        bridges=bridges,
        address=address,
        memory=memory,
        modem_memories=modem_memories,
        views=views,
    )


def _client_key(settings: Settings) -> str:
    """Made at the first start, the same ever after. Raises NotConfigured where it is missing and cannot be made."""
    try:
        return settings.secrets.ensure(CLIENT_KEY)
    except OSError as error:
        raise NotConfigured(
            f"secret {CLIENT_KEY} is missing and cannot be made in {settings.secrets.directory} ({error.strerror}): "
            "run `anju init` again, or write a long random word to a file of that name there, and keep it"
        ) from None


async def _start_broker(
    settings: Settings, stack: contextlib.AsyncExitStack
) -> tuple[ManagedBroker | None, str | None]:
    """The broker of this gateway, if it has one, and the gateway's own password at whichever it uses."""
    wanted, secrets = settings.broker, settings.secrets
    if not wanted.managed:
        return None, secrets.get(wanted.password_secret) if wanted.username is not None else None
    users = ensure_broker_users(secrets, gateway_secret=wanted.password_secret)
    if wanted.username not in users:
        raise NotConfigured(
            f"broker.username is {wanted.username!r}; the managed broker knows {', '.join(users)}: "
            "leave it out, or set broker.managed: false for a broker of your own"
        )
    broker = ManagedBroker(settings.data_dir, wanted.host, wanted.port, users, receive_maximum=wanted.receive_maximum)
    await asyncio.to_thread(broker.start)
    stack.push_async_callback(asyncio.to_thread, broker.stop)
    wanted.port = broker.port
    return broker, users[wanted.username]
