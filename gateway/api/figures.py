"""Figures of a period: read from the records of cases, worded, and as a table for a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

import msgspec
import sqlalchemy as sa
from fastapi import APIRouter, Query, Response

from devices.targets import LIFE, ON_SITE, OTHER
from gateway.alarms import ALARM_TYPES, Frozen
from gateway.api.auth import Reader
from gateway.api.context import Gateway
from gateway.api.models import ID
from gateway.api.problem import ApiProblem, described
from gateway.cases import figures as core
from gateway.cases.causes import CAUSES
from gateway.cases.figures import Figures, Group, Seen, Share
from gateway.cases.wording import Words
from gateway.registry.directory import CommunityDirectory
from gateway.registry.evaluating import Evaluated, evaluate
from gateway.state import tables as t
from gateway.state.db import reading

router = APIRouter(tags=["figures"])

DAYS = 30
"""The period where none is named, with today."""
DAYS_MOST = 366 * 5
DAYS_BY_DAY = 62
"""Longer periods are shown by month."""
ELSEWHERE = ""
"""The key of cases at no known place."""
INSTANTS: dict[str, Words] = {
    "triggered": Words("触发", "triggered"),
    "received": Words("收到", "received"),
    "raised": Words("立案", "raised"),
    "notified": Words("首次送达", "first told"),
    "answered": Words("受理", "answered"),
    "dispatched": Words("派遣", "dispatched"),
    "arrived": Words("到场", "arrived"),
    "resolved": Words("处置完成", "resolved"),
    "verified": Words("核查", "verified"),
    "closed": Words("结案", "closed"),
}
LIMITS: dict[str, Words] = {
    "answer": Words("受理（生命安全）", "answer, life safety"),
    "accept": Words("受理", "accept"),
    "dispatch": Words("派遣", "dispatch"),
    "handle": Words("处置", "handle"),
    "verify": Words("核查", "verify"),
    "close": Words("结案", "close"),
}


class Name(Frozen):
    """A name in both languages."""

    zh: str
    en: str


class Worded(Frozen):
    """The figures, and what their keys are called."""

    begin: date
    end: date
    """The last day that counts."""
    timezone: str
    place: str | None
    """The place that was asked for; each row of ``places`` lies just inside it."""
    figures: Figures
    names: dict[str, Name]
    """Of places, people, types and causes, by their keys."""
    evaluation: tuple[Evaluated, ...] = ()
    """What the ratings of the period's cases come to (评价); of drills none."""
    unreadable: int = 0
    """Records of cases that could not be read, and are in no figure."""


class BadPeriod(ValueError):
    """The days do not make a period."""


def period(begin: date | None, end: date | None, today: date) -> tuple[date, date]:
    """The days that are meant. Raises BadPeriod."""
    last = end or today
    first = begin or last - timedelta(days=DAYS - 1)
    if not date(2000, 1, 1) <= first <= last <= date(2200, 1, 1):
        raise BadPeriod(f"{first} – {last}")
    if (last - first).days >= DAYS_MOST:
        raise BadPeriod(f"{first} – {last}: more than {DAYS_MOST} days")
    return first, last


def gather(
    engine: sa.Engine,
    directory: CommunityDirectory | None,
    *,
    begin: date | None,
    end: date | None,
    place: str | None,
    now_ms: int,
    drills: bool = False,
) -> Worded:
    """The figures from ``begin`` to ``end``, both included, of ``place`` with all inside it; with ``drills`` of drills
    and of nothing else. Raises BadPeriod."""
    timezone = directory.community.community.timezone if directory is not None else "UTC"
    zone = ZoneInfo(timezone)
    first, last = period(begin, end, datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(zone).date())
    from_ms, until_ms = _midnight(first, zone), _midnight(last + timedelta(days=1), zone)
    cases, unreadable = _read(engine, from_ms, until_ms)
    place_of = _children(directory, place)
    found = core.reckon(
        cases,
        from_ms=from_ms,
        until_ms=until_ms,
        now_ms=now_ms,
        place_of=place_of,
        slots=[_midnight(day, zone) for day in _slots(first, last)],
        drills=drills,
    )
    names = dict(_names(directory, found))
    mine = (case for case in cases if from_ms <= case.began_ms < until_ms and place_of(case.place) is not None)
    return Worded(
        begin=first,
        end=last,
        timezone=timezone,
        place=place,
        figures=found,
        names=names,
        evaluation=() if directory is None or drills else evaluate(directory, mine),
        unreadable=unreadable,
    )


def _read(engine: sa.Engine, from_ms: int, until_ms: int) -> tuple[list[Seen], int]:
    c = t.cases.c
    began = sa.and_(c.opened_at_ms >= from_ms, c.opened_at_ms < until_ms)
    found, unreadable = [], 0
    with reading(engine) as connection:
        for body in connection.execute(sa.select(c.body).where(sa.or_(began, c.open.is_(True)))).scalars():
            try:
                found.append(core.seen(body))
            except msgspec.DecodeError:
                unreadable += 1
    return found, unreadable


