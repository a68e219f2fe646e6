"""What boards share: variables, conditions, colours and words of cases, their tables, marks and links."""

from __future__ import annotations

from typing import Literal

from dashboards.board import Annotation, Colour, ColumnLook, Link, Panel, Step, Thresholds, ValueText, Variable
from dashboards.query import Aggregate, Column, Condition, FieldIs, Query, TagIs, Var
from dashboards.text import Text
from devices.kinds import KINDS

Level = Literal["community", "grid", "building"]

COMMUNITY = Variable("community", Text("社区", "Community"), role="community")
GRID = Variable("grid", Text("网格", "Grid"), role="grid", within=("community",))
BUILDING = Variable("building", Text("楼栋", "Building"), role="building", within=("community", "grid"))
PLACES: tuple[Variable, ...] = (COMMUNITY, GRID, BUILDING)
"""The choices at the head of nearly every board."""

OPEN_LAST = "366d"
"""How far a table of what is open looks back: what is suspended (挂账) can be open for months."""
NOW = "15m"
"""How far a look at what holds now goes back; what is written every minute, or every five, is in it."""


def here(*levels: Level) -> tuple[Condition, ...]:
    """Within the places that are chosen, down to these levels; all three where none is named."""
    return tuple(TagIs(level, Var(level)) for level in levels or ("community", "grid", "building"))


REAL: Condition = TagIs("drill", "0")
DRILL: Condition = TagIs("drill", "1")
OPEN: Condition = FieldIs("open", "=", 1)
OVER: Condition = FieldIs("open", "=", 0)
BURNING: tuple[Condition, ...] = (OPEN, FieldIs("stage", "!=", "resolved"), FieldIs("stage", "!=", "verified"))
"""Open, and not yet put right: what waits for its check or its closing burns no more."""
UNTAKEN: Condition = FieldIs("stage", "=", "opened")
"""Nobody has it yet."""
ALARMS: Condition = FieldIs("alarm", "=", 1)
"""Cases that came from alarms, not from reports."""
LIFE: Condition = FieldIs("life", "=", 1)
"""Cases whose ladder is for life safety."""
NOT_LIFE: Condition = FieldIs("life", "=", 0)
UNMERGED: Condition = FieldIs("merged", "=", 0)
"""What was merged into another case is in no figure."""

NOTICE, SERVICE, URGENT, EMERGENCY = 1.0, 2.0, 3.0, 4.0
"""Severities as the store has them."""
SEVERITIES: tuple[ValueText, ...] = (
    ValueText(EMERGENCY, Text("紧急", "emergency"), "red"),
    ValueText(URGENT, Text("急", "urgent"), "orange"),
    ValueText(SERVICE, Text("服务", "service"), "blue"),
    ValueText(NOTICE, Text("提示", "notice"), "grey"),
)
STAGES: tuple[ValueText, ...] = (
    ValueText("opened", Text("待受理", "waiting"), "red"),
    ValueText("acknowledged", Text("已受理", "taken"), "yellow"),
    ValueText("dispatched", Text("已派人", "on the way"), "yellow"),
    ValueText("arrived", Text("已到场", "on the spot"), "blue"),
    ValueText("resolved", Text("已处置", "resolved"), "green"),
    ValueText("verified", Text("已核查", "verified"), "green"),
    ValueText("closed", Text("已结案", "closed"), "green"),
    ValueText("cancelled", Text("已撤销", "cancelled"), "grey"),
    ValueText("merged", Text("已并入其他案卷", "merged"), "grey"),
)
CALM_STAGES: tuple[ValueText, ...] = tuple(ValueText(one.value, one.text) for one in STAGES)
"""The same without colours, for lists of what is over or only rehearsed."""
CALLED: tuple[ValueText, ...] = (
    ValueText(1, Text("已拨打", "called"), "purple"),
    ValueText(0, Text("–", "–")),
)
"""Whether an emergency line was called."""
YES_NO: tuple[ValueText, ...] = (
    ValueText(1, Text("是", "yes")),
    ValueText(0, Text("否", "no")),
)

