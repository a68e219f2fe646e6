"""智慧信息机: how much they are used, who asks for help at them, how soon somebody answers, and which are silent."""

from __future__ import annotations

from dashboards.board import Board, ColumnLook, Panel, Row
from dashboards.boards.common import (
    COMMUNITY,
    CONSOLE_LINK,
    FLEET_LINK,
    GRID,
    NOTHING,
    OPEN,
    OPEN_LAST,
    PLAIN,
    REAL,
    RESPONSE_LINK,
    WALL_LINK,
    case_marks,
    cases,
    here,
    none_is_well,
    number,
    share_and_n,
    share_looks,
)
from dashboards.boards.things import (
    FLEET_LOOKS,
    OPEN_LOOKS,
    STREETS,
    answer_panel,
    events,
    fleet_now,
    line,
    now_panel,
    trouble_panel,
)
from dashboards.query import Column, Query, TagIs
from dashboards.text import Text
from dashboards.thresholds import OTHERS_180

ASKED = ("staff_call", "problem_report")
_HERE = here(*STREETS)
_USE_LOOKS = (
    ColumnLook("clicks", Text("点击", "clicks"), unit="none"),
    ColumnLook("searches", Text("查询", "searches"), unit="none"),
)


def _use(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name, "sum") for name in names)


_NOW = now_panel(
    "now",
    Text("有人在等", "Somebody waits"),
    Text(
        "未处置的“呼叫工作人员”和“居民上报”。橙色呼叫：人就站在信息机前，三分钟内接通视频或派人过去。"
        "黄色上报：打开案卷分派，办完回复。",
        "Calls for staff and reports of residents that are not put right. Orange, a call: somebody stands before the "
        "kiosk; answer by video or send somebody within three minutes. Yellow, a report: open the case, hand it to "
        "who can do it, and answer.",
    ),
    {"staff_call": "orange", "problem_report": "yellow"},
    "severities of the rules kiosk-call-staff, kiosk-problem",
    levels=STREETS,
    width=8,
)
_TODAY = number(
    "today",
    Text("近 24 小时使用", "Used in 24 hours"),
    Text(
        "近 24 小时的点击和查询。团结湖平均每天约 8,000 次点击；少一半：看是不是有几台黑屏，或首页不好用。",
        "Clicks and searches of the last 24 hours. Tuanjiehu sees about 8,000 clicks a day; half of that: see "
        "whether some are dark, or the first page is of no use.",
    ),
    Query("kiosk", _use("clicks", "searches"), _HERE, last="24h"),
    thresholds=PLAIN,
    columns=_USE_LOOKS,
    width=8,
    height=5,
)
_SILENT = number(
    "silent",
    Text("信息机", "Kiosks"),
    Text(
        "在册、失联、有故障的信息机，每五分钟清点一次。橙色：营业时间里失联就派人去看插头和网络；关店后断电不算故障。",
        "Kiosks registered, silent and faulty, counted every five minutes. Orange: silent in opening hours, send "
        "somebody to look at plug and network; switched off after hours is no fault.",
    ),
    fleet_now(("kiosk",), "devices", "silent", "faulty"),
    thresholds=none_is_well("rules kiosk-silent, device-fault", colour="orange"),
    columns=(ColumnLook("devices", FLEET_LOOKS[0].title, thresholds=PLAIN), *FLEET_LOOKS[1:]),
    width=8,
    height=5,
)
_OPEN = Panel(
    key="open",
    kind="table",
    title=Text("等答复的呼叫和上报", "Calls and reports that wait"),
    description=Text(
        "未结的呼叫和上报，最新的在最上面。点事由看居民写了什么并答复；挂了很久没人接的，先打电话道歉再处理。",
        "Open calls and reports, the newest first. The title shows what the resident wrote, and where to answer. One "
        "that nobody took for long: telephone and apologise first.",
    ),
    queries=(cases(OPEN, TagIs("type", ASKED), levels=STREETS, last=OPEN_LAST),),
    columns=OPEN_LOOKS,
    empty=NOTHING,
    width=16,
    height=9,
)
_IN_TIME = number(
    "in-time",
    Text("180 秒内受理", "Taken within 180 s"),
    Text(
        "所选时段内呼叫工作人员 180 秒内有人受理的比例和次数。红色：值班台没人看；居民等三分钟就走了。",
        "Calls for staff of the chosen period that somebody took within 180 s, and how many there were. Red: nobody "
        "watches the desk; people walk away after three minutes.",
    ),
    share_and_n("within_180", REAL, TagIs("type", "staff_call"), levels=STREETS),
    thresholds=OTHERS_180,
    unit="percent",
    decimals=None,
    columns=share_looks(OTHERS_180),
    links=(RESPONSE_LINK,),
    empty=Text("没有呼叫", "No calls"),
    width=8,
    height=9,
)
_BY_HOUR = Panel(
    key="by-hour",
    kind="timeseries",
    title=Text("每小时点击和查询", "Clicks and searches by the hour"),
    description=Text(
        "所有信息机每小时的点击和查询。白天突然归零：停电或网络断。查询少点击多：人们找不到要的，改首页。",
        "Clicks and searches of all kiosks in each hour. None by day: no power, or no network. Many clicks and few "
        "searches: people do not find what they want; change the first page.",
    ),
    queries=(Query("kiosk", _use("clicks", "searches"), _HERE, every="1h"),),
    unit="none",
    decimals=0,
    columns=(
        line("clicks", Text("点击", "clicks"), "blue"),
        line("searches", Text("查询", "searches"), "green"),
    ),
    low=0,
    width=14,
    height=9,
)
_BY_KIOSK = Panel(
    key="by-kiosk",
    kind="bargauge",
    title=Text("哪台用得最少", "Used least"),
    description=Text(
        "所选时段内每台信息机的点击数，最少的在最上面。长期最少：换个地方，或看屏幕和触摸是否坏了。",
        "Clicks at each kiosk in the chosen period, the fewest first. Always the fewest: move it, or see whether "
        "screen and touch work.",
    ),
    queries=(Query("kiosk", _use("clicks"), _HERE, by=("device",), name="{device}"),),
    unit="none",
    decimals=0,
    thresholds=PLAIN,
    sort="-clicks",
    top=15,
    low=0,
    width=10,
    height=9,
)
_BY_DAY = Panel(
    key="by-day",
    kind="barchart",
    title=Text("每天点击", "Clicks by the day"),
    description=Text(
        "每天的点击，按网格叠加。一个网格一直很低：那里的信息机摆的地方不对，或者没人知道。",
        "Clicks of each day, stacked by grid. One grid always low: its kiosks stand at the wrong place, or nobody "
        "knows them.",
    ),
    queries=(Query("kiosk", _use("clicks"), _HERE, by=("grid",), every="1d", name="{grid}"),),
    unit="none",
    decimals=0,
    stack=True,
    low=0,
    width=12,
    height=9,
)
_ASKED = Panel(
    key="asked",
    kind="barchart",
    title=Text("每天的呼叫和上报", "Calls and reports by the day"),
    description=Text(
        "居民每天在信息机上呼叫工作人员和上报问题的次数。上报突然多：看是不是同一件事（停水、路灯）；长期为零："
        "按钮坏了或没人信它。",
        "How often residents called staff and reported problems at kiosks each day. Many reports at once: see "
        "whether it is one thing (water, a street lamp). None for long: the key is broken, or nobody trusts it.",
    ),
    queries=events(("kiosk",), ("call_staff", "problem_report"), "1d", STREETS),
    unit="short",
    decimals=0,
    columns=(
        line("call_staff", Text("呼叫工作人员", "calls for staff"), "orange"),
        line("problem_report", Text("上报问题", "problems reported"), "blue"),
    ),
    stack=True,
    empty=NOTHING,
    low=0,
    width=12,
    height=9,
)
_HEARD = Panel(
    key="heard",
    kind="timeseries",
    title=Text("失联的信息机", "Silent kiosks"),
    description=Text(
        "每五分钟清点：多少台没有按时报到。每晚升起、早上落下是关店断电；白天升起是故障。",
        "Counted every five minutes: how many did not report in time. Up each evening and down each morning is shops "
        "that close; up by day is a fault.",
    ),
    queries=(Query("fleet", (Column("silent", "sum"),), (TagIs("kind", "kiosk"), *_HERE), every="5m"),),
    unit="short",
    decimals=0,
    thresholds=none_is_well("rule kiosk-silent", colour="orange"),
    columns=FLEET_LOOKS[1:2],
    low=0,
    width=12,
    height=9,
)

