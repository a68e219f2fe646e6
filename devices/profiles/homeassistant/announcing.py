"""What a bridge's options say of the other direction: Anju announces its own devices, so that a home assistant sees
them. The announcing itself is the gateway's (`gateway.announce`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

OPTIONS: Mapping[str, str] = {
    "announce": "true: announce Anju's own devices, so that a home assistant sees them",
    "prefix": "the discovery prefix for that, where it is not the base",
    "health": "ids of residents, blanks between: whose monitors, radars and medication boxes are announced, too",
    "commands": "ids of valves, sockets and sirens, or these kinds, blanks between: what may be switched from there",
}


@dataclass(frozen=True, slots=True)
class Announcing:
    """What is to be announced, and where."""

    prefix: str
    health: frozenset[str]
    """Residents who want their health seen there, by name. Nobody else's is."""
    commands: frozenset[str]
    """Devices or kinds that obey from there."""


def announcing(base: str, options: Mapping[str, str]) -> Announcing | None:
    """What a bridge's options ask for; None for nothing. Raises ValueError that names the option."""
    switch = options.get("announce", "false").strip().lower()
    if switch not in ("true", "false"):
        raise ValueError(f"announce: expected true or false, got {options['announce']!r}")
    prefix = options.get("prefix", "").strip() or base
    if any(sign in prefix for sign in "+#") or prefix.startswith("/") or prefix.endswith("/") or prefix == "anju":
        raise ValueError(f"prefix: expected a discovery prefix, such as homeassistant, got {prefix!r}")
    found = Announcing(prefix, _words(options, "health"), _words(options, "commands"))
    if switch == "true":
        return found
    idle = [name for name in ("prefix", "health", "commands") if options.get(name, "").strip()]
    if idle:
        raise ValueError(f"{idle[0]}: nothing is announced; set announce to true, or leave {idle[0]} out")
    return None


def _words(options: Mapping[str, str], name: str) -> frozenset[str]:
    return frozenset(options.get(name, "").replace(",", " ").split())
