"""What readings from the street mean: how a road flows and was congested; how full a bin is, when it was emptied."""

from __future__ import annotations

from pathlib import Path

from devices.observation import Lane, Observation
from devices.telemetry import Stamps
from devices.traffic import Level
from gateway.chronicle.street import OnStreet, Street, on_streets
from gateway.registry.directory import CommunityDirectory
from gateway.rules.library import library
from tests.support.registry import loaded

HOUR_S = 3600
WHERE = Stamps(community="tjh", grid="g3", building="pole-7", place="pole-7")
KNOWN = {
    "traffic-1": OnStreet("朝阳北路流量计", "第3网格", WHERE, 300, road_class="arterial"),
    "door-count": OnStreet("活动中心客流", "第3网格", WHERE, 300),
    "bin-1": OnStreet("第3网格厨余垃圾桶", "第3网格", WHERE, 4 * HOUR_S),
}


def said(device: str, at_s: float, kind: str = "traffic_counter", **metrics: float) -> Observation:
    at_ms = int(at_s * 1000)
    return Observation(
        message_id=f"{device}:{at_ms}", device=device, kind=kind, lane=Lane.ROUTINE,
        observed_at_ms=at_ms, received_at_ms=at_ms, metrics=metrics,
    )  # fmt: skip


def fields(street: Street, observation: Observation) -> dict[str, float | str]:
    (point,) = street.heard([observation])
    street.keep()
    return dict(point.fields)


def filled(street: Street, at_h: float, level: float) -> dict[str, float | str]:
    return fields(street, said("bin-1", at_h * HOUR_S, "waste_bin", fill=level))


def test_a_road_is_judged_by_its_class_and_carries_its_name_and_place() -> None:
    (point,) = Street(KNOWN.get).heard([said("traffic-1", 60, speed=18, flow=900, occupancy=31)])
    assert point.measurement == "road" and point.at_ns == 60_000_000_000
    assert point.tags == {
        "device": "traffic-1", "name": "朝阳北路流量计", "road_class": "arterial",
        "community": "tjh", "grid": "g3", "grid_name": "第3网格", "building": "pole-7", "place": "pole-7",
    }  # fmt: skip
    assert point.fields == {"level": Level.MODERATE, "speed": 18, "flow": 900, "occupancy": 31, "density": 50}


def test_congestion_is_counted_by_the_time_that_each_reading_is_about() -> None:
    street = Street(KNOWN.get)
    jam, free = {"speed": 12.0, "flow": 700.0, "occupancy": 40.0}, {"speed": 45.0, "flow": 700.0, "occupancy": 9.0}
    told = [fields(street, said("traffic-1", at_s, **m)) for at_s, m in ((0, jam), (60, jam), (180, jam), (240, free))]
    assert [one.get("congested_s") for one in told] == [None, 60, 120, 0]
    assert [one.get("lasted_s") for one in told] == [None, 60, 120, 60]


def test_a_gap_and_a_late_reading_are_no_congestion_that_anybody_saw() -> None:
    street = Street(KNOWN.get)
    for at_s in (0, 1000, 700):  # a gap longer than the counter's supervision, then one from within it
        assert "congested_s" not in fields(street, said("traffic-1", at_s, speed=5, flow=700))
    assert fields(street, said("traffic-1", 1060, speed=5, flow=700))["congested_s"] == 60


def test_an_empty_road_is_free_and_has_no_density() -> None:
    told = fields(Street(KNOWN.get), said("traffic-1", 0, flow=0, occupancy=0))
    assert told == {"level": Level.FREE, "flow": 0, "occupancy": 0}


def test_what_is_no_road_makes_no_point() -> None:
    street = Street(KNOWN.get)
    nothing = [
        said("door-count", 0, count_in=30),
        said("nobody-knows", 0, flow=30, speed=30),
        said("traffic-1", 0, battery=80),
        said("bin-1", 0, "camera", fps=25),
        said("bin-1", 0, "waste_bin", tilt=4),
    ]
    assert street.heard(nothing) == []


