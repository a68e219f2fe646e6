"""A broker of our own, as a child process: Mosquitto where it is found, else nats-server from PyPI.

It is started with a configuration written here, watched, started again when it dies, and ends with the gateway: also
when the gateway is killed, because a broker that takes messages for a gateway that is gone only takes them away from
the devices, which keep what nobody acknowledged.
"""

from __future__ import annotations

import ctypes
import json
import logging
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from gateway.settings import write_private
from gateway.transports.backoff import Backoff
from gateway.transports.broker_config import GATEWAY_USER, set_damaged_aside, write_mosquitto, write_nats
from gateway.transports.broker_found import BrokerKind, FoundBroker, find_broker
from gateway.transports.broker_ports import free_port, port_problem
from gateway.transports.mqtt_probe import probe

log = logging.getLogger(__name__)

READY_WITHIN_S = 20.0
STOP_WITHIN_S = 10.0
STEADY_S = 60.0
PORT_TRIES = 5
"""A port that was free a moment ago can be another program's when the broker comes to listen on it."""
SAVE_EVERY_S = 1.0
CONNECTIONS_MAX = 65_536
"""Mosquitto lets in no more devices than it may have files open, and does not ask for more than it was given: a login
shell gives 1,024. The system's own upper limit holds as well."""
_RESTART = Backoff(0.2, 15.0)
_PR_SET_PDEATHSIG = 1
_EXPECTED = ("Plaintext passwords detected", "unacceptable protocol version of 5")
"""Said by nats-server at every start: its configuration is a file only we can read; and we ask for MQTT 5 first."""


