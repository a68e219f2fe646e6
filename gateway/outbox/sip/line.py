"""One line of a trunk: a baresip of its own, which carries one call at a time.

It is started, watched (it must answer every few seconds), and started again when it dies or hangs. What it was doing
then is not known, and said so.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
import os
import re
import signal
import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from gateway.outbox.sip.config import NotInstalled, account, aor, modules, write_config
from gateway.outbox.sip.control import CommandRefused, Control, ControlLost, Event
from gateway.settings import Secrets, SipTrunk
from gateway.transports.backoff import Backoff
from gateway.transports.broker_ports import free_port

log = logging.getLogger(__name__)

_PR_SET_PDEATHSIG = 1
_STATUS_LINE = re.compile(rb"^\[\d+:\d\d:\d\d\]")
_RESTART = Backoff(1.0, 60.0)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long is waited for what, in seconds."""

    ring: float = 45
    """For somebody to take the call."""
    lead: float = 0.8
    """Silence before the words: the telephone must reach the ear."""
    pause: float = 3
    """Between one saying and the next."""
    last: float = 10
    """For a key after the last saying."""
    dead_line: int = 30
    """Nothing at all came from the other side for so long: the line is broken."""
    start: float = 10
    """For the child to be there."""
    look: float = 5
    """Between two looks at the child."""
    restart: Backoff = _RESTART


@dataclass(frozen=True, slots=True, kw_only=True)
class LineHealth:
    """How one line is at this moment."""

    up: bool
    """The child runs and answers."""
    registered: bool | None
    """None: it need not."""
    busy: bool
    restarts: int
    why: str
    """What is wrong, in Chinese and English; empty while all is well."""
    pid: int | None


