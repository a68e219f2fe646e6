"""Tokens: who may read and who may act. On from the first start.

A token is 32 random bytes; the database holds its SHA-256 only. It comes as ``Authorization: Bearer …``, or in the
console's cookie (HttpOnly, SameSite=Strict). Roles: ``reader`` sees, ``operator`` acts on cases, ``admin`` does all.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import Annotated, Literal

import sqlalchemy as sa
from fastapi import Depends, Request
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer

from gateway.api.context import Gateway
from gateway.api.problem import ApiProblem
from gateway.state import tables as t
from gateway.state.db import reading

COOKIE = "anju_token"
Role = Literal["reader", "operator", "admin"]
_RANK: dict[str, int] = {"reader": 0, "operator": 1, "admin": 2}

NAME_LONGEST = 64

_bearer = HTTPBearer(auto_error=False, description="A token made with `anju token create NAME --role operator`.")
cookie_scheme = APIKeyCookie(
    name=COOKIE, auto_error=False, description="The same token in the console's cookie; acts from its own pages only."
)
"""For the description only: `authenticate` reads the cookie itself."""


@dataclass(frozen=True)
class Caller:
    """Who calls, by token."""

    name: str
    role: str
    since_ms: int
    """When the token was made: a later one of the same name is another."""

    @property
    def actor(self) -> str:
        """As the timeline names them."""
        return f"operator:{self.name}"


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


class NameTaken(Exception):
    """There is a valid token of that name."""


def create_token(connection: sa.Connection, name: str, role: Role, now_ms: int) -> str:
    """Make a token and return it, this once. A revoked token's name may be given again.

    Raises NameTaken; ValueError for a name that is empty, too long or not printable (the timeline shows it for ever).
    """
    if not 0 < len(name) <= NAME_LONGEST or not name.isprintable() or name != name.strip():
        raise ValueError(f"a token's name has 1 to {NAME_LONGEST} printable characters, got {name!r}")
    connection.execute(sa.delete(t.tokens).where(t.tokens.c.name == name, t.tokens.c.revoked_at_ms.is_not(None)))
    if connection.execute(sa.select(t.tokens.c.name).where(t.tokens.c.name == name)).one_or_none() is not None:
        raise NameTaken(name)
    token = secrets.token_urlsafe(32)
    connection.execute(sa.insert(t.tokens).values(name=name, sha256=_digest(token), role=role, created_at_ms=now_ms))
    return token


def revoke_token(connection: sa.Connection, name: str, now_ms: int) -> bool:
    """Make a token worthless; False when there is none of that name."""
    done = connection.execute(
        sa.update(t.tokens)
        .where(t.tokens.c.name == name, t.tokens.c.revoked_at_ms.is_(None))
        .values(revoked_at_ms=now_ms)
    )
    return done.rowcount == 1


def find_caller(engine: sa.Engine, token: str) -> Caller | None:
    """Whose token this is; None for an unknown or revoked one."""
    with reading(engine) as connection:
        row = connection.execute(
            sa.select(t.tokens.c.name, t.tokens.c.role, t.tokens.c.created_at_ms).where(
                t.tokens.c.sha256 == _digest(token), t.tokens.c.revoked_at_ms.is_(None)
            )
        ).one_or_none()
    return None if row is None else Caller(row.name, row.role, row.created_at_ms)


def still_valid(engine: sa.Engine, caller: Caller) -> bool:
    """Whether the token of a caller who has been here for a while (a stream) has not been revoked since."""
    query = sa.select(t.tokens.c.created_at_ms).where(
        t.tokens.c.name == caller.name, t.tokens.c.revoked_at_ms.is_(None)
    )
    with reading(engine) as connection:
        return connection.execute(query).scalar_one_or_none() == caller.since_ms


def authenticate(
    request: Request,
    context: Gateway,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Caller:
    """The caller of a request; 401 without a valid token, 403 for a cookie used from another site's page."""
    cookie = request.cookies.get(COOKIE)
    token = credentials.credentials if credentials is not None else cookie
    caller = None if token is None else find_caller(context.engine, token)
    if caller is None:
        raise ApiProblem(
            401,
            "no_token",
            "需要有效令牌",
            "a valid token is needed: send Authorization: Bearer <token>; make one with `anju token create`",
            headers={"WWW-Authenticate": "Bearer"},
        )
    if credentials is None and request.method not in ("GET", "HEAD") and not _same_origin(request):
        raise ApiProblem(403, "other_site", "请求来自其他网站的页面", "this request comes from another site's page")
    return caller


def _same_origin(request: Request) -> bool:
    origin = request.headers.get("origin")
    return origin is None or origin.partition("://")[2] == request.headers.get("host")


Reader = Annotated[Caller, Depends(authenticate)]


def _operator(caller: Reader) -> Caller:
    if _RANK[caller.role] < _RANK["operator"]:
        raise ApiProblem(
            403,
            "may_only_read",
            f"令牌 {caller.name} 只能查看；此操作需要 operator 角色",
            f"token {caller.name!r} may only read; this needs the role operator",
        )
    return caller


Operator = Annotated[Caller, Depends(_operator)]


def _admin(caller: Reader) -> Caller:
    if _RANK[caller.role] < _RANK["admin"]:
        raise ApiProblem(
            403,
            "needs_admin",
            f"令牌 {caller.name} 不能修改规则等配置；此操作需要 admin 角色",
            f"token {caller.name!r} may not change the configuration; this needs the role admin",
        )
    return caller


Admin = Annotated[Caller, Depends(_admin)]
