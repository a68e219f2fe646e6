"""火灾与燃气: smoke, heat, gas, carbon monoxide, water: what alarms, whether the valve shut, what is dead."""

from __future__ import annotations

from dashboards.board import Board, Panel, Row, Step, Thresholds
from dashboards.boards.common import (
    ALL_QUIET,
    CONSOLE_LINK,
    FLEET_LINK,
    PLACES,
    RESPONSE_LINK,
    WALL_LINK,
    case_marks,
    here,
    none_is_well,
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
    told_panel,
    trouble_panel,
    type_looks,
)
from dashboards.query import Column, Query
from dashboards.text import Text
from dashboards.thresholds import ANSWERED_60

FIRE = ("smoke", "heat", "gas", "co")
"""For life safety."""
TYPES_HERE = (*FIRE, "water_leak", "valve_fault")
DETECTORS = ("smoke", "heat", "gas", "co", "leak")
GUARDING = (*DETECTORS, "valve", "siren")

GAS_STEPS = Thresholds(
    (Step(None, "green"), Step(5, "orange"), Step(25, "red")),
    "GB 15322.2: household detectors alarm between 5 and 25 % of the lower explosive limit",
)
CO_STEPS = Thresholds(
    (Step(None, "green"), Step(30, "yellow"), Step(50, "orange"), Step(300, "red")),
    "EN 50291-1: never an alarm below 30 ppm, within 90 min at 50 ppm, within 3 min at 300 ppm",
)
HEAT_STEPS = Thresholds((Step(None, "green"), Step(54, "red")), "EN 54-5, class A1: alarm from 54 °C on")

_NOW = now_panel(
    "now",
    Text("正在报警", "In alarm now"),
    Text(
        "未处置完的烟雾、高温、燃气、一氧化碳、漏水和阀门案卷。红色：立即电话核实；烟雾和高温无人应答打 119 并派人；"
        "燃气和一氧化碳让人开窗、出屋、别碰开关；橙色：漏水关总阀，阀门没关的请人到室外手动关。",
        "Cases of smoke, heat, gas, carbon monoxide, water and valves that are not put right. Red: telephone at "
        "once. Smoke or heat and no answer: call 119 and send somebody. Gas or carbon monoxide: windows open, "
        "everybody out, touch no switch. Orange: shut the main water tap; have a valve that did not shut turned by "
        "hand, from outside.",
    ),
    {"smoke": "red", "heat": "red", "gas": "red", "co": "red", "water_leak": "orange", "valve_fault": "orange"},
    "severities of the rules smoke-alarm, heat-alarm, gas-alarm, co-alarm, water-leak, valve-stuck",
    width=16,
)
_OPEN = open_panel(
    Text("未结的火灾燃气案卷", "Open cases"),
    Text(
        "最新的在最上面。“阶段”红色＝还没有人接手：马上受理。点地点看谁住在那里、怎么进门。",
        "The newest first. A red stage: nobody has it yet, take it at once. The place shows who lives there and how "
        "to get in.",
    ),
    TYPES_HERE,
    empty=ALL_QUIET,
    limit=50,
)
_IN_TIME = in_time_panel(
    60,
    Text("60 秒内受理", "Taken within 60 s"),
    Text(
        "所选时段内烟雾、高温、燃气、一氧化碳报警 60 秒内有人受理的比例和件数，目标 97.5%。红色：查排班和通知渠道。",
        "Alarms of smoke, heat, gas and carbon monoxide of the chosen period that a human took within 60 s, and their "
        "number; target 97.5 %. Red: look at rosters and channels.",
    ),
    FIRE,
    ANSWERED_60,
    height=5,
)


def _highest(
    kind: str,
    field: str,
    title: Text,
    description: Text,
    thresholds: Thresholds,
    *,
    unit: str,
    decimals: int = 0,
    low: float | None = None,
) -> Panel:
    """What the detectors of each grid read, the highest of them."""
    return Panel(
        key=kind,
        kind="timeseries",
        title=title,
        description=description,
        queries=(Query(kind, (Column(field, "max"),), here(), by=("grid",), every="auto", name="{grid}"),),
        unit=unit,
        decimals=decimals,
        thresholds=thresholds,
        low=low,
        width=8,
        height=9,
    )


