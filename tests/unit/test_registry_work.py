"""The table of work in a community's files: what is shipped, what is laid over it, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.alarms import ALARM_TYPES
from gateway.cases.limits import Limit
from gateway.registry import store as registry_store
from gateway.registry.directory import CommunityDirectory
from gateway.registry.load import load_community, read_community
from gateway.registry.work import shipped
from gateway.state.db import open_database
from tests.support.homes import community, write_community


def problems(tmp_path: Path, *work: dict[str, Any], **more: Any) -> list[str]:
    document = community(1) | {"work": list(work)} | more
    read = read_community(write_community(tmp_path / "community.yaml", document))
    return [f"{one.key}: {one.message}" for one in read.problems if one.key.startswith(("work", "community"))]


def test_what_is_shipped_stands_on_its_own() -> None:
    rows = shipped()
    assert {"exposed_rubbish", "well_cover", "burst_pipe", "blocked_drain", "street_lamp", "noise", "parking"} <= set(
        rows
    )
    assert rows["exposed_rubbish"].limits.handle == Limit(amount=4, unit="working_hours")
    assert rows["illegal_building"].limits.handle == Limit(amount=15, unit="working_days")
    alarms = [alarm for row in rows.values() for alarm in row.alarms]
    assert len(alarms) == len(set(alarms))
    assert not [alarm for alarm in alarms if ALARM_TYPES[alarm].life_safety]


def test_a_community_lays_its_own_over_what_is_shipped(tmp_path: Path) -> None:
    document = community(1) | {
        "work": [
            {"use": "exposed_rubbish", "department": "环卫所", "limits": {"handle": "2 工作小时"}},
            {"use": "noise", "enabled": False},
            {"id": "cat", "zh": "猫上树", "en": "cat in a tree", "role": "guard", "alarms": ["bin_full"]},
        ]
    }
    document["community"]["office"] = {"hours": "08:30-12:00,14:00-18:00"}
    made = load_community(write_community(tmp_path / "community.yaml", document))
    engine = open_database(f"sqlite:///{tmp_path / 'state.db'}")
    registry_store.apply(engine, made, "test", 1)
    kept = registry_store.load(engine)
    engine.dispose()
    assert kept is not None and kept.work == tuple(sorted(made.work, key=lambda row: row.id))
    directory = CommunityDirectory(kept)
    assert "noise" not in directory.work and "parking" in directory.work
    rubbish = directory.work["exposed_rubbish"]
    assert (rubbish.department, rubbish.limits.handle) == ("环卫所", Limit(amount=2, unit="working_hours"))
    assert rubbish.limits.accept == shipped()["exposed_rubbish"].limits.accept, "mappings are merged"
    work = directory.work_of("bin_full")
    assert work is not None and work.id == "cat", "the community's own row goes before the shipped one"
    assert directory.calendar.office.day_ms == int(7.5 * 3_600_000)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"use": "rubish"}, "Anju ships no type of work"),
        ({"id": "x", "zh": "x", "en": "x"}, "give role"),
        ({"id": "x", "zh": "x", "en": "x", "role": "guard", "limits": {"handle": "soon"}}, "expected a time such as"),
        ({"id": "x", "zh": "x", "en": "x", "role": "guard", "alarms": ["boredom"]}, "unknown alarm type"),
        ({"id": "x", "zh": "x", "en": "x", "ladder": "nowhere"}, "there is no ladder nowhere"),
        ({"id": "x", "zh": "x", "en": "x", "role": "gaurd"}, "role gaurd is in no roster"),
        (
            {"id": "x", "zh": "x", "en": "x", "ladder": "life-safety", "limits": {"accept": "1 working hours"}},
            "has no office hours",
        ),
    ],
)
def test_what_is_wrong_is_said_with_what_to_do(tmp_path: Path, row: dict[str, Any], said: str) -> None:
    found = problems(tmp_path, row)
    assert any(said in one for one in found), found


def test_an_alarm_is_one_type_of_work(tmp_path: Path) -> None:
    rows = ({"id": f"w-{n}", "zh": "x", "en": "x", "role": "guard", "alarms": ["bin_full"]} for n in (1, 2))
    assert any("two types of work" in one for one in problems(tmp_path, *rows))


def test_office_hours_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    own = community(1)["community"]
    assert problems(tmp_path, community={**own, "office": {"hours": "22:00-06:00"}})
    assert problems(tmp_path, community={**own, "office": {"days": []}})
