"""响应: how soon people answered, what each stage took, what was false; by grid, type and time. As on /figures."""

from __future__ import annotations

from dashboards.board import Board, ColumnLook, Link, Panel, Row, Step, Thresholds
from dashboards.boards.common import (
    ALARMS,
    LIFE,
    NOT_LIFE,
    NOTHING,
    PLACES,
    PLAIN,
    REAL,
    UNMERGED,
    WALL_LINK,
    case_numbers,
    here,
    number,
    share_and_n,
    share_looks,
)
from dashboards.boards.response_groups import CAUSES_OF_FALSE, DRILL_SHARE, DRILLS, GRIDS, LATE, NO_ALARMS, TYPES
from dashboards.query import Column, FieldIs, Query
from dashboards.text import Text
from dashboards.thresholds import ANSWERED_60, ANSWERED_180, ON_SITE_45_MIN, OTHERS_90, OTHERS_180

_LIFE = (*here(), REAL, UNMERGED, ALARMS, LIFE)
_FIGURES_LINK = Link(Text("网关的指标页，可导出", "The gateway's figures, with CSV"), path="/figures")

_PROMISES = (
    number(
        "life-60",
        Text("人身安全：60 秒内受理", "Life safety: taken in 60 s"),
        Text(
            "人身安全报警在 60 秒内有人受理（点“我来受理”、按键应答）的比例。目标 97.5%（TSA/BS 8591）。未满 60 秒、"
            "或本人先撤回的不计。红色：看下面“没赶上的”，查排班空档和不通的渠道。",
            "Alarms for life safety that a human took within 60 s. Target 97.5 % (TSA / BS 8591). Not counted: "
            "younger than 60 s, or taken back by the resident first. Red: see “Too late” below; look for holes in "
            "rosters and for channels that fail.",
        ),
        share_and_n("within_60", REAL, ALARMS, LIFE),
        unit="percent",
        decimals=None,
        thresholds=ANSWERED_60,
        columns=share_looks(ANSWERED_60),
        empty=NO_ALARMS,
    ),
    number(
        "life-180",
        Text("人身安全：180 秒内受理", "Life safety: taken in 180 s"),
        Text(
            "同左，180 秒内。目标 99%（TSA/BS 8591）。红色：有人按了键，三分钟没有人接，每一件都要复盘。",
            "The same within 180 s. Target 99 % (TSA / BS 8591). Red: somebody called and nobody answered for three "
            "minutes; go through each of them.",
        ),
        share_and_n("within_180", REAL, ALARMS, LIFE),
        unit="percent",
        decimals=None,
        thresholds=ANSWERED_180,
        columns=share_looks(ANSWERED_180),
        empty=NO_ALARMS,
    ),
    number(
        "other-90",
        Text("其他报警：90 秒内受理", "Other alarms: taken in 90 s"),
        Text(
            "其他报警 90 秒内有人受理的比例。目标 80%（EN 50518，未核对原文）。红色：值班室忙不过来，或报警太多，"
            "先看误报。",
            "Other alarms that a human took within 90 s. Target 80 % (EN 50518, from memory). Red: the control room "
            "cannot keep up, or there are too many alarms; look at false ones first.",
        ),
        share_and_n("within_90", REAL, ALARMS, NOT_LIFE),
        unit="percent",
        decimals=None,
        thresholds=OTHERS_90,
        columns=share_looks(OTHERS_90),
        empty=NO_ALARMS,
    ),
    number(
        "other-180",
        Text("其他报警：180 秒内受理", "Other alarms: taken in 180 s"),
        Text(
            "同左，180 秒内。目标 98.5%（EN 50518，未核对原文）。红色：同左。",
            "The same within 180 s. Target 98.5 % (EN 50518, from memory). Red: as on the left.",
        ),
        share_and_n("within_180", REAL, ALARMS, NOT_LIFE),
        unit="percent",
        decimals=None,
        thresholds=OTHERS_180,
        columns=share_looks(OTHERS_180),
        empty=NO_ALARMS,
    ),
    number(
        "on-site",
        Text("45 分钟内到场", "On site in 45 min"),
        Text(
            "有人到场的案卷中，报警后 45 分钟内到场的比例。目标 90%（一家英国服务商）。红色：看各网格的到场时间，"
            "人手或路程不够。",
            "Of the cases where somebody came: there within 45 minutes of the alarm. Target 90 % (one British "
            "provider). Red: look at the grids below; too few people, or too far away.",
        ),
        share_and_n("on_site_45", REAL),
        unit="percent",
        decimals=None,
        thresholds=ON_SITE_45_MIN,
        columns=share_looks(ON_SITE_45_MIN),
        empty=Text("没有人到场", "Nobody had to come"),
    ),
    number(
        "false",
        Text("误报", "False alarms"),
        Text(
            "已了结的报警中误报（撤销，不含重复案卷）的比例。没有统一目标；误报多了，真报警会没人信。"
            "升高时看下面的原因，改规则或换设备位置。",
            "Of the alarms that are over: cancelled as false (duplicates are none). No common target; people stop "
            "believing alarms when many are false. Where it rises, look at the causes below: mend the rule, or move "
            "the device.",
        ),
        share_and_n("false_alarm", REAL, ALARMS),
        unit="percent",
        decimals=None,
        thresholds=PLAIN,
        columns=share_looks(PLAIN),
        empty=NO_ALARMS,
    ),
)

