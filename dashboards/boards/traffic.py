"""交通: how each road flows by its class, what stands in the way, and what the signs tell drivers."""

from __future__ import annotations

from dashboards.board import Board, ColumnLook, Panel, Row, Step, Thresholds, ValueText, Variable
from dashboards.boards.common import (
    COMMUNITY,
    CONSOLE_LINK,
    FLEET_LINK,
    GRID,
    WALL_LINK,
    case_marks,
    device_link,
    here,
    place_link,
)
from dashboards.boards.things import (
    STREETS,
    now_panel,
    open_panel,
    told_panel,
    trouble_panel,
)
from dashboards.query import Aggregate, Column, Condition, Query, TagIs, Var
from dashboards.text import Text
from dashboards.thresholds import bounds
from devices.traffic import BUSY_OCCUPANCY, FROM_KMH, ROAD_CLASSES, Level

ROAD = Variable("road", Text("道路", "Road"), tag="name", measurement="road", within=("community", "grid"))
TYPES_HERE = ("traffic_incident", "wrong_way", "traffic_congestion")
_HERE: tuple[Condition, ...] = (*here("community", "grid"), TagIs("name", Var("road")))

LEVELS: tuple[ValueText, ...] = (
    ValueText(Level.FREE, Text("畅通", "free"), "green"),
    ValueText(Level.MOSTLY_FREE, Text("基本畅通", "mostly free"), "blue"),
    ValueText(Level.LIGHT, Text("轻度拥堵", "light congestion"), "yellow"),
    ValueText(Level.MODERATE, Text("中度拥堵", "moderate congestion"), "orange"),
    ValueText(Level.SEVERE, Text("严重拥堵", "severe congestion"), "red"),
)
LEVEL_STEPS = Thresholds(
    (
        Step(None, "green"),
        Step(Level.MOSTLY_FREE, "blue"),
        Step(Level.LIGHT, "yellow"),
        Step(Level.MODERATE, "orange"),
        Step(Level.SEVERE, "red"),
    ),
    "levels of service by road class (devices.traffic); rules traffic-congestion, traffic-severe and those of the "
    "other classes begin at the same speeds",
)
CLASS_WORDS = {
    "expressway": Text("快速路", "expressway"),
    "arterial": Text("主干路", "arterial road"),
    "branch": Text("支路", "branch road"),
}
(_OCCUPIED,) = bounds("traffic-congestion", "occupancy")[:1]
OCCUPANCY_STEPS = Thresholds(
    (Step(None, "green"), Step(_OCCUPIED.at, "yellow")),
    f"rule traffic-congestion: occupancy >= {BUSY_OCCUPANCY:g} %",
)


def _roads(
    key: str,
    title: Text,
    description: Text,
    field: str,
    unit: str,
    aggregate: Aggregate = "mean",
    thresholds: Thresholds | None = None,
) -> Panel:
    return Panel(
        key=key,
        kind="timeseries",
        title=title,
        description=description,
        queries=(Query("road", (Column(field, aggregate),), _HERE, by=("name",), every="auto", name="{name}"),),
        unit=unit,
        decimals=0,
        thresholds=thresholds,
        low=0,
        width=8,
        height=9,
    )


def _speeds(language: int) -> str:
    """The speeds of the levels, class by class."""
    words = [level.text[language] for level in LEVELS]
    colon, comma, stop = ("：", "，", "。") if language == 0 else (": ", ", ", ".")
    lines = []
    for one in ROAD_CLASSES:
        free, mostly, light, moderate = (f"{speed:g}" for speed in FROM_KMH[one])
        spans = (f"> {free}", f"{mostly}–{free}", f"{light}–{mostly}", f"{moderate}–{light}", f"≤ {moderate}")
        said = comma.join(f"{word} {span}" for word, span in zip(words, spans, strict=True))
        lines.append(f"{CLASS_WORDS[one][language]} (km/h){colon}{said}{stop}")
    return "\n\n".join(lines)


