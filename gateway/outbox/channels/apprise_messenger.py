"""Any of Apprise's messengers: WeCom, DingTalk, Feishu, mail, SMS gateways and a hundred more.

Apprise is synchronous and answers yes or no; why not stands in its log. Each send has a thread of its own: one that
hangs holds up nothing, and does not keep the process from ending. Urgent messages have their own allowance of threads.
"""

from __future__ import annotations

import asyncio
import logging
import re
import threading
from collections import Counter
from urllib.parse import quote

import apprise
from apprise.manager_plugins import NotificationManager

from gateway.cases.effects import Purpose, Send
from gateway.outbox.channel import NOT_OURS, Attempt, Limits, Report, Result
from gateway.outbox.channels.template import Template
from gateway.settings import Secrets

logger = logging.getLogger(__name__)

KEY_SCHEMAS = ("json", "jsons", "xml", "xmls", "form", "forms")
"""The schemas of Apprise that can carry a header: there the key goes along as ``X-Anju-Key``."""
REPEAT = "（可能重复 may be a repeat）"

_TYPES = {
    Purpose.ALARM: "failure",
    Purpose.REMINDER: "failure",
    Purpose.TAKEN: "success",
    Purpose.CANCELLED: "info",
}
_STATUS = re.compile(r"error=(\d{3})\b")
_LATER = frozenset({408, 425, 429})
_NOT_SENT = re.compile(
    r"NewConnectionError|Connection refused|ConnectTimeout|NameResolutionError|Name or service not known|"
    r"No route to host|Network is unreachable|Errno 11[013]\b",
)
_CUT_OFF = re.compile(r"Socket Exception|Connection error|timed out|Connection aborted|reset by peer", re.IGNORECASE)


class _ThreadLog(logging.Handler):
    """Keeps what Apprise logs, per thread: sends run side by side.

    Its debug lines say whether a connection was refused or broke later; they hold message texts, and go nowhere else.
    """

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self._lines: dict[int, list[tuple[int, str]]] = {}

    def begin(self) -> list[tuple[int, str]]:
        lines: list[tuple[int, str]] = []
        self._lines[threading.get_ident()] = lines
        return lines

    def end(self) -> None:
        self._lines.pop(threading.get_ident(), None)

    def emit(self, record: logging.LogRecord) -> None:
        lines = self._lines.get(record.thread or 0)
        if lines is not None and len(lines) < 200:
            lines.append((record.levelno, record.getMessage()[:1000]))


_log = _ThreadLog()


def _listen_to_apprise() -> None:
    found = logging.getLogger("apprise")
    found.addHandler(_log)  # once, however often it is said
    found.setLevel(logging.DEBUG)  # said again: another part of the program may have silenced it since
    found.propagate = False


class AppriseMessenger:
    """``url`` is an Apprise URL with ``{to}`` and ``${SECRET}``. Delivered means that the service took the message."""

    def __init__(
        self, url: str, secrets: Secrets, *, per_minute: int | None = None, limits: Limits | None = None
    ) -> None:
        self.limits = limits or Limits(timeout_s=15, parallel=8, per_minute=per_minute)
        self._schema = url.partition("://")[0].lower()
        self._url = Template(url, secrets)
        # service_timeout=0: Apprise must not move the send into its shared pool; the worker has its own timeout.
        self._asset = apprise.AppriseAsset(app_id="Anju", async_mode=False, service_timeout=0)
        self._threads: Counter[bool] = Counter()
        self._lock = threading.Lock()
        _listen_to_apprise()
        # Apprise loads its hundred plugins when it is first asked for one: now, and not at the first emergency.
        NotificationManager().load_modules()  # type: ignore[no-untyped-call]  # Apprise types only part of itself

    async def send(self, message: Send, attempt: Attempt) -> Report:
        try:
            url = self._url.fill(message.to)
        except KeyError as error:
            return Report(result=Result.RETRY, detail=str(error.args[0]))
        if self._schema in KEY_SCHEMAS:
            url += f"{'&' if '?' in url else '?'}+X-Anju-Key={quote(message.key, safe='')}"
        with self._lock:
            if self._threads[message.urgent] >= 4 * self.limits.parallel:
                hanging = self._threads[message.urgent]
                return Report(result=Result.RETRY, detail=f"{hanging} 个发送无响应 {hanging} earlier sends still hang")
            self._threads[message.urgent] += 1
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Report] = loop.create_future()
        threading.Thread(
            target=self._run, args=(loop, answer, url, message, attempt), name=f"apprise {message.key}", daemon=True
        ).start()
        return await answer

    async def ask(self, message: Send) -> Report | None:
        return None

    async def close(self) -> None:
        return None

    def _run(
        self,
        loop: asyncio.AbstractEventLoop,
        answer: asyncio.Future[Report],
        url: str,
        message: Send,
        attempt: Attempt,
    ) -> None:
        lines = _log.begin()
        try:
            report = self._notify(url, message, attempt, lines)
        except Exception as error:  # a plugin's bug; the message may have gone out
            logger.exception("apprise: %s:// failed", self._schema)
            report = Report(result=Result.UNKNOWN, detail=f"apprise {self._schema}: {type(error).__name__}")
        finally:
            _log.end()
            with self._lock:
                self._threads[message.urgent] -= 1

        def settle() -> None:
            if not answer.done():
                answer.set_result(report)

        try:
            loop.call_soon_threadsafe(settle)
        except RuntimeError:
            logger.warning("apprise: an answer for %s came after the gateway stopped", message.key)

    def _notify(self, url: str, message: Send, attempt: Attempt, lines: list[tuple[int, str]]) -> Report:
        messenger = apprise.Apprise(asset=self._asset)
        if not messenger.add(url):
            detail = f"Apprise 不接受该地址 Apprise does not accept the {self._schema}:// URL or address: "
            return Report(result=Result.REFUSED, detail=self._url.hide(detail + _last(lines)))
        title, body = message.title, message.body
        if attempt.invitation is not None and attempt.invitation.words:
            body = f"{body}\n\n{attempt.invitation.words}" if body else attempt.invitation.words
        if attempt.repeat:
            title, body = (REPEAT + title, body) if title else (title, REPEAT + body)
        if not attempt.speaks():
            return NOT_OURS
        done = messenger.notify(
            title=title,
            body=body or title,
            notify_type=_TYPES.get(message.purpose, "warning"),
            body_format=apprise.NotifyFormat.TEXT,
        )
        if done:
            return Report(result=Result.DELIVERED, detail=f"{self._schema} 已接收 accepted by {self._schema}")
        return Report(result=_meaning(lines), detail=self._url.hide(_last(lines))[:300])


def _last(lines: list[tuple[int, str]]) -> str:
    """The last thing that Apprise complained about."""
    return next((text for level, text in reversed(lines) if level >= logging.WARNING), "no reason given")


def _meaning(lines: list[tuple[int, str]]) -> Result:
    text = "\n".join(line for _, line in lines)
    statuses = _STATUS.findall(text)
    if statuses:
        status = int(statuses[-1])
        return Result.REFUSED if 300 <= status < 500 and status not in _LATER else Result.RETRY
    if _NOT_SENT.search(text):
        return Result.RETRY
    return Result.UNKNOWN if _CUT_OFF.search(text) else Result.RETRY
