"""Steps of a ladder, whom they tell, and who did something, as people name them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gateway.api.words import role_in_words
from gateway.cases.policy import Ladder, Recipient, Rung
from gateway.cases.simulate import Run
from gateway.cases.wording import Words
from gateway.registry.directory import CommunityDirectory


def who(directory: CommunityDirectory | None, actor: str | None) -> str:
    """An actor of the timeline as people name them."""
    if not actor:
        return ""
    kind, _, name = actor.partition(":")
    if kind == "person" and directory is not None:
        person = directory.person(name)
        return person.name if person is not None else name
    if kind == "device" and directory is not None:
        return directory.device_name(name, "zh")
    if kind == "system":
        return "系统 system"
    if kind == "rule":
        return f"规则 rule {name}"
    return name or actor


def rung_in_words(rung: Rung, directory: CommunityDirectory | None) -> Words:
    """Whom a step of the ladder tells, by their roles, or the line it calls."""
    says = [recipient_in_words(one, directory) for one in rung.notify]
    if rung.call:
        zh, en = ("（演练）", " (drill)") if line_reaches_nobody(directory) else ("", "")
        says.append(Words(f"呼叫 {rung.call}{zh}", f"call {rung.call}{en}"))
    return Words("、".join(one.zh for one in says), ", ".join(one.en for one in says if one.en))


def line_reaches_nobody(directory: CommunityDirectory | None) -> bool:
    """Whether the site's emergency line is a drill, so that no real centre hears it."""
    return directory is None or directory.line_mode == "drill"


def recipient_in_words(recipient: Recipient, directory: CommunityDirectory | None) -> Words:
    """One whom a step tells: a role, the family, somebody by name."""
    if recipient.family:
        part = {
            "first": Words("家属第一联系人", "the first of the family"),
            "further": Words("其他家属", "further family"),
        }
        return part.get(str(recipient.family), Words("家属", "the family"))
    if recipient.neighbours:
        return Words("邻居", "neighbours")
    if recipient.doctor:
        return Words("本人的医生", "the resident's doctor")
    if recipient.role:
        return role_in_words(directory, recipient.role)
    if recipient.organisation:
        known = directory.organisation(recipient.organisation) if directory is not None else None
        return Words(recipient.organisation, "") if known is None else Words(known.name.zh, known.name.en)
    return Words(who(directory, f"person:{recipient.person}"), "")


def rungs_in_words(ladder: Ladder | None, directory: CommunityDirectory | None) -> Mapping[str, Words]:
    """What the steps of a ladder are called, by their ids; with the id beside it, which its file has."""
    rungs: Sequence[Rung] = () if ladder is None else tuple(ladder.every_rung)
    return {rung.id: _with_id(rung_in_words(rung, directory), rung.id) for rung in rungs}


def _with_id(says: Words, id_: str) -> Words:
    return Words(f"{says.zh} {id_}", f"{says.en} {id_}") if says.zh else Words(id_, id_)


def title_in_words(run: Run, rungs: Mapping[str, Words]) -> Words:
    """What is played, with its step in words."""
    zh, en = run.zh, run.en
    for id_, says in rungs.items():
        zh, en = zh.replace(f"（{id_}）", f"（{says.zh}）"), en.replace(f"({id_})", f"({says.en})")
    return Words(zh, en)


_ORDERS: dict[str, str] = {
    "lamp=off": "灯灭",
    "lamp=amber": "黄灯",
    "lamp=green": "绿灯",
    "lamp=blue": "蓝灯",
    "voice=none": "不出声",
    "voice=received": "语音“已收到”",
    "voice=are_you_all_right": "语音询问是否平安",
    "voice=calling_for_help": "语音“正在呼救”",
    "voice=help_is_coming": "语音“有人来帮您了”",
    "voice=cancelled": "语音“已撤销”",
    "voice=drill": "语音“演练”",
}
"""What lamp and voice are told (devices.kinds.sos_button)."""


def order_in_words(order: str) -> str:
    """A command to a device as ``command argument=value …``; the code stays beside the words."""
    said = "，".join(_ORDERS[one] for one in order.split() if one in _ORDERS)
    return f"{said} ({order})" if said else order
