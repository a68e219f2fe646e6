"""Both ends of a line as state machines, over good and bad wires, in virtual time."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.observation import Channel
from devices.serial_codec import FrameReader, encode, wrap
from devices.serial_frames import (
    MAX_FRAME_BYTES,
    MAX_PAYLOAD_BYTES,
    Ack,
    CommandAck,
    CommandFrame,
    CommandStatus,
    Data,
    Frame,
    FrameError,
    Hello,
    HelloAck,
    Nak,
    NakReason,
    Ping,
    Pong,
)
from devices.serial_receiver import PENDING_LIMIT, CommandDone, GatewayLink, Offer
from devices.serial_sender import WINDOW_FRAMES, Acked, CommandIn, ConcentratorLink, Offered, SetAside
from devices.serial_timing import PING_EVERY_MS, RESEND_BASE_MS, RESEND_MAX_MS, SILENT_AFTER_MS

Spoil = Callable[[bytes, random.Random], bytes]


def clean(wire: bytes, rng: random.Random) -> bytes:
    return wire


def lossy(wire: bytes, rng: random.Random) -> bytes:
    return b"" if rng.random() < 0.2 else wire


def duplicated(wire: bytes, rng: random.Random) -> bytes:
    return wire * rng.choice((1, 1, 2, 3))


def corrupt(wire: bytes, rng: random.Random) -> bytes:
    if rng.random() < 0.2:
        at = rng.randrange(len(wire))
        return wire[:at] + bytes((wire[at] ^ 1 << rng.randrange(8),)) + wire[at + 1 :]
    return rng.randbytes(rng.randrange(30)) + wire if rng.random() < 0.1 else wire


def dead(wire: bytes, rng: random.Random) -> bytes:
    return b""


@dataclass
class Pipe:
    """One direction: what was written arrives later, in order."""

    rng: random.Random
    spoil: Spoil = clean
    delay_ms: int = 1
    bytewise: bool = False
    under_way: list[tuple[int, bytes]] = field(default_factory=list)

    def write(self, wire: bytes, now_ms: int) -> None:
        due = now_ms + self.rng.randrange(self.delay_ms) + 1
        last = self.under_way[-1][0] if self.under_way else 0
        self.under_way.append((max(last, due), self.spoil(wire, self.rng)))

    def arrived(self, now_ms: int) -> list[bytes]:
        out = b""
        while self.under_way and self.under_way[0][0] <= now_ms:
            out += self.under_way.pop(0)[1]
        if self.bytewise:
            return [bytes((byte,)) for byte in out]
        return [out] if out else []


class Town:
    """A concentrator, a wire, a gateway and its disk. Every run checks that nothing turned green before it was safe."""

    def __init__(self, spoil: Spoil = clean, *, seed: int = 1, delay_ms: int = 1, bytewise: bool = False) -> None:
        self.rng = random.Random(seed)
        self.now_ms = 1_000_000
        self.up = Pipe(self.rng, spoil, delay_ms, bytewise)
        self.down = Pipe(self.rng, spoil, delay_ms, bytewise)
        self.boot = 1
        self.depth = 1000
        self.sender = ConcentratorLink(boot=1, firmware="test", depth=self.depth)
        self.gateway = GatewayLink(self.now_ms)
        self.readers = (FrameReader(), FrameReader())
        self.disk: list[tuple[int, int, Data]] = []
        """Writes under way: due time, token, message."""
        self.stored: list[str] = []
        self.written = 0
        self.refuse = 0
        """So many of the next writes fail."""
        self.acked: list[str] = []
        self.set_aside: list[tuple[str, NakReason]] = []
        self.obeyed: list[str] = []
        self.done: list[CommandDone] = []
        self.sent = 0

    def say(self, device: str, channel: Channel, size: int = 20) -> str:
        self.sent += 1
        name = f"{device}/{channel.value}/{self.sent}"
        if self.sender.offer(device, channel, name.encode().ljust(size), name) is Offered.STORE_FULL:
            return ""
        return name

    def run(self, for_ms: int, until: Callable[[], bool] = lambda: False) -> None:
        end = self.now_ms + for_ms
        while not until():
            self._step()
            times = [pipe.under_way[0][0] for pipe in (self.up, self.down) if pipe.under_way]
            times += [due for due, _, _ in self.disk[:1]]
            times += [self.gateway.next_due_ms(self.now_ms), self.sender.next_due_ms(self.now_ms) or end]
            self.now_ms = max(self.now_ms + 1, min(times))
            if self.now_ms > end:
                self.now_ms = end
                return

    def run_until_quiet(self) -> None:
        self.run(3_600_000, until=lambda: self.sender.unacked == 0)
        assert self.sender.unacked == 0, "an hour was not enough"

    def restart_gateway(self) -> None:
        self.gateway, self.disk = GatewayLink(self.now_ms), []

    def reboot_concentrator(self) -> None:
        kept = [item for item in self.sender.items() if item.channel is Channel.EVENT]
        self.boot += 1
        self.sender = ConcentratorLink(boot=self.boot, firmware="test", depth=self.depth)
        for item in kept:
            self.sender.offer(item.device, item.channel, item.payload, item.tag)

    def _step(self) -> None:
        for data in self.up.arrived(self.now_ms):
            for found in self.readers[0].feed(data):
                self._gateway_hears(found)
        for data in self.down.arrived(self.now_ms):
            for found in self.readers[1].feed(data):
                self._concentrator_hears(found)
        while self.disk and self.disk[0][0] <= self.now_ms:
            _, token, message = self.disk.pop(0)
            self.refuse -= (failed := self.refuse > 0)
            if not failed:
                name = message.payload.decode().strip()
                self.written += 1
                if name not in self.stored:
                    self.stored.append(name)
            self.gateway.outcome(token, durable=not failed)
        for frame in self.sender.due(self.now_ms):
            self.up.write(encode(frame), self.now_ms)
        for frame in self.gateway.due(self.now_ms):
            self.down.write(encode(frame), self.now_ms)

    def _gateway_hears(self, found: Frame | FrameError) -> None:
        if isinstance(found, FrameError):
            self.gateway.receive_error(found)
            return
        for event in self.gateway.receive(found, self.now_ms):
            if isinstance(event, Offer):
                self.disk.append((self.now_ms + 5, event.token, event.data))
            else:
                self.done.append(event)

    def _concentrator_hears(self, found: Frame | FrameError) -> None:
        if isinstance(found, FrameError):
            self.sender.receive_error(found)
            return
        for event in self.sender.receive(found, self.now_ms):
            if isinstance(event, Acked):
                assert event.item.tag in self.stored, "green before it was on disk"
                self.acked.append(str(event.item.tag))
            elif isinstance(event, SetAside):
                self.set_aside.append((str(event.item.tag), event.reason))
            else:
                self.obeyed.append(event.device)
                self.sender.answer(event.seq, CommandStatus.HANDED_OVER)


LINKS: dict[str, Callable[[int], Town]] = {
    "clean": lambda seed: Town(clean, seed=seed),
    "bytewise": lambda seed: Town(clean, seed=seed, bytewise=True),
    "lossy": lambda seed: Town(lossy, seed=seed),
    "delayed": lambda seed: Town(clean, seed=seed, delay_ms=800),
    "duplicated": lambda seed: Town(duplicated, seed=seed),
    "corrupt": lambda seed: Town(corrupt, seed=seed),
}


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("link", LINKS)
def test_everything_arrives_and_nothing_is_green_before_it_is_safe(link: str, seed: int) -> None:
    town = LINKS[link](seed)
    town.refuse = 3
    said: list[str] = []
    for _ in range(25):
        for channel in Channel:
            said.append(town.say(f"d{town.rng.randrange(5)}", channel))
        town.run(town.rng.randrange(300))
    town.run_until_quiet()
    assert sorted(town.acked) == sorted(said)
    for device in {name.split("/")[0] for name in said}:
        for channel in Channel:
            key = f"{device}/{channel.value}/"
            assert [n for n in town.stored if n.startswith(key)] == [n for n in said if n.startswith(key)], "order"
    if link in ("clean", "bytewise"):
        assert town.written == len(said), "nothing is sent twice over a good line"


@settings(max_examples=80, deadline=None, derandomize=True)  # one error in 65,536 passes any CRC-16
@given(st.data())
def test_any_story_ends_with_every_event_on_disk(data: st.DataObject) -> None:
    """Losses, restarts and reboots in any order; then the line heals and every event that was kept arrives."""
    town = Town(seed=data.draw(st.integers(0, 1000)), delay_ms=data.draw(st.sampled_from((1, 100, 2000))))
    town.depth = 6
    town.sender.depth = 6
    events: list[str] = []
    for act in data.draw(
        st.lists(st.sampled_from(["event", "routine", "wait", "gateway", "reboot", "line", "disk"]), max_size=40)
    ):
        if act == "event":
            events.append(town.say(data.draw(st.sampled_from("ab")), Channel.EVENT))
        elif act == "routine":
            town.say(data.draw(st.sampled_from("ab")), Channel.TELEMETRY)
        elif act == "wait":
            town.run(data.draw(st.sampled_from((1, 50, 600, 20_000))))
        elif act == "gateway":
            town.restart_gateway()
        elif act == "reboot":
            town.reboot_concentrator()
        elif act == "disk":
            town.refuse = 2
        else:
            town.up.spoil = town.down.spoil = data.draw(st.sampled_from((clean, lossy, corrupt, duplicated, dead)))
    town.up.spoil = town.down.spoil = clean
    town.run_until_quiet()
    assert {name for name in events if name} <= set(town.acked)


def test_an_event_overtakes_the_telemetry_that_waits() -> None:
    town = Town(dead)
    for number in range(50):
        town.say(f"meter-{number}", Channel.TELEMETRY, size=900)
    first = [frame for frame in town.sender.due(town.now_ms) if isinstance(frame, Data)]
    assert 1 <= len(first) <= WINDOW_FRAMES
    assert sum(len(encode(frame)) for frame in first) <= MAX_FRAME_BYTES, "no more of it in the UART"
    pressed = town.say("sos-1", Channel.EVENT)
    (frame,) = town.sender.due(town.now_ms)
    assert isinstance(frame, Data)
    assert frame.payload.decode().strip() == pressed
    later = [frame for frame in town.sender.due(town.now_ms + 5_000) if isinstance(frame, Data)]
    assert later[0].channel is Channel.EVENT, "resends too"


def test_one_message_of_a_device_and_channel_is_under_way() -> None:
    town = Town(dead)
    for _ in range(3):
        town.say("sos-1", Channel.EVENT)
    town.say("sos-1", Channel.TELEMETRY)
    assert [frame.channel for frame in town.sender.due(0) if isinstance(frame, Data)] == [
        Channel.EVENT,
        Channel.TELEMETRY,
    ]


def test_resends_back_off_and_come_at_once_when_the_gateway_is_back() -> None:
    town = Town(dead)
    town.say("sos-1", Channel.EVENT)
    begun = town.now_ms
    sent: list[int] = []
    while town.now_ms < begun + 60_000:
        sent += [town.now_ms for frame in town.sender.due(town.now_ms) if isinstance(frame, Data)]
        town.now_ms += 10
    gaps = [after - before for before, after in pairwise(sent)]
    assert gaps[0] <= RESEND_BASE_MS + 20
    assert gaps == sorted(gaps)
    assert RESEND_MAX_MS <= gaps[-1] <= RESEND_MAX_MS + 10
    town.sender.receive(Ping(boot=0, seq=1), town.now_ms)
    back = town.sender.due(town.now_ms)
    assert [type(frame) for frame in back] == [Hello, Data]


def test_a_slow_line_is_given_the_time_its_bytes_take() -> None:
    slow = ConcentratorLink(boot=1, firmware="test", depth=10, baud=9600)
    slow.offer("ecg-1", Channel.TELEMETRY, bytes(MAX_PAYLOAD_BYTES), "strip")
    slow.due(0)
    assert not [frame for frame in slow.due(8_000) if isinstance(frame, Data)]
    assert [frame for frame in slow.due(9_500) if isinstance(frame, Data)]


def test_a_full_store_gives_up_its_oldest_telemetry_and_never_an_event() -> None:
    town = Town(dead)
    town.sender.depth = 4
    old = town.say("a", Channel.TELEMETRY)
    status = town.say("a", Channel.STATUS)
    kept = [town.say("a", Channel.EVENT) for _ in range(4)]
    assert [item.tag for item in town.sender.items()] == kept
    assert old and status and town.sender.counts["evicted"] == 2
    assert town.say("a", Channel.EVENT) == ""
    assert town.say("a", Channel.TELEMETRY) == ""
    assert town.sender.counts["store_full"] == 2
    town.up.spoil = town.down.spoil = clean
    town.run_until_quiet()
    assert town.acked == kept


def test_what_can_never_be_taken_is_set_aside_and_the_queue_goes_on() -> None:
    town = Town()
    bad, good = town.say("a", Channel.EVENT), town.say("a", Channel.EVENT)
    (_, frame) = town.sender.due(town.now_ms)
    town._concentrator_hears(Nak(boot=1, seq=frame.seq, reason=NakReason.MALFORMED))
    assert town.set_aside == [(bad, NakReason.MALFORMED)]
    assert town.sender.counts["set_aside_event"] == 1
    town.run_until_quiet()
    assert town.acked == [good]


def test_a_version_nobody_knows_is_kept_and_asked_again() -> None:
    town = Town()
    town.say("a", Channel.EVENT)
    (_, frame) = town.sender.due(town.now_ms)
    town.sender.receive(Nak(boot=1, seq=frame.seq, reason=NakReason.BAD_VERSION), town.now_ms)
    assert not [one for one in town.sender.due(town.now_ms + 29_000) if isinstance(one, Data)]
    assert [one for one in town.sender.due(town.now_ms + 30_000) if isinstance(one, Data)]


def test_the_gateway_says_why_it_does_not_take_a_whole_frame() -> None:
    reader, link = FrameReader(), GatewayLink(0)
    head = b"\x03\x00\x00\x00\x07\x00\x00\x00\x2a"
    for raw in (b"\x02" + head, b"\x01" + head + b"\x01\x01a" + bytes(9000), b"\x01" + head + b"\x09"):
        (error,) = reader.feed(wrap(raw))
        assert isinstance(error, FrameError)
        link.receive_error(error)
    link.receive_error(FrameError(next(iter(reader.bad)), "noise without a header"))
    reasons = [frame.reason for frame in link.due(0) if isinstance(frame, Nak)]
    assert reasons == [NakReason.BAD_VERSION, NakReason.OVERSIZE, NakReason.MALFORMED]


def data(seq: int, payload: bytes = b"x", boot: int = 7) -> Data:
    return Data(boot=boot, seq=seq, channel=Channel.EVENT, device="sos-1", payload=payload)


def acks(link: GatewayLink) -> list[int]:
    return [frame.seq for frame in link.due(0) if isinstance(frame, Ack)]


def test_a_repeat_is_offered_once_while_it_is_written_and_again_after() -> None:
    link = GatewayLink(0)
    (offer,) = link.receive(data(1), 0)
    assert isinstance(offer, Offer)
    assert link.receive(data(1), 1) == []
    assert (link.waiting, acks(link)) == (1, [])
    link.outcome(offer.token, durable=True)
    assert acks(link) == [1]
    (again,) = link.receive(data(1), 2)
    assert isinstance(again, Offer)
    link.outcome(again.token, durable=True)
    assert acks(link) == [1]


def test_another_message_under_the_same_number_does_not_inherit_the_acknowledgement() -> None:
    link = GatewayLink(0)
    (old,) = link.receive(data(1, b"old"), 0)
    (new,) = link.receive(data(1, b"new"), 0)
    assert isinstance(old, Offer)
    assert isinstance(new, Offer)
    link.outcome(old.token, durable=True)
    assert acks(link) == []
    link.outcome(new.token, durable=True)
    link.outcome(new.token, durable=True)
    assert acks(link) == [1]


def test_more_than_the_windows_is_refused_as_full() -> None:
    link = GatewayLink(0)
    for seq in range(PENDING_LIMIT):
        assert link.receive(data(seq), 0)
    assert link.receive(data(999), 0) == []
    assert Nak(boot=7, seq=999, reason=NakReason.FULL) in link.due(0)


def test_an_acknowledgement_of_another_boot_is_not_taken() -> None:
    link = ConcentratorLink(boot=2, firmware="test", depth=10)
    link.offer("a", Channel.EVENT, b"", "tag")
    link.due(0)
    assert link.receive(Ack(boot=1, seq=1), 0) == []
    assert link.unacked == 1
    assert link.counts["stray"] == 1


def test_supervision() -> None:
    town = Town()
    town.run(30_000)
    assert not town.gateway.silent(town.now_ms)
    assert town.gateway.hello == Hello(boot=1, seq=0, depth=1000, firmware="test")
    assert 30_000 // PING_EVERY_MS <= town.readers[1].good <= 30_000 // PING_EVERY_MS + 3
    town.up.spoil = dead
    town.run(SILENT_AFTER_MS + PING_EVERY_MS)
    assert town.gateway.silent(town.now_ms)
    town.up.spoil = clean
    town.reboot_concentrator()
    town.run(100)
    assert not town.gateway.silent(town.now_ms)
    assert (town.gateway.boot, town.gateway.counts["reboots"]) == (2, 1)


def test_a_ping_of_a_gateway_that_knows_us_is_answered_by_pong() -> None:
    link = ConcentratorLink(boot=2, firmware="test", depth=10)
    link.receive(HelloAck(boot=2, seq=0), 0)
    link.receive(Ping(boot=2, seq=9), 0)
    assert link.next_due_ms(0) == 0
    assert link.due(0) == [Pong(boot=2, seq=9)]
    assert link.next_due_ms(0) is None


@pytest.mark.parametrize("link", LINKS)
def test_commands_are_sent_until_they_are_answered(link: str) -> None:
    town = LINKS[link](3)
    town.run(60_000, until=lambda: town.gateway.boot == 1)
    for seq in range(1, 11):
        town.gateway.command(seq, "sos-1", b"\x80", town.now_ms, town.now_ms + 600_000)
    town.run(600_000, until=lambda: len(town.done) == 10)
    assert sorted(done.seq for done in town.done) == list(range(1, 11))
    assert {done.status for done in town.done} == {CommandStatus.HANDED_OVER}
    assert len(town.obeyed) >= 10


def test_a_command_that_nobody_waits_for_is_not_sent() -> None:
    link = GatewayLink(0)
    link.receive(Pong(boot=7, seq=1), 0)
    link.command(1, "a", b"", 0, until_ms=1000)
    link.command(2, "a", b"", 0, until_ms=5000)
    link.forget_command(2)
    assert [frame.seq for frame in link.due(0) if isinstance(frame, CommandFrame)] == [1]
    assert not [frame for frame in link.due(1000) if isinstance(frame, CommandFrame)]
    assert link.receive(CommandAck(boot=7, seq=1, status=CommandStatus.HANDED_OVER), 1001) == []
    assert link.counts["stray"] == 1


def test_a_command_that_cannot_be_read_is_answered() -> None:
    reader, link = FrameReader(), ConcentratorLink(boot=7, firmware="test", depth=10)
    (error,) = reader.feed(wrap(b"\x01\x08\x00\x00\x00\x07\x00\x00\x00\x2a\x00"))
    assert isinstance(error, FrameError)
    link.receive_error(error)
    assert CommandAck(boot=7, seq=42, status=CommandStatus.MALFORMED) in link.due(0)


def test_echoes_and_frames_of_the_other_way_are_strays() -> None:
    gateway, sender = GatewayLink(0), ConcentratorLink(boot=7, firmware="test", depth=10)
    assert gateway.receive(Ack(boot=7, seq=1), 0) == []
    assert gateway.heard_ms is None
    assert sender.receive(data(1), 0) == []
    assert sender.receive(CommandFrame(boot=7, seq=1, device="a", payload=b""), 0) == [CommandIn(1, "a", b"")]
    assert gateway.counts["stray"] == sender.counts["stray"] == 1
