"""Modbus: maps of registers, what registers mean, the master's turns, and commands as writes."""

from __future__ import annotations

import contextlib
from collections import Counter
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.gear.messages import GearDevice, Reading, Said
from devices.gear.profile_error import ProfileError
from devices.kinds import KINDS
from devices.native import PROTOCOL_VERSION, Command, check_metric
from devices.observation import Refusal
from devices.profiles.modbus import MODBUS
from devices.profiles.modbus.bus import BACK_OFF_LONGEST_MS, REFUSED_AGAIN_MS, ModbusBus
from devices.profiles.modbus.map_reader import load_map
from devices.profiles.modbus.maps import MAPS, map_of
from devices.profiles.modbus.query import Answer, Excepted, Failure, NoAnswer, Query, Words
from devices.profiles.modbus.register_map import SPAN_MOST, Row, blocks
from tests.support.gear import Book

METER = GearDevice(id="meter-1", kind="meter", address="1", options={"map": "sdm120"})
CLIMATE = GearDevice(id="air-1", kind="environment", address="4", options={"map": "xy-md02"})
VALVE = GearDevice(id="valve-3", kind="valve", address="6", part="3", options={"map": "waveshare-relay-d"})
COUNTER = GearDevice(id="road-1", kind="traffic_counter", address="5", options={"map": "ld120"})
WATER = GearDevice(id="water-1", kind="meter", address="3", options={"map": "ultrad"})
SILENT = NoAnswer(Failure.SILENT)


class Master:
    """A bus whose slaves answer as ``slaves`` says; time moves by hand."""

    def __init__(self, *devices: GearDevice, **options: str) -> None:
        self.bus = ModbusBus(options)
        self.book = Book(devices)
        self.now_ms = 0
        self.asked: list[Query] = []
        self.said: list[Said] = []
        self.faults: list[Refusal] = []
        self.registers: dict[int, dict[tuple[int, int], int]] = {}
        """Slave → (function, address) → content."""
        self.answers: dict[int, Answer] = {}
        """Slave → what it says to everything."""
        self.cost_ms = 500
        """What a silent slave costs."""

    def run(self, seconds: float) -> None:
        end_ms = self.now_ms + round(seconds * 1000)
        while True:
            query, trouble = self.bus.next(self.now_ms, self.book)
            self._take(trouble)
            if query is None:
                due_ms = self.bus.next_due_ms(self.now_ms)
                assert due_ms > self.now_ms
                if due_ms > end_ms:
                    break
                self.now_ms = due_ms
                continue
            self.asked.append(query)
            answer = self._answer(query)
            self.now_ms += self.cost_ms if isinstance(answer, NoAnswer) else 20
            self._take(self.bus.answered(answer, self.now_ms))
        self.now_ms = end_ms

    def _answer(self, query: Query) -> Answer:
        if query.slave in self.answers:
            return self.answers[query.slave]
        table = self.registers.get(query.slave)
        if table is None:
            return SILENT
        wanted = [(query.function, query.address + place) for place in range(query.count)]
        if any(one not in table for one in wanted):
            return Excepted(2)
        return Words(tuple(table[one] for one in wanted))

    def _take(self, reading: Reading) -> None:
        self.said += reading.said
        self.faults += reading.faults

    def metrics(self, device: GearDevice) -> dict[str, float]:
        found: dict[str, float] = {}
        for said in self.said:
            if said.device == device:
                found |= said.metrics
        return found


def put(function: int, at: int, *words: int) -> dict[tuple[int, int], int]:
    return {(function, at + place): word for place, word in enumerate(words)}


# --- maps -------------------------------------------------------------------------------------------------------------


def test_every_shipped_map_names_its_document_and_fits_its_kinds() -> None:
    assert {"sdm120", "sdm630", "xy-md02", "ultrad", "ld120", "waveshare-relay", "waveshare-relay-d"} == set(MAPS)
    for one in MAPS.values():
        assert len(one.source) > 20 and one.setting.baud >= 1200
        for kind, rows in one.kinds.items():
            assert {row.metric for row in rows.rows} <= set(KINDS[kind].metrics)
            assert set(rows.commands) <= set(KINDS[kind].commands)
            for block in blocks([(row.function, row.at(1), row.size) for row in rows.rows], one.span, one.gap):
                assert block.count <= one.span
    assert MODBUS.commands == {"plug": ("switch_off", "switch_on"), "valve": ("close", "open")}


GOOD = """\
model: M
zh: 表
source: a document
setting: 9600 8E1
kinds:
  meter:
    read:
      - {metric: voltage, function: 4, address: 0x10, type: u16, scale: 0.1, unit: V}
"""


