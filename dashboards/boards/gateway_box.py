"""Panels of the gateway's board about the box itself: disk, memory, load, what it has refused, how far the store is."""

from __future__ import annotations

from dashboards.board import ColumnLook, Panel, Step, Thresholds, ValueText
from dashboards.boards.common import NOW, PLAIN, here, none_is_well, number
from dashboards.query import Column, Query, TagIs, Var
from dashboards.text import Text
from dashboards.thresholds import watched

ITSELF = (*here("community"), TagIs("device", Var("gateway")))
"""What the chosen gateways measure of themselves."""


def _machine(
    key: str,
    metric: str,
    title: Text,
    description: Text,
    unit: str,
    thresholds: Thresholds,
    *,
    decimals: int = 0,
    values: tuple[ValueText, ...] = (),
    empty: Text | None = None,
    width: int = 4,
) -> Panel:
    """The newest value of a metric of the gateway itself."""
    return number(
        key,
        title,
        description,
        Query("gateway", (Column(metric, "last"),), where=ITSELF, by=("device",), last=NOW),
        unit=unit,
        decimals=decimals,
        thresholds=thresholds,
        values=values,
        empty=empty,
        width=width,
        height=4,
    )


STORE_LAG = Panel(
    key="store-lag",
    kind="timeseries",
    title=Text("遥测落后", "Store behind by"),
    description=Text(
        "还没写进遥测库的最旧读数有多旧。升高：遥测库停了或慢了，曲线不更新；数据在日志里，恢复后补上，报警不受影响。",
        "Age of the oldest reading that is not in the store. Rising: the store is away or slow, charts stand still; "
        "readings wait in the journal and are caught up, alarms are not touched.",
    ),
    queries=(Query("gateway", (Column("store_lag", "max", name="lag"),), where=ITSELF, every="auto"),),
    unit="s",
    decimals=0,
    low=0,
    thresholds=Thresholds((Step(None, "green"), Step(300, "yellow")), "rule gateway-store-down: 300 s"),
    columns=(ColumnLook("lag", Text("落后", "behind")),),
    width=12,
    height=8,
)
ROOM = Panel(
    key="machine",
    kind="timeseries",
    title=Text("机器：可用磁盘、可用内存", "Machine: disk and memory free"),
    description=Text(
        "磁盘低于 5% 报警（规则 gateway-disk-low）：清理旧备份和日志；内存一路下降：记下时间，报告给开发者。",
        "Disk below 5 % is an alarm (rule gateway-disk-low): clear old backups and logs. Memory falling for days: "
        "note when it began, and report it.",
    ),
    queries=(
        Query(
            "gateway",
            (Column("disk_free", "min", name="disk"), Column("memory_free", "min", name="memory")),
            where=ITSELF,
            every="auto",
        ),
    ),
    unit="percent",
    decimals=0,
    low=0,
    high=100,
    thresholds=watched("disk_free", "gateway-disk-low"),
    columns=(ColumnLook("disk", Text("磁盘", "disk")), ColumnLook("memory", Text("内存", "memory"))),
    width=12,
    height=8,
)

NUMBERS: tuple[Panel, ...] = (
    _machine(
        "disk",
        "disk_free",
        Text("可用磁盘", "Disk free"),
        Text(
            "低于 5%（规则 gateway-disk-low）黄色：清理。满了日志写不进，报警不会被确认。",
            "Below 5 % (rule gateway-disk-low) yellow: clear it. When it is full the journal takes nothing and "
            "alarms are not acknowledged.",
        ),
        "percent",
        watched("disk_free", "gateway-disk-low"),
    ),
    _machine(
        "quarantine",
        "quarantine",
        Text("隔离累计", "Quarantined"),
        Text(
            "格式不对、没有登记或被拒收的消息总数。在涨：有设备装错或冒充，用 anju quarantine 看原因。",
            "Messages ever refused: malformed, unknown, not allowed. Growing: a device is set up wrongly, or "
            "something pretends to be one; anju quarantine says why.",
        ),
        "short",
        PLAIN,
    ),
    _machine(
        "rules-failed",
        "rules_failed",
        Text("判断出错", "Failed decisions"),
        Text(
            "规则或代码出错的次数。橙色：那条消息没有判断完，看网关日志，报告给开发者。",
            "Decisions on which a rule or the code failed. Orange: that message was not fully judged; see the "
            "gateway's log, report it.",
        ),
        "short",
        none_is_well("a decision that fails is a fault of the software", colour="orange"),
    ),
)

BOX: tuple[Panel, ...] = (
    _machine(
        "memory",
        "memory_free",
        Text("可用内存", "Memory free"),
        Text(
            "只供参考：一直下降几天，记下来报告。", "For information: where it falls for days, note it and report it."
        ),
        "percent",
        PLAIN,
        width=8,
    ),
    _machine(
        "load",
        "load",
        Text("负载", "Load"),
        Text(
            "一分钟平均负载。长期高于处理器核数：有别的程序在抢，或消息太多。",
            "Load average of one minute. Above the number of cores for long: something else runs there, or there are "
            "too many messages.",
        ),
        "short",
        PLAIN,
        decimals=2,
        width=8,
    ),
    _machine(
        "temperature",
        "temperature",
        Text("机器温度", "Temperature"),
        Text(
            "处理器温度。持续升高：通风口堵了，或机箱里的风扇停了。",
            "Of the processor. Rising for days: an air vent is blocked, or a fan has stopped.",
        ),
        "celsius",
        PLAIN,
        width=8,
        empty=Text("没有传感器", "No sensor"),
    ),
)
