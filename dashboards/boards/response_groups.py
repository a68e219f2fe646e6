"""Panels of the response board that go into it: by grid and type, why alarms were false, those too late, drills."""

from __future__ import annotations

from dataclasses import replace

from dashboards.board import ColumnLook, Panel
from dashboards.boards.common import (
    ALARMS,
    CAUSES,
    DRILL,
    LIFE,
    PLAIN,
    REAL,
    UNMERGED,
    case_numbers,
    cases,
    grid_link,
    here,
    looks,
    number,
    share_and_n,
    share_looks,
)
from dashboards.query import Column, FieldIs, Query
from dashboards.text import Text
from dashboards.thresholds import ANSWERED_60, ANSWERED_180

NO_ALARMS = Text("没有报警", "No alarms")
_GROUP = (
    Column("open", "count", name="n"),
    Column("within_60", "mean", name="share_60", scale=100),
    Column("within_180", "mean", name="share_180", scale=100),
    Column("answered_s", "p50", name="answered_p50"),
    Column("answered_s", "p90", name="answered_p90"),
    Column("arrived_s", "p90", name="arrived_p90"),
    Column("false_alarm", "mean", name="false_share", scale=100),
)
_PROMISED = (
    ColumnLook("share_60", Text("60 秒内", "In 60 s"), unit="percent", thresholds=ANSWERED_60),
    ColumnLook("share_180", Text("180 秒内", "In 180 s"), unit="percent", thresholds=ANSWERED_180),
)
_SHARES = tuple(replace(look, thresholds=None) for look in _PROMISED)
"""Of alarms of every kind: what is promised for life safety is no measure for a battery."""
_GROUP_LOOKS = (
    ColumnLook("n", Text("报警", "Alarms"), unit="short"),
    ColumnLook("answered_p50", Text("受理 一半", "Taken, half"), unit="s"),
    ColumnLook("answered_p90", Text("受理 九成", "Taken, 9 in 10"), unit="s"),
    ColumnLook("arrived_p90", Text("到场 九成", "On the spot, 9 in 10"), unit="s"),
    ColumnLook("false_share", Text("误报", "False"), unit="percent"),
)
GRIDS = Panel(
    key="grids",
    kind="table",
    title=Text("各网格（人身安全）", "By grid (life safety)"),
    description=Text(
        "每个网格的人身安全报警：多少、受理比例、用时、误报。红色没达到承诺：排班、路程、渠道逐项看。"
        "点网格只看它自己。件数少时比例会跳。",
        "Alarms for life safety of each grid: shares, times, false ones. Red misses what is promised: roster, "
        "distance, channels, one by one. A click shows this grid alone. With few alarms shares jump.",
    ),
    queries=(Query("case", _GROUP, where=(*here(), REAL, UNMERGED, ALARMS, LIFE), by=("grid_name", "grid")),),
    columns=(
        ColumnLook("grid_name", Text("网格", "Grid"), link=grid_link("anju-response")),
        ColumnLook("grid", hidden=True),
        *_PROMISED,
        *_GROUP_LOOKS,
    ),
    sort="-share_60",
    empty=NO_ALARMS,
    width=24,
    height=8,
)
TYPES = Panel(
    key="types",
    kind="table",
    title=Text("各类报警", "By type"),
    description=Text(
        "每类报警的数量、受理比例、用时和误报。误报比例高的类型：看规则和设备位置。",
        "Alarms of each type: number, shares, times, false ones. Many false ones: look at the rule and at where the "
        "devices are.",
    ),
    queries=(
        Query(
            "case",
            (Column("title", "last", name="what", localized=True), *_GROUP),
            where=(*here(), REAL, UNMERGED, ALARMS),
            by=("type",),
        ),
    ),
    columns=(
        ColumnLook("what", Text("类型", "Type")),
        ColumnLook("type", hidden=True),
        *_SHARES,
        *_GROUP_LOOKS,
    ),
    sort="n",
    empty=NO_ALARMS,
    width=16,
    height=10,
)
CAUSES_OF_FALSE = Panel(
    key="causes",
    kind="bargauge",
    title=Text("误报的原因", "Why alarms were false"),
    description=Text(
        "撤销时记下的原因，各多少件。最多的那个先处理：误按→教一教或换按钮；做饭、水汽→移动探测器；规则过严→改规则。",
        "The causes that were noted when cases were cancelled. Begin with the most frequent: pressed by mistake: "
        "show them, or another key; cooking, steam: move the detector; rule too strict: mend the rule.",
    ),
    queries=tuple(
        case_numbers("false_alarm", "sum", ALARMS, FieldIs("cause_zh", "=", words.zh), name=key)
        for key, words in CAUSES.items()
    ),
    unit="short",
    decimals=0,
    thresholds=PLAIN,
    columns=tuple(ColumnLook(key, words) for key, words in CAUSES.items()),
    empty=Text("没有误报", "None was false"),
    width=8,
    height=10,
)
LATE = Panel(
    key="late",
    kind="table",
    title=Text("没赶上的：60 秒内没有人受理的人身安全报警", "Too late: life safety, not taken within 60 s"),
    description=Text(
        "逐件复盘：点案卷看时间线，谁被通知了、经什么渠道、为什么没有接。",
        "Go through each: the case's timeline says who was told, by which channel, and why nobody answered.",
    ),
    queries=(
        cases(
            ALARMS,
            LIFE,
            UNMERGED,
            FieldIs("within_60", "=", 0),
            columns=(Column("answered_s"), Column("cause", localized=True)),
            limit=50,
        ),
    ),
    columns=looks(
        ColumnLook("answered_s", Text("受理用时", "Taken after"), unit="s", width=110),
        ColumnLook("cause", Text("误报原因", "Why false"), width=140),
    ),
    empty=Text("没有，全部及时受理", "None: all were taken in time"),
    width=24,
    height=8,
)

DRILL_SHARE = number(
    "drill-60",
    Text("【演练】60 秒内受理", "DRILL: taken in 60 s"),
    Text(
        "只算演练：60 秒内有人受理的比例。演练不在任何其他数字里。低于目标：真的来了也会这样，先改排班和渠道。",
        "Drills alone: taken within 60 s. They are in no other figure. Below the target: it would be so in earnest; "
        "mend rosters and channels first.",
    ),
    share_and_n("within_60", DRILL, ALARMS),
    unit="percent",
    decimals=None,
    thresholds=ANSWERED_60,
    columns=share_looks(ANSWERED_60),
    empty=Text("没有演练", "No drill"),
    width=6,
    height=8,
)
DRILLS = Panel(
    key="drills",
    kind="table",
    title=Text("【演练】逐次", "DRILLS, one by one"),
    description=Text(
        "所选时段内的演练案卷：多久受理、多久到场。点案卷看全程。",
        "Cases of drills in the chosen period: when they were taken, when somebody was there. The case has the whole "
        "story.",
    ),
    queries=(cases(DRILL, columns=(Column("answered_s"), Column("arrived_s")), limit=50),),
    columns=looks(
        ColumnLook("severity", hidden=True),
        ColumnLook("answered_s", Text("受理用时", "Taken after"), unit="s", width=110),
        ColumnLook("arrived_s", Text("到场用时", "There after"), unit="s", width=110),
    ),
    empty=Text("没有演练", "No drill"),
    width=18,
    height=8,
)
