"""Whom a case is about and where that is: by the registry of now, or as it was when the case opened.

A home, a resident or a device may be taken out of the registry while a case about it is open. What helpers and the 120
centre need must not go with it, so the case keeps it until it is over; then it is forgotten (docs/data-rights.md). What
the registry still knows, it knows better. Pure.
"""

from __future__ import annotations

from typing import Any, Literal

from gateway.cases.directory import Directory
from gateway.cases.model import Case, Scene

_OF_PLACE = ("address", "position", "access", "meet_at")
_OF_RESIDENT = ("patient", "phones")
"""What the emergency card says of either (docs/emergency-card.md)."""


def kept(case: Case, directory: Directory, now_ms: int) -> Scene | None:
    """What the case has to keep after a step; None once it is over."""
    if not case.open:
        return None
    return _own(case) or Scene(
        place=case.place,
        resident=case.resident,
        path=(directory.place_path(case.place, "zh"), directory.place_path(case.place, "en")),
        device_name=(directory.device_name(case.device, "zh"), directory.device_name(case.device, "en")),
        resident_name=directory.resident_name(case.resident),
        phone=directory.numbers(case.resident)[0],
        # Only for life safety a line may be called: of other work nobody's health and keys are kept.
        card=_parts(_asked(case, directory, now_ms)) if case.ladder.life_safety else {},
    )


def place_path(case: Case, directory: Directory, language: str) -> str:
    """The address in words, from the largest place down to the door."""
    own = _own(case)
    if own is None or not _removed(directory, "place", case.place):
        return directory.place_path(case.place, language)
    return own.path[1 if language == "en" else 0]


def device_name(case: Case, directory: Directory, language: str) -> str:
    """What people call the device whose alarm opened the case."""
    own = _own(case)
    if own is None or not _removed(directory, "device", case.device):
        return directory.device_name(case.device, language)
    return own.device_name[1 if language == "en" else 0]


def resident_name(case: Case, directory: Directory) -> str:
    """The resident's name; empty where it is about nobody."""
    own = _own(case)
    if own is None or not _removed(directory, "resident", case.resident):
        return directory.resident_name(case.resident)
    return own.resident_name


def numbers(case: Case, directory: Directory) -> tuple[str, str]:
    """The resident's telephone and the control room's; empty strings where they are not known."""
    own, (phone, desk) = _own(case), directory.numbers(case.resident)
    return (own.phone if own is not None and _removed(directory, "resident", case.resident) else phone), desk


def emergency_card(case: Case, directory: Directory, complaint: str, now_ms: int) -> dict[str, object]:
    """The registry's part of the EmergencyCard, with ``complaint``: what the centre hears first."""
    own, card = _own(case), _asked(case, directory, now_ms, complaint)
    if own is None:
        return card
    no_resident = _removed(directory, "resident", case.resident)
    no_place = _removed(directory, "place", case.place) or (case.place is None and no_resident)
    keys = (*(_OF_PLACE if no_place else ()), *(_OF_RESIDENT if no_resident else ()))
    return card | {key: value for key, value in own.card.items() if key in keys}


def _own(case: Case) -> Scene | None:
    """What the case keeps, where that is of whom and where it is about."""
    own = case.scene
    return own if own is not None and (own.place, own.resident) == (case.place, case.resident) else None


def _asked(case: Case, directory: Directory, now_ms: int, complaint: str = "") -> dict[str, object]:
    return directory.emergency_card(
        case_number=case.number,
        complaint=complaint,
        place=case.place,
        resident=case.resident,
        source=device_name(case, directory, "zh"),
        at_ms=now_ms,
    )


def _parts(card: dict[str, object]) -> dict[str, Any]:
    return {key: value for key, value in card.items() if key in (*_OF_PLACE, *_OF_RESIDENT)}


def _removed(directory: Directory, section: Literal["place", "resident", "device"], id_: str | None) -> bool:
    return id_ is not None and not directory.knows(section, id_)
