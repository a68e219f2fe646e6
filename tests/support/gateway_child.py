"""``python -m tests.support.gateway_child``: has the gateway loaded and forks one for each order, so that one that is

killed fifty times is back within a quarter of a second. What runs is ``anju serve`` in a process of its own.
Orders and answers are lines: ``{"args": …, "env": …, "log": …}`` → the child's pid; when it has ended → its exit code.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import gateway.app  # noqa: F401 - loaded before the fork; `anju serve` would load it in each child
from gateway.cli import app

ROOT = Path(__file__).parents[2]


def serve_orders() -> None:
    os.write(1, b"loaded\n")
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _be_gateway(order["args"], order["env"], order["log"])
        os.write(1, f"{pid}\n".encode())
        _, status = os.waitpid(pid, 0)
        os.write(1, f"{os.waitstatus_to_exitcode(status)}\n".encode())


def _be_gateway(args: list[str], env: Mapping[str, str], log: str) -> None:
    code = 1
    try:
        os.environ.update(env)
        for number, (path, flags) in enumerate(
            ((os.devnull, os.O_RDONLY), (log, os.O_WRONLY | os.O_APPEND | os.O_CREAT), (log, os.O_WRONLY | os.O_APPEND))
        ):
            opened = os.open(path, flags, 0o600)
            os.dup2(opened, number)
            os.close(opened)
        app(args, standalone_mode=False)
        code = 0
    finally:
        sys.stderr.flush()
        os._exit(code)


class Nursery:
    """Starts such children; one lives at a time."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.gateway_child"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._line() == "loaded"
        self.pid = 0

    def start(self, args: list[str], env: Mapping[str, str], log: Path) -> None:
        assert self._process.stdin is not None and self.pid == 0
        self._process.stdin.write(json.dumps({"args": args, "env": dict(env), "log": str(log)}) + "\n")
        self._process.stdin.flush()
        self.pid = int(self._line())

    def end(self, number: int = signal.SIGKILL) -> int:
        """Send the signal and wait; returns the exit code, negative for a signal. 0 where none lives."""
        if self.pid == 0:
            return 0
        with contextlib.suppress(ProcessLookupError):  # it ended by itself; its code says why
            os.kill(self.pid, number)
        self.pid = 0
        return int(self._line())

    def close(self) -> None:
        self.end()
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


if __name__ == "__main__":
    serve_orders()
