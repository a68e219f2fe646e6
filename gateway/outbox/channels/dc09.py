"""An alarm receiving centre by SIA DC-09: Contact ID, a second receiver, a path that is tried all the time.

Delivered means that a receiver answered ACK. One message at a time: what ended must not arrive before it began. A
message keeps its sequence number over retries and restarts, by which the centre knows a repeat.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import secrets as noise
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from devices import dc09
from devices.dc09 import Damaged, Frame, FrameReader
from devices.observation import Refusal
from gateway.alarms import Frozen
from gateway.cases.effects import Send
from gateway.clock import Clock, Millis
from gateway.outbox.channel import Attempt, Limits, Report, Result
from gateway.outbox.dc09_book import Dc09Book
from gateway.registry.channels import Dc09Channel, Dc09Receiver
from gateway.settings import Secrets

log = logging.getLogger(__name__)

ANSWER_S = 5.0
"""A receiver answers in well under a second; the standard has units wait some seconds."""
AGAIN_S = 5.0
"""A link test that was not answered is made again so soon: one lost datagram is no dead path."""
DOWN_AFTER = 2
_ANSWER = re.compile(rb'"(\*?)(ACK|NAK|DUH)"([0-9]{4})')
_ANSWER_TIME = re.compile(rb"_([0-9:]{8},[0-9-]{10})")


class PathHealth(Frozen):
    """How one way to the centre is."""

    channel: str
    receiver: str
    """Host and port."""
    state: Literal["untried", "up", "down"]
    since_ms: Millis
    why: str


class Signal(Frozen):
    """What a message says, as `gateway.cases.handover` puts it."""

    qualifier: Literal[1, 3, 6]
    code: int
    partition: int
    zone: int
    at_ms: int
    after: tuple[str, ...] = ()

    def data(self, account: str) -> str:
        """The data of a frame, for ``account``."""
        return f"#{account}|{self.qualifier}{self.code:03d} {self.partition:02d} {self.zone:03d}"


class _Answer(NamedTuple):
    """What a receiver said; ``kind`` None where it said nothing that counts, ``sent`` whether the frame went out."""

    kind: Literal["ACK", "NAK", "DUH"] | None
    sent: bool
    detail: str
    at_ms: Millis | None = None


@dataclass(slots=True)
class _Path:
    """One receiver, and how it is."""

    receiver: Dc09Receiver
    health: PathHealth
    failures: int = 0
    ahead_ms: int = 0
    """By how much its clock is ahead of ours, as it told with NAK."""


class Dc09Centre:
    """One channel. Made in the event loop; link tests run until `close`."""

    def __init__(self, channel: Dc09Channel, secrets: Secrets, book: Dc09Book, clock: Clock) -> None:
        self.limits = Limits(timeout_s=4 * ANSWER_S * len(channel.receivers) + 5, parallel=1)
        self._channel = channel
        self._secrets = secrets
        self._book = book
        self._clock = clock
        self._lock = asyncio.Lock()
        self._paths = [_Path(one, _untried(channel.id, one, clock.now_ms())) for one in channel.receivers]
        self._polling = asyncio.get_running_loop().create_task(self._poll()) if channel.poll_s else None

    @property
    def paths(self) -> tuple[PathHealth, ...]:
        """How each receiver is; from any thread."""
        return tuple(path.health for path in self._paths)

    async def send(self, message: Send, attempt: Attempt) -> Report:
        try:
            signal = Signal.model_validate(message.data)
        except ValueError:
            return Report(result=Result.REFUSED, detail="不是 Contact ID 信号 expected a signal of hand_over")
        try:
            key = self._key()
        except (KeyError, ValueError) as error:
            return Report(result=Result.RETRY, detail=str(error.args[0]))
        account = message.to or self._channel.account.upper()
        async with self._lock:
            if await asyncio.to_thread(self._book.waiting, signal.after):
                detail = "等待上一条送达 waits for the message before it"
                return Report(result=Result.RETRY, detail=detail)
            sequence = await asyncio.to_thread(self._book.sequence, account, message.key, attempt.at_ms)
            return await self._say(account, sequence, "ADM-CID", signal.data(account), key)

    async def ask(self, message: Send) -> Report | None:
        return None

    async def close(self) -> None:
        if self._polling is not None:
            self._polling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._polling

    async def _say(self, account: str, sequence: int, token: str, data: str, key: bytes | None) -> Report:
        """To the first receiver that takes it; one that is known to be dead is tried last, for it costs seconds."""
        sent = False
        said: list[str] = []
        for path in sorted(self._paths, key=lambda one: one.health.state == "down"):
            answer = await self._ask_receiver(path, account, sequence, token, data, key)
            if answer.kind == "ACK":
                where = "" if path is self._paths[0] else f" ({path.health.receiver})"
                return Report(result=Result.DELIVERED, detail=f"ACK {sequence:04d}{where}", reference=f"{sequence:04d}")
            said.append(f"{path.health.receiver}: {answer.detail}")
            if answer.kind == "DUH":
                return Report(result=Result.REFUSED, detail=f"DUH：{'; '.join(said)} the centre cannot use it")
            sent = sent or answer.sent
        return Report(result=Result.UNKNOWN if sent else Result.RETRY, detail="; ".join(said))

    async def _ask_receiver(
        self, path: _Path, account: str, sequence: int, token: str, data: str, key: bytes | None
    ) -> _Answer:
        def frame() -> bytes:
            now_ms = self._clock.now_ms() + path.ahead_ms
            return dc09.encode(
                Frame(
                    token=token,
                    encrypted=key is not None,
                    sequence=f"{sequence:04d}",
                    receiver=self._channel.receiver,
                    line=self._channel.line,
                    account=account,
                    rest=dc09.sealed(data, now_ms, key, noise.token_bytes(16)),
                )
            )

        answer = await self._exchange(path, frame, f"{sequence:04d}", key)
        if answer.kind == "NAK" and answer.at_ms is not None:
            path.ahead_ms = answer.at_ms - self._clock.now_ms()
            answer = await self._exchange(path, frame, f"{sequence:04d}", key)
        self._judge(path, answer)
        return answer

    async def _exchange(self, path: _Path, frame: Callable[[], bytes], sequence: str, key: bytes | None) -> _Answer:
        receiver = path.receiver
        sent = False
        try:
            async with asyncio.timeout(ANSWER_S):
                if receiver.transport == "udp":
                    reader, write, close = await _datagrams(receiver)
                else:
                    reader, writer = await asyncio.open_connection(receiver.host, receiver.port)
                    write, close = writer.write, writer.close
                try:
                    sent = True
                    write(frame())
                    return await _answer(reader, sequence, key)
                finally:
                    close()
        except TimeoutError:
            return _Answer(None, sent, f"{ANSWER_S:g} 秒内无答复 no answer within {ANSWER_S:g} s")
        except OSError as error:
            return _Answer(None, sent, f"连接失败 cannot connect: {error.strerror or error}")

    def _judge(self, path: _Path, answer: _Answer) -> None:
        """A receiver that says anything is there, whatever it thinks of the message."""
        path.failures = 0 if answer.kind is not None else path.failures + 1
        state = "up" if answer.kind is not None else "down" if path.failures >= DOWN_AFTER else path.health.state
        if state == path.health.state:
            return
        if state == "down":
            log.warning("channel %s: %s: %s", self._channel.id, path.health.receiver, answer.detail)
        path.health = path.health.model_copy(
            update={"state": state, "since_ms": self._clock.now_ms(), "why": "" if state == "up" else answer.detail}
        )

    async def _poll(self) -> None:
        """Link tests to every receiver, so that a dead path is known before it is needed."""
        account = self._channel.account.upper()
        while True:
            try:
                key = self._key()
                for path in self._paths:  # not under the lock: a dead one must not hold up what there is to say
                    sequence = await asyncio.to_thread(self._book.next, account)
                    await self._ask_receiver(path, account, sequence, "NULL", "", key)
            except (KeyError, ValueError) as error:
                log.warning("channel %s: %s", self._channel.id, error.args[0])
            except Exception:
                log.exception("channel %s: the link test failed", self._channel.id)
            failing = any(0 < path.failures < DOWN_AFTER for path in self._paths)
            await asyncio.sleep(min(AGAIN_S, self._channel.poll_s) if failing else self._channel.poll_s)

    def _key(self) -> bytes | None:
        name = self._channel.secret
        return None if name is None else dc09.read_key(self._secrets.get(name))


async def _answer(reader: asyncio.StreamReader, sequence: str, key: bytes | None) -> _Answer:
    """What is said to ``sequence``; what is damaged, of another frame or not of this key is passed over."""
    frames = FrameReader()
    while data := await reader.read(1024):
        for raw in frames.feed(data):
            found = _ANSWER.match(raw, 8)
            if found is None or not _sound(raw):
                continue
            if found[2] == b"NAK":
                return _Answer("NAK", True, "NAK", dc09.time_of(_ANSWER_TIME.search(raw)))
            if found[3].decode() != sequence:
                continue
            if found[2] == b"DUH":
                return _Answer("DUH", True, "DUH")
            if key is None or (found[1] and _opens(raw, key)):
                return _Answer("ACK", True, "ACK")
    return _Answer(None, True, "连接已关闭，无答复 closed without an answer")


def _sound(raw: bytes) -> bool:
    try:
        return dc09.checksum(raw[8:]) == int(raw[:4], 16)
    except ValueError:
        return False


def _opens(raw: bytes, key: bytes) -> bool:
    """Whether an acknowledgement was made with our key: anybody on the way can say ACK."""
    try:
        dc09.opened(dc09.decode(raw), key)
    except (Damaged, Refusal):
        return False
    return True


async def _datagrams(
    receiver: Dc09Receiver,
) -> tuple[asyncio.StreamReader, Callable[[bytes], None], Callable[[], None]]:
    heard = asyncio.StreamReader()

    class Heard(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            heard.feed_data(data)

        def error_received(self, exc: Exception) -> None:
            heard.set_exception(exc)

    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Heard, remote_addr=(receiver.host, receiver.port))
    return heard, transport.sendto, transport.close


def _untried(channel: str, receiver: Dc09Receiver, now_ms: Millis) -> PathHealth:
    where = f"{receiver.host}:{receiver.port}"
    return PathHealth(channel=channel, receiver=where, state="untried", since_ms=now_ms, why="")
