"""What `gateway.registry.check` finds."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.registry.problem import Level, Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something wrong between parts, by section and index in the community's tuples."""

    level: Level
    section: str
    index: int = 0
    path: Path = ()
    message: str
    first: int | None = None
    """Another entry of the section whose place in the files completes the message."""
    late: bool = False
    """May follow from something else that is wrong, and is therefore said after it."""
