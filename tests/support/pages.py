"""The pages of docs/devices: their tries, as the tests and the coverage table read them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from devices.gear.declared import load_profile
from devices.gear.profile import Profile
from devices.profiles import PROFILES
from gateway.gear_try import Attempt

PAGES = Path(__file__).parents[2] / "docs" / "devices"
_PROFILE = re.compile(r"^<!-- profile -->\n+```yaml\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_TRY = re.compile(r"^<!-- try: (.+?) -->\n+```(\w*)\n(.*?)^```\n+```text\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_COMMENT = re.compile(r"^<!-- try:", re.MULTILINE)
_OWN = ("address", "topic", "base", "over")


@dataclass
class PageTry:
    """One payload on a page, and what the page says becomes of it."""

    profile: Profile
    kind: str
    payload: bytes
    expected: list[str]
    words: dict[str, str] = field(default_factory=dict)
    retained: bool = False

    def attempt(self) -> Attempt:
        return Attempt(
            profile=self.profile,
            payload=self.payload,
            topic=self.words.get("topic", ""),
            kind=self.kind,
            address=self.words.get("address", ""),
            base=self.words.get("base", ""),
            options={key: value for key, value in self.words.items() if key not in _OWN},
            retained=self.retained,
            over_s=float(self.words["over"]) if "over" in self.words else None,
        )


def tries(page: Path) -> Iterator[PageTry]:
    """The tries of a page: of its profile, or of the one that is written on it.

    AssertionError for one that is not written as it should be.
    """
    text = page.read_text(encoding="utf-8")
    written = _PROFILE.search(text)
    profile = PROFILES[page.stem] if written is None else load_profile(written[1], page.name)
    found = _TRY.findall(text)
    assert len(found) == len(_COMMENT.findall(text)), f"{page.name}: a try is followed by its payload and ```text"
    for head, language, payload, expected in found:
        kind, *rest = shlex.split(head)
        words = dict(word.split("=", 1) for word in rest if "=" in word)
        flags = {word for word in rest if "=" not in word}
        assert flags <= {"retained"}, f"{page.name}: try: {head}: unknown {flags - {'retained'}}"
        raw = bytes.fromhex(payload) if language == "hex" else payload.removesuffix("\n").encode()
        yield PageTry(profile, kind, raw, expected.splitlines(), words, "retained" in flags)
