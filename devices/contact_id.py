"""Contact ID: what an alarm unit's event codes mean, and the SIA codes that mean the same.

A code says what sort of thing happened; what exactly an alarm is (smoke, a door, a press) the registry knows by the
kind of the device in that zone, for units are programmed with whatever code was at hand.

Source: SIA DC-05-1999 (Ademco Contact ID), SIA DC-03-1990.01 (R2003.10).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Literal

Qualifier = Literal[1, 3, 6]
NEW: Qualifier = 1
RESTORE: Qualifier = 3
STILL: Qualifier = 6


class Sort(StrEnum):
    """What sort of thing a code tells of."""

    ALARM = "alarm"
    TAMPER = "tamper"
    FAULT = "fault"
    BATTERY = "battery"
    MAINS = "mains"
    MISSING = "missing"
    """The unit does not hear this zone any more; restored: it does."""
    CANCEL = "cancel"
    TEST = "test"
    OTHER = "other"
    """Opened, closed, bypassed, programmed: nobody is told, and the unit lives."""


@dataclass(frozen=True, slots=True)
class Signal:
    """One event of an alarm unit."""

    qualifier: Qualifier
    code: int
    partition: int
    zone: int
    """0: the unit itself, or nobody in particular. Of a person's doing (406, 401) the number of the user."""

    @property
    def sort(self) -> Sort:
        """What kind of thing happened, by its code."""
        return sort_of(self.code)

    def __str__(self) -> str:
        return f"{self.qualifier}{self.code:03d} {self.partition:02d} {self.zone:03d}"


_TAMPER = frozenset({137, 144, 145, 341, 383})
_MISSING = frozenset({147, 381, 382})
_BATTERY = frozenset({302, 309, 311, 338, 384})
_LATE_ALARMS = frozenset({641, 654})
"""Alarms among the tests: nobody moved, and a senior's watch."""


def sort_of(code: int) -> Sort:
    """What sort of thing a Contact ID code tells of."""
    if code in _TAMPER:
        return Sort.TAMPER
    if code in _MISSING:
        return Sort.MISSING
    if code in _BATTERY:
        return Sort.BATTERY
    if code == 301:
        return Sort.MAINS
    if 100 <= code < 200 or code in _LATE_ALARMS:
        return Sort.ALARM
    if 300 <= code < 400:
        return Sort.FAULT
    if code == 406:
        return Sort.CANCEL
    return Sort.TEST if 600 <= code < 616 else Sort.OTHER


_ALARM_KINDS: Mapping[int, str] = MappingProxyType(
    {
        **dict.fromkeys((100, 101, 102, 120, 121, 122, 123), "sos_button"),
        **dict.fromkeys((110, 111), "smoke"),
        **dict.fromkeys((112, 114), "heat"),
        151: "gas",
        154: "leak",
        113: "leak",
        162: "co",
        132: "motion",
        **dict.fromkeys((130, 131, 133, 134, 135, 136), "contact"),
    }
)


def kind_of(code: int) -> str | None:
    """The kind that a stranger who says this most probably is."""
    return _ALARM_KINDS.get(code)


_ADM = re.compile(r"(?:#?[0-9A-Za-z]{1,16}\|)?([136])([0-9]{3}) ([0-9]{2}) ([0-9]{3})")


def from_adm(data: str) -> Signal | None:
    """The event in the data of an ``ADM-CID`` frame: ``#1002|1602 00 001``. None where it is none."""
    found = _ADM.fullmatch(data.strip().removeprefix("|"))
    if found is None:
        return None
    qualifier: Qualifier = NEW if found[1] == "1" else RESTORE if found[1] == "3" else STILL
    return Signal(qualifier, int(found[2]), int(found[3]), int(found[4]))


