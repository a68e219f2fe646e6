"""Every way in of off-the-shelf gear, as the registry names them: started, stopped, looked at, asked to obey."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Protocol

from devices.gear.messages import AddressBook, Incoming, Reading
from devices.gear.profile import Profile
from devices.native import Command
from devices.observation import Refusal
from devices.profiles import PROFILES
from devices.profiles.modbus.bus import ModbusBus
from gateway.clock import Clock, Millis
from gateway.gear.command import CommandResult, expired
from gateway.gear.dc09 import Dc09Way
from gateway.gear.health import BridgeHealth
from gateway.gear.intake import GearIntake
from gateway.gear.mqtt_bridge import MqttBridge, session_of
from gateway.gear.scaip import ScaipWay
from gateway.journal.entry import Outcome
from gateway.registry.directory import CommunityDirectory
from gateway.registry.model import Bridge
from gateway.settings import Dc09Settings, ScaipSettings, Secrets, SerialLine
from gateway.transports.gear_line import GearLine
from gateway.transports.modbus_line import ModbusLine
from gateway.transports.mqtt_connection import Address

log = logging.getLogger(__name__)

SEND_WITHIN_S = 10.0
"""A slave that is asked at once answers in half a second; the rest is for a line that is busy, or just coming back."""


def speaks_on_a_line(bridge: Bridge) -> bool:
    """Whether a bridge is a serial line of the settings, under its own name."""
    return PROFILES[bridge.profile].carrier in ("serial", "modbus")


class _Way(Protocol):
    """A running bridge."""

    def stop(self, *, forget: bool) -> None: ...
    def health(self) -> BridgeHealth: ...
    async def send(self, device: str, command: Command, expiry_s: int) -> CommandResult: ...


class Bridges:
    """The bridges of one gateway. `follow` and `send` in the event loop, `health` from any thread."""

    def __init__(
        self,
        intake: GearIntake,
        broker: Callable[[], Address],
        lines: Sequence[SerialLine],
        directory: Callable[[], CommunityDirectory | None],
        clock: Clock,
        *,
        field_bus: frozenset[str] = frozenset(),
        dc09: tuple[Dc09Settings, Secrets] | None = None,
        scaip: ScaipSettings | None = None,
    ) -> None:
        """``broker``: where bridges over MQTT connect, with the beginning of their client ids. ``field_bus``: names of
        lines that this process uses for the native field bus. ``dc09``: where alarm units call in, and their keys.
        ``scaip``: where those of another sort report."""
        self._intake = intake
        self._broker = broker
        self._lines: Mapping[str, SerialLine] = {line.name: line for line in lines}
        self._directory = directory
        self._clock = clock
        self._field_bus = field_bus
        self._dc09 = dc09
        self._scaip = scaip
        self._turn = asyncio.Lock()
        self._lock = threading.Lock()
        self._running: dict[str, tuple[Bridge, _Way]] = {}

    async def follow(self, directory: CommunityDirectory) -> None:
        """Bring what runs to what ``directory`` names."""
        async with self._turn:
            await asyncio.to_thread(self._follow, directory.bridges)

    async def stop(self) -> None:
        """End all; what they hold is delivered again at the next start."""
        async with self._turn:
            await asyncio.to_thread(self._stop_all)

    def health(self) -> list[BridgeHealth]:
        """How each bridge is that runs."""
        with self._lock:
            running = [way for _, way in self._running.values()]
        return [way.health() for way in running]

    async def send(self, device: str, command: Command, expiry_s: int) -> CommandResult:
        """Hand ``command`` to the bridge of ``device``."""
        directory = self._directory()
        bridge = directory.bridge_of(device) if directory is not None else None
        with self._lock:
            found = self._running.get(bridge or "")
        if found is None:
            return CommandResult("refused", f"{device} comes in by no bridge that takes commands")
        return await found[1].send(device, command, expiry_s)

    # --- in a thread ------------------------------------------------------------------------------------------------

    def _follow(self, wanted: Mapping[str, Bridge]) -> None:
        with self._lock:
            running = dict(self._running)
        for name, (bridge, way) in running.items():
            if wanted.get(name) != bridge:
                after = wanted.get(name)
                way.stop(forget=after is None or session_of(after) != session_of(bridge))
                with self._lock:
                    del self._running[name]
        for name, bridge in wanted.items():
            if name not in self._running and PROFILES[bridge.profile].carrier != "http":
                way = self._start(bridge)
                with self._lock:
                    self._running[name] = bridge, way

    def _stop_all(self) -> None:
        with self._lock:
            running, self._running = self._running, {}
        for _, way in running.values():
            way.stop(forget=False)

    def _start(self, bridge: Bridge) -> _Way:
        try:
            return self._open(bridge, PROFILES[bridge.profile])
        except Exception as error:  # one bridge that cannot start must not take the others with it
            log.exception("bridge %s cannot be started", bridge.id)
            return _Broken(bridge, f"无法启动 cannot be started: {type(error).__name__}: {error}")

    def _open(self, bridge: Bridge, profile: Profile) -> _Way:
        if profile.carrier == "mqtt":
            return _OverMqtt(MqttBridge(bridge, self._broker(), self._intake, self._book_of(bridge), self._clock))
        if profile.carrier == "dc09":
            if self._dc09 is None:
                return _Broken(
                    bridge,
                    "设置中没有 dc09，报警主机无法接入 the settings have no dc09: "
                    "add dc09: {port: 5093}, where alarm units call in",
                )
            return Dc09Way(bridge, *self._dc09, self._intake, self._book_of(bridge), self._clock)
        if profile.carrier == "scaip":
            if self._scaip is None:
                return _Broken(
                    bridge,
                    "设置中没有 scaip，报警终端无法接入 the settings have no scaip: "
                    "add scaip: {port: 5060}, where alarm units report",
                )
            return ScaipWay(bridge, self._scaip, self._intake, self._book_of(bridge), self._clock)
        assert speaks_on_a_line(bridge)
        line = self._lines.get(bridge.id)
        if line is None:
            return _Broken(
                bridge,
                f"设置中没有名为 {bridge.id} 的串口线路 the settings have no serial line {bridge.id}: "
                f"add {{name: {bridge.id}, port: /dev/…}} under serial",
            )
        if bridge.id in self._field_bus:
            return _Broken(
                bridge,
                f"线路 {bridge.id} 正作现场总线使用，请重启网关 line {bridge.id} is in use as a field bus: "
                "restart the gateway",
            )
        return self._open_line(bridge, profile, line)

    def _open_line(self, bridge: Bridge, profile: Profile, line: SerialLine) -> _Way:
        take, book = self._taken(bridge), self._book_of(bridge)
        if profile.stream is not None:
            return _OnLine(bridge, GearLine(line, profile.stream(bridge.options), take, book, self._clock))
        bus = ModbusLine(line, ModbusBus(bridge.options), take, book, self._clock)
        return _OnModbus(bridge, bus, self._intake, book, self._clock)

    def _book_of(self, bridge: Bridge) -> Callable[[], AddressBook]:
        def book() -> AddressBook:
            directory = self._directory()
            assert directory is not None  # a bridge is started by one
            return directory.book(bridge.id)

        return book

    def _taken(self, bridge: Bridge) -> Callable[[str, Reading, Millis, str, bytes], None]:
        def take(name: str, reading: Reading, received_at_ms: Millis, source: str, payload: bytes) -> None:
            incoming = Incoming(source=source, payload=payload, received_at_ms=received_at_ms)
            self._intake.take(name, bridge.profile, reading, incoming, partial(_line_outcome, name))

        return take


def _line_outcome(line: str, outcome: Outcome) -> None:
    """Nobody waits at the other end of a line of foreign gear: what was refused is lost, and is said."""
    if outcome is Outcome.REFUSED:
        log.error("a reading from line %s could not be written down and is lost; see the journal's health", line)


class _OverMqtt:
    def __init__(self, bridge: MqttBridge) -> None:
        self._bridge = bridge
        bridge.start()

    def stop(self, *, forget: bool) -> None:
        self._bridge.stop(forget=forget)

    def health(self) -> BridgeHealth:
        bridge = self._bridge.bridge
        return BridgeHealth(bridge=bridge.id, profile=bridge.profile, trouble="", lane=self._bridge.health)

    async def send(self, device: str, command: Command, expiry_s: int) -> CommandResult:
        return await self._bridge.send(device, command, expiry_s)


class _OnLine:
    def __init__(self, bridge: Bridge, line: GearLine) -> None:
        self._bridge = bridge
        self._line = line
        line.start()

    def stop(self, *, forget: bool) -> None:
        self._line.stop()

    def health(self) -> BridgeHealth:
        bridge = self._bridge
        return BridgeHealth(bridge=bridge.id, profile=bridge.profile, trouble="", port=self._line.health())

    async def send(self, device: str, command: Command, expiry_s: int) -> CommandResult:
        return CommandResult("refused", f"gear of profile {self._bridge.profile} takes no commands")


class _OnModbus:
    def __init__(
        self, bridge: Bridge, line: ModbusLine, intake: GearIntake, book: Callable[[], AddressBook], clock: Clock
    ) -> None:
        self._bridge = bridge
        self._line = line
        self._intake = intake
        self._book = book
        self._clock = clock
        line.start()

    def stop(self, *, forget: bool) -> None:
        self._line.stop()

    def health(self) -> BridgeHealth:
        bridge = self._bridge
        return BridgeHealth(bridge=bridge.id, profile=bridge.profile, trouble="", port=self._line.health())

    async def send(self, device: str, command: Command, expiry_s: int) -> CommandResult:
        now_ms = self._clock.now_ms()
        found = next((one for one in self._book().all() if one.id == device), None)
        if found is None or expired(command, now_ms):
            return CommandResult("refused", f"{device} is not on line {self._bridge.id}, or it is too late")
        try:
            order = self._line.order(found, command, now_ms)
        except Refusal as refusal:
            return CommandResult("refused", str(refusal))
        if order.confirm is not None:
            self._intake.expect(found, command.id, order.confirm, now_ms)
        report = await self._line.send(order, min(SEND_WITHIN_S, expiry_s))
        return CommandResult(report.outcome.value, report.detail)


class _Broken:
    """A bridge that does not run, and why."""

    def __init__(self, bridge: Bridge, trouble: str) -> None:
        self._bridge = bridge
        self._trouble = trouble

    def stop(self, *, forget: bool) -> None:
        return None

    def health(self) -> BridgeHealth:
        return BridgeHealth(bridge=self._bridge.id, profile=self._bridge.profile, trouble=self._trouble)

    async def send(self, device: str, command: Command, expiry_s: int) -> CommandResult:
        return CommandResult("line_down", self._trouble)