@pytest.mark.parametrize(
    ("was", "now", "line", "said"),
    [
        ("voltage", "volts", 8, "did you mean"),
        ("unit: V", "unit: mV", 8, "expected V"),
        ("unit: V", "unit: V, order: low", 8, "unknown key"),
        ("function: 4", "function: 5", 8, "1 to 4"),
        ("type: u16", "type: bit", 8, "function 4 does not give bit"),
        ("0x10", "40001x", 8, "is no number"),
        ("0x10", "70000", 8, "out of range"),
        ("type: u16", "type: f32, increase: count", 8, "a counter of type f32"),
        ("9600 8E1", "9600", 4, "is no setting"),
        ("  meter:", "  metre:", 6, "no such kind"),
        ("model: M\n", "", 1, "missing or no text"),
        ("      - {metric: voltage, function: 4, address: 0x10, type: u16, scale: 0.1, unit: V}", "", 7, "a list"),
        ("unit: V}", "unit: V}\n    commands: {open: {function: 5, address: 0, value: 1}}", 9, "no such command"),
    ],
)
def test_a_mistake_in_a_map_is_named_with_its_line(was: str, now: str, line: int, said: str) -> None:
    load_map(GOOD, "good")
    with pytest.raises(ProfileError) as caught:
        load_map(GOOD.replace(was, now), "bad")
    assert said in str(caught.value)
    assert caught.value.line == line


def test_a_command_that_nobody_could_see_done_is_refused() -> None:
    text = """
model: M
zh: 阀
source: a document
setting: 9600 8N1
kinds:
  valve:
    read: [{metric: open, function: 1, address: 0}]
    commands: {close: {function: 5, address: 0, value: 0, confirm: {position: 0}}}
"""
    with pytest.raises(ProfileError, match="nobody would see it"):
        load_map(text, "bad")


def test_a_device_may_bring_its_own_map() -> None:
    own = GearDevice(id="own", kind="meter", address="9", options={"map": GOOD})
    master = Master(own)
    master.registers[9] = put(4, 0x10, 2305)
    master.run(1)
    assert master.metrics(own) == {"voltage": pytest.approx(230.5)}


@given(st.text(max_size=300))
@settings(deadline=None)
def test_no_text_makes_a_map_raise_anything_else(text: str) -> None:
    with contextlib.suppress(ProfileError):
        map_of(text + "\n")
    with pytest.raises(ProfileError):
        load_map(GOOD + text.replace("#", "") + "\n  ]", "fuzz")


# --- numbers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "words", "value"),
    [
        # XY-MD02's sheet: 0x131 is 30.5, 0xFF33 is -20.5 degrees.
        ({"type": "s16", "scale": 0.1}, (0x0131,), 30.5),
        ({"type": "s16", "scale": 0.1}, (0xFF33,), -20.5),
        ({"type": "u16"}, (0xFF33,), 65331),
        # Eastron, SDM320Y manual: 43 66 33 34 is 230.2 V.
        ({"type": "f32"}, (0x4366, 0x3334), 230.2),
        ({"type": "f32", "words": "low"}, (0x3334, 0x4366), 230.2),
        ({"type": "f32", "bytes": "low"}, (0x6643, 0x3433), 230.2),
        ({"type": "u32"}, (1, 2), 65538),
        ({"type": "s32"}, (0xFFFF, 0xFFFE), -2),
        ({"type": "u64"}, (0, 0, 1, 0), 65536),
        ({"type": "f64"}, (0x406C, 0xC666, 0x6666, 0x6666), 230.2),
        ({"type": "u16", "offset": -40.0, "scale": 0.5}, (100,), 10),
        ({"type": "u16", "none": frozenset({0x7FFF})}, (0x7FFF,), None),
        ({"type": "u16", "bit": 3}, (0b1000,), 1),
        ({"type": "u16", "bit": 3, "invert": True}, (0b1000,), 0),
        ({"type": "u16", "equals": frozenset({2, 3})}, (3,), 1),
        ({"type": "u16", "equals": frozenset({2, 3})}, (4,), 0),
        ({"type": "bit", "invert": True, "function": 2}, (0,), 1),
    ],
)
def test_what_registers_mean(row: dict[str, object], words: tuple[int, ...], value: float | None) -> None:
    one = msgspec.convert({"metric": "voltage", "function": 4, "address": 0} | row, Row)
    raw = one.raw(words)
    assert (None if raw is None else one.value(raw)) == (None if value is None else pytest.approx(value, abs=1e-4))


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(0, 400), st.integers(1, 4)), min_size=1, max_size=40))
@settings(deadline=None)
def test_blocks_hold_all_that_is_wanted_and_split_nothing(wanted: list[tuple[int, int, int]]) -> None:
    made = blocks(wanted, SPAN_MOST, 5)
    for function, address, size in wanted:
        assert any(
            block.function == function and block.address <= address and address + size <= block.address + block.count
            for block in made
        )
    assert all(block.count <= (2000 if block.function <= 2 else SPAN_MOST) for block in made)
    assert len(made) <= len(set(wanted))


