"""Beside other gateways on one database: what has been decided by whom, and what people say to one that stands by.

Every gateway journals what devices say. One that stands by moves its own cursor after the leader's, `BEHIND_MS` behind,
and when it takes over goes on from there: what the leader had decided of it is known by the message ids that it left
(urgent), and by what the rules remember (routine).
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Iterable
from typing import NamedTuple

import sqlalchemy as sa

from devices.observation import Lane
from gateway.cases.commands import HumanAction, Refused
from gateway.cases.report import Report
from gateway.decider import case_rows
from gateway.journal.entry import Entry, JournalReader
from gateway.state.db import insert, reading, writing
from gateway.state.human_tables import decided, gateways, relayed

BEHIND_MS = 10 * 60_000
REMEMBER_MS = 60 * 60_000
FOLLOW_BATCH = 2000
"""Entries looked through in one go while standing by."""
ANSWER_WITHIN_MS = 60_000
"""What the leader has not taken up for so long was never decided: nobody is waiting for it any more."""


class Relayed(NamedTuple):
    """A person's decision that waits for the leader."""

    id: str
    case_id: str
    body: str

    def said(self) -> HumanAction | Report:
        """What they said. Raises ValueError where a gateway of another version wrote what this one does not know."""
        kind = HumanAction if self.case_id else Report
        return kind.model_validate_json(self.body)


def decided_before(connection: sa.Connection, entries: Iterable[Entry]) -> set[str]:
    """The messages among ``entries`` that another gateway has decided."""
    ids = [entry.observation.message_id for entry in entries]
    return set(connection.execute(sa.select(decided.c.message_id).where(decided.c.message_id.in_(ids))).scalars())


def note_decided(connection: sa.Connection, entries: Iterable[Entry], now_ms: int) -> None:
    """Leave word for the others of what is decided in this transaction."""
    rows = [{"message_id": entry.observation.message_id, "at_ms": now_ms} for entry in entries]
    if rows:
        connection.execute(insert(connection, decided).on_conflict_do_nothing(index_elements=["message_id"]), rows)


def forget_old(connection: sa.Connection, now_ms: int) -> None:
    """Trim what nobody needs to know any more."""
    connection.execute(sa.delete(decided).where(decided.c.at_ms < now_ms - REMEMBER_MS))
    connection.execute(sa.delete(relayed).where(relayed.c.at_ms < now_ms - REMEMBER_MS))


def follow(journal: JournalReader, lane: Lane, after: int, decided_ms: int) -> int:
    """How far a gateway that stands by may move its cursor from ``after``, given that the leader has decided all that
    was received up to ``decided_ms``."""
    for entry in journal.read(lane, after, FOLLOW_BATCH):
        if entry.observation.received_at_ms >= decided_ms - BEHIND_MS:
            break
        after = entry.position
    return after


def relay(engine: sa.Engine, gateway: str, case_id: str, said: HumanAction | Report, now_ms: int) -> str:
    """Leave a person's decision or report for the leader; returns the id under which its answer will stand."""
    id_ = secrets.token_hex(12)
    with writing(engine) as connection:
        body = said.model_dump_json()
        connection.execute(sa.insert(relayed).values(id=id_, case_id=case_id, body=body, gateway=gateway, at_ms=now_ms))
    return id_


def waiting(engine: sa.Engine, alive: Collection[str]) -> list[Relayed]:
    """What people decided at the gateways that are ``alive`` and wait for, oldest first. What is too old is so by the
    clock of the gateway where it was said."""
    lately = relayed.c.at_ms >= gateways.c.seen_ms - ANSWER_WITHIN_MS
    asked = sa.and_(relayed.c.done_at_ms.is_(None), relayed.c.gateway.in_(alive), lately)
    query = sa.select(relayed).join(gateways, gateways.c.gateway == relayed.c.gateway).where(asked)
    with reading(engine) as connection:
        rows = connection.execute(query.order_by(relayed.c.at_ms)).all()
    return [Relayed(row.id, row.case_id, row.body) for row in rows]


def name_case(connection: sa.Connection, id_: str, case_id: str) -> None:
    """Say which case came of it: of a report that is known only now."""
    connection.execute(sa.update(relayed).where(relayed.c.id == id_).values(case_id=case_id))


def answer(connection: sa.Connection, id_: str, now_ms: int, refusal: KeyError | Refused | None = None) -> bool:
    """Say that it was done, or why not, in the transaction that did it. False where it had been answered."""
    words = None
    if isinstance(refusal, Refused):
        words = json.dumps({"code": refusal.code, "zh": refusal.zh, "en": refusal.en}, ensure_ascii=False)
    elif refusal is not None:
        words = "{}"
    done = connection.execute(
        sa.update(relayed)
        .where(relayed.c.id == id_, relayed.c.done_at_ms.is_(None))
        .values(done_at_ms=now_ms, refusal=words)
    )
    return done.rowcount == 1


def answered(engine: sa.Engine, ids: Iterable[str]) -> dict[str, object]:
    """What came of these: the Case, or the KeyError or Refused it failed with; those still waiting are left out."""
    found: dict[str, object] = {}
    with reading(engine) as connection:
        done = sa.and_(relayed.c.id.in_(list(ids)), relayed.c.done_at_ms.is_not(None))
        for row in connection.execute(sa.select(relayed).where(done)).all():
            if row.refusal is None:
                case = case_rows.load(connection, row.case_id)
                found[row.id] = KeyError(row.case_id) if case is None else case
            else:
                words = json.loads(row.refusal)
                found[row.id] = Refused(**words) if words else KeyError(row.case_id)
    return found
