"""Every profile has its page, and every payload on a page becomes what the page says."""

from __future__ import annotations

import pytest

from devices.kinds import KINDS
from devices.profiles import PROFILES
from gateway.gear_try import attempt
from tests.support.pages import PAGES, PageTry, tries

NOW_MS = 1_790_000_000_000
TRIES = [
    pytest.param(one, id=f"{page.stem}-{number}-{one.kind}")
    for page in sorted(PAGES.glob("*.md"))
    if page.stem in PROFILES or page.stem == "README"
    for number, one in enumerate(tries(page))
]


@pytest.mark.parametrize("key", sorted(PROFILES))
def test_every_profile_has_a_page_with_what_a_technician_needs(key: str) -> None:
    page = PAGES / f"{key}.md"
    assert page.exists(), f"docs/devices/{key}.md is missing"
    text = page.read_text(encoding="utf-8")
    profile = PROFILES[key]
    assert text.startswith("# ")
    assert [one for one in ("## What it becomes", "## What it cannot do") if one not in text] == []
    missing = [option for option in (*profile.options, *profile.device_options) if f"`{option}`" not in text]
    assert missing == [], f"{key}: options without a word about them"
    if profile.spec_only:
        assert "ade from documents alone" in text
    assert any(True for _ in tries(page)), f"{key}: no payload is tried on its page"


@pytest.mark.parametrize("one", TRIES)
def test_a_payload_becomes_what_its_page_says(one: PageTry) -> None:
    assert one.kind in KINDS
    assert attempt(one.attempt(), NOW_MS).lines() == one.expected
