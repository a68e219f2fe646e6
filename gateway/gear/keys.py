"""The keys of those who push over HTTP: one for each device or bridge; the database holds its SHA-256 only."""

from __future__ import annotations

import hashlib
import hmac
import secrets

import sqlalchemy as sa

from gateway.clock import Millis
from gateway.state import tables as t
from gateway.state.db import insert

SHORTEST_KEY = 24


def create_key(connection: sa.Connection, sender: str, now_ms: Millis) -> str:
    """A new key for ``sender``, returned this once. The one before it is worth nothing from now on."""
    key = secrets.token_urlsafe(24)
    use_key(connection, sender, key, now_ms)
    return key


def use_key(connection: sa.Connection, sender: str, key: str, now_ms: Millis) -> bool:
    """``key``, which somebody else has made, is the key of ``sender`` from now on; False where it is already.

    Raises ValueError for one that could be guessed.
    """
    if len(key) < SHORTEST_KEY or not key.isascii() or not key.isprintable() or " " in key:
        raise ValueError(f"a key has {SHORTEST_KEY} or more printable characters and no space")
    if is_key_of(connection, sender, key):
        return False
    values = {"sha256": _digest(key), "created_at_ms": now_ms, "revoked_at_ms": None}
    statement = insert(connection, t.push_keys).values(sender=sender, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=["sender"], set_=values))
    return True


def revoke_key(connection: sa.Connection, sender: str, now_ms: Millis) -> bool:
    """``sender`` may push no more; False where it could not before."""
    c = t.push_keys.c
    done = connection.execute(
        sa.update(t.push_keys).where(c.sender == sender, c.revoked_at_ms.is_(None)).values(revoked_at_ms=now_ms)
    )
    return done.rowcount > 0


def is_key_of(connection: sa.Connection, sender: str, key: str) -> bool:
    """Whether ``key`` is the valid key of ``sender``."""
    c = t.push_keys.c
    known = connection.execute(
        sa.select(c.sha256).where(c.sender == sender, c.revoked_at_ms.is_(None))
    ).scalar_one_or_none()
    return hmac.compare_digest(known or "", _digest(key))


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