CAUSES: dict[str, Text] = {
    "pressed_by_mistake": Text("误按", "pressed by mistake"),
    "child": Text("儿童玩耍", "a child playing"),
    "pet": Text("宠物触发", "a pet"),
    "cleaning": Text("打扫清洁", "cleaning"),
    "cooking": Text("做饭油烟", "cooking smoke"),
    "steam_or_dust": Text("水汽或灰尘", "steam or dust"),
    "test_unannounced": Text("未通知的测试", "a test without notice"),
    "device_fault": Text("设备故障", "device fault"),
    "device_moved": Text("设备移位或被碰", "device moved or knocked"),
    "rule_too_strict": Text("规则过严", "rule too strict"),
    "weather": Text("天气影响", "weather"),
    "nothing_found": Text("现场未发现异常", "nothing found on the spot"),
    "other": Text("其他", "other"),
}
"""Why alarms are false, as the gateway words it (`gateway.cases.causes`, without duplicates, which are not false)."""

PLAIN = Thresholds((Step(None, "grey"),), "a count: none of its values is good or bad by itself")

ALL_QUIET = Text("平安", "All quiet")
NOTHING = Text("没有", "None")


def none_is_well(source: str, *, colour: Literal["yellow", "orange", "red"] = "red", at: float = 1) -> Thresholds:
    """Green while there is none, and ``colour`` from ``at`` on. ``source``: why one of them is too many."""
    return Thresholds((Step(None, "green"), Step(at, colour)), source)


def case_link(column: str = "number") -> Link:
    """To the case on the gateway's own page; ``column`` holds its number."""
    return Link(Text("打开案卷", "Open the case"), path=f"/cases/{{{column}}}")


def place_link(column: str = "place") -> Link:
    """To what is known of a place: who lives there, its devices, cameras, how to get there."""
    return Link(Text("地点：住户、设备、摄像机", "The place: homes, devices, cameras"), path=f"/where?q={{{column}}}")


def device_link(column: str = "device") -> Link:
    """To the device on the gateway's own page."""
    return Link(Text("打开设备", "Open the device"), path=f"/devices/{{{column}}}")


def grid_link(board: str, column: str = "grid") -> Link:
    """To another board, of the grid of this row alone."""
    return Link(Text("只看这个网格", "This grid alone"), board=board, carry=(("grid", column),))


RESPONSE_LINK = Link(Text("响应", "Response"), board="anju-response")
WALL_LINK = Link(Text("值班大屏", "Wall"), board="anju-wall")
GATEWAY_LINK = Link(Text("网关", "Gateway"), board="anju-gateway")
FLEET_LINK = Link(Text("设备健康", "Fleet health"), board="anju-fleet")
CONSOLE_LINK = Link(Text("控制台", "Console"), path="/")

CASE_COLUMNS: tuple[Column, ...] = (
    Column("severity"),
    Column("title", localized=True),
    Column("place", localized=True, name="where"),
    Column("grid_name"),
    Column("stage"),
    Column("owner", localized=True),
    Column("number"),
    Column("place"),
    Column("grid"),
)
"""Of a table of cases; `CASE_LOOKS` says how they look. Columns of its own go behind."""

NOBODY: tuple[ValueText, ...] = (ValueText("", Text("还没有人", "nobody yet")),)
CASE_LOOKS: tuple[ColumnLook, ...] = (
    ColumnLook("time", Text("时间", "Time"), width=160),
    ColumnLook("severity", Text("级别", "Severity"), values=SEVERITIES, width=90),
    ColumnLook("title", Text("事由", "What"), link=case_link()),
    ColumnLook("where", Text("地点", "Where"), link=place_link()),
    ColumnLook("grid_name", Text("网格", "Grid"), link=grid_link("anju-response"), width=130),
    ColumnLook("stage", Text("阶段", "Stage"), values=CALM_STAGES, width=100),
    ColumnLook("owner", Text("承办", "Who has it"), values=NOBODY, width=130),
    ColumnLook("number", Text("案卷号", "Case"), link=case_link(), width=130),
    ColumnLook("place", hidden=True),
    ColumnLook("grid", hidden=True),
)


def looks(*own: ColumnLook, base: tuple[ColumnLook, ...] = CASE_LOOKS) -> tuple[ColumnLook, ...]:
    """``base`` with ``own`` in place of those of the same column, and behind them."""
    mine = {look.column: look for look in own}
    kept = tuple(mine.pop(look.column, look) for look in base)
    return kept + tuple(mine.values())


