"""A heartbeat to somebody outside, who raises the alarm when it stays away: no gateway can say that it is dead.

It goes out only while the gateway is really well (`gateway.itself.wellness`), and is withheld otherwise, which is said
in the log, on the page, in /readyz and in the metrics. Any watcher that waits for a request will do: healthchecks.io,
Uptime Kuma, a neighbour's cron job.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, Literal, Protocol

from gateway.clock import Clock
from gateway.health import DEAD_MAN, Part
from gateway.itself.wellness import Reason
from gateway.outbox.channel import Report
from gateway.outbox.channels.exchange import exchange, http_client
from gateway.outbox.channels.signed_post import signature
from gateway.outbox.channels.template import Template
from gateway.settings import DeadManSettings, Secrets

log = logging.getLogger(__name__)

LOOK_MS = 5_000
FIRST_MS = 15_000
"""The first beat waits so long: connections are being made."""
AGAIN_FIRST_MS, AGAIN_LAST_MS = 5_000, 60_000
TIMEOUT_S = 10.0
ASKED_S = 10.0
"""Parts that do not answer within so long hang."""


class Organs(Protocol):
    """What must be well (`gateway.itself.wellness.Wellness`)."""

    def prove(self) -> None:
        """Have it shown: called some seconds before `reasons`."""
        ...

    def reasons(self) -> Sequence[Reason]:
        """Why the gateway is not well. May block."""
        ...

    def degraded(self) -> Sequence[str]:
        """What is not as it should be, and does not keep the gateway from its work."""
        ...


class DeadMan:
    """Run `run` as a task; `look` is one look, for tests."""

    def __init__(
        self,
        settings: DeadManSettings,
        secrets: Secrets,
        organs: Organs,
        community: str,
        gateway: str,
        clock: Clock,
        steady_ms: Callable[[], int],
        record: Callable[[], dict[str, object]] = dict,
    ) -> None:
        """``gateway``: the device that is this box. ``steady_ms``: a clock that nobody can set. ``record``: the newest
        anchor of the cases' record, which whoever is outside can keep (docs/records.md)."""
        self._record = record
        self._settings = settings
        self._secrets = secrets
        self._community = community
        self._gateway = gateway
        self._organs = organs
        self._clock = clock
        self._steady_ms = steady_ms
        self._client = http_client(TIMEOUT_S)
        self._url, self._fail_url = Template(settings.url, secrets), Template(settings.fail_url, secrets)
        self._every_ms = settings.every_s * 1000
        self._due_ms = steady_ms() + FIRST_MS
        self._fail_due_ms = 0
        self._again_ms = AGAIN_FIRST_MS
        self._asking: asyncio.Task[tuple[list[Reason], list[str]]] | None = None
        self._asked_ms: int | None = None
        """When proofs were last asked for."""
        self.withheld: tuple[Reason, ...] = ()
        """Why the heartbeat does not go out; empty while it does."""
        self.delivered = 0
        self.failed = 0
        """Attempts that did not get through."""
        self._delivered_ms: int | None = None
        self._trouble = ""
        """Why the last attempt did not get through."""

    async def run(self) -> None:
        """Look until cancelled. Nothing that happens ends it, or holds anything else up."""
        try:
            while True:
                try:
                    await self.look()
                except Exception:  # whatever it is: without a heartbeat somebody comes and looks
                    log.exception("the heartbeat to outside failed; it is tried again")
                await asyncio.sleep(LOOK_MS / 1000)
        finally:
            if self._asking is not None:
                self._asking.cancel()
            await self._client.aclose()

    async def look(self) -> None:
        """Send what is due, or withhold it. To be called every few seconds."""
        now_ms = self._steady_ms()
        if now_ms < self._due_ms - LOOK_MS:
            return
        asked_ms, self._asked_ms = self._asked_ms, now_ms
        self._organs.prove()  # seen at the next look: the journal's threads need a moment
        if now_ms < self._due_ms or asked_ms is None or now_ms - asked_ms > 3 * LOOK_MS:
            return
        reasons, degraded = await self._ask()
        self._withhold(tuple(reasons))
        if reasons:
            await self._tell_why(reasons)
        else:
            await self._beat(degraded)

    def part(self) -> Part:
        """How the heartbeat goes, in words."""
        if self.withheld:
            zh = "心跳暂停，外部将报警：" + "；".join(f"{reason.part} {reason.zh}" for reason in self.withheld)
            en = "withheld, so that somebody outside raises the alarm: " + "; ".join(
                f"{reason.part}: {reason.en}" for reason in self.withheld
            )
            return _part("failed", zh, en)
        if self._trouble:
            return _part(
                "degraded",
                f"心跳发不出去，外部将报警：{self._trouble}",
                f"the heartbeat does not get through, so that somebody outside raises the alarm: {self._trouble}",
            )
        if self._delivered_ms is None:
            return _part("ok", "首次心跳即将发出", "the first heartbeat goes out in a moment")
        return _part("ok", f"已发出 {self.delivered} 次心跳", f"{self.delivered} heartbeats delivered")

    @property
    def silent_s(self) -> float | None:
        """Since the last heartbeat got through; None before the first one."""
        return None if self._delivered_ms is None else (self._steady_ms() - self._delivered_ms) / 1000

    async def _ask(self) -> tuple[list[Reason], list[str]]:
        """Why not, as of now. Parts that hang are asked once, and hold nothing up."""
        stale = self._asking is not None
        if self._asking is None:
            self._asking = asyncio.create_task(asyncio.to_thread(self._look_at_parts))
        done, _ = await asyncio.wait({self._asking}, timeout=ASKED_S)
        if not done:
            return [Reason("parts", "各部分无应答，请检查磁盘", "the parts do not answer: check the disk")], []
        answered, self._asking = self._asking, None
        try:
            reasons, degraded = answered.result()
        except Exception as error:
            log.exception("the parts cannot be asked whether they are well")
            return [Reason("parts", f"无法检查：{error}", f"cannot be asked: {type(error).__name__}: {error}")], []
        if stale and not reasons:
            return [Reason("parts", "各部分应答迟缓", "the parts answered late; they are asked again")], []
        return reasons, degraded

    def _look_at_parts(self) -> tuple[list[Reason], list[str]]:
        return list(self._organs.reasons()), list(self._organs.degraded())

    def _withhold(self, reasons: tuple[Reason, ...]) -> None:
        before, now = ({reason.part for reason in why} for why in (self.withheld, reasons))
        if now - before:
            said = "; ".join(f"{reason.part}: {reason.en}" for reason in reasons)
            log.error("the heartbeat to outside is withheld: %s", said)
        elif before and not now:
            log.warning("well again: the heartbeat to outside goes on")
        if not reasons:
            self._fail_due_ms = 0
        self.withheld = reasons

    async def _beat(self, degraded: Sequence[str]) -> None:
        how: dict[str, Any] = {"state": "degraded" if degraded else "ok", "degraded": list(degraded)}
        if anchor := self._record():
            how["record"] = anchor
        trouble = await self._send(self._settings.method, self._url, how)
        now_ms = self._steady_ms()
        if trouble:
            self.failed += 1
            if trouble != self._trouble:
                log.warning("the heartbeat to outside does not get through: %s", trouble)
            self._due_ms = now_ms + min(self._again_ms, self._every_ms)
            self._again_ms = min(2 * self._again_ms, AGAIN_LAST_MS)
        else:
            if self._trouble:
                log.warning("the heartbeat to outside gets through again")
            self.delivered += 1
            self._delivered_ms = now_ms
            self._again_ms = AGAIN_FIRST_MS
            on_time_ms = self._due_ms + self._every_ms
            self._due_ms = on_time_ms if on_time_ms > now_ms else now_ms + self._every_ms
        self._trouble = trouble

    async def _tell_why(self, reasons: Sequence[Reason]) -> None:
        """Not needed, and tried once a period: silence is what raises the alarm."""
        now_ms = self._steady_ms()
        if not self._settings.fail_url or now_ms < self._fail_due_ms:
            return
        self._fail_due_ms = now_ms + self._every_ms
        why = [{"part": reason.part, "zh": reason.zh, "en": reason.en} for reason in reasons]
        trouble = await self._send(self._settings.method, self._fail_url, {"state": "failed", "why": why})
        if trouble:
            log.warning("the watcher outside could not be told why: %s", trouble)

    async def _send(self, method: str, url: Template, how: dict[str, Any]) -> str:
        """Why it did not get through; empty where it did."""
        at_ms = self._clock.now_ms()
        document = {
            "community": self._community,
            "gateway": self._gateway,
            "at": datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="seconds"),
            "version": version("anju"),
            **how,
        }
        body, headers = None, {}
        try:
            filled = url.fill()
            if method == "POST":
                body = json.dumps(document, ensure_ascii=False).encode()
                headers["Content-Type"] = "application/json"
                if self._settings.secret is not None:
                    timestamp = str(at_ms // 1000)
                    headers["X-Anju-Timestamp"] = timestamp
                    headers["X-Anju-Signature"] = signature(self._secrets.get(self._settings.secret), timestamp, body)
        except (KeyError, OSError) as error:
            return str(error.args[0] if isinstance(error, KeyError) else error)
        try:
            async with asyncio.timeout(2 * TIMEOUT_S):  # a watcher that answers a byte at a time
                answer = await exchange(self._client, method, filled, content=body, headers=headers)
        except TimeoutError:
            return "无答复 no answer"
        if isinstance(answer, Report):
            return url.hide(answer.detail)
        return "" if 200 <= answer.status < 300 else f"HTTP {answer.status}"


def _part(state: Literal["ok", "degraded", "failed"], zh: str, en: str) -> Part:
    # Not critical: whoever cannot be reached outside keeps nobody here from being helped.
    return Part(name=DEAD_MAN, state=state, critical=False, zh=zh, en=en)
