"""Applying a community: field-level differences, all or nothing, and the same community back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from gateway.cases.directory import Target
from gateway.cases.model import Case
from gateway.cases.policy import Ladder, Recipient, Rung
from gateway.registry import store
from gateway.registry.fields import FieldChange
from gateway.registry.model import Community
from gateway.registry.store import Changed
from gateway.state.db import open_database
from gateway.state.tables import cases, registry_revisions
from tests.support.registry import loaded, small, without

NOW = 1_790_000_000_000


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sa.Engine]:
    engine = open_database(f"sqlite:///{tmp_path / 'state.db'}")
    yield engine
    engine.dispose()


@pytest.fixture
def community(tmp_path: Path) -> Community:
    return loaded(tmp_path)


def by_id(community: Community) -> Community:
    """As the store gives it back: every section sorted by id."""
    sections = ("places", "people", "residents", "devices", "rules", "ladders", "rosters", "channels")
    return community.model_copy(
        update={name: tuple(sorted(getattr(community, name), key=lambda item: item.id)) for name in sections}
    )


def test_before_the_first_apply_there_is_nothing(engine: sa.Engine) -> None:
    assert store.load(engine) is None
    assert store.revision(engine) == 0


def test_what_is_applied_comes_back_with_the_order_of_contacts(engine: sa.Engine, community: Community) -> None:
    done = store.apply(engine, community, "operator:test", NOW)
    assert done.revision == store.revision(engine) == 1
    assert done.summary.startswith("community +1, emergency_line +1, places +4, people +2")
    assert store.load(engine) == by_id(community)
    with engine.connect() as connection:
        row = connection.execute(sa.select(registry_revisions)).mappings().one()
    assert (row["applied_at_ms"], row["actor"], row["summary"]) == (NOW, "operator:test", done.summary)


def test_the_same_again_is_no_change_and_no_revision(engine: sa.Engine, community: Community) -> None:
    store.apply(engine, community, "a", NOW)
    assert not store.plan(engine, community)
    assert not store.apply(engine, community, "a", NOW + 1)
    assert store.revision(engine) == 1


def test_changes_name_fields_with_before_and_after(engine: sa.Engine, community: Community, tmp_path: Path) -> None:
    store.apply(engine, community, "a", NOW)
    changed = loaded(
        tmp_path / "second",
        ("to: d}, {channel: messenger, to: d2}", "to: d2}"),
        ("after_s: 45", "after_s: 50"),
        ("phone: 000-4", "phone: 000-5"),
        ("devices:\n", "devices:\n  - {id: sos-2, kind: sos_button, place: town}\n"),
        ("{id: sos-1, kind", "{id: sos-9, kind"),
    )
    plan = store.plan(engine, changed)
    assert plan.added == (("devices", "sos-2"), ("devices", "sos-9"))
    assert plan.removed == (("devices", "sos-1"),)
    assert plan.changed == (
        Changed(
            "people",
            "daughter",
            (
                FieldChange("contacts[0].to", "d", "d2"),
                FieldChange("contacts[1].channel", "messenger", None),
                FieldChange("contacts[1].to", "d2", None),
            ),
        ),
        Changed("residents", "li", (FieldChange("phone", "000-4", "000-5"),)),
        Changed("ladders", "life", (FieldChange("rungs[1].after_s", 45, 50),)),
    )
    assert plan.summary == "people ~1, residents ~1, devices +2 -1, ladders ~1"
    store.apply(engine, changed, "a", NOW)
    assert store.load(engine) == by_id(changed)


def test_a_failure_in_the_middle_leaves_the_old_community(
    engine: sa.Engine, community: Community, tmp_path: Path
) -> None:
    store.apply(engine, community, "a", NOW)
    changed = loaded(tmp_path / "second", ("phone: 000-4", "phone: 000-5"), ("{id: sos-1, kind", "{id: sos-9, kind"))

    def fail(conn: object, cursor: object, statement: str, *rest: object) -> None:
        if statement.startswith("INSERT INTO registry_revisions"):
            raise OSError("disk full")

    sa.event.listen(engine, "before_cursor_execute", fail)
    with pytest.raises(OSError, match="disk full"):
        store.apply(engine, changed, "a", NOW)
    sa.event.remove(engine, "before_cursor_execute", fail)
    assert store.load(engine) == by_id(community)
    assert store.revision(engine) == 1


KILLED = """
import os, signal, sys
from pathlib import Path
import sqlalchemy as sa
from gateway.registry import store
from gateway.registry.load import load_community
from gateway.state.db import open_database

engine = open_database(sys.argv[1])
left = [int(sys.argv[3])]

def die(conn, cursor, statement, *rest):
    if statement.startswith(("INSERT INTO registry", "DELETE FROM registry")):
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

sa.event.listen(engine, "after_cursor_execute", die)
store.apply(engine, load_community(Path(sys.argv[2])), "a", 1)
"""


@pytest.mark.parametrize("statement", [1, 2, 3])
def test_killed_in_the_middle_the_old_community_stands(
    engine: sa.Engine, community: Community, tmp_path: Path, statement: int
) -> None:
    store.apply(engine, community, "a", NOW)
    main = small(tmp_path / "second", ("phone: 000-4", "phone: 000-5"), ("{id: sos-1, kind", "{id: sos-9, kind"))
    script = [sys.executable, "-c", KILLED, str(engine.url), str(main), str(statement)]
    died = subprocess.run(script, env={**os.environ}, check=False, capture_output=True, timeout=60)
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()
    assert store.load(engine) == by_id(community)
    assert store.revision(engine) == 1


def test_changes_seen_earlier_are_not_applied_over_newer_ones(engine: sa.Engine, community: Community) -> None:
    seen = store.plan(engine, community)
    store.apply(engine, without(community, "devices", "sos-1"), "somebody", NOW)
    with pytest.raises(store.RegistryMoved, match="revision 1, the changes were shown for 0"):
        store.apply(engine, community, "a", NOW, expect_revision=seen.revision)
    assert store.revision(engine) == 1


def test_removing_what_an_open_case_refers_to_is_warned_of_and_done(engine: sa.Engine, community: Community) -> None:
    store.apply(engine, community, "a", NOW)
    ladder = Ladder(id="life", rungs=(Rung(id="a", after_s=0, notify=(Recipient(family=True),)),))
    told = (Target(person="daughter", name="李雪"),)
    case = Case(
        id="c1", number="2026-0001", type="smoke", severity="emergency", device="sos-1", ladder=ladder, told=told
    )
    row = {"id": "c1", "number": "2026-0001", "stage": "opened", "open": True, "severity": "emergency"}
    with engine.begin() as connection:
        values = {"opened_at_ms": NOW, "version": 1, "body": case.model_dump_json(), "timeline_head": "-"}
        connection.execute(cases.insert().values(**row, **values, timeline_lines=0))
    less = without(without(community, "devices", "sos-1"), "people", "daughter")
    assert store.plan(engine, less).warnings == (
        "open case 2026-0001 refers to devices sos-1, which is removed",
        "open case 2026-0001 refers to people daughter, which is removed",
    )
    store.apply(engine, less, "a", NOW)
    assert store.load(engine) == by_id(less)


def test_another_community_is_warned_of(engine: sa.Engine, community: Community) -> None:
    store.apply(engine, community, "a", NOW)
    other = community.model_copy(update={"community": community.community.model_copy(update={"id": "other"})})
    assert store.plan(engine, other).warnings == (
        "the community's id changes from demo to other: devices must publish under anju/v1/other/",
    )
