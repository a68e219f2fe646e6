"""The catalogue of kinds: one vocabulary, sane ranges, texts for people, and states that say which event they make."""

from __future__ import annotations

import json
import keyword
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from devices.kind import HOUSEKEEPING, EventType, Kind, Metric, StateType, make_kind
from devices.kinds import KINDS
from devices.native import Message, decode
from devices.observation import Channel
from tests.support.native import Ref

GOLDEN = Path(__file__).parents[1] / "golden" / "native" / "accepted.json"
UNITS = {
    "%", "1", "/min", "/h", "/s", "s", "kbit/s",  # shares, counts, rates
    "m", "mm", "m3", "m3/h", "m/s", "km/h", "mm/h", "deg", "kg",
    "Cel", "hPa", "lx", "mm[Hg]", "mmol/L", "[ppm]", "[ppb]", "ug/m3",
    "V", "A", "W", "kW.h", "Hz", "dB", "dB/m", "dB[mW]", "dB[SPL]",
}  # fmt: skip
"""UCUM codes in use. A new one is a decision: is there none here that says the same?"""
SHARED_STATES = {"battery_low": "low_battery", "tampered": "tamper", "faulty": "fault", "mains_lost": "power_lost"}
CONTACT_ID = {100, 101, 110, 111, 114, 130, 131, 150, 151, 154, 162, 301, 350, 380, 383, 384, 406, 601, 616, 641}
every_kind = pytest.mark.parametrize("kind", [pytest.param(kind, id=key) for key, kind in KINDS.items()])


def rows(kind: Kind) -> Iterator[tuple[str, str, str]]:
    """Key, Chinese and English of everything that has a name."""
    yield kind.key, kind.zh, kind.en
    for table in (kind.metrics, kind.events, kind.commands, kind.waveforms, kind.states):
        for row in table.values():
            yield row.key, row.zh, row.en


# -- words -------------------------------------------------------------------------------------------------------------


@every_kind
def test_everything_has_a_chinese_and_an_english_name(kind: Kind) -> None:
    for key, zh, en in rows(kind):
        assert re.search(r"[\u4e00-\u9fff]", zh), f"{key}: {zh!r} is not Chinese"
        assert en.strip() and not re.search(r"[\u4e00-\u9fff]", en), f"{key}: {en!r} is not English"


@every_kind
def test_a_key_can_be_written_where_rules_and_profiles_are_written(kind: Kind) -> None:
    words = [key for key, _, _ in rows(kind)]
    words += [word for command in kind.commands.values() for word in command.args]
    for word in words:
        assert re.fullmatch(r"[a-z][a-z0-9_]{0,63}", word)
        assert yaml.safe_load(word) == word, f"{word} is a truth value in YAML"
        assert not keyword.iskeyword(word), f"{word} cannot stand in a condition"
        assert word not in {"min", "max", "abs", "has"}, f"{word} is a function of conditions"


def test_one_metric_has_one_unit_in_all_kinds() -> None:
    units: defaultdict[str, set[str]] = defaultdict(set)
    codes: defaultdict[str, set[str | None]] = defaultdict(set)
    for kind in KINDS.values():
        for row in kind.metrics.values():
            units[row.key].add(row.unit)
            codes[row.key].add(row.loinc)
    assert {key: found for key, found in units.items() if len(found) > 1} == {}
    # Body temperature has a code, the temperature of a room has none.
    assert {key for key, found in codes.items() if len(found) > 1} == {"temperature"}


def test_units_are_ucum_and_waveforms_are_volts_or_shares() -> None:
    assert {row.unit for kind in KINDS.values() for row in kind.metrics.values()} == UNITS
    assert {row.unit for kind in KINDS.values() for row in kind.waveforms.values()} == {"mV", "%"}


def test_one_event_is_one_thing_in_all_kinds() -> None:
    """Wording may fit the kind (a valve and a door open); the code goes to the alarm centre and must not differ."""
    codes: defaultdict[str, set[int | None]] = defaultdict(set)
    routine: defaultdict[str, set[bool]] = defaultdict(set)
    for kind in KINDS.values():
        for row in kind.events.values():
            codes[row.key].add(row.contact_id)
            routine[row.key].add(row.routine)
    assert {key for key, found in routine.items() if len(found) > 1} == set()
    # A door of the perimeter is not a valve; a burglary detector's movement is not a camera's.
    assert {key: found for key, found in codes.items() if len(found) > 1} == {
        "opened": {131, None},
        "motion": {130, None},
    }


def test_contact_id_codes_are_those_of_the_standard() -> None:
    used = {row.contact_id for kind in KINDS.values() for row in kind.events.values()} - {None}
    assert used == CONTACT_ID


@pytest.mark.parametrize(
    ("kind", "event", "code"),
    [
        ("sos_button", "press", 101),
        ("presence", "fall", 101),
        ("vitals_monitor", "cardiac_pattern", 100),
        ("smoke", "smoke", 111),
        ("heat", "heat", 114),
        ("gas", "gas", 151),
        ("co", "co", 162),
        ("leak", "leak", 154),
        ("waste_bin", "fire", 110),
        ("medication_box", "dose_missed", 641),
        ("gateway", "power_lost", 301),
    ],
)
def test_what_an_alarm_centre_must_understand_has_its_code_and_is_urgent(kind: str, event: str, code: int) -> None:
    row = KINDS[kind].events[event]
    assert row.contact_id == code
    assert not row.routine


