"""How this gateway is: its parts, and how long its lanes take from hearing to deciding. Pure."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.api.words import part as part_words
from gateway.cases.wording import Words
from gateway.chronicle.cases import in_both
from gateway.chronicle.ground import Ground
from gateway.health import Part
from gateway.store.protocol import Point

PART: Final = "part"
LANE: Final = "lane"
LEVELS: Final[Mapping[str, float]] = {"ok": 0.0, "degraded": 1.0, "failed": 2.0}


def part_point(part: Part, gateway: str, ground: Ground, now_ms: int) -> Point:
    """A part in its own words, without telephone numbers and names that an error may quote."""
    said = Words(ground.text(part.zh), ground.text(part.en))
    return Point(
        measurement=PART,
        tags={"community": ground.community, "gateway": gateway, "part": part.name},
        fields={"level": LEVELS[part.state], **in_both("says", said), **in_both("name", part_words(part.name))},
        at_ns=now_ms * 1_000_000,
    )


@dataclass(frozen=True, slots=True)
class LaneSeen:
    """One lane over the time since it was looked at last."""

    lane: str
    backlog: int
    oldest_s: float
    received: int
    waited_ms: Collection[int]
    """From receipt to the commit of the decision, of what was decided."""


def lane_point(seen: LaneSeen, gateway: str, community: str, now_ms: int) -> Point:
    """Without percentiles where nothing was decided."""
    fields: dict[str, float | str] = {
        "backlog": float(seen.backlog),
        "oldest_s": seen.oldest_s,
        "received": float(seen.received),
    }
    waited = sorted(seen.waited_ms)
    if waited:
        fields |= {"p50_s": _rank(waited, 0.5) / 1000, "p99_s": _rank(waited, 0.99) / 1000}
    return Point(
        measurement=LANE,
        tags={"community": community, "gateway": gateway, "lane": seen.lane},
        fields=fields,
        at_ns=now_ms * 1_000_000,
    )


def _rank(known: Sequence[int], share: float) -> float:
    """By nearest rank, as the figures do: a time that was really measured."""
    return float(known[max(0, math.ceil(share * len(known)) - 1)])
