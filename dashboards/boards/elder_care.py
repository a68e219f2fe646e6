"""关爱: one resident for those who are entitled to it: vital signs with limits, NEWS2, rhythm of the days, keys, cases.

By the resident's id; names are in the gateway alone.
"""

from __future__ import annotations

from dashboards.board import Annotation, Board, ColumnLook, Link, Panel, Row, ValueText, Variable
from dashboards.boards.common import (
    CALLED,
    COMMUNITY,
    CONSOLE_LINK,
    GRID,
    NOBODY,
    REAL,
    SEVERITIES,
    STAGES,
    UNMERGED,
    WALL_LINK,
    case_link,
    device_link,
    event_words,
    kind_looks,
    kind_words,
    place_link,
)
from dashboards.boards.vitals import NEWEST, NEWS2_COURSE, NEWS2_NOW, THEIRS, VITALS
from dashboards.query import Column, Query, TagIs
from dashboards.text import Text
from dashboards.thresholds import watched

RESIDENT = Variable(
    "resident",
    Text("居民", "Resident"),
    tag="resident",
    measurement="event",
    within=("community", "grid"),
    several=False,
)
_KEYS = ("sos_button", "service_button")
_PRESSES = ("press", "long_press", "fall", "cancel", "plumbing", "drain", "housekeeping")
_RHYTHM = ("motion", "contact", "presence", "medication_box")
_AT_HOME = (
    "sos_button",
    "service_button",
    "vitals_monitor",
    "presence",
    "motion",
    "contact",
    "medication_box",
    "smoke",
    "gas",
    "co",
    "leak",
)

