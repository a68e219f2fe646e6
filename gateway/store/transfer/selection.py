"""Which points somebody asked for: a range, measurements, devices, or all that is one resident's. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from gateway.store.points import LAST_MS
from gateway.store.protocol import Point

MS = 1_000_000
"""Nanoseconds in a millisecond."""
END_MS = LAST_MS + 1


class Span(NamedTuple):
    """A stretch of a device's life: ``start_ms <= t < end_ms``."""

    device: str
    start_ms: int
    end_ms: int


class Served(NamedTuple):
    """Whom a device served from then on, until the next entry: a resident's id, ``""`` for nobody, None where it is not
    known any more."""

    from_ms: int
    resident: str | None


class Serving:
    """Whom each device served when, by the registry and its history. A device that it does not know served nobody
    knows whom."""

    def __init__(self, lives: Mapping[str, Sequence[Served]]) -> None:
        """``lives``: by device, in the order of time, the first from 0."""
        self._lives = lives

    def at(self, device: str, at_ms: int) -> str | None:
        """Whom ``device`` served; ``""`` for nobody, None where it is not known."""
        found: str | None = None
        for served in self._lives.get(device, ()):
            if served.from_ms > at_ms:
                break
            found = served.resident
        return found

    def spans(self, device: str, residents: Iterable[str | None]) -> list[Span]:
        """When ``device`` served one of ``residents``; of a device that is not known all of time, for None."""
        wanted = set(residents)
        life = self._lives.get(device) or (Served(0, None),)
        ends = [served.from_ms for served in life[1:]] + [END_MS]
        found: list[Span] = []
        for served, end_ms in zip(life, ends, strict=True):
            if served.resident not in wanted or served.from_ms >= end_ms:
                continue
            if found and found[-1].end_ms == served.from_ms:
                found[-1] = found[-1]._replace(end_ms=end_ms)
            else:
                found.append(Span(device, served.from_ms, end_ms))
        return found

    def life(self, device: str) -> Sequence[Served]:
        """Whom ``device`` served, in the order of time; empty for one that is not known."""
        return self._lives.get(device, ())

    def devices_of(self, resident: str) -> list[str]:
        """All devices that ever served ``resident``, sorted."""
        return sorted(d for d, life in self._lives.items() if any(one.resident == resident for one in life))


NOBODY_KNOWS = Serving({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What is asked for. All that is given must hold."""

    start_ms: int = 0
    end_ms: int = END_MS
    """``start_ms <= t < end_ms``."""
    measurements: frozenset[str] = frozenset()
    """Empty: all."""
    devices: frozenset[str] = frozenset()
    """Empty: all, and what is of no device."""
    resident: str = ""
    """Only what is this resident's: read by devices while they served them, or kept under their id."""
    without: bool = False
    """Everything but what is ``resident``'s."""
    serving: Serving = field(default=NOBODY_KNOWS, compare=False)

    def takes(self, point: Point) -> bool:
        """Whether ``point`` is asked for."""
        device = point.tags.get("device", "")
        return (
            self.start_ms * MS <= point.at_ns < self.end_ms * MS
            and (not self.measurements or point.measurement in self.measurements)
            and (not self.devices or device in self.devices)
            and (not self.resident or (self.owner(point) == self.resident) is not self.without)
        )

    def owner(self, point: Point) -> str:
        """Whose ``point`` is. What the registry knows goes before the stamp: a reading that came late bears the stamp
        of whom the device serves by now."""
        device = point.tags.get("device", "")
        known = self.serving.at(device, point.at_ns // MS) if device else None
        return known or point.tags.get("resident", "")

    def certain(self, device: str) -> list[Span]:
        """When all that ``device`` said is the resident's, within the range."""
        return self._within(self.serving.spans(device, [self.resident]))

    def if_stamped(self, device: str) -> list[Span]:
        """When what ``device`` said is the resident's if it bears their id, within the range."""
        return self._within(self.serving.spans(device, ["", None]))

    def _within(self, spans: Iterable[Span]) -> list[Span]:
        cut = (
            span._replace(start_ms=max(span.start_ms, self.start_ms), end_ms=min(span.end_ms, self.end_ms))
            for span in spans
        )
        return [span for span in cut if span.start_ms < span.end_ms]
