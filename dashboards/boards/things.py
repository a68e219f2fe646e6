"""What boards about things share: alarms of some types, over time and standing now; devices that are in trouble."""

from __future__ import annotations

from collections.abc import Mapping

from dashboards.board import Colour, ColumnLook, Panel, Step, Thresholds, ValueText
from dashboards.boards.common import (
    ALL_QUIET,
    BURNING,
    NOTHING,
    OPEN,
    OPEN_LAST,
    REAL,
    RESPONSE_LINK,
    SEVERITIES,
    STAGES,
    UNMERGED,
    Level,
    case_link,
    cases,
    device_link,
    here,
    looks,
    none_is_well,
    number,
    place_link,
    share_and_n,
    share_looks,
)
from dashboards.query import Column, Condition, FieldIs, Query, TagIs
from dashboards.text import Text

Levels = tuple[Level, ...]
HOMES: Levels = ("community", "grid", "building")
STREETS: Levels = ("community", "grid")
"""Where a choice of buildings says nothing."""

ACTIVE: Condition = FieldIs("active", "=", 1)
FLEET_EVERY = "5m"
"""How often the fleet is counted; each count is a point of its own, and the last one is what holds now."""
_FLEET_LAST = "11m"

TYPES: dict[str, Text] = {
    "intrusion": Text("入侵", "intrusion"),
    "door_open": Text("入户门未关", "front door left open"),
    "window_open": Text("外出未关窗", "window left open"),
    "tamper": Text("设备防拆", "tamper"),
    "smoke": Text("烟雾", "smoke"),
    "heat": Text("高温", "heat"),
    "gas": Text("燃气泄漏", "gas leak"),
    "co": Text("一氧化碳", "carbon monoxide"),
    "water_leak": Text("漏水", "water leak"),
    "valve_fault": Text("阀门未动作", "valve did not move"),
    "bin_full": Text("垃圾桶满溢", "waste bin full"),
    "bin_hot": Text("垃圾桶温度异常", "waste bin too warm"),
    "bin_fire": Text("垃圾桶起火", "fire in a waste bin"),
    "traffic_congestion": Text("交通拥堵", "traffic congestion"),
    "traffic_incident": Text("疑似交通事件", "traffic incident"),
    "wrong_way": Text("车辆逆行", "vehicle the wrong way"),
    "staff_call": Text("呼叫工作人员", "call for staff"),
    "problem_report": Text("居民上报", "problem report"),
    "device_fault": Text("设备故障", "device fault"),
    "device_silent": Text("设备失联", "device silent"),
    "low_battery": Text("电量低", "low battery"),
    "sensor_doubtful": Text("数据存疑", "readings in doubt"),
}
"""Alarm types in the words of the catalogue, for legends."""
TROUBLES = ("device_fault", "device_silent", "low_battery", "tamper", "sensor_doubtful")
"""Alarm types about a device itself."""


COLOURS: dict[str, Colour] = {
    "intrusion": "red",
    "door_open": "orange",
    "window_open": "yellow",
    "tamper": "purple",
    "smoke": "grey",
    "heat": "orange",
    "gas": "yellow",
    "co": "purple",
    "water_leak": "blue",
    "valve_fault": "red",
}
"""Of types in pictures over time: told apart, and the same every time."""


def line(column: str, title: Text, colour: Colour) -> ColumnLook:
    """What a line or bar over time is called, and its one colour."""
    return ColumnLook(column, title, thresholds=Thresholds((Step(None, colour),), "no limit: its colour"))


def type_looks(types: tuple[str, ...]) -> tuple[ColumnLook, ...]:
    """What stands for each type in a legend."""
    return tuple(line(one, TYPES[one], COLOURS[one]) for one in types)


def unresolved(type_: str, levels: Levels = HOMES) -> Query:
    """How many cases of a type are not put right, whenever they began. Counted from ``open``, so that none is 0."""
    where = (*here(*levels), REAL, UNMERGED, TagIs("type", type_), *BURNING[1:])
    return Query("case", (Column("open", "sum", name=type_),), where, last=OPEN_LAST, name=type_)


