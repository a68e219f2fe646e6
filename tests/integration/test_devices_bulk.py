"""A table of devices brought into the registry: all of it or nothing, and every fault by row and column."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest
import sqlalchemy as sa

from gateway.registry import bulk, desk, store
from gateway.registry.csvfile import Row, TableRefused, write_table
from gateway.registry.fields import FieldChange
from tests.support.registry import loaded

NOW = 1_790_000_000_000


@pytest.fixture
def applied(database: sa.Engine, tmp_path: Path) -> sa.Engine:
    store.apply(database, loaded(tmp_path / "files"), "operator:file", NOW)
    return database


def run(engine: sa.Engine, data: str, *, dry_run: bool = False, progress: bulk.Progress = iter) -> bulk.Imported:
    return bulk.import_table(engine, data.encode(), "operator:wang", NOW + 1, dry_run=dry_run, progress=progress)


def exported(engine: sa.Engine) -> str:
    community = store.load(engine)
    assert community is not None
    return write_table(community.devices)


THOUSAND = "id,kind,place,resident,serial\n" + "".join(f"smoke-{n},smoke,b3-501,li,S{n}\n" for n in range(1000))


def test_a_thousand_devices_in_one_revision_with_the_progress_shown(applied: sa.Engine) -> None:
    shown: list[int] = []

    def progress(rows: Sequence[Row]) -> Iterable[Row]:
        for row in rows:
            shown.append(row.number)
            yield row

    plan = run(applied, THOUSAND, dry_run=True)
    assert (plan.rows, len(plan.added), plan.changed, plan.unchanged) == (1000, 1000, (), 0)
    assert store.revision(applied) == 1, "a plan writes nothing"
    done = run(applied, THOUSAND, progress=progress)
    assert (done.done.revision, store.revision(applied)) == (2, 2)
    assert shown == list(range(2, 1002))
    again = run(applied, THOUSAND)
    assert (again.unchanged, store.revision(applied)) == (1000, 2)


def test_what_was_exported_changes_nothing_when_it_is_imported(applied: sa.Engine) -> None:
    run(applied, "id,kind,place,name_zh,supervision_s\nsmoke-1,smoke,b3,'=门,900\n")
    again = run(applied, exported(applied))
    assert (again.rows, again.unchanged, store.revision(applied)) == (2, 2, 2)


def test_changes_are_told_field_by_field(applied: sa.Engine) -> None:
    plan = run(applied, "id,supervision_s\nsos-1,900\n", dry_run=True)
    assert plan.changed == (store.Changed("devices", "sos-1", (FieldChange("supervision_s", None, 900),)),)


def test_one_bad_row_and_none_is_taken(applied: sa.Engine) -> None:
    with pytest.raises(TableRefused) as refused:
        run(applied, "id,kind,place\na,smoke,b3\nb,smok,b3\na,smoke,b3\nc,smoke,\n")
    assert [(fault.row, fault.column, fault.value) for fault in refused.value.faults] == [
        (3, "kind", "smok"),
        (4, "id", "a"),
        (5, "place", ""),
    ]
    assert store.revision(applied) == 1


def test_what_does_not_fit_the_community_is_told_by_its_row(applied: sa.Engine) -> None:
    with pytest.raises(TableRefused) as refused:
        run(applied, "id,kind,place,address\na,smoke,b3,x\nb,smoke,b4,\nc,smoke,b3,x\n")
    told = [(fault.row, fault.column, fault.value, fault.en.partition(";")[0]) for fault in refused.value.faults]
    assert told == [
        (3, "place", "b4", "there is no place b4"),
        (4, "address", "x", "x is the address of two devices"),
    ]
    assert '第 3 行 row 3, place "b4": 引用不存在 there is no place b4' in str(refused.value)


def test_faults_of_both_sorts_are_told_at_once(applied: sa.Engine) -> None:
    with pytest.raises(TableRefused) as refused:
        run(applied, "id,kind,place\na,smoke,nowhere\nb,smokey,b3\nc,smoke,b3\n")
    assert [(fault.row, fault.column) for fault in refused.value.faults] == [(2, "place"), (3, "kind")]
    assert store.revision(applied) == 1


def test_before_a_community_nothing_is_imported(database: sa.Engine) -> None:
    with pytest.raises(desk.NoCommunity):
        run(database, "id\n")
