"""SCAIP (SS 91100): what an alarm unit asks (``mrq``) and what it is answered (``mrs``).

The codes are those of the standard as public implementations list them. Pure: bytes in, records out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Literal, cast
from xml.sax.saxutils import escape

from devices.gear.xmltext import xml_element
from devices.observation import Refusal

MEDIA_TYPES = ("application/scaip+xml", "application/xml", "text/xml")
"""The first is the standard's; units are seen to send the others."""
TEXT_MOST = 200

MessageType = Literal["ME", "RE", "IN", "PI"]
"""Alarm, reset, information, heartbeat."""
_TYPES = ("ME", "RE", "IN", "PI")
_CODE = re.compile(r"[0-9]{1,6}")
_ID = re.compile(r"[!-~]{1,64}")


class Answered(IntEnum):
    """``snu``: what the unit is told of its message."""

    OK = 0
    TOO_LONG = 1
    INVALID_FORMAT = 2
    WRONG_CONTENT = 3
    NOT_TREATED = 5
    """Nobody here can use it: the unit goes to its next receiver."""
    BUSY = 6
    """Not on disk: it comes again."""
    TAG_MISSING = 7


class Sort(StrEnum):
    """What a status code says, as far as it matters here."""

    ALARM = "alarm"
    RESTORED = "restored"
    CANCEL = "cancel"
    TAMPER = "tamper"
    BATTERY_LOW = "battery_low"
    BATTERY_OK = "battery_ok"
    MAINS_LOST = "mains_lost"
    MAINS_BACK = "mains_back"
    FAULT = "fault"
    FAULT_OVER = "fault_over"
    MISSING = "missing"
    BACK = "back"
    TEST = "test"
    OTHER = "other"


_SORTS: Mapping[str, Sort] = {
    **dict.fromkeys(("0002", "0019"), Sort.CANCEL),
    **dict.fromkeys(("0014", "0016"), Sort.BATTERY_LOW),
    **dict.fromkeys(("0015", "0020"), Sort.BATTERY_OK),
    **dict.fromkeys(("0021", "0070", "0092", "0093", "0094"), Sort.RESTORED),
    **dict.fromkeys(("0023", "0024", "0025", "0026", "0027", "0042", "0065", "0066", "0067", "0105"), Sort.FAULT),
    **dict.fromkeys(("0091", "0112", "0113", "0114", "0115", "0116"), Sort.FAULT_OVER),
    **dict.fromkeys(("0063", "0073", "0123"), Sort.MISSING),
    **dict.fromkeys(("0075", "0124"), Sort.BACK),
    "0085": Sort.MAINS_LOST,
    "0086": Sort.MAINS_BACK,
    **dict.fromkeys(("0102", "0103"), Sort.TEST),
    "0125": Sort.TAMPER,
    **dict.fromkeys(("0006", "0007", "0009", "0010", "0011", "0046", "0071", "0074", "0076", "0077"), Sort.ALARM),
    **dict.fromkeys(("0079", "0100", "0106", "0107", "0110", "0119", "0120", "0126"), Sort.ALARM),
}
FALL = "0005"
_KINDS: Mapping[str, str] = {
    **dict.fromkeys(("0003", "0004", FALL, "0006", "0007", "0027", "0030", "0046"), "sos_button"),
    **dict.fromkeys(("0010", "0018", "0028"), "motion"),
    **dict.fromkeys(("0014", "0015", "0029", "0036"), "contact"),
    "0021": "gas",
    **dict.fromkeys(("0023", "0047"), "smoke"),
    "0025": "heat",
    "0026": "co",
    **dict.fromkeys(("0033", "0034"), "leak"),
}
PLACES: Mapping[str, str] = {
    "002": "home",
    "010": "basement",
    "011": "bathroom",
    "012": "bedroom",
    "013": "dining room",
    "015": "garage",
    "016": "garden",
    "021": "kitchen",
    "025": "stairs",
    "038": "door",
    "039": "front door",
    "040": "back door",
    "042": "hallway",
    "043": "living room",
    "044": "apartment",
    "049": "room",
}
"""``lco``: where, in the words of the standard; the others go by their numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One ``mrq``."""

    ref: str
    cid: str
    """The controller: the alarm unit itself."""
    dty: str
    """Type of the device, four digits."""
    mty: MessageType
    did: str
    """The device that speaks; empty: the controller itself."""
    stc: str
    """Status, four digits; empty where there is none."""
    pri: int
    lco: str
    texts: Mapping[str, str]
    """``dte stt lte lva ite crd``, as far as they are there."""

    @property
    def part(self) -> str:
        """Which of the unit's devices: by its id, else by its type."""
        return self.did or self.dty

    @property
    def sort(self) -> Sort:
        """What is unknown is an alarm where the unit says that it is one."""
        if self.mty == "RE":
            return Sort.CANCEL if _SORTS.get(self.stc) is Sort.CANCEL else Sort.RESTORED
        if self.mty == "PI":
            return Sort.OTHER
        return _SORTS.get(self.stc, Sort.ALARM if self.mty == "ME" else Sort.OTHER)

    @property
    def kind(self) -> str | None:
        """The kind that the device most probably is."""
        return _KINDS.get(self.dty)


