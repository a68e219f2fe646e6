"""``python -m devices.telemetry_document``: write docs/telemetry-schema.md, every measurement with its tags and fields.

With ``--check`` it writes nothing and ends with an error where the page differs from the code.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from devices.kind import Kind
from devices.kinds import KINDS
from devices.measurements import EVENT, HAPPENINGS, WAVEFORM, of_kind
from devices.telemetry import Field, Measurement

PAGE = Path(__file__).parents[1] / "docs" / "telemetry-schema.md"


def page() -> str:
    """The whole page."""
    readings = [
        (f"`{kind.key}`", kind.zh, kind.en, f"[{len(kind.metrics)}](protocol.md#{_anchor(_heading(kind))})")
        for kind in KINDS.values()
    ]
    parts = [
        "# Telemetry, measurement by measurement 遥测数据表",
        "Generated from `devices/measurements.py` by `make docs`; do not edit. How it is stored, kept and written: "
        "[telemetry.md](telemetry.md).",
        "A tag that *follows* from another makes no series of its own. A field whose name ends in `_zh` or `_en` is "
        "text for people, the same in both languages. Numbers are floats, with their UCUM unit; `1` is a count, a "
        "share or yes and no.",
        "## Readings 设备读数",
        "One measurement for each kind of device; its fields are the kind's metrics, in the units of the "
        "[catalogue](protocol.md#the-kinds). Tags of all of them:",
        _tags(of_kind(next(iter(KINDS.values())))),
        _table(("measurement", "中文", "English", "fields"), readings),
        *(part for one in (EVENT, WAVEFORM) for part in _section(one)),
        "## What people and the gateway did 处置与运行",
        "Written by `Store.write_points`, and corrected as things go on: measurement, tags and time are a point's "
        "identity.",
        *(part for one in HAPPENINGS.values() for part in _section(one)),
    ]
    return "\n\n".join(parts) + "\n"


def _heading(one: Kind | Measurement) -> str:
    """Also of a kind in protocol.md (`devices.document`)."""
    return f"`{one.key}` {one.zh} · {one.en}"


def _anchor(heading: str) -> str:
    """As GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _section(one: Measurement) -> list[str]:
    kept = f"Time: {one.time}. Embedded store: kept {one.kept_days} days."
    return [
        f"### {_heading(one)}",
        kept + (" Personal." if one.personal else ""),
        _tags(one),
        _table(("field", "unit", "中文", "English"), _fields(one.fields)),
    ]


def _tags(one: Measurement) -> str:
    rows = [(f"`{tag.key}`", tag.zh, tag.en, f"follows from `{tag.of}`" if tag.of else tag.bound) for tag in one.tags]
    return _table(("tag", "中文", "English", "bounded by"), rows)


def _fields(fields: Sequence[Field]) -> Iterable[tuple[str, str, str, str]]:
    """A text in both languages is one row."""
    keys = {field.key for field in fields}
    for field in fields:
        base, _, language = field.key.rpartition("_")
        if field.text and language == "en" and f"{base}_zh" in keys:
            continue
        pair = field.text and language == "zh" and f"{base}_en" in keys
        name = f"`{base}_zh`, `{base}_en`" if pair else f"`{field.key}`"
        yield name, f"`{field.unit}`" if field.unit else "text", field.zh, field.en


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def main() -> None:
    """Write docs/telemetry.md; with ``--check``, exit with an error where it differs."""
    made = page()
    if "--check" in sys.argv:
        if PAGE.read_text(encoding="utf-8") != made:
            raise SystemExit(f"{PAGE.name} differs from the code: run `make docs`")
        return
    PAGE.write_text(made, encoding="utf-8")


if __name__ == "__main__":
    main()
