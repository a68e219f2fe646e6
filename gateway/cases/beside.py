"""What runs beside the ladder's own clock: branches with an acknowledgement of their own, rungs that tell all, repeats,
people who say that they are coming, and messages that wait for the end of somebody's quiet hours.

All of it stands in ``Case.agenda``; one timer is due at the first of it.
"""

from __future__ import annotations

from gateway.cases import reach
from gateway.cases.commands import HumanAction
from gateway.cases.effects import Purpose
from gateway.cases.gate import MIN_RUNG_S
from gateway.cases.model import Case, Helper, Item, Stage
from gateway.cases.policy import Branch, Rung
from gateway.cases.turn import Turn

DUE_AT_ONCE = 100


def begin(turn: Turn) -> None:
    """The ladder begins: so do its branches and the clocks of the rungs that tell all."""
    ladder, at_ms = turn.case.ladder, turn.now_ms
    items: list[Item] = []
    for rung in ladder.rungs:
        at_ms += rung.after_s * 1000
        if rung.tell == "all":
            items.append(Item(what="rung", at_ms=at_ms, name=rung.id))
    for branch in ladder.branches:
        items.append(Item(what="branch", at_ms=turn.now_ms + branch.rungs[0].after_s * 1000, name=branch.id))
    turn.become(agenda=tuple(items), branches={branch.id: 0 for branch in ladder.branches})


def waits(case: Case, rung: Rung) -> bool:
    """Whether a rung that tells all is still to come."""
    return any(item.what == "rung" and item.name == rung.id for item in case.agenda)


def drop(turn: Turn, what: str, name: str) -> None:
    """Take what is due under this name off the case's agenda; nothing where it is not on it."""
    turn.become(agenda=tuple(item for item in turn.case.agenda if (item.what, item.name) != (what, name)))


def due(turn: Turn) -> None:
    """Take what is due, the first first."""
    for _ in range(DUE_AT_ONCE):
        item = min(turn.case.agenda, key=lambda item: item.at_ms, default=None)
        if item is None or item.at_ms > turn.now_ms:
            return
        turn.become(agenda=tuple(one for one in turn.case.agenda if one is not item))
        match item.what:
            case "rung":
                _rung(turn, item)
            case "branch":
                _branch(turn, item)
            case "repeat":
                _again(turn, item)
            case "helper":
                _lapsed(turn, item)
            case "held":
                _held(turn, item)


def settle(turn: Turn) -> None:
    """After a step: where nothing has to be done any more, nothing is due."""
    case = turn.case
    if case.at_work or not (case.agenda or case.helpers):
        return
    if any(item.what == "held" for item in case.agenda):
        turn.write("system", "held_dropped", people=[item.name for item in case.agenda if item.what == "held"])
    turn.become(agenda=(), helpers=())


def repeat(turn: Turn, rung: Rung) -> None:
    """A rung went out that is to be told again."""
    if rung.repeat is not None:
        at_ms = turn.now_ms + rung.repeat.every_s * 1000
        item = Item(what="repeat", at_ms=at_ms, name=rung.id, left=rung.repeat.times)
        turn.become(agenda=(*turn.case.agenda, item))


def _find(case: Case, name: str) -> tuple[Rung | None, str]:
    for rung in case.ladder.rungs:
        if rung.id == name:
            return rung, ""
    for branch in case.ladder.branches:
        for rung in branch.rungs:
            if rung.id == name:
                return rung, branch.id
    return None, ""


def _rung(turn: Turn, item: Item) -> None:
    rung, branch = _find(turn.case, item.name)
    if rung is not None:
        reach.take(turn, rung, branch)
        repeat(turn, rung)


def _again(turn: Turn, item: Item) -> None:
    rung, branch = _find(turn.case, item.name)
    if rung is None or (rung.tell == "anyone" and (turn.case.stage is not Stage.OPENED or accepted(turn.case, branch))):
        return
    coming = {helper.actor for helper in turn.case.helpers} | {turn.case.owner}
    targets = [one for one in reach.people(turn, rung.notify) if f"person:{one.person}" not in coming]
    turn.write("system", "rung_again", rung=rung.id, left=item.left - 1, people=[one.person for one in targets])
    turn.tell(targets, Purpose.REMINDER, occasion=f"{rung.id}:{turn.case.loop}:again-{item.left}", rung=rung.id)
    reach.remember(turn, targets, branch)
    if item.left > 1 and rung.repeat is not None:
        at_ms = turn.now_ms + rung.repeat.every_s * 1000
        turn.become(agenda=(*turn.case.agenda, item.model_copy(update={"left": item.left - 1, "at_ms": at_ms})))


def _held(turn: Turn, item: Item) -> None:
    known = (one for one in turn.case.told if one.person == item.name)
    target = next(known, None)
    if target is not None:
        turn.tell([target], item.purpose, occasion=item.occasion, rung=item.rung, detail=item.detail)


# branches


def _of(case: Case, name: str) -> Branch | None:
    return next((branch for branch in case.ladder.branches if branch.id == name), None)


def accepted(case: Case, branch: str) -> bool:
    """Whether somebody of a branch has said that they are coming."""
    return bool(branch) and any(helper.branch == branch for helper in case.helpers)


def _may_tell(case: Case, rung: Rung, branch: str) -> bool:
    return rung.tell == "all" or (case.stage is Stage.OPENED and not accepted(case, branch))


