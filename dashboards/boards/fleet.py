"""设备健康: what is silent, empty, weak, wrong or opened, by kind and by grid, and who is already working on it."""

from __future__ import annotations

from dataclasses import replace

from dashboards.board import Board, ColumnLook, Link, Panel, PanelKind, Row, Thresholds, ValueText
from dashboards.boards.common import (
    COMMUNITY,
    GRID,
    PLAIN,
    REAL,
    WALL_LINK,
    case_marks,
    grid_link,
    here,
    kind_looks,
    kind_words,
    none_is_well,
    number,
)
from dashboards.boards.things import ACTIVE, FLEET_EVERY, STANDING_LOOKS, standing
from dashboards.query import Aggregate, Column, Query, TagIs
from dashboards.text import Text
from dashboards.thresholds import library, watched

_AREA = here("community", "grid")
_RECENT = "11m"
"""The newest count is at most ten minutes old, and a restart between two counts leaves no gap."""
_ONE_COUNT = "5m"
"""Counts are five minutes apart: exactly one lies in it, so that sums over kinds or grids count nothing twice."""
_BATTERY = watched("battery", "low-battery")
_BATTERY_KINDS = tuple(
    kind
    for kind in library("low-battery")["kinds"]
    if kind not in ("gateway", "concentrator", "traffic_counter", "meter")
)
_TROUBLE = (
    "device_silent",
    "path_lost",
    "power_lost",
    "low_battery",
    "signal_weak",
    "clock_wrong",
    "tamper",
    "device_fault",
    "sensor_doubtful",
)
_SECTIONS: tuple[tuple[str, Text], ...] = (
    ("silent", Text("失联", "Silent")),
    ("battery_low", Text("电量低", "Battery low")),
    ("signal_weak", Text("信号弱", "Weak signal")),
    ("clock_wrong", Text("时钟错", "Clock wrong")),
    ("tampered", Text("被拆动", "Tampered")),
    ("faulty", Text("故障", "Faulty")),
    ("maintenance", Text("维修中", "Being worked on")),
)
_NO_GRID = (ValueText("", Text("（不在网格内）", "(in no grid)")),)
_FIELD_LOOKS = tuple(ColumnLook(field, words, unit="short") for field, words in _SECTIONS)


def _now(field: str, title: Text, description: Text, thresholds: Thresholds) -> Panel:
    """How many devices by the newest count."""
    return number(
        field.replace("_", "-"),
        title,
        description,
        Query("fleet", (Column(field, "sum", name="devices"),), where=_AREA, every=FLEET_EVERY, last=_RECENT),
        thresholds=thresholds,
        width=3,
        height=5,
    )


def _counted(key: str, title: Text, description: Text, by: tuple[str, ...], *looks: ColumnLook, height: int) -> Panel:
    """The newest count as a table: how many there are, and in which trouble; the most silent first."""
    columns = (Column("devices", "sum"), *(Column(field, "sum") for field, _ in _SECTIONS))
    return Panel(
        key=key,
        kind="table",
        title=title,
        description=description,
        queries=(Query("fleet", columns, where=_AREA, by=by, last=_ONE_COUNT),),
        columns=(*looks, ColumnLook("devices", Text("在册", "Registered"), unit="short"), *_FIELD_LOOKS),
        sort="silent",
        width=24,
        height=height,
    )


def _batteries(
    key: str,
    kind: PanelKind,
    title: Text,
    description: Text,
    aggregate: Aggregate,
    *,
    last: str | None = None,
    every: str | None = None,
) -> Panel:
    """The charge of each kind of device that is on a battery."""
    return Panel(
        key=key,
        kind=kind,
        title=title,
        description=description,
        queries=tuple(
            Query(one, (Column("battery", aggregate, name=one),), where=_AREA, last=last, every=every, name=one)
            for one in _BATTERY_KINDS
        ),
        unit="percent",
        decimals=0,
        low=0,
        high=100,
        thresholds=_BATTERY,
        columns=kind_looks(*_BATTERY_KINDS),
        width=12,
        height=10,
    )


