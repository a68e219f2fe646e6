"""The processes of the demo: the outside world, the gateway, the fleet. Started in order, ended in the other order."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

ENDS_WITHIN_S = 15
_PR_SET_PDEATHSIG = 1


class StageError(Exception):
    """A process of the demo did not start or ended by itself; the message holds the end of its log."""


class Stage:
    """Starts ``anju`` processes, each with a log file of its own."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._processes: list[tuple[str, subprocess.Popen[bytes]]] = []

    def __enter__(self) -> Self:
        self._logs.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for _, process in reversed(self._processes):
            if process.poll() is None:
                process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=ENDS_WITHIN_S)
            if process.poll() is None:
                process.kill()
                process.wait()

    def start(self, name: str, args: list[str], env: Mapping[str, str] | None = None) -> int:
        """Run ``anju ARGS``; returns its process id. Its output goes to ``<logs>/<name>.log``."""
        with (self._logs / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "gateway", *args],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {}), "PYTHONUNBUFFERED": "1", "COLUMNS": "160"},
                start_new_session=True,  # Ctrl-C is for this process, which ends the others in order
                preexec_fn=_end_with_parent() if sys.platform == "linux" else None,
            )
        self._processes.append((name, process))
        return process.pid

    def wait_until(self, what: str, ready: Callable[[], bool], within_s: float = 300.0) -> None:
        """Wait until ``ready``. Raises StageError when a process ends or the time is up."""
        deadline = time.monotonic() + within_s
        while not ready():
            self.check()
            if time.monotonic() > deadline:
                raise StageError(f"{what} not ready within {within_s:g} s; see the logs in {self._logs}")
            time.sleep(0.05)

    def check(self) -> None:
        """Raises StageError when a process has ended by itself."""
        for name, process in self._processes:
            code = process.poll()
            if code is not None:
                raise StageError(f"{name} ended with code {code}:\n{self._tail(name)}")

    def _tail(self, name: str) -> str:
        text = (self._logs / f"{name}.log").read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-15:])


def _end_with_parent() -> Callable[[], None]:
    """Nothing of the demo outlives it, even when it is killed."""
    libc = ctypes.CDLL(None, use_errno=True)  # loaded before the fork

    def arrange() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)

    return arrange
