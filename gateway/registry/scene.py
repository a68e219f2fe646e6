"""What a dispatcher asks about a scene and who is there: the registry's part of docs/emergency-card.md."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from gateway.registry.model import Person, Place, Resident


def address(way: Sequence[Place], language: str) -> str:
    """The address of a place, given with all it lies in, the nearest first: unbroken in Chinese, with commas in
    English, from the largest place to the door."""
    names = [node.name.in_language(language) for node in way if node.in_address]
    return (", " if language == "en" else "").join(reversed(names))


def scene(
    way: Sequence[Place], served: Resident | None, people: Mapping[str, Person], this_year: int
) -> dict[str, object]:
    """Whom it is about, where that is, how one gets there, and whom one can ring.

    ``way``: the place and all it lies in, the nearest first; empty where it is not known.
    """
    where = next((node for node in way if node.position is not None), None)
    return {
        "patient": None if served is None else _patient(served, people, this_year),
        "conscious": "unknown",
        "breathing": "unknown",
        "address": {"zh": address(way, "zh"), "en": address(way, "en")},
        "position": None
        if where is None or where.position is None
        else {**where.position.model_dump(), "of": where.name.zh},
        "access": "；".join(node.access for node in reversed(way) if node.access),
        "meet_at": next((node.meet_at for node in way if node.meet_at), ""),
        "phones": [] if served is None else list(_phones(served, people)),
    }


def _patient(served: Resident, people: Mapping[str, Person], this_year: int) -> dict[str, object]:
    doctor = people.get(served.doctor or "")
    return {
        "id": served.id,
        "name": served.name,
        "sex": served.sex,
        "age": None if served.birth_year is None else this_year - served.birth_year,
        "birth_year": served.birth_year,
        "conditions": list(served.conditions),
        "allergies": list(served.allergies),
        "doctor": None if doctor is None else {"name": doctor.name, "phone": doctor.phone},
    }


def _phones(served: Resident, people: Mapping[str, Person]) -> Iterator[dict[str, str]]:
    if served.phone:
        yield {"relation": "本人", "name": served.name, "phone": served.phone}
    for relative in served.family:
        person = people.get(relative.person)
        if person is not None and person.phone:
            yield {"relation": relative.relation, "name": person.name, "phone": person.phone}
