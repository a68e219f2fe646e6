"""摄像机与杆: every numbered pole on a map, which cameras are dark, what they saw, what was reported by pole number."""

from __future__ import annotations

from dashboards.board import Board, ColumnLook, Link, Panel, Row, Step, Thresholds, ValueText
from dashboards.boards.common import (
    BURNING,
    COMMUNITY,
    CONSOLE_LINK,
    FLEET_LINK,
    GRID,
    NOTHING,
    PLAIN,
    REAL,
    UNMERGED,
    WALL_LINK,
    case_marks,
    cases,
    here,
    looks,
    none_is_well,
    number,
    place_link,
)
from dashboards.boards.things import FLEET_LOOKS, STREETS, events, fleet_now, line, trouble_panel
from dashboards.query import Column, FieldIs, Query, TagIs
from dashboards.text import Text
from dashboards.thresholds import watched

_HERE = here(*STREETS)
STANDING = TagIs("role", "pole")

AT_POLE = FieldIs("role", "=", "pole")
_TODAY = "24h"
"""A place has one point a day, at its begin: today's alone is within 24 hours."""
POLES_MOST = 5000
SEEN = ("object", "intrusion", "line_crossing", "motion", "video_loss")
STATES = Thresholds(
    (Step(None, "green"), Step(1, "orange"), Step(2, "red")),
    "camera dark: rules video-loss, camera-frozen, street-device-silent; open case: cases",
)
_STATE_WORDS = (
    ValueText(0, Text("正常", "well"), "green"),
    ValueText(1, Text("摄像机黑屏", "camera dark"), "orange"),
    ValueText(2, Text("有未结案卷", "open case"), "red"),
)
_POLE_LOOKS: tuple[ColumnLook, ...] = (
    ColumnLook("time", hidden=True),
    ColumnLook("name", Text("杆号", "Pole"), link=place_link()),
    ColumnLook("state", Text("状态", "State"), values=_STATE_WORDS, thresholds=STATES, width=130),
    ColumnLook("cases", Text("未结案卷", "Open cases"), unit="short", width=100),
    ColumnLook("cameras", Text("摄像机", "Cameras"), unit="short", width=90),
    ColumnLook("cameras_dark", Text("黑屏", "Dark"), unit="short", width=80),
    ColumnLook("place", hidden=True),
)


def _poles(*conditions: FieldIs, position: bool = False) -> Query:
    """Poles as they are today, one row each."""
    columns = (
        *((Column("lat"), Column("lon")) if position else ()),
        Column("name", localized=True),
        Column("state"),
        Column("cases"),
        Column("cameras"),
        Column("cameras_dark"),
        Column("place"),
    )
    return Query("place", columns, (*_HERE, STANDING, *conditions), last=_TODAY, limit=POLES_MOST)