def _children(directory: CommunityDirectory | None, place: str | None) -> Callable[[str | None], str | None]:
    """Under which place a case is counted: the one just inside ``place`` that holds it, or ``place`` itself. Without
    a place: one just inside the root, where there is one root."""
    if directory is None:
        return lambda _: ELSEWHERE
    known: dict[str | None, str | None] = {}
    roots = [one.id for one in directory.community.places if one.parent is None]
    above = place if place is not None else roots[0] if len(roots) == 1 else None

    def look(of: str | None) -> str | None:
        way = directory.way(of)
        if not way:
            return ELSEWHERE if place is None else None
        if above is None:
            return way[-1]
        if above not in way:
            return None if place is not None else ELSEWHERE
        at = way.index(above)
        return way[at - 1] if at else above

    def place_of(of: str | None) -> str | None:
        if of not in known:
            known[of] = look(of)
        return known[of]

    return place_of


def _names(directory: CommunityDirectory | None, found: Figures) -> Iterator[tuple[str, Name]]:
    places = {group.key for group in found.places} | {one.place for one in found.overdue if one.place}
    for key in places - {ELSEWHERE}:
        known = directory.place(key) if directory is not None else None
        yield key, Name(zh=known.name.zh, en=known.name.en) if known is not None else Name(zh=key, en=key)
    yield ELSEWHERE, Name(zh="未说明", en="not said")
    for key in {group.key for group in found.people} | {one.owner for one in found.overdue if one.owner}:
        person = directory.person(key.removeprefix("person:")) if directory is not None else None
        name = person.name if person is not None and key.startswith("person:") else key.partition(":")[2] or key
        yield key, Name(zh=name, en=name)
    for key in {group.key for group in found.types} | {one.type for one in found.overdue}:
        yield key, _type(directory, key)
    for key in found.causes:
        if key:
            zh, en = CAUSES.get(key, (key, key))  # type: ignore[call-overload]
            yield key, Name(zh=zh, en=en)


def _type(directory: CommunityDirectory | None, key: str) -> Name:
    kind = ALARM_TYPES.get(key)
    if kind is not None:
        return Name(zh=kind.zh, en=kind.en)
    work = directory.work.get(key) if directory is not None else None
    return Name(zh=key, en=key) if work is None else Name(zh=work.zh, en=work.en)


def _midnight(day: date, zone: ZoneInfo) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp() * 1000)


