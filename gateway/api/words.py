"""The words of pages and exports that are not words of the core: roles, units, states. Chinese first."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from gateway.cases.model import Case
from gateway.cases.wording import Words
from gateway.registry.directory import CommunityDirectory

SEVERITIES: dict[str, Words] = {
    "emergency": Words("紧急", "emergency"),
    "urgent": Words("急", "urgent"),
    "service": Words("服务", "service"),
    "notice": Words("提示", "notice"),
}

ROLES: dict[str, Words] = {
    "control_room": Words("值班室", "control room"),
    "grid_staff": Words("网格员", "grid staff"),
    "guard": Words("保安", "guard"),
    "supervisor": Words("主管", "supervisor"),
    "doctor": Words("家庭医生", "doctor"),
    "service_desk": Words("服务台", "service desk"),
    "maintenance": Words("维修", "maintenance"),
}
"""Roles are a community's own words; these are the usual ones."""

PURPOSES: dict[str, Words] = {
    "alarm": Words("报警通知", "alarm"),
    "reminder": Words("再次提醒", "reminder"),
    "cancelled": Words("告知已撤销", "cancelled"),
    "taken": Words("告知已受理", "taken"),
    "owner_silent": Words("提醒受理人", "owner silent"),
    "cancel_claim": Words("称误按，请核实", "said to be a mistake"),
    "nobody_reached": Words("无人可通知", "nobody reached"),
    "line_failed": Words("120 未接通，请人工拨打", "120 not reached"),
    "line_is_drill": Words("120 为演练，请人工拨打", "120 is a drill"),
    "line_answered": Words("120 已应答", "120 answered"),
    "line_soon": Words("120 倒计时", "120 is called in a moment"),
    "line_stage": Words("告知 120 进展", "news of 120"),
    "coming": Words("告知亲友正在赶来", "family is coming"),
    "rung_empty": Words("升级步骤无人", "a step has nobody"),
    "duress": Words("胁迫撤回", "duress"),
    "indicate": Words("设备灯光语音", "lamp and voice"),
    "sound": Words("设备指令", "command to a device"),
    "action": Words("自动操作", "automatic action"),
    "action_failed": Words("自动操作未完成，请人工处理", "automatic action not done"),
    "action_done": Words("告知自动操作已完成", "automatic action done"),
    "drill_over": Words("告知演练结束", "the drill is over"),
    "drill_report": Words("演练报告", "report of a drill"),
    "login_code": Words("登录验证码", "login code"),
    "by_hand": Words("人工指令", "command by hand"),
    "emergency_call": Words("呼叫 120", "call to 120"),
    "emergency_update": Words("向 120 补充情况", "more for 120"),
    "emergency_cancel": Words("通知 120 取消", "cancel at 120"),
}

SATISFACTION: dict[int, Words] = {
    5: Words("非常满意", "very satisfied"),
    4: Words("满意", "satisfied"),
    3: Words("基本满意", "fairly satisfied"),
    2: Words("不满意", "not satisfied"),
    1: Words("非常不满意", "not at all satisfied"),
}
"""The five grades of public services in China (好差评); the last two are 差评."""

ANSWERS: dict[str, Words] = {
    "accept": Words("我来处理", "I take it"),
    "pass_on": Words("转下一位", "pass on"),
    "coming": Words("在路上", "on the way"),
    "arrived": Words("已到现场", "there"),
    "false_alarm": Words("误报", "false alarm"),
    "report": Words("处置完成", "done"),
    "seen": Words("收到", "seen"),
    "unclear": Words("未能理解", "not understood"),
}

ANSWER_RESULTS: dict[str, Words] = {
    "acted": Words("已执行", "carried out"),
    "refused": Words("未执行，已说明", "not carried out, told why"),
    "asked": Words("已追问", "asked back"),
    "unknown_sender": Words("陌生号码，未执行", "unknown number, not carried out"),
    "failed": Words("处理失败", "failed"),
    "waiting": Words("处理中", "being decided"),
}

REASON = Words("怎么回事？", "what was it?")
FOUND = Words("现场情况和处理结果", "what you found and did")

CHANNELS: dict[str, Words] = {
    "messenger": Words("消息", "message"),
    "sms": Words("短信", "SMS"),
    "phone": Words("电话", "phone"),
    "webhook": Words("网络接口", "webhook"),
    "voice": Words("语音电话", "spoken call"),
    "link": Words("消息链接", "link in a message"),
    "page": Words("个人页面", "own page"),
    "device": Words("设备", "device"),
    "emergency_line": Words("120", "120"),
    "emergency_drill": Words("120（演练）", "120 (drill)"),
}
"""Channels are a community's own words too; these are the usual ones."""

OUTBOX_STATES: dict[str, Words] = {
    "pending": Words("待发", "waiting"),
    "sending": Words("发送中", "sending"),
    "delivered": Words("已送达", "delivered"),
    "failed": Words("未送达", "failed"),
    "withdrawn": Words("已撤回", "withdrawn"),
}

