"""垃圾分类: which bins are full, which will be next, which are hot, and whether they were emptied in time."""

from __future__ import annotations

from dashboards.board import Board, ColumnLook, Panel, Row, Step, Thresholds, ValueText
from dashboards.boards.common import (
    COMMUNITY,
    CONSOLE_LINK,
    FLEET_LINK,
    GRID,
    PLAIN,
    REAL,
    UNMERGED,
    WALL_LINK,
    case_marks,
    device_link,
    here,
    place_link,
)
from dashboards.boards.things import (
    STREETS,
    line,
    now_panel,
    open_panel,
    trouble_panel,
)
from dashboards.query import Column, FieldIs, Query, TagIs
from dashboards.text import Text
from dashboards.thresholds import library, watched

BINS = ("bin_fire", "bin_hot", "bin_full")
_HERE = here(*STREETS)
FILL = watched("fill", "bin-full")
HEAT = watched("temperature", "bin-hot")
_HEARD = "4h"
"""Bins report about once an hour, over a network that loses some."""
_A_WEEK_H = 168
"""The farthest that is said of a bin."""

_NOW = now_panel(
    "now",
    Text("现在", "Now"),
    Text(
        "未处置的桶着火、桶过热、桶满。红色着火：带水或灭火器去，远离墙、车、燃气管；控制不住打 119。"
        "橙色过热：可能有烟头在阴燃，带水去看。黄色满溢：安排清运，先清右下表里溢得最久的。",
        "Bins on fire, too warm, full, and not put right. Red, fire: go with water or an extinguisher, mind walls, "
        "cars and gas pipes; 119 where it spreads. Orange, too warm: perhaps an ember, go there with water. Yellow, "
        "full: send the collection, first to those that overflow for longest.",
    ),
    {"bin_fire": "red", "bin_hot": "orange", "bin_full": "yellow"},
    "severities of the rules bin-fire, bin-hot, bin-full",
    levels=STREETS,
)
_FILL = Panel(
    key="fill",
    kind="bargauge",
    title=Text("最满的桶", "The fullest bins"),
    description=Text(
        "每个桶四小时内最新的满溢度，最满的在最上面。黄色从 85% 起（与规则相同）：该清运了。长期 100%："
        "桶不够或次数不够。",
        "The newest level of each bin within four hours, the fullest first. Yellow from 85 % on, as in the rule: "
        "have it emptied. At 100 % day after day: too few bins, or too few rounds.",
    ),
    queries=(Query("bin", (Column("fill", "last"),), _HERE, by=("name",), last=_HEARD, name="{name}"),),
    unit="percent",
    decimals=0,
    thresholds=FILL,
    low=0,
    high=100,
    sort="fill",
    top=20,
    width=12,
    height=12,
)
_NEXT = Panel(
    key="next",
    kind="table",
    title=Text("下一轮先清哪里", "Where to go next"),
    description=Text(
        "按装满的快慢推算：几小时后到 85%，最急的在最上面。照这个顺序排路线；一周以后的这一轮可以跳过。",
        "Reckoned from how fast each bin fills: in how many hours it reaches 85 %, the most pressing first. Plan the "
        "round in this order; those of a week and more can be left out.",
    ),
    queries=(
        Query(
            "bin",
            (Column("full_in_h", "last"), Column("fill", "last")),
            (*_HERE, FieldIs("full_in_h", ">=", 0)),
            by=("name", "grid_name", "place", "device"),
            last=_HEARD,
        ),
    ),
    columns=(
        ColumnLook("name", Text("垃圾桶", "Bin"), link=device_link()),
        ColumnLook("grid_name", Text("网格", "Grid"), link=place_link(), width=150),
        ColumnLook("fill", Text("现在", "Now"), unit="percent", thresholds=FILL, gauge=True, width=150),
        ColumnLook(
            "full_in_h",
            Text("多久后满", "Full in"),
            unit="h",
            thresholds=Thresholds(
                (Step(None, "yellow"), Step(0.01, "blue"), Step(24, "green")),
                "rule bin-full reached now, within a day, later",
            ),
            values=(
                ValueText(0, Text("已满", "full"), "yellow"),
                ValueText(_A_WEEK_H, Text("一周以后", "a week or more"), "green"),
            ),
            width=130,
        ),
        ColumnLook("place", hidden=True),
        ColumnLook("device", hidden=True),
    ),
    sort="-full_in_h",
    top=40,
    width=12,
    height=12,
)
_OPEN = open_panel(
    Text("未结的垃圾桶案卷", "Open cases"),
    Text(
        "着火、过热、满溢的未结案卷，最新的在最上面。点事由打开案卷派人，点地点看在哪里。",
        "Open cases of fire, heat and full bins, the newest first. The title opens the case, the place shows where "
        "it is.",
    ),
    BINS,
    levels=STREETS,
)
_HEAT = Panel(
    key="temperature",
    kind="timeseries",
    title=Text("桶内最高温度", "Highest temperature in bins"),
    description=Text(
        "各网格最热的桶。夏天晒到 50℃ 正常；60℃ 以上（橙）没有太阳晒得出来：可能在阴燃，带水去看。",
        "The warmest bin of each grid. 50 °C in the summer sun is usual; 60 °C and more (orange) no sun brings: "
        "perhaps something smoulders, go there with water.",
    ),
    queries=(Query("waste_bin", (Column("temperature", "max"),), _HERE, by=("grid",), every="auto", name="{grid}"),),
    unit="celsius",
    decimals=0,
    thresholds=HEAT,
    width=12,
    height=9,
)
_MEAN = Panel(
    key="level",
    kind="timeseries",
    title=Text("各网格平均满溢度", "Mean level by grid"),
    description=Text(
        "每个网格所有桶的平均满溢度。锯齿的下降沿是清运；哪一天没有下降，那一轮没有来。整体越来越高：清运次数不够。",
        "The mean level of all bins of each grid. Each fall is a collection; a day without one is a round that did "
        "not come. Higher every week: too few rounds.",
    ),
    queries=(Query("bin", (Column("fill", "mean"),), _HERE, by=("grid_name",), every="1h", name="{grid_name}"),),
    unit="percent",
    decimals=0,
    thresholds=FILL,
    low=0,
    high=100,
    width=12,
    height=9,
)
_COLLECTED = Panel(
    key="collected",
    kind="barchart",
    title=Text("每天清运桶数", "Bins emptied each day"),
    description=Text(
        "每天满溢度骤降 30 个百分点以上的次数（＝清运），按网格叠加。某个网格为零：那天没有去。",
        "How often a level fell by 30 points and more (a collection) on each day, stacked by grid. None in a grid: "
        "nobody came that day.",
    ),
    queries=(Query("bin", (Column("collected", "sum"),), _HERE, by=("grid_name",), every="1d", name="{grid_name}"),),
    unit="short",
    decimals=0,
    stack=True,
    low=0,
    width=12,
    height=9,
)
_OVERFLOW = Panel(
    key="overflow",
    kind="barchart",
    title=Text("每天满溢多久", "Full for how long each day"),
    description=Text(
        "每天各网格所有桶处于 85% 以上的总时长，叠加。“及时清运”做得好不好就看这一条：应当一周比一周低。",
        "How long the bins of each grid stood at 85 % and more on each day, all together, stacked. This is what "
        "collection in time means: it should be lower every week.",
    ),
    queries=(Query("bin", (Column("full_s", "sum"),), _HERE, by=("grid_name",), every="1d", name="{grid_name}"),),
    unit="s",
    decimals=0,
    stack=True,
    low=0,
    width=12,
    height=9,
)
_WORST = Panel(
    key="worst",
    kind="bargauge",
    title=Text("满溢最久的桶", "Bins that overflow for longest"),
    description=Text(
        "所选时段内每个桶处于 85% 以上的总时长，最久的在最上面。总在前几名：加一个桶，或多清一轮。",
        "How long each bin stood at 85 % and more in the chosen period, the longest first. Always among the first: "
        "put another bin there, or come more often.",
    ),
    queries=(Query("bin", (Column("full_s", "sum"),), _HERE, by=("name",), name="{name}"),),
    unit="s",
    decimals=0,
    thresholds=PLAIN,
    sort="full_s",
    top=15,
    low=0,
    width=12,
    height=9,
)
_EMPTIED_IN = Panel(
    key="emptied-in",
    kind="timeseries",
    title=Text("报满后多久清走", "From full to emptied"),
    description=Text(
        "每天的满溢案卷从报警到处置完用了多久（半数、九成在此之内）。九成线超过一天：有的地方没人管，"
        "看未结案卷的承办人。",
        "How long the cases of full bins of each day took from the alarm until they were put right (half, and nine "
        "of ten within this). Nine of ten take more than a day: somewhere nobody cares; see who has the open cases.",
    ),
    queries=(
        Query(
            "case",
            (Column("resolved_s", "p50", name="half"), Column("resolved_s", "p90", name="most")),
            (*_HERE, REAL, UNMERGED, TagIs("type", "bin_full")),
            every="1d",
        ),
    ),
    unit="s",
    columns=(
        line("half", Text("半数在此之内", "half within"), "blue"),
        line("most", Text("九成在此之内", "nine of ten within"), "purple"),
    ),
    empty=Text("没有满溢案卷", "No cases of full bins"),
    low=0,
    width=12,
    height=9,
)

