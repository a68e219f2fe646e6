"""Whom a device served when, as its life and the registry tell it."""

from __future__ import annotations

from pathlib import Path

from gateway.registry import desk
from gateway.registry.load import load_community
from gateway.registry.serving import Turn, life, load_lives
from gateway.registry.store import apply
from gateway.state.db import open_database, reading
from tests.support.registry import MORE, small

NEIGHBOUR = "  - {id: wang, name: 王强, home: b3-501, sex: male, birth_year: 1950}\ndevices:\n"
DEVICE = next(line for line in MORE.splitlines(keepends=True) if "sos-1" in line)


def test_a_device_is_handed_from_one_resident_to_another_and_taken_away(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'state.db'}")
    two = ("devices:\n", NEIGHBOUR)
    first = load_community(small(tmp_path / "one", two))
    apply(engine, first, "op", 1_000)
    apply(engine, load_community(small(tmp_path / "two", two, ("resident: li}", "resident: wang}"))), "op", 2_000)
    apply(engine, load_community(small(tmp_path / "three", two, (DEVICE, ""))), "op", 3_000)
    with reading(engine) as connection:
        assert load_lives(connection) == {"sos-1": [(0, "li"), (2_000, "wang"), (3_000, "")]}
    apply(engine, first, "op", 4_000)
    with reading(engine) as connection:
        assert load_lives(connection)["sos-1"] == [(0, "li"), (2_000, "wang"), (3_000, ""), (4_000, "li")]


def test_one_that_is_added_at_the_desk_served_nobody_before(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'state.db'}")
    apply(engine, load_community(small(tmp_path / "one")), "op", 1_000)
    device = desk.read_device({"id": "smoke-1", "kind": "smoke", "place": "b3-501", "resident": "li"})
    desk.carry_out(engine, desk.add(device), "op", 2_000)
    with reading(engine) as connection:
        assert load_lives(connection)["smoke-1"] == [(0, ""), (2_000, "li")]


def test_what_no_line_says_is_not_known() -> None:
    gone = Turn(10, None, "")
    assert life([gone], "") == [(0, None), (10, "")]
    assert life([Turn(5, "", None), gone], "") == [(0, ""), (5, None), (10, "")]
    assert life([Turn(5, "", None), Turn(8, "li", "wang")], "wang") == [(0, ""), (5, "li"), (8, "wang")]
