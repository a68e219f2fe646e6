"""The short Chinese part in front of what is said about a community's files.

Every message of this room begins with one of a few kinds of sentence; the Chinese names that kind, and the English
after it has the details.
"""

from __future__ import annotations

import re

_KINDS = tuple(
    (re.compile(pattern), chinese)
    for pattern, chinese in (
        (r"unknown key", "未知的键"),
        (r"unknown section", "未知的部分"),
        (r"unknown kind", "未知的设备种类"),
        (r"unknown alarm type", "未知的报警类型"),
        (r"unknown metric", "未知的测量值"),
        (r"unknown placeholder", "未知的占位符"),
        (r"unknown", "未知的值"),
        (r"missing|empty;", "缺少"),
        (r"say why", "请写明原因"),
        (r"expected a day or an instant", "请写明到哪天"),
        (r"\S+ is over; give a time", "结束时间已过"),
        (r"\S+ is away, and nobody said", "外出未写明到哪天"),
        (r"attribute away_until", "外出结束时间写法不对"),
        (r"there is no organisation", "没有此组织"),
        (r"there is no|no file is called|the library has no rule", "引用不存在"),
        (r".*\btwice\b|rung ids must differ|.* is the address of two", "重复"),
        (r"attribute '.*' is called like|expressions keep the word", "名称已被占用"),
        (r"limit \S+ ends before", "有效期不对"),
        (r"no rule reads limit", "没有规则使用此限值"),
        (r"no rule reads attribute", "没有规则使用此属性"),
        (r"attribute \S+ is the text", "属性应为 true 或 false"),
        (r"limit \S+ of \S+ makes no sense", "限值不合理"),
        (r"\S+ is retired and carries", "上级设备已停用"),
        (r"profile \S+ (needs|knows)|bridge \S+ speaks", "协议不相配"),
        (r"expected another address", "地址没有变化"),
        (r"expected the same id", "编号不能更改"),
        (r"the registry is being changed", "名册正被他人修改"),
        (r"version \d+ is in force", "规则已被他人修改"),
        (r"version \d+ was written for an older", "旧版内容无法使用"),
        (r"\d+ more are wrong", "还有更多错误"),
        (r"none of the", "没有可用的设备"),
        (r"\S+ is life safety: nobody", "生命安全规则停止通知"),
        (r"example “", "示例不符"),
        (r"expected 1, the version", "版本不对"),
        (r"expected (at least|at most|more than|less than|a finite)", "超出范围"),
        (r"expected one of", "不在可选值之中"),
        (r"expected an id", "编号写法不对"),
        (r"expected a name", "名称写法不对"),
        (r"expected a year", "日期不对"),
        (r"expected [^;]*, found", "类型不对"),
        (r"\S+ has no event", "该设备没有此事件"),
        (r"somebody rates twice|\S+ rates itself", "评价方重复"),
        (r"the weights make|\S+ weighs", "评价权重不对"),
        (r"give people or roles", "没有可通知的人"),
        (r"until \S+ is before", "有效期不对"),
        (r"nobody for", "值班空档"),
        (r"role .* is in no roster", "排班中没有此角色"),
        (r"role .* has nobody", "此角色在该处无人值守"),
        (r"has cancel_events", "取消时间未设置"),
        (r"no ladder tells role", "没有升级流程通知此角色"),
        (r"role coverage was not checked", "未检查值守人员是否齐全"),
        (r"no rule looks at", "没有规则使用这种设备"),
        (r".* cannot be reached", "没有联系方式"),
        (r"the place lies in itself|the device is carried by itself|.* includes itself", "循环引用"),
        (r"impossible comparison|always true", "条件不成立或总成立"),
        (r"a reading of .* would raise", "同时触发与解除"),
        (r"there is nothing to put in place", "占位符不存在"),
        (r"life safety without|.* is life safety, ladder", "生命安全流程不完整"),
        (r"no rule is called", "没有此规则"),
        (r"nobody is told for|\S+ is told only after|the line is (called|armed)|the countdown of", "步骤次序不合理"),
        (r"the rung calls|.* calls an emergency line", "急救呼叫设置不全"),
        (r"ladder .* tells the family", "没有登记家属"),
        (r"stands only in the main file", "只能写在主文件"),
        (r"cannot be read", "无法读取"),
        (r".* is absolute|.* leads outside", "路径不允许"),
        (r".* is no file|.* is no pattern", "文件名不对"),
        (r"more than \d+ files|the file has \d+ bytes|all files together|nested deeper", "文件过大"),
        (r"one document a file", "一个文件只能有一份文档"),
        (r"YAML reads the key|a key must be a word", "键的写法不对"),
        (r"YAML cannot read", "值无法识别"),
        (r"(anchors|aliases|tags) \(", "不支持这种写法"),
        (r"not valid YAML", "格式错误"),
        (r"a password stands|.* carries|secrets? ", "密钥设置不对"),
    )
)


def chinese(message: str) -> str:
    """The Chinese name of the kind of ``message``.

    "写法不对" (wrongly written) for what has no name of its own, nothing for what is Chinese already.
    """
    if "\u4e00" <= message[:1] <= "\u9fff":
        return ""
    return next((name for pattern, name in _KINDS if pattern.match(message)), "写法不对")
