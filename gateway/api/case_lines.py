"""What stands in a line of a case's timeline beside its words, as people read it on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from gateway.api.reads import TimelineLine
from gateway.api.rungs import rungs_in_words, who
from gateway.api.words import channel, words
from gateway.cases.causes import CAUSES
from gateway.cases.model import Case
from gateway.cases.wording import Words
from gateway.registry.directory import CommunityDirectory
from gateway.registry.evaluating import party_name

_QUIET = ("evidence", "purpose")
"""What of a line's data says nothing to people."""
_NAMES = ("person", "people", "who", "to", "owner")
_FACTS: dict[str, Words] = {
    "number": Words("号码", "number"),
    "people": Words("人员", "people"),
    "person": Words("人员", "person"),
    "who": Words("谁", "who"),
    "to": Words("派给", "to"),
    "owner": Words("受理人", "owner"),
    "rung": Words("步骤", "rung"),
    "branch": Words("分支", "branch"),
    "loop": Words("第几轮", "loop"),
    "times": Words("第几次", "times"),
    "mode": Words("线路", "line"),
    "call": Words("呼叫", "call"),
    "channel": Words("渠道", "channel"),
    "via": Words("途径", "via"),
    "way": Words("方式", "way"),
    "reference": Words("编号", "reference"),
    "rule_version": Words("规则版本", "rule version"),
    "device": Words("设备", "device"),
    "command": Words("指令", "command"),
    "args": Words("参数", "arguments"),
    "until_ms": Words("至", "until"),
    "due_at_ms": Words("时限", "due"),
    "cause": Words("原因", "cause"),
    "case": Words("案卷", "case"),
    "source": Words("来源", "source"),
    "pole": Words("杆号", "pole"),
    "score": Words("评分", "score"),
    "by": Words("评价方", "rated by"),
    "done": Words("已办妥", "done"),
    "count": Words("数量", "count"),
    "types": Words("类型", "types"),
    "stage": Words("环节", "stage"),
    "outgoing": Words("交班", "outgoing"),
}
_VALUES: dict[str, dict[str, Words]] = {
    "mode": {"drill": Words("演练", "drill"), "live": Words("真实拨打", "live")},
    "branch": {"family": Words("家属", "family")},
}


@dataclass(frozen=True)
class Speaker:
    """Words for the lines of one case."""

    case: Case
    directory: CommunityDirectory | None
    instant: Callable[[int], str]

    def name(self, actor: str) -> str:
        """An actor, or the id of a person, as people name them."""
        if actor.startswith("operator:"):
            return actor  # of which token it was is what one looks for here
        told = {target.person: target.name for target in self.case.told}
        person = actor.removeprefix("person:")
        if person in told:
            return told[person]
        known = self.directory.person(person) if self.directory is not None else None
        return known.name if known is not None else who(self.directory, actor)

    def facts(self, line: TimelineLine) -> Iterator[str]:
        """Everything that the line keeps and its words do not say."""
        for key, value in line.data.items():
            if key not in _QUIET and value not in (None, "", [], {}):
                label = words(_FACTS, key)
                yield f"{label.zh} {self._value(key, value)}" if label.zh != key else f"{key} {self._value(key, value)}"

    def _value(self, key: str, value: object) -> str:
        if isinstance(value, list):
            return "、".join(self._value(key, one) for one in value)
        if isinstance(value, int) and key.endswith("_ms"):
            return self.instant(value)
        if isinstance(value, bool):
            return "是 yes" if value else "否 no"
        if not isinstance(value, str):
            return json.dumps(value, ensure_ascii=False)
        if key in _NAMES:
            return self.name(value)
        if key == "rung":
            return words(rungs_in_words(self.case.ladder, self.directory), value).zh
        if key in ("channel", "via"):
            says = channel(value)
            return says.zh if says.zh == value else f"{says.zh} {value}"
        if key == "cause" and value in CAUSES:
            return f"{CAUSES[value][0]} {value}"  # type: ignore[index]  # it is one of them
        if key == "by" and self.directory is not None:
            return party_name(self.directory, value).zh
        return words(_VALUES.get(key, {}), value).zh
