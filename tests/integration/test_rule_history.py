"""What every version of a rule said can be found, whoever brought it: files, the desk, a release before that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from gateway.registry import rule_desk, rule_history, store
from gateway.registry.rule_history import RuleLine
from gateway.registry.rule_text import read_draft
from gateway.state.db import MIGRATIONS, open_database
from tests.support.registry import loaded

NOW = 1_790_000_000_000
FIRST = "events: [press]"
SECOND = "events: [press, long_press]"


def life(engine: sa.Engine) -> list[RuleLine]:
    with engine.begin() as connection:
        return rule_history.read(connection, "sos-pressed")


def document(engine: sa.Engine, version: int, at_ms: int | None = None) -> Any:
    with engine.begin() as connection:
        found = rule_history.document(connection, "sos-pressed", version, at_ms)
    return None if found is None else rule_history.rule_of(found)


def edit(engine: sa.Engine, text: str, at_ms: int) -> None:
    draft, problems = read_draft(text)
    assert draft is not None, problems
    rule_desk.carry_out(engine, rule_desk.edit("sos-pressed", draft), "operator:wang", at_ms)


def text(events: str, version: int) -> str:
    return f"""\
id: sos-pressed
version: {version}
zh: 呼救
en: emergency call
form: event
kinds: [sos_button]
subject: resident
{events}
cancel_events: [cancel]
raises: {{type: personal_emergency, severity: emergency, ladder: life}}
"""


def test_applied_files_stand_in_it(database: sa.Engine, tmp_path: Path) -> None:
    store.apply(database, loaded(tmp_path / "a"), "operator:a", NOW)
    newer = loaded(tmp_path / "b", (FIRST, SECOND), ("version: 1", "version: 2"))
    store.apply(database, newer, "operator:b", NOW + 1000)
    store.apply(database, newer, "operator:c", NOW + 2000)
    assert [(line.what, line.version, line.actor) for line in life(database)] == [
        ("applied", 2, "operator:b"),
        ("applied", 1, "operator:a"),
    ]
    assert life(database)[0].summary == 'events ["press"] → ["press", "long_press"]'
    assert document(database, 1).events == ("press",)
    assert document(database, 2).events == ("press", "long_press")
    assert document(database, 3) is None


def test_files_that_give_one_version_two_texts_are_warned_of_and_told_apart_by_time(
    database: sa.Engine, tmp_path: Path
) -> None:
    store.apply(database, loaded(tmp_path / "a"), "operator:a", NOW)
    other = loaded(tmp_path / "b", (FIRST, SECOND))
    warned = store.plan(database, other).warnings
    assert warned == ("rule sos-pressed: version 1 said something else before; write version: 2",)
    store.apply(database, other, "operator:b", NOW + 1000)
    assert document(database, 1, NOW + 500).events == ("press",)
    assert document(database, 1).events == ("press", "long_press")


def test_a_rule_of_the_desk_stays_until_files_say_the_same(database: sa.Engine, tmp_path: Path) -> None:
    files = loaded(tmp_path / "a")
    store.apply(database, files, "operator:a", NOW)
    edit(database, text(SECOND, 1), NOW + 1000)
    plan = store.plan(database, files)
    assert not plan
    assert [(kept.section, kept.id, [field.field for field in kept.fields]) for kept in plan.kept] == [
        ("rules", "sos-pressed", ["version", "events"])
    ]
    written_down = loaded(tmp_path / "b", (FIRST, SECOND), ("version: 1", "version: 2"))
    assert store.apply(database, written_down, "operator:a", NOW + 2000).written_down == (("rules", "sos-pressed"),)
    back = store.apply(database, files, "operator:a", NOW + 3000)
    assert [changed.id for changed in back.changed] == ["sos-pressed"]
    assert [(line.what, line.version) for line in life(database)] == [("applied", 1), ("edited", 2), ("applied", 1)]


def test_a_deletion_stays_until_the_files_word_is_taken(database: sa.Engine, tmp_path: Path) -> None:
    files = loaded(tmp_path / "a")
    store.apply(database, files, "operator:a", NOW)
    rule_desk.carry_out(database, rule_desk.delete("sos-pressed"), "operator:wang", NOW + 1000)
    plan = store.apply(database, files, "operator:a", NOW + 2000)
    assert not plan
    assert [(kept.id, kept.deleted) for kept in plan.kept] == [("sos-pressed", True)]
    assert store.apply(database, files, "operator:a", NOW + 3000, take_file=True).added == (("rules", "sos-pressed"),)
    assert not store.plan(database, files).kept


def _as_that_release_had_it(connection: sa.Connection, newest: Path) -> None:
    connection.execute(sa.text("ATTACH :file AS newest"), {"file": str(newest)})
    for table in ("registry", "registry_revisions"):
        columns = ", ".join(column["name"] for column in sa.inspect(connection).get_columns(table))
        connection.execute(sa.text(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM newest.{table}"))
    connection.commit()
    connection.execute(sa.text("DETACH newest"))
    connection.commit()


def test_rules_of_a_release_without_a_history_stand_in_it_from_the_update_on(tmp_path: Path) -> None:
    newest = open_database(f"sqlite:///{tmp_path / 'newest.db'}")
    store.apply(newest, loaded(tmp_path / "a"), "operator:a", NOW)
    newest.dispose()
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'state.db'}")
    with engine.connect() as connection:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, "0003")
        _as_that_release_had_it(connection, tmp_path / "newest.db")
        command.upgrade(config, "head")
    (line,) = life(engine)
    assert (line.what, line.version, line.actor, line.at_ms) == ("applied", 1, "operator:a", NOW)
    assert document(engine, 1).events == ("press",)
