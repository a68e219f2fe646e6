"""What the store still shows as open, beside what is open: so that nothing burns for ever on a wall. Pure.

A point is left behind where nobody could remember it: the store took it and did not live to say so, and the case went
on under other tags; or the state database was restored from a backup that does not know the case.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from dashboards.answer import Answer, Look
from dashboards.query import Column, FieldIs, Query, TagIs
from devices import measurements
from gateway.chronicle.cases import CASE, numbered_ns, running_number, void
from gateway.chronicle.places import DAY_MS
from gateway.store.protocol import Point

LOOKED_BACK: Final = "366d"
"""As far as any board looks for what is open."""
_TAGS: Final = tuple(tag.key for tag in measurements.CASE.tags)


class Burning(NamedTuple):
    """A point of a case that the store shows as open."""

    id: str
    number: str
    tags: Mapping[str, str]
    at_ns: int

    def voided(self) -> Point:
        """The point in no list and no figure any more."""
        return void(Point(measurement=CASE, tags=self.tags, fields={}, at_ns=self.at_ns), self.tags)


def burning_query(community: str) -> Query:
    """Of this community alone: others may write into the same store."""
    return Query(
        CASE,
        (Column("id"), Column("number")),
        where=(TagIs("community", community), FieldIs("open", "=", 1)),
        by=_TAGS,
        last=LOOKED_BACK,
    )


def look_until(now_ms: int) -> Look:
    """A day ahead too: the clock may have been set back."""
    return Look(language="zh", start_ms=now_ms, end_ms=now_ms + DAY_MS)


def burning(answer: Answer) -> Iterator[Burning]:
    """What `burning_query` found."""
    for row in answer.rows:
        at_ms, *found = row
        tags = {name: str(value) for name, value in zip(_TAGS, found, strict=False) if value}
        id_, number = (str(value or "") for value in found[len(_TAGS) :])
        yield Burning(id_, number, tags, numbered_ns(int(at_ms or 0), running_number(number)))
