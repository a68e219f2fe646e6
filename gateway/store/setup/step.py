"""One thing that was looked at while a server was set up, and how long things are to be kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

DAY_S = 86_400
Did = Literal["made", "changed", "kept", "attention"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What was found, or done."""

    did: Did
    """``attention``: nothing was done, and somebody should look."""
    what: str
    """``retention policy raw``."""
    said: str = ""


def seconds(kept: str) -> int:
    """``90d`` in seconds; 0 for ``forever``."""
    return 0 if kept == "forever" else int(kept.removesuffix("d")) * DAY_S


def in_words(kept_s: int) -> str:
    """Seconds for people: ``90d``, ``36h``, ``forever``."""
    if kept_s == 0:
        return "forever"
    return f"{kept_s // DAY_S}d" if kept_s % DAY_S == 0 else f"{kept_s / 3600:g}h"


def shortens(now_s: int, wanted_s: int) -> bool:
    """Whether what is there would lose data; 0 is for ever."""
    return wanted_s != 0 and (now_s == 0 or wanted_s < now_s)


def refuse_to_shorten(what: str, now_s: int, wanted_s: int) -> Step:
    """Said instead of deleting what nobody asked to be deleted."""
    return Step(
        did="attention",
        what=what,
        said=f"keeps {in_words(now_s)}, the settings say {in_words(wanted_s)}: older data would be deleted; "
        "run it again with --shorten to do so, or change store.retention",
    )
