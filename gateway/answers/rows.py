"""Answers, links and disclosures as rows. Every function works on the transaction or engine it is given."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

import sqlalchemy as sa

from gateway.alarms import Frozen
from gateway.answers.meaning import Answer
from gateway.cases.causes import Cause
from gateway.cases.effects import Send
from gateway.outbox.channel import Heard
from gateway.registry import handing
from gateway.state import tables as t
from gateway.state.db import insert, reading, writing
from gateway.state.human_tables import answer_codes, answer_links, answers, disclosures, handovers

Result = Literal["acted", "refused", "asked", "unknown_sender", "failed"]
_c = answers.c


class Kept(Frozen):
    """An answer as it stands in the database."""

    id: int
    channel: str
    ref: str
    sender: str
    text: str
    message: str | None
    at_ms: int
    received_ms: int
    person: str | None
    case_id: str | None
    answer: str | None
    version: int | None
    reason: str
    cause: Cause | None
    acted_ms: int | None
    done_ms: int | None
    result: str | None
    reply: str


class Invited(Frozen):
    """What a code stands for."""

    code: str
    person: str
    case_id: str
    version: int
    used_ms: int


class LinkRow(Frozen):
    """What a link stands for."""

    id: str
    person: str
    case_id: str
    version: int
    purpose: str
    made_ms: int


def keep(engine: sa.Engine, heard: Heard, now_ms: int, **known: object) -> int:
    """Write an answer down; returns its row, the same for one that is heard again. ``known``: what a page knows of it:
    person, case_id, answer, version, reason, cause."""
    values = {
        "sender": heard.sender,
        "text": heard.text[:2000],
        "message": heard.key,
        "at_ms": heard.at_ms,
        "received_ms": now_ms,
        **known,
    }
    with writing(engine) as connection:
        connection.execute(
            insert(connection, answers)
            .values(channel=heard.channel, ref=heard.id, **values)
            .on_conflict_do_nothing(index_elements=["channel", "ref"])
        )
        same = sa.and_(_c.channel == heard.channel, _c.ref == heard.id)
        return int(connection.execute(sa.select(_c.id).where(same)).scalar_one())


def load(engine: sa.Engine, id_: int) -> Kept:
    """One answer. Raises NoResultFound."""
    with reading(engine) as connection:
        return _kept(connection.execute(sa.select(answers).where(_c.id == id_)).one())


def undone(engine: sa.Engine, before_ms: int) -> list[int]:
    """Answers written down before ``before_ms`` and not settled, oldest first."""
    query = sa.select(_c.id).where(_c.done_ms.is_(None), _c.received_ms <= before_ms).order_by(_c.id)
    with reading(engine) as connection:
        return list(connection.execute(query).scalars())


def understood(
    engine: sa.Engine,
    id_: int,
    *,
    person: str,
    case_id: str,
    answer: Answer,
    version: int | None,
    reason: str,
    cause: Cause | None,
) -> None:
    """Note what an answer means, before it is acted on."""
    values: dict[str, object] = {
        "person": person,
        "case_id": case_id,
        "answer": answer.value,
        "version": version,
        "reason": reason,
    }
    values["cause"] = cause
    with writing(engine) as connection:
        connection.execute(sa.update(answers).where(_c.id == id_).values(**values))


def settle(
    engine: sa.Engine,
    id_: int,
    result: Result,
    reply: str,
    now_ms: int,
    *,
    person: str | None = None,
    case_id: str | None = None,
) -> str:
    """Say what came of an answer; returns the words that stand, which are those of the first to say so."""
    values: dict[str, object] = {"done_ms": now_ms, "result": result, "reply": reply}
    values |= {key: value for key, value in (("person", person), ("case_id", case_id)) if value is not None}
    with writing(engine) as connection:
        connection.execute(sa.update(answers).where(_c.id == id_, _c.done_ms.is_(None)).values(**values))
        return str(connection.execute(sa.select(_c.reply).where(_c.id == id_)).scalar_one())


def asked_back(engine: sa.Engine, channel: str, sender: str, since_ms: int) -> int:
    """How often a sender was asked back since: a machine that answers by itself must not be talked to for ever."""
    mine = sa.and_(_c.channel == channel, _c.sender == sender, _c.result == "asked", _c.received_ms >= since_ms)
    with reading(engine) as connection:
        return int(connection.execute(sa.select(sa.func.count()).where(mine)).scalar_one())


def answers_of(engine: sa.Engine, *, case_id: str | None = None, limit: int = 200) -> list[Kept]:
    """The newest answers, of one case or of all."""
    query = sa.select(answers).order_by(_c.id.desc()).limit(limit)
    if case_id is not None:
        query = query.where(_c.case_id == case_id)
    with reading(engine) as connection:
        return [_kept(row) for row in connection.execute(query)]


def codes_of(engine: sa.Engine, people: Collection[str]) -> list[Invited]:
    """The codes of these people, the newest first."""
    c = answer_codes.c
    query = sa.select(answer_codes).where(c.person.in_(list(people))).order_by(c.used_ms.desc(), c.code)
    with reading(engine) as connection:
        return [Invited(**row._mapping) for row in connection.execute(query)]


def link(engine: sa.Engine, id_: str) -> LinkRow | None:
    """The link with this id; None where it never was."""
    c = answer_links.c
    query = sa.select(c.id, c.person, c.case_id, c.version, c.purpose, c.made_ms).where(c.id == id_)
    with reading(engine) as connection:
        row = connection.execute(query).one_or_none()
    return None if row is None else LinkRow(**row._mapping)


def message(engine: sa.Engine, key: str) -> tuple[str, Send] | None:
    """A message of the outbox: its case and what it says."""
    query = sa.select(t.outbox.c.case_id, t.outbox.c.body).where(t.outbox.c.key == key)
    with reading(engine) as connection:
        row = connection.execute(query).one_or_none()
    return None if row is None else (row.case_id, Send.model_validate_json(row.body))


def take_over(engine: sa.Engine, people: Collection[str], now_ms: int) -> tuple[str, int] | None:
    """Confirm what one of these people has to take over on coming on duty: who, and how many cases it was; None where
    nothing waits for a receipt."""
    c = handovers.c
    waiting = sa.and_(c.incoming.in_(list(people)), c.receipt_ms.is_(None))
    with writing(engine) as connection:
        found = connection.execute(sa.select(c.id, c.incoming).where(waiting).order_by(c.at_ms)).all()
        mine = [row for row in found if row.incoming == found[0].incoming]
        done = [handing.confirm(connection, row.id, f"person:{row.incoming}", now_ms) for row in mine]
    return (found[0].incoming, sum(len(one.cases) for one in done if one is not None)) if found else None


Basis = Literal["emergency", "duty", "consent", "request"]


class Disclosure(Frozen):
    """Somebody was shown something of somebody."""

    at_ms: int
    person: str
    way: str
    """``link``, ``page``, or ``export`` of a person's telemetry on their request."""
    what: str
    case_id: str | None
    resident: str | None
    basis: Basis


def disclose(engine: sa.Engine, disclosure: Disclosure) -> None:
    """Write down who is about to be shown what."""
    with writing(engine) as connection:
        connection.execute(sa.insert(disclosures).values(**disclosure.model_dump()))


def disclosures_of(
    engine: sa.Engine, *, case_id: str | None = None, resident: str | None = None, limit: int = 200
) -> list[Disclosure]:
    """The newest disclosures, of one case, one resident, or all."""
    query = sa.select(*(column for column in disclosures.c if column.name != "id"))
    if case_id is not None:
        query = query.where(disclosures.c.case_id == case_id)
    if resident is not None:
        query = query.where(disclosures.c.resident == resident)
    with reading(engine) as connection:
        rows = connection.execute(query.order_by(disclosures.c.id.desc()).limit(limit))
        return [Disclosure(**row._mapping) for row in rows]


def _kept(row: sa.Row[tuple[object, ...]]) -> Kept:
    return Kept.model_validate(dict(row._mapping))
