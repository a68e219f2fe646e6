"""A state that the gateway is in."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ill:
    """A state of the gateway: whether it holds, and why. ``holds`` None: not known."""

    holds: bool | None
    why: str = ""