_BATTERY = watched("battery", "low-battery")
_WHO = Panel(
    key="who",
    kind="table",
    title=Text("这位居民", "This resident"),
    description=Text(
        "只有编号，姓名、电话和病史在网关里：点住处，由有权的人查看。",
        "The id alone; name, telephone and history are in the gateway: the home leads there, for those who are "
        "entitled.",
    ),
    queries=(
        Query("event", (Column("value", "count", name="events"),), where=(THEIRS,), by=("resident", "place"), limit=20),
    ),
    columns=(
        ColumnLook("resident", Text("居民编号", "Resident")),
        ColumnLook("place", Text("住处（点开）", "Home (opens)"), link=place_link()),
        ColumnLook("events", Text("所选时段的事件", "Events of the period"), unit="short"),
    ),
    empty=Text("请在上面选一位居民", "Choose a resident above"),
    width=8,
    height=4,
)
_ACTIVITY = Panel(
    key="activity",
    kind="barchart",
    title=Text("起居节律：每小时的活动", "Rhythm of the days: activity by the hour"),
    description=Text(
        "每小时红外、门磁、雷达、药盒的事件数。平时有柱子的时段空了半天：打电话，没人接就上门（规则 inactivity "
        "也会报警）。夜里突然变多：起夜、不安。",
        "Events of motion detectors, doors, radar and pill box in each hour. Hours empty that never are: ring, and "
        "go if nobody answers (the rule inactivity raises it too). More at night than usual: restless, often up.",
    ),
    queries=tuple(
        Query(
            "event",
            (Column("value", "count", name=kind),),
            where=(THEIRS, TagIs("kind", kind)),
            every="1h",
            fill="zero",
            name=kind,
        )
        for kind in _RHYTHM
    ),
    unit="short",
    decimals=0,
    columns=kind_looks(*_RHYTHM),
    stack=True,
    empty=Text("没有活动记录", "No activity was seen"),
    width=16,
    height=8,
)
_BED = Panel(
    key="bed",
    kind="state-timeline",
    title=Text("在床、在屋", "In bed, in the room"),
    description=Text(
        "雷达看到的：在床与否、屋里有没有人。夜里长时间离床（规则 bed-left-at-night）：打电话，没人接就上门。",
        "What the radar sees: in bed or not, somebody in the room or not. Out of bed for long at night (rule "
        "bed-left-at-night): ring, and go if nobody answers.",
    ),
    queries=(
        Query(
            "presence",
            (Column("in_bed", "last"), Column("occupied", "last")),
            where=(THEIRS,),
            every="auto",
            fill="previous",
        ),
    ),
    unit="short",
    columns=(
        ColumnLook(
            "in_bed",
            Text("床", "bed"),
            values=(ValueText(1, Text("在床", "in bed"), "blue"), ValueText(0, Text("离床", "up"), "grey")),
        ),
        ColumnLook(
            "occupied",
            Text("屋", "room"),
            values=(ValueText(1, Text("有人", "somebody"), "green"), ValueText(0, Text("没人", "nobody"), "grey")),
        ),
    ),
    empty=Text("没有雷达", "No radar"),
    width=8,
    height=8,
)
_PRESSED = Panel(
    key="keys",
    kind="table",
    title=Text("按过的键", "Keys pressed"),
    description=Text(
        "紧急和服务按钮：按下、长按、跌倒、取消。常常误按：教一教，或换个位置。",
        "Emergency and service keys: pressed, held, fall, cancelled. Often by mistake: show them again, or move the "
        "key.",
    ),
    queries=(
        Query(
            "event",
            (Column("event"), Column("kind"), Column("device"), Column("value")),
            where=(THEIRS, TagIs("kind", _KEYS), TagIs("event", _PRESSES)),
            limit=100,
        ),
    ),
    columns=(
        ColumnLook("time", Text("时间", "Time"), width=170),
        ColumnLook("event", Text("按键", "Key"), values=event_words(*_KEYS)),
        ColumnLook("kind", Text("设备", "Device"), values=kind_words(*_KEYS), link=device_link()),
        ColumnLook("device", hidden=True),
        ColumnLook("value", hidden=True),
    ),
    empty=Text("没有按过", "None was pressed"),
    width=8,
    height=8,
)
_CASES = Panel(
    key="cases",
    kind="table",
    title=Text("案卷", "Cases"),
    description=Text(
        "这位居民在所选时段的案卷，最新的在上面。点案卷看经过：哪条规则报的、谁去了、怎么处置的。同一种常来："
        "请医生看限值是否合适。",
        "This resident's cases of the period, the newest first. The case says what happened: by which rule, who "
        "went, what was done. One that comes often: ask the doctor whether the limit fits.",
    ),
    queries=(
        Query(
            "care",
            (
                Column("severity"),
                Column("title", localized=True),
                Column("stage"),
                Column("owner", localized=True),
                Column("answered_s"),
                Column("arrived_s"),
                Column("called_120"),
                Column("cause", localized=True),
                Column("number"),
            ),
            where=(THEIRS, REAL, UNMERGED),
            limit=100,
        ),
    ),
    columns=(
        ColumnLook("time", Text("时间", "Time"), width=170),
        ColumnLook("severity", Text("级别", "Severity"), values=SEVERITIES, width=90),
        ColumnLook("title", Text("事由", "What"), link=case_link()),
        ColumnLook("stage", Text("阶段", "Stage"), values=STAGES, width=100),
        ColumnLook("owner", Text("承办", "Who has it"), values=NOBODY, width=140),
        ColumnLook("answered_s", Text("受理用时", "Taken after"), unit="s", width=110),
        ColumnLook("arrived_s", Text("到场用时", "There after"), unit="s", width=110),
        ColumnLook("called_120", Text("120", "120"), values=CALLED, width=80),
        ColumnLook("cause", Text("误报原因", "Why false"), width=130),
        ColumnLook("number", Text("案卷号", "Case"), link=case_link(), width=130),
    ),
    empty=Text("没有案卷", "No cases"),
    width=24,
    height=8,
)
_BATTERIES = Panel(
    key="batteries",
    kind="bargauge",
    title=Text("家里设备的电量", "Batteries at home"),
    description=Text(
        "两天内最后报的电量。15% 以下（规则 low-battery）黄色：约个时间去换；按钮没电＝按了没人知道。",
        "The newest charge of two days. Yellow up to 15 % (rule low-battery): arrange to change it; a key without "
        "battery is a key nobody hears.",
    ),
    queries=tuple(
        Query(kind, (Column("battery", "last"),), where=(THEIRS,), by=("device",), last="2d", name="{device}")
        for kind in _AT_HOME
    ),
    unit="percent",
    decimals=0,
    low=0,
    high=100,
    thresholds=_BATTERY,
    sort="-battery",
    empty=Text("没有电池设备", "Nothing on battery"),
    width=8,
    height=8,
)

ELDER_CARE = Board(
    uid="anju-elder-care",
    title=Text("关爱", "Elder care"),
    description=Text(
        "一位居民的生命体征、NEWS2、起居、按键、案卷和设备。健康数据：只给有权的人看。只有编号，没有姓名。",
        "One resident: vital signs, NEWS2, rhythm of the days, keys, cases, devices. Health data, for those who are "
        "entitled. By id, without names.",
    ),
    rows=(
        Row(None, (_WHO, NEWS2_NOW, *NEWEST)),
        Row(Text("生命体征", "Vital signs"), VITALS),
        Row(Text("起居", "Days and nights"), (_ACTIVITY, _BED)),
        Row(Text("评分、呼叫、设备", "Score, calls, devices"), (NEWS2_COURSE, _PRESSED, _BATTERIES)),
        Row(Text("案卷", "Cases"), (_CASES,)),
    ),
    variables=(COMMUNITY, GRID, RESIDENT),
    annotations=(
        Annotation(
            "cases",
            Text("案卷", "Cases"),
            Query(
                "care",
                (Column("title", localized=True), Column("number")),
                where=(THEIRS, REAL, UNMERGED),
                limit=200,
            ),
            text="title",
            tags=("number",),
        ),
    ),
    links=(WALL_LINK, Link(Text("网关：全部体征", "The gateway: all vital signs"), path="/vitals"), CONSOLE_LINK),
    range="7d",
    refresh="1m",
    tags=("anju", "people"),
    private=True,
)
