"""Line protocol, CSV and Parquet: what was written is read back, and what is no point is told by line and reason."""

from __future__ import annotations

import io
import math
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.store.line_protocol import point_line
from gateway.store.points import LAST_MS, screen_point
from gateway.store.protocol import Point
from gateway.store.transfer.csv_rows import CsvWriter, read_csv
from gateway.store.transfer.line_reader import Line, Refused, parse_line, read_lines
from gateway.store.transfer.parquet_rows import ParquetWriter, read_parquet
from gateway.store.transfer.row import read_time, write_time
from tests.support.stores import START_MS

BEIJING = ZoneInfo("Asia/Shanghai")

names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12) | st.sampled_from(
    ["=1+1", "@x", "a b", "a,b", "a=b", 'a"b', "'q", "-", "#x", "门", "\\", "a\\", ",", "tags", "device", "resident"]
)
texts = st.text(st.characters(codec="utf-8"), max_size=30) | st.sampled_from(
    ['"', '\\"', "\n", "a\r\nb", "\\", "=1", ""]
)
raw_points = st.builds(
    Point,
    measurement=names,
    tags=st.dictionaries(names, names, max_size=4),
    fields=st.dictionaries(names, st.floats(allow_nan=False, allow_infinity=False) | texts, min_size=1, max_size=4),
    at_ns=st.integers(min_value=0, max_value=LAST_MS * 1_000_000),
)


@st.composite
def lists_of_points(draw: st.DrawFn) -> list[Point]:
    """Points that a store would hold."""
    screened = (screen_point(point)[0] for point in draw(st.lists(raw_points, max_size=5)))
    return [point for point in screened if point is not None]


def of(lines: list[Line]) -> list[Point]:
    assert [line.reason for line in lines if line.point is None] == []
    return [line.point for line in lines if line.point is not None]


def merged(points: list[Point]) -> list[Point]:
    """Neighbours that are one point and share no field stand as one in a table."""
    found: list[Point] = []
    for point in points:
        last = found[-1] if found else None
        same = last is not None and (last.measurement, last.tags, last.at_ns) == (
            point.measurement,
            point.tags,
            point.at_ns,
        )
        if last is not None and same and not last.fields.keys() & point.fields.keys():
            both = dict(last.fields) | dict(point.fields)
            found[-1] = Point(measurement=point.measurement, tags=point.tags, fields=both, at_ns=point.at_ns)
        else:
            found.append(point)
    return found


@given(lists_of_points())
def test_line_protocol_is_read_as_it_was_written(points: list[Point]) -> None:
    text = "".join(f"{point_line(point)}\n" for point in points)
    assert of(list(read_lines(text.split("\n")))) == points


@given(lists_of_points())
def test_csv_is_read_as_it_was_written(points: list[Point]) -> None:
    file = io.StringIO(newline="")
    CsvWriter(file, BEIJING).write(points)
    file.seek(0)
    assert of(list(read_csv(file))) == merged(points)


@settings(max_examples=15, deadline=None)
@given(points=lists_of_points())
def test_parquet_is_read_as_it_was_written(points: list[Point], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("parquet") / "it's.parquet"
    writer = ParquetWriter(path)
    writer.write(points)
    writer.close()
    assert of(list(read_parquet(path))) == merged(points)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@given(st.text(max_size=60))
def test_any_line_is_a_point_or_is_refused_with_a_reason(text: str) -> None:
    for line in read_lines(text.split("\n")):
        assert (line.point is None) == bool(line.reason)
        if line.point is not None:
            assert line.point.fields and all(
                isinstance(v, str) or math.isfinite(v) or v for v in line.point.fields.values()
            )


@given(st.integers(min_value=0, max_value=LAST_MS * 1_000_000))
def test_a_time_is_read_as_it_was_written(at_ns: int) -> None:
    assert read_time(write_time(at_ns, BEIJING)) == at_ns


def test_what_others_write() -> None:
    point, converted = parse_line(
        'cpu\\ load,host=a\\,b,dc=x\\=y  busy=3i,up=t,name="a \\"b\\" \\\\ c",free=1.5e-3 17', 1_000
    )
    assert point.measurement == "cpu load" and point.tags == {"host": "a,b", "dc": "x=y"}
    assert point.fields == {"busy": 3.0, "up": 1.0, "name": 'a "b" \\ c', "free": 0.0015}
    assert (point.at_ns, converted) == (17_000, 2)


BAD = [
    ("m", "expected fields"),
    ("m f=1", "has no time"),
    ("m f=1 12x", "whole number"),
    ("m f=one 1", "'one'"),
    ("m f=nan 1", "'nan'"),
    ("m,t f=1 1", "expected ="),
    ("m,t= f=1 1", "a value of tag 't'"),
    ("m,t=1,t=2 f=1 1", "stands twice"),
    ("m f=1,f=2 1", "stands twice"),
    (",t=1 f=1 1", "a measurement"),
    ('m f="open 1', "opened and not closed"),
]


@pytest.mark.parametrize(("line", "why"), BAD)
def test_a_line_that_is_none_says_why(line: str, why: str) -> None:
    found = list(read_lines(["ok f=1 1", line, "# a comment", "", "ok f=2 2"]))
    assert [(one.number, one.point is not None) for one in found] == [(1, True), (2, False), (5, True)]
    assert why in found[1].reason


def test_an_open_quotation_mark_takes_no_other_line_with_it() -> None:
    found = list(read_lines(['m f="never closed 1', 'm g="one" 2', 'm h="two', 'lines" 3']))
    assert [(one.number, one.point.fields if one.point else None) for one in found] == [
        (1, None),
        (2, {"g": "one"}),
        (3, {"h": "two\nlines"}),
    ]


def test_rows_of_a_table_are_judged_one_by_one() -> None:
    table = "\ufeffTime,measurement,device,field,number\n2026-10-01T08:30:00+08:00,smoke,s-1,battery,81\n"
    table += "2026-10-01T08:30:00,smoke,s-1,battery,81\n2026-10-01T00:31:00Z,smoke,s-1,battery,many\n"
    table += "2026-10-01T00:31:00Z,smoke,s-1,battery\n2026-10-01T00:32:00.5Z,smoke,s-1,battery,80\n"
    found = list(read_csv(io.StringIO(table, newline="")))
    assert [one.number for one in found if one.point is None] == [3, 4, 5]
    good = of([one for one in found if one.point is not None])
    assert [(p.at_ns, p.tags, p.fields) for p in good] == [
        (1_790_814_600_000_000_000, {"device": "s-1"}, {"battery": 81.0}),
        (1_790_814_720_500_000_000, {"device": "s-1"}, {"battery": 80.0}),
    ]
    with pytest.raises(Refused, match="measurement, number, time"):
        list(read_csv(io.StringIO("when,what,field\n")))


def test_no_cell_is_a_formula() -> None:
    file = io.StringIO(newline="")
    hostile = Point(
        measurement="case", tags={"device": "=cmd|' /C calc'!A0"}, fields={"@t": "+1", "-n": -1.5}, at_ns=START_MS
    )
    CsvWriter(file, BEIJING).write([hostile])
    cells = [cell for line in file.getvalue().splitlines()[1:] for cell in line.split(",")]
    assert [cell for cell in cells if cell.strip('"').startswith(("=", "+", "@"))] == []
    file.seek(0)
    assert of(list(read_csv(file))) == [hostile]


def test_a_parquet_file_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_bytes(b"PAR1 and nothing else")
    with pytest.raises(Refused, match="no Parquet"):
        list(read_parquet(tmp_path / "x.parquet"))
