"""Devices as a table for Excel: written so that nothing in it runs, read as Excel and people write it.

A table that was written and is read again changes nothing. A column that is left out leaves what is there as it is; a
cell that is empty takes the value away.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from gateway.registry.desk import Refused, read_device
from gateway.registry.model import Device
from gateway.rules.forms import Fact

BYTES_MOST = 10_000_000
ROWS_MOST = 20_000
_TEXT_COLUMNS = ("profile", "bridge", "address", "serial", "status", "resident", "via")
COLUMNS: Mapping[str, tuple[str, str]] = {
    "id": ("编号", "the device's id; required"),
    "kind": ("种类", "such as smoke; required for a new device"),
    "place": ("地点", "id of its place; required for a new device"),
    "resident": ("居民", "id of the resident it serves"),
    "name_zh": ("名称", "its own name, Chinese"),
    "name_en": ("英文名", "its own name, English; the Chinese one where it is left out"),
    "profile": ("协议", "native where it is left out"),
    "bridge": ("网桥", "id of its bridge"),
    "address": ("地址", "what the hardware calls itself"),
    "serial": ("序列号", "the maker's serial number"),
    "supervision_s": ("监督秒数", "its longest healthy silence in seconds"),
    "status": ("状态", "active or retired"),
    "options": ("选项", "what its profile must know: key=value; key=value"),
    "via": ("经由", "id of the device that carries it: a concentrator, a modem"),
    "attributes": ("属性", "what rules may know of it: name=value; name=value"),
}
"""Column → its Chinese name, which is read too, and what it holds."""
_NUMBER = re.compile(r"-?\d{1,17}(\.\d{1,25})?(e[+-]?\d{1,3})?", re.I)
_NAMES = {alias.lower(): name for name, (zh, _) in COLUMNS.items() for alias in (name, zh)}


@dataclass(frozen=True, slots=True)
class RowFault:
    """What is wrong in a table, by row and column as a spreadsheet counts and names them."""

    row: int
    """From 1, which is the header; 0 for the table as a whole."""
    column: str
    value: str
    zh: str
    en: str
    """What was expected, what was found, what to do."""

    def __str__(self) -> str:
        where = f"第 {self.row} 行 row {self.row}" if self.row else "表格 table"
        at = f", {self.column}" if self.column else ""
        found = f' "{self.value}"' if self.value else ""
        return f"{where}{at}{found}: {self.zh} {self.en}"


class TableRefused(Exception):
    """A table that is not taken, with every reason."""

    def __init__(self, faults: Sequence[RowFault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(map(str, faults)))


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table: column → cell."""

    number: int
    cells: Mapping[str, str]

    @property
    def id(self) -> str:
        """The device's id; empty where the cell is."""
        return self.cells.get("id", "")


# -- writing


def write_table(devices: Iterable[Device]) -> str:
    """The devices as CSV (RFC 4180) with a byte order mark, without which Excel takes Chinese for something else."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for device in devices:
        cells = _cells(device)
        writer.writerow(_disarmed(cells[name]) for name in COLUMNS)
    return "\ufeff" + out.getvalue()


def _cells(device: Device) -> dict[str, str]:
    name = device.name
    return {
        "id": device.id,
        "kind": device.kind,
        "place": device.place,
        "name_zh": name.zh if name is not None else "",
        "name_en": name.en if name is not None else "",
        "supervision_s": "" if device.supervision_s is None else str(device.supervision_s),
        "options": _options_cell(device.options),
        "attributes": attributes_cell(device.attributes),
        **{column: getattr(device, column) or "" for column in _TEXT_COLUMNS},
    }


def _disarmed(cell: str) -> str:
    """A cell that begins like a formula is text all the same; `_armed` takes the apostrophe away again."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "'")) or cell != cell.strip() else cell


def _armed(cell: str) -> str:
    return cell[1:] if cell.startswith("'") else cell.strip()


def _options_cell(options: Mapping[str, str]) -> str:
    plain = "; ".join(f"{key}={value}" for key, value in sorted(options.items()))
    return plain if _pairs(plain) == options else json.dumps(options, ensure_ascii=False)


def attributes_cell(attributes: Mapping[str, Fact]) -> str:
    """Numbers and true or false as they are; a text that looks like one of them in quotation marks."""
    pairs = {name: _fact_cell(value) for name, value in sorted(attributes.items())}
    plain = "; ".join(f"{name}={text}" for name, text in pairs.items())
    return plain if _pairs(plain) == pairs else json.dumps(attributes, ensure_ascii=False)


def _fact_cell(value: Fact) -> str:
    if isinstance(value, str):
        return value if fact_of(value) == value else json.dumps(value, ensure_ascii=False)
    return json.dumps(value) if isinstance(value, bool) else repr(value).removesuffix(".0")


def fact_of(text: str) -> Fact:
    """A number, true or false, or a text, as people write them; in quotation marks a text, whatever it looks like."""
    if _NUMBER.fullmatch(text):
        return float(text)
    if text.lower() in ("true", "false"):  # Excel writes them in capitals
        return text.lower() == "true"
    if text.startswith('"'):
        with suppress(ValueError):
            return str(json.loads(text))
    return text


# -- reading