_NOW = now_panel(
    "now",
    Text("正在发生", "Now"),
    Text(
        "尚未处置的疑似事故（两个站之间一边堵、一边空）、逆行、拥堵（中度以上超过 5 分钟；早晚高峰只算几乎走不动的）。"
        "红色：调看沿线摄像机，在诱导屏警示，需要时打 122 或 110。橙色拥堵：看右边是哪条路，派人疏导，发布绕行。",
        "Not put right: incidents suspected (it fills at one station and empties at the next), vehicles the wrong "
        "way, congestion (moderate or worse for five minutes; in the rush hours only where next to nothing moves). "
        "Red: look at the cameras along the road, warn by the signs, call the police where needed. Orange: see on "
        "the right which road it is, direct the traffic, show a detour.",
    ),
    {"traffic_incident": "red", "wrong_way": "red", "traffic_congestion": "orange"},
    "severities of the rules traffic-incident, wrong-way, traffic-congestion, traffic-severe",
    levels=STREETS,
)
_LEVEL_NOW = Panel(
    key="level-now",
    kind="stat",
    title=Text("现在路况", "The roads now"),
    description=Text(
        "每个站最近十分钟内的最新一次路况，按道路等级划分（下表）。红色“严重拥堵”：步行都比车快；看有没有事故，"
        "派人疏导。站不见了＝没有读数，见“故障的流量计”。",
        "The newest level of service at each station within ten minutes, by the class of its road (table below). "
        "Red, severe: walking is faster; see whether there is an accident, direct the traffic. A station that is "
        "missing has no readings: see Counters in trouble.",
    ),
    queries=(Query("road", (Column("level", "last"),), _HERE, by=("name",), last="10m", name="{name}"),),
    unit="short",
    decimals=0,
    thresholds=LEVEL_STEPS,
    values=LEVELS,
    width=14,
    height=8,
)
_LEVELS = Panel(
    key="levels",
    kind="state-timeline",
    title=Text("各路段路况", "Levels of service"),
    description=Text(
        "每条路一行：绿畅通、蓝基本畅通、黄轻度、橙中度、红严重拥堵。每天同一时段变红：常发拥堵，找配时、停车、"
        "摆摊的原因；突然变红：可能有事故。",
        "A line for each road: green free, blue mostly free, yellow light, orange moderate, red severe congestion. "
        "Red at the same hours each day: look for the cause in lights, parking, markets. Red all at once: perhaps an "
        "accident.",
    ),
    queries=(Query("road", (Column("level", "p50"),), _HERE, by=("name",), every="auto", name="{name}"),),
    unit="short",
    decimals=0,
    thresholds=LEVEL_STEPS,
    values=LEVELS,
    width=24,
    height=12,
)
_MEANING = Panel(
    key="meaning",
    kind="text",
    title=Text("颜色怎么定", "What the colours mean"),
    description=Text(
        "各等级道路的速度分级。流量和占有率都低的路，速度再低也是畅通：没有车。",
        "The speeds of the levels for each class of road. A road with little flow and little occupancy is free however "
        "slow it reads: nobody is there.",
    ),
    text=Text(_speeds(0), _speeds(1)),
    width=10,
    height=8,
)
_SPEED = _roads(
    "speed",
    Text("平均车速", "Mean speed"),
    Text(
        "各路段平均车速。骤降而流量也降：堵死或事故；骤降而流量很高：接近通行能力。空路没有车速，曲线断开。",
        "Mean speed of each road. A fall of speed and flow: blocked. A fall of speed at high flow: the road is at its "
        "capacity. An empty road has no speed, and the line breaks off.",
    ),
    "speed",
    "velocitykmh",
)
_FLOW = _roads(
    "flow",
    Text("流量", "Flow"),
    Text(
        "各路段每小时通过的车辆数。没有阈值：流量本身不好不坏，和车速一起看。白天为零：流量计坏了或封路。",
        "Vehicles an hour on each road. No limit: flow is neither good nor bad by itself, see it with the speed. "
        "Zero by day: the counter is broken or the road closed.",
    ),
    "flow",
    "none",
)
_OCCUPANCY = _roads(
    "occupancy",
    Text("占有率", "Occupancy"),
    Text(
        "检测器上方有车的时间比例。25% 以上而车速低：排队。上游高、下游低：两站之间可能有事故。两小时一动不动："
        "流量计坏了。",
        "The share of time in which a vehicle stands over the detector. From 25 % on with low speed: a queue. High "
        "upstream and low downstream: perhaps an accident between. The very same for two hours: the counter is broken.",
    ),
    "occupancy",
    "percent",
    thresholds=OCCUPANCY_STEPS,
)
_DIAGRAM = Panel(
    key="speed-flow",
    kind="xychart",
    title=Text("速度—流量", "Speed and flow"),
    description=Text(
        "每 15 分钟一个点：横轴流量，纵轴车速，每条路一种颜色。上半弧是正常：车多了慢一点；左下角的点是拥堵：又慢、"
        "通过的又少。弧的最右端是这条路的通行能力。",
        "A point for each quarter of an hour: flow across, speed up, one colour for each road. The upper arc is usual: "
        "more vehicles, somewhat slower. Points at the lower left are congestion: slow, and few get through. The right "
        "end of the arc is what the road can carry.",
    ),
    queries=(
        Query(
            "road",
            (Column("flow", "mean"), Column("speed", "mean")),
            _HERE,
            by=("name",),
            every="15m",
            name="{name}",
        ),
    ),
    unit="velocitykmh",
    decimals=0,
    columns=(
        ColumnLook("flow", Text("流量（辆/时）", "flow, vehicles an hour"), unit="none"),
        ColumnLook("speed", Text("车速", "speed"), unit="velocitykmh"),
    ),
    width=12,
    height=11,
)
_MINUTES = Panel(
    key="congested",
    kind="barchart",
    title=Text("每小时拥堵多久", "Congested for how long, by the hour"),
    description=Text(
        "每条路每小时中度和严重拥堵的时长，叠加。哪条路最多，哪里先治；治理前后在这里比较。",
        "How long each road was moderately or severely congested in each hour, stacked. Where it is longest is where "
        "to begin; here it shows whether it helped.",
    ),
    queries=(
        Query(
            "road",
            (Column("congested_s", "sum", name="congested"),),
            _HERE,
            by=("name",),
            every="1h",
            name="{name}",
        ),
    ),
    unit="s",
    decimals=0,
    stack=True,
    low=0,
    width=12,
    height=11,
)
_CASES = open_panel(
    Text("未结的交通案卷", "Open traffic cases"),
    Text(
        "疑似事故、逆行、拥堵的未结案卷，最新的在最上面。点地点看附近的摄像机，确认后再派人、发布绕行。",
        "Open cases of suspected incidents, wrong way and congestion, the newest first. The place shows the cameras "
        "near by: look before sending people or showing a detour.",
    ),
    TYPES_HERE,
    levels=STREETS,
    limit=50,
)
_SIGNS = Panel(
    key="signs",
    kind="table",
    title=Text("诱导屏", "Signs"),
    description=Text(
        "每块诱导屏现在有没有显示、亮度、坏点数。坏点很多（一个字认不出）：报修。亮度为 0 而应有显示：断电或黑屏。",
        "Whether each sign shows something now, how bright it is and how many pixels have failed. So many that a word "
        "cannot be read: have it mended. Brightness 0 while it should show something: no power, or dark.",
    ),
    queries=(
        Query(
            "sign",
            (Column("showing", "last"), Column("brightness", "last"), Column("failed_pixels", "last")),
            here("community", "grid"),
            by=("device", "place"),
            last="1h",
        ),
    ),
    columns=(
        ColumnLook("device", Text("诱导屏", "Sign"), link=device_link()),
        ColumnLook("place", Text("位置", "Where"), link=place_link()),
        ColumnLook(
            "showing",
            Text("显示", "Showing"),
            values=(ValueText(1, Text("有内容", "something"), "green"), ValueText(0, Text("空白", "blank"), "grey")),
        ),
        ColumnLook("brightness", Text("亮度", "Brightness"), unit="percent", gauge=True),
        ColumnLook("failed_pixels", Text("坏点", "Failed pixels"), unit="short"),
    ),
    width=12,
    height=9,
)
_TOLD = told_panel(
    Text("诱导屏发布了什么", "What the signs were told"),
    Text(
        "每次让诱导屏显示或清屏的命令、结果和用时。“没有执行”：司机看到的不是你以为的，查通信后重发。",
        "Each time that a sign was told to show something or nothing, how it went and how long it took. Not done: "
        "drivers do not see what you think; look at the line and say it again.",
    ),
    "sign",
    Text("没有发布", "Nothing was shown"),
    levels=STREETS,
)

