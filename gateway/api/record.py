"""The record of a case: whether its timeline is whole, its attachments, its export."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import APIRouter, Body, File, Path, Query, Response, UploadFile
from pydantic import Field

from gateway.api import reads
from gateway.api.auth import Operator, Reader
from gateway.api.cases import CaseId, no_such_case
from gateway.api.context import Context, Gateway
from gateway.api.export import Export, export_case
from gateway.api.models import ID, _Shape
from gateway.api.problem import ApiProblem, described
from gateway.cases.chain import Verdict
from gateway.cases.model import Case
from gateway.feed import News
from gateway.record import anchors, attachments, chains
from gateway.record.anchors import AnchorVerdict
from gateway.record.attachments import Attachment, TooMany
from gateway.record.files import ENDINGS, NotTaken, look
from gateway.registry.atlas import atlas_of
from gateway.state.db import reading, writing

router = APIRouter(tags=["record"])

CLIP_MOST_MS = 24 * 3_600_000
BEFORE_MS, AFTER_MS = 5 * 60_000, 15 * 60_000
"""The clip of a case where no times are given."""
_BINARY = {"type": "string", "format": "binary"}
AttachmentId = Annotated[str, Path(max_length=64, pattern=ID, examples=["att-0123456789abcdef"])]


class Clip(_Shape):
    """Which recording belongs to the case."""

    camera: Annotated[str, Field(max_length=64, pattern=ID)] | None = None
    """The camera; where it is left out, the one nearest to the case."""
    from_ms: Annotated[int, Field(ge=0, le=2**43)] | None = None
    """Where it is left out, five minutes before the case was raised."""
    until_ms: Annotated[int, Field(ge=0, le=2**43)] | None = None
    """Where it is left out, fifteen minutes after it was raised."""


class RecordVerdict(_Shape):
    """Whether what was written down of cases is as it was."""

    whole: bool
    cases: int
    """How many cases were looked at."""
    broken: list[Verdict]
    anchors: list[AnchorVerdict]


@router.get("/record/verify")
def verify_all(context: Gateway, _: Reader) -> RecordVerdict:
    """Look at the timeline of every case, and at every anchor. Takes a second for some thousand cases."""
    with reading(context.engine) as connection:
        found = list(chains.verdicts(connection, limit=10_000_000))
        held = anchors.verify(connection)
    broken = [one for one in found if not one.whole]
    whole = not broken and all(one.whole for one in held)
    return RecordVerdict(whole=whole, cases=len(found), broken=broken, anchors=held)


@router.get("/cases/{case_id}/verify", responses=described(404))
def verify_case(context: Gateway, _: Reader, case_id: CaseId) -> Verdict:
    """Whether the timeline of a case is as it was written, line by line."""
    with reading(context.engine) as connection:
        verdict = next(chains.verdicts(connection, limit=1, case=case_id), None)
    if verdict is None:
        raise no_such_case(case_id)
    return verdict


@router.get("/cases/{case_id}/attachments", responses=described(404))
def list_attachments(context: Gateway, _: Reader, case_id: CaseId) -> list[Attachment]:
    """Photos, voice notes and clips of a case, in the order in which they were added."""
    with reading(context.engine) as connection:
        return attachments.of_case(connection, _case(context, case_id).id)


@router.post("/cases/{case_id}/attachments", responses=described(404, 409, 413))
async def add_attachment(
    context: Gateway, caller: Operator, case_id: CaseId, file: Annotated[UploadFile, File()]
) -> Attachment:
    """Add a photo (JPEG, PNG, WebP) or a voice note, up to 10 MB. What it is, is told by what is in it.

    It is on disk when this returns, and its SHA-256 is a line of the timeline. The same file again is no second one.
    """
    return await take_file(context, case_id, file, caller.actor)


async def take_file(context: Context, case_id: str, file: UploadFile, actor: str) -> Attachment:
    """Keep a file that somebody adds to a case. Raises ApiProblem."""
    data, name = await file.read(), (file.filename or "").replace("\x00", "")[-120:]

    def keep() -> Attachment:
        case = _case(context, case_id)
        try:
            looked = look(data)
            sha256 = attachments.files_of(context.settings).put(data)
            with writing(context.engine) as connection:
                return attachments.add_file(
                    connection, case.id, looked, sha256, len(data), name, actor, context.clock.now_ms()
                )
        except NotTaken as refused:
            status = 413 if refused.code == "too_large" else 503 if refused.code == "disk_full" else 422
            raise ApiProblem(status, refused.code, refused.zh, refused.en) from None
        except TooMany:
            raise _too_many() from None

    added = await asyncio.to_thread(keep)
    context.feed.publish(News("case", added.case_id))
    return added


@router.post("/cases/{case_id}/clips", responses=described(404, 409))
def add_clip(
    context: Gateway, caller: Operator, case_id: CaseId, clip: Annotated[Clip, Body(default_factory=Clip)]
) -> Attachment:
    """Note which camera's recording belongs to the case, so that it is found, and kept, in the video system."""
    case, directory = _case(context, case_id), context.directory()
    if directory is None:
        raise ApiProblem(409, "no_community", "尚未配置社区", "no community has been applied yet: run `anju apply`")
    raised_ms = case.times["raised"]
    from_ms = raised_ms - BEFORE_MS if clip.from_ms is None else clip.from_ms
    until_ms = raised_ms + AFTER_MS if clip.until_ms is None else clip.until_ms
    if not 0 < until_ms - from_ms <= CLIP_MOST_MS:
        raise ApiProblem(
            422, "clip_times", "时段应先后正确且不超过 24 小时", "until_ms must be after from_ms, by 24 hours at most"
        )
    atlas = atlas_of(directory)
    stands = atlas.spot(case.place)
    cameras = atlas.cameras(None if stands is None else stands[0], case.place)
    wanted = clip.camera or (cameras[0].device.id if cameras else "")
    camera = directory.device(wanted)
    if camera is None or camera.kind != "camera":
        raise ApiProblem(
            404,
            "no_such_camera",
            f"没有摄像机 {wanted}" if wanted else "附近没有已登记的摄像机",
            f"there is no camera {wanted!r}" if wanted else "no camera is registered near the case: name one",
        )
    known = str(camera.attributes.get("gb28181", "")) or None
    try:
        with writing(context.engine) as connection:
            added = attachments.add_clip(
                connection,
                case.id,
                camera=camera.id,
                name=directory.device_name(camera.id, "zh"),
                gb28181=known,
                place=camera.place,
                from_ms=from_ms,
                until_ms=until_ms,
                actor=caller.actor,
                now_ms=context.clock.now_ms(),
            )
    except TooMany:
        raise _too_many() from None
    context.feed.publish(News("case", added.case_id))
    return added


