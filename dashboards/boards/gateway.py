"""网关: how the gateway itself is: taking in, deciding, telling people, the store, the 120 line, the machine."""

from __future__ import annotations

from dashboards.board import Board, ColumnLook, Link, Panel, Row, Step, Thresholds, ValueText, Variable
from dashboards.boards.common import COMMUNITY, NOW, WALL_LINK, case_marks, here, none_is_well, number
from dashboards.boards.gateway_box import BOX, ITSELF, NUMBERS, ROOM, STORE_LAG
from dashboards.query import Aggregate, Column, Query, TagIs, Var
from dashboards.text import Text
from dashboards.thresholds import watched
from devices.kinds import KINDS

GATEWAY_CHOICE = Variable("gateway", Text("网关", "Gateway"), tag="gateway", measurement="part", within=("community",))
_HERE = here("community")
_PARTS = (*_HERE, TagIs("gateway", Var("gateway")))
_LEVELS = (
    ValueText(0, Text("正常", "well"), "green"),
    ValueText(1, Text("请看一眼", "have a look"), "yellow"),
    ValueText(2, Text("停了", "down"), "red"),
)
_WELL_OR_NOT = Thresholds(
    (Step(None, "green"), Step(1, "yellow"), Step(2, "red")), "health of the gateway's parts: ok, degraded, failed"
)
_LATENCY = Thresholds(
    (Step(None, "green"), Step(1, "orange"), Step(10, "red")),
    "STANDARDS: p99 under 1 s through the gateway; EN 50136 D4: 10 s on average",
)
_WAITING_S = Thresholds(
    (Step(None, "green"), Step(10, "yellow"), Step(180, "orange")), "EN 50136 D4: 10 s; rule gateway-backlog: 180 s"
)
_LANES = (
    ColumnLook("urgent", Text("紧急", "urgent")),
    ColumnLook("routine", Text("日常", "routine")),
)
_STATES = tuple(
    state for state in KINDS["gateway"].states.values() if state.key not in ("battery_low", "tampered", "faulty")
)


def _lanes(field: str, aggregate: Aggregate) -> tuple[Query, ...]:
    """The same of each lane."""
    return tuple(
        Query("lane", (Column(field, aggregate, name=lane),), (*_PARTS, TagIs("lane", lane)), every="auto", name=lane)
        for lane in ("urgent", "routine")
    )


_WORST = number(
    "worst",
    Text("现在", "Now"),
    Text(
        "各部分中最差的一个。红色：右表里红的那一行写着怎么办。“没有消息”：两分钟没有听到网关，先看机器和网络。",
        "The worst of the parts. Red: the red line of the table says what to do. No word: nothing for two minutes, "
        "look at the machine and the network first.",
    ),
    Query("part", (Column("level", "max", name="worst"),), where=_PARTS, last="2m"),
    thresholds=Thresholds(
        (Step(None, "red"), Step(0, "green"), Step(1, "yellow"), Step(2, "red")),
        "health of the gateway's parts: ok, degraded, failed; silence is the worst",
    ),
    values=_LEVELS,
    empty=Text("没有消息！", "no word!"),
    silence="red",
    width=4,
    height=4,
)
_TABLE = Panel(
    key="parts",
    kind="table",
    title=Text("各部分，怎么办", "The parts, and what to do"),
    description=Text(
        "网关的每一部分现在怎样，用它自己的话。红色的先处理，照那一句做；还不行，重启网关，报警保存在日志里，不会丢。",
        "Each part of the gateway in its own words. Red ones first, do as they say; if that does not help, restart "
        "the gateway: alarms are in the journal and are not lost.",
    ),
    queries=(
        Query(
            "part",
            (
                Column("name", "last", localized=True),
                Column("level", "last"),
                Column("says", "last", localized=True),
            ),
            where=_PARTS,
            by=("gateway", "part"),
            last="2m",
        ),
    ),
    columns=(
        ColumnLook("name", Text("部分", "Part"), width=170),
        ColumnLook("level", Text("状态", "State"), values=_LEVELS, thresholds=_WELL_OR_NOT, width=100),
        ColumnLook("says", Text("说明和办法", "What it says, and what to do")),
        ColumnLook("gateway", Text("网关", "Gateway"), width=120),
        ColumnLook("part", hidden=True),
    ),
    sort="level",
    width=24,
    height=11,
)
_LINE = number(
    "line-120",
    Text("120 线路", "120 line"),
    Text(
        "到急救中心的线路。红色：恢复前不会自动拨通，需要急救时自己拨 120；查 SIM 卡、信号、SIP 中继，见右表。",
        "The line to the emergency centre. Red: no call goes through by itself, dial 120 yourself; look at the SIM, "
        "signal, SIP trunk, see the table.",
    ),
    Query("gateway", (Column("line_down", "last", name="line"),), where=ITSELF, by=("device",), last=NOW),
    thresholds=none_is_well("rule gateway-line-down"),
    values=(
        ValueText(0, Text("畅通", "up"), "green"),
        ValueText(1, Text("不通，请自己拨打", "DOWN: dial it yourself"), "red"),
    ),
    empty=Text("没有接线路", "no line"),
    silence="grey",
)
_BROKER = number(
    "broker",
    Text("消息通道", "Broker"),
    Text(
        "设备的消息进来的门（MQTT）。红色：网络设备的报警进不来，串口的还在；查 mosquitto 服务和证书。",
        "The door by which devices' messages come in (MQTT). Red: alarms of networked devices do not come in, those "
        "by serial line still do; look at mosquitto and its certificates.",
    ),
    Query("gateway", (Column("broker_down", "last", name="broker"),), where=ITSELF, by=("device",), last=NOW),
    thresholds=none_is_well("rule gateway-broker-down"),
    values=(ValueText(0, Text("正常", "up"), "green"), ValueText(1, Text("中断", "DOWN"), "red")),
    empty=Text("没有消息", "no word"),
    silence="grey",
)

