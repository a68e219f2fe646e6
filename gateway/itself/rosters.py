"""How long until somebody is missing on duty: looked at once an hour, and whenever the registry changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from gateway.clock import Clock
from gateway.itself.ill import Ill
from gateway.registry import coverage
from gateway.registry.coverage import SERIOUS, Trouble
from gateway.registry.directory import CommunityDirectory
from gateway.registry.duty import DAY_MS

AHEAD_DAYS = 7
SOON_MS = 3 * DAY_MS
"""So long before a hole there is time to find somebody."""
_EVERY_MS = 3_600_000


class RosterLook:
    """Keeps what was found: a community with hundreds of duties is not gone through every few seconds."""

    def __init__(self, directory: Callable[[], CommunityDirectory | None], clock: Clock) -> None:
        self._directory = directory
        self._clock = clock
        self._looked: tuple[CommunityDirectory, int] | None = None
        self._found: list[Trouble] = []

    def look(self) -> Iterator[tuple[str, float | Ill]]:
        """``roster_hole_in`` (seconds until the first hole of the coming week), and whether one is near."""
        directory, now_ms = self._directory(), self._clock.now_ms()
        if directory is None:
            return
        hour = now_ms // _EVERY_MS
        if self._looked is None or self._looked[0] is not directory or self._looked[1] != hour:
            found = coverage.troubles(directory, now_ms, now_ms + AHEAD_DAYS * DAY_MS)
            self._found = [one for one in found if one.kind in SERIOUS]
            self._looked = directory, hour
        ahead = [one for one in self._found if one.until_ms > now_ms]
        if ahead:
            yield "roster_hole_in", float(max(0, ahead[0].begin_ms - now_ms) // 1000)
        near = [one for one in ahead if one.begin_ms - now_ms < SOON_MS]
        yield "roster_hole", Ill(bool(near), "; ".join(_told(one, directory) for one in near[:3]))


def _told(one: Trouble, directory: CommunityDirectory) -> str:
    return (
        f"{coverage.when(one.begin_ms, one.until_ms, directory.duties.zone).en} {coverage.in_words(one, directory).en}"
    )
