"""Back-tests over small histories whose alarms one can work out by hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from devices.observation import Observation
from gateway.backtest.expectations import judge, parse
from gateway.backtest.job import Backtest, Cancelled
from gateway.backtest.model import Progress
from gateway.backtest.plan import Plan, in_force, tried, usual_outage_ms
from gateway.backtest.sources.history import Within
from gateway.backtest.span import instant
from gateway.registry.directory import CommunityDirectory
from gateway.registry.load import load_community
from tests.support.history import BEIJING, LOW, Told, at, backtested, brief, rules, said
from tests.support.homes import community, write_community


def spo2(*rows: tuple[str, float], device: str = "vitals-1") -> list[Observation]:
    return [said(when, device, spo2=value) for when, value in rows]


EVENING = spo2(
    ("10-01 20:00", 97),
    ("10-01 20:01", 89),
    ("10-01 20:02", 97),
    ("10-01 20:03", 88),  # 2 of 3: raises
    ("10-01 20:10", 91),
    ("10-01 20:11", 93),
    ("10-01 20:12", 94),  # 2 of 3 at 92 or more: clears
    ("10-02 07:00", 85),
    ("10-02 07:01", 85),  # raises again, and stands
)


def test_a_threshold_raises_clears_and_stands_at_the_end() -> None:
    result = backtested(EVENING, LOW, until="10-02 08:00")
    assert brief(result.alarms) == [
        ("low", "device:vitals-1", "10-01 20:03:00", "10-01 20:12:00", 0),
        ("low", "device:vitals-1", "10-02 07:01:00", "stands", 0),
    ]
    assert [one.stood_s for one in result.alarms] == [540, 3540]
    assert result.alarms[0].explanation == "spo2 88 < 90 in 2 of 3 readings (89, 97, 88)"
    summary = result.summary
    assert (summary.alarms, summary.open_at_end, summary.subjects, summary.repeats) == (2, 1, 1, 0)
    assert (summary.days, summary.alarms_per_day, summary.most_on_one_day) == (0.5, 2.0, 1)
    assert (summary.median_stood_s, summary.longest_stood_s) == (2040, 3540)
    assert [(day.date, day.alarms) for day in result.days] == [("2026-10-01", 1), ("2026-10-02", 1)]
    assert (result.observations, result.devices, result.bad_rows) == (9, 1, 0)


def test_days_without_alarms_are_days() -> None:
    result = backtested([*EVENING, said("10-05 12:00", "vitals-1", spo2=97)], LOW)
    assert [day.alarms for day in result.days] == [1, 1, 0, 0, 0]
    assert result.summary.alarms_per_day == pytest.approx(2 / result.summary.days, abs=0.001)


def test_what_comes_before_is_remembered_and_not_counted() -> None:
    asked = Within(at("10-01 20:03:30"), at("10-02 08:00"), 3_600_000)
    plan = Plan(
        rules=rules(LOW), history=Told(EVENING), within=asked, current=[(rule, "library") for rule in rules(LOW)]
    )
    result = Backtest(plan).run()
    assert [one.raised_at_ms for one in result.alarms] == [at("10-02 07:01")]
    assert (result.from_ms, result.summary.alarms, result.summary.open_at_end) == (at("10-01 20:03:30"), 1, 1)
    assert [(one.alarms, one.both, one.only_new, one.only_current) for one in result.comparisons] == [(1, 1, 0, 0)]


def test_a_press_ends_with_its_case_which_is_taken_to_last_an_hour_after_the_last_word() -> None:
    history = [
        said("10-01 08:00", "sos-1", "press"),
        said("10-01 08:30", "sos-1", "press"),  # within the case: said again
        said("10-01 09:31", "sos-1", "press"),  # its case is over since 09:30
        said("10-01 09:32", "sos-1", "cancel"),
        said("10-01 12:00", "sos-1", "press"),
    ]
    result = backtested(history, "sos-pressed", until="10-02 00:00")
    assert brief(result.alarms) == [
        ("sos-pressed", "device:sos-1", "10-01 08:00:00", "10-01 09:30:00", 1),
        ("sos-pressed", "device:sos-1", "10-01 09:31:00", "10-01 09:32:00", 0),
        ("sos-pressed", "device:sos-1", "10-01 12:00:00", "10-01 13:00:00", 0),
    ]
    assert [one.end for one in result.alarms] == ["case_over", "cancelled", "case_over"]
    longer = backtested(history, "sos-pressed", until="10-02 00:00", cases_last_ms=2 * 3_600_000)
    assert [one.repeats for one in longer.alarms] == [2, 0]


def test_silence_is_told_when_it_is_due_and_not_when_somebody_speaks_next() -> None:
    result = backtested(
        [said("10-01 08:00", "contact-1"), said("10-01 12:00", "contact-1")],
        {"use": "device-silent", "startup_grace_s": 0},
        until="10-01 15:00",
    )
    assert brief(result.alarms) == [
        ("device-silent", "device:contact-1", "10-01 10:00:00", "10-01 12:00:00", 0),
        ("device-silent", "device:contact-1", "10-01 14:00:00", "stands", 0),
    ]


def test_nobody_is_silent_while_the_gateway_was_off() -> None:
    history = [said("10-01 08:00", "contact-1"), said("10-02 08:00", "contact-1")]
    result = backtested(history, "device-silent", until="10-02 08:30", outage_ms=3_600_000)
    assert result.alarms == []
    assert [(one.from_ms, one.until_ms) for one in result.outages] == [(at("10-01 08:00"), at("10-02 08:00"))]
    after = backtested(history, "device-silent", until="10-03 08:00", outage_ms=3_600_000)
    assert (after.alarms, after.until_ms) == ([], at("10-02 08:00"))  # off again, and nobody knows until when


def test_the_new_and_the_current_side_by_side() -> None:
    history = [
        *EVENING,
        *spo2(("10-02 09:00", 84), ("10-02 09:01", 84), device="vitals-2"),  # both
        *spo2(("10-02 10:00", 89), ("10-02 10:01", 89), device="vitals-3"),  # only the current
        said("10-02 11:00", "vitals-4", spo2=84),  # only the new: one reading is enough for it
        said("10-02 11:01", "vitals-4", spo2=99),
    ]
    new = LOW | {"when": "spo2 < 86", "clear": "spo2 >= 90", "readings": {"count": 1, "of": 1}}
    current = [(rule, "library") for rule in rules(LOW)]
    result = backtested(history, new, until="10-02 12:00", current=current)
    [comparison] = result.comparisons
    assert comparison.against == "rules_in_force"
    assert (comparison.alarms, comparison.both, comparison.only_new, comparison.only_current) == (4, 2, 1, 2)
    assert [one.device for one in comparison.only_new_alarms] == ["vitals-4"]
    assert [one.device for one in comparison.only_current_alarms] == ["vitals-1", "vitals-3"]
    assert [rule.origin for rule in comparison.rules] == ["library"]


def test_what_a_community_has_in_force_comes_before_the_library(tmp_path: Path) -> None:
    document = community(1)
    document["rules"] = [LOW | {"version": 7}, {"use": "bp-crisis", "enabled": False}, {"use": "smoke-alarm"}]
    directory = CommunityDirectory(load_community(write_community(tmp_path / "community.yaml", document)))
    beside = in_force(rules(LOW), directory)
    assert [(rule.id, rule.version, origin) for rule, origin in beside] == [("low", 7, "registry")]
    library = in_force(rules(LOW), None)
    assert {origin for _, origin in library} == {"library"}
    assert {rule.raises.type for rule, _ in library} == {"vitals_abnormal"}


def test_subjects_have_their_names_and_only_the_devices_asked_for_count(tmp_path: Path) -> None:
    directory = CommunityDirectory(load_community(write_community(tmp_path / "community.yaml", community(2))))
    history = [said(f"10-01 08:0{n}", f"sos-{n}", "press") for n in (1, 2)]
    result = backtested(history, "sos-pressed", directory=directory)
    assert [one.subject for one in result.alarms] == ["resident:r-1", "resident:r-2"]
    assert result.alarms[0].subject_zh == directory.resident_name("r-1")
    assert [count.id for count in result.devices_most] == ["sos-1", "sos-2"]
    only = backtested(history, "sos-pressed", directory=directory, devices=frozenset({"sos-2"}))
    assert [one.device for one in only.alarms] == ["sos-2"]
    assert only.devices == 1


def test_how_long_nobody_is_heard_before_the_gateway_counts_as_off(tmp_path: Path) -> None:
    directory = CommunityDirectory(load_community(write_community(tmp_path / "community.yaml", community(2))))
    assert usual_outage_ms(directory, None) == 600_000  # a camera speaks every three minutes
    assert usual_outage_ms(directory, frozenset({"smoke-1", "smoke-2", "sos-1"})) == 7_200_000
    assert usual_outage_ms(directory, frozenset({"sos-1"})) is None
    assert usual_outage_ms(None, None) is None


WINDOW: dict[str, Any] = {
    "id": "window",
    "version": 1,
    "zh": "窗户久开",
    "en": "Window open too long",
    "form": "condition",
    "subject": "place",
    "inputs": {"open": {"kinds": ["contact"], "state": "open"}},
    "when": "open == 1",
    "for_s": 1200,
    "raises": {"type": "window_open", "severity": "service", "ladder": "service"},
}


def test_a_table_of_few_devices_is_no_gateway_that_did_not_run(tmp_path: Path) -> None:
    directory = CommunityDirectory(load_community(write_community(tmp_path / "community.yaml", community(2))))
    history = [said("10-01 08:00", "contact-1", "opened"), said("10-01 09:00", "contact-1", "closed")]
    usual = usual_outage_ms(directory, None)
    by_all = backtested(history, WINDOW, directory=directory, outage_ms=usual)
    assert (by_all.summary.alarms, len(by_all.outages)) == (0, 1)
    by_heard = backtested(history, WINDOW, directory=directory, outage_ms=usual, outage_by_heard=True)
    assert (by_heard.summary.alarms, by_heard.outages) == (1, [])
    assert by_heard.alarms[0].raised_at_ms == at("10-01 08:20")


def test_a_rule_that_took_nothing_of_the_history_says_so(tmp_path: Path) -> None:
    directory = CommunityDirectory(load_community(write_community(tmp_path / "community.yaml", community(2))))
    history = [said("10-01 08:00", "contact-1", "opened"), said("10-01 08:10", "contact-1", "closed")]
    assert backtested(history, WINDOW, directory=directory).notes == []
    kitchen = WINDOW | {"inputs": {"open": {**WINDOW["inputs"]["open"], "where": 'device.room == "kitchen"'}}}
    (note,) = backtested(history, kitchen, directory=directory).notes
    assert note.code == "rule_saw_nothing" and "window" in note.en
    assert [note.code for note in backtested(history, LOW).notes] == ["rule_saw_nothing"]
    assert backtested(spo2(("10-01 20:00", 97)), LOW).notes == []


def test_lists_are_bounded_and_counts_are_not() -> None:
    history = [said(f"10-{day:02} {hour:02}:00", "sos-1", "press") for day in range(1, 11) for hour in range(0, 24, 2)]
    result = backtested(history, "sos-pressed", alarms_shown=5)
    assert (len(result.alarms), result.alarms_left_out, result.summary.alarms) == (5, 115, 120)


def test_a_history_without_a_word_says_so() -> None:
    result = backtested([], LOW, until="10-01 08:00")
    assert result.summary.alarms == 0
    assert [note.code for note in result.notes] == ["nothing_heard"]


def test_what_a_rule_did_not_consider_is_counted() -> None:
    result = backtested([*EVENING, EVENING[-1]], LOW)
    assert result.skipped == {"low": {"overtaken": 1}}


def test_it_can_be_cancelled_and_says_how_far_it_is() -> None:
    told: list[Progress] = []

    class Slow(Told):
        def observations(self) -> Iterator[Observation]:
            for one in super().observations():
                self.findings.step()
                yield one
                job.cancel()

    job = Backtest(Plan(rules=rules(LOW), history=Slow(EVENING), within=Within(None, None)), on_progress=told.append)
    with pytest.raises(Cancelled):
        job.run()
    done: list[Progress] = []
    Backtest(Plan(rules=rules(LOW), history=Told(EVENING), within=Within(None, None)), on_progress=done.append).run()
    assert (done[-1].stage, done[-1].share, done[-1].observations) == ("done", 1.0, 9)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-10-01", "2026-10-01T00:00:00+08:00"),
        ("2026-10-01T08:30", "2026-10-01T08:30:00+08:00"),
        ("2026-10-01 08:30:15Z", "2026-10-01T16:30:15+08:00"),
        ("7d", "2026-10-01T12:00:00+08:00"),
        ("12h", "2026-10-08T00:00:00+08:00"),
    ],
)
def test_times_are_the_communitys(text: str, expected: str) -> None:
    now_ms = at("10-08 12:00")
    assert instant(text, BEIJING, now_ms) == instant(expected, BEIJING, now_ms)


def test_a_date_alone_is_the_end_of_that_day_where_an_end_is_asked_for() -> None:
    assert instant("2026-10-01", BEIJING, 0, end=True) == at("10-02 00:00") - 1
    for wrong in ("yesterday", "7w", "2026-13-01", "2026-10-01T25:00"):
        with pytest.raises(ValueError, match=r"expected a date .*7d"):
            instant(wrong, BEIJING, 0)


def test_expectations_say_what_is_broken_and_what_cannot_be_asked() -> None:
    result = backtested(EVENING, LOW)
    judged = judge(result, ["alarms>1", "alarms >= 3", "open_at_end==1", "only_new>0", "longest_stood_s<1"])
    assert [one.broken for one in judged] == [True, False, True, False, False]
    assert judged[0].value == 2
    with pytest.raises(ValueError, match=r"no figure alarm_per_day.*did you mean alarms_per_day"):
        parse("alarm_per_day>5")
    with pytest.raises(ValueError, match="such as alarms_per_day>5"):
        parse("many alarms")


def test_a_rule_that_is_switched_off_or_on_trial_is_tried_all_the_same() -> None:
    off = rules(LOW | {"enabled": False})
    plan = Plan(rules=tried(off), history=Told(EVENING), within=Within(None, None))
    assert Backtest(plan).run().summary.alarms == 2
    assert replace(plan, rules=off, history=Told(EVENING)).rules[0].enabled is False
