"""Alarm units that call in by DC-09: real sockets, real journal, keys, clocks that are wrong, damage, floods."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from devices.gear.memory import Memory
from devices.gear.messages import GearDevice
from devices.observation import Lane, Observation
from firmware_sim.fleet import system_ms
from firmware_sim.gear.base import GearPart, Receiver
from firmware_sim.gear.dc09 import SimDc09
from gateway.clock import SystemClock
from gateway.gear.dc09 import Dc09Way
from gateway.gear.intake import GearIntake
from gateway.journal.entry import Done, Outcome, Quarantined
from gateway.journal.journal import Journal
from gateway.receipts import Receipts
from gateway.registry.model import Bridge
from gateway.settings import Dc09Settings, JournalSettings, Secrets
from gateway.transports import dc09 as listener_module
from gateway.transports import listener
from tests.support.eventually import PATIENCE, eventually_async
from tests.support.gear import Book, device
from tests.support.gear_gateway import Strangers

UNIT, KEY = "1002", "A1B2C3D4E5F60718"
ZONES = ("sos_button", "smoke", "heat", "gas", "co", "leak", "contact", "motion", "glass_break")


class Gate:
    """The journal with a door: what is handed in while it is shut waits, or is refused."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.keep_ms = journal.keep_ms
        self.shut = False
        self.refuse = False
        self.waiting: list[tuple[Observation, Done]] = []

    def submit(self, observation: Observation, done: Done) -> None:
        if self.refuse:
            done(Outcome.REFUSED)
        elif self.shut:
            self.waiting.append((observation, done))
        else:
            self._journal.submit(observation, done)

    def open(self) -> None:
        self.shut = False
        waiting, self.waiting = self.waiting, []
        for observation, done in waiting:
            self._journal.submit(observation, done)

    def quarantine(self, item: Quarantined, done: Done) -> None:
        self._journal.quarantine(item, done)


@dataclass
class Site:
    directory: Path
    journal: Journal
    gate: Gate
    receipts: Receipts
    book: Book
    strangers: Strangers = field(default_factory=Strangers)
    way: Dc09Way | None = None

    def start(self, **options: str) -> None:
        memories: dict[str, Memory] = {}
        for observation in self.observations():
            memories.setdefault(observation.device, Memory()).restore(observation)
        intake = GearIntake(self.gate, self.receipts, self.strangers, memories)
        port = self.way.port if self.way is not None else 0
        self.way = Dc09Way(
            Bridge(id="units", profile="dc09", options=options),
            Dc09Settings(host="127.0.0.1", port=port),
            Secrets(self.directory),
            intake,
            lambda: self.book,
            SystemClock(),
        )

    @property
    def running(self) -> Dc09Way:
        assert self.way is not None
        return self.way

    def receiver(self, *, udp: bool = False) -> Receiver:
        return Receiver("127.0.0.1", self.running.port, udp)

    def counts(self) -> dict[str, int]:
        listener = self.running.health().listener
        assert listener is not None
        return listener.counts

    def observations(self, device: str | None = None) -> list[Observation]:
        found = [entry.observation for lane in Lane for entry in self.journal.read(lane, 0, 10_000)]
        return [one for one in found if device in (None, one.device)]

    def events(self, device: str) -> list[str]:
        return [one.event for one in self.observations(device) if one.event not in (None, "online")]

    async def said(self, device: str, *expected: str) -> None:
        try:
            await eventually_async(lambda: sorted(self.events(device)) == sorted(expected), 10)
        except AssertionError:
            raise AssertionError(f"{device}: said {self.events(device)}, expected {expected}") from None

    @contextlib.asynccontextmanager
    async def units(self, sim: SimDc09) -> AsyncIterator[SimDc09]:
        task = asyncio.create_task(sim.run())
        try:
            yield sim
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def answered(self, sim: SimDc09, *answers: str, unit: str = UNIT) -> None:
        try:
            await eventually_async(lambda: sim.units[unit].answers == list(answers), 15)
        except AssertionError:
            raise AssertionError(f"answers {sim.units[unit].answers}, expected {answers}") from None


def registered(**unit_options: str) -> Book:
    return Book(
        [
            device(UNIT, "concentrator", id="unit", **unit_options),
            *(device(f"{UNIT}#{number}", kind, id=kind) for number, kind in enumerate(ZONES, 1)),
        ]
    )


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    journal = Journal(tmp_path / "journal", JournalSettings(), SystemClock())
    journal.start()
    gate = Gate(journal)
    site = Site(tmp_path, journal, gate, Receipts(gate), registered())
    try:
        site.start()
        yield site
    finally:
        site.running.stop(forget=False)
        journal.close()


def simulated(site: Site, *parts: GearPart, udp: bool = False) -> SimDc09:
    return SimDc09(site.receiver(udp=udp), parts, clock=system_ms)