def read(payload: bytes) -> Asked:
    """The ``mrq`` in ``payload``. Raises Refusal, with the unit as its device where that could be read."""
    root = xml_element(payload, "mrq")
    if root.name != "mrq":
        raise Refusal("malformed", field="mrq", expected="an element mrq", hint=f"got {root.name[:40]}")
    said: dict[str, str] = {}
    for child in root.children:
        if child.name in said:
            raise _wrong(root.said("cid"), child.name, "malformed", "the element once", "it stands there again")
        said[child.name] = child.text
    cid = said.get("cid", "")
    for name in ("cid", "dty"):
        if not said.get(name):
            raise _wrong(cid, name, "missing", f"an element {name}", "the standard wants it in every message")
    if not _ID.fullmatch(cid) or "#" in cid:
        raise _wrong("", "cid", "out_of_range", "1 to 64 printable characters without #", f"got {cid[:40]!r}")
    did = said.get("did", "")
    if did and (not _ID.fullmatch(did) or "#" in did):
        raise _wrong(cid, "did", "out_of_range", "1 to 64 printable characters without #", f"got {did[:40]!r}")
    mty = said.get("mty") or "ME"
    if mty not in _TYPES:
        raise _wrong(cid, "mty", "out_of_range", f"one of {', '.join(_TYPES)}", f"got {mty[:40]!r}")
    priority = said.get("pri") or "0"
    if len(priority) != 1 or not priority.isascii() or not priority.isdigit():
        raise _wrong(cid, "pri", "out_of_range", "0 to 9", f"got {priority[:40]!r}")
    return Asked(
        ref=said.get("ref", "")[:TEXT_MOST],
        cid=cid,
        dty=_code(said, cid, "dty").zfill(4),
        mty=cast(MessageType, mty),
        did=did,
        stc=code.zfill(4) if (code := _code(said, cid, "stc")) else "",
        pri=int(priority),
        lco=code.zfill(3) if (code := _code(said, cid, "lco")) else "",
        texts={name: said[name][:TEXT_MOST] for name in ("dte", "stt", "lte", "lva", "ite", "crd") if said.get(name)},
    )


def reference_in(payload: bytes) -> str:
    """``ref`` of a message that cannot be used otherwise, so that its answer can name it; empty where there is none."""
    found = re.search(rb"<ref>\s*([A-Za-z0-9._:@+-]{1,200})\s*</ref>", payload[:4096])
    return found[1].decode("ascii") if found else ""


def status_of(refusal: Refusal) -> Answered:
    """What a unit is told whose message was refused."""
    return {
        "oversize": Answered.TOO_LONG,
        "malformed": Answered.INVALID_FORMAT,
        "missing": Answered.TAG_MISSING,
        "out_of_range": Answered.WRONG_CONTENT,
    }.get(refusal.reason, Answered.NOT_TREATED)


def answer(ref: str, status: Answered, text: str = "") -> bytes:
    """The ``mrs``. No voice call follows: people call back."""
    said = f"<ste>{escape(text[:TEXT_MOST])}</ste>" if text else ""
    body = f"<ref>{escape(ref)}</ref><snu>{int(status)}</snu>{said}<mre>0</mre>"
    return f'<?xml version="1.0" encoding="UTF-8"?><mrs>{body}</mrs>'.encode()


def _code(said: Mapping[str, str], cid: str, name: str) -> str:
    code = said.get(name, "")
    if code and not _CODE.fullmatch(code):
        raise _wrong(cid, name, "out_of_range", "a number of the standard's table", f"got {code[:40]!r}")
    return code


def _wrong(cid: str, field: str, reason: str, expected: str, hint: str) -> Refusal:
    device = cid if _ID.fullmatch(cid) else ""
    return Refusal(reason, field=field, expected=expected, hint=hint, device=device)