def read_table(data: bytes) -> list[Row]:
    """The rows of a table. Raises TableRefused for what is no table of devices.

    Read are UTF-8 (with or without its mark), UTF-16 and GBK; commas, semicolons and tabs between the cells.
    """
    if len(data) > BYTES_MOST:
        raise TableRefused([_of_table("文件过大", f"expected at most {BYTES_MOST // 1_000_000} MB; split it")])
    text = _decoded(data)
    if "\0" in text:
        raise TableRefused([_of_table("不是 CSV 文件", "expected CSV; in Excel: save as CSV UTF-8")])
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    try:
        lines = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise TableRefused([_of_table("不是有效的 CSV", f"expected CSV (RFC 4180): {error}")]) from None
    if not lines:
        raise TableRefused([_of_table("表格为空", f"empty; expected a header: {', '.join(COLUMNS)}")])
    header = _header(lines[0])
    rows = [
        Row(number, {name: _armed(cell) for name, cell in zip(header, line, strict=False) if name})
        for number, line in enumerate(lines[1:], 2)
        if any(cell.strip() for cell in line)
    ]
    if len(rows) > ROWS_MOST:
        raise TableRefused([_of_table("行数过多", f"expected at most {ROWS_MOST} rows, found {len(rows)}; split it")])
    too_long = [
        RowFault(
            number,
            "",
            "",
            "单元格过多",
            f"expected {len(header)} cells, found {len(line)}; put cells with commas in quotes",
        )
        for number, line in enumerate(lines[1:], 2)
        if len(line) > len(header) and any(cell.strip() for cell in line[len(header) :])
    ]
    if too_long:
        raise TableRefused(too_long)
    return rows


def _decoded(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings: tuple[str, ...] = ("utf-16",)
    else:
        encodings = ("utf-8-sig", "gb18030")  # gb18030 reads all that Excel writes as GBK or GB 2312
    for encoding in encodings:
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise TableRefused([_of_table("编码无法识别", "expected UTF-8, UTF-16 or GBK; in Excel: save as CSV UTF-8")])


def _header(cells: Sequence[str]) -> list[str]:
    found = [_NAMES.get(cell.strip().lower(), "") for cell in cells]
    faults = [
        RowFault(1, "", cell, "未知的列", f"unknown column; expected one of {', '.join(COLUMNS)}")
        for cell, name in zip(cells, found, strict=True)
        if cell.strip() and not name
    ]
    faults += [
        RowFault(1, name, "", "列重复", "the column stands there twice")
        for name in dict.fromkeys(found)
        if name and found.count(name) > 1
    ]
    if "id" not in found:
        faults.append(RowFault(1, "id", "", "缺少编号列", "missing; the column id is needed"))
    if faults:
        raise TableRefused(faults)
    return found


def _of_table(zh: str, en: str) -> RowFault:
    return RowFault(0, "", "", zh, en)


def device_of(row: Row, known: Mapping[str, Device]) -> Device:
    """The device that a row describes; ``known``: the devices as they are. Raises TableRefused."""
    cells = row.cells
    faults = [
        RowFault(row.number, column, cell, "已被 Excel 改成科学计数", "Excel has changed it: format the column as text")
        for column, cell in cells.items()
        if column in ("id", "address", "serial") and re.fullmatch(r"\d(\.\d+)?E\+\d+", cell, re.I)
    ]
    if faults:
        raise TableRefused(faults)
    before = known.get(row.id)
    given: dict[str, Any] = before.model_dump(exclude_none=True) if before is not None else {}
    for column in ("id", "kind", "place", "supervision_s", *_TEXT_COLUMNS):
        if column in cells:
            _set(given, column, cells[column])
    _name(given, cells)
    if "options" in cells:
        given["options"] = _options(row, cells["options"])
    if "attributes" in cells:
        given["attributes"] = _attributes(row, cells["attributes"])
    if "supervision_s" in given and str(given["supervision_s"]).isdecimal():
        given["supervision_s"] = int(given["supervision_s"])
    try:
        return read_device(given)
    except Refused as refused:
        at = [(one, "attributes" if one.field.startswith("attributes.") else one.field) for one in refused.faults]
        faults = [RowFault(row.number, column, cells.get(column, ""), one.zh, one.en) for one, column in at]
        raise TableRefused(faults) from None


def _set(given: dict[str, Any], column: str, cell: str) -> None:
    if cell:
        given[column] = cell
    else:
        given.pop(column, None)


def _name(given: dict[str, Any], cells: Mapping[str, str]) -> None:
    before = given.get("name") or {}
    zh, en = (cells.get(f"name_{language}", before.get(language, "")) for language in ("zh", "en"))
    if zh or en:
        given["name"] = {"zh": zh or en, "en": en or zh}
    else:
        given.pop("name", None)


def _options(row: Row, cell: str) -> dict[str, str]:
    found: object = _pairs(cell)
    if cell.startswith("{"):
        with suppress(ValueError):
            found = json.loads(cell)
    if isinstance(found, dict) and all(isinstance(value, str) for value in found.values()):
        return found
    en = "expected key=value; key=value (or a JSON object of texts)"
    raise TableRefused([RowFault(row.number, "options", cell, "选项写法不对", en)])


def _attributes(row: Row, cell: str) -> dict[str, Any]:
    if cell.startswith("{"):
        with suppress(ValueError):
            found = json.loads(cell)
            if isinstance(found, dict):
                return found
    pairs = _pairs(cell)
    if pairs is None:
        en = "expected name=value; name=value (or a JSON object)"
        raise TableRefused([RowFault(row.number, "attributes", cell, "属性写法不对", en)])
    return {name: fact_of(text) for name, text in pairs.items()}


def _pairs(cell: str) -> dict[str, str] | None:
    """``key=value; key=value``; None for what is written otherwise."""
    options: dict[str, str] = {}
    for pair in filter(str.strip, cell.split(";")):
        key, equals, value = pair.partition("=")
        if not equals or not key.strip():
            return None
        options[key.strip()] = value.strip()
    return options
