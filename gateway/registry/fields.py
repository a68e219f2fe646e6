"""What differs between two entries of a section, field by field, as plans and histories tell it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from gateway.alarms import Frozen
from gateway.registry.line import EmergencyLine
from gateway.registry.model import CommunityInfo
from gateway.registry.sections import MODELS

ADAPTERS: Mapping[str, TypeAdapter[Any]] = {
    **{section: TypeAdapter(model) for section, model in MODELS.items()},
    "community": TypeAdapter(CommunityInfo),
    "emergency_line": TypeAdapter(EmergencyLine),
}
"""How the body of an entry is read, by section."""


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field before and after; None where it was or will be absent."""

    field: str
    before: object
    after: object


def told(fields: Sequence[FieldChange]) -> dict[str, list[object]]:
    """Changed fields as the history keeps them."""
    return {field.field: [field.before, field.after] for field in fields}


def shown(value: object) -> str:
    """A field's value for people: as JSON, and a dash where it is absent."""
    return "—" if value is None else json.dumps(value, ensure_ascii=False)


def fields_between(section: str, before: Frozen, after: Frozen) -> tuple[FieldChange, ...]:
    """The fields that differ between two entries of a section."""
    return differing(section, before.model_dump_json(), after.model_dump_json())


def differing(section: str, before: str, after: str) -> tuple[FieldChange, ...]:
    """As `fields_between`, of two bodies. One of an older version gets today's defaults before it is compared."""
    old, new = (dict(_flat("", json.loads(_of_today(section, body)))) for body in (before, after))
    return tuple(
        FieldChange(name, old.get(name), new.get(name))
        for name in dict.fromkeys([*old, *new])
        if not _same(old.get(name), new.get(name))
    )


def _same(one: object, other: object) -> bool:
    """To Python 1.0 and True are equal; as attributes they are not."""
    return one == other and isinstance(one, bool) is isinstance(other, bool)


def _of_today(section: str, body: str) -> str:
    with suppress(ValidationError):  # what cannot be read any more is compared as it stands, and shows as changed
        return str(ADAPTERS[section].validate_json(body).model_dump_json())
    return body


def _flat(path: str, value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, dict):  # an empty one is as none: what is put into it is said by itself
        for key, inner in value.items():
            yield from _flat(f"{path}.{key}" if path else key, inner)
    elif isinstance(value, list) and any(isinstance(inner, dict | list) for inner in value):
        for index, inner in enumerate(value):
            yield from _flat(f"{path}[{index}]", inner)
    else:
        yield path, value
