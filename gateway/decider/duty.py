"""Changes of shift: who comes on duty is told, open cases pass to them, and a receipt that does not come is told on.

What was seen last is a row, so that a change is found however it came about: by the clock, by an override, by other
files, or while the gateway was down. Then only what is so now is told, once.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import sqlalchemy as sa

from gateway.cases.commands import DutyPassed
from gateway.cases.directory import Target
from gateway.cases.effects import Delivery, Purpose, Send
from gateway.cases.model import Case
from gateway.cases.policy import Recipient
from gateway.decider import case_rows
from gateway.decider.decision import Decision
from gateway.decider.view import View
from gateway.outbox import rows as outbox_rows
from gateway.outbox.by_hand import NO_CASE
from gateway.outbox.records import Outcome
from gateway.registry.directory import CommunityDirectory
from gateway.registry.duty import Book, Key
from gateway.registry.duty_words import Said, begins, not_confirmed
from gateway.registry.roster import HandOver
from gateway.state import tables as t
from gateway.state.db import insert, reading
from gateway.state.human_tables import duty_seen, handovers

log = logging.getLogger(__name__)

PURPOSES = (Purpose.ON_DUTY, Purpose.HANDED_OVER, Purpose.NOT_CONFIRMED)
_GIVE_UP_S = 3600
_h = handovers.c


class Change(NamedTuple):
    """Other people are on duty than before."""

    key: Key
    before: tuple[str, ...]
    after: tuple[str, ...]
    since_ms: int

    @property
    def incoming(self) -> tuple[str, ...]:
        """Who has come on duty."""
        return tuple(person for person in self.after if person not in self.before)

    @property
    def outgoing(self) -> tuple[str, ...]:
        """Who has gone off duty."""
        return tuple(person for person in self.before if person not in self.after)


def changes(book: Book, seen: Mapping[Key, tuple[str, ...]], now_ms: int) -> list[Change]:
    """Where others are on duty now than was seen. What was never seen is no change. Pure."""
    found = []
    for key, line in book.lines.items():
        here = line.at(now_ms)
        if key in seen and set(seen[key]) != set(here.people):
            found.append(Change(key, seen[key], here.people, here.begin_ms))
    return found


def next_ms(book: Book, now_ms: int) -> int | None:
    """When it is to be looked again at the latest. Pure."""
    return min((line.at(now_ms).until_ms for line in book.lines.values() if line.changes), default=None)


def concerned(cases: Iterable[Case], change: Change, directory: CommunityDirectory, now_ms: int) -> list[Case]:
    """The open cases that pass on with a change: what the outgoing people have, and what nobody has and is told to this
    role, at a place for which the incoming are on duty. Pure."""
    role, place = change.key
    owners = {f"person:{person}" for person in change.outgoing}
    found = []
    for case in cases:
        if not case.at_work or not (case.place is None or directory.lies_in(case.place, place)):
            continue
        if case.owner in owners:
            found.append(case)
        elif case.owner is None:
            told = any(recipient.role == role for rung in case.ladder.every_rung for recipient in rung.notify)
            if told and set(change.after) & set(directory.on_duty(role, case.place, now_ms)):
                found.append(case)
    return found


class Shifts:
    """Used by the decider's thread alone."""

    def __init__(self) -> None:
        self._looked_for: tuple[int, int | None] | None = None
        """The revision that was looked by, and until when that holds."""

    def due(self, engine: sa.Engine, view: View, now_ms: int) -> bool:
        """Whether there is something to look at."""
        if self._looked_for is None or self._looked_for[0] != view.revision:
            return True
        until_ms = self._looked_for[1]
        if until_ms is not None and now_ms >= until_ms:
            return True
        with reading(engine) as connection:
            return bool(_unconfirmed(connection, now_ms))

    def looked(self, view: View, now_ms: int) -> None:
        """What `look` did is committed."""
        self._looked_for = view.revision, next_ms(view.directory.duties, now_ms)


