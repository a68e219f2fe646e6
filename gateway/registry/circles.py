"""Where things lie in each other, or carry each other, in a circle."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping


def circles(ids: Iterable[str], above: Mapping[str, str | None]) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Each circle once, with the position of the first of ``ids`` that leads into it: ``(0, ("a", "b", "a"))``."""
    safe: set[str] = set()
    told: set[str] = set()
    for index, id_ in enumerate(ids):
        way: dict[str, None] = {}  # in order, and known at a glance
        here: str | None = id_
        while here is not None and here not in safe and here not in way:
            way[here] = None
            here = above.get(here)
        if here is not None and here in way and told.isdisjoint(way):
            steps = list(way)
            yield index, (*steps[steps.index(here) :], here)
            told.update(way)
        safe.update(way)  # in place: with |= and a view of keys all of it would be copied every time
