"""Whom a rung reaches: its people as they are on duty now, its devices, and who has been told so far."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.cases import drill
from gateway.cases.directory import Target
from gateway.cases.effects import DEVICE_CHANNEL, Purpose, Send
from gateway.cases.policy import DeviceOrder, Recipient, Rung
from gateway.cases.turn import Turn


def people(turn: Turn, recipients: Iterable[Recipient]) -> list[Target]:
    """Everybody these stand for now, each once."""
    return stand_for(turn, recipients, turn.case.place, turn.case.resident)


def stand_for(turn: Turn, recipients: Iterable[Recipient], place: str | None, resident: str | None) -> list[Target]:
    """The people these recipients stand for now, each once, in order."""
    found: dict[str, Target] = {}
    for recipient in recipients:
        for target in turn.resolve(recipient, place=place, resident=resident):
            found.setdefault(target.person, target)
    return list(found.values())


def remember(turn: Turn, targets: Iterable[Target], branch: str = "") -> None:
    """They have been told, and hear how it goes on; whom only a branch told belongs to it."""
    known = {target.person for target in turn.case.told}
    targets = list(targets)
    new = tuple(target for target in targets if target.person not in known)
    if new:
        turn.become(told=(*turn.case.told, *new))
    branches = dict(turn.case.branch_of)
    for target in targets:
        if not branch:
            branches.pop(target.person, None)
        elif target in new:
            branches[target.person] = branch
    if branches != turn.case.branch_of:
        turn.become(branch_of=branches)


def everybody(turn: Turn) -> list[Target]:
    """All who were told, and all on the ladder and its branches as they are on duty now."""
    found = {target.person: target for target in turn.case.told}
    for rung in turn.case.ladder.every_rung:
        for target in people(turn, rung.notify):
            found.setdefault(target.person, target)
    return list(found.values())


def take(turn: Turn, rung: Rung, branch: str = "") -> bool:
    """Tell the people of a rung, and command its devices; False when it has people to tell and reached nobody."""
    targets = people(turn, rung.notify)
    facts = {"branch": branch} if branch else {}
    turn.write("system", "rung", rung=rung.id, people=[one.person for one in targets], call=rung.call, **facts)
    # Who stands on several rungs (a son who is grid staff) is told by the first of them; reminders come later.
    known = {target.person for target in turn.case.told} if turn.case.loop == 0 else set()
    new = [target for target in targets if target.person not in known]
    turn.tell(new, Purpose.ALARM, occasion=f"{turn.case.ladder.id}:{turn.case.loop}:{rung.id}", rung=rung.id)
    remember(turn, targets, branch)
    command(turn, rung.devices, rung.id)
    if not rung.notify or any(target.addresses for target in targets):
        return True
    if turn.case.spared and _in_earnest(turn, rung):
        return True  # the next step comes at its time, as it would have
    turn.write("system", "rung_empty", rung=rung.id)
    _tell_supervisor(turn, rung)
    return False


def _in_earnest(turn: Turn, rung: Rung) -> bool:
    """Whether a real alarm would have told somebody by this rung."""
    case = turn.case
    return any(
        target.addresses
        for recipient in rung.notify
        for target in turn.directory.resolve(recipient, place=case.place, resident=case.resident, at_ms=turn.now_ms)
    )


def _tell_supervisor(turn: Turn, rung: Rung) -> None:
    """A step with nobody on it is a hole that somebody has to mend; a family without further members is none."""
    supervisor = turn.case.ladder.supervisor
    family = (True, "first") if turn.case.resident is not None else ()
    expected = any(one.role or one.person or one.organisation or one.family in family for one in rung.notify)
    if supervisor is None or supervisor in rung.notify or not expected:
        return
    whom = "、".join(str(one) for one in rung.notify)
    detail = (f"步骤 {rung.id}（{whom}）现在没有人", f"Step {rung.id} ({whom}) has nobody now")
    turn.tell(
        people(turn, (supervisor,)), Purpose.RUNG_EMPTY, occasion=f"empty:{turn.case.loop}:{rung.id}", detail=detail
    )


def command(turn: Turn, orders: Iterable[DeviceOrder], occasion: str) -> None:
    """Give the commands of a rung to the devices there are."""
    if turn.case.duress:
        return
    for order in orders:
        if drill.nothing_at(turn, order.command):
            continue
        devices = turn.directory.obeying(order.kinds, order.command, place=turn.case.place, resident=turn.case.resident)
        if not devices:
            turn.write("system", "no_device", ", ".join(order.kinds), command=order.command)
        for device in devices:
            turn.effect(
                Send(
                    key=f"{turn.case.id}:{occasion}:{turn.case.loop}:{order.command}:{device}:{DEVICE_CHANNEL}",
                    channel=DEVICE_CHANNEL,
                    to=device,
                    purpose=Purpose.SOUND,
                    urgent=True,
                    data={"command": order.command, "args": order.args},
                    give_up_after_s=120,
                )
            )