_GAS = _highest(
    "gas",
    "gas",
    Text("燃气浓度", "Gas"),
    Text(
        "各网格燃气探测器的最高读数，爆炸下限的百分比（爆炸下限＝100%）。平时接近 0。橙线 5%：可能漏气，"
        "选网格和楼栋找到哪一户；红线 25%：探测器必须已报警，没有报警就立即派人。",
        "The highest reading of the gas detectors in each grid, in per cent of the lower explosive limit. Usually "
        "next to 0. Orange from 5 %: perhaps a leak; choose grid and building to find the home. Red from 25 %: every "
        "detector must have raised an alarm; where none has, send somebody at once.",
    ),
    GAS_STEPS,
    unit="percent",
    decimals=1,
    low=0,
)
_CO = _highest(
    "co",
    "co",
    Text("一氧化碳", "Carbon monoxide"),
    Text(
        "各网格一氧化碳探测器的最高读数（ppm）。30 以下正常；50 以上待久了会头痛；300 以上几分钟内有生命危险，"
        "探测器必须已报警。",
        "The highest reading of the detectors in each grid, ppm. Below 30 is usual; above 50 gives a headache in "
        "time; above 300 is a danger to life within minutes, and the detector must have raised an alarm.",
    ),
    CO_STEPS,
    unit="ppm",
    low=0,
)
_HEAT = _highest(
    "heat",
    "temperature",
    Text("最高温度（温感）", "Highest temperature (heat detectors)"),
    Text(
        "各网格温感测到的最高温度。厨房做饭会到 40℃；54℃ 以上是火灾，探测器必须已报警。",
        "The highest temperature that the heat detectors of each grid measure. A kitchen at noon reaches 40 °C; from "
        "54 °C on something burns, and the detector must have raised an alarm.",
    ),
    HEAT_STEPS,
    unit="celsius",
)
_OVER_TIME = Panel(
    key="over-time",
    kind="barchart",
    title=Text("每天报警", "Alarms by the day"),
    description=Text(
        "每天的报警数，按类型叠加。同一类型突然升高：看是不是同一栋楼、同一批探测器；做饭时段的烟雾误报多，"
        "考虑换成温感。",
        "Alarms of each day, stacked by type. One type rises: see whether it is one house or one batch of detectors. "
        "Many false smoke alarms at meal times: think of heat detectors instead.",
    ),
    queries=alarms(TYPES_HERE, "1d"),
    unit="short",
    decimals=0,
    columns=type_looks(TYPES_HERE),
    stack=True,
    empty=ALL_QUIET,
    low=0,
    width=12,
    height=9,
)
_ANSWERS = answer_panel(
    "answers",
    Text("多快有人受理、到场", "How soon taken, how soon there"),
    Text(
        "每天的烟雾、高温、燃气、一氧化碳案卷：受理和到场用了多久。烟雾起后人通常只有几分钟：到场的九成线超过 10 "
        "分钟，要重新安排值守。",
        "Cases of smoke, heat, gas and carbon monoxide of each day: how long until somebody took them and was there. "
        "Once there is smoke people have a few minutes: nine of ten not there within ten minutes means other posts "
        "or rosters.",
    ),
    FIRE,
    width=12,
)

_TOLD = told_panel(
    Text("让阀门做的事", "What valves were told"),
    Text(
        "网关让阀门关闭（或人工下令）的每一次：结果、用了几秒。“没有执行”：阀门可能没关，立即请人到室外手动关总阀。",
        "Each time that the gateway, or a person, told a valve to move: how it went, and within how many seconds. "
        "Not done: it may not be shut; have the main valve turned by hand, from outside.",
    ),
    "valve",
    Text("没有关过阀门", "No valve was told anything"),
    width=14,
)
_VALVES = Panel(
    key="valves",
    kind="timeseries",
    title=Text("阀门动作", "What valves did"),
    description=Text(
        "每小时阀门报告的关闭、打开、卡住和手动操作。关闭旁边应有燃气或漏水报警；卡住（红）：派人手动关，再修阀门。",
        "What valves reported in each hour: shut, opened, stuck, turned by hand. A valve that shuts should stand "
        "beside an alarm of gas or water. Stuck: send somebody to turn it, then have it mended.",
    ),
    queries=events(("valve",), ("closed", "opened", "stuck", "manual_operation"), "1h"),
    unit="short",
    decimals=0,
    columns=(
        line("closed", Text("关闭", "shut"), "green"),
        line("opened", Text("打开", "opened"), "blue"),
        line("stuck", Text("卡住", "stuck"), "red"),
        line("manual_operation", Text("手动操作", "turned by hand"), "purple"),
    ),
    empty=Text("阀门没有动作", "No valve moved"),
    low=0,
    width=10,
    height=9,
)

