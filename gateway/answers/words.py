"""What is said back to somebody who answered. Short, kind, in their language; the same by SMS, in a call, on a page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from gateway.answers.meaning import Answer
from gateway.cases import scene
from gateway.cases.model import Case, Stage
from gateway.cases.wording import DRILL_MARK, STAGES, Words, kind
from gateway.registry.directory import CommunityDirectory

Language = Literal["zh", "en"]

HOW = Words(
    "请回复 1 由我处理，2 转下一位，3 我在路上，4 已到现场", "Reply 1 I take it, 2 pass on, 3 on my way, 4 I am there"
)
NOTHING_OPEN = Words("目前没有等您处理的事项，谢谢", "Nothing is waiting for you now, thank you")
NOT_DECIDED = Words("已收到，系统正在处理，请稍后再看", "Received; it is being dealt with, look again in a moment")
NOT_POSSIBLE = Words("现在不能这样处理", "This is not possible now")
THERE = Words("到场后请回复 4", "Reply 4 when there")
SEEN = Words("已知悉。若由您处理，请回复 1；不能处理请回复 2", "Noted. Reply 1 if you take it, 2 if you cannot")
KEYS_ONLY = Words("请按 1 受理，按 2 转下一位", "Press 1 to accept, 2 to pass on")


def said(words: Words, language: Language) -> str:
    """In the language of whoever reads it."""
    return words.en if language == "en" else words.zh


def who(directory: CommunityDirectory, actor: str | None) -> str:
    """Somebody of the timeline by name."""
    kind, _, name = (actor or "").partition(":")
    person = directory.person(name) if kind == "person" else None
    return person.name if person is not None else name or "系统"


def about(case: Case, directory: CommunityDirectory) -> Words:
    """Which case it is, in few words: whom or where, and what."""
    what, drill = kind(case, case.type), DRILL_MARK if case.drill else ""
    resident = scene.resident_name(case, directory)
    zh = resident or scene.place_path(case, directory, "zh")
    en = resident or scene.place_path(case, directory, "en")
    return Words(drill + f"{zh} {what.zh}".strip(), drill + f"{en} {what.en}".strip())


def how_it_ended(case: Case, directory: CommunityDirectory) -> Words:
    """Of a case that is over, or of which only the paper is left."""
    which = about(case, directory)
    if case.stage is Stage.CANCELLED:
        return Words(f"{which.zh}：已撤销（误报），谢谢您", f"{which.en}: cancelled, it was a false alarm. Thank you")
    stage = STAGES[case.stage.value]
    return Words(f"{which.zh}：{stage.zh}，谢谢您", f"{which.en}: {stage.en}. Thank you")


def taken_over(cases: int) -> Words:
    """The receipt of a hand-over."""
    return Words(f"交接已确认，共 {cases} 件，辛苦了", f"Hand-over confirmed, {cases} cases. Thank you")


def moved_on(case: Case, directory: CommunityDirectory) -> Words:
    """What was answered is no longer how things stand."""
    which, stage = about(case, directory), STAGES[case.stage.value]
    return Words(
        f"{which.zh}：情况已有变化，现在是“{stage.zh}”，请再看一次",
        f"{which.en}: things have moved on ({stage.en}), look again",
    )


def taken(case: Case, directory: CommunityDirectory) -> Words:
    """Somebody else has it."""
    name = who(directory, case.owner)
    return Words(f"已由 {name} 受理，谢谢", f"Already taken by {name}, thank you")


def acted(
    answer: Answer, case: Case, person: str, directory: CommunityDirectory, *, family: bool, taps: bool = False
) -> Words:
    """It was done; and how things stand now. ``taps``: to somebody who has buttons before them."""
    when_there = Words("到场后请点“已到现场”", "Tap “I am there” when you are") if taps else THERE
    which = about(case, directory)
    if not case.open:
        return how_it_ended(case, directory)
    others = case.owner not in (None, f"person:{person}")
    beside = f"，{who(directory, case.owner)} 已受理" if others else ""
    beside_en = f"; {who(directory, case.owner)} has it" if others else ""
    if family:
        match answer:
            case Answer.ACCEPT | Answer.COMING:
                text = Words(
                    "已记下：您正在赶来，值班室同时在处理",
                    "Noted that you are coming; the control room goes on with it",
                )
            case Answer.ARRIVED:
                text = Words("已记下：您已到现场", "Noted that you are there")
            case Answer.FALSE_ALARM:
                text = Words("已告知值班人员核实", "Those on duty have been told to find out")
            case Answer.PASS_ON:
                text = Words("已转下一位", "Passed on")
            case _:
                text = Words("已记下，谢谢", "Noted, thank you")
        return Words(f"{which.zh}：{text.zh}{beside}", f"{which.en}: {text.en}{beside_en}")
    match answer:
        case Answer.ACCEPT:
            zh, en = scene.place_path(case, directory, "zh"), scene.place_path(case, directory, "en")
            text = Words(f"已由您受理。地点：{zh}。{when_there.zh}", f"You have it. At: {en}. {when_there.en}")
        case Answer.PASS_ON:
            text = Words("已转下一位，谢谢", "Passed on to the next, thank you")
        case Answer.COMING:
            text = Words(f"已记下：您在路上{beside}。{when_there.zh}", f"On your way{beside_en}. {when_there.en}")
        case Answer.ARRIVED:
            text = Words(f"已记下：您已到场{beside}", f"Noted that you are there{beside_en}")
        case Answer.REPORT:
            text = Words("已记下处置情况，谢谢", "Your report is noted, thank you")
        case _:
            text = SEEN
    return Words(f"{which.zh}：{text.zh}", f"{which.en}: {text.en}")


def which_one(open_: Sequence[tuple[str, Case]], directory: CommunityDirectory) -> Words:
    """Several are open: which one is meant?"""
    named = [(code, about(case, directory)) for code, case in open_[:5]]
    zh = "；".join(f"{code} {one.zh}" for code, one in named)
    en = "; ".join(f"{code} {one.en}" for code, one in named)
    return Words(
        f"您有 {len(open_)} 件待办：{zh}。请回复 1 加编号", f"{len(open_)} are open: {en}. Reply 1 and the number"
    )


def unclear(open_: Sequence[tuple[str, Case]], directory: CommunityDirectory, strange: str | None) -> Words:
    """It was not understood: what is possible."""
    zh, en = "没有看懂您的回复。", "We did not understand your reply. "
    if strange is not None:
        zh, en = f"没有编号 {strange}。", f"There is no number {strange}. "
    if len(open_) > 1:
        more = which_one(open_, directory)
        return Words(zh + more.zh, en + more.en)
    which = about(open_[0][1], directory)
    return Words(f"{zh}{which.zh}：{HOW.zh}", f"{en}{which.en}: {HOW.en}")
