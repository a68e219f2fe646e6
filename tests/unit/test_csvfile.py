"""Devices as a table: what was written changes nothing when it is read; what people and Excel write is understood."""

from __future__ import annotations

import csv
import io
import keyword

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.registry.csvfile import COLUMNS, Row, TableRefused, device_of, read_table, write_table
from gateway.registry.facts import same_attributes
from gateway.registry.model import Device
from gateway.registry.values import Text

HEADER = "id,kind,place\n"
SMOKE = Device(
    id="smoke-1",
    kind="smoke",
    place="b3",
    resident="li",
    serial="A1",
    address="smoke-7F",
    supervision_s=900,
    name=Text(zh="厨房", en="kitchen"),
)


def read(data: str | bytes, *known: Device) -> list[Device]:
    rows = read_table(data.encode() if isinstance(data, str) else data)
    return [device_of(row, {device.id: device for device in known}) for row in rows]


def faults(data: str | bytes, *known: Device) -> list[str]:
    with pytest.raises(TableRefused) as refused:
        read(data, *known)
    assert all(fault.zh for fault in refused.value.faults)
    return [f"{fault.row} {fault.column}: {fault.en}" for fault in refused.value.faults]


# A text in a cell: what a registry can hold, with what CSV, Excel and our own notation find hard.
_LINE = st.text(st.characters(blacklist_categories=("Cc", "Cs")), min_size=1, max_size=40) | st.sampled_from(
    [
        "=1+1",
        "+86",
        "-1",
        "@x",
        "'quoted",
        '"',
        ",",
        ";",
        "a;b=c",
        " outer ",
        '1,2"3',
        "\u2028",
        "{",
        "{}",
        "=cmd|' /C calc'!A0",
    ]
)
_NAMES = st.builds(Text, zh=_LINE, en=_LINE)
_ATTRIBUTE = st.from_regex(r"^[a-z][a-z0-9_]{0,20}\Z").filter(
    lambda name: not (keyword.iskeyword(name) or name in Device.model_fields)
)
_FACT = (
    st.booleans()
    | st.floats(allow_nan=False, allow_infinity=False)
    | _LINE
    | st.sampled_from(["", "true", "False", "1", "-0", "007", "1e3", '"1"', '"', "nan", "Infinity"])
)
_NATIVE = st.builds(
    Device,
    id=st.from_regex(r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,20}\Z"),
    kind=st.sampled_from(["smoke", "sos_button", "camera"]),
    place=st.from_regex(r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,20}\Z"),
    serial=_LINE | st.just(""),
    address=st.none() | st.from_regex(r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,20}\Z"),
    resident=st.none() | st.just("li"),
    supervision_s=st.none() | st.integers(10, 604_800),
    status=st.sampled_from(["active", "retired"]),
    name=st.none() | _NAMES,
    via=st.none() | st.just("hub-1"),
    attributes=st.dictionaries(_ATTRIBUTE, _FACT, max_size=4),
)
_GEAR = st.builds(
    lambda device, address, options: device.model_copy(
        update={"kind": "camera", "profile": "frigate", "bridge": "nvr", "address": address, "options": options}
    ),
    _NATIVE,
    _LINE,
    st.dictionaries(_LINE, _LINE | st.just(""), max_size=3),
)


@given(st.lists(_NATIVE | _GEAR, max_size=5, unique_by=lambda device: device.id))
def test_what_was_written_is_read_as_it_was(devices: list[Device]) -> None:
    rows = read_table(write_table(devices).encode())
    assert [row.id for row in rows] == [device.id for device in devices]
    for row, device in zip(rows, devices, strict=True):
        known = {device.id: device.model_copy(update={"options": {}})}
        if device.options:  # the profile has no such options: what stands in the cell is looked at itself
            with pytest.raises(TableRefused, match="unknown option"):
                device_of(row, known)
        else:
            for read_again in (device_of(row, known), device_of(row, {})):
                assert read_again == device
                assert same_attributes(read_again.attributes, device.attributes)


@given(st.lists(_NATIVE | _GEAR, min_size=1, max_size=3))
def test_no_cell_is_a_formula(devices: list[Device]) -> None:
    for line in csv.reader(io.StringIO(write_table(devices).removeprefix("\ufeff"), newline="")):
        assert not [cell for cell in line if cell.startswith(("=", "+", "-", "@"))]


@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda text: f"id,kind\n{text}".encode()))
def test_any_bytes_are_a_table_or_refused_with_the_reason(data: bytes) -> None:
    try:
        rows = read_table(data)
    except TableRefused as refused:
        assert refused.faults
        return
    for row in rows:
        try:
            device_of(row, {})
        except TableRefused as refused:
            assert all(fault.row == row.number for fault in refused.faults)