def test_an_energy_meter_of_the_makers_table() -> None:
    master = Master(METER)
    table = {(4, address): 0 for address in range(0x60)}
    table |= put(4, 0, 0x4366, 0x3334) | put(4, 0x0C, 0x42C8, 0) | put(4, 0x46, 0x4248, 0)
    master.registers[1] = table
    master.run(1)
    assert master.metrics(METER) == {
        "voltage": pytest.approx(230.2, abs=1e-4),
        "current": 0,
        "power": 100,
        "power_factor": 0,
        "frequency": 50,
        "energy": 0,
    }
    assert [(one.address, one.count) for one in master.asked] == [(0, 32), (0x46, 4)]


def test_whole_and_broken_part_are_one_volume() -> None:
    master = Master(WATER)
    master.registers[3] = put(3, 0, 0, 450, 0, 123, 7, 0xA120) | put(3, 14, 0, 3612)
    master.run(1)
    assert master.metrics(WATER)["volume"] == pytest.approx(123 + (7 * 65536 + 0xA120) / 1e6)
    assert master.metrics(WATER)["flow_rate"] == pytest.approx(0.45)


def test_words_in_the_other_order_than_the_document_says() -> None:
    turned = GearDevice(id="m", kind="meter", address="1", options={"map": "sdm120", "words": "turned"})
    master = Master(turned)
    master.registers[1] = {(4, address): 0 for address in range(0x60)} | put(4, 0, 0x3334, 0x4366)
    master.run(1)
    assert master.metrics(turned)["voltage"] == pytest.approx(230.2, abs=1e-4)


def test_a_counter_gives_what_it_grew_by_and_survives_its_end_and_its_reset() -> None:
    master = Master(COUNTER)

    def count(value: int) -> None:
        master.registers[5] = put(2, 0, 0) | put(3, 9, value >> 16, value & 0xFFFF)
        master.said.clear()
        master.run(60)

    count(2**32 - 3)
    assert "flow" not in master.metrics(COUNTER), "the first reading says nothing of traffic"
    count(7)
    assert master.metrics(COUNTER)["count_car"] == 10
    assert master.metrics(COUNTER)["flow"] == pytest.approx(600, rel=0.02)
    count(0)
    assert "count_car" not in master.metrics(COUNTER), "it was set to 0: not four thousand million cars"
    count(4)
    assert master.metrics(COUNTER)["count_car"] == 4


@given(st.lists(st.integers(0, 0xFFFF), min_size=64, max_size=64))
@settings(deadline=None)
def test_whatever_registers_hold_becomes_values_or_none_and_raises_nothing(words: list[int]) -> None:
    devices = (METER, WATER, CLIMATE, COUNTER)
    master = Master(*devices)
    for device in devices:
        master.registers[int(device.address)] = {
            (function, address): words[address % 64] & (1 if function == 2 else 0xFFFF)
            for function in (2, 3, 4)
            for address in range(0x60)
        }
    master.run(130)
    for said in master.said:
        for key, value in said.metrics.items():
            try:
                check_metric(KINDS[said.device.kind], key, value)
            except Refusal as refusal:
                assert refusal.reason == "out_of_range"


# --- turns ------------------------------------------------------------------------------------------------------------


def test_each_slave_has_its_interval() -> None:
    quick = GearDevice(id="a", kind="environment", address="1", options={"map": "xy-md02", "every_s": "5"})
    slow = GearDevice(id="b", kind="environment", address="2", options={"map": "xy-md02", "every_s": "60"})
    master = Master(quick, slow)
    master.registers = {1: put(4, 1, 200, 500), 2: put(4, 1, 210, 510)}
    master.run(600)
    asked = Counter(query.slave for query in master.asked)
    assert asked[1] == pytest.approx(120, abs=2)
    assert asked[2] == pytest.approx(10, abs=1)


