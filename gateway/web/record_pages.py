"""附件与记录: what people add to a case at its page, and what they take away from it."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, File, Response, UploadFile

from gateway.api import record
from gateway.api.cases import CaseId
from gateway.api.context import Gateway
from gateway.api.record import Clip
from gateway.web.session import Acting

router = APIRouter(include_in_schema=False)


@router.post("/cases/{case_id}/attachments")
async def attach(context: Gateway, caller: Acting, case_id: CaseId, file: Annotated[UploadFile, File()]) -> Response:
    """Add a photo or a voice note; 204 when it is on disk, else what stands against it, in words."""
    await record.add_attachment(context, caller, case_id, file)
    return _added()


@router.post("/cases/{case_id}/clips")
async def clip(context: Gateway, caller: Acting, case_id: CaseId) -> Response:
    """Note the recording of the camera that is nearest to the case."""
    await asyncio.to_thread(record.add_clip, context, caller, case_id, Clip())
    return _added()


def _added() -> Response:
    return Response(status_code=204, headers={"HX-Trigger": "acted"})
