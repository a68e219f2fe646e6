"""值班大屏: what burns now, where, and who has it; read at three metres by one guard at night, in ten seconds."""

from __future__ import annotations

from dashboards.board import Board, Panel, Row, Step, Thresholds, ValueText
from dashboards.boards.common import (
    ALARMS,
    ALL_QUIET,
    BURNING,
    COMMUNITY,
    CONSOLE_LINK,
    FLEET_LINK,
    GATEWAY_LINK,
    GRID,
    LIFE,
    NOT_LIFE,
    NOTHING,
    NOW,
    REAL,
    RESPONSE_LINK,
    UNMERGED,
    UNTAKEN,
    here,
    none_is_well,
    number,
    share_and_n,
    share_looks,
)
from dashboards.boards.wall_lists import AREA, BURNING_NOW, DRILLS, MAP, SERIOUS, SINCE, WORK, WORKS
from dashboards.query import Column, Condition, Query, TagIs, Var
from dashboards.text import Text
from dashboards.thresholds import ANSWERED_60, ANSWERED_180

_HEARD = "3m"
"""A gateway that says nothing for so long is silent (its supervision)."""


def _count(*conditions: Condition) -> Query:
    """How many open cases there are of this kind. Counted from ``open`` itself, so that none is 0 and not nothing."""
    where = (*here(*AREA), REAL, UNMERGED, *conditions)
    return Query("case", (Column("open", "sum", name="cases"),), where=where, last=SINCE)


_UNDONE: tuple[Condition, ...] = BURNING[1:]

_LIFE_NOW = number(
    "life",
    Text("危及生命", "Lives at stake"),
    Text(
        "未处置完的人身安全案卷：呼救、跌倒、烟雾、燃气、生命体征危急。红色：看下面第一行，谁接手、到哪一步；"
        "没有人接手就自己受理。",
        "Cases of life safety that are not put right: calls for help, falls, smoke, gas, critical vital signs. Red: "
        "look at the first line below, who has it and which step it is at; where nobody has, take it yourself.",
    ),
    _count(LIFE, *_UNDONE),
    thresholds=none_is_well("alarm types for life safety: none may burn"),
    values=(ValueText(0, ALL_QUIET, "green"),),
    empty=ALL_QUIET,
    width=6,
    height=5,
)
_NOBODY = number(
    "nobody",
    Text("还没有人接手", "Nobody has it yet"),
    Text(
        "紧急和急的案卷里还没有人受理的。红色：打开案卷，点“我来受理”，或打电话催下一位；人身安全的承诺是 60 "
        "秒内受理。",
        "Emergency and urgent cases that nobody has taken. Red: open the case and take it, or ring the next person; "
        "for life safety 60 seconds are promised.",
    ),
    _count(SERIOUS, UNTAKEN),
    thresholds=none_is_well("figures LIFE: taken within 60 s"),
    values=(ValueText(0, NOTHING, "green"),),
    empty=NOTHING,
    width=5,
    height=5,
)
_URGENT_NOW = number(
    "urgent",
    Text("其他急件", "Other urgent"),
    Text(
        "急、但不直接危及生命的案卷：漏水、入侵、设备失联、体征异常。橙色：一小时内要有人去看。",
        "Urgent cases that are not of life safety: leaks, intrusion, silent devices, abnormal vital signs. Orange: "
        "somebody must look within the hour.",
    ),
    _count(SERIOUS, NOT_LIFE, *_UNDONE),
    thresholds=none_is_well("severity urgent: somebody must look within the hour", colour="orange"),
    values=(ValueText(0, NOTHING, "green"),),
    empty=NOTHING,
    width=5,
    height=5,
)
_OVERDUE = number(
    "overdue",
    Text("超过时限", "Past the limit"),
    Text(
        "超过当前阶段时限的案卷，以及 180 秒无人受理的人身安全报警。挂账的不算。橙色：打开案卷，催办、延期或转交。",
        "Cases past the limit of their stage, and alarms for life safety that nobody has taken for 180 s. Suspended "
        "ones do not count. Orange: open the case; urge, extend or hand on.",
    ),
    Query(
        "case",
        (Column("overdue", "sum", name="cases"),),
        where=(*here(*AREA), REAL, UNMERGED),
        last=SINCE,
    ),
    thresholds=none_is_well("figures: limits of stages, and 180 s for life safety", colour="orange"),
    values=(ValueText(0, NOTHING, "green"),),
    empty=NOTHING,
    width=4,
    height=5,
)
_WORK_NOW = number(
    "work",
    Text("服务与提示", "Service and notices"),
    Text(
        "未处置完的服务和提示类案卷，不必夜里处理。从不变红：超过时限的算在左边。",
        "Open service and notice cases, nothing for the night. Never red: what is past its limit is counted on the "
        "left.",
    ),
    _count(WORK, *_UNDONE),
    thresholds=Thresholds((Step(None, "green"), Step(1, "blue")), "severity service and notice: working time"),
    values=(ValueText(0, NOTHING, "green"),),
    empty=NOTHING,
    width=4,
    height=5,
)


def _taken_within(seconds: int, title: Text, description: Text, thresholds: Thresholds) -> Panel:
    """The share of alarms for life safety that were taken so soon, with their number."""
    return number(
        f"answered-{seconds}",
        title,
        description,
        share_and_n(f"within_{seconds}", REAL, ALARMS, LIFE, levels=AREA),
        unit="percent",
        decimals=None,
        thresholds=thresholds,
        columns=share_looks(thresholds),
        links=(RESPONSE_LINK,),
        empty=Text("没有报警", "No alarms"),
        width=5,
        height=4,
    )


