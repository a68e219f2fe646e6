"""What a store holds as points, in helpings of bounded size: what export writes, and erasure counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from gateway.store.protocol import Point
from gateway.store.transfer.selection import Selection

HELPING = 5_000
"""Points at most in one helping: it bounds the memory."""

ROLLED = "rolled"
"""The tag of points that stand for a minute or an hour (``1m``, ``1h``) whose readings are not kept any more. Their
fields are those of `ROLLED_FIELDS`, behind the metric's name."""
ROLLED_FIELDS = ("count", "sum", "min", "max", "last")


class Helping(NamedTuple):
    """Some points, and how much of all is done with them, 0 to 1."""

    points: list[Point]
    done: float


class Source(Protocol):
    """A store that can be read out. Blocking. Every method raises StoreUnavailable."""

    @property
    def name(self) -> str:
        """For people."""
        ...

    def read(self, selection: Selection) -> Iterator[Helping]:
        """All points of ``selection``, those of one device in the order of time."""
        ...

    def close(self) -> None:
        """To be called once, at the end."""
        ...


class CannotErase(Exception):
    """This store cannot do it; the message says what the operator has to do instead."""


@dataclass(slots=True)
class Extent:
    """How much there is of one measurement."""

    points: int = 0
    values: int = 0
    first_ns: int = 0
    last_ns: int = 0

    def add(self, point: Point) -> None:
        """One more point."""
        self.first_ns = min(self.first_ns, point.at_ns) if self.points else point.at_ns
        self.last_ns = max(self.last_ns, point.at_ns) if self.points else point.at_ns
        self.points += 1
        self.values += len(point.fields)


@dataclass(slots=True)
class Tally:
    """What was counted, by measurement."""

    extents: dict[str, Extent] = field(default_factory=dict)
    fields: dict[str, Counter[str]] = field(default_factory=dict)
    devices: set[str] = field(default_factory=set)

    def add(self, points: Iterable[Point]) -> None:
        """Count these."""
        for point in points:
            self.extents.setdefault(point.measurement, Extent()).add(point)
            self.fields.setdefault(point.measurement, Counter()).update(point.fields.keys())
            if device := point.tags.get("device"):
                self.devices.add(device)

    @property
    def points(self) -> int:
        """Of all measurements."""
        return sum(extent.points for extent in self.extents.values())

    @property
    def values(self) -> int:
        """Of all measurements."""
        return sum(extent.values for extent in self.extents.values())


def helpings(points: Iterable[Point], done: float) -> Iterator[Helping]:
    """``points`` cut into helpings."""
    gathered: list[Point] = []
    for point in points:
        gathered.append(point)
        if len(gathered) == HELPING:
            yield Helping(gathered, done)
            gathered = []
    if gathered:
        yield Helping(gathered, done)
