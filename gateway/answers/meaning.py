"""What a reply means: "1", "1 4711", "收到", "马上到", "误报，按错了". Pure.

What is not certainly an answer is none: it is asked back, for a wrong guess takes help away from somebody. So words are
taken whole, with the small words around them; a question or a "not" in them makes them no answer.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from enum import StrEnum

from gateway.alarms import Frozen


class Answer(StrEnum):
    """What a person can answer to a message, on whatever way."""

    ACCEPT = "accept"
    """我来处理: I take it."""
    PASS_ON = "pass_on"
    """转给下一位: I cannot, tell the next one now."""
    COMING = "coming"
    """我在路上: I am on my way."""
    ARRIVED = "arrived"
    """已到现场: I am there."""
    FALSE_ALARM = "false_alarm"
    """误报: it was nothing; the reason goes with it."""
    REPORT = "report"
    """处置完成: done, and what was found. From a page only."""
    SEEN = "seen"
    """收到: read, and nothing promised."""


KEYS: dict[str, Answer] = {
    "1": Answer.ACCEPT,
    "2": Answer.PASS_ON,
    "3": Answer.COMING,
    "4": Answer.ARRIVED,
}
"""Digits that mean an answer, the same in a call and in a reply."""


class Meaning(Frozen):
    """What was understood of a reply."""

    answer: Answer | None = None
    """None where it is unclear."""
    code: str | None = None
    """Which message it answers; None where it names none."""
    strange: str | None = None
    """Digits that look like a code and are none of this person's."""
    reason: str = ""
    """Of a false alarm: what was said beside it."""


LONGEST = 500
"""Of a longer text only the beginning is looked at."""
_CODE = re.compile(r"(?<![0-9])[0-9]{4,6}(?![0-9])")
_STUCK = re.compile(r"(?<![0-9])[0-9]{5,7}(?![0-9])")
_CIRCLED = {"一": "1", "二": "2", "三": "3", "四": "4", "壹": "1", "贰": "2", "one": "1", "two": "2"}
_BEFORE = (
    r"(?:好的?|行|嗯|是的?|对|可以|没问题|明白|知道了?|你好|您好|谢谢|我们?|由我|俺|ok|okay|yes|yep|i|im|we|will)*"
)
_AFTER = r"(?:了|的|吧|啊|哦|喔|呀|哈|呢?谢谢|谢谢|多谢|辛苦了?|thanks?|thankyou|please|now|it|已收到|收到)*"
_MEANS: tuple[tuple[Answer, str], ...] = (
    (
        Answer.PASS_ON,
        r"(?:现在|今天|暂时)?(?:来不了|去不了|接不了|到不了|赶不(?:过去|过来|到)|处理不了|走不开|过不(?:去|来)|没空|没时间|没法去|没办法去|"
        r"无法(?:前往|处理|到场|赶到)|不能(?:去|来|到|接|处理)|不(?:去|来|接|方便|行|在|在家)|在外地|转(?:给)?(?:下一位|别人|他人)|下一位|"
        r"换人|请?(?:找|叫)别人|no|cannot|cant(?:come)?|unable|passiton|passon|next|notavailable)",
    ),
    (
        Answer.ARRIVED,
        r"(?:已经?)?(?:到(?:了|达|场|现场|达现场)|在现场|在门口|到门口|进门)|arrived|(?:am)?there|onsite|here",
    ),
    (
        Answer.ACCEPT,
        r"接(?:单|下|收|案|受)?|受理|我?来处理|我?处理|来接|我?来|我?负责|交给我|包在我身上|accept|accepted|take|takeit|gotit|mine|onit",
    ),
    (
        Answer.COMING,
        r"(?:马上|立刻|立即|这就|正在?|现在|在|就)?(?:到|去|来|过去|过来|赶去|赶来|出发|前往|赶过去|赶过来|赶往现场|路上|往回赶|赶回来?)|"
        r"(?:已经?)?(?:出发|在路上|上路)|(?:大概|大约|还有?)?[0-9]{1,2}分钟?(?:左右)?(?:以内|之内|后|内)?(?:就|能)?(?:赶?到|过来|过去)|(?:am)?(?:coming|onmyway|omw|ontheway)|comingnow",
    ),
    (
        Answer.SEEN,
        r"收到|已?阅|已读|看到|知道|知悉|明白|了解|好的?|行|嗯|是的?|可以|没问题|ok|okay|yes|received|seen|noted|roger|read",
    ),
)
_WORDS = tuple((answer, re.compile(f"{_BEFORE}(?:{words}){_AFTER}")) for answer, words in _MEANS)
_FALSE = re.compile(r"(?:是|系|属于?|这是|确认)?(误报|误按|按错了?|误触|误碰|虚惊一场|falsealarm|bymistake|mistake)")
_DOUBT = re.compile(
    r"可能|也许|大概|恐怕|不大|应该|好像|似乎|吧|还是|的话|如果|要是|万一|"
    r"probabl|perhaps|maybe|might|\bif\b|likely|not sure"
)
_AND_NO_MORE = re.compile(r"[了啦的]|$")
_COUNTED = re.compile(
    r"[0-9]{1,3}\s*(?:[个位名人号楼层栋幢座室区门点分秒刻天日月次米里站路岁度]|单元|小时|公里|"
    r"(?:min|minutes?|hours?|hrs?|people|persons?|km|[ap]m|st|nd|rd|th|floors?)\b)"
)
"""Digits that count something, or name a house: "4 分钟到", "2号楼着火" are no keys."""
_QUESTION = re.compile(r"[?？吗么]|谁|哪|什么|怎么|几点|是否|是不是|有没有|who|what|where|when|which|why|how")
_NOT = re.compile(r"不|没|未|无法|别|勿|\bnot?\b|n't|never|cannot")
_NOISE = re.compile(r"[\s\W_]+", re.UNICODE)


