"""Finding a place by typing: its address, its id, or who lives there. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.registry.directory import CommunityDirectory

SHOWN = 12


@dataclass(frozen=True, slots=True)
class Found:
    """A place as it is offered."""

    id: str
    path: str
    lives: tuple[str, ...]
    """Who lives there."""


def find_places(directory: CommunityDirectory, query: str, limit: int = SHOWN) -> list[Found]:
    """The places that every word of ``query`` is part of; the smallest and shortest first, and an id that is meant."""
    words = query.lower().split()
    if not words:
        return []
    lives: dict[str, list[str]] = {}
    for resident in directory.community.residents:
        lives.setdefault(resident.home, []).append(resident.name)
    found: list[tuple[tuple[bool, bool, int, str], Found]] = []
    parents = {place.parent for place in directory.community.places}
    for place in directory.community.places:
        one = Found(place.id, directory.place_path(place.id, "zh") or place.name.zh, tuple(lives.get(place.id, ())))
        text = " ".join((place.id, one.path, directory.place_path(place.id, "en"), *one.lives)).lower()
        if all(word in text for word in words):
            meant = query.strip().lower() != place.id.lower()
            found.append(((meant, place.id in parents, len(one.path), place.id), one))
    return [one for _, one in sorted(found, key=lambda pair: pair[0])[:limit]]
