"""Links by which a person answers one message: an id that says nothing, and its signature. Pure.

The page behind it is read by a browser, and by whatever looks at links for its owner: opening it never acts.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

SECRET = "ANSWER_LINK_SECRET"
"""The secret that signs; made at the first start. Where it is replaced, every link is worthless."""
LIFE_MS = 24 * 3_600_000
"""So long a link can act; how it ended is told for `TOLD_MS`."""
TOLD_MS = 7 * 24 * 3_600_000
_ID_CHARACTERS = 16
_MAC_CHARACTERS = 32


def new_id() -> str:
    """An id by chance: 96 bits."""
    return secrets.token_urlsafe(12)


def sign(secret: str, id_: str) -> str:
    """The last part of a link's address, for the id of its row."""
    return id_ + _mac(secret, id_)


def read(secret: str, token: str) -> str | None:
    """The id in a link's last part; None where its signature is not ours."""
    id_, mac = token[:_ID_CHARACTERS], token[_ID_CHARACTERS:]
    if not token.isascii() or not hmac.compare_digest(mac, _mac(secret, id_)):
        return None
    return id_


def _mac(secret: str, id_: str) -> str:
    return hmac.new(secret.encode(), b"anju answer link\0" + id_.encode(), hashlib.sha256).hexdigest()[:_MAC_CHARACTERS]
