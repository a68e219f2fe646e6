"""The messages people read about a case: the same facts for messenger, page and 120 line, in both languages."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.alarms import ALARM_TYPES, AlarmChange
from gateway.cases import scene
from gateway.cases.directory import Directory
from gateway.cases.effects import Purpose
from gateway.cases.model import Case, Measure, MeasureState
from gateway.cases.wording import DRILL_MARK, DRILL_MARKS, Words, types

_DRILL_SAYS = Words(
    "这是演练：请照常应答，不要拨打 120、119、110。",
    "This is a drill: answer as you would, and dial no emergency number.",
)

_TITLES: dict[Purpose, tuple[str, str]] = {
    Purpose.ALARM: ("{type}：{who}", "{type_en}: {who}"),
    Purpose.REMINDER: ("仍无人处理 · {type}：{who}", "Still nobody has taken it · {type_en}: {who}"),
    Purpose.CANCELLED: ("已取消 · {type}：{who}", "Cancelled · {type_en}: {who}"),
    Purpose.TAKEN: ("已有人受理 · {type}：{who}", "Taken · {type_en}: {who}"),
    Purpose.ARRIVED: ("已有人到场 · {type}：{who}", "Somebody is there · {type_en}: {who}"),
    Purpose.RESOLVED: ("处置完成 · {type}：{who}", "Resolved · {type_en}: {who}"),
    Purpose.OWNER_SILENT: ("受理后无进展 · {type}：{who}", "No progress since it was taken · {type_en}: {who}"),
    Purpose.CANCEL_CLAIM: ("本人称误按，请核实 · {who}", "Said to be a mistake, please verify · {who}"),
    Purpose.LINE_FAILED: (
        "{number} 未接通，请立即人工拨打 · {who}",
        "{number} not reached, dial it yourself now · {who}",
    ),
    Purpose.LINE_IS_DRILL: (
        "请立即拨打 {number}！{type}：{who}（系统的自动 {number} 只是演练，没有打出去）",
        "Dial {number} now! {type_en}: {who} (the system's own {number} call is only a drill, nobody was called)",
    ),
    Purpose.LINE_SOON: (
        "即将自动呼叫 {number}：{type}：{who}（现在受理可暂缓）",
        "{number} is called in a moment: {type_en}: {who} (take the case to hold it)",
    ),
    Purpose.LINE_STAGE: ("{number} 进展 · {type}：{who}", "News of {number} · {type_en}: {who}"),
    Purpose.COMING: ("亲友正在赶来 · {type}：{who}", "Family or a neighbour is coming · {type_en}: {who}"),
    Purpose.RUNG_EMPTY: ("升级步骤无人可通知 · {type}：{who}", "A step of the ladder has nobody · {type_en}: {who}"),
    Purpose.DURESS: (
        "胁迫撤回，请勿打电话惊动 · {type}：{who}",
        "Taken back under duress, do not telephone · {type_en}: {who}",
    ),
    Purpose.ASSIGNED: ("派给您：{type}：{who}", "Given to you: {type_en}: {who}"),
    Purpose.LIMIT_NEAR: ("时限将到 · {type}：{who}", "The time limit is near · {type_en}: {who}"),
    Purpose.OVERDUE: ("已超时限 · {type}：{who}", "Past its time limit · {type_en}: {who}"),
    Purpose.TIME_ASKED: (
        "申请延期，请审批 · {type}：{who}",
        "More time is asked for, please decide · {type_en}: {who}",
    ),
    Purpose.TIME_ANSWERED: ("延期申请已答复 · {type}：{who}", "Answer about more time · {type_en}: {who}"),
    Purpose.RESUMED: ("挂账结束，请继续办理 · {type}：{who}", "No longer suspended, please go on · {type_en}: {who}"),
    Purpose.REWORK: ("核查未通过，请返工 · {type}：{who}", "Check failed, please do it again · {type_en}: {who}"),
    Purpose.MERGED: ("已并入另一案卷 · {type}：{who}", "Merged into another case · {type_en}: {who}"),
    Purpose.ACTION_FAILED: (
        "自动操作未完成，请到现场手动处理 · {type}：{who}",
        "Automatic action not done, do it by hand on the spot · {type_en}: {who}",
    ),
    Purpose.DRILL_OVER: ("演练结束 · {type}：{who}", "The drill is over · {type_en}: {who}"),
    Purpose.ACTION_DONE: ("自动操作已完成 · {type}：{who}", "Automatic action done after all · {type_en}: {who}"),
}

_DRILL_TITLES: dict[Purpose, tuple[str, str]] = {
    Purpose.LINE_FAILED: ("{number} 演练线路未接通 · {who}", "the drill's {number} was not reached · {who}"),
    Purpose.LINE_SOON: (
        "即将呼叫演练的 {number}：{type}：{who}（现在受理可暂缓）",
        "the drill's {number} is called in a moment: {type_en}: {who} (take the case to hold it)",
    ),
    Purpose.ACTION_FAILED: ("自动操作未完成 · {type}：{who}", "Automatic action not done · {type_en}: {who}"),
}
"""Where the words of an alarm would have people do in earnest what belongs to no drill."""

SAID_MOST = 3
"""So many sentences of rules, and as many of what was done by itself, stand in one message."""


def message(
    case: Case,
    purpose: Purpose,
    directory: Directory,
    *,
    language: str,
    detail: tuple[str, str] = ("", ""),
    discreet: bool = False,
) -> tuple[str, str]:
    """Title and body of a message to a person in their language, the other language after it.

    ``detail`` is one more sentence in both languages (who has taken it, why it was cancelled). ``discreet``: without
    what was measured.
    """
    zh, en = _texts(case, purpose, directory, detail, discreet)
    first, second = (en, zh) if language == "en" else (zh, en)
    return first[0], f"{first[1]}\n\n{second[0]}\n{second[1]}"


def complaint(case: Case) -> str:
    """What the 120 centre hears first: the type, the rule's own words, and what was measured."""
    mark = DRILL_MARK if case.drill else ""
    what = mark + "：".join((types(case)[0], *(zh for zh, _ in case.said[:1])))
    return f"{what}（{case.explanation}）" if case.explanation else what