_DEAD = Panel(
    key="dead",
    kind="stat",
    title=Text("失灵的探测器", "Detectors that would not warn"),
    description=Text(
        "烟感、温感、燃气、一氧化碳和水浸探测器中失联、电量低、故障的，每五分钟清点。失灵的烟感和没有烟感一样危险："
        "橙色＝今天就去，先电池，后更换。",
        "Smoke, heat, gas, carbon monoxide and leak detectors that are silent, low on battery or faulty, counted "
        "every five minutes. A dead smoke detector is as dangerous as none. Orange: go there today; the battery "
        "first, then another detector.",
    ),
    queries=(fleet_now(DETECTORS, "silent", "battery_low", "faulty"),),
    unit="short",
    decimals=0,
    thresholds=none_is_well("rules device-silent, low-battery, device-fault", colour="orange"),
    columns=FLEET_LOOKS,
    width=8,
    height=8,
)
_TESTS = Panel(
    key="tests",
    kind="barchart",
    title=Text("自检与故障", "Self-tests and faults"),
    description=Text(
        "每天做了自检的探测器次数，和报告故障的次数。探测器应每月按一次测试键；很久没有自检：组织上门测试。"
        "自检后紧接着故障＝自检没通过，换掉。",
        "How many self-tests detectors reported each day, and how many faults. A detector should be tested every "
        "month; none for long: arrange visits. A fault right after a test means that the test failed: replace it.",
    ),
    queries=events(DETECTORS, ("self_test", "fault"), "1d"),
    unit="short",
    decimals=0,
    columns=(
        line("self_test", Text("自检", "self-tests"), "green"),
        line("fault", Text("故障", "faults"), "orange"),
    ),
    stack=True,
    low=0,
    width=16,
    height=8,
)

FIRE_GAS = Board(
    uid="anju-fire-gas",
    title=Text("火灾与燃气", "Fire and gas"),
    description=Text(
        "烟感、温感、燃气、一氧化碳、水浸和阀门：现在有没有报警，阀门关了没有，哪些探测器失灵。",
        "Smoke, heat, gas, carbon monoxide, water and valves: what alarms now, whether the valve is shut, and which "
        "detectors are dead.",
    ),
    rows=(
        Row(Text("现在", "Now"), (_NOW, _IN_TIME, _OPEN)),
        Row(Text("失灵的探测器", "Dead detectors"), (_DEAD, _TESTS)),
        Row(
            None,
            (
                trouble_panel(
                    "trouble",
                    Text("哪些探测器和阀门有毛病", "Which detectors and valves are in trouble"),
                    Text(
                        "失联、电量低、故障、被拆动的烟感、温感、燃气、一氧化碳、水浸、阀门和声光报警器。"
                        "一个一个修到没有为止。",
                        "Smoke, heat, gas, carbon monoxide and leak detectors, valves and sirens that are silent, "
                        "low, faulty or tampered with. Mend them until none is left.",
                    ),
                    GUARDING,
                    width=24,
                ),
            ),
        ),
        Row(Text("浓度与温度", "Concentrations and heat"), (_GAS, _CO, _HEAT)),
        Row(Text("阀门", "Valves"), (_TOLD, _VALVES)),
        Row(Text("一段时间以来", "Over time"), (_OVER_TIME, _ANSWERS)),
    ),
    variables=PLACES,
    annotations=(case_marks(types=FIRE, title=Text("火灾燃气报警", "Fire and gas alarms")),),
    links=(WALL_LINK, RESPONSE_LINK, FLEET_LINK, CONSOLE_LINK),
    range="7d",
    refresh="10s",
    tags=("anju", "things"),
)
