"""Logging in to one's own page: a code is sent to the contact that the registry has of a person, and only there."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable

import sqlalchemy as sa

from gateway.answers.numbers import whose
from gateway.cases.effects import Purpose, Send
from gateway.outbox import rows as outbox_rows
from gateway.outbox.by_hand import NO_CASE
from gateway.registry.directory import CommunityDirectory
from gateway.registry.model import Person
from gateway.state.db import insert, reading, writing
from gateway.state.human_tables import login_codes, person_sessions

CODE_MS = 10 * 60_000
TRIES_MOST = 5
AGAIN_MS = 60_000
"""A person is sent another code so long after the last one, at the earliest."""
SESSION_MS = 90 * 86_400_000


def send_code(engine: sa.Engine, directory: CommunityDirectory, number: str, now_ms: int) -> bool:
    """Send a code to each person of this number, at the contact of theirs that is registered; whether any was sent. Who
    asks must not learn it: the answer is the same for a number that nobody has."""
    sent = False
    for id_ in whose(directory.community.people, number):
        person = directory.person(id_)
        if person is not None and person.contacts:
            sent = _send_one(engine, person, directory.community.community.name.zh, now_ms) or sent
    return sent


def _send_one(engine: sa.Engine, person: Person, community: str, now_ms: int) -> bool:
    code = f"{secrets.randbelow(1_000_000):06d}"
    with writing(engine) as connection:
        last = connection.execute(
            sa.select(login_codes.c.made_ms).where(login_codes.c.person == person.id).with_for_update()
        ).scalar_one_or_none()
        if last is not None and 0 <= now_ms - last < AGAIN_MS:
            return False
        values = {"sha256": _digest(person.id, code), "made_ms": now_ms, "tries": 0}
        connection.execute(
            insert(connection, login_codes)
            .values(person=person.id, **values)
            .on_conflict_do_update(index_elements=["person"], set_=values)
        )
        address = person.contacts[0]
        return outbox_rows.enqueue(
            connection,
            NO_CASE,
            Send(
                key=f"login:{person.id}:{now_ms}:{secrets.token_hex(4)}",
                channel=address.channel,
                to=address.to,
                purpose=Purpose.LOGIN_CODE,
                person=person.id,
                title="登录验证码 login code",
                body=(
                    f"{person.name}：{code}，10 分钟内有效，用于查看 {community} 的个人页面。"
                    "不是您本人操作请忽略，勿转告他人。\n"
                    f"{code} is your code for 10 minutes. Do not give it to anybody."
                ),
                give_up_after_s=CODE_MS // 1000,
            ),
            now_ms,
        )


def log_in(engine: sa.Engine, people: Iterable[Person], number: str, code: str, now_ms: int) -> str | None:
    """The token of a new session for the person of this number whose code it is; None for a wrong or old code."""
    with writing(engine) as connection:
        for id_ in whose(people, number):
            if _code_fits(connection, id_, code, now_ms):
                return _new_session(connection, id_, now_ms)
    return None


def _code_fits(connection: sa.Connection, person: str, code: str, now_ms: int) -> bool:
    c = login_codes.c
    row = connection.execute(sa.select(login_codes).where(c.person == person).with_for_update()).one_or_none()
    if row is None or row.tries >= TRIES_MOST or not 0 <= now_ms - row.made_ms < CODE_MS:
        return False
    if hmac.compare_digest(row.sha256, _digest(person, code.strip())):
        # Used up: the row stays, so that another code is not sent at once.
        connection.execute(sa.update(login_codes).where(c.person == person).values(tries=TRIES_MOST))
        return True
    connection.execute(sa.update(login_codes).where(c.person == person).values(tries=row.tries + 1))
    return False


def _new_session(connection: sa.Connection, person: str, now_ms: int) -> str:
    token = secrets.token_urlsafe(32)
    connection.execute(sa.delete(person_sessions).where(person_sessions.c.until_ms < now_ms))
    connection.execute(
        sa.insert(person_sessions).values(
            sha256=_of_token(token), person=person, made_ms=now_ms, until_ms=now_ms + SESSION_MS
        )
    )
    return token


def session_of(engine: sa.Engine, token: str, now_ms: int) -> str | None:
    """Whose session it is."""
    mine = sa.and_(person_sessions.c.sha256 == _of_token(token), person_sessions.c.until_ms > now_ms)
    with reading(engine) as connection:
        return connection.execute(sa.select(person_sessions.c.person).where(mine)).scalar_one_or_none()


def log_out(engine: sa.Engine, token: str) -> None:
    """End the session of this token; nothing where there is none."""
    with writing(engine) as connection:
        connection.execute(sa.delete(person_sessions).where(person_sessions.c.sha256 == _of_token(token)))


def _digest(person: str, code: str) -> str:
    return hashlib.sha256(f"{person}\0{code}".encode()).hexdigest()


def _of_token(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