def look(decision: Decision) -> None:
    """Tell and pass on what has changed, and what nobody has confirmed. In the decision's transaction."""
    directory, now_ms = decision.view.directory, decision.now_ms
    rows = decision.connection.execute(sa.select(duty_seen)).all()
    seen = {(row.role, row.place): tuple(json.loads(row.people)) for row in rows}
    found = changes(directory.duties, seen, now_ms)
    if found:
        bodies = decision.connection.execute(sa.select(t.cases.c.body).where(t.cases.c.open)).scalars()
        cases = [Case.model_validate_json(body) for body in bodies]
        for change in found:
            _tell(decision, change, concerned(cases, change, directory, now_ms))
    _remember(decision, seen)
    for row in _unconfirmed(decision.connection, now_ms):
        _escalate(decision, row)


def _remember(decision: Decision, seen: Mapping[Key, tuple[str, ...]]) -> None:
    lines = decision.view.directory.duties.lines
    for key in seen.keys() - lines.keys():
        mine = sa.and_(duty_seen.c.role == key[0], duty_seen.c.place == key[1])
        decision.connection.execute(sa.delete(duty_seen).where(mine))
    for key, line in lines.items():
        here = line.at(decision.now_ms)
        if seen.get(key) != here.people:
            values = {"people": json.dumps(here.people), "since_ms": here.begin_ms}
            decision.connection.execute(
                insert(decision.connection, duty_seen)
                .values(role=key[0], place=key[1], **values)
                .on_conflict_do_update(index_elements=["role", "place"], set_=values)
            )


def _tell(decision: Decision, change: Change, cases: Sequence[Case]) -> None:
    """Pass the cases on, and tell everybody who comes on duty. Of several the first has to confirm."""
    directory = decision.view.directory
    line = directory.duties.lines[change.key]
    role, place = change.key
    taking = [target for person in (change.incoming or change.after) if (target := _target(directory, person, change))]
    if taking:
        for case in cases:
            passed = DutyPassed(role=role, place=place, outgoing=change.outgoing, incoming=taking[0])
            decision.duty_passed(case.id, passed)
    confirm = line.handover if cases else None
    if confirm is not None:
        _await(decision, change, taking[0].person if taking else "", cases, confirm)
    for number, target in enumerate(taking):
        if target.person not in change.incoming and not cases:
            continue
        if not cases and line.roster is not None and not line.roster.notice:
            continue
        awaited = confirm.receipt_s if confirm is not None and number == 0 else None
        until_ms = _until(directory, change.key, target.person, decision.now_ms)
        said = begins(directory, role, place, change.since_ms, until_ms, cases, target.language, awaited)
        purpose = Purpose.HANDED_OVER if cases else Purpose.ON_DUTY
        occasion = f"duty:{role}:{place}:{change.since_ms}:{decision.now_ms}"
        say(decision, occasion, target, purpose, said, urgent=any(case.ladder.life_safety for case in cases))


def _target(directory: CommunityDirectory, person: str, change: Change) -> Target | None:
    found = directory.resolve(Recipient(person=person), place=change.key[1], resident=None, at_ms=change.since_ms)
    return found[0] if found else None


def _until(directory: CommunityDirectory, key: Key, person: str, now_ms: int) -> int | None:
    """When somebody's duty ends; None where that is not in sight."""
    line = directory.duties.lines[key]
    ahead = line.between(now_ms, now_ms + 32 * 86_400_000)
    return next((stretch.begin_ms for stretch in ahead if person not in stretch.people), None)


def _await(decision: Decision, change: Change, incoming: str, cases: Sequence[Case], confirm: HandOver) -> None:
    role, place = change.key
    values = {
        "id": f"{role}:{place}:{change.since_ms}:{decision.now_ms}",
        "role": role,
        "place": place,
        "outgoing": json.dumps(change.outgoing),
        "incoming": incoming,
        "cases": json.dumps([case.id for case in cases]),
        "at_ms": decision.now_ms,
        "due_ms": decision.now_ms + (confirm.receipt_s * 1000 if incoming else 0),
    }
    decision.connection.execute(
        insert(decision.connection, handovers).values(**values).on_conflict_do_nothing(index_elements=["id"])
    )


