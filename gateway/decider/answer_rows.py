"""Answers of people, in the transaction that carries them out."""

from __future__ import annotations

import sqlalchemy as sa

from gateway.state.human_tables import answers


def claim(connection: sa.Connection, answer: int, now_ms: int) -> bool:
    """Mark an answer as carried out; False where it has been before."""
    done = connection.execute(
        sa.update(answers).where(answers.c.id == answer, answers.c.acted_ms.is_(None)).values(acted_ms=now_ms)
    )
    return done.rowcount == 1