_BY_DAY = Panel(
    key="by-day",
    kind="barchart",
    title=Text("每天的案卷", "Cases a day"),
    description=Text(
        "每天（社区当地日）开始的案卷：人身安全报警、其他报警、上报。突然升高：点开那一天，看是哪个网格、哪类设备。",
        "Cases that began on each day of the community: life safety, other alarms, reports. A sudden rise: zoom into "
        "the day, see which grid and which type.",
    ),
    queries=(
        case_numbers("open", "count", ALARMS, LIFE, name="life", every="1d", fill="zero"),
        case_numbers("open", "count", ALARMS, NOT_LIFE, name="other", every="1d", fill="zero"),
        case_numbers("open", "count", FieldIs("alarm", "=", 0), name="reports", every="1d", fill="zero"),
    ),
    unit="short",
    decimals=0,
    columns=(
        ColumnLook("life", Text("人身安全", "life safety")),
        ColumnLook("other", Text("其他报警", "other alarms")),
        ColumnLook("reports", Text("上报", "reports")),
    ),
    stack=True,
    width=12,
    height=8,
)
_SHARE_BY_DAY = Panel(
    key="share-by-day",
    kind="timeseries",
    title=Text("每天的受理比例（人身安全）", "Taken in time, by day (life safety)"),
    description=Text(
        "每天 60 秒和 180 秒内受理的比例；虚线处是 60 秒的目标 97.5%。低于目标的日子：看当天排班和渠道。"
        "没有报警的日子没有点。",
        "Taken within 60 and 180 s on each day; 97.5 % are promised for 60 s. Days below: look at that day's roster "
        "and channels. A day without alarms has no point.",
    ),
    queries=(
        case_numbers("within_60", "mean", ALARMS, LIFE, name="in 60 s", scale=100, every="1d"),
        case_numbers("within_180", "mean", ALARMS, LIFE, name="in 180 s", scale=100, every="1d"),
    ),
    unit="percent",
    decimals=1,
    low=0,
    high=100,
    thresholds=ANSWERED_60,
    columns=(
        ColumnLook("in 60 s", Text("60 秒内", "in 60 s")),
        ColumnLook("in 180 s", Text("180 秒内", "in 180 s")),
    ),
    width=12,
    height=8,
)


def _stage(key: str, title: Text, field: str, what: Text) -> Panel:
    """One stage's time: half of the cases, nine in ten, and how many."""
    return Panel(
        key=key,
        kind="stat",
        title=title,
        description=Text(
            f"{what.zh}：一半的案卷不超过前一个数，九成不超过后一个数，再后面是件数。都从报警算起。"
            "明显变长：看是哪个网格、哪个时段。",
            f"{what.en}: half of the cases took no longer than the first, nine in ten no longer than the second; "
            "then how many. All from when it was raised, as on the gateway's figures. Much longer than usual: look "
            "which grid, what time.",
        ),
        queries=(
            Query(
                "case",
                (
                    Column(field, "p50", name="p50"),
                    Column(field, "p90", name="p90"),
                    Column(field, "count", name="n"),
                ),
                where=(*here(), REAL, UNMERGED),
            ),
        ),
        unit="s",
        thresholds=PLAIN,
        columns=(
            ColumnLook("p50", Text("一半", "half")),
            ColumnLook("p90", Text("九成", "9 in 10")),
            ColumnLook("n", Text("件数", "of"), unit="short"),
        ),
        empty=NOTHING,
        width=6,
        height=4,
    )


