"""The concentrator's end of a field-bus line as a state machine: frames and time in, frames out. No port, no clock.

It keeps every message until the gateway says that it is on disk. There is no state of a connection that could be out
of step, and no handshake that a press would wait for: HELLO is information. ``now_ms`` is any clock that only moves
forward.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from devices.observation import Channel, Lane
from devices.serial_codec import encode
from devices.serial_frames import (
    MAX_FRAME_BYTES,
    Ack,
    CommandAck,
    CommandFrame,
    CommandStatus,
    Data,
    Frame,
    FrameError,
    FrameType,
    Hello,
    HelloAck,
    NakReason,
    Ping,
    Pong,
)
from devices.serial_timing import RESEND_BASE_MS, SILENT_AFTER_MS, back_off_ms

BAD_VERSION_RETRY_MS = 30_000
"""Somebody has to update one of the two ends first."""
WINDOW_FRAMES = 8
"""Unacknowledged DATA frames per lane. Each lane has its own, so that telemetry never takes the place of an event."""
ROUTINE_WINDOW_BYTES = MAX_FRAME_BYTES
"""Telemetry in the UART's own queue cannot be overtaken any more: let there be at most one long frame of it."""
BITS_PER_BYTE = 10
"""8N1: start bit, eight data bits, stop bit."""


@dataclass(slots=True, kw_only=True)
class Item:
    """A message in the concentrator's store. ``tag`` is the caller's own name for it."""

    channel: Channel
    device: str
    payload: bytes
    tag: object
    seq: int = 0
    attempts: int = 0
    due_ms: int = 0
    wire_bytes: int = 0


class Offered(StrEnum):
    """What became of a message that a device gave to its concentrator."""

    KEPT = "kept"
    KEPT_OLDEST_OUT = "kept_oldest_out"
    """Kept, and the oldest telemetry made room for it."""
    STORE_FULL = "store_full"
    """Nothing but events in the store, and it is full: the device must not be told that it was heard."""


@dataclass(frozen=True, slots=True)
class Acked:
    """The message is on the gateway's disk: the device's lamp may turn green."""

    item: Item


@dataclass(frozen=True, slots=True)
class SetAside:
    """The gateway can never take this message. Its queue goes on; the fault must be shown at the concentrator."""

    item: Item
    reason: NakReason


@dataclass(frozen=True, slots=True)
class CommandIn:
    """A command for a device; to be answered with `ConcentratorLink.answer`."""

    seq: int
    device: str
    payload: bytes