def _branch(turn: Turn, item: Item) -> None:
    branch = _of(turn.case, item.name)
    index = turn.case.branches.get(item.name, 0)
    if branch is None or index >= len(branch.rungs):
        return
    rung = branch.rungs[index]
    if not _may_tell(turn.case, rung, branch.id):
        turn.write("system", "rung_passed", rung=rung.id, branch=branch.id)
        return  # it goes on from here when nobody is coming any more
    reached = reach.take(turn, rung, branch.id)
    repeat(turn, rung)
    turn.become(branches={**turn.case.branches, branch.id: index + 1})
    if index + 1 < len(branch.rungs):
        wait_s = branch.rungs[index + 1].after_s
        due_ms = max(item.at_ms + wait_s * 1000, turn.now_ms + min(wait_s, MIN_RUNG_S) * 1000)
        following = Item(what="branch", at_ms=due_ms if reached else turn.now_ms, name=branch.id)
        turn.become(agenda=(*turn.case.agenda, following))


def revive(turn: Turn) -> None:
    """Nobody has the case, or nobody of a branch is coming any more: branches that were passed over go on at once."""
    for branch in turn.case.ladder.branches:
        index = turn.case.branches.get(branch.id, len(branch.rungs))
        waiting = any((item.what, item.name) == ("branch", branch.id) for item in turn.case.agenda)
        if index < len(branch.rungs) and not waiting and _may_tell(turn.case, branch.rungs[index], branch.id):
            item = Item(what="branch", at_ms=turn.now_ms, name=branch.id)
            turn.become(agenda=(*turn.case.agenda, item))


# people who are coming


OTHERS = "beside"
"""The branch of those who come beside the ladder and stand on none of its branches: a family that the ladder tells."""


def concerns(case: Case, action: HumanAction) -> bool:
    """Whether an answer is that of somebody of a branch: it silences the branch, and not the ladder."""
    person = action.actor.removeprefix("person:")
    if action.action == "come":
        return case.at_work
    if not case.at_work or person not in case.branch_of or case.owner == action.actor:
        return False
    coming = any(helper.actor == action.actor for helper in case.helpers)
    return action.action in ("acknowledge", "dispatch") or (action.action in ("release", "pass_on") and coming)


def answer(turn: Turn, action: HumanAction) -> None:
    """Somebody of a branch says that they are coming, or that they are not after all."""
    branch = turn.case.branch_of.get(action.actor.removeprefix("person:"), OTHERS)
    if action.action in ("release", "pass_on"):
        _leave(turn, action.actor)
        turn.write(action.actor, "helper_left", action.reason, branch=branch)
        _nobody_comes(turn)
        return
    known = any(helper.actor == action.actor for helper in turn.case.helpers)
    ladder = turn.case.ladder
    come(turn, action.actor, branch, ladder.lease_s if action.action == "acknowledge" else ladder.on_the_way_s)
    turn.write(action.actor, "coming", action.reason, branch=branch)
    if not known:
        who = action.actor.removeprefix("person:")
        name = next((one.name for one in turn.case.told if one.person == who), who)
        turn.tell(
            [one for one in turn.case.told if one.person != who],
            Purpose.COMING,
            occasion=f"{turn.case.version}:coming",
            detail=(f"正在赶来：{name}", f"Coming: {name}"),
        )
        turn.indicate("blue", "help_is_coming")


def hurry(turn: Turn, branch: str) -> None:
    """Somebody of a branch cannot come: its next rung is due now."""
    turn.become(
        agenda=tuple(
            item.model_copy(update={"at_ms": turn.now_ms}) if (item.what, item.name) == ("branch", branch) else item
            for item in turn.case.agenda
        )
    )


def come(turn: Turn, actor: str, branch: str, lease_s: int) -> None:
    """Note that somebody is coming, for so long."""
    until_ms = turn.now_ms + lease_s * 1000
    _leave(turn, actor)
    helper = Helper(actor=actor, branch=branch, since_ms=turn.now_ms, until_ms=until_ms)
    turn.become(helpers=(*turn.case.helpers, helper))
    turn.become(agenda=(*turn.case.agenda, Item(what="helper", at_ms=until_ms, name=actor)))


def _leave(turn: Turn, actor: str) -> None:
    turn.become(helpers=tuple(helper for helper in turn.case.helpers if helper.actor != actor))
    drop(turn, "helper", actor)


def _lapsed(turn: Turn, item: Item) -> None:
    _leave(turn, item.name)
    turn.write("system", "helper_lapsed", owner=item.name)
    turn.tell(
        [target for target in turn.case.told if f"person:{target.person}" == item.name],
        Purpose.OWNER_SILENT,
        occasion=f"{turn.case.version}:helper-silent:{item.name}",
    )
    _nobody_comes(turn)


def _nobody_comes(turn: Turn) -> None:
    if turn.case.owner is None and not turn.case.helpers:
        turn.indicate("green", "received")  # the resident must not think that somebody is on the way
    revive(turn)


def successor(turn: Turn) -> Helper | None:
    """Whoever of the ladder's own people is still coming when the owner has fallen silent: they have the case now."""
    mine = [helper for helper in turn.case.helpers if not helper.branch and helper.until_ms > turn.now_ms]
    if not mine:
        return None
    _leave(turn, mine[0].actor)
    return mine[0]
