"""Cases for outside systems that fetch instead of being told: documents, CAP 1.2, a feed; and the zones that a centre
has to be given."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated
from xml.etree import ElementTree

import sqlalchemy as sa
from fastapi import APIRouter, Path, Response
from pydantic import BaseModel

from gateway.api import reads
from gateway.api.auth import Reader
from gateway.api.cases import CaseId, no_such_case
from gateway.api.context import Gateway
from gateway.api.models import ID
from gateway.api.problem import ApiProblem, described
from gateway.api.rosters import need_directory
from gateway.cases.cap import CONTENT_TYPE, cap_xml, identifier
from gateway.cases.document import CaseDocument, document, event_of
from gateway.cases.model import Case
from gateway.registry.channels import Dc09Channel
from gateway.registry.directory import CommunityDirectory
from gateway.registry.outside import account_of, is_live, scene
from gateway.state import tables as t
from gateway.state.db import reading

router = APIRouter(tags=["outside"])

ATOM = "application/atom+xml"
FEED_MOST = 500
"""Open cases at most, and as many of the newest that are over."""
ENDED_SHOWN_MS = 24 * 3_600_000
"""How long a case that is over stays in the feed, so that whoever polls hears of the end."""


class ZoneOut(BaseModel):
    """How an alarm receiving centre calls a device."""

    device: str
    name_zh: str
    name_en: str
    address_zh: str
    account: str
    partition: int
    zone: int


@router.get("/cases/{case_id}/document", responses=described(404, 409))
def get_document(context: Gateway, _: Reader, case_id: CaseId) -> CaseDocument:
    """The case as outside systems are told of it, as it stands now. The resident is not named here."""
    return _told(*_found(context, case_id))


@router.get(
    "/cases/{case_id}/cap",
    responses=described(404, 409)
    | {200: {"content": {CONTENT_TYPE: {"schema": {"type": "string"}}}, "description": "The CAP message"}},
    response_class=Response,
)
def get_cap(context: Gateway, _: Reader, case_id: CaseId) -> Response:
    """The case as a CAP 1.2 message, in Chinese and English, as it stands now. The resident is not named here.

    `Actual` only where an outside system acts on this case (`hand_over` with `mode: live`); else `Exercise`.
    """
    return Response(cap_xml(_told(*_found(context, case_id))), media_type=CONTENT_TYPE)


@router.get(
    "/cap.atom",
    responses=described(409) | {200: {"content": {ATOM: {"schema": {"type": "string"}}}, "description": "The feed"}},
    response_class=Response,
)
def get_feed(context: Gateway, _: Reader) -> Response:
    """What is open, and what ended within a day, as an Atom feed: each entry leads to its CAP message."""
    directory = need_directory(context)
    recent = context.clock.now_ms() - ENDED_SHOWN_MS
    newest = sa.select(t.cases.c.body).order_by(t.cases.c.opened_at_ms.desc(), t.cases.c.id.desc())
    with reading(context.engine) as connection:
        bodies = list(connection.execute(newest.where(t.cases.c.open.is_(True)).limit(FEED_MOST)).scalars())
        bodies += connection.execute(newest.where(t.cases.c.open.is_(False)).limit(FEED_MOST)).scalars()
    found = [Case.model_validate_json(body) for body in bodies]
    shown = [case for case in found if case.open or case.times.get("closed", 0) >= recent]
    told = [_told(directory, case) for case in shown]
    return Response(_atom(directory, told, context.clock.now_ms()), media_type=ATOM)


@router.get("/hand-over/{hand_over}/zones", responses=described(404, 409))
def get_zones(
    context: Gateway, _: Reader, hand_over: Annotated[str, Path(max_length=64, pattern=ID, examples=["arc"])]
) -> list[ZoneOut]:
    """Account, partition and zone of every device, as an alarm receiving centre has to be given them."""
    directory = need_directory(context)
    community = directory.community
    outsider = next((one for one in community.hand_over if one.id == hand_over), None)
    channel = next((one for one in community.channels if outsider is not None and one.id == outsider.channel), None)
    if outsider is None or not isinstance(channel, Dc09Channel):
        raise ApiProblem(
            404,
            "no_such_hand_over",
            f"没有名为 {hand_over} 的报警中心移交",
            f"there is no hand-over {hand_over!r} to an alarm receiving centre",
        )
    return [
        ZoneOut(
            device=device.id,
            name_zh=directory.device_name(device.id, "zh"),
            name_en=directory.device_name(device.id, "en"),
            address_zh=directory.place_path(device.place, "zh"),
            account=account_of(directory, outsider, device.place) or channel.account.upper(),
            partition=outsider.zone_of(device.id).partition,
            zone=outsider.zone_of(device.id).zone,
        )
        for device in directory.devices.values()
    ]


def _found(context: Gateway, case_id: str) -> tuple[CommunityDirectory, Case]:
    case = reads.case(context.engine, case_id)
    if case is None:
        raise no_such_case(case_id)
    return need_directory(context), case


def _told(directory: CommunityDirectory, case: Case) -> CaseDocument:
    live = is_live(directory, case)
    return document(case, scene(directory, case), event=event_of(case), live=live, person=False)


def _atom(directory: CommunityDirectory, told: list[CaseDocument], now_ms: int) -> str:
    community = directory.community.community
    feed = ElementTree.Element("feed", {"xmlns": "http://www.w3.org/2005/Atom"})
    _add(feed, "id", f"urn:anju:{community.id}:cap")
    _add(feed, "title", f"{community.name.zh} {community.name.en}")
    _add(feed, "updated", _instant(max((one.revisions_ms[-1] for one in told), default=now_ms)))
    ElementTree.SubElement(feed, "link", {"rel": "self", "href": "/api/v1/cap.atom", "type": ATOM})
    author = ElementTree.SubElement(feed, "author")
    _add(author, "name", f"Anju {community.name.en}")
    for one in told:
        entry = ElementTree.SubElement(feed, "entry")
        _add(entry, "id", f"urn:anju:{community.id}:{identifier(one)}")
        mark = f"【{one.mark}】" if one.mark else ""
        _add(entry, "title", f"{mark}{one.name.zh} {one.name.en} · {one.address.zh}")
        _add(entry, "updated", _instant(one.revisions_ms[-1]))
        _add(entry, "summary", f"{one.stage_name.zh} {one.stage_name.en}")
        ElementTree.SubElement(entry, "category", {"term": one.type, "label": one.name.en})
        ElementTree.SubElement(
            entry, "link", {"rel": "alternate", "type": CONTENT_TYPE, "href": f"/api/v1/cases/{one.id}/cap"}
        )
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(feed, encoding="unicode")}\n'


def _instant(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="seconds")


def _add(parent: ElementTree.Element, name: str, text: str) -> None:
    ElementTree.SubElement(parent, name).text = text