_BACKLOG = Panel(
    key="backlog",
    kind="timeseries",
    title=Text("等待判断", "Waiting for a decision"),
    description=Text(
        "已写入日志、还没判断的消息，按紧急和日常两道。紧急一道应当始终是 0；一直不为 0：看下面的用时和磁盘，"
        "必要时重启网关。",
        "Messages in the journal that are not decided yet, by lane. The urgent lane should be 0; where it is not: "
        "look at the times and the disk below, restart the gateway if need be.",
    ),
    queries=_lanes("backlog", "max"),
    unit="short",
    decimals=0,
    low=0,
    columns=_LANES,
    width=8,
    height=8,
)
_OLDEST = Panel(
    key="oldest",
    kind="timeseries",
    title=Text("最久等了多久", "The oldest that waits"),
    description=Text(
        "还没判断的消息里最久的一条等了多少秒。超过 180 秒就会报警（规则 gateway-backlog）：报警会迟到，"
        "先查磁盘和负载。",
        "How long the oldest message that is not decided has waited. Past 180 s it is an alarm (rule "
        "gateway-backlog): alarms come late, look at disk and load first.",
    ),
    queries=_lanes("oldest_s", "max"),
    unit="s",
    low=0,
    thresholds=_WAITING_S,
    columns=_LANES,
    width=8,
    height=8,
)
_RECEIVED = Panel(
    key="received",
    kind="timeseries",
    title=Text("收到的消息", "Messages taken in"),
    description=Text(
        "每段时间内收到的消息数。忽然为 0：看消息通道；忽然几倍：有设备在刷屏，在“设备健康”和隔离区里找它。",
        "Messages taken in in each stretch of time. Suddenly none: look at the broker; suddenly many times more: a "
        "device floods, find it in Fleet health and the quarantine.",
    ),
    queries=_lanes("received", "sum"),
    unit="short",
    decimals=0,
    low=0,
    columns=_LANES,
    width=8,
    height=8,
)
_LATENCY_COURSE = Panel(
    key="latency",
    kind="timeseries",
    title=Text("从收到到判断", "From taken in to decided"),
    description=Text(
        "紧急一道从收到到判断完成的秒数：一半和百分之九十九。承诺：九十九分位 1 秒内。橙色：查磁盘（fsync）和负载。",
        "Seconds from receipt to decision in the urgent lane: half of them, and 99 in 100. Promised: 99 in 100 "
        "within 1 s. Orange: look at the disk (fsync) and the load.",
    ),
    queries=(
        Query(
            "lane",
            (Column("p50_s", "max", name="p50"), Column("p99_s", "max", name="p99")),
            (*_PARTS, TagIs("lane", "urgent")),
            every="auto",
        ),
    ),
    unit="s",
    low=0,
    thresholds=_LATENCY,
    columns=(ColumnLook("p50", Text("一半", "half")), ColumnLook("p99", Text("99%", "99 %"))),
    empty=Text("没有紧急消息", "No urgent messages"),
    width=12,
    height=10,
)
_STATES_COURSE = Panel(
    key="states",
    kind="state-timeline",
    title=Text("出过什么事", "What went wrong, and when"),
    description=Text(
        "停电、磁盘、时钟、积压、遥测库、消息通道、120 线路、记录、排班、演练自检：红色的段是出事的时候。现在是红的："
        "看上面的表。",
        "Mains, disk, clock, backlog, store, broker, 120 line, record, rosters, self-tests: red stretches are when "
        "it was so. Red now: see the table above.",
    ),
    queries=(
        Query(
            "gateway",
            tuple(Column(state.key, "max") for state in _STATES),
            where=ITSELF,
            every="auto",
            fill="previous",
        ),
    ),
    unit="short",
    thresholds=none_is_well("states of the gateway: each is a rule of its own"),
    values=(ValueText(0, Text("正常", "well"), "green"), ValueText(1, Text("异常", "wrong"), "red")),
    columns=tuple(ColumnLook(state.key, Text(state.zh, state.en)) for state in _STATES),
    width=12,
    height=10,
)

