"""The words for what a case is, where it stands and what is done with it. Chinese first, English beside it."""

from __future__ import annotations

from typing import NamedTuple

from gateway.alarms import ALARM_TYPES
from gateway.cases.model import Case


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