class Line:
    """``registers``: this one keeps the trunk's registration. `run` until cancelled."""

    def __init__(
        self, trunk: SipTrunk, secrets: Secrets, directory: Path, *, registers: bool, patience: Patience
    ) -> None:
        self.trunk = trunk
        self.patience = patience
        self.directory = directory
        self.busy = False
        self.finishing: asyncio.Task[None] | None = None
        """The hanging up of the last call."""
        self._secrets = secrets
        self._registers = registers
        self._control: Control | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._registered: bool | None = False if registers else None
        self._restarts = 0
        self._why = "尚未启动 not started yet"
        self._secret = ""
        self._said: deque[str] = deque(maxlen=10)
        self._turning_away: set[asyncio.Task[None]] = set()
        self._listener: Callable[[Event | ControlLost], None] | None = None

    @property
    def health(self) -> LineHealth:
        """How it is at this moment."""
        return LineHealth(
            up=self._control is not None,
            registered=self._registered,
            busy=self.busy,
            restarts=self._restarts,
            why=self._why,
            pid=self._process.pid if self._process is not None and self._control is not None else None,
        )

    @property
    def user(self) -> str:
        """The user of the address that calls come from."""
        return self.trunk.caller_id or self.trunk.user

    def listen(self, listener: Callable[[Event | ControlLost], None] | None) -> None:
        """``listener`` hears what happens in the call from now on, and when the child is lost."""
        self._listener = listener

    async def command(self, command: str, params: str = "") -> str:
        """Raises ControlLost, CommandRefused."""
        if self._control is None:
            raise ControlLost(self._why)
        return await self._control.command(command, params)

    async def run(self) -> None:
        """Keep the child running until cancelled."""
        attempt = 0
        try:
            while True:
                loop = asyncio.get_running_loop()
                began = loop.time()
                trouble = await self._run_once()
                attempt = 0 if loop.time() - began > self.patience.restart.longest_s else attempt + 1
                self._restarts += 1
                delay_s = self.patience.restart.delay_s(attempt - 1)
                log.error("sip %s: %s; starting it again in %.1f s", self.trunk.name, trouble, delay_s)
                await asyncio.sleep(delay_s)
        finally:
            await asyncio.shield(self._end_process())

    async def _run_once(self) -> str:
        """From the start of the child to its end; returns what went wrong."""
        reading: asyncio.Task[None] | None = None
        control: Control | None = None
        trouble = "网关停止 the gateway stops"
        try:
            accounts = await asyncio.to_thread(self._accounts)
            process, port = await self._spawn()
            reading = asyncio.create_task(self._relay(process), name="sip log")
            control = await self._connect(process, port)
            self._why = "正在注册 registering" if self._registers else ""
            await self._introduce(control, accounts)
            self._control = control
            await self._watch(control)
            trouble = str(await control.lost())
        except (NotInstalled, CommandRefused, ControlLost, ValueError, KeyError, OSError) as error:
            trouble = str(error.args[0] if isinstance(error, KeyError) else error) or type(error).__name__
        except Exception as error:  # a line's life must outlive our own mistakes
            log.exception("sip %s", self.trunk.name)
            trouble = f"程序错误 a fault in here: {type(error).__name__}: {error}"
        finally:
            self._control = None
            self._registered = False if self._registers else None
            if control is not None:
                await control.close()
            await asyncio.shield(self._end_process())
            if reading is not None:
                await asyncio.wait({reading}, timeout=1)
            said = self._said[-1] if self._said else ""
            self._why = self._hide(f"{trouble}{f' ({said})' if said and said not in trouble else ''}")
            if self._listener is not None:  # also when we are stopped: a call under way must not wait for ever
                self._listener(ControlLost(self._why))
        return self._why

    async def _spawn(self) -> tuple[asyncio.subprocess.Process, int]:
        self._said.clear()
        path = await asyncio.to_thread(modules)
        port = free_port("127.0.0.1")
        await asyncio.to_thread(
            write_config,
            self.directory,
            self.trunk,
            control_port=port,
            module_path=path,
            dead_line_s=self.patience.dead_line,
        )
        process = await asyncio.create_subprocess_exec(
            "baresip",
            "-f",
            ".",
            cwd=self.directory,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_ends_with(os.getpid()),
        )
        self._process = process
        return process, port

    async def _connect(self, process: asyncio.subprocess.Process, port: int) -> Control:
        loop = asyncio.get_running_loop()
        until = loop.time() + self.patience.start
        while loop.time() < until:
            if process.returncode is not None:
                raise ControlLost(f"baresip 启动失败 ended at once, status {process.returncode}")
            if _listens(process.pid, port):
                with contextlib.suppress(OSError):
                    return await Control.connect(port, self._on_event)
            await asyncio.sleep(0.05)
        raise ControlLost(f"baresip {self.patience.start:g} 秒未就绪 not ready after {self.patience.start:g} s")

    def _accounts(self) -> list[str]:
        """Who we are at the trunk; the first is the one that calls. Raises KeyError, ValueError."""
        trunk = self.trunk
        self._secret = self._secrets.get(trunk.secret) if trunk.secret else ""
        apart = self._registers and self.user != trunk.user
        accounts = [account(trunk, self.user, self._secret, registers=self._registers and not apart)]
        return [*accounts, account(trunk, trunk.user, self._secret, registers=True)] if apart else accounts

    async def _introduce(self, control: Control, accounts: Sequence[str]) -> None:
        for one in accounts:
            await control.command("uanew", one)
        if len(accounts) > 1:
            await control.command("uafind", aor(self.trunk, self.user))

    async def _watch(self, control: Control) -> None:
        """Returns when the connection is lost. Raises ControlLost when the child hangs."""
        lost = asyncio.create_task(control.lost(), name="sip lost")
        try:
            while not lost.done():
                await control.command("about")
                await asyncio.wait({lost}, timeout=self.patience.look)
        finally:
            lost.cancel()

    async def _relay(self, process: asyncio.subprocess.Process) -> None:
        """The child's words into our log, without its counters and without the password."""
        assert process.stdout is not None
        rest = b""
        while data := await process.stdout.read(4096):
            *lines, rest = re.split(rb"[\r\n]+", rest[-8192:] + data)
            for line in lines:
                if line and not _STATUS_LINE.match(line):
                    text = self._hide(_COLOUR.sub("", line.decode(errors="replace")).strip())
                    if text:
                        self._said.append(text[:200])
                        log.debug("sip %s: %s", self.trunk.name, text)

    async def _end_process(self) -> None:
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
            try:
                async with asyncio.timeout(3):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()

    def _on_event(self, event: Event) -> None:
        match event.type:
            case "REGISTER_OK":
                self._registered, self._why = True, ""
            case "REGISTER_FAIL":
                self._registered = False
                self._why = f"注册失败 the trunk refuses the registration: {event.param or 'no answer'}"
                log.error("sip %s: %s", self.trunk.name, self._why)
            case "CALL_INCOMING":
                turning_away = asyncio.get_running_loop().create_task(self._turn_away(event.id), name="sip turn away")
                self._turning_away.add(turning_away)  # a task that nobody holds may vanish before it has run
                turning_away.add_done_callback(self._turning_away.discard)
        if event.direction == "outgoing" and self._listener is not None:
            self._listener(event)

    async def _turn_away(self, call: str) -> None:
        """Nobody here takes calls. ``callfind`` first: we may have begun to dial meanwhile."""
        with contextlib.suppress(ControlLost, CommandRefused):
            await asyncio.gather(self.command("callfind", call), self.command("hangup"))

    def _hide(self, text: str) -> str:
        return text.replace(self._secret, "***") if self._secret else text


def _listens(pid: int, port: int) -> bool:
    """Whether the child itself listens there: another program may have been faster."""
    try:
        found = psutil.Process(pid).net_connections(kind="tcp")
    except psutil.Error:
        return False
    return any(one.status == psutil.CONN_LISTEN and one.laddr and one.laddr.port == port for one in found)


def _ends_with(parent: int) -> Callable[[], None]:
    """For the child, before exec: it ends when the gateway ends, however that goes (Linux)."""
    libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None

    def arrange() -> None:
        if libc is not None:
            libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
            if os.getppid() != parent:
                os._exit(1)

    return arrange
