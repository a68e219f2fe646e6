"""The gateway's end of a field-bus line as a state machine: frames and time in, frames out. No port, no clock.

It remembers nothing but what is on its way to the disk. Whether a message was seen before is the journal's business,
which knows it over a restart too: a repeat is offered again, found there, and acknowledged again.
"""

from __future__ import annotations

import zlib
from collections import Counter, deque
from dataclasses import dataclass, field

from devices.serial_codec import encode
from devices.serial_frames import (
    UNKNOWN_BOOT,
    Ack,
    CommandFrame,
    CommandStatus,
    Data,
    Fault,
    Frame,
    FrameError,
    FrameType,
    Hello,
    HelloAck,
    Nak,
    NakReason,
    Ping,
    Pong,
)
from devices.serial_timing import PING_EVERY_MS, RESEND_BASE_MS, SILENT_AFTER_MS, back_off_ms

PENDING_LIMIT = 64
"""Frames that wait for the gateway's disk. Four times both windows: only a faulty concentrator gets here."""
_NAK_FOR = {
    Fault.BAD_VERSION: NakReason.BAD_VERSION,
    Fault.OVERSIZE: NakReason.OVERSIZE,
    Fault.MALFORMED: NakReason.MALFORMED,
}


@dataclass(frozen=True, slots=True)
class Offer:
    """A message for the journal. `GatewayLink.outcome` wants its ``token`` back."""

    token: int
    data: Data


@dataclass(frozen=True, slots=True)
class CommandDone:
    """The concentrator's answer to command ``seq``."""

    seq: int
    status: CommandStatus


@dataclass(slots=True)
class _Pending:
    token: int
    digest: int


@dataclass(slots=True)
class _Sending:
    device: str
    payload: bytes
    until_ms: int
    due_ms: int
    attempts: int = 0