_COUNTS = (
    _now(
        "devices",
        Text("在册设备", "Registered"),
        Text(
            "登记在册、没有停用的设备。突然变少：有人批量停用或换了配置，看网关的变更记录。",
            "Devices in the register that are not retired. Suddenly fewer: somebody retired many, or applied another "
            "configuration; see the gateway's record of changes.",
        ),
        PLAIN,
    ),
    _now(
        "silent",
        Text("失联", "Silent"),
        Text(
            "超过监视时限没有消息：它的报警收不到。橙色：看下面哪个网格、哪一类；成片失联先查集中器、停电、网络。",
            "Not heard for longer than its supervision: its alarms would not be heard. Orange: which grid, which "
            "kind, see below; many at once: concentrator, mains, network first.",
        ),
        none_is_well("supervision of each kind; rule device-silent", colour="orange"),
    ),
    _now(
        "battery_low",
        Text("电量低", "Battery low"),
        Text(
            "电量不超过 15%（规则 low-battery）或自报电量低。黄色：这周内换，一次走一栋。",
            "15 % or less (rule low-battery), or they say so themselves. Yellow: change within the week, a building "
            "at a time.",
        ),
        none_is_well("rule low-battery", colour="yellow"),
    ),
    _now(
        "signal_weak",
        Text("信号弱", "Weak signal"),
        Text(
            "一连几小时在听得见的边缘（规则 signal-weak）。黄色：换位置或加中继，不然下一步就是失联。",
            "At the edge of what is heard for hours (rule signal-weak). Yellow: move it or add a repeater; silence "
            "is next.",
        ),
        none_is_well("rule signal-weak", colour="yellow"),
    ),
    _now(
        "clock_wrong",
        Text("时钟错", "Clock wrong"),
        Text(
            "消息的时间不可能（规则 clock-wrong）：按收到的时间记录。黄色：给设备校时。",
            "Their times cannot be (rule clock-wrong): what they say is dated by when it came. Yellow: set their "
            "clocks.",
        ),
        none_is_well("rule clock-wrong", colour="yellow"),
    ),
    _now(
        "tampered",
        Text("被拆动", "Tampered"),
        Text(
            "外壳被打开或从墙上取下（规则 tamper）。橙色：打电话问，没有预约的维修就去看。",
            "Opened, or taken off the wall (rule tamper). Orange: ring, and go and look unless a repair was arranged.",
        ),
        none_is_well("rule tamper", colour="orange"),
    ),
    _now(
        "faulty",
        Text("故障", "Faulty"),
        Text(
            "设备自报故障（规则 device-fault）。橙色：它可能不会报警，今天修或换。",
            "They say that they are faulty (rule device-fault). Orange: it may not raise its alarm; mend or replace "
            "it today.",
        ),
        none_is_well("rule device-fault", colour="orange"),
    ),
    _now(
        "maintenance",
        Text("维修中", "Being worked on"),
        Text(
            "已登记维修的设备：期间不派人。多日不减：维修登记忘了结束。",
            "Devices that maintenance has under work: nobody is sent meanwhile. Not going down for days: somebody "
            "forgot to end it.",
        ),
        PLAIN,
    ),
)