def test_the_table_has_a_mark_for_excel_and_a_column_for_every_field() -> None:
    text = write_table([SMOKE])
    assert text.splitlines() == [
        "\ufeffid,kind,place,resident,name_zh,name_en,profile,bridge,address,serial,supervision_s,status,options,"
        "via,attributes",
        "smoke-1,smoke,b3,li,厨房,kitchen,native,,smoke-7F,A1,900,active,,,",
    ]
    held = {column.partition("_")[0] if column.startswith("name") else column for column in COLUMNS}
    assert held == set(Device.model_fields)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_as_excel_writes_it(encoding: str, delimiter: str) -> None:
    text = "编号,种类,地点,名称\r\n s-1 ,smoke,b3,门厅\r\n,,,\r\n".replace(",", delimiter)
    (device,) = read(text.encode(encoding))
    assert device == Device(id="s-1", kind="smoke", place="b3", name=Text(zh="门厅", en="门厅"))


def test_a_column_that_is_left_out_stays_and_an_empty_cell_takes_away() -> None:
    (kept,) = read("id,supervision_s\nsmoke-1,600\n", SMOKE)
    assert kept == SMOKE.model_copy(update={"supervision_s": 600})
    (less,) = read("id,resident,name_zh,name_en,supervision_s\nsmoke-1,,,,\n", SMOKE)
    assert (less.resident, less.name, less.supervision_s, less.serial) == (None, None, None, "A1")
    (renamed,) = read("id,name_zh\nsmoke-1,客厅\n", SMOKE)
    assert renamed.name == Text(zh="客厅", en="kitchen")


def test_attributes_are_numbers_true_or_false_and_texts_as_people_write_them() -> None:
    text = 'id,attributes\nsmoke-1,"role=front_door; floor=-3; armed=TRUE; wing= north ; room=""007"""\n'
    (read_one,) = read(text, SMOKE)
    assert read_one.attributes == {"role": "front_door", "floor": -3, "armed": True, "wing": "north", "room": "007"}
    assert read_one.attributes["armed"] is True
    assert "role=front_door" in write_table([read_one])
    (none,) = read("id,attributes\nsmoke-1,\n", read_one)
    assert none.attributes == {}
    (as_json,) = read('id,attributes\nsmoke-1,"{""note"": ""a;b=c""}"\n', SMOKE)
    assert as_json.attributes == {"note": "a;b=c"}


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("armed", "2 attributes: expected name=value; name=value"),
        ("{armed}", "2 attributes: expected name=value; name=value"),
        ("Armed=true", "2 attributes: expected a name of a to z"),
        ("kind=smoke", "2 attributes: attribute 'kind' is called like a key of the entry itself"),
        ("n=1e999", "2 attributes: expected a finite number"),
    ],
)
def test_attributes_that_are_none_are_named_with_their_row(cell: str, said: str) -> None:
    (fault,) = faults(f"id,attributes\nsmoke-1,{cell}\n", SMOKE)
    assert fault.startswith(said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "0 : empty; expected a header"),
        ("id,kind,room\n", "1 : unknown column; expected one of id, kind, place"),
        ("id,kind,编号\n", "1 id: the column stands there twice"),
        ("kind,place\nsmoke,b3\n", "1 id: missing; the column id is needed"),
        (HEADER + "s-1,smoke,b3,more\n", "2 : expected 3 cells, found 4; put cells with commas in quotes"),
        (HEADER + 's-1,"smoke,b3\n', "0 : expected CSV (RFC 4180)"),
        (HEADER + "s-1,smok,b3\n", '2 kind: unknown kind "smok"; expected one of'),
        (HEADER + "s-1,,b3\n", "2 kind: missing; add kind"),
        (HEADER + "s 1,smoke,b3\n", "2 id: expected an id of letters"),
        ("id,kind,place,supervision_s\ns-1,smoke,b3,soon\n", "2 supervision_s: expected a whole number"),
        ("id,kind,place,supervision_s\ns-1,smoke,b3,5\n", "2 supervision_s: expected at least 10, found 5"),
        ("id,kind,place,serial\ns-1,smoke,b3,1.23457E+17\n", "2 serial: Excel has changed it"),
        ("id,kind,place,options\ns-1,smoke,b3,fast\n", "2 options: expected key=value"),
        ("id,kind,place,profile\ns-1,smoke,b3,zigbe\n", "2 profile: unknown profile"),
    ],
)
def test_a_fault_names_row_column_value_and_what_was_expected(text: str, said: str) -> None:
    assert faults(text)[0].startswith(said)


def test_what_is_no_table_is_refused() -> None:
    assert faults(b"PK\x03\x04\x00\x00xl/workbook.xml") == ["0 : expected CSV; in Excel: save as CSV UTF-8"]
    assert faults(b"id\n\xff\xff\xff") == ["0 : expected UTF-8, UTF-16 or GBK; in Excel: save as CSV UTF-8"]
    assert faults(b"x" * 10_000_001) == ["0 : expected at most 10 MB; split it"]
    assert faults("id\n" + "a\n" * 20_001)[0].startswith("0 : expected at most 20000 rows, found 20001")


def test_rows_are_counted_as_the_spreadsheet_counts_them() -> None:
    rows = read_table(b"id,kind\na,smoke\n\n,\nb,smoke\n")
    assert rows == [Row(2, {"id": "a", "kind": "smoke"}), Row(5, {"id": "b", "kind": "smoke"})]
