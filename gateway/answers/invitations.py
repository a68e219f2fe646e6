"""The invitation that goes out with a message: a link and a code by which the person can answer.

Made in the transaction that takes the message up for sending, and never before: a message that waits for hours must not
hold a link that has run out, nor a code that is somebody else's by then.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

import sqlalchemy as sa

from gateway.answers import links
from gateway.cases.effects import OWN_CHANNELS, Purpose, Send
from gateway.cases.model import Case
from gateway.outbox.channel import Invitation
from gateway.state import tables as t
from gateway.state.db import insert
from gateway.state.human_tables import answer_codes, answer_links

ASKS = frozenset(
    {
        Purpose.ALARM,
        Purpose.REMINDER,
        Purpose.OWNER_SILENT,
        Purpose.CANCEL_CLAIM,
        Purpose.LINE_FAILED,
        Purpose.LINE_IS_DRILL,
        Purpose.LINE_SOON,
        Purpose.RUNG_EMPTY,
        Purpose.ASSIGNED,
        Purpose.LIMIT_NEAR,
        Purpose.OVERDUE,
        Purpose.RESUMED,
        Purpose.REWORK,
        Purpose.ACTION_FAILED,
    }
)
"""What is said for these purposes asks for an answer."""
KEPT_MS = 7 * 24 * 3_600_000
"""A code of a case that is over is not given out again for so long: a late reply must not hit another one."""
_DIGITS = (4, 5, 6)


class NoCodesLeft(Exception):
    """Every code is in use."""


class Inviter:
    """Implements `gateway.outbox.worker.Invite`."""

    def __init__(self, secret: str, public_url: str, chance: Callable[[int], int] = secrets.randbelow) -> None:
        """``public_url``: where telephones reach this gateway; empty where they do not, and there are no links."""
        self._secret = secret
        self._url = public_url.rstrip("/")
        self._chance = chance

    def __call__(self, connection: sa.Connection, case_id: str, send: Send, now_ms: int) -> Invitation | None:
        """The invitation for a message about to be sent; None where it asks for no answer. The same for its repeats."""
        if send.purpose not in ASKS or send.person is None or send.channel in OWN_CHANNELS:
            return None
        version = connection.execute(sa.select(t.cases.c.version).where(t.cases.c.id == case_id)).scalar_one_or_none()
        if version is None:
            return None
        code = self._code(connection, send.person, case_id, version, now_ms)
        link = self._link(connection, case_id, send, version, now_ms) if self._url else ""
        return Invitation(link=link, code=code)

    def _link(self, connection: sa.Connection, case_id: str, send: Send, version: int, now_ms: int) -> str:
        c = answer_links.c
        values = {"person": send.person, "case_id": case_id, "version": version, "purpose": send.purpose.value}
        connection.execute(
            insert(connection, answer_links)
            .values(id=links.new_id(), message=send.key, made_ms=now_ms, **values)
            .on_conflict_do_nothing(index_elements=["message"])
        )
        id_ = connection.execute(sa.select(c.id).where(c.message == send.key)).scalar_one()
        return f"{self._url}/a/{links.sign(self._secret, id_)}"

    def _code(self, connection: sa.Connection, person: str, case_id: str, version: int, now_ms: int) -> str:
        c = answer_codes.c
        known = sa.and_(c.person == person, c.case_id == case_id)
        code = connection.execute(sa.select(c.code).where(known)).scalar_one_or_none()
        if code is not None:
            connection.execute(sa.update(answer_codes).where(known).values(version=version, used_ms=now_ms))
            return str(code)
        for digits in _DIGITS:  # longer ones where the short ones get scarce, as after an earthquake
            for _ in range(8):
                code = str(10 ** (digits - 1) + self._chance(9 * 10 ** (digits - 1)))
                if _free(connection, code, now_ms):
                    connection.execute(
                        sa.insert(answer_codes).values(
                            code=code, person=person, case_id=case_id, version=version, used_ms=now_ms
                        )
                    )
                    return code
        raise NoCodesLeft(f"no free code for case {case_id}")


def _free(connection: sa.Connection, code: str, now_ms: int) -> bool:
    """Whether a code can be given out; what it stood for before is forgotten."""
    row = connection.execute(sa.select(answer_codes).where(answer_codes.c.code == code)).one_or_none()
    if row is None:
        return True
    body = connection.execute(sa.select(t.cases.c.body).where(t.cases.c.id == row.case_id)).scalar_one_or_none()
    if body is not None:
        case = Case.model_validate_json(body)
        if case.open or case.times.get("closed", row.used_ms) > now_ms - KEPT_MS:
            return False
    if row.used_ms > now_ms - KEPT_MS:
        return False
    connection.execute(sa.delete(answer_codes).where(answer_codes.c.code == code))
    return True