TRAFFIC = Board(
    uid="anju-traffic",
    title=Text("交通", "Traffic"),
    description=Text(
        "每条路现在堵不堵（按道路等级）、流量、占有率和车速，疑似事故和逆行，诱导屏显示什么，哪些流量计不可信。",
        "How each road flows by its class, its flow, occupancy and speed; suspected incidents and vehicles the wrong "
        "way; what the signs show; which counters are not to be trusted.",
    ),
    rows=(
        Row(Text("现在", "Now"), (_NOW, _LEVEL_NOW, _MEANING)),
        Row(None, (_LEVELS,)),
        Row(Text("流量、车速、占有率", "Flow, speed, occupancy"), (_SPEED, _FLOW, _OCCUPANCY)),
        Row(Text("规律", "Patterns"), (_DIAGRAM, _MINUTES)),
        Row(Text("事件与诱导", "Incidents and guidance"), (_CASES, _SIGNS, _TOLD)),
        Row(
            Text("流量计", "Counters"),
            (
                trouble_panel(
                    "trouble",
                    Text("故障的流量计和诱导屏", "Counters and signs in trouble"),
                    Text(
                        "读数两小时不变、偏离平常、失联、故障的流量计和诱导屏。修好之前不要相信那条路的颜色。",
                        "Counters and signs whose readings have not moved for two hours or are far from what is usual, "
                        "that are silent or faulty. Until they are mended do not trust the colour of that road.",
                    ),
                    ("traffic_counter", "sign"),
                    STREETS,
                ),
            ),
        ),
    ),
    variables=(COMMUNITY, GRID, ROAD),
    annotations=(
        case_marks(
            types=("traffic_incident", "wrong_way"),
            title=Text("疑似事故、逆行", "Incidents, wrong way"),
            levels=("community", "grid"),
        ),
    ),
    links=(WALL_LINK, FLEET_LINK, CONSOLE_LINK),
    range="24h",
    refresh="30s",
    tags=("anju", "things"),
)
