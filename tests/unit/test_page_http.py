"""The page about pushing over HTTP: its native message is one."""

from __future__ import annotations

import re
from pathlib import Path

from devices.native import decode
from devices.observation import Channel
from tests.support.gear import START_MS, device

PAGE = Path(__file__).parents[2] / "docs" / "devices" / "http.md"


def test_the_message_that_the_page_posts_is_a_press() -> None:
    (path, body), *more = re.findall(
        r"/push/[^/]+/(\w+)\?key=\$KEY\" \\\n\s+-d '([^']+)'", PAGE.read_text(encoding="utf-8")
    )
    assert not more
    button = device("sos-0001", "sos_button", id="sos-0001")
    found = decode(button, Channel(path), body.encode(), received_at_ms=START_MS)
    assert not found.faults
    assert (found.observation.event, found.observation.message_id) == ("press", "sos-0001:1790000000123:42")
