"""Where history comes from: what becomes an observation, in which order, and what is said of a row that is wrong."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable
from pathlib import Path

import pytest

from devices.kinds import KINDS
from devices.observation import Lane, Observation, Waveform
from gateway.backtest.model import BadRow
from gateway.backtest.sources.csv_source import CsvHistory
from gateway.backtest.sources.history import History, HistoryError, Within
from gateway.backtest.sources.journal_source import JournalHistory
from gateway.backtest.sources.lines_source import LinesHistory
from gateway.backtest.sources.ordering import in_order
from gateway.backtest.sources.store_source import StoreHistory
from gateway.journal.view import JournalView
from gateway.settings import Settings
from gateway.store.embedded import EmbeddedStore
from gateway.store.line_protocol import lines
from gateway.store.past import open_past
from tests.support.history import BEIJING, at, clock, journal_of, said
from tests.support.journal import HandClock

ALL = Within(None, None)
REGISTERED = {"sos-1": "sos_button", "vitals-1": "vitals_monitor", "smoke-1": "smoke"}


def heard(history: History) -> list[tuple[str, str, str | None, dict[str, float]]]:
    return [(clock(one.received_at_ms), one.device, one.event, one.metrics) for one in history.observations()]


def wrong(history: History) -> list[tuple[int, str, str, str]]:
    list(history.observations())
    return [(bad.line, bad.column, bad.found, bad.expected) for bad in history.findings.bad]


# --- the journal ------------------------------------------------------------------------------------------------------


def test_the_journals_lanes_are_merged_in_the_order_of_receipt(tmp_path: Path) -> None:
    history = [
        said("10-01 08:00:00", "vitals-1", spo2=97),
        said("10-01 08:00:02", "sos-1", "press"),
        said("10-01 08:00:02", "vitals-1", spo2=96),
        said("10-01 08:00:01", "vitals-1", spo2=95, late_s=3),
        said("10-01 08:00:03", "smoke-1", "smoke"),
    ]
    journal = JournalHistory(journal_of(tmp_path, history), ALL)
    assert heard(journal) == [
        ("10-01 08:00:00", "vitals-1", None, {"spo2": 97}),
        ("10-01 08:00:02", "sos-1", "press", {}),  # of one moment the urgent first
        ("10-01 08:00:02", "vitals-1", None, {"spo2": 96}),
        ("10-01 08:00:03", "smoke-1", "smoke", {}),
        ("10-01 08:00:04", "vitals-1", None, {"spo2": 95}),
    ]
    assert heard(JournalHistory(tmp_path, Within(at("10-01 08:00:03"), at("10-01 08:00:03")))) == [
        ("10-01 08:00:03", "smoke-1", "smoke", {})
    ]


def test_a_part_of_the_journal_is_found_without_reading_all_of_it(tmp_path: Path) -> None:
    hours = [said(f"10-{day:02} {hour:02}:00", "vitals-1", spo2=97) for day in range(1, 11) for hour in range(24)]
    directory = journal_of(tmp_path, hours)
    view = JournalView(directory)
    try:
        assert view.first_received_ms(Lane.ROUTINE) == at("10-01 00:00")
        assert view.first_received_ms(Lane.URGENT) is None
        assert view.position_before(Lane.ROUTINE, at("10-03 00:00")) == 48
        assert view.position_before(Lane.ROUTINE, at("10-02 23:30")) == 48
        assert view.position_before(Lane.ROUTINE, 0) == view.position_before(Lane.URGENT, at("10-03 00:00")) == 0
        assert view.position_before(Lane.ROUTINE, at("12-01 00:00")) == 240
    finally:
        view.close()
    journal = JournalHistory(directory, Within(at("10-03 00:00"), at("10-03 23:00")))
    assert len(heard(journal)) == 24 == journal.findings.rows
    assert journal.notes() == []
    earlier = JournalHistory(directory, Within(at("09-01 00:00"), None))
    assert len(heard(earlier)) == 240
    assert [note.code for note in earlier.notes()] == ["journal_begins_later"]


def test_no_journal_is_said_in_words(tmp_path: Path) -> None:
    with pytest.raises(HistoryError, match="no gateway has run with this data directory"):
        list(JournalHistory(tmp_path, ALL).observations())


# --- CSV --------------------------------------------------------------------------------------------------------------


def csv(directory: Path, text: str, within: Within = ALL) -> CsvHistory:
    path = directory / "history.csv"
    path.write_bytes(text.encode())
    return CsvHistory(path, within, BEIJING, REGISTERED.get)


def test_a_table_as_a_spreadsheet_saves_it(tmp_path: Path) -> None:
    table = csv(
        tmp_path,
        "\ufefftime,device,kind,event,spo2,pulse\r\n"
        "2026-10-01 08:00,vitals-1,,,97,70\r\n"
        "2026-10-01T00:00:30Z,sos-1,sos_button,press,,\r\n"  # 08:00:30 in Beijing
        f"{at('10-01 08:01')},vitals-1,vitals_monitor,,88,\r\n"
        "\r\n"
        '"2026-10-01T08:02:00.250+08:00","kitchen",smoke,,,\r\n',
    )
    assert heard(table) == [
        ("10-01 08:00:00", "vitals-1", None, {"spo2": 97, "pulse": 70}),
        ("10-01 08:00:30", "sos-1", "press", {}),
        ("10-01 08:01:00", "vitals-1", None, {"spo2": 88}),
    ]
    assert wrong(table)[-1] == (6, "", "", "an event, or a value of at least one metric")


def test_rows_in_any_order_come_in_the_order_of_time_and_within_what_was_asked(tmp_path: Path) -> None:
    rows = [f"2026-10-01 08:{n:02},vitals-1,{n}" for n in range(60)]
    random.Random(1).shuffle(rows)
    table = csv(tmp_path, "\n".join(["time,device,spo2", *rows]), Within(at("10-01 08:10"), at("10-01 08:19")))
    assert [metrics["spo2"] for _, _, _, metrics in heard(table)] == list(range(10, 20))
    assert table.share_read == 1.0
    late = csv(tmp_path, "time,received,device,spo2\n2026-10-01 08:00,2026-10-01 09:00,vitals-1,97\n")
    [observation] = late.observations()
    assert observation.late_by_ms == 3_600_000


def test_every_wrong_row_is_named_with_what_was_expected(tmp_path: Path) -> None:
    table = csv(
        tmp_path,
        "time,device,kind,event,spo2,fill\n"
        "yesterday,vitals-1,,,97,\n"
        "2026-10-01 08:00,,,,97,\n"
        "2026-10-01 08:00,attic,,,97,\n"
        "2026-10-01 08:00,attic,vital_monitor,,97,\n"
        "2026-10-01 08:00,vitals-1,smoke,,97,\n"
        "2026-10-01 08:00,sos-1,,pres,,\n"
        "2026-10-01 08:00,vitals-1,,,low,\n"
        "2026-10-01 08:00,vitals-1,,,196,\n"
        "2026-10-01 08:00,vitals-1,,,nan,\n"
        "2026-10-01 08:00,vitals-1,,,97,80\n"
        "2026-10-01 08:00,vitals-1,,,97,,,surplus\n"
        "12,vitals-1,,,97,\n"
        "2026-10-01 08:00,vitals-1,,,97,\n",
    )
    found = wrong(table)
    assert table.findings.rows == 13
    assert table.findings.bad_rows == 12
    assert [(line, column) for line, column, _, _ in found] == [
        (2, "time"),
        (3, "device"),
        (4, "device"),
        (5, "kind"),
        (6, "kind"),
        (7, "event"),
        (8, "spo2"),
        (9, "spo2"),
        (10, "spo2"),
        (11, "fill"),
        (12, ""),
        (13, "time"),
    ]
    expected = [said for *_, said in found]
    assert expected[2] == "a registered device, or its kind in the column kind"
    assert "did you mean vitals_monitor?" in expected[3]
    assert "as the registry has vitals-1" in expected[4]
    assert "did you mean press?" in expected[5]
    assert expected[7] == "0 to 100 %"
    assert expected[9].startswith("nothing: vitals_monitor has")
    assert expected[11] == "an instant between 2000 and 2100 (milliseconds since the epoch)"


@pytest.mark.parametrize(
    ("text", "said_of_it"),
    [
        ("", "the column 'time' is missing; the column 'device' is missing"),
        ("time,device,sp02\n", "'sp02' is no column.*did you mean spo2?"),
        ("time,device,spo2,spo2\n", "the column 'spo2' stands there twice"),
        ('time,device,spo2\n"2026-10-01 08:00"x,vitals-1,97\n', "line 2"),
        ("time,device\n2026-10-01,\udcff\n", "line 2: expected UTF-8"),
    ],
)
def test_a_table_that_cannot_be_read_at_all(tmp_path: Path, text: str, said_of_it: str) -> None:
    path = tmp_path / "history.csv"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(HistoryError, match=said_of_it):
        list(CsvHistory(path, ALL, BEIJING, REGISTERED.get).observations())
    with pytest.raises(HistoryError, match="cannot be read: No such file"):
        list(CsvHistory(tmp_path / "other.csv", ALL, BEIJING, REGISTERED.get).observations())


def test_so_many_wrong_rows_are_told_and_all_are_counted(tmp_path: Path) -> None:
    table = csv(tmp_path, "time,device\n" + "x,y\n" * 1000)
    assert len(wrong(table)) == 100
    assert table.findings.bad_rows == 1000


# --- line protocol ----------------------------------------------------------------------------------------------------


def test_line_protocol_is_read_as_it_is_written(tmp_path: Path) -> None:
    wave = Waveform(name="ecg", lead="I", rate_hz=250, unit="mV", samples=(0.1, 0.2))
    history = [
        said("10-01 08:00", "vitals-1", spo2=97, pulse=70.5),
        said("10-01 08:01", "sos-1", "press", battery=80),
        Observation(
            message_id="x",
            device="room 5, left=1",
            kind="vitals_monitor",
            lane=Lane.ROUTINE,
            observed_at_ms=at("10-01 08:02"),
            received_at_ms=at("10-01 08:02"),
            metrics={"spo2": 88},
            waveform=wave,
        ),
    ]
    path = tmp_path / "history.lp"
    written = [line for one in history for line in lines(one)]
    path.write_text("\n".join(["# an export", *reversed(written), ""]), encoding="utf-8")
    source = LinesHistory(path, ALL, REGISTERED.get)
    assert heard(source) == [
        ("10-01 08:00:00", "vitals-1", None, {"spo2": 97, "pulse": 70.5}),
        ("10-01 08:01:00", "sos-1", "press", {}),
        ("10-01 08:01:00", "sos-1", None, {"battery": 80}),
        ("10-01 08:02:00", "room 5, left=1", None, {"spo2": 88}),
    ]
    assert source.findings.bad_rows == 0
    assert [note.code for note in source.notes()] == ["waveforms_left_out"]


def test_every_wrong_line_is_named_with_what_was_expected(tmp_path: Path) -> None:
    ns = at("10-01 08:00") * 1_000_000
    path = tmp_path / "history.lp"
    path.write_text(
        f"vitals_monitor,device=vitals-1 spo2=97i {ns}\n"
        "vitals_monitor,device=vitals-1 spo2=97\n"
        f"vitals_monitor,device=vitals-1 spo2=97 {at('10-01 08:00')}\n"
        f"vital_monitor,device=vitals-1 spo2=97 {ns}\n"
        f"vitals_monitor spo2=97 {ns}\n"
        f'vitals_monitor,device=vitals-1 spo2="a b" {ns}\n'
        f"event,device=sos-1,kind=sos_button value=1 {ns}\n"
        f"event,device=sos-1,kind=sos_button,event=pres value=1 {ns}\n"
        f"vitals_monitor,device=vitals-1 spo2 {ns}\n",
        encoding="utf-8",
    )
    source = LinesHistory(path, ALL, REGISTERED.get)
    assert [(line, column) for line, column, _, _ in wrong(source)] == [
        (2, "timestamp"),
        (3, "timestamp"),
        (4, "measurement"),
        (5, "tag device"),
        (6, "spo2"),
        (7, "event"),
        (8, "event"),
        (9, "fields"),
    ]
    assert source.findings.rows == 9
    assert source.findings.bad[1] == BadRow(
        line=3,
        column="timestamp",
        found=str(at("10-01 08:00")),
        expected="an instant between 2000 and 2100 (nanoseconds since the epoch)",
    )


# --- the telemetry store ----------------------------------------------------------------------------------------------


async def stored(directory: Path, history: Iterable[Observation], now_ms: int, later_ms: int | None = None) -> Settings:
    clock = HandClock(now_ms)
    store = EmbeddedStore(directory / "telemetry.db", clock)
    try:
        assert await store.write(list(history)) == []
        for clock.at in (now_ms, later_ms or now_ms):
            for _ in range(20):  # roll-ups and trimming go on in small steps beside writes
                await store.write([])
    finally:
        await store.close()
    return Settings(data_dir=directory)


def test_the_store_gives_values_and_events_at_their_times(tmp_path: Path) -> None:
    history = [
        said("10-01 08:00", "vitals-1", spo2=97, pulse=70),
        said("10-01 08:00", "sos-1", "press"),
        said("10-01 09:00", "vitals-1", spo2=88),
        said("10-01 09:30", "kiosk-1", temperature=30),
    ]
    now_ms = at("10-01 10:00")
    settings = asyncio.run(stored(tmp_path, history, now_ms))

    def source(within: Within) -> StoreHistory:
        return StoreHistory(lambda: open_past(settings, KINDS), within, REGISTERED.get, now_ms)

    everything = source(ALL)
    assert heard(everything) == [
        ("10-01 08:00:00", "sos-1", "press", {}),
        ("10-01 08:00:00", "vitals-1", None, {"spo2": 97, "pulse": 70}),
        ("10-01 09:00:00", "vitals-1", None, {"spo2": 88}),
    ]
    assert [note.code for note in everything.notes()] == ["store_has_device_times", "unregistered_left_out"]
    assert len(heard(source(Within(at("10-01 08:00:01"), at("10-01 09:00"))))) == 1
    with pytest.raises(HistoryError, match="no gateway has run with this data directory"):
        nothing = Settings(data_dir=tmp_path / "other")
        list(StoreHistory(lambda: open_past(nothing, KINDS), ALL, REGISTERED.get, now_ms).observations())


@pytest.mark.parametrize(
    ("stored_at", "values"), [("10-01 08:10", [90, 91, 92]), ("10-04 23:59", [90, 90, 90, 91, 92])]
)
def test_what_is_older_than_two_days_is_one_value_a_minute_and_that_is_said(
    tmp_path: Path, stored_at: str, values: list[float]
) -> None:
    """What came late stays as it is until its minute is computed."""
    history = [
        said(f"10-01 {time}", "vitals-1", spo2=value)
        for time, value in (("08:00:00", 90), ("08:00:20", 90), ("08:00:40", 90), ("08:01:00", 91), ("08:02:00", 92))
    ]
    now_ms = at("10-05 00:00")
    settings = asyncio.run(stored(tmp_path, history, at(stored_at), now_ms))
    source = StoreHistory(lambda: open_past(settings, KINDS), ALL, REGISTERED.get, now_ms)
    assert [metrics["spo2"] for _, _, _, metrics in heard(source)] == values
    assert "store_is_coarse" in {note.code for note in source.notes()}


# --- the order of time ------------------------------------------------------------------------------------------------


def test_sorting_in_pieces_is_sorting() -> None:
    draw = random.Random(2)
    history = [
        said(
            f"10-01 {draw.randrange(24):02}:{draw.randrange(60):02}",
            "sos-1" if draw.random() < 0.3 else "vitals-1",
            event,
        )
        for event in [draw.choice([None, "online"]) for _ in range(1000)]
    ]
    whole = list(in_order(history))
    assert whole == sorted(history, key=lambda one: (one.received_at_ms, one.lane is not Lane.URGENT))
    for at_once in (1, 7, 250, 1000, 1001):
        assert list(in_order(history, at_once)) == whole