_COURSE = Panel(
    key="course",
    kind="timeseries",
    title=Text("不正常的设备", "Devices in trouble"),
    description=Text(
        "各种不正常的设备数随时间。阶跃上升：同一时刻一片设备出事，查那时的停电、网络、集中器；缓慢上升："
        "电池到寿命了。",
        "Devices in each kind of trouble over time. A step: many at one instant, look for mains, network, "
        "concentrator; a slow rise: batteries at the end of their life.",
    ),
    queries=(
        Query("fleet_grid", tuple(Column(field, "sum") for field, _ in _SECTIONS), where=_AREA, every=FLEET_EVERY),
    ),
    unit="short",
    decimals=0,
    low=0,
    columns=_FIELD_LOOKS,
    width=12,
    height=9,
)
_BY_GRID = _counted(
    "by-grid",
    Text("各网格现在", "By grid, now"),
    Text(
        "每个网格现在的设备数和不正常数。一个网格特别多：集中器或网络；点网格只看它。",
        "Devices of each grid, and how many are in trouble now. One grid alone: its concentrator or network; a click "
        "shows it alone.",
    ),
    ("grid_name", "grid"),
    ColumnLook("grid_name", Text("网格", "Grid"), values=_NO_GRID, link=grid_link("anju-fleet")),
    ColumnLook("grid", hidden=True),
    height=7,
)
_BY_KIND = _counted(
    "by-kind",
    Text("各类设备现在", "By kind, now"),
    Text(
        "每类设备现在的数量和不正常数。一类特别多：同一批货、同一个固件，先看那一批。",
        "Devices of each kind, and how many are in trouble now. One kind alone: one batch, one firmware; look there "
        "first.",
    ),
    ("kind",),
    ColumnLook("kind", Text("类别", "Kind"), values=kind_words()),
    height=10,
)
_SILENT_BY_GRID = Panel(
    key="silent-by-grid",
    kind="timeseries",
    title=Text("各网格失联", "Silent, by grid"),
    description=Text(
        "每个网格失联的设备数随时间，取每段时间里最多的。和停电、施工对得上的，等它恢复；对不上的，派人。",
        "Silent devices of each grid over time, the most in each stretch. What goes with a power cut or works comes "
        "back by itself; send somebody for the rest.",
    ),
    queries=(
        Query(
            "fleet_grid",
            (Column("silent", "max", name="silent"),),
            where=(*_AREA, TagIs("grid", "", unless=True)),
            by=("grid_name",),
            every="auto",
            name="{grid_name}",
        ),
    ),
    unit="short",
    decimals=0,
    low=0,
    width=12,
    height=9,
)
_STANDING = Panel(
    key="standing",
    kind="table",
    title=Text("要处理的设备", "Devices to look after"),
    description=Text(
        "现在还没有解除的设备报警，最新的在上面：失联、断电、电量低、信号弱、时钟错、被拆动、故障。"
        "点设备看详情和维修登记，点案卷看谁在处理。",
        "Alarms of devices that stand now, the newest first: silent, mains lost, battery, signal, clock, tamper, "
        "fault. The device opens its page, where maintenance is noted; the case says who has it.",
    ),
    # Counts know no buildings; so that all of the board shows the same, this does not ask for them either.
    queries=(replace(standing(), where=(*_AREA, REAL, ACTIVE, TagIs("type", _TROUBLE))),),
    columns=STANDING_LOOKS,
    empty=Text("设备全部正常", "All devices are well"),
    width=24,
    height=10,
)
_LOWEST = _batteries(
    "lowest",
    "bargauge",
    Text("最低的电量，按类别", "Lowest battery of each kind"),
    Text(
        "一天内每类设备报过的最低电量。黄色：有设备不超过 15%（规则 low-battery），在上表里找到它去换。",
        "The lowest charge any device of the kind told within a day. Yellow: one is at 15 % or less (rule "
        "low-battery); find it in the table above, and change it.",
    ),
    "min",
    last="1d",
)
_CHARGE = _batteries(
    "charge",
    "timeseries",
    Text("平均电量，按类别", "Mean battery of each kind"),
    Text(
        "每类设备每天的平均电量。直线下降：照这个斜率算出换电池的月份，一次备齐。",
        "Mean charge of each kind by day. It falls in a straight line: it tells the month in which to change them, "
        "and how many to buy.",
    ),
    "mean",
    every="1d",
)

FLEET = Board(
    uid="anju-fleet",
    title=Text("设备健康", "Fleet health"),
    description=Text(
        "哪些设备失联、没电、信号弱、时钟错、被拆动、故障；哪个网格、哪一类；谁在修。",
        "Which devices are silent, empty, weak, wrong, opened or faulty; which grid, which kind; who is at work on it.",
    ),
    rows=(
        Row(None, _COUNTS),
        Row(None, (_STANDING,)),
        Row(Text("哪里、哪类", "Where and which"), (_BY_GRID, _BY_KIND)),
        Row(Text("走势", "Over time"), (_COURSE, _SILENT_BY_GRID)),
        Row(Text("电池", "Batteries"), (_LOWEST, _CHARGE)),
    ),
    variables=(COMMUNITY, GRID),
    annotations=(
        case_marks(
            key="power",
            title=Text("停电、断网", "Mains or network lost"),
            types=("power_lost", "path_lost"),
            levels=("community", "grid"),
        ),
    ),
    links=(
        WALL_LINK,
        Link(Text("网关：全部设备", "The gateway: all devices"), path="/devices"),
        Link(Text("网关：换电池的路线", "The gateway: batteries to change"), path="/devices/batteries"),
    ),
    range="7d",
    refresh="1m",
    tags=("anju", "things"),
)
