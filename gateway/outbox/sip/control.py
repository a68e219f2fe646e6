"""The way to a running baresip: its module ``ctrl_tcp``, JSON in netstrings over a loopback connection."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable
from itertools import count

import msgspec

log = logging.getLogger(__name__)

FRAME_MAX = 65_536
"""baresip says a few hundred bytes at a time; a longer frame is none of its."""
ANSWER_WITHIN_S = 5.0


class ControlLost(Exception):
    """The child is gone, hangs, or says what is no answer. What it was doing is not known."""


class CommandRefused(Exception):
    """baresip did not carry a command out; the text is its own."""


class Event(msgspec.Struct, frozen=True):
    """What baresip tells by itself."""

    type: str
    """``CALL_ESTABLISHED``, ``CALL_CLOSED``, ``REGISTER_OK`` …"""
    id: str = ""
    """The call it is about, where it has an id already."""
    direction: str = ""
    param: str = ""


class _Frame(msgspec.Struct, frozen=True):
    """An event, or the answer to a command."""

    event: bool = False
    response: bool = False
    ok: bool = False
    data: str = ""
    token: str = ""


def netstring(data: bytes) -> bytes:
    """``data`` as one frame: its length, a colon, itself, a comma."""
    return b"%d:%s," % (len(data), data)


async def read_netstring(reader: asyncio.StreamReader) -> bytes:
    """The next frame. Raises ControlLost for what is none, and at the end."""
    try:
        head = await reader.readuntil(b":")
        digits = head[:-1]
        if not digits.isdigit() or len(digits) > 6 or int(digits) > FRAME_MAX:
            raise ControlLost(f"baresip 的回答无法理解 expected a netstring, got {head[:20]!r}")
        data = await reader.readexactly(int(digits) + 1)
    except asyncio.IncompleteReadError:
        raise ControlLost("baresip 已断开 closed its control connection") from None
    except asyncio.LimitOverrunError:
        raise ControlLost("baresip 的回答无法理解 expected a netstring") from None
    except OSError as error:
        raise ControlLost(f"baresip 已断开 control connection broken: {error}") from None
    if data[-1:] != b",":
        raise ControlLost(f"baresip 的回答无法理解 expected ',' behind a netstring, got {data[-1:]!r}")
    return data[:-1]


class Control:
    """One control connection. ``on_event`` is called in the event loop for everything that baresip tells by itself."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, on_event: Callable[[Event], None]
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._on_event = on_event
        self._tokens = count(1)
        self._waiting: dict[str, asyncio.Future[_Frame]] = {}
        self._lost: ControlLost | None = None
        self._task = asyncio.create_task(self._read(), name="sip control")

    @classmethod
    async def connect(cls, port: int, on_event: Callable[[Event], None]) -> Control:
        """Raises OSError."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=FRAME_MAX + 16)
        return cls(reader, writer, on_event)

    async def command(self, command: str, params: str = "") -> str:
        """Have ``command`` carried out; returns what baresip says. Raises CommandRefused, ControlLost."""
        if self._lost is not None:
            raise self._lost
        token = str(next(self._tokens))
        message = {"command": command, "token": token} | ({"params": params} if params else {})
        waiting: asyncio.Future[_Frame] = asyncio.get_running_loop().create_future()
        self._waiting[token] = waiting
        self._writer.write(netstring(json.dumps(message, ensure_ascii=False).encode()))
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                frame = await waiting
        except TimeoutError:
            raise ControlLost(
                f"baresip 无响应 no answer to {command!r} within {ANSWER_WITHIN_S:g} s: it hangs"
            ) from None
        finally:
            self._waiting.pop(token, None)
        if not frame.ok:
            raise CommandRefused(frame.data.strip()[:200] or command)
        return frame.data

    async def lost(self) -> ControlLost:
        """Returns, with the reason, when the connection has ended."""
        await asyncio.wait({self._task})
        return self._lost or ControlLost("closed")

    async def close(self) -> None:
        """End the connection; who still waits for an answer gets ControlLost."""
        self._task.cancel()
        await asyncio.wait({self._task})
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    async def _read(self) -> None:
        try:
            while True:
                self._take(await read_netstring(self._reader))
        except (ControlLost, msgspec.DecodeError) as error:
            self._lost = error if isinstance(error, ControlLost) else ControlLost(f"baresip: {error}")
        finally:
            lost = self._lost = self._lost or ControlLost("the control connection was closed")
            for waiting in self._waiting.values():
                if not waiting.done():
                    waiting.set_exception(lost)

    def _take(self, data: bytes) -> None:
        frame = msgspec.json.decode(data, type=_Frame)
        if frame.event:
            self._on_event(msgspec.json.decode(data, type=Event))
        elif frame.response:
            waiting = self._waiting.get(frame.token)
            if waiting is not None and not waiting.done():
                waiting.set_result(frame)
        else:
            log.debug("sip: baresip said what is neither event nor answer: %r", data[:200])