KIOSKS = Board(
    uid="anju-kiosks",
    title=Text("智慧信息机", "Kiosks"),
    description=Text(
        "信息机用得多不多，有没有人在机前等人，多快有人答复，哪台失联。",
        "How much the kiosks are used, whether somebody waits at one, how soon they are answered, and which are "
        "silent.",
    ),
    rows=(
        Row(Text("现在", "Now"), (_NOW, _TODAY, _SILENT, _OPEN, _IN_TIME)),
        Row(Text("使用", "Use"), (_BY_HOUR, _BY_KIOSK, _BY_DAY, _ASKED)),
        Row(
            Text("答复与设备", "Answers and devices"),
            (
                answer_panel(
                    "answers",
                    Text("多快有人答复", "How soon people are answered"),
                    Text(
                        "每天的呼叫和上报：受理和到场用了多久。受理的九成线超过三分钟：值班台要加人，"
                        "或把呼叫转到手机。",
                        "Calls and reports of each day: how long until somebody took them and was there. Nine of ten "
                        "taken in more than three minutes: more people at the desk, or calls to their phones.",
                    ),
                    ASKED,
                    STREETS,
                ),
                _HEARD,
                trouble_panel(
                    "trouble",
                    Text("有毛病的信息机", "Kiosks in trouble"),
                    Text(
                        "失联、故障、被拆动的信息机和从什么时候起。先修人多的地方：点设备看它的情况。",
                        "Kiosks that are silent, faulty or tampered with, and since when. Mend those at busy places "
                        "first; the device shows how it is.",
                    ),
                    ("kiosk",),
                    STREETS,
                ),
            ),
        ),
    ),
    variables=(COMMUNITY, GRID),
    annotations=(case_marks(types=("staff_call",), title=Text("呼叫工作人员", "Calls for staff"), levels=STREETS),),
    links=(WALL_LINK, RESPONSE_LINK, FLEET_LINK, CONSOLE_LINK),
    range="7d",
    refresh="30s",
    tags=("anju", "things"),
)