def test_the_same_readings_offered_again_make_the_same_points() -> None:
    street = Street(KNOWN.get)
    filled(street, 0, 70)
    batch = [said("bin-1", 1 * HOUR_S, "waste_bin", fill=88), said("bin-1", 2 * HOUR_S, "waste_bin", fill=3)]
    first = street.heard(batch)
    assert [point.fields.get("collected") for point in first] == [0, 1]
    assert street.heard(batch) == first, "the store did not take them"
    street.keep()
    assert filled(street, 3, 5)["collected"] == 0


def test_a_bin_says_when_it_will_be_full_by_how_it_has_filled() -> None:
    street = Street(KNOWN.get)
    assert filled(street, 0, 25) == {"fill": 25}
    assert "full_in_h" not in filled(street, 3, 31), "a morning is no day"
    assert filled(street, 6, 37)["full_in_h"] == 24  # 2 % an hour, 48 % to go
    assert filled(street, 9, 90)["full_in_h"] == 0


def test_a_fall_is_a_collection_and_the_filling_begins_anew() -> None:
    street = Street(KNOWN.get)
    told = [filled(street, at_h, level) for at_h, level in ((0, 60), (1, 88), (3, 90), (4, 5), (7, 11), (10, 17))]
    assert [one.get("collected") for one in told] == [None, 0, 0, 1, 0, 0]
    assert [one.get("full_s") for one in told] == [None, 0, 2 * HOUR_S, HOUR_S, 0, 0], "full until it was emptied"
    assert told[-1]["full_in_h"] == 34  # 12 % in six hours since, 68 % to go


def test_waste_that_settles_is_no_collection() -> None:
    street = Street(KNOWN.get)
    filled(street, 0, 60)
    assert filled(street, 1, 41)["collected"] == 0


def test_a_silence_of_a_bin_is_not_counted_as_full() -> None:
    street = Street(KNOWN.get)
    filled(street, 0, 95)
    assert "full_s" not in filled(street, 20, 96)


def test_after_it_was_emptied_a_bin_fills_as_it_did_before_until_more_is_known() -> None:
    street = Street(KNOWN.get)
    for at_h, level in ((0, 10), (4, 30), (8, 50)):  # 5 % an hour
        filled(street, at_h, level)
    assert filled(street, 9, 5)["full_in_h"] == 16  # 80 % to go


def test_a_bin_that_hardly_fills_is_not_full_within_a_week() -> None:
    street = Street(KNOWN.get)
    for at_h in (0, 4, 8):
        last = filled(street, at_h, 10)
    assert last["full_in_h"] == 7 * 24
    assert filled(street, 12, 10.1)["full_in_h"] == 7 * 24


def test_full_is_where_the_rule_says() -> None:
    assert library()["bin-full"]["when"] == "fill >= 85"


def test_of_counters_and_bins_of_one_name_each_has_its_own(tmp_path: Path) -> None:
    lines = """\
devices:
  - {id: tc-1, kind: traffic_counter, name: 流量计, place: b3, attributes: {road_class: branch}}
  - {id: tc-2, kind: traffic_counter, name: 流量计, place: grid}
  - {id: bin-1, kind: waste_bin, name: 厨余桶, place: grid, supervision_s: 7200}
"""
    directory = CommunityDirectory(loaded(tmp_path, ("devices:\n", lines)))
    found = on_streets(directory)
    assert {device: (one.name, one.road_class, one.grid_name, one.supervision_s) for device, one in found.items()} == {
        "tc-1": ("流量计 (tc-1)", "branch", "第3网格", 300),
        "tc-2": ("流量计 (tc-2)", "arterial", "第3网格", 300),
        "bin-1": ("厨余桶", "arterial", "第3网格", 7200),
    }
    assert found["tc-1"].stamps == Stamps("demo", "grid", "b3", "b3")
