"""Panels of one resident's vital signs: the newest values, their course with the resident's own limits, NEWS2."""

from __future__ import annotations

from dashboards.board import ColumnLook, Panel, Step, Thresholds, ValueText
from dashboards.boards.common import number
from dashboards.query import Column, Query, TagIs, Var
from dashboards.text import Text
from dashboards.thresholds import watched

THEIRS = TagIs("resident", Var("resident"))
"""Of the resident who is chosen."""
_MONITOR = "vitals_monitor"
_SPO2 = watched("spo2", "spo2-critical", "spo2-low")
_PULSE = watched("pulse", "pulse-critical-low", "pulse-low", "pulse-high", "pulse-critical-high")
_SYSTOLIC = watched("systolic", "bp-low", "bp-crisis")
_CRISIS = watched("systolic", "bp-crisis")
_DIASTOLIC = watched("diastolic", "bp-crisis")
_TEMPERATURE = watched("temperature", "temperature-low", "temperature-high")
_GLUCOSE = watched("glucose", "glucose-low", "glucose-low-mild", "glucose-high")
_RESPIRATION = watched("respiration", "respiration-abnormal:low", "respiration-abnormal:high")
_NEWS2 = watched("score", "news2-urgent:high", "news2-emergency")
_OFF = ValueText(0, Text("探头脱落", "probe off"), "grey")
_NO_MEASUREMENT = Text("没有测量", "No measurement")


def _newest(
    key: str, title: Text, metrics: tuple[tuple[str, Text, str], ...], thresholds: Thresholds, rules: Text, **more: int
) -> Panel:
    """The newest value of the last two days."""
    unit = metrics[0][2]
    return number(
        key,
        title,
        Text(
            f"两天内最后一次测量。颜色按规则库的通用限值（{rules.zh}）；"
            "本人有自己的限值时，以下面曲线里的本人限值为准。"
            "橙红：先打电话或上门看人，再量一次；案卷里有要问什么。",
            f"The newest measurement of two days. Colours by the library's limits for everybody ({rules.en}); where "
            "the resident has limits of their own, those in the charts below count. Orange or red: ring or go and "
            "see them first, measure again; the case says what to ask.",
        ),
        Query(
            _MONITOR,
            tuple(Column(metric, "last") for metric, _, _ in metrics),
            where=(THEIRS,),
            last="2d",
        ),
        unit=unit,
        decimals=more.get("decimals", 0),
        thresholds=thresholds,
        values=(_OFF,),
        columns=tuple(
            ColumnLook(metric, words, unit=unit, thresholds=_DIASTOLIC if metric == "diastolic" else thresholds)
            for metric, words, _ in metrics
        ),
        empty=_NO_MEASUREMENT,
        width=4,
        height=4,
    )


def _own(metric: str) -> tuple[Query, Query]:
    """The resident's own limits, as lines."""
    where = (THEIRS, TagIs("metric", metric))
    low, high = (
        Query("limit", (Column(side, "last", name=f"{metric} own {side}"),), where=where, every="auto", fill="previous")
        for side in ("low", "high")
    )
    return low, high


def _chart(
    key: str,
    title: Text,
    metrics: tuple[tuple[str, Text], ...],
    unit: str,
    thresholds: Thresholds,
    scale: tuple[float, float],
    says: Text,
    *,
    decimals: int = 0,
) -> Panel:
    """A vital sign over time with the resident's own limits."""
    own = tuple(
        ColumnLook(f"{metric} own {side}", Text(f"{words.zh}本人{zh}限", f"{words.en}, own {en} limit"))
        for metric, words in metrics
        for side, zh, en in (("low", "下", "low"), ("high", "上", "high"))
    )
    return Panel(
        key=key,
        kind="timeseries",
        title=title,
        description=Text(
            f"{says.zh}颜色按规则库的通用限值，横线是医生为本人定的限值（没有横线＝用通用限值）。"
            "落到图底的尖线是探头脱落，不是病。",
            f"{says.en} Colours by the library's limits for everybody; the lines across are limits a doctor set "
            "for this resident (no line: those for everybody). A spike to the floor is a probe that came off, no "
            "illness.",
        ),
        queries=(
            *(
                Query(_MONITOR, (Column(metric, "mean", name=metric),), where=(THEIRS,), every="auto")
                for metric, _ in metrics
            ),
            *(query for metric, _ in metrics for query in _own(metric)),
        ),
        unit=unit,
        decimals=decimals,
        thresholds=thresholds,
        low=scale[0],
        high=scale[1],
        columns=(*(ColumnLook(metric, words) for metric, words in metrics), *own),
        empty=_NO_MEASUREMENT,
        width=8,
        height=8,
    )


_SPO2_WORD, _PULSE_WORD = Text("血氧", "SpO2"), Text("脉率", "pulse")
_SYSTOLIC_WORD, _DIASTOLIC_WORD = Text("收缩压", "systolic"), Text("舒张压", "diastolic")
_TEMPERATURE_WORD, _GLUCOSE_WORD = Text("体温", "temperature"), Text("血糖", "glucose")
_RESPIRATION_WORD = Text("呼吸", "respiration")