RESULTS: dict[str, Words] = {
    "delivered": Words("送达", "delivered"),
    "sent": Words("已发出", "sent"),
    "retry": Words("未成，将重试", "to be tried again"),
    "refused": Words("被拒绝", "refused"),
    "unknown": Words("结果不明", "unclear"),
}

PARTS: dict[str, Words] = {
    "broker": Words("消息服务器", "broker"),
    "mqtt-urgent": Words("紧急通道", "urgent lane"),
    "mqtt-routine": Words("日常通道", "routine lane"),
    "journal": Words("日志", "journal"),
    "decider": Words("报警判断", "decider"),
    "outbox": Words("通知发送", "outbox"),
    "channels": Words("通知密钥", "secrets of channels"),
    "store": Words("数据存储", "store"),
    "chronicle": Words("大屏数据", "chronicle"),
    "itself": Words("自我观察", "self-observation"),
    "gateways": Words("多台网关", "several gateways"),
    "dead-man": Words("对外心跳", "heartbeat to outside"),
}

HEALTH: dict[str, Words] = {
    "ok": Words("正常", "ok"),
    "degraded": Words("受限", "degraded"),
    "failed": Words("故障", "failed"),
}

DEVICE_STATES: dict[str, Words] = {
    "online": Words("在线", "online"),
    "offline": Words("离线", "offline"),
    "silent": Words("失联", "silent"),
    "never": Words("从未上线", "never heard"),
    "retired": Words("已停用", "retired"),
}

_ACCEPTED = re.compile(r"^(\w+) 已接收 accepted by \1$")
_UNITS = {
    "/min": "次/分",
    "mm[Hg]": "mmHg",
    "Cel": "°C",
    "deg": "°",
    "dB[mW]": "dBm",
    "dB[SPL]": "dB(A)",
    "[ppm]": "ppm",
    "[ppb]": "ppb",
    "ug/m3": "µg/m³",
    "m3": "m³",
    "m3/h": "m³/h",
    "kW.h": "kWh",
    "1": "",
}


def unit(code: str) -> str:
    """A UCUM code as people write it."""
    return _UNITS.get(code, code)


_PARTS_OF: dict[str, Words] = {
    "serial": Words("串口", "serial line"),
    "modem": Words("电话模块", "modem"),
    "sip": Words("SIP 中继", "SIP trunk"),
    "bridge": Words("接入", "bridge"),
    "path": Words("接警中心", "path to a centre"),
}


def part(name: str) -> Words:
    """A part of the gateway; lines, modems, trunks, bridges and paths are named by settings and registry."""
    kind, _, own = name.partition("-")
    if own and kind in _PARTS_OF:
        return Words(f"{_PARTS_OF[kind].zh} {own}", f"{_PARTS_OF[kind].en} {own}")
    return words(PARTS, name)


def channel(name: str, *, drill: bool = False) -> Words:
    """A channel by its id. ``drill``: its emergency line reaches nobody."""
    return words(CHANNELS, "emergency_drill" if drill and name == "emergency_line" else name)


def purpose(name: str, *, drill: bool = False) -> Words:
    """Why something was said. ``drill``: a call to the line reached nobody, and these words must say so."""
    said = words(PURPOSES, name)
    about_line = name.startswith(("emergency_", "line_")) and name != "line_is_drill"
    return Words(f"{said.zh}（演练）", f"{said.en} (drill)") if drill and about_line else said


def line_was_drill(case: Case, lines: Iterable[tuple[str, Mapping[str, object]]], mode: str) -> bool:
    """Whether the emergency line of a case reaches nobody: by how it was called, as its timeline says (codes and data),
    else by how the line of the site stands."""
    modes = [str(data.get("mode")) for what, data in lines if what in ("line_committed", "line_also")]
    return case.drill or (modes[-1] if modes else mode) == "drill"


def accepted(detail: str) -> str:
    """What a messenger answered, without the name of its protocol."""
    return _ACCEPTED.sub("对方系统已接收 accepted", detail)


def words(table: Mapping[str, Words], key: object) -> Words:
    """The words for ``key``; a key without words stands for itself."""
    text = str(key)
    return table.get(text, Words(text, text))


def role_in_words(directory: CommunityDirectory | None, role: str) -> Words:
    """What the community calls a role; where it has no name of its own for it, the usual one."""
    if directory is not None and (zh := directory.role_name(role, "zh")) != role:
        return Words(zh, directory.role_name(role, "en"))
    return words(ROLES, role)


def duration(seconds: float | None) -> str:
    """``0.8 s``, ``42 s``, ``3:20`` (minutes), ``2:05:00`` (hours) or ``3.5 d``."""
    if seconds is None:
        return "–"
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02}"
    if whole < 2 * 86_400:
        return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"
    return f"{whole / 86_400:.1f} d"
