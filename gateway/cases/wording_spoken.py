"""What is said aloud in a call: short enough for one breath, the same facts as on paper, the drill mark first.

A voice reads figures as quantities: "1201" becomes one thousand two hundred and one. Rooms, telephone numbers and case
numbers are therefore put into single digits here, before any machine speaks them.
"""

from __future__ import annotations

import re

from gateway.cases import wording
from gateway.cases.directory import Directory
from gateway.cases.effects import Purpose, Spoken
from gateway.cases.model import Case

MOST = {"zh": 60, "en": 210}
"""Characters of one saying. At the pace of a telephone voice (4 Chinese characters, 14 Latin letters a second) that is
15 seconds."""

_DRILL = {"zh": "演练，演练。", "en": "This is a drill, a drill. "}
_OPENINGS: dict[Purpose, tuple[str, str]] = {
    Purpose.ALARM: ("{type}，{who}。", "{type}, {who}. "),
    Purpose.REMINDER: ("仍无人处理。{type}，{who}。", "Nobody has taken it yet. {type}, {who}. "),
    Purpose.CANCELLED: ("已取消。{type}，{who}。", "Cancelled. {type}, {who}. "),
    Purpose.TAKEN: ("已有人受理。{type}，{who}。", "Somebody has taken it. {type}, {who}. "),
    Purpose.ARRIVED: ("已有人到场。{type}，{who}。", "Somebody is there. {type}, {who}. "),
    Purpose.RESOLVED: ("处置完成。{type}，{who}。", "Resolved. {type}, {who}. "),
    Purpose.OWNER_SILENT: ("受理后无进展。{type}，{who}。", "No progress since you took it. {type}, {who}. "),
    Purpose.CANCEL_CLAIM: ("本人称误按，请核实。{who}。", "Said to be a mistake, please verify. {who}. "),
    Purpose.LINE_FAILED: ("一二零未接通，请立即拨打一二零。{who}。", "1 2 0 was not reached. Dial 1 2 0 now. {who}. "),
    Purpose.LINE_SOON: ("即将呼叫急救。{type}，{who}。", "Emergency services are called in a moment. {type}, {who}. "),
    Purpose.LINE_STAGE: ("急救进展。{who}。", "News of the ambulance. {who}. "),
    Purpose.COMING: ("亲友正在赶来。{type}，{who}。", "Family or a neighbour is coming. {type}, {who}. "),
    Purpose.RUNG_EMPTY: ("升级步骤无人。{type}，{who}。", "A step of the ladder has nobody. {type}, {who}. "),
    Purpose.LINE_IS_DRILL: ("请立即拨打一二零。{type}，{who}。", "Dial 1 2 0 now. {type}, {who}. "),
    Purpose.ACTION_FAILED: (
        "自动操作未完成，请到现场处理。{who}。",
        "Automatic action not done, do it there. {who}. ",
    ),
    Purpose.ACTION_DONE: ("自动操作已完成。{who}。", "Automatic action done after all. {who}. "),
}
_LONG_NUMBER = re.compile(r"\d(?:[\d\- ]*\d)?")
_ZH_DIGITS = str.maketrans("0123456789", "零幺二三四五六七八九")


def spoken(
    case: Case,
    purpose: Purpose,
    directory: Directory,
    *,
    language: str,
    detail: tuple[str, str] = ("", ""),
    drill: bool = False,
) -> Spoken | None:
    """The saying for ``purpose`` in one language (a call has no time for two); None where nothing is said aloud.

    Who it is about and where come whole; the rule's own words only as far as there is time.
    """
    if purpose not in _OPENINGS:
        return None
    english = language == "en"
    place = _short(directory.place_path(case.place, language), english)
    who = directory.resident_name(case.resident) or place or directory.device_name(case.device, language)
    kind = wording.types(case)[1 if english else 0]
    begin = _OPENINGS[purpose][1 if english else 0].format(type=kind, who=who)
    parts = [_DRILL["en" if english else "zh"] if drill else "", begin]
    if place and place != who:
        parts.append(f"At {place}. " if english else f"地点，{place}。")
    stop = ". " if english else "。"
    extra = [detail[1 if english else 0], *(words[1 if english else 0] for words in case.said[:1])]
    text = "".join(parts)
    most = MOST["en" if english else "zh"]
    for more in extra:
        if more and len(speakable(text + more, language)) <= most:
            text += more.rstrip("。. ") + stop
    return Spoken(text=speakable(text, language).strip(), language="en" if english else "zh")


def speakable(text: str, language: str) -> str:
    """``text`` with its figures as they are said: of three digits and more one by one, 1 as 幺 in Chinese."""

    def one_by_one(found: re.Match[str]) -> str:
        digits = re.sub(r"\D", "", found[0])
        if len(digits) < 3:
            return found[0]
        return " ".join(digits) if language == "en" else digits.translate(_ZH_DIGITS)

    text = re.sub(r"[【】「」\[\]()（）·|*_#<>]+", " ", text)
    return re.sub(r"[ \t\n]+", " ", _LONG_NUMBER.sub(one_by_one, text))


def _short(path: str, english: bool) -> str:
    """The end of an address: whoever is called knows the district."""
    if english:
        return ", ".join(path.split(", ")[-3:])[-60:].lstrip(", ")
    return path[-18:]
