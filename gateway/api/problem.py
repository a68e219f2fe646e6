"""Why a request was not carried out: one shape for every error of the API."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import Request

from gateway.api.models import FieldFault, Problem
from gateway.store.protocol import StoreUnavailable

log = logging.getLogger(__name__)

_WORDS = {
    400: ("bad_request", "请求无法解析", "the request cannot be read"),
    404: ("not_found", "没有这个地址", "there is nothing at this address"),
    405: ("method_not_allowed", "此地址不支持该方法", "this address does not know the method"),
}


class ApiProblem(HTTPException):
    """Raised where a request cannot be carried out; answered as a `Problem`."""

    def __init__(
        self,
        status: int,
        code: str,
        zh: str,
        en: str,
        headers: Mapping[str, str] | None = None,
        fields: Sequence[FieldFault] = (),
    ) -> None:
        super().__init__(status, f"{zh} · {en}", headers)
        self.code = code
        self.zh = zh
        self.en = en
        self.fields = list(fields)


def explain(error: HTTPException) -> JSONResponse:
    """Any HTTPException as a `Problem`."""
    if isinstance(error, ApiProblem):
        problem = Problem(code=error.code, zh=error.zh, en=error.en, fields=error.fields)
    elif error.status_code in _WORDS:
        code, zh, en = _WORDS[error.status_code]
        problem = Problem(code=code, zh=zh, en=en)
    else:
        zh, _middle, en = str(error.detail).partition(" · ")
        problem = Problem(code=f"http_{error.status_code}", zh=zh, en=en or zh)
    return _answer(error.status_code, problem, error.headers)


def explain_invalid(error: RequestValidationError) -> JSONResponse:
    """A request that does not fit its description. What was sent is not repeated: it may be personal."""
    faults = [
        FieldFault(where=".".join(str(step) for step in fault["loc"]), expected=str(fault["msg"]))
        for fault in error.errors()[:20]
    ]
    said = "; ".join(f"{fault.where}: {fault.expected}" for fault in faults)
    return _answer(422, Problem(code="invalid_request", zh=f"请求内容不正确：{said}", en=said, fields=faults))


def _http(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return explain(error)


def _invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    return explain_invalid(error)


def _no_database(_: Request, error: Exception) -> JSONResponse:
    log.error("the state database cannot be used: %s", error)
    return _answer(
        503,
        Problem(code="no_database", zh="状态数据库暂不可用，请稍后重试", en="the state database cannot be used now"),
        {"Retry-After": "5"},
    )


def _no_store(_: Request, error: Exception) -> JSONResponse:
    problem = Problem(code="no_store", zh="遥测库暂不可用", en=f"the telemetry store cannot be read: {error}")
    return _answer(503, problem, {"Retry-After": "5"})


def _unexpected(_: Request, error: Exception) -> JSONResponse:
    """A defect. The server logs it with its traceback; the caller is not shown the inside."""
    en = "a defect of the gateway; its log says which"
    return _answer(500, Problem(code="defect", zh="网关内部错误，详见日志", en=en), {"Cache-Control": "no-store"})


def _answer(status: int, problem: Problem, headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse(problem.model_dump(), status_code=status, headers=headers)


def add_explanations(app: FastAPI) -> None:
    """Have every error answered as a `Problem`."""
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(sa.exc.OperationalError, _no_database)
    app.add_exception_handler(StoreUnavailable, _no_store)
    app.add_exception_handler(Exception, _unexpected)


def described(*statuses: int, of_stream: bool = False) -> dict[int | str, dict[str, Any]]:
    """The errors of an endpoint, for its OpenAPI description. Those of a stream are no events: that is said in full."""
    words = {
        400: "The request cannot be read: its body is no UTF-8, or no JSON",
        401: "No valid token",
        403: "The token's role does not suffice, or the request comes from another site's page",
        404: "Not there",
        409: "Not now; says how things stand",
        413: "Too large",
        422: "The request does not fit its description",
        503: "Not possible at this moment; try again",
    }
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    shape: dict[str, Any] = {"content": content} if of_stream else {"model": Problem}
    return {status: {**shape, "description": words[status]} for status in statuses}
