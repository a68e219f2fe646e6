"""Write what a store holds into a file, helping by helping, and say what was written."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path

from devices.measurements import MEASUREMENTS
from gateway.store.transfer.files import STDOUT, Format, writing_to
from gateway.store.transfer.row import COLUMN_WORDS, write_time
from gateway.store.transfer.selection import END_MS, MS, Selection
from gateway.store.transfer.source import ROLLED, ROLLED_FIELDS, Source, Tally

Tell = Callable[[float, int], None]
"""How much of all is done, 0 to 1, and how many values that were."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export wrote."""

    tally: Tally
    sha256: str
    """Of the file; empty for standard output."""
    bytes: int


def export(
    source: Source,
    selection: Selection,
    path: Path,
    form: Format,
    *,
    zone: tzinfo,
    compress: bool,
    reserve_bytes: int,
    tell: Tell = lambda _done, _values: None,
) -> Exported:
    """Write ``selection`` into ``path``: whole or not at all.

    Raises StoreUnavailable, OSError, DiskFull, ParquetMissing.
    """
    tally = Tally()
    values = 0
    with writing_to(path, form, zone=zone, compress=compress, reserve_bytes=reserve_bytes) as (writer, guard):
        for helping in source.read(selection):
            guard.look()
            writer.write(helping.points)
            tally.add(helping.points)
            values += sum(len(point.fields) for point in helping.points)
            tell(helping.done, values)
    if path == STDOUT:
        return Exported(tally, "", 0)
    with path.open("rb") as file:
        return Exported(tally, hashlib.file_digest(file, "sha256").hexdigest(), path.stat().st_size)


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a summary says beside the counts."""

    file: str
    form: Format
    community: str
    resident: str
    """Name and id; empty where it is not about one."""
    by: str
    at_ns: int
    store: str
    cases: Sequence[str]
    """Numbers of the cases about the resident."""
    names: Mapping[str, str]
    """Of devices, by id."""


def summary(exported: Exported, selection: Selection, about: About, zone: tzinfo) -> str:
    """A page for people: what the file holds, and what each column and quantity means."""

    def when(at_ns: int) -> str:
        return write_time(at_ns, zone)

    whole = selection.start_ms == 0 and selection.end_ms >= END_MS
    from_, until = when(selection.start_ms * MS), when(min(selection.end_ms, END_MS) * MS)
    lines = [
        "安居 Anju · 数据导出 data export",
        "",
        f"文件 file          {about.file}  ({about.form}, {exported.bytes} B)",
        f"校验 SHA-256       {exported.sha256}",
        f"社区 community     {about.community}",
        *([f"居民 resident      {about.resident}"] if about.resident else []),
        f"时段 range         {'全部 all that is kept' if whole else f'{from_} – {until}'}",
        f"导出 exported      {when(about.at_ns)}，{about.by}，{about.store}",
        "",
        "内容 What it holds",
    ]
    for name, extent in sorted(exported.tally.extents.items()):
        lines.append(
            f"  {_named(name)}: {extent.values} 个数值 values, {extent.points} 个时刻 instants, "
            f"{when(extent.first_ns)} – {when(extent.last_ns)}"
        )
        lines += [
            f"      {_field(name, field)}: {count}" for field, count in sorted(exported.tally.fields[name].items())
        ]
    if not exported.tally.extents:
        lines.append("  没有数据 nothing")
    if exported.tally.devices:
        lines += ["", "设备 Devices"]
        lines += [f"  {device}  {about.names.get(device, '')}".rstrip() for device in sorted(exported.tally.devices)]
    lines += [
        "",
        "各列 Columns" if about.form is not Format.LINE else "线协议 Line protocol: measurement,tags fields time",
    ]
    if about.form is not Format.LINE:
        lines += [f"  {name}: {zh} / {en}" for name, (zh, en) in COLUMN_WORDS.items()]
    lines += [
        f"  标签 tag {ROLLED}: 1m、1h 为每分钟、每小时的汇总（原始读数已过保存期）/",
        "    1m and 1h: a minute or an hour whose readings are not kept any more:",
        f"    {', '.join(f'METRIC.{name}' for name in ROLLED_FIELDS)}",
    ]
    if about.resident:
        lines += [
            "",
            "与本人有关的案卷（报警、处置、通话）另行导出：",
            "Cases about this person (alarms, what was done, calls) are exported one by one:",
            *([f"  anju cases export {number} --pdf" for number in about.cases] or ["  没有 none"]),
        ]
    return "\n".join(lines) + "\n"


def _named(measurement: str) -> str:
    known = MEASUREMENTS.get(measurement)
    return measurement if known is None else f"{measurement}（{known.zh} {known.en}）"


def _field(measurement: str, field: str) -> str:
    known = MEASUREMENTS.get(measurement)
    described = known.field(field.partition(".")[0]) if known is not None else None
    if described is None:
        return field
    return f"{field}（{described.zh} {described.en}{'，' if described.unit else ''}{described.unit}）"