def alarms(types: tuple[str, ...], every: str, levels: Levels = HOMES) -> tuple[Query, ...]:
    """How many alarms of each type began in each stretch: a query for each, so that each has its name."""
    return tuple(
        Query(
            "alarm",
            (Column("severity", "count", name=one),),
            (*here(*levels), REAL, TagIs("type", one)),
            every=every,
            fill="zero",
            name=one,
        )
        for one in types
    )


def events(kinds: tuple[str, ...], names: tuple[str, ...], every: str, levels: Levels = HOMES) -> tuple[Query, ...]:
    """How often each of these events came from devices of these kinds in each stretch."""
    return tuple(
        Query(
            "event",
            (Column("value", "count", name=one),),
            (TagIs("kind", kinds), TagIs("event", one), *here(*levels)),
            every=every,
            fill="zero",
            name=one,
        )
        for one in names
    )


def standing(*conditions: Condition, levels: Levels = HOMES, limit: int = 200) -> Query:
    """Alarms that stand now, the newest first: what, at which device, where."""
    columns = (
        Column("title", localized=True),
        Column("name", localized=True),
        Column("place", localized=True, name="where"),
        Column("severity"),
        Column("case"),
        Column("device"),
        Column("place"),
    )
    return Query("alarm", columns, (*here(*levels), REAL, ACTIVE, *conditions), last=OPEN_LAST, limit=limit)


OPEN_LOOKS: tuple[ColumnLook, ...] = looks(
    ColumnLook("time", Text("已过", "Age"), unit="dateTimeFromNow", width=130),
    ColumnLook("stage", Text("阶段", "Stage"), values=STAGES, width=100),
)
"""Of a table of what is open now: how long already, and red where nobody has it."""

STANDING_LOOKS: tuple[ColumnLook, ...] = (
    ColumnLook("time", Text("自", "Since"), unit="dateTimeFromNow", width=130),
    ColumnLook("title", Text("情况", "What"), link=case_link("case"), width=170),
    ColumnLook("name", Text("设备", "Device"), link=device_link()),
    ColumnLook("where", Text("地点", "Where"), link=place_link()),
    ColumnLook("severity", Text("级别", "Severity"), values=SEVERITIES, width=80),
    ColumnLook("case", Text("案卷号", "Case"), link=case_link("case"), width=130),
    ColumnLook("device", hidden=True),
    ColumnLook("place", hidden=True),
)


_COMMAND_COLUMNS: tuple[Column, ...] = (
    Column("says", localized=True),
    Column("done"),
    Column("took_s"),
    Column("name", localized=True),
    Column("place", localized=True, name="where"),
    Column("device"),
    Column("place"),
)
_COMMAND_LOOKS: tuple[ColumnLook, ...] = (
    ColumnLook("time", Text("时间", "Time"), width=160),
    ColumnLook("says", Text("命令", "Told to")),
    ColumnLook(
        "done",
        Text("结果", "Outcome"),
        values=(ValueText(1, Text("已执行", "done"), "green"), ValueText(0, Text("没有执行", "not done"), "red")),
        width=100,
    ),
    ColumnLook("took_s", Text("用时", "In"), unit="s", width=80),
    ColumnLook("name", Text("设备", "Device"), link=device_link()),
    ColumnLook("where", Text("地点", "Where"), link=place_link()),
    ColumnLook("device", hidden=True),
    ColumnLook("place", hidden=True),
)
"""Commands to devices, as rows of a table."""


def fleet_now(kinds: tuple[str, ...], *fields: str) -> Query:
    """How many devices of these kinds are ``silent``, ``battery_low`` … by the last count."""
    columns = tuple(Column(field, "sum") for field in fields)
    where = (TagIs("kind", kinds), *here("community", "grid"))
    return Query("fleet", columns, where, every=FLEET_EVERY, last=_FLEET_LAST)


FLEET_LOOKS: tuple[ColumnLook, ...] = (
    ColumnLook("devices", Text("在册", "registered")),
    ColumnLook("silent", Text("失联", "silent")),
    ColumnLook("battery_low", Text("电量低", "battery low")),
    ColumnLook("faulty", Text("故障", "faulty")),
    ColumnLook("tampered", Text("被拆动", "tampered")),
)


