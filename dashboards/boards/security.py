"""治安: doors, windows, panes and cameras: what is open now, when and where it happens, who answered how soon."""

from __future__ import annotations

from dashboards.board import Board, ColumnLook, Panel, Row, Step, Thresholds, ValueText
from dashboards.boards.common import (
    ALL_QUIET,
    CONSOLE_LINK,
    FLEET_LINK,
    OVER,
    PLACES,
    REAL,
    RESPONSE_LINK,
    SEVERITIES,
    UNMERGED,
    WALL_LINK,
    case_marks,
    cases,
    here,
    looks,
    none_is_well,
    place_link,
)
from dashboards.boards.things import (
    FLEET_LOOKS,
    alarms,
    answer_panel,
    events,
    fleet_now,
    in_time_panel,
    line,
    now_panel,
    open_panel,
    trouble_panel,
    type_looks,
)
from dashboards.query import Column, Query, TagIs
from dashboards.text import Text
from dashboards.thresholds import OTHERS_180

INTRUSION = ("intrusion",)
LEFT_OPEN = ("door_open", "window_open")
TYPES_HERE = (*INTRUSION, *LEFT_OPEN, "tamper")
SENSORS = ("contact", "glass_break", "motion")
WATCHING = (*SENSORS, "camera")

_NOW = now_panel(
    "now",
    Text("正在发生", "Now"),
    Text(
        "未处置完的入侵（布防中门窗被打开或有人走动、玻璃破碎、摄像机看到越界）、门窗没关、设备被拆动。"
        "红色入侵：先看录像，再电话联系户主，通知保安到场；有人在作案打 110。橙色：打电话提醒；"
        "夜里老人的门开着又无人接听，上门查看；被拆动的到现场看。",
        "Cases not put right: intrusion (a door or window opened or somebody moving while armed, a broken pane, a "
        "line crossed before a camera), doors and windows left open, tampering. Red intrusion: look at the cameras, "
        "telephone the owner, send the guards; for a crime under way call 110. Orange: telephone; where an old "
        "person's door is open at night and nobody answers, go there; go and see what was tampered with.",
    ),
    {"intrusion": "red", "door_open": "orange", "window_open": "yellow", "tamper": "orange"},
    "severities of the rules intrusion-armed, intrusion-perimeter, glass-break, camera-intrusion, "
    "front-door-open-at-night, window-open-away, tamper",
    width=14,
)
_BLIND = Panel(
    key="blind",
    kind="stat",
    title=Text("看不见的摄像机", "Cameras that do not see"),
    description=Text(
        "失联和有故障（无画面）的摄像机数，每五分钟清点一次。橙色：到“摄像机与杆”看是哪几台，派维修；"
        "出事时那里没有录像。",
        "Cameras that are silent, and those with a fault (no picture), counted every five minutes. Orange: see "
        "Cameras and poles for which they are, and send a technician: nothing is recorded there.",
    ),
    queries=(fleet_now(("camera",), "silent", "faulty"),),
    unit="short",
    decimals=0,
    thresholds=none_is_well("rules street-device-silent, video-loss, camera-frozen", colour="orange"),
    columns=FLEET_LOOKS,
    width=5,
    height=5,
)
_UNSENSED = Panel(
    key="unsensed",
    kind="stat",
    title=Text("不工作的探测器", "Sensors out of order"),
    description=Text(
        "门窗磁、玻璃破碎和红外探测器中失联、电量低的。橙色：这些地方有人闯入也不会报警；先换电池，再查设备。",
        "Contacts, glass break and motion detectors that are silent or low on battery. Orange: a burglary there "
        "raises no alarm. Change the batteries first, then look at the devices.",
    ),
    queries=(fleet_now(SENSORS, "silent", "battery_low"),),
    unit="short",
    decimals=0,
    thresholds=none_is_well("rules device-silent, low-battery", colour="orange"),
    columns=FLEET_LOOKS,
    width=5,
    height=5,
)

_OPEN = open_panel(
    Text("未结的治安案卷", "Open security cases"),
    Text(
        "入侵、门窗未关、设备被拆动的未结案卷，最新的在最上面。点事由打开案卷，点地点看住户和附近的摄像机。",
        "Open cases of intrusion, doors and windows, tampering, the newest first. The title opens the case, the "
        "place shows who lives there and the cameras near by.",
    ),
    TYPES_HERE,
    empty=ALL_QUIET,
    height=9,
)

