"""What people are told of their duty: that it begins, what they take over, and that nobody has confirmed it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from gateway.cases import scene
from gateway.cases.model import Case
from gateway.cases.wording import STAGES
from gateway.registry.directory import CommunityDirectory

CASES_MOST = 10
"""So many cases are named one by one in a message."""


class Said(NamedTuple):
    """One message."""

    title: str
    body: str


def clock(at_ms: int, directory: CommunityDirectory) -> str:
    """``12-05 18:00`` by the community's clock."""
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(directory.duties.zone):%m-%d %H:%M}"


def begins(
    directory: CommunityDirectory,
    role: str,
    place: str,
    since_ms: int,
    until_ms: int | None,
    cases: Sequence[Case],
    language: str,
    confirm_s: int | None,
) -> Said:
    """To whoever comes on duty. ``confirm_s``: within how long they have to confirm what they take over."""
    both = []
    for tongue in ("zh", "en"):
        where, what = _where(directory, place, tongue), directory.role_name(role, tongue)
        since = clock(since_ms, directory)
        if tongue == "zh":
            until = f"至 {clock(until_ms, directory)}" if until_ms is not None else "起"
            title = f"您已开始值班：{where}（{what}）" + (f"，接手 {len(cases)} 件案卷" if cases else "")
            lines = [f"{since} {until}".strip()]
            if confirm_s is not None:
                lines.append(f"请在 {max(1, confirm_s // 60)} 分钟内确认接班")
        else:
            until = f" to {clock(until_ms, directory)}" if until_ms is not None else " on"
            title = f"You are on duty: {where} ({what})"
            if cases:
                title += f", {len(cases)} case{'s' if len(cases) > 1 else ''} to take over"
            lines = [f"from {since}{until}"]
            if confirm_s is not None:
                lines.append(f"please confirm within {max(1, confirm_s // 60)} min that you have taken over")
        lines += _list(directory, cases, tongue)
        both.append(Said(title, "\n".join(lines)))
    return _first(both, language)


def not_confirmed(
    directory: CommunityDirectory, role: str, place: str, incoming: str | None, cases: Sequence[Case], language: str
) -> Said:
    """To the supervisor. ``incoming``: who should have confirmed; None where nobody came on duty."""
    both = []
    for tongue in ("zh", "en"):
        where, what = _where(directory, place, tongue), directory.role_name(role, tongue)
        if tongue == "zh":
            who = f"{incoming}未确认接班" if incoming else "无人接班"
            title = f"{who}：{where}（{what}），未结案卷 {len(cases)} 件"
        else:
            who = f"{incoming} has not confirmed the hand-over" if incoming else "Nobody has taken over"
            title = f"{who}: {where} ({what}), {len(cases)} open"
        both.append(Said(title, "\n".join(_list(directory, cases, tongue))))
    return _first(both, language)


def _list(directory: CommunityDirectory, cases: Sequence[Case], language: str) -> list[str]:
    lines = []
    for case in cases[:CASES_MOST]:
        stage = STAGES[case.stage.value]
        who = scene.resident_name(case, directory) or scene.place_path(case, directory, language)
        lines.append(f"{case.number} {stage.en if language == 'en' else stage.zh} {who}".rstrip())
    if len(cases) > CASES_MOST:
        more = len(cases) - CASES_MOST
        lines.append(f"… and {more} more" if language == "en" else f"…另有 {more} 件")
    return lines


def _where(directory: CommunityDirectory, place: str, language: str) -> str:
    known = directory.place(place)
    return place if known is None else known.name.in_language(language)


def _first(both: Sequence[Said], language: str) -> Said:
    zh, en = both
    one, other = (en, zh) if language == "en" else (zh, en)
    return Said(one.title, "\n".join(part for part in (one.body, "", other.title, other.body) if part is not None))
