"""New state databases of a test run: migrated for real once, and copied from then on."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest
import sqlalchemy as sa

from gateway.state import db


def migrate_once(directory: Path, patch: pytest.MonkeyPatch) -> None:
    """From now on `open_database` copies into a file of SQLite that is not there yet what the migrations made of one
    in ``directory``. Files that are there, PostgreSQL and other processes are migrated as ever."""
    migrate = db.migrate
    made = directory / "migrated.db"
    db.open_database(f"sqlite:///{made}").dispose()

    def copy_or_migrate(engine: sa.Engine) -> None:
        name = engine.url.database
        if engine.dialect.name != "sqlite" or not name or not _copied(made, Path(name)):
            migrate(engine)

    patch.setattr(db, "migrate", copy_or_migrate)


def _copied(made: Path, wanted: Path) -> bool:
    """False where a file is there already or cannot be. Two who open the same one at once never see half of it."""
    if wanted.exists() or not wanted.parent.is_dir():
        return False
    with tempfile.TemporaryDirectory(dir=made.parent) as directory:
        copy = Path(directory) / "copy.db"
        shutil.copyfile(made, copy)
        try:
            os.link(copy, wanted)
        except OSError:
            return False
    return True
