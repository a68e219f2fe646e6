"""Whose number is it: telephone numbers as people, networks and registries write them. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from gateway.registry.model import Person

_NOT_DIALLED = re.compile(r"[^0-9+]")


def plain_number(number: str) -> str:
    """A number in one form: ``+86 138-0000-0000``, ``0086 138…`` and ``138…`` are the same."""
    digits = _NOT_DIALLED.sub("", unicodedata.normalize("NFKC", number))
    for country in ("+86", "0086"):
        if digits.startswith(country) and len(digits) - len(country) >= 8:
            return digits[len(country) :].lstrip("0") if len(digits) - len(country) > 11 else digits[len(country) :]
    if digits.startswith("86") and len(digits) == 13:
        return digits[2:]
    return digits.lstrip("+")


def whose(people: Iterable[Person], sender: str) -> list[str]:
    """The people whose number or address this is, in the registry's order; several where they share a telephone."""
    number = plain_number(sender)
    return [
        person.id
        for person in people
        if any(address.to == sender for address in person.contacts)
        or (
            len(number) >= 5
            and number in {plain_number(one) for one in (person.phone, *(address.to for address in person.contacts))}
        )
    ]
