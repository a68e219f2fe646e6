"""State databases of both kinds, empty at the start of each test."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from gateway.state import tables as t
from gateway.state.db import open_database
from tests.support.outbox import postgres, postgres_bin

DATABASES = ["sqlite", "postgresql"] if postgres_bin() else ["sqlite"]


@pytest.fixture(scope="module")
def postgres_server() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as directory, postgres(Path(directory)) as url:
        yield url


@pytest.fixture(params=DATABASES)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sa.Engine]:
    """An empty state database, once of each kind."""
    if request.param == "sqlite":
        opened = open_database(f"sqlite:///{tmp_path / 'state.db'}")
    else:
        opened = open_database(request.getfixturevalue("postgres_server"))
        with opened.begin() as connection:
            names = ", ".join(table.name for table in t.metadata.sorted_tables)
            connection.exec_driver_sql(f"TRUNCATE {names} RESTART IDENTITY")
    yield opened
    opened.dispose()