def interpret(text: str, codes: Collection[str] = ()) -> Meaning:
    """What ``text`` means from somebody whose live codes are ``codes``."""
    plain = unicodedata.normalize("NFKC", text[:LONGEST]).lower().replace("’", "'").strip()
    code, strange, rest = _take_code(plain, codes)
    answer, reason = _answer(rest)
    return Meaning(answer=answer, code=code, strange=strange, reason=reason)


def _take_code(plain: str, codes: Collection[str]) -> tuple[str | None, str | None, str]:
    """The code in the text, else what looks like one, and the text without it."""
    found = [one for one in _CODE.finditer(plain) if one[0] in codes]
    if len({one[0] for one in found}) == 1:
        return found[0][0], None, _CODE.sub(lambda one: " " if one[0] in codes else one[0], plain)
    if found:
        return None, None, ""  # two of them: which one is meant is not for us to say
    for one in _STUCK.finditer(plain):
        both = (one[0][0], one[0][1:]), (one[0][-1], one[0][:-1])
        fitting = {(key, code) for key, code in both if code in codes and key in KEYS}
        if len(fitting) == 1:
            key, code = fitting.pop()
            return code, None, f"{plain[: one.start()]} {key} {plain[one.end() :]}"
    numbers = _CODE.findall(plain)
    if len(numbers) == 1 and len(plain) <= 40:
        return None, numbers[0], plain.replace(numbers[0], " ")
    return None, None, plain


def _answer(rest: str) -> tuple[Answer | None, str]:
    bare = _NOISE.sub("", rest)
    if not bare or _QUESTION.search(rest):
        return None, ""
    key = KEYS.get(_CIRCLED.get(bare, bare))
    if key is not None:
        return key, ""
    false = _FALSE.match(bare)
    if false is not None:
        # "误报率太高", "误报可能性不大": what ends a case stands alone, or with its reason behind a mark.
        certain = _DOUBT.search(rest) is None and _AND_NO_MORE.match(_behind(rest, false.end())) is not None
        return (Answer.FALSE_ALARM, rest.strip(" ,，。.!！:：;；")) if certain else (None, "")
    if _COUNTED.match(rest.lstrip()):
        return _worded(bare), ""
    leading = re.match(r"([1-4])(?![0-9.])[\s\W]*(?=[^0-9\s])(.*)", rest, re.DOTALL)
    meant = _worded(bare)
    if leading is not None:
        by_key, words = KEYS[leading[1]], _NOISE.sub("", leading[2])
        beside = _worded(words)
        if beside in (None, by_key, Answer.SEEN) and (by_key is Answer.PASS_ON or not _NOT.search(leading[2])):
            return (None, "") if _FALSE.search(words) else (by_key, "")
        return (beside, "") if {by_key, beside} == {Answer.ACCEPT, Answer.COMING} else (None, "")
    return meant, ""


def _behind(rest: str, many: int) -> str:
    """What follows the first ``many`` characters that count, up to the next mark or space."""
    words = [word for word in _NOISE.split(rest) if word]
    while words and many >= len(words[0]):
        many -= len(words.pop(0))
        if not many:
            return ""
    return words[0][many:] if words else ""


def _worded(bare: str) -> Answer | None:
    return next((answer for answer, words in _WORDS if words.fullmatch(bare)), None)
