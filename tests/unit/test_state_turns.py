"""Threads that write to the state database take turns, in the order they came."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from gateway.state import db
from gateway.state import tables as t
from tests.support.eventually import eventually


def test_who_comes_first_writes_first(tmp_path: Path) -> None:
    engine = db.open_database(f"sqlite:///{tmp_path / 'state.db'}")
    order: list[str] = []

    def write(name: str) -> None:
        with db.writing(engine) as connection:
            connection.execute(sa.insert(t.meta).values(key=name, value=""))
            order.append(name)

    threads = [threading.Thread(target=write, args=(name,)) for name in ("first", "second", "third")]
    with db.writing(engine):
        for number, thread in enumerate(threads, 1):
            thread.start()
            eventually(lambda number=number: len(db._turns[engine]._waiting) == number)
    write("greedy")  # at once again: it must stand behind those who waited
    for thread in threads:
        thread.join()
    assert order == ["first", "second", "third", "greedy"]
    with db.reading(engine) as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(t.meta)).scalar_one() >= len(order)
    engine.dispose()


def test_a_writer_that_fails_does_not_block_the_next(tmp_path: Path) -> None:
    engine = db.open_database(f"sqlite:///{tmp_path / 'state.db'}")
    with pytest.raises(RuntimeError), db.writing(engine):
        raise RuntimeError("on purpose")
    with db.writing(engine) as connection:
        connection.execute(sa.insert(t.meta).values(key="after", value="1"))
    engine.dispose()