def cases(
    *conditions: Condition,
    levels: tuple[Level, ...] = ("community", "grid", "building"),
    columns: tuple[Column, ...] = (),
    last: str | None = None,
    limit: int = 100,
) -> Query:
    """Cases as rows of a table, the newest first; drills only where ``conditions`` ask for them."""
    where = (*here(*levels), *(() if DRILL in conditions else (REAL,)), *conditions)
    return Query("case", (*CASE_COLUMNS, *columns), where=where, last=last, limit=limit)


def open_cases(*conditions: Condition, types: tuple[str, ...] = (), limit: int = 100) -> Query:
    """What is open now, of these types, whenever it began."""
    of_types = (TagIs("type", types),) if types else ()
    return cases(OPEN, *of_types, *conditions, last=OPEN_LAST, limit=limit)


def case_numbers(
    field: str,
    aggregate: Aggregate,
    *conditions: Condition,
    name: str = "",
    scale: float = 1.0,
    by: tuple[str, ...] = (),
    every: str | None = None,
    last: str | None = None,
    fill: Literal["none", "null", "zero", "previous"] = "none",
) -> Query:
    """One number over cases that are neither drills nor merged into another, as the figures count them."""
    where = (*here(), REAL, UNMERGED, *conditions)
    column = Column(field, aggregate, name=name, scale=scale)
    return Query("case", (column,), where=where, by=by, every=every, last=last, fill=fill, name=name)


def number(
    key: str,
    title: Text,
    description: Text,
    *queries: Query,
    thresholds: Thresholds,
    unit: str = "short",
    decimals: int | None = 0,
    values: tuple[ValueText, ...] = (),
    columns: tuple[ColumnLook, ...] = (),
    links: tuple[Link, ...] = (),
    empty: Text | None = None,
    silence: Colour = "green",
    width: int = 4,
    height: int = 4,
) -> Panel:
    """A large number, read from afar."""
    return Panel(
        key=key,
        kind="stat",
        title=title,
        description=description,
        queries=queries,
        unit=unit,
        decimals=decimals,
        thresholds=thresholds,
        values=values,
        columns=columns,
        links=links,
        empty=empty,
        silence=silence,
        width=width,
        height=height,
    )


def kind_looks(*keys: str) -> tuple[ColumnLook, ...]:
    """What stands for kinds of devices in a legend; all kinds where none is named."""
    return tuple(ColumnLook(key, Text(KINDS[key].zh, KINDS[key].en)) for key in keys or KINDS)


def kind_words(*keys: str) -> tuple[ValueText, ...]:
    """What stands for kinds of devices in a table."""
    return tuple(ValueText(key, Text(KINDS[key].zh, KINDS[key].en)) for key in keys or KINDS)


def event_words(*kinds: str) -> tuple[ValueText, ...]:
    """What stands for the events of these kinds in a table."""
    found = {event.key: Text(event.zh, event.en) for kind in kinds for event in KINDS[kind].events.values()}
    return tuple(ValueText(key, words) for key, words in found.items())


def share_and_n(field: str, *conditions: Condition, levels: tuple[Level, ...] = ()) -> Query:
    """A share in per cent, and of how many: ``share`` and ``n``."""
    columns = (Column(field, "mean", name="share", scale=100), Column(field, "count", name="n"))
    return Query("case", columns, where=(*here(*levels), UNMERGED, *conditions))


def share_looks(thresholds: Thresholds) -> tuple[ColumnLook, ...]:
    """How the columns of `share_and_n` look."""
    return (
        ColumnLook("share", Text("比例", "share"), unit="percent", thresholds=thresholds),
        ColumnLook("n", Text("件数", "of"), unit="short", thresholds=PLAIN),
    )


def case_marks(
    *conditions: Condition,
    types: tuple[str, ...] = (),
    key: str = "cases",
    title: Text = Text("案卷", "Cases"),
    levels: tuple[Level, ...] = ("community", "grid", "building"),
) -> Annotation:
    """Marks over the pictures where cases began, of these types."""
    of_types = (TagIs("type", types),) if types else ()
    query = Query(
        "case",
        (Column("title", localized=True), Column("number")),
        where=(*here(*levels), REAL, UNMERGED, *of_types, *conditions),
        limit=200,
    )
    return Annotation(key, title, query, text="title", tags=("number",))
