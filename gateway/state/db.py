"""Open the state database and bring its schema up to date.

SQLite runs with WAL and ``synchronous=FULL``: a committed decision survives a power cut. Transactions that write begin
with ``BEGIN IMMEDIATE`` so that a reader never turns into a writer that cannot commit.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.dialects import postgresql, sqlite

MIGRATIONS = Path(__file__).parent / "migrations"

GONE = {"connect_timeout": 10, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3} | {
    "tcp_user_timeout": 20_000
}
"""How soon a PostgreSQL whose machine is gone without a word is given up (libpq: seconds; the last: milliseconds). Left
to the system, a decision would wait a quarter of an hour for it, or two hours. What the URL says counts."""
HELD = "60s"
"""A transaction in which nothing is asked for so long is ended by PostgreSQL: its process stopped, and holds locks."""


def open_database(url: str) -> sa.Engine:
    """Connect to ``url`` (``sqlite:///path`` or ``postgresql+psycopg://…``) and migrate it to the newest schema.

    Raises sqlalchemy.exc.OperationalError when the database cannot be reached or written.
    """
    known = sa.make_url(url)
    patience = (
        {name: most for name, most in GONE.items() if name not in known.query}
        if known.get_backend_name() == "postgresql"
        else {}
    )
    # errors are logged; names and messages are not
    engine = sa.create_engine(known, hide_parameters=True, connect_args=patience)
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _sqlite_connect)
        sa.event.listen(engine, "begin", _sqlite_begin)
        _turns[engine] = _Turns()
    else:
        sa.event.listen(engine, "connect", _postgresql_connect)
    migrate(engine)
    return engine


def migrate(engine: sa.Engine) -> None:
    """Run the Alembic migrations up to head; does nothing on a current schema."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


class _Turns:
    """A lock that is handed to whoever has waited longest."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._taken = False
        self._waiting: deque[threading.Lock] = deque()

    def __enter__(self) -> None:
        with self._guard:
            if not self._taken:
                self._taken = True
                return
            mine = threading.Lock()
            mine.acquire()
            self._waiting.append(mine)
        mine.acquire()

    def __exit__(self, *_: object) -> None:
        with self._guard:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._taken = False


_turns: WeakKeyDictionary[sa.Engine, _Turns] = WeakKeyDictionary()


@contextmanager
def writing(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A transaction that writes. SQLite has one writer at a time, and lets those who wait try again at intervals: a
    busy writer would starve the others. So the threads of this process take turns, in the order they came."""
    with _turns.get(engine, nullcontext()), engine.begin() as connection:
        yield connection


@contextmanager
def reading(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A transaction that only reads: takes no write lock, sees one consistent state."""
    with engine.connect().execution_options(anju_read_only=True) as connection, connection.begin():
        yield connection


def insert(connection: sa.Connection, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that knows ON CONFLICT in the dialect at hand."""
    return insert_for(connection.dialect.name, table)


def insert_for(dialect: str, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
    """As `insert`, for statements that are made once and kept."""
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)


def _sqlite_connect(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # SQLAlchemy's begin event opens transactions, not the driver
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA busy_timeout=10000")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _postgresql_connect(connection: Any, _record: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SET idle_in_transaction_session_timeout = '{HELD}'")
    connection.commit()


def _sqlite_begin(connection: sa.Connection) -> None:
    read_only = connection.get_execution_options().get("anju_read_only", False)
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")