# -- numbers -----------------------------------------------------------------------------------------------------------


@every_kind
def test_ranges_and_resolutions_are_sane(kind: Kind) -> None:
    for row in kind.metrics.values():
        assert 0 < row.resolution <= row.high - row.low, row.key
        if row.unit == "%":
            assert row.low == 0 and row.high <= 100, row.key
        if row.unit == "Cel":
            assert row.low >= -40 and row.high <= 200, row.key
        if row.key.startswith("count_") or row.unit in ("/min", "/h", "[ppm]", "[ppb]", "lx", "ug/m3"):
            assert row.low == 0, row.key
    for wave in kind.waveforms.values():
        assert wave.low < wave.high
        assert wave.samples_max * 10 < 65_536, "a strip fits into one message"


@every_kind
def test_a_message_can_carry_all_metrics_of_a_kind(kind: Kind) -> None:
    full = Message(v=1, boot=1, seq=1, metrics={row.key: row.high for row in kind.metrics.values()})
    assert len(full.metrics) <= 64
    for metrics in (full.metrics, {row.key: row.low for row in kind.metrics.values()}):
        payload = json.dumps({"v": 1, "boot": 1, "seq": 1, "metrics": metrics}).encode()
        decoded = decode(Ref("d-1", kind.key), Channel.TELEMETRY, payload, received_at_ms=1_790_000_000_000)
        assert decoded.faults == ()
        assert decoded.observation.metrics == metrics


@every_kind
def test_every_kind_must_be_heard_at_least_every_four_hours(kind: Kind) -> None:
    assert 60 <= kind.supervision_s <= 4 * 3600


@every_kind
def test_commands_choose_from_tables_without_doubles(kind: Kind) -> None:
    for command in kind.commands.values():
        for values in command.args.values():
            assert len(values) > 1
            assert len(set(values)) == len(values)


# -- states ------------------------------------------------------------------------------------------------------------


@every_kind
def test_a_state_is_a_metric_of_0_or_1_and_its_events_are_there(kind: Kind) -> None:
    for state in kind.states.values():
        metric = kind.metrics[state.key]
        assert (metric.low, metric.high, metric.unit) == (0, 1, "1")
        assert state.on is None or state.on in kind.events
        assert state.off is None or state.off in kind.events
        assert state.on is None or state.on != state.off


@every_kind
def test_what_the_hardware_can_say_off_the_shelf_gear_can_report(kind: Kind) -> None:
    """The event without the state could not be said by gear that reports states, and the other way round."""
    made = {event for state in kind.states.values() for event in (state.on, state.off)}
    for state, event in SHARED_STATES.items():
        assert (state in kind.states) == (event in kind.events), f"{state} and {event} go together"
        assert event not in kind.events or event in made
    if "self_test" in kind.events:
        assert "self_test" in made


@pytest.mark.parametrize("key", ["smoke", "heat", "gas", "co", "leak", "glass_break"])
def test_detectors_are_in_alarm_by_one_state(key: str) -> None:
    """A profile maps whatever a make calls it (``smoke``, ``gas``, ``water_leak``) onto ``alarm``."""
    state = KINDS[key].states["alarm"]
    assert (state.on, state.off) == (key, f"{key}_cleared")


def test_one_state_says_the_same_in_all_kinds() -> None:
    events: defaultdict[str, set[tuple[str | None, str | None]]] = defaultdict(set)
    for kind in KINDS.values():
        for state in kind.states.values():
            events[state.key].add((state.on, state.off))
    differing = {key for key, found in events.items() if len(found) > 1}
    # Each detector's alarm is its own event; a room is left by somebody, a motion detector only sees no more movement.
    assert differing == {"alarm", "occupied"}


def test_a_state_may_not_name_an_event_that_the_kind_does_not_have() -> None:
    opened = EventType(key="opened", zh="打开", en="opened")
    state = StateType(key="open", zh="开着", en="open", on="opened", off="closed")
    with pytest.raises(ValueError, match="kind hatch: state open names event closed"):
        make_kind("hatch", "舱口", "hatch", supervision_s=600, events=(opened,), states=(state,))


def test_a_state_and_a_metric_may_not_share_a_key() -> None:
    metric = Metric(key="open", unit="%", low=0, high=100, zh="开度", en="opening")
    state = StateType(key="open", zh="开着", en="open", on=None, off=None)
    with pytest.raises(ValueError, match="kind hatch: a key is given twice"):
        make_kind("hatch", "舱口", "hatch", supervision_s=600, metrics=(metric,), states=(state,))


# -- the whole ---------------------------------------------------------------------------------------------------------


@every_kind
def test_what_every_device_may_say_is_in_every_kind(kind: Kind) -> None:
    assert {row.key for row in HOUSEKEEPING} <= set(kind.metrics)
    assert {"online", "offline", "command_result"} <= set(kind.events)


def test_the_table_is_keyed_by_the_kinds_own_names() -> None:
    assert [kind.key for kind in KINDS.values()] == list(KINDS)
    modules = {path.stem for path in (Path(__file__).parents[2] / "devices" / "kinds").glob("*.py")}
    assert modules - {"__init__"} == set(KINDS), "one file a kind, named like it"


def test_every_kind_has_a_literal_message() -> None:
    vectors = json.loads(GOLDEN.read_text(encoding="utf-8"))
    assert {vector["device"]["kind"] for vector in vectors if not vector["faults"]} == set(KINDS)