def test_a_dead_slave_does_not_slow_the_others() -> None:
    living = [
        GearDevice(id=f"s{n}", kind="environment", address=str(n), options={"map": "xy-md02", "every_s": "1"})
        for n in range(1, 6)
    ]
    dead = [
        GearDevice(id=f"d{n}", kind="environment", address=str(n), options={"map": "xy-md02", "every_s": "1"})
        for n in range(100, 103)
    ]
    master = Master(*living, *dead)
    master.registers = {n: put(4, 1, 200, 500) for n in range(1, 6)}
    master.run(30)
    master.asked.clear()
    master.run(600)
    asked = Counter(query.slave for query in master.asked)
    assert all(asked[n] > 550 for n in range(1, 6)), asked
    assert all(5 <= asked[n] <= 15 for n in range(100, 103)), "asked about once a minute, so that they are found again"


def test_never_two_dead_ones_in_a_row_while_a_living_one_is_due() -> None:
    devices = [
        GearDevice(id=f"s{n}", kind="environment", address=str(n), options={"map": "xy-md02", "every_s": "1"})
        for n in range(1, 12)
    ]
    master = Master(*devices)
    master.registers = {n: put(4, 1, 200, 500) for n in (1, 2, 3)}
    master.run(60)
    slaves = [query.slave for query in master.asked][len(devices) * 2 :]
    longest = run = 0
    for slave in slaves:
        run = 0 if slave <= 3 else run + 1
        longest = max(longest, run)
    assert longest <= 8, "only where no living one is due"


def test_three_visits_without_an_answer_are_silence_and_one_answer_is_presence() -> None:
    master = Master(CLIMATE)
    master.registers[4] = put(4, 1, 200, 500)
    master.run(1)
    assert [said.presence for said in master.said] == [True]
    master.answers[4] = SILENT
    master.run(65)
    assert [said.presence for said in master.said] == [True], "two visits may be chance"
    master.run(120)
    assert master.said[-1].presence is False
    assert master.bus.slaves[4].offline
    assert [fault.reason for fault in master.faults] == ["no_answer"], "said once, counted since"
    del master.answers[4]
    master.run(BACK_OFF_LONGEST_MS / 1000 + 5)
    assert master.said[-1].presence is True and master.said[-1].metrics["temperature"] == pytest.approx(20)


def test_a_slave_that_answered_is_asked_again_at_once_and_one_that_did_not_is_not() -> None:
    master = Master(CLIMATE)
    master.registers[4] = put(4, 1, 200, 500)
    master.run(1)
    master.asked.clear()
    master.answers[4] = NoAnswer(Failure.DAMAGED, "noise")
    master.run(31)
    assert len(master.asked) == 2
    master.run(31)
    assert len(master.asked) == 3


def test_a_register_that_the_device_does_not_have_costs_only_itself() -> None:
    master = Master(WATER)
    master.registers[3] = put(3, 0, 0, 450, 0, 123, 0, 0)
    master.run(599)
    assert master.metrics(WATER).keys() == {"flow_rate", "volume"}
    assert [fault.reason for fault in master.faults] == ["refused_by_device"]
    assert "illegal data address" in master.faults[0].hint and master.faults[0].device == "water-1"
    asked = Counter(query.address for query in master.asked)
    assert asked[0] == 2 and asked[14] == 1
    master.run(REFUSED_AGAIN_MS / 1000)
    assert Counter(query.address for query in master.asked)[14] == 2, "tried again: it may have new firmware"


@pytest.mark.parametrize(
    ("code", "word"),
    [(1, "illegal function"), (2, "illegal data address"), (3, "illegal data value"), (4, "server device failure")],
)
def test_exceptions_are_told_apart(code: int, word: str) -> None:
    master = Master(CLIMATE)
    master.answers[4] = Excepted(code)
    master.run(100)
    assert [word in fault.hint for fault in master.faults] == [True]
    assert master.said[-1].presence is True, "it answers, so it is there"


def test_a_busy_slave_is_asked_again_soon_and_is_a_fault_only_after_ten_times() -> None:
    master = Master(CLIMATE)
    master.answers[4] = Excepted(6)
    master.run(8)
    assert len(master.asked) > 6 and not master.faults
    master.run(8)
    assert ["busy" in fault.hint for fault in master.faults] == [True]