_BY_HOUR = Panel(
    key="by-hour",
    kind="timeseries",
    title=Text("每小时报警", "Alarms by the hour"),
    description=Text(
        "每小时的治安报警数，按类型叠加。连续几夜同一时段升高：看下面是哪个网格，调整巡逻时间。",
        "Security alarms in each hour, stacked by type. The same hours night after night: see below which grid it "
        "is, and move the patrols there.",
    ),
    queries=alarms(TYPES_HERE, "1h"),
    unit="short",
    decimals=0,
    columns=type_looks(TYPES_HERE),
    stack=True,
    empty=ALL_QUIET,
    low=0,
    width=14,
    height=9,
)
_BY_GRID = Panel(
    key="by-grid",
    kind="bargauge",
    title=Text("各网格案卷数", "Cases by grid"),
    description=Text(
        "所选时段内各网格的治安案卷，最多的在最上面。某个网格明显高于其他：查那里的门禁、照明、摄像机。",
        "Security cases of the chosen period in each grid, the most first. One grid far above the rest: look at its "
        "doors, lamps and cameras.",
    ),
    queries=(
        Query(
            "case",
            (Column("severity", "count", name="cases"),),
            (*here(), REAL, UNMERGED, TagIs("type", TYPES_HERE)),
            by=("grid_name",),
            name="{grid_name}",
        ),
    ),
    unit="short",
    decimals=0,
    thresholds=Thresholds((Step(None, "blue"),), "a number, no limit"),
    sort="cases",
    top=12,
    empty=ALL_QUIET,
    low=0,
    width=10,
    height=9,
)
_SENSED = Panel(
    key="sensed",
    kind="timeseries",
    title=Text("探测到的动静", "What the sensors saw"),
    description=Text(
        "每小时开门窗、玻璃破碎、区域入侵和越界的次数，不管有没有布防。平时的样子：白天高、后半夜近于零；"
        "后半夜升高值得看。",
        "Doors and windows opened, panes broken, areas entered and lines crossed in each hour, armed or not. Usually "
        "much by day and next to nothing after midnight; a rise there is worth a look.",
    ),
    queries=events(("contact", "glass_break", "camera"), ("opened", "glass_break", "intrusion", "line_crossing"), "1h"),
    unit="short",
    decimals=0,
    columns=(
        line("opened", Text("门窗打开", "doors and windows opened"), "blue"),
        line("glass_break", Text("玻璃破碎", "panes broken"), "red"),
        line("intrusion", Text("区域入侵", "areas entered"), "orange"),
        line("line_crossing", Text("越界", "lines crossed"), "purple"),
    ),
    low=0,
    width=12,
    height=9,
)
_NIGHT_DOORS = Panel(
    key="night-doors",
    kind="table",
    title=Text("夜间开着的门、外出没关的窗", "Doors open at night, windows left open"),
    description=Text(
        "所选时段内的每一次：从什么时候起，开了多久。空白的时长＝现在还开着。同一户常出现：和家属谈谈，"
        "可能是记性变差。",
        "Each time in the chosen period: since when, and for how long. No duration: it is open still. The same home "
        "again and again: talk with the family, memory may be failing.",
    ),
    queries=(
        Query(
            "alarm",
            (
                Column("title", localized=True),
                Column("place", localized=True, name="where"),
                Column("cleared_s"),
                Column("active"),
                Column("place"),
            ),
            (*here(), REAL, TagIs("type", LEFT_OPEN)),
            limit=100,
        ),
    ),
    columns=(
        ColumnLook("time", Text("时间", "Time"), width=160),
        ColumnLook("title", Text("情况", "What"), width=150),
        ColumnLook("where", Text("地点", "Where"), link=place_link()),
        ColumnLook("cleared_s", Text("开了", "For"), unit="s", width=100),
        ColumnLook(
            "active",
            Text("现在", "Now"),
            values=(ValueText(1, Text("开着", "open"), "orange"), ValueText(0, Text("已关", "shut"), "green")),
            width=80,
        ),
        ColumnLook("place", hidden=True),
    ),
    empty=Text("没有门窗忘关", "None left open"),
    width=12,
    height=9,
)