WASTE = Board(
    uid="anju-waste",
    title=Text("垃圾分类", "Waste"),
    description=Text(
        "哪些桶满了、下一个是谁、有没有着火，清运及时不及时。",
        "Which bins are full, which will be next, whether one burns, and whether they are emptied in time.",
    ),
    rows=(
        Row(Text("现在", "Now"), (_NOW, _FILL, _NEXT, _OPEN)),
        Row(Text("温度与满溢度", "Temperature and level"), (_HEAT, _MEAN)),
        Row(Text("清运", "Collection"), (_COLLECTED, _OVERFLOW, _WORST, _EMPTIED_IN)),
        Row(
            Text("设备", "Devices"),
            (
                trouble_panel(
                    "trouble",
                    Text("有毛病的桶", "Bins in trouble"),
                    Text(
                        "失联、电量低、故障的智能桶。看不见它的满溢度，就照老办法按时去清。",
                        "Bins that are silent, low on battery or faulty. Their level is not known: empty them by the "
                        "timetable, as before.",
                    ),
                    tuple(library("bin-full")["kinds"]),
                    STREETS,
                ),
            ),
        ),
    ),
    variables=(COMMUNITY, GRID),
    annotations=(case_marks(types=("bin_fire", "bin_hot"), title=Text("着火、过热", "Fire and heat"), levels=STREETS),),
    links=(WALL_LINK, FLEET_LINK, CONSOLE_LINK),
    range="7d",
    refresh="1m",
    tags=("anju", "things"),
)
