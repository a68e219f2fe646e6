"""NEWS2 against a plain table of it: every band edge, both scales, and never a total of a partial set."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Mapping

import pytest

from devices.observation import Lane, Observation
from gateway.alarms import AlarmChange
from gateway.rules.engine import Engine
from gateway.rules.forms import Fact, KnownDevice
from tests.support.watch_room import START, WatchRoom, rule

TABLE = """
respiration   | <=8  |       | 9-11      | 12-20     |           | 21-24   | >=25
spo2 1        | <=91 | 92-93 | 94-95     | >=96      |           |         |
spo2 2 air    | <=83 | 84-85 | 86-87     | >=88      |           |         |
spo2 2 oxygen | <=83 | 84-85 | 86-87     | 88-92     | 93-94     | 95-96   | >=97
oxygen        |      | 1     |           | 0         |           |         |
systolic      | <=90 | 91-100| 101-110   | 111-219   |           |         | >=220
pulse         | <=40 |       | 41-50     | 51-90     | 91-110    | 111-130 | >=131
consciousness |      |       |           | 0         |           |         | 1
temperature   | <=35.0 |     | 35.1-36.0 | 36.1-38.0 | 38.1-39.0 | >=39.1  |
"""
"""As it is printed: columns of 3 2 1 0 1 2 3 points."""
COLUMNS = (3, 2, 1, 0, 1, 2, 3)
WELL = {
    "respiration": 16.0,
    "spo2": 98.0,
    "oxygen": 0.0,
    "systolic": 128.0,
    "pulse": 72.0,
    "consciousness": 0.0,
    "temperature": 36.6,
}
ALL = {
    "respiration": [float(each) for each in range(1, 61)],
    "spo2": [float(each) for each in range(50, 101)],
    "oxygen": [0.0, 1.0],
    "systolic": [float(each) for each in range(50, 261)],
    "pulse": [float(each) for each in range(20, 201)],
    "consciousness": [0.0, 1.0],
    "temperature": [each / 10 for each in range(320, 425)],
}
EDGES = {
    "respiration": (8.0, 9.0, 11.0, 12.0, 20.0, 21.0, 24.0, 25.0),
    "spo2": (83.0, 84.0, 85.0, 86.0, 87.0, 88.0, 91.0, 92.0, 93.0, 94.0, 95.0, 96.0, 97.0),
    "oxygen": (0.0, 1.0),
    "systolic": (90.0, 91.0, 100.0, 101.0, 110.0, 111.0, 219.0, 220.0),
    "pulse": (40.0, 41.0, 50.0, 51.0, 90.0, 91.0, 110.0, 111.0, 130.0, 131.0),
    "consciousness": (0.0, 1.0),
    "temperature": (35.0, 35.1, 36.0, 36.1, 38.0, 38.1, 39.0, 39.1),
}
ROWS = {row.split("|")[0].strip(): [cell.strip() for cell in row.split("|")[1:]] for row in TABLE.strip().splitlines()}


def points(key: str, value: float, scale: int, oxygen: float) -> int:
    """The points of one parameter, read off the table."""
    row = ROWS[key if key != "spo2" else "spo2 1" if scale == 1 else f"spo2 2 {'oxygen' if oxygen else 'air'}"]
    for score, cell in zip(COLUMNS, row, strict=True):
        if not cell:
            continue
        low, high = (
            (float("-inf"), float(cell[2:]))
            if cell.startswith("<=")
            else (float(cell[2:]), float("inf"))
            if cell.startswith(">=")
            else (float(cell.split("-")[0]), float(cell.split("-")[-1]))
        )
        if low <= value <= high:
            return score
    raise AssertionError(f"{key} {value} has no band")


def expected(entered: Mapping[str, float], scale: int) -> str:
    single = [points(key, value, scale, entered["oxygen"]) for key, value in entered.items()]
    return f"{sum(single)} {max(single)}"


class Scorer:
    """The library's inputs and tables, asked for the total of every set: one resident each."""

    def __init__(self, scale: Fact | None) -> None:
        facts: dict[str, Fact] = {} if scale is None else {"resident.spo2_scale": scale}
        shown = {"zh": "{score} {score_highest}", "en": "{score}"}
        document = {"use": "news2-emergency", "examples": [], "for_s": None, "clear": None, "say": shown}
        total = rule(**document, id="total", when="score_missing == 0")
        self.engine = Engine([total], lambda id_: KnownDevice(id_, "vitals_monitor", "door", id_, facts=facts), {})
        self.asked = 0

    def of(self, entered: Mapping[str, float]) -> str:
        self.asked += 1
        told = self.enter(f"m{self.asked}", entered)
        return told[0].zh if told else ""

    def enter(self, device: str, entered: Mapping[str, float]) -> list[AlarmChange]:
        return self.engine.observe(
            Observation(
                message_id=f"{device}:1:{self.asked}",
                device=device,
                kind="vitals_monitor",
                lane=Lane.ROUTINE,
                observed_at_ms=START,
                received_at_ms=START,
                metrics=dict(entered),
            ),
            START,
        )