def one_of_storm(change: AlarmChange, directory: Directory) -> tuple[str, str]:
    """Which alarm of a storm it is that somebody is told of."""
    kind = ALARM_TYPES[change.type]
    where = [
        directory.resident_name(change.resident)
        or directory.place_path(change.place, language)
        or directory.device_name(change.device, language)
        for language in ("zh", "en")
    ]
    return f"其中：{kind.zh}：{where[0]}", f"One of them: {kind.en}: {where[1]}"


def done_by_itself(case: Case, directory: Directory) -> Iterator[Words]:
    """What rules did by themselves, what went wrong first; a few sentences at most."""
    last = {(one.rule, one.command, str(one.args), one.device): one for one in case.measures}
    worded = [(one, _MEASURES[one.state]) for one in last.values() if one.state in _MEASURES]
    worded.sort(key=lambda pair: list(_MEASURES).index(pair[0].state))
    for one, words in worded[:SAID_MOST]:
        yield Words(
            *(_worded(one, text, directory, language) for text, language in zip(words, ("zh", "en"), strict=True))
        )
    if len(worded) > SAID_MOST:
        more = len(worded) - SAID_MOST
        yield Words(f"另有 {more} 项自动操作", f"and {more} more automatic actions")


def _worded(measure: Measure, text: str, directory: Directory, language: str) -> str:
    if measure.state is MeasureState.NOBODY and measure.device is None:
        text = _NOBODY[0 if language == "zh" else 1]
    what = measure.zh if language == "zh" else measure.en
    return text.format(what=what, device=directory.device_name(measure.device, language))


