"""What belongs to a case beside words: photos, voice notes, and where a camera's recording is found.

Each is a row, and a line of the case's timeline with its SHA-256, so that the chain covers it. The same thing added
twice, after a lost answer, is one attachment.
"""

from __future__ import annotations

import hashlib
import json
from typing import Literal

import sqlalchemy as sa

from gateway.alarms import Frozen
from gateway.cases.chain import canonical
from gateway.cases.effects import Write
from gateway.decider import case_rows
from gateway.record.files import ENDINGS, Files, Looked
from gateway.registry.values import Position
from gateway.settings import Settings
from gateway.state import human_tables as h

MOST = 100
"""Attachments of one case."""
_a = h.attachments.c


class Attachment(Frozen):
    """One attachment of a case."""

    id: str
    case_id: str
    kind: Literal["photo", "voice", "clip"]
    at_ms: int
    actor: str
    name: str
    """What the file was called, or what the clip shows."""
    media_type: str | None = None
    bytes: int | None = None
    sha256: str | None = None
    width: int | None = None
    height: int | None = None
    position: Position | None = None
    """Where a photo says that it was taken."""
    camera: str | None = None
    """Of a clip: the camera's id here."""
    gb28181: str | None = None
    """Of a clip: the camera's id in the video system (GB/T 28181), where the registry knows it."""
    place: str | None = None
    """Of a clip: where the camera stands."""
    from_ms: int | None = None
    until_ms: int | None = None
    """Of a clip: the stretch of the recording."""


class TooMany(Exception):
    """The case has as many attachments as one may have."""


def add_file(
    connection: sa.Connection, case_id: str, looked: Looked, sha256: str, size: int, name: str, actor: str, now_ms: int
) -> Attachment:
    """Note a file that is on disk already. Raises KeyError for an unknown case, TooMany."""
    return _add(
        connection,
        Attachment(
            id=_id(case_id, sha256),
            case_id=case_id,
            kind=looked.kind,
            at_ms=now_ms,
            actor=actor,
            name=name or f"{looked.kind}.{ENDINGS[looked.media_type]}",
            media_type=looked.media_type,
            bytes=size,
            sha256=sha256,
            width=looked.width,
            height=looked.height,
            position=looked.position,
        ),
    )


def add_clip(
    connection: sa.Connection,
    case_id: str,
    *,
    camera: str,
    name: str,
    gb28181: str | None,
    place: str | None,
    from_ms: int,
    until_ms: int,
    actor: str,
    now_ms: int,
) -> Attachment:
    """Note where the recording of a camera is found. Raises KeyError for an unknown case, TooMany."""
    return _add(
        connection,
        Attachment(
            id=_id(case_id, camera, from_ms, until_ms),
            case_id=case_id,
            kind="clip",
            at_ms=now_ms,
            actor=actor,
            name=name,
            camera=camera,
            gb28181=gb28181,
            place=place,
            from_ms=from_ms,
            until_ms=until_ms,
        ),
    )


def _add(connection: sa.Connection, one: Attachment) -> Attachment:
    known = find(connection, one.id)
    if known is not None:
        return known
    count = connection.execute(sa.select(sa.func.count()).where(_a.case_id == one.case_id)).scalar_one()
    if count >= MOST:
        raise TooMany
    facts = one.model_dump(exclude_none=True, exclude={"case_id", "at_ms", "actor"})
    case_rows.append(
        connection, one.case_id, [Write(actor=one.actor, what="attached", reason=one.name, data=facts)], one.at_ms
    )
    columns = ("id", "case_id", "kind", "at_ms", "actor", "name", "media_type", "bytes", "sha256")
    values = {name: getattr(one, name) for name in columns}
    connection.execute(sa.insert(h.attachments).values(**values, body=one.model_dump_json(exclude_none=True)))
    return one


def find(connection: sa.Connection, attachment: str) -> Attachment | None:
    """The attachment with this id, if there is one."""
    body = connection.execute(sa.select(_a.body).where(_a.id == attachment)).scalar_one_or_none()
    return None if body is None else Attachment.model_validate_json(body)


def of_case(connection: sa.Connection, case_id: str) -> list[Attachment]:
    """In the order in which they were added."""
    query = sa.select(_a.body).where(_a.case_id == case_id).order_by(_a.at_ms, _a.id)
    return [Attachment.model_validate(json.loads(body)) for body in connection.execute(query).scalars()]


def files_of(settings: Settings) -> Files:
    """The files of a gateway. Twice the journal's reserve of the disk is left alone."""
    return Files(settings.data_dir / "attachments", 2 * settings.journal.reserve_mb * 2**20)


def _id(*parts: object) -> str:
    return f"att-{hashlib.sha256(canonical(list(parts)).encode()).hexdigest()[:16]}"
