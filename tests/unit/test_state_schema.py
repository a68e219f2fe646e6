"""The migrations lead to exactly the tables that the code knows."""

from __future__ import annotations

import json
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext

from gateway.state import human_tables  # noqa: F401 - adds its tables to the metadata
from gateway.state.db import MIGRATIONS, open_database
from gateway.state.tables import metadata


def test_migrations_give_the_tables_of_the_code(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'state.db'}")
    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), metadata)
    assert differences == []


def test_alarms_that_stand_learn_whom_they_are_about(tmp_path: Path) -> None:
    """A database of before: an open alarm must be able to hold others back at once."""
    url = f"sqlite:///{tmp_path / 'state.db'}"
    engine = sa.create_engine(url)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
        for id_, cleared in ((1, "NULL"), (2, "5")):
            body = json.dumps({"device": "hub-1", "place": "door-1", "resident": None})
            connection.execute(
                sa.text(
                    "INSERT INTO alarms (id, rule, rule_version, subject, type, severity, observed_at_ms,"
                    " raised_at_ms, cleared_at_ms, case_id, body)"
                    f" VALUES ({id_}, 'r', 1, 's', 'x', 'urgent', 1, 1, {cleared}, 'c', :body)"
                ),
                {"body": body},
            )
        connection.commit()
    engine.dispose()
    engine = open_database(url)
    with engine.connect() as connection:
        rows = connection.execute(sa.text("SELECT device, place, resident FROM alarms ORDER BY id")).all()
    assert [tuple(row) for row in rows] == [("hub-1", "door-1", None), (None, None, None)]
    engine.dispose()


def test_opening_again_changes_nothing_and_commits_are_durable(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'state.db'}"
    open_database(url).dispose()
    engine = open_database(url)
    with engine.connect() as connection:
        assert connection.execute(sa.text("PRAGMA journal_mode")).scalar_one() == "wal"
        assert connection.execute(sa.text("PRAGMA synchronous")).scalar_one() == 2, (
            "FULL: a commit survives a power cut"
        )
