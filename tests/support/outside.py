"""What is outside the gateway, on an event loop of its own: messengers, the 120 centre, a field bus with devices."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Coroutine
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from devices.native import PROTOCOL_VERSION, Command, Message
from devices.observation import Channel
from firmware_sim.concentrator import Concentrator
from firmware_sim.pty_cable import PtyCable
from firmware_sim.world.app import World
from firmware_sim.world.behaviour import CentreBehaviour, InboxBehaviour
from firmware_sim.world.centre import Call
from firmware_sim.world.inbox import Received
from firmware_sim.world.server import HOST, serving
from tests.support.eventually import PATIENCE

T = TypeVar("T")


class LoopThread:
    """An event loop in a thread, for what must go on while the test itself waits."""

    def __init__(self, name: str) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name=name, daemon=True)
        self._thread.start()

    def call(self, work: Coroutine[Any, Any, T], within_s: float = 20) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(within_s * PATIENCE)

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        self.loop.close()


class OutsideWorld:
    """Everybody's messengers and a 120 centre, as one HTTP server."""

    def __init__(self) -> None:
        self._loop = LoopThread("world")
        self._world = World()
        self._end = asyncio.Event()
        self.port = 0

    def __enter__(self) -> Self:
        up: asyncio.Future[int] = self._loop.call(_future())
        self._serving = asyncio.run_coroutine_threadsafe(self._serve(up), self._loop.loop)
        self.port = self._loop.call(_result(up))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.loop.call_soon_threadsafe(self._end.set)
        self._serving.result(20)
        self._loop.close()

    async def _serve(self, up: asyncio.Future[int]) -> None:
        async with serving(self._world.app) as port:
            up.set_result(port)
            await self._end.wait()

    @property
    def env(self) -> dict[str, str]:
        """The secrets by which a community finds this world."""
        return {
            "MESSENGER_HOST": HOST,
            "MESSENGER_PORT": str(self.port),
            "CENTRE_HOST": HOST,
            "CENTRE_PORT": str(self.port),
        }

    def messages(self, who: str | None = None) -> list[Received]:
        """What arrived at an address (``desk``, ``sms-grid`` …), or everywhere."""
        return [message for message in list(self._world.inbox.messages) if who in (None, message.who)]

    def titles(self, who: str) -> list[str]:
        return [message.title for message in self.messages(who)]

    def attempts(self, who: str) -> int:
        return self._world.inbox.attempts.get(who, 0)

    def repeated_keys(self) -> list[str]:
        """Keys that came to an address more than once."""
        return [f"{message.who} {message.key}" for message in self.messages() if message.duplicate]

    def messenger(self, who: str, **behaviour: Any) -> None:
        """Set what the messenger of ``who`` does: ``mode="fail", status=500, times=3``, ``mode="hang"`` …"""
        self._world.inbox.moods[who].set(InboxBehaviour(**behaviour))

    def centre(self, **behaviour: Any) -> None:
        """Set what the 120 centre does: ``mode="busy", times=2`` …"""
        self._world.centre.mood.set(CentreBehaviour(**behaviour))

    @property
    def calls(self) -> list[Call]:
        return list(self._world.centre.calls.values())

    @property
    def call_attempts(self) -> list[str]:
        """What became of every request that wanted to place a call."""
        return [attempt.outcome for attempt in list(self._world.centre.attempts)]


class FieldBus:
    """A serial line with a simulated concentrator; its devices obey commands and say so."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._loop = LoopThread("field bus")
        self._cable = PtyCable(directory)
        self.tty = self._cable.gateway_path
        self.acknowledged: list[str] = []
        """Messages that the gateway said it has on disk."""
        self.commands: list[tuple[str, Command]] = []
        self._seq = itertools.count(1)
        self._concentrator: Concentrator = self._loop.call(self._make())
        self._running = asyncio.run_coroutine_threadsafe(self._concentrator.run(), self._loop.loop)

    async def _make(self) -> Concentrator:
        return Concentrator(
            str(self._cable.concentrator_path),
            boot=7,
            seed=1,
            on_ack=lambda device, boot, seq: self.acknowledged.append(f"{device}:{boot}:{seq}"),
            on_command=self._obey,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running.cancel()
        self._loop.call(asyncio.sleep(0))
        self._cable.close()
        self._loop.close()

    def say(self, device: str, event: str | None = None, channel: Channel = Channel.EVENT, **metrics: float) -> str:
        """A device says something; returns the message id, which turns up in ``acknowledged``."""
        message = Message(v=PROTOCOL_VERSION, boot=1, seq=next(self._seq), event=event, metrics=metrics)
        self._loop.loop.call_soon_threadsafe(self._concentrator.send, device, channel, message)
        return f"{device}:1:{message.seq}"

    def lamps(self, device: str) -> list[str]:
        return [command.args.get("lamp", "") for to, command in list(self.commands) if to == device]

    def _obey(self, device: str, command: Command) -> None:
        self.commands.append((device, command))
        result = Message(
            v=PROTOCOL_VERSION,
            boot=1,
            seq=next(self._seq),
            event="command_result",
            data={"id": command.id, "ok": True},
        )
        self._concentrator.send(device, Channel.EVENT, result)


async def _future() -> asyncio.Future[Any]:
    return asyncio.get_running_loop().create_future()


async def _result(future: asyncio.Future[T]) -> T:
    return await future