def _unconfirmed(connection: sa.Connection, now_ms: int) -> Sequence[sa.Row[tuple[object, ...]]]:
    late = sa.and_(_h.due_ms <= now_ms, _h.receipt_ms.is_(None), _h.escalated_ms.is_(None))
    return connection.execute(sa.select(handovers).where(late).order_by(_h.at_ms, _h.id)).all()


def _escalate(decision: Decision, row: sa.Row[tuple[object, ...]]) -> None:
    """Nobody has confirmed: the supervisor is told of what is still open of it."""
    directory = decision.view.directory
    done = sa.update(handovers).where(_h.id == row.id, _h.receipt_ms.is_(None)).values(escalated_ms=decision.now_ms)
    if decision.connection.execute(done).rowcount != 1:
        return  # confirmed in this instant
    loaded = [case_rows.load(decision.connection, case_id) for case_id in json.loads(row.cases)]
    cases = [case for case in loaded if case is not None and case.at_work]
    line = directory.duties.lines.get((row.role, row.place))
    if not cases or line is None or line.handover is None:
        return
    supervisor = Recipient(role=line.handover.supervisor)
    person = directory.person(row.incoming)
    targets = directory.resolve(supervisor, place=row.place, resident=None, at_ms=decision.now_ms)
    if not targets:
        log.error("hand-over %s was not confirmed, and nobody holds role %s", row.id, line.handover.supervisor)
    for target in targets:
        name = person.name if person is not None else row.incoming or None
        said = not_confirmed(directory, row.role, row.place, name, cases, target.language)
        say(decision, f"handover:{row.id}", target, Purpose.NOT_CONFIRMED, said, urgent=True)


def say(
    decision: Decision,
    occasion: str,
    target: Target,
    purpose: Purpose,
    said: Said,
    *,
    urgent: bool,
    index: int = 0,
    drill: bool = False,
) -> None:
    """Tell somebody something that belongs to no case; where a way does not work, `heard` tries the next."""
    if index >= len(target.addresses):
        log.error("%s: %s cannot be reached by any channel", purpose.value, target.person)
        return
    address = target.addresses[index]
    send = Send(
        key=f"{occasion}:{target.person}:{index}:{address.channel}",
        channel=address.channel,
        to=address.to,
        purpose=purpose,
        person=target.person,
        urgent=urgent,
        title=said.title,
        body=said.body,
        give_up_after_s=_GIVE_UP_S,
        drill=drill,
    )
    decision.said = outbox_rows.enqueue(decision.connection, NO_CASE, send, decision.now_ms) or decision.said


def heard(decision: Decision, outcome: Outcome) -> None:
    """What became of such a message: where a way did not work, the person's next one is tried."""
    if outcome.delivery not in (Delivery.TROUBLE, Delivery.GAVE_UP) or outcome.send.person is None:
        return
    recipient = Recipient(person=outcome.send.person)
    found = decision.view.directory.resolve(recipient, place=None, resident=None, at_ms=decision.now_ms)
    occasion, _, index, _ = outcome.send.key.rsplit(":", 3)
    if found:
        said = Said(outcome.send.title, outcome.send.body)
        urgent, purpose = outcome.send.urgent, outcome.send.purpose
        drill = outcome.send.drill
        say(decision, occasion, found[0], purpose, said, urgent=urgent, index=int(index) + 1, drill=drill)


def move(connection: sa.Connection, by_ms: int) -> None:
    """The wall clock was set: what is awaited moves with it."""
    waiting = sa.and_(_h.due_ms.is_not(None), _h.receipt_ms.is_(None), _h.escalated_ms.is_(None))
    connection.execute(sa.update(handovers).where(waiting).values(due_ms=_h.due_ms + by_ms))