def _slots(first: date, last: date) -> Iterator[date]:
    if (last - first).days < DAYS_BY_DAY:
        yield from (first + timedelta(days=number) for number in range((last - first).days + 1))
        return
    day = first
    while day <= last:
        yield day
        day = date(day.year + day.month // 12, day.month % 12 + 1, 1)


# a table for spreadsheets

HEAD = ("section", "key", "名称 name", "measure", "value", "n", "target", "unit")


def as_csv(found: Worded) -> bytes:
    """UTF-8 with a byte order mark, as spreadsheets want it: one measure to a line, each with its n."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(HEAD)
    for row in _rows(found):
        writer.writerow(["" if cell is None else _plain(cell) for cell in row])
    return ("\ufeff" + out.getvalue()).encode()


def _plain(cell: object) -> str:
    if isinstance(cell, float):
        return f"{cell:.4f}".rstrip("0").rstrip(".")
    text = str(cell)
    # A name that begins like a formula is text, and not obeyed by a spreadsheet.
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t") else text


Row = tuple[object, ...]


def _rows(found: Worded) -> Iterator[Row]:
    of = found.figures
    yield ("period", "", "", "from", found.begin.isoformat(), None, None, "day")
    yield ("period", "", "", "until", found.end.isoformat(), None, None, "day")
    for name in ("n", "alarms", "reports", "drills", "merged", "taken_back", "open"):
        yield ("cases", "", "", name, getattr(of, name), None, None, "cases")
    for key, shares, targets in (
        ("life_safety", of.life, LIFE),
        ("other", of.other, OTHER),
        ("on_site", of.on_site, ON_SITE),
    ):
        for share, target in zip(shares, targets, strict=True):
            yield _share("answered" if key != "on_site" else "arrived", key, f"within {target.within_s} s", share)
    yield _share("false", "", "false alarms", of.false)
    yield _share("rework", "", "sent back by a check", of.reworked)
    for step in of.steps:
        key = f"{step.begin}-{step.end}"
        name = f"{INSTANTS[step.begin].zh}→{INSTANTS[step.end].zh}"
        for measure in ("p50", "p90", "p95", "most"):
            yield ("step", key, name, measure, getattr(step.spread, measure), step.spread.n, None, "s")
    for section in ("places", "people", "types"):
        groups: Iterable[Group] = getattr(of, section)
        for group in groups:
            yield from _group(found, section, group)
    for cause, count in of.causes.items():
        yield ("causes", cause, _name(found, cause), "count", count, of.false.count, None, "cases")
    for slot in of.slots:
        day = datetime.fromtimestamp(slot.begin_ms / 1000, UTC).astimezone(ZoneInfo(found.timezone)).date()
        yield ("time", day.isoformat(), "", "cases", slot.n, slot.n, None, "cases")
        yield _share("time", day.isoformat(), "answered within 60 s", slot.answered_60)
    for one in of.overdue:
        yield ("overdue", one.number, _name(found, one.type), one.stage, one.due_ms, None, None, "ms")
    for evaluated in found.evaluation:
        yield from _evaluated(evaluated)


def _evaluated(one: Evaluated) -> Iterator[Row]:
    for row in one.rows:
        key, rating = f"{one.id}/{row.key}", row.rating
        for measure in ("score", "least", "most"):
            yield ("evaluation", key, row.name.zh, measure, getattr(rating, measure), row.cases, None, "1 to 5")
        for measure in ("closed", "cases"):
            yield ("evaluation", key, row.name.zh, measure, getattr(row, measure), row.closed, None, "cases")
        for part in rating.parts:
            said = f"{part.by} at {part.weight:g} %"
            yield ("evaluation", key, row.name.zh, f"mean of {said}", part.mean, part.n, None, "1 to 5")
            yield ("evaluation", key, row.name.zh, f"not satisfied, {said}", part.poor, part.n, None, "ratings")
    for measure in ("own", "others"):
        yield ("evaluation", one.id, one.name.zh, f"left out: {measure}", getattr(one, measure), None, None, "ratings")


def _group(found: Worded, section: str, group: Group) -> Iterator[Row]:
    name = _name(found, group.key)
    yield (section, group.key, name, "cases", group.n, group.n, None, "cases")
    for measure, share in (
        ("answered within 60 s", group.answered_60),
        ("answered within 180 s", group.answered_180),
        ("false alarms", group.false),
    ):
        yield (section, group.key, name, measure, share.share, share.n, share.target, "share")
    for measure, spread in (("answer", group.answer), ("arrive", group.arrive), ("resolve", group.resolve)):
        for rank in ("p50", "p90"):
            yield (section, group.key, name, f"{measure} {rank}", getattr(spread, rank), spread.n, None, "s")


def _share(section: str, key: str, measure: str, share: Share) -> Row:
    return (section, key, "", measure, share.share, share.n, share.target, "share")


def _name(found: Worded, key: str) -> str:
    name = found.names.get(key)
    return key if name is None else name.zh


@router.get(
    "/figures",
    responses=described(404)
    | {200: {"model": Worded, "content": {"text/csv": {"schema": {"type": "string"}}}, "description": "The figures"}},
)
def get_figures(
    context: Gateway,
    _: Reader,
    begin: Annotated[
        date | None, Query(alias="from", description="the first local day; 30 days before the last")
    ] = None,
    end: Annotated[date | None, Query(alias="until", description="the last local day; today")] = None,
    place: Annotated[
        str | None, Query(max_length=64, pattern=ID, description="a place with all inside it; all of them")
    ] = None,
    drills: Annotated[bool, Query(description="of drills, and of nothing else")] = False,
    format: Annotated[Literal["json", "csv"], Query(description="csv is for spreadsheets")] = "json",
) -> Response:
    """How soon people answered, how long each stage took, by place, person, type and cause; what is overdue; and how
    satisfied those were who rate the work (评价), by the community's weights.

    Drills are in no figure but their own (``drills=true``), cases that were merged into others in none. Every share has
    its ``n``.
    """
    directory = context.directory()
    if place is not None and (directory is None or directory.place(place) is None):
        raise ApiProblem(404, "no_such_place", f"没有地点 {place}", f"there is no place {place!r}")
    try:
        found = gather(
            context.engine,
            directory,
            begin=begin,
            end=end,
            place=place,
            now_ms=context.clock.now_ms(),
            drills=drills,
        )
    except BadPeriod as error:
        raise bad_period(error) from None
    if format == "csv":
        name = f"{'drills' if drills else 'figures'}-{found.begin}-{found.end}.csv"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return Response(as_csv(found), media_type="text/csv; charset=utf-8", headers=headers)
    return Response(found.model_dump_json(), media_type="application/json")


def bad_period(error: BadPeriod) -> ApiProblem:
    """422, to be raised."""
    return ApiProblem(
        422,
        "bad_period",
        f"时段不正确：{error}；起始日应不晚于截止日，最长五年",
        f"these days make no period: {error}; expected from not after until, five years at most",
    )
