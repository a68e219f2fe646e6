"""The form of what the telemetry store holds: stamps that say where a reading was taken, and the rows of its schema.

The rows themselves, every measurement there is, are in `devices.measurements`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple


class Stamps(NamedTuple):
    """Where a device is and whom it serves, as ids, at the time its reading is written; empty where there is none.

    They are functions of the device, so as tags they add no series, except when a device moves.
    """

    community: str = ""
    grid: str = ""
    """网格: the part of the community that one grid worker looks after."""
    building: str = ""
    place: str = ""
    """The device's own place: a home, a door, a pole."""
    resident: str = ""


NOWHERE = Stamps()
"""Of a device that the registry does not know (any more)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """A word by which points are found and grouped. Each combination of tags is a series, so each tag is bounded."""

    key: str
    zh: str
    en: str
    of: str = ""
    """The tag that this one follows from (``grid`` from ``building``): it makes no series of its own."""
    bound: str
    """What bounds its values, in English."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A value of a point: a number with its unit, or text."""

    key: str
    unit: str
    """UCUM code (``s``, ``%``, ``km/h``; ``1`` for counts, shares and yes/no); empty for text."""
    zh: str
    en: str

    @property
    def text(self) -> bool:
        """Whether it holds text, and so has no unit."""
        return not self.unit


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One table of the store."""

    key: str
    zh: str
    en: str
    time: str
    """What the time of a point is, in English."""
    tags: tuple[Tag, ...]
    fields: tuple[Field, ...]
    kept_days: int
    """In the embedded store."""
    personal: bool = False
    """Says something about one resident's body or habits."""

    @property
    def own_tags(self) -> tuple[Tag, ...]:
        """Those that make series: none of them follows from another."""
        return tuple(tag for tag in self.tags if not tag.of)

    def field(self, key: str) -> Field | None:
        """The field with this key; None where there is none."""
        return next((field for field in self.fields if field.key == key), None)


def faults(measurement: Measurement, tags: Mapping[str, str], fields: Mapping[str, float | str]) -> list[str]:
    """How a point differs from the schema; empty where it conforms."""
    known = {tag.key for tag in measurement.tags}
    found = [
        f"{measurement.key}: tag {key} is not in the schema"
        for key, value in tags.items()
        if value and key not in known
    ]
    for key, value in fields.items():
        field = measurement.field(key)
        if field is None:
            found.append(f"{measurement.key}: field {key} is not in the schema")
        elif field.text is not isinstance(value, str):
            found.append(
                f"{measurement.key}: field {key} is {value!r}, expected {'text' if field.text else 'a number'}"
            )
    return found
