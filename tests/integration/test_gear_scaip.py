"""Social alarm units that report by SCAIP: real sockets, real journal, retransmissions, rubbish, bombs, floods."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from devices.gear.memory import Memory
from devices.gear.messages import GearDevice
from devices.observation import Lane, Observation
from firmware_sim.fleet import system_ms
from firmware_sim.gear.base import GearPart, Receiver
from firmware_sim.gear.scaip import SimScaip
from gateway.clock import SystemClock
from gateway.gear.intake import GearIntake
from gateway.gear.scaip import ScaipWay
from gateway.journal.entry import Done, Outcome, Quarantined
from gateway.journal.journal import Journal
from gateway.receipts import Receipts
from gateway.registry.model import Bridge
from gateway.settings import JournalSettings, ScaipSettings
from gateway.transports import listener
from gateway.transports import scaip as listener_module
from tests.support.eventually import PATIENCE, eventually_async
from tests.support.gear import Book, device
from tests.support.gear_gateway import Strangers

UNIT = "+861065001001"
KINDS = ("sos_button", "smoke", "heat", "gas", "co", "leak", "contact", "motion")
PRESS = f"<mrq><ref>r-1</ref><cid>{UNIT}</cid><dty>0003</dty><did>d1</did><mty>ME</mty><stc>0010</stc></mrq>"


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


class Ahead(SystemClock):
    """The real time, and what the test puts on it."""

    ahead_ms = 0

    def now_ms(self) -> int:
        return super().now_ms() + self.ahead_ms


@dataclass
class Site:
    journal: Journal
    gate: Gate
    receipts: Receipts
    book: Book
    strangers: Strangers = field(default_factory=Strangers)
    clock: Ahead = field(default_factory=Ahead)
    way: ScaipWay | None = None

    def start(self) -> None:
        memories: dict[str, Memory] = {}
        for observation in self.observations():
            memories.setdefault(observation.device, Memory()).restore(observation)
        intake = GearIntake(self.gate, self.receipts, self.strangers, memories)
        port = self.way.port if self.way is not None else 0
        settings = ScaipSettings(host="127.0.0.1", port=port)
        self.way = ScaipWay(Bridge(id="units", profile="scaip"), settings, intake, lambda: self.book, self.clock)

    @property
    def running(self) -> ScaipWay:
        assert self.way is not None
        return self.way

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
    async def units(self, *parts: GearPart, udp: bool = False) -> AsyncIterator[SimScaip]:
        receiver = Receiver("127.0.0.1", self.running.port, udp)
        sim = SimScaip(receiver, parts or SimScaip.example(), clock=system_ms)
        task = asyncio.create_task(sim.run())
        try:
            yield sim
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def answered(self, sim: SimScaip, *answers: str, unit: str = UNIT) -> None:
        try:
            await eventually_async(lambda: sim.units[unit].answers == list(answers), 15)
        except AssertionError:
            raise AssertionError(f"answers {sim.units[unit].answers}, expected {answers}") from None


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    journal = Journal(tmp_path / "journal", JournalSettings(reserve_mb=0), SystemClock())
    journal.start()
    gate = Gate(journal)
    book = Book(
        [
            device(UNIT, "concentrator", id="unit"),
            *(device(f"{UNIT}#d{number}", kind, id=kind) for number, kind in enumerate(KINDS, 1)),
        ]
    )
    found = Site(journal, gate, Receipts(gate), book)
    found.start()
    yield found
    found.running.stop(forget=False)
    journal.close()


def request(
    body: str | bytes = PRESS,
    *,
    branch: str = "z9hG4bK1",
    kind: str = "application/scaip+xml",
    method: str = "MESSAGE",
    port: int = 5060,
    more: str = "",
) -> bytes:
    payload = body.encode() if isinstance(body, str) else body
    head = (
        f"{method} sip:alarm@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{port};branch={branch};rport\r\n"
        f"From: <sip:unit@127.0.0.1>;tag=1\r\nTo: <sip:alarm@127.0.0.1>\r\nCall-ID: c-{branch}\r\n"
        f"CSeq: 1 {method}\r\nMax-Forwards: 70\r\n{more}Content-Type: {kind}\r\nContent-Length: {len(payload)}\r\n\r\n"
    )
    return head.encode() + payload


class Socket:
    """A datagram socket that says what it is told to, byte by byte."""

    def __init__(self, port: int) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.connect(("127.0.0.1", port))
        self._socket.setblocking(False)
        self.port = int(self._socket.getsockname()[1])

    async def ask(self, data: bytes, *, responses: int = 1) -> list[str]:
        self._socket.send(data)
        return [await self.heard("SIP/2.0") for _ in range(responses)]

    async def heard(self, begins: str) -> str:
        async with asyncio.timeout(10 * PATIENCE):
            while True:
                found = (await asyncio.get_running_loop().sock_recv(self._socket, 65_536)).decode()
                if found.startswith(begins):
                    return found

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def wire(site: Site) -> Iterator[Socket]:
    found = Socket(site.running.port)
    yield found
    found.close()


@pytest.mark.parametrize("udp", [True, False])
async def test_every_device_of_a_unit_is_understood(site: Site, udp: bool) -> None:
    async with site.units(udp=udp) as sim:
        for number, kind in enumerate(KINDS, 1):
            name = {"sos_button": "press", "contact": "open"}.get(kind, kind)
            sim.act(f"{UNIT}#d{number}", name)
            if kind != "sos_button":
                sim.act(f"{UNIT}#d{number}", "close" if kind == "contact" else f"{kind}_cleared")
        sim.act(f"{UNIT}#d1", "cancel")
        sim.act(f"{UNIT}#d1", "fall")
        sim.act(f"{UNIT}#d2", "tamper")
        sim.act(f"{UNIT}#d2", "low_battery")
        sim.act(f"{UNIT}#d2", "lost")
        sim.act(UNIT, "power_lost")
        sim.act(UNIT, "power_restored")
        await site.said("sos_button", "press", "cancel", "fall")
        await site.said("smoke", "smoke", "smoke_cleared", "tamper", "low_battery", "offline")
        for kind in ("heat", "gas", "co", "leak", "motion"):
            await site.said(kind, kind, f"{kind}_cleared")
        await site.said("contact", "opened", "closed")
        await site.said("unit", "power_lost", "power_restored")
        await eventually_async(lambda: len(sim.units[UNIT].answers) == 22, 10)
        assert set(sim.units[UNIT].answers) == {"0"}
        # And once more as a MESSAGE of its own, for units that wait for that.
        await eventually_async(lambda: len(sim.units[UNIT].own) == 22, 10)
        assert set(sim.units[UNIT].own) == {"0"}


async def test_nothing_is_acknowledged_before_it_is_on_disk(site: Site) -> None:
    async with site.units() as sim:
        sim.act(UNIT, "heartbeat")
        await site.answered(sim, "0")
        site.gate.shut = True
        sim.act(f"{UNIT}#d2", "smoke")
        await eventually_async(lambda: len(site.gate.waiting) > 0, 10)
        assert sim.units[UNIT].answers == ["0"]
        site.gate.open()
        await site.said("smoke", "smoke")
        await site.answered(sim, "0", "0")


async def test_what_the_disk_does_not_take_is_said_again_until_it_does(site: Site) -> None:
    async with site.units(udp=True) as sim:
        site.gate.refuse = True
        sim.act(f"{UNIT}#d1", "press")
        await eventually_async(lambda: sim.units[UNIT].answers[:1] == ["6"], 10)
        site.gate.refuse = False
        await site.said("sos_button", "press")
        await eventually_async(lambda: sim.units[UNIT].answers[-1] == "0", 10)


async def test_the_same_reference_again_is_the_same_press(site: Site) -> None:
    async with site.units() as sim:
        sim.act(f"{UNIT}#d1", "press")
        await site.answered(sim, "0")
        sim.act(UNIT, "repeat")
        await site.answered(sim, "0", "0")
        await site.said("sos_button", "press")


async def test_a_press_is_the_same_over_a_restart_and_another_reference_is_another(site: Site, wire: Socket) -> None:
    (first,) = await wire.ask(request(branch="z9hG4bKa", port=wire.port))
    assert "<ref>r-1</ref><snu>0</snu>" in first
    site.running.stop(forget=False)
    site.start()
    (again,) = await wire.ask(request(branch="z9hG4bKb", port=wire.port))
    assert "<snu>0</snu>" in again
    await site.said("sos_button", "press")
    site.clock.ahead_ms += 2000  # one press said several times arrives within a second and a half
    await wire.ask(request(PRESS.replace("r-1", "r-2"), branch="z9hG4bKc", port=wire.port))
    await site.said("sos_button", "press", "press")


async def test_a_request_that_is_sent_again_gets_the_same_answer(site: Site, wire: Socket) -> None:
    site.gate.shut = True
    data = request(port=wire.port)
    for _ in range(3):
        wire._socket.send(data)
    await eventually_async(lambda: len(site.gate.waiting) > 0, 10)
    site.gate.open()
    first = await wire.heard("SIP/2.0 200")
    (second,) = await wire.ask(data)
    assert first == second
    assert site.counts()["ok"] == 1
    await site.said("sos_button", "press")


async def test_who_wants_the_answer_as_a_message_gets_it_until_it_is_heard(site: Site, wire: Socket) -> None:
    await wire.ask(request(port=wire.port))
    first = await wire.heard("MESSAGE sip:unit@127.0.0.1")
    again = await wire.heard("MESSAGE sip:unit@127.0.0.1")
    assert first == again
    assert "<ref>r-1</ref><snu>0</snu>" in first
    heads = [line for line in first.split("\r\n") if line.split(":")[0] in ("Via", "From", "To", "Call-ID", "CSeq")]
    wire._socket.send(("SIP/2.0 200 OK\r\n" + "\r\n".join(heads) + "\r\nContent-Length: 0\r\n\r\n").encode())
    await eventually_async(lambda: not site.running._listener._heard_back, 10)
    assert "mrs_unheard" not in site.counts()


@pytest.mark.parametrize(
    ("body", "snu", "reason"),
    [
        ("<mrq><ref>r-9</ref><cid>+861065001001</cid>", 2, "malformed"),
        ("<other/>", 2, "malformed"),
        ("", 2, "malformed"),
        (f"<mrq><ref>r-9</ref><cid>{UNIT}</cid></mrq>", 7, "missing"),
        ("<mrq><ref>r-9</ref><dty>0003</dty></mrq>", 7, "missing"),
        (f"<mrq><ref>r-9</ref><cid>{UNIT}</cid><dty>0003</dty><mty>XX</mty></mrq>", 3, "out_of_range"),
        (f"<mrq><ref>r-9</ref><cid>{UNIT}</cid><dty>abc</dty></mrq>", 3, "out_of_range"),
        (f"<mrq><ref>r-9</ref><cid>{UNIT}</cid><dty>3</dty><pri>99</pri></mrq>", 3, "out_of_range"),
        (f"<mrq><ref>r-9</ref><cid>{UNIT}</cid><cid>2</cid><dty>3</dty></mrq>", 2, "malformed"),
        ("<!DOCTYPE a [<!ENTITY b 'x'>]><mrq><cid>&b;</cid><dty>0003</dty></mrq>", 2, "malformed"),
        ("<mrq>" * 60, 2, "malformed"),
        ("<mrq><ref>r-9</ref>" + "<x/>" * 6000 + "</mrq>", 2, "malformed"),
    ],
)
async def test_what_cannot_be_read_is_kept_with_its_reason_and_told(
    site: Site, wire: Socket, body: str, snu: int, reason: str
) -> None:
    (answer,) = await wire.ask(request(body, port=wire.port))
    assert answer.startswith("SIP/2.0 200 OK")
    assert f"<snu>{snu}</snu>" in answer
    if "r-9</ref>" in body:
        assert "<ref>r-9</ref>" in answer
    (kept,) = site.journal.quarantined(10)
    assert kept.reason == reason
    assert kept.hint
    assert not site.observations()


async def test_an_entity_bomb_costs_nothing(site: Site, wire: Socket) -> None:
    bomb = "<!DOCTYPE mrq [<!ENTITY a 'xxxxxxxxxx'>" + "".join(
        f"<!ENTITY {chr(98 + number)} '{('&' + chr(97 + number) + ';') * 10}'>" for number in range(9)
    )
    (answer,) = await wire.ask(request(bomb + "]><mrq><cid>&j;</cid><dty>0003</dty></mrq>", port=wire.port))
    assert "<snu>2</snu>" in answer
    (press,) = await wire.ask(request(branch="z9hG4bK2", port=wire.port))
    assert "<snu>0</snu>" in press


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (request(method="INVITE"), "405 Method Not Allowed"),
        (request(method="REGISTER"), "405 Method Not Allowed"),
        (request(method="OPTIONS"), "200 OK"),
        (request(kind="text/plain"), "415 Unsupported Media Type"),
        (request(more="Content-Encoding: gzip\r\n"), "415 Unsupported Media Type"),
        (request(more="Require: 100rel\r\n"), "420 Bad Extension"),
        (request().replace(b"MESSAGE sip:alarm", b"MESSAGE foo:alarm"), "416 Unsupported URI Scheme"),
        (request().replace(b"127.0.0.1 SIP/2.0\r\nVia", b"127.0.0.1 SIP/7.0\r\nVia"), "505 Version Not Supported"),
        (request().replace(b"CSeq: 1 MESSAGE", b"CSeq: 1 INVITE"), "400 Bad Request"),
    ],
)
async def test_what_is_no_scaip_gets_its_status(site: Site, wire: Socket, data: bytes, status: str) -> None:
    (answer,) = await wire.ask(data.replace(b"127.0.0.1:5060", f"127.0.0.1:{wire.port}".encode()))
    assert answer.startswith(f"SIP/2.0 {status}\r\n")
    assert f"rport={wire.port}" in answer
    assert not site.observations()


async def test_strangers_are_told_that_nobody_treats_it_and_can_be_adopted(site: Site) -> None:
    parts = (GearPart(address="stranger", kind="concentrator"), GearPart(address=UNIT, kind="gas", part="d77"))
    async with site.units(*parts) as sim:
        sim.act("stranger", "power_lost")
        await site.answered(sim, "5", unit="stranger")
        sim.act(f"{UNIT}#d77", "gas")
        await site.answered(sim, "5")
    assert site.strangers.noted["stranger"].kind == "concentrator"
    assert site.strangers.noted[f"{UNIT}#d77"].kind == "gas"
    assert {one.reason for one in site.journal.quarantined(10)} == {"unknown_device"}


async def test_the_key_on_the_unit_itself_is_a_device_by_its_type(site: Site, wire: Socket) -> None:
    body = f"<mrq><ref>k-1</ref><cid>{UNIT}</cid><dty>0004</dty><stc>0010</stc></mrq>"
    (answer,) = await wire.ask(request(body, port=wire.port))
    assert "<snu>5</snu>" in answer, "an alarm of nobody in particular is not passed over"
    assert site.strangers.noted[f"{UNIT}#0004"].kind == "sos_button"
    site.book.devices.append(GearDevice(id="red-key", kind="sos_button", address=UNIT, part="0004"))
    (answer,) = await wire.ask(request(body, branch="z9hG4bK2", port=wire.port))
    assert "<snu>0</snu>" in answer
    await site.said("red-key", "press")


async def test_a_unit_that_beats_lives(site: Site) -> None:
    async with site.units(udp=True) as sim:
        sim.act(UNIT, "heartbeat")
        await site.answered(sim, "0")
        assert [one.event for one in site.observations("unit")] == ["online"]
        assert not site.observations("smoke")


async def test_a_connection_carries_words_of_life_and_ends_where_it_is_mute(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener_module, "BEGUN_WITHIN_S", 0.3)
    reader, writer = await asyncio.open_connection("127.0.0.1", site.running.port)
    writer.write(b"\r\n\r\n")
    assert await reader.readexactly(2) == b"\r\n"
    writer.write(request()[:60])
    assert await asyncio.wait_for(reader.read(), 10 * PATIENCE) == b""
    writer.close()
    assert site.counts()["slow"] == 1


async def test_a_body_that_never_ends_is_not_waited_for(site: Site) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", site.running.port)
    writer.write(request().replace(b"Content-Length: ", b"Content-Length: 99999"))
    assert await asyncio.wait_for(reader.read(), 10 * PATIENCE) == b""
    writer.close()
    assert site.counts()["damaged"] == 1


async def test_more_connections_than_one_address_may_have_are_turned_away(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "CONNECTIONS_EACH", 10)
    many = [await asyncio.open_connection("127.0.0.1", site.running.port) for _ in range(15)]
    await eventually_async(lambda: site.counts().get("turned_away", 0) == 5, 10)
    for _, writer in many:
        writer.close()


async def test_noise_is_kept_and_answered_by_nobody(site: Site, wire: Socket) -> None:
    wire._socket.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    wire._socket.send(b"\x00\x00")
    await eventually_async(lambda: site.counts().get("damaged") == 1, 10)
    await eventually_async(lambda: site.journal.quarantined(10), 10)
    (answer,) = await wire.ask(request(port=wire.port))
    assert answer.startswith("SIP/2.0 200 OK")


async def test_a_port_that_is_taken_is_said(site: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        ScaipWay(
            Bridge(id="other", profile="scaip"),
            ScaipSettings(host="127.0.0.1", port=taken.getsockname()[1]),
            GearIntake(site.gate, site.receipts, site.strangers),
            lambda: Book([]),
            SystemClock(),
        )


async def test_many_units_at_once(site: Site) -> None:
    parts = [GearPart(address=f"u{number}", kind="smoke", part="1") for number in range(80)]
    site.book = Book([GearDevice(id=f"s-{one.address}", kind="smoke", address=one.address, part="1") for one in parts])
    async with site.units(*parts, udp=True) as sim:
        for part in parts:
            sim.act(part.name, "smoke")
        await eventually_async(lambda: all(unit.answers[-1:] == ["0"] for unit in sim.units.values()), 20)
    assert sum(one.event == "smoke" for one in site.observations()) == len(parts)
