"""What people do with work beside taking and finishing it: more time, suspension, rework, and what is asked afterwards.

The stages and their order stand in `human`; two cases at once (merge, split, open again) in `linking`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import get_args

from gateway.cases import timing
from gateway.cases.causes import CAUSES
from gateway.cases.commands import Action, HumanAction, Refused
from gateway.cases.effects import Purpose
from gateway.cases.model import AT_WORK, HELD, Case, Stage
from gateway.cases.report import CallBack, Rating, TimeAsked
from gateway.cases.turn import Turn

FARTHEST_MS = 366 * 86_400_000
RECORDS_MOST = 50
FROM: Mapping[Action, tuple[Stage, ...]] = {
    "suspend": HELD,
    "resume": HELD,
    "ask_time": HELD,
    "grant_time": HELD,
    "refuse_time": HELD,
    "rework": (Stage.RESOLVED, Stage.VERIFIED),
    "merge": AT_WORK,
    "split": (*AT_WORK, Stage.RESOLVED, Stage.VERIFIED),
    "reopen": (Stage.CLOSED, Stage.CANCELLED),
    "call_back": (Stage.CLOSED,),
    "rate": (Stage.CLOSED,),
}
REASON_NEEDED: Mapping[Action, str] = {
    "suspend": "挂账",
    "ask_time": "申请延期",
    "grant_time": "同意延期",
    "refuse_time": "不同意延期",
    "rework": "返工",
    "split": "拆分",
    "reopen": "重新立案",
}
WHILE_SUSPENDED: frozenset[Action] = frozenset(("resume", "note", "cancel", "release", "merge", "split", "line_update"))
"""What can be done with a case whose clock stands."""


def silent(case: Case, actor: str | None) -> set[Action]:
    """Of the actions that fit the stage those that make no sense now, or not for ``actor``."""
    found: set[Action] = set()
    if case.suspended is not None:
        found |= set(get_args(Action)) - WHILE_SUSPENDED
    else:
        found.add("resume")
    if case.ladder.life_safety:
        found.add("suspend")
    if case.limit is None or case.asked is not None:
        found.add("ask_time")
    if case.asked is None or case.asked.by == actor:
        found |= {"grant_time", "refuse_time"}
    if case.storm is not None or case.emergency.state.called:
        found.add("merge")
    if any(link.kind == "followed_by" for link in case.links):
        found.add("reopen")
    if actor is not None and handled(case, actor):
        found.add("verify")
    if case.work is not None and case.work.must_verify and case.stage is Stage.RESOLVED:
        found.add("close")
    return found


def took_part(turn: Turn, *who: str) -> None:
    """Note who has had the case, was sent or was there."""
    new = tuple(one for one in dict.fromkeys(who) if one and one not in turn.case.handlers)
    if new:
        turn.become(handlers=(*turn.case.handlers, *new))


def handled(case: Case, actor: str) -> bool:
    """Whether ``actor`` had part in it, as far as one can tell: by id, or by the name under which people know them."""
    known = {f"person:{target.person}": target.name for target in case.told}

    def names(one: str) -> set[str]:
        return {name.strip().casefold() for name in (one, one.partition(":")[2], known.get(one, ""))} - {""}

    return any(names(actor) & names(one) for one in case.handlers)


def check_by_another(turn: Turn, action: HumanAction) -> None:
    """核查 is done by somebody else than who handled it. Raises Refused."""
    if handled(turn.case, action.actor):
        who = "、".join(turn.case.handlers)
        raise Refused(
            "own_work",
            f"您参与了处置（{who}），请由其他人核查",
            f"you had part in it ({', '.join(turn.case.handlers)}): somebody else has to check it",
        )


def check_verified(turn: Turn) -> None:
    """Some work is only closed after its check. Raises Refused."""
    work = turn.case.work
    if work is not None and work.must_verify and turn.case.stage is Stage.RESOLVED:
        raise Refused(
            "not_verified",
            f"“{work.zh}”须先由他人核查再结案",
            f"{work.en} is closed only after somebody else has checked it (verify)",
        )


def cause_in_words(case: Case, reason: str) -> tuple[str, str]:
    """Why it was a false alarm, in both languages; empty where nothing is known."""
    zh, en = CAUSES[case.cause] if case.cause is not None and case.cause != "other" else ("", "")
    return "；".join(filter(None, (zh, reason))), "; ".join(filter(None, (en, reason)))


def assign(turn: Turn, action: HumanAction) -> None:
    """It is given to somebody: a person and the people of a role are told; of anybody else it is written down."""
    if not action.to:
        return
    turn.become(handler=action.to)
    took_part(turn, action.to)
    people = [target for target in timing.assigned(turn, action.to) if f"person:{target.person}" != action.actor]
    if people:
        turn.tell(
            people,
            Purpose.ASSIGNED,
            occasion=f"{turn.case.version}:assigned",
            detail=(action.reason, action.reason),
        )
        turn.remember(people)


def _suspend(turn: Turn, action: HumanAction) -> None:
    if turn.case.ladder.life_safety:
        raise Refused("life_safety", "涉及生命安全的案卷不能挂账", "a case for life safety cannot be suspended")
    timing.suspend(turn, action.actor, action.reason, _until(turn, action))


def _resume(turn: Turn, action: HumanAction) -> None:
    if turn.case.suspended is None:
        raise Refused("not_suspended", "案卷没有挂账", "the case is not suspended")
    timing.resume(turn, action.actor, action.reason)


def _ask_time(turn: Turn, action: HumanAction) -> None:
    running = turn.case.limit
    if running is None:
        raise Refused("no_limit", "此阶段没有时限，无需延期", "nothing limits this stage: no more time is needed")
    if turn.case.asked is not None:
        raise Refused(
            "already_asked",
            f"{turn.case.asked.by} 已申请延期，等待审批",
            f"{turn.case.asked.by} has asked already; it waits for an answer",
        )
    until_ms = _until(turn, action)
    if until_ms <= running.due_at_ms:
        raise Refused("until_wrong", "延期须晚于现在的时限", "more time must end after the limit as it is")
    asked = TimeAsked(by=action.actor, until_ms=until_ms, reason=action.reason, at_ms=turn.now_ms)
    turn.become(asked=asked)
    turn.write(action.actor, "time_asked", action.reason, until_ms=until_ms)
    until = _date(turn, until_ms)
    turn.tell(
        [target for target in timing.supervisors(turn) if f"person:{target.person}" != action.actor],
        Purpose.TIME_ASKED,
        occasion=f"{turn.case.version}:time-asked",
        detail=(f"申请延期至 {until}：{action.reason}", f"until {until}: {action.reason}"),
    )


def _grant_time(turn: Turn, action: HumanAction) -> None:
    asked = _asked(turn, action)
    turn.write(action.actor, "time_granted", action.reason, until_ms=asked.until_ms, who=asked.by)
    turn.become(asked=None)
    timing.extend(turn, asked.until_ms)
    until = _date(turn, asked.until_ms)
    _tell_asker(turn, asked, action, (f"同意延期至 {until}", f"granted until {until}"))


def _refuse_time(turn: Turn, action: HumanAction) -> None:
    asked = _asked(turn, action)
    turn.write(action.actor, "time_refused", action.reason, who=asked.by)
    turn.become(asked=None)
    _tell_asker(turn, asked, action, ("不同意延期", "refused"))


def _asked(turn: Turn, action: HumanAction) -> TimeAsked:
    asked = turn.case.asked
    if asked is None:
        raise Refused("not_asked", "没有待审批的延期申请", "nobody asks for more time")
    if asked.by == action.actor:
        raise Refused("own_request", "延期须由他人审批", "somebody else has to decide about the time you asked for")
    return asked


def _tell_asker(turn: Turn, asked: TimeAsked, action: HumanAction, answer: tuple[str, str]) -> None:
    people = {target.person: target for target in (*timing.assigned(turn, asked.by), *timing.handlers(turn))}
    turn.tell(
        [target for target in people.values() if f"person:{target.person}" != action.actor],
        Purpose.TIME_ANSWERED,
        occasion=f"{turn.case.version}:time-answered",
        detail=(f"{answer[0]}：{action.reason}", f"{answer[1]}: {action.reason}"),
    )


def _rework(turn: Turn, action: HumanAction) -> None:
    case = turn.case
    turn.write(action.actor, "reworked", action.reason, times=case.reworks + 1)
    times = {what: at_ms for what, at_ms in case.times.items() if what not in ("resolved", "verified")}
    turn.become(stage=Stage.DISPATCHED, reworks=case.reworks + 1, times=times)
    if timing.leased(turn.case, Stage.DISPATCHED):
        turn.set_lease(case.ladder.on_the_way_s)
    turn.tell(
        [target for target in timing.handlers(turn) if f"person:{target.person}" != action.actor],
        Purpose.REWORK,
        occasion=f"{case.version}:rework",
        detail=(action.reason, action.reason),
    )


def _call_back(turn: Turn, action: HumanAction) -> None:
    if action.done is None:
        raise Refused(
            "done_needed", "请说明是否确已办妥（done）", "say whether it is really done (done: true or false)"
        )
    _room(len(turn.case.call_backs))
    said = CallBack(
        at_ms=turn.now_ms,
        actor=action.actor,
        done=action.done,
        way=action.way,
        who=_asked_who(turn, action),
        words=action.reason,
    )
    turn.become(call_backs=(*turn.case.call_backs, said))
    turn.write(action.actor, "called_back", action.reason, done=action.done, way=action.way, who=said.who)


def _rate(turn: Turn, action: HumanAction) -> None:
    if action.score is None:
        raise Refused("score_needed", "请给出 1 到 5 分（score）", "give a score from 1 to 5")
    _room(len(turn.case.ratings))
    said = Rating(
        at_ms=turn.now_ms,
        actor=action.actor,
        score=action.score,
        by=action.by,
        way=action.way,
        who=_asked_who(turn, action),
        words=action.reason,
    )
    turn.become(ratings=(*turn.case.ratings, said))
    turn.write(action.actor, "rated", action.reason, score=action.score, by=action.by, way=action.way, who=said.who)


def _asked_who(turn: Turn, action: HumanAction) -> str:
    return action.to or (turn.case.reporter.name if turn.case.reporter is not None else "")


def _room(there: int) -> None:
    if there >= RECORDS_MOST:
        raise Refused("enough", f"已有 {there} 条记录", f"there are {there} records of it already")


def _until(turn: Turn, action: HumanAction) -> int:
    if action.until_ms is None:
        raise Refused("until_needed", "请说明到什么时候（until）", "say until when (until)")
    if not turn.now_ms < action.until_ms <= turn.now_ms + FARTHEST_MS:
        raise Refused("until_wrong", "截止时间须在将来，且不超过一年", "until must lie ahead, within a year")
    return action.until_ms


def _date(turn: Turn, at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(turn.directory.calendar.zone).strftime("%m-%d %H:%M")


ACTIONS: Mapping[Action, Callable[[Turn, HumanAction], None]] = {
    "suspend": _suspend,
    "resume": _resume,
    "ask_time": _ask_time,
    "grant_time": _grant_time,
    "refuse_time": _refuse_time,
    "rework": _rework,
    "call_back": _call_back,
    "rate": _rate,
}