@pytest.mark.parametrize("udp", [False, True], ids=["tcp", "udp"])
@pytest.mark.parametrize("how", ["adm", "sia"])
async def test_every_zone_says_what_its_kind_can(site: Site, udp: bool, how: str) -> None:
    async with site.units(simulated(site, udp=udp)) as sim:
        sim.act(UNIT, "speak", {"how": how})
        for number, kind in enumerate(ZONES, 1):
            name = {"sos_button": "press", "contact": "open"}.get(kind, kind)
            sim.act(f"{UNIT}#{number}", name)
            if kind != "sos_button":
                sim.act(f"{UNIT}#{number}", "close" if kind == "contact" else f"{kind}_cleared")
        sim.act(f"{UNIT}#1", "cancel")
        sim.act(f"{UNIT}#2", "tamper")
        sim.act(f"{UNIT}#2", "low_battery")
        sim.act(f"{UNIT}#2", "lost")
        sim.act(UNIT, "power_lost")
        sim.act(UNIT, "power_restored")
        await site.said("sos_button", "press", "cancel")
        await site.said("smoke", "smoke", "smoke_cleared", "tamper", "low_battery", "offline")
        for kind in ("heat", "gas", "co", "leak", "glass_break", "motion"):
            await site.said(kind, kind, f"{kind}_cleared")
        await site.said("contact", "opened", "closed")
        await site.said("unit", "power_lost", "power_restored")
        await eventually_async(lambda: len(sim.units[UNIT].answers) == 23, 10)
        assert set(sim.units[UNIT].answers) == {"ACK"}


async def test_nothing_is_acknowledged_before_it_is_on_disk(site: Site) -> None:
    async with site.units(simulated(site)) as sim:
        sim.act(UNIT, "heartbeat")
        await site.answered(sim, "ACK")
        site.gate.shut = True
        sim.act(f"{UNIT}#2", "smoke")
        await eventually_async(lambda: len(site.gate.waiting) > 0, 10)
        assert sim.units[UNIT].answers == ["ACK"]
        site.gate.open()
        await site.said("smoke", "smoke")
        await eventually_async(lambda: sim.units[UNIT].answers[-1] == "ACK", 10)


async def test_what_the_disk_does_not_take_is_said_again_until_it_does(site: Site) -> None:
    async with site.units(simulated(site)) as sim:
        site.gate.refuse = True
        sim.act(f"{UNIT}#1", "press")
        await eventually_async(lambda: site.counts().get("not_written", 0) >= 1, 10)
        assert "ACK" not in sim.units[UNIT].answers
        site.gate.refuse = False
        await site.said("sos_button", "press")
        await eventually_async(lambda: sim.units[UNIT].answers[-1] == "ACK", 10)


@pytest.mark.parametrize("timed", [True, False])
async def test_the_same_message_again_is_the_same_press_and_is_acknowledged(site: Site, timed: bool) -> None:
    async with site.units(simulated(site)) as sim:
        sim.act(UNIT, "timed", {"on": timed})
        sim.act(f"{UNIT}#1", "press")
        await site.answered(sim, "ACK")
        frame = sim.units[UNIT].frames[-1]
    reader, writer = await asyncio.open_connection("127.0.0.1", site.running.port)
    writer.write(frame + frame)
    for _ in range(2):
        assert b'"ACK"' in await reader.readuntil(b"\r")
    writer.close()
    await site.said("sos_button", "press")


async def test_a_press_is_the_same_over_a_restart(site: Site) -> None:
    async with site.units(simulated(site)) as sim:
        sim.act(f"{UNIT}#1", "press")
        await site.answered(sim, "ACK")
        frame = sim.units[UNIT].frames[-1]
    site.running.stop(forget=False)
    site.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", site.running.port)
    writer.write(frame)
    assert b'"ACK"' in await reader.readuntil(b"\r")
    writer.close()
    await site.said("sos_button", "press")


async def test_encrypted_frames_with_the_accounts_own_key(site: Site) -> None:
    (site.directory / "UNIT_KEY").write_text(KEY)
    site.book = registered(key="UNIT_KEY")
    async with site.units(simulated(site)) as sim:
        sim.act(UNIT, "set_key", {"value": KEY})
        sim.act(f"{UNIT}#2", "smoke")
        await site.said("smoke", "smoke")
        await site.answered(sim, "ACK")
        assert b"smoke" not in sim.units[UNIT].frames[0] and b'"*ADM-CID"' in sim.units[UNIT].frames[0]
        sim.act(UNIT, "set_key", {"value": KEY[::-1]})
        sim.act(f"{UNIT}#3", "heat")
        await site.answered(sim, "ACK", "DUH")
    (kept,) = site.journal.quarantined(10, UNIT)
    assert kept.reason == "undecipherable" and site.events("heat") == []


async def test_the_bridges_key_serves_units_without_one(site: Site) -> None:
    (site.directory / "ALL").write_text("hex:" + "0f" * 32)
    site.running.stop(forget=False)
    site.start(key="ALL")
    async with site.units(simulated(site)) as sim:
        sim.units[UNIT].key = b"\x0f" * 32
        sim.act(f"{UNIT}#5", "co")
        await site.said("co", "co")


