"""People who act on cases through the gateway's public API, as a console would."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from types import TracebackType
from typing import Any, Self

import httpx

log = logging.getLogger(__name__)

STALE_RETRIES = 5
OBEYED_WITHIN_S = 30


class ApiError(Exception):
    """The gateway's API did not do what a person asked, and why."""


class People:
    """Reads and acts on cases. Cases of another device or resident are left alone."""

    def __init__(
        self, url: str, token: str, *, checker: str = "", transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        """``checker``: the token of somebody else, who checks (核查) what the others did."""
        self._checker = {"Authorization": f"Bearer {checker}"} if checker else {}
        self._http = httpx.AsyncClient(
            base_url=url.rstrip("/"),
            headers={"Authorization": f"Bearer {token}"},
            timeout=10.0,
            transport=transport,
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def find(
        self, *, residents: Collection[str], devices: Collection[str], known: Mapping[str, int]
    ) -> dict[str, Any] | None:
        """The newest open case about these residents or devices. None if there is none.

        Cases in ``known`` (id -> version) are left out for as long as they have not moved on from that version.
        """
        found = await self._get("/api/v1/cases", {"open": "true"})
        cases: list[dict[str, Any]] = [summary["case"] for summary in found]
        ours = [
            case
            for case in cases
            if known.get(case["id"]) != case["version"] and (case["resident"] in residents or case["device"] in devices)
        ]
        return max(ours, key=lambda case: str(case["number"]), default=None)

    async def case(self, case_id: str) -> dict[str, Any]:
        """One case as it is now."""
        found = (await self._get(f"/api/v1/cases/{case_id}", {}))["case"]
        assert isinstance(found, dict)
        return found

    async def act(self, case_id: str, action: str, *, reason: str, to: str) -> dict[str, Any]:
        """Do one action on the newest version of a case. Raises ApiError where the gateway refuses."""
        for _ in range(STALE_RETRIES):
            case = await self.case(case_id)
            body = {"reason": reason, "version": case["version"], **({"to": to} if to else {})}
            try:
                who = self._checker if action == "verify" else {}
                answer = await self._http.post(f"/api/v1/cases/{case_id}/{action}", json=body, headers=who)
            except httpx.HTTPError as error:
                raise ApiError(f"{action}: {type(error).__name__}: {error}") from None
            if answer.status_code == 409 and answer.json().get("code") == "stale":
                continue
            if answer.is_error:
                raise ApiError(f"{action}: HTTP {answer.status_code}: {answer.text[:300]}")
            return await self.case(case_id)
        raise ApiError(f"{action}: the case changed {STALE_RETRIES} times while it was tried")

    async def command(self, device: str, command: str, args: Mapping[str, object]) -> None:
        """Have the gateway tell a device something. Raises ApiError where it refuses, or the device did not do it."""
        body = {"command": command, "args": {name: str(value) for name, value in args.items()}}
        try:
            answer = await self._http.post(
                f"/api/v1/devices/{device}/commands", json=body, params={"wait_s": OBEYED_WITHIN_S}, timeout=40.0
            )
        except httpx.HTTPError as error:
            raise ApiError(f"{command}: {type(error).__name__}: {error}") from None
        if answer.is_error:
            raise ApiError(f"{command}: HTTP {answer.status_code}: {answer.text[:300]}")
        said = answer.json()
        if said["status"] != "delivered":
            raise ApiError(f"{device}: {command} is {said['status']}: {said['tries']}")

    async def _get(self, path: str, query: dict[str, str]) -> Any:
        try:
            answer = await self._http.get(path, params=query)
        except httpx.HTTPError as error:
            raise ApiError(f"GET {path}: {type(error).__name__}: {error}") from None
        if answer.is_error:
            raise ApiError(f"GET {path}: HTTP {answer.status_code}: {answer.text[:300]}")
        return answer.json()
