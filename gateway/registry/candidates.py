"""Strangers: gear that spoke or was described and is not registered. What an adoption starts from.

Whoever can publish can make strangers up, so the table is bounded, and so is what is kept of each.
"""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from gateway.state import tables as t
from gateway.state.db import insert

MAX = 5_000
PAYLOAD_CHARS = 2_000
TEXT_CHARS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateNote:
    """What was just learnt of a stranger."""

    bridge: str
    """``native`` for gear of the native protocol."""
    address: str
    profile: str
    kind: str | None = None
    name: str = ""
    vendor: str = ""
    model: str = ""
    firmware: str = ""
    heard: bool
    """True: it spoke itself. False: its bridge described it."""
    source: str = ""
    """Topic or path of the message."""
    payload: bytes = b""
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A stranger as it is kept."""

    bridge: str
    address: str
    profile: str
    kind: str | None
    """The kind it most probably is."""
    name: str
    vendor: str
    model: str
    firmware: str
    first_ms: int
    last_ms: int
    heard: int
    """How often it spoke itself."""
    last_source: str
    last_payload: str
    dismissed_at_ms: int | None


def note(connection: sa.Connection, rows: Sequence[CandidateNote], now_ms: int) -> None:
    """Bring the table up to date with ``rows``, in their order. What is not said this time stays as it was.

    Beyond `MAX` the oldest go: first those that were only described and that nobody has dismissed.
    """
    if not rows:
        return
    c = t.candidates.c
    statement = insert(connection, t.candidates)
    new = statement.excluded
    said = ("name", "vendor", "model", "firmware", "last_source", "last_payload")
    statement = statement.on_conflict_do_update(
        index_elements=["bridge", "address"],
        set_={name: sa.case((new[name] != "", new[name]), else_=c[name]) for name in said}
        | {
            "profile": new.profile,
            "kind": sa.func.coalesce(new.kind, c.kind),
            # What was noted later than now was noted by a clock that has been set back since.
            "last_ms": sa.case(
                (c.last_ms > now_ms, new.last_ms), (c.last_ms > new.last_ms, c.last_ms), else_=new.last_ms
            ),
            "heard": c.heard + new.heard,
        },
    )
    connection.execute(statement, [_values(row) for row in rows])
    _keep_bounded(connection)


def _values(row: CandidateNote) -> dict[str, object]:
    return {
        "bridge": row.bridge,
        "address": plain(row.address),
        "profile": row.profile,
        "kind": row.kind,
        "name": plain(row.name),
        "vendor": plain(row.vendor),
        "model": plain(row.model),
        "firmware": plain(row.firmware),
        "first_ms": row.at_ms,
        "last_ms": row.at_ms,
        "heard": int(row.heard),
        "last_source": plain(row.source),
        "last_payload": readable(row.payload),
    }


def _keep_bounded(connection: sa.Connection) -> None:
    c = t.candidates.c
    surplus = connection.execute(sa.select(sa.func.count()).select_from(t.candidates)).scalar_one() - MAX
    if surplus <= 0:
        return
    described = sa.and_(c.dismissed_at_ms.is_(None), c.heard == 0)
    oldest = sa.select(c.bridge, c.address).order_by(sa.case((described, 0), else_=1), c.last_ms).limit(surplus)
    gone = [{"b": row.bridge, "a": row.address} for row in connection.execute(oldest)]
    connection.execute(
        sa.delete(t.candidates).where(c.bridge == sa.bindparam("b"), c.address == sa.bindparam("a")), gone
    )


def find(connection: sa.Connection, bridge: str, address: str) -> Candidate | None:
    """One stranger; None where there is none (any more)."""
    c = t.candidates.c
    row = connection.execute(sa.select(t.candidates).where(c.bridge == bridge, c.address == address)).one_or_none()
    return None if row is None else Candidate(**row._mapping)


def waiting(connection: sa.Connection, *, dismissed: bool = False) -> list[Candidate]:
    """The strangers, those heard last first; ``dismissed``: also those somebody wants to see no more."""
    c = t.candidates.c
    query = sa.select(t.candidates).order_by(c.last_ms.desc(), c.bridge, c.address)
    if not dismissed:
        query = query.where(c.dismissed_at_ms.is_(None))
    return [Candidate(**row._mapping) for row in connection.execute(query)]


def dismiss(connection: sa.Connection, bridge: str, address: str, now_ms: int) -> bool:
    """Somebody looked, and it is none of ours; False where there is no such stranger."""
    c = t.candidates.c
    done = connection.execute(
        sa.update(t.candidates).where(c.bridge == bridge, c.address == address).values(dismissed_at_ms=now_ms)
    )
    return done.rowcount == 1


def forget(connection: sa.Connection, bridge: str, address: str) -> None:
    """It is no stranger any more."""
    c = t.candidates.c
    connection.execute(sa.delete(t.candidates).where(c.bridge == bridge, c.address == address))


def plain(text: str) -> str:
    """Text of a stranger in one printable line: databases refuse NUL, and terminals obey control characters."""
    return "".join(one if one.isprintable() else "�" for one in text[:TEXT_CHARS])


def readable(payload: bytes) -> str:
    """The beginning of a payload for people: as text where it is text, else in hexadecimal."""
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(payload)  # it may have been cut in the middle of a letter
    except UnicodeDecodeError:
        text = "\0"
    if all(one.isprintable() or one in "\t\r\n" for one in text):
        return text[:PAYLOAD_CHARS]
    return f"hex {payload[: PAYLOAD_CHARS // 2 - 2].hex()}"
