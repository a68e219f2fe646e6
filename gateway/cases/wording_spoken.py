"""What is said aloud in a call: the title of the message, where, and what else fits into 15 seconds, in one language.

A voice reads figures as quantities: "1201" becomes one thousand two hundred and one. Rooms, telephone numbers and case
numbers are therefore put into single digits here, before any machine speaks them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

from gateway.cases.effects import Spoken

MOST = {"zh": 60, "en": 210}
"""Characters of one saying. At the pace of a telephone voice (4 Chinese characters, 14 Latin letters a second) that is
15 seconds."""

_LONG_NUMBER = re.compile(r"\d(?:[\d\- ]*\d)?")
_ZH_DIGITS = str.maketrans("0123456789", "零幺二三四五六七八九")


def spoken(title: str, place: str, more: Iterable[str] = (), *, language: Literal["zh", "en"]) -> Spoken:
    """The saying of a message: its title whole (a drill mark stands in front there), the end of the address, and of
    ``more`` what there is time for."""
    english = language == "en"
    where = ", ".join(place.split(", ")[-3:])[-60:].lstrip(", ") if english else place[-18:]
    text = _sentence(title, english)
    if where and where not in title:
        text += _sentence(f"At {where}" if english else f"地点，{where}", english)
    for sentence in more:
        longer = text + _sentence(sentence, english)
        if sentence and len(speakable(longer, language)) <= MOST[language]:
            text = longer
    return Spoken(text=speakable(text, language).strip()[: MOST[language]], language=language)


def _sentence(text: str, english: bool) -> str:
    return text.strip().rstrip("。.!！ ") + (". " if english else "。")


def speakable(text: str, language: str) -> str:
    """``text`` with its figures as they are said: of three digits and more one by one, 1 as 幺 in Chinese."""

    def one_by_one(found: re.Match[str]) -> str:
        digits = re.sub(r"\D", "", found[0])
        if len(digits) < 3:
            return found[0]
        return " ".join(digits) if language == "en" else digits.translate(_ZH_DIGITS)

    pause = ", " if language == "en" else "，"
    text = re.sub(r"\s*[】」\])）·|]+\s*", pause, re.sub(r"[【「\[(（*_#<>]+", " ", text))
    text = re.sub(r"[，, ]*([。.])", r"\1", text)
    return re.sub(r"[ \t\n]+", " ", _LONG_NUMBER.sub(one_by_one, text))