def trouble_panel(
    key: str, title: Text, description: Text, kinds: tuple[str, ...], levels: Levels = HOMES, width: int = 24
) -> Panel:
    """Devices of these kinds with an alarm about themselves, the newest first."""
    return Panel(
        key=key,
        kind="table",
        title=title,
        description=description,
        queries=(standing(TagIs("type", TROUBLES), TagIs("kind", kinds), levels=levels),),
        columns=STANDING_LOOKS,
        empty=Text("全部正常", "All in order"),
        width=width,
        height=9,
    )


def now_panel(
    key: str,
    title: Text,
    description: Text,
    types: Mapping[str, Colour],
    source: str,
    *,
    levels: Levels = HOMES,
    width: int = 24,
    height: int = 5,
) -> Panel:
    """Big numbers: the cases of each type that are not put right; one of them has its type's colour."""
    return Panel(
        key=key,
        kind="stat",
        title=title,
        description=description,
        queries=tuple(unresolved(one, levels) for one in types),
        unit="short",
        decimals=0,
        thresholds=none_is_well(source),
        columns=tuple(
            ColumnLook(one, TYPES[one], thresholds=Thresholds((Step(None, "green"), Step(1, colour)), source))
            for one, colour in types.items()
        ),
        empty=ALL_QUIET,
        width=width,
        height=height,
    )


def answer_panel(
    key: str, title: Text, description: Text, types: tuple[str, ...], levels: Levels = HOMES, width: int = 12
) -> Panel:
    """How soon cases of these types were taken, and how soon somebody was there: the middle one, and nine of ten."""
    columns = (
        Column("answered_s", "p50", name="answered_p50"),
        Column("answered_s", "p90", name="answered_p90"),
        Column("arrived_s", "p50", name="arrived_p50"),
        Column("arrived_s", "p90", name="arrived_p90"),
    )
    return Panel(
        key=key,
        kind="timeseries",
        title=title,
        description=description,
        queries=(Query("case", columns, (*here(*levels), REAL, UNMERGED, TagIs("type", types)), every="1d"),),
        unit="s",
        columns=(
            line("answered_p50", Text("受理，半数在此之内", "taken, half within"), "green"),
            line("answered_p90", Text("受理，九成在此之内", "taken, nine of ten within"), "yellow"),
            line("arrived_p50", Text("到场，半数在此之内", "on the spot, half within"), "blue"),
            line("arrived_p90", Text("到场，九成在此之内", "on the spot, nine of ten within"), "purple"),
        ),
        low=0,
        empty=Text("没有案卷", "No cases"),
        width=width,
        height=9,
    )


def open_panel(
    title: Text,
    description: Text,
    types: tuple[str, ...],
    *,
    levels: Levels = HOMES,
    empty: Text = NOTHING,
    limit: int = 100,
    height: int = 8,
) -> Panel:
    """What is open of these types, whenever it began: how long already, and who has it."""
    return Panel(
        key="open",
        kind="table",
        title=title,
        description=description,
        queries=(cases(OPEN, TagIs("type", types), levels=levels, last=OPEN_LAST, limit=limit),),
        columns=OPEN_LOOKS,
        empty=empty,
        width=24,
        height=height,
    )


def in_time_panel(
    seconds: int,
    title: Text,
    description: Text,
    types: tuple[str, ...],
    thresholds: Thresholds,
    *,
    height: int,
) -> Panel:
    """The share of these alarms that somebody took within so many seconds, and of how many."""
    return number(
        "in-time",
        title,
        description,
        share_and_n(f"within_{seconds}", REAL, TagIs("type", types)),
        unit="percent",
        decimals=None,
        thresholds=thresholds,
        columns=share_looks(thresholds),
        links=(RESPONSE_LINK,),
        empty=Text("没有报警", "No alarms"),
        width=8,
        height=height,
    )


def told_panel(
    title: Text, description: Text, kind: str, empty: Text, *, levels: Levels = HOMES, width: int = 12
) -> Panel:
    """Commands to devices of this kind, the newest first: how each went."""
    return Panel(
        key="told",
        kind="table",
        title=title,
        description=description,
        queries=(Query("command", _COMMAND_COLUMNS, (*here(*levels), REAL, TagIs("kind", kind)), limit=100),),
        columns=_COMMAND_LOOKS,
        empty=empty,
        width=width,
        height=9,
    )