_IN_TIME = in_time_panel(
    180,
    Text("180 秒内受理", "Taken within 180 s"),
    Text(
        "所选时段内治安报警 180 秒内有人受理的比例和件数。目标见 EN 50518（其他类报警 98.5%）。红色："
        "查值班和通知渠道。",
        "Security alarms of the chosen period that a human took within 180 s, and their number. Target by EN 50518 for "
        "alarms that are neither hold-up nor fire: 98.5 %. Red: look at rosters and channels.",
    ),
    TYPES_HERE,
    OTHERS_180,
    height=9,
)
_ANSWERS = answer_panel(
    "answers",
    Text("多快有人受理、到场", "How soon taken, how soon there"),
    Text(
        "每天的治安案卷：受理和到场用了多久（一半的案卷、九成的案卷在此之内）。九成线升高：有的班次顶不住，"
        "看右表是谁、什么时候。",
        "Security cases of each day: how long until somebody took them and was there (half of them, nine of ten within "
        "this). The line of nine of ten rises: some shifts cannot cope; see the table for whose and when.",
    ),
    TYPES_HERE,
    width=16,
)
_WHO = Panel(
    key="who",
    kind="table",
    title=Text("谁处置的，多快", "Who answered, how soon"),
    description=Text(
        "所选时段内已结束的治安案卷：承办人、受理和到场用时、结论。用来复盘，不用来排名。",
        "Security cases of the chosen period that are over: who had them, how soon they were taken and reached, and "
        "what it was. To learn from, not to rank people by.",
    ),
    queries=(
        cases(
            OVER,
            UNMERGED,
            TagIs("type", TYPES_HERE),
            columns=(Column("answered_s"), Column("arrived_s"), Column("cause", localized=True)),
        ),
    ),
    columns=looks(
        ColumnLook("severity", Text("级别", "Severity"), values=SEVERITIES, width=80, hidden=True),
        ColumnLook("stage", hidden=True),
        ColumnLook("grid_name", hidden=True),
        ColumnLook("answered_s", Text("受理", "taken in"), unit="s", width=90),
        ColumnLook("arrived_s", Text("到场", "there in"), unit="s", width=90),
        ColumnLook("cause", Text("结论", "What it was"), width=120),
    ),
    empty=Text("没有结束的案卷", "No case is over"),
    width=24,
    height=9,
)

SECURITY = Board(
    uid="anju-security",
    title=Text("治安", "Security"),
    description=Text(
        "门窗、玻璃、红外和摄像机：现在有没有人闯入，哪里门窗没关，什么时候、在哪里常出事，多快有人管。",
        "Doors, windows, panes, movement and cameras: whether anybody breaks in now, what was left open, when and "
        "where it happens, and how soon people answer.",
    ),
    rows=(
        Row(Text("现在", "Now"), (_NOW, _BLIND, _UNSENSED, _OPEN)),
        Row(Text("什么时候、在哪里", "When and where"), (_BY_HOUR, _BY_GRID, _SENSED, _NIGHT_DOORS)),
        Row(Text("多快有人管", "How soon people answer"), (_IN_TIME, _ANSWERS, _WHO)),
        Row(
            Text("守着的设备", "What watches"),
            (
                trouble_panel(
                    "trouble",
                    Text("有毛病的探测器和摄像机", "Sensors and cameras in trouble"),
                    Text(
                        "失联、电量低、故障、被拆动的门窗磁、玻璃破碎、红外和摄像机。最久的先修："
                        "它守的地方一直没人看。",
                        "Contacts, glass break and motion detectors and cameras that are silent, low, faulty or "
                        "tampered with. Mend the oldest first: what it watches has been unwatched for longest.",
                    ),
                    WATCHING,
                    width=24,
                ),
            ),
        ),
    ),
    variables=PLACES,
    annotations=(case_marks(types=INTRUSION, title=Text("入侵报警", "Intrusion")),),
    links=(WALL_LINK, RESPONSE_LINK, FLEET_LINK, CONSOLE_LINK),
    range="7d",
    refresh="10s",
    tags=("anju", "things"),
)