@pytest.mark.parametrize("seconds", [-60, 45, 86_400])
async def test_an_encrypted_frame_of_another_time_is_told_the_time(site: Site, seconds: int) -> None:
    (site.directory / "UNIT_KEY").write_text(KEY)
    site.book = registered(key="UNIT_KEY")
    async with site.units(simulated(site)) as sim:
        sim.act(UNIT, "set_key", {"value": KEY})
        sim.act(UNIT, "set_clock", {"seconds": seconds})
        sim.act(f"{UNIT}#1", "press")
        await site.answered(sim, "NAK", "ACK")
        await site.said("sos_button", "press")
        assert abs(sim.units[UNIT].off_ms) < 2000


async def test_strangers_are_told_duh_and_can_be_adopted(site: Site) -> None:
    parts = (GearPart(address="BEEF", kind="concentrator"), GearPart(address="BEEF", kind="smoke", part="9"))
    async with site.units(simulated(site, *parts)) as sim:
        sim.act("BEEF#9", "smoke")
        await site.answered(sim, "DUH", unit="BEEF")
        sim.act("BEEF", "set_key", {"value": KEY})
        sim.act("BEEF#9", "smoke")
        await site.answered(sim, "DUH", "DUH", unit="BEEF")
    assert site.strangers.noted["BEEF"].kind == "concentrator"
    assert {one.reason for one in site.journal.quarantined(10, "units/BEEF")} == {"unknown_device"}


async def test_an_alarm_of_a_zone_that_nobody_registered_is_not_passed_over(site: Site) -> None:
    parts = (GearPart(address=UNIT, kind="concentrator"), GearPart(address=UNIT, kind="gas", part="77"))
    async with site.units(simulated(site, *parts)) as sim:
        sim.act(f"{UNIT}#77", "gas")
        await site.answered(sim, "DUH")
        assert site.strangers.noted[f"{UNIT}#77"].kind == "gas"
        sim.act(UNIT, "say", {"data": f"#{UNIT}|1401 01 077"})  # armed by user 77: no zone
        await site.answered(sim, "DUH", "ACK")


async def test_damage_is_not_answered_and_what_comes_behind_it_is_heard(site: Site) -> None:
    async with site.units(simulated(site)) as sim:
        sim.act(UNIT, "damage")
        sim.act(f"{UNIT}#1", "press")
        await site.answered(sim, "", "ACK")
        await site.said("sos_button", "press")
        assert site.counts()["damaged"] == 1
    (kept,) = site.journal.quarantined(10, "")
    assert kept.reason == "damaged"


async def test_a_unit_that_polls_lives_and_so_do_its_zones(site: Site) -> None:
    async with site.units(simulated(site)) as sim:
        sim.act(UNIT, "heartbeat")
        await site.answered(sim, "ACK")
        alive = {one.device for one in site.observations() if one.event == "online"}
        assert alive == {"unit", *ZONES}
        sim.act(f"{UNIT}#2", "lost")
        await site.said("smoke", "offline")
        sim.act(UNIT, "heartbeat")
        await site.answered(sim, "ACK", "ACK", "ACK")
        assert site.events("smoke") == ["offline"]


async def test_who_is_slow_or_mute_holds_nobody_up(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener_module, "BEGUN_WITHIN_S", 0.3)
    monkeypatch.setattr(listener, "CONNECTIONS_EACH", 40)
    slow = [await asyncio.open_connection("127.0.0.1", site.running.port) for _ in range(30)]
    for _, writer in slow:
        writer.write(b'\n9EC40027"ADM')
    async with site.units(simulated(site)) as sim:
        sim.act(f"{UNIT}#1", "press")
        await site.answered(sim, "ACK")
    for reader, writer in slow:
        assert await asyncio.wait_for(reader.read(), 10 * PATIENCE) == b""
        writer.close()
    assert site.counts()["slow"] == 30
    many = [await asyncio.open_connection("127.0.0.1", site.running.port) for _ in range(60)]
    await eventually_async(lambda: site.counts().get("turned_away", 0) >= 20, 10)
    for _, writer in many:
        writer.close()


async def test_a_port_that_is_taken_is_said(site: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        Dc09Way(
            Bridge(id="other", profile="dc09"),
            Dc09Settings(host="127.0.0.1", port=taken.getsockname()[1]),
            Secrets(site.directory),
            GearIntake(site.gate, site.receipts, site.strangers),
            lambda: Book([]),
            SystemClock(),
        )


async def test_many_units_at_once(site: Site) -> None:
    parts = [GearPart(address=f"{number:04X}", kind="smoke", part="1") for number in range(0x100, 0x150)]
    site.book = Book([GearDevice(id=f"s-{one.address}", kind="smoke", address=one.address, part="1") for one in parts])
    async with site.units(simulated(site, *parts)) as sim:
        for part in parts:
            sim.act(part.name, "smoke")
        await eventually_async(lambda: all(unit.answers == ["ACK"] for unit in sim.units.values()), 20)
    assert sum(one.event == "smoke" for one in site.observations()) == len(parts)
