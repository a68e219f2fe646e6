"""Telemetry servers of the benchmarks: child processes on free ports, their files on a real disk."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.support.stores import Influxd


@contextlib.contextmanager
def influxd() -> Iterator[Influxd]:
    """An InfluxDB 1.x with an empty database, in a temporary directory beside the working directory."""
    with tempfile.TemporaryDirectory(prefix="anju-bench-influxd-", dir=Path.cwd()) as directory:
        server = Influxd(Path(directory))
        server.start()
        try:
            server.create()
            yield server
        finally:
            server.kill()