_SAID = Panel(
    key="messages",
    kind="table",
    title=Text("对人的通知，按渠道", "What was said to people, by channel"),
    description=Text(
        "所选时段内每个渠道：发了多少、结果、用时（一半、九成）。failed 多的渠道：看右上表里它的密钥、额度、SIM 卡；"
        "换一个渠道顶上。",
        "Each channel in the chosen period: how many, with which result, how long (half, nine in ten). Many failed: "
        "look at its secret, quota or SIM in the table above; let another channel stand in.",
    ),
    queries=(
        Query(
            "message",
            (
                Column("attempts", "count", name="n"),
                Column("took_s", "p50", name="p50"),
                Column("took_s", "p90", name="p90"),
                Column("attempts", "mean", name="attempts"),
            ),
            where=(*_HERE, TagIs("drill", "0")),
            by=("channel", "result"),
        ),
    ),
    columns=(
        ColumnLook("channel", Text("渠道", "Channel")),
        ColumnLook(
            "result",
            Text("结果", "Result"),
            values=(
                ValueText("delivered", Text("送达", "delivered"), "green"),
                ValueText("failed", Text("失败", "failed"), "red"),
                ValueText("withdrawn", Text("撤回", "withdrawn"), "grey"),
            ),
        ),
        ColumnLook("n", Text("条", "Messages"), unit="short"),
        ColumnLook("p50", Text("一半", "Half within"), unit="s"),
        ColumnLook("p90", Text("九成", "9 in 10 within"), unit="s"),
        ColumnLook("attempts", Text("平均尝试", "Attempts"), unit="short"),
    ),
    sort="n",
    empty=Text("没有通知", "Nothing was said"),
    width=12,
    height=9,
)
_OUTBOX = Panel(
    key="outbox",
    kind="timeseries",
    title=Text("逾期待发", "Messages to people overdue"),
    description=Text(
        "该发还没发的通知数，和最久的一条逾期多少秒。超过 120 秒就会报警（规则 gateway-outbox-stuck）：直接打电话，"
        "并查网络和渠道。",
        "Messages to people that are due and not sent, and by how long the oldest is overdue. Past 120 s it is an "
        "alarm (rule gateway-outbox-stuck): telephone yourself, look at network and channels.",
    ),
    queries=(
        Query(
            "gateway",
            (Column("outbox_overdue", "max", name="overdue"), Column("outbox_oldest", "max", name="oldest")),
            where=ITSELF,
            every="auto",
        ),
    ),
    unit="short",
    decimals=0,
    low=0,
    columns=(
        ColumnLook("overdue", Text("条数", "messages"), unit="short"),
        ColumnLook(
            "oldest",
            Text("最久逾期", "oldest overdue by"),
            unit="s",
            thresholds=watched("outbox_oldest", "gateway-outbox-stuck"),
        ),
    ),
    width=12,
    height=9,
)
GATEWAY = Board(
    uid="anju-gateway",
    title=Text("网关", "Gateway"),
    description=Text(
        "网关自己怎样：消息进来、判断、通知、遥测库、120 线路、机器。哪里红，表里写着怎么办。",
        "How the gateway itself is: taking in, deciding, telling, the store, the 120 line, the machine. Where it is "
        "red the table says what to do.",
    ),
    rows=(
        Row(None, (_WORST, _LINE, _BROKER, *NUMBERS)),
        Row(None, (_TABLE,)),
        Row(Text("消息进来", "Taking in"), (_BACKLOG, _OLDEST, _RECEIVED)),
        Row(Text("判断", "Deciding"), (_LATENCY_COURSE, _STATES_COURSE)),
        Row(Text("通知", "Telling people"), (_SAID, _OUTBOX)),
        Row(Text("遥测库与机器", "Store and machine"), (STORE_LAG, ROOM, *BOX)),
    ),
    variables=(COMMUNITY, GATEWAY_CHOICE),
    annotations=(
        case_marks(
            key="trouble",
            title=Text("断网、停电、故障", "Network, mains, faults"),
            types=("path_lost", "power_lost", "device_fault"),
            levels=("community",),
        ),
    ),
    links=(
        WALL_LINK,
        Link(Text("网关：健康检查", "The gateway: its health"), path="/readyz"),
    ),
    range="6h",
    refresh="10s",
    tags=("anju", "now"),
)