class BrokerError(Exception):
    """The broker cannot be started. The text says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerHealth:
    """How the managed broker is at this moment."""

    running: bool
    description: str
    pid: int | None
    restarts: int
    why: str
    """Why it last had to be started again; empty while it never had to."""


class ManagedBroker:
    """The broker process of this gateway.

    ``users`` are names and passwords; ``gateway`` must be one of them. ``port`` 0 chooses a free one at `start`.
    ``reading`` (can be set later) says whether the gateway takes messages out at the moment; while it does not,
    Mosquitto is told every second to save what it holds. Until it is set, nobody is taken to read.
    """

    def __init__(
        self,
        data_dir: Path,
        host: str,
        port: int,
        users: Mapping[str, str],
        *,
        receive_maximum: int = 200,
        reading: Callable[[], bool] = lambda: False,
        found: FoundBroker | None = None,
    ) -> None:
        self.host = host
        self.port = port
        self._any_port = False
        self._directory = data_dir.absolute() / "broker"
        self._users = dict(users)
        self._receive_maximum = receive_maximum
        self.reading = reading
        self._found = found
        self._process: subprocess.Popen[bytes] | None = None
        self._thread: threading.Thread | None = None
        self._wake = threading.Event()
        self._stopping = False
        self._ready = False
        self._restarts = 0
        self._why = ""
        self._said: deque[str] = deque(maxlen=20)

    @property
    def description(self) -> str:
        """Which broker this is, in one line."""
        found = self._found
        if found is None:
            return "no broker found yet"
        protocol = "MQTT 5 and 3.1.1" if found.kind is BrokerKind.MOSQUITTO else "MQTT 3.1.1 only; Mosquitto is better"
        name = "Mosquitto" if found.kind is BrokerKind.MOSQUITTO else "nats-server"
        return f"{name} {found.version} ({found.executable}), {protocol}, on {self.host}:{self.port}"

    @property
    def health(self) -> BrokerHealth:
        """How it is at this moment, from any thread."""
        process = self._process
        return BrokerHealth(
            running=self._ready,
            description=self.description,
            pid=process.pid if process is not None and self._ready else None,
            restarts=self._restarts,
            why=self._why,
        )

    def start(self) -> None:
        """Start it and wait until it lets the gateway in. Raises BrokerError."""
        self._found = self._found or find_broker()
        if self._found is None:
            raise BrokerError(
                "no MQTT broker on this machine: install Mosquitto (`sudo apt install mosquitto`), or the one from "
                "PyPI (`pip install 'anju[broker]'`), or set broker.managed: false and broker.host to one that runs "
                "elsewhere"
            )
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._end_orphan()
        self._any_port = self.port == 0
        problem = None if self._any_port else port_problem(self.host, self.port)
        if problem is not None:
            raise BrokerError(problem)
        self._stopping = False
        first: list[BrokerError | None] = []
        started = threading.Event()

        def report(error: BrokerError | None) -> None:
            if not first:
                first.append(error)
                started.set()

        # The child dies with the thread that started it (PR_SET_PDEATHSIG), so one thread starts it and stays.
        self._thread = threading.Thread(target=self._supervise, args=(report, started), name="broker", daemon=True)
        self._thread.start()
        started.wait()
        error = first[0]
        if error is not None:
            self._thread.join()
            raise error
        log.info("broker: %s", self.description)

    def stop(self) -> None:
        """End it and wait for it. What it holds is on disk afterwards."""
        self._stopping = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    # From here on, on the supervising thread, but for the helpers of `start`.

    def _supervise(self, report: Callable[[BrokerError | None], None], started: threading.Event) -> None:
        attempt = 0
        try:
            while not self._stopping:
                began = time.monotonic()
                if self._any_port and not started.is_set():
                    self.port = free_port(self.host)
                try:
                    trouble = self._run_once(report)
                except Exception as error:  # nobody would ever start it again
                    log.exception("the broker cannot be watched")
                    self._ready = False
                    self._end_process()
                    trouble = f"could not be watched: {type(error).__name__}: {error}"
                if self._stopping:
                    return
                if (aside := set_damaged_aside(self._directory, self._said)) is not None:
                    what = "what the broker kept is damaged, and lies in %s now: what it had not handed on is lost here"
                    log.error(f"{what}; devices that heard no answer say it again", aside)
                    continue
                if not started.is_set():
                    attempt += 1
                    if attempt < PORT_TRIES and self._port_was_taken():
                        continue
                    report(BrokerError(f"{self.description} {trouble}"))
                    return
                self._restarts += 1
                self._why = trouble
                attempt = 0 if time.monotonic() - began >= STEADY_S else attempt + 1
                delay_s = _RESTART.delay_s(attempt)
                log.error("the broker %s; starting it again in %.1f s", trouble, delay_s)
                self._wake.clear()
                self._wake.wait(delay_s)
        finally:
            report(BrokerError("stopped before it was ready"))
            self._end_process()
            (self._directory / "broker.pid").unlink(missing_ok=True)

    def _run_once(self, report: Callable[[BrokerError | None], None]) -> str:
        """Start it, tell when it is ready, and return what went wrong when it has ended."""
        assert self._found is not None
        self._wake.clear()
        self._said.clear()
        try:
            self._process = process = self._spawn(self._found)
        except (OSError, psutil.Error) as error:
            return f"did not start: {error}"
        reader = threading.Thread(target=self._relay, args=(process,), name="broker-log", daemon=True)
        reader.start()
        problem = self._await_ready(process)
        if problem is not None:
            self._end_process()
            reader.join(1)
            return f"did not start: {problem}. It said: {' | '.join(self._said) or 'nothing'}"
        self._ready = True
        report(None)
        while process.poll() is None and not self._stopping:
            self._wake.wait(SAVE_EVERY_S)
            if not self._stopping and process.poll() is None and not self.reading():
                self._save(process)
        self._ready = False
        self._end_process()
        reader.join(1)
        said = self._said[-1] if self._said else "nothing"
        return f"ended by itself ({_exit_text(process.returncode)}). It last said: {said}"

    def _port_was_taken(self) -> bool:
        return any("address already in use" in text.lower() for text in self._said)

    def _spawn(self, found: FoundBroker) -> subprocess.Popen[bytes]:
        if found.kind is BrokerKind.MOSQUITTO:
            arguments = write_mosquitto(
                self._directory,
                host=self.host,
                port=self.port,
                users=self._users,
                receive_maximum=self._receive_maximum,
            )
        else:
            arguments = write_nats(
                self._directory,
                host=self.host,
                port=self.port,
                own_port=free_port("127.0.0.1"),
                users=self._users,
                receive_maximum=self._receive_maximum,
            )
        process = subprocess.Popen(
            [str(found.executable), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C in the terminal is for the gateway, which then ends the broker last
            preexec_fn=_prepare(os.getpid()),
        )
        owner = psutil.Process()
        record = {
            "pid": process.pid,
            "started": psutil.Process(process.pid).create_time(),
            "owner": owner.pid,
            "owner_started": owner.create_time(),
        }
        write_private(self._directory / "broker.pid", json.dumps(record))
        return process

    def _relay(self, process: subprocess.Popen[bytes]) -> None:
        """The broker's log into ours. Its end is how the supervisor learns at once that the process has ended."""
        assert process.stdout is not None
        for line in process.stdout:
            text = line.decode(errors="replace").rstrip()
            self._said.append(text)
            serious = text.startswith(("Error", "Warning")) or "[ERR]" in text or "[WRN]" in text or "[FTL]" in text
            serious = serious and not any(known in text for known in _EXPECTED)
            log.log(logging.WARNING if serious else logging.DEBUG, "broker: %s", text)
        process.wait()
        self._wake.set()

    def _await_ready(self, process: subprocess.Popen[bytes]) -> str | None:
        deadline = time.monotonic() + READY_WITHIN_S
        problem: str | None = "it was stopped"
        while not self._stopping:
            if process.poll() is not None:
                return _exit_text(process.returncode)
            problem = probe(self.host, self.port, GATEWAY_USER, self._users[GATEWAY_USER])
            if problem is None:
                return None
            if time.monotonic() > deadline:
                return f"no answer within {READY_WITHIN_S:g} s: {problem}"
            self._wake.wait(0.02)
        return problem

    def _save(self, process: subprocess.Popen[bytes]) -> None:
        assert self._found is not None
        if self._found.kind is BrokerKind.MOSQUITTO:
            process.send_signal(signal.SIGUSR1)

    def _end_process(self) -> None:
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            log.error("the broker did not end within %g s and is killed", STOP_WITHIN_S)
            process.kill()
            process.wait()

    def _end_orphan(self) -> None:
        """A broker that an earlier gateway on this data directory left behind."""
        path = self._directory / "broker.pid"
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            orphan = psutil.Process(record["pid"])
            if orphan.create_time() != record["started"]:
                return
            if _alive(record["owner"], record["owner_started"]):
                raise BrokerError(
                    f"another gateway (process {record['owner']}) runs on {self._directory.parent}: stop it, or give "
                    "this one another data_dir"
                )
            log.warning("ending the broker (process %d) that an earlier gateway left behind", orphan.pid)
            orphan.terminate()
            try:
                orphan.wait(STOP_WITHIN_S)
            except psutil.TimeoutExpired:
                orphan.kill()
                orphan.wait(STOP_WITHIN_S)
        except (FileNotFoundError, psutil.NoSuchProcess, ValueError, KeyError, TypeError):
            return


def _prepare(parent: int) -> Callable[[], None]:
    """For the child, before exec: room for every device's connection; and end politely when the gateway is gone,
    however it went. That is for Linux only; elsewhere the next start finds the orphan by its pid file."""
    libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = CONNECTIONS_MAX if hard == resource.RLIM_INFINITY else min(hard, CONNECTIONS_MAX)

    def arrange() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
        if libc is not None:
            libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
            if os.getppid() != parent:
                os._exit(1)

    return arrange


def _alive(pid: int, started: float) -> bool:
    try:
        return psutil.Process(pid).create_time() == started
    except psutil.NoSuchProcess:
        return False


def _exit_text(code: int | None) -> str:
    if code is not None and code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"exit code {code}"
