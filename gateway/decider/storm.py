"""When so many alarms of one rule come at once that people are told once of all of them."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from gateway.alarms import AlarmChange, AlarmMove
from gateway.cases.model import Storm
from gateway.cases.policy import Ladder
from gateway.decider.withheld_rows import may_be_held_back
from gateway.registry.directory import CommunityDirectory
from gateway.rules import document
from gateway.rules.document import RuleDocument
from gateway.state import tables as t

STORM = "alarm_storm"
_a = t.alarms.c


def subject_of(rule: str) -> str:
    """Whom the alarm is about that stands for the storm of a rule."""
    return f"rule:{rule}"


def may_join(change: AlarmChange, ladder: Ladder) -> bool:
    """What may concern a life never joins a storm, and no ladder for life safety is climbed by one."""
    return may_be_held_back(change) and not ladder.life_safety


def lasts(storm: Storm, now_ms: int) -> bool:
    """Whether new alarms still join. An end further ahead than any can be is that of a clock which was set back."""
    return now_ms <= storm.until_ms <= now_ms + 2 * storm.within_s * 1000


def rate(connection: sa.Connection, rule: str, limit: document.Storm, now_ms: int) -> tuple[int, int]:
    """How many alarms of the rule were raised within the time of its limit; and, with one more now, until when the
    storm lasts: until the rate has been below the limit for that time."""
    within_ms = limit.within_s * 1000
    recent = sa.and_(*_recent(rule, within_ms, now_ms))
    number = connection.execute(sa.select(sa.func.count()).where(recent)).scalar_one()
    nth = sa.select(_a.raised_at_ms).where(recent).order_by(_a.raised_at_ms.desc()).offset(limit.count - 2).limit(1)
    first_ms = connection.execute(nth).scalar_one_or_none()
    return number, 0 if first_ms is None else first_ms + 2 * within_ms


def _recent(rule: str, within_ms: int, now_ms: int) -> tuple[sa.ColumnElement[bool], ...]:
    return _a.rule == rule, _a.type != STORM, _a.raised_at_ms > now_ms - within_ms, _a.raised_at_ms <= now_ms


def raised(
    connection: sa.Connection,
    directory: CommunityDirectory,
    rule: RuleDocument,
    ladder: Ladder,
    change: AlarmChange,
    number: int,
    now_ms: int,
) -> AlarmChange:
    """The alarm that stands for the storm: about all of the places, as far as somebody stands for that."""
    within_ms = rule.storm.within_s * 1000
    recent = sa.select(_a.place).where(*_recent(rule.id, within_ms, now_ms)).distinct()
    place = _common(directory, (*connection.execute(recent).scalars(), change.place))
    if not any(
        directory.resolve(recipient, place=place, resident=None, at_ms=now_ms)
        for rung in ladder.every_rung
        for recipient in rung.notify
    ):
        place = change.place
    within = f"{rule.storm.within_s} 秒" if rule.storm.within_s % 60 else f"{rule.storm.within_s // 60} 分钟"
    within_en = within.replace("秒", "s").replace("分钟", "min")
    zh = f"{within}内已有 {number} 条“{rule.zh}”报警，合并通知，不再逐条通知"
    en = f"{number} alarms of “{rule.en}” within {within_en}; from here on people are told once of all of them"
    return AlarmChange(
        move=AlarmMove.RAISED,
        rule=rule.id,
        rule_version=rule.version,
        subject=subject_of(rule.id),
        type=STORM,
        severity=change.severity,
        ladder=ladder.id,
        at_ms=now_ms,
        observed_at_ms=now_ms,
        device=None,
        place=place,
        resident=None,
        momentary=True,
        explanation=f"{zh}; {en}",
        zh=zh,
        en=en,
    )


def _common(directory: CommunityDirectory, places: Iterable[str | None]) -> str | None:
    """The smallest place in which all of these lie; None where there is none."""
    ways = [_up(directory, place) for place in places]
    return next((one for one in ways[-1] if all(one in way for way in ways)), None)


def _up(directory: CommunityDirectory, place: str | None) -> dict[str, None]:
    way: dict[str, None] = {}
    while place is not None and place not in way and (known := directory.place(place)) is not None:
        way[place] = None
        place = known.parent
    return way