def test_a_device_that_is_registered_wrongly_is_named_and_the_others_are_read() -> None:
    wrong = [
        GearDevice(id="a", kind="meter", address="300", options={"map": "sdm120"}),
        GearDevice(id="b", kind="meter", address="2", options={"map": "sdm12"}),
        GearDevice(id="c", kind="valve", address="3", options={"map": "sdm120"}),
        GearDevice(id="d", kind="plug", address="4", part="9", options={"map": "waveshare-relay"}),
        GearDevice(id="e", kind="meter", address="5", options={"map": "sdm120", "words": "upside down"}),
    ]
    good = GearDevice(id="f", kind="environment", address="6", options={"map": "xy-md02"})
    master = Master(*wrong, good)
    master.registers[6] = put(4, 1, 200, 500)
    master.run(3)
    assert {fault.device for fault in master.faults} == {"a", "b", "c", "d", "e"}
    assert master.metrics(good)["humidity"] == pytest.approx(50)
    assert "did you mean sdm120" in next(fault.hint for fault in master.faults if fault.device == "b")


def test_the_registry_is_followed_while_it_runs() -> None:
    master = Master(CLIMATE)
    master.registers = {4: put(4, 1, 200, 500), 1: {(4, address): 0 for address in range(0x60)}}
    master.run(5)
    master.book.devices.append(METER)
    master.run(30)
    assert "voltage" in master.metrics(METER)
    master.book.devices.remove(CLIMATE)
    master.run(31)
    master.asked.clear()
    master.run(100)
    assert {query.slave for query in master.asked} == {1}
    assert set(master.bus.slaves) == {1}


def test_when_the_port_is_lost_all_behind_it_are_gone() -> None:
    master = Master(CLIMATE, METER)
    master.registers[4] = put(4, 1, 200, 500)
    master.run(1)
    assert {said.device.id: said.presence for said in master.bus.lost().said} == {"air-1": False, "meter-1": False}


# --- commands ---------------------------------------------------------------------------------------------------------


def command(name: str) -> Command:
    return Command(v=PROTOCOL_VERSION, id="c1", command=name)


def test_a_command_is_a_write_that_the_devices_own_registers_confirm() -> None:
    master = Master(VALVE)
    order = master.bus.order(VALVE, command("close"), 0)
    (publication,) = order.publications
    assert msgspec.json.decode(publication.payload, type=Query) == Query(slave=6, function=5, address=2, values=(0,))
    assert order.confirm == {"open": 0}


def test_after_a_write_the_slave_is_watched_closely() -> None:
    master = Master(CLIMATE)
    master.registers[4] = put(4, 1, 200, 500)
    master.run(1)
    master.asked.clear()
    master.bus.written(4, master.now_ms)
    master.run(28)
    assert len(master.asked) > 25
    master.run(10)
    master.asked.clear()
    master.run(29)
    assert len(master.asked) <= 1


@pytest.mark.parametrize(
    ("device", "name", "reason"),
    [
        (METER, "open", "unknown_command"),
        (VALVE, "switch_on", "unknown_command"),
        (GearDevice(id="x", kind="valve", address="0", options={"map": "waveshare-relay-d"}), "open", "malformed"),
    ],
)
def test_a_command_that_cannot_be_carried_out_is_refused(device: GearDevice, name: str, reason: str) -> None:
    with pytest.raises(Refusal) as caught:
        ModbusBus({}).order(device, command(name), 0)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("options", "named"), [({"baud": "fast"}, "baud"), ({"parity": "M"}, "parity"), ({"timeout_ms": "1"}, "timeout_ms")]
)
def test_a_wrong_option_is_named(options: dict[str, str], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        ModbusBus(options)


# --- the page ---------------------------------------------------------------------------------------------------------


def test_the_page_lists_every_map_as_it_is() -> None:
    page = (Path(__file__).parents[2] / "docs" / "devices" / "modbus.md").read_text(encoding="utf-8")
    table = page.partition("<!-- the maps: begin -->\n")[2].partition("<!-- the maps: end -->")[0]
    rows = [
        "| map | model | kinds | commands | from the factory | read every |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for key, one in MAPS.items():
        kinds = ", ".join(f"`{kind}`" for kind in sorted(one.kinds))
        known = sorted({command for rows_ in one.kinds.values() for command in rows_.commands})
        commands = " " + ", ".join(f"`{command}`" for command in known) if known else ""
        setting = f"{one.setting.baud} 8{one.setting.parity}{one.setting.stopbits}"
        rows.append(
            f"| `{key}` | {one.model} · {one.zh} | {kinds} |{commands} | {setting} | {one.every_ms // 1000} s |"
        )
    assert table.splitlines() == rows
    for key in (
        "function",
        "address",
        "type",
        "words",
        "bytes",
        "scale",
        "none",
        "bit",
        "equals",
        "increase",
        "stride",
    ):
        assert f"`{key}`" in page, key
