"""The words people read. Chinese first, English beside it; the same facts for messenger, page and 120 line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from gateway.alarms import ALARM_TYPES, AlarmChange
from gateway.cases.directory import Directory
from gateway.cases.effects import Purpose
from gateway.cases.model import Case, Measure, MeasureState


class Words(NamedTuple):
    """The same thing in both languages."""

    zh: str
    en: str


STAGES: dict[str, Words] = {
    "opened": Words("待受理", "waiting"),
    "acknowledged": Words("已受理", "taken"),
    "dispatched": Words("已派人", "on the way"),
    "arrived": Words("已到场", "on the spot"),
    "resolved": Words("已处置", "resolved"),
    "verified": Words("已核查", "verified"),
    "closed": Words("已结案", "closed"),
    "cancelled": Words("已撤销", "cancelled"),
    "merged": Words("已并入其他案卷", "merged"),
}

ACTIONS: dict[str, Words] = {
    "acknowledge": Words("我来受理", "I take it"),
    "dispatch": Words("派人前往", "send somebody"),
    "arrive": Words("已到现场", "somebody is there"),
    "resolve": Words("处置完成", "done"),
    "verify": Words("核查属实", "checked"),
    "close": Words("结案", "close"),
    "cancel": Words("误报撤销", "false alarm"),
    "release": Words("退回", "hand back"),
    "pass_on": Words("转给下一位", "pass on to the next"),
    "claim": Words("称误报", "say it was a mistake"),
    "come": Words("正在赶来", "coming"),
    "veto": Words("不打 120", "do not call 120"),
    "dial_now": Words("立即呼叫 120", "call 120 now"),
    "take_back": Words("本人凭码撤回", "taken back with the resident's code"),
    "line_sent": Words("救护车已派出", "vehicle sent"),
    "line_arrived": Words("救护车已到", "vehicle there"),
    "line_hospital": Words("已送医院", "at the hospital"),
    "line_update": Words("向 120 补充情况", "tell 120 more"),
    "suspend": Words("挂账", "suspend"),
    "resume": Words("恢复办理", "go on with it"),
    "ask_time": Words("申请延期", "ask for more time"),
    "grant_time": Words("同意延期", "grant more time"),
    "refuse_time": Words("不同意延期", "refuse more time"),
    "rework": Words("返工", "not done, again"),
    "merge": Words("并案", "merge"),
    "split": Words("拆分", "split"),
    "reopen": Words("重新立案", "open again"),
    "call_back": Words("回访", "call back"),
    "rate": Words("评价", "rate"),
    "note": Words("备注", "note"),
}

LINE_STATES: dict[str, Words] = {
    "none": Words("不涉及", "not needed"),
    "disarmed": Words("未到时间", "not yet"),
    "armed": Words("待命", "armed"),
    "countdown": Words("倒计时", "counting down"),
    "committed": Words("正在呼叫", "calling"),
    "dialling": Words("正在重拨", "dialling again"),
    "answered": Words("已应答", "answered"),
    "failed": Words("未接通", "not reached"),
    "vetoed": Words("已决定不打", "decided against"),
}

DRILL_MARK = "【演练】"
DRILL_MARKS = Words(DRILL_MARK, "【演练 DRILL】")
"""Before everything that is said of a drill."""
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


def types(case: Case) -> tuple[str, str]:
    """What the case is about: its own type, and what else of the kind that costs lives has joined it."""
    keys = [case.type, *(ref.type for ref in case.alarms if ref.active and ALARM_TYPES[ref.type].life_safety)]
    kinds = [kind(case, key) for key in dict.fromkeys(keys)]
    return "、".join(words.zh for words in kinds), " and ".join(words.en for words in kinds)


def kind(case: Case, key: str) -> Words:
    """A type of alarm or of work in words. A case of years ago may be of a type that is no more."""
    if case.work is not None and key == case.work.id:
        return Words(case.work.zh, case.work.en)
    known = ALARM_TYPES.get(key)
    return Words(known.zh, known.en) if known is not None else Words(key, key)


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
    resident = directory.resident_name(case.resident)
    drilled = _DRILL_TITLES.get(purpose) if case.drill else None
    title_zh, title_en = drilled or _TITLES[purpose]
    if case.drill:
        title_zh, title_en = DRILL_MARKS.zh + title_zh, f"{DRILL_MARKS.en} {title_en}"
    where_zh, where_en = directory.place_path(case.place, "zh"), directory.place_path(case.place, "en")
    facts = {
        "type": type_zh,
        "type_en": type_en,
        "who": resident or where_zh or directory.device_name(case.device, "zh"),
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
    own, desk = directory.numbers(case.resident) if purpose in _WHOM_TO_CALL else ("", "")
    if own:
        yield f"请先给本人打电话：{own}"
    if desk:
        yield f"值班室：{desk}"


def _numbers_en(case: Case, purpose: Purpose, directory: Directory) -> Iterator[str]:
    own, desk = directory.numbers(case.resident) if purpose in _WHOM_TO_CALL else ("", "")
    if own:
        yield f"Call the resident first: {own}"
    if desk:
        yield f"Control room: {desk}"


TIMELINE_WORDS: dict[str, tuple[str, str]] = {
    "opened": ("立案", "case opened"),
    "attached": ("添加附件", "attachment added"),
    "alarm_joined": ("并入报警", "another alarm joined"),
    "alarm_repeated": ("再次报警", "alarm repeated"),
    "alarm_cleared": ("报警条件解除", "alarm condition ended"),
    "alerted_again": ("再次报警，重新通知已通知的人", "alarm again: everybody told so far is told again"),
    "audit_repaired": ("自检：定时丢失，已修复", "self-check: a timer was lost and has been set again"),
    "clock_stepped": ("系统时钟被调整，期限随之调整", "the clock was set; deadlines moved with it"),
    "window_ended": ("再次报警，不再等待取消", "alarm again: the cancel window is over"),
    "rung": ("升级步骤", "ladder step"),
    "rung_empty": ("此步骤无人值守，转下一步", "nobody on this step, going on"),
    "no_address": ("联系不上：没有联系方式", "cannot be told: no address"),
    "reminder": ("再次提醒", "everybody is told again"),
    "ladder_ended": ("通知步骤已全部完成", "end of the ladder"),
    "told": ("已通知", "told"),
    "told_outside": ("已告知外部系统", "an outside system was told"),
    "delivery_trouble": ("通知受阻，换渠道重试", "delivery trouble, trying another way"),
    "not_reached": ("未能通知到", "could not be reached"),
    "withdrawn": ("通知已撤回", "message withdrawn"),
    "device_confirmed": ("设备已确认", "device confirmed"),
    "device_silent": ("设备未确认", "device did not confirm"),
    "acknowledged": ("受理", "acknowledged"),
    "lease_renewed": ("续办", "acknowledged again"),
    "lease_kept": ("再次受理，期限不变", "acknowledged again, the lease stays as it is"),
    "lease_expired": ("受理后无进展，继续升级", "no progress, the ladder goes on"),
    "owner_revoked": ("再次报警，收回受理", "alarm repeated: the acknowledgement is revoked"),
    "dispatched": ("派遣", "dispatched"),
    "arrived": ("到场", "arrived"),
    "resolved": ("处置完成", "resolved"),
    "verified": ("核查", "verified"),
    "closed": ("结案", "closed"),
    "cancelled": ("撤销", "cancelled"),
    "cancel_claimed": ("本人称误按，待核实", "said to be a mistake, to be verified"),
    "released": ("退回", "handed back"),
    "handed_over": ("交接班，转由接班人办理", "change of shift: passed to whoever came on duty"),
    "duty_passed": ("换班，已告知接班人", "change of shift: whoever came on duty was told"),
    "assigned": ("派给", "given to"),
    "suspended": ("挂账", "suspended"),
    "resumed": ("恢复办理", "no longer suspended"),
    "time_asked": ("申请延期", "more time asked for"),
    "time_granted": ("同意延期", "more time granted"),
    "time_refused": ("不同意延期", "more time refused"),
    "reworked": ("核查未通过，返工", "check failed, to be done again"),
    "limit_near": ("时限将到，已提醒", "the time limit is near: reminded"),
    "limit_over": ("超过时限，已上报", "past the time limit: told to the supervisor"),
    "merged": ("并入另一案卷", "merged into another case"),
    "merged_in": ("另一案卷并入本案", "another case was merged into this one"),
    "split_off": ("拆分出新案卷", "split: a case of its own for a part of it"),
    "split_from": ("由另一案卷拆分", "split from another case"),
    "reopened": ("重新立案，见新案卷", "opened again as a new case"),
    "follows": ("接续已结案卷", "follows a case that was over"),
    "called_back": ("回访", "called back"),
    "rated": ("评价", "rated"),
    "passed_on": ("无法前往，转下一位", "cannot come, passed on"),
    "note": ("备注", "note"),
    "line_disarmed": ("120 未到时间", "emergency line: a call is ahead"),
    "line_soon": ("120 倒计时", "emergency line: the countdown has begun"),
    "line_hastened": ("120 提前", "emergency line: the call is brought forward"),
    "line_path": ("换另一线路再拨", "emergency line: by the other path"),
    "line_updated": ("向 120 补充情况", "the emergency centre is told more"),
    "line_sent": ("救护车已派出", "the vehicle is on its way"),
    "line_arrived": ("救护车已到", "the vehicle is there"),
    "line_hospital": ("已送医院", "at the hospital"),
    "line_also": ("同时呼叫另一号码", "another emergency line requested"),
    "voice_asked": ("语音询问本人", "the resident is asked by voice"),
    "voice_unasked": ("没有可询问本人的设备", "no device that can ask the resident"),
    "voice_fine": ("本人答复平安", "the resident says that all is well"),
    "coming": ("正在赶来", "is coming"),
    "helper_lapsed": ("说要来的人没有消息", "no word from somebody who said they were coming"),
    "helper_left": ("不来了", "is not coming after all"),
    "owner_from_helper": ("由正在赶来的人接手", "somebody who is coming has the case now"),
    "quiet_held": ("对方免打扰时段，稍后通知", "quiet hours: told when they are over"),
    "quiet_channel": ("对方免打扰时段，改用静音渠道", "quiet hours: told by a quiet channel"),
    "held_dropped": (
        "案卷已办，免打扰期间的通知不再发送",
        "what waited for the end of quiet hours is not needed any more",
    ),
    "rung_passed": ("已有人受理，跳过此步骤", "somebody has it: this step is passed over"),
    "rung_again": ("再次通知此步骤", "this step is told again"),
    "fallback": ("无人可通知，启用后备", "nobody can be reached: the fallback takes over"),
    "no_device": ("没有可接受指令的设备", "no device that can be told"),
    "duress": ("胁迫码：表面撤回，暗中继续", "duress code: it looks like a cancel, and goes on"),
    "cancel_under_duress": ("胁迫下再次撤回，不予采信", "cancelled again under duress: not believed"),
    "code_wrong": ("撤回码不对", "wrong code for taking it back"),
    "line_armed": ("120 待命", "emergency line armed"),
    "line_not_armed": ("120 不自动拨打", "emergency line not armed"),
    "line_postponed": ("120 顺延", "emergency line postponed"),
    "line_committed": ("呼叫 120", "emergency line requested"),
    "line_withheld": ("120 未拨打", "emergency line withheld"),
    "line_answered": ("120 已应答", "emergency line answered"),
    "line_failed": ("120 未接通", "emergency line not reached"),
    "line_vetoed": ("120 被否决", "emergency call vetoed"),
    "action_given": ("自动操作：已下达指令", "automatic action: the command was given"),
    "action_done": ("自动操作：设备已确认", "automatic action: the device confirmed it"),
    "action_unconfirmed": ("自动操作：设备尚未确认，仍在重试", "automatic action: not confirmed yet, still trying"),
    "action_failed": ("自动操作失败，需人工处理", "automatic action failed, to be done by hand"),
    "action_nobody": (
        "自动操作：没有可接受指令的设备，需人工处理",
        "automatic action: no device that can be told, to be done by hand",
    ),
    "action_withdrawn": ("自动操作已撤回", "automatic action withdrawn"),
    "alarm_withheld": ("另一报警因本案报警仍在而暂缓", "another alarm is held back while one of this case stands"),
    "withheld_counted": ("暂缓的报警过多，此后只计数", "too many are held back: from here on they are only counted"),
    "storm_joined": ("并入报警风暴，不再逐条通知", "joined the alarm storm, without telling people one by one"),
    "storm_again": (
        "报警风暴再次出现，重新通知已通知的人",
        "the alarm storm is back: everybody told so far is told again",
    ),
    "storm_counted": ("报警过多，此后只计数", "too many alarms: from here on they are only counted"),
    "drill": ("演练", "a drill"),
    "drill_spared": ("演练：以下人员不通知", "a drill: these people are not told"),
    "drill_no_device": ("演练：不操作设备", "a drill: no device is told to do anything"),
    "line_told": ("已告知 120 中心", "the emergency centre was told"),
}
"""Timeline codes as the page words them."""
