"""The nearest of many points on the Earth: a k-d tree over unit vectors, so that no meridian and no pole is special."""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from typing import NamedTuple

from gateway.registry.geo import Point

Vector = tuple[float, float, float]


class _Node(NamedTuple):
    at: Vector
    key: str
    below: _Node | None
    above: _Node | None


def vector(at: Point) -> Vector:
    """The point on the unit sphere: the straight line between two of these grows as their distance does."""
    lat, lon = math.radians(at.lat), math.radians(at.lon)
    return math.cos(lat) * math.cos(lon), math.cos(lat) * math.sin(lon), math.sin(lat)


class NearestIndex:
    """Built once, asked often: a look-up costs microseconds, not a walk through all points."""

    def __init__(self, points: Sequence[tuple[str, Point]]) -> None:
        """``points`` by their keys. Of several at one spot the smallest key counts as nearer."""
        self._root = _tree([(vector(at), key) for key, at in points], 0)

    def nearest(self, at: Point, count: int) -> list[str]:
        """Keys of the ``count`` nearest points, the nearest first."""
        best: list[tuple[float, _Reversed]] = []  # the farthest on top
        _search(self._root, vector(at), 0, count, best)
        return [one.key for _, one in sorted(best, key=lambda pair: (-pair[0], pair[1].key))]


class _Reversed(NamedTuple):
    """Orders keys backwards: the heap has its worst on top, and of two at one spot the greater key is the worse."""

    key: str

    def __lt__(self, other: tuple[object, ...]) -> bool:
        return self.key > str(other[0])


def _tree(points: list[tuple[Vector, str]], axis: int) -> _Node | None:
    if not points:
        return None
    points.sort(key=lambda one: (one[0][axis], one[1]))
    middle = len(points) // 2
    at, key = points[middle]
    after = (axis + 1) % 3
    return _Node(at, key, _tree(points[:middle], after), _tree(points[middle + 1 :], after))


def _search(node: _Node | None, at: Vector, axis: int, count: int, best: list[tuple[float, _Reversed]]) -> None:
    if node is None:
        return
    square = sum((one - other) ** 2 for one, other in zip(at, node.at, strict=True))
    entry = (-square, _Reversed(node.key))
    if len(best) < count:
        heapq.heappush(best, entry)
    elif best[0] < entry:
        heapq.heapreplace(best, entry)
    off = at[axis] - node.at[axis]
    near, far = (node.below, node.above) if off < 0 else (node.above, node.below)
    after = (axis + 1) % 3
    _search(near, at, after, count, best)
    if len(best) < count or off * off <= -best[0][0]:
        _search(far, at, after, count, best)