_MAP = Panel(
    key="map",
    kind="map",
    title=Text("全部编号杆", "All numbered poles"),
    description=Text(
        "每根编号杆一个点：绿＝正常，橙＝杆上摄像机黑屏，红＝这里有未结案卷。点一下看杆号、摄像机和附近的地址；"
        "有人打电话报杆号，就到这里找。不需要外网地图。",
        "A dot for each numbered pole: green well, orange a dark camera, red an open case here. A click shows the "
        "number, its cameras and the addresses near by; this is where to look when somebody telephones with a "
        "number. Needs no map from outside.",
    ),
    queries=(_poles(position=True),),
    thresholds=STATES,
    columns=_POLE_LOOKS,
    width=16,
    height=14,
)
_CAMERAS = number(
    "cameras",
    Text("摄像机", "Cameras"),
    Text(
        "在册、失联、有故障的摄像机，每五分钟清点一次。橙色：看下面是哪几台，派维修；连着一片都失联，"
        "先查集中供电和交换机。",
        "Cameras registered, silent and faulty, counted every five minutes. Orange: see below which they are, and "
        "send a technician; where a whole street is silent, look at its power and its switch first.",
    ),
    fleet_now(("camera",), "devices", "silent", "faulty"),
    thresholds=none_is_well("rules street-device-silent, video-loss, camera-frozen", colour="orange"),
    columns=(ColumnLook("devices", FLEET_LOOKS[0].title, thresholds=PLAIN), *FLEET_LOOKS[1:]),
    width=24,
    height=4,
)
_OPEN_AT = Panel(
    key="open-at",
    kind="table",
    title=Text("要去看的杆", "Poles to look at"),
    description=Text(
        "有未结案卷或黑屏摄像机的杆，最要紧的在最上面。点杆号看摄像机、附近地址和怎么走。",
        "Poles with an open case or a dark camera, the most pressing first. The number shows the cameras, the "
        "addresses near by and the way there.",
    ),
    queries=(_poles(FieldIs("state", ">", 0)),),
    columns=looks(ColumnLook("cameras", hidden=True), base=_POLE_LOOKS),
    sort="state",
    empty=Text("没有要去看的杆", "No pole to look at"),
    width=8,
    height=14,
)
_TROUBLE = trouble_panel(
    "trouble",
    Text("黑屏和有毛病的摄像机", "Cameras that are dark or in trouble"),
    Text(
        "无画面、失联、故障、被拆动的摄像机和从什么时候起。黑得最久的先修；被拆动的当天去看，镜头可能被转开了。",
        "Cameras without a picture, silent, faulty or tampered with, and since when. Mend the oldest first; go to a "
        "tampered one the same day, its lens may have been turned away.",
    ),
    ("camera",),
    STREETS,
    width=16,
)
_FPS = Panel(
    key="fps",
    kind="bargauge",
    title=Text("画面最慢的摄像机", "Slowest pictures"),
    description=Text(
        "最近一小时每台摄像机的平均帧率，最低的在最上面。低于 1 帧（黄）等于没有画面：重启，再查网线和供电。",
        "Frames a second of each camera over the last hour, the lowest first. Below 1 (yellow) there is no picture: "
        "restart it, then look at cable and power.",
    ),
    queries=(Query("camera", (Column("fps", "mean"),), _HERE, by=("device",), last="1h", name="{device}"),),
    unit="fps",
    decimals=1,
    thresholds=watched("fps", "camera-frozen"),
    low=0,
    sort="-fps",
    top=15,
    width=8,
    height=9,
)
_SAW = Panel(
    key="saw",
    kind="timeseries",
    title=Text("摄像机看到了什么", "What the cameras saw"),
    description=Text(
        "每小时的移动、识别到人或车、越界、区域入侵和视频丢失，叠加。每次都带录像书签，在案卷里打开。"
        "视频丢失成片出现：查供电。",
        "Movement, people and vehicles recognised, lines crossed, areas entered and video lost in each hour, "
        "stacked. Each is a bookmark in the recording, to be opened from its case. Video lost in many places at "
        "once: look at the power.",
    ),
    queries=events(("camera",), SEEN, "1h", STREETS),
    unit="short",
    decimals=0,
    columns=(
        line("object", Text("识别到目标", "object seen"), "blue"),
        line("intrusion", Text("区域入侵", "area entered"), "red"),
        line("line_crossing", Text("越界", "line crossed"), "orange"),
        line("motion", Text("有移动", "movement"), "grey"),
        line("video_loss", Text("视频丢失", "video lost"), "purple"),
    ),
    stack=True,
    low=0,
    width=14,
    height=9,
)
_BUSY = Panel(
    key="busy",
    kind="bargauge",
    title=Text("看到最多的杆", "Poles that saw most"),
    description=Text(
        "所选时段内各杆摄像机识别到目标、越界和入侵的次数，最多的在最上面。很多而没有案卷：区域画得太大，或该装灯、"
        "加巡逻。",
        "How often the cameras of each pole recognised something, saw a line crossed or an area entered in the "
        "chosen period, the most first. Many, and no case: the area is drawn too large, or a lamp or a patrol is "
        "wanted there.",
    ),
    queries=(
        Query(
            "event",
            (Column("value", "count", name="times"),),
            (TagIs("kind", "camera"), TagIs("event", ("object", "intrusion", "line_crossing")), *_HERE),
            by=("place",),
            name="{place}",
        ),
    ),
    unit="short",
    decimals=0,
    thresholds=PLAIN,
    sort="times",
    top=15,
    empty=NOTHING,
    low=0,
    width=10,
    height=9,
)
_BY_POLE = Panel(
    key="by-pole",
    kind="bargauge",
    title=Text("案卷最多的杆", "Poles with most cases"),
    description=Text(
        "所选时段内各编号杆的案卷数，最多的在最上面。反复出事的地方：和责任部门一起去看一次，从根上解决。",
        "Cases at each numbered pole in the chosen period, the most first. Where it happens again and again, go "
        "there once with the department in charge, and mend the cause.",
    ),
    queries=(
        Query(
            "case",
            (Column("severity", "count", name="cases"),),
            (*_HERE, REAL, UNMERGED, AT_POLE),
            by=("building",),
            name="{building}",
        ),
    ),
    unit="short",
    decimals=0,
    thresholds=PLAIN,
    sort="cases",
    top=15,
    empty=NOTHING,
    low=0,
    width=8,
    height=9,
)
_CASES = Panel(
    key="cases",
    kind="table",
    title=Text("按杆号报的案卷", "Cases by pole number"),
    description=Text(
        "所选时段内发生在编号杆的案卷（上报和报警），最新的在最上面。点事由打开案卷，里面有录像和照片；点地点看杆。",
        "Cases at numbered poles of the chosen period, reports and alarms, the newest first. The title opens the "
        "case with its recordings and pictures, the place shows the pole.",
    ),
    queries=(cases(UNMERGED, AT_POLE, levels=STREETS, limit=200),),
    columns=looks(),
    empty=NOTHING,
    width=16,
    height=9,
)
_ALL = Panel(
    key="all",
    kind="table",
    title=Text("杆的清单", "All poles"),
    description=Text(
        "全部编号杆：状态、案卷、摄像机。点杆号打开“在哪里”，看摄像机和附近地址。要找一根杆，用表头的筛选。",
        "All numbered poles: state, cases, cameras. The number opens Where, with the cameras and the addresses near "
        "by. To find a pole, filter by its column's head.",
    ),
    queries=(_poles(),),
    columns=_POLE_LOOKS,
    sort="state",
    width=24,
    height=10,
)

POLES = Board(
    uid="anju-poles",
    title=Text("摄像机与杆", "Cameras and poles"),
    description=Text(
        "一号定位：全部编号杆在图上，哪台摄像机黑屏，看到了什么，按杆号报了什么。",
        "One number for a place: every pole on a map, which cameras are dark, what they saw, what was reported by "
        "number.",
    ),
    rows=(
        Row(Text("现在", "Now"), (_CAMERAS, _MAP, _OPEN_AT)),
        Row(Text("摄像机", "Cameras"), (_TROUBLE, _FPS, _SAW, _BUSY)),
        Row(Text("杆号", "Pole numbers"), (_CASES, _BY_POLE, _ALL)),
    ),
    variables=(COMMUNITY, GRID),
    annotations=(case_marks(AT_POLE, *BURNING, title=Text("杆上的案卷", "Cases at poles"), levels=STREETS),),
    links=(
        WALL_LINK,
        FLEET_LINK,
        Link(Text("按杆号查找", "Find a pole"), path="/where"),
        CONSOLE_LINK,
    ),
    range="7d",
    refresh="30s",
    tags=("anju", "things"),
)
