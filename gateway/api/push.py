"""POST /push/SENDER: for gear that can do nothing else. Its key comes in whatever place the gear has for one."""

from __future__ import annotations

import base64
from typing import Annotated

from fastapi import APIRouter, Path, Request
from fastapi.responses import JSONResponse

from gateway.api.context import Gateway
from gateway.api.models import ID
from gateway.api.problem import ApiProblem
from gateway.gear.push import NotAdmitted, WrongPath
from gateway.journal.entry import Outcome

router = APIRouter(include_in_schema=False)
"""Not in the API's description: what is pushed has its sender's format, not ours."""

RETRY_AFTER_S = 5


@router.post("/push/{sender}")
@router.put("/push/{sender}")
@router.post("/push/{sender}/{path:path}")
@router.put("/push/{sender}/{path:path}")
async def push(
    request: Request,
    context: Gateway,
    sender: Annotated[str, Path(pattern=ID, description="id of the device, or of the bridge it comes in by")],
    path: str = "",
) -> JSONResponse:
    """Take one message. 200 when it is on disk (or was understood and says nothing new), with what became of it.

    The key (`anju devices key SENDER`) comes as `Authorization: Bearer …`, as the password of HTTP Basic, in the header
    `X-Anju-Key`, or as `?key=…`. A native device posts its message to `…/event`, `…/telemetry` or `…/status`.
    """
    key = _key(request)
    body = await request.body()
    try:
        outcome = await context.push.take(sender, key, path, body, request.headers.get("content-type", "")[:200])
    except NotAdmitted:
        raise ApiProblem(
            401,
            "not_admitted",
            "未知的发送者或密钥不对",
            "no such sender, or not its key: `anju devices key SENDER`",
            {"WWW-Authenticate": 'Basic realm="anju"'},  # some gear sends its password only when it is asked
        ) from None
    except WrongPath:
        raise ApiProblem(
            404,
            "wrong_path",
            "原生设备请发送到 /event、/telemetry 或 /status",
            "push to …/event, …/telemetry or …/status",
        ) from None
    if outcome is Outcome.REFUSED:
        raise ApiProblem(
            503,
            "not_written",
            "暂时无法写入，请稍后重发",
            "it could not be written down; send it again",
            {"Retry-After": str(RETRY_AFTER_S)},
        )
    return JSONResponse({"outcome": outcome.value})


def _key(request: Request) -> str:
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value, validate=True).decode().partition(":")[2]
        except ValueError:  # not Base64, not ASCII, not UTF-8
            return ""
    return request.headers.get("x-anju-key") or request.query_params.get("key", "")