_MEASURES: dict[MeasureState, Words] = {
    MeasureState.FAILED: Words(
        "自动{what}失败：{device}。请到现场手动处理", "Automatic action failed: {what} at {device}. Do it by hand"
    ),
    MeasureState.UNCONFIRMED: Words(
        "自动{what}尚未得到确认，仍在重试：{device}。请到现场手动处理",
        "Automatic action not confirmed yet, still trying: {what} at {device}. Do it by hand",
    ),
    MeasureState.NOBODY: Words(
        "{device} 不能自动{what}。请到现场手动处理",
        "Automatic action not possible: {device} cannot be told to {what}. Do it by hand",
    ),
    MeasureState.DONE: Words("已自动{what}：{device}", "Done automatically: {what} at {device}"),
}
_NOBODY = Words(
    "此处没有可自动{what}的设备。请到现场手动处理",
    "Automatic action not possible: no device here that can {what}. Do it by hand",
)


def _texts(
    case: Case, purpose: Purpose, directory: Directory, detail: tuple[str, str], discreet: bool
) -> tuple[tuple[str, str], tuple[str, str]]:
    type_zh, type_en = types(case)
    resident = scene.resident_name(case, directory)
    drilled = _DRILL_TITLES.get(purpose) if case.drill else None
    title_zh, title_en = drilled or _TITLES[purpose]
    if case.drill:
        title_zh, title_en = DRILL_MARKS.zh + title_zh, f"{DRILL_MARKS.en} {title_en}"
    where_zh, where_en = (scene.place_path(case, directory, language) for language in ("zh", "en"))
    facts = {
        "type": type_zh,
        "type_en": type_en,
        "who": resident or where_zh or scene.device_name(case, directory, "zh"),
        "number": case.emergency.number or "120",
    }
    late = case.late_ms // 60_000
    over = purpose is Purpose.RESOLVED  # "go at once" would be read as news
    said = [] if discreet or over else list(case.said[:SAID_MOST])
    if not discreet:
        said += _reported(case)
    if case.storm is not None:
        said.append((f"至今共 {case.storm.count} 条", f"{case.storm.count} of them so far"))
    done = list(done_by_itself(case, directory)) if purpose in _WHOM_TO_CALL else []
    zh = [
        detail[0],
        *(words[0] for words in said),
        *(words.zh for words in done),
        f"地点：{where_zh}" if where_zh else "",
        *_numbers_zh(case, purpose, directory),
        f"案卷 {case.number}",
    ]
    en = [
        detail[1],
        *(words[1] for words in said),
        *(words.en for words in done),
        f"At: {where_en}" if where_en else "",
        *_numbers_en(case, purpose, directory),
        f"Case {case.number}",
    ]
    if case.drill:
        zh.insert(0, _DRILL_SAYS.zh)
        en.insert(0, _DRILL_SAYS.en)
    if late:
        zh.insert(0, f"注意：此报警发生于 {late} 分钟前，刚刚送达。")
        en.insert(0, f"Note: this happened {late} min ago and has only just arrived.")
    return (
        (title_zh.format(**facts), "\n".join(line for line in zh if line)),
        (title_en.format(**facts), "\n".join(line for line in en if line)),
    )


def _reported(case: Case) -> Iterator[tuple[str, str]]:
    """What somebody reported, and who it was."""
    if case.text:
        yield f"反映：{case.text}", f"Reported: {case.text}"
    if case.reporter is not None and (who := " ".join(filter(None, (case.reporter.name, case.reporter.phone)))):
        yield f"报告人：{who}", f"By: {who}"


_WHOM_TO_CALL = frozenset(_TITLES) - {Purpose.CANCELLED, Purpose.RESOLVED, Purpose.DURESS}
"""With these a number is of use."""


def _numbers_zh(case: Case, purpose: Purpose, directory: Directory) -> Iterator[str]:
    own, desk = scene.numbers(case, directory) if purpose in _WHOM_TO_CALL else ("", "")
    if own:
        yield f"请先给本人打电话：{own}"
    if desk:
        yield f"值班室：{desk}"


def _numbers_en(case: Case, purpose: Purpose, directory: Directory) -> Iterator[str]:
    own, desk = scene.numbers(case, directory) if purpose in _WHOM_TO_CALL else ("", "")
    if own:
        yield f"Call the resident first: {own}"
    if desk:
        yield f"Control room: {desk}"