@dataclass(slots=True)
class ConcentratorLink:
    """The sending end. Events overtake telemetry; messages of one device in one channel keep their order, because
    only one of them is under way at a time."""

    boot: int
    firmware: str
    depth: int
    baud: int = 115_200
    counts: Counter[str] = field(default_factory=Counter)
    """``acked resent nak_… evicted store_full set_aside set_aside_event stray gateway_back``: how often."""
    _items: dict[int, Item] = field(init=False, default_factory=dict)
    """Everything not acknowledged by seq, which is the order of arrival."""
    _flying: dict[int, Item] = field(init=False, default_factory=dict)
    _replies: list[Frame] = field(init=False, default_factory=list)
    _next_seq: int = field(init=False, default=1)
    _hello_due_ms: int | None = field(init=False, default=0)
    _hello_attempts: int = field(init=False, default=0)
    _heard_ms: int | None = field(init=False, default=None)

    @property
    def unacked(self) -> int:
        """How many messages wait for the gateway's acknowledgement."""
        return len(self._items)

    def items(self) -> list[Item]:
        """All that is not acknowledged yet, oldest first (what a concentrator writes into its flash)."""
        return list(self._items.values())

    def offer(self, device: str, channel: Channel, payload: bytes, tag: object) -> Offered:
        """Keep a message until it is acknowledged. Raises FrameError for one that no frame can carry."""
        item = Item(channel=channel, device=device, payload=payload, tag=tag, seq=self._next_seq)
        item.wire_bytes = len(encode(self._frame(item)))
        outcome = Offered.KEPT
        if len(self._items) >= self.depth:
            oldest = self._oldest_routine()
            if oldest is None:
                self.counts["store_full"] += 1
                return Offered.STORE_FULL
            self._forget(oldest)
            self.counts["evicted"] += 1
            outcome = Offered.KEPT_OLDEST_OUT
        self._next_seq += 1
        self._items[item.seq] = item
        return outcome

    def receive(self, frame: Frame, now_ms: int) -> list[Acked | SetAside | CommandIn]:
        """Take a frame from the gateway."""
        # A PING that does not know this concentrator comes from a gateway that has just opened the port.
        opened = isinstance(frame, Ping) and frame.boot != self.boot
        if opened or self._heard_ms is None or now_ms - self._heard_ms >= SILENT_AFTER_MS:
            self._gateway_is_back(now_ms)
        self._heard_ms = now_ms
        if isinstance(frame, Ping):
            if frame.boot == self.boot:
                self._replies.append(Pong(boot=self.boot, seq=frame.seq))
            else:
                self._hello_due_ms, self._hello_attempts = now_ms, 0
            return []
        if frame.boot != self.boot or isinstance(frame, Hello | Data | CommandAck | Pong):
            self.counts["stray"] += 1
            return []
        if isinstance(frame, HelloAck):
            self._hello_due_ms = None
            return []
        if isinstance(frame, CommandFrame):
            return [CommandIn(frame.seq, frame.device, frame.payload)]
        item = self._flying.get(frame.seq)
        if item is None:  # the second ACK of a frame that was sent twice
            self.counts["stray"] += 1
            return []
        if isinstance(frame, Ack):
            self._forget(item)
            self.counts["acked"] += 1
            return [Acked(item)]
        return self._refused(item, frame.reason, now_ms)

    def receive_error(self, error: FrameError) -> None:
        """Answer a command that came whole and cannot be read; anything else is the sender's to repeat."""
        header = error.header
        if header is not None and header.type == FrameType.COMMAND and header.boot == self.boot:
            self.answer(header.seq, CommandStatus.MALFORMED)

    def answer(self, seq: int, status: CommandStatus) -> None:
        """Tell the gateway what became of its command."""
        self._replies.append(CommandAck(boot=self.boot, seq=seq, status=status))

    def due(self, now_ms: int) -> list[Frame]:
        """The frames to write now, the most urgent first."""
        out, self._replies = self._replies, []
        if self._hello_due_ms is not None and self._hello_due_ms <= now_ms:
            out.append(Hello(boot=self.boot, seq=self._hello_attempts, depth=self.depth, firmware=self.firmware))
            self._hello_attempts += 1
            self._hello_due_ms = now_ms + back_off_ms(RESEND_BASE_MS, self._hello_attempts)
        for lane in (Lane.URGENT, Lane.ROUTINE):
            for item in [item for item in self._flying.values() if item.channel.lane is lane]:
                if item.due_ms <= now_ms:
                    out.append(self._send(item, now_ms))
            self._take_off(lane, now_ms, out)
        return out

    def next_due_ms(self, now_ms: int) -> int | None:
        """When `due` has to be asked again if nothing happens; None where only an event can make it speak."""
        if self._replies:
            return now_ms
        times = [item.due_ms for item in self._flying.values()]
        if self._hello_due_ms is not None:
            times.append(self._hello_due_ms)
        return min(times, default=None)

    def _take_off(self, lane: Lane, now_ms: int, out: list[Frame]) -> None:
        flying = [item for item in self._flying.values() if item.channel.lane is lane]
        in_bytes = sum(item.wire_bytes for item in flying)
        busy = {(item.device, item.channel) for item in flying}
        free = WINDOW_FRAMES - len(flying)
        for item in self._items.values():
            if free <= 0:
                return
            if item.channel.lane is not lane or (item.device, item.channel) in busy:
                continue
            if lane is Lane.ROUTINE and in_bytes and in_bytes + item.wire_bytes > ROUTINE_WINDOW_BYTES:
                return
            busy.add((item.device, item.channel))
            in_bytes += item.wire_bytes
            free -= 1
            self._flying[item.seq] = item
            out.append(self._send(item, now_ms))

    def _send(self, item: Item, now_ms: int) -> Frame:
        if item.attempts:
            self.counts["resent"] += 1
        item.attempts += 1
        # Everything in flight may stand before this frame in the UART.
        on_wire = sum(other.wire_bytes for other in self._flying.values())
        base = RESEND_BASE_MS + on_wire * BITS_PER_BYTE * 1000 // self.baud
        item.due_ms = now_ms + back_off_ms(base, item.attempts)
        return self._frame(item)

    def _frame(self, item: Item) -> Frame:
        return Data(boot=self.boot, seq=item.seq, channel=item.channel, device=item.device, payload=item.payload)

    def _refused(self, item: Item, reason: NakReason, now_ms: int) -> list[Acked | SetAside | CommandIn]:
        self.counts[f"nak_{reason.name.lower()}"] += 1
        if reason in (NakReason.OVERSIZE, NakReason.MALFORMED):
            self._forget(item)
            self.counts["set_aside_event" if item.channel is Channel.EVENT else "set_aside"] += 1
            return [SetAside(item, reason)]
        wait = BAD_VERSION_RETRY_MS if reason is NakReason.BAD_VERSION else back_off_ms(RESEND_BASE_MS, item.attempts)
        item.due_ms = now_ms + wait
        return []

    def _gateway_is_back(self, now_ms: int) -> None:
        """What waited for a gateway that was away goes at once, not at the end of its back-off."""
        self.counts["gateway_back"] += 1
        for item in self._flying.values():
            item.attempts, item.due_ms = min(item.attempts, 1), now_ms

    def _oldest_routine(self) -> Item | None:
        return next((item for item in self._items.values() if item.channel is not Channel.EVENT), None)

    def _forget(self, item: Item) -> None:
        del self._items[item.seq]
        self._flying.pop(item.seq, None)