_ANSWERED_60 = _taken_within(
    60,
    Text("60 秒内受理", "Taken within 60 s"),
    Text(
        "所选时段内（默认近 24 小时）人身安全报警 60 秒内有人受理的比例，旁边是件数。目标 97.5%（TSA/BS 8591）。"
        "红色：查排班和通知渠道，见“响应”。",
        "Alarms for life safety of the chosen period (24 hours at first) that a human took within 60 s, with their "
        "number. Target 97.5 % (TSA / BS 8591). Red: look at rosters and channels; see Response.",
    ),
    ANSWERED_60,
)
_ANSWERED_180 = _taken_within(
    180,
    Text("180 秒内受理", "Taken within 180 s"),
    Text(
        "同左，180 秒内。目标 99%（TSA/BS 8591）。红色：有报警三分钟没人接，逐件查看“响应”。",
        "The same within 180 s. Target 99 % (TSA / BS 8591). Red: an alarm waited for three minutes; look at each in "
        "Response.",
    ),
    ANSWERED_180,
)
_SILENT = number(
    "silent",
    Text("失联设备", "Silent devices"),
    Text(
        "超过监视时限没有消息的设备：它们的报警收不到。橙色：打开“设备健康”看是哪一类、哪个网格；成片失联先查集中器、"
        "停电和网络。",
        "Devices not heard for longer than their supervision: their alarms would not be heard either. Orange: Fleet "
        "health says which kind and grid; many at once: look at the concentrator, mains and network first.",
    ),
    Query(
        "fleet",
        (Column("silent", "sum", name="devices"),),
        where=here(*AREA),
        every="5m",
        last=NOW,
    ),
    thresholds=none_is_well("supervision of each kind", colour="orange"),
    values=(ValueText(0, NOTHING, "green"),),
    links=(FLEET_LINK,),
    width=5,
    height=4,
)
_LINE = number(
    "line-120",
    Text("120 线路", "120 line"),
    Text(
        "网关到急救中心的线路是否应答；有几个网关时，是最差的一条。红色：恢复之前系统不会自动拨通，需要急救时自己拨 "
        "120，并通知维护。",
        "Whether the line to the emergency centre answers; of several gateways the worst. Red: until it does, no call "
        "goes through by itself; dial 120 yourself when it is needed, and tell maintenance.",
    ),
    Query(
        "gateway",
        (Column("line_down", "max", name="line"),),
        where=(TagIs("community", Var("community")),),
        last=_HEARD,
    ),
    thresholds=none_is_well("rule gateway-line-down"),
    values=(
        ValueText(0, Text("畅通", "up"), "green"),
        ValueText(1, Text("不通，请自己拨打", "DOWN: dial it yourself"), "red"),
    ),
    empty=Text("没有接线路", "no line"),
    silence="grey",
    width=4,
    height=4,
)
_GATEWAY = number(
    "gateway",
    Text("网关", "Gateway"),
    Text(
        "网关各部分中最差的一个。黄色：请看一眼；红色：有部分停了，打开“网关”看是哪部分、怎么办。“没有消息”："
        "两分钟没有听到网关，本屏不再更新，改看网关自己的控制台。",
        "The worst part of the gateway. Yellow: have a look; red: a part is down, see Gateway for which and what to "
        "do. No word: nothing for two minutes, this wall stands still; look at the gateway's own console.",
    ),
    Query("part", (Column("level", "max", name="worst"),), last="2m"),
    thresholds=Thresholds(
        (Step(None, "red"), Step(0, "green"), Step(1, "yellow"), Step(2, "red")), "health of the gateway's parts"
    ),
    values=(
        ValueText(0, Text("正常", "well"), "green"),
        ValueText(1, Text("请看一眼", "have a look"), "yellow"),
        ValueText(2, Text("有部分停了", "a part is down"), "red"),
    ),
    links=(GATEWAY_LINK,),
    empty=Text("没有消息！", "no word!"),
    silence="red",
    width=5,
    height=4,
)


WALL = Board(
    uid="anju-wall",
    title=Text("值班大屏", "Wall"),
    description=Text(
        "现在什么在发生、在哪里、谁接手了。没有红色就是平安。每秒刷新；演练单独列出，不计入数字。一个月前开始、"
        "还没结的案卷在控制台里。",
        "What burns now, where, and who has it. Nothing red: all is quiet. Refreshed every second; drills stand "
        "apart and are in no figure. What has been open for more than a month is in the console.",
    ),
    rows=(
        Row(None, (_LIFE_NOW, _NOBODY, _URGENT_NOW, _OVERDUE, _WORK_NOW)),
        Row(None, (BURNING_NOW, MAP)),
        Row(None, (_ANSWERED_60, _ANSWERED_180, _SILENT, _LINE, _GATEWAY)),
        Row(None, (WORKS, DRILLS)),
    ),
    variables=(COMMUNITY, GRID),
    links=(CONSOLE_LINK, RESPONSE_LINK, FLEET_LINK, GATEWAY_LINK),
    range="24h",
    refresh="1s",
    tags=("anju", "now"),
)