@router.get(
    "/attachments/{attachment_id}",
    responses=described(404, 409) | {200: {"content": {"*/*": {"schema": _BINARY}}, "description": "The file"}},
    response_class=Response,
)
def get_attachment(context: Gateway, _: Reader, attachment_id: AttachmentId) -> Response:
    """The file of a photo or a voice note, looked at again by its SHA-256 before it is handed out."""
    with reading(context.engine) as connection:
        found = attachments.find(connection, attachment_id)
    if found is None:
        raise ApiProblem(404, "no_such_attachment", "没有这个附件", f"there is no attachment {attachment_id!r}")
    if found.sha256 is None or found.media_type is None:
        raise ApiProblem(
            404,
            "no_file",
            "录像在视频系统中，请按摄像机和时段查找",
            "a clip has no file here: its recording is in the video system, by camera and time",
        )
    try:
        data = attachments.files_of(context.settings).get(found.sha256)
    except FileNotFoundError:
        raise ApiProblem(
            404,
            "file_lost",
            "附件文件不在本网关上",
            "the file is not on this gateway: another one took it, or it was lost",
        ) from None
    except ValueError:
        raise ApiProblem(
            409, "file_changed", "附件文件与上传时不符", "the file is not what it was when it was taken"
        ) from None
    ending = ENDINGS[found.media_type]
    shown = found.name if found.name.lower().endswith(f".{ending}") else f"{found.name}.{ending}"
    return Response(
        data,
        media_type=found.media_type,
        headers={
            "Content-Disposition": f'inline; filename="{found.id}.{ending}"; {_named(shown)}',
            "Content-Security-Policy": "default-src 'none'; sandbox",
        },
    )


@router.get(
    "/cases/{case_id}/export",
    responses=described(404)
    | {200: {"model": Export, "content": {"application/pdf": {"schema": _BINARY}}, "description": "The export"}},
    response_class=Response,
)
async def export(
    context: Gateway,
    caller: Reader,
    case_id: CaseId,
    format: Annotated[Literal["json", "pdf"], Query(description="json can be verified offline; pdf is for reading")] = (
        "json"
    ),
) -> Response:
    """Everything about one case, for a court or an insurer. docs/records.md describes the JSON."""

    def make() -> tuple[bytes, str]:
        case = _case(context, case_id)
        document = export_case(
            context.engine, context.directory(), case, by=caller.actor, now_ms=context.clock.now_ms()
        )
        if format == "json":
            return document.model_dump_json(indent=1).encode(), case.number
        from gateway.api.export_pdf import as_pdf  # its fonts take a moment

        return as_pdf(document, attachments.files_of(context.settings)), case.number

    data, number = await asyncio.to_thread(make)
    return Response(
        data,
        media_type=f"application/{format}",
        headers={"Content-Disposition": f'attachment; filename="case-{number}.{format}"'},
    )


def _named(name: str) -> str:
    return f"filename*=UTF-8''{quote(name, safe='')}"


def _case(context: Context, case_id: str) -> Case:
    case = reads.case(context.engine, case_id)
    if case is None:
        raise no_such_case(case_id)
    return case


def _too_many() -> ApiProblem:
    most = attachments.MOST
    return ApiProblem(409, "too_many", f"本案已有 {most} 个附件", f"the case has {most} attachments already")
