"""The receiver of docs/webhook.md, run as it stands there, against the real channels."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from gateway.cases.document import document
from gateway.cases.effects import Purpose, Send
from gateway.clock import SystemClock
from gateway.outbox.channel import Attempt, Result
from gateway.outbox.channels.cap import CapPost
from gateway.outbox.channels.webhook import Webhook
from gateway.settings import Secrets
from tests.support.town import Story
from tests.unit.test_handover import HERE

PAGE = Path(__file__).parents[2] / "docs" / "webhook.md"
SECRET = "a secret of theirs"


def documented() -> dict[str, Any]:
    """What the page's code defines."""
    found = re.search(r"<!-- receiver -->\n```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.S | re.M)
    assert found is not None
    names: dict[str, Any] = {}
    exec(compile(found[1], str(PAGE), "exec"), names)
    return names


class Site:
    """The receiver behind a real HTTP server; keeps what came, to be played back."""

    def __init__(self) -> None:
        self.receiver = documented()["Receiver"](SECRET)
        self.came: list[tuple[dict[str, str], bytes]] = []
        self.answered: list[int] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                site.came.append((dict(self.headers), body))
                site.answered.append(site.take(dict(self.headers), body))
                self.send_response(site.answered[-1])
                self.end_headers()

            def log_message(self, *_: object) -> None:
                return None

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def take(self, headers: dict[str, str], body: bytes) -> int:
        if headers["Content-Type"].startswith("application/cap"):
            return 204 if documented()["verified"](SECRET, headers, body) else 401
        status: int = self.receiver.receive(headers, body)
        return status


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    yield site
    site.server.shutdown()
    site.server.server_close()


@pytest.fixture
def secrets(tmp_path: Path) -> Secrets:
    (tmp_path / "THEIRS").write_text(SECRET)
    (tmp_path / "WRONG").write_text("another")
    return Secrets(tmp_path)


def told(revision: int) -> Send:
    case = Story().case
    case = case.model_copy(update={"revisions": tuple(range(1, revision + 1))})
    made = document(case, HERE, event="updated" if revision > 1 else "opened", live=True, person=False)
    key = f"{case.id}:hand_over:city:{revision}"
    return Send(key=key, channel="city", to="", purpose=Purpose.HAND_OVER, data={"document": made.as_json()})


def attempt(number: int = 1) -> Attempt:
    now_ms = SystemClock().now_ms()
    return Attempt(case="c", number=number, repeat=number > 1, at_ms=now_ms, deadline_ms=now_ms + 1000)


async def test_the_documented_receiver_takes_each_message_once_and_in_order(site: Site, secrets: Secrets) -> None:
    hook = Webhook(site.url, "THEIRS", secrets)
    try:
        for send in (told(1), told(3), told(3), told(2)):  # a repeat, and one that was overtaken
            assert (await hook.send(send, attempt())).result is Result.DELIVERED
    finally:
        await hook.close()
    assert [one["data"]["document"]["revision"] for one in site.receiver.taken] == [1, 3]
    assert site.receiver.taken[0]["data"]["document"]["schema"] == "anju/case/1"


async def test_what_is_forged_changed_or_played_back_is_refused(
    site: Site, secrets: Secrets, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = Webhook(site.url, "WRONG", secrets)
    hook = Webhook(site.url, "THEIRS", secrets)
    try:
        assert (await wrong.send(told(1), attempt())).result is Result.REFUSED
        assert (await hook.send(told(1), attempt())).result is Result.DELIVERED
    finally:
        await wrong.close()
        await hook.close()
    headers, body = site.came[-1]
    assert await asyncio.to_thread(site.take, headers, body) == 204 and len(site.receiver.taken) == 1
    assert site.take(headers, body.replace(b"opened", b"closed")) == 401
    assert site.take({**headers, "X-Anju-Timestamp": str(int(headers["X-Anju-Timestamp"]) + 1)}, body) == 401
    late = documented()
    late["time"] = type("Later", (), {"time": staticmethod(lambda: int(headers["X-Anju-Timestamp"]) + 301)})
    assert late["verified"](SECRET, headers, body) is False


async def test_cap_messages_are_signed_the_same_way(site: Site, secrets: Secrets) -> None:
    post = CapPost("district", site.url, "THEIRS", secrets)
    try:
        assert (await post.send(told(2), attempt())).result is Result.DELIVERED
        other = Send(key="k", channel="district", to="", purpose=Purpose.ALARM, data={})
        assert (await post.send(other, attempt())).result is Result.REFUSED
    finally:
        await post.close()
    headers, body = site.came[-1]
    assert headers["Content-Type"] == "application/cap+xml" and site.answered == [204]
    root = ElementTree.fromstring(body.decode())
    assert root.findtext("{urn:oasis:names:tc:emergency:cap:1.2}addresses") == "district"
