"""A change of shift: who goes off duty passes what they have to whoever comes on. Nobody's work goes home with them."""

from __future__ import annotations

from gateway.cases import drill
from gateway.cases.commands import DutyPassed
from gateway.cases.turn import Turn


def passed(turn: Turn, command: DutyPassed) -> None:
    """The case changes hands, where the outgoing person has it; else the incoming one is as if told of it before, and
    hears how it ends."""
    case, incoming = turn.case, command.incoming
    if not case.open:
        return
    if case.drill_of is not None and case.drill_of.tell == "instead":
        stand_ins, _ = drill.stand_ins(case.drill_of, (incoming,), turn.directory, turn.now_ms)
        if not stand_ins:
            return
        incoming = stand_ins[0]
    facts = {"role": command.role, "place": command.place, "incoming": incoming.person}
    if incoming.person not in (target.person for target in case.told):
        turn.become(told=(*case.told, incoming))
    if case.owner not in [f"person:{person}" for person in command.outgoing]:
        turn.write("system", "duty_passed", **facts)
        return
    owner = f"person:{incoming.person}"
    turn.write("system", "handed_over", outgoing=case.owner, **facts)
    turn.become(owner=owner)
    if case.handler in ("", case.owner):
        turn.become(handler=owner if case.handler else "")
    if owner not in case.handlers:
        turn.become(handlers=(*case.handlers, owner))
    if case.lease_until_ms is not None:
        turn.set_lease(case.ladder.lease_s)  # a lease of their own: they have only just heard of it