NEWEST: tuple[Panel, ...] = (
    _newest(
        "spo2-now", _SPO2_WORD, (("spo2", _SPO2_WORD, "percent"),), _SPO2, Text("血氧偏低、危急", "SpO2 low, critical")
    ),
    _newest(
        "pulse-now",
        _PULSE_WORD,
        (("pulse", _PULSE_WORD, "bpm"),),
        _PULSE,
        Text("脉率偏快偏慢、危急", "pulse high, low, critical"),
    ),
    _newest(
        "bp-now",
        Text("血压", "Blood pressure"),
        (("systolic", _SYSTOLIC_WORD, "mmHg"), ("diastolic", _DIASTOLIC_WORD, "mmHg")),
        _SYSTOLIC,
        Text("血压偏低、危象", "blood pressure low, crisis"),
    ),
)
NEWS2_NOW = number(
    "news2-now",
    Text("NEWS2 评分", "NEWS2"),
    Text(
        "一天内最近一次早期预警评分（英国皇家内科医师学会 2017）。5 分起橙：一小时内要有医护人员看；7 分起红：急救。"
        "参数不全时不给总分，只看单项最高分：3 分也要尽快看。",
        "The newest early warning score of one day (Royal College of Physicians, 2017). From 5 orange: a clinician "
        "within the hour; from 7 red: an emergency. No total of a set that is not complete; then the worst single "
        "sign counts: 3 needs somebody soon.",
    ),
    Query(
        "score",
        (Column("total", "last"), Column("worst", "last")),
        where=(THEIRS, TagIs("score", "news2")),
        last="1d",
    ),
    thresholds=_NEWS2,
    columns=(
        ColumnLook("total", Text("总分", "total")),
        ColumnLook(
            "worst",
            Text("单项最高", "worst sign"),
            thresholds=Thresholds((Step(None, "green"), Step(3, "orange")), "rule news2-urgent: a single 3"),
        ),
    ),
    empty=Text("没有评分", "No score"),
    width=4,
    height=4,
)
NEWS2_COURSE = Panel(
    key="news2",
    kind="timeseries",
    title=Text("NEWS2 评分", "NEWS2"),
    description=Text(
        "每次参数齐全时的总分。持续上升比单个高分更要紧：联系医生。5 分橙，7 分红，同规则 news2-urgent、"
        "news2-emergency。",
        "The total of each complete set. A steady rise matters more than one high score: call the doctor. Orange "
        "from 5, red from 7, as the rules news2-urgent and news2-emergency.",
    ),
    queries=(
        Query(
            "score",
            (Column("total", "max", name="total"), Column("worst", "max", name="worst")),
            where=(THEIRS, TagIs("score", "news2")),
            every="auto",
        ),
    ),
    unit="short",
    decimals=0,
    thresholds=_NEWS2,
    low=0,
    high=20,
    columns=(ColumnLook("total", Text("总分", "total")), ColumnLook("worst", Text("单项最高", "worst sign"))),
    empty=Text("没有评分", "No score"),
    width=8,
    height=8,
)
VITALS: tuple[Panel, ...] = (
    _chart(
        "spo2",
        _SPO2_WORD,
        (("spo2", _SPO2_WORD),),
        "percent",
        _SPO2,
        (70, 100),
        Text(
            "血氧。低于限值并持续：坐起、看嘴唇和呼吸、再量。",
            "SpO2. Below the limit and staying there: sit them up, look at lips and breath, measure again.",
        ),
    ),
    _chart(
        "pulse",
        _PULSE_WORD,
        (("pulse", _PULSE_WORD),),
        "bpm",
        _PULSE,
        (30, 180),
        Text(
            "脉率。持续过快：发热、心慌、气短？过慢：头晕、乏力？",
            "Pulse. Fast for long: fever, palpitations, short of breath? Slow: dizzy, weak?",
        ),
    ),
    _chart(
        "blood-pressure",
        Text("血压", "Blood pressure"),
        (("systolic", _SYSTOLIC_WORD), ("diastolic", _DIASTOLIC_WORD)),
        "mmHg",
        _CRISIS,
        (40, 220),
        Text(
            "血压。超过危象线：复测；头痛剧烈、言语不清、胸痛就打 120。",
            "Blood pressure. Past the crisis line: measure again; bad headache, slurred speech, chest pain: 120.",
        ),
    ),
    _chart(
        "temperature",
        _TEMPERATURE_WORD,
        (("temperature", _TEMPERATURE_WORD),),
        "celsius",
        _TEMPERATURE,
        (34, 41),
        Text(
            "体温。高热：多饮水、降温、联系医生；过低：屋里冷不冷？",
            "Temperature. High fever: drink, cool down, doctor; low: is the room cold?",
        ),
        decimals=1,
    ),
    _chart(
        "glucose",
        _GLUCOSE_WORD,
        (("glucose", _GLUCOSE_WORD),),
        "conmmolL",
        _GLUCOSE,
        (0, 25),
        Text("血糖 mmol/L。过低：清醒就吃糖，叫不醒打 120。", "Glucose, mmol/L. Low: sugar if awake, 120 if not."),
        decimals=1,
    ),
    _chart(
        "respiration",
        _RESPIRATION_WORD,
        (("respiration", _RESPIRATION_WORD),),
        "/min",
        _RESPIRATION,
        (0, 40),
        Text(
            "呼吸，次/分。过快过慢：说得成整句吗，叫得醒吗？",
            "Breaths a minute. Fast or slow: full sentences? Can they be woken?",
        ),
    ),
)
