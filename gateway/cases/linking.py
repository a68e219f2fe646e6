"""Two cases at once: one becomes part of another, a part becomes one of its own, one that was over is taken up again.

A case that is over stays over. What happens to both sides is decided in one step and committed in one transaction.
"""

from __future__ import annotations

from gateway.alarms import Severity
from gateway.cases.commands import HumanAction, Refused
from gateway.cases.effects import Purpose
from gateway.cases.human import check, over
from gateway.cases.model import Case, Stage
from gateway.cases.policy import Ladder, Recipient, Rung
from gateway.cases.report import Link
from gateway.cases.timing import assigned
from gateway.cases.turn import Turn

LINKS_MOST = 200
_ORDER = list(Severity)


def merged_into(case: Case) -> Link | None:
    """Where a merged case went."""
    return next((link for link in case.links if link.kind == "merged_into"), None)


def merge(turn: Turn, into: Turn, action: HumanAction) -> None:
    """并案: the case of ``turn`` ends as part of ``into``, which takes over its alarms, what was done by itself, and
    everybody who was told. Raises Refused."""
    check(turn.case, action)
    case, target = turn.case, into.case
    if case.id == target.id:
        raise Refused("same_case", "不能并入自身", "a case cannot become part of itself")
    if case.storm is not None or target.storm is not None:
        raise Refused("storm", "报警风暴的案卷不能并案", "a case of an alarm storm is not merged")
    if case.drill != target.drill:
        raise Refused("drill", "演练案卷与真实案卷不能并案", "a drill and a real case are not merged")
    if case.emergency.state.called:
        raise Refused(
            "line_called",
            "本案已呼叫急救，请把另一案卷并入本案",
            "the emergency line was called for this case: merge the other one into it",
        )
    if case.ladder.life_safety and not target.ladder.life_safety:
        raise Refused(
            "life_safety",
            "涉及生命安全的案卷不能并入一般案卷",
            "a case for life safety does not become part of an ordinary one",
        )
    if case.ladder.call_index is not None and target.ladder.call_index is None:
        raise Refused(
            "no_line",
            f"案卷 {target.number} 不会自动呼叫急救，请把它并入本案",
            f"case {target.number} calls no emergency line by itself: merge it into this one",
        )
    if not target.at_work or target.suspended is not None:
        raise Refused(
            "wrong_stage",
            f"案卷 {target.number} 已处置、已结束或已挂账，不能并入",
            f"case {target.number} is done, over or suspended: nothing is merged into it",
        )
    _linked(turn, Link(kind="merged_into", case=target.id, number=target.number))
    over(turn, action.actor, Stage.MERGED, action.reason, into=target.number)
    _linked(into, Link(kind="merged_from", case=case.id, number=case.number))
    into.write(action.actor, "merged_in", action.reason, case=case.number)
    _take_over(into, case)
    if case.owner is not None and case.owner != target.owner and case.owner != action.actor:
        turn.tell(
            assigned(turn, case.owner),
            Purpose.MERGED,
            occasion=f"{case.version}:merged",
            detail=(f"并入案卷 {target.number}", f"into case {target.number}"),
        )


def _take_over(into: Turn, case: Case) -> None:
    target = into.case
    known = {(ref.rule, ref.subject) for ref in target.alarms}
    active = {(ref.rule, ref.subject) for ref in case.alarms if ref.active}
    held = (ref.model_copy(update={"active": ref.active or (ref.rule, ref.subject) in active}) for ref in target.alarms)
    people = {one.person for one in target.told}
    new = [one for one in case.told if one.person not in people]
    worse = _ORDER.index(case.severity) < _ORDER.index(target.severity)
    into.become(
        alarms=(*held, *(ref for ref in case.alarms if (ref.rule, ref.subject) not in known)),
        told=(*target.told, *new),
        measures=(*target.measures, *case.measures),
        branch_of={**case.branch_of, **target.branch_of},
        unreached=tuple(dict.fromkeys((*target.unreached, *case.unreached))),
        duress=target.duress or case.duress,
        withheld=target.withheld + case.withheld,
        severity=case.severity if worse else target.severity,
        type=case.type if worse and case.work is None and target.work is None else target.type,
        cancel_until_ms=None,
    )
    for device in case.indicators:
        into.pressed(device, helped=target.owner is not None)
    if target.ladder.life_safety:
        # What they were still to be told of the other case is withdrawn, and no rung tells again who is known.
        into.tell(
            new,
            Purpose.ALARM if target.owner is None else Purpose.TAKEN,
            occasion=f"{target.version}:merged-in",
            detail=(f"案卷 {case.number} 已并入", f"Case {case.number} is part of it now"),
        )


def check_split(case: Case, action: HumanAction) -> None:
    """Whether the case can be split. Raises Refused."""
    check(case, action)
    if len(case.links) >= LINKS_MOST:
        raise Refused("enough", f"本案已关联 {LINKS_MOST} 个案卷", f"the case has {LINKS_MOST} linked cases already")


def check_reopen(case: Case, action: HumanAction) -> None:
    """Whether the case can be taken up again. Raises Refused."""
    check(case, action)
    refuse_second(case)


def refuse_second(case: Case) -> None:
    """A case has one next episode. Raises Refused where there is one."""
    following = next((link for link in case.links if link.kind == "followed_by"), None)
    if following is not None:
        raise Refused(
            "already_reopened",
            f"已重新立案：{following.number}",
            f"it was opened again already, as case {following.number}",
        )


def linked(turn: Turn, new: Case, actor: str, what: str, reason: str) -> None:
    """Note at the older case that ``new`` came of it."""
    kind = "split_into" if what == "split_off" else "followed_by"
    _linked(turn, Link.model_validate({"kind": kind, "case": new.id, "number": new.number}))
    turn.write(actor, what, reason, case=new.number)


def without_calls(ladder: Ladder) -> Ladder:
    """The ladder without its emergency line: no machine calls because a person took up a file again. A person may."""
    rungs = [
        rung if rung.call is None else rung.model_copy(update={"call": None, "arm_s": None, "countdown_s": 0})
        for rung in ladder.rungs
        if rung.call is None or rung.notify or rung.devices
    ] or [Rung(id="supervisor", after_s=0, notify=(ladder.supervisor or Recipient(role="supervisor"),))]
    fallback = ladder.fallback
    if fallback is not None and fallback.call:
        fallback = fallback.model_copy(update={"call": False}) if fallback.notify or fallback.devices else None
    more = {"rungs": tuple(rungs), "lines": (), "fallback": fallback, "cancel_window_s": 0}
    return ladder.model_copy(update=more)


def _linked(turn: Turn, *links: Link) -> None:
    turn.become(links=(*turn.case.links, *links))
