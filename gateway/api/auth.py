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
from fastapi import Depends, HTTPException, Request, status
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from gateway.api.context import Gateway
from gateway.state import tables as t
from gateway.state.db import reading

COOKIE = "anju_token"
Role = Literal["reader", "operator", "admin"]
_RANK: dict[str, int] = {"reader": 0, "operator": 1, "admin": 2}

_bearer = HTTPBearer(auto_error=False, description="A token made with `anju token create NAME --role operator`.")


@dataclass(frozen=True)
class Caller:
    """Who calls, by token."""

    name: str
    role: str

    @property
    def actor(self) -> str:
        """As the timeline names them."""
        return f"operator:{self.name}"


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def create_token(connection: sa.Connection, name: str, role: Role, now_ms: int) -> str:
    """Make a token and return it, this once. Raises sqlalchemy.exc.IntegrityError when the name is taken."""
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
            sa.select(t.tokens.c.name, t.tokens.c.role).where(
                t.tokens.c.sha256 == _digest(token), t.tokens.c.revoked_at_ms.is_(None)
            )
        ).one_or_none()
    return None if row is None else Caller(row.name, row.role)


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
        raise HTTPException(
            status.HTTP_401_UNAUTHORIZED,
            "a valid token is needed: send Authorization: Bearer <token>; make one with `anju token create`",
            headers={"WWW-Authenticate": "Bearer"},
        )
    if credentials is None and request.method not in ("GET", "HEAD") and not _same_origin(request):
        raise HTTPException(status.HTTP_403_FORBIDDEN, "this request comes from another site's page")
    return caller


def _same_origin(request: Request) -> bool:
    origin = request.headers.get("origin")
    return origin is None or origin.partition("://")[2] == request.headers.get("host")


Reader = Annotated[Caller, Depends(authenticate)]


def _operator(caller: Reader) -> Caller:
    if _RANK[caller.role] < _RANK["operator"]:
        raise HTTPException(
            status.HTTP_403_FORBIDDEN, f"token {caller.name!r} may only read; this needs the role operator"
        )
    return caller


Operator = Annotated[Caller, Depends(_operator)]
