"""Everything about one case in one document that can be checked without this gateway. docs/records.md describes it."""

from __future__ import annotations

import json
from typing import Any, Literal

import sqlalchemy as sa

from gateway.alarms import ALARM_TYPES, Frozen, Position
from gateway.api.reads import AlarmRow, OutboxRow
from gateway.api.reads import alarms as read_alarms
from gateway.api.reads import outbox as read_outbox
from gateway.cases import chain, scene
from gateway.cases.chain import Line, Verdict
from gateway.cases.model import Case
from gateway.cases.wording import TIMELINE_WORDS
from gateway.record import anchors, attachments, chains
from gateway.record.attachments import Attachment
from gateway.registry.atlas import atlas_of
from gateway.registry.directory import CommunityDirectory
from gateway.state import tables as t
from gateway.state.db import reading

FORM: Literal["anju-case-1"] = "anju-case-1"
MOST = 100_000
"""Lines of alarms and messages: all of them."""


class ExportedLine(Line):
    """A line of the timeline with its hash, and what its code means."""

    zh: str
    en: str


class ExportedSaid(OutboxRow):
    """A message with its text."""

    body: str


class ExportedAnchor(Frozen):
    """The newest anchor, whose digest was told outside with the heartbeat."""

    number: int
    at_ms: int
    digest: str


class Subject(Frozen):
    """Whom and what place the case is about, in words."""

    type_zh: str
    type_en: str
    resident: str
    place_zh: str
    place_en: str
    position: Position | None
    """WGS-84."""
    position_of: str | None


class Export(Frozen):
    """One case, with all that was written down of it."""

    form: Literal["anju-case-1"]
    exported_at_ms: int
    by: str
    community: dict[str, str]
    """``id``, ``zh``, ``en``, ``timezone``."""
    case: Case
    about: Subject
    names: dict[str, str]
    """Of the people who are named in it, by their ids."""
    verdict: Verdict
    """How the chain stood when this was made; `anju cases verify --file` looks at it again."""
    timeline: list[ExportedLine]
    alarms: list[AlarmRow]
    said: list[ExportedSaid]
    attachments: list[Attachment]
    anchor: ExportedAnchor | None


def export_case(engine: sa.Engine, directory: CommunityDirectory | None, case: Case, *, by: str, now_ms: int) -> Export:
    """Gather it. ``by``: who asked, as the timeline names them."""
    with reading(engine) as connection:
        verdict = next(chains.verdicts(connection, limit=1, case=case.id))
        of_case = sa.select(t.timeline).where(t.timeline.c.case_id == case.id).order_by(t.timeline.c.seq)
        lines = [chains.line_of(row) for row in connection.execute(of_case)]
        added = attachments.of_case(connection, case.id)
        anchor = anchors.newest(connection)
        said_of = sa.select(t.outbox.c.key, t.outbox.c.body).where(t.outbox.c.case_id == case.id)
        bodies = {row.key: row.body for row in connection.execute(said_of)}
    said = list(reversed(read_outbox(engine, case_id=case.id, status=None, limit=MOST)))
    return Export(
        form=FORM,
        exported_at_ms=now_ms,
        by=by,
        community=_community(directory),
        case=case.shown,
        about=_about(directory, case),
        names=_names(directory, case, said),
        verdict=verdict,
        timeline=[ExportedLine(**line.model_dump(), **_worded(line.what)) for line in lines],
        alarms=list(reversed(read_alarms(engine, open_only=False, case_id=case.id, limit=MOST))),
        said=[
            ExportedSaid(**row.model_dump(), body=json.loads(bodies.get(row.key, "{}")).get("body", "")) for row in said
        ],
        attachments=added,
        anchor=None if anchor is None else ExportedAnchor(**anchor.model_dump(exclude={"cases"})),
    )


def _worded(what: str) -> dict[str, str]:
    zh, en = TIMELINE_WORDS.get(what, (what, what))
    return {"zh": zh, "en": en}


def _community(directory: CommunityDirectory | None) -> dict[str, str]:
    if directory is None:
        return {"id": "", "zh": "", "en": "", "timezone": "UTC"}
    info = directory.community.community
    return {"id": info.id, "zh": info.name.zh, "en": info.name.en, "timezone": info.timezone}


def _about(directory: CommunityDirectory | None, case: Case) -> Subject:
    kind = ALARM_TYPES.get(case.type)
    work = case.work
    zh, en = (kind.zh, kind.en) if kind else (work.zh, work.en) if work else (case.type, case.type)
    stands = atlas_of(directory).spot(case.place) if directory else None
    return Subject(
        type_zh=zh,
        type_en=en,
        resident=scene.resident_name(case, directory) if directory else case.resident or "",
        place_zh=scene.place_path(case, directory, "zh") if directory else case.place or "",
        place_en=scene.place_path(case, directory, "en") if directory else case.place or "",
        position=None if stands is None else Position(lat=stands[0].lat, lon=stands[0].lon, datum="WGS-84"),
        position_of=None if stands is None else stands[1],
    )


def _names(directory: CommunityDirectory | None, case: Case, said: list[OutboxRow]) -> dict[str, str]:
    names = {target.person: target.name for target in case.told}
    if directory is not None:
        for person in {row.person for row in said if row.person} - names.keys():
            known = directory.person(person)
            names[person] = known.name if known is not None else person
    return dict(sorted(names.items()))


def verify_export(document: dict[str, Any]) -> tuple[Verdict, list[str]]:
    """Look at the chain of an export, and whether its attachments are those of the timeline; returns the verdict, and
    what else does not fit. Raises ValueError where it is no export."""
    if document.get("form") != FORM:
        raise ValueError(f"expected an export of the form {FORM}, found {document.get('form')!r}")
    try:
        case, kept = document["case"], document["verdict"]
        lines = [Line.model_validate({key: line[key] for key in Line.model_fields}) for line in document["timeline"]]
        verdict = chain.verify(case["id"], case["number"], kept["before"], lines, kept["head"], kept["lines"])
        noted = {line.data.get("id"): line.data.get("sha256") for line in lines if line.what == "attached"}
        odd = [
            f"attachment {one['id']} is not what the timeline says"
            for one in document["attachments"]
            if noted.get(one["id"], "") != one["sha256"]
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"the export is incomplete: {type(error).__name__}: {error}") from None
    return verdict, odd
