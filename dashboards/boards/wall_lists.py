"""The lists and the map of the wall: what burns now, where; what else is open; drills, apart from what is real."""

from __future__ import annotations

from dashboards.board import ColumnLook, Panel, Step, Thresholds, ValueText
from dashboards.boards.common import (
    ALL_QUIET,
    BURNING,
    CALLED,
    CALM_STAGES,
    DRILL,
    NOTHING,
    OPEN,
    REAL,
    SEVERITIES,
    STAGES,
    UNMERGED,
    URGENT,
    Level,
    case_link,
    cases,
    here,
    looks,
)
from dashboards.query import Column, Condition, FieldIs, Query
from dashboards.text import Text

AREA: tuple[Level, ...] = ("community", "grid")
SINCE = "31d"
"""How far the wall looks back for what is open. It asks every second: with 6,000 cases a year a month costs InfluxDB a
tenth of a second of processor for all panels, a year a whole one."""
SERIOUS: Condition = FieldIs("severity", ">=", URGENT)
WORK: Condition = FieldIs("severity", "<", URGENT)
_OVERDUE_VALUES = (ValueText(1, Text("超时", "overdue"), "orange"), ValueText(0, Text("–", "–")))
_WAITING = (ValueText("opened", Text("还没有人！", "nobody yet!"), "red"), *STAGES[1:])

BURNING_NOW = Panel(
    key="burning",
    kind="table",
    title=Text("正在发生", "What burns now"),
    sort="severity",
    description=Text(
        "紧急和急的未结案卷，紧急在前，最新的在前。“阶段”红色＝还没有人接手。点事由打开案卷，点地点看住户、门禁、"
        "摄像机，点网格看该网格的响应。",
        "Open emergency and urgent cases, emergencies first, then the newest. A red stage: nobody has it yet. The "
        "title opens the case, the place shows homes, doors and cameras, the grid its figures.",
    ),
    queries=(
        cases(
            *BURNING,
            SERIOUS,
            UNMERGED,
            levels=AREA,
            columns=(Column("step", localized=True), Column("called_120")),
            last=SINCE,
            limit=200,
        ),
    ),
    columns=looks(
        ColumnLook("time", Text("已过", "Age"), unit="dateTimeFromNow", width=130),
        ColumnLook("stage", Text("阶段", "Stage"), values=_WAITING, width=130),
        ColumnLook("step", Text("升级到", "Ladder step"), width=170),
        ColumnLook("called_120", Text("120", "120"), values=CALLED, width=80),
        ColumnLook("number", hidden=True),
    ),
    empty=ALL_QUIET,
    width=16,
    height=11,
)
MAP = Panel(
    key="map",
    kind="map",
    title=Text("在哪里", "Where"),
    description=Text(
        "有未处置案卷的地点：楼杆和住户。红色紧急，橙色急，蓝色服务。点一下打开案卷。",
        "Places with open cases, poles and homes. Red emergency, orange urgent, blue service. A click opens the case.",
    ),
    queries=(
        Query(
            "case",
            (
                Column("lat"),
                Column("lon"),
                Column("severity"),
                Column("title", localized=True),
                Column("place", localized=True, name="where"),
                Column("number"),
            ),
            where=(*here(*AREA), REAL, *BURNING),
            last=SINCE,
            limit=500,
        ),
    ),
    columns=(
        ColumnLook("severity", Text("级别", "Severity"), values=SEVERITIES),
        ColumnLook("title", Text("事由", "What"), link=case_link()),
        ColumnLook("where", Text("地点", "Where")),
        ColumnLook("number", Text("案卷号", "Case")),
    ),
    thresholds=Thresholds(
        (Step(None, "grey"), Step(2, "blue"), Step(3, "orange"), Step(4, "red")), "severities of the alarm catalogue"
    ),
    empty=ALL_QUIET,
    width=8,
    height=11,
)
WORKS = Panel(
    key="works",
    kind="table",
    title=Text("服务与提示", "Service and notices"),
    description=Text(
        "未处置完的服务和提示类案卷，最新的在上面。“超时”一列橙色：催办、延期或转交。",
        "Open service and notice cases, the newest first. Orange under overdue: urge, extend or hand on.",
    ),
    queries=(
        cases(
            *BURNING,
            WORK,
            UNMERGED,
            levels=AREA,
            columns=(Column("overdue"),),
            last=SINCE,
            limit=20,
        ),
    ),
    columns=looks(
        ColumnLook("time", Text("已过", "Age"), unit="dateTimeFromNow", width=130),
        ColumnLook("overdue", Text("超时", "Overdue"), values=_OVERDUE_VALUES, width=90),
        ColumnLook("number", hidden=True),
    ),
    empty=NOTHING,
    width=14,
    height=8,
)
DRILLS = Panel(
    key="drills",
    kind="table",
    title=Text("【演练】进行中", "DRILL under way"),
    description=Text(
        "正在进行的演练，与真实报警分开。照常应答，但不要拨打 120、119、110。演练不计入任何数字。",
        "Drills under way, kept apart from what is real. Answer as you would, and dial no emergency number. Drills "
        "are in no figure.",
    ),
    queries=(
        Query(
            "case",
            (
                Column("title", localized=True),
                Column("place", localized=True, name="where"),
                Column("stage"),
                Column("owner", localized=True),
                Column("number"),
            ),
            where=(*here(*AREA), DRILL, OPEN),
            last="7d",
            limit=20,
        ),
    ),
    columns=(
        ColumnLook("time", Text("已过", "Age"), unit="dateTimeFromNow", width=130),
        ColumnLook("title", Text("【演练】事由", "DRILL: what"), link=case_link()),
        ColumnLook("where", Text("地点", "Where")),
        ColumnLook("stage", Text("阶段", "Stage"), values=CALM_STAGES, width=100),
        ColumnLook("owner", Text("承办", "Who has it"), width=120),
        ColumnLook("number", hidden=True),
    ),
    empty=Text("没有演练", "No drill"),
    width=10,
    height=8,
)