_SIA: Mapping[str, tuple[Qualifier, int]] = MappingProxyType(
    {
        "MA": (NEW, 100), "MR": (RESTORE, 100), "MH": (RESTORE, 100),
        "QA": (NEW, 101), "QR": (RESTORE, 101), "QH": (RESTORE, 101),
        "FA": (NEW, 110), "FR": (RESTORE, 110), "FH": (RESTORE, 110),
        "KA": (NEW, 114), "KR": (RESTORE, 114), "KH": (RESTORE, 114),
        "PA": (NEW, 120), "PR": (RESTORE, 120), "PH": (RESTORE, 120),
        "HA": (NEW, 121), "HR": (RESTORE, 121), "HH": (RESTORE, 121),
        "BA": (NEW, 130), "BR": (RESTORE, 130), "BH": (RESTORE, 130),
        "UA": (NEW, 150), "UR": (RESTORE, 150), "UH": (RESTORE, 150),
        "GA": (NEW, 151), "GR": (RESTORE, 151), "GH": (RESTORE, 151),
        "WA": (NEW, 154), "WR": (RESTORE, 154), "WH": (RESTORE, 154),
        "ZA": (NEW, 159), "ZR": (RESTORE, 159), "ZH": (RESTORE, 159),
        "TA": (NEW, 383), "TR": (RESTORE, 383),
        "AT": (NEW, 301), "AR": (RESTORE, 301),
        "YT": (NEW, 302), "YR": (RESTORE, 302),
        "XT": (NEW, 384), "XR": (RESTORE, 384),
        "YC": (NEW, 350), "YK": (RESTORE, 350),
        "BS": (NEW, 147), "UY": (NEW, 381), "UJ": (RESTORE, 381), "BZ": (NEW, 381), "FZ": (NEW, 381),
        **dict.fromkeys(("BT", "FT", "GT", "KT", "MT", "PT", "QT", "HT", "UT", "WT", "ZT", "ET", "YX"), (NEW, 380)),
        **dict.fromkeys(("BJ", "FJ", "GJ", "KJ", "MJ", "PJ", "QJ", "HJ", "WJ", "ZJ", "ER", "YZ"), (RESTORE, 380)),
        "BC": (NEW, 406), "OC": (NEW, 406),
        "RX": (NEW, 601), "RP": (NEW, 602), "FX": (NEW, 604), "BX": (NEW, 601), "GX": (NEW, 601), "TS": (NEW, 607),
        "TE": (RESTORE, 607),
        **dict.fromkeys(("OP", "OA", "OG", "OR", "CL", "CA", "CG", "CF", "CI", "OK", "CK", "OT", "CT"), (NEW, 400)),
        **dict.fromkeys(("BB", "FB", "UB", "TB", "QB", "GB"), (NEW, 570)),
        **dict.fromkeys(("BU", "FU", "UU", "TU", "QU", "GU"), (RESTORE, 570)),
        **dict.fromkeys(("RR", "JT", "LB", "LX", "LS", "NL", "NA", "NS", "RB", "RS", "VX", "VR"), (NEW, 620)),
    }
)  # fmt: skip
"""SIA code → the Contact ID event that says the same."""

_BLOCK = re.compile(r"(?:#?[0-9A-Za-z]{1,16}\|)?\|?[NO]?(.*)", re.DOTALL)
_PIECE = re.compile(
    r"(?:ti[0-9:]{4,8}|id[0-9A-Za-z]{0,6}|pi[0-9]{0,4}|da[0-9-]{6,10}|ri(?P<area>[0-9]{1,4})|(?P<code>[A-Z]{2})(?P<zone>[0-9]{0,6}))/?"
)


def from_sia(data: str) -> tuple[list[Signal], list[str]]:
    """The events in the data of a ``SIA-DCS`` frame (``#123456|Nri0KR1^text^``), and the codes nobody knows."""
    found = _BLOCK.fullmatch(data.strip())
    signals: list[Signal] = []
    unknown: list[str] = []
    for area, code, zone in _pieces(found[1] if found is not None else ""):
        known = _SIA.get(code)
        if known is None:
            unknown.append(code)
        else:
            signals.append(Signal(known[0], known[1], area, zone))
    return signals, unknown


def _pieces(text: str) -> Iterator[tuple[int, str, int]]:
    at = area = 0
    behind_code = False
    while piece := _PIECE.match(text, at):
        if behind_code and text[at - 1] != "/":
            return  # what stands behind a code without a stroke is a name, not another code
        at, behind_code = piece.end(), bool(piece["code"])
        if piece["area"]:
            area = int(piece["area"])
        elif piece["code"]:
            yield area, piece["code"], int(piece["zone"] or 0)