SCALES = (1, 2)


def wrong(scorer: Scorer, sets: Iterable[Mapping[str, float]], scale: int) -> list[str]:
    found = []
    for entered in sets:
        got = scorer.of(entered)
        if got != expected(entered, scale):
            found.append(f"{dict(entered)}: {got}, expected {expected(entered, scale)}")
    return found


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("oxygen", [0.0, 1.0])
@pytest.mark.parametrize("key", WELL)
def test_every_value_of_every_parameter(key: str, oxygen: float, scale: int) -> None:
    sets = [WELL | {"oxygen": oxygen, key: value} for value in ALL[key]]
    assert wrong(Scorer(float(scale)), sets, scale) == []


@pytest.mark.parametrize("scale", SCALES)
def test_band_edges_of_any_two_parameters_together(scale: int) -> None:
    sets = [
        WELL | {first: one, second: other}
        for first, second in itertools.combinations(WELL, 2)
        for one in EDGES[first]
        for other in EDGES[second]
    ]
    assert wrong(Scorer(float(scale)), sets, scale) == []


@pytest.mark.parametrize("scale", SCALES)
def test_whole_sets_of_band_edges(scale: int) -> None:
    draw = random.Random(2017)
    sets = [{key: draw.choice(EDGES[key]) for key in WELL} for _ in range(2000)]
    assert wrong(Scorer(float(scale)), sets, scale) == []


@pytest.mark.parametrize("scale", SCALES)
def test_no_partial_set_has_a_total(scale: int) -> None:
    scorer = Scorer(float(scale))
    for many in range(1, len(WELL)):
        for left_out in itertools.combinations(WELL, many):
            assert scorer.of({key: value for key, value in WELL.items() if key not in left_out}) == ""


@pytest.mark.parametrize(
    "artefact",
    [
        {"spo2": 0.0},
        {"pulse": 0.0},
        {"spo2": 0.0, "pulse": 0.0, "respiration": 0.0},
        {"probe_off": 1.0},
        {"signal_quality": 12.0},
        {"respiration": 0.0},
        {"diastolic": 125.0},
        {"temperature": 27.0},
    ],
)
def test_what_is_no_value_never_enters(artefact: dict[str, float]) -> None:
    assert Scorer(None).of(WELL | artefact) == ""


@pytest.mark.parametrize(("scale", "total"), [(None, "0 0"), (1.0, "0 0"), (2.0, "0 0"), (3.0, "0 0"), ("2", "")])
def test_a_scale_nobody_can_read_gives_no_total(scale: Fact | None, total: str) -> None:
    assert Scorer(scale).of(WELL) == total


NEWS2 = [rule(use=f"news2-{name}") for name in ("emergency", "urgent", "incomplete")]


def test_one_voice_for_each_set() -> None:
    """Of the three rules exactly the one that fits speaks, for whatever is entered."""
    draw = random.Random(5)
    counted = {"emergency": 0, "urgent": 0, "incomplete": 0, "": 0}
    for _ in range(300):
        entered = {key: draw.choice(EDGES[key]) for key in WELL if draw.random() < 0.97}
        room = WatchRoom(*NEWS2)
        told = room.says("monitor", "measurement", **entered) + room.forward(1500)
        oxygen = entered.get("oxygen", 0.0)
        single = [points(key, value, 1, oxygen) for key, value in entered.items()]
        if len(entered) < len(WELL):
            wanted = "incomplete" if max(single, default=0) == 3 else ""
        else:
            wanted = "emergency" if sum(single) >= 7 else "urgent" if sum(single) >= 5 or max(single) == 3 else ""
        counted[wanted] += 1
        assert told == ([f"raised news2-{wanted} resident:wang"] if wanted else []), entered
    assert min(counted.values()) > 10, "all four came up"
