"""A case as a CAP 1.2 message (urn:oasis:names:tc:emergency:cap:1.2). Pure.

One identifier for each revision of a case: the first is an Alert, the following are Updates, the end is a Cancel where
it was a mistake and an Update with AllClear where the work is done; each refers to those before it. An exercise is
``Exercise``: there is no way from a document that is not ``actual`` to any other status.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

from gateway.alarms import ALARM_TYPES
from gateway.cases.document import CaseDocument, Words

NAMESPACE = "urn:oasis:names:tc:emergency:cap:1.2"
CONTENT_TYPE = "application/cap+xml"
RADIUS_KM = {True: 0.05, False: 0.3}
"""Of the circle around the scene: where its own coordinates are known, and where only those of a larger place are."""
EXPIRES_MS = 24 * 3_600_000
REFERENCES_MOST = 60
_CATEGORIES = {
    "Fire": ("smoke", "heat", "bin_fire"),
    "CBRNE": ("gas", "co"),
    "Health": ("medical", "vitals_critical", "vitals_abnormal", "health_trend", "medication_missed"),
    "Rescue": ("personal_emergency", "fall", "inactivity", "no_return", "night_wandering", "bed_left"),
    "Security": ("intrusion", "tamper", "door_open", "window_open"),
    "Transport": ("traffic_congestion", "traffic_incident", "wrong_way"),
    "Infra": ("water_leak", "valve_fault", "power_lost", "path_lost", "device_silent", "device_fault"),
    "Env": ("bin_full", "bin_hot"),
}
_CATEGORY = {type_: category for category, types in _CATEGORIES.items() for type_ in types if type_ in ALARM_TYPES}
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def sender(document: CaseDocument) -> str:
    """Who says it, as CAP's ``sender``: the same for every message of a community."""
    return f"anju.{document.community}"


def identifier(document: CaseDocument, revision: int | None = None) -> str:
    """CAP's ``identifier`` of a case's message: of its latest revision, unless another one is named."""
    return f"{document.id}.{document.revision if revision is None else revision}"


def cap_xml(document: CaseDocument, *, to: str = "") -> str:
    """The message. ``to``: the system it is for; empty: for whoever may read it, which is said in its restriction."""
    actual = document.status == "actual"
    root = ElementTree.Element("alert", {"xmlns": NAMESPACE})
    _add(root, "identifier", identifier(document))
    _add(root, "sender", sender(document))
    _add(root, "sent", _time(document, document.revisions_ms[-1]))
    _add(root, "status", "Actual" if actual else "Exercise")
    _add(root, "msgType", _message_type(document))
    _add(root, "source", f"Anju {document.community_name.en}")
    _add(root, "scope", "Private" if to else "Restricted")
    if to:
        _add(root, "addresses", _quoted(to))
    else:
        _add(root, "restriction", "for holders of a token of this gateway")
    if document.mark:
        _add(root, "note", f"{document.mark} exercise: nothing is to be done in earnest")
    if document.revision > 1:
        earlier = list(enumerate(document.revisions_ms[:-1], 1))[-REFERENCES_MOST:]
        references = (f"{sender(document)},{identifier(document, n)},{_time(document, ms)}" for n, ms in earlier)
        _add(root, "references", " ".join(references))
    _add(root, "incidents", _quoted(document.number))
    _info(root, document, "zh-CN")
    _info(root, document, "en-US")
    body = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}\n'


def _message_type(document: CaseDocument) -> str:
    if document.event == "cancelled":
        return "Cancel" if document.revision > 1 else "Alert"
    return "Alert" if document.revision == 1 else "Update"


def _info(root: ElementTree.Element, document: CaseDocument, language: str) -> None:
    chinese = language == "zh-CN"

    def word(words: Words) -> str:
        return words.zh if chinese else words.en

    mark = "" if not document.mark else f"【{document.mark}】" if chinese else "[EXERCISE] "
    over = document.event in ("closed", "cancelled")
    info = ElementTree.SubElement(root, "info")
    _add(info, "language", language)
    _add(info, "category", _CATEGORY.get(document.type, "Safety" if document.life_safety else "Other"))
    _add(info, "event", f"{mark}{word(document.name)}")
    _add(info, "responseType", "AllClear" if over else "Assess" if document.severity != "notice" else "Monitor")
    _add(info, "urgency", "Past" if over else document.urgency)
    _add(info, "severity", document.cap_severity)
    _add(info, "certainty", document.certainty)
    if document.contact_id is not None:
        _pair(info, "eventCode", "SIA-DC-05", f"{document.contact_id}")
    sent_ms = document.revisions_ms[-1]
    _add(info, "effective", _time(document, sent_ms))
    if "triggered" in document.times:
        _add(info, "onset", _time(document, document.times["triggered"]))
    _add(info, "expires", _time(document, sent_ms + EXPIRES_MS))
    _add(info, "senderName", word(document.community_name))
    between = "：" if chinese else ": "
    where = word(document.address) or word(document.community_name)
    _add(info, "headline", f"{mark}{word(document.name)}{between}{where}")
    _add(info, "description", _description(document, mark, chinese))
    if document.call_back:
        _add(info, "contact", document.call_back)
    _pair(info, "parameter", "case", document.number)
    _pair(info, "parameter", "revision", f"{document.revision}")
    _pair(info, "parameter", "stage", document.stage)
    _pair(info, "parameter", "type", document.type)
    if document.contact_id is not None:
        _pair(info, "parameter", "contact_id", f"{document.contact_id}")
    if document.pole:
        _pair(info, "parameter", "pole", document.pole)
    area = ElementTree.SubElement(info, "area")
    _add(area, "areaDesc", where)
    if document.spot is not None:
        spot = document.spot
        _add(area, "circle", f"{spot.lat:.6f},{spot.lon:.6f} {RADIUS_KM[spot.exact]:g}")


def _description(document: CaseDocument, mark: str, chinese: bool) -> str:
    said = [words.zh if chinese else words.en for words in document.said]
    lines = [f"{mark}{document.stage_name.zh if chinese else document.stage_name.en}", *said]
    lines += [text for text in (document.text, "" if said else document.explanation) if text]
    if document.resident is not None:
        lines.append(f"{document.resident.name} {document.resident.phone}".strip())
    return "\n".join(lines)


def _time(document: CaseDocument, at_ms: int) -> str:
    """As CAP wants it: with the offset, and of UTC as ``-00:00``."""
    local = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(ZoneInfo(document.timezone))
    text = local.isoformat(timespec="seconds")
    return f"{text[:-6]}-00:00" if text.endswith("+00:00") else text


def _quoted(text: str) -> str:
    """One entry of a list in which blanks stand between entries."""
    return f'"{text}"' if " " in text else text


def _pair(parent: ElementTree.Element, name: str, key: str, value: str) -> None:
    pair = ElementTree.SubElement(parent, name)
    _add(pair, "valueName", key)
    _add(pair, "value", value)


def _add(parent: ElementTree.Element, name: str, text: str) -> None:
    ElementTree.SubElement(parent, name).text = _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