@dataclass(slots=True)
class GatewayLink:
    """The receiving end, for one opening of the port. It acknowledges only what `outcome` says is durable."""

    opened_ms: int
    boot: int = field(init=False, default=UNKNOWN_BOOT)
    hello: Hello | None = field(init=False, default=None)
    heard_ms: int | None = field(init=False, default=None)
    counts: Counter[str] = field(init=False, default_factory=Counter)
    """``acks nak_… reboots stray`` and ``resends`` of what was still on its way to the disk: how often."""
    _pending: dict[tuple[int, int], _Pending] = field(init=False, default_factory=dict)
    _by_token: dict[int, Data] = field(init=False, default_factory=dict)
    _commands: dict[int, _Sending] = field(init=False, default_factory=dict)
    _out: deque[Frame] = field(init=False, default_factory=deque)
    _next_token: int = field(init=False, default=1)
    _next_ping: int = field(init=False, default=1)
    _ping_due_ms: int = field(init=False, default=0)

    @property
    def waiting(self) -> int:
        """Messages that are on their way to the disk."""
        return len(self._pending)

    def silent(self, now_ms: int) -> bool:
        """Nothing readable came for `SILENT_AFTER_MS`."""
        since = self.opened_ms if self.heard_ms is None else self.heard_ms
        return now_ms - since >= SILENT_AFTER_MS

    def receive(self, frame: Frame, now_ms: int) -> list[Offer | CommandDone]:
        """Take a frame from the concentrator."""
        if isinstance(frame, HelloAck | Ack | Nak | CommandFrame | Ping):
            self.counts["stray"] += 1  # an echo of our own, or two gateways on one wire
            return []
        self.heard_ms = now_ms
        if isinstance(frame, Hello):
            self._met(frame.boot)
            self.hello = frame
            self._out.append(HelloAck(boot=frame.boot, seq=frame.seq))
            return []
        if isinstance(frame, Data):
            self._met(frame.boot)
            return self._data(frame)
        if isinstance(frame, Pong):
            self._met(frame.boot)
            return []
        if frame.boot != self.boot or self._commands.pop(frame.seq, None) is None:
            self.counts["stray"] += 1
            return []
        return [CommandDone(frame.seq, frame.status)]

    def receive_error(self, error: FrameError) -> None:
        """Refuse a DATA frame that came whole and cannot be taken; noise is answered by silence."""
        header = error.header
        reason = _NAK_FOR.get(error.fault)
        if header is not None and header.type == FrameType.DATA and reason is not None:
            self._nak(header.boot, header.seq, reason)

    def outcome(self, token: int, *, durable: bool) -> None:
        """What became of an `Offer`: ACK if it is on disk, NAK if it was refused."""
        data = self._by_token.pop(token, None)
        if data is None:
            return
        pending = self._pending.get((data.boot, data.seq))
        if pending is None or pending.token != token:
            return
        del self._pending[(data.boot, data.seq)]
        if durable:
            self.counts["acks"] += 1
            self._out.append(Ack(boot=data.boot, seq=data.seq))
        else:
            self._nak(data.boot, data.seq, NakReason.REFUSED)

    def command(self, seq: int, device: str, payload: bytes, now_ms: int, until_ms: int) -> None:
        """Send a command until it is answered or ``until_ms`` is past. Raises FrameError if no frame can carry it."""
        encode(CommandFrame(boot=self.boot, seq=seq, device=device, payload=payload))
        self._commands[seq] = _Sending(device, payload, until_ms, now_ms)

    def forget_command(self, seq: int) -> None:
        """Nobody waits for the answer any more."""
        self._commands.pop(seq, None)

    def due(self, now_ms: int) -> list[Frame]:
        """The frames to write now: acknowledgements first, a lamp waits for them."""
        out = list(self._out)
        self._out.clear()
        if self._ping_due_ms <= now_ms:
            # Without its HELLO a concentrator is asked to introduce itself.
            known = self.hello is not None and self.hello.boot == self.boot
            out.append(Ping(boot=self.boot if known else UNKNOWN_BOOT, seq=self._next_ping))
            self._next_ping += 1
            self._ping_due_ms = now_ms + PING_EVERY_MS
        for seq, sending in list(self._commands.items()):
            if sending.until_ms <= now_ms:
                del self._commands[seq]
            elif sending.due_ms <= now_ms:
                sending.attempts += 1
                sending.due_ms = now_ms + back_off_ms(RESEND_BASE_MS, sending.attempts)
                out.append(CommandFrame(boot=self.boot, seq=seq, device=sending.device, payload=sending.payload))
        return out

    def next_due_ms(self, now_ms: int) -> int:
        """When `due` has to be asked again if nothing happens."""
        if self._out:
            return now_ms
        return min(self._ping_due_ms, *(min(one.due_ms, one.until_ms) for one in self._commands.values()), 1 << 62)

    def _met(self, boot: int) -> None:
        if boot != self.boot:
            self.counts["reboots"] += self.boot != UNKNOWN_BOOT
            self.boot = boot
            if self.hello is None or self.hello.boot != boot:
                self._ping_due_ms = 0

    def _data(self, data: Data) -> list[Offer | CommandDone]:
        key = (data.boot, data.seq)
        digest = zlib.crc32(data.payload, zlib.crc32(data.device.encode()))
        pending = self._pending.get(key)
        if pending is not None and pending.digest == digest:
            self.counts["resends"] += 1
            return []
        if pending is None and len(self._pending) >= PENDING_LIMIT:
            self._nak(data.boot, data.seq, NakReason.FULL)
            return []
        # Another content under a number in use (a concentrator that reused its boot id) must not inherit its ACK.
        token = self._next_token
        self._next_token += 1
        self._pending[key] = _Pending(token, digest)
        self._by_token[token] = data
        return [Offer(token, data)]

    def _nak(self, boot: int, seq: int, reason: NakReason) -> None:
        self.counts[f"nak_{reason.name.lower()}"] += 1
        self._out.append(Nak(boot=boot, seq=seq, reason=reason))
