"""Every measurement of the telemetry store, with its tags and fields: from it follow docs/telemetry.md and the tests.

A device's readings stand in the measurement of its kind, as `devices.kinds` lists them. The others say what people and
the gateway itself did, for the control room: written once, and corrected as things go on.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from devices.kind import Kind
from devices.kinds import KINDS
from devices.telemetry import Field, Measurement, Tag

YEARS_2: Final = 731
QUARTER: Final = 90

_DEVICE = Tag(key="device", zh="设备", en="device", bound="registered devices")
_COMMUNITY = Tag(key="community", zh="社区", en="community", of="place", bound="one")
_GRID = Tag(key="grid", zh="网格", en="grid", of="place", bound="grids")
_GRID_NAME = Tag(key="grid_name", zh="网格名称", en="name of the grid", of="grid", bound="grids")
_BUILDING = Tag(key="building", zh="楼", en="building", of="place", bound="buildings")
_PLACE = Tag(key="place", zh="地点", en="place", of="device", bound="places")
_RESIDENT = Tag(key="resident", zh="居民", en="resident", of="device", bound="residents")
_STAMPS = (_COMMUNITY, _GRID, _BUILDING, _PLACE, _RESIDENT)
_ONE = Tag(key="community", zh="社区", en="community", bound="one")
_DRILL = Tag(key="drill", zh="演练", en="drill: `0`, `1`", bound="2")


def _around(*below: Tag) -> tuple[Tag, ...]:
    """A building with the grid and the community that it lies in, and further tags."""
    own = Tag(key="building", zh="楼", en="building", bound="buildings")
    grid = Tag(key="grid", zh="网格", en="grid", of="building", bound="grids")
    return (Tag(key="community", zh="社区", en="community", of="building", bound="one"), grid, own, *below)


def _number(key: str, unit: str, zh: str, en: str) -> Field:
    return Field(key=key, unit=unit, zh=zh, en=en)


def _yes(key: str, zh: str, en: str) -> Field:
    return Field(key=key, unit="1", zh=f"{zh}（0/1）", en=f"{en} (0/1)")


def _text(key: str, zh: str, en: str) -> Field:
    return Field(key=key, unit="", zh=zh, en=en)


def _both(key: str, zh: str, en: str) -> tuple[Field, Field]:
    """The same text in both languages."""
    return _text(f"{key}_zh", zh, en), _text(f"{key}_en", zh, en)


def of_kind(kind: Kind) -> Measurement:
    """The readings of one kind of device."""
    return Measurement(
        key=kind.key,
        zh=kind.zh,
        en=kind.en,
        time="device time",
        tags=(_DEVICE, *_STAMPS),
        fields=tuple(Field(key=m.key, unit=m.unit, zh=m.zh, en=m.en) for m in kind.metrics.values()),
        kept_days=QUARTER,
        personal=True,
    )


EVENT: Final = Measurement(
    key="event",
    zh="事件",
    en="what happened at a device",
    time="device time",
    tags=(
        _DEVICE,
        Tag(key="kind", zh="设备种类", en="kind", of="device", bound="kinds"),
        Tag(key="event", zh="事件", en="event", bound="events of the kind"),
        *_STAMPS,
    ),
    fields=(_number("value", "1", "恒为 1", "always 1"),),
    kept_days=QUARTER,
    personal=True,
)
WAVEFORM: Final = Measurement(
    key="waveform",
    zh="波形",
    en="strips of samples",
    time="of each sample, to the nanosecond",
    tags=(
        _DEVICE,
        Tag(key="kind", zh="设备种类", en="kind", of="device", bound="kinds"),
        Tag(key="name", zh="波形", en="`ecg`, `pleth`", bound="waveforms of the kind"),
        Tag(key="lead", zh="导联", en="ECG lead", bound="leads of the monitor, at most 12"),
        Tag(key="unit", zh="单位", en="UCUM unit", of="name", bound="one"),
        *_STAMPS,
    ),
    fields=(
        _number("value", "1", "采样值，单位见标签", "sample, in the unit of the tag"),
        _number("rate_hz", "Hz", "采样率，仅首个采样", "sampling rate, on the first sample"),
        _number("samples", "1", "采样数，仅首个采样", "how many samples, on the first one"),
    ),
    kept_days=QUARTER,
    personal=True,
)
CASE: Final = Measurement(
    key="case",
    zh="案卷",
    en="cases, one point each, corrected as it goes on",
    time="when it was opened, plus its running number in ns",
    tags=_around(_GRID_NAME, Tag(key="type", zh="类型", en="type of alarm or work", bound="types"), _DRILL),
    fields=(
        _yes("open", "未结", "open"),
        _number("severity", "1", "级别 1 至 4", "severity: 1 notice, 2 service, 3 urgent, 4 emergency"),
        _yes("life", "生命安全", "life safety"),
        _yes("alarm", "报警（0 为上报）", "from an alarm; 0 from a report"),
        _yes("merged", "已并案", "merged into another"),
        _yes("false_alarm", "误报", "false alarm; once it is over"),
        _yes("within_60", "60 秒内应答", "answered within 60 s; once that can be said"),
        _yes("within_90", "90 秒内应答", "answered within 90 s; once that can be said"),
        _yes("within_180", "180 秒内应答", "answered within 180 s; once that can be said"),
        _yes("on_site_45", "45 分钟内到场", "at the scene within 45 min; where somebody came"),
        _yes("on_site_60", "60 分钟内到场", "at the scene within 60 min; where somebody came"),
        _number("hour", "h", "几点开始，当地时间", "hour of the community's day in which it was raised"),
        _number("notified_s", "s", "报警至首次通知", "raised to the first message"),
        _number("answered_s", "s", "报警至应答", "raised to answered"),
        _number("dispatched_s", "s", "报警至派出", "raised to somebody on the way"),
        _number("arrived_s", "s", "报警至到场", "raised to at the scene"),
        _number("resolved_s", "s", "报警至处置完", "raised to resolved"),
        _number("verified_s", "s", "报警至核实", "raised to verified"),
        _number("closed_s", "s", "报警至结案", "raised to closed"),
        _number("step", "1", "升级到第几步", "step of the ladder"),
        _yes("called_120", "已呼 120/119/110", "an emergency line was called"),
        _yes("overdue", "超时", "over its limit"),
        _number("lat", "deg", "纬度 WGS-84", "latitude, WGS-84"),
        _number("lon", "deg", "经度 WGS-84", "longitude, WGS-84"),
        _text("id", "编号", "id"),
        _text("number", "案号", "number"),
        _text("stage", "阶段", "stage"),
        *_both("stage", "阶段", "stage"),
        *_both("title", "标题", "title"),
        _text("place", "地点编号", "id of the place"),
        _text("role", "地点的作用", "what the place is: as the tag of `place`"),
        *_both("place", "地址", "address"),
        *_both("owner", "负责人", "who has it, by role"),
        *_both("step", "当前一步", "step of the ladder"),
        *_both("severity", "级别", "severity"),
        *_both("cause", "原因", "cause"),
    ),
    kept_days=YEARS_2,
)
ALARM: Final = Measurement(
    key="alarm",
    zh="报警",
    en="alarms, one point each, corrected when they clear",
    time="when it was raised, plus its number in ns",
    tags=_around(
        Tag(key="rule", zh="规则", en="rule", bound="rules"),
        Tag(key="type", zh="类型", en="type of alarm", of="rule", bound="types"),
        Tag(key="kind", zh="设备种类", en="kind of the device", bound="kinds that the rule hears"),
        _DRILL,
    ),
    fields=(
        _yes("active", "未解除", "stands"),
        _number("severity", "1", "级别 1 至 4", "as of a case"),
        _yes("life", "生命安全", "life safety"),
        _number("cleared_s", "s", "报警至解除", "raised to cleared"),
        _number("repeats", "1", "重复次数", "how often it came again"),
        _text("case", "案号", "number of its case"),
        _text("device", "设备", "id of the device"),
        *_both("name", "设备名称", "name of the device"),
        _text("place", "地点编号", "id of the place"),
        *_both("place", "地址", "address"),
        *_both("title", "标题", "title"),
        *_both("severity", "级别", "severity"),
    ),
    kept_days=YEARS_2,
)
CARE: Final = Measurement(
    key="care",
    zh="居民的案卷",
    en="cases about a resident, by the resident; only for those who care for them",
    time="as of the case",
    tags=(
        _ONE,
        Tag(key="resident", zh="居民", en="resident", bound="residents"),
        _DRILL,
    ),
    fields=(
        _yes("open", "未结", "open"),
        _number("severity", "1", "级别 1 至 4", "severity: 1 notice, 2 service, 3 urgent, 4 emergency"),
        _yes("merged", "已并案", "merged into another"),
        _number("answered_s", "s", "报警至应答", "raised to answered"),
        _number("arrived_s", "s", "报警至到场", "raised to at the scene"),
        _yes("called_120", "已呼 120/119/110", "an emergency line was called"),
        _text("number", "案号", "number of the case"),
        _text("stage", "阶段", "stage"),
        *_both("title", "标题", "title"),
        *_both("owner", "负责人", "who has it, by role"),
        *_both("cause", "原因", "cause"),
    ),
    kept_days=YEARS_2,
    personal=True,
)
MESSAGE: Final = Measurement(
    key="message",
    zh="消息",
    en="messages to people, once their fate is known",
    time="when it was written, plus a hash in ns",
    tags=(
        _ONE,
        Tag(key="channel", zh="渠道", en="channel", bound="channels"),
        Tag(key="result", zh="结果", en="`delivered`, `failed`, `withdrawn`", bound="3"),
        Tag(key="urgent", zh="紧急", en="urgent: `0`, `1`", bound="2"),
        _DRILL,
    ),
    fields=(
        _number("took_s", "s", "至结果的时间", "until its fate was known"),
        _number("attempts", "1", "尝试次数", "attempts"),
        _text("case", "案号", "number of its case"),
    ),
    kept_days=YEARS_2,
)
COMMAND: Final = Measurement(
    key="command",
    zh="命令",
    en="commands to devices, once their fate is known",
    time="when it was given, plus a hash in ns",
    tags=_around(
        Tag(key="kind", zh="设备种类", en="kind", bound="kinds that obey"),
        Tag(key="command", zh="命令", en="command", bound="commands of the kind"),
        Tag(key="result", zh="结果", en="`delivered` (the device did it), `failed`, `withdrawn`", bound="3"),
        _DRILL,
    ),
    fields=(
        _yes("done", "已执行", "the device did it; not of one that was withdrawn"),
        _number("took_s", "s", "至结果的时间", "until its fate was known"),
        _number("attempts", "1", "尝试次数", "attempts"),
        _text("case", "案号", "number of its case"),
        _text("device", "设备", "id of the device"),
        *_both("name", "设备名称", "name of the device"),
        _text("place", "地点编号", "id of the place"),
        *_both("place", "地址", "address"),
        *_both("says", "命令", "what it was told, in words"),
    ),
    kept_days=YEARS_2,
)
_WELL: Final = (
    _number("devices", "1", "设备数", "devices"),
    _number("silent", "1", "失联", "silent"),
    _number("battery_low", "1", "电量低", "battery low"),
    _number("signal_weak", "1", "信号弱", "signal weak"),
    _number("clock_wrong", "1", "时钟错", "clock wrong"),
    _number("tampered", "1", "被拆动", "tampered with"),
    _number("faulty", "1", "故障", "faulty"),
    _number("maintenance", "1", "维护中", "under maintenance"),
)
FLEET: Final = Measurement(
    key="fleet",
    zh="设备群",
    en="how many devices are well",
    time="every five minutes",
    tags=(
        Tag(key="community", zh="社区", en="community", of="grid", bound="one"),
        Tag(key="grid", zh="网格", en="grid", bound="grids"),
        _GRID_NAME,
        Tag(key="kind", zh="设备种类", en="kind", bound="kinds"),
    ),
    fields=_WELL,
    kept_days=QUARTER,
)
FLEET_GRID: Final = Measurement(
    key="fleet_grid",
    zh="各网格设备",
    en="the same over all kinds of a grid: for courses over days, of which `fleet` has too many series",
    time="every five minutes",
    tags=(
        Tag(key="community", zh="社区", en="community", of="grid", bound="one"),
        Tag(key="grid", zh="网格", en="grid", bound="grids"),
        _GRID_NAME,
    ),
    fields=_WELL,
    kept_days=YEARS_2,
)
PLACE: Final = Measurement(
    key="place",
    zh="地点",
    en="places, and what is open there now",
    time="the day (UTC)",
    tags=(
        Tag(key="place", zh="地点", en="place", bound="places"),
        *(tag for tag in _STAMPS if tag.key in ("community", "grid", "building")),
        Tag(key="role", zh="作用", en="`community`, `grid`, `building`, `home`, `pole` …", of="place", bound="8"),
    ),
    fields=(
        _number("lat", "deg", "纬度 WGS-84", "latitude, WGS-84"),
        _number("lon", "deg", "经度 WGS-84", "longitude, WGS-84"),
        _number("cases", "1", "未结案卷", "cases open, inside it too"),
        _number("cameras", "1", "摄像机", "cameras"),
        _number("cameras_dark", "1", "黑屏摄像机", "cameras that show nothing"),
        _number("state", "1", "0 正常 1 摄像机黑屏 2 有未结案卷", "0 well, 1 a dark camera, 2 an open case"),
        *_both("label", "名称（编号）", "`name (id)`"),
        *_both("name", "名称", "name"),
    ),
    kept_days=QUARTER,
)
PART: Final = Measurement(
    key="part",
    zh="网关部件",
    en="parts of the gateway",
    time="when it was looked at",
    tags=(
        _ONE,
        Tag(key="gateway", zh="网关", en="gateway", bound="gateways"),
        Tag(key="part", zh="部件", en="part", bound="parts of a gateway"),
    ),
    fields=(
        _number("level", "1", "0 正常 1 留意 2 停", "0 well, 1 look, 2 down"),
        *_both("says", "说明", "what it says"),
        *_both("name", "名称", "name"),
    ),
    kept_days=QUARTER,
)
LANE: Final = Measurement(
    key="lane",
    zh="通道",
    en="the two lanes of the gateway",
    time="when it was looked at",
    tags=(
        _ONE,
        Tag(key="gateway", zh="网关", en="gateway", bound="gateways"),
        Tag(key="lane", zh="通道", en="`urgent`, `routine`", bound="2"),
    ),
    fields=(
        _number("backlog", "1", "积压", "waiting for a decision"),
        _number("oldest_s", "s", "最久等待", "since when the oldest waits"),
        _number("received", "1", "收到", "received since the last look"),
        _number("p50_s", "s", "收到至判定，中位", "received to decided, median"),
        _number("p99_s", "s", "收到至判定，99 %", "received to decided, 99 %"),
    ),
    kept_days=QUARTER,
)
LIMIT: Final = Measurement(
    key="limit",
    zh="个人限值",
    en="residents' own limits that hold",
    time="the day (UTC)",
    tags=(
        Tag(key="resident", zh="居民", en="resident", bound="residents with limits"),
        Tag(key="metric", zh="测量值", en="what is limited", bound="their limits"),
        *(
            Tag(key=tag.key, zh=tag.zh, en=tag.en, of="resident", bound=tag.bound)
            for tag in (_COMMUNITY, _GRID, _BUILDING)
        ),
    ),
    fields=(
        _number("low", "1", "下限，单位随测量值", "low limit, in the unit of the metric"),
        _number("high", "1", "上限，单位随测量值", "high limit, in the unit of the metric"),
        _text("set_by", "设定者", "who ordered it, by role"),
    ),
    kept_days=YEARS_2,
    personal=True,
)
SCORE: Final = Measurement(
    key="score",
    zh="评分",
    en="scores of residents",
    time="of the newest sign it is made of",
    tags=(
        Tag(key="resident", zh="居民", en="resident", bound="residents with a monitor"),
        Tag(key="score", zh="评分", en="`news2`", bound="scores that rules reckon"),
        *(
            Tag(key=tag.key, zh=tag.zh, en=tag.en, of="resident", bound=tag.bound)
            for tag in (_COMMUNITY, _GRID, _BUILDING)
        ),
    ),
    fields=(
        _number("total", "1", "总分", "total, where the set is complete"),
        _yes("complete", "齐全", "the set is complete"),
        _number("worst", "1", "单项最高分", "highest of a single sign"),
    ),
    kept_days=QUARTER,
    personal=True,
)
_NAME = Tag(key="name", zh="名称", en="name of the device", of="device", bound="devices")
_STANDS = (_GRID_NAME, *(tag for tag in _STAMPS if tag.key != "resident"))
ROAD: Final = Measurement(
    key="road",
    zh="道路",
    en="how roads flow, reckoned from their counters",
    time="device time",
    tags=(
        _DEVICE,
        _NAME,
        *_STANDS,
        Tag(key="road_class", zh="道路等级", en="class of the road", of="device", bound="3"),
    ),
    fields=(
        _number("level", "1", "畅通度 1 至 5", "level of service: 1 free to 5 severely congested"),
        _number("speed", "km/h", "速度", "speed"),
        _number("flow", "/h", "流量", "flow"),
        _number("occupancy", "%", "占有率", "occupancy"),
        _number("density", "/km", "密度", "density"),
        _number("lasted_s", "s", "距上次", "since the reading before"),
        _number("congested_s", "s", "其中拥堵", "of that congested"),
    ),
    kept_days=YEARS_2,
)
BIN: Final = Measurement(
    key="bin",
    zh="垃圾桶",
    en="how bins fill, reckoned from their readings",
    time="device time",
    tags=(_DEVICE, _NAME, *_STANDS),
    fields=(
        _number("fill", "%", "满溢度", "fill level"),
        _yes("collected", "已清运", "emptied since the reading before"),
        _number("full_s", "s", "已满时长", "full since the reading before"),
        _number("full_in_h", "h", "预计多久满", "full in so many hours"),
    ),
    kept_days=YEARS_2,
)

HAPPENINGS: Final[Mapping[str, Measurement]] = MappingProxyType(
    {
        one.key: one
        for one in (
            *(CASE, ALARM, CARE, MESSAGE, COMMAND),
            *(FLEET, FLEET_GRID, PLACE, PART, LANE, LIMIT, SCORE, ROAD, BIN),
        )
    }
)
"""What is no reading of a device: written by `Store.write_points`."""
MEASUREMENTS: Final[Mapping[str, Measurement]] = MappingProxyType(
    {**{key: of_kind(kind) for key, kind in KINDS.items()}, EVENT.key: EVENT, WAVEFORM.key: WAVEFORM, **HAPPENINGS}
)
"""All there is, by name."""
