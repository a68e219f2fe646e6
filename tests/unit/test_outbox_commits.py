"""Commits that are shared: each piece of work fails alone, a database that fails fails all; nothing is half done."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from gateway.outbox.commits import Commits
from gateway.state import tables as t
from gateway.state.db import open_database, reading, writing


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sa.Engine]:
    opened = open_database(f"sqlite:///{tmp_path / 'state.db'}")
    yield opened
    opened.dispose()


def put(key: str, then: Callable[[], None] = lambda: None) -> Callable[[sa.Connection], str]:
    def work(connection: sa.Connection) -> str:
        connection.execute(sa.insert(t.meta).values(key=key, value="x"))
        then()
        return key

    return work


def kept(engine: sa.Engine) -> set[str]:
    with reading(engine) as connection:
        return set(connection.execute(sa.select(t.meta.c.key).where(t.meta.c.value == "x")).scalars())


def fails(error: Exception) -> Callable[[], None]:
    def then() -> None:
        raise error

    return then


async def together(engine: sa.Engine, commits: Commits, *works: Callable[[sa.Connection], str]) -> list[object]:
    """Have ``works`` wait for one turn: somebody else writes meanwhile."""
    taken, free = threading.Event(), threading.Event()

    def hold() -> None:
        with writing(engine):
            taken.set()
            free.wait(30)

    holder = threading.Thread(target=hold)
    holder.start()
    await asyncio.to_thread(taken.wait)
    waiting = [asyncio.create_task(commits.write(work)) for work in works]
    await asyncio.sleep(0)
    free.set()
    found = await asyncio.gather(*waiting, return_exceptions=True)
    holder.join()
    return list(found)


async def test_whoever_waits_shares_a_commit_and_one_that_fails_fails_alone(engine: sa.Engine) -> None:
    commits, begun = Commits(engine), []
    sa.event.listen(engine, "commit", lambda _: begun.append(1))
    found = await together(engine, commits, put("a"), put("b", fails(ValueError("b"))), put("c"))
    assert [found[0], type(found[1]), found[2]] == ["a", ValueError, "c"]
    assert kept(engine) == {"a", "c"}
    assert len(begun) <= 3, "that of who was before, and one or two for three"
    commits.close()


async def test_a_database_that_fails_under_one_fails_all_and_keeps_nothing(engine: sa.Engine) -> None:
    commits = Commits(engine)
    full = sa.exc.OperationalError("INSERT", {}, Exception("database or disk is full"))
    found = await together(engine, commits, put("a"), put("b", fails(full)), put("c"))
    shared = [one for one in found if isinstance(one, sa.exc.OperationalError)]
    assert found[1] in shared
    assert kept(engine) == {key for key, one in zip("abc", found, strict=True) if one == key}, "what was said is so"
    assert await commits.write(put("d")) == "d", "and it goes on"
    commits.close()


async def test_one_that_gave_up_waiting_keeps_nobody_from_theirs(engine: sa.Engine) -> None:
    commits = Commits(engine)
    task = asyncio.create_task(commits.write(put("a")))
    await asyncio.sleep(0)
    task.cancel()
    assert await commits.write(put("b")) == "b"
    assert "b" in kept(engine)
    commits.close()