_STAGES = (
    _stage(
        "answered", Text("报警 → 受理", "raised → taken"), "answered_s", Text("到有人受理", "Until somebody took it")
    ),
    _stage(
        "arrived",
        Text("报警 → 到场", "raised → on the spot"),
        "arrived_s",
        Text("到有人到场", "Until somebody was there"),
    ),
    _stage(
        "resolved",
        Text("报警 → 处置完成", "raised → put right"),
        "resolved_s",
        Text("到处置完成", "Until it was put right"),
    ),
    _stage(
        "closed",
        Text("报警 → 结案", "raised → closed"),
        "closed_s",
        Text("到结案（误报撤销的不计）", "Until it was closed (not of mistakes)"),
    ),
)
_ANSWER_BY_TIME = Panel(
    key="answer-time",
    kind="timeseries",
    title=Text("受理用时", "Time to be taken"),
    description=Text(
        "人身安全报警从报警到受理的秒数：每天的一半线和九成线。九成线高于 60 秒的日子就是没达标的日子。",
        "Seconds from alarm to a human's answer, life safety, by day: half of them and nine in ten. Days where nine "
        "in ten are above 60 s miss what is promised.",
    ),
    queries=(
        case_numbers("answered_s", "p50", ALARMS, LIFE, name="p50", every="1d"),
        case_numbers("answered_s", "p90", ALARMS, LIFE, name="p90", every="1d"),
    ),
    unit="s",
    decimals=0,
    low=0,
    thresholds=Thresholds(
        (Step(None, "green"), Step(60, "orange"), Step(180, "red")), "figures LIFE: 60 and 180 s (TSA / BS 8591)"
    ),
    columns=(ColumnLook("p50", Text("一半", "half")), ColumnLook("p90", Text("九成", "9 in 10"))),
    width=12,
    height=8,
)


_BY_HOUR = Panel(
    key="by-hour",
    kind="bargauge",
    title=Text("一天中的时段：60 秒内受理（人身安全）", "Taken in 60 s by time of day (life safety)"),
    description=Text(
        "按社区当地时间每三小时，60 秒内受理的比例。低的时段：那个时段的班要加人或换人。没有报警的时段没有条。",
        "By three hours of the community's day, the share taken within 60 s. Where it is low that shift needs more "
        "people, or others. Hours without alarms have no bar.",
    ),
    queries=tuple(
        Query(
            "case",
            (Column("within_60", "mean", name=f"{begin:02d}–{begin + 3:02d}", scale=100),),
            where=(*_LIFE, FieldIs("hour", ">=", begin), FieldIs("hour", "<", begin + 3)),
            name=f"{begin:02d}–{begin + 3:02d}",
        )
        for begin in range(0, 24, 3)
    ),
    unit="percent",
    decimals=0,
    low=0,
    high=100,
    thresholds=ANSWERED_60,
    empty=NO_ALARMS,
    width=12,
    height=8,
)

RESPONSE = Board(
    uid="anju-response",
    title=Text("响应", "Response"),
    description=Text(
        "多快有人受理、各阶段多久、误报多少；按网格、类型、时段。口径与网关“指标”页相同：演练和并案不计。",
        "How soon people answered, what each stage took, what was false; by grid, type and time. Counted as on the "
        "gateway's figures: without drills and merged cases.",
    ),
    rows=(
        Row(Text("承诺", "What is promised"), _PROMISES),
        Row(Text("用时", "Times"), _STAGES),
        Row(None, (_BY_DAY, _SHARE_BY_DAY)),
        Row(None, (_ANSWER_BY_TIME, _BY_HOUR)),
        Row(Text("哪里、哪类", "Where and what"), (GRIDS, TYPES, CAUSES_OF_FALSE)),
        Row(Text("逐件", "One by one"), (LATE,)),
        Row(Text("演练", "Drills"), (DRILL_SHARE, DRILLS)),
    ),
    variables=PLACES,
    links=(WALL_LINK, _FIGURES_LINK),
    range="30d",
    refresh="1m",
    tags=("anju", "people"),
)
